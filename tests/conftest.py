# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every part of the tests may use: where the checkout is, and a copy of it as a collection. It knows no product."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def sources():
    """Paths of the checkout's source files, relative to it: what is committed or could be, so no caches and no secrets of the lab."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for path in listed.splitlines() if (ROOT / path).is_file()]


@pytest.fixture(scope="session")
def collection_copy(tmp_path_factory, sources):
    """A copy of the sources in .../ansible_collections/mlops/onprem: tools that refuse a symlink, or write beside what they read, run there."""
    copy = tmp_path_factory.mktemp("copy") / "ansible_collections" / "mlops" / "onprem"
    for path in sources:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path)
    return copy
