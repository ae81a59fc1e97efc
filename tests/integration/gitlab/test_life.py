# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each kind through its whole life on a stand-in for GitLab: planned, made, left alone, changed, read, fed back, removed. The stand-in counts the writes."""

from __future__ import annotations

import pytest

from .conftest import public_key

SECRETS = {"password", "token", "value", "import_url"}
CREATION = {"initialize_with_readme", "import_url", "skip_confirmation", "force_random_password", "reset_password", "lifetime_days", "rotate_before_days",
            "overwrite", "commit_message"}
A, B, GROUP = "team/a", "team/sub/deep/b.c", "team/sub"
PROJECTS = {"projects": [A, B]}
BOTH = {"projects": [A, B], "groups": [GROUP]}

# module: (key, what is made, what is changed, the places it lives in)
LIVES = {
    "gitlab_groups": (
        ("path",),
        [
            {"path": "life", "name": "Life of (all)", "visibility": "public", "request_access_enabled": False},
            {"path": "life/in.one", "description": "a % of ünits", "project_creation_level": "maintainer", "default_branch": "trunk"},
            {"path": "life/in.one/deep-er", "share_with_group_lock": True, "two_factor_grace_period": 8},
            {"path": "life/in.one/deep-er/four", "emails_enabled": False, "shared_runners_setting": "disabled_and_overridable"},
        ],
        [
            {"path": "life", "name": "Life", "request_access_enabled": True},
            {"path": "life/in.one", "description": ""},
            {"path": "life/in.one/deep-er", "share_with_group_lock": False, "subgroup_creation_level": "owner"},
            {"path": "life/in.one/deep-er/four", "emails_enabled": True, "mentions_disabled": True},
        ],
        {"within": ["life", "life/in.one", "life/in.one/deep-er"]},
    ),
    "gitlab_projects": (
        ("path",),
        [
            {"path": "team/life", "description": "50 % 'quoted' ünits", "topics": ["b", "a"], "initialize_with_readme": True, "default_branch": "trunk/1"},
            {"path": "team/sub/deep/Life.2", "name": "Life & more", "archived": True, "merge_method": "ff", "issues_access_level": "disabled"},
            {"path": "team/sub/import", "import_url": "https://me:pass-of-import@git.example.org/x.git", "lfs_enabled": False, "build_timeout": 7200},
        ],
        [
            {"path": "team/life", "topics": ["c"], "description": "", "squash_option": "always"},
            {"path": "team/sub/deep/Life.2", "archived": False, "issues_access_level": "private", "ci_default_git_depth": 0},
            {"path": "team/sub/import", "lfs_enabled": True, "keep_latest_artifact": False, "pages_access_level": "public"},
        ],
        {"groups": ["team", "team/sub", "team/sub/deep"]},
    ),
    "gitlab_users": (
        ("username",),
        [
            {"username": "life-a", "name": "Ä Life", "email": "a@life.example.org", "password": "pass-of-life-a", "projects_limit": 0},
            {"username": "life.b", "name": "B", "email": "b@life.example.org", "force_random_password": True, "external": True, "note": "of the life"},
        ],
        [
            {"username": "life-a", "email": "aa@life.example.org", "admin": True, "projects_limit": 3},
            {"username": "life.b", "state": "blocked", "external": False, "note": ""},
        ],
        {},
    ),
    "gitlab_members": (
        ("project", "group", "user"),
        [
            {"project": A, "user": "ann", "access_level": "developer", "expires_at": "2031-12-31"},
            {"project": B, "user": "bob", "access_level": "reporter"},
            {"group": GROUP, "user": "ann", "access_level": "guest"},
        ],
        [
            {"project": A, "user": "ann", "expires_at": ""},
            {"project": B, "user": "bob", "access_level": "maintainer", "expires_at": "2032-01-01"},
            {"group": GROUP, "user": "ann", "access_level": "owner"},
        ],
        BOTH,
    ),
    "gitlab_hooks": (
        ("project", "group", "url"),
        [
            {"project": A, "url": "https://h.example.org/a?b=c%20d", "token": "pass-of-hook-a", "push_events_branch_filter": "rel/*", "name": "ä"},
            {"project": B, "url": "https://h.example.org/", "description": "b", "enable_ssl_verification": False, "push_events": False, "issues_events": True},
            {"url": "http://127.0.0.1/system", "repository_update_events": False, "token": "pass-of-hook-c"},
        ],
        [
            {"project": A, "url": "https://h.example.org/a?b=c%20d", "push_events": False, "name": ""},
            {"project": B, "url": "https://h.example.org/", "pipeline_events": True, "branch_filter_strategy": "regex"},
            {"url": "http://127.0.0.1/system", "repository_update_events": True, "merge_requests_events": True},
        ],
        PROJECTS,
    ),
    "gitlab_protected_branches": (
        ("project", "name"),
        [
            {"project": A, "name": "rel/*", "push_access_level": "no_one"},
            {"project": A, "name": "ünit/50%", "merge_access_level": "developer", "allow_force_push": True},
            {"project": B, "name": "main", "push_access_level": "developer"},
        ],
        [
            {"project": A, "name": "rel/*", "push_access_level": "admin", "merge_access_level": "no_one"},
            {"project": A, "name": "ünit/50%", "allow_force_push": False},
            {"project": B, "name": "main", "push_access_level": "maintainer", "allow_force_push": True},
        ],
        PROJECTS,
    ),
    "gitlab_protected_tags": (
        ("project", "name"),
        [{"project": A, "name": "v*"}, {"project": B, "name": "rel/ü 1%", "create_access_level": "developer"}],
        [{"project": A, "name": "v*", "create_access_level": "no_one"}, {"project": B, "name": "rel/ü 1%", "create_access_level": "admin"}],
        PROJECTS,
    ),
    "gitlab_variables": (
        ("project", "group", "key", "environment_scope"),
        [
            {"project": A, "key": "LIFE", "value": "pass-of-one", "masked": True, "environment_scope": "*"},
            {"project": A, "key": "LIFE", "value": "pass-of-two", "environment_scope": "review/ü %/*", "raw": True},
            {"project": B, "key": "HIDDEN", "value": "pass-of-hidden", "hidden": True, "environment_scope": "*"},
            {"group": GROUP, "key": "LIFE", "value": "pass-of\nmany lines", "variable_type": "file", "environment_scope": "*"},
            {"key": "LIFE_OF_ALL", "value": "pass-of-all", "protected": True, "environment_scope": "*"},
            {"project": A, "key": "EMPTY", "value": "", "environment_scope": "*"},
        ],
        [
            {"project": A, "key": "LIFE", "value": "pass-of-other", "environment_scope": "*"},
            {"project": A, "key": "LIFE", "raw": False, "description": "two", "environment_scope": "review/ü %/*"},
            {"project": B, "key": "HIDDEN", "protected": True, "environment_scope": "*"},
            {"group": GROUP, "key": "LIFE", "variable_type": "env_var", "environment_scope": "*"},
            {"key": "LIFE_OF_ALL", "protected": False, "environment_scope": "*"},
            {"project": A, "key": "EMPTY", "description": "no more", "environment_scope": "*"},
        ],
        BOTH,
    ),
    "gitlab_deploy_keys": (
        ("project", "key"),
        [{"project": A, "key": public_key(1), "title": "ü 1%"}, {"project": B, "key": public_key(1, ""), "title": "ü 1%", "can_push": True}],
        [{"project": A, "key": public_key(1), "can_push": True}, {"project": B, "key": public_key(1, "x"), "can_push": False}],
        PROJECTS,
    ),
    "gitlab_access_tokens": (
        ("project", "group", "name"),
        [
            {"project": A, "name": "ü 1%", "scopes": ["read_api", "api"], "access_level": "reporter", "lifetime_days": 30},
            {"group": GROUP, "name": "group's", "scopes": ["read_repository"], "rotate_before_days": 5},
        ],
        [
            {"project": A, "name": "ü 1%", "scopes": ["read_api"]},
            {"group": GROUP, "name": "group's", "access_level": "guest"},
        ],
        BOTH,
    ),
    "gitlab_files": (
        ("project", "branch", "path"),
        [
            {"project": A, "path": "ünit 1%/a#b.txt", "content": "one\r\ntwo", "branch": "trunk/1"},
            {"project": A, "path": "run", "content": "#!/bin/sh\n", "executable": True, "branch": "trunk/1"},
            {"project": A, "path": "empty", "content": "", "branch": "trunk/1", "commit_message": "An empty one"},
            {"project": B, "path": "deep/er/blob", "content_base64": "AP/+", "branch": "main"},
        ],
        [
            {"project": A, "path": "ünit 1%/a#b.txt", "content": "three", "branch": "trunk/1"},
            {"project": A, "path": "run", "executable": False, "branch": "trunk/1"},
            {"project": A, "path": "empty", "content": "no more", "executable": True, "branch": "trunk/1"},
            {"project": B, "path": "deep/er/blob", "content": "text now", "branch": "main"},
        ],
        {},
    ),
}


