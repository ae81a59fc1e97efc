"""What is decided, as tables and as a machine: any sequence of deploys, rollbacks, kills, reboots and passing time on a simulated host."""

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils import _release
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._release import Facts, Layout, State, release_name
from ansible_collections.mlops.onprem.plugins.module_utils._rollout import Wanted
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

LAYOUT = Layout()


def digest(version):
    return "sha256:" + f"{version:0>8}" * 8


def name(version):
    return release_name(version, digest(version))


def state_of(trail, candidate=None, bad=(), slot="a", slots=None, serial=1):
    """A state with these versions committed, oldest first; the active one in slot."""
    versions = [*trail, *([candidate] if candidate else [])]
    return State(
        "wine",
        slot=slot if trail else None,
        slots={"a": None, "b": None, **({slot: name(trail[-1])} if trail else {}), **(slots or {})},
        trail=tuple(map(name, trail)),
        candidate=candidate and name(candidate),
        releases={name(version): {"version": version, "digest": digest(version), "bytes": 1} for version in versions},
        bad={digest(version): "why" for version in bad},
        event={"serial": serial},
    )


def settled(state, **more):
    """Facts of a host where everything is as the state says and the committed slot answers."""
    routes = _release.render_map({"wine": state.slot})
    files = {LAYOUT.map: routes, LAYOUT.route("wine"): _release.render_route(LAYOUT, "wine")}
    for slot, release in state.slots.items():
        if release:
            files[LAYOUT.env("wine", slot)] = _release.render_env(LAYOUT, state, slot, release)
            files[LAYOUT.limits("wine", slot)] = _release.render_limits(0)
    here = frozenset({state.slot} - {None})
    answering = {state.slot: state.digest(state.active)} if state.slot else {}
    facts = Facts(answering, here, here, state.slot, state.links, state.event["serial"], files, {}, frozenset(state.releases))
    return facts._replace(**more)


def verbs(steps):
    return [step.verb for step in steps]


@pytest.mark.parametrize(
    "state, facts, expected",
    [
        (state_of(["1"]), {}, []),
        (state_of([]), {}, []),
        (state_of(["1"]), {"serving": "b"}, ["flip"]),
        (state_of(["1"]), {"serving": None}, ["flip"]),
        (state_of(["1"]), {"files": {}}, ["write"]),
        (state_of(["1"]), {"enabled": frozenset()}, ["enable"]),
        (state_of(["1"]), {"enabled": frozenset("ab")}, ["disable"]),
        (state_of(["1", "2"]), {"links": {"current": name("1")}}, ["link", "link"]),
        (state_of(["1"]), {"recorded": 0}, ["record"]),
    ],
)
def test_settle_repairs_what_is_derived_and_only_that(state, facts, expected):
    assert verbs(_release.plan_settle(LAYOUT, state, settled(state, **facts))) == expected


@pytest.mark.parametrize(
    "state, facts, memory, expected",
    [
        (state_of(["1"]), {}, 0, []),
        (state_of(["1"]), {"answering": {}}, 0, ["keep_hot", "save", "restart", "await_ready"]),
        (state_of(["1"]), {}, 5, ["write", "reload_units"]),
        (state_of(["1"], "2"), {}, 0, ["keep_hot", "save", "write", "reload_units", "write", "restart", "await_ready"]),
        (state_of(["1"], "2"), {"serving": "b"}, 0, ["flip", "keep_hot", "save", "write", "reload_units", "write", "restart", "await_ready"]),
        (state_of(["1"], "2", slots={"b": name("2")}), {"answering": {"b": digest("2")}}, 0, []),
        (state_of(["1"], "2", slots={"b": name("1")}), {"answering": {"b": digest("2")}}, 0, ["keep_hot", "save", "write", "restart", "await_ready"]),
    ],
)
def test_start_touches_only_what_does_not_answer_yet(state, facts, memory, expected):
    assert verbs(_release.plan_start(LAYOUT, state, settled(state, **facts), memory)) == expected


def test_a_new_model_makes_haproxy_read_its_files_once():
    state = state_of([], "1")
    steps = _release.plan_start(LAYOUT, state, Facts(), 0)
    assert verbs(steps).count("reload_proxy") == 1 and verbs(steps).index("reload_proxy") < verbs(steps).index("restart")


