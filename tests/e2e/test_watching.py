# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lab's monitoring sees and whom it tells, asked from outside as a person would: through TLS and a login, and in the inbox.

Runs after test_site.py, on the site that it leaves.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error

import pytest
from ansible_collections.mlops.onprem.tests.dashboards import queries
from ansible_collections.mlops.onprem.tests.e2e.lab import MODEL, MONITOR, ROOT, SERVERS, until
from ansible_collections.mlops.onprem.tests.e2e.load import Load

DASHBOARDS = sorted((ROOT / "roles" / "grafana" / "files" / "dashboards").glob("*.json"))


def nagios(lab):
    """{(host, service): status} as Nagios' own JSON interface says."""
    found = lab.monitoring("/nagios4/cgi-bin/statusjson.cgi?query=servicelist&formatoptions=enumerate&details=true")["data"]["servicelist"]
    return {(host, name): about["status"] for host, services in found.items() for name, about in services.items()}


def serving(lab, host):
    """The version that a host's own record says it serves."""
    about = json.loads(lab.inside(host, "cat", f"/var/lib/models/{MODEL}/state.json"))
    return about["releases"][about["trail"][-1]]["version"]


@pytest.fixture(scope="module", name="gate")
def fixture_gate(lab, tmp_path_factory):
    """Call with the policy's values for the gate: the step `gate`, started for what a deploy has just found on staging."""
    version, report = serving(lab, "staging1"), tmp_path_factory.mktemp("staged") / "deploy-staging.json"
    assert lab.playbook("deploy", model=MODEL, version=version, environments="staging", report=str(report)).code == 0

    def start(**wanted):
        folder = tmp_path_factory.mktemp("gate")
        (folder / "build").mkdir()
        shutil.copy(report, folder / "build")
        (folder / "build" / "package.json").write_text(json.dumps({"model": MODEL, "version": version}))
        (folder / "pyproject.toml").write_text(f'[tool.mlops]\nmodel = "{MODEL}"\ntrain = ["true"]\n')
        urls = {f"{name}_url": f"https://{lab.at(MONITOR)}:8443/{name}" for name in ("prometheus", "alertmanager")}
        policy = {"model": MODEL, "environments": ["staging", "production"], "ca_file": str(lab.home / "secrets" / "ca.crt"), "gate": wanted, **urls}
        (folder / "policy.json").write_text(json.dumps(policy))
        env = {**os.environ, "MLOPS_POLICY": str(folder / "policy.json"), "MLOPS_MONITORING_USERNAME": "admin",
               "MLOPS_MONITORING_PASSWORD": lab.secret("monitoring")}
        return subprocess.Popen([sys.executable, ROOT / "pipeline" / "mlops_steps", "gate"], cwd=folder, env=env, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    return start


def ended(step):
    """(exit code, output) of a step, once it has ended."""
    text, _none = step.communicate(timeout=180)
    print(text)
    return step.returncode, text


def test_nobody_looks_without_a_password(lab):
    for path in ("/prometheus/graph", "/alertmanager/", "/nagios4/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            lab.ask(f"https://{lab.at(MONITOR)}:8443{path}")
        assert refused.value.code == 401, path


def test_every_target_is_up(lab):
    def down():
        found = lab.monitoring("/prometheus/api/v1/targets")["data"]["activeTargets"]
        return [(target["labels"].get("job"), target["labels"].get("host"), target["lastError"]) for target in found if target["health"] != "up"]

    until(lambda: not down())
    jobs = {(one["metric"]["job"], one["metric"].get("host")) for one in lab.series("up == 1")}
    hosts = {"nexus1", "monitor1", *SERVERS}
    assert {("node", host) for host in hosts} | {("haproxy", host) for host in SERVERS} | {("nexus", "nexus1")} <= jobs


def test_prometheus_knows_what_each_host_serves(lab):
    def versions():
        found = lab.series(f'mlops_model_info{{model="{MODEL}"}} and on (host, model, slot) mlops_model_active == 1')
        return {one["metric"]["host"]: one["metric"]["version"] for one in found}

    until(lambda: set(versions()) == set(SERVERS))
    assert versions() == {host: serving(lab, host) for host in SERVERS}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_of_a_dashboard_has_something_to_show(lab, path):
    found = queries(path)
    assert found
    until(lambda: not [title for title, expr in found if not lab.series(expr)])


def test_the_gate_goes_by_the_requests_that_prometheus_counted(lab, gate):
    """A minute under requests: enough of them pass it, too few to tell hold it."""
    golden = json.loads((lab.home / "breast_cancer" / "1" / "golden.json").read_text())
    load = Load(lab.address("staging1"), MODEL, golden["requests"][0]["request"], 100, pause=0.05)
    load.start()
    try:
        steps = [gate(minutes=1, min_requests=least) for least in (100, 10**7)]
        (passed, told), (held, why) = map(ended, steps)
    finally:
        load.enough.set()
    assert passed == 0 and re.search(r"gate: pass: .*staging: 0 of \d{3,} requests failed in 1 minutes", told)
    assert held == 1 and re.search(r"gate: hold: staging: \d{3,} requests in 1 minutes, \d+ more are needed to tell", why)


def test_a_stopped_router_is_told_by_mail_and_chat_and_by_nagios_and_shuts_the_gate(lab, gate):
    until(lambda: set(nagios(lab).values()) == {"ok"} or None)
    before = len(lab.inbox())
    lab.inside("staging1", "systemctl", "stop", "haproxy")

    def told(kind, word):
        texts = [json.dumps(message) for message in lab.inbox()[before:] if message["kind"] == kind]
        return [text for text in texts if "RouterDown" in text and "runbooks.md#routerdown" in text and "staging1" in text and word in text]

    try:
        until(lambda: told("mail", "alerts@example.org"))
        until(lambda: told("mail", "nagios@example.org"))
        until(lambda: told("post", "/chat"))
        until(lambda: told("post", "/nagios"))
        until(lambda: nagios(lab)["staging1", "RouterDown"] == "critical")
        code, text = ended(gate(minutes=1))
        assert code == 1 and re.search(r"gate: fail: staging: alert .*RouterDown", text)
    finally:
        lab.inside("staging1", "systemctl", "start", "haproxy")
    until(lambda: not lab.series('ALERTS{alertname="RouterDown",alertstate="firing"}'))
    until(lambda: nagios(lab)["staging1", "RouterDown"] == "ok")


def test_each_deploy_and_rollback_of_this_site_was_told_by_mail_and_chat(lab):
    """test_site.py deployed version 2, a bad one, and rolled back: each start and each end once, with who, why and what came of it."""
    texts = {kind: [json.dumps(message) for message in lab.inbox() if message["kind"] == kind and MODEL in json.dumps(message)] for kind in ("mail", "post")}
    for kind, found in texts.items():
        for told in (f"{MODEL} 2: deploy started", f"{MODEL} 2: deploy succeeded", f"{MODEL} bad: deploy failed", ": rollback succeeded"):
            assert any(told in text and "by " in text and "why: " in text for text in found), (kind, told)
        assert not any("RESOLVED" in text and "ModelRelease" in text for text in found), kind
    failed = next(text for text in texts["mail"] if f"{MODEL} bad: deploy failed" in text)
    assert "staging1" in failed and "golden" in failed
