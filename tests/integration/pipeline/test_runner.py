# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runner that stands for Jenkins in the tests: the real Groovy, real shells, real files and signals. Only the program the steps call is a note-taker."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RUN = ROOT / "tests" / "pipeline" / "run"
SECRETS = {"vault": "vault o'pens $HOME", "token": "glpat-tells-all", "store": "store-pass-word", "key": "KEY-LINE-ONE-OF-TWO\nKEY-LINE-TWO-OF-TWO"}
CREDENTIALS = {
    "model-policy": {"type": "file", "content": '{"model": "churn", "credentials": ["vault-password"]}'},
    "store-publisher": {"type": "usernamePassword", "username": "publisher", "password": SECRETS["store"]},
    "signing-key": {"type": "file", "content": SECRETS["key"]},
    "gitlab-api": {"type": "string", "value": SECRETS["token"]},
    "vault-password": {"type": "string", "value": SECRETS["vault"]},
}
# Notes its arguments and what it was given, says every secret aloud, and fails or sleeps where the test wants it.
PROGRAM = """#!/bin/sh
printf '%s\\n' "$*" >>"$NOTES/calls"
for name in MLOPS_POLICY MLOPS_SIGNING_KEY; do
  eval "file=\\${$name-}"
  [ -z "$file" ] || printf '%s %s %s %s %s\\n' "$1" "$name" "$(stat -c %a "$file")" "$(stat -c %a "$(dirname "$file")")" "$file" >>"$NOTES/files"
done
[ -z "${MLOPS_SIGNING_KEY-}" ] || { cp "$MLOPS_SIGNING_KEY" "$NOTES/key"; cat "$MLOPS_SIGNING_KEY"; }
env | grep -E '^(VAULT_PASSWORD|MLOPS_)'
printf %s "${VAULT_PASSWORD-}" >"$NOTES/vault-$1-${2-}"
mkdir -p build/reports
echo '{}' >"build/$1.json"
[ "$*" != "$SLEEPS" ] || { sleep 300 & echo $! >"$NOTES/sleeper"; wait; }
[ "$*" != "$FAILS" ]
"""


@dataclass
class Done:
    """What one run left behind."""

    code: int
    log: str
    result: dict
    calls: list

    def stages(self):
        return [stage["name"] for stage in self.result["stages"]]


