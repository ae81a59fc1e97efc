# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pipeline's steps on real files, real git repositories and a real HTTP server; what needs a trained model is in tests/integration/pipeline."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import re
import subprocess
import sys
import time
import urllib.parse
import zipfile
from pathlib import Path

import pytest
from ansible_collections.mlops.onprem.tests.standins.server import running

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "pipeline"))

from mlops_steps import ansible, checks, environment, gitlab, packaging, project, rollout, service, validation
from mlops_steps.cli import main
from mlops_steps.commands import run
from mlops_steps.outcome import BadInput, Stop

PYPROJECT = '[tool.mlops]\nmodel = "churn"\ntrain = ["sh", "-c", "mkdir -p build/package && echo x >build/package/model.onnx"]\n'
TOKEN = "glpat-very-secret"


@pytest.fixture(name="made")
def fixture_made(tmp_path):
    """made(policy, **env): a committed project with an environment that is this Python's."""
    def make(policy=None, **env):
        root = tmp_path / "churn"
        root.mkdir()
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / ".gitignore").write_text("build/\n")
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "one"]):
            subprocess.run(["git", *words], cwd=root, check=True)
        (root / "build").mkdir()
        (root / "build" / "env").symlink_to(Path(sys.prefix))
        if policy is not None:
            (tmp_path / "policy.json").write_text(json.dumps({"model": "churn", **policy}))
            env["MLOPS_POLICY"] = str(tmp_path / "policy.json")
        return project.Project(root, {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **env})
    return make


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers from server.answers {(verb, path): (status, JSON)}, the query being left out of the path; keeps what it was asked."""

    def _answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        parts = urllib.parse.urlsplit(self.path)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((self.command, parts.path, urllib.parse.parse_qs(parts.query), body, dict(self.headers)))
        found = self.server.answers.get((self.command, parts.path), (404, {"message": "404 Not Found"}))
        status, said = found(body, urllib.parse.parse_qs(parts.query)) if callable(found) else found
        said = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = _answer

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture(name="server")
def fixture_server():
    """A running server: url, answers, asked."""
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)) as server:
        server.answers, server.asked = {}, []
        server.url = server.elsewhere = f"http://127.0.0.1:{server.server_port}"
        yield server


def on_gitlab(made, server, **env):
    return made({"gitlab_url": server.url, "project": "risk/churn"}, MLOPS_GITLAB_TOKEN=TOKEN, **env)


API = "/api/v4/projects/risk%2Fchurn"


# --- the command line and the project


def test_a_step_leaves_a_record_and_its_exit_code(made, capsys):
    work = made()
    assert main(["package"], work) == 2
    assert "run the step train first" in capsys.readouterr().err
    assert main(["train"], work) == 0
    assert [(line["step"], line["exit"]) for line in work.steps()] == [("package", 2), ("train", 0)]
    assert "run the step train first" in work.steps()[0]["reason"]


def test_a_step_that_is_broken_off_leaves_a_record_and_no_program(made):
    work = made()
    train = ["sh", "-c", "echo $$ >build/pid; exec sleep 60"]
    (work.root / "pyproject.toml").write_text(f'[tool.mlops]\nmodel = "churn"\ntrain = {json.dumps(train)}\n')
    with subprocess.Popen([sys.executable, ROOT / "pipeline" / "mlops_steps", "train"], cwd=work.root, env=work.env) as process:
        wait_for(lambda: (work.build / "pid").is_file() and (work.build / "pid").read_text().endswith("\n"))
        process.terminate()
        assert process.wait(timeout=20) == 143
    assert [(line["step"], line["exit"], line["reason"]) for line in work.steps()] == [("train", 1, "train was broken off")]
    assert not Path(f"/proc/{(work.build / 'pid').read_text().strip()}").exists()


def wait_for(ready):
    until = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_workspace_that_holds_another_builds_records(made):
    work = made()
    work.record("unit", 1, 1, "of build 1")
    work.env["BUILD_URL"] = "https://jenkins/2/"
    assert work.steps() == []


@pytest.mark.parametrize(("text", "said"), [
    ("[tool.other]\n", "no table [tool.mlops]"),
    ('[tool.mlops]\nmodel = "Churn"\ntrain = ["x"]\n', "tool.mlops.model is 'Churn', give 1 to 48"),
    ('[tool.mlops]\nmodel = "churn"\ntrain = "python x"\n', "tool.mlops.train is 'python x', give the command as a list"),
    ("[tool.mlops\n", "is no TOML"),
])
def test_bad_settings_are_named(made, text, said):
    work = made()
    (work.root / "pyproject.toml").write_text(text)
    with pytest.raises(BadInput, match=re.escape(said)):
        print(work.model)


def test_a_policy_of_another_model_is_refused(made):
    with pytest.raises(BadInput, match="the site's policy is for 'wine'"):
        print(made({"model": "wine"}).model)


def test_the_projects_own_code_sees_no_secret(made):
    secrets = dict.fromkeys(("MLOPS_STORE_PASSWORD", "MLOPS_GITLAB_TOKEN", "MLOPS_SIGNING_KEY", "VAULT_PASSWORD", "MLOPS_INDEX_URL",
                             "MLOPS_STORE_READER_PASSWORD", "MLOPS_MONITORING_PASSWORD"), "hidden")
    work = made(BUILD_URL="https://jenkins/1/", **secrets)
    assert "hidden" not in work.outside().values()
    assert work.outside()["BUILD_URL"] == "https://jenkins/1/"


def test_steps_use_the_standard_library_only():
    for path in (ROOT / "pipeline" / "mlops_steps").glob("*.py"):
        for name in re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.M):
            assert name in sys.stdlib_module_names or name == "mlops_steps", f"{path.name}: {name}"


# --- environment and checks


def test_environment_refuses_a_lock_without_hashes(made):
    work = made()
    with pytest.raises(BadInput, match=r"'requirements\.txt', a file that is not there"):
        environment.environment(work, None)
    (work.root / "requirements.txt").write_text("numpy==1\n")
    with pytest.raises(BadInput, match="holds no hashes"):
        environment.environment(work, None)


def test_environment_from_a_folder_of_wheels_is_made_once_and_its_scripts_run(made, tmp_path):
    """One wheel with a script, made here: no index is asked."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    lock = small_wheel(wheels)
    work = made(MLOPS_WHEELS=str(wheels))
    (work.root / "requirements.txt").write_text(lock)
    (work.build / "old.json").write_text("{}")
    (work.build / "reason.json").write_text("{}")
    environment.environment(work, None)
    target = (work.build / "env").resolve()
    assert subprocess.run([target / "bin" / "hello"], check=True, capture_output=True, text=True).stdout == "hello\n"
    assert sorted(path.name for path in work.build.iterdir()) == ["env", "reason.json"]
    inode = target.stat().st_ino
    environment.environment(work, None)
    assert (work.build / "env").resolve().stat().st_ino == inode
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_environment_that_cannot_be_made_leaves_nothing_and_hides_the_indexs_password(made, capsys):
    work = made(MLOPS_INDEX_URL="http://user:index-secret@127.0.0.1:9/simple", PIP_RETRIES="0")
    (work.root / "requirements.txt").write_text("hello==1 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(Stop, match="cannot be made from requirements.txt"):
        environment.environment(work, None)
    assert "index-secret" not in "".join(capsys.readouterr())
    assert list((Path(work.env["HOME"]) / ".cache" / "mlops-pipeline").iterdir()) == []


def test_a_password_in_a_url_is_not_shown(tmp_path, capsys):
    assert run(["echo", "http://user:index-secret@127.0.0.1/simple"], {"PATH": "/usr/bin:/bin"}, tmp_path) == (0, ["http://127.0.0.1/simple"])
    assert "index-secret" not in capsys.readouterr().out


def small_wheel(folder):
    """A wheel of hello 1 in the folder; the line of a lock for it."""
    path = folder / "hello-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("hello.py", "def main():\n    print('hello')\n")
        file.writestr("hello-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: hello\nVersion: 1\n")
        file.writestr("hello-1.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("hello-1.dist-info/entry_points.txt", "[console_scripts]\nhello = hello:main\n")
        file.writestr("hello-1.dist-info/RECORD", "".join(f"{name},,\n" for name in [*file.namelist(), "hello-1.dist-info/RECORD"]))
    return f"hello==1 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.mark.parametrize(("test", "said"), [
    ("def test_a():\n    assert 1 == 2, 'one is not two'\n", r"unit: 1 of 1 failed: .*test_a: AssertionError: one is not two"),
    ("import nothing_like_this\n", r"unit: 1 of 1 failed: .*"),
    ("", "unit: tests/unit holds no test"),
    (None, "unit: there is no folder tests/unit"),
])
def test_a_failing_test_is_named_with_what_it_says(made, test, said):
    work = made()
    if test is not None:
        (work.root / "tests" / "unit").mkdir(parents=True)
        (work.root / "tests" / "unit" / "test_it.py").write_text(test)
    with pytest.raises(Stop, match=said):
        checks.tests("unit")(work, None)


