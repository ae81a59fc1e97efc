# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plugins: pinned, verified before anything is sent, one restart; nothing is downloaded when all is right."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import io
import json
import zipfile

import pytest
import yaml
from ansible_collections.mlops.onprem.plugins.module_utils import _jenkins_plugins
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_plugins import newer
from ansible_collections.mlops.onprem.tests.standins.server import running

IONICONS = "94.vcc3065403257"  # what the stand-in has


class Mirror:
    """A folder as Jenkins' download site lays it out, the pins of what is in it, and an update centre's file over it."""

    def __init__(self, folder):
        self.folder, self.entries = folder, {}

    def add(self, name, version, needs="", core="2.479", said=None):
        file, manifest = io.BytesIO(), f"Manifest-Version: 1.0\r\nShort-Name: {said or name}\r\nPlugin-Version: {version}\r\nJenkins-Version: {core}\r\n"
        if needs:
            text = f"Plugin-Dependencies: {needs}"
            manifest += "\r\n ".join(text[start : start + 60] for start in range(0, len(text), 60)) + "\r\n"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("META-INF/MANIFEST.MF", manifest + "\r\n")
        path = self.folder / name / version / f"{name}.hpi"
        path.parent.mkdir(parents=True)
        path.write_bytes(file.getvalue())
        digest = hashlib.sha256(file.getvalue())
        depends = [dict(zip(("name", "version"), each.split(";")[0].split(":")), optional="optional" in each) for each in needs.split(",") if each]
        self.entries[name] = {"name": name, "version": version, "sha256": base64.b64encode(digest.digest()).decode(), "dependencies": depends}
        return {"name": name, "version": version, "sha256": digest.hexdigest()}

    def centre(self):
        path = self.folder / "update-center.json"
        path.write_text("updateCenter.post(\n" + json.dumps({"core": {}, "plugins": self.entries}) + "\n);")
        return str(path)


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    return Mirror(folder)


@pytest.fixture
def install(run, mirror):
    """Run the module with the mirror."""
    return functools.partial(run, "jenkins_plugins", mirror=str(mirror.folder))


def results(answer):
    return {each["name"]: each["result"] for each in answer.get("results", ())}


def test_new_plugins_are_loaded_in_their_order_without_a_restart(jenkins, install, mirror):
    pins = [mirror.add("top", "2.0", "low:1.5,ionicons-api:90,other:1.0;resolution:=optional"), mirror.add("low", "1.5")]
    checked = install(True, plugins=pins)
    assert results(checked) == {"top": "created", "low": "created"} and checked["changed"] and jenkins.writes() == []
    answer = install(plugins=pins)
    assert results(answer) == results(checked) and answer["diff"] == checked["diff"], answer
    assert (answer["restarted"], answer["restart_required"]) == (False, False)
    assert jenkins.writes() == ["POST /pluginManager/uploadPlugin"] * 2 and jenkins.restarts == 0
    sent = [request.body for request in jenkins.seen if request.writes]
    assert b'filename="low.hpi"' in sent[0] and b'filename="top.hpi"' in sent[1]
    assert jenkins.plugins["low"]["version"] == "1.5"
    jenkins.clear()
    for file in mirror.folder.rglob("*.hpi"):
        file.unlink()  # nothing is read when all is right
    again = install(plugins=pins)
    assert not again["changed"] and results(again) == {"top": "unchanged", "low": "unchanged"}, again
    assert jenkins.requests() == ["GET /pluginManager/api/json"] and again["requests"] == 1


def test_a_running_plugin_is_replaced_with_one_restart(jenkins, install, mirror):
    pins = [mirror.add("ionicons-api", "95.v1234567"), mirror.add("structs", "363.vabcdef0"), mirror.add("fresh", "1")]
    assert install(True, plugins=pins, restart=True)["restarted"]
    answer = install(plugins=pins, restart=True, reason="new plugins")
    assert results(answer) == {"ionicons-api": "updated", "structs": "updated", "fresh": "created"} and answer["restarted"], answer
    assert jenkins.restarts == 1 and jenkins.plugins["ionicons-api"]["version"] == "95.v1234567"
    jenkins.clear()
    assert not install(plugins=pins, restart=True)["changed"] and jenkins.writes() == [] and jenkins.restarts == 1


