# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What publishing writes, and what it never writes, on real folders as stores."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils import _package, _publish
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._store import open_store

BLOBS = 4  # three files and the config


def test_the_first_time_everything_goes_and_the_second_time_nothing(folder, store, keys):
    key, public = keys()
    first = _publish.publish(store, "m", "1", folder(), key)
    assert (first["changed"], first["blobs_sent"], first["blobs_present"], first["bytes_sent"]) == (True, BLOBS, 0, first["bytes_total"])
    assert store.written[-2:] == ["m/manifests/1", "m/manifests/1.sig"]
    again = _publish.publish(store, "m", "1", folder(), key)
    assert (again["changed"], again["blobs_sent"], again["digest"]) == (False, 0, first["digest"])
    assert len(store.written) == BLOBS + 2
    assert _publish.resolve(store, "m", "1", public).digest == first["digest"]


def test_a_version_that_shares_files_sends_only_the_others(folder, store):
    _publish.publish(store, "m", "1", folder())
    result = _publish.publish(store, "m", "2", folder({"model.safetensors": b"other"}))
    assert result["files_sent"] == ["model.safetensors", "config"]
    assert result["blobs_present"] == 2


def test_equal_files_are_sent_once(folder, store):
    result = _publish.publish(store, "m", "1", folder({"a.onnx_data": b"same", "b.onnx_data": b"same", "model.skops": b"s"}))
    assert result["blobs_sent"] == 3
    assert [file.path for file in _publish.resolve(store, "m", "1").files] == ["a.onnx_data", "b.onnx_data", "model.skops"]


def test_dates_build_url_and_key_make_no_other_version(folder, store, keys):
    first = _publish.publish(store, "m", "1", folder(), keys()[0], annotations={"build_url": "https://ci/1"})
    for path in Path(folder()).rglob("*"):
        os.utime(path, (1, 1))
    again = _publish.publish(store, "m", "1", folder(), annotations={"build_url": "https://ci/2"})
    assert (again["changed"], again["digest"]) == (False, first["digest"])


@pytest.mark.parametrize(("change", "named"), [
    (lambda root: (root / "MODEL_CARD.md").write_bytes(b"new"), "MODEL_CARD.md differs"),
    (lambda root: (root / "data/labels.json").unlink(), "data/labels.json only there"),
    (lambda root: (root / "notes.txt").write_bytes(b"x"), "notes.txt only given"),
])
def test_other_files_under_the_same_version_are_refused_by_name(folder, store, change, named):
    _publish.publish(store, "m", "1", folder())
    change(Path(folder({})))
    written = len(store.written)
    with pytest.raises(MlopsError, match=f"m 1 is in .* with other content.*{named}; publish a new version"):
        _publish.publish(store, "m", "1", folder({}))
    assert len(store.written) == written


def test_other_annotations_under_the_same_version_are_refused(folder, store):
    _publish.publish(store, "m", "1", folder(), annotations={"metrics": {"accuracy": 0.9}})
    with pytest.raises(MlopsError, match="onprem.mlops.metrics is .*0.9.*given .*0.8"):
        _publish.publish(store, "m", "1", folder(), annotations={"metrics": {"accuracy": 0.8}})


@pytest.mark.parametrize("kill_at", range(BLOBS + 2))
def test_a_killed_publish_shows_no_broken_version_and_the_next_one_sends_only_the_rest(folder, store, keys, kill_at):
    key, public = keys()
    store.die_at = kill_at
    with pytest.raises(KeyboardInterrupt):
        _publish.publish(store, "m", "1", folder(), key)
    listed = store.versions().get("m", [])
    assert listed == (["1"] if kill_at > BLOBS else [])
    with pytest.raises(MlopsError, match="has no signature" if listed else "m 1 is not in"):
        _publish.resolve(store, "m", "1", public)
    store.die_at = None
    result = _publish.publish(store, "m", "1", folder(), key, annotations={"build_url": "https://ci/another"})
    assert result["changed"]
    assert result["blobs_sent"] == max(0, BLOBS - kill_at)
    assert len(store.written) == BLOBS + 2
    assert _publish.resolve(store, "m", "1", public).digest == result["digest"]


def test_check_mode_writes_nothing_and_says_what_would_be_sent(folder, store, keys, tmp_path, snapshot):
    key = keys()[0]
    checked = _publish.publish(store, "m", "1", folder(), key, check_mode=True)
    assert snapshot(tmp_path / "store") == {}
    real = _publish.publish(store, "m", "1", folder(), key)
    assert checked == real
    before = snapshot(tmp_path / "store")
    assert not _publish.publish(store, "m", "1", folder(), key, check_mode=True)["changed"]
    assert snapshot(tmp_path / "store") == before


def test_a_read_only_store_refuses_every_write(folder, store, tmp_path):
    store.read_only = True
    with pytest.raises(MlopsError, match="check mode only reads"):
        _publish.publish(store, "m", "1", folder())
    assert not list((tmp_path / "store").iterdir())


