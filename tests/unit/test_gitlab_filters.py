# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pure part of role gitlab: Ruby literals, what was removed from gitlab.rb, the stops of an upgrade. The data is the role's own."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.onprem.plugins.filter.gitlab import gitlab_rb, gitlab_rb_faults, gitlab_upgrade_fault
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
ROLE = yaml.safe_load((ROOT / "roles/gitlab/vars/main.yml").read_text())
SPEC = ROOT.parent / "shared/specs/gitlab_rb_keys_19.3.json"
STOPS, REMOVED, SECTIONS = ROLE["__gitlab_upgrade_stops"], ROLE["__gitlab_removed"], ROLE["__gitlab_sections"]


def literal(value):
    return gitlab_rb({"gitlab_rails": {"x": value}}).removeprefix('gitlab_rails["x"] = ').removesuffix("\n")


@pytest.mark.parametrize(("value", "ruby"), [
    (None, "nil"), (True, "true"), (False, "false"), (0, "0"), (-3, "-3"), (1.5, "1.5"), ("", '""'), ("a'b", '"a\'b"'), ('a"b', '"a\\"b"'),
    ("#{`id`}", '"\\#{`id`}"'), ("\\#{1}", '"\\\\\\#{1}"'), ("#@a#$b", '"\\#@a\\#$b"'), ("a\r\nb\t\x00", '"a\\r\\nb\\t\\u{0}"'), ("é😀", '"\\u{e9}\\u{1f600}"'),
    ([1, "a", [None]], '[1, "a", [nil]]'), ({"a": {"b": "#{1}"}, 1: []}, '{"a" => {"b" => "\\#{1}"}, "1" => []}'),
])
def test_values_become_literals(value, ruby):
    assert literal(value) == ruby


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_one_string_of_ascii_that_reads_back_and_has_nothing_to_run(text):
    ruby = literal(text)
    inner = ruby[1:-1]
    assert ruby.isascii() and "\n" not in ruby
    assert not re.search(r'(?<!\\)(\\\\)*["#]', inner)
    assert json.loads(re.sub(r"\\u\{(\w+)\}", lambda found: json.dumps(chr(int(found[1], 16)))[1:-1], ruby.replace("\\#", "#"))) == text \
        or "\\" in text


def test_plain_settings_are_calls_and_sections_are_sorted():
    assert gitlab_rb({"roles": ["a"], "nginx": {"b": 1, "a": 2}}) == 'nginx["a"] = 2\nnginx["b"] = 1\nroles(["a"])\n'


@pytest.mark.parametrize(("settings", "words"), [
    ({"a b": {}}, "'a b' is no name of a section"), ({"x;system('id')": 1}, "is no name of a section"),
    ({"nginx": {"since": date(2026, 1, 1)}}, "nginx.since is datetime.date(2026, 1, 1): text, a number"), ({"nginx": {"a": float("nan")}}, "nginx.a is nan"),
])
def test_what_cannot_be_written_is_named(settings, words):
    with pytest.raises(AnsibleFilterError, match=re.escape(words)):
        gitlab_rb(settings)


@pytest.mark.parametrize(("settings", "version", "faults"), [
    ({"git_data_dirs": {"default": {"path": "/srv"}}}, "17.11.7-ce.0", []),
    ({"git_data_dirs": {"default": {"path": "/srv"}}}, "18.0.0-ce.0", ["gitlab_rb: git_data_dirs was removed in GitLab 18.0. Use storage in "
     "gitaly.configuration, a list of {name, path}; the path then ends with /repositories."]),
    ({"gitaly": {"configuration": {"git": {"bin_path": "/usr/bin/git"}}}}, "18.11.2-ce.0", []),
    ({"gitaly": {"configuration": {"git": {"bin_path": "/usr/bin/git"}}}}, "19.0.0-ee.0",
     ["gitlab_rb: gitaly.configuration.git.bin_path was removed in GitLab 19.0. Leave it out; Gitaly always uses the Git of the package."]),
    ({"mattermost": {}, "sidekiq": {"negate": None}}, "19.0.0-ce.0", []),
    ({"puna": {"port": 1}}, "19.0.0-ce.0", ["gitlab_rb: puna is no section of gitlab.rb; did you mean puma?"]),
    ({"external_url": "x"}, "19.0.0-ce.0", ["gitlab_rb: external_url is no section of gitlab.rb; did you mean pages_external_url?"]),
])
def test_what_a_version_refuses_is_named_with_what_replaces_it(settings, version, faults):
    assert gitlab_rb_faults(settings, version, REMOVED, SECTIONS) == faults


@pytest.mark.parametrize(("installed", "wanted", "stop"), [
    ("16.0.0", "16.3.9", None), ("16.0.0", "16.4.0", "16.3"), ("15.4.6", "16.0.0", "15.11"), ("16.11.10", "17.3.7", None), ("16.11.10", "17.4.0", "17.3"),
    ("17.5.5", "17.8.7", None), ("17.5.1", "17.5.5", None), ("17.8.7", "18.2.8", "17.11"), ("17.11.7", "18.2.8", None), ("17.11.7", "19.2.1", "18.2"),
    ("18.11.1", "19.2.0", None), ("18.11.1", "19.3.0", "19.2"), ("18.8.0", "19.0.0", "18.11"), ("17.8.7", "17.8.7", None),
])
def test_an_upgrade_takes_one_stop_at_a_time(installed, wanted, stop):
    fault = gitlab_upgrade_fault(f"{installed}-ce.0", f"{wanted}-ce.0", STOPS, [])
    assert (f"GitLab {stop} is a required stop" in fault) if stop else fault == ""


def test_a_stop_for_some_sites_counts_where_it_is_asked_for():
    assert gitlab_upgrade_fault("16.11.10-ce.0", "17.3.7-ce.0", STOPS, []) == ""
    assert "latest patch release of 17.1, 17.1.8 or later" in gitlab_upgrade_fault("16.11.10-ce.0", "17.3.7-ce.0", STOPS, ["17.1"])


@pytest.mark.parametrize(("wanted", "words"), [("17.8.6-ce.0", "is older"), ("17.8.7-ee.0", "another edition")])
def test_there_is_no_way_back_and_no_change_of_edition(wanted, words):
    assert words in gitlab_upgrade_fault("17.8.7-ce.0", wanted, STOPS, [])


def test_the_conditional_stops_are_those_that_the_option_offers():
    options = yaml.safe_load((ROOT / "roles/gitlab/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert options["gitlab_upgrade_stops"]["choices"] == [stop["version"] for stop in STOPS if "only" in stop]


@pytest.mark.skipif(not SPEC.is_file(), reason="the keys of gitlab.rb do not stand beside the project")
def test_the_products_own_list_of_what_was_removed_is_covered():
    spec = json.loads(SPEC.read_text())
    for entry in spec["deprecated"]:
        path = [part for part in entry["path"] if part not in ("gitlab", "monitoring")]
        settings = "x"
        for part in reversed(path):
            settings = {part: settings}
        faults = gitlab_rb_faults(settings, "19.11.0-ce.0", REMOVED, SECTIONS)
        assert bool([fault for fault in faults if "was removed in GitLab" in fault]) == (float(entry["removed"]) < 20), path
    # Not a section: what the description's own extraction took for one.
    assert set(spec["top_level"]) - {"default"} <= set(SECTIONS)
