# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One lab for all end-to-end tests; it knows when it goes, not what is asked of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.mlops.onprem.tests.e2e.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A lab of its own, removed at the end. MLOPS_KEEP_LAB=folder keeps it, for a look and for the next run, with its keys in that folder."""
    kept = os.environ.get("MLOPS_KEEP_LAB")
    lab = Lab(Path(kept) if kept else tmp_path_factory.mktemp("state"))
    if not kept:
        # A killed run leaves machines whose passwords nobody has any more.
        lab.playbook("lab", lab_state="absent")
    try:
        yield lab
    finally:
        if not kept:
            lab.playbook("lab", lab_state="absent")
