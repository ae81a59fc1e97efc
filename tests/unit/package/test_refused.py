# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bad input, each refused before anything is written, with the field, the value and what is right. One table a kind."""

from __future__ import annotations

import copy
import json
import os
import socket
import tempfile
from pathlib import Path

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils import _package, _publish, _signature
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._store import open_store
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

NOBODY = 65534


def refused(store, pattern, *arguments, **options):
    """Publishing fails with this text in one line, and the store is as it was."""
    with pytest.raises(MlopsError, match=pattern) as error:
        _publish.publish(store, *arguments, **options)
    assert "\n" not in str(error.value)
    assert store.written == []
    assert not os.listdir(store.root)


@pytest.mark.parametrize("model", ["", "A", "-a", "a-", "a_b", "a" * 49, "blobs", "lost+found", "..", "a/b", "a\n", "é", None, 3])
def test_a_bad_model_name(folder, store, model):
    refused(store, r"model: .* is not a name of 1 to 48 of a-z", model, "1", folder())


@pytest.mark.parametrize("version", ["", ".1", "-1", "1+2", "1.sig", "a" * 65, "..", "1/2", "1\n", "1 ", "é", None, 1])
def test_a_bad_version(folder, store, version):
    refused(store, r"version: .* is not 1 to 64 of", "m", version, folder())


def link(root):
    (root / "link.md").symlink_to("/etc/passwd")


def link_folder(root):
    (root / "elsewhere").symlink_to("/etc")


def plug(root):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(root / "plug.md"))
    server.close()


def add(name, content=b"x"):
    def change(root):
        target = os.path.join(os.fsencode(root), name if isinstance(name, bytes) else name.encode())
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(os.fsdecode(target)).write_bytes(content)
    return change


def both(*changes):
    return lambda root: [change(root) for change in changes]


@pytest.mark.parametrize(("change", "pattern"), [
    (link, r"'link.md' is a symlink: a package holds plain files only"),
    (link_folder, r"'elsewhere' is a symlink"),
    (plug, r"'plug.md' is a device, socket or pipe"),
    (lambda root: os.mkfifo(root / "pipe.md"), r"'pipe.md' is a device, socket or pipe"),
    (lambda root: os.mknod(root / "null.md", 0o20600, os.makedev(1, 3)), r"'null.md' is a device, socket or pipe"),
    (both(add("A.md"), add("a.md")), r"'(A|a).md' and '(A|a).md' are one file where upper and lower case"),
    (both(add("stra\u00dfe.md"), add("STRASSE.md")), r"are one file where"),
    (both(add("e\u0301.md"), add("\u00e9.md")), r"are one file where"),
    (both(add("D.md"), add("d.md/x.csv")), r"'D.md' is a file and, for 'd.md/x.csv', a folder"),
    (add("model.pkl"), r"'model.pkl' has the format '.pkl', which is not allowed.*allow_formats"),
    (add("MODEL.PKL"), r"'MODEL.PKL' has the format '.pkl', which is not allowed"),
    (add("m.joblib"), r"'.joblib', which is not allowed"),
    (add("m.pt"), r"'.pt', which is not allowed"),
    (add("m.bin"), r"'.bin', which is not allowed"),
    (add("setup.py"), r"'.py', which is not allowed"),
    (add("program"), r"'program' has the format 'none'"),
    (add(".DS_Store"), r"'.DS_Store' has the format '.ds_store'"),
    (add("a\nb.md"), r"'a\\nb.md' is not a relative path"),
    (add("a\\b.md"), r"is not a relative path"),
    (add(b"\xff.md"), r"is not a relative path"),
    (add("golden.json", b"{"), r"golden.json: not valid JSON"),
    (add("model.onnx"), r"holds model.onnx but no golden.json: without example answers no host may serve it"),
])
def test_a_bad_folder(folder, store, change, pattern):
    root = folder()
    change(Path(root))
    refused(store, pattern, "m", "1", root)


