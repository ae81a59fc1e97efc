# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The user's own commands on the lab, in the order a user meets them: each test leaves the site as the next one finds it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request

import pytest
from ansible_collections.mlops.onprem.tests.e2e.lab import MODEL, PRODUCTION, ROOT, SERVERS
from ansible_collections.mlops.onprem.tests.e2e.load import Load

REQUESTS = 5000  # at each production host, from before a deploy to after it


def served(lab, host, model=MODEL):
    """(version, digest) that a host answers a golden request with, asked from outside."""
    golden = json.loads((lab.home / "breast_cancer" / "1" / "golden.json").read_text())
    body = json.dumps(golden["requests"][0]["request"]).encode()
    request = urllib.request.Request(f"http://{lab.address(host)}:8080/v2/models/{model}/infer", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["model_version"] == answer.headers["x-model-version"]
        return answer.headers["x-model-version"], answer.headers["x-model-digest"]


def ship(lab, model, home, version):
    """Publish folder home/version, and ship it to the hosts that serve no version of the model yet."""
    first = {"name": model, "home": str(home), "versions": [{"version": version, "arguments": ""}], "publisher": "publisher",
             "publisher_password": "{{ site_publisher_password }}", "signing_key": "{{ lab_secrets }}/signing.key"}
    return lab.playbook("first_model", site_first_model=first)


def everywhere(lab):
    """The set of versions that the hosts answer with; one element when they agree."""
    return {served(lab, host)[0] for host in SERVERS}


@pytest.fixture(name="under_load")
def fixture_under_load(lab):
    """Call with a function: runs it while every production host is asked without pause, and returns the loads after it."""
    golden = json.loads((lab.home / "breast_cancer" / "1" / "golden.json").read_text())

    def run(function):
        loads = [Load(lab.address(host), MODEL, golden["requests"][0]["request"], REQUESTS) for host in PRODUCTION]
        for load in loads:
            load.start()
        try:
            function()
        finally:
            for load in loads:
                load.enough.set()
            for load in loads:
                load.join()
        return loads

    return run


def assert_no_request_lost(loads, versions):
    """0 failed, at least REQUESTS each, both versions seen, and each answer of exactly one version."""
    for load in loads:
        assert load.failures == []
        assert len(load.answers) >= REQUESTS
        assert all(header == body for header, body, _digest in load.answers)
        assert {header for header, _body, _digest in load.answers} == versions
        assert len({(header, digest) for header, _body, digest in load.answers}) == len(versions)


@pytest.fixture(scope="module", name="first")
def fixture_first(lab):
    """The main job on a machine without a lab, saying as much as it can."""
    return lab.run("scripts/site", "-vvv", "--diff")


def test_site_from_nothing(lab, first):
    """`make site` ends 0, says where Nexus came from, shows all hosts on version 1 and what to try next."""
    assert first.code == 0
    assert re.search(r"Nexus 3\.71\.0-06 comes from (its vendor|Maven Central)", first.text)
    for host in SERVERS:
        assert re.search(rf"{host}\s+(staging|production)\s+1\s+[0-9a-f]{{8}}\s+3/3", first.text)
    assert len(re.findall(r"ansible-playbook -i \S*inventories/lab playbooks/(?:deploy|rollback)\.yml", first.text)) == 3
    assert everywhere(lab) == {"1"}


def test_no_secret_in_any_output(lab, first):
    """The run that wrote all of them, at -vvv --diff, prints no password and no private key."""
    for secret in (lab.home / "secrets").iterdir():
        if secret.suffix in (".password", ".key") or secret.name == "id_ed25519":
            lines = [line for line in secret.read_text().splitlines() if line and not line.startswith("-----")]
            assert lines and not any(line in first.text for line in lines), f"{secret.name} stands in the output"


def test_site_again_changes_nothing(lab):
    """A second run: 0 changed, and every unit keeps its MainPID."""
    pids = lab.main_pids()
    done = lab.run("scripts/site")
    assert done.code == 0
    assert done.changed_tasks() == []
    assert lab.main_pids() == pids


def from_playbooks_folder(lab):
    """site.yml beside itself, as in a checkout that nothing was installed from."""
    return lab.run("ansible-playbook", "-i", "../inventories/lab", "site.yml", cwd=ROOT / "playbooks", env={"ANSIBLE_COLLECTIONS_PATH": ""})


def from_tarball(lab, folder):
    """mlops.onprem.site of the built and installed collection, from another folder."""
    assert lab.run("ansible-galaxy", "collection", "build", "--output-path", str(folder)).code == 0
    tarball = next(folder.glob("*.tar.gz"))
    installed = {"ANSIBLE_COLLECTIONS_PATH": str(folder / "collections")}
    assert lab.run("ansible-galaxy", "collection", "install", str(tarball), "-p", str(folder / "collections"), cwd=folder, env=installed).code == 0
    inventory = folder / "collections/ansible_collections/mlops/onprem/inventories/lab"
    return lab.run("ansible-playbook", "-i", str(inventory), "mlops.onprem.site", cwd=folder, env=installed)


def test_site_repairs_exactly_what_was_broken(lab, tmp_path):
    """A stopped service, an edited file, a deleted Nexus role: the next run repairs those three, the one after changes nothing. The two runs are started
    in the two other ways there are."""
    lab.inside("production1", "systemctl", "stop", "haproxy")
    lab.inside("production2", "sh", "-c", "echo '# by hand' >>/etc/haproxy/haproxy.cfg")
    password = (lab.home / "secrets" / "nexus_admin.password").read_text().strip()
    role = "http://127.0.0.1:8081/service/rest/v1/security/roles/model-publisher"
    lab.inside("nexus1", "curl", "-sSf", "-u", f"admin:{password}", "-X", "DELETE", role)
    pids = lab.main_pids()
    done = from_playbooks_folder(lab)
    assert done.code == 0
    repaired = {re.search(r"\[(?:[\w.]+ : )?(.*?)\]", task).group(1): re.findall(r"^changed: \[(\w+)", task, re.M) for task in done.changed_tasks()}
    assert repaired == {
        "Roles": ["nexus1"],
        # Nexus takes a deleted role away from its users, so the user is repaired too.
        **({"Users": ["nexus1"]} if "Users" in repaired else {}),
        "Write HAProxy's configuration": ["production2"],
        "Reload HAProxy": ["production2"],
        "Start HAProxy": ["production1"],
    }
    after = lab.main_pids()
    assert {host for host in pids if pids[host] != after[host]} == {"production1"}
    done = from_tarball(lab, tmp_path)
    assert (done.code, done.changed_tasks()) == (0, [])
    assert lab.main_pids() == after


def test_deploy_and_rollback_lose_no_request(lab, under_load, tmp_path):
    """Version 2 everywhere, then back in one flip, under load: 0 failed requests; each answer is of one version."""
    report = tmp_path / "report.json"
    loads = under_load(lambda: lab.playbook("deploy", model=MODEL, version="2", report=str(report)))
    assert_no_request_lost(loads, {"1", "2"})
    told = json.loads(report.read_text())
    assert [host["state"] for host in told["hosts"]] == ["released"] * 4
    digest = told["package"]["digest"]
    assert {served(lab, host) for host in SERVERS} == {("2", digest)}
    # Version 2 shares most of its bytes with version 1: only the rest is sent.
    sizes = {host["host"]: host["bytes_fetched"] for host in told["hosts"]}
    assert all(size <= 0.11 * told["package"]["bytes_total"] for size in sizes.values()), sizes

    again = lab.playbook("deploy", model=MODEL, version="2", report=str(report))
    assert (again.code, again.changed_tasks()) == (0, [])
    assert [host["bytes_fetched"] for host in json.loads(report.read_text())["hosts"]] == [0] * 4

    outcome = []
    loads = under_load(lambda: outcome.append(lab.playbook("rollback", model=MODEL)))
    assert_no_request_lost(loads, {"1", "2"})
    assert outcome[0].code == 0
    assert "(cold)" not in outcome[0].text  # one flip: the slot was still warm
    assert everywhere(lab) == {"1"}


def test_second_rollback_refuses_and_names_the_way(lab):
    """There is nothing good before version 1: refused, with the option to use; nothing moves."""
    done = lab.playbook("rollback", model=MODEL)
    assert done.code != 0
    assert "-e version=" in done.text
    assert everywhere(lab) == {"1"}


def test_committed_version_survives_reload_restart_and_reboot(lab):
    """After a flip, a HAProxy reload (a second model), its restart and a reboot of the host each still serve the committed version."""
    assert lab.playbook("deploy", model=MODEL, version="2", model_release_force=True).code == 0
    assert everywhere(lab) == {"2"}
    assert ship(lab, "second", lab.home / "breast_cancer", "1").code == 0  # a new model: HAProxy is reloaded
    assert everywhere(lab) == {"2"}
    assert {served(lab, host, "second")[0] for host in SERVERS} == {"1"}
    lab.inside("production1", "systemctl", "restart", "haproxy")
    assert served(lab, "production1")[0] == "2"
    subprocess.run(["docker", "restart", "mlops-test-production2"], check=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while True:
        try:
            assert served(lab, "production2")[0] == "2"
            break
        except OSError:
            assert time.monotonic() < deadline, "production2 does not answer after its reboot"
            time.sleep(1)


def assert_refused(done, *reasons):
    """Exit not 0, and every reason stands in the output."""
    assert done.code != 0
    for reason in reasons:
        assert re.search(reason, done.text), f"{reason!r} is not in the output"


def test_bad_version_is_taken_back(lab):
    """A model that answers differently when served is found by the golden requests on staging; production is not touched."""
    before = {host: served(lab, host) for host in SERVERS}
    done = lab.playbook("deploy", model=MODEL, version="bad")
    assert_refused(done, "staging1: golden in the slot", "expected", "is not deployed")
    assert {host: served(lab, host) for host in SERVERS} == before


def test_wrong_key_and_unknown_names_move_nothing(lab, tmp_path):
    """A key that did not sign, a model and a version that are not there, a password that is wrong: each named, before anything moves."""
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "other.key"], check=True)
    other = subprocess.run(["openssl", "pkey", "-in", tmp_path / "other.key", "-pubout"], check=True, capture_output=True, text=True).stdout
    before = {host: served(lab, host) for host in SERVERS}
    assert_refused(lab.playbook("deploy", model=MODEL, version="1", model_release_public_key=other), "signature")
    assert_refused(lab.playbook("deploy", model=MODEL, version="77"), "version 77|77.*not")
    assert_refused(lab.playbook("deploy", model="nobody", version="1"), "nobody")
    refused = lab.playbook("deploy", model=MODEL, version="1", model_release_store_password="wrong-pass-word")
    assert_refused(refused, "401")
    assert "wrong-pass-word" not in refused.text
    assert {host: served(lab, host) for host in SERVERS} == before


