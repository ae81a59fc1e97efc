# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user gets: the tarball built from the checkout, installed elsewhere, its documentation and playbooks read from there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile

import pytest

WANTED = {"MANIFEST.json", "FILES.json", "README.md", "LICENSE", "meta/runtime.yml", "playbooks/site.yml", "playbooks/deploy.yml", "inventories/lab/hosts.yml"}
UNWANTED = re.compile(
    r"(^|/)(\.git|\.ansible|\.cache|\.venv|__pycache__|\.pytest_cache|\.hypothesis|\.ruff_cache|collections)(/|$)|\.pyc$|\.tar\.gz$|tests/output"
)
SECRETS = re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----$", re.M)


def run(*command, **options):
    """Standard output of a command that must end well."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tarball(root, tmp_path_factory):
    """Built from the checkout itself, with everything that lies about in it."""
    folder = tmp_path_factory.mktemp("built")
    run("ansible-galaxy", "collection", "build", str(root), "--output-path", str(folder))
    (built,) = folder.glob("mlops-onprem-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def installed(tarball, tmp_path_factory):
    """(collections folder, environment in which only it counts)."""
    folder = tmp_path_factory.mktemp("installed")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder), "PYTHONPATH": ""}
    run("ansible-galaxy", "collection", "install", str(tarball), "--offline", "-p", str(folder), env=environment)
    return folder, environment


def test_tarball_holds_what_it_should(tarball):
    names = set(tarfile.open(tarball).getnames())
    assert names >= WANTED
    assert [name for name in names if UNWANTED.search(name)] == []


def test_tarball_holds_only_sources_and_no_secrets(tarball, sources):
    with tarfile.open(tarball) as archive:
        files = [member for member in archive if member.isfile()]
        assert {member.name for member in files} - set(sources) == {"MANIFEST.json", "FILES.json"}
        assert [member.name for member in files if SECRETS.search(archive.extractfile(member).read())] == []


def test_every_module_documents_itself(installed, sources, tmp_path):
    folder, environment = installed
    modules = sorted(f"mlops.onprem.{path.split('/')[-1][:-3]}" for path in sources if path.startswith("plugins/modules/") and path.endswith(".py"))
    assert modules
    listed = json.loads(run("ansible-doc", "--list", "--json", "mlops.onprem", env=environment, cwd=tmp_path))
    assert sorted(listed) == modules
    docs = json.loads(run("ansible-doc", "--json", *modules, env=environment, cwd=tmp_path))
    assert sorted(docs) == modules
    for name, texts in docs.items():
        assert texts["doc"]["filename"].startswith(str(folder)), name
        assert texts["examples"] and texts["return"], name


def test_every_role_documents_itself(installed, sources, tmp_path):
    roles = sorted({f"mlops.onprem.{path.split('/')[1]}" for path in sources if path.startswith("roles/")})
    listed = json.loads(run("ansible-doc", "--list", "--json", "-t", "role", "mlops.onprem", env=installed[1], cwd=tmp_path))
    assert sorted(listed) == roles


@pytest.mark.parametrize("name", ["site", "deploy", "rollback", "nexus", "serving"])
def test_playbook_is_found_by_its_name(installed, tmp_path, root, name):
    said = run("ansible-playbook", "-i", str(root / "inventories" / "lab"), f"mlops.onprem.{name}", "--syntax-check", env=installed[1], cwd=tmp_path)
    assert f"{installed[0]}/ansible_collections/mlops/onprem/playbooks/{name}.yml" in said
