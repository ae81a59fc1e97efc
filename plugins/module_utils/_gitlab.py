# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GitLab's REST API through python-gitlab on our transport: reading in few requests, what is missing, one write. Its kinds are in _gitlab_kinds.

How GitLab answers is from its documentation and source for 16 to 19; it was run against a stand-in checked by GitLab's API description.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError, without_credentials
from ansible_collections.mlops.onprem.plugins.module_utils._module import BY_TOKEN, Product
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Request

try:
    import gitlab
except ImportError:  # told to the user when a client is made
    gitlab = None

PAGE = 100
DELETION_LIMIT = 120  # seconds for GitLab's own background deletion
MOVED = re.compile(r"/api/v4/projects/\d+([/?]|$)")  # where the old address of a project leads
NO_SUCH_ROUTE = {"error": "404 Not Found"}
HAS_ROUTE = re.compile(r"/(projects/[^/?]+%2F|groups/[^/?]+%2F[^/?]+$)", re.I)  # a path that every GitLab knows, with a slash in a name
LICENSED = ("membership_lock", "code_owner_approval_required", "environment_scope")


@dataclass(frozen=True)
class Settled(Request):
    """A request that is as good as done when GitLab refuses it because what is to be made is already there."""


@dataclass(frozen=True)
class Adopt(Request):
    """Makes an object that GitLab may have already, for others: what it then keeps as it was is changed, at `path`/id, to what is asked for."""


@dataclass(frozen=True)
class Revoke(Request):
    """Deletes the tokens of body['name'] in the list at `path` but those of body['keep']: what a request made whose answer did not arrive."""


@dataclass(frozen=True)
class Ref:
    """In the body of a request: the id of an object that is known by name, which may be made only just before."""

    what: str
    name: str


class Client:
    """What GitLab's resources are given. `gone` holds the places (option, name) that were asked for and are not there."""

    def __init__(self, transport):
        if gitlab is None:
            raise MlopsError("the Python package 'python-gitlab' is missing on the controller: install it for the Python that runs Ansible")
        self.transport = transport
        self.api = gitlab.Gitlab(transport.base_url, session=transport.session, timeout=transport.timeout, ssl_verify=transport.verify, keep_base_url=True)
        self.gone: set = set()
        self._ids: dict = {}
        self._server: dict = {}

    def request(self, method: str, path: str, query: Mapping | None = None, body=None):
        """The answer to one request below /api/v4; a 404 gives None, any other refusal a ServiceError.

        What has moved away from an old address is not there either. What is no word of GitLab's is no proof that something is not there.
        """
        try:
            answer = self.api.http_request(method, path, query_data=query or {}, post_data=body)
        except gitlab.exceptions.GitlabHttpError as error:
            if error.response_code == 404:
                _refuse_foreign(method, self.api.api_url + path, error.response_body)
                return None
            raise ServiceError(method, self.api.api_url + path, error.response_code, str(error.error_message), secrets=tuple(self.transport.secrets)) from error
        except gitlab.exceptions.RedirectError as error:
            raise MlopsError(f"{method} {path}: {error}") from error
        except self.transport.Trouble as error:
            raise self.transport.no_answer(method, self.api.api_url + path, error) from error
        if not answer.history:
            return answer
        if MOVED.search(answer.url) and path.startswith("/projects/"):
            return None
        raise MlopsError(f"{method} {self.api.api_url}{path} is redirected to {without_credentials(answer.url)}: give that address as url")

    def get(self, path: str, /, **query):
        """The JSON of one object; None where it is not there."""
        answer = self.request("GET", path, query)
        return None if answer is None else _json(answer)

    def page(self, path: str, /, **query):
        """(rows, number of pages or None where GitLab does not say) of a list's first page; (None, 0) where it is not there."""
        answer = self.request("GET", path, {"per_page": PAGE, **query})
        if answer is None:
            return None, 0
        return _json(answer), int(answer.headers.get("x-total-pages") or 0) or None

    def list(self, path: str, /, **query):
        """All rows of a list, None where it is not there."""
        rows, answer = [], self.request("GET", path, {"per_page": PAGE, **query})
        if answer is None:
            return None
        rows += _json(answer)
        while "next" in answer.links:
            # by path and query: the address that GitLab believes it has may not be the one it is reached by
            address = answer.links["next"]["url"]
            answer = self.request("GET", self.api.api_url + path + "?" + address.partition("?")[2])
            if answer is None:
                return None
            rows += _json(answer)
        return rows

    def rest(self, path: str, pages: int, /, **query) -> list:
        """The rows of the pages after the first."""
        found = self.transport.each(lambda page: self.request("GET", path, {"per_page": PAGE, "page": page, **query}), range(2, pages + 1))
        return [row for answer in found if answer is not None for row in _json(answer)]

    def learn(self, what: str, rows: Iterable, name: str) -> None:
        """Remember the ids of objects that were read."""
        self._ids.update({(what, row[name].casefold()): row["id"] for row in rows})

    def id_of(self, what: str, name: str):
        """The id of a user (by username), a group (by full path) or a namespace (group or user); None where there is none."""
        found = self._ids.get((what, name.casefold()))
        if found is None:
            row = next(iter(self.get("/users", username=name) or ()), None) if what == "user" else self.get(f"/namespaces/{quoted(name)}")
            if row and (what == "group" and row["kind"] != "group" or row.get("full_path", name).casefold() != name.casefold()):
                row = None  # a name of digits is taken for an id
            found = self._ids[what, name.casefold()] = row["id"] if row else None
        return found

    def server(self) -> dict:
        """version and edition of the server: {"version": (17, 11), "text": "17.11.0-ee", "ee": True}."""
        if not self._server:
            found = self.get("/metadata") or self.get("/version") or {}
            text = found.get("version", "unknown")
            numbers = tuple(int(number) for number in re.findall(r"\d+", text)[:2])
            self._server = {"version": numbers, "text": text, "ee": bool(found.get("enterprise", text.endswith("-ee")))}
        return self._server