def test_lint_names_the_fault_and_its_line(made):
    work = made()
    (work.root / "bad.py").write_text("import os\n")
    with pytest.raises(Stop, match=r"lint: 1 of 1 failed: .*bad.*F401.*`os` imported but unused"):
        checks.lint(work, None)
    (work.root / "bad.py").unlink()
    checks.lint(work, None)
    assert (work.reports / "lint.xml").is_file()


def test_training_that_fails_says_its_last_words(made):
    work = made()
    work.settings["train"][:] = ["sh", "-c", "echo it has no rows; exit 3"]
    with pytest.raises(Stop, match="ended with 3: it has no rows"):
        checks.train(work, None)


# --- package


def validated(work):
    """A package as train and validate leave it."""
    checks.train(work, None)
    for name in packaging.NEEDED:
        (work.package / name).write_text("{}")
    work.write("validated.json", validation.digests(work.package))
    return work


@pytest.mark.parametrize(("env", "version"), [
    ({}, r"\d{8}\.\d{6}-[0-9a-f]{8}"), ({"TAG_NAME": "v1.2"}, r"1\.2"), ({"TAG_NAME": "1.2.0-rc1"}, r"1\.2\.0-rc1"), ({"TAG_NAME": "vanilla"}, "vanilla"),
])
def test_package_is_named_by_tag_or_time_and_commit(made, env, version):
    work = validated(made(**env))
    packaging.package(work, None)
    found = work.read("package.json")
    assert re.fullmatch(version, found["version"])
    assert (found["model"], found["commit"]) == ("churn", work.git("rev-parse", "HEAD"))
    assert [file["path"] for file in found["files"]] == ["golden.json", "metrics.json", "model.onnx"]


