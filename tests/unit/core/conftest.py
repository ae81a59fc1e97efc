"""A real HTTP server on a loopback port whose answers a test sets, and a clock that does not wait. Knows no product."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.onprem.plugins.module_utils import _transport
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


class Server(ThreadingHTTPServer):
    """answers: list of (status, headers, body) used up one per request, the last one for ever; None cuts the connection. seen: what came in."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.seen = [(200, {}, b"{}")], []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A connection that a test cuts is no error to print."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if answer is None:
            # a reset, not a polite end: what a killed server or a proxy does
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        status, headers, text = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def finish(self):
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def pauses(monkeypatch):
    """The pauses the transport wanted to make, in seconds; none is made."""
    made = []
    monkeypatch.setattr(_transport.time, "sleep", made.append)
    return made


@pytest.fixture
def module(server):
    """Run the module of a made-up kind in this process: module(product, resource, boxes=[...]) returns what it prints. _check is check mode."""

    def run(product, resource, _check=False, _no_log=False, **options):
        out = io.StringIO()
        internal = {"_ansible_check_mode": _check, "_ansible_no_log": _no_log, "_ansible_diff": True}
        with patch_module_args({"url": server.url} | options | internal), contextlib.redirect_stdout(out), pytest.raises(SystemExit):
            manage(product, resource)
        return json.loads(out.getvalue().splitlines()[-1])

    return run


@pytest.fixture
def warned(monkeypatch):
    """The warnings of this test's modules."""
    made = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda self, warning, **more: made.append(warning))
    return made
