# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stand-in for GitLab's nginx: TLS on the port of external_url before the API stand-in, 502 while that does not answer, another certificate at SIGHUP."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

UPSTREAM = ("127.0.0.1", 8080)
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nServer: gitlab-stand-in\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def serve(client: socket.socket, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        client.settimeout(60)
        if context:
            client = context.wrap_socket(client, server_side=True)
        try:
            upstream = socket.create_connection(UPSTREAM)
        except OSError:
            client.recv(65536)
            client.sendall(BAD_GATEWAY)
        else:
            answers = threading.Thread(target=copy, args=(upstream, client), daemon=True)
            answers.start()
            copy(client, upstream)
            answers.join()
            upstream.close()
        client.close()


def main() -> None:
    config = json.loads(Path("/var/opt/gitlab/standin/config.json").read_text())
    url = urlsplit(config["external_url"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if config["standin"] else None

    def load(*_signal):
        if context:
            context.load_cert_chain(config["standin"]["certificate"], config["standin"]["key"])

    load()
    signal.signal(signal.SIGHUP, load)
    listener = socket.create_server(("0.0.0.0", url.port or {"http": 80, "https": 443}[url.scheme]), backlog=128)
    while True:
        client, _address = listener.accept()
        threading.Thread(target=serve, args=(client, context), daemon=True).start()


main()
