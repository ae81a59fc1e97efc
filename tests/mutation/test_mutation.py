# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Would the unit tests notice? mutmut plants one small error after another in a copy of the core and runs the tests that reach it.

It knows which files are the core and which tests are quick, not what they do. `tests/run mutation-full` plants every error, not a sample.
"""

from __future__ import annotations

import json
import os
import subprocess

import pytest

HERE = "ansible_collections/mlops/onprem"
CORE = ["_errors", "_transport", "_resource", "_reconcile", "_fingerprint", "_package", "_release"]
TESTS = ["core", "package/test_refused.py", "release/test_release.py"]
# Mutants are numbered within each function: every tenth, the same ones in each run.
SAMPLE = ["*__mutmut_*7"] if os.environ.get("MUTANTS") != "all" else []
# The share that must be noticed. Part of the rest cannot be: a changed word in a message, a time-out of 61 seconds.
WANTED = 0.75
# mutmut's codes: a test failed, ran for ever or died; all passed or no test reaches it.
NOTICED, MISSED = {1, 3, 24, -24, 36, 152, 255, -9, -11}, {0, 5, 33}
SETTINGS = """\
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider"]
pythonpath = ["."]
[tool.mutmut]
source_paths = ["ansible_collections"]
only_mutate = {files}
pytest_add_cli_args_test_selection = {tests}
# One test makes 100,000 files.
pytest_add_cli_args = ["-k", "not too_many_files"]
use_git_change_detection = false
"""


def judge(codes):
    """(share noticed, sorted names of mutants nobody noticed) of {mutant: mutmut's exit code, None where it was not tried}."""
    missed = sorted(name for name, code in codes.items() if code in MISSED)
    noticed = [name for name, code in codes.items() if code in NOTICED]
    unknown = {code for code in codes.values() if code is not None} - NOTICED - MISSED
    assert not unknown, f"exit codes of mutmut that mean nothing here: {unknown}"
    assert noticed or missed, "no mutant was tried"
    return len(noticed) / (len(noticed) + len(missed)), missed


def test_planted_errors_are_noticed(collection_copy, capsys):
    top = collection_copy.parents[2]
    files = [f"{HERE}/plugins/module_utils/{name}.py" for name in CORE]
    (top / "pyproject.toml").write_text(SETTINGS.format(files=files, tests=[f"{HERE}/tests/unit/{name}" for name in TESTS]))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ANSIBLE_COLLECTIONS_PATH")}
    done = subprocess.run(["mutmut", "run", "--max-children", str(os.cpu_count()), *SAMPLE], cwd=top, env=environment, text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-4000:]
    codes = {}
    for file in files:
        codes |= json.loads((top / "mutants" / f"{file}.meta").read_text())["exit_code_by_key"]
    share, missed = judge(codes)
    tried = sum(code is not None for code in codes.values())
    with capsys.disabled():
        print(f"\n{share:.0%} of {tried} planted errors were noticed ({len(codes)} can be planted); not noticed:")
        print(*(f"  {name.partition('module_utils.')[2]}" for name in missed), sep="\n")
    assert tried >= 100
    assert share >= WANTED


def test_a_core_without_tests_would_not_pass():
    share, missed = judge({"a": 0, "b": 33, "c": 1, "d": None})
    assert share < WANTED and missed == ["a", "b"]


def test_nothing_tried_would_not_pass():
    with pytest.raises(AssertionError, match="no mutant was tried"):
        judge({"a": None})
