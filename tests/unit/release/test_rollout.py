"""Releases on a host with real files, sockets and HAProxy: each state, its repetition, its failures and what a killed run leaves."""

import fcntl
import json
import os

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError


def tree(folder):
    """Every path below folder with its inode, size and mtime: what a run without writes leaves alone."""
    found = {}
    for base, dirs, files in os.walk(folder):
        for name in dirs + files:
            status = os.lstat(os.path.join(base, name))
            found[os.path.join(base, name)] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def test_a_release_ends_with_a_service_that_answers_and_a_second_run_writes_nothing(site):
    digest = site.store.publish("wine", "1", 3.0)
    results = site.release("1", digest)
    assert [result["changed"] for result in results] == [True] * 4
    assert results[0]["blobs_fetched"] == 3 and results[0]["bytes_fetched"] == results[0]["bytes_total"] == results[0]["bytes_missing"]
    assert site.ask() == "1"
    before = tree(site.layout.root), tree(site.layout.haproxy), tree(site.layout.slots)
    again = site.release("1", digest)
    assert [result["changed"] for result in again] == [False] * 4, [result["steps"] for result in again]
    assert again[0]["bytes_fetched"] == 0 and again[0]["blobs_reused"] == 3
    assert (tree(site.layout.root), tree(site.layout.haproxy), tree(site.layout.slots)) == before


def test_two_versions_and_back_again(site):
    first, second = (site.store.publish("wine", version, factor) for version, factor in (("1", 3.0), ("2", 4.0)))
    site.release("1", first)
    staged = site.call("staged", "2", second)
    assert staged["bytes_fetched"] < staged["bytes_total"] and staged["blobs_reused"] == 1
    assert site.call("started", "2", second)["slot"] == "b" and site.ask() == "1"
    site.call("switched", "2", second)
    assert site.ask() == "2"
    assert "wine model_wine_a" in open(site.layout.map, encoding="ascii").read()
    site.call("committed", "2", second)
    assert open(site.layout.map, encoding="ascii").read() == "wine model_wine_b\n"
    back = site.call("rolled_back", reason="too slow")
    assert back["cold"] is False and back["active"]["version"] == "1" and site.ask() == "1"
    assert back["bad"] == {second: "too slow"}
    with pytest.raises(MlopsError, match="-e version=.*2 .bad."):
        site.call("rolled_back")
    with pytest.raises(MlopsError, match="marked bad on this host .too slow."):
        site.call("staged", "2", second)
    again = site.call("rolled_back", "2")
    assert again["active"]["version"] == "2" and site.ask() == "2" and second not in again["bad"]
    history = [json.loads(line) for line in open(f"{site.layout.root}/wine/history.jsonl", encoding="utf-8")]
    assert [line["event"] for line in history] == ["commit", "commit", "rollback", "rollback"]


def test_a_reload_and_a_restart_of_haproxy_serve_the_committed_version(site):
    for version, factor in (("1", 3.0), ("2", 4.0)):
        digest = site.store.publish("wine", version, factor)
        site.release(version, digest)
    other = site.store.publish("beer", "7", 1.0)
    site.release("7", other, model="beer")  # a new model makes HAProxy read its files again
    assert (site.ask(), site.ask("beer")) == ("2", "7")
    site.stop_haproxy()
    site.start_haproxy()
    assert (site.ask(), site.ask("beer")) == ("2", "7")


def test_a_reload_between_switch_and_commit_is_made_good_by_the_commit(site):
    site.release("1", site.store.publish("wine", "1", 3.0))
    second = site.store.publish("wine", "2", 4.0)
    for state in ("staged", "started", "switched"):
        site.call(state, "2", second)
    site.release("7", site.store.publish("beer", "7", 1.0), model="beer")
    assert site.ask() == "1"
    site.call("committed", "2", second)
    assert site.ask() == "2"


def settled(site):
    """The next call of a whole release changes nothing: files, units and HAProxy are as the state says."""
    state, facts = site.host().state(), site.host().facts()
    assert facts.serving == state.slot and facts.links == state.links and facts.enabled == {state.slot}
    assert facts.recorded == state.event["serial"]
    assert facts.answering[state.slot] == state.digest(state.active)


