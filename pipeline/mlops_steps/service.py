# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a service on the site's network for JSON. Knows TLS, credentials in headers and what an error tells; knows no product."""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from mlops_steps.outcome import BadInput, Stop

TIMEOUT = 30
TRIES = 3
# A proxy in front of a service that restarts answers these; asking again does no harm, writing again could.
AGAIN = (502, 503, 504)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the credentials to wherever it points."""

    def redirect_request(self, *_arguments):
        return None


class Service:
    """One service: `name` for people, base URL, headers with a secret, file of authorities."""

    def __init__(self, name, url, headers=None, ca_file=""):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise BadInput(f"{name}: {parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()!r} is no URL of a service, "
                           "give http or https, a host and no password")
        self.name, self.url, self.headers = name, url.rstrip("/"), headers or {}
        try:
            context = ssl.create_default_context(cafile=ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise BadInput(f"file of authorities {ca_file}: {error}") from error
        self.opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))

    def get(self, path, **query):
        """JSON of a GET."""
        return json.loads(self.request("GET", path + (f"?{urllib.parse.urlencode(query, doseq=True)}" if query else "")) or b"null")

    def send(self, verb, path, body):
        """JSON that a write is answered with."""
        return json.loads(self.request(verb, path, json.dumps(body).encode()) or b"null")

    def request(self, verb, path, body=None):
        """The bytes of an answer; Stop names verb, path, status and the service's own words."""
        headers = {**self.headers, "Accept": "*/*", **({"Content-Type": "application/json"} if body is not None else {})}
        for attempt in range(1, TRIES + 1):
            request = urllib.request.Request(self.url + path, body, headers, method=verb)
            last = attempt == TRIES or verb != "GET"
            try:
                with self.opener.open(request, timeout=TIMEOUT) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    said = self._words(error.read())
                if last or error.code not in AGAIN:
                    raise Refused(f"{self.name}: {verb} {self._shown(path)}: {error.code} {said or error.reason}", error.code, said) from error
            except (OSError, ValueError) as error:
                if last:
                    raise Unreachable(f"{self.name}: {verb} {self._shown(path)}: {getattr(error, 'reason', None) or error}") from error
            time.sleep(attempt)
        raise AssertionError("the last try returns or raises")

    def _shown(self, path):
        return urllib.parse.urlsplit(self.url).path + path.partition("?")[0]

    def _words(self, body):
        """The service's own words, short, and without what was sent in a header."""
        text = body.decode("utf-8", "replace")
        try:
            said = json.loads(text)
            said = said.get("message") or said.get("error") or said if isinstance(said, dict) else said
            text = said if isinstance(said, str) else json.dumps(said)
        except ValueError:
            pass
        for value in self.headers.values():
            text = text.replace(value, "***")
        return " ".join(text.split())[:300]


class Refused(Stop):
    """The service answered with an error."""

    def __init__(self, text, status, said):
        super().__init__(text)
        self.status, self.said = status, said


class Unreachable(Stop):
    """The service did not answer."""


def basic(user, password):
    """Headers of a user; none where there is no user."""
    if not user:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password or ''}".encode()).decode()}
