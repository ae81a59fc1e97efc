"""Each kind through its whole life on a real Nexus: made, left alone, changed, read, fed back, removed. Writes are counted in Nexus' own log."""

from __future__ import annotations

import pytest
import requests

SECRETS = {"password", "auth_password", "signing_keypair", "signing_passphrase"}
APT_KEY = {"signing_keypair": "-----BEGIN PGP PRIVATE KEY BLOCK-----", "signing_passphrase": "phrase-of-apt"}

# kind, key, what is made, what is changed, how many options that changes per object
LIVES = {
    "nexus_blobstores": (
        "blobstores",
        "name",
        [
            {"name": "life-a", "path": "life-a"},
            {"name": "life-b", "path": "life-b", "quota_type": "spaceRemainingQuota", "quota_limit": 10**9},
            {"name": "life-c", "path": "life-c", "quota_type": "spaceUsedQuota", "quota_limit": 10**10},
        ],
        [
            {"name": "life-a", "quota_type": "spaceUsedQuota", "quota_limit": 10**9},
            {"name": "life-b", "quota_type": "none"},
            {"name": "life-c", "path": "life-c-moved"},
        ],
    ),
    "nexus_repositories": (
        "repositories",
        "name",
        [
            {"name": "life-group", "format": "raw", "type": "group", "members": ["life-proxy", "life-hosted"]},
            {"name": "life-hosted", "format": "raw", "type": "hosted", "cleanup_policies": [], "content_disposition": "INLINE"},
            {
                "name": "life-proxy",
                "format": "raw",
                "type": "proxy",
                "remote_url": "http://127.0.0.1:9/",
                "auth_type": "username",
                "auth_username": "u",
                "auth_password": "pass-of-proxy",
                "connection_retries": 2,
                "enable_cookies": True,
            },
            {"name": "life-maven", "format": "maven2", "type": "hosted", "maven_version_policy": "SNAPSHOT", "write_policy": "allow"},
            {"name": "life-maven-proxy", "format": "maven2", "type": "proxy", "remote_url": "http://127.0.0.1:9/", "online": False},
            {"name": "life-maven-group", "format": "maven2", "type": "group", "members": ["life-maven"]},
            {"name": "life-apt", "format": "apt", "type": "hosted", "apt_distribution": "bookworm", **APT_KEY},
            {
                "name": "life-apt-proxy",
                "format": "apt",
                "type": "proxy",
                "apt_distribution": "bookworm",
                "apt_flat": True,
                "remote_url": "http://127.0.0.1:9/",
            },
        ],
        [
            {"name": "life-group", "members": ["life-hosted", "life-proxy"]},
            {"name": "life-hosted", "write_policy": "deny", "content_disposition": "ATTACHMENT"},
            {"name": "life-proxy", "auth_type": "none", "connection_retries": 3},
            {"name": "life-maven", "strict_content_type_validation": False},
            {"name": "life-maven-proxy", "online": True, "negative_cache_ttl": 1},
            {"name": "life-maven-group", "online": False},
            {"name": "life-apt", "apt_distribution": "trixie", **APT_KEY},
            {"name": "life-apt-proxy", "content_max_age": -1},
        ],
    ),
    "nexus_cleanup_policies": (
        "cleanup_policies",
        "name",
        [
            {"name": "life-all", "format": "*", "last_downloaded_days": 30},
            {"name": "life-raw", "format": "raw", "asset_regex": ".*\\.tmp", "notes": "of the life", "last_blob_updated_days": 3},
            {"name": "life-maven", "format": "maven2", "release_type": "PRERELEASES", "last_downloaded_days": 10},
        ],
        [
            {"name": "life-all", "last_downloaded_days": 31},
            {"name": "life-raw", "asset_regex": "", "last_downloaded_days": 5},
            {"name": "life-maven", "release_type": "none"},
        ],
    ),
    "nexus_content_selectors": (
        "content_selectors",
        "name",
        [
            {"name": "life-a", "expression": 'format == "raw"', "description": "of the life"},
            {"name": "life-b", "expression": 'format == "raw" and path =^ "/a/"'},
        ],
        [
            {"name": "life-a", "description": ""},
            {"name": "life-b", "expression": 'path =^ "/b/"'},
        ],
    ),
    "nexus_privileges": (
        "privileges",
        "name",
        [
            {"name": "life-wildcard", "type": "wildcard", "pattern": "nexus:x:*", "description": "of the life"},
            {"name": "life-application", "type": "application", "domain": "settings", "actions": ["READ", "EDIT"]},
            {"name": "life-view", "type": "repository-view", "format": "maven2", "repository": "maven-releases", "actions": ["BROWSE", "READ"]},
            {"name": "life-admin", "type": "repository-admin", "format": "*", "repository": "*", "actions": ["ALL"]},
        ],
        [
            {"name": "life-wildcard", "pattern": "nexus:y:*"},
            {"name": "life-application", "actions": ["READ"]},
            {"name": "life-view", "repository": "*"},
            {"name": "life-admin", "description": "all of it"},
        ],
    ),
    "nexus_roles": (
        "roles",
        "id",
        [
            {"id": "life-outer", "name": "Outer", "roles": ["life-inner"]},
            {"id": "life-inner", "name": "Inner", "description": "of the life", "privileges": ["nx-search-read", "nx-repository-view-*-*-read"]},
        ],
        [
            {"id": "life-outer", "roles": []},
            {"id": "life-inner", "privileges": ["nx-search-read"]},
        ],
    ),
    "nexus_users": (
        "users",
        "user_id",
        [
            {
                "user_id": "life-a",
                "first_name": "A",
                "last_name": "Life",
                "email": "a@example.org",
                "roles": ["nx-anonymous"],
                "password": "pass-of-user-a",
            },
            {
                "user_id": "life-b",
                "first_name": "B",
                "last_name": "Life",
                "email": "b@example.org",
                "roles": ["nx-anonymous", "nx-admin"],
                "status": "disabled",
                "password": "pass-of-user-b",
            },
        ],
        [
            {"user_id": "life-a", "email": "aa@example.org"},
            {"user_id": "life-b", "roles": ["nx-anonymous"], "status": "active"},
        ],
    ),
}


