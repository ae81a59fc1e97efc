# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What real sites do to a run: wrong addresses, log-in pages, clouds, organization folders, users who may see little, secrets in documents."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils import _jenkins_work
from ansible_collections.mlops.onprem.tests.integration.calling import call
from ansible_collections.mlops.onprem.tests.standins.jenkins.nodes import Computer
from ansible_collections.mlops.onprem.tests.standins.server import Answer

PAGE = {"Content-Type": "text/html"}
FREE = {"type": "freestyle"}
TOKEN = {"type": "secret_text", "secret": "a-secret-text"}
ABSENT = [
    ("folders", {"folders": [{"name": "team"}]}),
    ("jobs", {"jobs": [{"name": "a"}]}),
    ("credentials", {"credentials": [{"id": "a", "folder": "team"}]}),
    ("nodes", {"nodes": [{"name": "a"}]}),
    ("views", {"views": [{"name": "a"}]}),
]


def results(told):
    return [item["result"] for item in told["results"]]


# addresses


@pytest.mark.parametrize("state", ["absent", "gathered"])
@pytest.mark.parametrize(("kind", "items"), ABSENT)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"<html>Log in</html>", PAGE), "perhaps a page to log in"),
        (Answer(404, b"<html>nginx</html>", PAGE), "is 404 without the header X-Jenkins"),
    ],
)
def test_what_is_no_jenkins_is_no_proof_that_something_is_not_there(jenkins, run, monkeypatch, kind, items, state, answer, words):
    monkeypatch.setattr(jenkins, "answer", lambda request: Answer(answer.status, answer.body, dict(answer.headers)))
    told = run(f"jenkins_{kind}", state=state, **items)
    assert told["msg"].startswith("url: no Jenkins answers at http://") and words in told["msg"], told


def test_a_404_that_lost_its_header_on_the_way_counts_if_jenkins_is_there(jenkins, run):
    run("jenkins_folders", folders=[{"name": "team"}])
    jenkins.clear()
    jenkins.faults = {1: Answer(404, b"", {})}
    assert results(run("jenkins_credentials", state="absent", credentials=[{"id": "a", "folder": "team"}])) == ["unchanged"]
    assert len(jenkins.seen) == 2


# what is somebody else's


def test_a_clouds_nodes_are_neither_gathered_nor_purged(jenkins, run, monkeypatch):
    original = Computer.__init__

    def cloudy(self, controller, name):
        original(self, controller, name)
        self.kind = "org.csanchez.jenkins.plugins.kubernetes.KubernetesComputer" if name == "pod-1" else self.kind

    agent = {"launcher": "inbound", "remote_fs": "/x"}
    run("jenkins_nodes", nodes=[{"name": "ours", **agent}, {"name": "pod-1", **agent}])
    monkeypatch.setattr(Computer, "__init__", cloudy)
    assert [node["name"] for node in run("jenkins_nodes", state="gathered")["gathered"]] == ["ours"]
    assert results(run("jenkins_nodes", nodes=[{"name": "ours", **agent}], purge=True)) == ["unchanged"]
    assert "pod-1" in jenkins.nodes
    assert results(run("jenkins_nodes", nodes=[{"name": "pod-1"}], state="absent")) == ["deleted"]


@pytest.mark.parametrize("items", [[{"name": "team/a", **FREE}], []])
def test_an_organization_folder_is_not_purged_with_jobs(jenkins, run, items):
    run("jenkins_folders", folders=[{"name": "team"}])
    run("jenkins_jobs", jobs=[{"name": f"team/{name}", **FREE} for name in ("a", "b", "org")])
    jenkins.item("team/org").kind = "jenkins.branch.OrganizationFolder"
    assert [job["name"] for job in run("jenkins_jobs", state="gathered")["gathered"]] == ["team/a", "team/b"]
    run("jenkins_jobs", jobs=items, folders=["team"], purge=True)
    assert sorted(jenkins.items) == ["team", *(item["name"] for item in items), "team/org"]


def test_a_folder_that_holds_a_listed_one_is_not_purged(jenkins, run):
    listed = [{"name": "a"}, {"name": "Team/deep/models"}]
    run("jenkins_folders", folders=[{"name": "team"}, {"name": "team/deep"}, {"name": "team/old"}, {"name": "gone"}])
    assert results(run("jenkins_folders", folders=listed, within=["team"], purge=True)) == ["created", "created", "deleted", "deleted"]
    assert jenkins.items == ["a", "team", "team/deep", "team/deep/models"]
    assert results(run("jenkins_folders", folders=listed, within=["team"], purge=True)) == ["unchanged", "unchanged"]
    found = run("jenkins_folders", state="gathered")["gathered"]
    assert [folder["name"] for folder in found] == jenkins.items and "holds" not in found[0]


def test_letters_that_only_fold_alike_are_two_names(jenkins, run):
    both = [{"name": "straße", **FREE}, {"name": "Strasse", **FREE}]
    assert results(run("jenkins_jobs", jobs=both)) == ["created", "created"]
    assert results(run("jenkins_jobs", jobs=[{"name": "STRASSE"}], purge=True)) == ["unchanged", "deleted"]
    assert jenkins.items == ["Strasse"]


