# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stand-ins of both products, fresh for each trial, and pauses that do not wait. Knows no module."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils import _transport
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(_transport.time, "sleep", lambda _seconds: None)


def gitlab():
    return GitLab(validate=False)


def login(server):
    """The connection options of a module for this stand-in."""
    if isinstance(server, GitLab):
        return {"url": server.url, "token": server.token}
    return {"url": server.url, "username": server.username, "password": server.token}
