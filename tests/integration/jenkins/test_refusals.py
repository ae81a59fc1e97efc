# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Jenkins must never be sent: each mistake is named in one line, with what and where, nothing is written and no secret shown."""

from __future__ import annotations

import re

import pytest
from ansible_collections.mlops.onprem.tests.standins.server import Answer

FREE = {"type": "freestyle"}
USER = {"type": "username_password", "username": "u", "password": "pass-of-u"}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret-line-of-key\nother-line-of-key\n-----END OPENSSH PRIVATE KEY-----\n"
AGENT = {"launcher": "inbound", "remote_fs": "/x"}


@pytest.fixture
def there(run, jenkins):
    run("jenkins_folders", folders=[{"name": "f"}])
    run("jenkins_jobs", jobs=[{"name": "free", **FREE}, {"name": "pipe", "type": "pipeline", "script": "x"}])
    run(
        "jenkins_credentials", credentials=[{"id": "u", **USER}, {"id": "k", "type": "ssh_key", "username": "g", "private_key": KEY, "passphrase": "pass-of-k"}]
    )
    run("jenkins_nodes", nodes=[{"name": "n", **AGENT}])
    jenkins.clear()
    return jenkins


def job(**item):
    return {"jobs": [{"name": "x", **item}]}


def credential(**item):
    return {"credentials": [{"id": "x", **item}]}


def node(**item):
    return {"nodes": [{"name": "x", **AGENT, **item}]}