def _json(answer):
    """What a read answered; a page for people comes from a wrong address or from a login before GitLab."""
    try:
        return answer.json()
    except ValueError as error:
        raise MlopsError(f"GET {without_credentials(answer.url)} answered with something else than JSON: is url the address of GitLab?") from error


def _refuse_foreign(method: str, url: str, body: bytes) -> None:
    """A 404 that does not say that an object is missing: of another server, or of GitLab for a path that something on the way has changed."""
    try:
        said = json.loads(body)
    except ValueError:
        raise ServiceError(method, url, 404, "not in GitLab's words: is url its address?") from None
    if said == NO_SUCH_ROUTE and HAS_ROUTE.search(url):
        raise ServiceError(method, url, 404, "as for an address that GitLab does not know: a proxy before it turns %2F into / (Apache: "
                                             "AllowEncodedSlashes NoDecode; nginx: proxy_pass without a path)")


def quoted(name: str) -> str:
    """A path or a name as one part of an address."""
    return quote(name, safe="")


def base(place) -> str:
    """The address below which what lives in a place lies."""
    kind, name = place
    return f"/{kind}s/{quoted(name)}" if kind in ("project", "group") else ""


def _resolved(client, value):
    if isinstance(value, Ref):
        found = client.id_of(value.what, value.name)
        if found is None:
            raise MlopsError(f"{value.what} {value.name!r} does not exist")
        return found
    return {name: _resolved(client, part) for name, part in value.items()} if isinstance(value, dict) else value


def _send(client, request: Request):
    """Send one write; names in its body become ids. What GitLab deletes or marks later is waited for."""
    if isinstance(request, Revoke):
        for row in client.list(request.path, state="active") or ():
            if row["name"] == request.body["name"] and row["id"] not in request.body["keep"]:
                client.request("DELETE", f"{request.path}/{row['id']}")
        return None
    try:
        answer = client.request(request.method, request.path, body=_resolved(client, request.body))
    except ServiceError as error:
        if isinstance(request, Settled) and "already" in str(error):
            return None
        raise
    if answer is None and request.method != "DELETE":  # what was read and is gone by now needs no deletion
        raise ServiceError(request.method, client.api.api_url + request.path, 404, "Not Found")
    if request.method != "DELETE" and isinstance(request.body, dict):
        _refuse_dropped(client, request, answer)
    if isinstance(request, Adopt):
        made = answer.json()
        kept = {name: value for name, value in request.body.items() if name in made and name != "key" and made[name] != value}
        return client.request("PUT", f"{request.path}/{made['id']}", body=kept) if kept else answer
    if request.method == "DELETE" and re.fullmatch(r"/(projects|groups|users)/[^/]+", request.path):
        deadline, pause = time.monotonic() + DELETION_LIMIT, 0.1
        while (left := client.get(request.path)) and not is_marked(left):
            if time.monotonic() > deadline:
                raise MlopsError(f"{request.path}: GitLab took the deletion and has not carried it out within {DELETION_LIMIT} s")
            time.sleep(pause)
            pause = min(2 * pause, 2)
    return answer


