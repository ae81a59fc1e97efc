"""A real Nexus of our own on a loopback port, once per session, and how to run a module against it. Knows no test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from ansible_collections.mlops.onprem.tests.integration.calling import call

ROOT = Path(__file__).resolve().parents[2]
ZIP = Path(os.environ.get("NEXUS_ZIP") or ROOT / ".cache" / "mirror" / "nexus-base-template-3.71.0-06.zip")


@dataclass
class Nexus:
    """A running server; log_lines are the requests it wrote into its own request log."""

    url: str
    data: Path
    password: str
    seen: int = field(default=0)

    def get(self, path):
        answer = requests.get(f"{self.url}/service/rest/v1/{path}", auth=("admin", self.password), timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def requests_logged(self):
        """(method, path) of the requests since the last call, from Nexus' own log.

        A line is written a little after its answer, not always in the order of the answers: wait for one of ours, then for silence.
        """
        mark = uuid.uuid4().hex
        requests.get(f"{self.url}/service/rest/v1/status", params={"mark": mark}, timeout=60)
        log = self.data / "log" / "request.log"
        deadline = time.monotonic() + 60
        before = ""
        while mark not in before or before != log.read_text():
            assert time.monotonic() < deadline, f"Nexus does not write {log}"
            before = log.read_text()
            time.sleep(0.3)
        lines = before.splitlines()
        new, self.seen = lines[self.seen :], len(lines)
        logged = [tuple(line.split('"')[1].split()[:2]) for line in new]
        # the fixture's own, among them late ones from when it waited for the server
        return [request for request in logged if not request[1].startswith("/service/rest/v1/status")]

    def writes_logged(self):
        return [request for request in self.requests_logged() if request[0] not in ("GET", "HEAD")]


def start(folder, port):
    """The process, in a group of its own; the caller ends it with stop()."""
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(folder)
    home = next(folder.glob("nexus-*"))
    (home / "bin" / "nexus").chmod(0o755)
    data = folder / "data"
    (data / "etc").mkdir(parents=True)
    (data / "etc" / "nexus.properties").write_text(f"application-port={port}\napplication-host=127.0.0.1\n")
    memory = {"JAVA_MIN_MEM": "256m", "JAVA_MAX_MEM": "1200m", "DIRECT_MAX_MEM": "1200m"}
    with (folder / "out.log").open("wb") as out:
        return data, subprocess.Popen(
            [home / "bin" / "nexus", "server"],
            env=os.environ | memory | {"KARAF_DATA": str(data)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def nexus(tmp_path_factory):
    assert ZIP.is_file(), f"{ZIP} is missing: run `scripts/bootstrap test`, or name the file in NEXUS_ZIP"
    folder = tmp_path_factory.mktemp("nexus")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, process = start(folder, port)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 600
        while True:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{url}/service/rest/v1/status", timeout=5).ok and (data / "admin.password").is_file():
                    break
            assert process.poll() is None and time.monotonic() < deadline, (folder / "out.log").read_text()[-3000:]
            time.sleep(1)
        yield Nexus(url, data, (data / "admin.password").read_text().strip())
    finally:
        stop(process)


@pytest.fixture(scope="session")
def run(nexus):
    """Run a module in this process: run("nexus_roles", roles=[...]) returns what it prints. _check is check mode."""

    def module(name, _check=False, **options):
        return call(name, {"url": nexus.url, "username": "admin", "password": nexus.password}, _check, **options)

    return module
