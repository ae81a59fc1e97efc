# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configuration as code: checked, compared with the export, applied when something differs; secrets go nowhere but to Jenkins."""

from __future__ import annotations

import ast
import copy
import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_casc import compare
from ansible_collections.mlops.onprem.tests.integration.calling import call
from ansible_collections.mlops.onprem.tests.standins.server import Answer

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
# every POST that only reads, and so is sent in check mode: those of Jenkins, and who marks one at all (Nexus: its own, in _nexus.py)
READING_POSTS = ["/configuration-as-code/check", "/configuration-as-code/export"]
MARKING = ["_jenkins.py", "_nexus.py"]
BASE = {"jenkins": {"systemMessage": "models are trained here", "mode": "EXCLUSIVE"}, "unclassified": {"location": {"url": "https://j.example/"}}}
SECRET = "hidden-pass"
WITH_SECRET = {
    **BASE,
    "credentials": {
        "system": {
            "domainCredentials": [
                {
                    "credentials": [
                        {"usernamePassword": {"id": "a", "username": "u", "password": SECRET}},
                        {"string": {"id": "b", "secret": "${FROM_THE_SERVER}", "description": "^${kept}"}},
                    ]
                }
            ]
        }
    },
}


@pytest.fixture
def export(jenkins, monkeypatch):
    """An export that is as the plugin's source says: secrets encrypted, ${...} resolved, another order, `jenkins.mode` in other words, `location` not there."""

    def shown(value, name=""):
        if isinstance(value, dict):
            return {key: shown(value[key], key) for key in sorted(value) if key != "location"}
        if isinstance(value, list):
            return [shown(each, name) for each in reversed(value)]
        if name in ("password", "secret"):
            return "{AQAAABAAAAAQ" + str(abs(hash(value))) + "abcdefghij==}"
        return f"shown as {value}" if name == "mode" else value

    original = type(jenkins).answer

    def answer(request):
        given = original(jenkins, request)
        if request.path != "/configuration-as-code/export" or given.status != 200 or jenkins.casc is None:
            return given
        return Answer(200, yaml.safe_dump(shown(yaml.safe_load(jenkins.casc))).encode(), given.headers)

    monkeypatch.setattr(jenkins, "answer", answer)
    return answer


def text(document):
    return yaml.safe_dump(document)


def changed(document, path, value):
    document = copy.deepcopy(document)
    *parents, last = path
    place = document
    for part in parents:
        place = place[part]
    place[last] = value
    return document


def test_a_document_is_checked_applied_once_and_compared(jenkins, run):
    checked = run("jenkins_casc", True, content=text(BASE))
    assert checked["changed"] and jenkins.writes() == [] and jenkins.casc is None, checked
    answer = run("jenkins_casc", content=text(BASE))
    assert answer["changed"] and answer["diff"] == checked["diff"] and jenkins.writes() == ["POST /configuration-as-code/apply"], answer
    assert answer["differences"] == ["jenkins.mode", "jenkins.systemMessage", "unclassified.location.url"] and answer["not_shown"] == []
    jenkins.clear()
    again = run("jenkins_casc", content=text(BASE))
    assert not again["changed"] and again["result"] == "unchanged" and jenkins.writes() == [], again
    other = run("jenkins_casc", content=text(changed(BASE, ["jenkins", "mode"], "NORMAL")))
    assert other["differences"] == ["jenkins.mode"] and other["diff"]["before"] == {"jenkins.mode": "EXCLUSIVE"}, other


def test_a_part_of_what_is_there_changes_nothing_and_a_change_by_hand_is_found(jenkins, run):
    run("jenkins_casc", content=text(WITH_SECRET))
    jenkins.clear()
    assert not run("jenkins_casc", content=text({"jenkins": {"mode": "EXCLUSIVE"}}))["changed"] and jenkins.writes() == []
    jenkins.casc = text(changed(WITH_SECRET, ["jenkins", "systemMessage"], "by hand"))
    answer = run("jenkins_casc", content=text(WITH_SECRET))
    assert answer["differences"] == ["jenkins.systemMessage"] and yaml.safe_load(jenkins.casc) == WITH_SECRET


