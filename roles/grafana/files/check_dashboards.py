# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks through dashboards before they replace good ones, and prints which there are, as JSON: source, path, folder, uid and title of each, whether the
collection made it, and what a copy for a folder of its own has other than its source.

It knows what Grafana needs to take a file in (JSON, uid, title, nothing twice), not what a panel is. Ends with 1 and one line for each fault.
Usage: check_dashboards.py FOLDER SITE COPIES FILE...
FILEs are shown in FOLDER; SITE is a folder of more, or empty; COPIES is grafana_folders as JSON
"""

import hashlib
import json
import re
import sys
from pathlib import Path


def fault(path):
    """What is wrong with one file, or None."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        return f"is not JSON: {error}"
    if not isinstance(content, dict):
        return "is not a dashboard but a list or a value"
    if "uid" not in content and ("dashboard" in content or "spec" in content):
        return "is an answer of the API or a resource, not a dashboard: take what is in its field dashboard, or export it as classic JSON"
    if not isinstance(content.get("uid"), str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", content["uid"]):
        return f"uid is {content.get('uid')!r}: must be 1 to 40 letters, digits, - and _"
    if not isinstance(content.get("title"), str) or not content["title"].strip():
        return f"title is {content.get('title')!r}: must be a text"
    if content.get("__inputs"):
        return "was exported for sharing (__inputs): its data source would not be found; export it without that"
    return None


def narrowed(variables, values):
    """The variables of a dashboard, of which some offer the given values and no others."""
    # In brackets, because queries put it between other characters: model_${model}_[ab].
    any_of = {name: f"({'|'.join(map(str, offered))})" for name, offered in values.items()}
    return [{**each, **({"regex": f"/^{any_of[each['name']]}$/", "allValue": any_of[each["name"]]} if each["name"] in any_of else {})} for each in variables]


def copies(folder, wanted, files):
    """(rows, faults) for the folders that have copies of the collection's dashboards."""
    boards = {Path(file).stem: (file, json.loads(Path(file).read_text())) for file in files} if wanted else {}
    rows, faults = [], []
    for number, entry in enumerate(wanted, 1):
        place, title, values = f"grafana_folders: entry {number} ({entry['name']})", entry["name"], entry.get("values") or {}
        wrong = [f"{place}: values.{variable} is {offered!r}: must be a list of words of letters, digits, - and _" for variable, offered in values.items()
                 if not isinstance(offered, list) or not offered or not all(re.fullmatch(r"[A-Za-z0-9_-]+", str(value)) for value in offered)]
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]*(?<![ .])", title) or title == folder:
            wrong.append(f"{place}: name must be letters, digits, space, . - and _, and not {folder}")
        # A role's spec checks, it fills nothing in.
        for name in entry.get("dashboards", ["serving"]):
            if name not in boards:
                wrong.append(f"{place}: dashboard {name} is not one of grafana_dashboards")
                continue
            source, board = boards[name]
            variables = board["templating"]["list"]
            there = [variable["name"] for variable in variables]
            wrong += [f"{place}: dashboard {name} has no variable {variable}: it has {', '.join(there)}" for variable in values if variable not in there]
            if not wrong:
                shown = {"uid": f"mlops-{name}-{hashlib.sha256(title.encode()).hexdigest()[:12]}", "title": f"{board['title']}: {title}"}
                rows.append({"source": source, "path": f"{title}/{name}.json", "folder": title, **shown, "own": True,
                             "change": {**shown, "templating": {"list": narrowed(variables, values)}}})
        faults += wrong
    return rows, faults


def main(folder, site, wanted, *files):
    """0 or 1."""
    found = [(Path(file), f"{folder}/{Path(file).name}") for file in files]
    copied, faults = copies(folder, json.loads(wanted), files)
    if site and not Path(site).is_dir():
        faults.append(f"grafana_dashboards_path: {site} is not a folder")
    elif site:
        found += [(path.absolute(), str(path.relative_to(site))) for path in sorted(Path(site).rglob("*.json"))]
    rows, seen = [], {}
    for source, path in found:
        if path.count("/") > 1:
            faults.append(f"{source}: lies in a folder of a folder: Grafana's folders here are one deep")
        elif wrong := fault(source):
            faults.append(f"{source}: {wrong}")
        else:
            content = json.loads(source.read_text())
            rows.append({"source": str(source), "path": path, "folder": path.rpartition("/")[0], "uid": content["uid"], "title": content["title"],
                         "own": str(source) in files, "change": {}})
    for row in rows + copied:
        place = f"grafana_folders ({row['path']})" if row["change"] else row["source"]
        for what in (("uid", row["uid"]), ("path", row["path"]), ("title in this folder", row["folder"], row["title"])):
            if what in seen:
                faults.append(f"{place}: {what[0]} {what[-1]} is also that of {seen[what]}")
            seen.setdefault(what, place)
    print("\n".join(faults) if faults else json.dumps(rows + copied))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
