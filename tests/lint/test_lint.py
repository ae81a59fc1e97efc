# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The linters, each at its strictest and on all files it understands; their settings stand in their own files at the top of the checkout."""

from __future__ import annotations

import subprocess

import pytest


def run(root, *command):
    """Run a linter to its end; what it says goes to the test's output."""
    done = subprocess.run(command, cwd=root, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout)
    return done


@pytest.mark.parametrize("command", [
    ["yamllint", "--strict", "."],
    ["ruff", "check", "."],
    ["antsibull-changelog", "lint"],
    ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", "--validate-collection-refs", "self", "."],
], ids=lambda command: command[0])
def test_linter(root, command):
    assert run(root, *command).returncode == 0


def test_pages_of_roles_are_what_their_specs_say(root):
    assert run(root, "python", "scripts/role-docs", "--check").returncode == 0


def test_ansible_lint_profile_production(root):
    done = run(root, "ansible-lint", "--profile", "production", "--offline", "--nocolor", "-f", "pep8")
    assert done.returncode == 0
    assert "Passed: 0 failure(s), 0 warning(s)" in done.stdout
    assert " 0 files processed" not in done.stdout


def test_no_rule_is_skipped(root, sources):
    """Neither in ansible-lint's settings nor line by line."""
    settings = (root / ".ansible-lint").read_text()
    assert not {"skip_list", "warn_list", "ignore_file"} & set(settings.replace(":", " ").split())
    assert ".ansible-lint-ignore" not in sources
    marked = [path for path in sources if path.endswith(".yml") and "# noqa" in (root / path).read_text()]
    assert marked == []


def test_shellcheck(root, sources):
    scripts = [path for path in sources if (root / path).read_bytes()[:30].split(b"\n")[0].rstrip().endswith((b"bash", b"/sh"))]
    assert "tests/run" in scripts
    assert run(root, "shellcheck", "--severity=style", *scripts).returncode == 0
