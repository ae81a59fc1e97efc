# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bytes from a URL to a host: http(s), a Unix socket or a folder. Knows connections, Range and hashes; knows no model and no release."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import socket
import ssl
import time
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError

BLOCK = 1 << 20
LOOPBACK = ("localhost", "127.0.0.1", "::1")
TRANSIENT = (429, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5


class Interrupted(ServiceError):
    """No answer, a cut connection or a busy server: what a second try may mend."""


class Answer(NamedTuple):
    """What a server said: status, headers (names in lower case), body (bytes)."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        """The body as JSON; {} when it is none, so that the caller's own check speaks."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Body(NamedTuple):
    """An open answer: readinto(buffer) -> bytes read, where in the file it starts and how long the whole file is (None: not said)."""

    readinto: object
    start: int
    total: int | None


class _Partial:
    """A file that grows and is hashed in the same pass."""

    def __init__(self, file, size):
        self.file, self.digest, self.length = file, hashlib.sha256(), 0
        file.seek(0)
        for block in iter(lambda: file.read(BLOCK), b""):
            self.digest.update(block)
            self.length += len(block)
        if self.length > size:
            self.restart()

    def restart(self):
        self.file.truncate(0)
        self.digest, self.length = hashlib.sha256(), 0

    def append(self, block):
        self.file.write(block)
        self.digest.update(block)
        self.length += len(block)


class Source:
    """One place that answers requests: `https://host/base`, `http://`, `unix:///path/to/socket` or `file:///folder`.

    One connection is kept for all requests. `sent` counts the requests on the wire, `received` the bytes of bodies.
    ca_path, ca: a file and a PEM text of the certificates to trust instead of the system's. timeout: seconds for each wait. retries: further tries
    without progress; pause: seconds before the first of them, doubled each time. rate_limit: bytes per second, 0 for none.
    """

    def __init__(self, url, username=None, password=None, ca_path=None, ca=None, timeout=60, retries=3, pause=1.0, rate_limit=0):
        self.url = url.rstrip("/")
        self._parts = urlsplit(self.url)
        if self._parts.scheme not in ("http", "https", "unix", "file"):
            raise MlopsError(f"store {self.url!r} is not a URL of http://, https://, unix:// or file://")
        if "@" in self._parts.netloc:
            raise MlopsError("a URL must not carry a password: give store_username and store_password instead")
        if self._parts.scheme == "http" and password and self._parts.hostname not in LOOPBACK:
            raise MlopsError(f"{self.url} would send the password in clear text: use https://")
        self._timeout, self._retries, self._pause, self._rate = timeout, retries, pause, rate_limit
        self._ca_path, self._ca, self._headers, self._connection = ca_path, ca, {}, None
        if username:
            self._headers["Authorization"] = "Basic " + base64.b64encode(f"{username}:{password or ''}".encode()).decode()
        self.sent = self.received = 0

    def close(self):
        """Closes the kept connection; the next request opens a new one."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def read(self, path, limit):
        """The whole of one small file as bytes. ServiceError when it is missing, refused or longer than limit bytes."""
        return self._patiently(lambda: self._read(path, limit))

    def call(self, method, path, body=None):
        """One request with a JSON body (a Python object or None) -> Answer, whatever its status; Interrupted when there is no answer."""
        headers, data = {}, None
        if body is not None:
            headers, data = {"Content-Type": "application/json"}, json.dumps(body).encode()
        try:
            response = self._send(method, self._target(path), headers, data)
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._silence(method, path, error) from error

    def download(self, path, target, size, sha256):
        """Writes the file to target, which appears only whole, right and on disk: hashed as it arrives, written once.

        A cut transfer goes on where it stopped, also in a later run (`target.partial`). Returns the bytes that came over the wire.
        MlopsError when size or hash differ from what was asked.
        """
        before = self.received
        with open(target + ".partial", "a+b", buffering=0) as file:
            partial = _Partial(file, size)
            resumed = partial.length > 0
            self._patiently(lambda: self._fill(path, partial, size), lambda: partial.length)
            if resumed and partial.digest.hexdigest() != sha256:
                partial.restart()
                self._patiently(lambda: self._fill(path, partial, size), lambda: partial.length)
            if partial.digest.hexdigest() != sha256:
                os.unlink(file.name)
                raise MlopsError(f"{self._shown(path)}: content has sha256 {partial.digest.hexdigest()}, the manifest says {sha256}")
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        os.rename(target + ".partial", target)
        return self.received - before

    def _fill(self, path, partial, size):
        if partial.length == size:
            return
        body = self._open("GET", path, partial.length)
        if body.total not in (None, size):
            raise MlopsError(f"{self._shown(path)}: the store has {body.total} bytes, the manifest says {size}")
        if body.start != partial.length:
            partial.restart()
        for block in self._blocks(path, body, size - partial.length):
            partial.append(block)
        if partial.length < size:
            raise Interrupted("GET", self._shown(path), None, f"the connection was cut after {partial.length} of {size} bytes")

    def _read(self, path, limit):
        content = b"".join(map(bytes, self._blocks(path, self._open("GET", path), limit + 1)))
        if len(content) > limit:
            raise MlopsError(f"{self._shown(path)} is longer than {limit} bytes")
        return content

    def _blocks(self, path, body, most):
        """Views of at most `most` bytes in all, no faster than the rate limit; a view is valid until the next one."""
        size = min(BLOCK, max(self._rate // 8, 4096)) if self._rate else BLOCK
        buffer, begun, sent = memoryview(bytearray(min(size, max(most, 1)))), time.monotonic(), 0
        while sent < most:
            try:
                count = body.readinto(buffer[: most - sent])
            except (OSError, http.client.HTTPException) as error:
                raise self._silence("GET", path, error) from error
            if not count:
                break
            sent += count
            self.received += count
            yield buffer[:count]
            if self._rate:
                time.sleep(max(0.0, begun + sent / self._rate - time.monotonic()))

    def _open(self, method, path, start=0):
        if self._parts.scheme == "file":
            return self._open_file(path, start)
        headers = {"Range": f"bytes={start}-"} if start else {}
        target = self._target(path)
        for _hop in range(MAX_REDIRECTS + 1):
            response = self._send(method, target, headers)
            if response.status not in REDIRECTS:
                return self._checked(method, path, start, response)
            target = self._redirected(path, target, response)
        raise MlopsError(f"{self._shown(path)}: more than {MAX_REDIRECTS} redirects")

    def _checked(self, method, path, start, response):
        length = response.getheader("Content-Length")
        if response.status in (206, 416):
            # 416 is "the file ends before that": an empty body, and the length tells the caller what is wrong
            begin, _slash, total = response.getheader("Content-Range", "").removeprefix("bytes ").partition("/")
            first, total = begin.partition("-")[0], int(total) if total.isdigit() else None
            return _Body(response.readinto if response.status == 206 else lambda buffer: 0, int(first) if first.isdigit() else 0, total)
        if response.status == 200:
            return _Body(response.readinto, 0, int(length) if length else None)
        kind = Interrupted if response.status in TRANSIENT else ServiceError
        body = response.read(2000).decode(errors="replace") if "text/plain" in response.getheader("Content-Type", "") else ""
        self.close()
        raise kind(method, self._shown(path), response.status, response.reason, body)

    def _open_file(self, path, start):
        name = os.path.join(unquote(self._parts.path), path)
        try:
            file = open(name, "rb", buffering=0)
            file.seek(start)
            return _Body(file.readinto, start, os.fstat(file.fileno()).st_size)
        except OSError as error:
            raise ServiceError("GET", self._shown(path), 404 if isinstance(error, FileNotFoundError) else None, error.strerror) from error

    def _send(self, method, target, headers, data=None):
        self._connection = self._connection or self._connect()
        self.sent += 1
        try:
            self._connection.request(method, target, data, {**self._headers, **headers})
            return self._connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            why = f"its certificate is not trusted ({error.verify_message}): give store_ca or store_ca_path"
            raise ServiceError(method, self._shown(target), None, why) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._silence(method, target, error) from error

    def _connect(self):
        parts = self._parts
        if parts.scheme == "unix":
            return _UnixConnection(unquote(parts.path), self._timeout)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=self._timeout)
        try:
            context = ssl.create_default_context(cafile=self._ca_path or None, cadata=self._ca or None)
        except OSError as error:
            raise MlopsError(f"store_ca_path {self._ca_path or ''}, store_ca: not certificates in PEM ({error.strerror or error})") from error
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=self._timeout, context=context)

    def _target(self, path):
        base = "" if self._parts.scheme == "unix" else self._parts.path
        return f"{base}/{quote(path, safe='/:@+~')}"

    def _redirected(self, path, target, response):
        """The next request target, on the same host only: a redirect must not carry the password elsewhere."""
        response.read()
        there = urlsplit(urljoin(f"{self._parts.scheme}://{self._parts.netloc}{target}", response.getheader("Location", "")))
        if (there.scheme, there.netloc) != (self._parts.scheme, self._parts.netloc):
            raise MlopsError(f"{self._shown(path)} redirects to another host, {there.scheme}://{there.netloc}: not followed")
        return there._replace(scheme="", netloc="", fragment="").geturl()

    def _shown(self, path):
        return f"{self.url}/{path.lstrip('/')}"

    def _silence(self, method, path, error):
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Interrupted(method, self._shown(path), None, reason, refused=isinstance(error, ConnectionRefusedError))

    def _patiently(self, action, progress=lambda: 0):
        failures, reached = 0, progress()
        while True:
            try:
                return action()
            except Interrupted:
                self.close()
                failures = 1 if progress() > reached else failures + 1
                reached = progress()
                if failures > self._retries:
                    raise
                time.sleep(min(self._pause * 2 ** (failures - 1), 30))


def ask_socket(path, command, timeout=10):
    """Sends one line to a Unix socket that answers and closes (HAProxy's admin socket) and returns the text. Interrupted when nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(path)
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError as error:
            raise Interrupted(command, f"unix://{path}", None, error.strerror or str(error)) from error
