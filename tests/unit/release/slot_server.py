"""A tiny stand-in for a model server in one slot: answers V2 over a Unix socket as its .env file says. Knows nothing of releases."""

import json
import os
import socketserver
import sys
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in (("x-model-version", ENV["MODEL_VERSION"]), ("x-model-digest", ENV["MODEL_DIGEST"]), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(200, {"name": ENV["MODEL_NAME"], "ready": True})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        values = [FACTOR * value for value in request["inputs"][0]["data"]]
        output = {"name": "y", "datatype": "FP32", "shape": [len(values)], "data": values}
        self.reply(200, {"model_name": ENV["MODEL_NAME"], "model_version": ENV["MODEL_VERSION"], "outputs": [output]})

    def address_string(self):
        return "unix"

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


with open(sys.argv[1], encoding="utf-8") as env_file:
    ENV = dict(line.rstrip("\n").split("=", 1) for line in env_file if "=" in line)
with open(os.path.join(ENV["MODEL_DIR"], "model.onnx"), encoding="utf-8") as model:
    FACTOR = float(model.read())
os.makedirs(os.path.dirname(ENV["MODEL_SOCKET"]), exist_ok=True)
if os.path.exists(ENV["MODEL_SOCKET"]):
    os.unlink(ENV["MODEL_SOCKET"])
Server(ENV["MODEL_SOCKET"], Handler).serve_forever()
