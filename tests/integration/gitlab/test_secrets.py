# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets that GitLab does not tell again: rotated exactly once, kept when nobody asks, never shown. The stand-in stores them, so that a test can look."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from ansible_collections.mlops.onprem.tests.integration.calling import call

KEY = {"fingerprint_key": "pass-of-the-fingerprints"}
PROJECT = "team/a"


@pytest.fixture(scope="module", autouse=True)
def places(run):
    run("gitlab_groups", groups=[{"path": "team"}])
    run("gitlab_projects", projects=[{"path": PROJECT}])


def hook(gitlab):
    return gitlab.project(PROJECT)["hooks"][0]["token"]


def password(gitlab):
    return gitlab.user("ann")["password"]


def hidden(gitlab):
    return gitlab.project(PROJECT)["variables"][0]["value"]


# module: (the item, its secret, what is stored, the text with the fingerprint)
KINDS = {
    "gitlab_hooks": ({"project": PROJECT, "url": "https://h.example.org/x"}, "token", hook, "description"),
    "gitlab_users": ({"username": "ann", "name": "Ann", "email": "ann@example.org"}, "password", password, "note"),
    "gitlab_variables": ({"project": PROJECT, "key": "HIDDEN", "hidden": True}, "value", hidden, "description"),
}


@pytest.mark.parametrize("module", KINDS)
@pytest.mark.parametrize("text", [None, "a ü text"])
def test_rotation(module, text, run, gitlab):
    item, secret, stored, mark = KINDS[module]
    items = module.removeprefix("gitlab_")
    item = item | ({mark: text} if text else {})

    def go(value, _check=False, **options):
        gitlab.clear()
        answer = run(module, _check, **{items: [item | {secret: value}]}, **options)
        assert not answer.get("failed"), answer["msg"]
        return answer["changed"], len(gitlab.writes()), answer

    when_changed = {"update_secret": "when_changed", **KEY}
    assert go("pass-of-first-1", **KEY)[:2] == (True, 1) and stored(gitlab) == "pass-of-first-1"
    assert go("pass-of-first-1", **when_changed)[:2] == (False, 0)
    assert go("pass-of-other-2", **KEY)[:2] == (False, 0), "on_create leaves it"
    assert go("pass-of-other-2")[:2] == (False, 0), "and so without a key, fingerprint and all"
    assert go("pass-of-other-2", True, **when_changed)[:2] == (True, 0) and stored(gitlab) == "pass-of-first-1"
    changed, writes, answer = go("pass-of-other-2", **when_changed)
    assert (changed, writes) == (True, 1) and stored(gitlab) == "pass-of-other-2"
    (after,) = answer["diff"]["after"].values()
    assert after[secret] == "******"
    assert go("pass-of-other-2", **when_changed)[:2] == (False, 0), "exactly once"
    gathered = run(module, state="gathered", **{items: [{name: item[name] for name in item if name in ("project", "url", "username", "key")}]})["gathered"]
    assert gathered[0].get(mark, "") == (text or "") and secret not in gathered[0]
    assert go("pass-of-other-2", update_secret="always")[:2] == (True, 1) and go("pass-of-other-2", update_secret="always")[:2] == (True, 1)
    assert go("pass-of-other-2", **when_changed)[:2] == (False, 0)
    assert go("pass-of-other-2", **when_changed | {"fingerprint_key": "pass-of-new-key"})[:2] == (True, 1), "another key sends all once more"
    keys = [{name: value for name, value in item.items() if name in ("project", "url", "username", "key")}]
    assert run(module, state="absent", **{items: keys})["changed"]
    # one that was made without a fingerprint gets the secret and one
    assert go("pass-of-third-3")[:2] == (True, 1) and go("pass-of-third-3", **when_changed)[:2] == (True, 1)
    assert go("pass-of-third-3", **when_changed)[:2] == (False, 0)
    assert run(module, state="absent", **{items: keys})["changed"]


def test_a_value_that_can_be_read_needs_no_policy(run, gitlab):
    for value in ("pass-of-one-1", "pass-of-two-2"):
        assert run("gitlab_variables", variables=[{"project": PROJECT, "key": "PLAIN", "value": value}])["changed"]
        assert gitlab.project(PROJECT)["variables"][0]["value"] == value
        assert not run("gitlab_variables", variables=[{"project": PROJECT, "key": "PLAIN", "value": value}], update_secret="when_changed", **KEY)["changed"]
    assert run("gitlab_variables", state="absent", variables=[{"project": PROJECT, "key": "PLAIN"}])["changed"]


def active(gitlab):
    return [token for token in gitlab.project(PROJECT)["access_tokens"] if not token["revoked"]]


@pytest.fixture
def token(run, gitlab):
    """Run the module for one token of the project; the result of that item."""
    gitlab.project(PROJECT)["access_tokens"].clear()

    def go(_check=False, **more):
        gitlab.clear()
        item = {"project": PROJECT, "name": "ci", "scopes": ["read_api"]} | more
        answer = run("gitlab_access_tokens", _check, _no_log=True, access_tokens=[item])
        return answer["results"][0] if "results" in answer else answer

    return go


