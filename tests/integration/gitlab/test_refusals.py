# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What GitLab must never be sent: each mistake is named in one line, with what and where, nothing is written, and with `continue` the rest is."""

from __future__ import annotations

import datetime
import re
import ssl

import pytest
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .conftest import public_key

P = "team/a"


@pytest.fixture(scope="module", autouse=True)
def there(run, gitlab):
    run("gitlab_groups", groups=[{"path": "team"}])
    run("gitlab_projects", projects=[{"path": P, "initialize_with_readme": True}])
    run("gitlab_users", users=[{"username": "ann", "name": "Ann", "email": "ann@example.org", "password": "pass-of-ann"}])
    run("gitlab_variables", variables=[{"project": P, "key": "SEEN", "value": "pass-of-it"}])
    run("gitlab_files", files=[{"project": P, "path": "seen", "content": "seen"}])
    for scope in ("read_api", "read_repository"):
        gitlab.make_token("root", [scope], token=f"glpat-{scope}")
    gitlab.make_token("root", ["api"], token="glpat-revoked")
    gitlab.state.tokens["glpat-revoked"]["revoked"] = True
    gitlab.make_token("root", ["api"], expires_at="2020-01-01", token="glpat-expired")
    gitlab.make_token("ann", ["api"], token="glpat-ann")


HOOK = {"project": P, "url": "https://h.example.org/"}
VARIABLE = {"project": P, "key": "K", "value": "pass-of-k"}
OF_GROUP = {"group": "team", "key": "K", "value": "pass-of-k"}
TOKEN = {"project": P, "name": "t", "scopes": ["api"]}
USER = {"username": "x", "name": "X", "email": "x@example.org", "password": "pass-of-x"}

