# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for the HTTP API of a Jenkins controller, for tests and benchmarks."""

from .controller import Jenkins

__all__ = ["Jenkins"]
