# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What roles reverse_proxy and nexus leave on a machine, asked from the machine itself. What the modules do is tested elsewhere."""

from __future__ import annotations

import json

import pytest


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
    assert "ProtectSystem=strict" in host.check_output("systemctl show -p ProtectSystem nexus")


def test_no_secret_is_readable_by_others(host):
    """Neither in files that everybody may read nor in a command line."""
    found = host.run("grep -lr 'BEGIN.*PRIVATE KEY' /etc/nginx /etc/systemd /var/lib/nexus/etc 2>/dev/null | xargs -r stat -c '%a %n'").stdout.split("\n")
    assert [line for line in found if line and not line.startswith("600 ")] == []
    assert "password" not in host.check_output("ps -eo args").lower()
