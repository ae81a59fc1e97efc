# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role software leaves on a machine, connected or with nothing but a mirror, and what it refuses. Knows the packages that make-mirror.sh makes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import testinfra

LAB = os.environ.get("MLOPS_LAB", "molecule")
SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
STATE = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
FILES = STATE / "mlops-onprem" / LAB / "files"
HOME, LISTS = "/etc/mlops-onprem/mirror", "/var/lib/mlops-onprem/mirror/lists"
PASSWORD = "op#en:sesame"
LOGIN = {"software_mirror_username": "reader", "software_mirror_password": PASSWORD}
ARCHIVE = {"archive": "tool-1.0.tar", "url": "http://nowhere.invalid/tool-1.0.tar", "folder": "tool-1.0",
           "checksum": "sha256:f6fcc81c5ee8dbb201b2e4736b33f6ee830500dcfe5defaa1c815bbd1990ac7b"}


@pytest.fixture(scope="module")
def mirrored():
    """The machine that is cut off."""
    return testinfra.get_host(f"docker://mlops-{LAB}-mirrored1")


@pytest.fixture(scope="module")
def suite(mirrored):
    return re.search(r"^VERSION_CODENAME=(.+)$", mirrored.file("/etc/os-release").content_string, re.M).group(1)


@pytest.fixture(scope="module")
def by_file(suite):
    return {"software_mirror": "file:///srv/files/mirror", "software_mirror_key": (FILES / "mirror" / "apt" / suite / "key.asc").read_text()}


@pytest.fixture(scope="module")
def by_https(by_file):
    return by_file | LOGIN | {"software_mirror": "https://localhost:8443", "software_mirror_ca": (FILES / "tls.crt").read_text()}


