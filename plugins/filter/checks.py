# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site's one list of checks, checked and spread over hosts. Knows the fields of a check, what the address of a host is, and how
Prometheus takes hosts; nothing of its rules or of Nagios, which template from it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ansible.errors import AnsibleFilterError

LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Labels that the roles set themselves.
TAKEN = ("alertname", "check", "host", "instance", "job", "kind", "severity")


def _whole(low, high=None):
    def right(value):
        return isinstance(value, int) and not isinstance(value, bool) and low <= value and (high is None or value <= high)
    return right


def _number(high=None):
    def right(value):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 and (high is None or value < high)
    return right


def _text(pattern):
    def right(value):
        return isinstance(value, str) and bool(re.fullmatch(pattern, value))
    return right


def _each(right_for_one):
    def right(value):
        return isinstance(value, (list, tuple)) and len(value) > 0 and all(right_for_one(item) for item in value)
    return right


def _url(*schemes):
    def right(value):
        # Characters that a shell, Nagios or a template would take for its own have a percent-encoding.
        if not isinstance(value, str) or re.search(r"[^!-~]|[\"'`$\\!;<>|^]", value) or re.search(r"[{}]", value.replace("{host}", "")):
            return False
        try:
            parts = urlsplit(value.replace("{host}", "host"))
            return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        except ValueError:
            return False
    return right


def _labels(value):
    return isinstance(value, dict) and all(isinstance(name, str) and LABEL.fullmatch(name) and name not in TAKEN and not name.startswith("__")
                                           and isinstance(text, str) for name, text in value.items())


# field -> (whether a value is right, what would be right)
FIELDS = {
    "name": (_text(r"[A-Za-z0-9_]+"), "letters, digits and _"),
    "groups": (_each(_text(r".+")), "a list of groups of the inventory"),
    "kind": (lambda value: isinstance(value, str) and value in KINDS, "one of ping, unit, http, tcp, disk, memory, load, certificate, drift"),
    "severity": (lambda value: value in ("warning", "critical"), "warning or critical"),
    "for": (_whole(0), "a whole number of seconds, 0 or more"),
    "summary": (_text(r"[^\n{}]+"), "one line of text without braces"),
    "runbook": (_url("http", "https"), "an http or https URL, with special characters percent-encoded"),
    "labels": (_labels, f"names (letters, digits, _; none of {', '.join(TAKEN)}) with texts as values"),
    "unit": (_text(r"[A-Za-z0-9@:_.-]+\.(service|socket|timer|mount|automount|path|target|swap)"), "a systemd unit such as nginx.service"),
    "url": (_url("http", "https"), "an http or https URL such as https://{host}:8443/healthz, without a user, with special characters percent-encoded"),
    "status": (_each(_whole(100, 599)), "a list of HTTP status codes from 100 to 599"),
    "port": (_whole(1, 65535), "a TCP port from 1 to 65535"),
    "mount": (_text(r"/[A-Za-z0-9/_.-]*"), "an absolute path of letters, digits and / _ . -"),
    "free": (_number(100), "a percentage above 0 and below 100"),
    "per_core": (_number(), "a number above 0"),
    "days": (_whole(1), "a whole number of days, 1 or more"),
    "of": (lambda value: value in ("input", "output"), "input or output"),
}
REQUIRED = ("name", "groups", "kind")
COMMON = {"severity": "critical", "for": 60, "summary": None, "runbook": "", "labels": {}}
# kind -> its own fields with their defaults; None: must be given. For http, no status stands for any 2xx.
KINDS = {
    "ping": {},
    "unit": {"unit": None},
    "http": {"url": None, "status": []},
    "tcp": {"port": None},
    "disk": {"mount": "/", "free": 10},
    "memory": {"free": 5},
    "load": {"per_core": 4},
    "certificate": {"url": None, "days": 21},
    "drift": {"of": "input"},
}
SUMMARIES = {
    "ping": "The host does not answer",
    "unit": "Unit {unit} does not run",
    "http": "A page does not answer as it should",
    "tcp": "TCP port {port} takes no connection",
    "disk": "Less than {free} % of {mount} is free",
    "memory": "Less than {free} % of the memory is available",
    "load": "The load is above {per_core} per core",
    "certificate": "A certificate cannot be trusted or ends in less than {days} days",
    "drift": "The {of}s of a model are no longer what they were in its reference",
}


