# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""tests/run cannot be green without having tested: what tests/summary.py makes of parts that fail, skip, find nothing or die."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

PASSED = '<testcase classname="tests.a" name="one"/>'
FAILED = '<testcase classname="tests.a" name="two"><failure message="no"/></testcase>'
ERROR = '<testcase classname="tests.a" name="three"><error message="no"/></testcase>'
SKIPPED = '<testcase classname="tests.a" name="four"><skipped message="no engine"/></testcase>'


@pytest.mark.parametrize(("code", "cases", "last", "said"), [
    (0, PASSED, "1 passed, 0 failed, 0 skipped", ""),
    (0, PASSED + SKIPPED, "1 passed, 0 failed, 1 skipped", "skipped  a::four: no engine"),
    (1, PASSED + FAILED, "1 passed, 1 failed, 0 skipped", "failed   a::two"),
    (1, ERROR, "0 passed, 1 failed, 0 skipped", "failed   a::three"),
    (0, FAILED, "0 passed, 1 failed, 0 skipped", "failed   a::two"),
    (0, SKIPPED, "0 passed, 1 failed, 1 skipped", "unit: no test was executed"),
    (0, "", "0 passed, 1 failed, 0 skipped", "unit: no test was executed"),
    (5, "", "0 passed, 1 failed, 0 skipped", "no test was found"),
    (-9, PASSED, "1 passed, 1 failed, 0 skipped", "unit: pytest ended with -9"),
])
def test_summary(root, tmp_path, code, cases, last, said):
    (tmp_path / "unit").mkdir()
    (tmp_path / "parts").write_text(f"unit 3 {code}\n")
    (tmp_path / "unit" / "pytest.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    done = subprocess.run([sys.executable, root / "tests" / "summary.py", tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == last
    assert said in done.stdout
    assert done.returncode == (1 if " 0 failed" not in last else 0)


def test_no_part_at_all_is_a_failure(root, tmp_path):
    (tmp_path / "parts").write_text("")
    assert subprocess.run([sys.executable, root / "tests" / "summary.py", tmp_path], capture_output=True, check=False).returncode == 1


def test_an_unknown_part_is_refused(root):
    done = subprocess.run([root / "tests" / "run", "unti"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no part unti" in done.stderr


def test_every_part_is_run_by_default(root):
    """A folder of tests that tests/run does not name would never run; the long ones are a command of their own."""
    named = re.search(r"\|\| parts=\((.*)\)", (root / "tests" / "run").read_text()).group(1).split()
    there = {path.name for path in (root / "tests").iterdir() if path.is_dir() and list(path.rglob("test_*.py"))}
    assert there - {"long"} <= set(named)
