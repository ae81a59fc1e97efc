#!/usr/bin/env python
"""Side by side on one stand-in: our list modules, and community.general's modules in loops. Counts requests and connections at the server, and
takes CPU and wall of the whole `ansible-playbook`. Knows nothing of how either works.

Usage: python bench/modules/bench.py [--latency 5 20] [--quick]      writes bench/results/modules.md, modules.png and modules_growth.png
community.general comes from the PyPI package `ansible` of requirements/collections.txt, unpacked below .cache; nothing else uses it.
--quick takes a tenth of the objects and writes nothing: to see that the bench runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
STANDINS = "ansible_collections.mlops.onprem.tests.standins"
TOKEN = "bench-token-0123456789"
OURS, PEER = "mlops.onprem", "community.general"
COUNTS = {"jobs": 200, "projects": 100, "hooks": 100, "variables": 500}
PRODUCTS = {"jobs": "jenkins", "projects": "gitlab", "hooks": "gitlab", "variables": "gitlab"}
RUNS = ("first run", "second run", "one changed")
JOB = (
    "<?xml version='1.1' encoding='UTF-8'?>\n<project>\n  <description>{text}</description>\n  <keepDependencies>false</keepDependencies>\n  <properties/>\n"
    "  <scm class=\"hudson.scm.NullSCM\"/>\n  <canRoam>true</canRoam>\n  <disabled>false</disabled>\n  <triggers/>\n"
    "  <concurrentBuild>false</concurrentBuild>\n  <builders>\n    <hudson.tasks.Shell>\n      <command>make train</command>\n"
    "    </hudson.tasks.Shell>\n  </builders>\n  <publishers/>\n  <buildWrappers/>\n</project>\n"
)


def objects(kind, count, changed):
    """What is wanted, as plain values; the first one differs in the run `one changed`."""
    if kind == "variables":
        return [{"project": f"bench/model-{n // 5}", "key": f"VALUE_{n % 5}", "value": "changed" if changed and n == 0 else f"value-{n}"} for n in range(count)]
    return [{"number": n, "text": "changed" if changed and n == 0 else f"model {n}"} for n in range(count)]


def ours(kind, items):
    """One task with the whole list."""
    if kind == "jobs":
        return [{"mlops.onprem.jenkins_jobs": {"jobs": [{"name": f"bench-{item['number']}", "xml": JOB.format(**item)} for item in items]}}]
    if kind == "projects":
        return [
            {
                "mlops.onprem.gitlab_projects": {
                    "projects": [
                        {"path": f"bench/model-{item['number']}", "description": item["text"], "visibility": "private", "merge_method": "ff"}
                        for item in items
                    ]
                }
            }
        ]
    if kind == "hooks":
        return [
            {
                "mlops.onprem.gitlab_hooks": {
                    "hooks": [
                        {
                            "project": f"bench/model-{item['number']}",
                            "url": f"https://jenkins.example.org/project/{item['number']}",
                            "token": "bench-hook-secret",
                            "push_events": True,
                            "merge_requests_events": item["text"] != "changed",
                        }
                        for item in items
                    ]
                }
            }
        ]
    return [{"mlops.onprem.gitlab_variables": {"variables": items}}]


def peer(kind, items):
    """One task for each object, in a loop; of variables one for each project, which the module takes together."""
    if kind == "jobs":
        options = {"name": "bench-{{ item.number }}", "config": "{{ job | replace('TEXT', item.text) }}", "url": "{{ url }}", "user": "admin", "token": TOKEN}
        return [{"community.general.jenkins_job": options, "loop": items, "vars": {"job": JOB.format(text="TEXT")}}]
    login = {"api_url": "{{ url }}", "api_token": TOKEN}
    if kind == "projects":
        options = {"name": "model-{{ item.number }}", "group": "bench", "description": "{{ item.text }}", "visibility": "private", "merge_method": "ff"}
        return [{"community.general.gitlab_project": options | login, "loop": items}]
    if kind == "hooks":
        options = {
            "project": "bench/model-{{ item.number }}",
            "hook_url": "https://jenkins.example.org/project/{{ item.number }}",
            "token": "bench-hook-secret",
            "push_events": True,
            "merge_requests_events": "{{ item.text != 'changed' }}",
        }
        return [{"community.general.gitlab_hook": options | login, "loop": items}]
    projects = {}
    for item in items:
        projects.setdefault(item["project"], []).append({"name": item["key"], "value": item["value"]})
    options = {"project": "{{ item.project }}", "variables": "{{ item.variables }}"}
    loop = [{"project": project, "variables": variables} for project, variables in projects.items()]
    return [{"community.general.gitlab_project_variable": options | login, "loop": loop}]


class Server:
    """A stand-in in a process of its own, so that its CPU is not counted."""

    def __init__(self, product, latency):
        command = [sys.executable, "-m", f"{STANDINS}.{product}", "--latency", str(latency / 1000), "--token", TOKEN]
        self.process = subprocess.Popen(command + (["--no-validate"] if product == "gitlab" else []), stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.process.stdout.readline()

    def counts(self):
        """Requests, writes and connections since the last call."""
        with urlopen(Request(f"{self.url}/__standin__/counts", method="POST")) as answer:
            return json.load(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.terminate()
        self.process.wait()


def play(tasks, url, folder, collections):
    """(CPU s, wall s) of one `ansible-playbook`."""
    book = Path(folder) / "bench.yml"
    groups = {
        "group/mlops.onprem.gitlab": {"url": url, "token": TOKEN},
        "group/mlops.onprem.jenkins": {"url": url, "username": "admin", "password": TOKEN},
    }
    head = {"hosts": "localhost", "gather_facts": False, "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "url": url}}
    mine = any(name.startswith(OURS) for task in tasks for name in task)
    book.write_text(json.dumps([head | ({"module_defaults": groups} if mine else {}) | {"tasks": tasks}]))
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    program = Path(sys.executable).with_name("ansible-playbook")
    env = os.environ | {"ANSIBLE_COLLECTIONS_PATH": collections, "ANSIBLE_DEPRECATION_WARNINGS": "0"}
    done = subprocess.run([program, "-i", "localhost,", "-c", "local", book], capture_output=True, text=True, check=False, env=env)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def prepared(server, kind, folder, collections, count):
    """The projects that hooks and variables belong to, made beforehand and not counted."""
    tasks = [{"mlops.onprem.gitlab_groups": {"groups": [{"path": "bench"}]}}] if PRODUCTS[kind] == "gitlab" else []
    if kind in ("hooks", "variables"):
        number = count if kind == "hooks" else count // 5
        tasks += [{"mlops.onprem.gitlab_projects": {"projects": [{"path": f"bench/model-{n}"} for n in range(number)]}}]
    if tasks:
        play(tasks, server.url, folder, collections)
    server.counts()


def measured(kind, way, latency, count, collections, runs=RUNS):
    """One row for each run."""
    with tempfile.TemporaryDirectory() as folder, Server(PRODUCTS[kind], latency) as server:
        prepared(server, kind, folder, collections, count)
        for label in runs:
            tasks = (ours if way == OURS else peer)(kind, objects(kind, count, label == "one changed"))
            cpu, wall = play(tasks, server.url, folder, collections)
            counts = server.counts()
            row = {"kind": kind, "count": count, "way": way, "run": label, "latency": latency, "cpu": cpu, "wall": wall}
            row |= {name: counts[name] for name in ("requests", "writes", "connections")}
            print(json.dumps(row), file=sys.stderr, flush=True)
            yield row


MEMORY = """
import json, resource, sys
from ansible.module_utils.testing import patch_module_args
import importlib
name, options = json.load(sys.stdin)
with patch_module_args(options):
    try:
        importlib.import_module("ansible_collections.mlops.onprem.plugins.modules." + name).main()
    except SystemExit:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


