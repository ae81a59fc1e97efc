# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on the instance: a client for what curl cannot do, on a plain socket with TLS. It checks the server's certificate and retries nothing.

Usage: client.py websocket CA PORT NAME PATH          status and the text of the frame that came back
       client.py upload CA PORT NAME MEBIBYTES COMMAND
           bytes the interface had when half was sent | output of COMMAND then | status
"""

from __future__ import annotations

import base64
import hashlib
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import time

RECEIVED = pathlib.Path("/run/upstream-9001/received")


def connect(ca, port, name):
    return ssl.create_default_context(cafile=ca).wrap_socket(socket.create_connection(("127.0.0.1", int(port)), timeout=60), server_hostname=name)


def websocket(ca, port, name, path):
    key = base64.b64encode(os.urandom(16)).decode()
    with connect(ca, port, name) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        stream = wire.makefile("rb")
        status = stream.readline().split()[1].decode()
        headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(stream.readline, b"\r\n"))
        if status != "101":
            return status
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        assert headers["sec-websocket-accept"] == accept.lower(), headers
        text, mask = b"echo of a frame", os.urandom(4)
        wire.sendall(bytes([0x81, 0x80 | len(text)]) + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(text)))
        _kind, size = stream.read(2)
        return f"{status} {stream.read(size).decode()}"


def upload(ca, port, name, mebibytes, command):
    half = int(mebibytes) * 1024 * 1024 // 2
    RECEIVED.unlink(missing_ok=True)
    with connect(ca, port, name) as wire:
        wire.sendall(f"PUT /big HTTP/1.1\r\nHost: {name}\r\nContent-Length: {2 * half}\r\n\r\n".encode())
        wire.sendall(bytes(half))
        deadline = time.monotonic() + 60
        while (seen := RECEIVED.read_text(encoding="utf-8") if RECEIVED.exists() else "0") != str(half) and time.monotonic() < deadline:
            time.sleep(0.1)
        spooled = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
        wire.sendall(bytes(half))
        return f"{seen}|{spooled}|{wire.makefile('rb').readline().split()[1].decode()}"


print({"websocket": websocket, "upload": upload}[sys.argv[1]](*sys.argv[2:]))
