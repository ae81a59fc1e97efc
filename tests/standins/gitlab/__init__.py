# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for GitLab's REST API, for tests only: never the product, and not checked against a running one. What it follows: tests/standins/README.md."""

from . import places, review
from .app import GitLab, rate_limited

# importing them registers the routes
__all__ = ["GitLab", "places", "rate_limited", "review"]
