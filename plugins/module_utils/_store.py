# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where packages lie: a folder, a server that takes PUT and GET, an OCI layout, behind one interface. Knows paths and bytes, not what they mean."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
from abc import ABC, abstractmethod
from urllib.parse import unquote, urlsplit

from ansible_collections.mlops.onprem.plugins.module_utils import _package
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._transport import Transport

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ALREADY_THERE = (400, 409, 412)
IDENTITY = {"Accept-Encoding": "identity"}
CREATE_ONLY = {"If-None-Match": "*", "Content-Type": "application/octet-stream"}
REF_NAME = "org.opencontainers.image.ref.name"
MODEL = "onprem.mlops.model"
SIGNATURE = "onprem.mlops.signature"


def open_store(url: str, **connection):
    """The store of a URL: file:///folder, https://server/base (http:// too) or oci-layout:///folder.

    connection: options of Transport for a server. MlopsError when the URL is none of these; nothing is asked of the store yet.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise MlopsError("store: the URL holds a user or password; give them as username and password")
    if parts.query or parts.fragment:
        raise MlopsError(f"store: {url!r} has a query or fragment; give the base URL only")
    if parts.scheme in ("http", "https"):
        if parts.scheme == "http" and connection.get("password") and parts.hostname not in LOOPBACK:
            raise MlopsError(f"store: {url!r} would send the password in clear text; use https://")
        return HttpStore(url, Transport(url, **connection))
    if parts.scheme not in FOLDERS or parts.netloc or not parts.path.startswith("/"):
        raise MlopsError(f"store: {url!r} is not file:///folder, https://server/base or oci-layout:///folder")
    return FOLDERS[parts.scheme](url, unquote(parts.path), connection.get("read_only", False))


class Stream:
    """Bytes to be written: len() is their number, iterating reads them; nothing of it is complete until all of it proved right."""

    def __init__(self, size: int, blocks):
        self._size, self._blocks = size, blocks

    def __len__(self):
        return self._size

    def __iter__(self):
        return iter(self._blocks)


class Store(ABC):
    """Named byte strings below one base; a name once written is never changed."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def locate(self, path: str) -> str:
        """The URL of a path, for people."""
        return f"{self.url}/{path}"

    def read(self, path: str, limit: int) -> bytes | None:
        """The whole of something small, None when it is not there; MlopsError when it is longer than limit bytes."""
        blocks, content = self.open(path), b""
        for block in blocks or ():
            content += block
            if len(content) > limit:
                raise MlopsError(f"{self.locate(path)}: longer than the {limit} bytes allowed")
        return content if blocks is not None else None

    @abstractmethod
    def open(self, path: str):
        """An iterator over the blocks of what is there, or None."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Its bytes, None when it is not there."""

    @abstractmethod
    def write(self, path: str, stream: Stream) -> bool:
        """Put it there, whole or not at all; False when something is there already, which stays."""

    @abstractmethod
    def versions(self, model: str | None = None) -> dict:
        """Versions by model of everything there, or of one model; MlopsError when the store cannot list."""


