# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs that are killed and hosts that are lost: the next run repairs both, and the one after changes nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest
from ansible_collections.mlops.onprem.tests.e2e.lab import ROOT

KILLS = 10
# What a host is: the files that say what runs there, and the units that run. Keys and logs of its own are not part of it.
FILES = ("find /etc/systemd/system /etc/haproxy /etc/model-server /etc/nginx /etc/prometheus /etc/nagios /etc/nagios4 /etc/default -type f "
         "-not -name '*.crt' -not -name '*.key' 2>/dev/null | sort | xargs sha256sum")
UNITS = "systemctl list-units --type=service --state=running --no-legend --plain | cut -d' ' -f1 | grep -vE '^(ssh@|user@|session|getty|model-info)' | sort"


def configuration(lab, host):
    """What a host is, in comparable form."""
    return lab.inside(host, "sh", "-c", FILES).splitlines(), lab.inside(host, "sh", "-c", UNITS).splitlines()


def kill_after(lab, seconds):
    """Start the main job and kill it with everything it started; False when it had ended before."""
    started = subprocess.Popen(["scripts/site"], cwd=ROOT, env=lab.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        started.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        return True


def test_site_killed_at_ten_random_moments(lab):
    """Ten runs are killed on the way from nothing to the whole site; the eleventh ends it, the twelfth has nothing to do, nor has a check."""
    seed = int(os.environ.get("KILL_SEED", time.time()))
    print(f"KILL_SEED={seed}")
    moments = [random.Random(seed).uniform(3, 90) for _kill in range(KILLS)]
    killed = [kill_after(lab, seconds) for seconds in moments]
    print("killed after", [f"{seconds:.0f} s" for seconds in moments])
    assert all(killed), "a run ended before its kill: choose earlier moments"
    assert lab.run("scripts/site").code == 0
    again = lab.run("scripts/site")
    assert (again.code, again.changed_tasks()) == (0, [])
    check = lab.playbook("site", "--check", "--diff")
    assert (check.code, check.changed_tasks()) == (0, [])


@pytest.mark.parametrize("host", ["production2", "monitor1"])
def test_a_host_reinstalled_from_empty_converges_to_the_same(lab, host):
    """The machine is thrown away with its disk; the next run makes it what it was."""
    before = configuration(lab, host)
    assert before[0] and before[1]
    subprocess.run(["docker", "rm", "--force", "--volumes", f"mlops-test-{host}"], check=True, stdout=subprocess.DEVNULL)
    assert lab.run("scripts/site").code == 0
    assert configuration(lab, host) == before
    again = lab.run("scripts/site")
    assert (again.code, again.changed_tasks()) == (0, [])
