# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model package is: names, paths, manifest, golden answers, and how a folder becomes one. Knows no store, no signature and no network."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import unicodedata
from datetime import datetime, timezone
from typing import NamedTuple

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, one_line

MAX_FILES = 10_000
MANIFEST_LIMIT = 32 << 20
GOLDEN_LIMIT = 16 << 20
SIGNATURE_SIZE = 64
BLOCK = 1 << 20
GOLDEN = "golden.json"
SERVED = "model.onnx"

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
LAYER_TYPE = re.compile(r"application/vnd\.cncf\.model\.(weight|weight\.config|doc|code|dataset)\.v1\.raw")
FILEPATH = "org.cncf.model.filepath"
TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"
CREATED = "org.opencontainers.image.created"
BUILD_URL = "onprem.mlops.build-url"
SIGNED_BY = "onprem.mlops.signed-by"
VOLATILE = frozenset({CREATED, BUILD_URL, SIGNED_BY})

MODEL_FORMATS = (".onnx", ".safetensors", ".skops")
KINDS = {
    **dict.fromkeys(MODEL_FORMATS + (".onnx_data", ".data"), "weight"),
    **dict.fromkeys((".json", ".yaml", ".yml", ".toml"), "weight.config"),
    **dict.fromkeys((".md", ".txt", ".rst", ".html", ".pdf", ".png", ".jpg", ".jpeg", ".svg"), "doc"),
    **dict.fromkeys((".csv", ".tsv", ".jsonl", ".parquet"), "dataset"),
}
PLAIN_NAMES = frozenset({"license", "notice", "readme", "authors", "changelog"})
CODE_FORMATS = frozenset({".py", ".sh", ".ipynb", ".js"})

_MODEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RESERVED = ("blobs",)

_INTEGERS = {f"{sign}INT{bits}": (0 if sign else -(1 << bits - 1), (1 << bits if sign else 1 << bits - 1) - 1)
             for sign in ("", "U") for bits in (8, 16, 32, 64)}
_DATATYPES = ("BOOL", "BYTES", "FP16", "FP32", "FP64", *_INTEGERS)


class FileEntry(NamedTuple):
    """One file of a package: path relative to its root, digest "sha256:<hex>", size in bytes."""

    path: str
    digest: str
    size: int


class Manifest(NamedTuple):
    """A checked manifest. digest: "sha256:<hex>" of raw, the package's identity. config: (digest, size). annotations: texts by name."""

    model: str
    version: str
    digest: str
    files: list
    config: tuple
    annotations: dict
    raw: bytes

    @property
    def blobs(self) -> dict:
        """Size in bytes by digest of everything the package needs, each blob once, config included."""
        return {**{file.digest: file.size for file in self.files}, self.config[0]: self.config[1]}


class GoldenRequest(NamedTuple):
    """A V2 infer request and its right answer: outputs as {name, datatype, shape, data}; absolute and relative tolerance as fractions."""

    name: str
    request: dict
    outputs: list
    absolute: float
    relative: float


class SourceFile(NamedTuple):
    """A file of a folder as it was when hashed: kind is the ModelPack layer kind, stamp tells whether it changed since."""

    path: str
    digest: str
    size: int
    kind: str
    name: str
    stamp: tuple


def check_model(name) -> str:
    """The model's name; MlopsError when it cannot be a folder, a unit and a URL part everywhere."""
    if not isinstance(name, str) or not _MODEL.fullmatch(name) or name in _RESERVED:
        raise _wrong("model", name, f"a name of 1 to 48 of a-z, 0-9 and '-', not first or last '-', and not {', '.join(_RESERVED)!r}")
    return name


def check_version(version) -> str:
    """The version; MlopsError when it could not be an OCI tag or would be taken for a signature."""
    if not isinstance(version, str) or not _VERSION.fullmatch(version) or version.endswith(".sig"):
        raise _wrong("version", version, "1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', first a letter or digit, not ending in '.sig'"
                     " (an OCI tag has no '+': write 1.0-build5)")
    return version


def check_digest(digest, where="digest") -> str:
    """The digest; MlopsError when it is not "sha256:" and 64 hex digits."""
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise _wrong(where, digest, "'sha256:' and 64 hex digits in lower case")
    return digest


