#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docs, options and one call: how plugins are verified and installed stands in `_jenkins_plugins`."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jenkins_plugins
short_description: Install exact versions of plugins into Jenkins
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Brings plugins to pinned versions, as a list, with at most one restart at the end. When all is right it sends one request and downloads nothing.
  - Files come from the controller or a mirror, never from an update site. Their sha256, name, version, dependencies and the needed version of Jenkins
    are checked by the files themselves before any of them is sent.
  - Plugins that are not listed are left alone.
extends_documentation_fragment:
  - mlops.onprem.service.connection
  - mlops.onprem.jenkins
options:
  plugins:
    description: The pins. Each C(name) may be given once.
    type: list
    elements: dict
    suboptions:
      name:
        description: Short name of the plugin.
        type: str
        required: true
      version:
        description: Exact version. Needed unless O(update_center) has it.
        type: str
      sha256:
        description: Digest of the file, in hexadecimal digits. Needed to install, unless O(update_center) has it.
        type: str
      src:
        description: The file on the controller, of a pin in O(lock) beside the lock file. Without it O(mirror) has the file.
        type: path
      url:
        description:
          - Where below O(mirror) the file is, if not at C(NAME/VERSION/NAME.hpi). A full URL must be of the same server.
        type: str
      enabled:
        description: Whether the plugin is enabled. A change needs a restart.
        type: bool
  lock:
    description:
      - A YAML or JSON file on the controller with the pins, as a list, or as a list under C(plugins), instead of O(plugins).
    type: path
  mirror:
    description: Folder on the controller, or URL, that holds the files as C(NAME/VERSION/NAME.hpi), as Jenkins' own download site does.
    type: str
  mirror_username:
    description: User for a mirror that wants one.
    type: str
  mirror_password:
    description: Password of O(mirror_username).
    type: str
  update_center:
    description:
      - A copy of C(update-center.json), a file on the controller, to complete versions and digests from and to find dependencies that are not listed.
      - A file holds one version of each plugin. A pin of another version is an error, because its dependencies are not known.
    type: path
  resolve:
    description: Add dependencies that are not listed from O(update_center), instead of naming them as an error. Optional ones are left out.
    type: bool
    default: false
  allow_downgrade:
    description: Whether an older version may replace a newer one.
    type: bool
    default: false
  restart:
    description:
      - Whether to restart Jenkins, once and after its builds, when a change needs it. See M(mlops.onprem.jenkins_restart).
      - Without it, RV(restart_required) tells.
    type: bool
    default: false
  reason:
    description: What Jenkins shows its users while it waits for the restart.
    type: str
  build_timeout:
    description: Seconds that the restart waits for running builds. After that it is taken back and the task fails.
    type: int
    default: 3600
  start_timeout:
    description: Seconds until Jenkins has to answer again after it went down.
    type: int
    default: 600
  state:
    description:
      - V(present) installs, V(absent) uninstalls the listed plugins unless others need them.
      - V(gathered) reads the installed ones, or those of the list that are, as pins without digests.
    type: str
    choices: [present, absent, gathered]
    default: present
attributes:
  check_mode:
    description: Can run in check mode and tell what would change. Files are read and verified, also from a mirror; Jenkins is sent no write.
    support: full
  diff_mode:
    description: Shows per plugin the version, and whether it is enabled.
    support: full
notes:
  - Jenkins tells of a plugin that was uploaded and waits for a restart its name, but not its version. It is taken for the pinned one; after the
    restart the version is looked at, and a wrong one is an error that the next run repairs.
  - Replacing a running plugin, and the job list after it, is by the source of Jenkins and a recording with the same version. Uploading a plugin
    in another version was not checked against a controller.
"""

EXAMPLES = r"""
- name: What the lock file says, with files from the mirror of the site
  mlops.onprem.jenkins_plugins:
    lock: /srv/bundle/jenkins-plugins.yml
    mirror: https://nexus.example.org/repository/jenkins-plugins
    restart: true
    reason: New plugins, back in a minute

- name: One plugin from a file
  mlops.onprem.jenkins_plugins:
    plugins:
      - name: matrix-auth
        version: "3.2.8"
        sha256: 3ae29cd8b93c8ae7a1e4c4a8e0e1f3b1d3e3bd5a2d8b3b0a1ab9a3a5fd5a0c11
        src: /srv/bundle/matrix-auth.hpi

- name: What is installed, as pins
  mlops.onprem.jenkins_plugins:
    state: gathered
"""

RETURN = r"""
results:
  description: One entry per plugin.
  returned: unless O(state=gathered)
  type: list
  elements: dict
  sample: [{name: matrix-auth, version: 3.2.8, result: created}]
  contains:
    name:
      description: The plugin.
      type: str
      returned: always
    version:
      description: The pinned version.
      type: str
      returned: always
    result:
      description: V(created), V(updated), V(deleted), V(unchanged) or V(failed).
      type: str
      returned: always
    why:
      description: Why it failed, or what it waits for.
      type: str
      returned: when there is something to say
restarted:
  description: Whether Jenkins was restarted. In check mode, whether it would be, as far as that can be known beforehand.
  returned: unless O(state=gathered)
  type: bool
restart_required:
  description: Whether a restart has to complete what was done.
  returned: unless O(state=gathered)
  type: bool
pins:
  description: The pins as they were used, completed and resolved, to be written into a lock file.
  returned: unless O(state=gathered)
  type: list
  elements: dict
gathered:
  description: What is installed, in the form this module takes. Jenkins does not know digests.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{name: matrix-auth, version: 3.2.8, enabled: true}]
requests:
  description: How many requests were sent to Jenkins, those of the restart left out.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_plugins import plugins
from ansible_collections.mlops.onprem.plugins.module_utils._module import run


def main():
    pin = {"name": {"type": "str", "required": True}, "version": {"type": "str"}, "sha256": {"type": "str"}, "src": {"type": "path"},
           "url": {"type": "str"}, "enabled": {"type": "bool"}}
    options = {
        "plugins": {"type": "list", "elements": "dict", "options": pin},
        "lock": {"type": "path"},
        "mirror": {"type": "str"},
        "mirror_username": {"type": "str"},
        "mirror_password": {"type": "str", "no_log": True},
        "update_center": {"type": "path"},
        "resolve": {"type": "bool", "default": False},
        "allow_downgrade": {"type": "bool", "default": False},
        "restart": {"type": "bool", "default": False},
        "reason": {"type": "str"},
        "build_timeout": {"type": "int", "default": 3600},
        "start_timeout": {"type": "int", "default": 600},
        "state": {"type": "str", "choices": ["present", "absent", "gathered"], "default": "present"},
    }
    either = [("state", state, ("plugins", "lock"), True) for state in ("present", "absent")]
    run(JENKINS.spec() | options, plugins, mutually_exclusive=[("plugins", "lock")], required_if=either)


if __name__ == "__main__":
    main()
