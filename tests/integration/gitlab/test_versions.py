# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Short lives on versions and editions that differ: what deletion leaves, which fields are there. As far as is known; no GitLab was run."""

from __future__ import annotations

import json

import pytest

P = "team/a"
VERSIONS = [{"version": "16.11.0"}, {"version": "17.11.0"}, {"version": "17.11.0", "edition": "ee"}, {"version": "18.5.0"}, {"version": "19.0.0"}]


@pytest.fixture(params=VERSIONS, ids=lambda about: " ".join(about.values()))
def site(on, request):
    gitlab, run = on(**request.param)
    assert run("gitlab_groups", groups=[{"path": "team"}, {"path": "team/sub"}])["changed"]
    assert run("gitlab_projects", projects=[{"path": P, "initialize_with_readme": True}])["changed"]
    return gitlab, run


def twice(gitlab, run, module, **options):
    """Done, and found right."""
    done = run(module, **options)
    assert done.get("changed") and not done.get("failed"), done.get("msg", "nothing changed")
    gitlab.clear()
    assert not run(module, **options)["changed"] and gitlab.writes() == []


@pytest.mark.parametrize("kind", ["project", "group"])
def test_deleted_made_again_and_deleted_again(site, kind):
    gitlab, run = site
    module, items = f"gitlab_{kind}s", f"{kind}s"
    wanted = {items: [{"path": f"team/{kind}-1", "description": "first"}]}
    key = {items: [{"path": f"team/{kind}-1"}]}
    for _time in range(3):
        twice(gitlab, run, module, **wanted)
        number = gitlab._stored(kind, f"team/{kind}-1")["id"]
        twice(gitlab, run, module, state="absent", **key)
        left = [place for place in (gitlab.state.projects if kind == "project" else gitlab.state.groups).values() if place["id"] == number]
        assert bool(left) == gitlab.delays_deletion, "only marked where GitLab does so, gone where not"
        assert run(module, state="gathered", **key)["gathered"] == []
        assert f"team/{kind}-1" not in str(run(module, state="gathered")["gathered"]), "a marked one is nobody's"
        places = {"groups": ["team"]} if kind == "project" else {"within": ["team"]}
        assert not run(module, purge=True, **places, **{items: [{"path": P if kind == "project" else "team/sub"}]})["changed"], "nor purged"


def test_archived_last_and_brought_back_first(site):
    """An archived project is for reading: what else is to change is written while it is not."""
    gitlab, run = site
    for archived, order in ((True, ["PUT", "POST"]), (False, ["POST", "PUT"])):
        gitlab.clear()
        assert run("gitlab_projects", projects=[{"path": P, "archived": archived, "description": f"archived {archived}"}])["changed"]
        assert [write.split()[0] for write in gitlab.writes()] == order


def test_what_lies_in_a_deleted_project_is_gone_with_it(site):
    gitlab, run = site
    hook = {"hooks": [{"project": P, "url": "https://h.example.org/"}]}
    twice(gitlab, run, "gitlab_hooks", **hook)
    twice(gitlab, run, "gitlab_projects", state="absent", projects=[{"path": P}])
    assert run("gitlab_hooks", state="gathered", projects=[P])["gathered"] == []
    assert f"project '{P}' does not exist" in run("gitlab_hooks", **hook)["msg"]
    assert not run("gitlab_hooks", state="absent", **hook)["changed"]
    twice(gitlab, run, "gitlab_projects", projects=[{"path": P}])
    twice(gitlab, run, "gitlab_hooks", **hook)


def test_a_group_with_what_it_holds(site):
    gitlab, run = site
    twice(gitlab, run, "gitlab_projects", projects=[{"path": "team/sub/b"}])
    groups = {"groups": [{"path": "team"}, {"path": "team/sub"}]}
    twice(gitlab, run, "gitlab_groups", state="absent", **groups)
    assert gitlab.project("team/sub/b") is None and gitlab.group("team") is None
    twice(gitlab, run, "gitlab_groups", **groups)
    twice(gitlab, run, "gitlab_projects", projects=[{"path": "team/sub/b"}])


