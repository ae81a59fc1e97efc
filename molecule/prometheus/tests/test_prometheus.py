# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prometheus, Alertmanager and the exporters as they run: what is scraped, what becomes of a service that stops, and what a broken or changed
configuration leads to. In the order of a story: each test leaves all services running."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import testinfra

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
LAB = os.environ.get("MLOPS_LAB", "molecule")
PROMETHEUS, ALERTMANAGER = "http://127.0.0.1:9090/prometheus", "http://127.0.0.1:9093/alertmanager"
UNITS = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter", "prometheus-blackbox-exporter")
# What is always wrong in this scenario, and must be said.
ALWAYS = {("CertificateSoon", "target1"), ("MissingMount", "monitor1"), ("MissingUnit", "monitor1"), ("Watchdog", None)}
SECRETS = ("word-of-scrape", "word-of-smtp", "word-of-chat", "word-of-retrain", "word-of-jenkins")


@pytest.fixture(scope="module")
def target():
    return testinfra.get_host(f"docker://mlops-{LAB}-target1")


@pytest.fixture(scope="module", autouse=True)
def receivers():
    """The mail server and the HTTPS server on the machine that watches."""
    monitor = testinfra.get_host(f"docker://mlops-{LAB}-monitor1")
    monitor.check_output("rm -f /srv/received && systemd-run --collect --unit=receivers python3 /srv/receivers.py")
    yield
    monitor.check_output("systemctl stop receivers")


def get(host, url):
    """The JSON that a URL answers, asked on the host."""
    return json.loads(host.check_output("curl -sSf %s", url))


def until(question, seconds=300):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"not within {seconds} seconds"
        time.sleep(1)
    return answer


def firing(host):
    """{(alert, host)} that fire in Prometheus."""
    alerts = get(host, f"{PROMETHEUS}/api/v1/alerts")["data"]["alerts"]
    return {(alert["labels"]["alertname"], alert["labels"].get("host")) for alert in alerts if alert["state"] == "firing"}


def fires(host, wanted):
    """Waits until exactly the wanted alerts fire beside those that always do."""
    try:
        until(lambda: firing(host) == ALWAYS | wanted)
    except AssertionError:
        assert firing(host) == ALWAYS | wanted
        raise


def silenced(host):
    """{(alert, host)} that Alertmanager knows and keeps back."""
    alerts = get(host, f"{ALERTMANAGER}/api/v2/alerts")
    return {(alert["labels"]["alertname"], alert["labels"].get("host")) for alert in alerts if alert["status"]["state"] == "suppressed"}


def received(host, *words):
    """What came in with all the words in it."""
    lines = host.run("cat /srv/received").stdout.splitlines()
    return [json.loads(line) for line in lines if all(word in line for word in words)]


def forget(host):
    host.check_output("rm -f /srv/received")


def process(host, unit):
    return host.check_output("systemctl show --value --property=MainPID %s", unit)


def last_told(host):
    """When each service was started or told to read its configuration."""
    return {unit: host.check_output("systemctl show --value --timestamp=us --property=StateChangeTimestamp %s", unit) for unit in UNITS}


def run(playbook, *options, **variables):
    """(exit code, output) of a playbook on the machine that watches, with other variables."""
    done = subprocess.run(["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "--limit", "monitor1", "--tags", "configure", *options,
                           "-e", f"@{SCENARIO}/vars/site.yml", "-e", json.dumps(variables), playbook],
                          text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout)
    return done.returncode, done.stdout


def role(name, **variables):
    return run(SCENARIO / "role.yml", molecule_role=name, **variables)


def site(*options, **variables):
    return run(SCENARIO.parents[1] / "playbooks" / "monitoring.yml", *options, **variables)


def state(host):
    """What runs and what is on disk."""
    files = host.check_output("find /etc/prometheus /etc/default/prometheus* -type f -exec sha256sum {} + | sort")
    rules = get(host, f"{PROMETHEUS}/api/v1/rules")["data"]["groups"]
    configuration = [get(host, f"{PROMETHEUS}/api/v1/status/config"), get(host, f"{ALERTMANAGER}/api/v2/status")["config"],
                     host.check_output("curl -sSf http://127.0.0.1:9115/config")]
    return files, [process(host, unit) for unit in UNITS], {(group["name"], rule["name"]) for group in rules for rule in group["rules"]}, configuration


