# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pure part of role gitlab: settings as Ruby, what of them the product refuses, and whether an upgrade leaves out a stop. Knows no host."""

from __future__ import annotations

import difflib
import json
import re

from ansible.errors import AnsibleFilterError

NAME = re.compile(r"[a-z][a-z0-9_]*")
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)-(ce|ee)\.\d+")
PLAIN = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\", "#": "\\#"}


def gitlab_rb(settings: dict) -> str:
    """Lines of gitlab.rb. Every value is a literal: nothing in it is ever run, whatever text it holds."""
    lines = []
    for section, content in sorted(settings.items()):
        if not isinstance(section, str) or not NAME.fullmatch(section):
            raise AnsibleFilterError(f"gitlab_rb: {section!r} is no name of a section: small letters, digits and _")
        if isinstance(content, dict):
            lines += [f"{section}[{_text(str(key))}] = {_ruby(value, f'{section}.{key}')}" for key, value in sorted(content.items())]
        else:
            lines.append(f"{section}({_ruby(content, section)})")
    return "".join(f"{line}\n" for line in lines)


def _text(value: str) -> str:
    """A double-quoted Ruby string in ASCII: GitLab reads the file with whatever locale the caller has."""
    return '"' + "".join(PLAIN.get(sign) or (sign if " " <= sign <= "~" else f"\\u{{{ord(sign):x}}}") for sign in value) + '"'


def _ruby(value, place: str) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value).replace("null", "nil")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) or isinstance(value, float) and value - value == 0:
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(str(key))} => {_ruby(inner, f'{place}.{key}')}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_ruby(inner, f"{place}.{number}") for number, inner in enumerate(value)) + "]"
    raise AnsibleFilterError(f"gitlab_rb: {place} is {value!r}: text, a number, true, false, null, a list or a mapping would be right")


def gitlab_rb_faults(settings: dict, version: str, removed: list, sections: list) -> list[str]:
    """One line for each setting that this version of GitLab refuses: removed ones, with what replaces them, and sections that it does not have."""
    wanted = _number(version)
    faults = [
        f"gitlab_rb: {path} was removed in GitLab {entry['removed']}. {entry['instead']}"
        for entry in removed if wanted >= _number(entry["removed"])
        for path in (f"{entry['section']}.{key}" if key else entry["section"] for key in entry.get("keys", [""]))
        if _there(settings, path.split("."))
    ]
    gone = {entry["section"] for entry in removed if "keys" not in entry}
    for section in sorted(set(settings) - set(sections) - gone):
        near = difflib.get_close_matches(section, sections, 1)
        faults.append(f"gitlab_rb: {section} is no section of gitlab.rb{f'; did you mean {near[0]}?' if near else ''}")
    return faults


def _there(content, path: list) -> bool:
    """Whether a setting has a value; GitLab, too, takes none and an empty mapping for not set."""
    for part in path:
        content = content.get(part) if isinstance(content, dict) else None
    return content is not None and content != {}


def gitlab_upgrade_fault(installed: str, wanted: str, stops: list, conditional: list) -> str:
    """Why this version may not be installed over that one, and which to install next; empty when it may. stops: in order of their versions."""
    old, new = _full(installed), _full(wanted)
    if installed.partition("-")[2].partition(".")[0] != wanted.partition("-")[2].partition(".")[0]:
        return f"{installed} is installed and {wanted} is another edition: change it by hand, as GitLab's documentation says"
    if new < old:
        return f"{installed} is installed and {wanted} is older: GitLab cannot go back, its database has been migrated"
    for stop in stops:
        if "only" in stop and stop["version"] not in conditional:
            continue
        if old[:2] < _number(stop["version"]) < new[:2]:
            example = f", {stop['patch']} or later" if "patch" in stop else ""
            return (f"{installed} is installed, and GitLab {stop['version']} is a required stop on the way to {wanted}. Next set gitlab_version to the latest "
                    f"patch release of {stop['version']}{example}, let its background migrations finish, and go on from there")
    return ""


def _number(version: str) -> tuple:
    return tuple(int(part) for part in str(version).partition("-")[0].split(".")[:2])


def _full(version: str) -> tuple:
    match = VERSION.fullmatch(version)
    if not match:
        raise AnsibleFilterError(f"{version!r} is no version of a GitLab package, such as 18.2.8-ce.0")
    return tuple(int(part) for part in match.groups()[:3])


class FilterModule:
    """The filters of role gitlab."""

    def filters(self):
        return {"gitlab_rb": gitlab_rb, "gitlab_rb_faults": gitlab_rb_faults, "gitlab_upgrade_fault": gitlab_upgrade_fault}
