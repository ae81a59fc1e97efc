# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller: who asks, what may be asked, the way from a URL to its answer, and restarts."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import unquote, urlencode

from ..server import READS, Answer, StandIn
from . import branches
from . import xml as documents
from .api import HTML, JSON, TEXT, Bean, Refused, broken, denied, form, jetty, missing, page, posts, to
from .builds import Builds, Queue
from .credentials import Vault
from .items import SCRIPTS, Folder, Group
from .nodes import Computers, Label, Nodes
from .plugins import ConfigurationAsCode, PluginManager, Plugins, UpdateCenter

OPEN = ("/login", "/whoAmI/api/json", branches.HOOK)
URL_LIMIT = 8192


@dataclass
class User:
    name: str
    password: str = ""
    token: str = ""
    permissions: set = field(default_factory=set)


ANONYMOUS = User("anonymous")


class Root(Group):
    kind = "hudson.model.Hudson"
    full_name, path = "", "/"
    fields = {
        "assignedLabels": lambda root: [Label(root.jenkins, "built-in")],
        "mode": "NORMAL",
        "nodeDescription": "the Jenkins controller's built-in node",
        "nodeName": "",
        "numExecutors": lambda root: root.jenkins.executors,
        "description": None,
        "jobs": lambda root: root.listed(),
        "overallLoad": {},
        "primaryView": lambda root: root.primary,
        "quietDownReason": lambda root: root.jenkins.quiet_reason,
        "quietingDown": lambda root: root.jenkins.quieting,
        "slaveAgentPort": -1,
        "unlabeledLoad": {"_class": "jenkins.model.UnlabeledLoadStatistics"},
        "url": None,
        "useCrumbs": True,
        "useSecurity": True,
        "views": lambda root: root.listed_views(),
    }

    def __init__(self, jenkins):
        self.jenkins = jenkins
        self.start_group("all")

    def child(self, names):
        jenkins = self.jenkins
        places = {"computer": Computers, "queue": Queue, "pluginManager": PluginManager, "updateCenter": UpdateCenter}
        if names[0] in places:
            return places[names[0]](jenkins), 1
        if names[0] == "manage":
            jenkins.need_page("Overall/Administer")
            return self, 1
        if names[0] == "label" and len(names) > 1:
            return Label(jenkins, names[1]), 2
        if names[0] in ("whoAmI", "me", "user"):
            name = jenkins.user.name if names[0] != "user" else names[1] if len(names) > 1 else ""
            if name not in jenkins.users and names[0] != "whoAmI":
                raise missing()
            return Who(jenkins, name, names[0] == "whoAmI"), 2 if names[0] == "user" else 1
        if names[0] == "crumbIssuer":
            return Crumbs(jenkins), 1
        if names[0] == "configuration-as-code" and jenkins.plugins.get(names[0], {}).get("active"):
            return ConfigurationAsCode(jenkins), 1
        return super().child(names)

    def do_gitlab_webhook_post(self, request):
        return branches.hook(self.jenkins, request)

    def do_login(self, request):
        return Answer(200, "<!DOCTYPE html><html><body>Sign in</body></html>", HTML)

    @posts
    def do_quietDown(self, request):
        self.jenkins.need("Overall/Administer")
        self.jenkins.quieting, self.jenkins.quiet_reason = True, form(request).get("message")
        return to("/")

    @posts
    def do_cancelQuietDown(self, request):
        self.jenkins.need("Overall/Administer")
        self.jenkins.quieting = self.jenkins.restart_wanted = False
        self.jenkins.quiet_reason = None
        return to("/")

    @posts
    def do_safeRestart(self, request):
        answer = self.do_quietDown(request)
        self.jenkins.restart_wanted = True
        return answer

    def do_restart(self, request):
        if request.method != "POST":
            return Answer(200, "<!DOCTYPE html><html><body>Are you sure?</body></html>", HTML)
        self.jenkins.need("Overall/Administer")
        self.jenkins.restart()
        return to("/")

    @posts
    def do_reload(self, request):
        self.jenkins.need("Overall/Administer")
        return to("/")

    @posts
    def do_safeExit(self, request):
        raise broken()

    @posts
    def do_scriptText(self, request):
        """There is no Groovy here: `scripts` are known by their text, all others fail as real ones fail, with 200 and a stack trace."""
        self.jenkins.need("Overall/Administer")
        script = form(request).get("script", "")
        known = next((answer for text, answer in self.jenkins.scripts.items() if text in script), None)
        text = known(self.jenkins, script) if known else None
        failed = "org.codehaus.groovy.control.MultipleCompilationErrorsException: startup failed:\n\tat standin.scripts(none)\n"
        return Answer(200, text if text is not None else failed if script else "", TEXT)