@pytest.mark.parametrize("unit", UNITS)
def test_service_runs_now_and_after_a_boot_as_its_own_user(host, unit):
    service = host.service(unit)
    assert service.is_running and service.is_enabled
    assert host.check_output(f"stat -c %U /proc/{process(host, unit)}") == "prometheus"


@pytest.mark.parametrize("unit", UNITS)
def test_service_may_do_little(host, unit):
    assert host.run(f"systemd-analyze verify --man=no {unit}.service").rc == 0
    exposure = host.check_output(f"systemd-analyze security --no-pager {unit}.service").splitlines()[-1]
    assert float(re.search(r"exposure level .*: ([0-9.]+) ", exposure)[1]) <= 4.0


def test_no_secret_is_readable_by_others(host):
    found = host.run("grep -rlE 'word-of-|PRIVATE KEY' /etc/prometheus /etc/default /etc/systemd /var/lib/prometheus").stdout.split()
    assert {Path(path).name for path in found} == {"extra", "smtp", "people.slack1", "retrain.webhook1", "retrain.webhook2", "node-exporter.pem"}
    assert {(file.mode, file.user, file.group) for file in map(host.file, found)} == {(0o640, "root", "prometheus")}
    assert "word-of-" not in host.check_output("ps -eo args | grep -v grep")
    assert "word-of-" not in host.check_output(f"curl -sSf {ALERTMANAGER}/api/v2/status {PROMETHEUS}/api/v1/status/config")


def test_only_the_exporter_of_the_machine_is_reached_from_outside(host):
    listening = host.check_output("ss -Hltn")
    assert set(re.findall(r"(\S+):(?:9\d\d\d) ", listening)) == {"127.0.0.1", "*"}
    assert re.findall(r"\*:(\d+)", listening) == ["9100"]


def test_every_target_is_up(host):
    def targets():
        return get(host, f"{PROMETHEUS}/api/v1/targets")["data"]["activeTargets"]

    until(lambda: all(target["health"] == "up" for target in targets()))
    found = {(target["labels"]["job"], target["labels"].get("host")) for target in targets()}
    nodes = {("node", "monitor1"), ("node", "target1")}
    checks = {(f"check_{name}", "target1") for name in ("CertificateFine", "CertificateSoon", "NginxPage", "NginxRefuses", "Ssh")}
    itself = {("prometheus", "monitor1"), ("alertmanager", None), ("blackbox_exporter", None), ("extra", None)}
    assert found == nodes | checks | {("check_Ssh", "monitor1")} | itself
    assert {target["scrapeUrl"] for target in targets() if target["labels"]["job"] == "node"} == {
        "https://monitor1:9100/metrics", "https://target1:9100/metrics"}


def test_recording_rules_of_the_site_and_of_each_group_of_the_inventory_have_figures(host):
    def figures(name, label):
        return {series["metric"][label]: series["value"][1] for series in get(host, f"{PROMETHEUS}/api/v1/query?query={name}")["data"]["result"]}

    assert until(lambda: figures("job:up:sum", "job"))["node"] == "2"
    groups = {"lab", "monitored", "monitoring", "targets"}
    assert until(lambda: figures("group:node_up:ratio", "group")) == dict.fromkeys(groups, "1")
    for name in ("group:node_cpu_busy:ratio", "group:node_memory_available:ratio"):
        found = until(lambda name=name: figures(name, "group"))
        assert set(found) == groups and all(0 <= float(value) <= 1 for value in found.values())


def test_what_is_wrong_or_has_no_figures_alerts_and_nothing_else(host):
    fires(host, set())
    alerts = {alert["labels"]["alertname"]: alert for alert in get(host, f"{PROMETHEUS}/api/v1/alerts")["data"]["alerts"]}
    description = alerts["CertificateSoon"]["annotations"]["description"]
    assert re.fullmatch(r"The certificate ends in (9\.\d|10\.0) days, less than 21\.", description)
    assert alerts["MissingMount"]["annotations"]["description"].startswith("There is no figure")
    assert alerts["MissingUnit"]["annotations"]["description"] == "nosuch.service is not active."


