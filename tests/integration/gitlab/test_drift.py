# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One object of each kind, changed behind the module's back in several ways: each is found, told by check mode and repaired. Nothing is cached."""

from __future__ import annotations

import copy

import pytest

from .conftest import public_key

P, G = "team/a", "team/sub"


def project(gitlab):
    return gitlab.project(P)


def group(gitlab):
    return gitlab.group(G)


def part(name, number=0, holder=project):
    """The stored row of a list of the project."""
    return lambda gitlab: holder(gitlab)[name][number]


def has(find, **values):
    """Set these values of what `find` finds."""
    return lambda gitlab: find(gitlab).update(values)


def lost(name, holder=project):
    return lambda gitlab: holder(gitlab)[name].clear()


def level(name, value, rules="protected_branches"):
    return lambda gitlab: part(rules)(gitlab)[name][0].update(access_level=value)


def renamed(gitlab):
    gitlab.state.change(project(gitlab), path="other", name="other")


def gone(find):
    return lambda gitlab: gitlab.state.remove(find(gitlab))


def user(name):
    return lambda gitlab: gitlab.user(name)


def branch(gitlab):
    return project(gitlab)["branches"]["main"]


def written(path, content):
    return lambda gitlab: branch(gitlab).update({path: content})


PROJECT = {"path": P, "description": "d", "topics": ["x", "y"], "merge_method": "ff", "lfs_enabled": True, "archived": False, "initialize_with_readme": True,
           "issues_access_level": "private", "build_timeout": 600}
HOOK = {"project": P, "url": "https://h.example.org/x", "push_events": True, "push_events_branch_filter": "main", "enable_ssl_verification": True}
VARIABLE = {"project": P, "key": "K", "value": "pass-of-one", "masked": True, "protected": False, "environment_scope": "prod", "description": "d"}
TOKEN = {"project": P, "name": "ci", "scopes": ["read_api"], "access_level": "developer"}

# module: (what is wanted, what is done to it by hand)
DRIFTS = {
    "gitlab_groups": (
        {"path": G, "description": "d", "visibility": "private", "request_access_enabled": False, "two_factor_grace_period": 8},
        [has(group, description="other"), has(group, visibility="public"), has(group, request_access_enabled=True, two_factor_grace_period=9), gone(group)],
    ),
    "gitlab_projects": (
        PROJECT,
        [has(project, description=None), has(project, topics=["x"]), has(project, merge_method="merge", lfs_enabled=False), has(project, archived=True),
         has(project, issues_access_level="enabled"), has(project, build_timeout=601), renamed, gone(project)],
    ),
    "gitlab_users": (
        {"username": "ann", "name": "Ann", "email": "ann@example.org", "password": "pass-of-ann", "admin": False, "note": "n", "state": "active"},
        [has(user("ann"), name="Anna"), has(user("ann"), is_admin=True), has(user("ann"), note=None), has(user("ann"), state="blocked"),
         has(user("ann"), state="deactivated"), has(user("ann"), state="banned"), gone(user("ann"))],
    ),
    "gitlab_members": (
        {"project": P, "user": "bob", "access_level": "developer", "expires_at": "2031-01-01"},
        [has(part("members"), access_level=40), has(part("members"), expires_at=None), lost("members")],
    ),
    "gitlab_hooks": (
        HOOK,
        [has(part("hooks"), push_events=False), has(part("hooks"), push_events_branch_filter=None), has(part("hooks"), enable_ssl_verification=False),
         has(part("hooks"), url="https://h.example.org/y"), lost("hooks")],
    ),
    "gitlab_protected_branches": (
        {"project": P, "name": "main", "push_access_level": "no_one", "merge_access_level": "maintainer", "allow_force_push": False},
        [level("push_access_levels", 30), level("merge_access_levels", 60), has(part("protected_branches"), allow_force_push=True), lost("protected_branches")],
    ),
    "gitlab_protected_tags": (
        {"project": P, "name": "v*", "create_access_level": "maintainer"},
        [level("create_access_levels", 30, "protected_tags"), level("create_access_levels", 0, "protected_tags"), lost("protected_tags")],
    ),
    "gitlab_variables": (
        VARIABLE,
        [has(part("variables"), value="pass-of-two"), has(part("variables"), masked=False), has(part("variables"), protected=True),
         has(part("variables"), description=None), has(part("variables"), environment_scope="*"), lost("variables")],
    ),
    "gitlab_deploy_keys": (
        {"project": P, "key": public_key(1), "title": "t", "can_push": False},
        [has(part("deploy_keys"), can_push=True), lambda gitlab: part("deploy_keys")(gitlab).row.update(title="u"), lost("deploy_keys")],
    ),
    "gitlab_access_tokens": (
        TOKEN,
        [has(part("access_tokens"), revoked=True), has(part("access_tokens"), expires_at="2020-01-01"), has(part("access_tokens"), scopes=["api"]),
         has(part("access_tokens"), access_level=40), lost("access_tokens")],
    ),
    "gitlab_files": (
        {"project": P, "path": "a/b.txt", "content": "one", "executable": False},
        [written("a/b.txt", b"two"), written("a/b.txt", b""), lambda gitlab: branch(gitlab).pop("a/b.txt"),
         lambda gitlab: branch(gitlab).update({"a/b.txt": type("Executable", (bytes,), {})(b"one2")})],
    ),
}
KEYS = ("path", "username", "project", "group", "user", "url", "name", "key", "environment_scope", "branch")