def test_unfinished_work_shows_in_the_version(made):
    work = validated(made())
    (work.root / "new.py").write_text("x = 1\n")
    assert packaging.version(work).endswith(f"-{work.commit[:8]}-dirty")


def test_a_tag_that_is_no_version(made):
    with pytest.raises(BadInput, match="'release/1' is no version"):
        packaging.version(made(TAG_NAME="release/1"))


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda work: (work.package / "model.onnx").write_text("quantised"), "model.onnx in build/package changed after validation"),
    (lambda work: (work.package / "new.csv").write_text("1"), "new.csv in build/package changed after validation"),
    (lambda work: (work.package / "golden.json").unlink(), "has no golden.json, run the step validate"),
    (lambda work: (work.package / "metrics.json").write_text("{"), "metrics.json is no JSON"),
    (lambda work: (work.package / "model.onnx").unlink(), r"no model file \(.onnx\)"),
    (lambda work: (work.package / "link").symlink_to("model.onnx"), "a package holds plain files, no links"),
    (lambda work: work.record("unit", 1, 1, "a test failed"), "unit failed, nothing is packaged"),
])
def test_what_is_no_validated_package_is_not_packaged(made, spoil, said):
    work = validated(made())
    spoil(work)
    with pytest.raises(Stop, match=said):
        packaging.package(work, None)
    assert work.read("package.json") is None


