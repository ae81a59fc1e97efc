#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roles of Nexus as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nexus_roles
short_description: Manage roles of Nexus
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads roles, as a list, in one pass.
  - Roles that come with Nexus are neither gathered nor purged.
  - A privilege or role that does not exist is refused before anything is written. Roles are made before those that contain them.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.nexus
options:
  roles:
    description: The roles to manage. Each C(id) may be given once.
    type: list
    elements: dict
    suboptions:
      id:
        description:
          - Identifier of the role.
        type: str
        required: true
      name:
        description:
          - Name that people see. Needed for a new role.
        type: str
      description:
        description:
          - Description.
        type: str
      privileges:
        description:
          - Names of privileges; an empty list takes all away.
        type: list
        elements: str
      roles:
        description:
          - Identifiers of roles it contains; an empty list takes all away.
        type: list
        elements: str
  purge:
    description:
      - Also delete every role that is not listed and does not come with Nexus.
      - An empty list is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Who deploys reads, who builds publishes
  mlops.onprem.nexus_roles:
    roles:
      - id: model-reader
        name: Reads models
        privileges: [nx-repository-view-raw-models-read]
      - id: model-publisher
        name: Publishes models
        privileges: [nx-repository-view-raw-models-add, nx-repository-view-raw-models-edit]
        roles: [model-reader]
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
    - id: model-reader
      result: created
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{id: model-reader, name: Reads models, privileges: [nx-repository-view-raw-models-read]}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._module import manage
from ansible_collections.mlops.onprem.plugins.module_utils._nexus import NEXUS, ROLES


def main():
    manage(NEXUS, ROLES)


if __name__ == "__main__":
    main()
