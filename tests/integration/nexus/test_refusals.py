"""What a real Nexus must never be sent: each mistake is named, with what and where, and nothing is written."""

from __future__ import annotations

import re

import pytest

RAW = {"format": "raw", "type": "hosted"}


@pytest.fixture(scope="module", autouse=True)
def there(run):
    run("nexus_repositories", repositories=[{"name": "refuse-raw", **RAW}])
    run(
        "nexus_users",
        users=[
            {
                "user_id": "refuse-reader",
                "first_name": "R",
                "last_name": "R",
                "email": "r@example.org",
                "roles": ["nx-anonymous"],
                "password": "pass-of-r",
            }
        ],
    )
    yield
    run("nexus_repositories", state="absent", repositories=[{"name": "refuse-raw"}])
    run("nexus_users", state="absent", users=[{"user_id": "refuse-reader"}])


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        ("nexus_repositories", {"repositories": [{"name": "x", **RAW}, {"name": "x", **RAW}]}, "repositories: repository 'x' is given twice"),
        (
            "nexus_repositories",
            {"repositories": [{"name": "y", **RAW}, {"name": "x", "blob_store": "nope", **RAW}]},
            "repository 'x': blob_store names blob store 'nope', which does not exist",
        ),
        (
            "nexus_repositories",
            {"repositories": [{"name": "refuse-raw", "type": "proxy"}]},
            "repository 'refuse-raw': type is 'hosted' on the server and 'proxy' here",
        ),
        (
            "nexus_repositories",
            {"repositories": [{"name": "refuse-raw", "format": "apt"}]},
            "repository 'refuse-raw': format is 'raw' on the server and 'apt' here",
        ),
        ("nexus_repositories", {"repositories": [{"name": "refuse-raw", "blob_store": "other"}]}, "blob_store is 'default' on the server and 'other' here"),
        (
            "nexus_repositories",
            {"repositories": [{"name": "x", "format": "raw", "type": "group", "members": ["refuse-raw", "nope"]}]},
            "repository 'x': members names repository 'nope', which does not exist",
        ),
        ("nexus_repositories", {"repositories": [{"name": "x", **RAW, "cleanup_policies": ["nope"]}]}, "cleanup_policies names cleanup policy 'nope'"),
        (
            "nexus_repositories",
            {"repositories": [{"name": "x", "format": "raw", "type": "proxy"}]},
            "repository 'x' is not there yet and cannot be made without remote_url",
        ),
        ("nexus_repositories", {"repositories": [{"name": "x"}]}, "cannot be made without format, type"),
        (
            "nexus_repositories",
            {"repositories": [{"name": "x", **RAW, "remote_url": "http://h"}]},
            "remote_url is for type proxy; this one has type hosted",
        ),
        ("nexus_repositories", {"repositories": [{"name": "x", **RAW, "blobstore": "default"}]}, "Unsupported parameters .*blobstore"),
        ("nexus_repositories", {"repositories": [{"name": "x", "format": "rwa", "type": "hosted"}]}, "value of format must be one of"),
        ("nexus_repositories", {"repositories": [], "purge": True}, "purge: with an empty list"),
        ("nexus_blobstores", {"blobstores": [{"name": "x"}]}, "blob store 'x' is not there yet and cannot be made without path"),
        ("nexus_blobstores", {"blobstores": [{"name": "default", "type": "s3"}]}, "blob store 'default': type is 'file' on the server and 's3' here"),
        (
            "nexus_blobstores",
            {"blobstores": [{"name": "default", "quota_type": "spaceUsedQuota"}]},
            "quota_type cannot be changed without giving quota_limit",
        ),
        ("nexus_roles", {"roles": [{"id": "x", "name": "x", "privileges": ["nope"]}]}, "role 'x': privileges names privilege 'nope', which does not exist"),
        ("nexus_roles", {"roles": [{"id": "x", "name": "x", "roles": ["nope"]}]}, "role 'x': roles names role 'nope', which does not exist"),
        ("nexus_roles", {"roles": [{"id": "x", "name": "x", "roles": ["y"]}, {"id": "y", "name": "y", "roles": ["x"]}]}, "refer to each other in a circle"),
        (
            "nexus_users",
            {"users": [{"user_id": "refuse-reader", "roles": ["nope"]}]},
            "user 'refuse-reader': roles names role 'nope', which does not exist",
        ),
        ("nexus_users", {"users": [{"user_id": "x", "password": "pass-of-x"}]}, "cannot be made without first_name, last_name, email, roles"),
        ("nexus_users", {"state": "absent", "users": [{"user_id": "admin"}]}, "user 'admin' is who this task connects as"),
        (
            "nexus_privileges",
            {"privileges": [{"name": "x", "type": "repository-view", "format": "raw", "repository": "nope", "actions": ["READ"]}]},
            "privilege 'x': repository names repository 'nope', which does not exist",
        ),
        (
            "nexus_privileges",
            {"privileges": [{"name": "x", "type": "wildcard", "pattern": "p", "domain": "d"}]},
            "domain is for type application; this one has type wildcard",
        ),
        ("nexus_roles", {"roles": [{"id": "x", "name": "x"}], "password": "pass-wrong"}, "GET .*/service/rest/v1/security/roles answered 401 Unauthorized"),
        ("nexus_roles", {"roles": [{"id": "x", "name": "x"}], "username": "refuse-reader", "password": "pass-of-r"}, "security/roles answered 403"),
        ("nexus_roles", {"roles": [{"id": "x", "name": "x"}], "url": "http://127.0.0.1:1"}, "did not answer: .*Connection refused"),
        ("nexus_roles", {"roles": [{"id": "x", "name": "x"}], "url": "127.0.0.1:1"}, "url: '127.0.0.1:1' is not an http"),
    ],
)
def test_refused_before_anything_is_written(run, nexus, module, options, words):
    nexus.writes_logged()
    answer = run(module, **options)
    assert answer.get("failed")
    assert re.search(words, answer["msg"]), answer["msg"]
    assert "\n" not in answer["msg"] and "pass-" not in answer["msg"]
    assert nexus.writes_logged() == []