def checks(entries, groups, hostvars):
    """One dict a check, by name, with defaults filled in, every field of every kind (None where it is not this kind's) and its hosts."""
    if not isinstance(entries, (list, tuple)):
        raise AnsibleFilterError(f"the checks are {entries!r}; they must be a list")
    found = {}
    for number, entry in enumerate(entries, 1):
        check = _complete(entry, f"check {number}", groups)
        if check["name"] in found:
            raise AnsibleFilterError(f"check {number}: name is {check['name']!r}, which another check has; each needs a name of its own")
        found[check["name"]] = check
    return [_spread(found[name], groups, hostvars) for name in sorted(found)]


def targets(names, groups, hostvars):
    """Name, address and groups of every host in the named groups, each host once and by name."""
    missing = [name for name in names if name not in groups]
    if missing:
        raise AnsibleFilterError(f"{missing[0]!r} is no group of the inventory")
    return [{"name": host, "address": _address(host, hostvars),
             "groups": sorted(group for group, members in groups.items() if host in members and group not in ("all", "ungrouped"))}
            for host in _members(names, groups)]


def static_configs(found, port):
    """What targets() gives as static_configs of a Prometheus scrape job: each with its name as label host, and its groups where they are known."""
    return [{"targets": [f"{_bracketed(target['address'])}:{port}"],
             "labels": {"host": target["name"], **({"groups": f",{','.join(target['groups'])},"} if target.get("groups") else {})}}
            for target in found]


def _bracketed(address):
    return f"[{address}]" if ":" in address else address


def _members(names, groups):
    return sorted({host for name in names for host in groups[name]})


def _address(host, hostvars):
    return hostvars[host].get("site_address") or host


def _complete(entry, place, groups):
    """The entry with its defaults; an error for the first thing that is wrong in it."""
    if not isinstance(entry, dict):
        raise AnsibleFilterError(f"{place} is {entry!r}; it must have the fields {', '.join(REQUIRED)}")
    if "name" in entry:
        place = f"{place} ({entry['name']})"
    for field in REQUIRED:
        if field not in entry:
            raise AnsibleFilterError(f"{place}: {field} is missing; it must be {FIELDS[field][1]}")
    _right(place, "kind", entry["kind"])
    own = KINDS[entry["kind"]]
    known = (*REQUIRED, *COMMON, *own)
    for field, value in entry.items():
        if field not in known:
            raise AnsibleFilterError(f"{place}: {field} is no field of a check of kind {entry['kind']}; it has {', '.join(known)}")
        _right(place, field, value)
    for field, default in own.items():
        if default is None and field not in entry:
            raise AnsibleFilterError(f"{place}: {field} is missing; it must be {FIELDS[field][1]}")
    if entry["kind"] == "certificate" and not entry["url"].startswith("https://"):
        raise AnsibleFilterError(f"{place}: url is {entry['url']!r}; a certificate is only behind https://")
    for group in entry["groups"]:
        if group not in groups:
            raise AnsibleFilterError(f"{place}: groups has {group!r}, which is no group of the inventory")
    check = {**COMMON, **own, **entry}
    check["summary"] = check["summary"] or SUMMARIES[check["kind"]].format(**check)
    return check


def _right(place, field, value):
    right, wanted = FIELDS[field]
    if not right(value):
        raise AnsibleFilterError(f"{place}: {field} is {value!r}; it must be {wanted}")


def _spread(check, groups, hostvars):
    """The check with its hosts in place of its groups."""
    names = _members(check.pop("groups"), groups)
    url = check.pop("url", "")
    fields = {field: None for own in KINDS.values() for field in own if field != "url"}
    return {**fields, **check, "hosts": [_host(name, _address(name, hostvars), url) for name in names]}


def _host(name, address, url):
    return {"name": name, "address": address, "url": url.replace("{host}", _bracketed(address))}


class FilterModule:
    """The filters of this file, by name."""

    def filters(self):
        return {"checks": checks, "targets": targets, "static_configs": static_configs}
