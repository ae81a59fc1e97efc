# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection's rules for its Python files. Each rule takes a tree {path: text} and yields one line per fault. They read, they import nothing."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import PurePosixPath
from statistics import median

import yaml

UTILS, MODULES = "plugins/module_utils/", "plugins/modules/"
INSIDE = "ansible_collections.mlops.onprem.plugins.module_utils"

# Which file of module_utils may import which: arrows point from left to right and never back. A new file gets its line here.
ARROWS = {
    "_errors": set(),
    "_transport": {"_errors"},
    "_resource": {"_errors"},
    "_reconcile": {"_errors", "_resource"},
    "_fingerprint": {"_resource"},
    "_module": {"_errors", "_transport", "_resource", "_reconcile", "_fingerprint"},
    "_nexus": {"_errors", "_resource", "_module"},
    "_gitlab": {"_errors", "_resource", "_module"},
    "_gitlab_kinds": {"_errors", "_resource", "_gitlab"},
    "_jenkins": {"_errors", "_transport", "_resource", "_module"},
    "_jenkins_xml": {"_errors"},
    "_jenkins_items": {"_errors", "_resource", "_jenkins", "_jenkins_xml"},
    "_jenkins_kinds": {"_errors", "_resource", "_jenkins", "_jenkins_xml", "_jenkins_items"},
    "_jenkins_work": {"_errors", "_jenkins"},
    "_jenkins_plugins": {"_errors", "_transport", "_reconcile", "_jenkins_work"},
    "_jenkins_closure": {"_errors", "_jenkins_plugins"},
    "_jenkins_casc": {"_errors", "_jenkins_work"},
    "_package": {"_errors"},
    "_store": {"_errors", "_transport", "_package"},
    "_signature": {"_errors"},
    "_onnx": {"_errors"},
    "_publish": {"_errors", "_onnx", "_package", "_signature", "_store"},
    "_model_secrets": {"_errors", "_content"},
    "_fetch": {"_errors"},
    "_content": {"_errors", "_package", "_fetch"},
    "_release": {"_errors", "_package"},
    "_host": {"_errors", "_fetch", "_content", "_release"},
    "_probe": {"_errors", "_package", "_fetch", "_release"},
    "_rollout": {"_errors", "_package", "_fetch", "_content", "_release", "_host"},
}
# Files that managed hosts get: standard library only.
ON_HOSTS = {"_errors", "_package", "_fetch", "_content", "_release", "_host", "_probe", "_rollout"}
# Beside these, nothing opens a connection. (http.client and socket: hosts; requests: controller.) Two client libraries speak through the
# session that _transport gives them.
CONNECTING = {
    "_transport": {"requests"},
    "_fetch": {"http", "socket", "ssl"},
    "_gitlab": {"gitlab"},
    "_jenkins": {"jenkins"},
}
OPENERS = {"requests", "http", "socket", "ssl", "urllib.request", "urllib3", "httpx", "aiohttp", "ftplib", "smtplib", "telnetlib", "paramiko", "asyncio",
           "socketserver", "xmlrpc", "ansible.module_utils.urls", "gitlab", "jenkins"}
MEETS_ANSIBLE_MODULE = {"_module"}


def python(tree, start=""):
    """(path, stem, syntax tree) of the Python files below a folder."""
    for path, text in sorted(tree.items()):
        if path.startswith(start) and path.endswith(".py"):
            yield path, PurePosixPath(path).stem, ast.parse(text, path)