def resident(kind, count, collections):
    """MiB of the module's process in a second run over many objects."""
    with tempfile.TemporaryDirectory() as folder, Server(PRODUCTS[kind], 0) as server:
        prepared(server, kind, folder, collections, count)
        tasks = ours(kind, objects(kind, count, False))
        play(tasks, server.url, folder, collections)
        (name, options), login = next(iter(tasks[0].items())), {"url": server.url}
        login |= {"username": "admin", "password": TOKEN} if PRODUCTS[kind] == "jenkins" else {"token": TOKEN}
        done = subprocess.run([sys.executable, "-c", MEMORY], input=json.dumps([name.rpartition(".")[2], options | login]), text=True, capture_output=True,
                              check=True)  # fmt: skip
        assert not json.loads(done.stdout.splitlines()[-1])["changed"]
        return int(done.stderr.split()[-1])


def peer_collection():
    """The folder with community.general, unpacked once."""
    place = ROOT / ".cache" / "peers"
    if not (place / "ansible_collections" / "community" / "general").is_dir():
        with tempfile.TemporaryDirectory() as scratch:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-r", str(ROOT / "requirements" / "collections.txt")]
            subprocess.run([*pip, "-d", scratch], check=True)
            wheel = next(Path(scratch).glob("ansible-*.whl"))
            subprocess.run(["unzip", "-q", "-o", wheel, "ansible_collections/community/general/*", "-d", place], check=True)
    manifest = json.loads((place / "ansible_collections" / "community" / "general" / "MANIFEST.json").read_text())
    return str(place), manifest["collection_info"]["version"]


