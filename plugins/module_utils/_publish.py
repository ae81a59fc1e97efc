# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Publish, show and copy packages: package, signature and store brought together. Knows the order of writes; knows no protocol and no Ansible."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from urllib.parse import urlsplit

from ansible_collections.mlops.onprem.plugins.module_utils import _onnx, _package, _signature
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._store import Stream, open_store

OCI = "org.opencontainers.image."
SHOWN = 10
# option of `annotations`: (name in the manifest, name in the ModelPack descriptor)
ANNOTATIONS = {
    "description": (OCI + "description", "description"),
    "authors": (OCI + "authors", "authors"),
    "licenses": (OCI + "licenses", "licenses"),
    "source_url": (OCI + "source", "sourceURL"),
    "documentation_url": (OCI + "documentation", "docURL"),
    "git_commit": (OCI + "revision", "revision"),
    "build_url": (_package.BUILD_URL, None),
    "framework": ("onprem.mlops.framework", None),
    "dataset_digest": ("onprem.mlops.dataset-digest", None),
    "metrics": ("onprem.mlops.metrics", None),
}
PATTERNS = {
    "git_commit": (re.compile(r"[0-9a-f]{7,64}"), "7 to 64 hex digits in lower case"),
    "dataset_digest": (re.compile(r"sha256:[0-9a-f]{64}"), "'sha256:' and 64 hex digits in lower case"),
}


def run(params, connection, check_mode) -> dict:
    """What model_package does for its options; connection: those of them that Transport takes."""
    state, model, version = params["state"], params["model"], params["version"]
    store = open_store(params["store"], read_only=check_mode or state != "present", **connection)
    public_key = params["public_key"] and _signature.load_public_key(params["public_key"])
    if state == "gathered":
        return gather(store, model, version, public_key)
    if state == "copied":
        target = open_store(params["destination"], read_only=check_mode, **connection)
        return copy(store, model, version, target, public_key, check_mode)
    if public_key:
        raise MlopsError("public_key: checks what is in the store, for state gathered or copied; a package is signed with signing_key")
    return publish(store, model, version, params["source"], params["signing_key"], params["signing_key_passphrase"],
                   params["allow_formats"], params["annotations"], check_mode)


def publish(store, model, version, source, signing_key=None, passphrase=None, allow_formats=(), annotations=None, check_mode=False) -> dict:
    """Bring a folder into a store as a version that never changes again; what is there already is not sent.

    Returns what the module returns. MlopsError, with nothing sent, for bad input and when the version holds other content.
    """
    _package.check_model(model)
    _package.check_version(version)
    notes, descriptor = _annotations(annotations or {})
    key = signing_key and _signature.load_private_key(signing_key, passphrase)
    if key:
        notes[_package.SIGNED_BY] = _signature.fingerprint(key.public_key())
    files = _package.read_folder(source, allow_formats)
    _check_golden(source, [file.path for file in files])
    config = _package.build_config(model, version, files, descriptor, _package.format_of(files))
    wanted = _package.build_manifest(model, version, files, config, notes)
    content = {file.digest: (lambda file=file: _unchanged(file)) for file in files}
    content[wanted.config[0]] = lambda: [config]
    return _deliver(store, wanted, content, key and key.sign, check_mode)


def copy(store, model, version, target, public_key=None, check_mode=False) -> dict:
    """Bring a published version into another store, byte for byte, with its signature. Returns as publish does."""
    package = resolve(store, model, version, public_key)
    there = _stored(target, package)
    if there and there.digest != package.digest:
        raise MlopsError(f"{_name(package)} in {target.url} has digest {there.digest}, in {store.url} {package.digest}: "
                         "the same files published twice; delete one of the two")
    signature = store.read(_package.signature_path(model, version), _package.SIGNATURE_SIZE)
    content = {digest: (lambda digest=digest, size=size: _right(store.open(_package.blob_path(model, digest)), digest, size, store.url))
               for digest, size in package.blobs.items()}
    return _deliver(target, package, content, signature and (lambda raw: signature), check_mode)


def resolve(store, model, version, public_key=None) -> _package.Manifest:
    """The manifest of a published version, whole: its signature fits (when a key is given) and every blob is there with its size.

    MlopsError names what is missing or wrong, and the versions there are when this one is not.
    """
    raw = store.read(_package.manifest_path(model, version), _package.MANIFEST_LIMIT)
    if raw is None:
        raise MlopsError(f"{model} {version} is not in {store.url}: {_there_is(store, model)}")
    manifest = _package.parse_manifest(raw, model, version)
    if public_key:
        signature = store.read(_package.signature_path(model, version), _package.SIGNATURE_SIZE)
        _signature.verify(public_key, signature, raw, manifest.annotations.get(_package.SIGNED_BY), f"{_name(manifest)} in {store.url}")
    missing = _missing(store, manifest)
    if missing:
        raise MlopsError(f"{_name(manifest)} in {store.url} is not whole: {_list(_paths(manifest, missing))} missing; publish the same folder again")
    return manifest