def publish(lab, tmp_path, version, extra_bytes):
    """Publish the example's version 1 under another version, with a file of random bytes of its own."""
    folder = tmp_path / version
    shutil.copytree(lab.home / "breast_cancer" / "1", folder)
    subprocess.run(f"head -c {extra_bytes} /dev/urandom >{folder}/ballast.safetensors", shell=True, check=True)
    assert ship(lab, MODEL, tmp_path, version).code == 0


def test_corrupted_blob_in_the_store(lab, tmp_path):
    """A blob changed on Nexus' disk: its digest does not match on the host; nothing moves."""
    publish(lab, tmp_path, "3", extra_bytes=1_000_003)
    path = lab.inside("nexus1", "sh", "-c", "find /var/lib/nexus/blobs/models -name '*.bytes' -size 1000003c").split()
    assert len(path) == 1
    lab.inside("nexus1", "sh", "-c", f"printf X | dd of={path[0]} bs=1 seek=500000 conv=notrunc status=none")
    before = {host: served(lab, host) for host in SERVERS}
    assert_refused(lab.playbook("deploy", model=MODEL, version="3"), "staging1: stage", "sha256")
    assert {host: served(lab, host) for host in SERVERS} == before


def test_nexus_killed_in_mid_transfer(lab, tmp_path):
    """300 MB at 20 MB/s, Nexus killed on the way: the reason is told, the old version serves; with Nexus back the same deploy ends well."""
    size = 300_000_000
    publish(lab, tmp_path, "4", extra_bytes=size)
    before = {host: served(lab, host) for host in SERVERS}
    given = [f"model={MODEL}", "version=4", "model_release_rate_limit=20M"]
    command = ["ansible-playbook", "-i", "inventories/lab", "playbooks/deploy.yml", *(word for value in given for word in ("-e", value))]
    deploy = subprocess.Popen(command, cwd=ROOT, env=lab.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    partial = "find /var/lib/models/blobs -name '*.partial' -size +20000k"
    deadline = time.monotonic() + 120
    while not lab.inside("staging1", "sh", "-c", partial, check=False):
        assert time.monotonic() < deadline and deploy.poll() is None, "the transfer was not seen"
        time.sleep(0.2)
    lab.inside("nexus1", "systemctl", "kill", "--signal=KILL", "nexus")
    lab.inside("nexus1", "systemctl", "stop", "nexus")
    text = deploy.communicate(timeout=600)[0]
    print(text)
    assert deploy.returncode != 0
    assert re.search("staging1: stage: .*(nexus1:8443|ended|closed|short|502)", text)
    assert {host: served(lab, host) for host in SERVERS} == before

    assert_refused(lab.playbook("deploy", model=MODEL, version="4"), "502|did not answer")  # still down: said before anything moves
    lab.inside("nexus1", "systemctl", "start", "nexus")
    writable = "curl -sf http://127.0.0.1:8081/service/rest/v1/status/writable"
    lab.inside("nexus1", "sh", "-c", f"for _ in $(seq 120); do {writable} && exit 0; sleep 1; done; exit 1")
    report = tmp_path / "report.json"
    assert lab.playbook("deploy", model=MODEL, version="4", report=str(report)).code == 0
    assert everywhere(lab) == {"4"}
    fetched = {host["host"]: host["bytes_fetched"] for host in json.loads(report.read_text())["hosts"]}
    assert fetched["staging1"] < size  # what had arrived before the kill is not sent again
    assert all(fetched[host] >= size for host in PRODUCTION)


def test_unreachable_host_stops_the_run(lab):
    """A production host that is down: named, and no host is left on the new version."""
    subprocess.run(["docker", "stop", "-t", "1", "mlops-test-production3"], check=True, stdout=subprocess.DEVNULL)
    try:
        done = lab.playbook("deploy", model=MODEL, version="1", model_release_force=True)
    finally:
        subprocess.run(["docker", "start", "mlops-test-production3"], check=True, stdout=subprocess.DEVNULL)
    assert_refused(done, "production3", "unreachable")
    assert {served(lab, host)[0] for host in ("staging1", "production1", "production2")} == {"4"}