class Who(Bean):
    """A user's page."""

    def __init__(self, jenkins, name, short):
        self.kind = "hudson.security.WhoAmI" if short else "hudson.model.User"
        anonymous = jenkins.user is ANONYMOUS
        if short:
            groups = ["anonymous" if anonymous else "authenticated"]
            self.fields = {"anonymous": anonymous, "authenticated": True, "authorities": groups, "name": name}
        else:
            self.fields = {"absoluteUrl": f"{jenkins.base}/user/{name}", "description": None, "fullName": name, "id": name, "property": []}


class Crumbs(Bean):
    kind = "hudson.security.csrf.DefaultCrumbIssuer"

    def __init__(self, jenkins):
        self.jenkins = jenkins

    def do_api_json(self, request):
        session = self.jenkins.session(request)
        headers = {}
        if session not in self.jenkins.crumbs:
            session = secrets.token_hex(12)
            self.jenkins.crumbs[session] = secrets.token_hex(32)
            headers = {"Set-Cookie": f"JSESSIONID.standin={session}; Path=/; HttpOnly"}
        self.fields = {"crumb": self.jenkins.crumbs[session], "crumbRequestField": "Jenkins-Crumb"}
        answer = super().do_api_json(request)
        return Answer(answer.status, answer.body, {**answer.headers, **headers})


