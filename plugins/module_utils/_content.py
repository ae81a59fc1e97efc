# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verified content on a host: manifests, blobs and release folders. Knows the store and the disk; knows no unit, slot or proxy."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess

from ansible_collections.mlops.onprem.plugins.module_utils import _package
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError, one_line


class Content:
    """The content store below layout.root; source is a `_fetch.Source` at the store's base URL."""

    def __init__(self, layout, source):
        self.layout, self.source = layout, source
        self.stamps_path = f"{layout.root}/blobs/stamps.json"
        try:
            self.stamps = json.loads(read_bytes(self.stamps_path) or b"{}")
        except ValueError:
            self.stamps = {}
        self.kept_stamps = dict(self.stamps)
        self.bytes_fetched = self.blobs_fetched = 0

    def manifest(self, model, version, digest, name, public_key):
        """(Manifest, signature bytes or None), from the host when it is there, else from the store; digest and signature checked either way.

        public_key: PEM text, or None for no signature. MlopsError when the store does not have it or anything does not match.
        """
        path = self.layout.manifest(model, name)
        raw, signature = read_bytes(path), read_bytes(path[: -len("json")] + "sig")
        if raw is None or _package.digest_of(raw) != digest:
            raw = self._from_store(_package.manifest_path(model, version), _package.MANIFEST_LIMIT, f"version {version} of model {model}")
            signature = None
        if _package.digest_of(raw) != digest:
            raise MlopsError(f"manifest of {model} {version} in {self.source.url} has digest {_package.digest_of(raw)}, asked for was {digest}")
        if public_key:
            where = _package.signature_path(model, version)
            signature = signature or self._from_store(where, _package.SIGNATURE_SIZE, f"the signature of {model} {version}")
            verify_signature(raw, signature, public_key, f"{model} {version}")
        return _package.parse_manifest(raw, model, version), signature

    def _from_store(self, path, limit, what):
        try:
            return self.source.read(path, limit)
        except ServiceError as error:
            if error.status == 404:
                raise MlopsError(f"{what} is not in the store {self.source.url}") from error
            raise

    def missing(self, files):
        """The files whose blob is not here or not right (one entry a digest). A blob is read again only when its stamp has changed."""
        entries = {entry.digest: entry for entry in files}
        return [entry for entry in entries.values() if not self._is_right(entry)]

    def _is_right(self, entry):
        path = self.layout.blob(entry.digest)
        stamp = stamp_of(path)
        if stamp is None or stamp[1] != entry.size:
            return False
        if self.stamps.get(entry.digest) != stamp:
            if "sha256:" + _package.sha256_file(path) != entry.digest:
                return False
            self.stamps[entry.digest] = stamp
        return True

    def unlinked(self, model, name, files):
        """(files that are not linked to their blob in the release folder, paths there that belong to nothing)."""
        folder = self.layout.release(model, name)
        wanted = {entry.path: entry for entry in files}
        found = {os.path.relpath(os.path.join(base, file), folder) for base, dirs, files_here in os.walk(folder) for file in files_here}
        wrong = [entry for path, entry in wanted.items() if path not in found or not self._is_link(os.path.join(folder, path), entry)]
        return wrong, sorted(found - set(wanted))

    def _is_link(self, path, entry):
        stamp = stamp_of(path)
        return stamp is not None and stamp == stamp_of(self.layout.blob(entry.digest))

    def room(self):
        """Free bytes and inodes below the root; a file system without a fixed number of inodes has as many as bytes."""
        room = os.statvfs(self.layout.root)
        free = room.f_bavail * room.f_frsize
        return {"bytes": free, "inodes": room.f_favail if room.f_files else free}

    def need(self, missing, files):
        """Bytes and inodes a release of these files takes, what is already partly here left out."""
        partial = sum((stamp_of(self.layout.blob(entry.digest) + ".partial") or (0, 0))[1] for entry in missing)
        folders = {os.path.dirname(entry.path) for entry in files}
        return {"bytes": sum(entry.size for entry in missing) - partial, "inodes": len(missing) + len(folders) + 8}

    def fetch(self, model, entries):
        """Brings blobs here, each in one pass; a cut one goes on where it stopped, in this run or the next."""
        folder = f"{self.layout.root}/blobs/sha256"
        os.makedirs(folder, mode=0o755, exist_ok=True)
        for entry in entries:
            path = self.layout.blob(entry.digest)
            self.bytes_fetched += self.source.download(_package.blob_path(model, entry.digest), path, entry.size, entry.digest.partition(":")[2])
            self.blobs_fetched += 1
            self.stamps[entry.digest] = stamp_of(path)
        sync_folder(folder)

    def keep_stamps(self):
        """Saves what was found right, so that the next run need not read it again. A cache: losing it costs time only."""
        if self.stamps != self.kept_stamps and os.path.isdir(os.path.dirname(self.stamps_path)):
            here = {digest: stamp for digest, stamp in self.stamps.items() if os.path.exists(self.layout.blob(digest))}
            write_atomic(self.stamps_path, json.dumps(here))
            self.kept_stamps = dict(self.stamps)

    def link(self, model, name, manifest, signature):
        """Makes the release folder right: hard links to the blobs, each replaced by rename, and nothing else in it."""
        folder = self.layout.release(model, name)
        wrong, strangers = self.unlinked(model, name, manifest.files)
        for path in strangers:
            os.unlink(os.path.join(folder, path))
        for entry in wrong:
            target = os.path.join(folder, entry.path)
            os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
            link = f"{self.layout.home(model)}/.link"
            unlink_if_there(link)
            os.link(self.layout.blob(entry.digest), link)
            os.rename(link, target)
        for base, _dirs, _files in os.walk(folder):
            sync_folder(base)
        for base in (os.path.dirname(folder), self.layout.home(model), self.layout.root):
            sync_folder(base)
        path = self.layout.manifest(model, name)
        write_atomic(path, manifest.raw)
        if signature:
            write_atomic(path[: -len("json")] + "sig", signature)

    def prune(self, model, kept):
        """Removes the releases of the model not named in kept, then every blob that no release of any model links to, and rests of downloads."""
        for name in os.listdir(f"{self.layout.home(model)}/releases"):
            if name not in kept:
                shutil.rmtree(self.layout.release(model, name))
        for file in os.listdir(f"{self.layout.home(model)}/manifests"):
            if file.rpartition(".")[0] not in kept:
                os.unlink(f"{self.layout.home(model)}/manifests/{file}")
        self.prune_blobs()

    def prune_blobs(self):
        """Removes every blob that no release links to: its link count says so, whatever the model."""
        with os.scandir(f"{self.layout.root}/blobs/sha256") as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_nlink == 1:
                    os.unlink(entry.path)