def test_a_missing_an_empty_and_a_modelless_folder(folder, store, tmp_path):
    refused(store, r"source: '.*/nowhere' is not a folder", "m", "1", str(tmp_path / "nowhere"))
    refused(store, r"source: '.*/key' is not a folder", "m", "1", str(folder({"key": b""}) + "/key"))
    refused(store, r"source: '.*/empty' is empty", "m", "1", folder({}, "empty"))
    refused(store, r"holds no model file: one of .onnx, .safetensors, .skops is needed", "m", "1", folder({"a.md": b""}, "none"))
    refused(store, r"allow_formats: 'pkl' is not .*such as '.pkl'", "m", "1", folder(), allow_formats=["pkl"])


def test_too_many_files_are_refused_before_one_is_read(folder, store, monkeypatch):
    """100,000 are refused at the 10,001st: nothing is hashed."""
    root = Path(folder())
    (root / "many").mkdir()
    for number in range(100_000):
        (root / "many" / f"{number}.csv").touch()
    monkeypatch.setattr(_package, "open_unchanged", None)
    refused(store, r"holds more than 10000 files", "m", "1", str(root))


def test_a_format_named_in_the_policy_is_taken(folder, store):
    assert _publish.publish(store, "m", "1", folder({"model.pkl": b"x"}), allow_formats=[".pkl"])["changed"]


@pytest.fixture
def as_a_user():
    """A folder of an ordinary user, who is the one that reads during the test: root reads everything."""
    with tempfile.TemporaryDirectory() as scratch:
        if os.geteuid() == 0:
            os.chown(scratch, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(scratch)
        finally:
            os.seteuid(os.getuid())


@pytest.mark.parametrize("name", ["data", "data/labels.json"])
def test_an_unreadable_file_or_folder(as_a_user, name):
    for path in ("store", "source/data"):
        (as_a_user / path).mkdir(parents=True)
    (as_a_user / "source/model.skops").touch()
    (as_a_user / "source/data/labels.json").touch()
    (as_a_user / "source" / name).chmod(0)
    with pytest.raises(MlopsError, match=f"source: '.*/{name}' cannot be read: Permission denied"):
        _publish.publish(open_store(f"file://{as_a_user}/store"), "m", "1", str(as_a_user / "source"))
    (as_a_user / "source" / name).chmod(0o700)
    assert not list((as_a_user / "store").iterdir())


def layer(document, number=0):
    return document["layers"][number]["annotations"]


def put_path(path, number=0):
    def change(document):
        layer(document, number).update({_package.FILEPATH: path, _package.TITLE: path})
    return change


def field(name, value):
    return lambda document: document.update({name: value})


@pytest.mark.parametrize(("change", "pattern"), [
    *[(put_path(path), r"layers\[0\]: org.cncf.model.filepath: .* is not a relative path") for path in (
        "../x", "a/../x", "/etc/passwd", "a//b", "./a", "a/.", "", "a\\b", "a\0b", "a\nb", "a\x7fb", "x" * 256, "d/" * 600 + "x", "\ud800")],
    (put_path("MODEL.safetensors"), r"are one file where upper and lower case"),
    (put_path("model.safetensors/x"), r"is a file and, for"),
    (lambda d: layer(d).update({_package.TITLE: "other"}), r"image.title: 'other' is not 'a.md' as org.cncf.model.filepath says"),
    (lambda d: d["layers"][0].update(digest="sha256:" + "A" * 64), r"layers\[0\].digest: .* is not 'sha256:' and 64 hex digits in lower case"),
    (lambda d: d["layers"][0].update(digest="md5:" + "a" * 32), r"layers\[0\].digest"),
    (lambda d: d["layers"][0].update(size=-1), r"layers\[0\].size: -1 is not a number of bytes"),
    (lambda d: d["layers"][0].update(size=True), r"layers\[0\].size: True"),
    (lambda d: d["layers"][0].update(size=1.0), r"layers\[0\].size: 1.0"),
    (lambda d: d["layers"][0].update(mediaType="application/x-tar"), r"mediaType: 'application/x-tar' is not a raw ModelPack layer"),
    (lambda d: d["layers"].append({**d["layers"][0], "size": 9, "annotations": {_package.FILEPATH: "z", _package.TITLE: "z"}}),
     r"'z': size 9, elsewhere the same digest has 1 bytes"),
    (lambda d: d["layers"].clear(), r"layers: 0 files, 1 to 10000 are allowed"),
    (lambda d: d.update(layers=d["layers"] * 50_000), r"layers: 100000 files, 1 to 10000 are allowed"),
    (field("layers", {}), r"layers: no list of files"),
    (field("schemaVersion", 1), r"schemaVersion: 1 is not 2"),
    (field("schemaVersion", True), r"schemaVersion: True is not 2"),
    (field("mediaType", "application/json"), r"mediaType: 'application/json' is not"),
    (field("artifactType", None), r"artifactType: None is not"),
    (lambda d: d["annotations"].update({_package.VERSION: "2"}), r"image.version: '2' is not '1', which was asked for"),
    (lambda d: d["annotations"].update({_package.TITLE: "n"}), r"image.title: 'n' is not 'm', which was asked for"),
    (lambda d: d["annotations"].update({"x": 1}), r"annotations: .* is not an object of texts"),
    (lambda d: d["config"].update(mediaType="x"), r"config.mediaType: 'x' is not"),
])
def test_a_bad_manifest(folder, change, pattern):
    files = _package.read_folder(folder({"a.md": b"a", "model.safetensors": b"m"}))
    config = _package.build_config("m", "1", files, {}, "safetensors")
    document = json.loads(_package.build_manifest("m", "1", files, config, {}).raw)
    change(document)
    with pytest.raises(MlopsError, match=pattern) as error:
        _package.parse_manifest(json.dumps(document).encode(), "m", "1")
    assert str(error.value).startswith("manifest of m 1: ")


@pytest.mark.parametrize(("raw", "pattern"), [
    (b"", "not valid JSON"), (b"[]", "is not a JSON object"), (b"{", "not valid JSON"), (b"\xff", "not valid JSON"),
    (b'{"a": NaN}', "NaN is not JSON"),
    (b'{"layers": 1, "layers": 2}', "given twice"), (b"[" * 100_000, "not valid JSON"), (b" " * (_package.MANIFEST_LIMIT + 1), "longer than"),
])
def test_a_manifest_that_is_no_json(raw, pattern):
    with pytest.raises(MlopsError, match=f"manifest of m 1: .*{pattern}"):
        _package.parse_manifest(raw, "m", "1")


GOLDEN = {"schema": 1, "requests": [{
    "name": "one",
    "request": {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [[1, 2.5]]}]},
    "outputs": [{"name": "y", "datatype": "INT64", "shape": [1], "data": [1]}],
    "tolerance": {"absolute": 0.1},
}]}


