# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The errors of the collection, each one line for a person. Standard library only: hosts use it too. Knows no product and no Ansible."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

EXCERPT = 400
MASK = "******"


class MlopsError(Exception):
    """Base of every error of the collection; str(error) is the one-line message shown to the user."""


class ReadOnlyViolation(MlopsError):
    """A write was asked of a read-only transport (check mode): a mistake in the collection, nothing was sent."""


class ServiceError(MlopsError):
    """A service refused a request (status 400 or more) or gave no answer (status None).

    Attributes: method, url (without credentials and query), status (int or None), reason (its own words or the connection's),
    body (excerpt), refused (nobody listens there).
    """

    def __init__(self, method: str, url: str, status: int | None, reason: str, body: str = "", secrets: tuple = (), refused: bool = False):
        self.method, self.status, self.refused = method, status, refused
        self.url, self.reason, self.body = (mask(text, secrets) for text in (without_credentials(url), one_line(reason), one_line(body)))
        answer = f"answered {status} {self.reason}" if status else f"did not answer: {self.reason}"
        super().__init__(f"{method} {self.url} {answer}" + (f": {self.body}" if self.body else ""))


def without_credentials(url: str) -> str:
    """The URL without user:password@ and without the query, which may carry tokens."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def one_line(text: str) -> str:
    """Text on one line, cut to EXCERPT characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= EXCERPT else line[:EXCERPT] + "..."


def mask(text: str, secrets) -> str:
    """Text with every secret replaced by MASK; longest first, so that no rest of a longer secret stays."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