@pytest.mark.parametrize("killed", ["staged", "started", "switched", "committed"])
def test_a_run_killed_before_any_step_leaves_a_version_serving_and_the_next_run_finishes(site, killed):
    site.release("0", site.store.publish("wine", "0", 2.0))
    points = 0
    for version in range(1, 20):
        digest = site.store.publish("wine", str(version), float(version))
        for state in ("staged", "started", "switched", "committed"):
            if state == killed:
                break
            site.call(state, str(version), digest, keep=1)
        if not site.dies(version - 1, killed, str(version), digest, keep=1):
            break
        points += 1
        assert site.ask() in (str(version - 1), str(version))
        site.release(str(version), digest, keep=1)
        assert site.ask() == str(version)
        settled(site)
    assert points >= {"staged": 4, "started": 5, "switched": 1, "committed": 10}[killed]


def test_a_rollback_killed_before_any_step_leaves_a_version_serving_and_is_repeated(site):
    digests = [site.store.publish("wine", str(version), float(version)) for version in range(1, 3)]
    points = 0
    for point in range(30):
        for version, digest in enumerate(digests, 1):
            site.release(str(version), digest, force=True)
        site.host().stop(site.host().state().idle)  # a cold one has more steps
        if not site.dies(point, "rolled_back", digest=digests[1]):
            break
        points += 1
        assert site.ask() in ("1", "2")
        site.call("rolled_back", digest=digests[1])
        assert site.ask() == "1"
        settled(site)
    assert points >= 12


def served_by_one(site):
    site.release("1", site.store.publish("wine", "1", 3.0))


def damage(site, version, kind):
    """Spoils a published package in the store."""
    folder = f"{site.store.folder}/wine"
    with open(f"{folder}/manifests/{version}", "rb") as file:
        raw = file.read()
    if kind == "manifest":
        site.store.put(f"wine/manifests/{version}", raw + b" ")
    elif kind == "signature":
        site.store.put(f"wine/manifests/{version}.sig", bytes(64))
    elif kind == "unsigned":
        os.unlink(f"{folder}/manifests/{version}.sig")
    else:
        blob = next(layer for layer in json.loads(raw)["layers"] if layer["annotations"]["org.cncf.model.filepath"] == "model.onnx")
        content = {"blob": b"9.9", "short blob": b"9", "missing blob": None}[kind]
        os.unlink(f"{folder}/blobs/{blob['digest']}")
        if content:
            site.store.put(f"wine/blobs/{blob['digest']}", content)


@pytest.mark.parametrize(
    "kind, message",
    [
        ("manifest", "has digest sha256:.*, asked for was sha256:"),
        ("signature", "signature of wine 2 does not match the public key"),
        ("unsigned", "the signature of wine 2 is not in the store"),
        ("blob", "content has sha256 .*, the manifest says"),
        ("short blob", "the store has 1 bytes, the manifest says 3"),
        ("missing blob", "answered 404"),
    ],
)
def test_a_damaged_package_is_refused_and_the_old_version_serves(site, kind, message):
    served_by_one(site)
    digest = site.store.publish("wine", "2", 4.0)
    damage(site, "2", kind)
    before = site.host().state()
    with pytest.raises(MlopsError, match=message):
        site.call("staged", "2", digest)
    assert site.ask() == "1" and site.host().state() == before
    digest = site.store.publish("wine", "2", 4.0)
    site.release("2", digest)
    assert site.ask() == "2"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"digest": "sha256:" + 64 * "0"}, "asked for was sha256:000"),
        ({"digest": "sha256:12"}, "sha256:12"),
        ({"version": "9"}, "version 9 of model wine is not in the store"),
        ({"public_key": None}, "public_key is missing"),
        ({"memory_max": 1 << 50}, "lower memory_max"),
        ({"model": "blobs"}, "'blobs'"),
        ({"model": "../wine"}, "'../wine'"),
        ({"store": "ftp://nowhere"}, "ftp://nowhere"),
        ({"store": "https://user:secret@nowhere"}, "must not carry a password"),
        ({"store": "http://127.0.0.1:1"}, "did not answer: Connection refused"),
    ],
)
def test_bad_input_is_refused_before_anything_moves(site, change, message):
    digest = site.store.publish("wine", "1", 3.0)
    with pytest.raises(MlopsError, match=message):
        site.call("staged", **{"version": "1", "digest": digest, **change})
    assert os.listdir(site.layout.root) == []