def test_a_right_golden_is_read_with_its_tolerances():
    request, = _package.parse_golden(json.dumps(GOLDEN).encode())
    assert (request.name, request.absolute, request.relative) == ("one", 0.1, 1e-4)
    assert _package.values_of(request.request["inputs"][0]["data"]) == [1, 2.5]


def golden_change(place, value):
    def change(document):
        for key in place[:-1]:
            document = document[key]
        document[place[-1]] = value
    return change


FIRST = ("requests", 0)
OUTPUT = (*FIRST, "outputs", 0)
INPUT = (*FIRST, "request", "inputs", 0)


@pytest.mark.parametrize(("place", "value", "pattern"), [
    (("schema",), 2, r"schema: 2 is not 1"),
    (("extra",), 2, r"\['extra', 'requests', 'schema'\] is not an object with schema, requests"),
    (("requests",), [], r"requests: \[\] is not a list with at least one entry"),
    (("requests",), GOLDEN["requests"] * 2, r"two are named 'one'"),
    ((*FIRST, "name"), "", r"requests\[0\].name: '' is not a name"),
    ((*FIRST, "tolerence"), {}, r"requests\[0\]: .*'tolerence'.* is not an object with name, request, outputs and perhaps tolerance"),
    ((*FIRST, "tolerance"), {"absolute": -1}, r"tolerance.absolute: -1 is not a number from 0 up"),
    ((*FIRST, "tolerance"), {"relative": "1"}, r"tolerance.relative: '1' is not a number"),
    ((*FIRST, "tolerance"), {"abs": 1}, r"tolerance: \['abs'\] is not"),
    ((*FIRST, "request"), {}, r"request: \[\] is not an object with inputs"),
    ((*FIRST, "request", "outputs"), [{"name": "z"}], r"outputs: 'y' is not an output the request asks for: z"),
    ((*FIRST, "outputs"), [], r"outputs: \[\] is not a list"),
    ((*FIRST, "outputs"), GOLDEN["requests"][0]["outputs"] * 2, r"outputs: a tensor is named twice: y, y"),
    ((*OUTPUT, "datatype"), "FLOAT", r"outputs\[0\].datatype: 'FLOAT' is not one of BOOL"),
    ((*OUTPUT, "datatype"), [], r"outputs\[0\].datatype: \[\] is not one of"),
    ((*OUTPUT, "shape"), [2], r"outputs\[0\].data: 1 values, the shape \[2\] holds 2"),
    ((*OUTPUT, "shape"), [0], r"outputs\[0\].shape: \[0\] is not a list of sizes"),
    ((*OUTPUT, "shape"), 1, r"outputs\[0\].shape: 1 is not a list"),
    ((*OUTPUT, "data"), [1.5], r"outputs\[0\].data: 1.5 is not a value of INT64"),
    ((*OUTPUT, "data"), [True], r"outputs\[0\].data: True is not a value of INT64"),
    ((*OUTPUT, "data"), [2**63], r"outputs\[0\].data: 9223372036854775808 is not a value of INT64"),
    ((*OUTPUT, "data"), 1, r"outputs\[0\].data: 1 is not a list"),
    ((*INPUT, "data"), [[1, "2"]], r"inputs\[0\].data: '2' is not a value of FP32"),
    ((*INPUT, "data"), [[1, float("1e999")]], r"not valid JSON: Infinity is not JSON"),
    ((*INPUT, "name"), 5, r"inputs\[0\].name: 5 is not a tensor's name"),
])
def test_a_bad_golden(folder, store, place, value, pattern):
    document = copy.deepcopy(GOLDEN)
    golden_change(place, value)(document)
    root = folder({"model.safetensors": b"m", "golden.json": json.dumps(document).encode()})
    refused(store, f"^golden.json: .*{pattern}", "m", "1", root)


