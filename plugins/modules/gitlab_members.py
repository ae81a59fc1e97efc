#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Members of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_members
short_description: Manage members of projects and groups of GitLab
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Adds, changes, removes and reads direct members of projects and groups, as a list, in one pass. Members that a project inherits are not seen.
  - The user the task connects as and the bots of access tokens are never removed.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
  - mlops.onprem.gitlab.groups
  - mlops.onprem.gitlab.projects
options:
  members:
    description: The members to manage. Each pair of a project or group and a user may be given once.
    type: list
    elements: dict
    suboptions:
      project:
        description:
          - Full path of the project it is of, such as V(models/churn). Either this or O(members[].group).
        type: str
      group:
        description:
          - Full path of the group it is of.
        type: str
      user:
        description:
          - Login name.
        type: str
        required: true
      access_level:
        description:
          - Role. Needed for a new member. Not below the one that the user inherits. V(minimal_access) needs GitLab Premium, V(planner) GitLab 17.7;
            GitLab itself refuses them elsewhere.
        type: str
        choices: [minimal_access, guest, planner, reporter, developer, maintainer, owner]
      expires_at:
        description:
          - Last day, such as V(2027-12-31); empty text takes it away.
        type: str
  purge:
    description:
      - Also remove every direct member who is not listed, of the projects and groups that are listed or named by O(projects) and O(groups).
      - The user the task connects as and bots stay.
      - Nothing that is named by no item and no such list is touched; with neither it is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Who works on what
  mlops.onprem.gitlab_members:
    members:
      - group: models
        user: ann
        access_level: maintainer
      - project: models/churn
        user: jenkins
        access_level: developer
        expires_at: "2027-12-31"

- name: Nobody else
  mlops.onprem.gitlab_members:
    purge: true
    members:
      - project: models/churn
        user: jenkins
        access_level: developer
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
      user: ann
      result: created
gathered:
  description: What is on the server, in the form this module takes.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{project: models/churn, user: ann, access_level: developer}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import MEMBERS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, MEMBERS)


if __name__ == "__main__":
    main()
