# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What real sites do to a run: wrong addresses and proxies, a licence that lapsed, values that GitLab keeps in another form. Nothing is taken as missing."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mlops.onprem.tests.integration.calling import call
from ansible_collections.mlops.onprem.tests.standins.gitlab import rate_limited
from ansible_collections.mlops.onprem.tests.standins.server import Answer

from .conftest import public_key

P = "team/a"
PAGE = {"Content-Type": "text/html"}
ABSENT = [
    ("groups", {"groups": [{"path": "team"}]}),
    ("projects", {"projects": [{"path": P}]}),
    ("variables", {"variables": [{"project": P, "key": "K"}]}),
    ("users", {"users": [{"username": "ann"}]}),
]


@pytest.fixture
def site(on):
    """A stand-in with a project, and how to run a module against it."""

    def start(**about):
        gitlab, run = on(**about)
        run("gitlab_groups", groups=[{"path": "team"}])
        run("gitlab_projects", projects=[{"path": P, "initialize_with_readme": True}])
        gitlab.clear()
        return gitlab, run

    return start


# addresses


@pytest.mark.parametrize(("kind", "items"), ABSENT)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, "<html>Log in</html>", PAGE), "answered with something else than JSON: is url the address of GitLab?"),
        (Answer(404, "<html>nginx</html>", PAGE), "answered 404 not in GitLab's words: is url its address?"),
    ],
)
def test_a_page_for_people_is_no_proof_that_something_is_not_there(site, kind, items, answer, words):
    gitlab, run = site()
    gitlab.faults = dict.fromkeys(range(1, 9), answer)
    told = run(f"gitlab_{kind}", state="absent", **items)
    assert words in told["msg"] and gitlab.writes() == []


@pytest.mark.parametrize("state", ["absent", "gathered"])
@pytest.mark.parametrize("kind", ["groups", "variables"])
def test_a_redirect_to_elsewhere_is_named(site, kind, state):
    gitlab, run = site()
    answer = gitlab.answer
    gitlab.answer = lambda request: Answer(301, "", {"Location": request.path.removeprefix("/old")}) if request.path.startswith("/old") else answer(request)
    told = run(f"gitlab_{kind}", url=f"{gitlab.url}/old", state=state, **dict(ABSENT)[kind])
    assert f"is redirected to {gitlab.url}/api/v4/" in told["msg"] and "give that address as url" in told["msg"]


@pytest.mark.parametrize(("kind", "items"), ABSENT[1:3])
def test_a_proxy_that_decodes_slashes_is_named(site, kind, items):
    gitlab, run = site()
    answer = gitlab.answer

    def proxy(request):
        request.path = request.path.replace("%2F", "/")
        return answer(request)

    gitlab.answer = proxy
    assert "a proxy before it turns %2F into /" in run(f"gitlab_{kind}", state="absent", **items)["msg"]
    gitlab.violations.clear()  # of what the proxy made of it


def test_a_wrong_path_is_named_for_users_too(site):
    gitlab, run = site()
    told = run("gitlab_users", url=f"{gitlab.url}/nope", users=[{"username": "ann", "name": "Ann", "email": "ann@example.org"}])
    assert told["msg"].endswith("/nope/api/v4 does not know who asks: is url the address of GitLab?")


def test_below_a_path_with_limits_and_pages(site, monkeypatch):
    """GitLab installed below a path, reached by another name than it believes to have, while it limits the rate of requests."""
    gitlab, run = site()
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    answer = gitlab.answer

    def below(request):
        request.path = request.path.removeprefix("/gitlab")
        told = answer(request)
        if "Link" in told.headers:
            told.headers["Link"] = told.headers["Link"].replace(gitlab.url, "https://gitlab.inside.example")
        return told

    gitlab.answer = below
    variables = [{"project": P, "key": f"K{number}", "value": f"pass-of-{number}"} for number in range(130)]
    assert run("gitlab_variables", url=f"{gitlab.url}/gitlab/", variables=variables)["changed"]
    gitlab.clear()
    gitlab.faults = {1: rate_limited(), 3: rate_limited()}
    told = run("gitlab_variables", url=f"{gitlab.url}/gitlab", variables=variables)
    assert not told["changed"] and told["requests"] == 4, "two pages, each asked for twice"


