#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docs, options and one call: what a release is and how it moves stands in `_rollout` and `_release`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_release
short_description: Stage, start, switch, commit and roll back a release of a model on a host
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Moves one model on one host from a release to the next. Each O(state) is one step, can be repeated, and repairs what a killed run left.
  - A release is a signed package, fetched in one pass into a store of blobs below O(root), and linked into a folder of its own.
  - The model runs in one of two slots (units C(model-server@<model>-a) and C(-b)) behind HAProxy; a switch is one command to HAProxy.
  - When a step fails, the release that was committed before goes on serving.
  - The role P(mlops.onprem.model_server#role) prepares the host. Nothing but Python, systemd, HAProxy and openssl is needed there.
options:
  state:
    description:
      - V(gathered) only tells what is on the host.
      - V(staged) verifies the manifest (digest, signature, names), checks room and memory, fetches what is missing, and makes it the candidate.
      - V(started) runs the candidate in the idle slot and waits until it answers. Without a candidate it makes sure that the active release runs.
      - V(switched) sends clients to the candidate, until HAProxy reads its files again.
      - V(committed) makes the candidate the active release, on disk and for the next boot, and removes releases beyond O(keep).
      - V(rolled_back) gives up a candidate; without one it goes back to the last good release before the active one, or to O(version).
      - V(absent) removes the model from the host.
    type: str
    required: true
    choices: [gathered, staged, started, switched, committed, rolled_back, absent]
  model:
    description: Name of the model. Left out, V(gathered) tells of all models.
    type: str
  version:
    description:
      - Version of the package. With V(rolled_back) the version to go to; naming it also takes its bad mark away.
      - With V(started), V(switched) and V(committed), together with O(digest), the release that must have been staged.
    type: str
  digest:
    description:
      - C(sha256:) and 64 hex digits, the sha256 of the package's manifest.
      - With V(rolled_back) the release to leave. A host that has it neither as candidate nor active is left alone.
    type: str
  store:
    description: Base URL of the store, C(https://), C(http://) or C(file://).
    type: str
  store_username:
    description: User of the store.
    type: str
  store_password:
    description: Password of the store.
    type: str
  store_ca_path:
    description: File on the host with the certificates that the store's certificate is checked against. Left out, those of the system.
    type: path
  store_ca:
    description: The same certificates as PEM text, so that no file has to be on the host.
    type: str
  public_key:
    description: The Ed25519 public key as PEM text, that the manifest's signature is checked with.
    type: str
  require_signature:
    description: Whether a release without a right signature is refused.
    type: bool
    default: true
  force:
    description: Whether V(staged) takes a release that is marked bad on this host; the mark goes.
    type: bool
    default: false
  reason:
    description: Why V(rolled_back) was called. It is kept with the bad mark and in the history.
    type: str
    default: rolled back by hand
  mark_bad:
    description: Whether V(rolled_back) marks the release it leaves as bad, so that it is not staged again.
    type: bool
    default: true
  memory_max:
    description: Most memory a slot may use, as C(512M). V(0) for the limit of the unit template, which is then not checked beforehand.
    type: bytes
    default: "0"
  rate_limit:
    description: Most bytes a second to fetch, as C(20M). V(0) for no limit.
    type: bytes
    default: "0"
  keep:
    description: How many committed releases to keep on the host. The active, previous and candidate release and those of a slot always stay.
    type: int
    default: 3
  keep_warm:
    description: Seconds the slot that was left goes on running, so that going back is a switch only.
    type: int
    default: 900
  ready_timeout:
    description: Seconds a slot may take until it answers as the release it was started for.
    type: int
    default: 120
  lock_timeout:
    description: Seconds to wait for another run on the same host.
    type: int
    default: 600
  root:
    description: Folder of all releases on the host.
    type: path
    default: /var/lib/models
attributes:
  check_mode:
    support: full
    description: Writes nothing and fetches no blob; manifest and signature are read and verified. Steps that need an earlier one assume it was done.
  diff_mode:
    support: full
    description: The state and every file outside the root, before and after.
"""

EXAMPLES = r"""
- name: Fetch and verify a release
  mlops.onprem.model_release:
    state: staged
    model: wine
    version: "2"
    digest: sha256:0c0f62ee2ac2a4ef8dcb2fa5ba7c1e42ac1bc1ee7a9ad2c6f4bd0c5a1b1e0d11
    store: https://nexus.example.com/repository/models
    store_username: reader
    store_password: "{{ vault_store_password }}"
    public_key: "{{ lookup('ansible.builtin.file', 'models.pub') }}"

- name: Go back to the last good release
  mlops.onprem.model_release:
    state: rolled_back
    model: wine
    reason: too many complaints
"""

RETURN = r"""
active:
  description: The committed release after this call, with C(release), C(version) and C(digest). Null when there is none.
  returned: success, unless O(state=gathered)
  type: dict
active_slot:
  description: The committed slot, V(a) or V(b).
  returned: success, unless O(state=gathered)
  type: str
candidate:
  description: The staged release that is not committed, as RV(active).
  returned: success, unless O(state=gathered)
  type: dict
previous:
  description: The release that a rollback would go to, as RV(active).
  returned: success, unless O(state=gathered)
  type: dict
before:
  description: The same values, and C(bad), C(slots), C(releases), before this call.
  returned: success, unless O(state=gathered)
  type: dict
bad:
  description: Digests that are refused on this host, each with the reason.
  returned: success, unless O(state=gathered)
  type: dict
releases:
  description: Names of all releases on the host.
  returned: success, unless O(state=gathered)
  type: list
  elements: str
slots:
  description: The release each slot was last set up for.
  returned: success, unless O(state=gathered)
  type: dict
slot:
  description: The slot of the candidate, else of the active release.
  returned: success, unless O(state=gathered)
  type: str
socket:
  description: The Unix socket of RV(slot).
  returned: success, unless O(state=gathered)
  type: str
release_path:
  description: Folder of the candidate, else of the active release.
  returned: success, unless O(state=gathered)
  type: str
steps:
  description: What was done, or would be in check mode.
  returned: success, unless O(state=gathered)
  type: list
  elements: str
bytes_total:
  description: Bytes of all files of the release.
  returned: O(state=staged)
  type: int
bytes_missing:
  description: Bytes of the files that were not on the host; what a run would fetch, less what an interrupted one has left.
  returned: O(state=staged)
  type: int
bytes_fetched:
  description: Bytes of blobs that came over the wire.
  returned: success, unless O(state=gathered)
  type: int
blobs_fetched:
  description: Number of blobs fetched.
  returned: success, unless O(state=gathered)
  type: int
blobs_reused:
  description: Number of blobs that were there and right.
  returned: O(state=staged)
  type: int
cold:
  description: Whether the release to go back to had to be started first.
  returned: O(state=rolled_back)
  type: bool
seconds:
  description: How long it took on the host.
  returned: success, unless O(state=gathered)
  type: float
models:
  description: One entry a model, with the values above, C(serving) (the slot HAProxy uses now) and C(answering) (digest each slot answers as).
  returned: O(state=gathered)
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._release import Layout
from ansible_collections.mlops.onprem.plugins.module_utils._rollout import Rollout, Wanted

STATES = ("staged", "started", "switched", "committed", "rolled_back", "absent")


def main():
    options = {
        "state": {"type": "str", "required": True, "choices": ["gathered", *STATES]},
        **{name: {"type": "str"} for name in ("model", "version", "digest", "store", "store_username", "store_ca")},
        "store_password": {"type": "str", "no_log": True},
        "store_ca_path": {"type": "path"},
        "public_key": {"type": "str", "no_log": False},
        "require_signature": {"type": "bool", "default": True},
        "force": {"type": "bool", "default": False},
        "reason": {"type": "str", "default": "rolled back by hand"},
        "mark_bad": {"type": "bool", "default": True},
        "memory_max": {"type": "bytes", "default": "0"},
        "rate_limit": {"type": "bytes", "default": "0"},
        "keep": {"type": "int", "default": 3},
        "keep_warm": {"type": "int", "default": 900},
        "ready_timeout": {"type": "int", "default": 120},
        "lock_timeout": {"type": "int", "default": 600},
        "root": {"type": "path", "default": "/var/lib/models"},
    }
    needed = [("state", state, ["model"]) for state in STATES] + [("state", "staged", ["version", "digest", "store"])]
    module = AnsibleModule(argument_spec=options, required_if=needed, supports_check_mode=True)
    layout = Layout(root=module.params.pop("root"))
    try:
        result = Rollout(Wanted(**module.params), module.check_mode, layout).run()
    except MlopsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
