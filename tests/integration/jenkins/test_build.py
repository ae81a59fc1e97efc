# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds: triggered once, followed through anything, resumed, aborted; every mistake named before a build comes of it."""

from __future__ import annotations

import itertools

import pytest
import requests
from ansible_collections.mlops.onprem.plugins.module_utils import _jenkins_work
from ansible_collections.mlops.onprem.plugins.module_utils._transport import Transport
from ansible_collections.mlops.onprem.tests.integration.calling import call
from ansible_collections.mlops.onprem.tests.standins.jenkins import Jenkins
from ansible_collections.mlops.onprem.tests.standins.server import Answer

PLAIN = "<project><builders/></project>"
PIPELINE = '<flow-definition><definition class="org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition"><script>x</script></definition></flow-definition>'
PARAMETERS = """<project><properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>
<hudson.model.StringParameterDefinition><name>WHO</name><defaultValue>nobody</defaultValue></hudson.model.StringParameterDefinition>
<hudson.model.BooleanParameterDefinition><name>FLAG</name><defaultValue>false</defaultValue></hudson.model.BooleanParameterDefinition>
<hudson.model.ChoiceParameterDefinition><name>COLOR</name><choices class="java.util.Arrays$ArrayList"><a class="string-array">
<string>red</string><string>green</string></a></choices></hudson.model.ChoiceParameterDefinition>
<hudson.model.PasswordParameterDefinition><name>PW</name><defaultValue>x</defaultValue></hudson.model.PasswordParameterDefinition>
<hudson.model.FileParameterDefinition><name>up.txt</name></hudson.model.FileParameterDefinition>
</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties></project>"""
WITHOUT_FILE = PARAMETERS.replace("<hudson.model.FileParameterDefinition><name>up.txt</name></hudson.model.FileParameterDefinition>\n", "")


def make(jenkins, name, xml=PLAIN, **how):
    """A job, how its builds go."""
    *folder, last = name.split("/")
    place = "".join(f"/job/{part}" for part in folder)
    answer = requests.post(f"{jenkins.url}{place}/createItem", params={"name": last}, data=xml, auth=(jenkins.username, jenkins.token),
                           headers={"Content-Type": "application/xml; charset=utf-8"}, timeout=10)  # fmt: skip
    assert answer.status_code == 200, answer.text
    job = jenkins.item(name)
    for what, value in how.items():
        assert hasattr(job, what), what
        setattr(job, what, value)
    jenkins.clear()
    return job


def ticking(jenkins, step=0.01):
    """Time that passes with the requests, not with the machine."""
    ticks = itertools.count()
    jenkins.clock = lambda: 1_700_000_000 + next(ticks) * step


def test_a_build_is_triggered_once_and_followed(jenkins, run, tmp_path):
    make(jenkins, "plain", log_lines=[f"line {number}" for number in range(30)], artifacts={"out/model file.bin": b"\0model"})
    log = tmp_path / "build.log"
    answer = run("jenkins_build", job="plain", poll=0.01, log_path=str(log), artifacts_dest=str(tmp_path / "got"), log_lines=3)
    assert (answer["changed"], answer["number"], answer["result"], answer["joined"]) == (True, 1, "SUCCESS", False), answer
    assert jenkins.writes() == ["POST /job/plain/build"]
    assert answer["log_tail"] == ["line 28", "line 29", "Finished: SUCCESS"]
    lines = log.read_text().splitlines()
    assert lines[0] == "Started by user admin" and lines[-3:] == answer["log_tail"] and "\x1b" not in log.read_text()
    assert [each["path"] for each in answer["artifacts"]] == ["out/model file.bin"]
    assert (tmp_path / "got/out/model file.bin").read_bytes() == b"\0model"
    assert not list((tmp_path / "got/out").glob("*.partial"))


def test_check_mode_names_the_build_and_sends_nothing(jenkins, run):
    make(jenkins, "with", WITHOUT_FILE)
    answer = run("jenkins_build", True, job="with", parameters={"WHO": "me"}, secret_parameters={"PW": "hidden-pw"})
    assert answer["changed"] and answer["diff"]["after"] == {"build of": "with", "parameters": {"WHO": "me", "PW": "******"}}
    assert jenkins.writes() == [] and not jenkins.item("with").builds and "hidden-pw" not in str(answer)


