# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection's rules for roles, playbooks and all committed text. Each rule takes a tree {path: text} and yields one line per fault."""

from __future__ import annotations

import re

import yaml

# Names whose value is a secret. A public key or the path of a key is none.
SECRET = re.compile(r"(password|passwd|passphrase|secret|token|private_key|api_key)$|^key$")
PLACES_OF_YAML = ("roles/", "playbooks/", "inventories/", "molecule/", ".config/")
# Registries are reached through their ordinary clients' own settings. (The dots are escaped, so this file does not match itself.)
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|repo1?\.maven\b|maven\.apache\.org/maven2|proxy\.golang\.org|sum\.golang\.org|registry\.npmjs|galaxy\.ansible\.com"
    r"|\bdocker\.io/|registry-1\.docker|quay\.io|ghcr\.io|(deb|security|ftp)\.debian\.org|archive\.ubuntu\.com|crates\.io"
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/[w]ork/|/tmp/(venv|plan)\b|(?<![\w.])/home/(?!ansible\b)\w")
PRIVATE_KEY = re.compile(r"^-----BEGIN [A-Z ]*PRIVATE KEY-----$", re.M)


class _AnyTag(yaml.SafeLoader):
    """YAML with tags such as !vault, which are read as None."""


_AnyTag.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def load(text):
    """The content of a YAML file with one document."""
    return yaml.load(text, _AnyTag)


def yaml_files(tree, *places):
    """(path, content) of the YAML files below the places."""
    for path, text in sorted(tree.items()):
        if path.startswith(places or PLACES_OF_YAML) and path.endswith((".yml", ".yaml")):
            yield path, load(text)


def walk(content):
    """Every (key, value) of nested mappings, lists included."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield key, value
            yield from walk(value)
    elif isinstance(content, list):
        for item in content:
            yield from walk(item)


def roles(tree):
    """Names of the roles."""
    return sorted({path.split("/")[1] for path in tree if path.startswith("roles/")})


def _of_role(tree, role, path):
    return load(tree.get(f"roles/{role}/{path}", "")) or {}


def defaults_equal_specs(tree):
    """defaults/main.yml and meta/argument_specs.yml say the same, names and values, both ways."""
    for role in roles(tree):
        specs = _of_role(tree, role, "meta/argument_specs.yml").get("argument_specs")
        if not specs:
            yield f"roles/{role}: has no meta/argument_specs.yml"
            continue
        options = {name: about for entry in specs.values() for name, about in (entry.get("options") or {}).items()}
        defaults = _of_role(tree, role, "defaults/main.yml")
        spec_defaults = {name: about["default"] for name, about in options.items() if "default" in about}
        for name in sorted(set(options) | set(defaults)):
            if name not in options:
                yield f"roles/{role}: {name} is in defaults/main.yml and not in meta/argument_specs.yml"
            elif name in defaults and options[name].get("required"):
                yield f"roles/{role}: {name} is required and has a value in defaults/main.yml"
            elif name not in defaults and not options[name].get("required"):
                yield f"roles/{role}: {name} is in meta/argument_specs.yml and not in defaults/main.yml"
            elif name in defaults and (name not in spec_defaults or _differ(spec_defaults[name], defaults[name])):
                shown = repr(spec_defaults[name]) if name in spec_defaults else "no default"
                yield f"roles/{role}: {name} is {defaults[name]!r} in defaults/main.yml and {shown} in meta/argument_specs.yml"


def defaults_pass_specs(tree):
    """What an option starts with has the suboptions that the option requires: Ansible looks into an empty mapping, too."""
    for role in roles(tree):
        for entry in (_of_role(tree, role, "meta/argument_specs.yml").get("argument_specs") or {}).values():
            for name, about in (entry.get("options") or {}).items():
                default, options = about.get("default"), about.get("options") or {}
                for item in [default] if isinstance(default, dict) else default if isinstance(default, list) else []:
                    for missing in sorted(part for part in options if options[part].get("required") and part not in item):
                        yield f"roles/{role}: {name} requires {missing}, and its own default does not have it"


def _differ(one, other):
    """True for 1 and True too, which Python holds equal."""
    return one != other or type(one) is not type(other)


def names_of_roles(tree):
    """Public variables are <role>_<noun>, private ones __<role>_<noun>."""
    for role in roles(tree):
        for name in _of_role(tree, role, "defaults/main.yml"):
            if not name.startswith(f"{role}_"):
                yield f"roles/{role}/defaults/main.yml: {name} does not begin with {role}_"
        for name in _of_role(tree, role, "vars/main.yml"):
            if not name.startswith(f"__{role}_"):
                yield f"roles/{role}/vars/main.yml: {name} does not begin with __{role}_"
        for path, content in yaml_files(tree, f"roles/{role}/tasks/", f"roles/{role}/handlers/"):
            for key, value in walk(content):
                if key in ("register", "loop_var", "index_var") and not str(value).startswith(f"__{role}_"):
                    yield f"{path}: {key}: {value} does not begin with __{role}_"


def inventories_know_the_roles(tree):
    """A variable of an inventory that begins with a role's name is one of that role's options; a misspelled one would be passed over in silence."""
    options = {role: {name for entry in (_of_role(tree, role, "meta/argument_specs.yml").get("argument_specs") or {}).values()
                      for name in entry.get("options") or ()} for role in roles(tree)}
    for path, content in yaml_files(tree, "inventories/"):
        for name in content if isinstance(content, dict) and "_vars/" in path else ():
            mine = [role for role in options if name.startswith(f"{role}_")]
            if mine and not any(name in options[role] for role in mine):
                yield f"{path}: {name} is no option of role {' or '.join(mine)}"


def forbidden(tree):
    """What hides where a value comes from, that something failed, or which version runs."""
    for path, content in yaml_files(tree):
        for key, value in walk(content):
            name = str(key).rpartition(".")[2]
            if name in ("set_fact", "ignore_errors"):
                yield f"{path}: {key}"
            if value == "latest" or isinstance(value, str) and re.search(r":latest\b", value):
                yield f"{path}: {key}: {value}: name the version"


def fully_qualified(tree):
    """Our modules and roles are named in full, in the checkout's own playbooks too: they run from the tarball as well."""
    modules = {path.rpartition("/")[2].removesuffix(".py") for path in tree if path.startswith("plugins/modules/")}
    for path, content in yaml_files(tree, "roles/", "playbooks/", "molecule/"):
        for key, value in walk(content):
            if key in modules and "/tasks/" in path or key == "role" and value in roles(tree):
                yield f"{path}: {key if key in modules else value}: write mlops.onprem. before it"


