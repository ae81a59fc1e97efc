# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The states of the module model_release: look, plan, perform, report. Knows no Ansible; every effect is one of `_host` or `_content`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass

from ansible_collections.mlops.onprem.plugins.module_utils import _package, _release
from ansible_collections.mlops.onprem.plugins.module_utils._content import Content, read_bytes
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._fetch import Source
from ansible_collections.mlops.onprem.plugins.module_utils._host import Host
from ansible_collections.mlops.onprem.plugins.module_utils._release import release_name

LAYOUT = _release.Layout()


@dataclass(frozen=True)
class Wanted:
    """What was asked for; the names are the options of the module."""

    state: str
    model: str | None = None
    version: str | None = None
    digest: str | None = None
    store: str | None = None
    store_username: str | None = None
    store_password: str | None = None
    store_ca_path: str | None = None
    store_ca: str | None = None
    public_key: str | None = None
    require_signature: bool = True
    force: bool = False
    reason: str = "rolled back by hand"
    mark_bad: bool = True
    memory_max: int = 0
    rate_limit: int = 0
    keep: int = 3
    keep_warm: int = 900
    ready_timeout: int = 120
    lock_timeout: int = 600


class Rollout:
    """One call of the module on one host. run() -> the result as a dict; MlopsError with everything that served before still serving."""

    def __init__(self, wanted, check_mode=False, layout=LAYOUT, make_host=Host):
        self.wanted, self.check_mode, self.layout = wanted, check_mode, layout
        source = None
        if wanted.store:
            trust = {"ca_path": wanted.store_ca_path, "ca": wanted.store_ca}
            source = Source(wanted.store, wanted.store_username, wanted.store_password, **trust, rate_limit=wanted.rate_limit)
        self.content = Content(layout, source)
        self.make_host = lambda model: make_host(layout, model, self.content, wanted.ready_timeout)
        self.host = self.make_host(wanted.model)
        self.more = {}

    def run(self):
        if self.wanted.model:
            self._check_names()
        if not os.path.isdir(self.layout.root):
            raise MlopsError(f"{self.layout.root} is not there: run the role model_server on this host first")
        if self.wanted.state == "gathered":
            return self._gathered()
        begun = time.monotonic()
        with locked(self.layout.root, self.wanted.lock_timeout):
            before, facts = self.host.state(), self.host.facts()
            state = self._with_candidate(before) if self.wanted.state in ("started", "switched", "committed") else before
            steps = getattr(self, "_" + self.wanted.state)(state, facts)
            if not self.check_mode:
                try:
                    for step in steps:
                        self.host.perform(step)
                finally:
                    self.content.keep_stamps()
        return {**self._result(before, _release.last_saved(steps, state), facts, steps), **self.more, "seconds": round(time.monotonic() - begun, 3)}

    def _check_names(self):
        _package.check_model(self.wanted.model)
        if self.wanted.model in _release.RESERVED:
            raise MlopsError(f"model {self.wanted.model!r} is the name of another folder below {self.layout.root}: give it another name")
        if self.wanted.version:
            _package.check_version(self.wanted.version)
        if self.wanted.digest:
            _package.check_digest(self.wanted.digest)

    # one method a state: (state, facts) -> steps

    def _staged(self, state, facts):
        wanted, name = self.wanted, release_name(self.wanted.version, self.wanted.digest)
        if wanted.digest in state.bad and not wanted.force:
            raise MlopsError(f"{wanted.model} {name} is marked bad on this host ({state.bad[wanted.digest]}): publish a new version, or force: true")
        if wanted.require_signature and not wanted.public_key:
            raise MlopsError("public_key is missing: give the PEM text, or require_signature: false")
        key = wanted.public_key if wanted.require_signature else None
        manifest, signature = self.content.manifest(wanted.model, wanted.version, wanted.digest, name, key)
        missing = self.content.missing(manifest.files)
        _release.check_room(self.content.need(missing, manifest.files), self.content.room(), self.layout.root)
        others = {model: other.memory_max for model, other in self.host.models().items() if other.slot}
        _release.check_memory(wanted.model, wanted.memory_max, others, self.host.memory_total())
        self.more = {
            "bytes_total": sum(entry.size for entry in manifest.files),
            "bytes_missing": sum(entry.size for entry in missing),
            "blobs_reused": len({entry.digest for entry in manifest.files}) - len(missing),
        }
        after = state.staged(name, wanted.version, wanted.digest, self.more["bytes_total"])
        relink = bool(missing) or name not in facts.present or any(self.content.unlinked(wanted.model, name, manifest.files))
        return _release.plan_stage(self.layout, state, after, facts, missing, (name, manifest, signature) if relink else None)

    def _started(self, state, facts):
        return _release.plan_start(self.layout, state, facts, self.wanted.memory_max)

    def _switched(self, state, facts):
        if not self.check_mode:
            _release.check_ready(state, facts)
        return _release.plan_switch(state, facts)

    def _committed(self, state, facts):
        if not self.check_mode:
            _release.check_ready(state, facts)
        return _release.plan_commit(self.layout, state, facts, self.wanted.keep, self.wanted.keep_warm)

    def _rolled_back(self, state, facts):
        steps = _release.plan_rollback(self.layout, state, facts, self.wanted)
        cold = any(step.verb == "restart" for step in steps)
        if cold:
            self._check_content(state, _release.last_saved(steps, state).active)
        self.more = {"cold": cold}
        return steps

    def _check_content(self, state, name):
        """Refuses a release whose files are not what its manifest says: it is about to be started from disk."""
        raw = read_bytes(self.layout.manifest(state.model, name)) or b""
        manifest = _package.parse_manifest(raw, state.model, state.version(name))
        broken = [entry.path for entry in self.content.missing(manifest.files)]
        broken += [entry.path for entry in self.content.unlinked(state.model, name, manifest.files)[0]]
        if manifest.digest != state.digest(name) or broken:
            raise MlopsError(f"{state.model}: release {name} is damaged on this host ({', '.join(broken[:3]) or 'manifest'}): deploy it again")

    def _absent(self, state, facts):
        return _release.plan_absent(self.layout, state, facts)

    def _with_candidate(self, state):
        """The state, with the wanted release as candidate. Check mode may ask for a release that a real run would have staged before."""
        wanted = self.wanted
        if not wanted.digest or wanted.digest in (state.digest(state.candidate) or state.digest(state.active),):
            return state
        if not self.check_mode:
            raise MlopsError(f"{wanted.model} {wanted.version} ({wanted.digest}) is not staged on this host: state=staged comes first")
        name = release_name(wanted.version, wanted.digest)
        return state.staged(name, wanted.version, wanted.digest, state.releases.get(name, {}).get("bytes", 0))

    # results

    def _gathered(self):
        models = self.host.models()
        if self.wanted.model:
            models = {self.wanted.model: self.host.state()}
        found = []
        for name, state in models.items():
            host = self.make_host(name)
            serving = host.serving()
            answers = {slot: host.answer(slot) for slot in _release.SLOTS}
            found.append({**summary(state), "serving": serving, "answering": answers})
        return {"changed": False, "models": found}

    def _result(self, before, after, facts, steps):
        slot = after.idle if after.candidate else after.slot
        old = [(path, facts.files.get(path), text) for path, text in (step.args for step in steps if step.verb == "write")]
        old += [(path, facts.files.get(path), None) for (path,) in (step.args for step in steps if step.verb == "remove")]
        if after != before:
            old.append(("state.json", before.dump(), after.dump()))
        if self.more.get("bytes_missing"):
            old.append(("files of the release", None, f"{self.more['bytes_missing']} bytes to fetch\n"))
        return {
            "changed": bool(steps),
            "model": after.model,
            "before": summary(before),
            **summary(after),
            "slot": slot,
            "socket": self.layout.socket(after.model, slot) if slot else None,
            "release_path": self.layout.release(after.model, after.candidate or after.active) if slot else None,
            "steps": [str(step) for step in steps],
            "bytes_fetched": self.content.bytes_fetched,
            "blobs_fetched": self.content.blobs_fetched,
            "diff": [{"before_header": path, "after_header": path, "before": was or "", "after": text or ""} for path, was, text in old],
        }