def check_path(path, where="path") -> str:
    """The path; MlopsError when it is not a plain relative path that every file system can hold."""
    right = "a relative path with '/' between its parts, without '.', '..', backslash or control characters, parts of at most 255 bytes"
    if not isinstance(path, str) or any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in path):
        raise _wrong(where, path, right)
    parts = path.split("/")
    if "\\" in path or len(path.encode()) > 1024 or any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
        raise _wrong(where, path, right)
    return path


def manifest_path(model: str, version: str) -> str:
    """Where a store keeps a version's manifest, relative to its base."""
    return f"{check_model(model)}/manifests/{check_version(version)}"


def signature_path(model: str, version: str) -> str:
    """Where a store keeps the raw Ed25519 signature over the manifest's bytes."""
    return manifest_path(model, version) + ".sig"


def blob_path(model: str, digest: str) -> str:
    """Where a store keeps a blob: shared by all versions of a model."""
    return f"{check_model(model)}/blobs/{check_digest(digest)}"


def sha256_file(path, chunk: int = BLOCK) -> str:
    """Hex sha256 of a file, read in blocks of `chunk` bytes."""
    with open(path, "rb", buffering=0) as file:
        return _hash(file, chunk)


def parse_manifest(raw: bytes, model: str, version: str) -> Manifest:
    """A manifest that came from a store, checked in every respect that does not need its blobs. MlopsError names what is wrong."""
    where = f"manifest of {check_model(model)} {check_version(version)}"
    document = _json_object(raw, where, MANIFEST_LIMIT)
    for field, right in (("schemaVersion", 2), ("mediaType", MANIFEST_TYPE), ("artifactType", ARTIFACT_TYPE)):
        if document.get(field) != right or isinstance(document[field], bool):
            raise _wrong(f"{where}: {field}", document.get(field), repr(right))
    annotations = _texts(document.get("annotations"), f"{where}: annotations")
    for key, asked in ((TITLE, model), (VERSION, version)):
        if annotations.get(key) != asked:
            raise _wrong(f"{where}: annotation {key}", annotations.get(key), f"{asked!r}, which was asked for")
    config = _descriptor(document.get("config"), f"{where}: config")
    if document["config"].get("mediaType") != CONFIG_TYPE:
        raise _wrong(f"{where}: config.mediaType", document["config"].get("mediaType"), repr(CONFIG_TYPE))
    layers = document.get("layers")
    if not isinstance(layers, list) or not 0 < len(layers) <= MAX_FILES:
        raise MlopsError(f"{where}: layers: {len(layers) if isinstance(layers, list) else 'no list of'} files, 1 to {MAX_FILES} are allowed")
    files = [_layer(layer, f"{where}: layers[{number}]") for number, layer in enumerate(layers)]
    check_paths([file.path for file in files], where)
    sizes = dict([config])
    for file in files:
        if sizes.setdefault(file.digest, file.size) != file.size:
            raise MlopsError(f"{where}: {file.path!r}: size {file.size}, elsewhere the same digest has {sizes[file.digest]} bytes")
    return Manifest(model, version, digest_of(raw), files, config, annotations, raw)


def check_paths(paths: list, where: str) -> None:
    """MlopsError when two paths would meet on some file system, or one is a file and a folder at once."""
    seen = {}
    for path in paths:
        other = seen.setdefault(_folded(path), path)
        if other is not path:
            raise MlopsError(f"{where}: {other!r} and {path!r} are one file where upper and lower case or accents are folded: rename one")
    for path in paths:
        parts = _folded(path).split("/")
        for depth in range(1, len(parts)):
            file = seen.get("/".join(parts[:depth]))
            if file is not None:
                raise MlopsError(f"{where}: {file!r} is a file and, for {path!r}, a folder: rename one")


def parse_golden(raw: bytes) -> list:
    """The GoldenRequests of a golden.json; MlopsError names the field that is wrong."""
    document = _json_object(raw, GOLDEN, GOLDEN_LIMIT)
    _fields(document, GOLDEN, ("schema", "requests"))
    if document["schema"] != 1 or isinstance(document["schema"], bool):
        raise _wrong(f"{GOLDEN}: schema", document["schema"], "1")
    requests = [_golden(entry, f"{GOLDEN}: requests[{number}]")
                for number, entry in enumerate(_filled_list(document["requests"], f"{GOLDEN}: requests"))]
    names = [request.name for request in requests]
    for name in names:
        if names.count(name) > 1:
            raise MlopsError(f"{GOLDEN}: requests: two are named {name!r}: each name tells a person which one failed")
    return requests


