# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab under test: a second, separate lab on this machine (its own names, addresses, keys). It runs the user's own commands and reads their
output; it calls no function of the collection."""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OCTET = "78"
MODEL = "breast-cancer"
SERVERS = {"staging1": 11, "production1": 21, "production2": 22, "production3": 23}
NEXUS, MONITOR, INBOX, AGENT = 10, 30, 31, 50
PRODUCTION = [name for name in SERVERS if name.startswith("production")]


def until(function, *, seconds=300, every=1.0):
    """What the function returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := function()):
        assert time.monotonic() < deadline, f"{function} is still {found!r}"
        time.sleep(every)
    return found


class Run:
    """One finished command: code, text (standard output and error) and the recap's counts by host."""

    def __init__(self, done: subprocess.CompletedProcess):
        self.code, self.text = done.returncode, done.stdout
        # A host stands once in the recap of each ansible-playbook of the command: counts are added up.
        self.recap: dict[str, dict[str, int]] = {}
        for host, counts in re.findall(r"^(\S+)\s+: (ok=\d+.*)$", self.text, re.M):
            for name, number in re.findall(r"(\w+)=(\d+)", counts):
                self.recap.setdefault(host, {}).setdefault(name, 0)
                self.recap[host][name] += int(number)

    def total(self, name: str) -> int:
        """The recap's count (changed, failed, ...) over all hosts."""
        return sum(counts[name] for counts in self.recap.values())

    def changed_tasks(self) -> list[str]:
        """Headings of the tasks that report a change, each followed by its host lines."""
        parts = re.split(r"^(?=TASK |RUNNING HANDLER )", self.text, flags=re.M)
        return [part.strip() for part in parts if re.search(r"^changed: ", part, re.M)]


class Lab:
    """The lab's addresses and the user's commands on it."""

    def __init__(self, state: Path):
        self.env = dict(os.environ, MLOPS_LAB="test", MLOPS_LAB_OCTET=OCTET, XDG_STATE_HOME=str(state), ANSIBLE_FORCE_COLOR="0",
                        PATH=f"{ROOT}/.venv/bin:{os.environ['PATH']}", ANSIBLE_COLLECTIONS_PATH=f"{ROOT}/.ansible/collections")
        self.home = state / "mlops-onprem" / "test"

    def run(self, *command: str, cwd: Path = ROOT, env: dict | None = None, timeout: int = 1500) -> Run:
        """Run a command to its end; its output goes to pytest's captured output too."""
        done = subprocess.run(command, cwd=cwd, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
        print("$", *command, "\n", done.stdout)
        return Run(done)

    def playbook(self, name: str, *options: str, **extra) -> Run:
        """ansible-playbook on the lab; extra become -e values."""
        given = [word for item in extra.items() for word in ("-e", json.dumps(dict([item])))]
        return self.run("ansible-playbook", "-i", "inventories/lab", f"playbooks/{name}.yml", *options, *given)

    def address(self, host: str) -> str:
        """The loopback address of a machine."""
        return self.at(SERVERS.get(host, NEXUS))

    def at(self, number: int) -> str:
        """The loopback address of the machine with this lab_number."""
        return f"127.0.{OCTET}.{number}"

    def secret(self, name: str) -> str:
        """One of the passwords that the lab made for itself."""
        return (self.home / "secrets" / f"{name}.password").read_text().strip()

    def ask(self, url, user=None, password="", token=None, method="GET", given=None):
        """JSON of an address; with the lab's CA."""
        headers = {"Content-Type": "application/json"}
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        if token:
            headers["PRIVATE-TOKEN"] = token
        request = urllib.request.Request(url, None if given is None else json.dumps(given).encode(), headers, method=method)
        context = ssl.create_default_context(cafile=self.home / "secrets" / "ca.crt") if url.startswith("https") else None
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def monitoring(self, path: str):
        """JSON of a path of the monitoring host's web interfaces."""
        return self.ask(f"https://{self.at(MONITOR)}:8443{path}", "admin", self.secret("monitoring"))

    def series(self, query: str) -> list:
        """The series that Prometheus answers a query with now."""
        return self.monitoring("/prometheus/api/v1/query?" + urllib.parse.urlencode({"query": query}))["data"]["result"]

    def inbox(self) -> list:
        """Every message that people got."""
        return self.ask(f"http://{self.at(INBOX)}:8025/")

    def inside(self, host: str, *command: str, check: bool = True) -> str:
        """Output of a command run as root in a machine."""
        return subprocess.run(["docker", "exec", f"mlops-test-{host}", *command], check=check, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120).stdout.strip()

    def main_pids(self) -> dict[str, str]:
        """MainPID of every service unit that matters, by machine."""
        watched = "prometheus prometheus-alertmanager prometheus-blackbox-exporter prometheus-node-exporter nagios4 nagios-nrpe-server nginx"
        units = {"nexus1": "nexus nginx", "monitor1": watched} | dict.fromkeys(SERVERS, f"haproxy model-server@{MODEL}-a model-server@{MODEL}-b")
        return {host: self.inside(host, "systemctl", "show", "-p", "Id,MainPID", *names.split()) for host, names in units.items()}
