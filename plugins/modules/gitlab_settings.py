#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of GitLab as a mapping: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_settings
short_description: Manage settings of a GitLab instance
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Changes and reads the settings of the whole instance. Only what is given is touched, in one request, and nothing is sent when it is right. Needs an
    administrator's token.
  - GitLab ignores a setting that it does not have. The module names it instead, and a value of another type than the server's.
  - Settings that hold a secret, by their name, are compared if GitLab shows them and appear in no result.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.gitlab
options:
  settings:
    description:
      - Settings by the names that GitLab's API gives them. Free form because every version and edition has others; names and types are checked against
        the server's own list.
      - A null says nothing; empty text or an empty list clears a setting.
    type: dict
  state:
    description: V(present) changes what is given, V(gathered) reads all settings, or those that are given.
    type: str
    choices: [present, gathered]
    default: present
"""

EXAMPLES = r"""
- name: Nobody signs up, and hooks may call the local network
  mlops.onprem.gitlab_settings:
    settings:
      signup_enabled: false
      allow_local_requests_from_web_hooks_and_services: true
      outbound_local_requests_whitelist: [jenkins.example.org]
      default_project_visibility: private
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
    - name: signup_enabled
      result: updated
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: dict
  sample: {signup_enabled: false}
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import SETTINGS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, SETTINGS)


if __name__ == "__main__":
    main()