@pytest.fixture(scope="module", autouse=True)
def places(run, gitlab):
    """What the kinds live in."""
    gitlab.settings["import_sources"] = ["git"]
    run("gitlab_groups", groups=[{"path": path} for path in ("team", "team/sub", "team/sub/deep")])
    run("gitlab_projects", projects=[{"path": A, "initialize_with_readme": True, "default_branch": "trunk/1"}, {"path": B}])
    run("gitlab_users", users=[{"username": name, "name": name, "email": f"{name}@example.org", "password": f"pass-of-{name}"} for name in ("ann", "bob")])


def results(answer):
    assert not answer.get("failed"), answer["msg"]
    return {result["result"] for result in answer["results"]}


def told(answer):
    """The results without what only the real run knows."""
    return [{name: value for name, value in result.items() if name not in ("token", "expires_at")} for result in answer["results"]]


def named(key, item):
    return {name: item[name] for name in key if name in item}


def comparable(item):
    """The item as far as it can be read back and compared."""
    item = {name: sorted(value) if isinstance(value, list) else value for name, value in item.items() if name not in SECRETS | CREATION and value != ""}
    return item | ({"key": " ".join(item["key"].split()[:2])} if "key" in item else {})


@pytest.mark.parametrize("module", LIVES)
def test_life(module, run, gitlab):
    key, made, changes, places = LIVES[module]
    items = module.removeprefix("gitlab_")

    def go(_check=False, **options):
        gitlab.clear()
        answer = run(module, _check, _no_log=items == "access_tokens", **options)
        assert not answer.get("failed"), answer["msg"]
        assert not (_check and gitlab.writes()), "check mode writes nothing"
        assert answer["requests"] == len(gitlab.seen), "every request is counted"
        return answer, len(gitlab.writes())

    def both_ways(result, **options):
        """Planned, then done: the plan is what happens."""
        planned, _writes = go(True, **options)
        done, writes = go(**options)
        assert planned["changed"] and done["changed"] and results(done) == {result} and writes
        assert planned["diff"] == done["diff"] and planned["results"] == told(done), "check mode told what the real run did"
        return done

    def leaves_alone(**options):
        answer, writes = go(**options)
        assert not answer["changed"] and results(answer) <= {"unchanged"} and writes == 0, answer["diff"]
        return answer

    both_ways("created", **{items: made})
    leaves_alone(**{items: made})
    done = both_ways("updated", **{items: changes})
    for item in changes:
        after = done["diff"]["after"][" ".join(named(key, item).values())]
        assert set(after) == {name for name in item if name not in key}, "what changes and nothing else"
    leaves_alone(**{items: changes})

    gathered, writes = go(state="gathered", **{items: [named(key, item) for item in made]})
    gathered = gathered["gathered"]
    assert writes == 0 and len(gathered) == len(made)
    wanted = {tuple(comparable(named(key, item)).values()): comparable(item) for item in made}
    for item in changes:
        at = tuple(comparable(named(key, item)).values())
        wanted[at] = {name: value for name, value in (wanted[at] | comparable(item)).items() if item.get(name) != "" and not (
            name == "content_base64" and "content" in item)}
    for item in map(comparable, gathered):
        at = tuple(named(key, item).values())
        assert {name: item.get(name) for name in wanted[at]} == wanted[at], "as changed, and what was left out as made"
    leaves_alone(**{items: gathered})

    if items != "files":
        everything = go(state="gathered")[0]["gathered"]
        assert len(everything) >= len(gathered)
        leaves_alone(**{items: everything})
        leaves_alone(purge=True, **{items: everything})
    if places:
        there = go(state="gathered", **places)[0]["gathered"]
        assert [named(key, item) for item in there], "what is in the places"
        leaves_alone(purge=True, **{items: there}, **places)

    assert gitlab.branch_was_open == []
    gone = [named(key, item) for item in made]
    both_ways("deleted", state="absent", **{items: gone})
    leaves_alone(state="absent", **{items: gone})
    assert go(state="gathered", **{items: gone})[0]["gathered"] == []
    gitlab.branch_was_open.clear()  # a rule that is taken away leaves its branch open