@pytest.mark.parametrize("size", [10, 3 * _package.BLOCK + 5])
@pytest.mark.parametrize("change", ["content", "longer", "shorter", "replaced"])
def test_a_file_that_changes_during_publish_is_an_error_and_leaves_nothing(folder, store, monkeypatch, size, change):
    """Changed after it was hashed: before it is opened again, or while its blocks go out."""
    root = Path(folder({"model.safetensors": b"a" * size}))
    write = type(store).write

    def meddle(self, path, stream):
        target = root / "model.safetensors"
        if change == "replaced":
            (root / "other").write_bytes(b"b" * size)
            (root / "other").rename(target)
        else:
            with open(target, "r+b") as file:
                if change == "content":
                    file.seek(size - 1)
                    file.write(b"b")
                file.truncate({"content": size, "longer": size + _package.BLOCK, "shorter": size - 1}[change])
        return write(self, path, stream)
    monkeypatch.setattr(type(store), "write", meddle)
    with pytest.raises(MlopsError, match="changed while it was"):
        _publish.publish(store, "m", "1", str(root))
    assert store.versions() == {"m": []} or store.versions() == {}
    assert not [path for path in Path(store.root).rglob("sha256:*") if path.stat().st_size == size]


@pytest.mark.parametrize("extra", [b"", b"x", b"x" * _package.BLOCK])
def test_the_last_block_leaves_only_when_all_is_right(extra):
    """A server that counts bytes must never get a whole body that is wrong."""
    blocks = [b"a" * _package.BLOCK, b"b" * _package.BLOCK]
    right = _package.digest_of(b"".join(blocks))
    sent = []
    with pytest.raises(MlopsError, match="changed while it was sent"):
        for block in _publish._right([*blocks[:1], b"c" * _package.BLOCK, extra], right, 2 * _package.BLOCK, "x"):
            sent.append(block)
    assert sum(map(len, sent)) < 2 * _package.BLOCK
    assert list(_publish._right(blocks, right, 2 * _package.BLOCK, "x")) == blocks


def test_many_writers_of_one_version_agree(folder, tmp_path):
    """Eight at once with different build URLs: one manifest stands, everyone gets its digest, no byte is doubled."""
    (tmp_path / "store").mkdir()
    source, results = folder(), []

    def work(number):
        shared = open_store(f"file://{tmp_path}/store")
        results.append(_publish.publish(shared, "m", "1", source, annotations={"build_url": f"https://ci/{number}"}))
    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert len({result["digest"] for result in results}) == 1
    assert sum(result["blobs_sent"] for result in results) == BLOBS
    assert not list((tmp_path / "store").rglob(".*"))


def test_a_damaged_or_lost_file_in_the_store_is_named(folder, store):
    _publish.publish(store, "m", "1", folder())
    blob = Path(store.root, _package.blob_path("m", _package.digest_of(b"# card\n")))
    blob.unlink()
    with pytest.raises(MlopsError, match="not whole: MODEL_CARD.md missing; publish the same folder again"):
        _publish.resolve(store, "m", "1")
    assert _publish.publish(store, "m", "1", folder())["files_sent"] == ["MODEL_CARD.md"]
    blob.chmod(0o600)
    blob.write_bytes(b"#")
    for action in (lambda: _publish.resolve(store, "m", "1"), lambda: _publish.publish(store, "m", "1", folder())):
        with pytest.raises(MlopsError, match="is damaged: 1 bytes, MODEL_CARD.md has 7"):
            action()


def test_the_store_is_listed_and_a_version_shown(folder, store, keys):
    key, public = keys()
    for model, version in (("m", "2"), ("m", "10"), ("other", "1.partial")):
        _publish.publish(store, model, version, folder(), key)
    assert _publish.gather(store)["models"] == [{"model": "m", "versions": ["10", "2"]}, {"model": "other", "versions": ["1.partial"]}]
    assert _publish.gather(store, "m")["models"] == [{"model": "m", "versions": ["10", "2"]}]
    shown = _publish.gather(store, "m", "2", public)["package"]
    assert shown["signature"] == "verified"
    assert [file["path"] for file in shown["files"]] == ["MODEL_CARD.md", "data/labels.json", "model.safetensors"]
    assert _publish.gather(store, "m", "2")["package"]["signature"] == "not checked"
    with pytest.raises(MlopsError, match="m 3 is not in file://.*: there is 10, 2"):
        _publish.resolve(store, "m", "3")
    with pytest.raises(MlopsError, match="nobody 3 is not in file://.*: it holds no version of nobody"):
        _publish.resolve(store, "nobody", "3")


def test_each_wrong_signature_has_its_own_text(folder, store, keys):
    (key, public), (_other, other_public) = keys(), keys("other")
    _publish.publish(store, "m", "1", folder())
    with pytest.raises(MlopsError, match="m 1 in .* has no signature"):
        _publish.resolve(store, "m", "1", public)
    signed = _publish.publish(store, "m", "1", folder(), key)
    assert (signed["changed"], signed["blobs_sent"]) == (True, 0)
    assert _publish.resolve(store, "m", "1", public)
    _publish.publish(store, "m", "2", folder(), key)
    with pytest.raises(MlopsError, match="m 2 in .* is signed by another key"):
        _publish.resolve(store, "m", "2", other_public)
    with pytest.raises(MlopsError, match="m 2 in .* is signed by another key"):
        _publish.publish(store, "m", "2", folder(), _other)
    signature = Path(store.root, "m/manifests/2.sig")
    signature.chmod(0o600)
    signature.write_bytes(Path(store.root, "m/manifests/1.sig").read_bytes())
    with pytest.raises(MlopsError, match="does not fit its signature: that was made over other bytes$"):
        _publish.resolve(store, "m", "2", public)