def test_drift_alerts_for_the_slot_that_serves_with_the_columns_that_did(host):
    """By promtool, with the rules that run here: no host of this scenario serves a model."""
    folder = host.check_output("mktemp -d")
    host.check_output("cp /etc/prometheus/rules.yml %s", folder)
    host.check_output("printf %%s %s > %s/drift.yml", (SCENARIO / "files/drift.yml").read_text(), folder)
    asked = host.run("promtool test rules %s/drift.yml", folder)
    assert asked.rc == 0 and "SUCCESS" in asked.stdout, asked.stdout + asked.stderr


def test_stopped_service_is_told_by_mail_chat_and_webhook(host, target):
    forget(host)
    target.check_output("systemctl stop nginx")
    fires(host, {("NginxUnit", "target1"), ("NginxPage", "target1"), ("NginxRefuses", "target1"), ("CertificateFine", "target1")})

    mail = until(lambda: received(host, '"mail"', "NginxUnit", "FIRING"))[0]
    assert (mail["to"], mail["login"], mail["tls"]) == (["people@example.com"], "alerts:word-of-smtp", True)
    assert mail["subject"] == "[FIRING 1] NginxUnit target1"
    assert "nginx.service is not active." in mail["text"] and "target1: The web server does not run" in mail["text"]
    assert "What to do: https://runbooks.example.com/nginx\r\n" in mail["text"]
    assert "https://monitor1:8443/alertmanager" in mail["text"]

    chat = until(lambda: received(host, "/hooks/word-of-chat", "NginxUnit", "FIRING"))[0]["body"]
    assert chat["channel"] == "alerts"
    assert "https://runbooks.example.com/nginx" in chat["attachments"][0]["text"]

    hook = until(lambda: received(host, '"/retrain"', "firing"))[0]
    assert hook["login"] == "word-of-retrain"
    labels = hook["body"]["alerts"][0]["labels"]
    assert {"feedback": "retrain", "team": "web", "host": "target1", "severity": "critical"}.items() <= labels.items()
    assert until(lambda: received(host, '"/job"'))[0]["login"] == "jenkins:word-of-jenkins"


def test_a_webhook_with_a_ca_of_its_own_trusts_that_one(host):
    path = "/etc/prometheus/alertmanager_secrets/retrain.webhook2.ca"
    assert "BEGIN CERTIFICATE" in host.file(path).content_string
    assert host.file("/etc/prometheus/alertmanager.yml").content_string.count(path) == 1


def test_only_what_is_labelled_so_starts_a_retraining(host):
    assert {alert["labels"]["alertname"] for call in received(host, '"/retrain"') for alert in call["body"]["alerts"]} == {"NginxUnit"}


def test_critical_alert_silences_the_warnings_of_its_host(host):
    warnings = {("NginxPage", "target1"), ("NginxRefuses", "target1"), ("CertificateFine", "target1"), ("CertificateSoon", "target1")}
    until(lambda: silenced(host) == warnings)


def test_service_started_again_is_told_as_resolved(host, target):
    target.check_output("systemctl start nginx")
    fires(host, set())
    assert until(lambda: received(host, '"mail"', "NginxUnit", "RESOLVED"))[0]["subject"] == "[RESOLVED] NginxUnit target1"
    until(lambda: received(host, "/hooks/word-of-chat", "NginxUnit", "RESOLVED"))
    until(lambda: received(host, '"/retrain"', "resolved"))


def test_host_that_is_down_silences_all_else_of_it(host, target):
    forget(host)
    target.check_output("systemctl stop prometheus-node-exporter nginx")
    try:
        of_host = {(name, "target1") for name in ("NginxUnit", "NginxPage", "NginxRefuses", "CertificateFine", "Disk", "Memory", "Load")}
        fires(host, of_host | {("HostDown", "target1")})
        until(lambda: silenced(host) == of_host | {("CertificateSoon", "target1")})
        mail = until(lambda: received(host, '"mail"', "HostDown"))[0]
        assert "https://runbooks.example.com/host-down" in mail["text"]
    finally:
        target.check_output("systemctl start prometheus-node-exporter nginx")
    fires(host, set())


