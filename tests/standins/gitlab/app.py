# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in for GitLab: who calls, which handler answers, which places may be seen, and what is noted for tests besides the answer."""

from __future__ import annotations

import re
import traceback
from datetime import date, timedelta

from ..server import Answer, StandIn
from .calls import Call, Refusal, find_route, now, refusal
from .description import Description
from .events import Events
from .git import URL, Repositories
from .git import answer as git_answer
from .state import NAMES, State, full_path, matches

API = "/api/v4"
ALL_SCOPES = ("api", "read_api", "sudo", "admin_mode")


def rate_limited(seconds=1):
    """What Rack::Attack answers; to be put into `faults`."""
    return Answer(429, "Retry later\n", {"Retry-After": str(seconds), "RateLimit-Limit": "7200", "RateLimit-Remaining": "0", "RateLimit-Reset": str(seconds)})


class GitLab(Events, StandIn):
    """A small GitLab of a version and edition. validate: hold every request and answer against GitLab's API description, where that is there.

    repositories: a folder for real git repositories, served at `<url>/<project>.git`; with it, and only then, projects' hooks are called.
    """

    def __init__(self, version="17.11.0", edition="ce", latency=0.0, validate=True, port=0, token="glpat-of-root-for-tests", repositories=None,  # noqa: S107
                 **address):
        super().__init__(port, latency, **address)
        self.version, self.edition = version, edition
        self.number = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
        self.state = State(self.has)
        self.description = Description.load() if validate else None
        self.violations = []
        self.repositories = Repositories(repositories) if repositories else None
        self.start_events()
        self.state.add_user("root", name="Administrator", is_admin=True)
        self.token = self.make_token("root", ALL_SCOPES, token=token)

    def has(self, field):
        """Whether this version and edition has an attribute."""
        return self.number >= field.since and (not field.ee or self.edition == "ee")

    @property
    def delays_deletion(self):
        return self.edition == "ee" or self.number >= (18,)

    # what tests look at

    def make_token(self, username, scopes=("api",), expires_at=None, token=None):
        """A personal access token; the user, no administrator, is made where there is none."""
        user = self.user(username) or self.state.add_user(username)
        number = self.state.new_id("token")
        token = token or f"glpat-{username}-{number}"
        self.state.tokens[token] = {
            "id": number, "token": token, "name": token, "user_id": user["id"], "scopes": list(scopes), "revoked": False, "created_at": now(),
            "expires_at": expires_at or (date.today() + timedelta(365)).isoformat(), "resource": None,
        }
        return token

    def _stored(self, kind, path):
        found = self.state.paths.get(path.lower())
        return found if found and found["kind"] == kind else None

    def project(self, path):
        return self._stored("project", path)

    def group(self, path):
        return self._stored("group", path)

    def user(self, name):
        return self._stored("user", name)

    @property
    def system_hooks(self):
        return self.state.instance["hooks"]

    @property
    def variables(self):
        return self.state.instance["variables"]

    @property
    def settings(self):
        return self.state.settings

    @property
    def branch_was_open(self):
        """(project, branch) for each time a write left a protected branch, existing or named by a rule, without any rule."""
        return self.state.branch_was_open

    # answering

    def answer(self, request):
        call = None
        try:
            self.state.tick()
            git = URL.fullmatch(request.path) if self.repositories else None
            if git:
                return git_answer(self, request, *git.groups())
            if not request.path.startswith(f"{API}/"):
                raise Refusal(410 if request.path.startswith("/api/v3/") else 404, {"error": "404 Not Found"})
            call = Call(self, request)
            found, values = find_route(request.path[len(API):], request.method)
            self._who(call, found)
            given = self._dispatch(call, found, values)
            answer = given if isinstance(given, Answer) else Answer(body=given)
            if not isinstance(given, Answer) or answer.status == 200:
                answer.status = found.status
        except Refusal as no:
            answer = no.answer
        except Exception:  # a fault of the stand-in is a violation as well, and no cut connection
            self.violations.append(f"{request.method} {request.path}: the stand-in itself failed: {traceback.format_exc()}")
            answer = Answer(500, {"message": "500 Internal Server Error"})
        if self.description and call:
            self.violations += self.description.violations(call, answer)
        if answer.status == 204:
            answer.body = b""
        return answer

    def _who(self, call, found):
        """The user and rights of the call's token, and of Sudo."""
        headers = call.request.headers
        bearer = headers.get("Authorization", "").removeprefix("Bearer ").strip()
        self.identify(call, found, headers.get("PRIVATE-TOKEN") or bearer or call.params.get("private_token") or call.params.get("access_token"))
        sudo = headers.get("Sudo") or call.params.get("sudo")
        if sudo:
            if not call.user["is_admin"]:
                raise refusal(403, "403 Forbidden - Must be admin to use sudo")
            if "sudo" not in call.token["scopes"]:
                raise insufficient("sudo")
            call.user = self.state.find("user", str(sudo)) or None
            if not call.user:
                raise refusal(404, f"404 User with ID or username '{sudo}' Not Found")
            call.admin = self.rules(call.user, call.token)

    def rules(self, user, token):
        """Whether a user is an administrator in this call."""
        return user["is_admin"] and (not self.settings["admin_mode"] or "admin_mode" in token["scopes"])

    def identify(self, call, found, secret):
        """The user and rights of a token."""
        token = self.state.tokens.get(secret)
        if not token:
            raise refusal(401)
        for bad, why in ((token["revoked"], "Token was revoked. You have to re-authorize from the user."),
                         (token["expires_at"] <= date.today().isoformat(), "Token is expired. You can either do re-authorization or token refresh.")):
            if bad:
                raise Refusal(401, {"error": "invalid_token", "error_description": why})
        scopes = set(token["scopes"])
        enough = {"api", *found.scopes} if call.request.writes else {"api", "read_api", *found.scopes}
        if not scopes & enough:
            raise insufficient(" ".join(sorted(enough)))
        user = self.state.users[token["user_id"]]
        if user["state"] != "active":
            raise refusal(403, "403 Forbidden - Your account has been blocked.")
        call.token, call.user, call.admin = token, user, self.rules(user, token)

    def _dispatch(self, call, found, values):
        if found.kind == "instance":
            call.place = self.state.instance
            if found.level and not call.admin:
                raise refusal(403)
            return found.handler(call, call.place, *values)
        place = call.place = self._visible(call, found, values[0])
        if found.level and not (call.admin if found.kind == "user" else call.may(place, found.level)):
            raise refusal(403)
        if found.kind != "project" or not call.request.writes:
            return found.handler(call, place, *values[1:])
        path, covered = full_path(place), covered_branches(place)
        try:
            return found.handler(call, place, *values[1:])
        finally:
            self.state.branch_was_open += [(path, branch) for branch in sorted(covered - covered_branches(place, covered))]

    def _visible(self, call, found, text):
        place = self.state.find(found.kind, text, call.method)
        if place and "moved" in place:
            place, moved = place["moved"], True
        else:
            moved = False
        if not place or (found.kind != "user" and not call.may(place, 0)):
            raise refusal(404, f"404 {NAMES[found.kind]} Not Found")
        if moved and self.number >= (16, 7):
            tail = call.request.path[len(API):].split("/", 3)[3:]
            raise Refusal(301, "Moved Permanently", {"Location": "/".join([f"{self.url}{API}/projects/{place['id']}", *tail])})
        return place


def insufficient(scopes):
    return Refusal(403, {"error": "insufficient_scope", "error_description": "The request requires higher privileges than provided by the access token.",
                         "scope": scopes})


def covered_branches(project, also=()):
    """Branches, existing, only named by a rule or in `also`, that some rule protects; none of a project that is going."""
    if project.get("leaving") or project["marked_for_deletion_on"]:
        return set()
    rules = [rule["name"] for rule in project["protected_branches"]]
    return {name for name in rules if "*" not in name} | {branch for branch in (*project["branches"], *also) if any(matches(rule, branch) for rule in rules)}