def tasks(content):
    """(task, hidden) of every task of a file, blocks opened; hidden tells whether no_log holds for it."""
    def opened(items, hidden):
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                quiet = hidden or bool(item.get("no_log"))
                yield item, quiet
                for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
                    yield from opened(item.get(part), quiet)
    yield from opened(content, False)


def secrets_in_tasks(tree):
    """A task of another collection that is given a secret says no_log; our own modules hide theirs by their argument spec."""
    for path, content in yaml_files(tree, "roles/", "playbooks/"):
        for task, hidden in tasks(content):
            for key, value in task.items():
                if hidden or not re.match(r"(?!mlops\.)\w+\.\w+\.\w+$", key) or key.endswith(("_role", ".assert")):
                    continue
                used = re.findall(r"\{\{(.*?)\}\}", str(value), re.S)
                names = {name for text in used for name in re.findall(r"[a-z_]\w*", re.sub(r"'[^']*'|\"[^\"]*\"", "", text)) if SECRET.search(name)}
                if names:
                    yield f"{path}: task {task.get('name')!r} is given {', '.join(sorted(names))} without no_log"


def secrets_in_role_options(tree):
    """An option of a role that holds a secret says so, or says that it is none."""
    for role in roles(tree):
        for path, content in yaml_files(tree, f"roles/{role}/meta/argument_specs"):
            for name, about in walk(content):
                if SECRET.search(str(name)) and isinstance(about, dict) and about.get("type") == "str" and "no_log" not in about:
                    yield f"{path}: {name} looks like a secret and has no no_log"


def begins_with_comment(tree):
    """Each file says first what it knows."""
    for path, text in sorted(tree.items()):
        lines = [line for line in text.splitlines() if line.strip() not in ("", "---") and not line.startswith("#!")]
        script = text.startswith("#!") and not path.endswith(".py")
        content = path.startswith(PLACES_OF_YAML) and path.endswith((".yml", ".yaml")) and "/meta/" not in path
        if (script or content) and lines and not lines[0].startswith("#"):
            yield f"{path}: does not begin with a comment that says what it knows"


def _found(tree, pattern, what):
    for path, text in sorted(tree.items()):
        if path != "LICENSE":
            for number, line in enumerate(text.splitlines(), 1):
                if match := pattern.search(line):
                    yield f"{path}:{number}: {match.group().strip()}: {what}"


def registries(tree):
    """Registries are reached by their ordinary clients, whatever those are configured for."""
    yield from _found(tree, REGISTRIES, "no host of a registry in the project")


def machine_paths(tree):
    """Nothing depends on the machine it was written on."""
    yield from _found(tree, MACHINE_PATHS, "a path of one machine")


def private_keys(tree):
    """Keys are made by the lab, or lie in the site's vault."""
    yield from _found(tree, PRIVATE_KEY, "a private key")


RULES = (defaults_equal_specs, defaults_pass_specs, names_of_roles, inventories_know_the_roles, forbidden, fully_qualified, secrets_in_tasks,
         secrets_in_role_options, begins_with_comment, registries, machine_paths, private_keys)