@pytest.mark.parametrize(
    "state, serving, expected",
    [(state_of(["1"], "2"), "a", ["flip b"]), (state_of(["1"], "2"), "b", []), (state_of(["1"]), "a", []), (state_of([], "1"), None, ["flip a"])],
)
def test_switch_is_one_flip(state, serving, expected):
    assert [str(step) for step in _release.plan_switch(state, settled(state, serving=serving))] == expected


def test_commit_saves_before_it_derives_and_boots_either_version_in_between():
    state = state_of(["1"], "2", slots={"b": name("2")})
    steps = verbs(_release.plan_commit(LAYOUT, state, settled(state, serving="b"), keep=3, keep_warm=9))
    assert steps == ["keep_hot", "enable", "save", "write", "disable", "link", "link", "link", "record", "cool"]


def test_commit_flips_again_what_a_reload_took_back():
    state = state_of(["1"], "2", slots={"b": name("2")})
    assert "flip" in verbs(_release.plan_commit(LAYOUT, state, settled(state, serving="a"), keep=3, keep_warm=9))


@pytest.mark.parametrize(
    "trail, candidate, keep, slots, left",
    [
        (["1", "2", "3", "4"], None, 3, {}, "234"),
        (["1", "2", "3", "4"], None, 1, {}, "34"),
        (["1", "2", "3"], "4", 1, {}, "234"),
        (["1", "2", "3"], None, 1, {"b": name("1")}, "123"),
    ],
)
def test_prune_never_forgets_what_is_in_use(trail, candidate, keep, slots, left):
    pruned = state_of(trail, candidate, slots=slots).pruned(keep)
    assert sorted(pruned.releases) == [name(version) for version in left]


def rolled_back(state, facts=None, **options):
    wanted = Wanted("rolled_back", model="wine", reason="why", **options)
    steps = _release.plan_rollback(LAYOUT, state, settled(state, **(facts or {})), wanted)
    return verbs(steps), _release.last_saved(steps, state)


def test_a_candidate_is_given_up_clients_first():
    steps, after = rolled_back(state_of(["1"], "2", slots={"b": name("2")}), {"serving": "b"})
    assert steps[:3] == ["flip", "save", "stop"] and after.active == name("1") and after.candidate is None and after.bad == {digest("2"): "why"}


def test_a_candidate_that_was_never_started_does_not_stop_the_warm_previous_one():
    steps, after = rolled_back(state_of(["1", "2"], "3", slots={"b": name("1")}))
    assert "stop" not in steps and after.slots["b"] == name("1")


def test_a_candidate_that_is_not_to_blame_is_not_marked():
    assert rolled_back(state_of(["1"], "2"), mark_bad=False)[1].bad == {}


def test_a_warm_rollback_is_one_flip_and_restarts_nothing():
    state = state_of(["1", "2"], slots={"b": name("1")})
    warm = {"answering": {"a": digest("2"), "b": digest("1")}}
    steps, after = rolled_back(state, warm)
    assert steps.count("flip") == 1 and "restart" not in steps and (after.active, after.slot, after.trail) == (name("1"), "b", (name("1"),))


def test_a_cold_rollback_starts_first():
    steps, after = rolled_back(state_of(["1", "2"]))
    assert steps.index("restart") < steps.index("await_ready") < steps.index("flip") < steps.index("save", steps.index("flip"))


@pytest.mark.parametrize(
    "state, options, expected",
    [
        (state_of(["1", "2", "3"], bad=["2"]), {}, "1"),
        (state_of(["1", "2", "3"]), {"version": "1"}, "1"),
        (state_of(["1", "2"]), {"digest": digest("2")}, "1"),
        (state_of(["1", "2"]), {"digest": digest("3")}, "2"),
        (state_of(["1", "2"], "3"), {"digest": digest("2")}, "1"),
        (state_of(["1", "2"]), {"version": "2"}, "2"),
    ],
)
def test_rollback_goes_to_the_last_good_version_or_the_named_one(state, options, expected):
    assert rolled_back(state, **options)[1].active == name(expected)


