# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every stand-in is: an HTTP server on a loopback port that counts what it is sent, can be slow and can fail. Knows no product."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl


@contextlib.contextmanager
def running(server):
    """A server of Python's library while it answers, in a thread of its own."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


READS = frozenset({"GET", "HEAD", "OPTIONS"})
CONTROL = "/__standin__/"


@dataclass
class Request:
    """One request. `path` is as sent, still quoted and without the query; `query` is its list of (name, value); `reads` marks a POST that only reads."""

    method: str
    path: str
    query: list
    headers: Message
    body: bytes
    reads: bool = False

    @cached_property
    def parameters(self) -> dict:
        """The query's last value of each name."""
        return dict(self.query)

    @property
    def writes(self) -> bool:
        return self.method not in READS and not self.reads


@dataclass
class Answer:
    """One answer; `body` is bytes, text, or anything else, which becomes JSON."""

    status: int = 200
    body: object = b""
    headers: dict = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, dict]:
        if isinstance(self.body, bytes):
            return self.body, self.headers
        if isinstance(self.body, str):
            return self.body.encode(), {"Content-Type": "text/plain", **self.headers}
        return json.dumps(self.body).encode(), {"Content-Type": "application/json", **self.headers}


class StandIn(ThreadingHTTPServer):
    """A server; subclasses implement `answer(request)`, called by one thread at a time. Use it as a context manager.

    latency: seconds before each answer. seen: every Request in order of arrival, with `statuses` beside it. connections: how many were accepted.
    faults: {number of a request, counted from 1 since the last clear(): what happens instead}: `reset` cuts the connection before the work is
    done, `cut` after it, an Answer is given instead of doing the work.
    host: the address to listen at; public_url: what others call it by, where that is not this loopback port.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port=0, latency=0.0, host="127.0.0.1", public_url=None):
        super().__init__((host, port), _Handler)
        self.latency = latency
        self.lock = threading.RLock()
        self.clear()
        self.url = (public_url or f"http://127.0.0.1:{self.server_port}").rstrip("/")

    def answer(self, request: Request) -> Answer:
        """What the product would answer."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget what was seen and which faults were planned; the stand-in's state stays."""
        self.seen, self.statuses, self.connections, self.faults = [], [], 0, {}

    def requests(self) -> list[str]:
        """What was sent since the last clear(): `METHOD path`."""
        return [f"{request.method} {request.path}" for request in self.seen]

    def writes(self) -> list[str]:
        """Those of requests() that could write."""
        return [f"{request.method} {request.path}" for request in self.seen if request.writes]

    def handle_request_of(self, request: Request) -> tuple[Answer | None, bool]:
        """The answer, and whether the connection is to be cut."""
        if request.path.startswith(CONTROL):
            return self._control(request), False
        if self.latency:
            time.sleep(self.latency)
        with self.lock:
            self.seen.append(request)
            fault = self.faults.get(len(self.seen))
            if fault == "reset":
                self.statuses.append(None)
                return None, True
            answer = fault if isinstance(fault, Answer) else self.answer(request)
            self.statuses.append(answer.status)
        return answer, fault == "cut"

    def _control(self, request: Request) -> Answer:
        """What a bench in another process asks: the counts since it last asked."""
        with self.lock:
            counts = {"requests": len(self.seen), "writes": len(self.writes()), "connections": self.connections, "statuses": Counter(map(str, self.statuses))}
            if request.method == "POST":
                self.clear()
        return Answer(body=counts)

    def handle_error(self, request, client_address):
        """A connection that was cut on purpose, or left by the client, is no error to print; a fault of the stand-in is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        super().setup()
        self.fresh = True

    def respond(self):
        if self.fresh and not self.path.startswith(CONTROL):
            self.fresh = False
            with self.server.lock:
                self.server.connections += 1
        path, _mark, query = self.path.partition("?")
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        body = b"".join(self.chunks()) if chunked else self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer, cut = self.server.handle_request_of(Request(self.command, path, parse_qsl(query, keep_blank_values=True), self.headers, body))
        if cut:
            # a reset, not a polite end: what a killed server or a proxy does
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        content, headers = answer.encoded()
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and answer.status not in (204, 304):
            self.wfile.write(content)

    def chunks(self):
        """The parts of a body that is sent without its length: git does so with what is large."""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond

    def finish(self):
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *args):
        pass


def serve(standin: StandIn) -> None:
    """Print the URL and serve until the process is ended: what `python -m` of a stand-in does."""
    print(standin.url, flush=True)
    standin.serve_forever()
