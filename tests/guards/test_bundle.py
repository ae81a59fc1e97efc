# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bundle cannot lack what a role installs: it is read from the roles, and here the roles' text is asked once more, in another way."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
import yaml
from ansible_collections.mlops.onprem.tests.guards import tree_rules

# Modules that install; only role software uses them.
INSTALLERS = ("ansible.builtin.apt", "ansible.builtin.package", "ansible.builtin.deb822_repository", "ansible.builtin.apt_repository", "ansible.builtin.pip")

# What sets hosts up: the playbooks that a bundle is read from.
PLAYBOOKS = ("site.yml", "gitlab.yml", "lab.yml")


@pytest.fixture(scope="module")
def needs(root, tmp_path_factory):
    """What the bundle of a site with all of it takes, as the playbook reads it."""
    folder = tmp_path_factory.mktemp("needs")
    playbook = folder / "needs.yml"
    playbooks = [str(root / "playbooks" / name) for name in PLAYBOOKS]
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.copy": {
        "dest": str(folder / "needs.json"), "mode": "0600",
        "content": "{{ lookup('mlops.onprem.software_needs', *playbooks, suites=['bookworm', 'trixie'], wantlist=true) | to_json }}"}}]}]))
    given = {"playbooks": playbooks, "gitlab_version": "1", "gitlab_external_url": "https://git.example.com"}
    done = subprocess.run(["ansible-playbook", playbook, "-e", json.dumps(given)], text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
    assert done.returncode == 0, done.stdout
    return json.loads((folder / "needs.json").read_text())


def includes(tree):
    """{role: text of each of its includes of role software}"""
    found = {}
    for path, text in sorted(tree.items()):
        if match := re.match(r"roles/(\w+)/tasks/.*\.yml$", path):
            for task in re.split(r"(?m)^ *- (?=name:)", text):
                if re.search(r"(?m)^\s+name: mlops\.onprem\.software$", task) and "tasks_from:" not in task:
                    found.setdefault(match.group(1), []).append(task)
    return found


def test_every_role_that_asks_for_software_is_in_the_bundle(tree, needs):
    asking = includes(tree)
    assert {"nexus", "model_server", "prometheus"} <= set(asking)
    for role, tasks in asking.items():
        for suite in ("bookworm", "trixie"):
            mine = [need for need in needs if need["of"] == f"role {role}" and need["suite"] == suite and not need["requirements"]]
            assert len(mine) == len(tasks), f"{role}: a playbook of {PLAYBOOKS}, or one that they import, must use it, or the bundle does not know of it"


def test_every_package_that_is_named_is_in_the_bundle(tree, needs):
    """Names that stand as they are in tasks or vars of a role; the others are templates."""
    for role in includes(tree):
        packages = {name for need in needs if need["of"] == f"role {role}" for name in need["packages"]}
        named = set()
        for _path, content in tree_rules.yaml_files(tree, f"roles/{role}/tasks/", f"roles/{role}/vars/"):
            for key, value in tree_rules.walk(content):
                if key in ("software_packages", f"__{role}_packages") and isinstance(value, list):
                    named |= {name for name in value if "{" not in name}
        assert named <= packages, role


def test_all_values_are_known_without_a_host(needs):
    assert [need for need in needs if need["problem"]] == []
    texts = [text for need in needs for text in (*need["packages"], *(each["url"] for each in need["repositories"] + need["archives"]))]
    assert [text for text in texts if "{" in text] == []


def test_locks_of_wheels_are_in_the_bundle(tree, needs):
    there = {path.split("/roles/")[1] for need in needs for path in need["requirements"]}
    assert there == {path.removeprefix("roles/") for path in tree if re.match(r"roles/\w+/files/requirements.*\.txt$", path)}


def test_only_role_software_installs(tree):
    """What another task installs comes neither from a bundle nor from a mirror."""
    found = [f"{path}: {line.strip()}" for path, text in sorted(tree.items()) if re.match(r"roles/(?!software/)\w+/(tasks|handlers)/", path)
             for line in text.splitlines() if line.strip().rstrip(":") in INSTALLERS]
    assert found == []