class Build:
    """A project, a workspace and the program on its path."""

    def __init__(self, folder):
        self.folder, self.notes, self.work = folder, folder / "notes", folder / "workspace"
        for path in (folder / "bin", self.notes, self.work, folder / "tmp"):
            path.mkdir()
        program = folder / "bin" / "mlops-pipeline"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        self.env = {"BRANCH_NAME": "main", "BRANCH_IS_PRIMARY": "true", "NOTES": str(self.notes), "FAILS": "nothing", "SLEEPS": "nothing"}
        self.jenkinsfile("@Library('mlops') _ ; modelPipeline()")

    def jenkinsfile(self, text):
        (self.folder / "Jenkinsfile").write_text(text + "\n")

    def start(self, **config):
        path = f"PATH={self.folder / 'bin'}:{os.environ['PATH']}"
        config = {
            "workspace_cmd": ["env", "-C", str(self.work), path, f"TMPDIR={self.folder / 'tmp'}", "bash", "-s"],
            "env": self.env, "credentials": CREDENTIALS, "jenkinsfile": str(self.folder / "Jenkinsfile"), "approve": None, **config,
        }
        (self.folder / "CONFIG.json").write_text(json.dumps(config))
        return subprocess.Popen([RUN, self.folder / "CONFIG.json"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self, process):
        log = process.communicate(timeout=600)[0]
        calls = self.notes / "calls"
        return Done(process.returncode, log, json.loads((self.folder / "RESULT.json").read_text()), calls.read_text().splitlines() if calls.exists() else [])

    def run(self, **config):
        return self.finish(self.start(**config))


@pytest.fixture
def build(tmp_path):
    return Build(tmp_path)


def test_a_commit_of_the_default_branch_goes_to_production(build):
    done = build.run()
    assert done.result["result"] == "SUCCESS" and done.code == 0, done.log
    ordered = [name for name in done.stages() if name not in ("Lint", "Unit tests", "Integration tests", "Data checks", "Model validation")]
    assert ordered == ["Checkout", "Environment", "Checks", "Package", "Publish", "Staging", "Gate", "Production", "Report"]
    own = [call for call in done.calls if not call.startswith(("report", "deployment"))]
    assert own[0] == "environment" and sorted(own[1:7]) == ["data", "integration", "lint", "train", "unit", "validate"]
    assert own[7:] == ["package", "publish", "deploy staging", "gate", "deploy production", "summary"]
    assert done.calls[-1] == "report success"
    for name in done.stages():
        assert re.search(rf"\[stage\] {name} start$", done.log, re.M) and re.search(rf"\[stage\] {name} success \d+\.\d\d$", done.log, re.M)
    assert done.result["artifacts"] == ["build/*.json", "build/*.jsonl", "build/reports/**"]
    assert done.result["junit"] == ["build/reports/*.xml"]
    # What the agent had before the release was decided came back for production.
    assert (build.work / "build" / "publish.json").exists()


def test_a_failing_step_fails_the_build_and_its_stage(build):
    build.env["FAILS"] = "unit"
    done = build.run()
    assert done.result["result"] == "FAILURE" and done.code == 1
    failed = {stage["name"] for stage in done.result["stages"] if stage["result"] == "FAILURE"}
    assert failed == {"Unit tests", "Checks"}
    assert re.search(r"^\[Unit tests\] \[stage\] Unit tests failure \d", done.log, re.M)
    assert "ERROR: script returned exit code 1" in done.log
    assert "report failed --stage Unit tests" in done.calls and done.calls[-1] == "report failed"
    assert "package" not in done.calls


def test_a_merge_request_ends_with_its_comment(build):
    build.env["CHANGE_ID"] = "7"
    done = build.run()
    assert done.result["result"] == "SUCCESS", done.log
    assert "package" not in done.calls and done.calls[-2:] == ["comment --state success", "report success"]


def scan(values, until, found):
    """Looks into the arguments of every process of this machine again and again."""
    rounds = 0
    while not until.is_set():
        rounds += 1
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments = path.read_bytes().decode(errors="replace")
            except OSError:
                continue
            found.extend((name, arguments) for name, value in values.items() if value in arguments)
    found.append(("rounds", rounds))


def scanned(values, action):
    until, found = threading.Event(), []
    thread = threading.Thread(target=scan, args=(values, until, found))
    thread.start()
    try:
        result = action()
    finally:
        until.set()
        thread.join()
    assert found[-1][1] > 10
    return result, found[:-1]


def test_secrets_are_in_no_argument_and_not_in_the_log(build):
    lines = {f"{name}{number}": line for name, value in SECRETS.items() for number, line in enumerate(value.splitlines())}
    nothing, seen = scanned(lines, lambda: subprocess.run(["sh", "-c", "sleep 1; : glpat-tells-all"], check=True))
    assert nothing.returncode == 0 and seen, "the scan does not see what is there"
    done, seen = scanned(lines, build.run)
    assert done.result["result"] == "SUCCESS", done.log
    assert not seen
    for line in lines.values():
        assert line not in done.log
    # It was all there, and said aloud.
    assert done.log.count("****") >= 5 and "VAULT_PASSWORD=****" in done.log and "MLOPS_GITLAB_TOKEN=****" in done.log
    assert (build.notes / "vault-deploy-staging").read_text() == SECRETS["vault"]
    assert (build.notes / "key").read_text() == SECRETS["key"]


def test_files_of_credentials_are_private_and_gone_afterwards(build):
    build.env["FAILS"] = "publish"
    assert build.run().result["result"] == "FAILURE"
    noted = [line.split() for line in (build.notes / "files").read_text().splitlines()]
    assert {(name, file, folder) for _step, name, file, folder, _path in noted} == {("MLOPS_POLICY", "600", "700"), ("MLOPS_SIGNING_KEY", "600", "700")}
    assert {step for step, name, *_rest in noted if name == "MLOPS_SIGNING_KEY"} == {"publish"}
    assert list((build.folder / "tmp").iterdir()) == []


@pytest.mark.parametrize(("approve", "result"), [(True, "SUCCESS"), (False, "ABORTED"), (None, "ABORTED")])
def test_approval(build, approve, result):
    policy = {"type": "file", "content": '{"model": "churn", "approval": "production"}'}
    done = build.run(approve=approve, credentials={**CREDENTIALS, "model-policy": policy})
    assert done.result["result"] == result, done.log
    assert ("deploy production" in done.calls) is (approve is True)
    assert done.calls[-1] == ("report success" if approve else "report canceled")
    assert list((build.folder / "tmp").iterdir()) == []


def test_a_build_that_is_stopped_says_so_and_leaves_nothing(build):
    build.env["SLEEPS"] = "deploy staging"
    process = build.start()
    deadline = time.monotonic() + 120
    while not (build.notes / "sleeper").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    done = build.finish(process)
    assert done.result["result"] == "ABORTED" and done.code == 1, done.log
    assert [call for call in done.calls if call.startswith("deployment")] == ["deployment staging running", "deployment staging failed"]
    assert "report canceled --stage Staging" in done.calls and done.calls[-1] == "report canceled"
    assert "deploy production" not in done.calls
    assert list((build.folder / "tmp").iterdir()) == []
    sleeper = Path("/proc") / (build.notes / "sleeper").read_text().strip() / "stat"
    assert not sleeper.exists() or sleeper.read_text().split()[2] == "Z"


def test_the_steps_do_what_those_of_jenkins_do(build):
    build.env["SAID"] = "it's $HOME\nand more"
    build.jenkinsfile("""
node('any') {
    stage('Words') {
        echo "out=[${sh(returnStdout: true, script: 'printf %s "$SAID"; echo noise >&2')}]"
        echo "status=${sh(returnStatus: true, script: 'exit 7')}"
        env.LATER = "set"
        withEnv(['INNER=a=b']) { sh 'echo "$INNER $LATER"; cat; echo unread' }
        echo "after=${env.INNER} ${env.LATER} ${readFile('kept')}"
        catchError { error 'passed over' }
        withCredentials([string(credentialsId: 'gitlab-api', variable: 'TOKEN')]) { sh 'set +x; echo "token $TOKEN"' }
    }
    stage('Late') { timeout(time: 1, unit: 'SECONDS') { sh 'sleep 60' } }
}""")
    (build.work / "kept").write_text("kept content")
    done = build.run()
    assert "out=[it's $HOME\nand more]" in done.log and "\nnoise\n" in done.log
    assert "status=7" in done.log and "a=b set\n" in done.log and "\nunread\n" in done.log
    assert "after=null set kept content" in done.log and "ERROR: passed over" in done.log and "token ****" in done.log
    assert [(stage["name"], stage["result"]) for stage in done.result["stages"]] == [("Words", "SUCCESS"), ("Late", "ABORTED")]
    assert done.result["result"] == "ABORTED"


def test_checkout_runs_the_given_script_and_knows_the_commit(build):
    build.jenkinsfile("node('any') { echo \"commit=${checkout(scm).GIT_COMMIT}\" }")
    script = "git init -q . && git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m first"
    done = build.run(checkout=script)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=build.work, check=True, capture_output=True, text=True).stdout.strip()
    assert f"commit={commit}" in done.log