@pytest.fixture(scope="module", autouse=True)
def places(run):
    run("gitlab_groups", groups=[{"path": "team"}, {"path": G}])
    run("gitlab_users", users=[{"username": "bob", "name": "Bob", "email": "bob@example.org", "password": "pass-of-bob"}])


@pytest.fixture(autouse=True)
def fresh(run, gitlab):
    for path in (P, "team/other"):
        if gitlab.project(path):
            gitlab.state.remove(gitlab.project(path))
    run("gitlab_projects", projects=[PROJECT])


@pytest.mark.parametrize(("module", "number"), [(module, number) for module, (_item, ways) in DRIFTS.items() for number in range(len(ways))])
def test_what_was_changed_by_hand_is_found_and_repaired(module, number, run, gitlab):
    wanted, ways = DRIFTS[module]
    items = module.removeprefix("gitlab_")

    def go(_check=False):
        gitlab.clear()
        answer = run(module, _check, _no_log=True, **{items: [wanted]})
        assert not answer.get("failed"), answer["msg"]
        return answer["changed"], gitlab.writes()

    def state():
        named = {name: wanted[name] for name in KEYS if name in wanted and not (name == "name" and module in ("gitlab_users", "gitlab_projects"))}
        return run(module, state="gathered", **{items: [named]})["gathered"]

    if module != "gitlab_projects":
        go()
    assert go() == (False, [])
    before = copy.deepcopy(state())
    assert len(before) == 1
    ways[number](gitlab)
    assert go(True) == (True, []), "check mode tells it"
    changed, writes = go()
    assert changed and writes
    assert state() == before and go() == (False, [])
    if module != "gitlab_protected_branches" or number < len(ways) - 1:
        assert gitlab.branch_was_open == []


def test_settings(run, gitlab):
    wanted = {"signup_enabled": False, "domain_allowlist": ["a.example.org"], "default_branch_name": "main", "session_expire_delay": 60}
    run("gitlab_settings", settings=wanted)
    by_hand = [("signup_enabled", True), ("domain_allowlist", []), ("domain_allowlist", None), ("default_branch_name", "x"), ("session_expire_delay", 61)]
    for name, value in by_hand:
        gitlab.settings[name] = value
        gitlab.clear()
        done = run("gitlab_settings", settings=wanted)
        assert [result["name"] for result in done["results"] if result["result"] == "updated"] == [name] and len(gitlab.writes()) == 1
        assert gitlab.settings[name] == wanted[name]
