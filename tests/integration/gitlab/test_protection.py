# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A protected branch or tag is never open while its rule is changed: not in between, not when a request fails, not when a run is killed."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils import _transport
from ansible_collections.mlops.onprem.tests.standins.gitlab import rate_limited
from ansible_collections.mlops.onprem.tests.standins.gitlab.state import matches
from ansible_collections.mlops.onprem.tests.standins.server import Answer

P = "team/a"
KINDS = {
    "protected_branches": ({"push_access_level": "no_one", "merge_access_level": "developer"}, {"push_access_level": "developer"}, "main"),
    "protected_tags": ({"create_access_level": "no_one"}, {"create_access_level": "developer"}, "v1"),
}
FAULTS = {"reset": "reset", "cut": "cut", "500": Answer(500, {"message": "500 Internal Server Error"}), "429": rate_limited()}


class Site:
    """A project with one rule. `open_at` lists the requests after which no rule was there."""

    def __init__(self, gitlab, run, kind):
        self.gitlab, self.kind, self.open_at = gitlab, kind, []
        self.was, self.wanted, self.name = KINDS[kind]
        run("gitlab_groups", groups=[{"path": "team"}])
        run("gitlab_projects", projects=[{"path": P, "initialize_with_readme": True}])
        self.module = run
        self.done = self.run(self.was)
        answer = gitlab.answer

        def watched(request):
            told = answer(request)
            if not any(matches(rule, self.name) for rule in self.rules()):
                self.open_at.append(f"{request.method} {request.path}")
            return told

        gitlab.answer = watched
        gitlab.clear()

    def run(self, levels, _check=False):
        return self.module(f"gitlab_{self.kind}", _check, **{self.kind: [{"project": P, "name": self.name} | levels]})

    def rules(self):
        return [rule["name"] for rule in self.gitlab.project(P)[self.kind]]

    def levels(self):
        rule = next(rule for rule in self.gitlab.project(P)[self.kind] if rule["name"] == self.name)
        return [rule[name][0]["access_level"] for name in ("push_access_levels", "merge_access_levels", "create_access_levels") if name in rule]

    def never_open(self):
        assert self.open_at == [] and self.gitlab.branch_was_open == []


OLD, NEW = {"protected_branches": [0, 30], "protected_tags": [0]}, {"protected_branches": [30, 30], "protected_tags": [30]}


@pytest.fixture(params=KINDS)
def site(on, request, monkeypatch):
    monkeypatch.setattr(_transport.time, "sleep", lambda seconds: None)
    return lambda: Site(*on(), request.param)


def test_changed_in_place(site):
    one = site()
    done = one.run(one.wanted)
    assert done["changed"] and one.rules() == [one.name] and one.levels() == NEW[one.kind]
    path = f"/api/v4/projects/team%2Fa/{one.kind}"
    assert one.gitlab.writes() == [f"POST {path}", f"DELETE {path}/{one.name}", f"POST {path}", f"DELETE {path}/{one.name}%2A%2A%2A"]
    one.never_open()
    one.gitlab.clear()
    assert not one.run(one.wanted)["changed"] and one.gitlab.writes() == []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_a_request_that_fails_puts_the_old_rule_back(site, number, fault):
    one = site()
    one.gitlab.faults = {number: FAULTS[fault]}
    failed = one.run(one.wanted)
    assert failed["results"][0]["result"] == "failed" and "\n" not in failed["msg"]
    one.never_open()
    assert one.rules() == [one.name], "no cover is left"
    assert one.levels() == (NEW if number == 5 or (number, fault) == (4, "cut") else OLD)[one.kind]
    one.gitlab.clear()
    assert not one.run(one.wanted).get("failed") and one.levels() == NEW[one.kind] and one.rules() == [one.name]
    one.gitlab.clear()
    assert not one.run(one.wanted)["changed"] and one.gitlab.writes() == []
    one.never_open()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", [2, 3, 4, 5])