# what GitLab keeps in another form, or not at all


def test_an_email_in_capitals(site):
    _gitlab, run = site()
    ann = {"username": "ann", "name": "Ann", "email": "Ann@Example.org", "password": "pass-of-ann"}
    assert run("gitlab_users", users=[ann])["changed"] and not run("gitlab_users", users=[ann])["changed"]
    assert run("gitlab_users", users=[ann | {"email": "Anna@example.org"}])["changed"]


@pytest.mark.parametrize("state", ["blocked_pending_approval", "ldap_blocked"])
def test_users_in_a_state_of_gitlabs_own_are_gathered_and_fed_back(site, state):
    gitlab, run = site()
    run("gitlab_users", users=[{"username": "ann", "name": "Ann", "email": "ann@example.org", "password": "pass-of-ann"}])
    gitlab.user("ann")["state"] = state
    users = run("gitlab_users", state="gathered")["gathered"]
    assert state in [user["state"] for user in users] and run("gitlab_users", users=users, purge=True)["changed"] is False
    told = run("gitlab_users", users=[{"username": "root", "state": state}])
    assert f"user 'root': state is 'active' on the server and cannot become '{state}'" in told["msg"]


def test_a_deploy_key_of_another_project_gets_its_title_at_once(site):
    gitlab, run = site()
    run("gitlab_projects", projects=[{"path": "team/b"}])
    run("gitlab_deploy_keys", deploy_keys=[{"project": P, "key": public_key(1), "title": "old"}])
    both = [{"project": project, "key": public_key(1), "title": "new", "can_push": True} for project in ("team/b", P)]
    assert run("gitlab_deploy_keys", deploy_keys=both[:1])["results"][0]["result"] == "created"
    assert not run("gitlab_deploy_keys", deploy_keys=both[:1])["changed"]
    assert [result["result"] for result in run("gitlab_deploy_keys", deploy_keys=both)["results"]] == ["unchanged", "updated"], "can_push is a project's own"
    assert not run("gitlab_deploy_keys", deploy_keys=both)["changed"] and [key["can_push"] for key in gitlab.project(P)["deploy_keys"]] == [True]


@pytest.mark.parametrize("edition", ["ce", "ee"])
def test_the_level_of_a_single_key_is_not_the_role(site, edition):
    gitlab, run = site(edition=edition)
    rule = gitlab.project(P)["protected_branches"][0]
    rule["push_access_levels"] = [{"id": 90, "access_level": 40, "access_level_description": "CI key", "deploy_key_id": 7}]
    gathered = run("gitlab_protected_branches", state="gathered", projects=[P])["gathered"]
    assert gathered == [{"project": P, "name": "main", "merge_access_level": "maintainer", "allow_force_push": False}
                        | ({"code_owner_approval_required": False} if edition == "ee" else {})]  # fmt: skip
    gitlab.clear()
    told = run("gitlab_protected_branches", protected_branches=[{"project": P, "name": "main", "push_access_level": "maintainer"}])
    assert "has levels for single users, groups or keys, which would be lost" in told["msg"] and gitlab.writes() == []


LICENSED = [
    ("groups", {"groups": [{"path": "team", "membership_lock": True}]}, "membership_lock"),
    ("variables", {"variables": [{"group": "team", "key": "K", "value": "pass-of-k", "environment_scope": "prod"}]}, "environment_scope"),
    (
        "protected_branches",
        {"protected_branches": [{"project": P, "name": "main", "push_access_level": "no_one", "code_owner_approval_required": True}]},
        "code_owner_approval_required",
    ),
]


