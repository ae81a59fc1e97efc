# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client that asks one host without pause and keeps every answer's version. It knows the V2 protocol, nothing of deployments."""

from __future__ import annotations

import http.client
import json
import threading
import time


class Load(threading.Thread):
    """Requests over one kept-alive connection until stopped, and at least `least` of them.

    answers: list of (version in the header, version in the body, digest); failures: list of texts. A connection that the server closed between
    two requests is opened again, as every HTTP client does; a request that was sent and not answered is a failure.
    """

    def __init__(self, address: str, model: str, request: dict, least: int, pause: float = 0.002):
        super().__init__(daemon=True)
        self.address, self.path, self.body = address, f"/v2/models/{model}/infer", json.dumps(request)
        self.least, self.pause = least, pause
        self.answers: list[tuple[str, str, str]] = []
        self.failures: list[str] = []
        self.enough = threading.Event()

    def run(self):
        """Ask until enough is set and the least number is reached; bounded by 20 times that number."""
        connection = None
        for number in range(20 * self.least):
            if self.enough.is_set() and number >= self.least:
                break
            try:
                connection = connection or http.client.HTTPConnection(self.address, 8080, timeout=30)
                connection.request("POST", self.path, self.body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status == 200:
                    self.answers.append((answer.headers["x-model-version"], json.loads(text)["model_version"], answer.headers["x-model-digest"]))
                else:
                    self.failures.append(f"{answer.status}: {text[:200]!r}")
                if answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection = None
            time.sleep(self.pause)
