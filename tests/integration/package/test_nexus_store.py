# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""model_package against a real Nexus, with what Nexus' own request log says: what is sent, what is not, and what is refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests
from ansible_collections.mlops.onprem.plugins.module_utils import _package, _publish, _store
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError

FILES = 6
BLOBS = FILES + 1  # and the config


@pytest.fixture
def access(nexus, repository, key):
    """Options of every call here."""
    return {"store": repository, "username": "admin", "password": nexus.password, "model": "breast-cancer"}


def writes(nexus):
    return [path.rsplit("/", 1)[1] for _method, path in nexus.writes_logged()]


def test_publish_again_and_a_second_version(nexus, access, trained, package, key):
    access["signing_key"] = key[0]
    checked = package(_check=True, version="1", source=trained["1"], **access)
    assert writes(nexus) == []
    first = package(version="1", source=trained["1"], **access)
    assert first == checked
    assert (first["changed"], first["blobs_sent"], first["signed"]) == (True, BLOBS, True)
    sent = writes(nexus)
    assert len(sent) == BLOBS + 2
    assert sent[-2:] == ["1", "1.sig"]

    again = package(version="1", source=trained["1"], **access)
    assert (again["changed"], again["digest"]) == (False, first["digest"])
    asked = nexus.requests_logged()
    assert {method for method, _path in asked} == {"GET", "HEAD"}
    assert len(asked) == BLOBS + 2

    second = package(version="2", source=trained["2"], **access)
    assert second["files_sent"] == ["golden.json", "metrics.json", "model.onnx", "config"]
    assert second["bytes_sent"] <= 0.11 * second["bytes_total"]
    assert len(writes(nexus)) == 4 + 2

    refused = package(version="1", source=trained["2"], **access)
    assert "with other content" in refused["msg"] and "model.onnx differs" in refused["msg"]
    assert writes(nexus) == []


def test_a_version_is_shown_listed_and_resolved(nexus, access, trained, package, key):
    published = package(version="1", source=trained["1"], signing_key=key[0], annotations={
        "git_commit": "0123abc", "metrics": {"accuracy": 0.98}, "framework": "scikit-learn", "authors": ["A", "B"], "licenses": ["CC-BY-4.0"],
    }, **access)
    shown = package(version="1", state="gathered", public_key=key[1], **access)["package"]
    assert (shown["digest"], shown["signature"], shown["bytes_total"]) == (published["digest"], "verified", published["bytes_total"])
    assert len(shown["files"]) == FILES
    assert shown["annotations"]["onprem.mlops.metrics"] == '{"accuracy": 0.98}'
    assert shown["annotations"]["org.opencontainers.image.authors"] == "A, B"
    deadline = time.monotonic() + 60  # Nexus' search index follows a little later
    while (listed := package(state="gathered", **access)["models"]) == [] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert listed == [{"model": "breast-cancer", "versions": ["1"]}]
    missing = package(version="7", state="gathered", **access)
    assert f"breast-cancer 7 is not in {access['store']}: there is 1" in missing["msg"]


def store_of(access):
    return _store.open_store(access["store"], username=access["username"], password=access["password"])


def test_a_publish_killed_between_two_writes_is_finished_by_the_next(nexus, access, trained, package, monkeypatch):
    write, done = _store.HttpStore.write, []

    def die_at_third(self, path, stream):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(path)
        return write(self, path, stream)
    with monkeypatch.context() as patch:
        patch.setattr(_store.HttpStore, "write", die_at_third)
        with pytest.raises(KeyboardInterrupt):
            _publish.publish(store_of(access), "breast-cancer", "1", str(trained["1"]))
    assert "is not in" in package(version="1", state="gathered", **access)["msg"]
    nexus.requests_logged()
    result = package(version="1", source=trained["1"], **access)
    assert (result["blobs_sent"], result["blobs_present"]) == (BLOBS - 3, 3)
    assert len(writes(nexus)) == BLOBS - 3 + 1


