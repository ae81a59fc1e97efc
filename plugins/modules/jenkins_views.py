#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Views of Jenkins as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jenkins_views
short_description: Manage list views of Jenkins
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads list views at the top and in folders, as a list, in one pass.
  - Views of other types are refused, and neither gathered nor purged.
  - A change edits Jenkins' own XML of the view.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.jenkins
options:
  views:
    description: The views to manage. Each C(name) may be given once in a folder.
    type: list
    elements: dict
    suboptions:
      folder:
        description:
          - Full name of the folder it is in. Without it, at the top.
        type: str
      name:
        description:
          - Name of the view.
        type: str
        required: true
      description:
        description:
          - Description. Empty text takes it away.
        type: str
      jobs:
        description:
          - Names of the jobs it shows, as seen from its folder.
        type: list
        elements: str
      regex:
        description:
          - Jobs whose names match this Java regular expression are shown too. Empty text takes it away.
        type: str
      columns:
        description:
          - Its columns in order, of V(status), V(weather), V(job), V(last_success), V(last_failure), V(last_duration), V(last_stable) and V(build_button),
          - or the name of a plugin's class.
        type: list
        elements: str
      recurse:
        description:
          - Whether jobs in folders below are shown.
        type: bool
      filter_queue:
        description:
          - Whether the queue shows only what belongs to its jobs.
        type: bool
      filter_executors:
        description:
          - Whether only nodes that can run its jobs are shown.
        type: bool
  folders:
    description:
      - Folders whose views are gathered or purged too, beside those that the items are in. Empty text is the top.
    type: list
    elements: str
  purge:
    description:
      - Also delete every list view that is not listed and is in a folder that an item is in or O(folders) names.
      - An empty list without O(folders) is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: What runs at night
  mlops.onprem.jenkins_views:
    views:
      - name: Nightly
        regex: .*/nightly
        recurse: true
        columns: [status, job, last_success, last_duration]
      - folder: vision
        name: Training
        jobs: [train]
"""

RETURN = r"""
results:
  description: One entry per item, in the order in which they were handled.
  returned: unless O(state=gathered)
  type: list
  elements: dict
  sample:
    - name: Nightly
      result: created
  contains:
    folder:
      description: Folder of the item.
      type: str
      returned: when it is in one
    name:
      description: The item.
      type: str
      returned: always
    result:
      description: V(created), V(updated), V(deleted), V(unchanged), V(failed), or V(skipped) after a failure.
      type: str
      returned: always
    why:
      description: Why it failed or was skipped, in the server's own words.
      type: str
      returned: when it failed or was skipped
gathered:
  description: What is on the server, in the form this module takes.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{folder: vision, name: Training, jobs: [train], recurse: false}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 2
"""

from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_kinds import VIEWS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(JENKINS, VIEWS)


if __name__ == "__main__":
    main()