def test_src_is_a_file(jenkins, run, tmp_path):
    (tmp_path / "jenkins.yaml").write_text(text(BASE))
    assert run("jenkins_casc", src=str(tmp_path / "jenkins.yaml"))["changed"]
    assert "src: /nowhere cannot be read" in run("jenkins_casc", src="/nowhere")["msg"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"jenkins:\n  systemMessage: a\n  password: '{SECRET}\n", "content: line "),
        ("jenkins:\n\t- a", "content: line 2, column 1: is no YAML"),
        ("- a", "content: is no mapping of root elements"),
        ("", "content: is no mapping of root elements"),
        (text({"nonsense": {"password": SECRET}}), "nothing was applied: No configurator found for the following root element: nonsense."),
        (text({"jenkins": {"systemMesage": "x"}}), "nothing was applied: Invalid configuration elements for type: class jenkins.model.Jenkins : systemMesage."),
    ],
)
def test_a_wrong_document_is_named_and_not_applied(jenkins, run, content, said):
    for check in (True, False):
        answer = run("jenkins_casc", check, content=content)
        assert answer.get("failed") and said in answer["msg"] and "\n" not in answer["msg"], answer
        assert SECRET not in str(answer)
    assert jenkins.writes() == [] and jenkins.casc is None


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_secret_in_jenkins_words_is_masked(jenkins, run, monkeypatch, status):
    told = Answer(status, json.dumps([{"line": 3, "message": f"cannot use '{SECRET}' here"}]))
    original = type(jenkins).answer
    monkeypatch.setattr(jenkins, "answer", lambda request: told if request.path.endswith("/check") else original(jenkins, request))
    answer = run("jenkins_casc", content=text(WITH_SECRET))
    said = str(answer["warnings"]) if status == 200 else answer["msg"]
    assert "cannot use '******' here" in said and SECRET not in str(answer), answer
    assert (jenkins.casc is None) == (status != 200)


def test_without_the_plugin_it_is_named(jenkins, run):
    del jenkins.plugins["configuration-as-code"]
    for options in ({"content": text(BASE)}, {"state": "gathered"}):
        answer = run("jenkins_casc", **options)
        assert answer.get("failed") and "Jenkins has no plugin configuration-as-code" in answer["msg"], answer


def test_a_password_login_gets_its_crumb_for_what_only_reads(jenkins):
    connection = {"url": jenkins.url, "username": jenkins.username, "password": jenkins.password}
    assert call("jenkins_casc", connection, True, content=text(BASE))["changed"] and jenkins.writes() == []
    assert call("jenkins_casc", connection, content=text(BASE))["changed"] and yaml.safe_load(jenkins.casc) == BASE


def test_what_the_export_hides_is_applied_and_warned_of(jenkins, run, export):
    answer = run("jenkins_casc", content=text(WITH_SECRET))
    assert answer["changed"] and SECRET not in str(answer) and answer["not_shown"] == ["jenkins.mode", "unclassified.location.url"], answer
    assert "without applied_path every run applies the document again" in str(answer["warnings"])
    assert run("jenkins_casc", content=text(WITH_SECRET))["differences"] == ["jenkins.mode", "unclassified.location.url"], "secrets are no reason"
    jenkins.clear()
    visible = {key: WITH_SECRET[key] for key in ("credentials",)}
    assert not run("jenkins_casc", content=text(visible))["changed"] and jenkins.writes() == [], "nor an order, nor a resolved ${}"
    assert run("jenkins_casc", content=text(visible), update_secret="always")["changed"]


def test_a_record_settles_what_cannot_be_compared(jenkins, run, export, tmp_path):
    record = tmp_path / "applied.json"
    options = {"update_secret": "when_changed", "applied_path": str(record), "fingerprint_key": "site-key"}
    assert run("jenkins_casc", True, content=text(WITH_SECRET), **options)["changed"] and not record.exists()
    first = run("jenkins_casc", content=text(WITH_SECRET), **options)
    assert first["changed"] and first["not_shown"] == ["jenkins.mode", "unclassified.location.url"], first
    assert record.stat().st_mode & 0o777 == 0o600 and SECRET not in record.read_text() and "site-key" not in record.read_text()
    jenkins.clear()
    assert not run("jenkins_casc", content=text(WITH_SECRET), **options)["changed"] and jenkins.writes() == []
    rotated = changed(WITH_SECRET, ["credentials", "system", "domainCredentials", 0, "credentials", 0, "usernamePassword", "password"], "hidden-pass-2")
    answer = run("jenkins_casc", content=text(rotated), **options)
    assert answer["changed"] and "hidden-pass" not in str(answer) and "hidden-pass-2" in jenkins.casc, answer
    assert "credentials.system.domainCredentials[0].credentials[0].usernamePassword.password" in answer["differences"]
    jenkins.clear()
    assert not run("jenkins_casc", content=text(rotated), **options)["changed"] and jenkins.writes() == []
    jenkins.casc = text(changed(rotated, ["jenkins", "mode"], "by hand"))
    by_hand = run("jenkins_casc", content=text(rotated), **options)
    assert by_hand["differences"] == ["jenkins.mode"], "what Jenkins shows in other words is watched too"
    record.write_text("torn")
    assert run("jenkins_casc", content=text(rotated), **options)["changed"], "a lost record means once more"
    assert not run("jenkins_casc", content=text(rotated), **options)["changed"]


