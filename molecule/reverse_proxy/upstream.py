# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on the instance: a web interface that says what reached it, counts an upload while it comes in, and echoes one frame of a websocket.

Usage: upstream.py PORT FILE    FILE gets the number of bytes of the upload so far. It knows no proxy.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import pathlib
import sys

PORT, RECEIVED = int(sys.argv[1]), pathlib.Path(sys.argv[2])
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


class Interface(http.server.BaseHTTPRequestHandler):
    """GET answers what it was asked, PUT counts, an upgrade is taken."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket" and self.headers.get("Connection", "").lower() == "upgrade":
            self.websocket()
            return
        framed = {"X_Frame_Options": "DENY"} if self.path.endswith("framed") else {}
        seen = {"port": PORT, "path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}}
        self.answer(200, json.dumps(seen).encode(), **framed)

    def websocket(self):
        """Takes the connection over and sends one short text back, unmasked as a server does."""
        accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + MAGIC).encode()).digest()).decode()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            self.send_header(name, value)
        self.end_headers()
        _kind, size = self.rfile.read(2)
        mask, masked = self.rfile.read(4), self.rfile.read(size & 0x7F)
        text = bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))
        self.wfile.write(bytes([0x81, len(text)]) + text)
        self.close_connection = True

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        count = 0
        while left > count:
            count += len(self.rfile.read1(min(65536, left - count)))
            RECEIVED.write_text(str(count), encoding="utf-8")
        self.answer(201, b"")

    def log_message(self, *_args):
        """Says nothing."""


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Interface).serve_forever()
