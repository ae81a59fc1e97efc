# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""deploy.yml and rollback.yml as a user runs them, on a machine that serves version 1. In the order of a story: each test goes on from the last."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
REQUEST = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}]})


def playbook(name, **variables):
    """(exit code, output) of a playbook of the collection on the scenario's machine."""
    given = [word for item in variables.items() for word in ("-e", json.dumps(dict([item])))]
    done = subprocess.run(["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "-e", f"@{SCENARIO}/vars/store.yml", *given,
                           SCENARIO.parents[1] / "playbooks" / f"{name}.yml"], text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout)
    return done.returncode, done.stdout


def served(host):
    """(version, answer) that a client gets."""
    body = host.check_output("curl -sSf -H 'content-type: application/json' -d %s http://127.0.0.1:8080/v2/models/scale/infer", REQUEST)
    answer = json.loads(body)
    return answer["model_version"], answer["outputs"][0]["data"]


def test_version_1_answers(host):
    assert served(host) == ("1", [2.0, 4.0, 6.0])


def test_version_2_replaces_it(host):
    code, _text = playbook("deploy", model="scale", version="2")
    assert code == 0
    assert served(host) == ("2", [3.0, 6.0, 9.0])


def test_a_version_that_answers_wrong_is_rolled_back_and_the_reason_is_said(host):
    code, text = playbook("deploy", model="scale", version="bad")
    assert code != 0
    assert "expected 5.0, got 4.0" in text
    assert served(host) == ("2", [3.0, 6.0, 9.0])


def test_a_bad_version_is_refused_from_then_on(host):
    code, text = playbook("deploy", model="scale", version="bad")
    assert code != 0 and "bad" in text
    assert served(host) == ("2", [3.0, 6.0, 9.0])


@pytest.mark.parametrize("action", ["reload", "restart"])
def test_haproxy_started_again_serves_what_was_committed(host, action):
    host.check_output(f"systemctl {action} haproxy")
    assert served(host) == ("2", [3.0, 6.0, 9.0])


def test_rollback_is_one_step_back(host):
    code, _text = playbook("rollback", model="scale")
    assert code == 0
    assert served(host) == ("1", [2.0, 4.0, 6.0])


def test_a_second_rollback_refuses_and_says_how_to_go_on(host):
    code, text = playbook("rollback", model="scale")
    assert code != 0 and "-e version=" in text
    assert served(host) == ("1", [2.0, 4.0, 6.0])


def test_prometheus_is_told_what_is_released(host):
    """From the state on disk, readable by the collector, within a quarter of a minute; requests by HAProxy's own exporter."""
    host.check_output("systemctl start model-info.service")
    told = host.check_output("runuser -u nobody cat /var/lib/prometheus/node-exporter/models.prom")
    state = json.loads(host.check_output("cat /var/lib/models/scale/state.json"))
    active = state["releases"][state["trail"][-1]]
    slot = f'env="staging",slot="{state["slot"]}"}} 1'
    assert f'mlops_model_info{{model="scale",digest="{active["digest"]}",version="{active["version"]}",{slot}' in told
    assert f'mlops_model_active{{model="scale",{slot}' in told
    assert f'mlops_model_bad{{model="scale",env="staging"}} {len(state["bad"])}' in told
    assert host.service("model-info.timer").is_running and host.service("model-info.timer").is_enabled

    def answered():
        """What counts as requests of the model, in graphs and at the gate."""
        told = host.check_output("curl -sf http://127.0.0.1:8405/metrics")
        return sum(float(value) for value in re.findall(r'^haproxy_backend_http_responses_total{proxy="model_scale_[ab]",code="2xx"} (\S+)', told, re.M))

    before = answered()
    host.check_output("for n in 1 2 3; do curl -sf http://127.0.0.1:8080/v2/models/scale/ready; done")
    assert answered() == before
    served(host)
    assert answered() == before + 1
    assert host.check_output("curl -s -o /dev/null -w %{http_code} http://127.0.0.1:8405/v2") == "404"
    assert float(host.check_output("systemd-analyze security --no-pager model-info.service").split()[-3]) <= 4.0
