"""The transport against a real server on loopback: what is sent, repeated, refused and said. Counts requests, never seconds."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate

import pytest
import requests
from ansible_collections.mlops.onprem.plugins.module_utils import _transport
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ReadOnlyViolation, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._transport import Transport


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_read_is_repeated_after_a_passing_failure(server, pauses, status):
    server.answers = [(status, {}, b""), (status, {}, b""), (200, {}, b"{}")]
    transport = Transport(server.url)
    assert transport.request("GET", "/x").status_code == 200
    assert transport.sent == len(server.seen) == 3
    assert len(pauses) == 2 and pauses[0] < pauses[1], "the pauses grow"


@pytest.mark.parametrize("status", [400, 401, 403, 409, 500])
def test_a_lasting_failure_is_not_repeated(server, pauses, status):
    server.answers = [(status, {}, b"no")]
    with pytest.raises(ServiceError) as caught:
        Transport(server.url).request("GET", "/x")
    assert caught.value.status == status and len(server.seen) == 1


def test_tries_end(server, pauses):
    server.answers = [(503, {}, b"busy")]
    with pytest.raises(ServiceError, match="answered 503 Service Unavailable: busy"):
        Transport(server.url, retries=2).request("GET", "/x")
    assert len(server.seen) == 3 and len(pauses) == 2


@pytest.mark.parametrize("answer", [(503, {}, b""), None])
def test_a_write_is_never_repeated(server, pauses, answer):
    server.answers = [answer]
    with pytest.raises(ServiceError):
        Transport(server.url).request("POST", "/x", json={})
    assert len(server.seen) == 1 and not pauses


def test_a_read_is_repeated_after_a_lost_connection(server, pauses):
    server.answers = [None, (200, {}, b"{}")]
    transport = Transport(server.url)
    assert transport.request("GET", "/x").status_code == 200
    assert transport.sent == 2


@pytest.mark.parametrize(
    ("value", "least", "most"), [("7", 7, 7), (formatdate(time.time() + 3600, usegmt=True), 60, 60), ("86400", 60, 60), ("soon", 0, 2)]
)
def test_the_server_says_when_to_come_back(server, pauses, value, least, most):
    server.answers = [(429, {"Retry-After": value}, b""), (200, {}, b"{}")]
    Transport(server.url).request("GET", "/x")
    assert least <= pauses[0] <= most


def test_a_refused_connection_is_told_apart_and_not_repeated(pauses):
    transport = Transport("http://127.0.0.1:1")
    with pytest.raises(ServiceError, match="did not answer: .*refused") as caught:
        transport.request("GET", "/")
    assert caught.value.refused and caught.value.status is None and transport.sent == 1


def test_404_is_an_answer(server):
    server.answers = [(404, {}, b"")]
    assert Transport(server.url).request("GET", "/x").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_read_only_sends_no_write(server, method):
    transport = Transport(server.url, read_only=True)
    with pytest.raises(ReadOnlyViolation):
        transport.request(method, "/x")
    with pytest.raises(ReadOnlyViolation):
        transport.session.request(method, server.url + "/x")  # as a client library would
    assert transport.sent == 0 and not server.seen


def test_read_only_sends_a_post_that_reads_and_only_that_one(server):
    transport = Transport(server.url, read_only=True)
    transport.request("POST", "/check", json={}, reads=True)
    with pytest.raises(ReadOnlyViolation):
        transport.session.post(server.url + "/check", json={})
    with pytest.raises(ReadOnlyViolation):
        transport.request("POST", "/check", json={})
    assert [method for method, *_rest in server.seen] == ["POST"]


def test_a_library_given_the_session_gets_our_errors(server):
    server.answers = [(403, {}, b"no")]
    with pytest.raises(ServiceError, match="answered 403"):
        Transport(server.url).session.get(server.url + "/x")


def test_credentials_are_ours_not_netrc(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    Transport(server.url).request("GET", "/x")
    Transport(server.url, username="me", password="pä ss:w").request("GET", "/x")
    Transport(server.url, username="me", password="p", token="t").request("GET", "/x")
    Transport(server.url, username="me", password="p").request("GET", "/x", headers={"Authorization": Transport.basic("you", "q")})
    assert [seen[2].get("Authorization") for seen in server.seen] == [None, Transport.basic("me", "pä ss:w"), "Bearer t", Transport.basic("you", "q")]


def test_one_connection_for_many_requests(server):
    transport = Transport(server.url)
    ports = set()
    for _index in range(5):
        answer = transport.request("GET", "/x", stream=True)
        ports.add(answer.raw.connection.sock.getsockname()[1] if answer.raw.connection else None)
        answer.content  # noqa: B018 - read to the end, so that the connection goes back
    assert len(ports) == 1 and transport.log == [("GET", "/x")] * 5


def test_an_error_is_one_line_without_secrets(server):
    server.answers = [(400, {}, b"user hunter2-long and hunter2\n  are\r\n wrong")]
    transport = Transport(server.url, username="me", password="hunter2")
    transport.secrets.add("hunter2-long")
    with pytest.raises(ServiceError) as caught:
        transport.request("GET", "/x", params={"token": "hunter2"})
    assert str(caught.value) == f"GET {server.url}/x answered 400 Bad Request: user ****** and ****** are wrong"


def test_a_page_is_not_quoted_and_a_long_body_is_cut(server):
    server.answers = [(500, {"Content-Type": "text/html"}, b"<html>" * 9000), (400, {}, b"x" * 100000)]
    transport = Transport(server.url)
    for end in ("500 Internal Server Error", "x..."):
        with pytest.raises(ServiceError) as caught:
            transport.request("GET", "/x")
        assert str(caught.value).endswith(end) and len(str(caught.value)) < 600


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_write_that_is_sent_elsewhere_was_not_done(server, status):
    server.answers = [(status, {"Location": "http://other.example/x"}, b"")]
    with pytest.raises(ServiceError, match=r"to http://other.example/x: nothing was written"):
        Transport(server.url).request("POST", "/x", json={})
    assert len(server.seen) == 1


def test_a_write_is_not_done_by_a_redirect_to_https_but_by_one_to_a_page(server):
    server.answers = [(302, {"Location": "https://127.0.0.1/x"}, b""), (302, {"Location": "/done"}, b"")]
    transport = Transport(server.url)
    with pytest.raises(ServiceError, match="nothing was written"):
        transport.request("POST", "/x", json={})
    assert transport.request("POST", "/x", json={}).status_code == 302


@pytest.mark.parametrize("url", ["", None, "nexus.example.org", "ftp://h", "http://", "https://u:p@h"])
def test_what_is_no_base_url(url):
    with pytest.raises(MlopsError, match="url: "):
        Transport(url)


def test_nothing_is_sent_to_another_server(server):
    transport = Transport(server.url, username="me", password="p")
    with pytest.raises(MlopsError, match="not on"):
        transport.request("GET", "http://127.0.0.1:1/x")
    assert transport.request("GET", server.url + "/y").status_code == 200


def test_a_session_is_a_requests_session():
    assert isinstance(Transport("http://127.0.0.1:1").session, requests.Session)


def test_reads_go_side_by_side_and_come_back_in_order(server):
    transport, together, lock = Transport(server.url), threading.Barrier(8, timeout=20), threading.Lock()
    most, now = [], []

    def read(number):
        with lock:
            now.append(number)
            most.append(len(now))
        together.wait()
        answer = transport.request("GET", f"/{number}")
        with lock:
            now.remove(number)
        return number, answer.status_code

    assert transport.each(read, iter(range(16))) == [(number, 200) for number in range(16)], "16 get through a gate for 8 in twos of 8"
    assert max(most) == 8 and transport.sent == len(server.seen) == 16
    assert sorted(path for _method, path in transport.log) == sorted(f"/{number}" for number in range(16))


@pytest.mark.parametrize("items", [[], ["one"]])
def test_a_single_read_needs_no_thread(items):
    threads = []
    assert Transport("http://127.0.0.1:1").each(lambda item: threads.append(threading.get_ident()) or item, items) == items
    assert threads == [threading.get_ident()] * len(items)


def test_one_failed_read_of_many_is_the_failure(server):
    server.answers = [(403, {}, b"no")]
    with pytest.raises(ServiceError, match="answered 403 Forbidden: no"):
        transport = Transport(server.url)
        transport.each(lambda number: transport.request("GET", f"/{number}"), range(20))


def test_what_one_reader_may_send_another_may_not(server):
    """A POST that reads is allowed for itself: not for what another thread sends meanwhile, nor taken back by that."""
    transport, inside, done = Transport(server.url, read_only=True), threading.Event(), threading.Event()

    def authorise(request):
        if request.url.endswith("/ask"):
            inside.set()
            assert done.wait(20)
        return request

    def read(which):
        if which == "asks":
            return transport.request("POST", "/ask", json={}, reads=True).status_code
        assert inside.wait(20)
        try:
            with pytest.raises(ReadOnlyViolation):
                transport.session.post(f"{server.url}/write", json={})  # as a client library would
            return transport.request("GET", "/get").status_code
        finally:
            done.set()

    transport.session.auth = authorise
    assert transport.each(read, ["asks", "writes"]) == [200, 200]
    assert sorted(transport.log) == [("GET", "/get"), ("POST", "/ask")]


def test_a_product_may_say_where_its_words_are(server):
    server.answers = [(403, {"X-Error": "not yours"}, b"a long page")]
    transport = Transport(server.url)
    transport.words = lambda answer: answer.headers["X-Error"]
    with pytest.raises(ServiceError) as caught:
        transport.request("GET", "/x")
    assert str(caught.value) == f"GET {server.url}/x answered 403 Forbidden: not yours"


@pytest.mark.parametrize(
    ("options", "used"),
    [
        ({}, {"verify": "/other.pem", "cert": None, "timeout": 60, "proxies": {"http": "http://other:1", "https": "http://other:1"}}),
        ({"ca_path": "/ca.pem"}, {"verify": "/ca.pem"}),
        ({"ca_path": "/ca.pem", "validate_certs": False}, {"verify": False}),
        ({"client_cert": "/c.pem"}, {"cert": "/c.pem"}),
        ({"client_cert": "/c.pem", "client_key": "/k.pem"}, {"cert": ("/c.pem", "/k.pem")}),
        ({"timeout": 7}, {"timeout": 7}),
        ({"proxy": "http://proxy:3128"}, {"proxies": {"http": "http://proxy:3128", "https": "http://proxy:3128"}}),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_connection_options_reach_the_wire_and_the_environment_counts_only_without_them(monkeypatch, scheme, options, used):
    for name, value in {"REQUESTS_CA_BUNDLE": "/other.pem", "HTTP_PROXY": "http://other:1", "HTTPS_PROXY": "http://other:1"}.items():
        monkeypatch.setenv(name, value)
    seen = []

    def send(self, request, **given):
        seen.append(given)
        raise requests.exceptions.ConnectTimeout("stop here")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(ServiceError, match="GET .*://a.example/x did not answer: stop here"):
        Transport(f"{scheme}://a.example/", **options).request("GET", "/x")
    assert len(seen) == 1 and {name: seen[0][name] for name in used} == used


def test_without_options_and_environment_the_systems_certificates_count(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    seen = []
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda self, request, **given: seen.append(given["verify"]) or requests.Response())
    with pytest.raises(TypeError):  # an answer without a status
        Transport("https://a.example").request("GET", "/x")
    assert seen == [True]


def test_what_is_streamed_is_not_read_at_once(server):
    assert not Transport(server.url).request("GET", "/x", stream=True)._content_consumed
    assert Transport(server.url).request("GET", "/x")._content_consumed


@pytest.mark.parametrize(("base", "path", "sent"), [("", "/x", "/x"), ("/", "x", "/x"), ("/nexus//", "//x/", "/nexus/x/"), ("/X", "/x", "/X/x")])
def test_a_path_is_joined_to_the_address(server, base, path, sent):
    Transport(server.url + base).request("GET", path)
    assert [seen[1] for seen in server.seen] == [sent]


def test_an_address_of_the_same_server_is_taken_as_it_is():
    assert Transport("https://a.example/base").url("https://a.example/other") == "https://a.example/other"
    for other in ("https://b.example/", "http://a.example/", "https://a.example:444/"):
        with pytest.raises(MlopsError, match=f"url: {other} is not on https://a.example/base; no request is sent to another server"):
            Transport("https://a.example/base").url(other)


@pytest.mark.parametrize("url", ["https://user@h", "https://:word@h", "https://user:word@h"])
def test_credentials_do_not_belong_in_the_address(url):
    with pytest.raises(MlopsError) as caught:
        Transport(url)
    assert str(caught.value) == "url: holds a user or password; give them as username and password"


def test_without_requests_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(_transport, "requests", None)
    with pytest.raises(MlopsError, match="^the Python package 'requests' is missing on the controller: install it for the Python that runs Ansible$"):
        Transport("http://127.0.0.1:1")


def test_the_header_of_a_user():
    assert Transport.basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_a_user_without_a_password_has_an_empty_one(server):
    Transport(server.url, username="me").request("GET", "/x")
    assert server.seen[0][2]["Authorization"] == Transport.basic("me", "")


def test_a_write_without_an_answer_is_told_with_what_and_why(server):
    server.answers = [None]
    transport = Transport(server.url, password="reset")
    with pytest.raises(ServiceError, match=rf"^POST {server.url}/x did not answer: \[Errno 104\] Connection \*{{6}} by peer$") as caught:
        transport.request("POST", "/x", json={})
    assert caught.value.status is None and not caught.value.refused


def test_an_answer_that_breaks_off_is_told_with_what_and_why(server):
    server.answers = [(200, {"Content-Length": "10", "Connection": "close"}, b"half")]
    with pytest.raises(ServiceError, match=rf"^GET {server.url}/x did not answer: IncompleteRead\(4 bytes read, 6 more expected\)$"):
        Transport(server.url).request("GET", "/x")


def test_a_pause_doubles_from_try_to_try(server, pauses, monkeypatch):
    monkeypatch.setattr(_transport.random, "uniform", lambda least, most: {(0.25, 0.5): 0.25}[least, most])
    server.answers = [(503, {}, b"")]
    with pytest.raises(ServiceError):
        Transport(server.url).request("GET", "/x")
    assert pauses == [0.5, 1.0, 2.0, 4.0] and len(server.seen) == 5


def test_a_refused_write_in_check_mode_says_what_it_was():
    with pytest.raises(ReadOnlyViolation, match="^DELETE http://127.0.0.1:1/x was not sent: check mode only reads$"):
        Transport("http://127.0.0.1:1", read_only=True).request("DELETE", "/x")


def test_a_write_sent_elsewhere_is_told_with_its_status(server):
    server.answers = [(308, {"Location": "http://other.example/x"}, b"")]
    with pytest.raises(ServiceError) as caught:
        Transport(server.url).request("PUT", "/x", json={})
    assert str(caught.value) == (f"PUT {server.url}/x answered 308 Permanent Redirect to http://other.example/x: nothing was written, "
                                 "give that address as url")


def test_a_body_that_is_no_text_is_quoted_as_far_as_it_goes(server):
    server.answers = [(400, {}, b"\xff bad")]
    with pytest.raises(ServiceError, match="400 Bad Request: \ufffd bad$"):
        Transport(server.url).request("GET", "/x")


@pytest.mark.parametrize(
    ("method", "url", "status", "reason", "body", "text"),
    [
        ("GET", "https://u:p@h:1/a?token=t#f", 400, "Bad", "", "GET https://h:1/a answered 400 Bad"),
        ("GET", "https://a@b@h/a", None, "no\n route", "", "GET https://h/a did not answer: no route"),
        ("PUT", "http://h/", 500, "", "x" * 400, "PUT http://h/ answered 500 : " + "x" * 400),
        ("PUT", "http://h/", 500, "", "x" * 401, "PUT http://h/ answered 500 : " + "x" * 400 + "..."),
        ("GET", "http://h/zz-q", 400, "q", "zz-q or zz and q-zz-q", "GET http://h/****** answered 400 ******: ****** or ****** and ******-******"),
    ],
)
def test_the_line_of_an_error(method, url, status, reason, body, text):
    assert str(ServiceError(method, url, status, reason, body, secrets=("q", "zz", "", "zz-q"))) == text
    assert not ServiceError(method, url, status, reason, body).refused
