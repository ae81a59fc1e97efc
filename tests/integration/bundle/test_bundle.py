# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""playbooks/bundle.yml for real, with a small site: real packages with all they need, wheels of the index, and what stands for vendors in folders.

It asserts what is in the bundle and how many files a run fetches; what the roles of the collection need is not known here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SIGN = ROOT / "playbooks" / "files" / "apt-repository.sh"
APT = "apt/bookworm"


def run(*command, **options):
    """A command to its end; what it says goes to the test's output."""
    done = subprocess.run(command, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, **options)
    print(done.stdout)
    return done


def package(folder, name, depends):
    """A package of a vendor."""
    (folder / "tree" / "DEBIAN").mkdir(parents=True)
    (folder / "tree" / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: 1:2.0\nArchitecture: all\nMaintainer: tests <tests@localhost>\nDepends: {depends}\nDescription: made by the tests\n")
    (folder / "repository").mkdir()
    assert run("dpkg-deb", "--root-owner-group", "--build", folder / "tree", folder / "repository").returncode == 0
    assert run(SIGN, folder / "repository", folder / "keys").returncode == 0
    return folder / "repository"


def plugin(folder, name, *needs):
    """A file that stands for a plugin, and its entry in the update centre."""
    file = folder / f"{name}.hpi"
    file.write_text(f"stands for plugin {name}\n")
    return {"name": name, "version": "1.0", "requiredCore": "2.440", "url": file.as_uri(), "sha256": base64.b64encode(
        hashlib.sha256(file.read_bytes()).digest()).decode(), "dependencies": [{"name": need, "optional": False, "version": "1.0"} for need in needs]}


class Site:
    """A small site, what it asks for, and its bundle."""

    def __init__(self, folder):
        self.folder, self.bundle = folder, folder / "bundle"
        (folder / "vendor").mkdir()
        repository = package(folder / "vendor", "vendor-tool", "tree")
        archive = folder / "tool-1.0.tar"
        archive.write_bytes(b"an archive")
        lock = re.search(r"(?m)^idna==(?:.*\\\n)+.*\n", (ROOT / "requirements" / "controller.txt").read_text()).group()
        (folder / "wheels.txt").write_text(lock)
        plugins = [plugin(folder, "wanted", "needed"), plugin(folder, "needed")]
        (folder / "update-center.json").write_text(json.dumps({"plugins": {each["name"]: each for each in plugins}}))
        self.playbook = folder / "site.yml"
        self.wants = {
            "software_packages": ["tree", "vendor-tool=1:2.0"],
            "software_repositories": [{"name": "vendor", "url": repository.as_uri(), "suite": "./", "key": (repository / "key.asc").read_text()}],
            "software_archives": [{"archive": "tool-1.0.tar", "url": archive.as_uri(), "folder": "tool-1.0", "dest": "/opt/tool-1.0",
                                   "checksum": f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"}],
        }
        self.variables = {"bundle": str(self.bundle), "bundle_playbooks": [str(self.playbook)], "bundle_keys": str(folder / "keys"),
                          "bundle_requirements": {"controller": str(folder / "wheels.txt")}, "bundle_jenkins_plugins": ["wanted"],
                          "bundle_update_centre": str(folder / "update-center.json")}

    def command(self, **more):
        self.playbook.write_text(yaml.safe_dump([{"hosts": "all", "roles": [{"role": "mlops.onprem.software", **self.wants}]}]))
        (self.folder / "given.json").write_text(json.dumps(self.variables | more))
        return ["ansible-playbook", str(ROOT / "playbooks" / "bundle.yml"), "-e", f"@{self.folder / 'given.json'}"]

    def build(self, **more):
        """(exit code, output, files fetched, files removed)"""
        done = run(*self.command(**more))
        counts = re.search(r"fetched (\d+), removed (\d+)", done.stdout)
        return done.returncode, " ".join(done.stdout.split()), *(map(int, counts.groups()) if counts else (None, None))

    def verify(self):
        done = run(*self.command(bundle_state="verified"))
        return done.returncode, done.stdout

    def lock(self):
        return json.loads((self.bundle / "bundle.lock.json").read_text())

    def files(self, start=""):
        return {path for path in self.lock()["files"] if path.startswith(start)}

    def package(self, name):
        (found,) = self.bundle.glob(f"{APT}/{name}_*.deb")
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site whose bundle has been built once."""
    made = Site(tmp_path_factory.mktemp("site"))
    code, _text, fetched, removed = made.build(bundle_tar=True)
    assert (code, removed) == (0, 0)
    assert fetched > 5
    return made


def test_it_has_all_of_every_kind(site):
    files = site.files()
    assert {"tool-1.0.tar", "jenkins-plugins/wanted/1.0/wanted.hpi", "jenkins-plugins/needed/1.0/needed.hpi", "jenkins-plugins/plugins.json",
            f"{APT}/InRelease", f"{APT}/key.asc", f"{APT}/vendor-tool_2.0_all.deb", "keys/vendor.asc", "bundle-verify", "variables.json"} <= files
    names = {path.rpartition("/")[2].partition("_")[0] for path in site.files(APT)}
    assert {"tree", "python3-apt", "libc6", "libpython3-stdlib"} <= names
    assert any(re.fullmatch(r"wheels/controller-3\.11/idna-.*\.whl", path) for path in files)
    assert any(re.fullmatch(r"mlops-onprem-.*\.tar\.gz", path) for path in files)
    about = site.lock()["files"]["tool-1.0.tar"]
    assert about == {"size": 10, "sha256": hashlib.sha256(b"an archive").hexdigest(), "from": (site.folder / "tool-1.0.tar").as_uri()}
    pins = json.loads((site.bundle / "jenkins-plugins" / "plugins.json").read_text())["plugins"]
    assert [pin["name"] for pin in pins] == ["needed", "wanted"]
    assert json.loads((site.bundle / "variables.json").read_text())["software_mirror_key"] == (site.bundle / APT / "key.asc").read_text()
    assert not list(site.bundle.rglob("*private*")), "the key's private half stays on the machine"


def test_a_system_with_nothing_lacks_no_dependency(site, tmp_path):
    """apt, told of this repository only and of a system without any package, plans a whole installation, and takes the signature."""
    for folder in ("lists/partial", "cache/archives/partial", "parts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "status").touch()
    (tmp_path / "bundle.sources").write_text(f"Types: deb\nURIs: {(site.bundle / APT).as_uri()}\nSuites: ./\nSigned-By: {site.bundle / APT / 'key.asc'}\n")
    options = {"Dir::Etc::sourcelist": "bundle.sources", "Dir::Etc::sourceparts": "parts", "Dir::State::lists": "lists", "Dir::State::status": "status",
               "Dir::Cache": "cache", "Dir::Etc::preferencesparts": "parts"}
    apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"] + [word for key, value in options.items() for word in ("-o", f"{key}={tmp_path / value}")]
    assert run(*apt, "--error-on=any", "update").returncode == 0
    done = run(*apt, "--simulate", "--no-install-recommends", "install", "tree", "vendor-tool=1:2.0", "python3-apt")
    assert done.returncode == 0
    assert "Inst vendor-tool (1:2.0" in done.stdout


def test_one_file_for_the_way(site, tmp_path):
    assert run("tar", "-xf", f"{site.bundle}.tar", "-C", tmp_path).returncode == 0
    assert run(tmp_path / "bundle" / "bundle-verify").returncode == 0


def test_a_second_run_fetches_nothing_and_leaves_lock_file_and_tar(site):
    made = [site.bundle / "bundle.lock.json", Path(f"{site.bundle}.tar")]
    before = [path.stat().st_mtime_ns for path in made]
    # The collection itself may be worked on while its tests run: its tarball is the one file that may be new.
    code, _text, fetched, removed = site.build(bundle_tar=True)
    assert (code, removed) == (0, 0) and fetched <= 1
    if fetched == 0:
        assert [path.stat().st_mtime_ns for path in made] == before


def test_it_verifies_itself_by_python_alone(site):
    assert site.verify()[0] == 0
    done = run("/usr/bin/python3", "-I", site.bundle / "bundle-verify")
    assert done.returncode == 0
    assert "files are as bundle.lock.json says" in done.stdout


def test_missing_changed_and_unknown_files_are_named_and_the_next_run_repairs_them(site):
    site.package("tree").unlink()
    changed = site.bundle / "tool-1.0.tar"
    changed.write_bytes(b"an Archive")
    (site.bundle / APT / "stranger.deb").write_bytes(b"")
    (site.bundle / "jenkins-plugins" / "wanted" / "1.0" / "wanted.hpi").unlink()
    code, text = site.verify()
    assert code == 2
    for fault in (f"missing: {APT}/tree_", "changed: tool-1.0.tar has another sha256", f"unknown: {APT}/stranger.deb", "missing: jenkins-plugins/wanted/1.0/"):
        assert fault in text
    done = run(site.bundle / "bundle-verify")
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 4
    code, _text, fetched, removed = site.build()
    # The stranger goes with the packages that are no longer wanted, before the lock file is written.
    assert code == 0 and fetched - 3 in (0, 1)
    assert not (site.bundle / APT / "stranger.deb").exists()
    assert site.verify()[0] == 0


def test_what_is_no_longer_wanted_goes(site):
    wants = dict(site.wants)
    try:
        site.wants = {"software_packages": ["tree"]}
        code, _text, fetched, _removed = site.build(bundle_jenkins_plugins=[])
        assert code == 0 and fetched in (0, 1)
        assert not site.files("tool") and not site.files("jenkins-plugins") and not site.files("keys") and not site.files(f"{APT}/vendor-tool")
        assert not (site.bundle / "jenkins-plugins").exists() and not list(site.bundle.glob(f"{APT}/vendor-tool*"))
        assert site.verify()[0] == 0
    finally:
        site.wants = wants


def test_what_cannot_be_had_is_named_with_its_reason(site):
    wants = site.wants
    try:
        site.wants = wants | {
            "software_packages": ["tree", "no-such-package", "gone-tool"],
            "software_repositories": [{"name": "gone", "url": "file:///no/such/repository", "suite": "./", "key": wants["software_repositories"][0]["key"]}],
            "software_archives": [wants["software_archives"][0] | {"checksum": f"sha256:{'0' * 64}"}],
        }
        code, text, _fetched, _removed = site.build(bundle_update_centre="/no/such/update-center.json")
        assert code == 2
        assert "5 missing; the rest is there" in text
        for what in ("repository gone (bookworm) for playbook site.yml: ", "package no-such-package (bookworm) for playbook site.yml: its repository file:",
                     "package gone-tool (bookworm) for", "archive tool-1.0.tar for playbook site.yml: file://", "sha256 is ",
                     "update centre /no/such/update-center.json for role jenkins: "):
            assert what in text, what
        assert [each["what"] for each in site.lock()["missing"]] == [
            "archive tool-1.0.tar", "package gone-tool (bookworm)", "package no-such-package (bookworm)", "repository gone (bookworm)",
            "update centre /no/such/update-center.json"]
        assert f"{APT}/{site.package('tree').name}" in site.files(), "what can be had is there"
        assert site.build(bundle_allow_missing=True, bundle_update_centre="/no/such/update-center.json")[0] == 0
    finally:
        site.wants = wants
        assert site.build()[0] == 0
        assert site.lock()["missing"] == []


def test_a_killed_run_is_repaired(site):
    for path in site.bundle.glob(f"{APT}/*.deb"):
        path.unlink()
    (site.bundle / "bundle.lock.json").unlink()
    process = subprocess.Popen(site.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 300
    while not list((site.bundle / ".partial").glob("*/*.deb")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    code, text = site.verify()
    assert code == 2 and "bundle.lock.json is missing" in text
    assert site.build()[0] == 0
    assert site.verify()[0] == 0
    assert not (site.bundle / ".partial").exists()


def test_a_folder_that_is_no_bundle_is_left_alone(site, tmp_path):
    (tmp_path / "letters").write_text("mine")
    code, text, _fetched, _removed = site.build(bundle=str(tmp_path))
    assert code == 2 and "is not empty and no bundle" in text
    assert (tmp_path / "letters").read_text() == "mine"


@pytest.mark.parametrize(("given", "said"), [
    ({"bundle": "relative/path"}, "right would be -e bundle= and the absolute path"),
    ({"bundle_state": "sold"}, "bundle_state is sold; right would be built or verified"),
    ({"bundle_suites": ["hamm"]}, "bundle_suites has hamm; right would be bookworm, trixie"),
])
def test_bad_input_is_refused(site, given, said):
    code, text, _fetched, _removed = site.build(**given)
    assert code == 2 and said in text