def test_a_file_that_changes_while_it_is_sent_leaves_no_blob_on_nexus(nexus, access, tmp_path, monkeypatch):
    """The body breaks off before its end: Nexus must not take what came so far, or a whole wrong file, for the blob."""
    size = 8 * _package.BLOCK
    (tmp_path / "model.safetensors").write_bytes(b"a" * size)
    right = _publish._right

    def meddled(blocks, *rest):
        blocks = iter(blocks)
        yield from right((b"b" * len(block) for block in blocks), *rest)
    monkeypatch.setattr(_publish, "_right", meddled)
    with pytest.raises(MlopsError, match="model.safetensors: changed while it was sent"):
        _publish.publish(store_of(access), "breast-cancer", "1", str(tmp_path))
    digest = _package.digest_of(b"a" * size)
    assert store_of(access).size(_package.blob_path("breast-cancer", digest)) is None
    monkeypatch.undo()
    assert _publish.publish(store_of(access), "breast-cancer", "1", str(tmp_path))["bytes_sent"] == size


@pytest.mark.parametrize("create_only", [True, False], ids=["412", "400"])
def test_a_writer_that_was_overtaken_takes_what_stands(access, trained, key, package, monkeypatch, create_only):
    """Nexus answers 412 to a second PUT that asked to create, 400 to one that did not: both mean "already there"."""
    if not create_only:
        monkeypatch.setattr(_store, "CREATE_ONLY", {})
    send, others = _publish._send, []

    def overtaken(*arguments):
        monkeypatch.setattr(_publish, "_send", send)
        others.append(_publish.publish(store_of(access), "breast-cancer", "1", str(trained["1"]), key[0], annotations={"build_url": "https://ci/2"}))
        return send(*arguments)
    monkeypatch.setattr(_publish, "_send", overtaken)
    result = _publish.publish(store_of(access), "breast-cancer", "1", str(trained["1"]), key[0], annotations={"build_url": "https://ci/1"})
    assert (result["blobs_sent"], others[0]["blobs_sent"]) == (0, BLOBS)
    shown = package(version="1", state="gathered", public_key=key[1], **access)["package"]
    assert shown["digest"] == result["digest"] == others[0]["digest"]
    assert shown["annotations"]["onprem.mlops.build-url"] == "https://ci/2"


def test_another_writer_with_other_content_is_refused_at_the_last_moment(access, trained, monkeypatch):
    """It was not there when asked, and is there when written."""
    ours, written = store_of(access), _publish._write_manifest

    def late(store, wanted):
        theirs = Path(trained["2"])
        monkeypatch.setattr(_publish, "_write_manifest", written)
        _publish.publish(store_of(access), "breast-cancer", "1", str(theirs))
        return written(store, wanted)
    monkeypatch.setattr(_publish, "_write_manifest", late)
    with pytest.raises(MlopsError, match="breast-cancer 1 is in .* with other content.*model.onnx differs"):
        _publish.publish(ours, "breast-cancer", "1", str(trained["1"]))


def test_an_empty_file_is_stored(access, tmp_path, package):
    for name in ("model.skops", "empty.txt"):
        (tmp_path / name).write_bytes(b"x" * (name == "model.skops"))
    assert package(version="1", source=tmp_path, **access)["blobs_sent"] == 3
    assert package(version="1", state="gathered", **access)["package"]["files"][0]["size"] == 0


def test_a_store_that_says_no_is_named(nexus, access, trained, package):
    given = {"version": "1", "source": trained["1"], **access}
    wrong = package(**given | {"password": "wrong-password"})
    assert f"GET {access['store']}/breast-cancer/manifests/1 answered 401" in wrong["msg"]
    nowhere = package(**given | {"store": f"{nexus.url}/repository/nowhere"})
    assert "PUT" in nowhere["msg"] and "404" in nowhere["msg"] and "nowhere" in nowhere["msg"]
    reader = {"userId": "reader", "firstName": "r", "lastName": "r", "emailAddress": "r@example.com", "password": "reader-password",
              "status": "active", "roles": ["nx-anonymous"]}
    admin = ("admin", nexus.password)
    requests.post(f"{nexus.url}/service/rest/v1/security/users", auth=admin, timeout=60, json=reader).raise_for_status()
    forbidden = package(**given | {"username": "reader", "password": "reader-password"})
    assert "PUT" in forbidden["msg"] and "403" in forbidden["msg"]
    assert nexus.requests_logged()[-1][0] == "PUT", "the first refused PUT must be the last request"


def test_nobody_listens(access, trained, package):
    down = package(version="1", source=trained["1"], **access | {"store": "http://127.0.0.1:9/repository/models"})
    assert down["msg"] == ("GET http://127.0.0.1:9/repository/models/breast-cancer/manifests/1 did not answer: [Errno 111] Connection refused")
