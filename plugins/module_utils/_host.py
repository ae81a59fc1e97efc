# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One model on one host: what can be seen of it and the effects that change it. Decides nothing: `_release` plans, `_rollout` calls."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

from ansible_collections.mlops.onprem.plugins.module_utils import _release
from ansible_collections.mlops.onprem.plugins.module_utils._content import read_bytes, sync_folder, unlink_if_there, write_atomic
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError, one_line
from ansible_collections.mlops.onprem.plugins.module_utils._fetch import Source, ask_socket
from ansible_collections.mlops.onprem.plugins.module_utils._release import SLOTS, Facts, State, cooling_unit, unit

POLL = 0.2
LOOK_AT_UNIT = 10


class Host:
    """Reads facts and performs steps for one model. content: `_content.Content`; ready_timeout: seconds a server may take to answer."""

    def __init__(self, layout, model, content, ready_timeout=120):
        self.layout, self.model, self.content, self.ready_timeout = layout, model, content, ready_timeout

    # what there is

    def state(self, model=None):
        model = model or self.model
        return State.parse(model, read_bytes(f"{self.layout.home(model)}/state.json"))

    def models(self):
        """Name -> State of every model on the host."""
        names = sorted(name for name in os.listdir(self.layout.root) if os.path.exists(f"{self.layout.root}/{name}/state.json"))
        return {name: self.state(name) for name in names}

    def facts(self):
        """The `_release.Facts` of this model now."""
        running, enabled = self._units()
        paths = [self.layout.map, *self.layout.written(self.model)]
        texts = {path: read_bytes(path) for path in paths}
        releases = f"{self.layout.home(self.model)}/releases"
        return Facts(
            answering={slot: self.answer(slot) for slot in running},
            running=running,
            enabled=enabled,
            serving=self.serving(),
            links={name: self._link(name) for name in ("current", "previous", "candidate")},
            recorded=self._recorded(),
            files={path: None if raw is None else raw.decode(errors="replace") for path, raw in texts.items()},
            routes={name: state.slot for name, state in self.models().items() if name != self.model},
            present=frozenset(os.listdir(releases)) if os.path.isdir(releases) else frozenset(),
        )

    def memory_total(self):
        """Bytes of memory of the host."""
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    def answer(self, slot):
        """The digest the slot's server names when it is ready for the model, else None."""
        source = Source(f"unix://{self.layout.socket(self.model, slot)}", timeout=5, retries=0)
        try:
            answer = source.call("GET", f"v2/models/{self.model}/ready")
        except ServiceError:
            return None
        finally:
            source.close()
        return answer.headers.get("x-model-digest") if answer.status == 200 else None

    def serving(self):
        """The slot HAProxy sends the model's clients to now; None for no slot, and when HAProxy does not answer."""
        try:
            lines = self._proxy(f"show map {self.layout.map}").splitlines()
        except MlopsError:
            return None
        targets = dict(line.split()[1:3] for line in lines if len(line.split()) == 3)
        return next((slot for slot in SLOTS if targets.get(self.model) == _release.backend(self.model, slot)), None)

    def _units(self):
        """(slots whose unit runs, slots whose unit starts at boot)"""
        shown = self._systemctl("show", "--property=ActiveState,UnitFileState", *(unit(self.model, slot) for slot in SLOTS)).strip().split("\n\n")
        states = dict(zip(SLOTS, shown))
        return (
            frozenset(slot for slot, text in states.items() if "ActiveState=active" in text),
            frozenset(slot for slot, text in states.items() if "UnitFileState=enabled" in text),
        )

    def _link(self, name):
        try:
            return os.path.basename(os.readlink(f"{self.layout.home(self.model)}/{name}"))
        except OSError:
            return None

    def _recorded(self):
        lines = (read_bytes(f"{self.layout.home(self.model)}/history.jsonl") or b"").splitlines()
        try:
            return json.loads(lines[-1])["serial"] if lines else 0
        except ValueError:
            return 0

    # effects on files

    def perform(self, step):
        """Does one step."""
        getattr(self, step.verb)(*step.args)

    def fetch(self, entries):
        self.content.fetch(self.model, entries)

    def link_release(self, name, manifest, signature):
        self.content.link(self.model, name, manifest, signature)

    def save(self, state):
        write_atomic(f"{self.layout.home(self.model)}/state.json", state.dump())

    def write(self, path, text):
        write_atomic(path, text)

    def remove(self, path):
        unlink_if_there(path)

    def link(self, name, release):
        path = f"{self.layout.home(self.model)}/{name}"
        unlink_if_there(path + ".new")
        if release:
            os.symlink(f"releases/{release}", path + ".new")
            os.rename(path + ".new", path)
        else:
            unlink_if_there(path)
        sync_folder(self.layout.home(self.model))

    def record(self, event):
        """One more line of history; a torn last line of a killed run is closed first."""
        path = f"{self.layout.home(self.model)}/history.jsonl"
        torn = not (read_bytes(path) or b"\n").endswith(b"\n")
        with open(path, "a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **event}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def prune(self, kept):
        self.content.prune(self.model, kept)

    def forget(self):
        """Removes the model's folder, its state last, and the blobs only it had."""
        home = self.layout.home(self.model)
        for name in os.listdir(home):
            if os.path.isdir(f"{home}/{name}") and not os.path.islink(f"{home}/{name}"):
                shutil.rmtree(f"{home}/{name}")
            elif name != "state.json":
                os.unlink(f"{home}/{name}")
        self.content.prune_blobs()
        unlink_if_there(f"{home}/state.json")
        os.rmdir(home)

    # effects on units

    def enable(self, slot):
        self._systemctl("enable", "--quiet", unit(self.model, slot))

    def disable(self, slot):
        self._systemctl("disable", "--quiet", unit(self.model, slot))

    def stop(self, slot):
        self._systemctl("stop", unit(self.model, slot))

    def restart(self, slot):
        self._systemctl("reset-failed", unit(self.model, slot), allowed=(0, 1, 5))
        self._systemctl("restart", "--no-block", unit(self.model, slot))

    def reload_units(self):
        self._systemctl("daemon-reload")

    def cool(self, slot, seconds):
        """Stops the slot after so many seconds, at once for 0."""
        if seconds == 0:
            return self.stop(slot)
        timer = ["--quiet", "--collect", f"--on-active={seconds}s", f"--unit={cooling_unit(self.model, slot)}"]
        return self._run(["systemd-run", *timer, "systemctl", "stop", unit(self.model, slot)])

    def keep_hot(self, slot):
        """Takes back a stop that `cool` has planned; 5 is systemd's word for no such unit."""
        self._systemctl("stop", cooling_unit(self.model, slot) + ".timer", allowed=(0, 5))

    def await_ready(self, slot, digest):
        """Returns when the slot answers as that digest. MlopsError with the unit's last words when it fails or takes too long."""
        deadline, looks = time.monotonic() + self.ready_timeout, 0
        while self.answer(slot) != digest:
            looks += 1
            failed = looks % LOOK_AT_UNIT == 0 and self._has_failed(slot)
            if failed or time.monotonic() > deadline:
                why = "failed" if failed else f"does not answer as {digest} after {self.ready_timeout} s"
                raise MlopsError(f"{unit(self.model, slot)} {why}; its last words: {self._last_words(slot)}")
            time.sleep(POLL)

    def _has_failed(self, slot):
        shown = self._systemctl("show", "--property=ActiveState,SubState", unit(self.model, slot))
        return "ActiveState=failed" in shown or "SubState=auto-restart" in shown

    def _last_words(self, slot):
        lines = self._run(["journalctl", "--unit", unit(self.model, slot), "--lines=20", "--output=cat", "--no-pager"], allowed=(0, 1)).split("\n")
        words = [line.strip() for line in lines if line.strip() and not line.startswith(unit(self.model, slot))]
        return one_line(" | ".join(words[-3:])) or "none"

    # effects on HAProxy

    def reload_proxy(self):
        """Makes HAProxy read its files again; a file of ours it refuses is taken away, so that it can start after a reboot."""
        config = ["-f", f"{self.layout.haproxy}/haproxy.cfg", "-f", os.path.dirname(self.layout.route(self.model))]
        try:
            self._run(["haproxy", "-c", "-q", *config])
        except MlopsError:
            unlink_if_there(self.layout.route(self.model))
            raise
        known = os.path.exists(self.layout.route(self.model))
        self._reload_haproxy()
        deadline = time.monotonic() + 30
        while (_release.backend(self.model, "a") in self._proxy_words()) != known:
            if time.monotonic() > deadline:
                raise MlopsError(f"HAProxy does not show the backends of {self.model} 30 s after a reload")
            time.sleep(POLL)

    def _reload_haproxy(self):
        self._systemctl("reload", "haproxy.service")

    def _proxy_words(self):
        """The backends HAProxy knows; none while it takes over from the process before."""
        try:
            return self._proxy("show backend").split()
        except MlopsError:
            return []

    def flip(self, slot):
        """Sends the model's clients to the slot from now on (None: nowhere), at run time only."""
        where = f"{self.layout.map} {self.model}"
        known = any(line.split()[1:2] == [self.model] for line in self._proxy(f"show map {self.layout.map}").splitlines())
        if slot is None:
            self._proxy(f"del map {where}")
        else:
            self._proxy(f"{'set' if known else 'add'} map {where} {_release.backend(self.model, slot)}")
        if self.serving() != slot:
            raise MlopsError(f"HAProxy did not take slot {slot} for {self.model}: see `show map {self.layout.map}` on {self.layout.admin}")

    def _proxy(self, command):
        said = ask_socket(self.layout.admin, command).strip()
        if said.startswith(("Unknown", "entry not found", "Data", "unable", "Permission")):
            raise MlopsError(f"HAProxy refused `{command}`: {one_line(said)}")
        return said

    def _systemctl(self, *arguments, allowed=(0,)):
        return self._run(["systemctl", *arguments], allowed)

    def _run(self, command, allowed=(0,)):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        except FileNotFoundError as error:
            raise MlopsError(f"{command[0]} is not on this host: run the role model_server first") from error
        if done.returncode not in allowed:
            raise MlopsError(f"`{' '.join(command)}` failed ({done.returncode}): {one_line(done.stderr or done.stdout)}")
        return done.stdout