REFUSED = [
    # an option, a value or a type that does not exist
    ("groups", {"groups": [{"path": "x", "descripton": "x"}]}, "Unsupported parameters .*groups.descripton"),
    ("projects", {"projects": [{"path": "team/x", "merge_method": "fast"}]}, "value of merge_method must be one of: merge, rebase_merge, ff"),
    ("projects", {"projects": [{"path": "team/x", "build_timeout": "long"}]}, "'build_timeout'.*int"),
    ("projects", {"projects": [{"name": "x"}]}, "missing required arguments: path"),
    ("variables", {"variables": [VARIABLE], "update_secret": "sometimes"}, "value of update_secret must be one of"),
    # two items with one key
    ("groups", {"groups": [{"path": "x"}, {"path": "X"}]}, "groups: group 'X' is given twice; give each path once"),
    ("projects", {"projects": [{"path": "team/x"}, {"path": "Team/X"}]}, "projects: project 'Team/X' is given twice"),
    ("users", {"users": [USER, USER | {"username": "X"}]}, "users: user 'X' is given twice"),
    ("hooks", {"hooks": [HOOK, HOOK | {"project": "TEAM/a"}]}, "hooks: hook 'https://h.example.org/' of project 'TEAM/a' is given twice"),
    ("variables", {"variables": [VARIABLE, VARIABLE | {"environment_scope": "*"}]}, "variables: variable 'K' of project 'team/a' is given twice"),
    ("deploy_keys", {"deploy_keys": [{"project": P, "key": public_key(1, who), "title": "t"} for who in "ab"]}, "deploy key 'ssh-ed25519 .* is given twice"),
    ("files", {"files": [{"project": P, "path": "x", "content": "1"}, {"project": P, "path": "x", "branch": "main", "content": "2"}]}, "'x' .*given twice"),
    # what is not there, or is something else
    ("groups", {"groups": [{"path": "team/a"}]}, "group 'team/a': path: is a project, not a group"),
    ("groups", {"groups": [{"path": "team/a/b"}]}, "group 'team/a/b': path names group 'team/a', which does not exist"),
    ("groups", {"groups": [{"path": "ann"}]}, "group 'ann': path: is a user, not a group"),
    ("projects", {"projects": [{"path": "team/a/b"}]}, "project 'team/a/b': path: 'team/a' is a project, not a group"),
    ("projects", {"projects": [{"path": "nope/x"}]}, "project 'nope/x': path: group 'nope' does not exist, or this token does not see it"),
    ("projects", {"projects": [{"path": "x"}]}, "project 'x': path: has no group; write it as group/project"),
    ("members", {"members": [{"project": P, "user": "nobody", "access_level": "guest"}]}, "member 'nobody' of project 'team/a': user 'nobody' does not exist"),
    ("members", {"members": [{"group": "nope", "user": "ann", "access_level": "guest"}]}, "member 'ann' of group 'nope': group 'nope' does not exist"),
    ("members", {"members": [{"user": "ann", "access_level": "guest"}]}, "member 'ann': project or group is missing: say whose it is"),
    ("members", {"members": [{"project": P, "group": "team", "user": "ann", "access_level": "guest"}]}, "parameters are mutually exclusive: project|group"),
    ("members", {"members": [{"project": P, "user": "ann"}]}, "member 'ann' of project 'team/a' is not there yet and cannot be made without access_level"),
    ("hooks", {"hooks": [HOOK | {"project": "team/nope"}]}, "hook .* of project 'team/nope': project 'team/nope' does not exist"),
    ("protected_branches", {"protected_branches": [{"project": "nope/nope", "name": "m"}]}, "protected branch 'm' of .*: project 'nope/nope' does not exist"),
    ("protected_tags", {"protected_tags": [{"project": "nope/nope", "name": "m"}]}, "project 'nope/nope' does not exist"),
    ("variables", {"variables": [OF_GROUP | {"group": "nope"}]}, "variable 'K' of group 'nope': group 'nope' does not exist"),
    ("variables", {"variables": [VARIABLE | {"project": "7"}]}, "project: '7' would be taken for an id; give the full path"),
    ("deploy_keys", {"deploy_keys": [{"project": "team/nope", "key": public_key(1), "title": "t"}]}, "project 'team/nope' does not exist"),
    ("access_tokens", {"access_tokens": [TOKEN | {"project": "team/nope"}]}, "access token 't' of project 'team/nope': project 'team/nope' does not exist"),
    ("files", {"files": [{"project": "team/nope", "path": "x", "content": "x"}]}, "file 'x' of project 'team/nope': project 'team/nope' does not exist"),
    ("files", {"files": [{"project": P, "branch": "nope", "path": "x/y", "content": "x"}]}, "file 'nope' 'x/y' of .*: branch 'nope' does not exist"),
    ("settings", {"settings": {"signup_enable": True}}, "setting 'signup_enable': GitLab 17.11.0 shows no such setting; did you mean signup_enabled?"),
    # what cannot be
    ("groups", {"groups": [{"path": "team/-x"}]}, "group 'team/-x': path: '-x'|path: -x cannot be part of a path; letters, digits"),
    ("groups", {"groups": [{"path": "2024"}]}, "group '2024': path: '2024' would be taken for an id"),
    ("projects", {"projects": [{"path": "team/x.git"}]}, "project 'team/x.git': path: 'team/x.git' cannot be part of a path"),
    ("users", {"users": [USER | {"password": None}]}, "user 'x' is not there yet and cannot be made without password, reset_password or force_random_password"),
    ("users", {"users": [{"username": "x", "password": "pass-of-x"}]}, "user 'x' is not there yet and cannot be made without name, email"),
    ("users", {"users": [USER | {"state": "blocked"}]}, "user 'x': state blocked is for a user who is there; make it first"),
    ("hooks", {"hooks": [HOOK | {"url": "ftp://h"}]}, "hook 'ftp://h' of project 'team/a': url: 'ftp://h' is not an http:// or https:// address"),
    ("hooks", {"hooks": [{"url": "http://h/", "issues_events": True}]}, "hook 'http://h/': issues_events: a system hook has no such event"),
    ("hooks", {"hooks": [HOOK | {"repository_update_events": True}]}, "repository_update_events: only a system hook has this event"),
    ("variables", {"variables": [VARIABLE | {"key": "A-B"}]}, "variable 'A-B' of project 'team/a': key: only letters, digits and _ are allowed"),
    ("variables", {"variables": [VARIABLE | {"value": "pass-of-ü!", "masked": True}]}, "value: cannot be masked: it must have 8 or more .* only letters"),
    ("variables", {"variables": [VARIABLE | {"value": "pass-of\nlines", "masked": True, "raw": True}]}, "value: cannot be masked: .* none of them blank"),
    ("variables", {"variables": [VARIABLE | {"value": None}]}, "variable 'K' of project 'team/a' is not there yet and cannot be made without value"),
    ("variables", {"variables": [VARIABLE | {"key": "SEEN", "hidden": True}]}, "hidden is False on the server and True here and cannot be changed"),
    ("variables", {"variables": [{"key": "K", "value": "pass-of-k", "environment_scope": "x"}]}, "a variable of the whole instance has neither"),
    ("variables", {"variables": [VARIABLE], "update_secret": "when_changed"}, "fingerprint_key: update_secret when_changed needs it"),
    ("deploy_keys", {"deploy_keys": [{"project": P, "key": "ssh-ed25519 %%%", "title": "t"}]}, "key: is no public key; write it as in a .pub file"),
    ("access_tokens", {"access_tokens": [TOKEN | {"lifetime_days": 10}]}, "rotate_before_days: 14 is not less than lifetime_days"),
    ("files", {"files": [{"project": P, "path": "x", "content_base64": "pass-of%"}]}, "file 'x' of .*: content_base64: cannot be decoded; give base64 text"),
    ("files", {"files": [{"project": P, "path": "seen", "content_base64": "%"}]}, "file 'seen' of .*: content_base64: cannot be decoded"),
    ("files", {"files": [{"project": P, "path": "x", "content": "x", "content_base64": "eA=="}]}, "content and content_base64 exclude each other"),
    ("files", {"files": [{"project": P, "path": "x"}]}, "content is missing: give content or content_base64"),
    ("files", {"files": [{"project": P, "path": "../x", "content": "x"}]}, "path: '../x' is not a path inside the repository"),
    ("settings", {"settings": {"signup_enabled": "no"}}, "setting 'signup_enabled': 'no' is of type str; the server has bool True"),
    ("settings", {"settings": {"signup_enabled": None}}, "settings: signup_enabled: no value is given"),
    # editions
    ("hooks", {"hooks": [{"group": "team", "url": "https://h.example.org/"}]}, "group: needs GitLab Premium or Ultimate; this server is GitLab 17.11.0 "),
    ("groups", {"groups": [{"path": "team", "membership_lock": True}]}, "membership_lock: needs GitLab Premium or Ultimate"),
    ("protected_branches", {"protected_branches": [{"project": P, "name": "m", "code_owner_approval_required": True}]}, "code_owner.*: needs GitLab Premium"),
    ("variables", {"variables": [OF_GROUP | {"environment_scope": "x"}]}, "environment_scope: in a group it needs GitLab Prem"),
    # oneself, everything
    ("users", {"state": "absent", "users": [{"username": "ROOT"}]}, "user 'root' is who this task connects as and cannot delete itself"),
    *((kind, {kind: [], "purge": True}, f"purge: with an empty list of {kind} it would delete everything") for kind in (
        "groups", "projects", "users", "members", "hooks", "variables", "protected_branches", "protected_tags", "deploy_keys", "access_tokens")),
    # connections
    ("groups", {"groups": [{"path": "x"}], "token": "glpat-wrong"}, "GET .*/api/v4/groups/x answered 401 Unauthorized: .*401 Unauthorized"),
    ("groups", {"groups": [{"path": "x"}], "token": "glpat-revoked"}, "answered 401 Unauthorized: .*Token was revoked"),
    ("groups", {"groups": [{"path": "x"}], "token": "glpat-expired"}, "answered 401 Unauthorized: .*Token is expired"),
    ("groups", {"groups": [{"path": "x"}], "token": "glpat-read_repository"}, "answered 403 Forbidden: .*insufficient_scope"),
    ("settings", {"settings": {"signup_enabled": False}, "token": "glpat-ann"}, "GET .*/application/settings answered 403 Forbidden"),
    ("hooks", {"hooks": [HOOK], "token": "glpat-ann"}, "hook .*: project 'team/a' does not exist, or this token does not see it"),
    ("groups", {"groups": [{"path": "x"}], "url": "http://127.0.0.1:1"}, "did not answer: .*Connection refused"),
    ("groups", {"groups": [{"path": "x"}], "url": "127.0.0.1"}, "url: '127.0.0.1' is not an http:// or https:// URL"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "words"), REFUSED)