def test_settings(run, gitlab):
    def go(_check=False, **settings):
        gitlab.clear()
        answer = run("gitlab_settings", _check, settings=settings)
        assert not answer.get("failed"), answer["msg"]
        return answer, gitlab.writes()

    before = run("gitlab_settings", state="gathered")["gathered"]
    wanted = {"signup_enabled": False, "default_branch_name": "trunk", "domain_allowlist": ["a.example.org", "b.example.org"], "first_day_of_week": 1,
              "help_page_text": ""}  # fmt: skip
    planned, writes = go(True, **wanted)
    assert planned["changed"] and writes == []
    done, writes = go(**wanted)
    assert writes == ["PUT /api/v4/application/settings"] and done["diff"] == planned["diff"] and done["results"] == planned["results"]
    assert {result["name"]: result["result"] for result in done["results"]} == dict.fromkeys(wanted, "updated") | {"help_page_text": "unchanged"}
    assert gitlab.settings["default_branch_name"] == "trunk" and gitlab.settings["usage_ping_enabled"] is True
    answer, writes = go(**wanted)
    assert not answer["changed"] and writes == []
    after = run("gitlab_settings", state="gathered")["gathered"]
    assert {name: value for name, value in after.items() if before.get(name) != value} == {
        name: value for name, value in wanted.items() if name != "help_page_text"}
    assert run("gitlab_settings", state="gathered", settings={"signup_enabled": None})["gathered"] == {"signup_enabled": False}
    answer, writes = go(**after)
    assert not answer["changed"] and writes == []
    go(**before)
    assert run("gitlab_settings", state="gathered", settings=before)["gathered"] == before
