# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checkout keeps the collection's own rules, and each rule sees the fault it is there for: it is planted in a copy of the tree in memory."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.onprem.tests.guards import code_rules, tree_rules

RULES = code_rules.RULES + tree_rules.RULES
UTILS = "from ansible_collections.mlops.onprem.plugins.module_utils"
MODULE = '"""A module."""\nDOCUMENTATION = """\noptions:\n  name: {type: str}\n  items: {type: list, elements: dict, suboptions: {size: {type: int}}}\n"""\n'
LONG = '"""A module."""\n' + "print(1)\n" * 41
MEDIAN = {f"plugins/modules/nexus_{number}.py": '"""A module."""\n' + "print(1)\n" * 31 for number in range(40)}
RUNTIME = "action_groups: {nexus: [nexus_users, nexus_gone]}"
ROLE = "roles/planted/"
SPEC = "argument_specs: {main: {options: {%s}}}"

# (rule, files planted, words of the line it must give)
PLANTED = [
    (code_rules.arrows, {"plugins/module_utils/_reconcile.py": f"{UTILS}._nexus import NEXUS"}, "_reconcile may not import _nexus"),
    (code_rules.arrows, {"plugins/module_utils/_errors.py": f"{UTILS} import _module"}, "_errors may not import _module"),
    (code_rules.arrows, {"plugins/module_utils/_transport.py": "from . import _errors"}, "relative import"),
    (code_rules.arrows, {"plugins/module_utils/_new.py": "import os"}, "has no line in ARROWS"),
    (code_rules.connections, {"plugins/module_utils/_store.py": "import requests"}, "_store.py:1: requests"),
    (code_rules.connections, {"plugins/module_utils/_rollout.py": "def f():\n    from urllib.request import urlopen"}, "_rollout.py:2: urllib.request"),
    (code_rules.connections, {"plugins/module_utils/_host.py": "import http.client"}, "_host.py:1: http.client"),
    (code_rules.connections, {"plugins/module_utils/_fetch.py": "import requests"}, "_fetch.py:1: requests"),
    (code_rules.connections, {"plugins/modules/nexus_users.py": "import socket"}, "nexus_users.py:1: socket"),
    (code_rules.connections, {"plugins/filter/_fetch.py": "import socket"}, "filter/_fetch.py:1: socket"),
    (code_rules.connections, {"plugins/modules/model_probe.py": "from ansible.module_utils.urls import open_url"}, "ansible.module_utils.urls"),
    (code_rules.ansible_module, {"plugins/module_utils/_nexus.py": "from ansible.module_utils.basic import AnsibleModule"}, "only _module meets Ansible"),
    (code_rules.host_code, {"plugins/module_utils/_content.py": "import yaml"}, "_content.py:1: yaml"),
    (code_rules.host_code, {"plugins/modules/model_release.py": f"import numpy\n{UTILS}._rollout import Rollout"}, "model_release.py:1: numpy"),
    (code_rules.module_length, {"plugins/modules/nexus_users.py": LONG}, "nexus_users.py: 41 lines"),
    (code_rules.module_length, MEDIAN, "the median is"),
    (code_rules.begins_with_docstring, {"plugins/filter/new.py": "import os\n"}, "new.py: does not begin with a docstring"),
    (code_rules.examples, {"plugins/modules/new.py": MODULE}, "EXAMPLES is no list"),
    (code_rules.examples, {"plugins/modules/new.py": MODULE + 'EXAMPLES = "- mlops.onprem.other: {name: a}"'}, "no example uses mlops.onprem.new"),
    (code_rules.examples, {"plugins/modules/new.py": MODULE + 'EXAMPLES = "- mlops.onprem.new: {names: a}"'}, "option names does not exist"),
    (code_rules.examples, {"plugins/modules/new.py": MODULE + 'EXAMPLES = "- mlops.onprem.new: {items: [{sise: 1}]}"'}, "option items.sise does not exist"),
    (code_rules.typed_options, {"plugins/modules/new.py": '"""A."""\nDOCUMENTATION = "options: {any: {type: dict}}"'}, "any is a dict without suboptions"),
    (code_rules.typed_options, {"plugins/modules/new.py": '"""A."""\nDOCUMENTATION = "options: {any: {type: list}}"'}, "any is a list without elements"),
    (code_rules.action_groups, {"meta/runtime.yml": RUNTIME}, "nexus_roles is missing"),
    (code_rules.action_groups, {"meta/runtime.yml": RUNTIME}, "nexus_gone is no module"),
    (code_rules.integration_tests, {"plugins/modules/planted_new.py": MODULE}, "no file below tests/integration names planted_new"),
    (tree_rules.defaults_equal_specs, {f"{ROLE}defaults/main.yml": "planted_a: 1"}, "has no meta/argument_specs.yml"),
    (tree_rules.defaults_equal_specs, {f"{ROLE}defaults/main.yml": "planted_a: 1", f"{ROLE}meta/argument_specs.yml": SPEC % "planted_b: {default: 1}"},
     "planted_a is in defaults/main.yml and not in"),
    (tree_rules.defaults_equal_specs, {f"{ROLE}defaults/main.yml": "planted_a: 1", f"{ROLE}meta/argument_specs.yml": SPEC % "planted_b: {default: 1}"},
     "planted_b is in meta/argument_specs.yml and not in"),
    (tree_rules.defaults_equal_specs, {f"{ROLE}defaults/main.yml": "planted_a: 1", f"{ROLE}meta/argument_specs.yml": SPEC % "planted_a: {default: 2}"},
     "planted_a is 1 in defaults/main.yml and 2 in"),
    (tree_rules.defaults_equal_specs, {f"{ROLE}defaults/main.yml": "planted_a: true", f"{ROLE}meta/argument_specs.yml": SPEC % "planted_a: {default: 1}"},
     "planted_a is True in defaults/main.yml and 1 in"),
    (tree_rules.defaults_equal_specs, {f"{ROLE}defaults/main.yml": "planted_a: ''", f"{ROLE}meta/argument_specs.yml": SPEC % "planted_a: {type: str}"},
     "planted_a is '' in defaults/main.yml and no default in"),
    (tree_rules.defaults_equal_specs, {f"{ROLE}defaults/main.yml": "planted_a: 1", f"{ROLE}meta/argument_specs.yml": SPEC % "planted_a: {required: true}"},
     "planted_a is required and has a value"),
    (tree_rules.defaults_pass_specs, {f"{ROLE}meta/argument_specs.yml": SPEC % "planted_a: {type: dict, default: {}, options: {b: {required: true}}}"},
     "planted_a requires b"),
    (tree_rules.names_of_roles, {f"{ROLE}defaults/main.yml": "port: 1"}, "port does not begin with planted_"),
    (tree_rules.names_of_roles, {f"{ROLE}vars/main.yml": "planted_port: 1"}, "planted_port does not begin with __planted_"),
    (tree_rules.names_of_roles, {f"{ROLE}tasks/main.yml": "[{block: [{register: answer}]}]"}, "register: answer does not begin with __planted_"),
    (tree_rules.inventories_know_the_roles, {"inventories/lab/group_vars/new.yml": "nexus_heep: 1g"}, "nexus_heep is no option of role nexus"),
    (tree_rules.forbidden, {f"{ROLE}tasks/main.yml": "[{block: [{ansible.builtin.set_fact: {a: 1}}]}]"}, "ansible.builtin.set_fact"),
    (tree_rules.forbidden, {"playbooks/new.yml": "[{hosts: all, tasks: [{ignore_errors: true}]}]"}, "ignore_errors"),
    (tree_rules.forbidden, {f"{ROLE}tasks/main.yml": "[{ansible.builtin.apt: {name: a, state: latest}}]"}, "state: latest"),
    (tree_rules.forbidden, {"inventories/lab/new.yml": "image: debian:latest"}, "image: debian:latest"),
    (tree_rules.fully_qualified, {f"{ROLE}tasks/main.yml": "[{nexus_users: {users: []}}]"}, "nexus_users: write mlops.onprem."),
    (tree_rules.fully_qualified, {"playbooks/new.yml": "[{hosts: all, roles: [{role: software}]}]"}, "software: write mlops.onprem."),
    (tree_rules.secrets_in_tasks, {f"{ROLE}tasks/main.yml": "[{name: A, ansible.builtin.uri: {url_password: '{{ site_password }}'}}]"},
     "task 'A' is given site_password without no_log"),
    (tree_rules.secrets_in_role_options, {f"{ROLE}meta/argument_specs.yml": SPEC % "planted_password: {type: str}"}, "planted_password looks like a secret"),
    (tree_rules.begins_with_comment, {"scripts/new": "#!/bin/sh\nset -eu\n"}, "scripts/new: does not begin with a comment"),
    (tree_rules.begins_with_comment, {f"{ROLE}tasks/main.yml": "---\n- name: A\n"}, "tasks/main.yml: does not begin with a comment"),
    (tree_rules.registries, {"README.md": "pip install -i https://" + "pypi" + ".org/simple a"}, "no host of a registry"),
    (tree_rules.registries, {"roles/nexus/tasks/main.yml": "image: docker" + ".io/debian"}, "no host of a registry"),
    (tree_rules.machine_paths, {"README.md": "cd /" + "work/main"}, "a path of one machine"),
    (tree_rules.machine_paths, {"Makefile": "/home/" + "someone/x"}, "a path of one machine"),
    (tree_rules.private_keys, {"inventories/lab/key": "-----BEGIN " + "PRIVATE KEY-----"}, "a private key"),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_checkout_keeps_the_rule(rule, tree):
    if faults := list(rule(tree)):
        pytest.fail("\n".join([rule.__doc__, *faults]), pytrace=False)


@pytest.mark.parametrize(("rule", "planted", "said"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
def test_the_rule_sees_a_planted_fault(rule, planted, said, tree):
    faults = list(rule({**tree, **planted}))
    assert [fault for fault in faults if said in fault], faults


def test_every_rule_was_seen_red():
    assert {rule for rule, _planted, _said in PLANTED} | {code_rules.arrows_have_no_cycle} == set(RULES)


def test_a_cycle_in_the_arrows_is_seen(monkeypatch):
    monkeypatch.setitem(code_rules.ARROWS, "_errors", {"_module"})
    assert "_errors" in next(code_rules.arrows_have_no_cycle({}))