def test_refused_before_anything_is_written(run, gitlab, kind, options, words):
    gitlab.clear()
    answer = run(f"gitlab_{kind}", _no_log=True, **options)
    assert answer.get("failed") and "results" not in answer
    assert re.search(words, answer["msg"]), answer["msg"]
    assert "\n" not in answer["msg"] and "glpat-" not in answer["msg"]
    refused = [status for status, request in zip(gitlab.statuses, gitlab.seen) if request.writes and status < 400]
    assert refused == [], "nothing is written"


def test_a_token_that_may_only_read(run, gitlab):
    gitlab.clear()
    answer = run("gitlab_groups", token="glpat-read_api", groups=[{"path": "x"}, {"path": "y"}])
    assert [result["result"] for result in answer["results"]] == ["failed", "skipped"]
    assert re.search("group 'x': POST .*/api/v4/groups answered 403 Forbidden: .*insufficient_scope.*\"scope\": \"api\"", answer["msg"]), answer["msg"]
    assert gitlab.group("x") is None and len(gitlab.writes()) == 1
    assert run("gitlab_groups", True, token="glpat-read_api", groups=[{"path": "x"}])["changed"], "a plan needs no more"


# module: (an item that cannot be had, one that can)
WITH_CONTINUE = {
    "groups": ({"path": "team/a"}, {"path": "team/continue"}),
    "projects": ({"path": "nope/x"}, {"path": "team/continued"}),
    "users": (USER | {"username": "y", "password": None}, USER | {"username": "z", "email": "z@example.org"}),
    "members": ({"project": P, "user": "nobody", "access_level": "guest"}, {"project": P, "user": "ann", "access_level": "guest"}),
    "hooks": ({"group": "team", "url": "https://h.example.org/"}, HOOK),
    "protected_branches": ({"project": P, "name": "a", "code_owner_approval_required": True}, {"project": P, "name": "b"}),
    "protected_tags": ({"project": "nope/x", "name": "a"}, {"project": P, "name": "b"}),
    "variables": (VARIABLE | {"key": "-"}, VARIABLE),
    "deploy_keys": ({"project": P, "key": "x", "title": "t"}, {"project": P, "key": public_key(9), "title": "t"}),
    "access_tokens": (TOKEN | {"name": "short", "lifetime_days": 3}, TOKEN),
    "files": ({"project": P, "path": "no", "content_base64": "%"}, {"project": P, "path": "yes", "content": "x"}),
}


