#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders of Jenkins as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jenkins_folders
short_description: Manage folders of Jenkins
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads folders, as a list, in one pass; a folder before those in it.
  - A change edits Jenkins' own XML of the folder, so that its credentials, views and other properties stay.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.jenkins
options:
  folders:
    description: The folders to manage. Each C(name) may be given once, in whatever case.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Full name with the folders above, such as V(team/models). Jenkins takes names that differ in case for the same.
        type: str
        required: true
      display_name:
        description:
          - Name that is shown instead. Empty text takes it away.
        type: str
      description:
        description:
          - Description. Empty text takes it away.
        type: str
  within:
    description:
      - Folders whose folders are gathered or purged too, beside those that the items lie in. Empty text is the top.
    type: list
    elements: str
  purge:
    description:
      - Also delete every folder that is not listed and lies directly in a folder that an item lies in or O(within) names, B(with everything in it).
      - A folder that holds a listed one stays.
      - An empty list is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A folder for each team
  mlops.onprem.jenkins_folders:
    folders:
      - name: vision
        display_name: Computer vision
        description: Models that look at pictures
      - name: vision/archive

- name: Read what is in a folder
  mlops.onprem.jenkins_folders:
    state: gathered
    within: [vision]
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
    - name: vision
      result: created
gathered:
  description: What is on the server, in the form this module takes.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{name: vision, display_name: Computer vision, description: Models that look at pictures}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_items import FOLDERS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(JENKINS, FOLDERS)


if __name__ == "__main__":
    main()
