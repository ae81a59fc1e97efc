# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Counts what the parts of tests/run did: a table, the reasons of skips and failures, and the last line that CI reads. It runs no test.

Usage: summary.py FOLDER, where FOLDER/parts has a line "<part> <seconds> <exit code>" for each part and FOLDER/<part>/*.xml its JUnit files.
Exits 1 when anything failed, or when a part executed no test at all: a part that tests nothing is not green.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path


def count(files):
    """(Counter of passed/failed/skipped, Counter of lines that say why) over the test cases of JUnit files."""
    counts, why = Counter(passed=0, failed=0, skipped=0), Counter()
    for file in sorted(files):
        for case in ET.parse(file).iter("testcase"):
            name = f"{case.get('classname', '')}::{case.get('name')}".removeprefix("tests.")
            bad, skipped = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None), case.find("skipped")
            if bad is not None:
                counts["failed"] += 1
                why[f"failed   {name}"] += 1
            elif skipped is not None:
                counts["skipped"] += 1
                why[f"skipped  {name}: {skipped.get('message') or skipped.text}"] += 1
            else:
                counts["passed"] += 1
    return counts, why


def judge(folder, part, code):
    """count() of a part, with a failure added when it ended badly without a failed test or executed none."""
    counts, why = count((folder / part).glob("*.xml"))
    if code and not counts["failed"]:
        counts["failed"] += 1
        why[f"failed   {part}: pytest ended with {code}" + (", no test was found" if code == 5 else "")] += 1
    if not counts["passed"] + counts["failed"]:
        counts["failed"] += 1
        why[f"failed   {part}: no test was executed"] += 1
    return counts, why


def main(folder):
    """Print the summary of a run; the exit code."""
    total = Counter()
    rows, reasons = [], []
    for line in (folder / "parts").read_text().splitlines():
        part, seconds, code = line.split()
        counts, why = judge(folder, part, int(code))
        total += counts
        rows.append((part, seconds, "FAILED" if counts["failed"] else "ok", *(counts[kind] for kind in ("passed", "failed", "skipped"))))
        reasons += [f"{reason}{f' ({times} times)' if times > 1 else ''}" for reason, times in why.items()]
    print()
    for row in (("part", "seconds", "result", "passed", "failed", "skipped"), *rows):
        print("{:12} {:>7}  {:7} {:>6} {:>6} {:>7}".format(*row))
    print(*[""] * bool(reasons), *reasons, sep="\n")
    print("{} passed, {} failed, {} skipped".format(*(total[kind] for kind in ("passed", "failed", "skipped"))))
    return bool(total["failed"] or not rows)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
