# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks through dashboards before they replace good ones, and prints which there are, as JSON: source, path, folder, uid and title of each.

It knows what Grafana needs to take a file in (JSON, uid, title, nothing twice), not what a panel is. Ends with 1 and one line for each fault.
Usage: check_dashboards.py FOLDER SITE FILE...     FILEs are shown in FOLDER; SITE is a folder of more, or empty
"""

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


def main(folder, site, *files):
    """0 or 1."""
    found = [(Path(file), f"{folder}/{Path(file).name}") for file in files]
    faults = []
    if site and not Path(site).is_dir():
        faults.append(f"grafana_dashboards_path: {site} is not a folder")
    elif site:
        found += [(path.absolute(), str(path.relative_to(site))) for path in sorted(Path(site).rglob("*.json"))]
    rows, seen = [], {}
    for source, path in found:
        if path.count("/") > 1:
            faults.append(f"{source}: lies in a folder of a folder: Grafana's folders here are one deep")
            continue
        if wrong := fault(source):
            faults.append(f"{source}: {wrong}")
            continue
        content = json.loads(source.read_text())
        row = {"source": str(source), "path": path, "folder": path.rpartition("/")[0], "uid": content["uid"], "title": content["title"]}
        for what in (("uid", row["uid"]), ("path", path), ("title in this folder", row["folder"], row["title"])):
            if what in seen:
                faults.append(f"{source}: {what[0]} {what[-1]} is also that of {seen[what]}")
            seen.setdefault(what, source)
        rows.append(row)
    print("\n".join(faults) if faults else json.dumps(rows))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