def test_publish_needs_a_key(made):
    work = validated(made(MLOPS_SIGNING_KEY="/nowhere/key.pem"))
    packaging.package(work, None)
    with pytest.raises(BadInput, match="MLOPS_SIGNING_KEY is /nowhere/key.pem"):
        packaging.publish(work, None)


# --- the version in production


def stored(model, version, files):
    """{path below a store: bytes} and the digest of the manifest."""
    found = {f"{model}/blobs/sha256:{hashlib.sha256(content).hexdigest()}": content for content in files.values()}
    layers = [{"digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "annotations": {validation.TITLE: path}} for path, content in files.items()]
    manifest = json.dumps({"layers": layers}).encode()
    return {**found, f"{model}/manifests/{version}": manifest}, f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def test_baseline_is_what_most_hosts_of_production_serve(made, server):
    store, digest = stored("churn", "7", {"model.onnx": b"seven", "metrics.json": b"{}"})
    server.answers |= {("GET", f"/models/{path}"): (200, content) for path, content in store.items()}
    rows = [{"metric": {"version": version, "digest": digest}, "value": [0, "1"]} for version in ("7", "6", "7")]
    server.answers["GET", "/api/v1/query"] = 200, {"status": "success", "data": {"result": rows}}
    work = made({"prometheus_url": server.url, "store": f"{server.url}/models"}, MLOPS_STORE_READER_USERNAME="reader", MLOPS_STORE_READER_PASSWORD="r-secret")
    folder = validation.baseline(work)
    assert (folder / "model.onnx").read_bytes() == b"seven"
    assert 'env="production"' in server.asked[0][2]["query"][0]
    assert "Authorization" not in server.asked[0][4]
    assert all(headers["Authorization"].startswith("Basic ") for _verb, path, _query, _body, headers in server.asked if path.startswith("/models"))


def test_baseline_from_a_folder_as_store(made, tmp_path):
    store, _digest = stored("churn", "7", {"model.onnx": b"seven"})
    for path, content in store.items():
        (tmp_path / "store" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "store" / path).write_bytes(content)
    work = made(MLOPS_STORE=f"file://{tmp_path}/store", MLOPS_BASELINE_VERSION="7")
    assert (validation.baseline(work) / "model.onnx").read_bytes() == b"seven"


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda store: store.update({path: b"other" for path in store if "/blobs/" in path}), "holds other bytes than its name says"),
    (lambda store: store.update({"churn/manifests/7": store["churn/manifests/7"] + b" "}), "they are not the same package"),
    (lambda store: store.update({"churn/manifests/7": b"[]"}), "they are not the same package"),
])
def test_a_baseline_that_is_not_what_production_serves_is_refused(tmp_path, spoil, said):
    store, digest = stored("churn", "7", {"model.onnx": b"seven"})
    spoil(store)
    with pytest.raises(Stop, match=said):
        validation.fetch(store.__getitem__, "churn", "7", digest, tmp_path / "baseline")


@pytest.mark.parametrize("path", ["../../evil", "/etc/evil"])
def test_a_manifest_writes_nowhere_else(tmp_path, path):
    store, digest = stored("churn", "7", {path: b"x"})
    with pytest.raises(Stop, match="no package has such a one"):
        validation.fetch(store.__getitem__, "churn", "7", digest, tmp_path / "baseline")