def summary(state):
    """What a person wants to know of a state: releases by version and digest, not by folder."""

    def shown(name):
        return {"release": name, "version": state.version(name), "digest": state.digest(name)} if name else None

    return {
        "model": state.model,
        "active": shown(state.active),
        "active_slot": state.slot,
        "candidate": shown(state.candidate),
        "previous": shown(state.previous),
        "releases": sorted(state.releases),
        "bad": state.bad,
        "slots": state.slots,
    }


@contextlib.contextmanager
def locked(root, timeout):
    """Holds the host's releases for one run at a time; on the folder itself, so that looking (check mode) writes no lock file either."""
    folder, deadline = os.open(root, os.O_RDONLY | os.O_DIRECTORY), time.monotonic() + timeout
    try:
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise MlopsError(f"another release run holds {root} since more than {timeout} s: wait for it, or see `fuser {root}`") from None
                time.sleep(0.2)
        yield
    finally:
        os.close(folder)


def golden_requests(layout, model, digest=None, path=None):
    """The golden requests at path, else of the release with that digest, else of the active one. MlopsError when there are none."""
    if not path:
        state = Host(layout, _package.check_model(model), None).state()
        name = next((name for name in state.releases if state.digest(name) == digest), state.active)
        if not name:
            raise MlopsError(f"{model}: no release is active on this host, nothing to ask")
        path = f"{layout.release(model, name)}/{_package.GOLDEN}"
    raw = read_bytes(path)
    if raw is None:
        raise MlopsError(f"{path} is not there: a package needs golden requests to be deployed, or name a file with golden")
    return _package.parse_golden(raw)
