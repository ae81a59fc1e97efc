# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ed25519 signatures on the controller: keys from PEM, sign, verify, say why not. Knows bytes only, no package and no store."""

from __future__ import annotations

import hashlib
import os
import stat

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
except ImportError:  # told to the user when a key is used, not when Ansible imports the file
    serialization = None

MAKE_KEY = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"


def load_private_key(path: str, passphrase: str | None = None) -> Ed25519PrivateKey:
    """The signing key of a PEM file that only its owner may read."""
    raw = _read(path, "signing_key")
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & 0o077:
        raise MlopsError(f"signing_key: {path!r} has mode {mode:04o}, others than its owner may use it: chmod 0600")
    try:
        key = serialization.load_pem_private_key(raw, passphrase.encode() if passphrase else None)
    except TypeError as error:  # how the library says: a passphrase is missing or too many
        right = "is not encrypted: leave signing_key_passphrase out" if passphrase else "is encrypted: give signing_key_passphrase"
        raise MlopsError(f"signing_key: {path!r} {right}") from error
    except ValueError as error:
        right = "signing_key_passphrase is wrong, or it is" if passphrase else "it is"
        raise MlopsError(f"signing_key: {path!r} cannot be read: {right} not a private key in PEM; {MAKE_KEY}") from error
    return _of_kind(key, Ed25519PrivateKey, "signing_key", repr(path))


def load_public_key(pem_or_path: str) -> Ed25519PublicKey:
    """The key to verify with, from PEM text or a file of it."""
    inline = pem_or_path.lstrip().startswith("-----BEGIN")
    raw = _usable(pem_or_path.encode()) if inline else _read(pem_or_path, "public_key")
    shown = "the text" if inline else repr(pem_or_path)
    try:
        key = serialization.load_pem_public_key(raw)
    except ValueError as error:
        raise MlopsError(f"public_key: {shown} is not a public key in PEM: openssl pkey -in key.pem -pubout writes it") from error
    return _of_kind(key, Ed25519PublicKey, "public_key", shown)


def fingerprint(key: Ed25519PublicKey) -> str:
    """ "sha256:" and 16 hex digits of a public key, enough to tell keys apart."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return "sha256:" + hashlib.sha256(raw).hexdigest()[:16]


def verify(key: Ed25519PublicKey, signature: bytes | None, content: bytes, signed_by: str | None, what: str) -> None:
    """MlopsError, with a text of its own for each, when there is no signature, it is of another key, or of other bytes.

    signed_by: the fingerprint the content names; a signature alone does not tell whose it is. what: the content, for the message.
    """
    if signature is None:
        raise MlopsError(f"{what} has no signature: publish it again with signing_key")
    if signed_by and signed_by != fingerprint(key):
        raise MlopsError(f"{what} is signed by another key: {signed_by}, the key given is {fingerprint(key)}")
    try:
        key.verify(signature, content)
    except InvalidSignature as error:
        other = "" if signed_by else f", or with another key than {fingerprint(key)}"
        raise MlopsError(f"{what} does not fit its signature: that was made over other bytes{other}") from error


def _read(path: str, option: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return _usable(file.read(64 * 1024))
    except OSError as error:
        raise MlopsError(f"{option}: {path!r} cannot be read: {error.strerror}") from error


def _usable(raw: bytes) -> bytes:
    if serialization is None:
        raise MlopsError("the Python package 'cryptography' is missing on the controller: install it for the Python that runs Ansible")
    return raw


def _of_kind(key, kind, option: str, shown: str):
    if not isinstance(key, kind):
        raise MlopsError(f"{option}: {shown} is of kind {type(key).__name__.lstrip('_')}, an Ed25519 key is needed; {MAKE_KEY}")
    return key
