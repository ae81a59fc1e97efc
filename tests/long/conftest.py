# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab of the long tests is the one of the end-to-end tests."""

from __future__ import annotations

from ansible_collections.mlops.onprem.tests.e2e.conftest import lab

__all__ = ["lab"]