CASES = [
    ("jobs", {"jobs": [{"name": "x", **FREE}, {"name": "X", **FREE}]}, "jobs: job 'X' is given twice"),
    ("jobs", {"jobs": [{"name": "ok", **FREE}, {"name": "nope/x", **FREE}]}, "job 'nope/x': name: folder 'nope' does not exist"),
    ("jobs", {"jobs": [{"name": "free/x", **FREE}]}, "job 'free/x': name: 'free' is a job, not a folder"),
    ("jobs", {"jobs": [{"name": "F", **FREE}]}, "job 'F': name: there is a folder of that name"),
    *(("jobs", {"jobs": [{"name": f"a{char}b", **FREE}]}, rf"job .*: name: .* holds {re.escape(repr(char))}") for char in "\\%?*:;&<#@|[!$^\t"),
    *(("jobs", {"jobs": [{"name": name, **FREE}]}, "job .*: name: .* is no name for Jenkins") for name in (".", "f/..", "a.", "f/", "f//x", " a", "é" * 256)),
    ("jobs", job(), "job 'x': is not there yet and cannot be made without type, jjb or xml"),
    ("jobs", job(**FREE, xml="<project/>"), "mutually exclusive: type.*jjb.*xml"),
    ("jobs", job(xml="<project/>", description="d"), "job 'x': description: cannot be given beside xml"),
    ("jobs", job(xml="<project>"), "job 'x': xml: is no XML"),
    ("jobs", job(xml="<com.cloudbees.hudson.plugins.folder.Folder/>"), "job 'x': xml: describes a folder; use jenkins_folders"),
    ("jobs", job(jjb="- job: {name: y}"), "job 'x': jjb: defines y, not x"),
    ("jobs", job(jjb="- job: {name: x, builders: [{nope: 1}]}"), "job 'x': jjb: Jenkins Job Builder does not take it: .*nope"),
    ("jobs", job(jjb="a: ["), "job 'x': jjb: Jenkins Job Builder does not take it"),
    ("jobs", job(jjb="{{}}"), "job 'x': jjb: Jenkins Job Builder does not take it"),
    ("jobs", {"jobs": [{"name": "free", "type": "pipeline"}]}, "job 'free': type is 'freestyle' on the server and 'pipeline' here and cannot be changed"),
    ("jobs", {"jobs": [{"name": "pipe", "xml": "<project/>"}]}, "job 'pipe' is a flow-definition on the server and a project here"),
    ("jobs", {"jobs": [{"name": "free", "script": "x"}]}, "job 'free': script is for type pipeline; this one has type freestyle"),
    ("jobs", {"jobs": [{"name": "pipe", "git_branch": "x"}]}, "job 'pipe': git_branch: needs git_url"),
    ("jobs", job(type="pipeline", script="x", git_url="y"), "job 'x': script and git_url exclude each other"),
    ("jobs", job(type="pipeline"), "job 'x': a new pipeline needs script or git_url"),
    ("jobs", job(type="multibranch"), "job 'x': a new multibranch job needs git_url"),
    ("jobs", job(type="multibranch", git_url="u", scan_interval="7m"), "value of scan_interval must be one of"),
    ("jobs", job(**FREE, parameters=[{"name": "P", "type": "choice"}]), "job 'x': parameters: 'P': choices: a parameter of type choice needs some"),
    ("jobs", job(**FREE, parameters=[{"name": "P", "type": "password", "default": "d"}]), "parameters: 'P': default: give it as password"),
    ("jobs", job(**FREE, parameters=[{"name": "P"}]), "missing required arguments: type found in jobs -> parameters"),
    ("jobs", job(**FREE, keep_days=-1), "job 'x': keep_days: -1 is less than 0"),
    ("jobs", job(**FREE, shel=["x"]), "Unsupported parameters .*shel"),
    ("jobs", {"jobs": [], "purge": True}, "purge: with an empty list"),
    ("folders", {"folders": [{"name": "nope/x"}]}, "folder 'nope/x': name names folder 'nope', which does not exist"),
    ("folders", {"folders": [{"name": "free"}]}, "folder 'free': name: there is a job of that name"),
    ("folders", {"folders": [{"name": "a:b"}]}, "folder 'a:b': name: 'a:b' holds ':'"),
    ("credentials", credential(), "credential 'x' is not there yet and cannot be made without type"),
    ("credentials", credential(type="username_password"), "cannot be made without username, password"),
    ("credentials", credential(**USER, folder="nope"), "credential 'x' of folder 'nope': folder: 'nope' does not exist"),
    ("credentials", credential(**USER, folder=""), "folder is empty; leave it out, or say which"),
    ("credentials", credential(**USER, folder="f", scope="system"), "scope: system is for credentials outside of folders"),
    ("credentials", credential(**USER, domain="nope"), "credential 'nope' 'x': domain: 'nope' does not exist"),
    (
        "credentials",
        credential(type="secret_text", secret="pass-of-x", username="u"),
        "username is for type username_password or ssh_key; this one has type secret_text",
    ),
    ("credentials", credential(type="secret_file", file_name="f", content_base64="pass-of-x!"), "credential 'x': content_base64: cannot be decoded"),
    ("credentials", credential(type="certificate", password="pass-of-x", keystore_base64="pass-"), "credential 'x': keystore_base64: cannot be decoded"),
    ("credentials", credential(type="ssh_key", username="u", private_key="pass-of-x"), "credential 'x': private_key: cannot be decoded"),
    ("credentials", {"credentials": [{"id": "u", "description": "new"}]}, "credential 'u': description cannot be changed without giving password"),
    (
        "credentials",
        {"credentials": [{"id": "k", "username": "new", "private_key": KEY}]},
        "credential 'k': username cannot be changed without giving passphrase",
    ),
    (
        "credentials",
        {"credentials": [{"id": "u", "type": "secret_text", "secret": "pass-of-x"}]},
        "credential 'u': type is 'username_password' on the server and 'secret_text' here",
    ),
    ("credentials", {**credential(**USER), "update_secret": "when_changed"}, "fingerprint_key: update_secret when_changed needs it"),
    ("nodes", node(executors=0), "node 'x': executors: 0 makes a node that Jenkins neither shows nor deletes"),
    ("nodes", {"nodes": [{"name": "n", "executors": 0}]}, "node 'n': executors: 0 makes"),
    ("nodes", node(host="h"), "node 'x': host is for launcher ssh; this one has launcher inbound"),
    ("nodes", node(launcher="ssh"), "node 'x' is not there yet and cannot be made without host, credentials_id"),
    ("nodes", {"nodes": [{"name": "x", "launcher": "ssh"}]}, "cannot be made without remote_fs, host, credentials_id"),
    ("nodes", node(launcher="ssh", host="h", credentials_id="c", host_key_verification="provided"), "cannot be made without host_key"),
    ("nodes", node(launcher="ssh", host="h", credentials_id="c", host_key_verification="provided", host_key="AAAA"), "host_key: is no public key"),
    ("nodes", node(offline_reason="r"), "node 'x': offline_reason: needs offline"),
    ("nodes", {"nodes": [{"name": "a/b", **AGENT}]}, "node 'a/b': name: 'a/b' holds '/'"),
    ("nodes", {"nodes": [{"name": "(built-in)"}], "state": "absent"}, "node '\\(built-in\\)' is Jenkins' own"),
    ("nodes", {"nodes": [{"name": "Built-In Node", "labels": ["x"]}]}, "node 'Built-In Node' is Jenkins' own"),
    ("views", {"views": [{"name": "all", "regex": "x"}]}, "view 'all' is a hudson.model.AllView; only list views are managed"),
    ("views", {"views": [{"name": "all"}], "state": "absent"}, "view 'all' is a hudson.model.AllView; only list views are managed"),
    ("views", {"views": [{"name": "v", "folder": "nope"}]}, "view 'v' of folder 'nope': folder: 'nope' does not exist"),
    ("views", {"views": [{"name": "v", "columns": ["nope"]}]}, "view 'v': columns: 'nope' is none of status"),
    ("jobs", {**job(**FREE), "password": "pass-wrong"}, "/api/json answered 401"),
    ("jobs", {**job(**FREE), "url": "http://127.0.0.1:1"}, "did not answer: .*Connection refused"),
]


