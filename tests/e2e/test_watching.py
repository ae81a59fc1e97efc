# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lab's monitoring sees and whom it tells, asked from outside as a person would: through TLS and a login, and in the inbox.

Runs after test_site.py, on the site that it leaves.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from ansible_collections.mlops.onprem.tests.dashboards import queries
from ansible_collections.mlops.onprem.tests.e2e.lab import MODEL, ROOT, SERVERS

DASHBOARDS = sorted((ROOT / "roles" / "grafana" / "files" / "dashboards").glob("*.json"))
MONITOR, INBOX = 30, 31


@pytest.fixture(name="ask")
def fixture_ask(lab):
    """Call with a path of the monitoring host's web interfaces: the JSON it answers."""
    context = ssl.create_default_context(cafile=lab.home / "secrets" / "ca.crt")
    login = base64.b64encode(f"admin:{(lab.home / 'secrets' / 'monitoring.password').read_text().strip()}".encode()).decode()

    def run(path):
        request = urllib.request.Request(f"https://{lab.at(MONITOR)}:8443{path}", headers={"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return json.load(answer)

    return run


def series(ask, query):
    """The series that Prometheus answers a query with now."""
    return ask("/prometheus/api/v1/query?" + urllib.parse.urlencode({"query": query}))["data"]["result"]


def until(function, *, seconds=180):
    """What the function returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := function()):
        assert time.monotonic() < deadline, f"{function} is still {found!r}"
        time.sleep(2)
    return found


def inbox(lab):
    """Every message that the lab's people got."""
    with urllib.request.urlopen(f"http://{lab.at(INBOX)}:8025/", timeout=30) as answer:
        return json.load(answer)


def nagios(ask):
    """{(host, service): status} as Nagios' own JSON interface says."""
    found = ask("/nagios4/cgi-bin/statusjson.cgi?query=servicelist&formatoptions=enumerate&details=true")["data"]["servicelist"]
    return {(host, name): about["status"] for host, services in found.items() for name, about in services.items()}


def test_nobody_looks_without_a_password(lab):
    context = ssl.create_default_context(cafile=lab.home / "secrets" / "ca.crt")
    for path in ("/prometheus/graph", "/alertmanager/", "/nagios4/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"https://{lab.at(MONITOR)}:8443{path}", timeout=30, context=context)
        assert refused.value.code == 401, path


def test_every_target_is_up(lab, ask):
    def down():
        found = ask("/prometheus/api/v1/targets")["data"]["activeTargets"]
        return [(target["labels"].get("job"), target["labels"].get("host"), target["lastError"]) for target in found if target["health"] != "up"]

    until(lambda: not down())
    jobs = {(one["metric"]["job"], one["metric"].get("host")) for one in series(ask, "up == 1")}
    hosts = {"nexus1", "monitor1", *SERVERS}
    assert {("node", host) for host in hosts} | {("haproxy", host) for host in SERVERS} | {("nexus", "nexus1")} <= jobs


def test_prometheus_knows_what_each_host_serves(lab, ask):
    def versions():
        found = series(ask, f'mlops_model_info{{model="{MODEL}"}} and on (host, model, slot) mlops_model_active == 1')
        return {one["metric"]["host"]: one["metric"]["version"] for one in found}

    until(lambda: set(versions()) == set(SERVERS))
    state = {host: json.loads(lab.inside(host, "cat", f"/var/lib/models/{MODEL}/state.json")) for host in SERVERS}
    assert versions() == {host: about["releases"][about["trail"][-1]]["version"] for host, about in state.items()}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_of_a_dashboard_has_something_to_show(ask, path):
    found = queries(path)
    assert found
    until(lambda: not [title for title, expr in found if not series(ask, expr)])


def test_a_stopped_router_is_told_by_mail_and_chat_and_by_nagios(lab, ask):
    until(lambda: set(nagios(ask).values()) == {"ok"} or None)
    before = len(inbox(lab))
    lab.inside("production1", "systemctl", "stop", "haproxy")

    def told(kind, word):
        texts = [json.dumps(message) for message in inbox(lab)[before:] if message["kind"] == kind]
        return [text for text in texts if "RouterDown" in text and "runbooks.md#routerdown" in text and "production1" in text and word in text]

    try:
        until(lambda: told("mail", "alerts@example.org"))
        until(lambda: told("mail", "nagios@example.org"))
        until(lambda: told("post", "/chat"))
        until(lambda: told("post", "/nagios"))
        until(lambda: nagios(ask)["production1", "RouterDown"] == "critical")
    finally:
        lab.inside("production1", "systemctl", "start", "haproxy")
    until(lambda: not series(ask, 'ALERTS{alertname="RouterDown",alertstate="firing"}'))
    until(lambda: nagios(ask)["production1", "RouterDown"] == "ok")


def test_each_deploy_and_rollback_of_this_site_was_told_by_mail_and_chat(lab):
    """test_site.py deployed version 2, a bad one, and rolled back: each start and each end once, with who, why and what came of it."""
    texts = {kind: [json.dumps(message) for message in inbox(lab) if message["kind"] == kind and MODEL in json.dumps(message)] for kind in ("mail", "post")}
    for kind, found in texts.items():
        for told in (f"{MODEL} 2: deploy started", f"{MODEL} 2: deploy succeeded", f"{MODEL} bad: deploy failed", ": rollback succeeded"):
            assert any(told in text and "by " in text and "why: " in text for text in found), (kind, told)
        assert not any("RESOLVED" in text and "ModelRelease" in text for text in found), kind
    failed = next(text for text in texts["mail"] if f"{MODEL} bad: deploy failed" in text)
    assert "staging1" in failed and "golden" in failed
