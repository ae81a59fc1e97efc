# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which plugins of Jenkins others need, by an update centre in the form that Jenkins' own has."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_closure import closure, read


def entry(name, version, *needs, core="2.440.1", **more):
    """One plugin as the update centre tells of it; needs are NAME:VERSION, with a question mark at the end for an optional one."""
    sha256 = base64.b64encode(hashlib.sha256(f"{name}{version}".encode()).digest()).decode()
    dependencies = [{"name": need.partition(":")[0], "optional": need.endswith("?"), "version": need.rstrip("?").partition(":")[2]} for need in needs]
    return {"name": name, "version": version, "requiredCore": core, "sha256": sha256, "dependencies": dependencies,
            "url": f"https://updates.example.com/download/plugins/{name}/{version}/{name}.hpi", "gav": f"org.example:{name}:{version}", **more}


def centre(*entries):
    return {each["name"]: each for each in entries}


KNOWN = centre(
    entry("git", "5.7.0", "git-client:6.1.0", "credentials:1380.v1", "matrix-project:840?"),
    entry("git-client", "6.1.3", "credentials:1381.v2c3a12074da_b_", "structs:338"),
    entry("credentials", "1415.v831096eb_5534", "structs:338"),
    entry("structs", "343.vdcf37b_a_c81d5"),
    entry("matrix-project", "849.v1", "git:5.0"),
    entry("one", "1.0", "two:1.0"),
    entry("two", "1.0", "three:1.0"),
    entry("three", "1.0", "one:1.0"),
)


def test_what_is_needed_comes_along_and_what_is_optional_does_not():
    pins, problems = closure(KNOWN, ["git"])
    assert problems == []
    assert [(pin["name"], pin["version"]) for pin in pins] == [
        ("credentials", "1415.v831096eb_5534"), ("git", "5.7.0"), ("git-client", "6.1.3"), ("structs", "343.vdcf37b_a_c81d5")]
    credentials = pins[0]
    assert credentials["sha256"] == hashlib.sha256(b"credentials1415.v831096eb_5534").hexdigest()
    assert credentials["url"] == KNOWN["credentials"]["url"]
    assert credentials["needed_by"] == ["git", "git-client"]


def test_what_is_wanted_optionally_by_one_and_by_the_list_too_is_there():
    assert [pin["name"] for pin in closure(KNOWN, ["git", {"name": "matrix-project"}])[0]].count("matrix-project") == 1


def test_plugins_that_need_each_other_end_it():
    pins, problems = closure(KNOWN, ["one"])
    assert ([pin["name"] for pin in pins], problems) == (["one", "three", "two"], [])


@pytest.mark.parametrize(("known", "wanted", "core", "name", "why"), [
    (KNOWN, ["nowhere"], "", "nowhere", "the update centre does not have it, the list needs it"),
    (centre(entry("a", "1", "b:1")), ["a"], "", "b", "the update centre does not have it, a needs it"),
    (centre(entry("a", "1", "b:2.10"), entry("b", "2.9")), ["a"], "", "b", "a 1 needs version 2.10, the update centre has 2.9"),
    (centre(entry("a", "1", "b:1"), entry("b", "2", core="2.500")), ["a"], "2.492.3", "b", "version 2 needs Jenkins 2.500, wanted is 2.492.3; a needs it"),
    (KNOWN, [{"name": "git", "version": "5.6.0"}], "", "git", "the update centre has version 5.7.0, not 5.6.0"),
    (centre(entry("a", "1") | {"sha256": "???"}), ["a"], "", "a", "the update centre has no sha256 for it; nothing is taken unverified"),
])
def test_what_cannot_be_is_named(known, wanted, core, name, why):
    assert closure(known, wanted, core)[1] == [{"name": name, "why": why}]


def test_a_least_version_that_is_reached_is_none_of_them():
    known = centre(entry("a", "1", "b:2.9", core="2.492.3"), entry("b", "2.10"))
    assert closure(known, [{"name": "a", "version": "1"}], "2.492.3")[1] == []


@pytest.mark.parametrize("frame", ["{}", "updateCenter.post(\n{}\n);\n"])
def test_both_forms_of_the_file_are_read(frame):
    text = frame.replace("{}", json.dumps({"id": "default", "core": {"version": "2.541.3"}, "plugins": KNOWN}))
    assert read(text) == KNOWN


@pytest.mark.parametrize("text", ["", "<html>", "[]", '{"core": {}}'])
def test_another_text_is_refused(text):
    with pytest.raises(MlopsError, match=r"right would be update-center\.actual\.json"):
        read(text)
