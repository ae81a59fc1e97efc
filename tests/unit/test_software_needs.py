# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup software_needs reads what a site asks for from its playbooks: which plays count, and which tasks are found. It knows no role of the collection."""

from __future__ import annotations

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mlops.onprem.plugins.lookup import software_needs

ASKS = {"ansible.builtin.include_role": {"name": "mlops.onprem.software"}, "vars": {"software_packages": ["{{ wanted | default('tree') }}"]}}


class Hostvars(dict):
    """What Ansible gives a lookup, as far as this one asks for it."""

    raw_get = dict.__getitem__


class Lookup(software_needs.LookupModule):
    """Its options without Ansible's loader of plugins."""

    suites: list[str] = []

    def set_options(self, **_given):
        """They are here already."""

    def get_option(self, option, **_given):
        return getattr(self, option)


@pytest.fixture(name="needs")
def fixture_needs(tmp_path):
    """Write playbooks {name: plays} and read those that are named, for an inventory {group: {host: variables}}."""

    def needs(playbooks, *read, suites=("bookworm",), **groups):
        for name, plays in playbooks.items():
            (tmp_path / name).write_text(yaml.safe_dump(plays))
        hosts = {host: variables for members in groups.values() for host, variables in members.items()}
        variables = {"groups": {"all": list(hosts), **{group: list(members) for group, members in groups.items()}},
                     "hostvars": Hostvars({"localhost": {}, **hosts})}
        loader = DataLoader()
        lookup = Lookup(loader=loader, templar=Templar(loader=loader, variables=variables))
        lookup.suites = list(suites)
        return lookup.run([str(tmp_path / name) for name in read], variables=variables)

    return needs


def test_tasks_in_blocks_are_found_and_each_host_has_its_own_values(needs):
    plays = [{"hosts": "web", "tasks": [{"block": [{"block": [ASKS]}]}]}, {"hosts": "none", "tasks": [ASKS]}]
    found = needs({"a.yml": plays}, "a.yml", web={"one": {}, "two": {"wanted": "vim"}, "three": {}})
    assert [(need["of"], need["packages"], need["hosts"], need["problem"]) for need in found] == [
        ("playbook a.yml", ["tree"], ["one", "three"], ""), ("playbook a.yml", ["vim"], ["two"], "")]


def test_an_imported_playbook_is_read_once_and_for_each_suite(needs):
    books = {"a.yml": [{"import_playbook": "b.yml"}, {"ansible.builtin.import_playbook": "b.yml"}], "b.yml": [{"hosts": "web", "tasks": [ASKS]}]}
    found = needs(books, "a.yml", "b.yml", suites=("bookworm", "trixie"), web={"one": {}})
    assert [(need["of"], need["suite"]) for need in found] == [("playbook b.yml", "bookworm"), ("playbook b.yml", "trixie")]


def test_without_an_inventory_every_play_counts(needs):
    found = needs({"a.yml": [{"hosts": "web", "tasks": [ASKS]}, {"hosts": "db", "pre_tasks": [ASKS | {"vars": {"software_packages": ["vim"]}}]}]}, "a.yml")
    assert [need["packages"] for need in found] == [["tree"], ["vim"]]


def test_a_value_that_is_not_known_is_a_problem_by_name(needs):
    (found,) = needs({"a.yml": [{"hosts": "web", "tasks": [ASKS | {"vars": {"software_packages": ["a={{ nowhere_set }}"]}}]}]}, "a.yml", web={"one": {}})
    assert found["packages"] == [] and "nowhere_set" in found["problem"]
