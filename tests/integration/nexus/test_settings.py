"""Settings of a real Nexus: set, left alone, read, fed back, and put back. The base URL goes by the interface of Nexus' own pages on 3.71."""

from __future__ import annotations

import re

import pytest

WANTED = {
    "anonymous": {"enabled": False},
    "base_url": {"url": "https://nexus.example.org"},
    "email": {"host": "mail.example.org", "from_address": "nexus@example.org", "username": "mailer", "password": "pass-of-mail", "start_tls": True},
    "eula": {"accepted": True},
    "realms": {"active": ["NexusAuthenticatingRealm", "DefaultRole"]},
}


@pytest.fixture
def put_back(run):
    before = run("nexus_settings", state="gathered")["gathered"]
    yield
    run("nexus_settings", **{name: values for name, values in before.items() if values})


def changed(answer):
    assert not answer.get("failed"), answer["msg"]
    return {result["name"] for result in answer["results"] if result["result"] in ("created", "updated")}


def writes(nexus):
    """Reading a capability is a POST there, so writes to it are counted by what changed."""
    return [request for request in nexus.writes_logged() if request != ("POST", "/service/extdirect")]


def test_settings(run, nexus, put_back):
    writes(nexus)
    planned = run("nexus_settings", True, **WANTED)
    assert changed(planned) == {"anonymous", "base_url", "email", "realms"} and writes(nexus) == []
    assert "base_url" not in str(nexus.get("security/anonymous")) and nexus.get("security/anonymous")["enabled"]
    assert run("nexus_settings", state="gathered")["gathered"]["base_url"] == {}
    done = run("nexus_settings", **WANTED)
    assert changed(done) == changed(planned) and done["diff"] == planned["diff"] and "pass-of-mail" not in str(done) and len(writes(nexus)) == 3
    assert changed(run("nexus_settings", **WANTED)) == set() and writes(nexus) == []
    gathered = run("nexus_settings", state="gathered")["gathered"]
    assert gathered["base_url"] == {"url": "https://nexus.example.org"} and gathered["realms"] == WANTED["realms"]
    assert gathered["anonymous"] == {"enabled": False, "user_id": "anonymous", "realm": "NexusAuthorizingRealm"}
    assert gathered["email"]["username"] == "mailer" and gathered["email"]["port"] == 25 and "password" not in gathered["email"]
    assert changed(run("nexus_settings", **gathered)) == set()

    update = run("nexus_settings", base_url={"url": "https://other.example.org"}, email={"subject_prefix": "[nexus]"})
    assert changed(update) == {"base_url", "email"}
    assert update["diff"]["before"]["base_url"] == {"url": "https://nexus.example.org"}
    left = run("nexus_settings", state="gathered", email={})["gathered"]["email"]
    assert left["subject_prefix"] == "[nexus]" and left["host"] == "mail.example.org" and left["start_tls"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"base_url": {"url": "no url"}}, "setting 'base_url': POST .*/service/extdirect .*URL should be in the format"),
        ({"realms": {"active": ["nope"]}}, "setting 'realms': PUT .*/realms/active answered 400 .*Unknown realmIds"),
        ({"email": {"port": 0}}, "setting 'email'"),
    ],
)
def test_what_nexus_refuses(run, given, words):
    answer = run("nexus_settings", **given)
    assert answer["failed"] and re.search(words, answer["msg"]), answer["msg"]
