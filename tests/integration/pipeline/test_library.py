# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shared library of Jenkins under JenkinsPipelineUnit: Maven runs the tests of tests/pipeline once, each of them is a case here. It knows none of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "pipeline"
TESTS = re.compile(r"@Test\s+void '([^']+)'")
CASES = [case for path in sorted((FOLDER / "src" / "test").rglob("*.groovy")) for case in TESTS.findall(path.read_text())]


@pytest.fixture(scope="module")
def reported():
    """{case: what went wrong, or None} of one run of Maven."""
    output = ROOT / "tests" / "output" / "pipeline"
    # A class whose source is gone would still be run.
    shutil.rmtree(output, ignore_errors=True)
    run = subprocess.run(["mvn", "--quiet", "--batch-mode", "test"], cwd=FOLDER, capture_output=True, text=True, timeout=900, check=False)
    found = {}
    for path in (output / "surefire-reports").glob("*.xml"):
        for case in ET.parse(path).getroot().iter("testcase"):
            wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
            found[case.get("name")] = None if wrong is None else (wrong.text or wrong.get("message"))
    assert found, run.stdout[-4000:] + run.stderr[-4000:]
    return found


@pytest.mark.parametrize("case", CASES)
def test_library(reported, case):
    assert case in reported, f"JUnit did not run it: {case}"
    assert reported[case] is None, reported[case]


def test_nothing_else_was_run(reported):
    assert sorted(reported) == sorted(CASES) and len(CASES) >= 55
