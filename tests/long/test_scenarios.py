# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Molecule scenarios that `make test` leaves out: those that take too long, and the core roles' once more on machines with Debian 13. Nexus is not
among these: Debian 13 has no Java 17."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.onprem.tests.molecule.test_scenarios import LONG, machines

CORE = ["software", "reverse_proxy", "prometheus", "nagios", "model_server"]


@pytest.mark.parametrize("name", LONG)
def test_scenario(name, tmp_path):
    with machines(name, tmp_path, part="long") as scenario:
        scenario.whole()


@pytest.mark.parametrize("name", CORE)
def test_on_debian_13(name, tmp_path):
    with machines(name, tmp_path, part="long", MLOPS_LAB_SUITE="trixie") as scenario:
        scenario.whole()
