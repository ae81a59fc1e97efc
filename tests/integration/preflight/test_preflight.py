# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""playbooks/preflight.yml on this machine under several names: every problem of every host is in one message, and nothing follows."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
# What a watched host must have been given.
WATCHED = dict.fromkeys(("site_checks", "nagios_agent_certificate", "nagios_agent_key", "nagios_agent_ca"), "given")


@pytest.fixture(name="preflight")
def fixture_preflight(tmp_path):
    """Call with {group: {host: variables}} and -e values: (exit code, output) of the playbook."""

    def run(groups, *options, **variables):
        here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}", "site_address": "localhost"}
        inventory = {group: {"hosts": {host: here | values for host, values in hosts.items()}} for group, hosts in groups.items()}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
        given = tmp_path / "given.yml"
        given.write_text(yaml.safe_dump(variables))
        done = subprocess.run(["ansible-playbook", "-i", tmp_path / "hosts.yml", ROOT / "playbooks" / "preflight.yml", "-e", f"@{given}", *options],
                              text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
        print(done.stdout)
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout

    return run


def test_a_host_without_a_problem_passes(preflight):
    code, text = preflight({"monitored": {"one": WATCHED}})
    assert code == 0
    assert "nothing speaks against setting up 1 hosts" in text


def test_every_problem_of_every_host_is_in_one_message(preflight):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        groups = {
            "nexus": {"one": {"site_address": "no-such-host.invalid", "nexus_port": port, "nexus_url": "{{ vault_nowhere }}"}},
            "gitlab": {"two": {"gitlab_version": "18.5.1-ce.0", "gitlab_external_url": "https://git.example.com", "gitlab_root_password": "",
                               "gitlab_source": {"url": "http://127.0.0.1:1/packages"}}},
            "monitored": {"three": {"software_mirror": "file:///no/such/mirror"}},
        }
        code, text = preflight(groups, __preflight_systems={"debian": ["99"]}, __preflight_clock=-1)
    assert code == 2
    assert "nothing was changed" in text
    for problem in (
        "three: operating system is ", "right would be debian 99", "one: name no-such-host.invalid does not resolve", f"one: port {port} is in use by python",
        "one: variable nexus_url is missing or empty; group nexus needs it", "one: variable nexus_admin_password is missing or empty",
        "two: variable gitlab_api_token is missing or empty; group gitlab needs it", "three: variable nagios_agent_key is missing or empty",
        "two: source http://127.0.0.1:1/packages cannot be reached", "two: variable gitlab_root_password is missing or empty",
        "three: source file:///no/such/mirror is not there", "three: clock is ",
    ):
        assert problem in text, problem


def test_too_little_memory_and_disk_are_told(preflight):
    needs = {"nexus": {"memory": 10**9, "disk": {"/no/such/folder": 10**9}}, "monitored": {"memory": 1}}
    code, text = preflight({"nexus": {"one": {}}, "monitored": {"one": {}}}, __preflight_needs=needs)
    assert code == 2
    assert "needed are 1000000001 MB" in text, "memory adds up over the groups of a host"
    assert "one: /no/such/folder has " in text


def test_a_host_that_cannot_be_reached_is_a_problem_like_the_others(preflight):
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    code, text = preflight({"nexus": {"one": away}, "monitored": {"two": {"software_mirror": "file:///no/such/mirror"}}})
    assert code == 2
    assert "one: cannot be reached" in text and "two: source file:///no/such/mirror is not there" in text


def test_it_can_be_left_out(preflight):
    assert preflight({"nexus": {"one": {}}}, site_preflight=False)[0] == 0