class FileStore(Store):
    """A folder on the controller or mounted there. What appears in it is whole and on disk."""

    def __init__(self, url, root, read_only):
        super().__init__(url)
        self.root, self.read_only = root, read_only
        # Never made by us: below a mount that is missing, packages would go to the wrong disk.
        if not os.path.isdir(self._needed()):
            raise MlopsError(f"store: {self._needed()!r} is not a folder on the controller: make it, or mount what should be there")

    def open(self, path):
        with self._told("read", path):
            try:
                file = open(self._name(path), "rb", buffering=0)
            except FileNotFoundError:
                return None
        return self._blocks(file, path)

    def size(self, path):
        with self._told("read", path):
            try:
                return os.stat(self._name(path)).st_size
            except FileNotFoundError:
                return None

    def write(self, path, stream):
        if self.read_only:
            raise MlopsError(f"{self.locate(path)} was not written: check mode only reads")
        name = self._name(path)
        folder, base = os.path.split(name)
        partial = os.path.join(folder, f".{base}.partial")
        with self._told("write", path):
            os.makedirs(folder, exist_ok=True)
            with open(partial, "ab", buffering=0) as file:
                # A second writer waits here; what a killed one left behind is written over.
                fcntl.flock(file, fcntl.LOCK_EX)
                written = not os.path.exists(name)
                if written:
                    self._fill(file, stream)
                    os.link(partial, name)
                # Only now, when whoever waits finds the name taken: before, it would fill a file without a name.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(partial)
            self._sync(folder)
        return written

    def versions(self, model=None):
        found = {}
        with self._told("list", ""):
            for name in [model] if model else sorted(os.listdir(self.root)):
                folder = os.path.join(self.root, name, "manifests")
                if os.path.isdir(folder):
                    found[name] = sorted(filter(_is_version, os.listdir(folder)))
        return found

    def _needed(self):
        return self.root

    def _name(self, path):
        return os.path.join(self.root, path)

    def _blocks(self, file, path):
        with file, self._told("read", path):
            yield from iter(lambda: file.read(_package.BLOCK), b"")

    @staticmethod
    def _fill(file, stream):
        file.truncate(0)
        try:
            for block in stream:
                file.write(block)
        except BaseException:
            file.truncate(0)
            raise
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())

    @staticmethod
    def _sync(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _told(self, verb, path):
        try:
            yield
        except OSError as error:
            raise MlopsError(f"store: cannot {verb} {self.locate(path)}: {error.strerror}") from error


class OciLayoutStore(FileStore):
    """One model as an OCI image layout, for any OCI client: each version is a reference, its signature an annotation in index.json."""

    def open(self, path):
        model, kind, name = path.split("/")
        if kind == "blobs":
            return super().open(path)
        entry = self._entry(model, name.removesuffix(".sig"))
        if entry is None or not name.endswith(".sig"):
            return entry and super().open(_package.blob_path(model, entry["digest"]))
        signature = entry["annotations"].get(SIGNATURE)
        return signature and [base64.b64decode(signature)]

    def write(self, path, stream):
        model, kind, name = path.split("/")
        if kind == "blobs":
            return super().write(path, stream)
        content = b"".join(stream)
        with open(os.path.join(self.root, ".lock"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            index = self._index()
            entry = self._entry(model, name.removesuffix(".sig"), index)
            if name.endswith(".sig"):
                if SIGNATURE in entry["annotations"]:
                    return False
                entry["annotations"][SIGNATURE] = base64.b64encode(content).decode()
            elif entry:
                return False
            else:
                digest = _package.digest_of(content)
                super().write(_package.blob_path(model, digest), Stream(len(content), [content]))
                index["manifests"].append({"mediaType": _package.MANIFEST_TYPE, "artifactType": _package.ARTIFACT_TYPE, "digest": digest,
                                           "size": len(content), "annotations": {REF_NAME: name, MODEL: model}})
            self._replace("oci-layout", {"imageLayoutVersion": "1.0.0"})
            self._replace("index.json", index)
        return True

    def versions(self, model=None):
        found = {}
        for entry in self._index()["manifests"]:
            found.setdefault(entry["annotations"][MODEL], []).append(entry["annotations"][REF_NAME])
        return {name: sorted(versions) for name, versions in found.items() if model in (None, name)}

    def _needed(self):
        return os.path.dirname(self.root)

    def _name(self, path):
        return os.path.join(self.root, "blobs", *path.rpartition("/")[2].split(":"))

    def _index(self):
        try:
            with open(os.path.join(self.root, "index.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}

    def _entry(self, model, version, index=None):
        entries = (index or self._index())["manifests"]
        for entry in entries:
            other = entry.get("annotations", {}).get(MODEL)
            if other != model:
                raise MlopsError(f"store: {self.url} holds {other or 'something not of this collection'}: give {model} a folder of its own")
        return next((entry for entry in entries if entry["annotations"].get(REF_NAME) == version), None)

    def _replace(self, name, document):
        target = os.path.join(self.root, name)
        with open(target + ".partial", "wb", buffering=0) as file:
            self._fill(file, [json.dumps(document, indent=1).encode()])
        os.replace(target + ".partial", target)
        self._sync(self.root)


class HttpStore(Store):
    """Anything that takes PUT, GET and HEAD: a Nexus raw repository, best with write policy "allow once", or a plain web server."""

    def __init__(self, url, transport):
        super().__init__(url)
        self.transport = transport

    def open(self, path):
        answer = self.transport.request("GET", path, headers=IDENTITY, stream=True)
        if answer.status_code == 404:
            answer.close()
            return None
        return self._blocks(answer)

    def size(self, path):
        answer = self.transport.request("HEAD", path, headers=IDENTITY)
        if answer.status_code == 404:
            return None
        length = answer.headers.get("Content-Length", "")
        if not length.isdigit():
            raise MlopsError(f"store: {self.locate(path)}: the server does not say how long it is (no Content-Length)")
        return int(length)

    def write(self, path, stream):
        try:
            # requests sends something empty in chunks, which not every server takes, unless it is given as bytes.
            answer = self.transport.request("PUT", path, data=stream if len(stream) else b"", headers=CREATE_ONLY)
        except ServiceError as error:
            if error.status in ALREADY_THERE and self.size(path) is not None:
                return False
            raise
        if answer.status_code == 404:
            raise ServiceError("PUT", self.locate(path), 404, f"{answer.reason}: is {self.url} the base of a store?")
        return True

    def versions(self, model=None):
        parts = re.fullmatch(r"(.*)/repository/([^/]+)(/.*)?", self.url)
        pattern = f"{parts[3] or ''}/{model or '*'}/manifests" if parts else ""
        found, token = {}, None
        while parts:
            answer = self.transport.request("GET", f"{parts[1]}/service/rest/v1/search", params={
                "repository": parts[2], "group": pattern, "continuationToken": token})
            if answer.status_code == 404:
                break
            page = answer.json()
            for item in page["items"]:
                folder, version = item["name"].lstrip("/").rsplit("/", 1)
                if _is_version(version):
                    found.setdefault(folder.split("/")[-2], []).append(version)
            token = page.get("continuationToken")
            if not token:
                return {name: sorted(versions) for name, versions in sorted(found.items())}
        raise MlopsError(f"store: {self.url} cannot be listed: only a folder, an OCI layout and a Nexus repository "
                         "(https://server/repository/name) can; give model and version to show one package")

    def _blocks(self, answer):
        with contextlib.closing(answer):
            try:
                yield from answer.iter_content(_package.BLOCK)
            except OSError as error:
                raise self.transport.no_answer("GET", answer.url, error) from error


def _is_version(name: str) -> bool:
    try:
        return bool(_package.check_version(name))
    except MlopsError:
        return False


FOLDERS = {"file": FileStore, "oci-layout": OciLayoutStore}
