# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in for GitLab: what it takes and answers is in GitLab's API description, and it behaves where it hurts as is known of GitLab."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from datetime import date, timedelta

import gitlab as library
import pytest
import requests
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab, description, rate_limited, tables

KEYS = ["ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes([number]) * 32).decode() + " me@home" for number in range(2)]
MAIN = "projects/grp%2Fone"


class Api:
    """Plain calls: `api.get("projects", 404)`; the status is asserted, the answer's JSON is returned."""

    def __init__(self, gitlab, token):
        self.gitlab, self.session = gitlab, requests.Session()
        self.session.headers["PRIVATE-TOKEN"] = token

    def ask(self, method, path, status=None, /, *, headers=None, query=None, **given):
        answer = self.session.request(method, f"{self.gitlab.url}/api/v4/{path}", params=query, json=given or None, headers=headers, allow_redirects=False)
        if status is not None:
            assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer

    def get(self, path, status=200, /, **query):
        return self.ask("GET", path, status, query=query).json()

    def post(self, path, status=201, /, **given):
        return self.ask("POST", path, status, **given).json()

    def put(self, path, status=200, /, **given):
        return self.ask("PUT", path, status, **given).json()

    def patch(self, path, status=200, /, **given):
        return self.ask("PATCH", path, status, **given).json()

    def delete(self, path, status=204, /, **query):
        answer = self.ask("DELETE", path, status, query=query)
        return answer.json() if answer.content else None


@pytest.fixture
def start():
    """Starts a stand-in that is held against the description; in the end nothing may be found wrong."""
    if not description.SPEC.is_file():
        pytest.skip(f"{description.SPEC} is not there: GitLab's API description stands beside the project on its developers' machines, not in it")
    running = []

    def started(**about):
        running.append(GitLab(**about))
        gitlab = running[-1].__enter__()
        gitlab.api = Api(gitlab, gitlab.token)
        gitlab.api.as_user = lambda name, scopes=("api",): Api(gitlab, gitlab.make_token(name, scopes))
        return gitlab
    yield started
    for gitlab in running:
        gitlab.__exit__()
    for gitlab in running:
        assert gitlab.violations == []


@pytest.fixture
def gitlab(start):
    return start()


@pytest.fixture
def api(gitlab):
    """Calls of an administrator, with group `grp`, and project `grp/one` holding a README."""
    return filled(gitlab)


def filled(gitlab):
    group = gitlab.api.post("groups", name="Grp", path="grp")
    gitlab.api.post("projects", name="one", namespace_id=group["id"], initialize_with_readme=True)
    return gitlab.api


# the whole of it, by the library the modules use


def test_every_endpoint_by_the_library(gitlab):
    client = library.Gitlab(gitlab.url, private_token=gitlab.token)
    client.auth()
    assert client.user.username == "root" and client.version()[0] == "17.11.0" and not client.http_get("/metadata")["enterprise"]
    group = client.groups.create({"name": "Grp", "path": "grp"})
    below = client.groups.create({"name": "Sub", "path": "sub", "parent_id": group.id, "visibility": "private"})
    project = client.projects.create({"name": "One", "namespace_id": below.id, "initialize_with_readme": True, "topics": ["b", "a"]})
    own = client.projects.create({"name": "own"})
    user = client.users.create({"username": "ann", "name": "Ann", "email": "ann@example.com", "password": "long enough", "skip_confirmation": True})

    assert client.projects.get("GRP/sub/one").topics == ["a", "b"]
    assert [one.id for one in client.projects.list(iterator=True, pagination="keyset", order_by="id", sort="asc", per_page=1)] == [project.id, own.id]
    assert [one.id for one in group.projects.list(include_subgroups=True, with_shared=False)] == [project.id] and group.projects.list() == []
    assert [one.full_path for one in group.subgroups.list()] == [one.full_path for one in group.descendant_groups.list()] == ["grp/sub"]
    assert [one.path for one in client.users.get(client.user.id).projects.list()] == ["own"]
    project.description = "new"
    project.save()
    project.archive()
    assert client.projects.get(project.id).archived
    project.unarchive()
    below.description = "new"
    below.save()
    assert client.groups.get("grp/sub").description == "new" and client.groups.list(search="sub") and client.projects.list(search="one")

    member = project.members.create({"user_id": user.id, "access_level": 30})
    member.access_level = 40
    member.save()
    assert {one.username for one in project.members_all.list()} == {"root", "ann"} and [one.username for one in project.users.list(search="ann")] == ["ann"]
    project.members.get(user.id).delete()
    group.members.create({"user_id": user.id, "access_level": 20}).delete()

    for holder in (project, client):
        hook = holder.hooks.create({"url": "https://hook.example.com/", "token": "secret"})
        assert holder.hooks.list(get_all=True)[0].id == hook.id and not hasattr(holder.hooks.get(hook.id), "token")
    project_hook = project.hooks.list()[0]
    project_hook.push_events = False
    project_hook.save()
    client.http_put(f"/hooks/{hook.id}", post_data={"name": "n"})
    project_hook.delete()
    client.hooks.delete(hook.id)

    for holder, more in ((project, {"environment_scope": "prod"}), (group, {}), (client, {})):
        variable = holder.variables.create({"key": "KEY", "value": "value", **more})
        variable.value = "new"
        variable.save()
        assert holder.variables.get("KEY").value == "new" and len(holder.variables.list()) == 1
        variable.delete()

    rule = project.protectedbranches.create({"name": "release/*", "push_access_level": 0})
    rule.allow_force_push = True
    rule.save()
    assert project.protectedbranches.get("release/*").push_access_levels[0]["access_level"] == 0 and len(project.protectedbranches.list()) == 2
    rule.delete()
    project.protectedtags.create({"name": "v*", "create_access_level": 40})
    assert project.protectedtags.list()[0].name == project.protectedtags.get("v*").name
    project.protectedtags.delete("v*")

    key = project.keys.create({"title": "deploy", "key": KEYS[0], "can_push": True})
    key.title = "other"
    key.save()
    own.keys.enable(key.id)
    assert own.keys.get(key.id).title == "other" and len(client.deploykeys.list()) == len(project.keys.list()) == 1
    key.delete()

    for holder in (project, group):
        token = holder.access_tokens.create({"name": "t", "scopes": ["read_api"], "expires_at": (date.today() + timedelta(9)).isoformat()})
        assert token.token
        token.rotate()
        token = holder.access_tokens.list(state="active")[0]
        holder.access_tokens.get(token.id).delete()

    client.settings.get()
    client.http_put("/application/settings", post_data={"signup_enabled": False})
    assert gitlab.settings["signup_enabled"] is False
    for verb in ("block", "unblock", "deactivate", "activate", "ban", "unban"):
        assert getattr(user, verb)() is True
    user.name = "Anna"
    user.save()
    assert client.users.list(username="ann")[0].name == client.users.get(user.id).name == "Anna"
    assert [one.username for one in client.users.list(iterator=True, pagination="keyset", order_by="id", per_page=2)]

    commit = project.commits.create({"branch": "main", "commit_message": "two", "actions": [
        {"action": "create", "file_path": "a/b.txt", "content": "b"}, {"action": "update", "file_path": "README.md", "content": "new"}]})
    assert project.commits.list()[0].id == commit.id
    assert project.files.get("a/b.txt", ref="main").decode() == project.files.raw("a/b.txt", ref="main") == b"b"
    assert project.files.head("a/b.txt", ref="HEAD")["X-Gitlab-Size"] == "1"
    project.files.create({"file_path": "c", "branch": "main", "content": "c", "commit_message": "c"})
    project.files.update("c", {"branch": "main", "content": "d", "commit_message": "d"})
    project.files.delete("c", branch="main", commit_message="e")
    tree = project.repository_tree(recursive=True, iterator=True, pagination="keyset", per_page=1)
    assert [one["path"] for one in tree] == ["README.md", "a", "a/b.txt"]
    project.branches.create({"branch": "dev", "ref": "main"})
    assert [one.name for one in project.branches.list()] == ["dev", "main"] and project.branches.get("main").protected
    project.branches.delete("dev")

    project.share(group.id, 30)
    project.unshare(group.id)
    own.transfer(group.id)
    user.delete()
    client.projects.delete(own.id)
    below.delete()


# who calls, and what is refused


def test_tokens_scopes_and_rights(gitlab, api):
    for headers in ({}, {"PRIVATE-TOKEN": "unknown"}):
        assert requests.get(f"{gitlab.url}/api/v4/version", headers=headers).json() == {"message": "401 Unauthorized"}
    assert requests.get(f"{gitlab.url}/api/v4/version", headers={"Authorization": f"Bearer {gitlab.token}"}).status_code == 200
    token = gitlab.make_token("bob")
    bob = Api(gitlab, token)
    gitlab.state.tokens[token]["revoked"] = True
    assert bob.get("version", 401)["error"] == "invalid_token"
    bob = api.as_user("bob", ["read_api"])
    assert bob.get("user")["username"] == "bob"
    assert bob.post("groups", 403, name="a", path="a")["error"] == "insufficient_scope"
    bob = api.as_user("bob")
    assert bob.get(MAIN, 404) == {"message": "404 Project Not Found"} and bob.get("groups/grp", 404) == {"message": "404 Group Not Found"}
    assert bob.get("projects") == bob.get("groups") == []
    api.post(f"{MAIN}/members", user_id=gitlab.user("bob")["id"], access_level=30)
    assert bob.get(MAIN)["permissions"]["project_access"]["access_level"] == 30
    for path in (f"{MAIN}/hooks", f"{MAIN}/variables", "application/settings", "hooks", "admin/ci/variables", "deploy_keys"):
        assert bob.get(path, 403)["message"] == "403 Forbidden"
    assert bob.put(MAIN, 403, description="x")
    bob.post("users", 403, email="a@example.com", name="a", username="a", password="12345678")
    assert "is_admin" not in bob.get(f"users/{gitlab.user('bob')['id']}") and "email" not in bob.get("users/1")
    # an administrator's token without admin_mode has no more rights than its user, once Admin Mode is on
    gitlab.settings["admin_mode"] = True
    api.as_user("root").get("application/settings", 403)
    api.get("application/settings")


def test_sudo(gitlab, api):
    gitlab.make_token("bob")

    def who(of, status, name="bob"):
        return of.ask("GET", "user", status, headers={"Sudo": name}).json()
    assert who(api, 200)["username"] == "bob" and who(api, 404, "nobody")
    assert "Must be admin" in who(api.as_user("bob"), 403, "root")["message"]
    assert who(api.as_user("root"), 403)["scope"] == "sudo"


def test_unknown_routes_verbs_and_rate_limit(start):
    gitlab = start(validate=False)
    api = gitlab.api
    assert api.get("nothing", 404) == {"error": "404 Not Found"}
    assert api.patch("projects", 405) == {"error": "405 Not Allowed"}
    gitlab.faults[len(gitlab.seen) + 1] = rate_limited(3)
    answer = api.ask("GET", "projects", 429)
    assert answer.text.strip() == "Retry later" and answer.headers["Retry-After"] == "3" and answer.headers["Content-Type"] == "text/plain"


def test_unknown_parameters_are_dropped_and_ill_typed_ones_refused(start):
    gitlab = start(validate=False)
    api = filled(gitlab)
    assert "nonsense" not in api.put(MAIN, nonsense=1, description="x")
    assert "approvals_before_merge" not in api.put(MAIN, approvals_before_merge=3, description="x")
    assert api.put(MAIN, 400, merge_method="magic") == {"error": "merge_method does not have a valid value"}
    assert api.post("projects", 400, name="x", namespace_id="abc") == {"error": "namespace_id is invalid"}
    assert api.post("groups", 400) == {"error": "name is missing, path is missing"}
    assert api.put(MAIN, 400)["error"].endswith("at least one parameter must be provided")
    form = requests.put(f"{gitlab.url}/api/v4/{MAIN}", data={"topics[]": ["a", "b"], "lfs_enabled": "false"}, headers={"PRIVATE-TOKEN": gitlab.token}).json()
    assert form["topics"] == ["a", "b"] and form["lfs_enabled"] is False
    # options of an update are no options of a creation
    assert api.post("projects", name="two", ci_default_git_depth=7)["ci_default_git_depth"] == 20


def test_editions(start):
    api = filled(start(edition="ee"))
    assert api.put(MAIN, approvals_before_merge=3)["approvals_before_merge"] == 3
    assert api.get("version")["version"] == "17.11.0-ee"
    assert api.post("groups/grp/hooks", url="https://example.com", subgroup_events=True)["subgroup_events"] is True
    rule = api.post(f"{MAIN}/protected_branches", name="a", allowed_to_push=[{"access_level": 30}, {"user_id": 1}])
    assert [(row["access_level"], row["user_id"]) for row in rule["push_access_levels"]] == [(30, None), (40, 1)]
    first = rule["push_access_levels"][0]
    assert api.patch(f"{MAIN}/protected_branches/a", 422, allowed_to_push=[{"access_level": 30}])["message"]
    rows = api.patch(f"{MAIN}/protected_branches/a", allowed_to_push=[{"id": first["id"], "_destroy": True}, {"access_level": 60}])["push_access_levels"]
    assert [row["access_level"] for row in rows] == [40, 60]
    api = filled(start())
    assert api.get("groups/grp/hooks", 404) == {"error": "404 Not Found"}


@pytest.mark.parametrize("version, absent, there", [
    ("16.9.0", "name description custom_headers custom_webhook_template", "url"),
    ("16.11.0", "name description custom_headers", "custom_webhook_template"),
    ("17.11.0", "token_present", "name description custom_headers custom_webhook_template"),
    ("18.2.0", "token_present", "name milestone_events"),
    ("19.0.0", "token", "token_present signing_token_present"),
])
def test_attributes_of_hooks_by_version(start, version, absent, there):
    api = filled(start(version=version))
    given = {"url": "https://example.com", "token": "t", "name": "n", "description": "d", "custom_webhook_template": "{}",
             "custom_headers": [{"key": "X", "value": "secret"}]}
    hook = api.post(f"{MAIN}/hooks", **given)
    assert not set(absent.split()) & set(hook) and set(there.split()) <= set(hook)


@pytest.mark.parametrize("version, hidden, description", [("16.1.0", False, False), ("17.3.0", False, True), ("17.4.0", True, True)])
def test_attributes_of_variables_by_version(start, version, hidden, description):
    api = filled(start(version=version))
    variable = api.post(f"{MAIN}/variables", key="A", value="12345678", masked_and_hidden=True, description="d")
    assert ("hidden" in variable, "description" in variable) == (hidden, description)
    assert variable["value"] == (None if hidden else "12345678") and variable["masked"] == hidden


# paging and addressing


def test_paging_by_number(gitlab, api):
    for number in range(24):
        api.post(f"{MAIN}/variables", key=f"K{number}", value="v")
    first = api.ask("GET", f"{MAIN}/variables", 200)
    assert len(first.json()) == 20 and first.headers["x-total"] == "24" and first.headers["x-total-pages"] == "2" and first.headers["x-next-page"] == "2"
    assert set(first.links) == {"next", "first", "last"}
    second = api.session.get(first.links["next"]["url"])
    assert len(second.json()) == 4 and second.headers["x-next-page"] == "" and second.headers["x-prev-page"] == "1" and "next" not in second.links
    assert api.ask("GET", f"{MAIN}/variables", query={"per_page": 1000}).headers["x-per-page"] == "100"
    assert "x-total" not in api.ask("GET", f"{MAIN}/repository/commits", 200).headers


def test_paging_by_key(gitlab, api):
    for number in range(4):
        api.post("projects", name=f"p{number}")
    query, seen, path = {"pagination": "keyset", "order_by": "id", "sort": "desc", "per_page": 2}, [], "projects"
    answer = api.ask("GET", path, 200, query=query)
    while True:
        seen += [row["id"] for row in answer.json()]
        assert "x-total" not in answer.headers
        if "next" not in answer.links:
            break
        assert "id_before=" in answer.links["next"]["url"]
        answer = api.session.get(answer.links["next"]["url"])
    assert seen == [5, 4, 3, 2, 1]
    assert api.get("projects", 405, pagination="keyset", order_by="name")


def test_addresses(gitlab, api):
    assert api.get("projects/GRP%2FOne")["path_with_namespace"] == "grp/one"
    api.get("projects/one", 404)
    group = api.post("groups", name="123", path="123")
    api.get("groups/123", 404)
    assert api.get(f"groups/{group['id']}")["path"] == "123"
    assert gitlab.user("root")["namespace_id"] != group["id"] and api.get("users/1")["namespace_id"] == gitlab.user("root")["namespace_id"]
    moved = api.put(MAIN, path="uno")
    answer = api.ask("GET", MAIN, 301)
    assert answer.headers["Location"].endswith(f"/api/v4/projects/{moved['id']}")
    assert "moved" in api.put(MAIN, 405, description="x")["message"]
    assert api.put("groups/grp", path="new")["full_path"] == "new" and gitlab.project("new/uno")["id"] == moved["id"]


# duplicates and deletion


def test_duplicates(gitlab, api):
    taken = "has already been taken"
    group = gitlab.group("grp")["id"]
    assert api.post("projects", 400, name="one", namespace_id=group)["message"]["path"] == [taken]
    assert api.post("projects", 400, path="ONE", namespace_id=group)["message"]["project_namespace.path"] == [taken]
    message = api.post("groups", 400, name="Grp", path="GRP")["message"]
    assert message.startswith("Failed to save group {") and taken in message
    api.post("groups", name="Two", path="two")
    assert api.put("groups/two", 400, path="grp")["message"] == {"path": [taken]}
    user = {"email": "a@example.com", "name": "a", "username": "a", "password": "12345678"}
    api.post("users", **user)
    assert api.post("users", 409, **user)["message"] == "Email has already been taken"
    assert api.post("users", 409, **{**user, "email": "b@example.com"})["message"] == "Username has already been taken"
    assert api.post("users", 400, **{**user, "email": "b@example.com", "username": "grp"})["message"] == {"username": [taken]}
    other = api.post("users", **{**user, "email": "c@example.com", "username": "c"})
    api.put(f"users/{other['id']}", 409, email="a@example.com")
    assert api.post(f"{MAIN}/protected_branches", 409, name="main")["message"] == "Protected branch 'main' already exists"
    api.post(f"{MAIN}/protected_tags", name="v*")
    assert api.post(f"{MAIN}/protected_tags", 422, name="v*")["message"] == ["Name has already been taken"]
    api.post(f"{MAIN}/variables", key="A", value="v")
    assert taken in api.post(f"{MAIN}/variables", 400, key="A", value="w")["message"]["key"][0]
    api.post(f"{MAIN}/variables", key="A", value="w", environment_scope="prod")
    assert len({api.post(f"{MAIN}/hooks", url="https://example.com")["id"] for _twice in range(2)}) == 2
    api.post(f"{MAIN}/repository/branches", 400, branch="main", ref="main")


def test_deletion_before_18_takes_a_moment(gitlab, api):
    assert api.delete(MAIN, 202) == {"message": "202 Accepted"}
    group = gitlab.group("grp")["id"]
    assert "still being deleted" in str(api.post("projects", 400, name="one", namespace_id=group))
    assert [api.ask("GET", MAIN).status_code for _poll in range(3)] == [200, 404, 404]
    api.post("projects", name="one", namespace_id=group)
    api.delete("groups/grp", 202)
    assert [api.ask("GET", "groups/grp").status_code for _poll in range(3)] == [200, 200, 404]
    assert gitlab.project("grp/one") is None


def test_deletion_since_18_only_marks(start):
    gitlab = start(version="18.3.0")
    api = filled(gitlab)
    api.delete(MAIN, 202)
    row = api.get("projects/1")
    assert row["path"] == "one-deletion_scheduled-1" and row["marked_for_deletion_on"] == date.today().isoformat() and row["archived"]
    assert api.ask("GET", MAIN, 301).headers["Location"].endswith("/projects/1")
    assert [one["id"] for one in api.get("projects")] == [1]
    api.post("projects", name="one", namespace_id=gitlab.group("grp")["id"])
    assert "already marked" in api.delete("projects/1", 400)["message"]
    api.delete("projects/1", 400, permanently_remove=True, full_path="grp/one")
    api.delete("projects/2", 400, permanently_remove=True, full_path="grp/one")
    api.post("projects/1/restore", 400)
    api.delete("projects/1", 202, permanently_remove=True, full_path="grp/one-deletion_scheduled-1")
    assert [api.ask("GET", "projects/1").status_code for _poll in range(3)] == [200, 200, 404]
    api.delete("groups/grp", 202)
    group = next(iter(gitlab.state.groups.values()))
    assert group["path"] == f"grp-deletion_scheduled-{group['id']}"
    assert "subgroups" in api.delete(f"groups/{group['id']}", 400, permanently_remove=True, full_path=group["path"])["message"]
    assert api.post(f"groups/{group['id']}/restore")["full_path"] == "grp" and api.get(MAIN)["id"] == 2
    gitlab.settings["allow_immediate_namespaces_deletion"] = False
    api.delete("projects/2", 202)
    api.delete("projects/2", 403, permanently_remove=True, full_path="grp/one-deletion_scheduled-2")


# users and members


def test_users(gitlab, api):
    assert "password" in api.post("users", 400, email="a@example.com", name="a", username="a")["error"]
    assert api.post("users", 400, email="a@example.com", name="a", username="a", password="short")["message"]["password"]
    user = api.post("users", email="a@example.com", name="a", username="a", password="12345678", admin=True)
    assert user["is_admin"] and user["confirmed_at"] is None and "password" not in user and gitlab.user("a")["password"] == "12345678"
    path = f"users/{user['id']}"
    assert api.put(path, email="new@example.com")["email"] == "a@example.com"
    assert api.put(path, email="new@example.com", skip_reconfirmation=True)["email"] == "new@example.com"
    assert [one["username"] for one in api.get("users", search="new@example.com")] == ["a"]
    for verb, status, state in (("block", 201, "blocked"), ("block", 201, "blocked"), ("deactivate", 403, "blocked"), ("unblock", 201, "active"),
                                ("deactivate", 201, "deactivated"), ("unblock", 403, "deactivated"), ("activate", 201, "active"), ("ban", 201, "banned"),
                                ("unban", 201, "active"), ("unban", 403, "active")):
        answer = api.post(f"{path}/{verb}", status)
        assert gitlab.user("a")["state"] == state and (status == 403 or answer is True)
    api.post("users/1/block", 403)
    gitlab.user("a")["last_activity_on"] = "2026-01-01"
    api.post(f"{path}/deactivate", 403)
    api.as_user("a").post("groups", name="mine", path="mine")
    assert "sole owner" in api.delete(path, 409)["message"]
    api.delete(path, hard_delete=True)
    api.get(path)
    api.get(path)
    api.get(path, 404)
    assert gitlab.group("mine") is None


def test_members(gitlab, api):
    for name in ("ann", "bob"):
        gitlab.make_token(name)
    ann, bob = (gitlab.user(name)["id"] for name in ("ann", "bob"))
    api.post("groups/grp/members", user_id=ann, access_level=30)
    assert api.post("groups/grp/members", 409, user_id=ann, access_level=40)["message"] == "Member already exists"
    assert api.post(f"{MAIN}/members", 400, user_id=ann, access_level=20)["message"] == {
        "access_level": ["should be greater than or equal to Developer inherited membership from group Grp"]}
    assert api.post(f"{MAIN}/members", 400, user_id=bob, access_level=33)["message"]["access_level"] == ["is not included in the list"]
    assert [one["username"] for one in api.get(f"{MAIN}/members")] == [] and len(api.get(f"{MAIN}/members/all")) == 2
    api.get(f"{MAIN}/members/{ann}", 404)
    api.get(f"{MAIN}/members/all/{ann}")
    api.delete(f"{MAIN}/members/{ann}", 404)
    answer = api.post(f"{MAIN}/members", user_id=f"{bob},999", access_level=40)
    assert answer["status"] == "error" and "999" in answer["message"] and len(gitlab.project("grp/one")["members"]) == 1
    assert api.put(f"{MAIN}/members/{bob}", 400, expires_at="2099-01-01") == {"error": "access_level is missing"}
    api.put(f"{MAIN}/members/{bob}", access_level=30, expires_at="2099-01-01")
    assert api.put(f"{MAIN}/members/{bob}", access_level=40)["expires_at"] == "2099-01-01"
    api.delete("groups/grp/members/1", 403)
    # of an invited group too
    other = api.post("groups", name="other", path="other")
    gitlab.make_token("cy")
    api.post("groups/other/members", user_id=gitlab.user("cy")["id"], access_level=50)
    api.post(f"{MAIN}/share", group_id=other["id"], group_access=20)
    assert {one["username"]: one["access_level"] for one in api.get(f"{MAIN}/members/all")}["cy"] == 20
    assert [one["id"] for one in api.get("groups/other/projects")] == [1] and api.get("groups/other/projects", with_shared=False) == []


# hooks and variables


def test_hooks(gitlab, api):
    stored = gitlab.project("grp/one")["hooks"]
    assert api.post(f"{MAIN}/hooks", 422, url="ftp://example.com") == {"error": "Invalid url given"}
    for url in ("http://localhost:1", "http://127.0.0.1/", "http://10.1.2.3/x", "http://192.168.1.1", "http://[::1]/"):
        api.post(f"{MAIN}/hooks", 422, url=url)
    api.post("hooks", url="http://127.0.0.1/")
    gitlab.settings["allow_local_requests_from_web_hooks_and_services"] = True
    hook = api.post(f"{MAIN}/hooks", url="http://10.1.2.3/", token="t", custom_headers=[{"key": "A", "value": "1"}], url_variables=[{"key": "u", "value": "2"}])
    assert hook["push_events"] and not hook["tag_push_events"] and "token" not in hook and stored[0]["token"] == "t"
    assert hook["custom_headers"] == [{"key": "A"}] and "custom_headers" not in api.get(f"{MAIN}/hooks")[0]
    path = f"{MAIN}/hooks/{hook['id']}"
    api.put(path, 400)
    api.put(path, issues_events=True, custom_headers=[{"key": "B", "value": "3"}])
    assert stored[0]["token"] == "t" and stored[0]["custom_headers"] == {"A": "1", "B": "3"} and stored[0]["push_events"]
    api.delete(f"{path}/custom_headers/A")
    api.delete(f"{path}/custom_headers/A", 404)
    api.put(path, url="http://10.1.2.4/", token="t2")
    assert stored[0]["token"] == "t2"
    api.put(path, url="http://10.1.2.5/")
    assert stored[0]["token"] is None and stored[0]["url_variables"] == {} and stored[0]["custom_headers"] == {"B": "3"}
    api.put(path, 422, push_events_branch_filter="a b")
    api.delete(path)
    assert api.get(path, 404) == {"message": "404 Not found"}


def test_variables(gitlab, api):
    path = f"{MAIN}/variables"
    for value, raw, status in (("short", False, 400), ("with space!", False, 400), ("goodvalue", False, 201), ("we{rd}%value", True, 201)):
        answer = api.post(path, status, key=f"M{len(value)}", value=value, masked=True, raw=raw)
        assert answer["value"] == value if status == 201 else answer == {"message": {"value": ["is invalid"]}}
    assert api.post(path, 400, key="A-B", value="")["message"]["key"]
    hidden = api.post(path, key="H", value="12345678", masked_and_hidden=True)
    assert hidden["value"] is None and hidden["masked"] and gitlab.project("grp/one")["variables"][-1]["value"] == "12345678"
    assert "base" in api.put(f"{path}/H", 400, masked=False)["message"]
    assert api.put(f"{path}/H", value="87654321")["value"] is None and gitlab.project("grp/one")["variables"][-1]["value"] == "87654321"
    for scope in ("*", "prod", "staging"):
        api.post(path, key="S", value=scope, environment_scope=scope)
    assert "multiple variables" in api.get(f"{path}/S", 409)["message"]
    assert api.get(f"{path}/S", **{"filter[environment_scope]": "prod"})["value"] == "prod"
    assert api.put(f"{path}/S", filter={"environment_scope": "prod"}, environment_scope="production")["value"] == "prod"
    api.put(f"{path}/S", 400, filter={"environment_scope": "staging"}, environment_scope="production")
    api.delete(f"{path}/S", 409)
    api.delete(f"{path}/S", **{"filter[environment_scope]": "production"})
    assert [row["environment_scope"] for row in gitlab.project("grp/one")["variables"] if row["key"] == "S"] == ["*", "staging"]
    api.get(f"{path}/NONE", 404)
    # scopes of a group's variables are of EE; the instance's have none
    assert api.post("groups/grp/variables", key="A", value="v", environment_scope="prod")["environment_scope"] == "*"
    assert "environment_scope" not in api.post("admin/ci/variables", key="A", value="v") and gitlab.variables[0]["key"] == "A"


# protections


def test_protected_branches(gitlab, api):
    path = f"{MAIN}/protected_branches"
    rule = api.get(f"{path}/main")
    assert rule["push_access_levels"][0]["access_level"] == rule["merge_access_levels"][0]["access_level"] == 40 and "inherited" not in rule
    api.patch(f"{path}/main", allow_force_push=True, allowed_to_push=[{"access_level": 0}])
    stored = gitlab.project("grp/one")["protected_branches"]
    assert stored[0]["allow_force_push"] and stored[0]["push_access_levels"][0]["access_level"] == 40
    api.post(path, name="release/*", push_access_level=0, merge_access_level=30)
    assert api.get(f"{path}/release%2F%2A")["name"] == "release/*"
    api.get(f"{path}/release%2F1", 404)
    assert [one["name"] for one in api.get(path, search="rel")] == ["release/*"]
    api.post(path, 400, name="x", push_access_level=33)
    assert gitlab.branch_was_open == []


def test_a_branch_that_was_open_is_noted(gitlab, api):
    path = f"{MAIN}/protected_branches"
    api.post(path, name="mai*")
    api.delete(f"{path}/main")
    api.post(path, name="main", push_access_level=0)
    api.delete(f"{path}/mai*")
    assert gitlab.branch_was_open == []
    api.delete(f"{path}/main")
    assert gitlab.branch_was_open == [("grp/one", "main")]
    api.post(path, name="main")
    assert len(gitlab.branch_was_open) == 1
    gitlab.branch_was_open.clear()
    api.delete(MAIN, 202)
    assert gitlab.branch_was_open == [("grp/one", "main")]


def test_the_default_branch_is_protected_at_the_first_commit(gitlab, api):
    group = gitlab.group("grp")["id"]
    api.post("projects", name="empty", namespace_id=group, default_branch="trunk")
    row = api.get("projects/grp%2Fempty")
    assert row["default_branch"] == "main" and row["empty_repo"] and gitlab.project("grp/empty")["protected_branches"] == []
    api.get("projects/grp%2Fempty/repository/tree", 404)
    commit = {"branch": "trunk", "commit_message": "first", "actions": [{"action": "create", "file_path": "a", "content": "a"}]}
    api.post("projects/grp%2Fempty/repository/commits", **commit)
    row = api.get("projects/grp%2Fempty")
    assert row["default_branch"] == "trunk" and not row["empty_repo"]
    assert [rule["name"] for rule in gitlab.project("grp/empty")["protected_branches"]] == ["trunk"]
    # not where a rule is there already, and not where the group wishes none
    api.post("projects", name="ruled", namespace_id=group)
    api.post("projects/grp%2Fruled/protected_branches", name="*", push_access_level=30)
    api.post("projects/grp%2Fruled/repository/commits", **commit)
    assert [rule["name"] for rule in gitlab.project("grp/ruled")["protected_branches"]] == ["*"]
    api.put("groups/grp", default_branch_protection=0)
    api.post("projects", name="open", namespace_id=group, initialize_with_readme=True)
    assert gitlab.project("grp/open")["protected_branches"] == []


# deploy keys and access tokens


def test_deploy_keys_are_shared_rows(gitlab, api):
    api.post("projects", name="two", namespace_id=gitlab.group("grp")["id"])
    key = api.post(f"{MAIN}/deploy_keys", title="first", key=KEYS[0], can_push=True)
    assert key["key"].split()[:2] == KEYS[0].split()[:2] and "me@home" not in key["key"]
    blob = base64.b64decode(KEYS[0].split()[1])
    assert key["fingerprint_sha256"] == "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    again = api.post(f"{MAIN}/deploy_keys", title="second", key=KEYS[0], can_push=False)
    assert (again["id"], again["title"], again["can_push"]) == (key["id"], "first", True)
    other = api.post("projects/grp%2Ftwo/deploy_keys", title="second", key=KEYS[0], can_push=False)
    assert (other["id"], other["title"], other["can_push"]) == (key["id"], "first", False)
    api.put(f"projects/grp%2Ftwo/deploy_keys/{key['id']}", title="new")
    assert gitlab.project("grp/one")["deploy_keys"][0]["title"] == "new"
    listed = api.get("deploy_keys")[0]
    assert [[one["path"] for one in listed[f"projects_with_{what}_access"]] for what in ("write", "readonly")] == [["one"], ["two"]]
    assert api.post(f"{MAIN}/deploy_keys", 400, title="x", key="ssh-rsa nonsense")["message"]["key"] == ["is invalid"]
    api.put(f"{MAIN}/deploy_keys/{key['id']}", 400)
    # unknown to the caller: refused; an administrator enables it, to read only
    bob = api.as_user("bob")
    bob.post("projects", name="bobs")
    assert "deploy_key.fingerprint_sha256" in bob.post("projects/bob%2Fbobs/deploy_keys", 400, title="x", key=KEYS[0])["message"]
    assert "can_push" not in api.post(f"projects/bob%2Fbobs/deploy_keys/{key['id']}/enable")
    assert gitlab.project("bob/bobs")["deploy_keys"][0]["can_push"] is False
    for path in ("grp%2Fone", "grp%2Ftwo", "bob%2Fbobs"):
        assert len(api.get("deploy_keys")) == 1
        api.delete(f"projects/{path}/deploy_keys/{key['id']}")
    assert api.get("deploy_keys") == []


def test_access_tokens(gitlab, api):
    path = f"{MAIN}/access_tokens"
    soon = (date.today() + timedelta(30)).isoformat()
    token = api.post(path, name="t", scopes=["api"], expires_at=soon, access_level=30)
    assert "token" not in api.get(f"{path}/{token['id']}") and gitlab.project("grp/one")["access_tokens"][0]["token"] == token["token"]
    assert re.fullmatch(r"project_1_bot_\w+", api.get(f"{MAIN}/members")[0]["username"])
    bot = Api(gitlab, token["token"])
    assert bot.get(MAIN) and bot.get("user")["username"].startswith("project_1_bot")
    bot.get(f"{MAIN}/variables", 403)
    new = api.post(f"{path}/{token['id']}/rotate")
    assert new["id"] != token["id"] and new["token"] != token["token"] and new["expires_at"] == (date.today() + timedelta(7)).isoformat()
    assert bot.get("user", 401)["error"] == "invalid_token" and [one["id"] for one in api.get(path, state="active")] == [new["id"]]
    assert [one["revoked"] for one in api.get(path)] == [True, False]
    api.post(f"{path}/{token['id']}/rotate", 400)
    assert api.get(path, state="active") == []
    token = api.post(path, name="t", scopes=["api"])
    assert token["expires_at"] == (date.today() + timedelta(365)).isoformat() and token["access_level"] == 40
    assert "permission" in Api(gitlab, token["token"]).post(path, 400, name="x", scopes=["api"], expires_at=soon)["message"]
    api.delete(f"{path}/{token['id']}")
    assert api.get(f"{path}/{token['id']}")["revoked"]
    api.post(path, 400, name="t", scopes=["api"], expires_at=(date.today() + timedelta(900)).isoformat())
    assert api.post("groups/grp/access_tokens", name="g", scopes=["read_api"], expires_at=soon, access_level=50)["token"]


# the repository and the settings


def test_commits_are_all_or_nothing(gitlab, api):
    path, files = f"{MAIN}/repository/commits", gitlab.project("grp/one")["branches"]

    def commit(status, *actions, branch="main", **more):
        return api.post(path, status, branch=branch, commit_message="m", actions=list(actions), **more)
    new = {"action": "create", "file_path": "dir/a", "content": base64.b64encode(b"\0\xff").decode(), "encoding": "base64"}
    for fault in ({"action": "create", "file_path": "README.md", "content": ""}, {"action": "update", "file_path": "none", "content": ""},
                  {"action": "delete", "file_path": "none"}, {"action": "update", "file_path": "README.md", "content": "", "last_commit_id": "0" * 40}):
        assert isinstance(commit(400, new, fault)["message"], str)
    assert list(files["main"]) == ["README.md"]
    made = commit(201, new, {"action": "move", "file_path": "READ", "previous_path": "README.md"},
                  {"action": "chmod", "file_path": "READ", "execute_filemode": True})
    assert files["main"] == {"dir/a": b"\0\xff", "READ": b"# one\n"}
    row = {one["path"]: one for one in api.get(f"{MAIN}/repository/tree", recursive=True)}
    assert row["dir/a"]["id"] == hashlib.sha1(b"blob 2\0\0\xff").hexdigest() and row["READ"]["mode"] == "100755" and row["dir"]["type"] == "tree"
    about = api.get(f"{MAIN}/repository/files/dir%2Fa", ref="HEAD")
    assert about["content"] == new["content"] and about["last_commit_id"] == made["id"] and about["blob_id"] == row["dir/a"]["id"]
    commit(400, {"action": "update", "file_path": "READ", "content": "x"}, branch="side")
    commit(201, {"action": "update", "file_path": "READ", "content": "x"}, branch="side", start_branch="main")
    assert files["side"]["READ"] == b"x" and files["main"]["READ"] == b"# one\n"
    body = {"branch": "main", "commit_message": "m", "content": "# one\n"}
    api.put(f"{MAIN}/repository/files/READ", 400, **body)
    assert set(api.put(f"{MAIN}/repository/files/READ", **{**body, "content": "y"})) == {"file_path", "branch"}
    api.post(f"{MAIN}/repository/files/READ", 400, **body)
    assert api.get(f"{MAIN}/repository/files/none", 404, ref="main")["message"] == "404 File Not Found"
    # a developer may not push to the protected branch, and may to another
    bob = api.as_user("bob")
    api.post(f"{MAIN}/members", user_id=gitlab.user("bob")["id"], access_level=30)
    assert "not allowed to push" in bob.post(path, 403, branch="main", commit_message="m", actions=[{**new, "file_path": "n"}])["message"]
    bob.post(path, branch="side", commit_message="m", actions=[{**new, "file_path": "n"}])


def test_ids_are_those_of_git(gitlab, api, tmp_path):
    actions = [{"action": "create", "file_path": path, "content": path} for path in ("b/c/d", "b.txt", "b0", "a")]
    api.post(f"{MAIN}/repository/commits", branch="main", commit_message="m", actions=[*actions, {"action": "delete", "file_path": "README.md"}])
    for path in ("b/c/d", "b.txt", "b0", "a"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    for command in ("init -q", "add -A", "write-tree"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    tree = subprocess.run(["git", "write-tree"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()
    listed = subprocess.run(["git", "ls-tree", "-rt", tree], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert {tuple(re.split(r"\s", line)[:4]) for line in listed.splitlines()} == {
        (one["mode"], one["type"], one["id"], one["path"]) for one in api.get(f"{MAIN}/repository/tree", recursive=True)}


# what a pipeline tells a project


def statuses(api, sha, **query):
    return [(row["name"], row["status"]) for row in api.get(f"{MAIN}/repository/commits/{sha}/statuses", **query)]


def test_statuses_of_commits(gitlab, api):
    head, developer = gitlab.project("grp/one")["heads"]["main"], api.as_user("dev")
    gitlab.project("grp/one")["members"].append({"user_id": gitlab.user("dev")["id"], "access_level": 30})
    first = api.post(f"{MAIN}/statuses/{head}", state="running", name="mlops/lint", target_url="https://jenkins.example.com/1", description="d")
    assert (first["status"], first["ref"], first["target_url"]) == ("running", "main", "https://jenkins.example.com/1")
    assert "Cannot transition status via :run from :running" in api.post(f"{MAIN}/statuses/{head}", 400, state="running", name="mlops/lint")["message"]
    done = api.post(f"{MAIN}/statuses/main", state="success", name="mlops/lint")
    again = api.post(f"{MAIN}/statuses/{head}", state="failed", name="mlops/lint")
    other = developer.post(f"{MAIN}/statuses/{head}", state="pending", context="mlops/unit")
    assert first["id"] == done["id"] != again["id"] and other["author"]["username"] == "dev"
    assert statuses(api, head) == [("mlops/lint", "failed"), ("mlops/unit", "pending")] and len(statuses(api, head, all=True)) == 3
    assert statuses(api, head, name="mlops/unit") == [("mlops/unit", "pending")]
    api.post(f"{MAIN}/statuses/{'0' * 40}", 404, state="success")
    api.post(f"{MAIN}/statuses/{head}", 400, state="good")


def test_merge_requests_and_their_notes(api):
    api.post(f"{MAIN}/repository/branches", branch="new", ref="main")
    about = {"source_branch": "new", "target_branch": "main", "title": "New"}
    mr = api.post(f"{MAIN}/merge_requests", **about, description="why")
    assert (mr["iid"], mr["state"], mr["sha"]) == (1, "opened", api.get(f"{MAIN}/repository/branches/new")["commit"]["id"])
    api.post(f"{MAIN}/merge_requests", 409, **about)
    api.post(f"{MAIN}/merge_requests", 422, source_branch="none", target_branch="main", title="t")
    assert [row["iid"] for row in api.get(f"{MAIN}/merge_requests", source_branch="new", state="opened")] == [1]
    assert api.get(f"{MAIN}/merge_requests", source_branch="main") == [] == api.get(f"{MAIN}/merge_requests", state="closed")
    path = f"{MAIN}/merge_requests/1"
    note = api.post(f"{path}/notes", body="first")
    api.post(f"{path}/notes", body="second")
    assert api.put(f"{path}/notes/{note['id']}", body="changed")["body"] == "changed" == api.get(f"{path}/notes/{note['id']}")["body"]
    assert [row["body"] for row in api.get(f"{path}/notes")] == ["second", "changed"]
    assert [row["body"] for row in api.get(f"{path}/notes", sort="asc", order_by="created_at")] == ["changed", "second"]
    assert api.put(path, state_event="close", title="Old")["state"] == "closed" and api.get(path)["title"] == "Old"
    api.put(f"{path}/merge", 405)
    api.get(f"{MAIN}/merge_requests/2", 404)


def test_environments_and_deployments(gitlab, api):
    head, path = gitlab.project("grp/one")["heads"]["main"], f"{MAIN}/deployments"
    assert api.post(f"{MAIN}/environments", name="staging", external_url="https://s.example.com")["tier"] == "staging"
    api.post(f"{MAIN}/environments", 400, name="staging")
    made = api.post(path, environment="production", sha=head, ref="main", tag=False, status="running")
    assert made["environment"]["name"] == "production" and made["status"] == "running"
    assert api.put(f"{path}/{made['id']}", status="success")["status"] == "success" == api.get(f"{path}/{made['id']}")["status"]
    assert [row["iid"] for row in api.get(path, environment="production", status="success")] == [1] and api.get(path, environment="staging") == []
    assert [row["name"] for row in api.get(f"{MAIN}/environments")] == ["staging", "production"]
    number = api.get(f"{MAIN}/environments", name="production")[0]["id"]
    assert api.get(f"{MAIN}/environments/{number}")["last_deployment"]["id"] == made["id"]
    assert api.put(f"{MAIN}/environments/{number}", external_url="https://p.example.com")["external_url"] == "https://p.example.com"
    api.post(path, 400, environment="production", sha=head, ref="none", tag=False, status="running")
    api.post(path, 400, environment="production", sha=head, ref="main", tag=False, status="done")
    assert api.get(f"{MAIN}/repository/tags") == []


def test_settings(start):
    gitlab = start(validate=False)
    api = gitlab.api
    assert api.put("application/settings", signin_enabled=False)["password_authentication_enabled_for_web"] is False
    assert api.put("application/settings", 400, nonsense=1)["error"] and api.put("application/settings", 400, maintenance_mode=True)["error"]
    answer = api.put("application/settings", default_projects_limit=0, nonsense=1)
    assert answer["default_projects_limit"] == 0 and answer["signup_enabled"] is True
    assert "limit" in api.as_user("bob").post("projects", 403, name="x")["error"][0]


# the check itself


def planted(start, what):
    gitlab = start()
    api = filled(gitlab)
    assert gitlab.violations == []
    what(gitlab, api)
    found, gitlab.violations[:] = gitlab.violations[:], []
    return found


def test_an_undocumented_path_is_seen(start):
    assert planted(start, lambda _gitlab, api: api.get("projects/1/nothing", 404)) == ["GET /projects/1/nothing: path  is not described"]


def test_an_unknown_request_field_is_seen(start):
    found = planted(start, lambda _gitlab, api: api.put(MAIN, descripton="x", description="y"))
    assert found == ["PUT /projects/{id}: parameter descripton is not described"]
    found = planted(start, lambda _gitlab, api: api.get("projects", serch="x"))
    assert found == ["GET /projects: parameter serch is not described"]
    found = planted(start, lambda _gitlab, api: api.post(f"{MAIN}/hooks", url="https://example.com", custom_headers=[{"key": "a", "value": "b", "nme": 1}]))
    assert found == ["POST /projects/{id}/hooks: parameter custom_headers.nme is not described"]


def test_a_wrong_type_is_seen(start):
    assert "parameter" not in str(planted(start, lambda _gitlab, api: api.put(MAIN, build_timeout="12")))
    assert len(planted(start, lambda _gitlab, api: api.put(MAIN, lfs_enabled="true"))) == 1


def test_an_unknown_answer_field_is_seen(start, monkeypatch):
    monkeypatch.setitem(tables.PROJECT, "invented", tables.Field(str, "x"))
    found = planted_answer(start)
    assert found and {line.partition(": ")[2] for line in found} == {"field invented is not described"}


def planted_answer(start):
    gitlab = start()
    filled(gitlab).get(MAIN)
    gitlab.api.get("projects")
    found, gitlab.violations[:] = gitlab.violations[:], []
    return found


def test_each_exception_is_needed(start, monkeypatch):
    gitlab = start(edition="ee", version="19.0.0")
    api, client = filled(gitlab), library.Gitlab(gitlab.url, private_token=gitlab.token)
    exceptions = description.EXCEPTIONS
    monkeypatch.setattr(description, "EXCEPTIONS", ())
    for path in ("user", "application/settings", "users", "users/1", "projects", "users/1/projects", "groups/grp/hooks"):
        api.get(path)
    api.get("projects", pagination="keyset", order_by="id")
    api.get(f"{MAIN}/access_tokens", per_page=100)
    api.post(f"{MAIN}/hooks", url="https://example.com", milestone_events=True)
    api.post("groups/grp/variables", key="A", value="v", protected=True, environment_scope="*")
    api.get("groups/grp/variables/A", **{"filter[environment_scope]": "*"})
    api.put(f"{MAIN}/deploy_keys/{api.post(f'{MAIN}/deploy_keys', title='t', key=KEYS[0])['id']}", can_push=True)
    api.post(f"{MAIN}/members", user_id="1,2", access_level=40)
    client.projects.create({"name": "two"}).transfer(gitlab.group("grp")["id"])
    api.post(f"{MAIN}/repository/commits", branch="main", commit_message="m", actions=[{"action": "create", "file_path": "a", "content": "a"}])
    api.post(f"{MAIN}/statuses/main", state="success")
    api.post(f"{MAIN}/repository/branches", branch="new", ref="main")
    api.post(f"{MAIN}/merge_requests", source_branch="new", target_branch="main", title="t")
    api.get(f"{MAIN}/merge_requests/1/notes")
    api.delete("projects/2", 400, permanently_remove=True)
    api.delete("groups/grp", 202)
    api.post(f"groups/{gitlab.state.new_id('namespace') - 1}/restore")
    found, gitlab.violations[:] = [re.fullmatch(r"(.*?): (\w+) (\S*) .*", line).groups() for line in gitlab.violations], []
    unneeded = [one.why for one in exceptions if not any(
        re.fullmatch(one.calls, where) and what == {"entity": "field"}.get(one.what, one.what)
        and (what in ("path", "status") or one.what == "entity" or name.rpartition(".")[2] in one.names.split()) for where, what, name in found)]
    assert unneeded == []


def test_the_command_line():
    command = [sys.executable, "-m", "ansible_collections.mlops.onprem.tests.standins.gitlab", "--no-validate", "--token", "mine", "--version", "18.0.0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url, token = process.stdout.readline().strip(), process.stdout.readline().strip()
        assert token == "token: mine"
        assert requests.get(f"{url}/api/v4/version", headers={"PRIVATE-TOKEN": "mine"}).json()["version"] == "18.0.0"
    finally:
        process.kill()
        process.wait()
