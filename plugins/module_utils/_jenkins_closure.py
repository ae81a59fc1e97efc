# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which plugins of Jenkins the wanted ones need, by the content of an update centre. It is pure: it reads no file and asks nobody."""

from __future__ import annotations

import base64
import binascii
import json
import re

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_plugins import newer


def read(text: str) -> dict:
    """The plugins in the text of an update centre's file, which may wrap its JSON into a call."""
    try:
        return json.loads(re.sub(r"(?s)^\s*updateCenter\.post\(|\);?\s*$", "", text))["plugins"]
    except (ValueError, KeyError, TypeError) as error:
        raise MlopsError("update centre: the text is no update centre's JSON with `plugins`; right would be update-center.actual.json") from error


def closure(known: dict, wanted: list, core: str = "") -> tuple:
    """(pins, problems): each pin with name, version, sha256, url and who needs it, sorted by name; each problem with name and why.

    An item of `wanted` is a name, or a dict with name and perhaps version. Optional dependencies are left out. The update centre has one version of each
    plugin, so a least version that it does not reach is a problem, as is a plugin that needs a newer Jenkins than `core`; empty, core is not looked at.
    """
    first = [{"name": item} if isinstance(item, str) else item for item in wanted]
    pins, problems, asked = {}, [], {item["name"]: "the list" for item in first}
    exact = {item["name"]: str(item["version"]) for item in first if item.get("version")}
    queue = list(asked)
    for name in queue:  # grows; each name comes once, so plugins that need each other end it too
        entry = known.get(name)
        if entry is None:
            problems.append({"name": name, "why": f"the update centre does not have it, {asked[name]} needs it"})
            continue
        version, sha256 = entry["version"], _hex(entry.get("sha256"))
        if exact.get(name, version) != version:
            problems.append({"name": name, "why": f"the update centre has version {version}, not {exact[name]}"})
        if core and newer(entry.get("requiredCore", "0"), core):
            problems.append({"name": name, "why": f"version {version} needs Jenkins {entry['requiredCore']}, wanted is {core}; {asked[name]} needs it"})
        if not sha256:
            problems.append({"name": name, "why": "the update centre has no sha256 for it; nothing is taken unverified"})
        pins[name] = {"name": name, "version": version, "sha256": sha256, "url": entry.get("url", ""), "needed_by": []}
        for need in entry.get("dependencies", ()):
            if need.get("optional"):
                continue
            if need["name"] not in asked:
                asked[need["name"]] = name
                queue.append(need["name"])
            if need["name"] in known and newer(need["version"], known[need["name"]]["version"]):
                why = f"{name} {version} needs version {need['version']}, the update centre has {known[need['name']]['version']}"
                problems.append({"name": need["name"], "why": why})
    for name in pins:
        for need in known[name].get("dependencies", ()):
            if need["name"] in pins and not need.get("optional"):
                pins[need["name"]]["needed_by"].append(name)
    return [pins[name] for name in sorted(pins)], sorted(problems, key=lambda each: (each["name"], each["why"]))


def _hex(text) -> str:
    """The update centre writes a sha256 in base64; empty for what is none."""
    try:
        digest = base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        return ""
    return digest.hex() if len(digest) == 32 else ""
