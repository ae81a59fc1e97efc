#!/usr/bin/env python
"""Side by side on one real Nexus: our list modules and loops over ansible.builtin.uri. Counts requests in Nexus' own log, and CPU and wall.

Usage: NEXUS_PASSWORD=... python bench/nexus/bench.py URL REQUEST_LOG ANSIBLE_PLAYBOOK > bench/results/nexus.md
REQUEST_LOG is that server's log/request.log. Removes what it makes. Knows nothing of how the modules work.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

API = "/service/rest/v1"
BLOBSTORES = [{"name": f"bench-{number}", "path": f"bench-{number}"} for number in range(10)]
REPOSITORIES = [{"name": f"bench-{number}", "blob_store": f"bench-{number % 10}"} for number in range(50)]
ROLES = [
    {"id": f"bench-{number}", "name": f"Bench {number}", "description": "made by the bench", "privileges": ["nx-search-read"], "roles": []}
    for number in range(20)
]
USERS = [{"user_id": f"bench-{number}", "email": f"b{number}@example.org", "roles": [f"bench-{number}"]} for number in range(20)]


def ours(changed=False, state="present"):
    """Four tasks, a list each."""
    roles = [ROLES[0] | {"description": "changed"}, *ROLES[1:]] if changed else ROLES
    kinds = {
        "blobstores": BLOBSTORES,
        "repositories": [{"format": "raw", "type": "hosted", **repository} for repository in REPOSITORIES],
        "roles": roles,
        "users": [{"first_name": "B", "last_name": "Ench", "password": "bench-password", **user} for user in USERS],
    }
    order = kinds if state == "present" else reversed(kinds)
    return [{f"mlops.onprem.nexus_{kind}": {kind: kinds[kind], "state": state}} for kind in order]


def uri(changed=False):
    """What a role without modules does: per object a GET, and a POST or PUT where it is missing or differs."""
    roles = [ROLES[0] | {"description": "changed"}, *ROLES[1:]] if changed else ROLES
    repositories = [
        {
            "name": item["name"],
            "online": True,
            "storage": {"blobStoreName": item["blob_store"], "strictContentTypeValidation": True, "writePolicy": "allow_once"},
        }
        for item in REPOSITORIES
    ]
    users = [
        {
            "userId": item["user_id"],
            "firstName": "B",
            "lastName": "Ench",
            "emailAddress": item["email"],
            "status": "active",
            "source": "default",
            "password": "bench-password",
            "roles": item["roles"],
        }
        for item in USERS
    ]
    tasks = []
    for items, read, create, key in (
        (BLOBSTORES, "blobstores/file/{{ item.name }}", "blobstores/file", "name"),
        (repositories, "repositories/raw/hosted/{{ item.name }}", "repositories/raw/hosted", "name"),
        (roles, "security/roles/{{ item.id }}", "security/roles", "id"),
        (users, "security/users?source=default&userId={{ item.userId }}", "security/users", "userId"),
    ):
        same = (
            "(found.results[index].json is mapping) and (item.items() | rejectattr(0, 'in', ['name', 'storage', 'password']) | list | difference("
            "found.results[index].json.items() | list) | length == 0)"
        )
        there = "found.results[index].status == 200 and found.results[index].json != []"
        if key == "userId":
            same = there
        tasks += [
            {
                "name": f"Read {create}",
                "ansible.builtin.uri": {"url": f"{{{{ nexus_url }}}}{API}/{read}", "status_code": [200, 404], **LOGIN},
                "loop": items,
                "register": "found",
            },
            {
                "name": f"Make {create}",
                "ansible.builtin.uri": {
                    "url": f"{{{{ nexus_url }}}}{API}/{create}",
                    "method": "POST",
                    "body_format": "json",
                    "body": "{{ item }}",
                    "status_code": [200, 201, 204],
                    **LOGIN,
                },
                "loop": items,
                "loop_control": {"index_var": "index"},
                "when": f"not ({there})",
            },
            {
                "name": f"Change {create}",
                "ansible.builtin.uri": {
                    "url": f"{{{{ nexus_url }}}}{API}/{create}/{{{{ item.{key} }}}}",
                    "method": "PUT",
                    "body_format": "json",
                    "body": "{{ item }}",
                    "status_code": [200, 204],
                    **LOGIN,
                },
                "loop": items,
                "loop_control": {"index_var": "index"},
                "when": f"{there} and not ({same})",
            },
        ]
    return tasks


LOGIN = {"user": "admin", "password": "{{ lookup('ansible.builtin.env', 'NEXUS_PASSWORD') }}", "force_basic_auth": True}


def play(tasks, url, program, folder):
    book = Path(folder) / "bench.yml"
    book.write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "localhost",
                    "gather_facts": False,
                    "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "nexus_url": url},
                    "module_defaults": {"group/mlops.onprem.nexus": {"url": url, "username": "admin"}},
                    "tasks": tasks,
                }
            ]
        )
    )
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([program, "-i", "localhost,", "-c", "local", book], capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


INTRODUCTION = """# Nexus: 100 objects (10 blob stores, 50 raw repositories, 20 roles, 20 users)

Made by `NEXUS_PASSWORD=... python bench/nexus/bench.py URL REQUEST_LOG ANSIBLE_PLAYBOOK > bench/results/nexus.md` on one real Nexus 3.71.0-06,
both ways after each other, {cores} cores, {system}, Python {python}. Requests are counted in Nexus' own request log; CPU and wall are those of
`ansible-playbook` with all it starts. On a shared machine trust requests first, CPU second, wall last.

Our second run reads four lists, and each of the ten blob stores because its path is given. The leading collection, haxorof.sonatype_nexus, is not in
the table: Galaxy cannot be reached from where this is run.
"""


def main():
    url, log, program = sys.argv[1:]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for way, make in (("`mlops.onprem.nexus_*`", ours), ("`ansible.builtin.uri` in loops", uri)):
            for label, tasks in (("first run", make()), ("second run", make()), ("one changed", make(changed=True))):
                seen = len(Path(log).read_text().splitlines())
                cpu, wall = play(tasks, url, program, folder)
                time.sleep(1)  # the log is written a little later than the answers
                lines = Path(log).read_text().splitlines()[seen:]
                writes = sum('"GET' not in line for line in lines)
                rows.append((label, way, len(lines), writes, cpu, wall))
            play(ours(state="absent"), url, program, folder)
    print(INTRODUCTION.format(cores=os.cpu_count(), system=platform.system(), python=platform.python_version()))
    print("| | way | requests | of them writes | CPU s | wall s |\n|---|---|---:|---:|---:|---:|")
    for label, way, sent, writes, cpu, wall in sorted(rows, key=lambda row: ["first run", "second run", "one changed"].index(row[0])):
        print(f"| {label} | {way} | {sent} | {writes} | {cpu:.1f} | {wall:.1f} |")


if __name__ == "__main__":
    main()
