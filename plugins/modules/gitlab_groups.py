#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Groups of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_groups
short_description: Manage groups of GitLab
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads groups of GitLab, as a list, in one pass. Groups are named by their full path and may lie in each other.
  - A parent is made before what lies in it, and deleted after it. It is there already or in the list.
  - From GitLab 18 on, and with the Enterprise Edition before, a deleted group is only marked and renamed; GitLab removes it later. A marked group
    counts as not there.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
options:
  groups:
    description: The groups to manage. Each C(path) may be given once, whatever its case.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - Full path, such as V(models) or V(models/vision/defects). It cannot be changed, and a top-level one cannot be a number, which GitLab takes
            for an id.
        type: str
        required: true
      name:
        description:
          - Name that people see. The last part of the path for a new one unless given.
        type: str
      description:
        description:
          - Description.
        type: str
      visibility:
        description:
          - Who sees the group; V(private) for a new one unless given.
        type: str
        choices: [private, internal, public]
      project_creation_level:
        description:
          - Who may make projects in it.
        type: str
        choices: [noone, owner, maintainer, developer, administrator]
      subgroup_creation_level:
        description:
          - Who may make groups in it.
        type: str
        choices: [owner, maintainer]
      require_two_factor_authentication:
        description:
          - Whether members need a second factor.
        type: bool
      two_factor_grace_period:
        description:
          - Hours until the second factor is enforced.
        type: int
      request_access_enabled:
        description:
          - Whether users may ask for access.
        type: bool
      share_with_group_lock:
        description:
          - Whether sharing its projects with other groups is forbidden.
        type: bool
      lfs_enabled:
        description:
          - Whether its projects may use Git LFS.
        type: bool
      auto_devops_enabled:
        description:
          - Whether its projects use Auto DevOps.
        type: bool
      emails_enabled:
        description:
          - Whether e-mails are sent. Needs GitLab 16.9.
        type: bool
      mentions_disabled:
        description:
          - Whether mentioning the group notifies nobody.
        type: bool
      default_branch:
        description:
          - Default branch of new projects. Needs GitLab 16.11.
        type: str
      shared_runners_setting:
        description:
          - Whether the instance's runners serve its projects.
        type: str
        choices: [enabled, disabled_and_overridable, disabled_and_unoverridable]
      membership_lock:
        description:
          - Whether members can be added to the group only, not to its projects. Needs GitLab Premium or Ultimate, and one more request per group.
        type: bool
  within:
    description: Full paths of groups whose direct subgroups O(state=gathered) reads and O(purge) covers, even without items there.
    type: list
    elements: str
  purge:
    description:
      - Also delete every group that is not listed and lies directly in a group of O(within) or in the parent of a listed one.
      - Top-level groups are never purged, nor is a group that holds a listed one.
      - Nothing that is named by no item and no such list is touched; with neither it is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A group for models with a group for each team
  mlops.onprem.gitlab_groups:
    groups:
      - path: models
        description: Everything that is trained here
        visibility: internal
        project_creation_level: maintainer
      - path: models/vision
      - path: models/language
        visibility: internal

- name: No other groups in it
  mlops.onprem.gitlab_groups:
    purge: true
    groups:
      - path: models/vision
      - path: models/language

- name: Delete a group with what it holds
  mlops.onprem.gitlab_groups:
    state: absent
    groups:
      - path: models/language
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
    - path: models
      result: created
gathered:
  description: What is on the server, in the form this module takes.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{path: models, name: models, description: "", visibility: private}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import GROUPS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, GROUPS)


if __name__ == "__main__":
    main()
