# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A web server for the tests: a folder by https, for one user. It keeps a log of what it was asked. Usage: mirror.py FOLDER CERTIFICATE KEY LOGIN LOG"""

import base64
import functools
import http.server
import ssl
import sys

folder, certificate, key, login, log = sys.argv[1:]
WANTED = "Basic " + base64.b64encode(login.encode()).decode()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files for those who know the login."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Authorization") == WANTED:
            return super().do_GET()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="mirror"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def log_request(self, code="-", size="-"):
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{int(code)} {self.command} {self.path}\n")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), functools.partial(Handler, directory=folder))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
