#!/usr/bin/env python
"""Side by side on one machine: a package of 1 GiB by model_release, and the same file as an archive by get_url and unarchive.

Usage: python bench/fetch/bench.py IMAGE ANSIBLE_PLAYBOOK > bench/results/fetch.md
IMAGE is the lab's image (systemd and Python). What a module costs on the machine is counted by measure.py: CPU and resident memory from the kernel's
account of the process and its children, bytes written to storage from /proc. The machine also runs the web server; that is not counted.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
NAME = f"mlops-bench-fetch-{os.getpid()}"
SIZE = int(os.environ.get("BENCH_BYTES", "1073741824"))
RUN = ["run", "-d", "--name", NAME, "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
       "--tmpfs", "/run", "--tmpfs", "/run/lock", "--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "-e", "container=docker"]
SERVE = "cd /srv/store && exec python3 -m http.server --bind 127.0.0.1 8000 >/dev/null 2>&1"

_spec = importlib.util.spec_from_file_location("release_conftest", ROOT / "tests" / "unit" / "release" / "conftest.py")
_release = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_release)


def ours(store, digest):
    wanted = {"state": "staged", "model": "big", "version": "1", "digest": digest, "store": "http://127.0.0.1:8000", "public_key": store.public_key}
    return [{"mlops.onprem.model_release": wanted}]


PEER = [
    {"ansible.builtin.get_url": {"url": "http://127.0.0.1:8000/big.tar", "dest": "/var/lib/peer/big.tar", "mode": "0644"}},
    {"ansible.builtin.unarchive": {"src": "/var/lib/peer/big.tar", "dest": "/var/lib/peer/release", "remote_src": True}},
]


def docker(*command):
    return subprocess.run(["docker", *command], check=True, capture_output=True, text=True).stdout


def measured(folder, playbook, tasks):
    """What the modules of these tasks cost on the machine: CPU s and bytes written in all, resident KiB of the largest."""
    docker("exec", NAME, "sh", "-c", "rm -f /var/tmp/measured; mkdir -p /var/lib/models /var/lib/peer/release; sync")
    play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    (folder / "play.yml").write_text(json.dumps(play))
    hosts = {"ansible_connection": "community.docker.docker", "ansible_host": NAME, "ansible_user": "root"}
    hosts["ansible_python_interpreter"] = "/opt/measure.py"
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"machine": hosts}}}))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections")}
    done = subprocess.run([playbook, "-i", folder / "hosts.yml", folder / "play.yml"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    costs = [json.loads(line) for line in docker("exec", NAME, "cat", "/var/tmp/measured").splitlines()]
    return sum(cost["cpu"] for cost in costs), sum(cost["written"] for cost in costs), max(cost["rss"] for cost in costs)


def main(image, playbook):
    folder = Path(tempfile.mkdtemp(prefix="mlops-bench-"))
    try:
        store = _release.Store(str(folder / "store"))
        (folder / "store").mkdir()
        weights = folder / "big.safetensors"
        with open(weights, "wb") as file:
            for _mib in range(SIZE >> 20):
                file.write(os.urandom(1 << 20))
        digest = store.publish("big", "1", 1.0, large={"weights.safetensors": weights})
        with tarfile.open(folder / "store" / "big.tar", "w") as archive:
            archive.add(weights, "weights.safetensors")
        docker(*RUN, "-v", f"{folder / 'store'}:/srv/store:ro", "-v", f"{HERE / 'measure.py'}:/opt/measure.py:ro", image, "/lib/systemd/systemd")
        docker("exec", NAME, "sh", "-c", "until systemctl is-system-running 2>&1 | grep -Eq 'running|degraded'; do sleep 0.2; done")
        docker("exec", "-d", NAME, "sh", "-c", SERVE)
        rows = [(what, *measured(folder, playbook, tasks)) for what, tasks in (
            ("model_release, state staged", ours(store, digest)),
            ("get_url + unarchive", PEER),
            ("model_release, again", ours(store, digest)),
            ("get_url + unarchive, again", PEER),
        )]
    finally:
        subprocess.run(["docker", "rm", "-f", NAME], capture_output=True, check=False)
        shutil.rmtree(folder)
    print(f"# {SIZE >> 20} MiB to one host\n")
    print(f"Made by `python bench/fetch/bench.py IMAGE ANSIBLE_PLAYBOOK` on {os.cpu_count()} cores, all rows in one run;")
    print("what the modules cost on the host.\n")
    print("| what | written | CPU | resident |\n|---|---|---|---|")
    for what, cpu, written, rss in rows:
        print(f"| {what} | {written / (1 << 30):.3f} GiB | {cpu:.2f} s | {rss / 1024:.0f} MiB |")
    print(f"\nCPU of ours to the peer's: {rows[0][1] / rows[1][1]:.2f} (budget 0.6); written: {rows[0][2] / SIZE:.3f} x the package (budget 1.02).")


if __name__ == "__main__":
    main(*sys.argv[1:])