def test_a_lock_is_held_by_one_build_at_a_time(build, tmp_path_factory):
    other = Build(tmp_path_factory.mktemp("other"))
    locks = tmp_path_factory.mktemp("locks")
    for one in (build, other):
        one.jenkinsfile(f"node('any') {{ lock(resource: 'r') {{ sh 'mkdir {locks}/inside; sleep 2; rmdir {locks}/inside' }} }}")
    processes = [one.start(locks=str(locks)) for one in (build, other)]
    results = [one.finish(process).result["result"] for one, process in zip((build, other), processes)]
    assert results == ["SUCCESS", "SUCCESS"]


@pytest.mark.parametrize(("change", "says"), [
    ({"jenkinsfile": "/nowhere/Jenkinsfile"}, "jenkinsfile: must be a file, not '/nowhere/Jenkinsfile'"),
    ({"workspace_cmd": []}, "workspace_cmd: is required"),
    ({"aprove": True}, "aprove: unknown; known: workspace_cmd, jenkinsfile, env, credentials, approve, checkout, causes, locks, result, previous_start_ms"),
    ({"approve": "yes"}, "approve: must be of type boolean"),
    ({"env": {"A-B": "x"}}, "env.A-B: must be a variable's name with a string"),
    ({"credentials": {"id": {"type": "text"}}}, "credentials.id.type: must be one of string, file, usernamePassword"),
    ({"credentials": {"id": {"type": "string"}}}, "credentials.id.value: must be a string"),
])
def test_a_bad_configuration_is_refused_by_name(build, change, says):
    process = build.start(**change)
    log = process.communicate(timeout=600)[0]
    assert process.returncode == 2 and says in log
    assert not (build.folder / "RESULT.json").exists()


@pytest.mark.parametrize(("line", "says"), [
    ("withCredentials([string(credentialsId: 'nobody', variable: 'A')]) { }",
     "no credential 'nobody' of type string here; there are: gitlab-api (string), model"),
    ("slackSend(message: 'hello')", "slackSend"),
    ("if (", "startup failed"),
])
def test_what_jenkins_would_refuse_is_a_failure_with_its_name(build, line, says):
    build.jenkinsfile(f"node('any') {{ {line} }}")
    done = build.run()
    assert done.result["result"] == "FAILURE" and says in done.log