def values_of(data) -> list:
    """The values of V2 tensor data in row order, given flat or nested."""
    if not isinstance(data, list):
        return [data]
    return [value for item in data for value in (values_of(item) if isinstance(item, list) else (item,))]


def digest_of(raw: bytes) -> str:
    """ "sha256:<hex>" of bytes. """
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def differences(stored: Manifest, wanted: Manifest) -> list:
    """What sets two manifests apart, one text each; dates, build URL and key do not count. Empty when they are the same content."""
    old, new = ({file.path: file.digest for file in manifest.files} for manifest in (stored, wanted))
    found = [_one_sided(path, old, new) or f"{path} differs" for path in sorted({*old, *new}) if old.get(path) != new.get(path)]
    old, new = ({key: text for key, text in manifest.annotations.items() if key not in VOLATILE} for manifest in (stored, wanted))
    found += [_one_sided(key, old, new) or f"{key} is {_short(old[key])}, given {_short(new[key])}"
              for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return found or ["config differs"] * (stored.config != wanted.config)


def read_folder(source: str, allow_formats=()) -> list:
    """Every file below a folder as SourceFile, sorted by path and hashed; MlopsError for whatever cannot or may not be in a package."""
    wanted = [extension.lower() for extension in allow_formats]
    for extension in wanted:
        if not re.fullmatch(r"\.[a-z0-9_]+", extension):
            raise _wrong("allow_formats", extension, "a file name extension with its dot, such as '.pkl'")
    if not os.path.isdir(source):
        raise _wrong("source", source, "a folder on the controller")
    found = sorted(_walk(source))
    if not found:
        raise MlopsError(f"source: {source!r} is empty: a package holds at least a model file")
    paths = [path for path, name in found]
    check_paths(paths, f"source {source!r}")
    kinds = [_kind(path, wanted) for path in paths]
    if not any(_extension(path) in (*MODEL_FORMATS, *wanted) for path in paths):
        raise MlopsError(f"source: {source!r} holds no model file: one of {', '.join((*MODEL_FORMATS, *wanted))} is needed")
    if SERVED in paths and GOLDEN not in paths:
        raise MlopsError(f"source: {source!r} holds {SERVED} but no {GOLDEN}: without example answers no host may serve it")
    return [_hashed(path, name, kind) for (path, name), kind in zip(found, kinds)]


def read_golden(source: str) -> list:
    """The GoldenRequests of a folder that has a golden.json."""
    with open_unchanged(os.path.join(source, GOLDEN)) as file:
        return parse_golden(file.read(GOLDEN_LIMIT + 1))


def open_unchanged(name: str, stamp=None):
    """The file opened for reading, never through a symlink and never waiting for a pipe; MlopsError when it is not the file of `stamp`."""
    try:
        file = os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0)
    except OSError as error:
        raise MlopsError(f"source: {name!r} cannot be read: {error.strerror}") from error
    if stamp is not None and stamp_of(file) != stamp:
        file.close()
        raise MlopsError(f"source: {name!r} changed while it was published: run again when nothing writes to the folder")
    return file


def stamp_of(file) -> tuple:
    """What changes when an open file's content does: device, inode, size and times in ns."""
    state = os.fstat(file.fileno())
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def format_of(files: list) -> str:
    """The model format of SourceFiles, such as "onnx"."""
    extensions = [_extension(file.path) for file in files if file.kind == "weight"]
    return next((extension for extension in extensions if extension in MODEL_FORMATS), extensions[0])[1:]


def build_config(model: str, version: str, files: list, descriptor: dict, format_name: str) -> bytes:
    """The ModelPack config of SourceFiles; without dates, so that the same content gives the same bytes."""
    return _canonical({
        "descriptor": {"name": model, "version": version, **descriptor},
        "modelfs": {"type": "layers", "diffIds": [file.digest for file in files]},
        "config": {"format": format_name},
    })