@pytest.fixture(name="again")
def fixture_again(tmp_path):
    """Run the role with variables on a machine: (exit code, number of changes, output)."""

    def run(machine, *options, **variables):
        given = tmp_path / "given.json"
        given.write_text(json.dumps({"molecule_host": machine, **variables}))
        done = subprocess.run(["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], SCENARIO / "again.yml", "-e", f"@{given}", *options],
                              text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
        print(done.stdout)
        assert "Traceback" not in done.stdout
        changed = re.search(r"^\S+ +: ok=\d+ +changed=(\d+)", done.stdout, re.M)
        return done.returncode, changed and int(changed.group(1)), done.stdout

    return run


def asked(host):
    """What the https mirror was asked since the last call."""
    lines = host.check_output("cat /var/log/mirror.log 2>/dev/null || true; rm -f /var/log/mirror.log").splitlines()
    return [line for line in lines if not line.startswith("401")]


# --- connected


def test_packages_of_debian_and_of_a_vendor_are_installed(host):
    assert host.package("tree").is_installed
    assert host.check_output("vendor-tool") == "vendor-tool 2.0"


def test_archive_is_unpacked_whole_and_owned_by_root(host, mirrored):
    for machine in (host, mirrored):
        tool = machine.file("/opt/tool-1.0/bin/tool")
        assert (tool.user, tool.group, tool.mode) == ("root", "root", 0o755)
        assert machine.check_output("/opt/tool-1.0/bin/tool") == "tool 1.0"
        assert machine.check_output("ls -A /opt") == "tool-1.0"


def test_another_content_is_refused_and_nothing_is_installed(host, again):
    wrong = ARCHIVE | {"dest": "/opt/tool-refused", "checksum": ARCHIVE["checksum"][:-1] + "c"}
    code, _changed, text = again("software1", software_mirror="file:///srv/files/mirror", software_archives=[wrong])
    assert code == 2 and "checksum" in text.lower()
    assert not host.file("/opt/tool-refused").exists
    host.check_output("rm -rf /opt/tool-refused.new")


def test_a_vendors_repository_with_another_key_is_refused(host, again, suite):
    repository = {"name": "other", "url": f"file:///srv/files/mirror/apt/{suite}", "suite": "./", "key": (FILES / "vendor" / "key.asc").read_text()}
    try:
        code, _changed, text = again("software1", software_packages=["tree"], software_repositories=[repository])
        assert code == 2
        assert "file:/srv/files/mirror/apt" in text and "is not signed" in text
    finally:
        host.check_output("rm -f /etc/apt/sources.list.d/other.sources /etc/apt/keyrings/other.asc")


def test_a_run_killed_before_it_read_the_repository_is_repaired(host, again):
    repository = {"name": "vendor", "url": "file:///srv/files/vendor", "suite": "./", "key": (FILES / "vendor" / "key.asc").read_text()}
    # As after a kill between the source and its lists: the package, and what apt knows of the repository, are not there.
    host.check_output("dpkg --purge vendor-tool && rm /var/lib/apt/lists/*srv_files_vendor* && touch /etc/apt/sources.list.d/vendor.sources")
    code, _changed, _text = again("software1", software_packages=["vendor-tool"], software_repositories=[repository])
    assert code == 0
    assert host.check_output("vendor-tool") == "vendor-tool 2.0"


# --- with nothing but a mirror


def test_it_has_no_network(mirrored):
    assert mirrored.check_output("ip -brief -4 address | cut -d' ' -f1") == "lo"


def test_a_package_and_what_it_needs_come_from_the_folder(mirrored):
    assert mirrored.check_output("mirrored-tool") == "mirrored-tool 1:1.0"
    assert mirrored.check_output("mirrored-library") == "mirrored-library 1.0"


def test_the_sources_of_the_host_are_as_they_were(host, mirrored):
    """Both machines come from one image."""
    found = {machine.check_output("find /etc/apt -type f ! -name 'vendor.*' -exec sha256sum {} + | sort") for machine in (host, mirrored)}
    assert len(found) == 1
    assert not mirrored.file("/etc/apt/sources.list.d/vendor.sources").exists, "vendors' repositories are not asked where there is a mirror"
    assert mirrored.run("ls /var/lib/apt/lists | grep mirror").stdout == ""


def test_a_package_that_is_not_there_is_named_with_the_mirror(again, by_file, suite):
    code, _changed, text = again("mirrored1", **by_file, software_packages=["mirrored-tool", "no-such-tool"])
    assert code == 2
    told = " ".join(text.split())
    assert f"cannot come from file:///srv/files/mirror/apt/{suite}" in told and "No package matching 'no-such-tool' is available" in told


@pytest.mark.parametrize(("wrong", "said"), [
    ({"software_mirror": ""}, ["software_mirror is empty"]),
    ({"software_mirror": "/srv/files/mirror", "software_mirror_key": "-----BEGIN PGP PRIVATE KEY BLOCK-----", "software_mirror_ca": "/etc/ca.crt",
      "software_mirror_username": "reader"},
     ["right would be file:///a/folder", "software_mirror_key is no public key", "software_mirror_ca is no certificate", "one is empty and the other is not"]),
    ({"software_mirror_username": "reader", "software_mirror_password": "two words"}, ["neither may hold white space", "a login is for https:// only"]),
])
def test_bad_input_is_refused_before_anything_is_changed(again, by_file, wrong, said):
    code, changed, text = again("mirrored1", **{**by_file, "software_packages": ["late-tool"], **wrong})
    assert (code, changed) == (2, 0)
    told = " ".join(text.split())
    assert [problem for problem in said if problem not in told] == []
    assert "two words" not in told


def test_another_key_is_refused(mirrored, again, by_file):
    code, _changed, text = again("mirrored1", **{**by_file, "software_mirror_key": (FILES / "vendor" / "key.asc").read_text()}, software_packages=["late-tool"])
    assert code == 2 and "NO_PUBKEY" in text
    assert not mirrored.package("late-tool").is_installed


def test_a_list_that_was_tampered_with_is_refused(mirrored, again, by_file, suite):
    packages = f"/srv/files/mirror/apt/{suite}/Packages"
    mirrored.check_output(f"cp {packages} /srv/Packages && sed -i 's/made by the tests/made by others/' {packages} && rm -rf {LISTS}/*")
    try:
        code, _changed, text = again("mirrored1", **by_file, software_packages=["late-tool"])
    finally:
        mirrored.check_output(f"mv /srv/Packages {packages}")
    assert code == 2 and re.search("Hash Sum mismatch|unexpected size", text)
    assert not mirrored.package("late-tool").is_installed


def test_a_package_that_was_tampered_with_is_refused(mirrored, again, by_file, suite):
    package = f"/srv/files/mirror/apt/{suite}/spoiled-tool_1.0_all.deb"
    mirrored.check_output(f"sed -i s/spoiled-tool/spoilt-tool!/ {package}")
    code, _changed, text = again("mirrored1", **by_file, software_packages=["spoiled-tool"])
    assert code == 2 and re.search("Hash Sum mismatch|unexpected size|Hashes", text)
    assert not mirrored.package("spoiled-tool").is_installed


def test_a_run_killed_before_it_read_the_mirror_is_repaired(mirrored, again, by_file):
    mirrored.check_output(f"rm -rf {LISTS}/* {LISTS}/../*.bin")
    assert again("mirrored1", **by_file, software_packages=["late-tool"])[0] == 0
    assert mirrored.check_output("late-tool") == "late-tool 1.0"


def test_a_check_where_nothing_is_known_yet_gives_a_plan(mirrored, again, by_file):
    mirrored.check_output(f"rm -rf {HOME} {LISTS}")
    code, changed, _text = again("mirrored1", "--check", "--diff", **by_file, software_packages=["served-tool"])
    assert code == 0 and changed
    assert not mirrored.file(HOME).exists


def test_packages_and_archives_come_by_https_with_a_login(mirrored, again, by_https):
    asked(mirrored)
    given = by_https | {"software_packages": ["served-tool"], "software_archives": [ARCHIVE | {"dest": "/opt/served-1.0"}]}
    code, _changed, text = again("mirrored1", "-vvv", "--diff", **given)
    assert code == 0
    assert PASSWORD not in text
    assert mirrored.check_output("served-tool") == "served-tool 1.0"
    assert [line for line in asked(mirrored) if "served-tool" in line] and mirrored.file("/opt/served-1.0/bin/tool").exists
    login = mirrored.file(f"{HOME}/auth.conf")
    assert (login.user, login.mode) == ("root", 0o600)
    assert again("mirrored1", **given)[:2] == (0, 0)
    assert asked(mirrored) == [], "what is there costs the mirror no request"
    mirrored.check_output("rm -r /opt/served-1.0")


def test_another_password_is_refused_and_told_to_nobody(mirrored, again, by_https):
    mirrored.check_output("dpkg --purge served-tool")
    code, _changed, text = again("mirrored1", "-vvv", "--diff", **{**by_https, "software_mirror_password": "other-sesame"}, software_packages=["served-tool"])
    assert code == 2 and "401" in text
    assert "other-sesame" not in text
    assert not mirrored.package("served-tool").is_installed


def test_a_certificate_of_another_ca_is_refused(mirrored, again, by_https):
    code, _changed, text = again("mirrored1", **{**by_https, "software_mirror_ca": ""}, software_packages=["served-tool"])
    assert code == 2 and "ertificate" in text
    assert not mirrored.package("served-tool").is_installed