@pytest.mark.parametrize("kind", WITH_CONTINUE)
def test_with_continue_the_rest_is_written_and_the_failed_named(run, gitlab, kind):
    bad, good = WITH_CONTINUE[kind]
    gitlab.clear()
    assert run(f"gitlab_{kind}", _no_log=True, **{kind: [bad, good]})["failed"] and gitlab.writes() == []
    planned = run(f"gitlab_{kind}", True, _no_log=True, on_error="continue", **{kind: [bad, good]})
    answer = run(f"gitlab_{kind}", _no_log=True, on_error="continue", **{kind: [bad, good]})
    assert sorted(result["result"] for result in answer["results"]) == ["created", "failed"] and answer["failed"] and answer["changed"]
    (failed,) = (result for result in answer["results"] if result["result"] == "failed")
    assert answer["msg"] == failed["why"] and "\n" not in failed["why"] and len(gitlab.writes()) == 1
    if kind in ("groups", "projects", "members", "protected_tags"):  # an earlier task may make what is missing
        assert failed["why"] in str(planned["warnings"])
    else:
        assert [result["result"] for result in planned["results"]] == [result["result"] for result in answer["results"]]
    again = run(f"gitlab_{kind}", _no_log=True, on_error="continue", **{kind: [bad, good]})
    assert sorted(result["result"] for result in again["results"]) == ["failed", "unchanged"]


