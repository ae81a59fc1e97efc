#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Blob stores of Nexus as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nexus_blobstores
short_description: Manage blob stores of Nexus
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads blob stores, as a list, in one pass.
  - Reads all with one request, and one more for each store whose O(blobstores[].path) is given.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.nexus
options:
  blobstores:
    description: The blobstores to manage. Each C(name) may be given once.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the blob store.
        type: str
        required: true
      type:
        description:
          - Kind of store; V(file) for a new one unless given. It cannot be changed.
          - V(group) and V(s3) are checked against the API description only, not run on a server.
        type: str
        choices: [file, group, s3]
      path:
        description:
          - Folder of a V(file) store, absolute or below the server's C(blobs) folder. Needed for a new one.
        type: str
      quota_type:
        description:
          - Soft quota that the server warns by; V(none) takes it away.
        type: str
        choices: [none, spaceRemainingQuota, spaceUsedQuota]
      quota_limit:
        description:
          - Bytes of the soft quota. Needed with O(blobstores[].quota_type).
        type: int
      members:
        description:
          - Stores of a V(group), in order. Needed for a new one.
        type: list
        elements: str
      fill_policy:
        description:
          - How a V(group) chooses a member; V(writeToFirst) for a new one unless given.
        type: str
        choices: [roundRobin, writeToFirst]
      s3_bucket:
        description:
          - Bucket of an V(s3) store. Needed for a new one; it cannot be changed.
        type: str
      s3_region:
        description:
          - Region of the bucket; V(DEFAULT) for a new one unless given.
        type: str
      s3_prefix:
        description:
          - Prefix of all keys in the bucket.
        type: str
      s3_endpoint:
        description:
          - URL of an S3 server other than Amazon's.
        type: str
      s3_force_path_style:
        description:
          - Whether the bucket's name is sent in the path.
        type: bool
      s3_access_key_id:
        description:
          - Access key.
        type: str
      s3_secret_access_key:
        description:
          - Secret of the access key. Every update of a store that has an access key needs it again.
        type: str
  purge:
    description:
      - Also delete every blob store that is not listed.
      - An empty list is refused.
    type: bool
    default: false
  update_secret:
    description:
      - V(on_create) sends secrets with a new object and with every update that something else causes.
      - V(always) sends them in every run, which then always reports a change.
    type: str
    choices: [on_create, always]
    default: on_create
"""

EXAMPLES = r"""
- name: A blob store for models, with a warning when 10 GB are left
  mlops.onprem.nexus_blobstores:
    blobstores:
      - name: models
        path: models
        quota_type: spaceRemainingQuota
        quota_limit: 10000000000

- name: Read all blob stores
  mlops.onprem.nexus_blobstores:
    state: gathered
  register: stores
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
    - name: models
      result: created
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{name: models, type: file, path: models}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._module import manage
from ansible_collections.mlops.onprem.plugins.module_utils._nexus import BLOBSTORES, NEXUS


def main():
    manage(NEXUS, BLOBSTORES)


if __name__ == "__main__":
    main()