def test_a_store_that_may_not_be_seen_is_not_taken_for_an_empty_one(jenkins, run):
    run("jenkins_credentials", credentials=[{"id": "leaked", **TOKEN}])
    jenkins.add_user("dev", "pass", "token-of-dev", ("Overall/Read",))
    dev = {"url": jenkins.url, "username": "dev", "password": "token-of-dev"}
    for options in ({"state": "absent", "credentials": [{"id": "leaked"}]}, {"state": "gathered"}, {"state": "gathered", "folders": [""]}):
        assert "the system's store may not be seen by this user" in call("jenkins_credentials", dev, **options)["msg"]


# one run is enough


def test_another_source_of_a_script_takes_what_is_given_with_it(run, both):
    run("jenkins_jobs", jobs=[{"name": "a", "type": "pipeline", "script": "x"}, {"name": "b", "type": "pipeline", "git_url": "https://g/x"}])
    wanted = [{"name": "a", "git_url": "https://g/x", "lightweight": False}, {"name": "b", "script": "x", "sandbox": False}]
    assert results(run("jenkins_jobs", jobs=wanted)) == ["updated", "updated"]
    assert results(run("jenkins_jobs", jobs=wanted)) == ["unchanged", "unchanged"]


def test_another_launcher_begins_like_a_new_one(jenkins, run):
    ssh = {"launcher": "ssh", "host": "h", "credentials_id": "c"}
    run("jenkins_nodes", nodes=[{"name": "a", "launcher": "inbound", "remote_fs": "/x"}, {"name": "b", **ssh, "remote_fs": "/x"}])
    wanted = [{"name": "a", **ssh}, {"name": "b", "launcher": "inbound", "websocket": False}]
    assert results(run("jenkins_nodes", nodes=wanted)) == ["updated", "updated"]
    assert results(run("jenkins_nodes", nodes=wanted)) == ["unchanged", "unchanged"]
    first = run("jenkins_nodes", state="gathered", nodes=[{"name": "a"}])["gathered"][0]
    assert (first["port"], first["host_key_verification"]) == (22, "known_hosts")


# secrets


HOOKED = "<project><properties/><triggers>{}</triggers><builders/></project>"
TRIGGER = "<com.x.PushTrigger><secretToken>{}</secretToken></com.x.PushTrigger>"


def test_a_diff_of_a_document_has_no_secret_by_its_name(jenkins, run):
    run("jenkins_jobs", jobs=[{"name": "a", "xml": HOOKED.format(TRIGGER.format("by-hand"))}, {"name": "b", "xml": HOOKED.format("")}])
    wanted = HOOKED.format(TRIGGER.format("from-vault"))
    told = run("jenkins_jobs", _check=True, jobs=[{"name": "a", "xml": wanted}, {"name": "b", "xml": wanted}])
    assert results(told) == ["updated", "updated"] and "secretToken" in json.dumps(told["diff"])
    assert "by-hand" not in json.dumps(told) and "from-vault" not in json.dumps(told["diff"])


@pytest.mark.parametrize("more", ["", "<hudson.tasks.Maven><targets>b</targets></hudson.tasks.Maven>"])
def test_gathered_jobs_leave_passwords_out_and_can_be_fed_back(jenkins, run, more):
    run("jenkins_jobs", jobs=[{"name": "a", **FREE, "parameters": [{"name": "P", "type": "password", "password": "pass-of-p"}]}])
    root = ET.fromstring(jenkins.item("a").xml)
    root.find("builders").extend([ET.fromstring(more)] if more else [])
    jenkins.item("a").xml = ET.tostring(root, encoding="unicode")
    found = run("jenkins_jobs", state="gathered")["gathered"]
    assert ("xml" in found[0]) == bool(more) and "pass-of-p" not in json.dumps(found)
    assert results(run("jenkins_jobs", jobs=found)) == ["unchanged"]
    assert "pass-of-p" in jenkins.item("a").xml


# configuration as code, builds


def test_an_export_that_is_no_yaml_is_named_without_its_text(jenkins, run, monkeypatch):
    jenkins.installed("configuration-as-code", "1")
    original = jenkins.answer
    monkeypatch.setattr(jenkins, "answer", lambda request: Answer(200, b"a: [secret-text", {}) if request.path.endswith("/export") else original(request))
    told = run("jenkins_casc", state="gathered")
    assert told["msg"].startswith("url: what Jenkins exports is no YAML") and "secret-text" not in json.dumps(told)


def test_a_build_that_somebody_deletes_while_it_is_aborted(jenkins, run, monkeypatch):
    run("jenkins_jobs", jobs=[{"name": "long", **FREE}])
    jenkins.item("long").duration = 600.0
    monkeypatch.setattr(_jenkins_work, "_finish", lambda wait, log, client, place, seen: seen)
    original = jenkins.answer

    def gone_when_stopped(request):
        answer = original(request)
        if request.path.endswith("/stop"):
            jenkins.item("long").builds.clear()
        return answer

    monkeypatch.setattr(jenkins, "answer", gone_when_stopped)
    told = run("jenkins_build", job="long", wait_timeout=1, poll=0.1, on_timeout="abort")
    assert told["failed"] and "did not end within 1 s and was aborted" in told["msg"], told