class Jenkins(Builds, Nodes, Plugins, Vault, StandIn):
    """Stands in for a Jenkins controller's HTTP API.

    rewrite: the controller saves every job right after it was posted. token: of the user `admin`, made up unless given.
    restart_answers: what the requests after a restart meet, in order: "restarting" and "starting" (503), "reset", "unauthorized" (401).
    runner: called with a work.Run for each build of a pipeline that comes from git, in a thread of its own, returns the result; executors: how many at once.
    scripts: {part of a script: makes the text that scriptText answers of the controller and the script}. quiet_period: seconds a build waits in the queue.
    """

    home = "/var/lib/jenkins"
    restart_answers = ("restarting", "restarting", "reset", "starting", "starting", "unauthorized")

    def __init__(self, version="2.541.3", latency=0.0, rewrite=False, port=0, token=None, runner=None, executors=1, **address):
        super().__init__(port, latency, **address)
        self.runner, self.agent = runner, threading.BoundedSemaphore(executors)
        self.version, self.rewrite, self.clock, self.quiet_period = version, rewrite, time.time, 0.1
        self.username, self.password, self.token = "admin", secrets.token_hex(8), token or secrets.token_hex(17)
        self.users = {"admin": User("admin", self.password, self.token, {"Overall/Administer"})}
        self.user, self.base, self.crumbs, self.scripts, self.trail = self.users["admin"], self.url, {}, dict(SCRIPTS), []
        self.quieting, self.quiet_reason, self.restart_wanted, self.restarts, self.coming_back = False, None, False, 0, []
        self.start_queue()
        self.start_nodes()
        self.start_plugins()
        self.start_vault()
        self.root = Root(self)
        if runner:
            for name in branches.PLUGINS:
                self.installed(name, "1.0")
            threading.Thread(target=self.tick_on, daemon=True).start()

    def tick_on(self):
        """Builds that really run do not wait for a request: what became due is done all the time, as long as the port is open."""
        while self.socket.fileno() != -1:
            time.sleep(0.1)
            with self.lock:
                if not self.coming_back:
                    self.tick()

    def add_user(self, name, password, token, permissions=()):
        self.users[name] = User(name, password, token, set(permissions))

    def item(self, full_name, within=None):
        """The job or folder of that name, below `within`; None: there is none."""
        found = within or self.root
        for name in full_name.split("/"):
            found = found.children.get(name.lower()) if isinstance(found, Group) else None
            if found is None:
                return None
        return found

    @property
    def items(self) -> list[str]:
        """All full names, folders before what is in them."""

        def below(group):
            for _name, item in sorted(group.children.items()):
                yield item.full_name
                if isinstance(item, Folder):
                    yield from below(item)

        return list(below(self.root))

    def save(self, full_name) -> None:
        """What the controller does when it saves an item itself: its XML is written anew."""
        with self.lock:
            self.item(full_name).save()

    def posted(self, text) -> str:
        """A posted item's XML as it is stored."""
        try:
            return documents.stored(text)
        except documents.BROKEN:
            raise broken() from None

    def root_of(self, text, allowed):
        """The element of a posted document, which has to be one of these."""
        try:
            element = documents.parsed(text)
        except documents.BROKEN:
            raise broken() from None
        if element.tag not in allowed:
            raise broken()
        return element

    def allowed(self, permission, item=None) -> bool:
        """May the user who asks do this? `item`: there, where its matrix property and those of the folders above it count too."""
        user = self.user
        if "Overall/Administer" in user.permissions:
            return True
        group, verb = permission.split("/")
        name = {"Job": "hudson.model.Item", "View": "hudson.model.View"}.get(group, group) + f".{verb}"
        while item is not None and item is not self.root:
            matrix = item.matrix()
            if matrix and {(name, user.name), (name, "authenticated")} & matrix[1]:
                return True
            if matrix and not matrix[0]:
                return False
            item = item.parent
        return permission in user.permissions

    def need(self, permission, item=None) -> None:
        if not self.allowed(permission, item):
            raise denied(self.user.name, permission)

    def need_page(self, permission) -> None:
        if not self.allowed(permission):
            raise page(403, "Access Denied")

    def session(self, request):
        cookies = dict(part.strip().partition("=")[::2] for part in request.headers.get("Cookie", "").split(";"))
        return cookies.get("JSESSIONID.standin")

    def authenticate(self, request) -> bool:
        """Sets who asks; true when it was by token, which needs no crumb."""
        scheme, _blank, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            self.user = ANONYMOUS
            return False
        name, _colon, secret = base64.b64decode(given).decode("utf-8", "replace").partition(":")
        user = self.users.get(name)
        if user is None or secret not in (user.token, user.password):
            raise jetty(401, "Unauthorized", WWW_Authenticate='Basic realm="Jenkins"')
        self.user = user
        return secret == user.token

    def check_access(self, request):
        by_token = self.authenticate(request)
        if len(request.path) + len(urlencode(request.query)) > URL_LIMIT:
            raise jetty(414, "URI Too Long")
        if request.method == "POST" and not by_token and request.path != branches.HOOK:
            session = self.session(request)
            if session is None or self.crumbs.get(session) != request.headers.get("Jenkins-Crumb"):
                raise jetty(403, "No valid crumb was included in the request")
        if request.path.startswith("/tcpSlaveAgentListener"):
            raise missing()
        if self.user is ANONYMOUS and request.path not in OPEN:
            raise page(403, "Authentication required")

    def answer(self, request) -> Answer:
        scheme = request.headers.get("X-Forwarded-Proto", "http")
        self.base = f"{scheme}://{request.headers.get('X-Forwarded-Host') or request.headers.get('Host') or self.url[7:]}"
        try:
            if self.coming_back:
                raise self.while_restarting(request)
            self.check_access(request)
            self.tick()
            if self.coming_back:
                raise self.while_restarting(request)
            answer = self.find(request)(request) or Answer()
        except Refused as refusal:
            answer = refusal.answer if request.method != "DELETE" or refusal.answer.status != 404 else Answer(404)
        kind = answer.headers.get("Content-Type", "")
        if answer.status != 503 and (kind == HTML["Content-Type"] or (kind == JSON["Content-Type"] and request.path.endswith("/api/json"))):
            answer.headers = {"X-Jenkins": self.version, **answer.headers}
        return answer

    def find(self, request):
        """The method that answers: from the root as far as names lead to objects; the rest of the path is a page of the last one."""
        names = [unquote(name) for name in request.path.split("/") if name]
        self.trail, place = [self.root], 0
        while place < len(names) and (found := self.trail[-1].child(names[place:])):
            self.trail.append(found[0])
            place += found[1]
        target, rest = self.trail[-1], "_".join(names[place:]).replace(".", "_").replace("-", "_")
        if not rest:
            # a URL of an object ends in a slash; a file's does not
            return target.index if request.path.endswith("/") or not hasattr(target, "path") else lambda _request: to(f"{request.path}/")
        method = getattr(target, f"do_{rest}", None)
        if method is None:
            raise missing()
        if rest == "api_json" and request.method not in READS:
            request.reads = True
        return method

    def restart(self) -> None:
        """Restart now: builds that run are lost, what waited for a restart takes effect."""
        self.restarts += 1
        for build in list(self.running):
            build.finish("ABORTED", self.clock())
        self.quieting, self.quiet_reason, self.restart_wanted = False, None, False
        self.plugins_restarted()
        self.crumbs.clear()
        self.coming_back = list(self.restart_answers)

    def while_restarting(self, request) -> Refused:
        kind = self.coming_back.pop(0)
        if kind == "unauthorized":
            return jetty(401, "Unauthorized", WWW_Authenticate='Basic realm="Jenkins"')
        text = "Jenkins is restarting" if kind == "restarting" else "Jenkins is getting ready to work"
        if kind == "starting" and request.method == "POST" and len(self.coming_back) < 2:  # nearly up: it knows no session yet
            return jetty(403, "No valid crumb was included in the request")
        return Refused(503, f"<!DOCTYPE html><html><body>{text}</body></html>", HTML)

    def handle_request_of(self, request):
        with self.lock:
            if self.coming_back and self.coming_back[0] == "reset":
                self.coming_back.pop(0)
                self.seen.append(request)
                self.statuses.append(None)
                return None, True
        return super().handle_request_of(request)
