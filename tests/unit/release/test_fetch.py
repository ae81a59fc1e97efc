"""Fetching from a real server with Range, cuts, TLS, a Unix socket and a folder: bytes and requests are counted where they arrive."""

import datetime
import hashlib
import ipaddress
import os
import random
import socketserver
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._fetch import BLOCK, Interrupted, Source, ask_socket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CONTENT = random.Random(7).randbytes(3 * BLOCK + 77)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT with Range; what goes wrong stands in the server's `faults`, one a request."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        self.server.connections += 1
        super().setup()

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        fault = self.server.faults.pop(0) if self.server.faults else None
        if isinstance(fault, int):
            return self.answer(fault, b"no", {"Content-Type": "text/plain"})
        if isinstance(fault, str):
            return self.answer(302, b"", {"Location": fault})
        start = int((self.headers.get("Range") or "bytes=0-")[6:].rstrip("-"))
        body = self.server.content
        if start >= len(body) > 0:
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        if isinstance(fault, dict) and "no range" in fault or not start:
            headers, start = {}, 0
        else:
            headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        cut = fault.get("cut") if isinstance(fault, dict) else None
        return self.answer(206 if headers else 200, body[start:], headers, cut)

    def do_POST(self):
        self.server.asked.append((self.path, None, self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(200, b'{"said": 1}', {"X-Model-Digest": "d"})

    def answer(self, status, body, headers, cut=None):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        sent = body if cut is None else body[:cut]
        self.wfile.write(sent)
        self.server.sent += len(sent)
        if cut is not None:
            self.close_connection = True

    def address_string(self):
        return "client"

    def log_message(self, *args):
        pass


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def started(server):
    server.asked, server.faults, server.sent, server.connections, server.content = [], [], 0, 0, CONTENT
    server.handle_error = lambda *args: None  # clients hang up here on purpose
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture
def server():
    server = started(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def source(server):
    return Source(f"http://127.0.0.1:{server.server_port}/base", "reader", "secret", retries=2, pause=0.01)


def test_one_pass_over_one_connection(server, source, tmp_path):
    for number in range(3):
        assert source.download("m/blobs/sha256:ab", str(tmp_path / str(number)), len(CONTENT), SHA256) == len(CONTENT)
    assert (tmp_path / "2").read_bytes() == CONTENT and (tmp_path / "2").stat().st_mode & 0o777 == 0o444
    assert server.sent == 3 * len(CONTENT) and source.sent == 3 and server.connections == 1
    assert server.asked[0] == ("/base/m/blobs/sha256:ab", None, "Basic cmVhZGVyOnNlY3JldA==")
    assert sorted(os.listdir(tmp_path)) == ["0", "1", "2"]


def test_a_cut_transfer_goes_on_where_it_stopped(server, source, tmp_path):
    server.faults = [{"cut": BLOCK + 5}, {"cut": BLOCK}]
    assert source.download("f", str(tmp_path / "f"), len(CONTENT), SHA256) == len(CONTENT)
    assert server.sent == len(CONTENT), "no byte is sent twice"
    assert [asked[1] for asked in server.asked] == [None, f"bytes={BLOCK + 5}-", f"bytes={2 * BLOCK + 5}-"]


def test_a_later_run_goes_on_where_an_earlier_one_stopped(server, source, tmp_path):
    server.faults = [{"cut": 2 * BLOCK}, {"cut": 0}, {"cut": 0}, {"cut": 0}]
    with pytest.raises(Interrupted, match=f"cut after {2 * BLOCK} of {len(CONTENT)} bytes"):
        source.download("f", str(tmp_path / "f"), len(CONTENT), SHA256)
    assert os.listdir(tmp_path) == ["f.partial"]
    assert source.download("f", str(tmp_path / "f"), len(CONTENT), SHA256) == len(CONTENT) - 2 * BLOCK
    assert server.sent == len(CONTENT)


def test_progress_gives_new_tries_and_none_without(server, source, tmp_path):
    server.faults = [{"cut": 10} for _number in range(20)]
    source.download("f", str(tmp_path / "f"), len(CONTENT), SHA256)
    server.faults = [{"cut": 0} for _number in range(20)]
    with pytest.raises(Interrupted):
        source.download("f", str(tmp_path / "g"), len(CONTENT), SHA256)
    assert len(server.faults) == 17


def test_a_server_without_range_is_read_from_the_start(server, source, tmp_path):
    server.faults = [{"cut": BLOCK}, {"no range": True}]
    source.download("f", str(tmp_path / "f"), len(CONTENT), SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT and server.sent == len(CONTENT) + BLOCK


def test_a_wrong_rest_of_an_earlier_run_is_thrown_away_once(server, source, tmp_path):
    (tmp_path / "f.partial").write_bytes(b"x" * BLOCK)
    source.download("f", str(tmp_path / "f"), len(CONTENT), SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT
    (tmp_path / "g.partial").write_bytes(b"x" * (len(CONTENT) + 1))
    source.download("g", str(tmp_path / "g"), len(CONTENT), SHA256)
    assert (tmp_path / "g").read_bytes() == CONTENT


def test_wrong_content_leaves_nothing(server, source, tmp_path):
    with pytest.raises(MlopsError, match=f"content has sha256 {SHA256}, the manifest says 00"):
        source.download("f", str(tmp_path / "f"), len(CONTENT), "00")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_size_is_refused_before_the_first_byte(server, source, tmp_path, size):
    with pytest.raises(MlopsError, match=f"the store has {len(CONTENT)} bytes, the manifest says {size}"):
        source.download("f", str(tmp_path / "f"), size, SHA256)
    assert (tmp_path / "f.partial").stat().st_size == 0


def test_a_file_that_became_shorter_is_told(server, source, tmp_path):
    (tmp_path / "f.partial").write_bytes(CONTENT[: 2 * BLOCK])
    server.content = CONTENT[:BLOCK]
    with pytest.raises(MlopsError, match=f"the store has {BLOCK} bytes"):
        source.download("f", str(tmp_path / "f"), len(CONTENT), SHA256)


def test_an_empty_file_needs_no_request(server, source, tmp_path):
    assert source.download("f", str(tmp_path / "f"), 0, hashlib.sha256().hexdigest()) == 0
    assert (tmp_path / "f").read_bytes() == b"" and server.asked == []


@pytest.mark.parametrize("status, tries", [(401, 1), (403, 1), (404, 1), (500, 1), (429, 3), (502, 3), (503, 3), (504, 3)])
def test_a_refusal_says_what_and_where_and_only_a_busy_server_is_asked_again(server, source, status, tries):
    server.faults = [status] * 9
    with pytest.raises(ServiceError, match=f"GET http://127.0.0.1:.*/base/m answered {status} .*: no") as caught:
        source.read("m", 100)
    assert caught.value.status == status and len(server.asked) == tries and "secret" not in str(caught.value)


def test_a_busy_server_that_recovers(server, source):
    server.faults, server.content = [503, 503], b"here"
    assert source.read("m", 100) == b"here"


def test_a_small_file_that_is_too_long(server, source):
    with pytest.raises(MlopsError, match="is longer than 100 bytes"):
        source.read("m", 100)


def test_redirects_on_the_same_host_only(server, source):
    server.faults, server.content = ["/elsewhere"], b"here"
    assert source.read("m", 100) == b"here" and server.asked[-1][0] == "/elsewhere"
    server.faults = ["http://localhost:1/m"]
    with pytest.raises(MlopsError, match="redirects to another host, http://localhost:1"):
        source.read("m", 100)
    server.faults = ["/again"] * 9
    with pytest.raises(MlopsError, match="more than 5 redirects"):
        source.read("m", 100)


def test_the_rate_limit_holds(server, tmp_path):
    slow = Source(f"http://127.0.0.1:{server.server_port}", rate_limit=8 << 20)
    begun = time.monotonic()
    slow.download("f", str(tmp_path / "f"), len(CONTENT), SHA256)
    assert time.monotonic() - begun >= len(CONTENT) / (8 << 20) * 0.9


def test_nobody_there(tmp_path):
    with pytest.raises(Interrupted, match="did not answer: Connection refused") as caught:
        Source("http://127.0.0.1:1", retries=1, pause=0.01).read("m", 10)
    assert caught.value.refused


@pytest.mark.parametrize("url, message", [
    ("ftp://x", "ftp://x"), ("nexus", "'nexus' is not a URL"), ("https://u:p@x", "must not carry a password"), ("http://x", "clear text"),
])
def test_a_url_that_cannot_be_one(url, message):
    with pytest.raises(MlopsError, match=message):
        Source(url, "reader", "secret")


def test_a_folder_is_a_store_too(tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "f").write_bytes(CONTENT)
    source = Source(f"file://{tmp_path}/a%20b")
    assert source.download("f", str(tmp_path / "f"), len(CONTENT), SHA256) == len(CONTENT)
    with pytest.raises(ServiceError, match="answered 404 No such file"):
        source.read("g", 1)


def test_a_unix_socket(tmp_path):
    server = started(UnixServer(str(tmp_path / "s"), Handler))
    server.content = b"here"
    source = Source(f"unix://{tmp_path}/s")
    assert source.read("m", 9) == b"here"
    answer = source.call("POST", "v2/infer", {"a": 1})
    assert (answer.status, answer.json(), answer.headers["x-model-digest"]) == (200, {"said": 1}, "d")
    assert server.asked[-1] == ("/v2/infer", None, b'{"a": 1}')
    server.shutdown()
    server.server_close()
    with pytest.raises(Interrupted):
        Source(f"unix://{tmp_path}/none", retries=0).call("GET", "m")


def test_a_line_to_a_socket(tmp_path):
    class Echo(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"you said " + self.rfile.readline())

    server = started(socketserver.ThreadingUnixStreamServer(str(tmp_path / "s"), Echo))
    assert ask_socket(str(tmp_path / "s"), "show map") == "you said show map\n"
    server.shutdown()
    server.server_close()
    with pytest.raises(Interrupted, match="show map unix:/+none did not answer"):
        ask_socket("/none", "show map")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """(PEM text of a private CA, file with key and certificate of 127.0.0.1)"""
    folder = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(subject, key, issuer, issuer_key, extension):
        names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
        builder = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        return builder.add_extension(extension, critical=True).sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate("ca", ca_key, "ca", ca_key, x509.BasicConstraints(True, None))
    host = certificate("host", key, "ca", ca_key, x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]))
    raw = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "host.pem").write_bytes(raw + host)
    (folder / "ca.pem").write_bytes(ca)
    return ca.decode(), str(folder / "host.pem"), str(folder / "ca.pem")


def test_tls_with_a_private_authority(server, authority, tmp_path):
    ca, host, ca_path = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(host)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_port}"
    for trust in ({"ca": ca}, {"ca_path": ca_path}):
        assert Source(url, **trust).download("f", str(tmp_path / "f"), len(CONTENT), SHA256) == len(CONTENT)
    with pytest.raises(ServiceError, match="its certificate is not trusted .*: give store_ca") as caught:
        Source(url, pause=60).read("m", 10)
    assert not isinstance(caught.value, Interrupted), "asking again would not help"
    with pytest.raises(ServiceError, match="not trusted"):
        Source(f"https://localhost:{server.server_port}", ca=ca).read("m", 10)
    for trust in ({"ca": "no certificate"}, {"ca_path": "/none"}):
        with pytest.raises(MlopsError, match="not certificates in PEM"):
            Source(url, **trust).read("m", 10)
