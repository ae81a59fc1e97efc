# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a deploy or a rollback came to, from the results that role model_release registers on each host. Decides nothing and touches no host."""

from __future__ import annotations

# registered by roles/model_release/tasks, in the order of the steps
STEPS = {
    "stage": "__model_release_staged",
    "start": "__model_release_started",
    "golden in the slot": "__model_release_golden",
    "switch": "__model_release_switched",
    "golden as a client": "__model_release_checked",
    "commit": "__model_release_committed",
}
# A release is to blame when it does not start or answers wrong; not for a store, a host or an HAProxy that fails.
BLAMING = {"start", "golden in the slot", "golden as a client"}
UNDO = {"roll back": "__model_release_rolled_back", "golden after rollback": "__model_release_proved"}
# Ansible's YAML output breaks lines after 80 characters at a single space: cells with spaces come first, the others have none.
COLUMNS = ("host", "environment", "state", "from", "to", "digest", "fetched", "seconds", "golden", "max-difference")


def release_failures(hosts, hostvars):
    """[{host, step, text, blames}] for every step that failed, also of going back; blames: the release may be to blame, and is marked bad."""
    return [failure for host in hosts for failure in _failures(host, _results(hostvars, host, {**STEPS, **UNDO}))]


def release_rows(hosts, hostvars, groups, package=None, check_mode=False):
    """One dict a host: what a person or a machine wants to know. package: {version, digest} of a deploy, None for a rollback."""
    rows = [_row(host, hostvars, "staging" if host in groups.get("staging", []) else "production", package) for host in hosts]
    return [{**row, "state": f"would be {row['state']}", "bytes_fetched": row["bytes_missing"]} for row in rows] if check_mode else rows


def release_table(rows):
    """The rows of release_rows as lines of text."""
    cells = [COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]


def _results(hostvars, host, steps):
    """Step -> registered result, of the steps that ran."""
    known = {step: hostvars[host].get(name) for step, name in steps.items()}
    return {step: result for step, result in known.items() if result and not result.get("skipped")}


def _failures(host, results):
    found = []
    for step, result in results.items():
        if result.get("unreachable") or result.get("failed"):
            lost = "host unreachable, " if result.get("unreachable") else ""
            text = f"{host}: {step}: {lost}{' '.join(str(result.get('msg', 'no reason given')).split())[:500]}"
            found.append({"host": host, "step": step, "text": text, "blames": not lost and step in BLAMING})
    return found


def _row(host, hostvars, environment, package):
    done, undone = (_results(hostvars, host, steps) for steps in (STEPS, UNDO))
    probes = [result for results in (done, undone) for step, result in results.items() if "golden" in step and result.get("total")]
    calls = [result for results in (done, undone) for result in results.values()]
    before = next((result["before"] for result in calls if result.get("before")), {})
    differences = [result["max_absolute"] for result in probes if result.get("max_absolute") is not None]
    after = undone.get("roll back", {}).get("active") or {}
    failures = _failures(host, {**done, **undone})
    return {
        "host": host,
        "environment": environment,
        "from": (before.get("active") or {}).get("version"),
        "to": package["version"] if package else after.get("version"),
        "digest": package["digest"] if package else after.get("digest"),
        "bytes_fetched": sum(result.get("bytes_fetched", 0) for result in calls),
        "bytes_missing": done.get("stage", {}).get("bytes_missing", 0),
        "seconds": round(sum(result.get("seconds", 0) for result in calls), 1),
        "golden_passed": sum(result["passed"] for result in probes),
        "golden_total": sum(result["total"] for result in probes),
        "max_difference": max(differences, default=None),
        "state": _state(done, undone),
        "failures": [failure["text"] for failure in failures],
    }


def _state(done, undone):
    back = undone.get("roll back")
    if back:
        if back.get("failed") or back.get("unreachable"):
            return "NOT rolled back"
        version = (back.get("active") or {}).get("version", "none")
        return f"rolled back to {version}" + (" (cold)" if back.get("cold") else "") if back.get("changed") else f"unchanged, on {version}"
    if _failures("", done):
        return f"failed at {_failures('', done)[0]['step']}"
    if "commit" in done:
        return "released" if any(result.get("changed") for result in done.values()) else "unchanged"
    return "staged" if "stage" in done else "not touched"


def _cells(row):
    golden = f"{row['golden_passed']}/{row['golden_total']}" if row["golden_total"] else "-"
    difference = "-" if row["max_difference"] is None else f"{row['max_difference']:.2g}"
    digest = (row["digest"] or "").partition(":")[2][:8] or "-"
    values = (row["host"], row["environment"], row["state"], row["from"] or "-", row["to"] or "-", digest)
    return (*values, human_bytes(row["bytes_fetched"]), f"{row['seconds']:.1f}", golden, difference)


def human_bytes(count):
    """1536 -> '1.5KiB'."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count}B" if unit == "B" else f"{count:.1f}{unit}"
        count /= 1024


class FilterModule:
    """The filters of this file, by name."""

    def filters(self):
        return {"release_failures": release_failures, "release_rows": release_rows, "release_table": release_table}
