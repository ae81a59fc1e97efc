# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A runner for the stand-in: the project's own Jenkinsfile, by tests/pipeline/run, with every command in a workspace on a real agent. No Jenkins, no Groovy."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path

TYPES = ("string", "file", "usernamePassword")  # what tests/pipeline/run knows of credentials
GRACE = 60  # seconds in which an aborted pipeline says that it was
PIPELINE = (str(Path(__file__).resolve().parents[2] / "pipeline" / "run"),)


class Agent:
    """Called with a work.Run; returns the build's result.

    command: argv of a program that runs the shell script on its standard input on the agent; secrets go no other way. workspaces: a folder there, below
    the home of the agent's user or absolute. pipeline: argv of what runs a Jenkinsfile; it is given the file with its settings. approve: what a person
    would say where the pipeline asks, None: nobody answers.
    """

    def __init__(self, command, workspaces="workspace", pipeline=PIPELINE, approve=True):
        self.command, self.workspaces, self.pipeline, self.approve = [*command], workspaces, [*pipeline], approve
        self.locks = tempfile.TemporaryDirectory()  # of all builds together

    def __call__(self, run):
        place = f"{self.workspaces}/{re.sub(r'[^a-zA-Z0-9_.-]+', '_', run.job)}"
        commit = self.check_out(run, place)
        with tempfile.TemporaryDirectory() as folder:
            script, config = Path(folder, "Jenkinsfile"), Path(folder, "CONFIG.json")
            script.write_bytes(self.sh(f"cat {shlex.quote(f'{place}/{run.script}')}"))
            inside = f"cd {shlex.quote(place)} || exit 1"
            config.write_text(json.dumps({
                "workspace_cmd": ["sh", "-c", f"{{ echo {shlex.quote(inside)}; cat; }} | {shlex.join(self.command)}"], "jenkinsfile": str(script),
                "env": {**run.environment, "GIT_COMMIT": commit}, "approve": self.approve, "locks": self.locks.name,
                "credentials": {name: held for name, held in run.credentials.items() if held["type"] in TYPES}}))
            with subprocess.Popen([*self.pipeline, str(config)], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, errors="replace", start_new_session=True) as process:
                threading.Thread(target=end_when_stopped, args=(process, run.stopped), daemon=True).start()
                for line in process.stdout:
                    run.log(line)
            told = Path(folder, "RESULT.json")
            result = json.loads(told.read_text()) if told.exists() else {"result": "FAILURE"}
        self.archive(run, place, result.get("artifacts", ()))
        return result["result"]

    def sh(self, script):
        """What a script on the agent prints; what it says when it fails."""
        done = subprocess.run(self.command, input=script.encode(), capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"The agent's command ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout

    def check_out(self, run, place):
        """A fresh clone at the commit, merged as the plugin merges; returns the id of what is checked out."""
        secret = run.credentials.get(run.checkout)
        if secret and secret["type"] != "usernamePassword":
            raise RuntimeError(f"The credential {run.checkout!r} is of type {secret['type']}; git over HTTP needs a username and a password")
        basic = base64.b64encode(f"{secret['username']}:{secret['password']}".encode()).decode() if secret else ""
        place, wanted = shlex.quote(place), shlex.quote(run.commit or f"origin/{run.branch}")
        lines = [
            "set -eu",
            *([f"export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader GIT_CONFIG_VALUE_0='Authorization: Basic {basic}'"] if basic else []),
            "export GIT_TERMINAL_PROMPT=0", f"rm -rf {place}", f"git clone -q {shlex.quote(run.repository)} {place}", f"cd {place}", "git fetch -q --tags",
            f"git checkout -q --detach {wanted}",
            *([f"git -c user.name=Jenkins -c user.email=nobody@nowhere merge -q --no-edit {shlex.quote(f'origin/{run.merge}')} >&2"] if run.merge else []),
            "git rev-parse HEAD",
        ]
        commit = self.sh("\n".join(lines)).decode().split()[-1]
        run.log(f"Checking out {commit} of {run.repository} into {place}")
        return commit

    def archive(self, run, place, patterns):
        """Fetch the files that the patterns of `archiveArtifacts` mean."""
        inside = f"cd {shlex.quote(place)}\n"
        names = self.sh(f"{inside}find . -name .git -prune -o -type f -print").decode().splitlines()
        wanted = [name[2:] for name in names if any(re.fullmatch(expression(one), name[2:]) for given in patterns for one in given.split(","))]
        if wanted:
            with tarfile.open(fileobj=io.BytesIO(self.sh(f"{inside}tar -cf - -- {shlex.join(wanted)}"))) as archive:
                for member in archive:
                    run.artifact(member.name, archive.extractfile(member).read())


def expression(pattern):
    """A regular expression of one of Ant's patterns."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pattern = re.sub("/$", "/**", pattern.strip())
    return re.sub(r"\*\*/|\*\*|\*|\?|[^*?]+", lambda found: parts.get(found[0]) or re.escape(found[0]), pattern)


def end_when_stopped(process, stopped):
    """Somebody aborted the build: the pipeline is told, and what is left of it after a while is ended, as far as it runs here."""
    while process.poll() is None:
        if stopped.wait(0.5) and process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
