# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model's release state is and which steps lead to the next one. Pure: touches no file, no unit and no socket."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError

SLOTS = ("a", "b")
RESERVED = ("blobs", "lost+found")
SCHEMA = 1


class Step(NamedTuple):
    """One effect on the host: a verb of `_host.Host` and its arguments."""

    verb: str
    args: tuple = ()

    def __str__(self):
        return " ".join([self.verb, *(str(arg).partition("\n")[0] for arg in self.args if isinstance(arg, (str, int)))])


def release_name(version, digest):
    """`<version>-<first 8 hex of the digest>`: the name of a release's folder."""
    return f"{version}-{digest.partition(':')[2][:8]}"


@dataclass(frozen=True)
class State:
    """What state.json says of one model: the only source of truth; links, map and history are derived from it.

    slot: the committed slot (None before the first commit). slots: the release each slot was last set up for. trail: committed releases, oldest
    first, the last one is active. candidate: staged, not committed. releases: name -> version, digest, bytes. bad: digest -> reason.
    event: the last thing that happened, copied to history.jsonl.
    """

    model: str
    slot: str | None = None
    slots: dict = field(default_factory=lambda: dict.fromkeys(SLOTS))
    trail: tuple = ()
    candidate: str | None = None
    releases: dict = field(default_factory=dict)
    bad: dict = field(default_factory=dict)
    memory_max: int = 0
    event: dict = field(default_factory=lambda: {"serial": 0})

    @classmethod
    def parse(cls, model, raw):
        """State from the bytes of state.json (None: no file yet). MlopsError when it is not one."""
        if raw is None:
            return cls(model)
        try:
            content = json.loads(raw)
            schema = content.pop("schema")
            state = cls(**{**content, "trail": tuple(content["trail"])})
        except (ValueError, TypeError, KeyError) as error:
            raise MlopsError(f"state.json of model {model!r} cannot be read ({error}): restore it or remove the model with state=absent") from error
        if schema != SCHEMA or state.model != model:
            raise MlopsError(f"state.json of model {model!r} has schema {schema} for model {state.model!r}, right would be schema {SCHEMA}")
        return state

    def dump(self):
        """The text of state.json."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @property
    def active(self):
        return self.trail[-1] if self.trail else None

    @property
    def idle(self):
        """The slot that does not serve: where a candidate starts."""
        return "b" if self.slot == "a" else "a"

    @property
    def previous(self):
        """The release a rollback goes to: the last committed one before the active that is here and not marked bad."""
        return next((name for name in reversed(self.trail[:-1]) if self.is_good(name)), None)

    @property
    def links(self):
        """Symlink name -> release it points to (None: no link)."""
        return {"current": self.active, "previous": self.previous, "candidate": self.candidate}

    def is_good(self, name):
        return name in self.releases and self.releases[name]["digest"] not in self.bad

    def digest(self, name):
        return self.releases[name]["digest"] if name else None

    def version(self, name):
        return self.releases[name]["version"] if name else None

    def _happened(self, what, name, **more):
        return {"serial": self.event["serial"] + 1, "event": what, "release": name, "from": self.active, **more}

    def staged(self, name, version, digest, size):
        """The release is complete on disk: it is the candidate, or the active one and there is none. Clears its bad mark."""
        return replace(
            self,
            candidate=None if name == self.active else name,
            releases={**self.releases, name: {"version": version, "digest": digest, "bytes": size}},
            bad={known: reason for known, reason in self.bad.items() if known != digest},
        )

    def set_up(self, slot, name, memory_max):
        """Slot is about to run release name."""
        return replace(self, slots={**self.slots, slot: name}, memory_max=memory_max)

    def committed(self, name, what, **more):
        """The release in the idle slot is the active one from now on; later releases leave the trail when it goes back."""
        trail = [known for known in self.trail if known != name] if what == "commit" else self.trail[: (*self.trail, name).index(name)]
        return replace(self, slot=self.idle, trail=(*trail, name), candidate=None, event=self._happened(what, name, **more))

    def dropped(self, reason, mark_bad):
        """The candidate is given up, and bad unless it is not to blame."""
        bad = {**self.bad, self.digest(self.candidate): reason} if mark_bad else self.bad
        slots = {slot: None if name == self.candidate else name for slot, name in self.slots.items()}
        return replace(self, bad=bad, slots=slots, candidate=None, event=self._happened("drop", self.candidate, reason=reason))

    def pruned(self, keep):
        """Forgets releases beyond the newest `keep` committed ones; never the active, previous, candidate, or one a slot is set up for."""
        kept = {*self.trail[-max(keep, 1):], *self.links.values(), *self.slots.values()}
        releases = {name: about for name, about in self.releases.items() if name in kept}
        return replace(self, releases=releases, trail=tuple(name for name in self.trail if name in kept))


class Facts(NamedTuple):
    """What a host shows of one model now, beside its state.

    answering: slot -> digest its server names when it is ready. running, enabled: slots whose unit runs, starts at boot. serving: the slot HAProxy
    sends clients to now. links: symlink -> release. recorded: serial of the last line of the history. files: path -> text of what steps may write.
    routes: model -> committed slot of the other models. present: releases that have a folder.
    """

    answering: dict = {}
    running: frozenset = frozenset()
    enabled: frozenset = frozenset()
    serving: str | None = None
    links: dict = {}
    recorded: int = 0
    files: dict = {}
    routes: dict = {}
    present: frozenset = frozenset()


class Layout(NamedTuple):
    """Where things lie on a host."""

    root: str = "/var/lib/models"
    slots: str = "/etc/model-server/slots"
    units: str = "/etc/systemd/system"
    haproxy: str = "/etc/haproxy"
    run: str = "/run/model-server"
    admin: str = "/run/haproxy/admin.sock"

    @property
    def map(self):
        return f"{self.haproxy}/models.map"

    def home(self, model):
        return f"{self.root}/{model}"

    def release(self, model, name):
        return f"{self.root}/{model}/releases/{name}"

    def manifest(self, model, name):
        return f"{self.root}/{model}/manifests/{name}.json"

    def blob(self, digest):
        return f"{self.root}/blobs/{digest.replace(':', '/')}"

    def env(self, model, slot):
        return f"{self.slots}/{model}-{slot}.env"

    def limits(self, model, slot):
        return f"{self.units}/{unit(model, slot)}.d/limits.conf"

    def route(self, model):
        return f"{self.haproxy}/models.d/{model}.cfg"

    def socket(self, model, slot):
        return f"{self.run}/{model}-{slot}/http.sock"

    def written(self, model):
        """Every file outside the root that belongs to the model."""
        return [*(path(model, slot) for slot in SLOTS for path in (self.env, self.limits)), self.route(model)]


def unit(model, slot):
    return f"model-server@{model}-{slot}.service"


def cooling_unit(model, slot):
    return f"model-server-cool-{model}-{slot}"


def backend(model, slot):
    return f"model_{model}_{slot}"


def render_map(routes):
    """models.map: model -> backend of its committed slot."""
    return "".join(f"{model} {backend(model, slot)}\n" for model, slot in sorted(routes.items()) if slot)


def render_route(layout, model):
    """The HAProxy file of one model: a backend for each slot, and one for questions about it, so that a probe is not counted as a request."""
    lines = (f"backend {about}{backend(model, slot)}\n    server slot unix@{layout.socket(model, slot)}\n" for about in ("", "about_") for slot in SLOTS)
    return "# Managed by mlops.onprem.model_release\n" + "\n".join(lines)


def render_env(layout, state, slot, name):
    """What the unit of a slot is told: the resolved release folder, never a link that can move under a running server."""
    values = {
        "MODEL_NAME": state.model,
        "MODEL_VERSION": state.version(name),
        "MODEL_DIGEST": state.digest(name),
        "MODEL_DIR": layout.release(state.model, name),
        "MODEL_SOCKET": layout.socket(state.model, slot),
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def render_limits(memory_max):
    """The systemd drop-in of a slot; 0 leaves the limit of the unit template."""
    return "[Service]\n" + (f"MemoryMax={memory_max}\n" if memory_max else "")


def check_room(need, free, where):
    """Refuses when need (a dict of bytes and inodes) is over what is free there."""
    for kind, wanted in need.items():
        if wanted > free[kind]:
            raise MlopsError(f"{where} has {free[kind]} {kind} free, the release needs {wanted}: make room or lower model_release_keep")


def check_memory(model, memory_max, others, total):
    """Refuses when this model in both slots and every other active model could need more memory (bytes) than the host has."""
    need = 2 * memory_max + sum(limit for name, limit in others.items() if name != model)
    if memory_max and need > total:
        beside = f"beside {need - 2 * memory_max} of other models"
        raise MlopsError(f"memory: {model} needs 2 x {memory_max} bytes {beside}, the host has {total}: lower memory_max")


def plan_settle(layout, state, facts):
    """Brings what is derived from the state in line with it: what a killed run or a person left behind."""
    steps = []
    routes = render_map({**facts.routes, state.model: state.slot})
    if state.slot and state.slot not in facts.enabled:
        steps.append(Step("enable", (state.slot,)))
    if facts.files.get(layout.map) != routes:
        steps.append(Step("write", (layout.map, routes)))
    if facts.serving != state.slot:
        steps.append(Step("flip", (state.slot,)))
    if state.idle in facts.enabled:
        steps.append(Step("disable", (state.idle,)))
    steps += plan_links(state, facts)
    if facts.recorded != state.event["serial"]:
        steps.append(Step("record", (state.event,)))
    return steps


def plan_links(state, facts):
    return [Step("link", (link, name)) for link, name in state.links.items() if facts.links.get(link) != name]


def plan_stage(layout, state, after, facts, missing, relink):
    """Fetches the missing files, links the release (relink: arguments of that step, None when the folder is right) and makes it the candidate."""
    steps = plan_settle(layout, state, facts)
    if missing:
        steps.append(Step("fetch", (tuple(missing),)))
    if relink:
        steps.append(Step("link_release", relink))
    if after != state:
        steps.append(Step("save", (after,)))
        if state.candidate and not after.candidate and state.slots[state.idle] == state.candidate:
            steps.append(Step("stop", (state.idle,)))
    return steps + plan_links(after, facts._replace(links=state.links))


def last_saved(steps, state):
    """The state after these steps."""
    return next((step.args[0] for step in reversed(steps) if step.verb == "save"), state)


def plan_serve(layout, state, facts, slot, name, memory_max):
    """Steps after which release name runs in slot and answers; none when it does already."""
    model = state.model
    files = _writes(facts, layout.limits(model, slot), render_limits(memory_max), Step("reload_units"))
    files += _writes(facts, layout.env(model, slot), render_env(layout, state, slot, name))
    steps = _writes(facts, layout.route(model), render_route(layout, model), Step("reload_proxy"))
    if facts.answering.get(slot) == state.digest(name) and state.slots[slot] == name:
        # what already answers is not restarted: systemd applies a new limit to a running unit
        return steps + files
    if facts.serving == slot != state.slot:
        steps.append(Step("flip", (state.slot,)))
    steps += [Step("keep_hot", (slot,)), Step("save", (state.set_up(slot, name, memory_max),)), *files]
    return [*steps, Step("restart", (slot,)), Step("await_ready", (slot, state.digest(name)))]


def _writes(facts, path, text, *then):
    """A write step and what has to follow it, when the text differs."""
    return [] if facts.files.get(path) == text else [Step("write", (path, text)), *then]


def plan_start(layout, state, facts, memory_max):
    """The candidate runs in the idle slot; without a candidate the active release runs in its own."""
    if state.candidate:
        return plan_serve(layout, state, facts, state.idle, state.candidate, memory_max)
    if not state.active:
        raise MlopsError(f"{state.model}: no release is staged or active on this host, nothing to start")
    return plan_serve(layout, state, facts, state.slot, state.active, memory_max)


def check_ready(state, facts):
    """Refuses when there is a candidate that does not answer in its slot."""
    answer = facts.answering.get(state.idle)
    if state.candidate and answer != state.digest(state.candidate):
        raise MlopsError(f"{state.model}: slot {state.idle} answers as {answer or 'nobody'}, candidate {state.candidate} must be started there first")


def plan_switch(state, facts):
    """Clients go to the candidate, for now: not on disk."""
    slot = state.idle if state.candidate else state.slot
    return [] if facts.serving == slot else [Step("flip", (slot,))]


def plan_commit(layout, state, facts, keep, keep_warm):
    """The candidate becomes the active release on disk; the one before stays warm for keep_warm seconds. Without a candidate: settle."""
    if not state.candidate:
        return plan_settle(layout, state, facts)
    after = state.committed(state.candidate, "commit")
    slot = after.slot
    steps = [Step("keep_hot", (slot,)), Step("enable", (slot,)), Step("save", (after,))]
    steps += plan_settle(layout, after, facts._replace(enabled=facts.enabled | {slot}))
    if state.slot:
        steps.append(Step("cool", (state.slot, keep_warm)))
    pruned = after.pruned(keep)
    if facts.present - set(pruned.releases):
        steps += [Step("save", (pruned,)), Step("prune", (tuple(sorted(pruned.releases)),))]
    return steps


def plan_rollback(layout, state, facts, options):
    """Away from an uncommitted candidate, else from the active release to the last good one (or options.version).

    options: version, digest (only leave this one), reason, mark_bad, memory_max, keep_warm.
    """
    if options.digest and options.digest not in (state.digest(state.candidate), state.digest(state.active)):
        return plan_settle(layout, state, facts)
    if state.candidate and not options.version and options.digest in (None, state.digest(state.candidate)):
        steps = [] if facts.serving == state.slot else [Step("flip", (state.slot,))]
        after = state.dropped(options.reason, options.mark_bad)
        steps.append(Step("save", (after,)))
        if state.slots[state.idle] == state.candidate:
            steps.append(Step("stop", (state.idle,)))
        return steps + plan_settle(layout, after, facts._replace(serving=state.slot))
    target = _rollback_target(state, options.version)
    if target == state.active:
        return plan_settle(layout, state, facts)
    slot = state.idle
    steps = plan_serve(layout, state, facts, slot, target, options.memory_max)
    after = state.set_up(slot, target, options.memory_max).committed(target, "rollback", reason=options.reason)
    bad = {digest: reason for digest, reason in state.bad.items() if digest != state.digest(target)}
    after = replace(after, bad={**bad, state.digest(state.active): options.reason} if options.mark_bad else bad)
    steps += [Step("keep_hot", (slot,)), Step("enable", (slot,)), Step("flip", (slot,)), Step("save", (after,))]
    steps += plan_settle(layout, after, facts._replace(enabled=facts.enabled | {slot}, serving=slot))
    return [*steps, Step("cool", (state.slot, options.keep_warm))]


def _rollback_target(state, version):
    here = [name for name in sorted(state.releases) if name not in (state.candidate, *state.trail)] + list(state.trail)
    if version:
        found = [name for name in here if state.version(name) == version]
        if not found:
            raise MlopsError(f"{state.model}: version {version} is not on this host, it has {', '.join(here) or 'none'}: deploy it instead")
        return found[-1]
    if not state.active:
        raise MlopsError(f"{state.model}: no release is active on this host, nothing to roll back")
    if not state.previous:
        known = ", ".join(f"{state.version(name)}{'' if state.is_good(name) else ' (bad)'}" for name in here if name != state.active)
        raise MlopsError(f"{state.model}: no good release before {state.active} on this host; name one with -e version=, here is {known or 'none'}")
    return state.previous


def plan_absent(layout, state, facts):
    """Nothing of the model stays: first clients, then units, then files; the state goes last, so that a killed run can be repeated."""
    present = [path for path in layout.written(state.model) if facts.files.get(path) is not None]
    routes, steps = render_map(facts.routes), []
    if facts.files.get(layout.map) != routes:
        steps.append(Step("write", (layout.map, routes)))
    if facts.serving:
        steps.append(Step("flip", (None,)))
    for slot in SLOTS:
        steps += [Step("keep_hot", (slot,))] if state.slots[slot] else []
        steps += [Step("disable", (slot,))] if slot in facts.enabled else []
        steps += [Step("stop", (slot,))] if slot in facts.running else []
    steps += [Step("remove", (path,)) for path in present]
    steps += [Step("reload_units"), Step("reload_proxy")] if present else []
    return [*steps, Step("forget")] if steps or state.event["serial"] or state.releases else steps