def test_parameters_arrive(jenkins, run):
    make(jenkins, "with", WITHOUT_FILE)
    plain = {"WHO": "wörld & co", "FLAG": True, "COLOR": "green"}
    answer = run("jenkins_build", job="with", poll=0.01, parameters=plain, secret_parameters={"PW": "hidden-pw"})
    assert answer["result"] == "SUCCESS", answer
    given = {value.fields["name"]: value.fields.get("value") for value in jenkins.item("with").builds[1].item.parameters}
    assert given == {"WHO": "wörld & co", "FLAG": True, "COLOR": "green", "PW": None}
    assert "hidden-pw" not in str(answer)
    assert run("jenkins_build", job="with", poll=0.01)["number"] == 2, "defaults"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parameters": {"WHOM": "x"}}, "WHOM is no parameter of it, which has WHO, FLAG, COLOR, PW, up.txt"),
        ({"parameters": {"COLOR": "blue"}}, "COLOR is 'blue'; it can be red, green"),
        ({"parameters": {"FLAG": "maybe"}}, "FLAG is 'maybe'; it can be true or false"),
        ({"parameters": {"WHO": ["a"]}}, "WHO is not a text, number or boolean"),
        ({"parameters": {"PW": "hidden-pw"}}, "PW is a password; give it in secret_parameters"),
        ({"parameters": {"up.txt": "x"}}, "up.txt is a file"),
        ({"parameters": {"WHO": "a"}, "secret_parameters": {"WHO": "b"}}, "WHO is in parameters and in secret_parameters"),
        ({"secret_parameters": {"COLOR": "hidden-pw"}}, "COLOR is no choice"),
        ({"job": "team"}, "'team' is a folder or the like and cannot be built"),
        ({"job": "off"}, "'off' is disabled and cannot be built"),
        ({"job": "none"}, "job: 'none' is not there"),
        ({"job": "plain", "parameters": {"A": 1}}, "A is no parameter of it, which has none"),
        ({"log_path": "/nowhere/there/log"}, "log_path: /nowhere/there/log cannot be written"),
        ({"number": 7}, "build 7 of 'with' is not there"),
        ({"queue_id": 99}, "queue_id: item 99 is not in the queue any more, and none of the last 100 builds of 'with' came of it"),
        ({"queue_id": 1, "number": 2}, "mutually exclusive"),
    ],
)
def test_mistakes_are_named_before_anything_is_triggered(jenkins, run, options, said):
    make(jenkins, "with", PARAMETERS)
    make(jenkins, "plain")
    make(jenkins, "off", "<project><disabled>true</disabled></project>")
    make(jenkins, "team", "<com.cloudbees.hudson.plugins.folder.Folder/>") if "team" in options.values() else None
    answer = run("jenkins_build", **{"job": "with", "poll": 0} | options)
    assert answer.get("failed") and said in answer["msg"], answer
    assert jenkins.writes() == [] and "hidden-pw" not in str(answer)


def test_a_build_outlives_967_polls(jenkins, run):
    make(jenkins, "long", log_lines=[f"epoch {number}" for number in range(50)])
    ticking(jenkins)
    jenkins.item("long").duration = 45.0
    answer = run("jenkins_build", job="long", poll=0, log_lines=2, wait_timeout=100)
    looks = jenkins.requests().count("GET /job/long/1/api/json")
    assert answer["result"] == "SUCCESS" and answer["log_tail"] == ["epoch 49", "Finished: SUCCESS"], answer
    assert looks > 967, looks