def test_settings_with_continue(run, gitlab):
    gitlab.clear()
    answer = run("gitlab_settings", on_error="continue", settings={"nope": 1, "gravatar_enabled": False, "signup_enabled": 3})
    assert {result["name"]: result["result"] for result in answer["results"]} == {"nope": "failed", "gravatar_enabled": "updated", "signup_enabled": "failed"}
    assert len(gitlab.writes()) == 1 and gitlab.settings["gravatar_enabled"] is False


def test_gitlabs_own_words_and_what_was_not_tried(run, gitlab):
    wanted = [HOOK | {"url": "http://127.0.0.1/local"}, HOOK | {"url": "https://later.example.org/"}]
    answer = run("gitlab_hooks", hooks=wanted)
    assert answer["msg"].startswith(f"hook 'http://127.0.0.1/local' of project 'team/a': POST {gitlab.url}/api/v4/projects/team%2Fa/hooks answered 422 ")
    assert "Invalid url given" in answer["msg"] and [result["result"] for result in answer["results"]] == ["failed", "skipped"] and not answer["changed"]


def test_an_address_that_is_there_twice(run, gitlab):
    hooks = gitlab.project(P)["hooks"]
    kept = hooks[:]
    run("gitlab_hooks", hooks=[HOOK | {"url": "https://twice.example.org/"}])
    hooks.append({**hooks[-1], "id": 999})
    assert "is there 2 times; delete all but one" in run("gitlab_hooks", hooks=[HOOK | {"url": "https://twice.example.org/"}])["msg"]
    assert run("gitlab_hooks", state="absent", hooks=[HOOK | {"url": "https://twice.example.org/"}])["changed"] and hooks == kept


@pytest.mark.parametrize(
    ("version", "kind", "options", "words"),
    [
        ("16.11.0", "hooks", {"hooks": [HOOK | {"description": "d"}]}, "description: needs GitLab 17.1 or newer; this server is 16.11.0"),
        ("16.11.0", "hooks", {"hooks": [HOOK | {"token": "pass-of-t"}], "fingerprint_key": "pass-of-f"}, "description: needs GitLab 17.1"),
        ("16.9.0", "hooks", {"hooks": [HOOK | {"custom_webhook_template": "{}"}]}, "custom_webhook_template: needs GitLab 16.10"),
        ("17.3.0", "variables", {"variables": [VARIABLE | {"hidden": True}]}, "hidden: needs GitLab 17.4"),
        ("16.10.0", "groups", {"groups": [{"path": "x", "default_branch": "x"}]}, "default_branch: needs GitLab 16.11"),
        ("16.1.0", "projects", {"projects": [{"path": "team/x", "model_registry_access_level": "private"}]}, "model_registry_access_level: needs GitLab 16.7"),
    ],
)
def test_a_version_without_the_field(on, version, kind, options, words):
    gitlab, run = on(version=version)
    run("gitlab_groups", groups=[{"path": "team"}])
    run("gitlab_projects", projects=[{"path": P}])
    gitlab.clear()
    answer = run(f"gitlab_{kind}", **options)
    assert answer["failed"] and words in answer["msg"] and answer["msg"].count(words) == 1 and gitlab.writes() == []