def test_the_servers_own_words_and_what_was_not_tried(run, nexus):
    wanted = [{"name": "refuse-a", "expression": "path = 1"}, {"name": "refuse-b", "expression": 'format == "raw"'}]
    answer = run("nexus_content_selectors", content_selectors=wanted)
    assert answer["msg"].startswith(f"content selector 'refuse-a': POST {nexus.url}/service/rest/v1/security/content-selectors answered 400 Bad Request: ")
    assert "Invalid CSEL" in answer["msg"] and [result["result"] for result in answer["results"]] == ["failed", "skipped"]
    assert not answer["changed"]
    answer = run("nexus_content_selectors", content_selectors=wanted, on_error="continue")
    assert [result["result"] for result in answer["results"]] == ["failed", "created"] and answer["failed"] and answer["changed"]
    run("nexus_content_selectors", state="absent", content_selectors=[{"name": "refuse-b"}])


def test_a_format_this_nexus_does_not_have(run, nexus):
    answer = run("nexus_repositories", repositories=[{"name": "refuse-npm", "format": "npm", "type": "hosted"}])
    assert answer["results"][0]["result"] == "failed"
    assert f"repository 'refuse-npm': POST {nexus.url}/service/rest/v1/repositories/npm/hosted answered 404" in answer["msg"]


def test_a_product_that_is_not_there_yet(run):
    away = {"url": "http://127.0.0.1:1", "roles": [{"id": "x", "name": "x", "privileges": ["made-before"]}]}
    planned = run("nexus_roles", True, assume_empty=True, **away)
    assert planned["changed"] and planned["results"] == [{"id": "x", "result": "created"}] and "is not there yet" in str(planned["warnings"])
    assert "refused" in run("nexus_roles", True, **away)["msg"], "an error where nobody says so"
    assert "refused" in run("nexus_roles", assume_empty=True, **away)["msg"], "and always without check mode"


def test_check_mode_takes_what_an_earlier_task_would_make(run, nexus):
    planned = run("nexus_repositories", True, repositories=[{"name": "x", "blob_store": "made-before", **RAW}])
    assert planned["changed"] and "blob store 'made-before', which does not exist: right only if an earlier task" in str(planned["warnings"])
