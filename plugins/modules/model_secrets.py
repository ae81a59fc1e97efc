#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry of onboarded models and their secrets: documentation and one description; knows no product."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_secrets
short_description: Keep the models that were onboarded, and their secrets
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Keeps one file for each model in a folder of the controller, with the model's entry and its secrets, and makes secrets for models that have none.
    All models in one call.
  - A file is written whole or not at all, with mode 0600, in a folder with mode 0700. A folder or file that others may read is refused.
    Git ignores the folder, by a C(.gitignore) that is made where there is none.
  - A model stays where it was onboarded. Another C(team), C(project) or C(repository) than it was onboarded with is refused, before anything is written.
  - What is in the folder and not in O(models) is named and kept. It is the only copy of these secrets, so keep the folder in your backup.
  - The result holds secrets, so say C(no_log) on the task.
options:
  path:
    description: The folder. It is made when the first model is.
    type: path
    required: true
  models:
    description:
      - Entries as the filter P(mlops.onprem.models#filter) gives them; free form here, since the filter has checked them.
    type: list
    elements: dict
    default: []
  state:
    description:
      - V(present) makes what is missing and returns everything.
      - V(finished) notes that everything was made for O(started), whose replaced keys are then forgotten, and takes the files of O(removed) away.
    type: str
    choices: [present, finished]
    default: present
  rotate:
    description: Make new secrets for the models of O(only). Without names for all of them, and a new secret for the calls of GitLab.
    type: bool
    default: false
  only:
    description: Names of models to rotate.
    type: list
    elements: str
    default: []
  started:
    description: Names of models, with O(state=finished).
    type: list
    elements: str
    default: []
  removed:
    description: Names of models, with O(state=finished).
    type: list
    elements: str
    default: []
requirements:
  - cryptography (Python package, where the module runs)
attributes:
  check_mode:
    description: Can run in check mode. New secrets are then made for the plan of what follows, and written nowhere.
    support: full
  diff_mode:
    description: Shows nothing, since everything it writes is beside secrets.
    support: none
"""

EXAMPLES = r"""
- name: Secrets of all models
  mlops.onprem.model_secrets:
    path: /var/lib/mlops/models
    models: "{{ models | mlops.onprem.models(groups) }}"
  register: registry
  no_log: true

- name: New secrets for one of them
  mlops.onprem.model_secrets:
    path: /var/lib/mlops/models
    models: "{{ models | mlops.onprem.models(groups) }}"
    rotate: true
    only: [churn]
  register: registry
  no_log: true
"""

RETURN = r"""
models:
  description: Listed models and those off the list, each with C(entry), C(secrets), C(started), C(retired) (public keys that were replaced).
  returned: success
  type: list
  elements: dict
absent:
  description:
    - Models that are listed with C(state=absent) and still in the folder.
    - C(entry) is what was onboarded, with the line's C(state) and C(purge_project) and nothing else of it.
  returned: success
  type: list
  elements: dict
unlisted:
  description: Names in the folder that are not in O(models).
  returned: success
  type: list
  elements: str
made:
  description: Names that got their first secrets.
  returned: success
  type: list
  elements: str
rotated:
  description: Names that got new secrets.
  returned: success
  type: list
  elements: str
removed:
  description: Names whose files were taken away.
  returned: success
  type: list
  elements: str
hook_secret:
  description: Secret of GitLab's calls, one for the site.
  returned: O(state=present)
  type: str
fingerprint_key:
  description: Key of the fingerprints of secrets that cannot be read back, one for the site. It is never rotated.
  returned: O(state=present)
  type: str
"""

from ansible_collections.mlops.onprem.plugins.module_utils._model_secrets import secrets_of_models
from ansible_collections.mlops.onprem.plugins.module_utils._module import run


def main():
    names = {"type": "list", "elements": "str", "default": []}
    options = {
        "path": {"type": "path", "required": True},
        "models": {"type": "list", "elements": "dict", "default": []},
        "state": {"type": "str", "choices": ["present", "finished"], "default": "present"},
        "rotate": {"type": "bool", "default": False},
        "only": names,
        "started": names,
        "removed": names,
    }
    run(options, lambda module: secrets_of_models(module.params, write=not module.check_mode))


if __name__ == "__main__":
    main()