@pytest.mark.parametrize(
    "state, options, message",
    [
        (state_of(["1"]), {}, "no good release before"),
        (state_of(["1", "2"], bad=["1"]), {}, r"-e version=, here is 1 \(bad\)"),
        (state_of([]), {}, "nothing to roll back"),
        (state_of(["1", "2"]), {"version": "9"}, "version 9 is not on this host, it has 00000001|version 9 is not on this host, it has 1-"),
    ],
)
def test_rollback_refuses_and_says_what_to_do(state, options, message):
    with pytest.raises(MlopsError, match=message):
        rolled_back(state, **options)


@pytest.mark.parametrize(
    "raw, message",
    [
        (b"{", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"schema": 1}', "cannot be read"),
        (b'{"schema": 1, "model": "wine", "trail": [], "extra": 1}', "cannot be read"),
        (b'{"schema": 2, "model": "wine", "trail": []}', "schema 2"),
        (b'{"schema": 1, "model": "beer", "trail": []}', "for model 'beer'"),
    ],
)
def test_a_damaged_state_is_an_error_not_an_empty_host(raw, message):
    with pytest.raises(MlopsError, match=message):
        State.parse("wine", raw)


def test_a_state_survives_its_file():
    state = state_of(["1", "2"], "3", bad=["1"], slots={"b": name("1")})
    assert State.parse("wine", state.dump().encode()) == state


@pytest.mark.parametrize("need, free, fits", [((5, 5), (5, 5), True), ((6, 5), (5, 5), False), ((5, 6), (5, 5), False)])
def test_room(need, free, fits):
    call = [dict(zip(("bytes", "inodes"), values)) for values in (need, free)]
    if fits:
        _release.check_room(*call, "here")
    else:
        with pytest.raises(MlopsError, match="here has 5"):
            _release.check_room(*call, "here")


@pytest.mark.parametrize(
    "limit, others, total, fits", [(4, {}, 8, True), (4, {"beer": 1}, 8, False), (4, {"wine": 9}, 8, True), (0, {"beer": 99}, 8, True)]
)
def test_memory_counts_this_model_twice_and_the_others_once(limit, others, total, fits):
    if fits:
        _release.check_memory("wine", limit, others, total)
    else:
        with pytest.raises(MlopsError, match="the host has 8"):
            _release.check_memory("wine", limit, others, total)


class Killed(Exception):
    """The run ends here, as if the power went."""


class SimulatedHost:
    """What the verbs do, on values instead of files, units and sockets."""

    def __init__(self):
        self.files, self.links, self.recorded, self.present = {}, {}, 0, set()
        self.running, self.enabled, self.cooling, self.serving = {}, set(), set(), None
        self.state = State("wine")

    def facts(self):
        units = dict(self.running), frozenset(self.running), frozenset(self.enabled)
        return Facts(*units, self.serving, dict(self.links), self.recorded, dict(self.files), {}, frozenset(self.present))

    def env(self, slot):
        return dict(line.split("=", 1) for line in self.files[LAYOUT.env("wine", slot)].splitlines())

    def mapped(self):
        text = self.files.get(LAYOUT.map, "").strip()
        return text[-1:] or None

    def perform(self, step):
        getattr(self, step.verb)(*step.args)

    def fetch(self, entries):
        pass

    def link_release(self, release):
        self.present.add(release)

    def save(self, state):
        self.state = state

    def write(self, path, text):
        self.files[path] = text

    def link(self, link, release):
        self.links[link] = release

    def record(self, event):
        self.recorded = event["serial"]

    def prune(self, kept):
        self.present &= set(kept)

    def enable(self, slot):
        self.enabled.add(slot)

    def disable(self, slot):
        self.enabled.discard(slot)

    def stop(self, slot):
        self.running.pop(slot, None)

    def restart(self, slot):
        env = self.env(slot)
        assert env["MODEL_DIR"].rpartition("/")[2] in self.present, "started from a folder that is not there"
        self.running[slot] = env["MODEL_DIGEST"]

    def await_ready(self, slot, wanted):
        assert self.running[slot] == wanted

    def reload_units(self):
        pass

    def reload_proxy(self):
        self.serving = self.mapped()

    def cool(self, slot, seconds):
        self.cooling.add(slot)

    def keep_hot(self, slot):
        self.cooling.discard(slot)

    def flip(self, slot):
        self.serving = slot

    def reboot(self):
        self.running = {slot: self.env(slot)["MODEL_DIGEST"] for slot in self.enabled}
        self.cooling.clear()
        self.serving = self.mapped()