def test_a_killed_run_is_repaired(jenkins, run):
    for number in range(1, 20):
        jenkins.casc = None
        jenkins.clear()
        jenkins.faults = {number: "reset"}
        first = run("jenkins_casc", content=text(WITH_SECRET), retries=0)
        jenkins.clear()
        run("jenkins_casc", content=text(WITH_SECRET))
        assert yaml.safe_load(jenkins.casc) == WITH_SECRET
        jenkins.clear()
        assert not run("jenkins_casc", content=text(WITH_SECRET))["changed"] and jenkins.writes() == []
        if not first.get("failed"):
            break
        assert SECRET not in str(first)
    assert number == 6, "crumb, check, export, apply, export"


def test_gathered_and_fed_back_changes_nothing(jenkins, run, export):
    jenkins.casc = text(WITH_SECRET)
    gathered = run("jenkins_casc", state="gathered")
    assert not gathered["changed"] and "AQAAAB" not in gathered["gathered"] and "models are trained here" in gathered["gathered"], gathered
    assert not run("jenkins_casc", content=gathered["gathered"])["changed"] and jenkins.writes() == []


@pytest.mark.parametrize(
    ("want", "have", "paths"),
    [
        ({"a": 1}, {"a": "1", "b": 2}, []),
        ({"a": False}, {}, ["a"]),
        ({"a": 0}, {}, ["a"]),
        ({"a": "", "b": [], "c": {}, "d": None}, {}, []),
        ({"a": True}, {"a": "true"}, []),
        ({"a": "unsecured"}, {"a": {"unsecured": {}}}, []),
        ({"a": {"local": {}}}, {"a": "local"}, []),
        ({"a": {"local": {}}}, {"a": {"local": {"allowsSignup": False}}}, []),
        ({"a": {"local": {"x": 1}}}, {"a": "local"}, ["a"]),
        ({"a": [1, 2]}, {"a": [2, 1]}, []),
        ({"a": [1, 2]}, {"a": [2]}, ["a"]),
        ({"a": [{"id": 1, "b": 2}, {"id": 2}]}, {"a": [{"id": 2, "b": 9}, {"id": 1, "b": 3}]}, ["a[0].b"]),
        ({"x-anchor": {"a": 1}, "b": {"x-c": 1}}, {}, ["b.x-c"]),
        ({"a": "^${HOME}"}, {"a": "^${HOME}"}, []),
        ({"a": {"password": "p"}}, {}, ["a.password"]),
        ({"credentialsId": "a"}, {"credentialsId": "b"}, ["credentialsId"]),
    ],
)
def test_what_counts_as_a_difference(want, have, paths):
    assert [path for path, kind, _have, _want in compare(want, have) if kind == "other"] == paths


@pytest.mark.parametrize(("want", "have"), [({"password": "p"}, {"password": "q"}), ({"a": "${X}"}, {"a": "x"}), ({"a": "x"}, {"a": "{" + "A" * 24 + "}"})])
def test_what_cannot_be_compared(want, have):
    assert [kind for _path, kind, _have, _want in compare(want, have)] == ["secret"]


def test_the_posts_that_only_read_are_these():
    """A POST that is sent in check mode is named here, and whoever marks another one has to say so."""
    marked, asked = [], []
    for path in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                marked += [path.name for keyword in node.keywords if keyword.arg == "reads" and getattr(keyword.value, "value", True)]
                if isinstance(node.func, ast.Attribute) and node.func.attr == "ask" and getattr(node.func.value, "id", "") == "client":
                    asked.append(node.args[0].value)
    assert marked == MARKING and sorted(asked) == READING_POSTS