@pytest.mark.parametrize(("kind", "items", "option"), LICENSED)
def test_what_the_enterprise_edition_drops_without_a_licence_is_named(site, kind, items, option):
    gitlab, run = site(edition="ee")
    answer = gitlab.answer

    def unlicensed(request):
        if request.writes and request.body:
            request.body = json.dumps({name: value for name, value in json.loads(request.body).items() if name != option}).encode()
        return answer(request)

    gitlab.answer = unlicensed
    for _again in "ab":
        told = run(f"gitlab_{kind}", **items)
        assert f"{option}: GitLab 17.11.0-ee has dropped it: it needs a licence for Premium or Ultimate" in told["msg"]
    assert gitlab.group("team")["variables"] == [], "no secret counts in more environments than it was given for"
    assert gitlab.branch_was_open == [] and [rule["name"] for rule in gitlab.project(P)["protected_branches"]] == ["main"]
    gitlab.answer = answer
    assert run(f"gitlab_{kind}", **items)["changed"] and not run(f"gitlab_{kind}", **items)["changed"]


# items


def test_files_are_gathered_by_their_names_whatever_else_is_given(site):
    _gitlab, run = site()
    files = [
        {"project": P, "path": "text", "content": "one\r\ntwo", "executable": True},
        {"project": P, "path": "bytes", "content_base64": "AP8="},
        {"project": P, "path": "seed", "content": "", "overwrite": False},
    ]
    run("gitlab_files", files=files)
    gathered = {file["path"]: file for file in run("gitlab_files", state="gathered", files=files)["gathered"]}
    assert gathered["text"]["content"] == "one\r\ntwo" and gathered["text"]["executable"] and "content_base64" not in gathered["text"]
    assert gathered["bytes"]["content_base64"] == "AP8=" and "content" not in gathered["bytes"] and gathered["seed"]["content"] == ""
    assert not run("gitlab_files", files=list(gathered.values()))["changed"]


@pytest.mark.parametrize("path", ["./x", "a//x", "a/./x", "a/", ""])
def test_a_path_that_git_would_spell_otherwise(site, path):
    gitlab, run = site()
    told = run("gitlab_files", files=[{"project": P, "path": path, "content": "x"}])
    assert "is not a path inside the repository" in told["msg"] and gitlab.writes() == []


def test_a_lifetime_of_no_days(site):
    gitlab, run = site()
    told = run("gitlab_access_tokens", _no_log=True, access_tokens=[{"project": P, "name": "t", "scopes": ["api"], "lifetime_days": 0}])
    assert "rotate_before_days: 14 is not less than lifetime_days" in told["msg"] and gitlab.writes() == []


def test_a_member_with_a_role_of_a_newer_gitlab(site):
    gitlab, run = site()
    run("gitlab_users", users=[{"username": "ann", "name": "Ann", "email": "ann@example.org", "password": "pass-of-ann"}])
    run("gitlab_members", members=[{"project": P, "user": "ann", "access_level": "developer"}])
    gitlab.project(P)["members"][-1]["access_level"] = 25
    told = run("gitlab_members", members=[{"project": P, "user": "ann", "expires_at": "2099-12-31"}])
    assert "Traceback" not in str(told) and json.loads(gitlab.seen[-1].body) == {"access_level": 25, "expires_at": "2099-12-31"}
    gitlab.violations.clear()  # of the role that this version does not have


# secrets of a mapping, in what is printed with a failure that comes before anything is read


@pytest.mark.parametrize("more", [{"url": "gitlab.example.org"}, {"on_eror": "stop"}, {"on_error": "never"}])
def test_settings_are_not_printed_with_an_early_failure(more):
    told = call("gitlab_settings", {"url": "http://127.0.0.1:1", "token": "glpat-x"} | more, settings={"akismet_api_key": "pass-of-akismet"})
    assert told["failed"] and "pass-of-" not in str(told)
