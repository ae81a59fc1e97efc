# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stand-in for GitLab's web service: the API stand-in with health pages, users and tokens of rails.json, and a state that outlives a restart."""

from __future__ import annotations

import hashlib
import json
import pickle
import secrets
from pathlib import Path

from standins.gitlab import GitLab
from standins.server import Answer

OWN = Path("/var/opt/gitlab/standin")
HEALTH = {
    "/-/health": Answer(body="GitLab OK (stand-in)"),
    "/-/liveness": Answer(body={"status": "ok"}),
    "/-/readiness": Answer(body={"status": "ok", "master_check": [{"status": "ok"}]}),
}


class Tokens(dict):
    """Tokens by their text, or, those that Rails has made, by its digest."""

    def get(self, text, default=None):
        return super().get(text) or super().get(hashlib.sha256((text or "").encode()).hexdigest(), default)


class Product(GitLab):
    """The stand-in of a version, where it left off."""

    def __init__(self, version):
        super().__init__(version, validate=False, port=8080, token=secrets.token_urlsafe(32))
        self.state.tokens = Tokens()
        fresh = dict(self.state.settings)
        stored = OWN / "state.pickle"
        if stored.exists():
            vars(self.state).update(pickle.loads(stored.read_bytes()))
            self.state.tokens = Tokens(self.state.tokens)
            self.state.settings = fresh | self.state.settings

    def answer(self, request):
        if request.path in HEALTH:
            return HEALTH[request.path]
        for digest in [digest for digest, row in self.state.tokens.items() if row["token"] is None]:
            del self.state.tokens[digest]
        for row in json.loads((OWN / "rails.json").read_text())["tokens"]:
            user = self.state.find("user", row["user"])
            self.state.tokens[row["digest"]] = {**row, "token": None, "user_id": user["id"], "created_at": "2026-01-01T00:00:00Z", "resource": None}
        answer = super().answer(request)
        if request.writes and answer.status < 400:
            scratch = OWN / "state.new"
            scratch.touch(0o600)
            scratch.write_bytes(pickle.dumps({name: dict(value) if name == "tokens" else value for name, value in vars(self.state).items() if name != "has"}))
            scratch.rename(OWN / "state.pickle")
        return answer


Product(json.loads(Path("/opt/gitlab/version-manifest.json").read_text())["build_version"]).serve_forever()