def imports(node):
    """(line, dotted name) of everything a file imports; `from a import b` gives a.b, so that a submodule is seen as one."""
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            yield from ((part.lineno, alias.name) for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            yield from ((part.lineno, f"{'.' * part.level}{part.module or ''}.{alias.name}") for alias in part.names)


def ours(name):
    """The file of module_utils that a dotted name belongs to, None for other names."""
    return name[len(INSIDE) + 1:].partition(".")[0] if name.startswith(INSIDE + ".") else None


def arrows(tree):
    """Nothing below knows anything above."""
    for path, stem, node in python(tree, UTILS):
        if stem != "__init__" and stem not in ARROWS:
            yield f"{path}: has no line in ARROWS: say there what it may import"
        for line, name in imports(node):
            if name.startswith("."):
                yield f"{path}:{line}: relative import {name}; write {INSIDE}"
            if ours(name) and ours(name) not in ARROWS.get(stem, ()):
                yield f"{path}:{line}: {stem} may not import {ours(name)}"


def arrows_have_no_cycle(_tree):
    """The table itself is an order."""
    done: set[str] = set()
    while left := {stem for stem in ARROWS if stem not in done}:
        free = {stem for stem in left if ARROWS[stem] <= done}
        if not free:
            yield f"ARROWS: {sorted(left)} import each other"
            return
        done |= free


def connections(tree):
    """Two files open connections; a third is a hole in check mode's promise to send nothing."""
    for path, stem, node in python(tree, "plugins/"):
        for line, name in imports(node):
            opener = next((opener for opener in OPENERS if f"{name}.".startswith(f"{opener}.")), None)
            if opener and opener not in CONNECTING.get(stem if path.startswith(UTILS) else "", ()):
                yield f"{path}:{line}: {name}: only {' and '.join(sorted(CONNECTING))} open connections"


def ansible_module(tree):
    """Only _module and the modules themselves meet AnsibleModule, and no other file of Ansible's is used by module_utils."""
    for path, stem, node in python(tree, UTILS):
        for line, name in imports(node):
            if name.startswith("ansible.") and stem not in MEETS_ANSIBLE_MODULE:
                yield f"{path}:{line}: {name}: only {', '.join(sorted(MEETS_ANSIBLE_MODULE))} meets Ansible"


def host_code(tree):
    """Hosts are air-gapped: what they get needs nothing but Python."""
    hosted = {path for path, stem, node in python(tree, MODULES) if any(ours(name) in ON_HOSTS - {"_errors", "_package"} for _line, name in imports(node))}
    for path, stem, node in python(tree, "plugins/"):
        if path in hosted or path.startswith(UTILS) and stem in ON_HOSTS:
            for line, name in imports(node):
                allowed = ours(name) in ON_HOSTS or name.partition(".")[0] in sys.stdlib_module_names or name.startswith("ansible.module_utils.basic.")
                if not allowed:
                    yield f"{path}:{line}: {name}: runs on hosts, which have Python's standard library only"


def code_lines(text):
    """Lines of code of a module after its documentation blocks: blank lines and comments do not count."""
    body = [part for part in ast.parse(text).body if not _is_documentation(part)]
    lines = text.splitlines()
    return sum(1 for part in body for line in lines[part.lineno - 1:part.end_lineno] if line.strip() and not line.strip().startswith("#"))


def _is_documentation(part):
    if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
        return True
    return isinstance(part, ast.Assign) and getattr(part.targets[0], "id", "") in ("DOCUMENTATION", "EXAMPLES", "RETURN")


def module_length(tree):
    """A module is docs, one description and one call."""
    lengths = {path: code_lines(text) for path, text in tree.items() if path.startswith(MODULES) and path.endswith(".py")}
    for path, length in lengths.items():
        if length > 40:
            yield f"{path}: {length} lines of code after the documentation, 40 are allowed"
    if lengths and median(lengths.values()) > 30:
        yield f"{MODULES}: the median is {median(lengths.values())} lines of code, 30 are allowed"


def begins_with_docstring(tree):
    """Each Python file says first what it knows."""
    for path, _stem, node in python(tree):
        if node.body and not ast.get_docstring(node):
            yield f"{path}: does not begin with a docstring that says what it knows and what it does not"


def block(text, name):
    """The YAML of a documentation block of a module; {} when there is none."""
    for part in ast.parse(text).body:
        if isinstance(part, ast.Assign) and getattr(part.targets[0], "id", "") == name:
            return yaml.safe_load(ast.literal_eval(part.value)) or {}
    return {}


def documented_options(tree, path):
    """{option: its documentation} of a module, those of its documentation fragments included."""
    docs = block(tree[path], "DOCUMENTATION")
    options = dict(docs.get("options") or {})
    for fragment in docs.get("extends_documentation_fragment") or ():
        name, _dot, section = fragment.removeprefix("mlops.onprem.").partition(".")
        file = tree.get(f"plugins/doc_fragments/{name}.py")
        if file:
            options |= _fragment(file, (section or "documentation").upper()).get("options") or {}
    return options


def _fragment(text, section):
    for part in ast.walk(ast.parse(text)):
        if isinstance(part, ast.Assign) and getattr(part.targets[0], "id", "") == section:
            return yaml.safe_load(ast.literal_eval(part.value)) or {}
    return {}


def examples(tree):
    """Every example is a list of tasks that parses, uses the module itself, and names only options that exist."""
    for path, stem, _node in python(tree, MODULES):
        tasks = block(tree[path], "EXAMPLES")
        if not isinstance(tasks, list) or not tasks:
            yield f"{path}: EXAMPLES is no list of tasks"
            continue
        options = documented_options(tree, path)
        used = [task[f"mlops.onprem.{stem}"] for task in tasks if f"mlops.onprem.{stem}" in task]
        if not used:
            yield f"{path}: no example uses mlops.onprem.{stem}"
        for given in used:
            yield from (f"{path}: example: {fault}" for fault in _unknown(given, options))


def _unknown(given, options, place=""):
    if isinstance(given, list):
        for item in given:
            yield from _unknown(item, options, place)
    elif isinstance(given, dict):
        for name, value in given.items():
            if name not in options:
                yield f"option {place}{name} does not exist"
            elif options[name].get("suboptions"):
                yield from _unknown(value, options[name]["suboptions"], f"{place}{name}.")


def _each_option(options, place=""):
    for name, about in (options or {}).items():
        yield f"{place}{name}", about
        yield from _each_option(about.get("suboptions"), f"{place}{name}.")


def typed_options(tree):
    """No free-form dict: a typo inside one would be taken silently."""
    for path, _stem, _node in python(tree, MODULES):
        for name, about in _each_option(documented_options(tree, path)):
            if about.get("type") == "dict" and not about.get("suboptions") and "free form" not in str(about.get("description")).lower():
                yield f"{path}: option {name} is a dict without suboptions; if it must be, its description says why it is free form"
            if about.get("type") == "list" and not about.get("elements"):
                yield f"{path}: option {name} is a list without elements"


def action_groups(tree):
    """Connection options once: the group of a product lists every module of it, and nothing else."""
    groups = yaml.safe_load(tree["meta/runtime.yml"])["action_groups"]
    stems = {stem for _path, stem, _node in python(tree, MODULES)}
    for group, members in groups.items():
        wanted = {stem for stem in stems if stem.startswith(f"{group}_")}
        for stem in sorted(wanted ^ {member for member in members if isinstance(member, str)}):
            yield f"meta/runtime.yml: action group {group}: {stem} {'is missing' if stem in wanted else 'is no module'}"


def integration_tests(tree):
    """Every module is run against a server by a test: the real one, or a stand-in where that cannot be had."""
    for path, stem, _node in python(tree, MODULES):
        if not any(other.startswith("tests/integration/") and re.search(rf"\b{stem}\b", text) for other, text in tree.items()):
            yield f"{path}: no file below tests/integration names {stem}"


RULES = (arrows, arrows_have_no_cycle, connections, ansible_module, host_code, module_length, begins_with_docstring, examples, typed_options, action_groups,
         integration_tests)