def test_what_waits_for_a_restart_is_told_and_completed(jenkins, install, mirror):
    pins = [mirror.add("ionicons-api", "95")]
    assert install(plugins=pins)["restart_required"] and jenkins.restarts == 0
    jenkins.clear()
    waiting = install(plugins=pins)
    assert (waiting["changed"], waiting["restart_required"], jenkins.writes()) == (False, True, []), waiting
    assert waiting["results"][0]["why"] == "uploaded before, waits for a restart"
    checked = install(True, plugins=pins, restart=True)
    assert checked["changed"] and checked["restarted"] and jenkins.writes() == []
    done = install(plugins=pins, restart=True)
    assert done["changed"] and jenkins.writes() == ["POST /safeRestart"] and jenkins.plugins["ionicons-api"]["version"] == "95"


def test_a_killed_run_is_repaired(jenkins, install, mirror, monkeypatch):
    monkeypatch.setattr(_jenkins_plugins, "restart", functools.partial(_jenkins_plugins.restart, poll=0))
    pins = [mirror.add("structs", "400"), mirror.add("fresh", "1", "structs:400"), mirror.add("last", "1")]
    for number in range(1, 40):
        jenkins.clear()
        jenkins.faults = {number: "cut"}
        first = install(plugins=pins, restart=True, retries=0)
        if jenkins.restart_wanted:
            jenkins.restart()
        jenkins.faults, jenkins.coming_back = {}, []  # the next run comes when Jenkins is up
        again = install(plugins=pins, restart=True)
        assert not again.get("failed"), again
        assert {name: jenkins.plugins[name]["version"] for name in ("structs", "fresh", "last")} == {"structs": "400", "fresh": "1", "last": "1"}
        jenkins.clear()
        assert not install(plugins=pins, restart=True)["changed"] and jenkins.writes() == []
        if not first.get("failed"):
            break
        jenkins.plugins["structs"]["version"] = "362"
        del jenkins.plugins["fresh"], jenkins.plugins["last"]
    assert number > 8, "each request failed once"


def test_a_wrong_digest_stops_everything(jenkins, install, mirror):
    pins = [mirror.add("good", "1"), mirror.add("bad", "1") | {"sha256": "0" * 64}]
    for check in (True, False):
        answer = install(check, plugins=pins)
        assert answer.get("failed") and "plugin bad 1: sha256 of " in answer["msg"] and f"pinned is {'0' * 64}" in answer["msg"], answer
    assert jenkins.writes() == []


def test_mistakes_are_named_before_anything_is_sent(jenkins, install, mirror):
    mirror.add("future", "1", core="2.999")
    wrong = mirror.add("wrong", "1", said="right")
    (mirror.folder / "text.hpi").write_text("no zip")
    text = hashlib.sha256(b"no zip").hexdigest()
    cases = [
        ([mirror.add("needy", "1", "absent:3,structs:9999")], "plugin needy 1 needs absent 3, which is not there; plugin needy 1 needs structs 9999, there is"),
        ([{"name": "future", "version": "1", "sha256": hashlib.sha256((mirror.folder / "future/1/future.hpi").read_bytes()).hexdigest()}],
         "plugin future 1 needs Jenkins 2.999, this is 2.541.3"),
        ([wrong], "plugin wrong 1: its file is right 1"),
        ([{"name": "text", "version": "1", "sha256": text, "src": str(mirror.folder / "text.hpi")}], "plugin text: its file is no plugin"),
        ([{"name": "unpinned", "version": "1"}], "plugin unpinned 1: sha256 is missing"),
        ([{"name": "nowhere", "version": "1", "sha256": text}], "nowhere/1/nowhere.hpi cannot be read: No such file"),
        ([{"name": "structs", "version": "1", "sha256": text}], "plugin structs: 362.va_b_695ef4fdf9 is installed and 1 is older; say allow_downgrade: true"),
        ([wrong, wrong], "wrong is given twice"),
        ([{"name": "a"}], "a: version is missing"),
        ([{"name": "a/b", "version": "1"}], "'a/b' is no short name"),
        ([{"name": "a", "version": "1", "sha256": "xyz"}], "a: sha256 is 'xyz', not 64 digits"),
    ]  # fmt: skip
    for pins, said in cases:
        answer = install(plugins=pins)
        assert answer.get("failed") and said in answer["msg"], answer
    assert jenkins.writes() == []


