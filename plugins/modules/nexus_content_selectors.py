#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Content selectors of Nexus as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nexus_content_selectors
short_description: Manage content selectors of Nexus
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads content selectors, as a list, in one pass.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.nexus
options:
  content_selectors:
    description: The content selectors to manage. Each C(name) may be given once.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the content selector.
        type: str
        required: true
      description:
        description:
          - Description.
        type: str
      expression:
        description:
          - Expression in CSEL. Needed for a new content selector.
        type: str
  purge:
    description:
      - Also delete every content selector that is not listed.
      - An empty list is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Select the models of one team
  mlops.onprem.nexus_content_selectors:
    content_selectors:
      - name: team-a-models
        description: Everything below /team-a-
        expression: format == "raw" and path =^ "/team-a-"
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
    - name: team-a-models
      result: created
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{name: team-a-models, expression: 'format == "raw"'}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._module import manage
from ansible_collections.mlops.onprem.plugins.module_utils._nexus import CONTENT_SELECTORS, NEXUS


def main():
    manage(NEXUS, CONTENT_SELECTORS)


if __name__ == "__main__":
    main()
