"""Releases on a host with real files, sockets and HAProxy: each state, its repetition, its failures and what a killed run leaves."""

import json
import os

import pytest

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError


def tree(folder):
    """Every path below folder with its inode, size and mtime: what a run without writes leaves alone."""
    found = {}
    for base, dirs, files in os.walk(folder):
        for name in dirs + files:
            status = os.lstat(os.path.join(base, name))
            found[os.path.join(base, name)] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def test_a_release_ends_with_a_service_that_answers_and_a_second_run_writes_nothing(site):
    digest = site.store.publish("wine", "1", 3.0)
    results = site.release("1", digest)
    assert [result["changed"] for result in results] == [True] * 4
    assert results[0]["blobs_fetched"] == 3 and results[0]["bytes_fetched"] == results[0]["bytes_total"] == results[0]["bytes_missing"]
    assert site.ask() == "1"
    before = tree(site.layout.root), tree(site.layout.haproxy), tree(site.layout.slots)
    again = site.release("1", digest)
    assert [result["changed"] for result in again] == [False] * 4, [result["steps"] for result in again]
    assert again[0]["bytes_fetched"] == 0 and again[0]["blobs_reused"] == 3
    assert (tree(site.layout.root), tree(site.layout.haproxy), tree(site.layout.slots)) == before


def test_two_versions_and_back_again(site):
    first, second = (site.store.publish("wine", version, factor) for version, factor in (("1", 3.0), ("2", 4.0)))
    site.release("1", first)
    staged = site.call("staged", "2", second)
    assert staged["bytes_fetched"] < staged["bytes_total"] and staged["blobs_reused"] == 1
    assert site.call("started", "2", second)["slot"] == "b" and site.ask() == "1"
    site.call("switched", "2", second)
    assert site.ask() == "2"
    assert "wine model_wine_a" in open(site.layout.map, encoding="ascii").read()
    site.call("committed", "2", second)
    assert open(site.layout.map, encoding="ascii").read() == "wine model_wine_b\n"
    back = site.call("rolled_back", reason="too slow")
    assert back["cold"] is False and back["active"]["version"] == "1" and site.ask() == "1"
    assert back["bad"] == {second: "too slow"}
    with pytest.raises(MlopsError, match="-e version=.*2 .bad."):
        site.call("rolled_back")
    with pytest.raises(MlopsError, match="marked bad on this host .too slow."):
        site.call("staged", "2", second)
    again = site.call("rolled_back", "2")
    assert again["active"]["version"] == "2" and site.ask() == "2" and second not in again["bad"]
    history = [json.loads(line) for line in open(f"{site.layout.root}/wine/history.jsonl", encoding="utf-8")]
    assert [line["event"] for line in history] == ["commit", "commit", "rollback", "rollback"]


def test_a_reload_and_a_restart_of_haproxy_serve_the_committed_version(site):
    for version, factor in (("1", 3.0), ("2", 4.0)):
        digest = site.store.publish("wine", version, factor)
        site.release(version, digest)
    other = site.store.publish("beer", "7", 1.0)
    site.release("7", other, model="beer")  # a new model makes HAProxy read its files again
    assert (site.ask(), site.ask("beer")) == ("2", "7")
    site.stop_haproxy()
    site.start_haproxy()
    assert (site.ask(), site.ask("beer")) == ("2", "7")


def test_a_reload_between_switch_and_commit_is_made_good_by_the_commit(site):
    site.release("1", site.store.publish("wine", "1", 3.0))
    second = site.store.publish("wine", "2", 4.0)
    for state in ("staged", "started", "switched"):
        site.call(state, "2", second)
    site.release("7", site.store.publish("beer", "7", 1.0), model="beer")
    assert site.ask() == "1"
    site.call("committed", "2", second)
    assert site.ask() == "2"