def test_a_comparison_that_cannot_be_made_stops(made, server):
    work = made({"prometheus_url": server.url, "store": server.url})
    server.answers["GET", "/api/v1/query"] = 500, {"error": "out of order"}
    with pytest.raises(Stop, match="Prometheus: GET /api/v1/query: 500 out of order"):
        validation.baseline(work)
    server.answers["GET", "/api/v1/query"] = 200, {"status": "success", "data": {"result": [{"metric": {"version": "7", "digest": "x"}, "value": [0, "1"]}]}}
    server.answers["GET", "/churn/manifests/7"] = 401, {}
    with pytest.raises(Stop, match="401 .*set MLOPS_STORE_READER_USERNAME"):
        validation.baseline(work)


def test_no_version_in_production_is_no_failure(made, server, capsys):
    server.answers["GET", "/api/v1/query"] = 200, {"status": "success", "data": {"result": []}}
    assert validation.baseline(made({"prometheus_url": server.url, "store": server.url})) is None
    assert "no version is in production yet" in capsys.readouterr().out


# --- deploy and gate


def deployed(work, **row):
    """What a deploy to staging leaves."""
    work.write("package.json", {"model": "churn", "version": "7", "files": [], "bytes": 0, "commit": "c"})
    row = {"host": "staging1", "environment": "staging", "to": "7", "state": "released", "golden_passed": 6, "golden_total": 6, "bytes_fetched": 10, **row}
    work.write("deploy-staging.json", {"hosts": [row], "failures": []})
    return work


def test_gate_without_minutes_goes_by_what_the_deploy_saw(made):
    work = deployed(made({}))
    rollout.gate(work, None)
    assert work.read("gate.json")["verdict"] == "pass"


@pytest.mark.parametrize("row", [{"golden_passed": 5}, {"state": "rolled back to 6"}, {"to": "6"}])
def test_gate_fails_on_a_host_that_is_not_right(made, row):
    work = deployed(made({}), **row)
    with pytest.raises(Stop, match="gate: fail: staging1: "):
        rollout.gate(work, None)
    assert work.read("gate.json")["verdict"] == "fail"


@pytest.mark.parametrize(("requests", "errors", "serves", "alerts", "verdict", "said"), [
    (1000, 2, "7", [], "pass", "2 of 1000 requests failed"),
    (1000, 20, "7", [], "fail", "20 of 1000 requests failed in 0.001 minutes, 2.00%, allowed are 1.00%"),
    (0, 0, "7", [], "pass", "0 of 0 requests failed"),
    (60, 0, "7", [], "hold", "60 requests in 0.001 minutes, 40 more are needed to tell"),
    (1000, 0, "6", [], "hold", "monitoring sees 6 there, 7 alone is needed"),
    (1000, 0, "7", [{"labels": {"alertname": "ModelSlow", "model": "churn", "env": "staging"}}], "fail", "alert ModelSlow"),
    (1000, 0, "7", [{"labels": {"alertname": "HostDown", "host": "staging1"}}], "fail", "alert HostDown"),
    (1000, 0, "7", [{"labels": {"alertname": "HostDown", "host": "production1"}}], "pass", "0 of 1000 requests failed"),
    (1000, 0, "7", [{"labels": {"alertname": "ModelSlow", "model": "churn", "env": "production"}}], "pass", "0 of 1000 requests failed"),
    (1000, 0, "7", [{"labels": {"alertname": "ModelSlow", "model": "wine", "host": "staging1"}}], "pass", "0 of 1000 requests failed"),
])
def test_gate_with_minutes_asks_monitoring(made, server, requests, errors, serves, alerts, verdict, said):
    def query(_body, asked):
        text = asked["query"][0]
        rows = [{"metric": {"version": serves, "digest": "d"}, "value": [0, "1"]}] if "mlops_model_info" in text else \
            [{"metric": {}, "value": [0, str(errors if "5xx" in text else requests)]}]
        return 200, {"status": "success", "data": {"result": rows}}

    def firing(_body, asked):
        """As Alertmanager: an alert that lacks a label matches no value of it."""
        wanted = [re.fullmatch(r'(\w+)="(.*)"', text).groups() for text in asked["filter"]]
        critical = [{"labels": {"severity": "critical", **alert["labels"]}} for alert in alerts]
        return 200, [alert for alert in critical if all(alert["labels"].get(name) == value for name, value in wanted)]

    server.answers |= {("GET", "/api/v1/query"): query, ("GET", "/api/v2/alerts"): firing}
    gate = {"minutes": 0.001, "max_error_rate": 0.01, "min_requests": 100 if requests else 0}
    work = deployed(made({"prometheus_url": server.url, "alertmanager_url": server.url, "gate": gate}))
    with contextlib.suppress(Stop):
        rollout.gate(work, None)
    found = work.read("gate.json")
    assert found["verdict"] == verdict and said in found["reasons"][-1]


