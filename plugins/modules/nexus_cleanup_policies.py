#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cleanup policies of Nexus as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nexus_cleanup_policies
short_description: Manage cleanup policies of Nexus
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads cleanup policies, as a list, in one pass.
  - Nexus has no public endpoint for them; C(/service/rest/internal/cleanup-policies) is used, as the pages of Nexus do.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.nexus
options:
  cleanup_policies:
    description: The cleanup policies to manage. Each C(name) may be given once.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the policy.
        type: str
        required: true
      format:
        description:
          - Format it is for, V(*) for all. Needed for a new policy.
        type: str
      notes:
        description:
          - Notes.
        type: str
      last_blob_updated_days:
        description:
          - Delete what was published more than so many days ago; V(0) takes the criterion away.
        type: int
      last_downloaded_days:
        description:
          - Delete what was last downloaded more than so many days ago; V(0) takes the criterion away.
        type: int
      release_type:
        description:
          - Which versions it is for; V(none) takes the criterion away.
        type: str
        choices: [none, RELEASES, PRERELEASES]
      asset_regex:
        description:
          - Delete what matches this expression; empty text takes the criterion away.
        type: str
      retain:
        description:
          - How many versions to keep; V(0) takes it away. Formats and databases differ in what they allow.
        type: int
      sort_by:
        description:
          - How versions are ordered for O(cleanup_policies[].retain).
        type: str
  purge:
    description:
      - Also delete every cleanup policy that is not listed.
      - An empty list is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Delete snapshots that nobody has fetched for a month
  mlops.onprem.nexus_cleanup_policies:
    cleanup_policies:
      - name: old-snapshots
        format: maven2
        release_type: PRERELEASES
        last_downloaded_days: 30
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
    - name: old-snapshots
      result: created
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{name: old-snapshots, format: maven2, last_downloaded_days: 30}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._module import manage
from ansible_collections.mlops.onprem.plugins.module_utils._nexus import CLEANUP_POLICIES, NEXUS


def main():
    manage(NEXUS, CLEANUP_POLICIES)


if __name__ == "__main__":
    main()