def test_a_restart_in_the_middle_is_survived(jenkins, run):
    make(jenkins, "long", PIPELINE, duration=2.0, log_lines=["a", "b"])
    ticking(jenkins)
    answers, build = iter(("restarting", "reset", "starting", "unauthorized")), None

    class Down:
        """Goes away once while the build runs, as a controller that restarts; the pipeline goes on."""

        answer = jenkins.answer

        def __call__(self, request):
            nonlocal build
            if request.path == "/job/long/1/api/json" and build is None:
                build = jenkins.item("long").builds[1]
                jenkins.coming_back = list(answers)
                jenkins.queue.clear()
            return self.answer(request)

    jenkins.answer = Down()
    answer = run("jenkins_build", job="long", poll=0, retries=0, wait_timeout=30)
    assert answer["result"] == "SUCCESS" and answer["log_tail"][-1] == "Finished: SUCCESS", answer
    assert None in jenkins.statuses and 401 in jenkins.statuses and 503 in jenkins.statuses
    assert jenkins.writes() == ["POST /job/long/build"]


def test_a_token_that_stays_wrong_is_an_error(jenkins, run, monkeypatch):
    make(jenkins, "long", duration=60)
    queue = run("jenkins_build", job="long", wait=False)["queue_id"]
    monkeypatch.setattr(_jenkins_work, "MOMENT", 0.2)
    jenkins.users["admin"].token = "another"
    answer = run("jenkins_build", job="long", queue_id=queue, poll=0)
    assert answer.get("failed") and "answered 401" in answer["msg"] and jenkins.token not in str(answer), answer


def test_the_wait_is_resumed_without_a_new_build(jenkins, run):
    make(jenkins, "long", duration=0.4, log_lines=["one"])
    started = run("jenkins_build", job="long", wait=False)
    assert started["changed"] and started["number"] is None and started["result"] is None
    by_queue = run("jenkins_build", job="long", queue_id=started["queue_id"], poll=0.05)
    jenkins.queue.clear()  # as five minutes later, or after a restart
    by_build = run("jenkins_build", job="long", queue_id=started["queue_id"], poll=0.05)
    by_number = run("jenkins_build", job="long", number=1, poll=0.05)
    checked = run("jenkins_build", True, job="long", number=1)
    for answer in (by_queue, by_build, by_number, checked):
        assert (answer["changed"], answer["number"], answer["result"]) == (False, 1, "SUCCESS"), answer
        assert answer["log_tail"][-2:] == ["one", "Finished: SUCCESS"], answer
    assert jenkins.writes() == ["POST /job/long/build"]


def test_a_queue_item_of_another_job_is_seen(jenkins, run):
    make(jenkins, "one", duration=0)
    make(jenkins, "two", duration=0)
    item = run("jenkins_build", job="one", poll=0.01)["queue_id"]
    run("jenkins_build", job="two", poll=0.01)
    answer = run("jenkins_build", job="two", queue_id=item, poll=0)
    assert answer.get("failed") and f"came of queue item {item + 1}, not of {item}" in answer["msg"], answer


def test_a_second_request_joins_the_first(jenkins, run):
    make(jenkins, "plain")
    jenkins.quiet_period = 60
    first = run("jenkins_build", job="plain", wait=False)
    second = run("jenkins_build", job="plain", wait=False)
    assert (first["joined"], second["joined"]) == (False, True) and first["queue_id"] == second["queue_id"]


@pytest.mark.parametrize(("xml", "verbs"), [(PLAIN, ["stop"]), (PIPELINE, ["stop", "term", "kill"])])
def test_abort_on_timeout(jenkins, run, monkeypatch, xml, verbs):
    monkeypatch.setattr(_jenkins_work, "GRACE", 0.2)
    make(jenkins, "long", xml, duration=600, ignores_stop=xml == PIPELINE)
    answer = run("jenkins_build", job="long", poll=0.05, wait_timeout=1, on_timeout="abort")
    assert answer.get("failed") and answer["result"] == "ABORTED" and "did not end within 1 s and was aborted" in answer["msg"], answer
    assert jenkins.writes() == ["POST /job/long/build", *(f"POST /job/long/1/{verb}" for verb in verbs)]
    assert not jenkins.running


def test_left_or_failed_on_timeout_the_build_goes_on(jenkins, run):
    make(jenkins, "long", duration=600)
    failed = run("jenkins_build", job="long", poll=0.05, wait_timeout=1)
    assert failed.get("failed") and "it goes on, resume the wait with number: 1" in failed["msg"], failed
    left = run("jenkins_build", job="long", number=1, poll=0.05, wait_timeout=0, on_timeout="leave")
    assert not left.get("failed") and left["timed_out"] and left["result"] is None, left
    assert jenkins.running and jenkins.writes() == ["POST /job/long/build"]


