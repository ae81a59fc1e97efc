#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of the whole server: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nexus_settings
short_description: Manage settings of Nexus
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Anonymous access, realms, mail, base URL and licence of a Nexus server, in one pass, one request to read each one that is given.
  - The base URL is set by C(/v1/capabilities), and where a server does not have that yet by the interface of its own pages (3.71).
  - Access by REST to capabilities and the licence are checked against the API description only, not run on a server.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.nexus
options:
  anonymous:
    description: Access without login.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether it is allowed.
        type: bool
      user_id:
        description:
          - User whose roles apply.
        type: str
      realm:
        description:
          - Realm of that user.
        type: str
  base_url:
    description: Address that Nexus puts into links and e-mails.
    type: dict
    suboptions:
      url:
        description:
          - "The address, such as V(https://nexus.example.org). Needed when none is set."
        type: str
  email:
    description: Mail server.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether mail is sent; V(true) when it is set for the first time.
        type: bool
      host:
        description:
          - Mail server. Needed when none is set.
        type: str
      port:
        description:
          - Its port; V(25) when it is set for the first time.
        type: int
      username:
        description:
          - User at the mail server; empty text for none.
        type: str
      password:
        description:
          - Password at the mail server. Nexus keeps it over an update that does not send it.
        type: str
      from_address:
        description:
          - Sender. Needed when none is set.
        type: str
      subject_prefix:
        description:
          - Text before each subject.
        type: str
      start_tls:
        description:
          - Whether to use STARTTLS.
        type: bool
      start_tls_required:
        description:
          - Whether to insist on STARTTLS.
        type: bool
      ssl:
        description:
          - Whether to connect with TLS.
        type: bool
      ssl_check_server:
        description:
          - Whether the server's name must be that of its certificate.
        type: bool
      use_trust_store:
        description:
          - Whether to trust the certificates in the trust store of Nexus.
        type: bool
  eula:
    description: Licence of the Community Edition.
    type: dict
    suboptions:
      accepted:
        description:
          - Whether it is accepted. Nexus before 3.77 has none; there it counts as accepted.
          - Checked against the API description only, not run on a server.
        type: bool
  realms:
    description: Where users are looked up.
    type: dict
    suboptions:
      active:
        description:
          - Identifiers of the active realms, in order.
        type: list
        elements: str
  state:
    description: V(present) changes what is given, V(gathered) reads all settings, or those that are given.
    type: str
    choices: [present, gathered]
    default: present
  update_secret:
    description:
      - V(on_create) sends the mail password when the mail server is set for the first time and when another of its options changes.
      - V(always) sends it in every run, which then always reports a change.
    type: str
    choices: [on_create, always]
    default: on_create
"""

EXAMPLES = r"""
- name: Settings of a site
  mlops.onprem.nexus_settings:
    anonymous:
      enabled: false
    realms:
      active: [NexusAuthenticatingRealm]
    base_url:
      url: https://nexus.example.org
    email:
      host: mail.example.org
      from_address: nexus@example.org
    eula:
      accepted: true
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
    - name: anonymous
      result: created
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: dict
  sample: {anonymous: {enabled: false}}
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._module import manage
from ansible_collections.mlops.onprem.plugins.module_utils._nexus import NEXUS, SETTINGS


def main():
    manage(NEXUS, SETTINGS)


if __name__ == "__main__":
    main()