def table(rows):
    lines = ["| objects | latency | run | way | requests | of them writes | connections | CPU s | wall s |", "|---|---|---|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        lines.append("| {count} {kind} | {latency} ms | {run} | `{way}` | {requests} | {writes} | {connections} | {cpu:.1f} | {wall:.1f} |".format(**row))
    return "\n".join(lines)


def ratios(rows):
    """Peer's CPU and requests to ours, in the second run."""
    lines = ["| second run | latency | requests, peer : ours | CPU, peer : ours | wall, peer : ours |", "|---|---|---:|---:|---:|"]
    second = {(row["kind"], row["latency"], row["way"]): row for row in rows if row["run"] == "second run"}
    for (kind, latency, way), row in second.items():
        if way == OURS and (kind, latency, PEER) in second:
            other = second[kind, latency, PEER]
            parts = (f"{other[name] / row[name]:.0f}" for name in ("requests", "cpu", "wall"))
            lines.append(f"| {row['count']} {kind} | {latency} ms | {' | '.join(parts)} |")
    return "\n".join(lines)


def plot(rows, path):
    figure, panels = pyplot.subplots(1, len(COUNTS), figsize=(14, 4))
    latency = min(row["latency"] for row in rows)
    for panel, kind in zip(panels, COUNTS):
        chosen = [row for row in rows if row["kind"] == kind and row["latency"] == latency]
        for place, (way, colour) in enumerate(((OURS, "tab:blue"), (PEER, "tab:orange"))):
            values = [next((row["cpu"] for row in chosen if row["way"] == way and row["run"] == run), 0) for run in RUNS]
            bars = panel.bar([x + place * 0.4 for x in range(3)], values, 0.4, label=way, color=colour)
            panel.bar_label(bars, [f"{value:.1f}" for value in values], fontsize=7)
        panel.set_title(f"{COUNTS[kind]} {kind}")
        panel.set_xticks([x + 0.2 for x in range(3)], [run.replace(" ", "\n") for run in RUNS])
        panel.set_yscale("log")
    panels[0].set_ylabel(f"CPU s of ansible-playbook (log), {latency} ms")
    panels[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def plot_growth(rows, path):
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4))
    for kind in dict.fromkeys(row["kind"] for row in rows):
        chosen = [row for row in rows if row["kind"] == kind]
        for panel, name in zip(panels, ("requests", "cpu")):
            panel.plot([row["count"] for row in chosen], [row[name] for row in chosen], marker="o", label=kind)
    for panel, name in zip(panels, ("requests", "CPU s of ansible-playbook")):
        panel.set_xlabel("objects, second run")
        panel.set_ylabel(name)
        panel.set_ylim(bottom=0)
    panels[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


TEXT = """# GitLab and Jenkins: our list modules beside community.general {version} in loops

Made by `python bench/modules/bench.py --latency {latencies}` on {cores} cores, {system}, Python {python}, all rows in one run, each way on a stand-in
of its own that had nothing but the projects needed. Requests and connections are counted by the stand-in; CPU and wall are those of `ansible-playbook`
with all it starts, the stand-in's not among them. On a shared machine trust requests first, CPU second, wall last.

{table}

![CPU of each run](modules.png)

## What follows from it

{ratios}

Ours reads one list for projects, and one for each project for hooks and variables, so those requests grow with the number of projects; jobs need a
`config.xml` each. Resident size of the module in a second run over 2,000 objects: {memory}.

![Growth from 50 to 500 objects](modules_growth.png)

{growth}

## What was not measured

A running GitLab or Jenkins: the stand-ins answer from memory, in Python, after the latency that was set; a real server's own time per request, its
database and its limits are not in these figures. First runs of both ways wait for the same writes. community.general's hook module reports a change in
every run when a token is given; its variable module was given all variables of a project at once, which it can. No other peer of GitLab's or Jenkins'
modules was run; Jenkins Job Builder sends nothing in a second run, because it trusts its own cache and does not see what was edited by hand.
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    peers, version = peer_collection()
    mine = os.environ["ANSIBLE_COLLECTIONS_PATH"]
    counts = {kind: count // 10 for kind, count in COUNTS.items()} if options.quick else COUNTS
    rows = [
        row
        for latency in options.latency
        for kind, count in counts.items()
        for way in (OURS, PEER)
        for row in measured(kind, way, latency, count, f"{mine}:{peers}")
    ]
    sizes = (5, 10) if options.quick else (50, 100, 200, 500)
    growing = [
        row for kind in ("projects", "jobs", "hooks") for size in sizes for row in measured(kind, OURS, options.latency[0], size, mine, RUNS[:2])
        if row["run"] == "second run"
    ]  # fmt: skip
    memory = ", ".join(f"{kind} {resident(kind, 20 if options.quick else 2000, mine)} MiB" for kind in ("projects", "jobs"))
    text = TEXT.format(
        version=version, latencies=" ".join(map(str, options.latency)), cores=os.cpu_count(), system=platform.system(), python=platform.python_version(),
        table=table(rows), ratios=ratios(rows), memory=memory, growth=table(growing),
    )  # fmt: skip
    if options.quick:
        print(text)
        return
    (RESULTS / "modules.md").write_text(text)
    plot(rows, RESULTS / "modules.png")
    plot_growth(growing, RESULTS / "modules_growth.png")


if __name__ == "__main__":
    main()