def build_manifest(model: str, version: str, files: list, config: bytes, annotations: dict) -> Manifest:
    """The manifest of SourceFiles; the newest file's time is its date, so that a folder gives the same bytes at any hour."""
    newest = max(file.stamp[3] for file in files) // 10**9
    created = datetime.fromtimestamp(min(max(newest, 0), 253402300799), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    raw = _canonical({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": digest_of(config), "size": len(config)},
        "layers": [{
            "mediaType": f"application/vnd.cncf.model.{file.kind}.v1.raw",
            "digest": file.digest,
            "size": file.size,
            "annotations": {FILEPATH: file.path, TITLE: file.path},
        } for file in files],
        "annotations": {**annotations, TITLE: model, VERSION: version, CREATED: created},
    })
    return parse_manifest(raw, model, version)


def _canonical(document: dict) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _wrong(where: str, value, right: str) -> MlopsError:
    return MlopsError(f"{where}: {_short(value)} is not {right}")


def _short(value) -> str:
    text = one_line(repr(value))
    return text if len(text) <= 100 else text[:100] + "..."


def _one_sided(name: str, old: dict, new: dict) -> str:
    """Text for what only one side has, empty when both have it."""
    return "" if name in old and name in new else f"{name} only {'there' if name in old else 'given'}"


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _unique(pairs):
    names = [name for name, value in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a name is given twice in one object")
    return dict(pairs)


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def _json_object(raw: bytes, where: str, limit: int) -> dict:
    if len(raw) > limit:
        raise MlopsError(f"{where}: longer than the {limit} bytes allowed")
    try:
        document = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MlopsError(f"{where}: not valid JSON: {one_line(str(error))}") from error
    if not isinstance(document, dict):
        raise _wrong(where, document, "a JSON object")
    return document


def _texts(value, where: str) -> dict:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _wrong(where, value, "an object of texts")
    return value


def _descriptor(value, where: str) -> tuple:
    if not isinstance(value, dict):
        raise _wrong(where, value, "an object with mediaType, digest and size")
    size = value.get("size")
    if not _is_integer(size) or not 0 <= size < 1 << 63:
        raise _wrong(f"{where}.size", size, "a number of bytes")
    return check_digest(value.get("digest"), f"{where}.digest"), size


def _layer(value, where: str) -> FileEntry:
    digest, size = _descriptor(value, where)
    media_type = value.get("mediaType")
    if not isinstance(media_type, str) or not LAYER_TYPE.fullmatch(media_type):
        raise _wrong(f"{where}.mediaType", media_type, "a raw ModelPack layer, application/vnd.cncf.model.<kind>.v1.raw")
    annotations = _texts(value.get("annotations"), f"{where}.annotations")
    path = check_path(annotations.get(FILEPATH), f"{where}: {FILEPATH}")
    if annotations.get(TITLE) != path:  # some clients write by one name, some by the other
        raise _wrong(f"{where}: {TITLE}", annotations.get(TITLE), f"{path!r} as {FILEPATH} says")
    return FileEntry(path, digest, size)


def _fields(value, where: str, needed: tuple, allowed: tuple = ()) -> dict:
    if not isinstance(value, dict) or not set(needed) <= set(value) <= {*needed, *allowed}:
        raise _wrong(where, sorted(value) if isinstance(value, dict) else value,
                     f"an object with {', '.join(needed)}" + (f" and perhaps {', '.join(allowed)}" if allowed else ""))
    return value


def _filled_list(value, where: str) -> list:
    if not isinstance(value, list) or not value:
        raise _wrong(where, value, "a list with at least one entry")
    return value


def _golden(entry, where: str) -> GoldenRequest:
    _fields(entry, where, ("name", "request", "outputs"), ("tolerance",))
    if not isinstance(entry["name"], str) or not entry["name"]:
        raise _wrong(f"{where}.name", entry["name"], "a name")
    request = _fields(entry["request"], f"{where}.request", ("inputs",), ("id", "parameters", "outputs"))
    for field, tensors in (("request.inputs", request["inputs"]), ("outputs", entry["outputs"])):
        names = [_tensor(tensor, f"{where}.{field}[{number}]") for number, tensor in enumerate(_filled_list(tensors, f"{where}.{field}"))]
        if len(set(names)) != len(names):
            raise MlopsError(f"{where}.{field}: a tensor is named twice: {', '.join(names)}")
    asked = request.get("outputs")
    if asked is not None:
        known = [_fields(output, f"{where}.request.outputs", ("name",), ("parameters",))["name"]
                 for output in _filled_list(asked, f"{where}.request.outputs")]
        for name in names:
            if name not in known:
                raise _wrong(f"{where}.outputs", name, f"an output the request asks for: {', '.join(map(str, known))}")
    tolerance = {"absolute": 1e-6, "relative": 1e-4, **_fields(entry.get("tolerance", {}), f"{where}.tolerance", (), ("absolute", "relative"))}
    for name, value in tolerance.items():
        if not _is_number(value) or not 0 <= value < 1e308:
            raise _wrong(f"{where}.tolerance.{name}", value, "a number from 0 up")
    return GoldenRequest(entry["name"], request, entry["outputs"], tolerance["absolute"], tolerance["relative"])


def _tensor(tensor, where: str) -> str:
    _fields(tensor, where, ("name", "datatype", "shape", "data"), ("parameters",))
    if not isinstance(tensor["name"], str) or not tensor["name"]:
        raise _wrong(f"{where}.name", tensor["name"], "a tensor's name")
    if tensor["datatype"] not in _DATATYPES:
        raise _wrong(f"{where}.datatype", tensor["datatype"], f"one of {', '.join(_DATATYPES)}")
    if not all(_is_integer(size) and size > 0 for size in _filled_list(tensor["shape"], f"{where}.shape")):
        raise _wrong(f"{where}.shape", tensor["shape"], "a list of sizes from 1 up")
    values = values_of(_filled_list(tensor["data"], f"{where}.data"))
    if len(values) != math.prod(tensor["shape"]):
        raise MlopsError(f"{where}.data: {len(values)} values, the shape {tensor['shape']} holds {math.prod(tensor['shape'])}")
    for value in values:
        if not _fits(value, tensor["datatype"]):
            raise _wrong(f"{where}.data", value, f"a value of {tensor['datatype']}")
    return tensor["name"]


def _fits(value, datatype: str) -> bool:
    if datatype in _INTEGERS:
        low, high = _INTEGERS[datatype]
        return _is_integer(value) and low <= value <= high
    return {"BOOL": isinstance(value, bool), "BYTES": isinstance(value, str)}.get(datatype, _is_number(value))


def _is_number(value) -> bool:
    return _is_integer(value) or isinstance(value, float) and math.isfinite(value)


def _is_integer(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _walk(source: str):
    """(path, full name) of every file; refuses what is not a plain file as soon as it is met, and counts before anything is read."""
    folders, count = [""], 0
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(os.path.join(source, folder)))
        except OSError as error:
            raise MlopsError(f"source: {os.path.join(source, folder)!r} cannot be read: {error.strerror}") from error
        for entry in entries:
            path = check_path(f"{folder}/{entry.name}" if folder else entry.name, f"source {source!r}")
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                folders.append(path)
            elif stat.S_ISREG(mode):
                count += 1
                if count > MAX_FILES:
                    raise MlopsError(f"source: {source!r} holds more than {MAX_FILES} files: put them into one archive or fewer files")
                yield path, entry.path
            else:
                kind = "symlink" if stat.S_ISLNK(mode) else "device, socket or pipe"
                raise MlopsError(f"source: {path!r} is a {kind}: a package holds plain files only, put the file itself there")


def _extension(path: str) -> str:
    """In lower case with its dot; what follows the last dot also when the name has nothing before it, as in .DS_Store."""
    name = os.path.basename(path)
    return "." + name.rpartition(".")[2].lower() if "." in name else ""


def _kind(path: str, allow_formats: list) -> str:
    extension = _extension(path)
    if extension in KINDS:
        return KINDS[extension]
    if not extension and os.path.basename(path).lower() in PLAIN_NAMES:
        return "doc"
    if extension in allow_formats:
        return "code" if extension in CODE_FORMATS else "weight"
    raise MlopsError(f"source: {path!r} has the format {extension or 'none'!r}, which is not allowed: leave it out, or name the format in "
                     "allow_formats if loading it runs no code or you trust who made it")


def _hashed(path: str, name: str, kind: str) -> SourceFile:
    with open_unchanged(name) as file:
        stamp = stamp_of(file)
        digest = "sha256:" + _hash(file, BLOCK)
        if stamp_of(file) != stamp:
            raise MlopsError(f"source: {path!r} changed while it was read: run again when nothing writes to the folder")
    return SourceFile(path, digest, stamp[2], kind, name, stamp)


def _hash(file, chunk: int) -> str:
    digest, buffer = hashlib.sha256(), memoryview(bytearray(chunk))
    while count := file.readinto(buffer):
        digest.update(buffer[:count])
    return digest.hexdigest()
