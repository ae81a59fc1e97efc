#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deploy keys of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_deploy_keys
short_description: Manage deploy keys of GitLab projects
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Adds, changes, removes and reads deploy keys of projects, as a list, in one pass.
  - One key may be used by many projects. GitLab keeps one title for it, so give the same title everywhere; whether it may push is each project's own.
    A key that another project has gets the title that is given here.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
  - mlops.onprem.gitlab.projects
options:
  deploy_keys:
    description: The keys to manage. Each key may be given once for each project; comments do not count.
    type: list
    elements: dict
    suboptions:
      project:
        description:
          - Full path of the project it is of, such as V(models/churn).
        type: str
        required: true
      key:
        description:
          - Public key as in a C(.pub) file. Only type and key count, because GitLab changes the comment.
        type: str
        required: true
      title:
        description:
          - Title. Needed for a new key.
        type: str
      can_push:
        description:
          - Whether the key may push; V(false) for a new one unless given.
        type: bool
  purge:
    description:
      - Also remove every key that is not listed, of the projects that are listed or named by O(projects).
      - Nothing that is named by no item and no such list is touched; with neither it is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The build server reads the project
  mlops.onprem.gitlab_deploy_keys:
    deploy_keys:
      - project: models/churn
        title: build server
        key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB jenkins@example.org
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
      key: ssh-ed25519 AAAA
      result: created
gathered:
  description: What is on the server, in the form this module takes.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{project: models/churn, key: ssh-ed25519 AAAA, title: build server, can_push: false}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import DEPLOY_KEYS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, DEPLOY_KEYS)


if __name__ == "__main__":
    main()
