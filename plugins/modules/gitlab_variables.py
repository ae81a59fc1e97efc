#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CI/CD variables of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_variables
short_description: Manage CI/CD variables of GitLab
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads CI/CD variables of projects, groups and the whole instance, as a list, in one pass.
  - A variable without O(variables[].project) and O(variables[].group) is one of the instance, which needs an administrator's token.
  - "Values can be read back and are compared, so that a changed one is found and sent without O(update_secret). Only the value of a hidden variable
    cannot: for those O(update_secret) counts."

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
  - mlops.onprem.gitlab.groups
  - mlops.onprem.gitlab.projects
  - mlops.onprem.fingerprint
options:
  variables:
    description: The variables to manage. Each key may be given once for each scope of a project or group, and for the instance.
    type: list
    elements: dict
    suboptions:
      project:
        description:
          - Full path of the project it is of, such as V(models/churn).
        type: str
      group:
        description:
          - Full path of the group it is of.
        type: str
      key:
        description:
          - Name. Letters, digits and C(_).
        type: str
        required: true
      environment_scope:
        description:
          - Environments that get it; V(*) unless given. The instance has none, and in a group it needs GitLab Premium or Ultimate; both are refused.
        type: str
      value:
        description:
          - Value, shown nowhere. Needed for a new variable.
        type: str
      masked:
        description:
          - Whether job logs hide the value, which then needs 8 characters or more on one line.
        type: bool
      hidden:
        description:
          - Whether the value can never be read again. Cannot be changed. Not of the instance. Needs GitLab 17.4.
        type: bool
      protected:
        description:
          - Whether only jobs of protected branches and tags get it.
        type: bool
      raw:
        description:
          - Whether C($) in the value means itself.
        type: bool
      variable_type:
        description:
          - Whether jobs get the value or the path of a file with it; V(env_var) for a new one unless given.
        type: str
        choices: [env_var, file]
      description:
        description:
          - Description, at whose end the fingerprint of a hidden value is kept. Needs GitLab 16.2.
        type: str
  purge:
    description:
      - Also delete every variable that is not listed, of the projects and groups that are listed or named by O(projects) and O(groups), and of the
        instance if one of it is listed.
      - Nothing that is named by no item and no such list is touched; with neither it is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: What pipelines need
  mlops.onprem.gitlab_variables:
    update_secret: when_changed
    fingerprint_key: "{{ vault_fingerprint_key }}"
    variables:
      - group: models
        key: MODEL_STORE
        value: https://nexus.example.org/repository/models
      - project: models/churn
        key: STORE_PASSWORD
        value: "{{ vault_store_password }}"
        hidden: true
        protected: true
      - project: models/churn
        key: THRESHOLD
        environment_scope: production
        value: "0.92"

- name: Read the variables of a project
  mlops.onprem.gitlab_variables:
    state: gathered
    projects: [models/churn]
"""

RETURN = r"""
results:
  description:
    - One entry per item, in the order in which they were handled, with what names the item.
    - C(result) is V(created), V(updated), V(deleted), V(unchanged), V(failed), or V(skipped) after a failure; C(why) is there when it failed or was skipped.
  returned: unless O(state=gathered)
  type: list
  elements: dict
  sample:
    - project: models/churn
      key: STORE
      environment_scope: "*"
      result: created
gathered:
  description: What is on the server, in the form this module takes. Values are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{project: models/churn, key: STORE, environment_scope: "*", masked: false, protected: false}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import VARIABLES
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, VARIABLES)


if __name__ == "__main__":
    main()