def test_an_environment_that_the_policy_does_not_have(made):
    with pytest.raises(BadInput, match="environment 'lab' is not in the policy, give staging or production"):
        rollout.known(made({}), "lab")


@pytest.mark.parametrize("given", ["", "site.cfg"])
def test_ansible_does_not_read_the_projects_configuration(made, tmp_path, given):
    launcher = tmp_path / "bin" / "mlops-deploy"
    launcher.parent.mkdir()
    # As Ansible itself looks for it: the variable, then the folder that it is run in.
    launcher.write_text(f"#!/bin/sh\nexec {sys.executable} -c '"
                        "from ansible.config.manager import find_ini_config_file; print(find_ini_config_file(), end=\"\")'\n")
    launcher.chmod(0o755)
    work = made(ANSIBLE_CONFIG=given and str(tmp_path / given))
    for path in (tmp_path / "site.cfg", work.root / "ansible.cfg"):
        path.write_text("[defaults]\ncallback_plugins = .\n")
    work.env["PATH"] = f"{launcher.parent}:{work.env['PATH']}"
    assert ansible.playbook(work, "deploy", {}) == (0, work.env["ANSIBLE_CONFIG"] or str(ansible.CONFIG))


def test_the_reason_of_a_failed_playbook():
    lines = ["TASK [x]", 'fatal: [localhost]: FAILED! => {"changed": false, "msg": "store: \\"7\\" has other content"}', "PLAY RECAP", "localhost : failed=1"]
    assert ansible.said(lines) == 'store: "7" has other content'


# --- GitLab


def run_gitlab(work, *words):
    return main(list(words), work)


def test_report_posts_a_status_with_the_reason_of_the_failure(made, server):
    work = on_gitlab(made, server, BUILD_URL="https://jenkins/1/")
    work.record("unit", 1, 1, "unit: test_a failed")
    server.answers["POST", f"{API}/statuses/{work.commit}"] = 201, {}
    assert run_gitlab(work, "report", "failed", "--stage", "Unit tests") == 0
    _verb, _path, _query, body, headers = server.asked[-1]
    assert body == {"state": "failed", "name": "mlops/Unit tests", "description": "unit: test_a failed", "target_url": "https://jenkins/1/"}
    assert {name.lower(): value for name, value in headers.items()}["private-token"] == TOKEN


def test_report_of_a_merge_request_is_at_the_commit_that_gitlab_has(made, server):
    work = on_gitlab(made, server, CHANGE_ID="3", GIT_COMMIT="m" * 40)
    server.answers |= {("GET", f"{API}/merge_requests/3"): (200, {"iid": 3, "sha": "a" * 40}), ("POST", f"{API}/statuses/{'a' * 40}"): (201, {})}
    assert run_gitlab(work, "report", "success") == 0