def test_a_downgrade_is_done_when_allowed(jenkins, install, mirror):
    answer = install(plugins=[mirror.add("structs", "300.v1234567")], allow_downgrade=True, restart=True)
    assert answer["changed"] and jenkins.plugins["structs"]["version"] == "300.v1234567", answer


def test_what_jenkins_cannot_load_is_an_error(jenkins, install, mirror, monkeypatch):
    monkeypatch.setattr(jenkins, "installed", lambda name, *_more: jenkins.job_done("Failure", name, "Failed to dynamically deploy this plugin"))
    answer = install(plugins=[mirror.add("fresh", "1")], restart=True)
    assert answer.get("failed") and answer["msg"] == "plugin fresh 1: Failed to dynamically deploy this plugin", answer
    assert results(answer) == {"fresh": "failed"} and jenkins.restarts == 0


def test_what_needs_a_plugin_that_waits_is_loaded_with_it(jenkins, install, mirror, monkeypatch):
    def installed(name, version, *more, original=jenkins.installed):
        """A running structs is of the old version until the restart, so Jenkins cannot load what needs the new one."""
        if name != "fresh":
            return original(name, version, *more)
        restarted = jenkins.plugins_restarted
        monkeypatch.setattr(jenkins, "plugins_restarted", lambda: (restarted(), original("fresh", "1")))
        return jenkins.job_done("Failure", name, "Failed to dynamically deploy this plugin")

    monkeypatch.setattr(jenkins, "installed", installed)
    pins = [mirror.add("fresh", "1", "structs:400"), mirror.add("structs", "400")]
    answer = install(plugins=pins)
    assert answer["restart_required"] and answer["results"][0]["why"] == "waits for a restart, with what it needs", answer
    done = install(plugins=pins, restart=True)
    assert done["restarted"] and results(done) == {"fresh": "created", "structs": "updated"} and jenkins.plugins["fresh"]["version"] == "1", done


def test_another_version_after_the_restart_is_an_error_and_repaired(jenkins, install, mirror):
    jenkins.installed("structs", "399")  # somebody else's upload, which waits
    pins = [mirror.add("structs", "400")]
    answer = install(plugins=pins, restart=True)
    assert answer.get("failed") and answer["msg"] == "plugin structs: after all, 399 is installed", answer
    assert results(install(plugins=pins, restart=True)) == {"structs": "updated"} and jenkins.plugins["structs"]["version"] == "400"


def test_enabled_is_pinned(jenkins, install):
    pins = [{"name": "next-build-number", "version": "66.v4b_4762172d53", "enabled": False}]
    assert install(True, plugins=pins)["changed"] and jenkins.writes() == []
    answer = install(plugins=pins)
    assert results(answer) == {"next-build-number": "updated"} and answer["restart_required"], answer
    assert jenkins.writes() == ["POST /pluginManager/plugin/next-build-number/makeDisabled"]
    jenkins.clear()
    again = install(plugins=pins)
    assert not again["changed"] and again["restart_required"] and jenkins.writes() == [], again
    assert install(plugins=pins, restart=True)["restarted"] and not jenkins.plugins["next-build-number"]["active"]
    jenkins.clear()
    last = install(plugins=pins, restart=True)
    assert (last["changed"], last["restarted"], last["restart_required"], last["requests"]) == (False, False, False, 1), last


def test_gathered_and_fed_back_changes_nothing(jenkins, install):
    gathered = install(state="gathered")["gathered"]
    assert {"name": "ionicons-api", "version": IONICONS, "enabled": True} in gathered and len(gathered) == len(jenkins.plugins)
    answer = install(plugins=gathered)
    assert not answer["changed"] and set(results(answer).values()) == {"unchanged"} and jenkins.writes() == []
    assert [each["name"] for each in install(state="gathered", plugins=[{"name": "structs"}, {"name": "none"}])["gathered"]] == ["structs"]


def test_uninstalled_unless_needed(jenkins, install):
    refused = install(state="absent", plugins=[{"name": "structs"}])
    assert refused.get("failed") and "plugin structs is needed by branch-api, which stays" in refused["msg"], refused
    pins = [{"name": "next-build-number"}, {"name": "never-there"}]
    assert install(True, state="absent", plugins=pins)["changed"] and jenkins.writes() == []
    answer = install(state="absent", plugins=pins)
    assert results(answer) == {"next-build-number": "deleted", "never-there": "unchanged"} and answer["restart_required"], answer
    jenkins.clear()
    again = install(state="absent", plugins=pins)
    assert not again["changed"] and again["restart_required"] and jenkins.writes() == [], again
    assert install(state="absent", plugins=pins, restart=True)["restarted"] and "next-build-number" not in jenkins.plugins
    assert not install(state="absent", plugins=pins, restart=True)["changed"] and jenkins.restarts == 1