def certificate(folder):
    """A certificate of nobody's, and its key, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    (folder / "pair.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "pair.pem"


def test_tls_that_does_not_verify(run, tmp_path):
    with GitLab() as standin:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(tmp_path))
        standin.socket = context.wrap_socket(standin.socket, server_side=True)
        url = standin.url.replace("http:", "https:")
        answer = run("gitlab_groups", url=url, groups=[{"path": "x"}])
        assert re.search("GET https://127.0.0.1:.* did not answer: .*CERTIFICATE_VERIFY_FAILED", answer["msg"]) and "\n" not in answer["msg"]
        assert standin.seen == []
        assert run("gitlab_groups", url=url, validate_certs=False, groups=[{"path": "x"}])["changed"]


def test_check_mode_takes_what_an_earlier_task_would_make(run, gitlab):
    planned = run("gitlab_hooks", True, hooks=[HOOK | {"project": "made/before"}])
    assert planned["changed"] and "'made/before' does not exist, or this token does not see it: right only if an earlier task" in str(planned["warnings"])
    planned = run("gitlab_hooks", True, url="http://127.0.0.1:1", assume_empty=True, hooks=[HOOK | {"description": "d"}])
    assert planned["changed"] and "is not there yet" in str(planned["warnings"])


PURGED = [
    ("groups", {"groups": [{"path": "purge/a"}]}, ["purge/b"]),
    ("groups", {"groups": [{"path": "purge/a"}, {"path": "purge/b/c"}]}, []),
    ("groups", {"groups": [{"path": "purge"}]}, []),
    ("groups", {"within": ["PURGE/b"]}, ["purge/b/c"]),
    ("projects", {"projects": [{"path": "purge/p"}]}, ["purge/q"]),
    ("projects", {"projects": [{"path": "Purge/P"}], "groups": ["purge/b"]}, ["purge/q", "purge/b/r"]),
    ("projects", {"groups": ["purge"]}, ["purge/p", "purge/q"]),
    ("members", {"members": [{"project": "purge/p", "user": "ann"}]}, ["purge/p bob"]),
    ("members", {"groups": ["purge"]}, []),
    ("hooks", {"projects": ["purge/p"]}, ["purge/p https://h.example.org/"]),
    ("variables", {"variables": [{"project": "purge/p", "key": "A"}], "groups": ["purge/a"]}, ["purge/p B *"]),
    ("users", {"users": [{"username": "ann"}]}, ["bob"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "gone"), PURGED)
def test_purge_stays_inside_what_is_named(on, kind, options, gone):
    """Top-level groups, the group of a listed one, oneself and bots are never purged; neither is anything in a place that nobody named."""
    gitlab, run = on()
    run("gitlab_groups", groups=[{"path": path} for path in ("purge", "purge/a", "purge/b", "purge/b/c", "other", "other/x")])
    run("gitlab_projects", projects=[{"path": path} for path in ("purge/p", "purge/q", "purge/b/r", "other/p")])
    run("gitlab_users", users=[{"username": name, "name": name, "email": f"{name}@example.org", "password": "pass-of-it"} for name in ("ann", "bob")])
    for place in ({"project": "purge/p"}, {"project": "other/p"}, {"group": "other"}):
        run("gitlab_members", members=[place | {"user": name, "access_level": "guest"} for name in ("ann", "bob")])
        run("gitlab_variables", variables=[place | {"key": key, "value": "pass-of-it"} for key in "AB"])
        run("gitlab_access_tokens", _no_log=True, access_tokens=[place | {"name": "bot", "scopes": ["api"]}])
    run("gitlab_hooks", hooks=[{"project": path, "url": "https://h.example.org/"} for path in ("purge/p", "other/p")] + [{"url": "https://h.example.org/"}])
    planned = run(f"gitlab_{kind}", True, purge=True, **options)
    done = run(f"gitlab_{kind}", purge=True, **options)
    assert not done.get("failed"), done["msg"]
    assert planned["results"] == done["results"]
    names = [" ".join(value for name, value in result.items() if name != "result") for result in done["results"] if result["result"] == "deleted"]
    assert sorted(names) == sorted(gone)
    assert not run(f"gitlab_{kind}", purge=True, **options)["changed"]
