# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small site of stand-ins for GitLab and Jenkins and the real Nexus, and runs of playbooks/models.yml on it. Knows no test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path

import pytest
import requests
from ansible_collections.mlops.onprem.tests.integration.calling import call
from ansible_collections.mlops.onprem.tests.integration.jenkins.conftest import with_plugins
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab
from ansible_collections.mlops.onprem.tests.standins.jenkins import Jenkins

ROOT = Path(__file__).resolve().parents[3]
REPORT_TOKEN, SIGNING_KEY, VAULT_PASSWORD = "glpat-report-for-tests", "key-text-for-signing-in-tests", "vault-password-of-tests"  # noqa: S105


def entry(number=0, team="risk", **more):
    """What stands in the inventory for one model: its five lines."""
    return {"name": f"churn-{number}", "team": team, "thresholds": [{"metric": "roc_auc", "min": 0.98}], "receivers": ["people"],
            "retrain": {"on_alert": True, "schedule": "H 3 * * 0", "at_most_every": 86400}, **more}


@dataclass
class Site:
    """The servers, the folder of secrets, and what a run of the playbook did to them."""

    gitlab: GitLab
    jenkins: Jenkins
    nexus: object
    folder: Path
    sent: dict = field(default_factory=dict)
    writes: list = field(default_factory=list)
    seen: int = 0

    @property
    def home(self):
        return self.folder / "registry"

    def registered(self, name):
        return json.loads((self.home / f"{name}.json").read_text())

    def secrets(self):
        """Every secret there is."""
        found = [REPORT_TOKEN, SIGNING_KEY, VAULT_PASSWORD, self.gitlab.token, self.jenkins.token, self.nexus.password]
        for file in self.home.glob("*.json"):
            content = json.loads(file.read_text())
            found += [value for name, value in (content.get("secrets") or content).items() if name != "deploy_key_public"]
        return [line for secret in found for line in secret.splitlines() if len(line) > 9 and not line.startswith("-----")]

    def play(self, models, *options, check=True, without=()):
        """Run the playbook; what it printed, and its tasks and changes. `sent` and `writes` are then those of this run."""
        variables = {
            "models": models, "model_pipeline_home": str(self.home), "site_gitlab_url": self.gitlab.url, "site_gitlab_token": self.gitlab.token,
            "site_jenkins_url": self.jenkins.url, "site_jenkins_password": self.jenkins.token, "site_nexus_url": self.nexus.url,
            "site_nexus_password": self.nexus.password, "model_pipeline_report_token": REPORT_TOKEN, "model_pipeline_signing_key": SIGNING_KEY,
            "model_pipeline_vault_password": VAULT_PASSWORD,
        }
        book = self.folder / "vars.json"
        book.write_text(json.dumps({name: value for name, value in variables.items() if name not in without}))
        hosts = self.folder / "hosts.yml"
        hosts.write_text("all: {hosts: {localhost: {ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}},"
                         " children: {staging: {}, production: {}, monitored: {}, monitoring: {}}}\n")
        self.nexus_log()
        self.gitlab.clear()
        self.jenkins.clear()
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", hosts, ROOT / "playbooks" / "models.yml", "-e", f"@{book}", *options],
            env=os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "1"},
            capture_output=True, text=True, check=False,
        )
        out = done.stdout + done.stderr
        nexus = self.nexus_log()
        self.sent = {"gitlab": self.gitlab.requests(), "jenkins": self.jenkins.requests(), "nexus": [" ".join(request) for request in nexus]}
        self.writes = self.gitlab.writes() + self.jenkins.writes() + [" ".join(request) for request in nexus if request[0] not in ("GET", "HEAD")]
        assert not [secret for secret in self.secrets() if secret in out], "a secret was printed"
        if check:
            assert done.returncode == 0, out
        recap = re.search(r"localhost +: ok=(\d+) +changed=(\d+) .*? skipped=(\d+)", out)
        return Run(out, done.returncode, *(int(number) for number in recap.groups())) if recap else Run(out, done.returncode, 0, 0, 0)

    def nexus_log(self):
        """(method, path) of the requests since the last call; with the log-ins by which passwords are tried, which the fixture leaves out."""
        self.nexus.requests_logged()
        lines = (self.nexus.data / "log" / "request.log").read_text().splitlines()
        new, self.seen = lines[self.seen :], len(lines)
        return [tuple(line.split('"')[1].split()[:2]) for line in new if "mark=" not in line]

    def api(self, method, path, /, **body):
        """GitLab asked or changed past the role, as somebody by hand."""
        answer = requests.request(method, f"{self.gitlab.url}/api/v4/{path}", json=body or None, headers={"PRIVATE-TOKEN": self.gitlab.token}, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    gitlab_get = partialmethod(api, "GET")
    gitlab_post = partialmethod(api, "POST")
    gitlab_put = partialmethod(api, "PUT")
    gitlab_delete = partialmethod(api, "DELETE")

    def module(self, product):
        """A module run past the role."""
        server = {"jenkins": (self.jenkins.url, "admin", self.jenkins.token), "nexus": (self.nexus.url, "admin", self.nexus.password)}[product]

        def run(name, **options):
            told = call(name, dict(zip(("url", "username", "password"), server)), **options)
            assert not told.get("failed"), told
        return run

    def total(self):
        return sum(len(sent) for sent in self.sent.values())

    def told(self):
        """The requests by product, with numbers taken out: for a person who looks why there are so many."""
        return {name: Counter(re.sub(r"churn-\d+|\d+", "N", line) for line in sent).most_common() for name, sent in self.sent.items()}


@dataclass
class Run:
    out: str
    code: int
    ok: int
    changed: int
    skipped: int


@pytest.fixture
def site(nexus, tmp_path):
    with GitLab(validate=False) as gitlab, Jenkins() as jenkins:
        gitlab.settings["allow_local_requests_from_web_hooks_and_services"] = True
        gitlab.make_token("reporter", token=REPORT_TOKEN)
        site = Site(gitlab, with_plugins(jenkins), nexus, tmp_path)
        yield site
        left = [json.loads(file.read_text())["entry"] for file in sorted(site.home.glob("[!.]*.json"))]
        if left:
            site.play([{**each, "state": "absent"} for each in left])