@pytest.mark.parametrize(("kind", "options", "words"), CASES)
def test_refused_before_anything_is_written(run, there, kind, options, words):
    answer = run(f"jenkins_{kind}", **options)
    assert answer.get("failed") and re.search(words, answer["msg"]), answer
    assert "\n" not in answer["msg"] and "pass-" not in str(answer) and "of-key" not in str(answer)
    assert there.writes() == []


def test_a_user_who_may_not(run, there):
    there.add_user("reader", "pass-of-reader", "token-of-reader", {"Overall/Read", "Job/Read"})
    answer = run("jenkins_jobs", **job(**FREE), username="reader", password="token-of-reader")
    assert "answered 403" in answer["msg"] and "hudson.model.Item.Create" in answer["msg"]
    answer = run("jenkins_credentials", **credential(**USER), username="reader", password="token-of-reader")
    assert "credential 'x': the store may not be seen by this user" in answer["msg"]


def test_what_can_be_written_is_with_on_error_continue(run, there):
    items = [{"name": "ok", **FREE}, {"name": "nope/x", **FREE}, {"name": "bad", "jjb": "a: ["}, {"name": "pipe", "xml": "<project/>"}, {"name": "ok2", **FREE}]
    stopped = run("jenkins_jobs", jobs=items)
    assert stopped["failed"] and there.writes() == []
    answer = run("jenkins_jobs", jobs=items, on_error="continue")
    assert {result["name"]: result["result"] for result in answer["results"]} == {
        "ok": "created",
        "nope/x": "failed",
        "bad": "failed",
        "pipe": "failed",
        "ok2": "created",
    }
    assert answer["failed"] and answer["changed"] and all(name in answer["msg"] for name in ("nope/x", "bad", "pipe")) and len(there.writes()) == 2


def test_the_servers_own_words_without_the_secret(run, there):
    """A refusal that quotes lines of the secret; the items after it are not tried."""
    there.clear()
    there.faults[3] = Answer(500, f"cannot read secret-line-of-key other-line-of-key and pass-of-z of {KEY}", {"Content-Type": "text/plain"})
    items = [
        {"id": "y", "type": "ssh_key", "username": "g", "private_key": KEY, "passphrase": "pass-of-z"},
        {"id": "z", "type": "secret_text", "secret": "pass-of-z"},
    ]
    answer = run("jenkins_credentials", credentials=items)
    assert re.search(r"credential 'y': POST .*/createCredentials answered 500 .*: cannot read \*+ \*+ and \*+", answer["msg"]), answer["msg"]
    assert [result["result"] for result in answer["results"]] == ["failed", "skipped"]
    assert "of-key" not in str(answer) and "pass-of" not in str(answer)


def test_a_credential_that_came_between(run, there):
    """Somebody made it after it was looked for."""
    there.clear()
    there.faults[3] = Answer(409)
    answer = run("jenkins_credentials", **credential(**USER))
    assert re.search("credential 'x': POST .*/createCredentials answered 409 Conflict: it is there already", answer["msg"]), answer["msg"]


def test_a_class_whose_plugin_is_not_there(run, there):
    there.plugins["ssh-slaves"]["active"] = False
    answer = run("jenkins_nodes", **node(launcher="ssh", host="h", credentials_id="c"))
    assert "answered 500" in answer["msg"] and "a plugin that is not installed" in answer["msg"] and "x" not in there.nodes


def test_a_node_that_is_refused_halfway_is_taken_back(run, there):
    there.clear()
    there.faults[4] = Answer(500)
    answer = run("jenkins_nodes", **node())
    assert answer["failed"] and "x" not in there.nodes and there.writes()[-1] == "POST /computer/x/doDelete"


def test_check_mode_takes_what_an_earlier_task_would_make(run, there):
    for kind, options in (
        ("jobs", {"jobs": [{"name": "nope/x", **FREE}]}),
        ("folders", {"folders": [{"name": "nope/x"}]}),
        ("credentials", credential(**USER, folder="nope")),
        ("views", {"views": [{"name": "v", "folder": "nope"}]}),
    ):
        planned = run(f"jenkins_{kind}", True, **options)
        assert planned["changed"] and re.search("does not exist.*: right only if an earlier task", str(planned["warnings"])), kind
    away = {"url": "http://127.0.0.1:1", **job(type="pipeline", script="x")}
    planned = run("jenkins_jobs", True, assume_empty=True, **away)
    assert planned["changed"] and planned["results"] == [{"name": "x", "result": "created"}] and "is not there yet" in str(planned["warnings"])
    assert there.writes() == []
