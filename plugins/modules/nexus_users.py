#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users of Nexus as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nexus_users
short_description: Manage users of Nexus
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads the local users of Nexus, as a list, in one pass.
  - Users of other sources, such as LDAP, are not touched.
  - The user the task connects as is handled last and never deleted, so that it can change its own password.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.nexus
options:
  users:
    description: The users to manage. Each C(user_id) may be given once.
    type: list
    elements: dict
    suboptions:
      user_id:
        description:
          - Login name.
        type: str
        required: true
      first_name:
        description:
          - First name. Needed for a new user.
        type: str
      last_name:
        description:
          - Last name. Needed for a new user.
        type: str
      email:
        description:
          - E-mail address. Needed for a new user.
        type: str
      status:
        description:
          - Whether the user can log in; V(active) for a new one unless given.
        type: str
        choices: [active, disabled, locked, changepassword]
      roles:
        description:
          - Identifiers of roles. Nexus wants at least one.
        type: list
        elements: str
      password:
        description:
          - Password. Needed for a new user; see O(update_secret) for one that is there.
        type: str
  purge:
    description:
      - Also delete every local user that is not listed, except the one the task connects as.
      - An empty list is refused.
    type: bool
    default: false
  update_secret:
    description:
      - Nexus never shows a password, so this says when to send that of a user who is there.
      - V(on_create) never does, V(always) does in every run, which then always reports a change.
      - V(when_changed) tries to log in with the wanted password, one request per user, and sends it if that fails. A user who is disabled or
        locked cannot be tried and is left alone.
    type: str
    choices: [on_create, always, when_changed]
    default: on_create
"""

EXAMPLES = r"""
- name: A user for the deploy playbook, whose password follows the vault
  mlops.onprem.nexus_users:
    update_secret: when_changed
    users:
      - user_id: deploy
        first_name: Deploy
        last_name: Playbook
        email: deploy@example.org
        roles: [model-reader]
        password: "{{ vault_nexus_deploy_password }}"

- name: Replace the password that the installer made up
  mlops.onprem.nexus_users:
    username: admin
    password: "{{ initial_password }}"
    update_secret: always
    users:
      - user_id: admin
        password: "{{ vault_nexus_admin_password }}"
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
    - user_id: deploy
      result: created
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{user_id: deploy, first_name: Deploy, last_name: Playbook, email: deploy@example.org, status: active, roles: [model-reader]}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._module import manage
from ansible_collections.mlops.onprem.plugins.module_utils._nexus import NEXUS, USERS


def main():
    manage(NEXUS, USERS)


if __name__ == "__main__":
    main()
