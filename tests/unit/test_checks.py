# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site's list of checks: what comes out of it, and what is refused with which words."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.onprem.plugins.filter.checks import FIELDS, KINDS, FilterModule, checks, static_configs, targets

GROUPS = {"web": ["w2", "w1"], "db": ["d1", "w1"], "none": []}
HOSTVARS = {"w1": {}, "w2": {"site_address": "192.0.2.2"}, "d1": {"site_address": "2001:db8::1"}}
NEEDED = {"unit": {"unit": "nginx.service"}, "http": {"url": "https://{host}:8443/healthz"}, "tcp": {"port": 22}, "certificate": {"url": "https://{host}/"}}
KEYS = {"name", "kind", "severity", "for", "summary", "runbook", "labels", "unit", "status", "port", "mount", "free", "per_core", "days", "of", "hosts"}


def entry(kind="ping", **fields):
    return {"name": "Check_1", "groups": ["web"], "kind": kind, **NEEDED.get(kind, {}), **fields}


def one(*arguments, **fields):
    return checks([entry(*arguments, **fields)], GROUPS, HOSTVARS)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_every_field(kind):
    check = one(kind)
    assert set(check) == KEYS
    assert (check["severity"], check["for"], check["runbook"], check["labels"]) == ("critical", 60, "", {})
    assert check["summary"] and "{" not in check["summary"]
    others = {field for other in KINDS.values() for field in other} - set(KINDS[kind]) - {"url"}
    assert {field for field in others if check[field] is not None} == set()


@pytest.mark.parametrize("kind, defaults", [
    ("disk", {"mount": "/", "free": 10}), ("memory", {"free": 5}), ("load", {"per_core": 4}), ("certificate", {"days": 21}), ("http", {"status": []}),
    ("drift", {"of": "input"}),
])
def test_defaults_of_a_kind(kind, defaults):
    check = one(kind)
    assert {field: check[field] for field in defaults} == defaults


def test_what_is_given_stays():
    given = {"severity": "warning", "for": 0, "summary": "Slow", "runbook": "https://runbooks.example.com/slow", "labels": {"team": "x"}, "per_core": 1.5}
    check = one("load", **given)
    assert {field: check[field] for field in given} == given


def test_hosts_are_those_of_all_groups_once_and_by_name():
    assert [host["name"] for host in one(groups=["web", "db", "none"])["hosts"]] == ["d1", "w1", "w2"]
    assert one(groups=["none"])["hosts"] == []


def test_address_is_the_sites_or_the_name_and_goes_into_the_url():
    assert one("http", groups=["web", "db"])["hosts"] == [
        {"name": "d1", "address": "2001:db8::1", "url": "https://[2001:db8::1]:8443/healthz"},
        {"name": "w1", "address": "w1", "url": "https://w1:8443/healthz"},
        {"name": "w2", "address": "192.0.2.2", "url": "https://192.0.2.2:8443/healthz"},
    ]
    assert {host["url"] for host in one("tcp")["hosts"]} == {""}


def test_checks_come_by_name_and_the_list_given_is_left_alone():
    given = [entry(name="b"), entry(name="a", kind="disk")]
    before = [dict(check) for check in given]
    assert [check["name"] for check in checks(given, GROUPS, HOSTVARS)] == ["a", "b"]
    assert given == before
    assert checks([], GROUPS, HOSTVARS) == []