def test_hooks(site):
    gitlab, run = site
    hook = {"project": P, "url": "https://h.example.org/", "token": "pass-of-one", "push_events": True, "pipeline_events": True}
    twice(gitlab, run, "gitlab_hooks", hooks=[hook])
    gitlab.clear()
    assert run("gitlab_hooks", hooks=[hook | {"pipeline_events": False}])["changed"]
    assert json.loads(gitlab.seen[-1].body) == {"url": hook["url"], "pipeline_events": False}, "the documentation wants the address in every update"
    assert gitlab.project(P)["hooks"][0]["token"] == "pass-of-one", "an update keeps the token"
    key = {"update_secret": "when_changed", "fingerprint_key": "pass-of-key"}
    if gitlab.number < (17, 1):
        assert "description: needs GitLab 17.1" in run("gitlab_hooks", hooks=[hook], **key)["msg"]
        return
    twice(gitlab, run, "gitlab_hooks", hooks=[hook | {"token": "pass-of-two"}], **key)
    assert gitlab.project(P)["hooks"][0]["token"] == "pass-of-two"
    twice(gitlab, run, "gitlab_hooks", state="absent", hooks=[{"project": P, "url": "https://h.example.org/"}])


def test_variables(site):
    gitlab, run = site
    variables = [
        {"project": P, "key": "A", "value": "pass-of-a", "masked": True, "environment_scope": "prod"},
        {"project": P, "key": "A", "value": "pass-of-b"},
        {"group": "team", "key": "A", "value": "pass-of-c"},
        {"key": "A", "value": "pass-of-d"},
    ]
    variables += [{"group": "team", "key": "A", "value": "pass-of-e", "environment_scope": "prod"}] if gitlab.edition == "ee" else []
    variables += [{"project": P, "key": "H", "value": "pass-of-h", "hidden": True}] if gitlab.number >= (17, 4) else []
    twice(gitlab, run, "gitlab_variables", variables=variables)
    twice(gitlab, run, "gitlab_variables", variables=[item | {"protected": True} for item in variables])
    twice(gitlab, run, "gitlab_variables", variables=[item | {"value": item["value"] + "-2"} for item in variables if "hidden" not in item])
    gathered = run("gitlab_variables", state="gathered")["gathered"]
    assert len(gathered) == len(variables) and not run("gitlab_variables", variables=gathered)["changed"]
    keys = [{name: item[name] for name in ("project", "group", "key", "environment_scope") if name in item} for item in variables]
    twice(gitlab, run, "gitlab_variables", state="absent", variables=keys)


def test_the_rest(site):
    gitlab, run = site
    twice(gitlab, run, "gitlab_users", users=[{"username": "ann", "name": "Ann", "email": "ann@example.org", "password": "pass-of-ann"}])
    twice(gitlab, run, "gitlab_members", members=[{"project": P, "user": "ann", "access_level": "developer"}])
    twice(gitlab, run, "gitlab_files", files=[{"project": P, "path": "x", "content": "x"}])
    twice(gitlab, run, "gitlab_protected_branches", protected_branches=[{"project": P, "name": "main", "push_access_level": "no_one"}])
    twice(gitlab, run, "gitlab_protected_tags", protected_tags=[{"project": P, "name": "v*", "create_access_level": "developer"}])
    twice(gitlab, run, "gitlab_settings", settings={"signup_enabled": False})
    assert run("gitlab_access_tokens", _no_log=True, access_tokens=[{"project": P, "name": "t", "scopes": ["api"]}])["results"][0]["token"]
    assert not run("gitlab_access_tokens", access_tokens=[{"project": P, "name": "t", "scopes": ["api"]}])["changed"]
    twice(gitlab, run, "gitlab_users", state="absent", users=[{"username": "ann"}])


def test_what_only_the_enterprise_edition_has(on):
    gitlab, run = on(edition="ee")
    run("gitlab_groups", groups=[{"path": "team"}])
    run("gitlab_projects", projects=[{"path": P}])
    twice(gitlab, run, "gitlab_groups", groups=[{"path": "team", "membership_lock": True}])
    twice(gitlab, run, "gitlab_hooks", hooks=[{"group": "team", "url": "https://h.example.org/", "issues_events": True}])
    twice(gitlab, run, "gitlab_protected_branches", protected_branches=[{"project": P, "name": "m", "code_owner_approval_required": True}])
    twice(gitlab, run, "gitlab_protected_branches", protected_branches=[{"project": P, "name": "m", "code_owner_approval_required": False}])
    gathered = run("gitlab_hooks", state="gathered", groups=["team"])["gathered"]
    assert [hook["group"] for hook in gathered] == ["team"] and not run("gitlab_hooks", hooks=gathered, purge=True)["changed"]
