# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real SMTP server (aiosmtpd, with login) and a real HTTP server; each message becomes one JSON line of the first file given;
the second holds the password of the SMTP server. It knows nothing of Nagios."""

from __future__ import annotations

import email.policy
import json
import sys
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, HTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


def keep(**message):
    """One line of the file."""
    with open(sys.argv[1], "a", encoding="utf-8") as file:
        file.write(json.dumps(message) + "\n")


class Mail:
    """Takes mail of whoever has logged in."""

    async def handle_DATA(self, _server, session, envelope):
        message = BytesParser(policy=email.policy.default).parsebytes(envelope.content)
        keep(kind="mail", login=session.auth_data, to=envelope.rcpt_tos, sender=envelope.mail_from, subject=message["Subject"], text=message.get_content())
        return "250 taken"


class Web(BaseHTTPRequestHandler):
    """Takes every POST."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        keep(kind="web", path=self.path, type=self.headers["Content-Type"], body=body)
        self.send_response(200)
        self.end_headers()


def login(_server, _session, _envelope, _mechanism, given):
    """The user of the login, if the password is right."""
    with open(sys.argv[2], encoding="utf-8") as file:
        right = given.password.decode() == file.read()
    return AuthResult(success=right, auth_data=given.login.decode() if right else None)


Controller(Mail(), hostname="127.0.0.1", port=2525, authenticator=login, auth_required=True, auth_require_tls=False).start()
HTTPServer(("127.0.0.1", 8099), Web).serve_forever()
