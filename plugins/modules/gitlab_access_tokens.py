#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Access tokens of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_access_tokens
short_description: Manage access tokens of GitLab projects and groups
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, rotates, replaces, revokes and reads access tokens of projects and groups, as a list, in one pass.
  - GitLab tells the value of a token once. It is in the result of the run that made it, so the task has to say C(no_log=true), or it is refused;
    register the result and put the value where it is used.
  - A token that ends soon is rotated. GitLab cannot change the rights of a token, so that one of other scopes or another role is replaced by a new one
    and then revoked.
  - If the answer with a new value is lost, the module revokes what was made, and the next run makes another. A name stands for one token; where a
    killed run left two, both are replaced by one.
  - Needs a personal token; GitLab lets no project or group token make others.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
  - mlops.onprem.gitlab.groups
  - mlops.onprem.gitlab.projects
options:
  access_tokens:
    description: The tokens to manage. Each name may be given once for each project or group.
    type: list
    elements: dict
    suboptions:
      project:
        description:
          - Full path of the project it is of, such as V(models/churn). Either this or O(access_tokens[].group).
        type: str
      group:
        description:
          - Full path of the group it is of.
        type: str
      name:
        description:
          - Name. GitLab does not keep names apart, the module does.
        type: str
        required: true
      scopes:
        description:
          - Scopes, in any order, such as V(read_api) or V(write_repository). Needed for a new token.
        type: list
        elements: str
      access_level:
        description:
          - Role; V(maintainer) for a new one unless given. Not above your own.
        type: str
        choices: [guest, planner, reporter, developer, maintainer, owner]
      lifetime_days:
        description:
          - Days that a new or rotated token lives; V(90) unless given. GitLab allows 365.
        type: int
      rotate_before_days:
        description:
          - A token that ends in so many days or less is rotated; V(14) unless given. Less than O(access_tokens[].lifetime_days).
        type: int
  purge:
    description:
      - Also revoke every active token that is not listed, of the projects and groups that are listed or named by O(projects) and O(groups).
      - Nothing that is named by no item and no such list is touched; with neither it is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A token for the release, new before it ends
  mlops.onprem.gitlab_access_tokens:
    access_tokens:
      - project: models/churn
        name: release
        scopes: [read_api, read_repository]
        access_level: reporter
        lifetime_days: 180
        rotate_before_days: 30
  no_log: true
  register: tokens

- name: Revoke it
  mlops.onprem.gitlab_access_tokens:
    state: absent
    access_tokens:
      - project: models/churn
        name: release
"""

RETURN = r"""
results:
  description: One entry per item, in the order in which they were handled.
  returned: unless O(state=gathered)
  type: list
  elements: dict
  sample:
    - project: models/churn
      name: release
      result: created
  contains:
    project:
      description: The item's C(project).
      type: str
      returned: when the item has it
    group:
      description: The item's C(group).
      type: str
      returned: when the item has it
    name:
      description: The item's C(name).
      type: str
      returned: always
    result:
      description: V(created), V(updated), V(deleted), V(unchanged), V(failed), or V(skipped) after a failure.
      type: str
      returned: always
    token:
      description: The value of a token that this run has made. GitLab does not tell it again.
      type: str
      returned: when one was made
    expires_at:
      description: Its last day.
      type: str
      returned: when one was made
    why:
      description: Why it failed or was skipped, in the server's own words.
      type: str
      returned: when it failed or was skipped
gathered:
  description: What is on the server, in the form this module takes. Values are never there.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{project: models/churn, name: release, scopes: [read_api], access_level: reporter}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import ACCESS_TOKENS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, ACCESS_TOKENS)


if __name__ == "__main__":
    main()