def gather(store, model=None, version=None, public_key=None) -> dict:
    """What a store holds: {models: [{model, versions}]}, or {package: {...}} of one version, checked as resolve does."""
    if version is None:
        found = store.versions(model and _package.check_model(model))
        return {"changed": False, "models": [{"model": name, "versions": versions} for name, versions in found.items()]}
    manifest = resolve(store, model, version, public_key)
    signed = public_key or store.size(_package.signature_path(model, version)) is not None
    return {"changed": False, "package": {
        "model": model, "version": version, "digest": manifest.digest,
        "bytes_total": sum(manifest.blobs.values()),
        "files": [file._asdict() for file in manifest.files],
        "annotations": manifest.annotations,
        "signature": "verified" if public_key else "not checked" if signed else "missing",
        "manifest_url": store.locate(_package.manifest_path(model, version)),
    }}


def _check_golden(source, paths) -> None:
    """MlopsError when the golden requests do not fit the model that will be asked."""
    if _package.GOLDEN not in paths:
        return
    requests = _package.read_golden(source)
    if _package.SERVED not in paths:
        return
    with _package.open_unchanged(os.path.join(source, _package.SERVED)) as file:
        inputs, outputs = _onnx.tensor_names(file, f"source: {_package.SERVED}")
    for request in requests:
        for field, tensors, known in (("request.inputs", request.request["inputs"], inputs), ("outputs", request.outputs, outputs)):
            for tensor in tensors:
                if tensor["name"] not in known:
                    raise MlopsError(f"{_package.GOLDEN}: {request.name!r}: {field}: {tensor['name']!r} is not a tensor of "
                                     f"{_package.SERVED}, which has {', '.join(known)}")


def _deliver(store, wanted, content, sign, check_mode) -> dict:
    """Blobs, then the manifest, then the signature. content: blocks by digest; sign: bytes -> signature, always the same for the same bytes.

    Without its signature a version is refused by who asks for one, and the next publish adds it to whatever manifest stands:
    so no order of two writers, and no killed one, leaves a version that can never be finished.
    """
    stored = _stored(store, wanted)
    missing = _missing(store, wanted)
    signed = sign is None or _is_signed(store, stored, wanted, sign)
    before, sent = stored, missing
    if not check_mode and not (stored and signed and not missing):
        sent = _send(store, wanted, missing, content)
        stored = stored or _write_manifest(store, wanted)
        if not signed:
            store.write(_package.signature_path(wanted.model, wanted.version), Stream(_package.SIGNATURE_SIZE, [sign(stored.raw)]))
            _is_signed(store, stored, wanted, sign)
    return {
        "changed": not (before and signed and not missing),
        "model": wanted.model, "version": wanted.version, "digest": (stored or wanted).digest,
        "blobs_sent": len(sent), "bytes_sent": sum(wanted.blobs[digest] for digest in sent),
        "blobs_present": len(wanted.blobs) - len(sent), "bytes_total": sum(wanted.blobs.values()),
        "files_sent": _paths(wanted, sent), "signed": bool(sign),
        "manifest_url": store.locate(_package.manifest_path(wanted.model, wanted.version)),
        "diff": {"before": _listing(before, missing), "after": _listing(stored or wanted)},
    }


def _stored(store, wanted) -> _package.Manifest | None:
    """The manifest that stands in the store, None when there is none; MlopsError when it is of other content."""
    raw = store.read(_package.manifest_path(wanted.model, wanted.version), _package.MANIFEST_LIMIT)
    if raw is None:
        return None
    stored = _package.parse_manifest(raw, wanted.model, wanted.version)
    found = _package.differences(stored, wanted)
    if found:
        raise MlopsError(f"{_name(wanted)} is in {store.url} with other content, and a version never changes: {_list(found)}; publish a new version")
    return stored


def _missing(store, manifest) -> list:
    """The digests of blobs that are not there; MlopsError for one that is there with another size."""
    missing = []
    for digest, size in manifest.blobs.items():
        path = _package.blob_path(manifest.model, digest)
        found = store.size(path)
        if found is None:
            missing.append(digest)
        elif found != size:
            raise MlopsError(f"{store.locate(path)} is damaged: {found} bytes, {_list(_paths(manifest, [digest]))} has {size}; delete it there")
    return missing


