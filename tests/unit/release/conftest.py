"""A host in a temporary folder: real HAProxy, real files, real sockets, processes instead of systemd units; and a store with signed packages."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils import _package
from ansible_collections.mlops.onprem.plugins.module_utils._fetch import Source
from ansible_collections.mlops.onprem.plugins.module_utils._host import Host
from ansible_collections.mlops.onprem.plugins.module_utils._probe import probe
from ansible_collections.mlops.onprem.plugins.module_utils._release import SLOTS, Layout, unit
from ansible_collections.mlops.onprem.plugins.module_utils._rollout import Rollout, Wanted, golden_requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SERVER = os.path.join(os.path.dirname(__file__), "slot_server.py")
HAPROXY = """
global
    stats socket {0}/admin.sock mode 660 level admin
defaults
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server 10s
    retries 3
    retry-on conn-failure empty-response
frontend models
    bind 127.0.0.1:{1}
    use_backend %[path,field(4,/),map_str({0}/haproxy/models.map)]
"""


class Store:
    """A file:// store that publishes packages signed with its key."""

    def __init__(self, folder):
        self.folder, self.url = folder, f"file://{folder}"
        self.key = Ed25519PrivateKey.generate()
        self.public_key = pem(self.key)

    def publish(self, model, version, factor, expected=None, extra=None, name=None, large=None):
        """Returns the digest. The model multiplies by factor; its golden answers say expected (default: right). large: path -> file to link in."""
        source = tempfile.mkdtemp(dir=os.path.dirname(self.folder))
        right = factor if expected is None else expected
        tensor = {"name": "x", "datatype": "FP32", "shape": [2], "data": [1.0, 2.0]}
        golden = {
            "schema": 1,
            "requests": [{
                "name": "two",
                "request": {"inputs": [tensor]},
                "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [right, 2 * right]}],
            }],
        }
        files = {"model.onnx": str(factor), "golden.json": json.dumps(golden), "README.md": f"multiplies, {model}", **(extra or {})}
        for path, content in files.items():
            os.makedirs(os.path.dirname(os.path.join(source, path)), exist_ok=True)
            with open(os.path.join(source, path), "w", encoding="utf-8") as file:
                file.write(content)
        for path, file in (large or {}).items():
            os.link(file, os.path.join(source, path))
        found = _package.read_folder(source)
        config = _package.build_config(name or model, version, found, {}, "onnx")
        manifest = _package.build_manifest(name or model, version, found, config, {})
        for entry in found:
            target = os.path.join(self.folder, _package.blob_path(model, entry.digest))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(entry.name, target)
        self.put(_package.blob_path(model, manifest.config[0]), config)
        self.put(f"{model}/manifests/{version}", manifest.raw)
        self.put(f"{model}/manifests/{version}.sig", self.key.sign(manifest.raw))
        return manifest.digest

    def put(self, path, content):
        target = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(content)


def pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


class ProcessHost(Host):
    """Units are processes here, enabled units are files: what systemd would do, done by hand. Everything else is the real thing."""

    def _pid(self, slot):
        try:
            with open(f"{self.layout.units}/{unit(self.model, slot)}.pid", encoding="ascii") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return pid if SERVER.encode() in file.read() else None
        except (OSError, ValueError):
            return None

    def _units(self):
        running = frozenset(slot for slot in SLOTS if self._pid(slot))
        return running, frozenset(slot for slot in SLOTS if os.path.exists(f"{self.layout.units}/{unit(self.model, slot)}.enabled"))

    def enable(self, slot):
        open(f"{self.layout.units}/{unit(self.model, slot)}.enabled", "w", encoding="ascii").close()

    def disable(self, slot):
        os.unlink(f"{self.layout.units}/{unit(self.model, slot)}.enabled")

    def stop(self, slot):
        while pid := self._pid(slot):
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def restart(self, slot):
        self.stop(slot)
        with open(os.path.join(self.layout.units, "log"), "ab") as log:
            process = subprocess.Popen([sys.executable, SERVER, self.layout.env(self.model, slot)], start_new_session=True, stdout=log, stderr=log)
        with open(f"{self.layout.units}/{unit(self.model, slot)}.pid", "w", encoding="ascii") as file:
            file.write(str(process.pid))

    def reload_units(self):
        pass

    def cool(self, slot, seconds):
        if seconds == 0:
            self.stop(slot)

    def keep_hot(self, slot):
        pass

    def _has_failed(self, slot):
        return not self._pid(slot)

    def _last_words(self, slot):
        with open(os.path.join(self.layout.units, "log"), encoding="utf-8") as file:
            return file.read().strip().splitlines()[-1:]

    def _reload_haproxy(self):
        with open(f"{os.path.dirname(self.layout.admin)}/haproxy.pid", encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGUSR2)