def onnx(inputs=("x",), outputs=("y",), junk=b""):
    """An ONNX file with these tensors, as protobuf: producer, then a graph with a name, an initializer, and value infos."""
    def block(number, content):
        assert len(content) < 128 * 128
        return bytes([number << 3 | 2, len(content) & 0x7F | 0x80, len(content) >> 7]) + content
    graph = block(2, b"graph") + block(5, b"w" * 300) + b"".join(
        block(number, block(1, name.encode())) for number, names in ((11, inputs), (12, outputs)) for name in names)
    return bytes([1 << 3, 8]) + block(2, b"by hand") + block(7, graph) + junk


@pytest.mark.parametrize(("model", "pattern"), [
    (onnx(outputs=["probabilities"]), r"golden.json: 'one': outputs: 'y' is not a tensor of model.onnx, which has probabilities"),
    (onnx(inputs=["features", "mask"]), r"golden.json: 'one': request.inputs: 'x' is not a tensor of model.onnx, which has features, mask"),
    (b"version https://git-lfs.github.com/spec/v1\n", r"model.onnx: not an ONNX model: .*Git LFS pointer"),
    (onnx()[:-5], r"model.onnx: not an ONNX model: a field at byte .* is longer than what holds it"),
    (onnx(junk=b"\xff" * 12), r"model.onnx: not an ONNX model: a number is longer than 64 bits"),
    (onnx(junk=b"\x08"), r"model.onnx: not an ONNX model: it ends in the middle of a number"),
    (b"", r"model.onnx: not an ONNX model: it has no output"),
])
def test_golden_requests_that_do_not_fit_the_model(folder, store, model, pattern):
    refused(store, pattern, "m", "1", folder({"model.onnx": model, "golden.json": json.dumps(GOLDEN).encode()}))


def test_a_number_too_large_for_any_float_is_refused():
    raw = json.dumps(GOLDEN).replace("2.5", "1e999").encode()
    with pytest.raises(MlopsError, match="inputs.0..data: inf is not a value of FP32"):
        _package.parse_golden(raw)


def test_golden_requests_that_fit_the_model_are_taken(folder, store):
    files = {"model.onnx": onnx(junk=bytes([9 << 3 | 1]) + b"8" * 8 + bytes([9 << 3 | 5]) + b"4" * 4), "golden.json": json.dumps(GOLDEN).encode()}
    assert _publish.publish(store, "m", "1", folder(files))["changed"]