@pytest.mark.parametrize(("merged", "newer", "tells"), [(True, False, True), (False, False, True), (True, True, False), (False, True, False)])
def test_a_build_of_an_old_commit_says_nothing_about_a_newer_one(made, server, capsys, merged, newer, tells):
    """Jenkins builds the merge of the request's commit with the target, or the commit itself."""
    work = on_gitlab(made, server, CHANGE_ID="3")

    def git(*words):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words], cwd=work.root, check=True, capture_output=True)
        return work.git("rev-parse", "HEAD")

    git("switch", "-c", "idea")
    old = git("commit", "--allow-empty", "-m", "old")
    new = git("commit", "--allow-empty", "-m", "new")
    git("switch", "main")
    git("commit", "--allow-empty", "-m", "target")
    work.env["GIT_COMMIT"] = git("merge", "--no-ff", "-m", "merge", old) if merged else old
    sha = new if newer else old
    server.answers |= {("GET", f"{API}/merge_requests/3"): (200, {"iid": 3, "sha": sha}), ("POST", f"{API}/statuses/{sha}"): (201, {})}
    assert run_gitlab(work, "report", "success") == 0
    assert (server.asked[-1][0] == "POST") is tells
    assert (f"the merge request is at {new[:8]} by now, whose own build reports" in capsys.readouterr().out) is not tells


def test_a_state_said_twice_is_no_failure_and_another_refusal_is(made, server, capsys):
    work = on_gitlab(made, server)
    path = ("POST", f"{API}/statuses/{work.commit}")
    server.answers[path] = 400, {"message": "Cannot transition status via :run from :running (Reason(s): Status cannot transition via \"run\")"}
    assert run_gitlab(work, "report", "running") == 0
    server.answers[path] = 403, {"message": f"403 Forbidden for {TOKEN}"}
    assert run_gitlab(work, "report", "running") == 1
    said = capsys.readouterr().err
    assert f"GitLab: POST {API}/statuses/{work.commit}: 403 403 Forbidden for ***" in said and TOKEN not in said


def test_comment_is_made_once_and_then_written_anew(made, server):
    work = on_gitlab(made, server, CHANGE_ID="3", BUILD_URL="https://jenkins/1/", BUILD_NUMBER="1")
    notes = [{"id": number, "body": "hello"} for number in range(100)]
    server.answers |= {
        ("GET", f"{API}/merge_requests/3"): (200, {"iid": 3, "sha": "a" * 40}),
        ("GET", f"{API}/merge_requests/3/notes"): lambda _body, asked: (200, notes[(int(asked["page"][0]) - 1) * 100:][:100]),
        ("POST", f"{API}/merge_requests/3/notes"): lambda body, _asked: (notes.append({"id": 777, **body}), (201, {}))[1],
        ("PUT", f"{API}/merge_requests/3/notes/777"): lambda body, _asked: (notes[-1].update(body), (200, {}))[1],
    }
    work.record("validate", 1, 1, "validate: accuracy is 0.6, needed: at least 0.9")
    checks_found = [{"kind": "metric", "result": "fail", "figures": {"metric": "accuracy", "value": 0.6, "bound": 0.9, "production": 0.95, "slice": "a | b"}}]
    work.write("reports/validation.json", {"checks": checks_found})
    assert run_gitlab(work, "comment") == 0
    assert "* validate: accuracy is 0.6, needed: at least 0.9" in notes[-1]["body"]
    assert "| accuracy where a \\| b | 0.6 | 0.95 | 0.9 | **missed** |" in notes[-1]["body"]
    work.record("validate", 2, 0, "")
    assert run_gitlab(work, "comment") == 0
    assert len(notes) == 101 and "all checks passed" in notes[-1]["body"]


