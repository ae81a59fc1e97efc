# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders, keys and stores for the tests of packages. The stores are real folders; nothing here knows what a test asserts."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._store import FileStore
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILES = {"model.safetensors": b"weights" * 1000, "data/labels.json": b"{}", "MODEL_CARD.md": b"# card\n"}


class Watched(FileStore):
    """A file store that keeps a list of what was written, and is killed before write number `die_at`."""

    def __init__(self, root, read_only=False):
        super().__init__(f"file://{root}", str(root), read_only)
        self.written, self.die_at = [], None

    def write(self, path, stream):
        if len(self.written) == self.die_at:
            raise KeyboardInterrupt
        done = super().write(path, stream)
        self.written.append(path)
        return done


@pytest.fixture
def folder(tmp_path):
    """folder(files={path: bytes}, name) makes a folder and returns its path; without files, a small valid package."""
    def make(files=None, name="source"):
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for path, content in (FILES if files is None else files).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return str(root)
    return make


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    (tmp_path / "store").mkdir()
    return Watched(tmp_path / "store")


@pytest.fixture
def keys(tmp_path):
    """keys(name) makes an Ed25519 key pair: (path of the private PEM, public key)."""
    def make(name="key"):
        key = Ed25519PrivateKey.generate()
        path = tmp_path / f"{name}.pem"
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        path.chmod(0o600)
        return str(path), key.public_key()
    return make


@pytest.fixture
def snapshot():
    """snapshot(folder) is {relative path: bytes} of every file in it."""
    return lambda root: {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
