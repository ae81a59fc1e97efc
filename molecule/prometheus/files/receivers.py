# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A mail server (STARTTLS, log-in) and an HTTPS server that write down what they get, one JSON line each in /srv/received. They know no Alertmanager."""

import base64
import email
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

LOCK = threading.Lock()


def write(**received):
    """Append one line."""
    with LOCK, open("/srv/received", "a") as file:
        file.write(json.dumps(received) + "\n")


class Hooks(BaseHTTPRequestHandler):
    """Takes every POST."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        name, _space, word = self.headers.get("authorization", "").partition(" ")
        write(way="http", path=self.path, body=json.loads(body), login=base64.b64decode(word).decode() if name == "Basic" else word)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")


class Mailbox:
    """Takes every mail of who has logged in."""

    async def handle_DATA(self, _server, session, envelope):
        message = email.message_from_bytes(envelope.content)
        parts = [part.get_payload(decode=True).decode() for part in message.walk() if not part.is_multipart()]
        write(way="mail", to=envelope.rcpt_tos, subject=str(email.header.make_header(email.header.decode_header(message["subject"]))), text="".join(parts),
              login=session.auth_data, tls=session.ssl is not None)
        return "250 OK"


def log_in(_server, _session, _envelope, _mechanism, data):
    """Anybody; who it was is written down."""
    return AuthResult(success=True, auth_data=f"{data.login.decode()}:{data.password.decode()}")


if __name__ == "__main__":
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("/srv/receivers.pem")
    # Its LOGIN asks in other words than Alertmanager knows; PLAIN is left.
    Controller(Mailbox(), hostname="0.0.0.0", port=2525, tls_context=context, authenticator=log_in, auth_required=True,
               auth_exclude_mechanism=["LOGIN"]).start()
    server = ThreadingHTTPServer(("0.0.0.0", 8444), Hooks)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