@pytest.mark.parametrize(("state", "reason", "title", "said"), [
    ("success", "", "all checks passed", None),
    ("success", "unit: test_a failed", "not good enough yet", "* unit: test\\_a failed"),
    ("failed", "", "not good enough yet", "* stopped outside of a step, see the build's log"),
    ("failed", "unit: test_a failed", "not good enough yet", "* unit: test\\_a failed"),
    ("canceled", "", "canceled", None),
    ("canceled", "train was broken off", "canceled", "* train was broken off"),
])
def test_comment_says_how_the_build_ended(made, server, state, reason, title, said):
    work = on_gitlab(made, server, CHANGE_ID="3")
    work.record("unit", 1, int(bool(reason)), reason)
    server.answers |= {("GET", f"{API}/merge_requests/3"): (200, {"iid": 3}), ("GET", f"{API}/merge_requests/3/notes"): (200, []),
                       ("POST", f"{API}/merge_requests/3/notes"): (201, {})}
    assert run_gitlab(work, "comment", "--state", state) == 0
    text = server.asked[-1][3]["body"]
    assert f"### churn: {title}\n" in text
    assert [line for line in text.splitlines() if line.startswith("* ")] == ([said] if said else [])


def test_comment_without_a_merge_request(made, server, capsys):
    work = on_gitlab(made, server, BRANCH_NAME="feature")
    server.answers["GET", f"{API}/merge_requests"] = 200, []
    assert run_gitlab(work, "comment") == 0
    assert server.asked[-1][2]["source_branch"] == ["feature"]
    assert "no merge request is open for feature" in capsys.readouterr().out


def test_markdown_of_a_reason_is_text():
    assert gitlab.escaped("a `b` <img src=x>\n@all") == "a \\`b\\` &lt;img src=x\\> \\@all"


def test_deployment_is_begun_and_finished(made, server):
    work = on_gitlab(made, server, TAG_NAME="v1.2")
    server.answers |= {("POST", f"{API}/deployments"): (201, {"id": 9}), ("PUT", f"{API}/deployments/9"): (200, {})}
    assert run_gitlab(work, "deployment", "production", "running") == 0
    assert server.asked[-1][3] == {"environment": "production", "sha": work.commit, "ref": "v1.2", "tag": True, "status": "running"}
    assert run_gitlab(work, "deployment", "production", "success") == 0
    assert server.asked[-1][:2] == ("PUT", f"{API}/deployments/9") and server.asked[-1][3] == {"status": "success"}


def test_the_token_does_not_follow_a_redirect(server):
    server.answers["GET", "/a"] = 302, {}
    server.elsewhere = f"{server.url}/elsewhere"
    with pytest.raises(service.Refused, match="302"):
        service.Service("GitLab", server.url, {"PRIVATE-TOKEN": TOKEN}).get("/a")
    assert [asked[1] for asked in server.asked] == ["/a"]


@pytest.mark.parametrize("url", ["ftp://x", "gitlab.example.org", "https://user:pa55@gitlab.example.org"])
def test_a_url_that_is_none(url):
    with pytest.raises(BadInput) as error:
        service.Service("GitLab", url)
    assert "pa55" not in str(error.value)


# --- feedback and summary


def test_reason_names_the_alert(made, server, capsys):
    alert = {"labels": {"alertname": "ModelInputDrift", "model": "churn"}, "startsAt": "2026-01-02T03:04:05Z", "annotations": {"summary": "age has moved"}}
    server.answers["GET", "/api/v2/alerts"] = 200, [alert]
    work = made({"alertmanager_url": server.url})
    assert main(["reason"], work) == 0
    assert sorted(server.asked[-1][2]["filter"]) == ['feedback="retrain"', 'model="churn"']
    assert "ModelInputDrift since 2026-01-02T03:04: age has moved" in capsys.readouterr().out
    server.answers["GET", "/api/v2/alerts"] = 500, {"message": "broken"}
    assert main(["reason"], work) == 0
    assert work.read("reason.json")["reason"].startswith("unknown: Alertmanager: GET /api/v2/alerts: 500")


def test_summary_counts(made, capsys):
    work = deployed(made({}))
    work.write("publish.json", {"bytes_sent": 5, "blobs_sent": 2})
    work.record("unit", 1, 1, "unit: broken")
    assert main(["summary"], work) == 0
    found = work.read("summary.json")
    assert (found["bytes_sent"], found["files_sent"], found["bytes_fetched"]) == (5, 2, {"staging": 10})
    assert "unit: broken" in capsys.readouterr().out
