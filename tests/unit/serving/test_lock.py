# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock of the serving runtime against what it is made from. Whether the packages work together is tried by the build and by molecule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
LOCK = (TOP / "roles/model_server/files/requirements-onnx.txt").read_text(encoding="utf-8")
PACKAGES = {name: block for block in re.split(r"\n(?=\w)", LOCK) for name in re.findall(r"^([\w.-]+)==", block)}


def lines(name):
    text = (TOP / "requirements" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_every_package_is_pinned_by_hash_and_nothing_names_a_place():
    assert len(PACKAGES) > 40
    assert [name for name, block in PACKAGES.items() if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []
    assert "://" not in LOCK and "-url" not in LOCK


@pytest.mark.parametrize("line", lines("serving-overrides.txt"))
def test_what_a_slot_never_imports_is_left_out(line):
    name, marker = line.split("; ")
    assert marker == 'sys_platform == "none"'
    assert name not in PACKAGES


@pytest.mark.parametrize("line", lines("serving.in"))
def test_what_was_asked_for_is_locked(line):
    name, version = line.split("==")
    assert f"\n{name}=={version.rstrip('*')}" in f"\n{LOCK}"
