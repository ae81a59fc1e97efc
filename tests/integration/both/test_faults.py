# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fault at every request in turn, of every list module, while it makes, changes and removes: the next run ends where a run without a fault does."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.onprem.tests.integration.both.conftest import gitlab, login
from ansible_collections.mlops.onprem.tests.integration.both.steps import BOB, GITLAB, JENKINS, MORE, keys_of
from ansible_collections.mlops.onprem.tests.integration.calling import call
from ansible_collections.mlops.onprem.tests.standins.jenkins import Jenkins
from ansible_collections.mlops.onprem.tests.standins.server import Answer

MAKE = {"gitlab": gitlab, "jenkins": Jenkins}
STEPS = {step[0]: step for step in (*GITLAB, *JENKINS)}
# `reset` comes before the server has done its work, `cut` after it.
FAULTS = {
    "reset": "reset",
    "cut": "cut",
    "500": Answer(500, {"message": "500 Internal Server Error"}),
    "429": Answer(429, "Retry later", {"Retry-After": "1"}),
}


def before(module):
    """What must be there before a kind can be made: all kinds of the product before it."""
    steps = GITLAB if module.startswith("gitlab") else JENKINS
    names = [step[0] for step in steps]
    made = [(name, {items: made}) for name, items, _key, made, _changed in steps[: names.index(module)] if name in NEEDED]
    return made + ([("gitlab_users", {"users": [BOB]})] if module == "gitlab_members" else [])


NEEDED = {"gitlab_groups", "gitlab_projects", "jenkins_folders", "jenkins_jobs"}


class Trial:
    """A fresh stand-in in which everything before a kind is there."""

    def __init__(self, module, verb):
        self.server, self.module = MAKE[module.partition("_")[0]](), module
        _name, self.items, self.key, made, changed = STEPS[module]
        self.login = login(self.server)
        self.server.__enter__()
        for name, options in before(module) + ([] if verb == "make" else [(module, {self.items: made})]):
            self.run(name, **options)
        if module == "gitlab_files" and verb == "remove":
            self.run("gitlab_files", files=[made[0] | {"path": "README.md"}])
        self.options = {"make": {self.items: made}, "change": {self.items: changed}}.get(verb) or {self.items: keys_of(self.key, made), "state": "absent"}
        self.server.clear()

    def run(self, name, **options):
        answer = call(name, self.login, **MORE.get(name, {}), **options)
        assert not answer.get("failed"), answer["msg"]
        return answer

    def try_it(self):
        return call(self.module, self.login, **MORE.get(self.module, {}), **self.options)

    def state(self):
        """What is there, in the module's own words; of what the server makes up, that it is there."""
        wanted = {self.items: keys_of(self.key, STEPS[self.module][3])} if self.key else {}
        return self.run(self.module, state="gathered", **wanted)["gathered"]

    def close(self):
        self.server.__exit__()


def walk(module, verb):
    """(number of requests of a clean run, its end)."""
    trial = Trial(module, verb)
    try:
        answer = trial.try_it()
        assert not answer.get("failed") and answer["changed"], answer
        return len(trial.server.seen), trial.state()
    finally:
        trial.close()


# settings, which have no key, are not removed
WALKS = [(module, verb) for module in STEPS for verb in ("make", "change", "remove") if verb != "remove" or STEPS[module][2]]


@pytest.mark.parametrize(("module", "verb"), WALKS)
def test_a_fault_at_every_request_is_repaired_by_the_next_run(module, verb, no_pauses):
    requests, end = walk(module, verb)
    tried = 0
    for number in range(1, requests + 1):
        for name, fault in FAULTS.items():
            trial = Trial(module, verb)
            try:
                trial.server.faults = {number: fault}
                first = trial.try_it()
                assert "pass-of-" not in str(first), "a failure shows no secret"
                trial.server.clear()
                again = trial.try_it()
                assert not again.get("failed"), f"{name} at request {number}, then: {again['msg']}"
                assert trial.state() == end, f"{name} at request {number} ({first.get('msg')})"
                trial.server.clear()
                third = trial.try_it()
                assert not third["changed"] and trial.server.writes() == [], f"{name} at request {number}"
                tried += 1
            finally:
                trial.close()
    assert tried == requests * len(FAULTS)