class DyingHost(ProcessHost):
    """Ends the process before step number `die`."""

    die = 0

    def perform(self, step):
        if type(self).die == 0:
            os._exit(9)
        type(self).die -= 1
        super().perform(step)


class Site:
    """One host with HAProxy in front, and what a client sees of it."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.layout = Layout(f"{folder}/models", f"{folder}/slots", f"{folder}/units", f"{folder}/haproxy", f"{folder}/run", f"{folder}/admin.sock")
        self.store = Store(f"{folder}/store")
        for path in (self.layout.root, self.layout.units, f"{folder}/haproxy/models.d"):
            os.makedirs(path)
        with open(f"{folder}/haproxy/haproxy.cfg", "w", encoding="ascii") as file:
            file.write(HAPROXY.format(folder, self.port))
        for name in (self.layout.map, f"{folder}/haproxy/models.d/none.cfg"):
            open(name, "w", encoding="ascii").close()
        self.start_haproxy()

    def start_haproxy(self):
        config = ["-f", f"{self.folder}/haproxy/haproxy.cfg", "-f", f"{self.folder}/haproxy/models.d"]
        self.haproxy = subprocess.Popen(["haproxy", "-W", *config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(f"{self.folder}/haproxy.pid", "w", encoding="ascii") as file:
            file.write(str(self.haproxy.pid))
        wait_for(lambda: answers(self.port))

    def stop_haproxy(self):
        self.haproxy.terminate()
        self.haproxy.wait()

    def wanted(self, state, version=None, digest=None, **more):
        more = {"model": "wine", "store": self.store.url, "public_key": self.store.public_key, "ready_timeout": 20, **more}
        return Wanted(state, version=version, digest=digest, **more)

    def call(self, state, version=None, digest=None, check_mode=False, host=ProcessHost, **more):
        return Rollout(self.wanted(state, version, digest, **more), check_mode, self.layout, host).run()

    def dies(self, die, state, *arguments, **more):
        """Runs one call in a process that ends before step number die. True when it ended there, False when the call had fewer steps."""
        child = os.fork()
        if not child:
            DyingHost.die = die
            try:
                self.call(state, *arguments, host=DyingHost, **more)
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 9), "the call failed by itself"
        return status == 9

    def release(self, version, digest, **more):
        return [self.call(state, version, digest, **more) for state in ("staged", "started", "switched", "committed")]

    def host(self, model="wine"):
        return ProcessHost(self.layout, model, None)

    def ask(self, model="wine"):
        """The version a client is answered by, None for none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"/v2/models/{model}/ready")
            return connection.getresponse().getheader("x-model-version")
        finally:
            connection.close()

    def probe(self, model="wine", golden=None, version=None, digest=None):
        """Verdicts on the golden requests of the active release (golden: other outputs), asked as a client."""
        wanted = [one._replace(outputs=golden or one.outputs) for one in golden_requests(self.layout, "wine")]
        return probe(Source(f"http://127.0.0.1:{self.port}", retries=0), model, wanted, version, digest)

    def close(self):
        self.stop_haproxy()
        for name in os.listdir(self.layout.root):
            for slot in SLOTS:
                self.host(name).stop(slot)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def folder():
    """A short path: a Unix socket's name has at most 107 characters."""
    path = tempfile.mkdtemp(prefix="mlops-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def site(folder):
    site = Site(folder)
    yield site
    site.close()