BROKEN = {
    "rule": ("prometheus", {"prometheus_rules": [{"name": "broken", "rules": [{"record": "a:b", "expr": "sum by (job (up)"}]}]},
             ['rule 1, \\"a:b\\"', "parse error"]),
    "scrape job": ("prometheus", {"prometheus_scrape_configs": [{"job_name": "extra", "scrape_intervall": "1s"}]}, ["scrape_intervall"]),
    "receiver": ("alertmanager", {"alertmanager_receiver": "nosuch"}, ["nosuch"]),
    "no mail server": ("alertmanager", {"alertmanager_smtp": {}}, ["alertmanager_smtp has nothing; it must have host and from (by e-mail: people)"]),
    "module": ("blackbox_exporter", {"blackbox_exporter_modules": {"broken": {"prober": "http", "http": {"valid_status_code": [200]}}}},
               ["valid_status_code"]),
    "check": ("blackbox_exporter", {"site_checks": [{"name": "Web", "groups": ["targets"], "kind": "tcp", "port": 99999}]},
              ["check 1 (Web): port is 99999", "from 1 to 65535"]),
    "host that is not scraped": ("prometheus", {"prometheus_node_targets": []}, ["prometheus_checks: Disk is of kind disk", "monitor1, target1"]),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_refused_with_the_checkers_words_and_changes_nothing(host, what):
    name, variables, words = BROKEN[what]
    before = state(host)
    code, text = role(name, **variables)
    assert code != 0
    assert [word for word in words if word not in text] == []
    assert state(host) == before


def test_files_that_a_killed_run_left_unread_are_read(host):
    host.check_output("touch /etc/prometheus/rules.yml /etc/prometheus/alertmanager.yml /etc/prometheus/blackbox.yml")
    before = [process(host, unit) for unit in UNITS]
    assert site()[0] == 0
    assert [process(host, unit) == old for unit, old in zip(UNITS, before, strict=True)] == [False, False, True, False]


def test_changed_rule_and_secrets_are_read_by_those_they_are_for_without_a_restart_and_never_shown(host):
    before, told = state(host), last_told(host)
    receivers = [{"name": "people", "email": ["people@example.com"], "slack": [{"url": "https://monitor1:8444/hooks/new-word-of-chat"}]},
                 {"name": "retrain", "webhook": [{"url": "https://monitor1:8444/retrain", "token": "new-word-of-retrain"}]}]
    code, text = site("-vvv", "--diff", prometheus_rules=[{"name": "changed", "rules": [{"record": "changed:rule", "expr": "vector(1)"}]}],
                      prometheus_secrets=[{"name": "extra", "value": "new-word-of-scrape"}], alertmanager_receivers=receivers)
    assert code == 0
    _files, processes, rules, _configuration = state(host)
    assert processes == before[1]
    assert {unit for unit, when in last_told(host).items() if when != told[unit]} == {"prometheus", "prometheus-alertmanager"}
    assert ("changed", "changed:rule") in rules and ("more", "job:up:sum") not in rules
    assert "changed:rule" in text and [word for word in SECRETS if word in text] == []
    secrets = "/etc/prometheus/alertmanager_secrets"
    assert host.check_output(f"ls {secrets}").split() == ["people.slack1", "retrain.webhook1", "smtp"]
    assert host.file(f"{secrets}/retrain.webhook1").content_string == "new-word-of-retrain"


def test_reload_that_fails_silently_is_an_error(host):
    """promtool runs as root and finds nothing wrong; Prometheus cannot read the file."""
    jobs = [{"job_name": "extra", "metrics_path": "/prometheus/metrics", "tls_config": {"ca_file": "/srv/receivers.pem"},
             "static_configs": [{"targets": ["127.0.0.1:9090"]}]}]
    code, text = role("prometheus", prometheus_scrape_configs=jobs, prometheus_start_timeout=5)
    assert code != 0
    assert "it does not get ready, or refused the last reload; journalctl -u prometheus says why" in text


def test_the_next_run_repairs_it_and_a_change_of_arguments_restarts(host):
    before = process(host, "prometheus")
    assert role("prometheus", prometheus_retention_size="1GiB")[0] == 0
    assert process(host, "prometheus") != before
    assert get(host, f"{PROMETHEUS}/api/v1/status/flags")["data"]["storage.tsdb.retention.size"] == "1GiB"