VERSIONS = [str(number) for number in range(1, 7)]


class AnySequence(RuleBasedStateMachine):
    """Deploys, rollbacks, kills after any step, reboots, reloads and time."""

    def __init__(self):
        super().__init__()
        self.host, self.committed = SimulatedHost(), set()

    def perform(self, steps, kill):
        for number, step in enumerate(steps):
            if number == kill:
                raise Killed
            self.host.perform(step)
            self.committed.add(self.host.state.digest(self.host.state.active))

    def staged(self, version):
        state, facts = self.host.state, self.host.facts()
        after = state.staged(name(version), version, digest(version), 1)
        return _release.plan_stage(LAYOUT, state, after, facts, [], (name(version),) if name(version) not in facts.present else None)

    def plans(self, version):
        yield lambda: self.staged(version)
        yield lambda: _release.plan_start(LAYOUT, self.host.state, self.host.facts(), 0)
        yield lambda: _release.plan_switch(self.host.state, self.host.facts())
        yield lambda: _release.plan_commit(LAYOUT, self.host.state, self.host.facts(), 2, 9)

    @rule(version=st.sampled_from(VERSIONS), until=st.integers(0, 3), kill=st.one_of(st.none(), st.integers(0, 12)))
    def deploy(self, version, until, kill):
        try:
            for number, plan in enumerate(self.plans(version)):
                self.perform(plan(), kill if number == until else None)
        except Killed:
            return
        assert self.host.state.active == name(version)
        self.check_settled()
        for plan in self.plans(version):
            assert verbs(plan()) == [], "a second run changes nothing"

    @rule(kill=st.one_of(st.none(), st.integers(0, 15)), mark_bad=st.booleans())
    def rollback(self, kill, mark_bad):
        before = self.host.state
        wanted = Wanted("rolled_back", model="wine", reason="why", mark_bad=mark_bad)
        try:
            self.perform(_release.plan_rollback(LAYOUT, before, self.host.facts(), wanted), kill)
        except Killed:
            return
        except MlopsError:
            assert before.previous is None
            return
        assert self.host.state.active == (before.active if before.candidate else before.previous)
        self.check_settled()

    # A first commit that was killed before the map was written waits for the next run: there is nothing older to serve.
    @precondition(lambda self: self.host.mapped() or not self.host.state.slot)
    @rule()
    def reboot(self):
        self.host.reboot()
        if self.host.state.slot:
            assert self.served() in self.committed, "a reboot serves a release that was committed"

    @rule()
    def time_passes(self):
        for slot in self.host.cooling:
            self.host.stop(slot)
        self.host.cooling.clear()

    @precondition(lambda self: self.host.state.slot)
    @rule()
    def another_model_reloads_haproxy(self):
        self.host.write(LAYOUT.map, _release.render_map({"wine": self.host.state.slot}))  # as each run does, for all models
        self.host.reload_proxy()

    def served(self):
        return self.host.running.get(self.host.serving)

    def check_settled(self):
        host, state = self.host, self.host.state
        assert host.serving == host.mapped() == state.slot
        assert self.served() == (state.digest(state.active) if state.slot else None)
        assert host.enabled == ({state.slot} if state.slot else set())
        assert {**dict.fromkeys(state.links), **host.links} == state.links
        assert host.recorded == state.event["serial"]

    @invariant()
    def clients_are_answered_by_a_whole_release(self):
        state = self.host.state
        known = {state.digest(release) for release in state.releases if release in self.host.present}
        if state.slot:
            assert self.served() in known
        assert state.active is None or state.active in self.host.present

    @invariant()
    def nothing_in_use_is_pruned(self):
        state = self.host.state
        used = {state.active, state.previous, state.candidate, *state.slots.values()} - {None}
        assert used <= self.host.present
        assert self.host.cooling.isdisjoint({state.slot}), "the slot that serves is not going to be stopped"


AnySequence.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestAnySequence = AnySequence.TestCase