@pytest.mark.parametrize("more", [1, 2, 9])
def test_though_undoing_fails_too_the_next_run_repairs(site, number, fault, more):
    one = site()
    one.gitlab.faults = dict.fromkeys(range(number, number + 1 + more), FAULTS[fault])
    assert one.run(one.wanted)["results"][0]["result"] == "failed"
    one.never_open()
    one.gitlab.clear()
    gathered = one.module(f"gitlab_{one.kind}", state="gathered", projects=[P])["gathered"]
    assert [rule["name"] for rule in gathered] == [one.name], "a cover is nobody's rule"
    assert not one.run(one.wanted).get("failed") and one.levels() == NEW[one.kind] and one.rules() == [one.name]
    one.gitlab.clear()
    assert not one.run(one.wanted)["changed"] and one.gitlab.writes() == []
    one.never_open()


@pytest.mark.parametrize("left", ["cover and old rule", "cover alone", "cover and new rule"])
@pytest.mark.parametrize("then", ["present", "absent", "purge"])
def test_what_a_killed_run_left_is_cleaned_up(site, left, then):
    one = site()
    rules = one.gitlab.project(P)[one.kind]
    if left == "cover and new rule":
        one.run(one.wanted)
    cover = {**rules[0], "name": one.name + "***",
             **{name: [{**rules[0][name][0], "access_level": 0}] for name in ("push_access_levels", "create_access_levels") if name in rules[0]}}
    if left == "cover alone":
        rules.clear()
    rules.append(cover)
    if then == "present":
        assert one.run(one.wanted, True)["changed"] and one.rules()[-1] == one.name + "***"
        assert one.run(one.wanted)["changed"] and one.rules() == [one.name] and one.levels() == NEW[one.kind]
        one.never_open()
        assert not one.run(one.wanted)["changed"]
    else:
        key = {"project": P, "name": one.name}
        gone = {"state": "absent", one.kind: [key]} if then == "absent" else {"purge": True, "projects": [P]}
        assert one.module(f"gitlab_{one.kind}", **gone)["changed"] and one.rules() == []
        assert not one.module(f"gitlab_{one.kind}", **gone)["changed"]


def test_a_cover_that_says_what_is_wanted_is_still_no_rule(site):
    """A killed run left the cover alone, and what is wanted are the cover's own levels: the rule is made all the same."""
    one = site()
    rules = one.gitlab.project(P)[one.kind]
    rules[0]["name"] += "***"
    one.gitlab.clear()
    assert one.run(one.was)["changed"] and one.rules() == [one.name] and one.levels() == OLD[one.kind]
    assert [write.split()[0] for write in one.gitlab.writes()] == ["POST", "DELETE"]
    one.never_open()
    assert not one.run(one.was)["changed"]


def test_levels_of_single_users_are_not_lost(on):
    gitlab, run = on(edition="ee")
    one = Site(gitlab, run, "protected_branches")
    rule = gitlab.project(P)["protected_branches"][0]
    rule["push_access_levels"].append({**rule["push_access_levels"][0], "user_id": 1})
    assert not one.run(one.was)["changed"], "left alone where nothing is to change"
    gitlab.clear()
    answer = one.run({"push_access_level": "maintainer"})
    assert "'main' of project 'team/a' has levels for single users, groups or keys, which would be lost" in answer["msg"] and gitlab.writes() == []


def test_who_may_unprotect_is_kept(on):
    gitlab, run = on(edition="ee")
    one = Site(gitlab, run, "protected_branches")
    rule = gitlab.project(P)["protected_branches"][0]
    rule["unprotect_access_levels"] = [{"id": 99, "access_level": 60, "access_level_description": "Administrators"}]
    rule["code_owner_approval_required"] = True
    assert one.run(one.wanted)["changed"]
    rule = gitlab.project(P)["protected_branches"][0]
    assert rule["unprotect_access_levels"][0]["access_level"] == 60 and rule["code_owner_approval_required"] and one.levels() == [30, 30]
    one.never_open()