def results(answer):
    assert not answer.get("failed"), answer["msg"]
    return {result["result"] for result in answer["results"]}


def without_secrets(item):
    return {name: value for name, value in item.items() if name not in SECRETS}


@pytest.mark.parametrize("kind", LIVES)
def test_life(kind, run, nexus):
    items, key, made, changes = LIVES[kind]
    writes = nexus.writes_logged
    writes()

    planned = run(kind, True, **{items: made})
    assert planned["changed"] and results(planned) == {"created"} and writes() == []
    done = run(kind, **{items: made})
    assert results(done) == {"created"} and done["changed"] and len(writes()) == len(made)
    assert done["diff"] == planned["diff"] and done["results"] == planned["results"], "check mode told what the real run did"
    again = run(kind, **{items: made})
    assert not again["changed"] and results(again) == {"unchanged"} and writes() == []

    planned = run(kind, True, **{items: changes})
    assert planned["changed"] and results(planned) == {"updated"} and writes() == []
    done = run(kind, **{items: changes})
    assert results(done) == {"updated"} and done["changed"] and done["diff"] == planned["diff"] and len(writes()) == len(made)
    for item in changes:
        assert done["diff"]["after"][item[key]] == without_secrets({name: value for name, value in item.items() if name != key})
    again = run(kind, **{items: changes})
    assert not again["changed"] and results(again) == {"unchanged"} and writes() == []

    gathered = {item[key]: item for item in run(kind, state="gathered", **{items: [{key: item[key]} for item in made]})["gathered"]}
    assert set(gathered) == {item[key] for item in made}
    for item in made:
        changed = next(change for change in changes if change[key] == item[key])
        left = {name: value for name, value in without_secrets(item).items() if name not in changed and not name.startswith(("quota", "auth"))}
        assert {name: tidy(gathered[item[key]].get(name)) for name in left} == {name: tidy(value) for name, value in left.items()}, "left out is left alone"
    fed_back = run(kind, **{items: list(gathered.values())})
    assert not fed_back["changed"] and results(fed_back) == {"unchanged"}
    everything = run(kind, state="gathered")["gathered"]
    assert not run(kind, purge=True, **{items: everything})["changed"] and writes() == []

    gone = [{key: item[key]} for item in made]
    planned = run(kind, True, state="absent", **{items: gone})
    assert planned["changed"] and writes() == []
    done = run(kind, state="absent", **{items: gone})
    assert done["changed"] and results(done) == {"deleted"} and len(writes()) == len(made)
    again = run(kind, state="absent", **{items: gone})
    assert not again["changed"] and results(again) == {"unchanged"} and writes() == []
    assert not {item[key] for item in made} & {item[key] for item in run(kind, state="gathered")["gathered"]}
    for answer in (planned, done, again, fed_back):
        assert "pass-of-" not in str(answer) and "PRIVATE KEY" not in str(answer) and "phrase-of-" not in str(answer)


def tidy(value):
    return (sorted(value) if isinstance(value, list) else value) or None


def test_purge_leaves_what_is_not_ours(run, nexus):
    """What comes with Nexus and who we connect as stay."""
    run("nexus_roles", roles=[{"id": "purge-stays", "name": "S"}, {"id": "purge-goes", "name": "G", "roles": ["purge-stays"]}])
    before = {role["id"] for role in nexus.get("security/roles?source=default")}
    done = run("nexus_roles", purge=True, roles=[{"id": "purge-stays"}])
    assert [result["id"] for result in done["results"] if result["result"] == "deleted"] == ["purge-goes"]
    assert {role["id"] for role in nexus.get("security/roles?source=default")} == before - {"purge-goes"}
    run("nexus_roles", state="absent", roles=[{"id": "purge-stays"}])
    planned = run("nexus_users", True, purge=True, users=[{"user_id": "anonymous"}])
    assert not planned["changed"]


def test_an_update_of_something_else_keeps_the_routing_rule(run, nexus):
    """Nexus shows a rule under another name than it takes it."""
    rules, login = f"{nexus.url}/service/rest/v1/routing-rules", ("admin", nexus.password)
    rule = {"name": "life-rule", "description": "", "mode": "BLOCK", "matchers": ["^/x.*"]}
    requests.post(rules, json=rule, auth=login, timeout=60).raise_for_status()
    ruled = {"name": "life-ruled", "routing_rule": "life-rule"}
    run("nexus_repositories", repositories=[ruled | {"format": "raw", "type": "proxy", "remote_url": "http://127.0.0.1:9/"}])
    for change, left in (({"content_max_age": 5}, "life-rule"), ({"routing_rule": ""}, None)):
        assert run("nexus_repositories", repositories=[{"name": "life-ruled", **change}])["changed"]
        assert nexus.get("repositories/raw/proxy/life-ruled")["routingRuleName"] == left
    run("nexus_repositories", state="absent", repositories=[ruled])
    requests.delete(f"{rules}/life-rule", auth=login, timeout=60).raise_for_status()
