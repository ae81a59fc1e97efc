#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Protected branches of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_protected_branches
short_description: Manage protected branches of GitLab projects
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Protects branches, changes their rules and takes them away, as a list over many projects, in one pass. A branch is never open while its rule is
    changed.
  - GitLab cannot change the levels of a rule. The module makes a stricter one of the name and C(***), by which nobody may do anything, replaces the
    rule under its cover and takes the cover away, so that nothing is open in between. If a request fails the old rule comes back; a cover that a killed
    run left is cleaned up by the next one.
  - A rule with levels for single users, groups or keys is left alone, or refused if it would have to be changed, because they would be lost.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
  - mlops.onprem.gitlab.projects
options:
  protected_branches:
    description: The rules to manage. Each name may be given once for each project.
    type: list
    elements: dict
    suboptions:
      project:
        description:
          - Full path of the project it is of, such as V(models/churn).
        type: str
        required: true
      name:
        description:
          - Name of the branch, which need not be there, or a wildcard such as V(release/*).
        type: str
        required: true
      push_access_level:
        description:
          - Who may push; V(maintainer) for a new rule unless given.
        type: str
        choices: [no_one, developer, maintainer, admin]
      merge_access_level:
        description:
          - Who may merge; V(maintainer) for a new rule unless given.
        type: str
        choices: [no_one, developer, maintainer, admin]
      allow_force_push:
        description:
          - Whether those who may push may force it; V(false) for a new rule unless given.
        type: bool
      code_owner_approval_required:
        description:
          - Whether code owners have to approve. Needs GitLab Premium or Ultimate; refused elsewhere.
        type: bool
  purge:
    description:
      - Also take away every rule that is not listed, of the projects that are listed or named by O(projects). Rules that a group gives stay.
      - Nothing that is named by no item and no such list is touched; with neither it is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Changes of a model come by merge request
  mlops.onprem.gitlab_protected_branches:
    protected_branches:
      - project: models/churn
        name: main
        push_access_level: no_one
        merge_access_level: developer
      - project: models/churn
        name: release/*

- name: Unprotect a branch
  mlops.onprem.gitlab_protected_branches:
    state: absent
    protected_branches:
      - project: models/churn
        name: release/*
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
      name: main
      result: created
gathered:
  description: What is on the server, in the form this module takes.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{project: models/churn, name: main, push_access_level: no_one, merge_access_level: maintainer, allow_force_push: false}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import PROTECTED_BRANCHES
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, PROTECTED_BRANCHES)


if __name__ == "__main__":
    main()
