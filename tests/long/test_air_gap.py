# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole site with the network off: a bundle is built with the network, then machines without a way out become a site from it alone.

What this machine itself asks for goes to a proxy that answers nobody and counts who came.
"""

from __future__ import annotations

import json
import socketserver
from contextlib import contextmanager

import pytest
from ansible_collections.mlops.onprem.tests.e2e.lab import MODEL, OCTET, SERVERS
from ansible_collections.mlops.onprem.tests.molecule.test_scenarios import docker
from ansible_collections.mlops.onprem.tests.standins.server import running

NUMBERS = {**SERVERS, "nexus1": 10, "monitor1": 30, "inbox1": 31}


@contextmanager
def nobodys_proxy():
    """(its address, the first line of each who came): HTTP clients are told to go through it, and it closes each connection."""
    came = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            came.append(self.rfile.readline().decode(errors="replace").strip())

    with running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}", came


@pytest.fixture
def nothing(lab):
    """No lab before and none after: a lab is cut off from its beginning."""
    lab.playbook("lab", lab_state="absent")
    yield
    lab.playbook("lab", lab_state="absent")


@pytest.mark.usefixtures("nothing")
def test_a_site_from_a_bundle_alone(lab, tmp_path):
    # The image of the machines is no part of a bundle, and which Nexus there is and which products join is known to a lab that was made with the network.
    assert lab.playbook("lab").code == 0
    bundle = tmp_path / "bundle"
    assert lab.playbook("bundle", bundle=str(bundle)).code == 0
    lab.playbook("lab", lab_state="absent")
    assert json.loads((bundle / "bundle.lock.json").read_text())["missing"] == []

    with nobodys_proxy() as (proxy, came):
        machines = ",".join(f"198.18.{OCTET}.{number}" for number in NUMBERS.values())
        env = {"MLOPS_BUNDLE": str(bundle)} | dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), proxy)
        env |= {"no_proxy": machines, "NO_PROXY": machines}
        first = lab.run("scripts/site", env=env)
        assert first.code == 0
        again = lab.run("scripts/site", env=env)
        assert (again.code, again.changed_tasks()) == (0, [])
        assert came == [], "this machine asked for something outside"

    # docker drops what leaves such a network or enters it; the machines are on no other.
    (networks,) = {docker("inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}", f"mlops-test-{host}") for host in NUMBERS}
    assert docker("network", "inspect", "--format", "{{.Internal}}", *networks.split()) == "true\n"
    for host in NUMBERS:
        assert lab.inside(host, "sh", "-c", "getent ahosts example.com || echo unknown") == "unknown"
    for host, number in SERVERS.items():
        # The golden question was answered on every host by the run itself; this is a client's look.
        assert MODEL in lab.inside(host, "curl", "-sf", f"http://198.18.{OCTET}.{number}:8080/v2/models/{MODEL}")