def test_a_token_is_told_once_and_rotated_before_it_ends(token, gitlab):
    assert token(True)["result"] == "created" and gitlab.writes() == []
    made = token()
    assert made["result"] == "created" and made["token"] == active(gitlab)[0]["token"]
    assert made["expires_at"] == active(gitlab)[0]["expires_at"] == str(date.today() + timedelta(90))
    again = token()
    assert again["result"] == "unchanged" and "token" not in again and len(gitlab.seen) == 1
    active(gitlab)[0]["expires_at"] = str(date.today() + timedelta(15))
    assert token()["result"] == "unchanged"
    assert token(rotate_before_days=20, lifetime_days=30)["expires_at"] == str(date.today() + timedelta(30))
    active(gitlab)[0]["expires_at"] = str(date.today() + timedelta(14))
    planned = token(True)
    assert planned["result"] == "updated" and "token" not in planned and gitlab.writes() == []
    rotated = token()
    assert rotated["token"] not in (made["token"], None) and [one["token"] for one in active(gitlab)] == [rotated["token"]]
    assert [write.rpartition("/")[2] for write in gitlab.writes()] == ["rotate"] and token()["result"] == "unchanged"


@pytest.mark.parametrize("more", [{"scopes": ["read_api", "api"]}, {"access_level": "guest"}])
def test_a_token_of_other_rights_is_replaced_and_then_revoked(token, gitlab, more):
    old = token()["token"]
    new = token(**more)
    assert new["result"] == "updated" and [one["token"] for one in active(gitlab)] == [new["token"]] != [old]
    assert [write.split()[0] for write in gitlab.writes()] == ["POST", "DELETE"], "there is a good one at every moment"
    assert token(**more)["result"] == "unchanged"


@pytest.mark.parametrize("fault", ["cut", "reset"])
@pytest.mark.parametrize("case", ["made", "rotated", "replaced"])
def test_a_token_whose_value_was_lost_is_made_again(token, gitlab, fault, case):
    if case != "made":
        token()
    if case == "rotated":
        active(gitlab)[0]["expires_at"] = str(date.today() + timedelta(3))
    more = {"scopes": ["api"]} if case == "replaced" else {}
    item = {"project": PROJECT, "name": "ci", "scopes": ["read_api"]} | more
    before = [one["token"] for one in active(gitlab)]
    gitlab.clear()
    gitlab.faults = {2: fault}
    failed = token_with_faults(gitlab, item)
    assert failed["results"][0]["result"] == "failed" and "token" not in failed["results"][0]
    assert [one["token"] for one in active(gitlab)] == ([] if (case, fault) == ("rotated", "cut") else before), "what nobody knows is revoked"
    told = token(**more)
    assert told["result"] in ("created", "updated") and [one["token"] for one in active(gitlab)] == [told["token"]]
    assert token(**more)["result"] == "unchanged"


def token_with_faults(gitlab, item):
    return call("gitlab_access_tokens", {"url": gitlab.url, "token": gitlab.token}, _no_log=True, access_tokens=[item])


def test_a_token_is_told_though_the_old_one_could_not_be_revoked(token, gitlab):
    token()
    gitlab.clear()
    gitlab.faults = {3: "reset"}
    failed = token_with_faults(gitlab, {"project": PROJECT, "name": "ci", "scopes": ["api"]})["results"][0]
    assert failed["result"] == "failed" and failed["token"] in [one["token"] for one in active(gitlab)] and len(active(gitlab)) == 2
    told = token(scopes=["api"])
    assert told["result"] == "updated" and [one["token"] for one in active(gitlab)] == [told["token"]], "the next run leaves one"


@pytest.mark.parametrize("check", [False, True])
def test_a_new_token_needs_no_log(run, gitlab, check):
    gitlab.clear()
    answer = run("gitlab_access_tokens", check, access_tokens=[{"project": PROJECT, "name": "log", "scopes": ["api"]}])
    assert answer["msg"] == "no_log: the results of this task hold new secrets of access_tokens; say `no_log: true` on the task"
    assert gitlab.writes() == []


def test_settings_that_are_secrets_are_shown_nowhere(run, gitlab):
    gitlab.settings["recaptcha_private_key"] = "pass-of-old"
    try:
        wanted = {"recaptcha_private_key": "pass-of-new", "disable_feed_token": True}
        done = run("gitlab_settings", settings=wanted)
        assert done["diff"]["after"] == {"recaptcha_private_key": {"value": "******"}, "disable_feed_token": {"value": True}}
        assert not run("gitlab_settings", settings={"disable_feed_token": True})["changed"]
        gathered = run("gitlab_settings", state="gathered")["gathered"]
        assert "recaptcha_private_key" not in gathered and gathered["disable_feed_token"] is True
        assert "pass-of" not in run("gitlab_settings", settings={"recaptcha_private_key": ["pass-of-new"]})["msg"]
    finally:
        del gitlab.settings["recaptcha_private_key"]