@pytest.mark.parametrize("fields, words", [
    ({"name": "a-b"}, ["check 1 (a-b)", "name is 'a-b'", "letters, digits and _"]),
    ({"name": 3}, ["name is 3"]),
    ({"groups": "web"}, ["groups is 'web'", "a list of groups"]),
    ({"groups": []}, ["groups is []"]),
    ({"groups": ["web", "wbe"]}, ["groups has 'wbe'", "no group of the inventory"]),
    ({"kind": "pong"}, ["kind is 'pong'", "ping, unit, http"]),
    ({"severity": "page"}, ["severity is 'page'", "warning or critical"]),
    ({"for": "60"}, ["for is '60'", "seconds"]),
    ({"for": -1}, ["for is -1"]),
    ({"for": True}, ["for is True"]),
    ({"summary": "two\nlines"}, ["summary is"]),
    ({"runbook": "see the wiki"}, ["runbook is 'see the wiki'"]),
    ({"labels": {"severity": "x"}}, ["labels is", "none of alertname"]),
    ({"labels": {"team": 3}}, ["labels is", "texts"]),
    ({"labels": {"my-team": "x"}}, ["labels is"]),
    ({"port": 22}, ["port is no field of a check of kind ping", "severity, for"]),
    ({"runbok": "x"}, ["runbok is no field"]),
    ({"kind": "unit", "unit": "nginx"}, ["unit is 'nginx'", "nginx.service"]),
    ({"kind": "unit", "unit": "a b.service"}, ["unit is 'a b.service'"]),
    ({"kind": "http", "url": "{host}:80"}, ["url is '{host}:80'"]),
    ({"kind": "http", "url": "http://{hots}/"}, ["url is"]),
    ({"kind": "http", "url": "http://me:word@{host}/"}, ["without a user"]),
    ({"kind": "http", "url": "http://{host}/$(id)"}, ["percent-encoded"]),
    ({"kind": "http", "url": "http://{host}:99999/"}, ["url is"]),
    ({"kind": "http", "status": [2000]}, ["status is [2000]", "100 to 599"]),
    ({"kind": "http", "status": 200}, ["status is 200", "a list"]),
    ({"kind": "tcp", "port": 0}, ["port is 0", "1 to 65535"]),
    ({"kind": "disk", "mount": "data"}, ["mount is 'data'", "absolute path"]),
    ({"kind": "disk", "free": 100}, ["free is 100", "below 100"]),
    ({"kind": "drift", "of": "inputs"}, ["of is 'inputs'", "input or output"]),
    ({"kind": "memory", "mount": "/"}, ["mount is no field of a check of kind memory"]),
    ({"kind": "load", "per_core": 0}, ["per_core is 0"]),
    ({"kind": "certificate", "url": "http://{host}/"}, ["only behind https://"]),
    ({"kind": "certificate", "days": 0}, ["days is 0"]),
])
def test_what_is_wrong_is_named(fields, words):
    with pytest.raises(AnsibleFilterError) as error:
        checks([{**entry(fields.get("kind", "ping")), **fields}], GROUPS, HOSTVARS)
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize("field, kind", [("name", "ping"), ("groups", "ping"), ("kind", "ping"), ("unit", "unit"), ("url", "http"), ("port", "tcp"),
                                         ("url", "certificate")])
def test_what_is_missing_is_named(field, kind):
    given = entry(kind)
    del given[field]
    with pytest.raises(AnsibleFilterError, match=f"{field} is missing; it must be"):
        checks([given], GROUPS, HOSTVARS)


def test_names_are_unique_and_the_list_is_one():
    with pytest.raises(AnsibleFilterError, match=r"check 2: name is 'Check_1', which another check has"):
        checks([entry(), entry("disk")], GROUPS, HOSTVARS)
    with pytest.raises(AnsibleFilterError, match="must be a list"):
        checks({"a": 1}, GROUPS, HOSTVARS)
    with pytest.raises(AnsibleFilterError, match="check 1 is 'ping'"):
        checks(["ping"], GROUPS, HOSTVARS)
    with pytest.raises(AnsibleFilterError, match=r"kind is \['ping'\]"):
        checks([{**entry(), "kind": ["ping"]}], GROUPS, HOSTVARS)


def test_targets_are_the_hosts_of_groups_with_address_and_groups():
    groups = {**GROUPS, "all": ["w1", "w2", "d1"], "ungrouped": []}
    assert targets(["web", "none"], groups, HOSTVARS) == [
        {"name": "w1", "address": "w1", "groups": ["db", "web"]},
        {"name": "w2", "address": "192.0.2.2", "groups": ["web"]},
    ]
    with pytest.raises(AnsibleFilterError, match="'wbe' is no group"):
        targets(["wbe"], groups, HOSTVARS)


def test_targets_become_static_configs_of_a_scrape_job():
    found = [{"name": "w1", "address": "w1", "groups": ["db", "web"]}, {"name": "d1", "address": "2001:db8::1"}]
    assert static_configs(found, 9100) == [
        {"targets": ["w1:9100"], "labels": {"host": "w1", "groups": ",db,web,"}},
        {"targets": ["[2001:db8::1]:9100"], "labels": {"host": "d1"}},
    ]


def test_every_field_of_a_kind_is_known_and_the_filters_have_their_names():
    assert {field for own in KINDS.values() for field in own} <= set(FIELDS)
    assert FilterModule().filters() == {"checks": checks, "targets": targets, "static_configs": static_configs}
