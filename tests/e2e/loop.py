# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab with all that a push meets on its way: stand-ins of GitLab (with real git repositories) and of Jenkins (which runs the real pipeline) on this
machine, a real agent in the lab. It starts them, does what a developer does, and reads what they and the hosts say; it decides nothing."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from ansible_collections.mlops.onprem.tests.e2e.lab import AGENT, NEXUS, ROOT, until
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab
from ansible_collections.mlops.onprem.tests.standins.jenkins import Jenkins
from ansible_collections.mlops.onprem.tests.standins.jenkins.run import Agent

INVENTORY = ROOT / "tests" / "e2e" / "loop"
EXAMPLE = ROOT / "examples" / "breast_cancer"
TEAM, MODEL = "care", "tumours"
PROJECT = f"{TEAM}/{MODEL}"
WHO = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org", "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org"}
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "PATH": os.environ["PATH"], **WHO}


class Loop:
    """The site of the end-to-end test. Use it as a context manager."""

    def __init__(self, lab):
        self.lab, self.home = lab, lab.home / "loop"
        self.home.mkdir(mode=0o700, exist_ok=True)
        if not (self.home / "id_ed25519").exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / "id_ed25519"], check=True)
        (self.home / "vault-password").write_text("opens-the-vault-of-the-test\n")
        # A lab that is kept from run to run: the stand-ins begin with nothing, so what an earlier run put there is not theirs.
        shutil.rmtree(self.home / "repositories", ignore_errors=True)
        # Where the machines of the lab reach this one.
        self.address = subprocess.run(["docker", "network", "inspect", "mlops-test", "--format", "{{(index .IPAM.Config 0).Gateway}}"], check=True,
                                      text=True, capture_output=True).stdout.strip()
        command = ["ssh", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={lab.home}/known_hosts", "-o", "StrictHostKeyChecking=yes", "-o",
                   "IdentitiesOnly=yes", "-i", str(self.home / "id_ed25519"), f"jenkins-agent@{lab.at(AGENT)}", "bash", "-s"]
        self.gitlab = GitLab(repositories=self.home / "repositories", **self.place())
        self.jenkins = Jenkins(runner=Agent(command, "workspace"), **self.place())
        # GitLab calls nobody in its own network unless it may.
        self.gitlab.settings["allow_local_requests_from_web_hooks_and_services"] = True
        self.developer = self.gitlab.make_token("ada")  # a user whom nothing belongs to yet

    def place(self):
        """A free port where the lab's machines reach it."""
        with socket.create_server((self.address, 0)) as free:
            port = free.getsockname()[1]
        return {"host": self.address, "port": port, "public_url": f"http://{self.address}:{port}"}

    def __enter__(self):
        self.gitlab.__enter__()
        self.jenkins.__enter__()
        return self

    def __exit__(self, *error):
        self.jenkins.__exit__(*error)
        self.gitlab.__exit__(*error)
        if not os.environ.get("MLOPS_KEEP_LAB"):
            # The lab's own inventory does not know it.
            subprocess.run(["docker", "rm", "--force", "--volumes", "mlops-test-agent1"], check=True, stdout=subprocess.DEVNULL)

    # the engineer

    def play(self, playbook, *options, models=None):
        """A playbook on the lab with its agent, and with the addresses of the stand-ins."""
        given = {
            "site_gitlab_url": self.gitlab.url, "site_gitlab_token": self.gitlab.token, "site_jenkins_url": self.jenkins.url,
            "site_jenkins_password": self.jenkins.token, "loop_gitlab": self.gitlab.url, **({} if models is None else {"models": models}),
        }
        (self.home / "site.json").write_text(json.dumps(given))
        inventories = ("-i", "inventories/lab", "-i", str(INVENTORY / "hosts.yml"))
        return self.lab.run("ansible-playbook", *inventories, "-e", f"@{self.home}/site.json", playbook, *options)

    # the developer

    def git(self, folder, *words, fails=False):
        """What git prints."""
        done = subprocess.run(["git", *words], cwd=folder, env=GIT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout.strip()

    def clone(self, folder):
        """A developer's clone of the project, over HTTP."""
        self.git(folder, "clone", "-q", self.gitlab.url.replace("//", f"//ada:{self.developer}@") + f"/{PROJECT}.git", "work")
        return folder / "work"

    def commit(self, clone, message, branch=None, patch=None):
        """Commit what is in the clone, after one of the example's patches, on a branch of its own where one is named; push it. Returns the commit."""
        if branch:
            self.git(clone, "fetch", "-q")
            self.git(clone, "switch", "-q", "--force-create", branch, "origin/main")
        if patch:
            self.git(clone, "apply", str(next((EXAMPLE / "versions").glob(f"{patch}-*.patch"))))
        self.git(clone, "add", "-A")
        self.git(clone, "commit", "-q", "-m", message)
        self.git(clone, "push", "-q", "origin", "HEAD")
        return self.git(clone, "rev-parse", "HEAD")

    def example(self, clone):
        """The example in place of the starter files, under this model's name."""
        for path in EXAMPLE.iterdir():
            if path.name not in ("versions", "build", ".ruff_cache", ".pytest_cache"):
                copy = shutil.copytree if path.is_dir() else shutil.copy
                copy(path, clone / path.name, **({"dirs_exist_ok": True, "ignore": shutil.ignore_patterns("__pycache__")} if path.is_dir() else {}))
        about = clone / "pyproject.toml"
        about.write_text(about.read_text().replace('model = "breast-cancer"', f'model = "{MODEL}"'))

    # what the products say

    def api(self, path, method="GET", token=None, **given):
        """GitLab's API on the project, as the developer unless another token is given."""
        return self.lab.ask(f"{self.gitlab.url}/api/v4/projects/{urllib.parse.quote(PROJECT, safe='')}{path}", token=token or self.developer, method=method,
                            given=given or None)

    def job(self, name):
        """What Jenkins says of a job of the model; None where there is none."""
        try:
            return self.lab.ask(f"{self.jenkins.url}/job/{TEAM}/job/{MODEL}/job/{name}/api/json?depth=1", "admin", self.jenkins.token)
        except urllib.error.HTTPError as error:
            assert error.code == 404
            return None

    def log(self, build):
        """What a build said."""
        login = base64.b64encode(f"admin:{self.jenkins.token}".encode()).decode()
        request = urllib.request.Request(f"{build['url']}consoleText", headers={"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def build(self, name, after=0, seconds=900):
        """The first finished build of a job with a number above `after`: (number, result, log)."""
        def finished():
            builds = [build for build in (self.job(name) or {"builds": []})["builds"] if build["number"] > after and not build["building"]]
            return builds and builds[-1]
        found = until(finished, seconds=seconds)
        print(f"--- {found['url']} {found['result']}\n{self.log(found)}")
        return found["number"], found["result"], self.log(found)

    def versions(self):
        """Versions of the model in its repository in Nexus, the oldest first."""
        place, found, page = f"https://{self.lab.at(NEXUS)}:8443/service/rest/v1/components?repository=model-{MODEL}", [], ""
        while page is not None:
            rows = self.lab.ask(place + page, "admin", self.lab.secret("nexus_admin"))
            found += [match[1] for item in rows["items"] if (match := re.search(rf"{MODEL}/manifests/([0-9.]+-[0-9a-f]{{8}})$", item["name"]))]
            page = rows["continuationToken"] and f"&continuationToken={rows['continuationToken']}"
        return sorted(found)

    def infer(self, host, rows):
        """(version, labels) that a host answers."""
        body = {"inputs": [{"name": "features", "datatype": "FP32", "shape": [len(rows), len(rows[0])], "data": [value for row in rows for value in row]}]}
        request = urllib.request.Request(f"http://{self.lab.address(host)}:8080/v2/models/{MODEL}/infer", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers["x-model-version"], json.load(answer)["outputs"][0]["data"]
