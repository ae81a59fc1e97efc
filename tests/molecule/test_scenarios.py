# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every molecule scenario, step by step: a check on bare machines, converge, again with nothing changed and nothing restarted, its own tests.

It knows no role. Machines have a prefix of their own in each run and are removed whatever happens.
"""

from __future__ import annotations

import os
import re
import subprocess
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Reports of scenarios are counted with the part that runs them.
OUTPUT = ROOT / "tests" / "output"
# What does not fit into the hour of `make test`; tests/long runs it.
LONG = ["gitlab", "grafana", "jenkins"]
SCENARIOS = sorted({path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")} - set(LONG))
TRACEBACK = "Traceback (most recent call last)"


class Scenario:
    """One scenario's machines and its steps."""

    def __init__(self, name, folder, part="molecule", **env):
        self.name, self.report = name, OUTPUT / part / f"{name}.xml"
        # Two runs on one machine must not meet: neither in names nor in the loopback addresses that ports are published on.
        self.lab = f"molecule-{os.getpid()}"
        self.env = {**os.environ, "MLOPS_LAB": self.lab, "MLOPS_LAB_OCTET": str(100 + os.getpid() % 150), "XDG_STATE_HOME": str(folder / "state"),
                    "MOLECULE_EPHEMERAL_DIRECTORY": str(folder / "molecule"), "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", **env}

    def step(self, name, **env):
        """Run one molecule command; its output, which must show that hosts did something."""
        done = subprocess.run(["molecule", name, "-s", self.name], cwd=ROOT, env={**self.env, **env}, text=True, check=False, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(f"--- molecule {name} -s {self.name}\n{done.stdout}")
        assert done.returncode == 0, f"molecule {name} -s {self.name} ended with {done.returncode}"
        return done.stdout

    def play(self, name):
        """A step that runs a playbook on the machines. "No hosts matched" is green to molecule: each machine must stand in the recap with tasks done."""
        text = self.step(name)
        assert TRACEBACK not in text
        assert self.machines()
        for machine in self.machines():
            host = machine.removeprefix(f"mlops-{self.lab}-")
            assert re.search(rf"^{host} +: ok=[1-9]", text, re.M), f"{name} did nothing on {host}"

    def machines(self):
        """Names of the scenario's containers."""
        return docker("ps", "--filter", f"name=^mlops-{self.lab}-", "--format", "{{.Names}}").split()

    def services(self):
        """{(machine, unit): process} of all that runs."""
        found = {}
        for machine in self.machines():
            shown = docker("exec", machine, "systemctl", "show", "--property=Id,MainPID", "--state=running", "*.service")
            found.update({(machine, unit): pid for pid, unit in re.findall(r"MainPID=(\d+)\nId=(\S+)", shown)})
        return found

    def whole(self):
        """Every step: a plan on bare machines, converge, again with nothing changed and nothing restarted, the scenario's own tests."""
        self.play("check")
        self.play("converge")
        running = self.services()
        assert running
        self.play("idempotence")
        assert self.services() == running, "a second run restarted a service"
        self.report.parent.mkdir(parents=True, exist_ok=True)
        self.report.unlink(missing_ok=True)
        self.step("verify", PYTEST_ADDOPTS=f"--junitxml={self.report}")
        assert ET.parse(self.report).findall(".//testcase"), "the scenario has no test"


def docker(*command):
    """Standard output of a docker command that must end well."""
    return subprocess.run(["docker", *command], text=True, check=True, capture_output=True).stdout


@contextmanager
def machines(*args, **kwargs):
    """A Scenario whose machines are removed whatever happens."""
    scenario = Scenario(*args, **kwargs)
    try:
        yield scenario
    finally:
        scenario.step("destroy")
        assert scenario.machines() == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name, tmp_path):
    with machines(name, tmp_path) as scenario:
        scenario.whole()
