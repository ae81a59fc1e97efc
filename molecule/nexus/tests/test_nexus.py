# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What roles reverse_proxy and nexus leave on a machine, asked from the machine itself. What the modules do is tested elsewhere."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import subprocess

import pytest

STATE = pathlib.Path(os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local/state") / "mlops-onprem" / os.environ.get("MLOPS_LAB", "molecule")
PLAYBOOK = pathlib.Path(__file__).parents[1] / "alone.yml"


def password(name):
    return (STATE / "secrets" / f"nexus_{name}.password").read_text(encoding="utf-8").strip()


def ask(host, path, user="admin", secret="admin"):
    """The answer to a GET, by the proxy; the password goes by standard input."""
    login = shlex.quote(f"user = {user}:{password(secret)}")
    return host.check_output(f"echo {login} | curl -sk -K - https://localhost:8443/service/{path}")


def run(**variables):
    """The role's configuration with other variables: the finished ansible-playbook."""
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], PLAYBOOK, "--tags", "configure", "-e", json.dumps(variables)]
    return subprocess.run(command, text=True, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("unit", ["nexus", "nginx"])
def test_service_runs_now_and_after_a_boot(host, unit):
    service = host.service(unit)
    assert service.is_running and service.is_enabled


def test_nexus_is_reached_by_tls_only(host):
    assert host.socket("tcp://127.0.0.1:8081").is_listening
    assert not host.socket("tcp://0.0.0.0:8081").is_listening
    assert host.socket("tcp://0.0.0.0:8443").is_listening
    assert host.check_output("curl -sko /dev/null -w %{http_code} https://localhost:8443/service/rest/v1/status/writable") == "200"


def test_nobody_enters_without_a_password(host):
    answer = "curl -sko /dev/null -w %{{http_code}} {} https://localhost:8443/service/rest/v1/repositories"
    assert host.check_output(answer.format("-u admin:admin123")) == "401"
    assert json.loads(host.check_output("curl -sk https://localhost:8443/service/rest/v1/repositories")) == []


def test_first_password_is_gone(host):
    assert not host.file("/var/lib/nexus/admin.password").exists


def test_key_is_readable_by_root_only(host):
    key = host.file("/etc/nginx/tls/nexus.pem")
    assert (key.user, key.mode) == ("root", 0o600)


def test_nexus_runs_as_its_own_user_and_writes_its_data_only(host):
    process = host.check_output("systemctl show --value -p MainPID nexus")
    assert host.check_output(f"stat -c %U /proc/{process}") == "nexus"
    assert host.file("/var/lib/nexus").mode == 0o750
    assert host.run("find /opt -user nexus").stdout == ""
    assert "ProtectSystem=full" in host.check_output("systemctl show -p ProtectSystem nexus")


def test_no_secret_is_readable_by_others(host):
    """Neither in files that everybody may read nor in a command line."""
    found = host.run("grep -lr 'BEGIN.*PRIVATE KEY' /etc/nginx /etc/systemd /var/lib/nexus/etc 2>/dev/null | xargs -r stat -c '%a %n'").stdout.split("\n")
    assert [line for line in found if line and not line.startswith("600 ")] == []
    assert "password" not in host.check_output("ps -eo args").lower()


def test_the_services_are_shut_in(host):
    for unit in ("nexus.service", "nginx.service"):
        exposure = host.check_output(f"systemd-analyze security --no-pager {unit}").splitlines()[-1]
        assert float(exposure.partition(": ")[2].split()[0]) <= 4.0, unit


def test_blob_stores_are_writable_in_the_sandbox(host):
    stores = {store["name"]: store["unavailable"] for store in json.loads(ask(host, "rest/v1/blobstores"))}
    assert stores == {"default": False, "models": False}
    assert host.run("grep 'is not writable' /var/lib/nexus/log/nexus.log").stdout == ""


def test_a_store_over_its_quota_is_known(host):
    status = json.loads(ask(host, "rest/v1/blobstores/models/quota-status"))
    assert status["isViolation"]
    assert "spaceRemaining" in status["message"] or "available" in status["message"].lower()


def test_a_cleanup_policy_is_attached_to_its_repository(host):
    repositories = json.loads(ask(host, "rest/v1/repositorySettings"))
    policies = {repository["name"]: (repository.get("cleanup") or {}).get("policyNames") for repository in repositories}
    assert policies["builds"] == ["stale-snapshots"]
    assert not policies["models"]


def test_a_monitor_reads_metrics_and_nothing_else(host):
    assert "\njvm_memory_heap_used " in ask(host, "metrics/prometheus", "prometheus", "deployer")
    assert json.loads(ask(host, "rest/v1/repositories", "prometheus", "deployer")) == []
    assert "jvm_" not in host.check_output("curl -sk https://localhost:8443/service/metrics/prometheus")


def test_the_version_that_ran_last_is_on_record(host):
    assert host.check_output("cat /var/lib/nexus/etc/version") == "3.71.0-06"
    assert "Nexus/3.71.0-06" in host.check_output("curl -sI http://127.0.0.1:8081/service/rest/v1/status")


def test_what_cannot_work_is_refused_before_any_change(host):
    """An older version on a database that a newer one has changed, a heap that Java does not know, no password; all said at once."""
    units = "cat /etc/systemd/system/nexus.service /etc/nginx/nginx.conf | sha256sum; ls /opt; systemctl show --value -p MainPID nexus"
    before = host.check_output(units)
    done = run(nexus_version="3.70.1-02", nexus_heap="1.2GB", nexus_admin_password="")
    assert done.returncode == 2
    for reason in ("nexus_version 3.70.1-02 is older than 3.71.0-06, which ran last", 'nexus_heap \\"1.2GB\\" is no size', "nexus_admin_password is empty"):
        assert reason in done.stdout, done.stdout[-3000:]
    assert "nexus_settings has no eula" in run(nexus_version="3.77.0-08", nexus_archive="x").stdout
    assert host.check_output(units) == before


def test_folders_of_old_versions_go_and_nothing_else(host):
    host.check_output("mkdir -p /opt/nexus-3.62.0-01/bin /opt/nexus-3.71.0-06-mine /opt/nexus-plugins")
    done = run()
    assert done.returncode == 0, done.stdout[-3000:]
    assert host.check_output("ls /opt").split() == ["nexus-3.71.0-06", "nexus-3.71.0-06-mine", "nexus-plugins"]
