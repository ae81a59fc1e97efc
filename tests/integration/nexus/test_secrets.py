"""Passwords on a real Nexus: the first one, rotation, and that an update of something else leaves them as they are."""

from __future__ import annotations

import base64
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from ansible_collections.mlops.onprem.tests.standins.server import running

NEW = {"first_name": "S", "last_name": "Ecret", "email": "s@example.org", "roles": ["nx-anonymous"]}


def logs_in(nexus, user, password):
    return requests.get(f"{nexus.url}/service/rest/v1/status", auth=(user, password), timeout=60).ok


def test_a_password_is_left_sent_or_verified(run, nexus):
    def users(password, policy, check=False):
        return run("nexus_users", check, users=[{"user_id": "secret-a", "password": password, **NEW}], update_secret=policy)

    assert users("one", "on_create")["changed"] and logs_in(nexus, "secret-a", "one")
    assert not users("two", "on_create")["changed"] and logs_in(nexus, "secret-a", "one")
    nexus.writes_logged()
    planned = users("two", "when_changed", check=True)
    assert planned["changed"] and nexus.writes_logged() == [] and logs_in(nexus, "secret-a", "one")
    assert planned["diff"]["after"] == {"secret-a": {"password": "******"}}
    assert users("two", "when_changed")["changed"] and logs_in(nexus, "secret-a", "two")
    assert [method for method, _path in nexus.writes_logged()] == ["PUT"], "only the password, not the user"
    again = users("two", "when_changed")
    assert not again["changed"] and again["requests"] == 2, "the list and one login"
    assert users("two", "always")["changed"]
    run("nexus_users", state="absent", users=[{"user_id": "secret-a"}])


def test_a_user_who_cannot_log_in_is_verified_when_let_in_again(run, nexus):
    user = {"user_id": "secret-b", "password": "one", **NEW}
    run("nexus_users", users=[user | {"status": "disabled"}])
    assert not run("nexus_users", users=[user | {"status": "disabled", "password": "two"}], update_secret="when_changed")["changed"]
    assert run("nexus_users", users=[user | {"status": "active", "password": "two"}], update_secret="when_changed")["changed"]
    assert logs_in(nexus, "secret-b", "two")
    run("nexus_users", state="absent", users=[{"user_id": "secret-b"}])


@pytest.mark.parametrize("policy", ["always", "when_changed"])
def test_the_password_that_the_installer_made_up_is_replaced(run, nexus, policy):
    """The user we connect as changes its own password, after the others of the list, and gets it back for the other tests."""
    first, wanted = nexus.password, f"chosen-{policy}"
    other = {"user_id": "secret-c", "password": "one", **NEW}
    done = run("nexus_users", users=[{"user_id": "admin", "password": wanted}, other], update_secret=policy)
    try:
        assert done["changed"] and [result["user_id"] for result in done["results"]] == ["secret-c", "admin"]
        assert logs_in(nexus, "admin", wanted) and not logs_in(nexus, "admin", first)
        assert "answered 401" in run("nexus_users", users=[other])["msg"]
        again = run("nexus_users", password=wanted, users=[{"user_id": "admin", "password": wanted}, other], update_secret="when_changed")
        assert not again["changed"]
    finally:
        run("nexus_users", password=wanted, users=[{"user_id": "admin", "password": first}], update_secret="always")
        run("nexus_users", state="absent", users=[{"user_id": "secret-c"}])
    assert logs_in(nexus, "admin", first)


class Upstream(BaseHTTPRequestHandler):
    """A server that wants a login and notes it."""

    logins: list = []

    def do_GET(self):
        login = self.headers.get("Authorization")
        self.send_response(200 if login else 401)
        if login:
            self.logins.append(base64.b64decode(login.split()[1]).decode())
        else:
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


def test_a_proxy_keeps_its_login_over_an_update_or_the_update_is_refused(run, nexus):
    proxy = {"name": "secret-proxy", "auth_password": "pass-of-proxy"}
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Upstream)) as server:
        run(
            "nexus_repositories",
            repositories=[
                proxy
                | {
                    "format": "raw",
                    "type": "proxy",
                    "remote_url": f"http://127.0.0.1:{server.server_port}/",
                    "auth_type": "username",
                    "auth_username": "reader",
                    "negative_cache_enabled": False,
                }
            ],
        )
        nexus.writes_logged()
        refused = run("nexus_repositories", repositories=[{"name": "secret-proxy", "content_max_age": 7}])
        assert refused["msg"].startswith("repository 'secret-proxy': content_max_age cannot be changed without giving auth_password")
        assert nexus.writes_logged() == []
        assert run("nexus_repositories", repositories=[proxy | {"content_max_age": 7}])["changed"]
        requests.get(f"{nexus.url}/repository/secret-proxy/x", auth=("admin", nexus.password), timeout=60)
        assert Upstream.logins == ["reader:pass-of-proxy"]
        run("nexus_repositories", state="absent", repositories=[{"name": "secret-proxy"}])


def test_apt_signing_is_sent_with_every_update_or_refused(run, nexus):
    apt = {"name": "secret-apt", "signing_keypair": "KEY", "signing_passphrase": "pass-of-apt"}
    run("nexus_repositories", repositories=[apt | {"format": "apt", "type": "hosted", "apt_distribution": "bookworm"}])
    nexus.writes_logged()
    for left_out in ("signing_keypair", "signing_passphrase"):
        refused = run("nexus_repositories", repositories=[{name: value for name, value in apt.items() if name != left_out} | {"write_policy": "deny"}])
        assert f"without giving {left_out}" in refused["msg"] and nexus.writes_logged() == []
    assert run("nexus_repositories", repositories=[apt | {"write_policy": "deny"}])["changed"]
    assert nexus.get("repositories/apt/hosted/secret-apt")["aptSigning"]["keypair"] == "KEY"
    run("nexus_repositories", state="absent", repositories=[{"name": "secret-apt"}])
