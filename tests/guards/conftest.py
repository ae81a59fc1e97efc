# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tree that the guards judge: the checkout's text files in memory, so that a test can plant a fault in a copy without touching a file."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def tree(root, sources):
    """{path: text} of every source file that is text."""
    found = {}
    for path in sources:
        content = (root / path).read_bytes()
        if b"\0" not in content:
            found[path] = content.decode()
    return found
