#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Credentials of Jenkins as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jenkins_credentials
short_description: Manage credentials of Jenkins
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads credentials of the system's store and of folders, as a list, in one pass.
  - A credential that is there is changed in place, so that jobs never find it missing. Jenkins replaces the whole credential and never shows a secret,
    so every change carries the secrets; a change without them is refused before anything is written.
  - A secret that was changed by hand cannot be seen. A changed description, user name, scope or file name is.
  - Credentials of other types are neither gathered nor purged. Domains are not made.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.jenkins
  - mlops.onprem.fingerprint
options:
  credentials:
    description: The credentials to manage. Each C(id) may be given once in a domain of a store.
    type: list
    elements: dict
    suboptions:
      folder:
        description:
          - Full name of the folder whose store holds it. Without it, the system's store.
        type: str
      domain:
        description:
          - Domain of the store; V(_), the global one, unless given. It must be there.
        type: str
      id:
        description:
          - Identifier, by which jobs name it. Ids that differ in case are different.
        type: str
        required: true
      type:
        description:
          - Type. Needed for a new credential, and cannot be changed.
        type: str
        choices: [username_password, secret_text, secret_file, ssh_key, certificate]
      scope:
        description:
          - V(global) can be used by jobs, V(system) by Jenkins alone and not in folders; V(global) for a new one unless given.
        type: str
        choices: [global, system]
      description:
        description:
          - Description. The fingerprint, where one is kept, stands at its end.
        type: str
      username:
        description:
          - Of V(username_password), and V(ssh_key), the user name.
        type: str
      username_secret:
        description:
          - Of V(username_password), and V(ssh_key), whether the user name is masked in logs.
        type: bool
      file_name:
        description:
          - Of V(secret_file), the name of the file.
        type: str
      password:
        description:
          - Of V(username_password), and V(certificate), the password; of V(certificate) that of the key store.
        type: str
      secret:
        description:
          - Of V(secret_text), the secret.
        type: str
      content_base64:
        description:
          - Of V(secret_file), its content in base64.
        type: str
      private_key:
        description:
          - Of V(ssh_key), the private key as in a PEM file.
        type: str
      passphrase:
        description:
          - Of V(ssh_key), the passphrase of the key, if it has one. Empty text takes away one that is there.
        type: str
      keystore_base64:
        description:
          - Of V(certificate), the key store (PKCS#12) in base64.
        type: str
  folders:
    description:
      - Folders whose credentials are gathered or purged too, beside those that the items lie in. Empty text is the system's store.
    type: list
    elements: str
  purge:
    description:
      - Also delete every credential that is not listed and is in a store that an item is in or O(folders) names, whatever its domain.
      - An empty list without O(folders) is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Credentials that follow the vault
  mlops.onprem.jenkins_credentials:
    update_secret: when_changed
    fingerprint_key: "{{ vault_fingerprint_key }}"
    credentials:
      - id: gitlab
        type: username_password
        username: jenkins
        password: "{{ vault_gitlab_password }}"
        description: Reads the models' repositories
      - id: agents
        type: ssh_key
        scope: system
        username: jenkins
        private_key: "{{ vault_agents_key }}"
      - folder: vision
        id: store
        type: secret_text
        secret: "{{ vault_store_token }}"
"""

RETURN = r"""
results:
  description: One entry per item, in the order in which they were handled.
  returned: unless O(state=gathered)
  type: list
  elements: dict
  sample:
    - domain: _
      id: gitlab
      result: created
  contains:
    folder:
      description: Folder of the item.
      type: str
      returned: when it is in one
    domain:
      description: Domain of the item.
      type: str
      returned: always
    id:
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
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{domain: _, id: gitlab, type: username_password, scope: global, username: jenkins}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 4
"""

from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_kinds import CREDENTIALS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(JENKINS, CREDENTIALS)


if __name__ == "__main__":
    main()
