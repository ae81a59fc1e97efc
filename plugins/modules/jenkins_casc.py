#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docs, options and one call: how the document is compared stands in `_jenkins_casc`."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jenkins_casc
short_description: Check and apply a configuration-as-code document of Jenkins
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Lets Jenkins check a document for its plugin configuration-as-code, compares it with what Jenkins exports, and applies it when something differs.
  - Nothing is applied when Jenkins refuses any part of the document.
  - Settings that the document does not name are left alone, as far as the plugin does; it replaces lists, such as clouds or credentials, as a whole.
extends_documentation_fragment:
  - mlops.onprem.service.connection
  - mlops.onprem.jenkins
options:
  content:
    description: The document, a YAML text. It is shown nowhere.
    type: str
  src:
    description: File on the controller with the document, instead of O(content).
    type: path
  update_secret:
    description:
      - When to send secrets, which Jenkins exports encrypted, and C(${...}), which it resolves. They cannot be compared.
      - V(with_changes) sends them only when something else differs or is not there yet, V(always) applies the document in every run.
      - V(when_changed) applies it when it is not the document in O(applied_path), so that a new secret in the document is sent.
    type: str
    choices: [with_changes, when_changed, always]
    default: with_changes
  applied_path:
    description:
      - File on the controller that remembers the last applied document as a fingerprint, and what of it Jenkins shows in another way.
      - Without it, settings that Jenkins does not export, or exports in other words, are applied by every run, which then reports a change and warns.
      - With it they count as unchanged as long as neither the document nor Jenkins' export of them changes. Where the file is lost, the
        document is applied once more. It never replaces the comparison of what Jenkins does export.
    type: path
  fingerprint_key:
    description: Key of the fingerprints, from the site's vault. Without it nobody can try secrets against O(applied_path).
    type: str
  state:
    description: V(present) applies the document. V(gathered) reads what Jenkins exports, without secrets and what it could not export.
    type: str
    choices: [present, gathered]
    default: present
attributes:
  check_mode:
    description: Can run in check mode and tell what would change; Jenkins checks the document, which changes nothing, and nothing is applied.
    support: full
  diff_mode:
    description: Shows each setting that differs, secrets masked. Values count as secret by the name of their key, such as C(password) or C(token).
    support: full
notes:
  - Written by the source of the plugin, August 2026. Not checked against a controller.
  - Lists are compared without regard to order, so a change of order alone is not seen.
  - A secret that was changed by hand in Jenkins is not seen.
  - A user needs Overall/Administer.
"""

EXAMPLES = r"""
- name: What Jenkins is called, and by whom it may be used
  mlops.onprem.jenkins_casc:
    content: |
      jenkins:
        systemMessage: Models are trained here
        numExecutors: 0
      unclassified:
        location:
          url: https://jenkins.example.org/

- name: A document with secrets that follow the vault
  mlops.onprem.jenkins_casc:
    content: "{{ lookup('ansible.builtin.template', 'jenkins.yaml.j2') }}"
    update_secret: when_changed
    applied_path: /var/lib/ansible/jenkins-casc.json
    fingerprint_key: "{{ vault_fingerprint_key }}"

- name: What is set now
  mlops.onprem.jenkins_casc:
    state: gathered
"""

RETURN = r"""
result:
  description: V(updated) or V(unchanged).
  returned: unless O(state=gathered)
  type: str
differences:
  description: Paths of the settings that are not as in the document, or were not to be compared.
  returned: unless O(state=gathered)
  type: list
  elements: str
  sample: [jenkins.systemMessage, "credentials.system.domainCredentials[0].credentials[1].usernamePassword.password"]
not_shown:
  description: Paths of settings that Jenkins took and does not export as they were given.
  returned: unless O(state=gathered)
  type: list
  elements: str
gathered:
  description: What Jenkins exports, as a document.
  returned: when O(state=gathered)
  type: str
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 3
"""

from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_casc import casc
from ansible_collections.mlops.onprem.plugins.module_utils._module import run


def main():
    options = {
        "content": {"type": "str", "no_log": True},
        "src": {"type": "path"},
        "update_secret": {"type": "str", "choices": ["with_changes", "when_changed", "always"], "default": "with_changes", "no_log": False},
        "applied_path": {"type": "path"},
        "fingerprint_key": {"type": "str", "no_log": True},
        "state": {"type": "str", "choices": ["present", "gathered"], "default": "present"},
    }
    run(JENKINS.spec() | options, casc,
        mutually_exclusive=[("content", "src")],
        required_together=[("applied_path", "fingerprint_key")],
        required_if=[("state", "present", ("content", "src"), True), ("update_secret", "when_changed", ("applied_path", "fingerprint_key"))])


if __name__ == "__main__":
    main()
