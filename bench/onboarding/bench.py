#!/usr/bin/env python
"""How onboarding grows with the number of models: tasks, requests and CPU of `playbooks/models.yml`, on stand-ins of GitLab and Jenkins and the real
Nexus. Counts what the servers were sent; knows nothing of how the role works.

Usage: python bench/onboarding/bench.py [--models 10 100 500] [--quick]      writes bench/results/onboarding.md and onboarding.png
--quick takes 2 and 4 models and writes nothing: to see that the bench runs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.request import Request, urlopen

import matplotlib

matplotlib.use("Agg")
from ansible_collections.mlops.onprem.tests.integration.conftest import start, stop
from ansible_collections.mlops.onprem.tests.integration.jenkins.conftest import with_plugins
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab
from ansible_collections.mlops.onprem.tests.standins.jenkins import Jenkins
from matplotlib import pyplot

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
RUNS = ("first run", "second run")


def serve(product, pipe):
    """A stand-in in a process of its own, so that its CPU is not counted."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if product == "gitlab":
        server = GitLab(validate=False)
        server.settings["allow_local_requests_from_web_hooks_and_services"] = True
    else:
        server = with_plugins(Jenkins())
    pipe.send((server.url, server.token))
    server.serve_forever()


class StandIn:
    """One of them, and what it was sent since it was last asked."""

    def __init__(self, product):
        mine, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=serve, args=(product, other), daemon=True)
        self.process.start()
        self.url, self.token = mine.recv()

    def counts(self):
        with urlopen(Request(f"{self.url}/__standin__/counts", method="POST")) as answer:
            found = json.load(answer)
        return found["requests"], found["writes"]

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.terminate()
        self.process.join()