def test_a_lock_file_names_pins_and_files_beside_it(jenkins, install, mirror):
    pin = mirror.add("fresh", "1") | {"src": "fresh/1/fresh.hpi"}
    lock = mirror.folder / "lock.yml"
    lock.write_text(yaml.safe_dump({"plugins": [pin]}))
    assert results(install(lock=str(lock), mirror=None)) == {"fresh": "created"}
    jenkins.clear()
    assert not install(lock=str(lock))["changed"] and len(jenkins.requests()) == 1
    for text, said in [
        ("plugins: [{name: a, version: 1.0}]", "a: version 1.0 is a number; put it in quotes"),
        ("plugins: [{name: a, version: '1', digest: x}]", "a has digest; a pin has name, version, sha256"),
        ("plugins: x", "is no list of pins"),
        ("- [", "is no YAML or JSON"),
    ]:
        lock.write_text(text)
        answer = install(lock=str(lock))
        assert answer.get("failed") and said in answer["msg"] and str(lock) in answer["msg"], answer


def test_the_closure_is_computed_from_a_file(jenkins, install, mirror):
    mirror.add("top", "2.0", "low:1.5,maybe:1.0;resolution:=optional")
    mirror.add("low", "1.5", "lower:1")
    mirror.add("lower", "1")
    named = install(plugins=[{"name": "top"}], update_center=mirror.centre())
    assert named.get("failed") and "top needs low 1.5, which is not listed; add it, or say resolve: true" in named["msg"], named
    other = install(plugins=[{"name": "top", "version": "1.0"}, {"name": "none"}], update_center=mirror.centre(), resolve=True)
    assert "top: update_center" in other["msg"] and "has version 2.0, not 1.0" in other["msg"] and "does not have it" in other["msg"], other
    checked = install(True, plugins=[{"name": "top"}], update_center=mirror.centre(), resolve=True)
    assert [pin["name"] for pin in checked["pins"]] == ["top", "low", "lower"] and jenkins.writes() == [], checked
    assert results(install(plugins=checked["pins"])) == {"top": "created", "low": "created", "lower": "created"}
    jenkins.clear()
    assert not install(plugins=[{"name": "top"}], update_center=mirror.centre(), resolve=True)["changed"] and len(jenkins.requests()) == 1


def test_a_mirror_may_be_a_server(jenkins, run, mirror):
    pin, seen = mirror.add("fresh", "1"), []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            seen.append((self.path, self.headers["Authorization"]))

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(mirror.folder)))) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        gone = run("jenkins_plugins", plugins=[pin | {"url": "elsewhere.hpi"}], mirror=url)
        away = run("jenkins_plugins", plugins=[pin | {"url": "http://other.example/fresh.hpi"}], mirror=url)
        answer = run("jenkins_plugins", plugins=[pin], mirror=url)
        again = run("jenkins_plugins", plugins=[pin], mirror=url)
    assert "elsewhere.hpi answered 404" in gone["msg"] and "no request is sent to another server" in away["msg"]
    assert results(answer) == {"fresh": "created"} and not again["changed"], answer
    assert seen == [("/elsewhere.hpi", None), ("/elsewhere.hpi", None), ("/fresh/1/fresh.hpi", None)][-len(seen) :], "Jenkins' token is not for the mirror"


@pytest.mark.parametrize(
    ("high", "low"),
    [
        ("1.10", "1.9"),
        ("1.0", "1.0-beta-1"),
        ("1502.v5c95e620ddfe", "1501.vffffffffffff"),
        ("2.30.1.84-291.v9f17b_21896e2", "2.30.1.83-299.v0000000"),
        ("2.0-rc2", "2.0-rc1"),
    ],
)
def test_versions_have_an_order(high, low):
    assert [newer(*pair) for pair in ((high, low), (low, high), (high, high))] == [True, False, False]


@pytest.mark.parametrize(("one", "other"), [("1.0", "1"), ("94.vcc3065403257", "94.v000000000000")])
def test_versions_that_are_equal_in_order(one, other):
    assert [newer(*pair) for pair in ((one, other), (other, one))] == [False, False]
