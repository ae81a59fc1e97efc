# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A repository on a real Nexus, a plain web server, the trained example, and how to run model_package. Knows no test."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.onprem.plugins.modules import model_package
from ansible_collections.mlops.onprem.tests.standins.server import running
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "breast_cancer"
KEPT = 1 << 20
VERSIONS = {"1": [], "2": ["--strength", "2"], "bad": ["--forget-scaler"]}


@pytest.fixture
def repository(nexus, request):
    """The URL of a new raw repository that takes each path once; the request log begins here."""
    name = "".join(char if char.isalnum() else "-" for char in request.node.name)
    answer = requests.post(f"{nexus.url}/service/rest/v1/repositories/raw/hosted", auth=("admin", nexus.password), timeout=60, json={
        "name": name, "online": True, "storage": {"blobStoreName": "default", "strictContentTypeValidation": False, "writePolicy": "ALLOW_ONCE"}})
    answer.raise_for_status()
    nexus.requests_logged()
    return f"{nexus.url}/repository/{name}"


class PlainServer(http.server.BaseHTTPRequestHandler):
    """PUT, GET and HEAD of paths, overwriting, without a list: the least a store can be. server.answer is a status to answer instead.

    Of what is longer than KEPT only the length is looked at: a test of something large must not hold it in memory here.
    """

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body, left = b"", int(self.headers["Content-Length"])
        while left:
            block = self.rfile.read(min(left, KEPT))
            left -= len(block)
            body = (body + block)[:KEPT]
        if self.server.answer:
            return self._reply(self.server.answer)
        self.server.files[self.path] = body
        return self._reply(201)

    def do_GET(self):
        body = self.server.files.get(self.path)
        return self._reply(self.server.answer or (404 if body is None else 200), body or b"")

    do_HEAD = do_GET

    def _reply(self, status, body=b""):
        self.server.seen.append((self.command, self.path))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def plain_server():
    """A running PlainServer: url, files, seen (requests), answer."""
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), PlainServer)) as server:
        server.files, server.seen, server.answer = {}, [], None
        server.url = f"http://127.0.0.1:{server.server_port}/models"
        yield server


@pytest.fixture(scope="session")
def example_python():
    """A Python with what the example's training needs, by its lock; kept in .cache, so only the first run makes it."""
    lock = EXAMPLE / "requirements.txt"
    home = ROOT / ".cache" / f"example-{hashlib.sha256(lock.read_bytes()).hexdigest()[:8]}"
    if not (home / "bin" / "python").exists():
        made = home.with_suffix(f".{os.getpid()}")
        subprocess.run([sys.executable, "-m", "venv", made], check=True)
        installer = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", made / "bin" / "python", "--require-hashes", "-r", lock]
        subprocess.run(installer, check=True)
        made.rename(home)
    return home / "bin" / "python"


@pytest.fixture(scope="session")
def train(example_python):
    """train(version, folder) writes a version of the example."""
    def run(version, folder):
        subprocess.run([example_python, "-B", "-m", "breast_cancer.train", "--output", folder, *VERSIONS[version]], cwd=EXAMPLE, check=True)
        return folder
    return run


@pytest.fixture(scope="session")
def trained(train, tmp_path_factory):
    """{version: folder} of the example's versions."""
    root = tmp_path_factory.mktemp("trained")
    return {version: train(version, root / version) for version in VERSIONS}


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    """(path of a private key, PEM text of its public key)."""
    pair = Ed25519PrivateKey.generate()
    path = tmp_path_factory.mktemp("key") / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(pair.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    public = pair.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return str(path), public.decode()


@pytest.fixture(scope="session")
def package():
    """Run model_package in this process: package(state=..., _check=True) is what it prints; secrets given must not be in it."""
    def module(_check=False, **options):
        out = io.StringIO()
        options = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
        with patch_module_args(options | {"_ansible_check_mode": _check, "_ansible_diff": True}), contextlib.redirect_stdout(out), \
                pytest.raises(SystemExit):
            model_package.main()
        result = json.loads(out.getvalue().splitlines()[-1])
        result.pop("invocation")
        assert not options.get("password") or options["password"] not in json.dumps(result)
        return result
    return module


@pytest.fixture(scope="session")
def oras():
    """The oras client, built from the Go module proxy once; a printed skip where there is no Go."""
    version = "v1.3.6"
    binary = ROOT / ".cache" / "bin" / f"oras-{version}"
    if not binary.exists():
        go = shutil.which("go")
        if not go:
            pytest.skip("no Go here to build oras with: install Go to see oras pull read a package (skopeo was shown)")
        scratch = binary.parent / f"oras.{os.getpid()}"
        subprocess.run([go, "install", f"oras.land/oras/cmd/oras@{version}"], check=True, env=os.environ | {"GOBIN": str(scratch)})
        (scratch / "oras").rename(binary)
        scratch.rmdir()
    return binary
