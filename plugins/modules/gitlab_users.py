#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_users
short_description: Manage users of GitLab
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, blocks, deletes and reads users of GitLab, as a list, in one pass. Needs an administrator's token.
  - The user the task connects as is handled last and never deleted. Bots and GitLab's own users are not touched.
  - The fingerprint of a password is kept in O(users[].note), which only administrators see. A password has to follow the instance's rules, such as a
    minimal length;
  - GitLab asks a user whose password an administrator has set for another one at the next login.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
  - mlops.onprem.fingerprint
options:
  users:
    description: The users to manage. Each C(username) may be given once, whatever its case.
    type: list
    elements: dict
    suboptions:
      username:
        description:
          - Login name. It cannot be changed.
        type: str
        required: true
      name:
        description:
          - Name that people see. Needed for a new user.
        type: str
      email:
        description:
          - Primary e-mail address. Needed for a new user, and taken without asking for confirmation. GitLab keeps it in lower case.
        type: str
      password:
        description:
          - Password. A new user needs this, O(users[].reset_password) or O(users[].force_random_password); see O(update_secret) for one that is there.
        type: str
      state:
        description:
          - Whether the user can log in. A new user is V(active); GitLab refuses to deactivate a user who was active lately.
          - V(blocked_pending_approval) and V(ldap_blocked) are set by GitLab alone; they are gathered, and accepted for a user who is in that state.
        type: str
        choices: [active, blocked, deactivated, banned, blocked_pending_approval, ldap_blocked]
      admin:
        description:
          - Whether the user is an administrator.
        type: bool
      external:
        description:
          - Whether the user sees only what is shared with them.
        type: bool
      can_create_group:
        description:
          - Whether the user may make top-level groups.
        type: bool
      projects_limit:
        description:
          - How many personal projects the user may make.
        type: int
      private_profile:
        description:
          - Whether the profile is hidden.
        type: bool
      note:
        description:
          - Text for administrators.
        type: str
      skip_confirmation:
        description:
          - Whether the address of a new user counts as confirmed; V(true) unless given. Means nothing for a user who is there.
        type: bool
      reset_password:
        description:
          - Whether a new user gets a link for setting a password. Means nothing for a user who is there.
        type: bool
      force_random_password:
        description:
          - Whether a new user gets a random password that nobody knows. Means nothing for a user who is there.
        type: bool
  purge:
    description:
      - Also delete every user who is not listed, but for the one the task connects as, bots and GitLab's own.
      - An empty list is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: People, and a user for the build server whose password follows the vault
  mlops.onprem.gitlab_users:
    update_secret: when_changed
    fingerprint_key: "{{ vault_fingerprint_key }}"
    users:
      - username: ann
        name: Ann
        email: ann@example.org
        reset_password: true
      - username: jenkins
        name: Build server
        email: jenkins@example.org
        password: "{{ vault_gitlab_jenkins_password }}"
        projects_limit: 0

- name: Lock somebody out
  mlops.onprem.gitlab_users:
    users:
      - username: bob
        name: Bob
        email: bob@example.org
        state: blocked

- name: And out of the list of users
  mlops.onprem.gitlab_users:
    state: absent
    users:
      - username: bob
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
    - username: ann
      result: created
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{username: ann, name: Ann, email: ann@example.org, state: active, admin: false}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import USERS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, USERS)


if __name__ == "__main__":
    main()