def _refuse_dropped(client, request, answer) -> None:
    """The enterprise edition without a licence drops what needs one. A variable that then counts in every environment is taken away again."""
    asked = [name for name in LICENSED if name in request.body]
    shown = answer.json() if asked else {}
    if "membership_lock" in asked and "membership_lock" not in shown:  # only the single read has it
        shown = client.get(f"/groups/{shown['id']}", with_projects=False) or {}
    lost = [name for name in asked if (shown.get(name) or None) != (request.body[name] or None)]
    if lost and request.method == "POST" and "environment_scope" in lost:
        client.request("DELETE", f"{request.path}/{quoted(request.body['key'])}")
    if lost:
        raise MlopsError(f"{', '.join(lost)}: GitLab {client.server()['text']} has dropped it: it needs a licence for Premium or Ultimate")


def is_marked(row: Mapping) -> bool:
    """Whether a project or group is marked for deletion: renamed by GitLab, and as good as gone."""
    return bool(row.get("marked_for_deletion_on") or row.get("marked_for_deletion_at"))


def _lacks(client, needs: str):
    server = client.server()
    if needs == "ee":
        return None if server["ee"] else f"needs GitLab Premium or Ultimate; this server is GitLab {server['text']} without an enterprise licence"
    wanted = tuple(int(number) for number in needs.split("."))
    return None if server["version"] >= wanted else f"needs GitLab {needs} or newer; this server is {server['text']} and would drop it without a word"


def _user(client, _params) -> str:
    found = client.get("/user")
    if found is None:
        raise MlopsError(f"{client.api.api_url} does not know who asks: is url the address of GitLab?")
    return found["username"]


GITLAB = Product(env="GITLAB", login=BY_TOKEN, connect=Client, send=_send, lacks=_lacks, user=_user)


def read_paths(client, kind: str, wanted: Iterable, name: str, below: str) -> list:
    """The projects or groups of these full paths, in as few requests as a list allows, never more than one for each and one for each top group.

    kind: projects or groups. name: the field that holds the full path. below: the list of them below a group.
    """
    tops: dict = {}
    named = dict.fromkeys(path.casefold() for path in wanted)
    for path in named:
        tops.setdefault(path.partition("/")[0], []).append(path)
    rows: list = []
    if len(tops) > 4:
        found, pages = client.page(f"/{kind}")
        if pages and pages < len(tops):
            return found + client.rest(f"/{kind}", pages)
    single = [path for paths in tops.values() if len(paths) == 1 for path in paths]
    for top, paths in tops.items():
        if len(paths) == 1:
            continue
        address, deep = f"/groups/{quoted(top)}/{below}", {"include_subgroups": True, "with_shared": False} if kind == "projects" else {}
        found, pages = client.page(address, **deep)
        if found is None or pages is None or pages > len(paths):
            single += paths
            continue
        rows += found + client.rest(address, pages, **deep)
        single += [path for path in paths if path == top]
    query = {"with_projects": False} if kind == "groups" else {}
    rows += [row for row in client.transport.each(lambda path: client.get(f"/{kind}/{quoted(path)}", **query), single) if row]
    return [row for row in rows if row[name].casefold() in named]


def read_places(path: str, instance: str = "", groups: bool = True, **query):
    """A read of what lives in projects, groups or the instance: one list for each place. instance: the list's address there, if it has one.
    groups: whether groups have such things."""
    def read(client, _wanted, places):
        def one(place):
            listed = instance if place[0] == "instance" else f"{base(place)}/{path}"
            rows = client.list(listed, **query) if listed and not place[1].isdigit() else None
            if rows is None:
                client.gone.add(place)
            return [{**row, place[0]: place[1]} for row in rows or ()]
        return [row for rows in client.transport.each(one, all_places(client, bool(instance), groups) if places is None else places) for row in rows]
    return read


def all_places(client, instance: bool, groups: bool) -> list:
    """Every project and group that the token sees, for reading a whole site."""
    projects = client.list("/projects", pagination="keyset", order_by="id", sort="asc") or []
    found = [("project", row["path_with_namespace"]) for row in projects if not is_marked(row)]
    if groups:
        found += [("group", row["full_path"]) for row in client.list("/groups") or () if not is_marked(row)]
    return found + ([("instance", "")] if instance else [])


def within(values: Mapping):
    """The place of an item: its project, its group, or the instance."""
    return next(((kind, values[kind]) for kind in ("project", "group") if values.get(kind)), ("instance", ""))


def missing_places(client, actions) -> dict:
    """{key: reason} for what is to be made in a place that is not there."""
    return {action.key: [f"{kind}: {name!r} would be taken for an id; give the full path" if name.isdigit() else
                         f"{kind} {name!r} does not exist, or this token does not see it"]
            for action in actions for kind, name in [within(action.values)] if (kind, name) in client.gone}