class Nexus:
    """The real one, and what its own log says it was sent since it was last asked."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.data, self.process = start(folder, port)
        self.url, self.seen = f"http://127.0.0.1:{port}", 0
        while not self.ready():
            time.sleep(1)
        self.password = (self.data / "admin.password").read_text().strip()

    def ready(self):
        try:
            return urlopen(f"{self.url}/service/rest/v1/status", timeout=5).status == 200 and (self.data / "admin.password").is_file()
        except OSError:
            return False

    def counts(self):
        """A line is written a little after its answer: wait for one of ours, then for silence."""
        mark, log, before = f"mark={time.monotonic_ns()}", self.data / "log" / "request.log", ""
        urlopen(f"{self.url}/service/rest/v1/status?{mark}").close()
        while mark not in before or before != log.read_text():
            before = log.read_text()
            time.sleep(0.3)
        lines = before.splitlines()
        new, self.seen = [line for line in lines[self.seen :] if "mark=" not in line], len(lines)
        return len(new), sum(re.search(r'"(GET|HEAD) ', line) is None for line in new)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        stop(self.process)


def models(count):
    """Five models a team, each with what an entry can ask for."""
    return [{"name": f"m{count}-{number}", "team": f"t{count}-{number // 5}", "thresholds": [{"metric": "roc_auc", "min": 0.98}], "receivers": ["people"],
             "retrain": {"on_alert": True, "schedule": "H 3 * * 0"}} for number in range(count)]  # fmt: skip


def play(variables, folder):
    """(tasks, CPU s, wall s) of one run of the playbook."""
    (folder / "vars.json").write_text(json.dumps(variables))
    (folder / "hosts.yml").write_text(
        "all: {hosts: {localhost: {ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}},"
        " children: {staging: {}, production: {}, monitored: {}, monitoring: {}}}\n"
    )
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", folder / "hosts.yml", ROOT / "playbooks" / "models.yml"]
    done = subprocess.run([*command, "-e", f"@{folder / 'vars.json'}"], capture_output=True, text=True, check=False, env=os.environ | {"ANSIBLE_NOCOLOR": "1"})
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    recap = re.search(r"localhost +: ok=(\d+) +changed=\d+ .*? skipped=(\d+)", done.stdout)
    if done.returncode or not recap:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    return int(recap[1]) + int(recap[2]), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def measured(count, nexus):
    """One row for each run, on stand-ins that have nothing."""
    with ExitStack() as stack:
        gitlab, jenkins = (stack.enter_context(StandIn(product)) for product in ("gitlab", "jenkins"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        variables = {
            "models": models(count), "model_pipeline_home": str(folder / "registry"), "site_gitlab_url": gitlab.url, "site_gitlab_token": gitlab.token,
            "site_jenkins_url": jenkins.url, "site_jenkins_password": jenkins.token, "site_nexus_url": nexus.url, "site_nexus_password": nexus.password,
            "model_pipeline_report_token": "bench-report-token", "model_pipeline_signing_key": "bench-key", "model_pipeline_vault_password": "bench-word",
        }  # fmt: skip
        nexus.counts()
        for run in RUNS:
            tasks, cpu, wall = play(variables, folder)
            row = {"models": count, "run": run, "tasks": tasks, "cpu": cpu, "wall": wall}
            for name, server in (("gitlab", gitlab), ("jenkins", jenkins), ("nexus", nexus)):
                row[name], writes = server.counts()
                row["writes"] = row.get("writes", 0) + writes
            row["requests"] = row["gitlab"] + row["jenkins"] + row["nexus"]
            print(json.dumps(row), file=sys.stderr, flush=True)
            yield row


def table(rows):
    lines = ["| models | run | tasks | requests | GitLab | Jenkins | Nexus | of them writes | requests a model | CPU s | CPU s a model | wall s |",
             "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for row in rows:
        lines.append(
            "| {models} | {run} | {tasks} | {requests} | {gitlab} | {jenkins} | {nexus} | {writes} | {per:.1f} | {cpu:.1f} | {each:.3f} | {wall:.0f} |".format(
                per=row["requests"] / row["models"], each=row["cpu"] / row["models"], **row)
        )  # fmt: skip
    return "\n".join(lines)


def growth(rows, run, name):
    """What one more model costs, between the smallest and the largest number."""
    chosen = [row for row in rows if row["run"] == run]
    return (chosen[-1][name] - chosen[0][name]) / (chosen[-1]["models"] - chosen[0]["models"])


def plot(rows, path):
    figure, panels = pyplot.subplots(1, 3, figsize=(13, 4))
    for panel, (name, label) in zip(panels, (("tasks", "tasks"), ("requests", "requests"), ("cpu", "CPU s of ansible-playbook"))):
        for run in RUNS:
            chosen = [row for row in rows if row["run"] == run]
            panel.plot([row["models"] for row in chosen], [row[name] for row in chosen], marker="o", label=run)
        panel.set_xlabel("models")
        panel.set_ylabel(label)
        panel.set_ylim(bottom=0)
    panels[1].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


TEXT = """# Onboarding: `playbooks/models.yml` with {sizes} models

Made by `python bench/onboarding/bench.py --models {arguments}` on {cores} cores, {system}, Python {python}: five models a team, each with thresholds,
receivers and retraining, on stand-ins of GitLab and Jenkins that had nothing, and one real Nexus. Requests are counted by the stand-ins and by Nexus' own
log; CPU and wall are those of `ansible-playbook` with all it starts, the servers' not among them. Other work ran on the machine: trust counts first, CPU
second, wall last.

{table}

![Growth with the number of models](onboarding.png)

Between the smallest and the largest number, one more model costs {first:.1f} requests when it is new and {second:.1f} when nothing changed, and then
{cpu:.3f} CPU s. The rest is the same for any number of models: the start of Ansible and of each task.
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=int, nargs="+", default=[10, 100, 500])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    sizes = [2, 4] if options.quick else options.models
    with tempfile.TemporaryDirectory() as folder, Nexus(Path(folder)) as nexus:
        rows = [row for size in sizes for row in measured(size, nexus)]
    text = TEXT.format(
        sizes=" and ".join(map(str, sizes)), arguments=" ".join(map(str, sizes)), cores=os.cpu_count(), system=platform.system(),
        python=platform.python_version(), table=table(rows), first=growth(rows, RUNS[0], "requests"), second=growth(rows, RUNS[1], "requests"),
        cpu=growth(rows, RUNS[1], "cpu"),
    )  # fmt: skip
    if options.quick:
        print(text)
        return
    (RESULTS / "onboarding.md").write_text(text)
    plot(rows, RESULTS / "onboarding.png")


if __name__ == "__main__":
    main()