def test_a_signed_manifest_of_another_version_or_model_is_refused(folder, store, keys):
    """Its signature is right: only name and version inside tell that it was moved."""
    key, public = keys()
    _publish.publish(store, "m", "1", folder(), key)
    for model, version in (("m", "2"), ("other", "1")):
        for path in (_package.manifest_path, _package.signature_path):
            target = Path(store.root, path(model, version))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(store.root, path("m", "1")).read_bytes())
        with pytest.raises(MlopsError, match="is not '(2|other)', which was asked for"):
            _publish.resolve(store, model, version, public)


def test_a_copy_is_the_same_bytes_with_its_signature(folder, store, keys, tmp_path):
    key, public = keys()
    first = _publish.publish(store, "m", "1", folder(), key)
    (tmp_path / "other").mkdir()
    other = open_store(f"file://{tmp_path}/other")
    copied = _publish.copy(store, "m", "1", other, public)
    assert (copied["digest"], copied["bytes_sent"]) == (first["digest"], first["bytes_total"])
    assert _publish.resolve(other, "m", "1", public).raw == _publish.resolve(store, "m", "1").raw
    assert not _publish.copy(store, "m", "1", other, public)["changed"]


def test_a_store_that_says_there_and_has_it_not_gets_no_manifest(folder, store, monkeypatch):
    monkeypatch.setattr(type(store), "write", lambda self, path, stream: self.written.append(path))
    with pytest.raises(MlopsError, match="refused a file as already there, but does not have it"):
        _publish.publish(store, "m", "1", folder())
    assert len(store.written) == BLOBS


def test_the_smallest_go_first(folder, store):
    """So that a server that takes no writes says so before gigabytes are on their way."""
    _publish.publish(store, "m", "1", folder())
    sizes = [store.size(path) for path in store.written if "/blobs/" in path]
    assert sizes == sorted(sizes)


def test_a_file_that_became_a_link_or_another_file_is_not_opened(folder):
    file = _package.read_folder(folder())[0]
    _package.open_unchanged(file.name, file.stamp).close()
    path = Path(file.name)
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))
    with pytest.raises(MlopsError, match="MODEL_CARD.md' cannot be read"):
        _package.open_unchanged(file.name)
    path.unlink()
    path.write_bytes(path.with_name("moved").read_bytes())
    with pytest.raises(MlopsError, match="MODEL_CARD.md' changed while it was published"):
        _package.open_unchanged(file.name, file.stamp)


def test_a_copy_to_where_another_build_of_the_same_files_stands_is_refused(folder, store, tmp_path):
    _publish.publish(store, "m", "1", folder(), annotations={"build_url": "https://ci/1"})
    (tmp_path / "other").mkdir()
    other = open_store(f"file://{tmp_path}/other")
    _publish.publish(other, "m", "1", folder(), annotations={"build_url": "https://ci/2"})
    with pytest.raises(MlopsError, match="m 1 in .*other has digest .* the same files published twice"):
        _publish.copy(store, "m", "1", other)


def test_a_copy_of_a_damaged_file_is_refused_and_leaves_nothing(folder, store, tmp_path):
    _publish.publish(store, "m", "1", folder())
    blob = Path(store.root, _package.blob_path("m", _package.digest_of(b"# card\n")))
    blob.chmod(0o600)
    blob.write_bytes(b"# cord\n")
    (tmp_path / "other").mkdir()
    other = open_store(f"file://{tmp_path}/other")
    with pytest.raises(MlopsError, match="changed while it was sent"):
        _publish.copy(store, "m", "1", other)
    assert other.size(_package.blob_path("m", _package.digest_of(b"# card\n"))) is None
    assert other.versions() == {}


def test_an_oci_layout_holds_versions_of_one_model(folder, keys, tmp_path):
    key, public = keys()
    layout = open_store(f"oci-layout://{tmp_path}/layout")
    for version in ("1", "2"):
        result = _publish.publish(layout, "m", version, folder(), key)
        assert _publish.resolve(layout, "m", version, public).digest == result["digest"]
        assert not _publish.publish(layout, "m", version, folder(), key)["changed"]
    assert layout.versions() == {"m": ["1", "2"]}
    with pytest.raises(MlopsError, match="holds m: give other a folder of its own"):
        _publish.publish(layout, "other", "1", folder())


def test_an_oci_layout_is_not_made_in_check_mode(folder, tmp_path):
    layout = open_store(f"oci-layout://{tmp_path}/layout", read_only=True)
    assert _publish.publish(layout, "m", "1", folder(), check_mode=True)["blobs_sent"] == BLOBS
    assert not (tmp_path / "layout").exists()