def verify_signature(raw, signature, public_key, what):
    """Ed25519 over the manifest's bytes, by openssl (nothing to install). The three files are in memory only. MlopsError when it does not match."""
    files = [_memory_file(content) for content in (public_key.encode(), signature, raw)]
    key, sig, data = (f"/proc/self/fd/{file}" for file in files)
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key, "-sigfile", sig, "-in", data]
    try:
        done = subprocess.run(command, pass_fds=files, capture_output=True, text=True, check=False)
    except OSError as error:
        raise MlopsError(f"openssl cannot be run on this host ({error.strerror}): it is needed to verify the signature of {what}") from error
    finally:
        for file in files:
            os.close(file)
    if done.returncode:
        raise MlopsError(f"signature of {what} does not match the public key: {one_line(done.stdout + done.stderr)}")


def _memory_file(content):
    file = os.memfd_create("mlops")
    with os.fdopen(os.dup(file), "wb") as writer:
        writer.write(content)
    return file


def stamp_of(path):
    """[inode, size, mtime in ns] of a regular file, else None."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def read_bytes(path):
    """The file's bytes, None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write_atomic(path, content, mode=0o644):
    """Puts the whole content (text or bytes) in place or nothing, on disk when it returns."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    temporary = f"{path}.new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)
    sync_folder(os.path.dirname(path))


def sync_folder(path):
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def unlink_if_there(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