def test_a_build_that_stays_in_the_queue(jenkins, run):
    make(jenkins, "stuck", "<project><assignedNode>nolabel</assignedNode></project>")
    answer = run("jenkins_build", job="stuck", poll=0.05, wait_timeout=1, on_timeout="abort")
    assert answer.get("failed") and "doesn\u2019t have label \u2018nolabel\u2019" in answer["msg"] and "was cancelled" in answer["msg"], answer
    assert jenkins.writes() == ["POST /job/stuck/build", "POST /queue/cancelItem"] and not jenkins.waiting
    again = run("jenkins_build", job="stuck", queue_id=answer["queue_id"], poll=0)
    assert again.get("failed") and "was cancelled before it became a build" in again["msg"], again


def test_a_result_that_is_not_expected_fails(jenkins, run):
    make(jenkins, "shaky", result="UNSTABLE", duration=0)
    answer = run("jenkins_build", job="shaky", poll=0.01)
    assert answer.get("failed") and "build 1 of 'shaky' ended UNSTABLE, not SUCCESS" in answer["msg"] and answer["result"] == "UNSTABLE", answer
    assert run("jenkins_build", job="shaky", poll=0.01, expect=["SUCCESS", "UNSTABLE"])["result"] == "UNSTABLE"


def test_waiting_input_is_reported():
    class Asking(Jenkins):
        """A pipeline that waits for a person, as recorded."""

        def answer(self, request):
            if request.path == "/job/ask/1/wfapi/pendingInputActions":
                return Answer(body=[{"id": "Go", "proceedText": "Yes", "message": "Go on?"}])
            if request.path == "/job/ask/1/api/json":
                kind = "org.jenkinsci.plugins.workflow.support.steps.input.InputAction"
                return Answer(body={"building": True, "result": None, "queueId": 1, "artifacts": [], "actions": [{}, {"_class": kind}]})
            return super().answer(request)

    with Asking() as jenkins:
        make(jenkins, "ask", PIPELINE, duration=600)
        connection = {"url": jenkins.url, "username": jenkins.username, "password": jenkins.token}
        answer = call("jenkins_build", connection, job="ask", poll=0.05, wait_timeout=1)
    assert answer.get("failed") and answer["input"] == "Go on?" and "it waits for input: Go on?" in answer["msg"], answer
    assert str(answer["warnings"]).count("build 1 of 'ask' waits for input: Go on?") == 1, answer


def test_a_log_that_is_cut_off_is_read_again(jenkins, run, tmp_path, monkeypatch):
    make(jenkins, "plain", duration=0, log_lines=[f"line {number}" for number in range(2000)])
    run("jenkins_build", job="plain", poll=0.01)
    whole, cut, request = jenkins.item("plain").builds[1].log().splitlines(), [], Transport.request

    def torn(transport, method, path, **more):
        """The first answer with a part of the log ends too early."""
        answer = request(transport, method, path, **more)
        if path.endswith("progressiveText") and not cut:
            cut.append(path)
            begin = answer.content[:5000]
            answer.iter_content = lambda _size: part(transport, begin)
        return answer

    def part(transport, content):
        yield content
        raise transport.Trouble("cut off")

    monkeypatch.setattr(Transport, "request", torn)
    answer = run("jenkins_build", job="plain", number=1, poll=0.01, log_path=str(tmp_path / "log"), log_lines=2100, wait_timeout=30)
    lines = (tmp_path / "log").read_text().splitlines()
    assert cut and answer["log_tail"] == lines and lines[1:] == whole[1:], (len(lines), len(whole))


def test_an_artifact_cannot_leave_its_folder(jenkins, run, tmp_path):
    make(jenkins, "evil", duration=0, artifacts={"../../outside": b"x"})
    answer = run("jenkins_build", job="evil", poll=0.01, artifacts_dest=str(tmp_path / "in"))
    assert answer.get("failed") and "would lie outside" in answer["msg"], answer
    assert not list(tmp_path.rglob("outside"))
