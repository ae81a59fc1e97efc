# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's inbox: takes every mail (SMTP, port 2525) and every chat message or webhook (HTTP POST, port 8025) and shows them at GET /.

It knows neither who sends nor why. A message is one JSON line {"kind": "mail" | "post", "sender", "to", "subject" | "path", "text", "at"}; the last 1,000 stay.
"""

import collections
import email
import email.policy
import http.server
import json
import os
import time

from aiosmtpd.controller import Controller

FILE = os.path.join(os.environ["STATE_DIRECTORY"], "messages.jsonl")
KEPT = collections.deque(maxlen=1000)
LARGEST = 1 << 20  # bytes of one message


def keep(**message):
    message["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    KEPT.append(message)
    with open(FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(message) + "\n")


class Mail:
    """What aiosmtpd calls for each mail."""

    async def handle_DATA(self, _server, _session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = mail.get_body(("plain", "html"))
        keep(kind="mail", sender=envelope.mail_from, to=envelope.rcpt_tos, subject=str(mail["Subject"]), text=body.get_content() if body else "")
        return "250 taken"


class Posts(http.server.BaseHTTPRequestHandler):
    """POST keeps the body; GET lists what came, of both kinds."""

    def answer(self, code, text):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        if size > LARGEST:
            return self.answer(413, b'{"error": "too large"}')
        keep(kind="post", path=self.path, text=self.rfile.read(size).decode("utf-8", "replace"))
        return self.answer(200, b"{}")

    def do_GET(self):
        self.answer(200, json.dumps(list(KEPT), indent=1).encode())

    def log_message(self, *_args):
        """Every message stands in the file; a log of requests would say it twice."""


if __name__ == "__main__":
    if os.path.exists(FILE):
        with open(FILE, encoding="utf-8") as lines:
            KEPT.extend(map(json.loads, lines))
    Controller(Mail(), hostname="0.0.0.0", port=2525, data_size_limit=LARGEST).start()
    http.server.ThreadingHTTPServer(("0.0.0.0", 8025), Posts).serve_forever()
