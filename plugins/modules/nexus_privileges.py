#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Privileges of Nexus as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nexus_privileges
short_description: Manage privileges of Nexus
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads privileges, as a list, in one pass.
  - Privileges that come with Nexus or with a repository are neither gathered nor purged.
  - A repository, content selector or script that does not exist is refused before anything is written.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.nexus
options:
  privileges:
    description: The privileges to manage. Each C(name) may be given once.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the privilege.
        type: str
        required: true
      type:
        description:
          - Type. Needed for a new privilege; it cannot be changed.
        type: str
        choices: [application, repository-admin, repository-content-selector, repository-view, script, wildcard]
      description:
        description:
          - Description.
        type: str
      actions:
        description:
          - Actions it allows; which ones fit depends on the type. For all types but V(wildcard).
        type: list
        elements: str
        choices: [READ, BROWSE, EDIT, ADD, DELETE, RUN, START, STOP, ASSOCIATE, DISASSOCIATE, ALL]
      pattern:
        description:
          - "Type V(wildcard) only. Pattern, such as V(nexus:settings:*)."
        type: str
      domain:
        description:
          - Type V(application) only. Domain, such as V(settings).
        type: str
      format:
        description:
          - Types on repositories only. Format, V(*) for all.
        type: str
      repository:
        description:
          - Types on repositories only. Name of the repository, V(*) for all.
        type: str
      content_selector:
        description:
          - Type V(repository-content-selector) only. Name of the content selector.
        type: str
      script_name:
        description:
          - Type V(script) only. Name of the script.
        type: str
  purge:
    description:
      - Also delete every privilege that is not listed and does not come with Nexus.
      - An empty list is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Read and write the models of one team
  mlops.onprem.nexus_privileges:
    privileges:
      - name: team-a-models
        type: repository-content-selector
        description: Models of team A
        actions: [READ, BROWSE, EDIT, ADD]
        format: raw
        repository: models
        content_selector: team-a-models
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
  sample: [{name: team-a-models, type: repository-content-selector, format: raw, repository: models}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._module import manage
from ansible_collections.mlops.onprem.plugins.module_utils._nexus import NEXUS, PRIVILEGES


def main():
    manage(NEXUS, PRIVILEGES)


if __name__ == "__main__":
    main()