def test_a_key_of_another_is_refused(site):
    other = type(site.store)(f"{site.folder}/other")
    digest = site.store.publish("wine", "1", 3.0)
    with pytest.raises(MlopsError, match="signature of wine 1 does not match the public key"):
        site.call("staged", "1", digest, public_key=other.public_key)
    with pytest.raises(MlopsError, match="does not match the public key"):
        site.call("staged", "1", digest, public_key="no key at all")


def test_a_signed_manifest_of_another_name_is_refused(site):
    digest = site.store.publish("wine", "1", 3.0, name="beer")
    with pytest.raises(MlopsError, match="'beer'"):
        site.call("staged", "1", digest)


def test_a_full_disk_is_refused_before_the_first_byte(site):
    os.system(f"mount -t tmpfs -o size=1m tmpfs {site.layout.root}")
    try:
        digest = site.store.publish("wine", "1", 3.0, extra={"data.txt": "x" * (2 << 20)})
        with pytest.raises(MlopsError, match=r"bytes free, the release needs 2\d{6}: make room"):
            site.call("staged", "1", digest)
        assert os.listdir(site.layout.root) == []
    finally:
        os.system(f"umount {site.layout.root}")


def test_check_mode_tells_everything_and_writes_nothing(site):
    served_by_one(site)
    digest = site.store.publish("wine", "2", 4.0)
    before = tree(site.folder)
    results = [site.call(state, "2", digest, check_mode=True) for state in ("staged", "started", "switched", "committed")]
    assert [result["changed"] for result in results] == [True] * 4
    assert results[0]["bytes_missing"] > 0 and results[0]["bytes_fetched"] == 0
    assert any("MODEL_VERSION=2" in entry["after"] for entry in results[1]["diff"])
    assert results[3]["active"]["version"] == "2"
    assert site.call("rolled_back", check_mode=True, version="1")["changed"] is False
    assert site.call("absent", check_mode=True)["changed"] is True
    assert tree(site.folder) == before and site.ask() == "1"


def test_a_step_before_its_turn_is_refused(site):
    served_by_one(site)
    digest = site.store.publish("wine", "2", 4.0)
    for state in ("started", "switched", "committed"):
        with pytest.raises(MlopsError, match="not staged on this host"):
            site.call(state, "2", digest)
    site.call("staged", "2", digest)
    for state in ("switched", "committed"):
        with pytest.raises(MlopsError, match="must be started there first"):
            site.call(state, "2", digest)
    assert site.ask() == "1"


def test_a_server_that_does_not_start_is_told_with_its_last_words(site):
    served_by_one(site)
    digest = site.store.publish("wine", "2", "no number", expected=1.0)
    site.call("staged", "2", digest)
    with pytest.raises(MlopsError, match="model-server@wine-b.service failed; its last words: .*no number"):
        site.call("started", "2", digest)
    assert site.call("rolled_back", reason="does not start")["active"]["version"] == "1" and site.ask() == "1"


def test_a_file_that_changed_on_the_host_is_found_by_its_stamp_and_fetched_again(site):
    digest = site.store.publish("wine", "1", 3.0)
    site.release("1", digest)
    path = f"{site.host().layout.release('wine', site.host().state().active)}/model.onnx"
    os.chmod(path, 0o644)
    with open(path, "w", encoding="ascii") as file:
        file.write("9.9")
    again = site.call("staged", "1", digest)
    assert again["changed"] and again["blobs_fetched"] == 1
    assert open(path, encoding="ascii").read() == "3.0"


