# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a step can end other than well. Knows no step."""


class Stop(Exception):
    """The step says no: the reason is for the person who pushed. Exit 1."""

    code = 1


class BadInput(Stop):
    """The step cannot begin: names what is given, its value and what would be right. Exit 2."""

    code = 2