def _send(store, manifest, missing, content) -> list:
    """Write blobs and return the digests written; another writer may have been quicker with some."""
    sent = []
    # The smallest first: a server that takes no writes says so before gigabytes are on their way.
    for digest in sorted(missing, key=manifest.blobs.get):
        if store.write(_package.blob_path(manifest.model, digest), Stream(manifest.blobs[digest], content[digest]())):
            sent.append(digest)
    if len(sent) < len(missing) and _missing(store, manifest):
        raise MlopsError(f"{_name(manifest)}: {store.url} refused a file as already there, but does not have it")
    return sent


def _write_manifest(store, wanted) -> _package.Manifest:
    """The manifest that stands after writing: ours, or that of another writer when it is the same content.

    It is read back even when ours was taken: Nexus takes two PUTs of one path when they come at the same moment, and the later one stands.
    """
    store.write(_package.manifest_path(wanted.model, wanted.version), Stream(len(wanted.raw), [wanted.raw]))
    return _stored(store, wanted)


def _is_signed(store, stored, wanted, sign) -> bool:
    """Whether the stored manifest has its signature; MlopsError when it has another one, or is meant for another key."""
    if stored is None:
        return False
    path = _package.signature_path(stored.model, stored.version)
    signature = store.read(path, _package.SIGNATURE_SIZE)
    theirs, ours = (manifest.annotations.get(_package.SIGNED_BY) for manifest in (stored, wanted))
    if theirs not in (None, ours):
        raise MlopsError(f"{_name(stored)} in {store.url} is signed by another key: {theirs}, the key given is {ours}")
    if signature not in (None, sign(stored.raw)):
        raise MlopsError(f"{_name(stored)} in {store.url} has a signature that this key did not make over this manifest: "
                         f"delete {store.locate(path)} and publish again, or publish a new version")
    return signature is not None


def _unchanged(file) -> object:
    """The blocks of a SourceFile, as long as it is what was hashed."""
    with _package.open_unchanged(file.name, file.stamp) as source:
        yield from _right(iter(lambda: source.read(_package.BLOCK), b""), file.digest, file.size, file.name)


def _right(blocks, digest, size, where) -> object:
    """The blocks, the last one only when all together have this digest and size: what breaks off before its end is stored nowhere."""
    seen, count, held = hashlib.sha256(), 0, None
    for block in filter(None, blocks):
        seen.update(block)
        count += len(block)
        if count > size:
            break
        if held is not None:
            yield held
        held = block
    if count != size or "sha256:" + seen.hexdigest() != digest:
        raise MlopsError(f"{where}: changed while it was sent, or is damaged: it is not {digest}; nothing of it was kept")
    if held is not None:
        yield held


def _annotations(given) -> tuple:
    """(annotations of the manifest, fields of the config's descriptor) from the module's options; MlopsError names a wrong one."""
    notes, descriptor = {}, {}
    for option, value in given.items():
        if value in (None, [], {}, ""):
            continue
        if option in PATTERNS and not PATTERNS[option][0].fullmatch(value):
            raise MlopsError(f"annotations.{option}: {value!r} is not {PATTERNS[option][1]}")
        if option.endswith("_url") and (urlsplit(value).password or not urlsplit(value).scheme):
            raise MlopsError(f"annotations.{option}: not a URL, or one with a password in it; anyone who reads the store reads it")
        name, field = ANNOTATIONS[option]
        if field:
            descriptor[field] = value
        notes[name] = _text(option, value)
    return notes, descriptor


def _text(option, value) -> str:
    if option == "metrics":
        return json.dumps({name: _number(name, metric) for name, metric in value.items()}, sort_keys=True)
    if option == "licenses":
        return " AND ".join(value)
    return ", ".join(value) if isinstance(value, list) else value


def _number(name, metric) -> float | int:
    if isinstance(metric, bool) or not isinstance(metric, (int, float)) or not math.isfinite(metric):
        raise MlopsError(f"annotations.metrics.{name}: {metric!r} is not a number")
    return metric


def _there_is(store, model) -> str:
    try:
        versions = store.versions(model).get(model)
    except MlopsError:
        return "no such manifest there"
    return f"there is {', '.join(versions)}" if versions else f"it holds no version of {model}"


def _name(manifest) -> str:
    return f"{manifest.model} {manifest.version}"


def _paths(manifest, digests) -> list:
    """The files of these blobs, for people."""
    wanted = set(digests)
    return [file.path for file in manifest.files if file.digest in wanted] + ["config"] * (manifest.config[0] in wanted)


def _list(texts) -> str:
    return ", ".join(texts[:SHOWN]) + (f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else "")


def _listing(manifest, missing=()) -> str:
    """What a store holds of a version, a line a file."""
    if manifest is None:
        return ""
    return "".join(f"{file.path} {file.digest} {file.size}\n" for file in manifest.files if file.digest not in missing)