@pytest.mark.parametrize(("annotations", "pattern"), [
    ({"git_commit": "main"}, r"annotations.git_commit: 'main' is not 7 to 64 hex digits"),
    ({"dataset_digest": "abc"}, r"annotations.dataset_digest: 'abc' is not 'sha256:'"),
    ({"build_url": "https://me:hunter2@ci/1"}, r"annotations.build_url: not a URL, or one with a password in it"),
    ({"source_url": "nowhere"}, r"annotations.source_url: not a URL"),
    ({"metrics": {"accuracy": "good"}}, r"annotations.metrics.accuracy: 'good' is not a number"),
    ({"metrics": {"accuracy": float("nan")}}, r"annotations.metrics.accuracy: nan is not a number"),
    ({"metrics": {"ok": True}}, r"annotations.metrics.ok: True is not a number"),
])
def test_a_bad_annotation(folder, store, annotations, pattern):
    with pytest.raises(MlopsError) as error:
        _publish.publish(store, "m", "1", folder(), annotations=annotations)
    assert "hunter2" not in str(error.value)
    refused(store, pattern, "m", "1", folder(), annotations=annotations)


def private(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(("content", "mode", "passphrase", "pattern"), [
    (private(ec.generate_private_key(ec.SECP256R1())), 0o600, None, r"is of kind ECPrivateKey, an Ed25519 key is needed"),
    (private(ed25519.Ed25519PrivateKey.generate()), 0o640, None, r"has mode 0640, others than its owner may use it: chmod 0600"),
    (private(ed25519.Ed25519PrivateKey.generate()), 0o604, None, r"has mode 0604"),
    (private(ed25519.Ed25519PrivateKey.generate(), b"right"), 0o600, None, r"is encrypted: give signing_key_passphrase"),
    (private(ed25519.Ed25519PrivateKey.generate(), b"right"), 0o600, "wrong", r"signing_key_passphrase is wrong"),
    (private(ed25519.Ed25519PrivateKey.generate()), 0o600, "needless", r"is not encrypted: leave signing_key_passphrase out"),
    (b"nonsense", 0o600, None, r"is not a private key in PEM; make one with: openssl genpkey"),
    (None, 0o600, None, r"cannot be read: No such file"),
])
def test_a_bad_signing_key(folder, store, tmp_path, content, mode, passphrase, pattern):
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    refused(store, f"^signing_key: .*{pattern}", "m", "1", folder(), signing_key=str(path), passphrase=passphrase)


def test_an_encrypted_signing_key_with_its_passphrase_signs(folder, store, tmp_path):
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(private(key, b"right"))
    path.chmod(0o600)
    _publish.publish(store, "m", "1", folder(), str(path), "right")
    assert _publish.resolve(store, "m", "1", key.public_key())


def test_a_bad_public_key(tmp_path):
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    for value, pattern in ((text, "is of kind ECPublicKey, an Ed25519 key is needed"), (text[:60], "the text is not a public key in PEM"),
                           (str(tmp_path / "none"), "none' cannot be read: No such file")):
        with pytest.raises(MlopsError, match=f"^public_key: .*{pattern}"):
            _signature.load_public_key(value)


@pytest.mark.parametrize(("url", "pattern"), [
    ("https://me:hunter2@host/repository/models", "holds a user or password; give them as username and password"),
    ("ftp://host/models", "is not file:///folder, https://server/base or oci-layout:///folder"),
    ("/srv/models", "is not file:///folder"),
    ("file://host/srv", "is not file:///folder"),
    ("file:srv", "is not file:///folder"),
    ("oci://registry/models", "is not file:///folder"),
    ("", "is not file:///folder"),
    ("https://", "is not an http:// or https:// URL with a host"),
    ("https://host/models?x=1", "has a query or fragment"),
    ("http://host.example/models", "would send the password in clear text; use https://"),
    ("file:///nowhere/at/all", "'/nowhere/at/all' is not a folder on the controller: make it, or mount what should be there"),
    ("oci-layout:///nowhere/at/all", "'/nowhere/at' is not a folder on the controller"),
])
def test_a_bad_store_url(url, pattern):
    with pytest.raises(MlopsError, match=pattern) as error:
        open_store(url, username="me", password="hunter2")
    assert "hunter2" not in str(error.value)
