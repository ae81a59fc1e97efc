"""Four machines with systemd and HAProxy in containers, a store with signed packages, and how to run the playbooks on them. Knows no test."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
HOSTS = ("staging1", "production1", "production2", "production3")

_spec = importlib.util.spec_from_file_location("release_conftest", ROOT / "tests" / "unit" / "release" / "conftest.py")
_release = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_release)


class Run:
    """A playbook's end: exit code, output, and the report for machines by host."""

    def __init__(self, done, report):
        self.code, self.output = done.returncode, done.stdout + done.stderr
        self.hosts = {row["host"]: row for row in json.loads(report.read_text())["hosts"]} if report.exists() else {}

    def states(self):
        return {host: row["state"] for host, row in self.hosts.items()}

    def recap(self, word):
        """host -> the number behind word in the play recap."""
        return {host: int(number) for host, number in re.findall(rf"^(\w+)\s*:.*\b{word}=(\d+)", self.output, re.MULTILINE) if host in HOSTS}

    def calls(self, host):
        """How many tasks of the role ran (not skipped) on the host."""
        parts = re.split(r"^TASK \[", self.output, flags=re.MULTILINE)
        ran = re.compile(rf"^(ok|changed|fatal): \[{host}\]", re.MULTILINE)
        return sum(1 for part in parts if part.startswith("mlops.onprem.model_release :") and ran.search(part))


class Fleet:
    """The machines, by docker and by ansible-playbook."""

    def __init__(self, folder):
        self.folder, self.lab = folder, f"release{os.getpid()}"
        self.store = _release.Store(str(folder / "store"))
        (folder / "store").mkdir()
        self.environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "MLOPS_LAB": self.lab,
            "MLOPS_LAB_OCTET": "83",
            "XDG_STATE_HOME": str(folder),
            "FLEET_STORE": self.store.url,
            "FLEET_PUBLIC_KEY": self.store.public_key,
        }

    def playbook(self, name, *arguments, **variables):
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        extra = json.dumps({"report": str(report), **variables})
        command = [Path(sys.executable).parent / "ansible-playbook", "-i", HERE / "hosts.yml", name, "-e", extra, *arguments]
        return Run(subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False), report)

    def deploy(self, *arguments, **variables):
        return self.playbook("playbooks/deploy.yml", *arguments, **variables)

    def rollback(self, *arguments, **variables):
        return self.playbook("playbooks/rollback.yml", *arguments, **variables)

    def publish(self, model, *versions, **more):
        """Publishes versions whose factor is their number, and brings the store to the machines."""
        digests = [self.store.publish(model, version, float(version), **more) for version in versions]
        for host in HOSTS:
            self.docker("cp", f"{self.store.folder}/.", f"{self.name(host)}:/srv/store")
        return digests

    def name(self, host):
        return f"mlops-{self.lab}-{host}"

    def docker(self, *command):
        return subprocess.run(["docker", *command], capture_output=True, text=True, check=True).stdout.strip()

    def on(self, host, command):
        return self.docker("exec", self.name(host), "sh", "-c", command)

    def served(self, model):
        """host -> the version that answers a client, '' for none."""
        url = f"http://127.0.0.1:8080/v2/models/{model}/ready"
        return {host: self.on(host, f"curl -s -o /dev/null -w '%header{{x-model-version}}' {url}") for host in HOSTS}

    def pids(self, model):
        return {host: self.on(host, f"systemctl show -p MainPID model-server@{model}-a model-server@{model}-b haproxy") for host in HOSTS}

    def close(self):
        for host in HOSTS:
            subprocess.run(["docker", "rm", "-f", self.name(host)], capture_output=True, check=False)
        subprocess.run(["docker", "network", "rm", f"mlops-{self.lab}"], capture_output=True, check=False)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    try:
        for playbook in ("playbooks/lab.yml", "tests/integration/release/prepare.yml"):
            run = fleet.playbook(playbook, lab_wheels_lock=str(ROOT / "roles" / "model_server" / "files" / "requirements-onnx.txt"))
            assert run.code == 0, run.output
        yield fleet
    finally:
        fleet.close()