def test_a_damaged_release_is_not_started_for_a_rollback(site):
    served_by_one(site)
    path = f"{site.layout.release('wine', site.host().state().active)}/model.onnx"
    site.release("2", site.store.publish("wine", "2", 4.0))
    site.host().stop("a")
    os.unlink(path)
    with pytest.raises(MlopsError, match="is damaged on this host .model.onnx.: deploy it again"):
        site.call("rolled_back")
    assert site.ask() == "2"


def test_a_stranger_in_a_release_folder_goes(site):
    digest = site.store.publish("wine", "1", 3.0)
    site.release("1", digest)
    stranger = f"{site.layout.release('wine', site.host().state().active)}/extra.py"
    open(stranger, "w", encoding="ascii").close()
    assert site.call("staged", "1", digest)["changed"] and not os.path.exists(stranger)


def test_blobs_are_shared_by_models_and_pruned_with_their_last_release(site):
    digests = {}
    for version in range(1, 6):
        digests[version] = site.store.publish("wine", str(version), float(version))
        site.release(str(version), digests[version], keep=2)
    assert sorted(os.listdir(f"{site.layout.root}/wine/releases")) == sorted(site.host().state().releases)
    assert len(site.host().state().releases) == 2
    shared = site.store.publish("beer", "1", 5.0)
    assert site.call("staged", "1", shared, model="beer")["blobs_reused"] == 2
    assert len(os.listdir(f"{site.layout.root}/blobs/sha256")) == 2 * 2 + 1 + 1
    site.call("absent")
    assert not os.path.exists(f"{site.layout.root}/wine") and site.ask() is None
    assert len(os.listdir(f"{site.layout.root}/blobs/sha256")) == 3
    assert site.call("absent")["changed"] is False


def test_two_runs_on_a_host_do_not_interleave(site):
    digest = site.store.publish("wine", "1", 3.0)
    folder = os.open(site.layout.root, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(MlopsError, match="another release run holds"):
        site.call("staged", "1", digest, lock_timeout=0)
    os.close(folder)
    assert site.call("staged", "1", digest, lock_timeout=0)["changed"]


def test_gathered_tells_of_every_model(site):
    served_by_one(site)
    site.release("7", site.store.publish("beer", "7", 1.0), model="beer")
    found = {entry["model"]: entry for entry in site.call("gathered", model=None)["models"]}
    assert {name: entry["active"]["version"] for name, entry in found.items()} == {"wine": "1", "beer": "7"}
    assert found["wine"]["serving"] == "a" and found["wine"]["answering"]["a"] == found["wine"]["active"]["digest"]


def test_a_host_without_the_role_is_told_so(site):
    os.rmdir(site.layout.root)
    with pytest.raises(MlopsError, match="run the role model_server"):
        site.call("gathered")
    os.mkdir(site.layout.root)


def test_rests_of_a_killed_run_are_no_obstacle(site):
    digest = site.store.publish("wine", "1", 3.0)
    home = f"{site.layout.root}/wine"
    os.makedirs(home)
    for rest in (".link", "current.new", "candidate.new", "state.json.new"):
        with open(f"{home}/{rest}", "w", encoding="ascii") as file:
            file.write("half")
    with open(f"{site.layout.root}/../haproxy/models.map.new", "w", encoding="ascii") as file:
        file.write("half")
    site.release("1", digest)
    assert site.ask() == "1" and not os.path.exists(f"{home}/.link")


def test_a_torn_line_of_history_is_closed(site):
    site.release("1", site.store.publish("wine", "1", 3.0))
    path = f"{site.layout.root}/wine/history.jsonl"
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"serial": 1, "eve')
    site.release("2", site.store.publish("wine", "2", 4.0))
    lines = open(path, encoding="utf-8").read().splitlines()
    assert json.loads(lines[0])["release"].startswith("1-") and json.loads(lines[-1])["release"].startswith("2-")


def test_a_torn_cache_of_stamps_only_costs_time(site):
    digest = site.store.publish("wine", "1", 3.0)
    site.release("1", digest)
    with open(f"{site.layout.root}/blobs/stamps.json", "w", encoding="ascii") as file:
        file.write("{")
    assert site.call("staged", "1", digest)["changed"] is False
