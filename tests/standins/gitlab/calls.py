# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call to GitLab's API: its parameters as Grape reads them, refusals in GitLab's words, the table of routes, and lists by pages."""

from __future__ import annotations

import base64
import json
import re
from datetime import date, datetime, timezone
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlencode

from ..server import Answer

_TRUE, _FALSE = {"true", "1", "t", "yes", "y", "on"}, {"false", "0", "f", "no", "n", "off"}
MOST_OFFSET = 50_000


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status, body, headers=None):
        super().__init__(status, body)
        self.answer = Answer(status, body, headers or {})


def refusal(status, message=None):
    """`{"message": ..}`, with GitLab's own words for the status where none are given."""
    usual = {400: "400 Bad request", 401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not found", 409: "409 Conflict"}
    return Refusal(status, {"message": message if message is not None else usual[status]})


def missing(*names):
    return Refusal(400, {"error": ", ".join(f"{name} is missing" for name in names)})


def at_least_one(names):
    return Refusal(400, {"error": f"{', '.join(names)} are missing, at least one parameter must be provided"})


def now():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def typed(name, value, kind):
    """The value as Grape coerces it; None passes for every kind."""
    if value is None or (value == "" and kind is not str and not isinstance(kind, tuple)):
        return None
    text = str(value).lower()
    if isinstance(kind, tuple):
        for choice in kind:
            if not isinstance(value, bool) and text == str(choice).lower():
                return choice
        raise Refusal(400, {"error": f"{name} does not have a valid value"})
    if kind is bool and text in _TRUE | _FALSE:
        return text in _TRUE
    if kind is int and not isinstance(value, bool) and re.fullmatch(r"-?\d+", text):
        return int(value)
    if kind is str and not isinstance(value, (dict, list)):
        return value if isinstance(value, str) else text
    if kind is list and isinstance(value, (list, str)):
        return value.split(",") if isinstance(value, str) else value
    if kind is dict and isinstance(value, dict):
        return value
    if kind == "date":
        try:
            return date.fromisoformat(str(value)[:10]).isoformat()
        except ValueError:
            pass
    raise Refusal(400, {"error": f"{name} is invalid"})


def nested(pairs):
    """Form or query pairs as nested values: k[]=, k[name]= and k[][name]=."""
    values = {}
    for name, value in pairs:
        top, *parts = re.findall(r"^[^\[]+|\[[^\]]*\]", name)
        if not parts:
            values[top] = value
        elif parts[0] != "[]":
            values.setdefault(top, {})[parts[0][1:-1]] = value
        elif len(parts) == 1:
            values.setdefault(top, []).append(value)
        else:
            rows, key = values.setdefault(top, []), parts[1][1:-1]
            if not rows or key in rows[-1]:
                rows.append({})
            rows[-1][key] = value
    return values


class Call:
    """A request being answered: `params` are those of query and body together, `place` the project, group, user or instance it is about."""

    def __init__(self, gitlab, request):
        self.gitlab, self.request, self.method = gitlab, request, request.method
        self.state = gitlab.state
        self.query = nested(request.query)
        self.body = self._body()
        self.params = {**self.query, **self.body}
        self.token = self.user = self.place = None
        self.admin = False

    def _body(self):
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip()
        if not self.request.body:
            return {}
        if kind == "application/x-www-form-urlencoded":
            return nested(parse_qsl(self.request.body.decode(), keep_blank_values=True))
        if kind != "application/json":
            raise Refusal(415, {"error": f"The provided content-type '{kind}' is not supported."})
        try:
            body = json.loads(self.request.body)
        except ValueError:
            raise Refusal(400, {"error": "invalid JSON"}) from None
        return body if isinstance(body, dict) else {}

    def level(self, place):
        """The caller's access level on a project or group; -1 when it cannot be seen."""
        return 60 if self.admin else self.state.level(self.user, place)

    def may(self, place, level):
        return self.level(place) >= level

    def take(self, table, when):
        """The declared parameters that were given, typed. What is not declared, too new or not of this edition is dropped without a word."""
        known = {name: (value, table[name]) for name, value in self.params.items() if name in table and when in table[name].given}
        given = {name: typed(name, value, field.type) for name, (value, field) in known.items() if self.gitlab.has(field)}
        return {name: value for name, value in given.items() if value is not None or not isinstance(table[name].type, tuple)}

    def require(self, *names):
        absent = [name for name in names if name not in self.params]
        if absent:
            raise missing(*absent)

    def option(self, name, kind=str, default=None):
        value = typed(name, self.params.get(name), kind)
        return default if value is None else value


class Route:
    """How one verb of one path is answered. level: what the caller must have on the place; 0 to see it, None only a valid token."""

    def __init__(self, handler, kind, level, status, scopes):
        self.handler, self.kind, self.level, self.status, self.scopes = handler, kind, level, status, scopes


ROUTES = {}
MAINTAIN = MappingProxyType({"project": 40, "group": 50, "instance": 60, "user": 60})


def route(method, *paths, level=MAINTAIN, status=None, scopes=()):
    """Register a handler: `handler(call, place, *what stands at the later :names)`."""
    def registered(handler):
        for path in paths:
            parts = path[1:].split("/")
            placed = len(parts) > 1 and parts[0] in ("projects", "groups", "users") and parts[1].startswith(":")
            kind = parts[0][:-1] if placed else "instance"
            node = ROUTES
            for part in parts:
                node = node.setdefault(":" if part.startswith(":") else part, {})
            needed = level.get(kind) if isinstance(level, (dict, MappingProxyType)) else level
            node.setdefault("verbs", {})[method] = Route(handler, kind, needed, status or {"POST": 201, "DELETE": 204}.get(method, 200), scopes)
        return handler
    return registered


def find_route(path, method):
    """The route and what stands at its :names."""
    node, values = ROUTES, []
    for part in path.strip("/").split("/"):
        if part in node and part != "verbs":
            node = node[part]
        elif ":" in node and part:
            node = node[":"]
            values.append(unquote(part))
        else:
            raise Refusal(404, {"error": "404 Not Found"})
    verbs = node.get("verbs")
    if not verbs:
        raise Refusal(404, {"error": "404 Not Found"})
    found = verbs.get(method) or (method == "HEAD" and verbs.get("GET"))
    if not found:
        raise Refusal(405, {"error": "405 Not Allowed"}, {"Allow": ", ".join(verbs)})
    return found, values


def ordered(call, rows, usual, direction):
    order, descending = call.option("order_by", str, usual), call.option("sort", str, direction) == "desc"
    order = "id" if order in ("created_at", "similarity") else order
    if order not in ("id", "name", "path", "username", "updated_at", "last_activity_at", "star_count"):
        raise Refusal(400, {"error": "order_by does not have a valid value"})
    return sorted(rows, key=(lambda row: row["id"]) if order == "id" else (lambda row: (row[order], row["id"])), reverse=descending), order, descending


def _link(call, **changed):
    pairs = [(name, value) for name, value in call.request.query if name not in changed]
    pairs += [(name, value) for name, value in changed.items() if value is not None]
    return f"<{call.gitlab.url}{call.request.path}?{urlencode(pairs)}>"


def paged(call, rows, show, total_known=True, deepest=None):
    """One page of the rows, by number."""
    page, size = max(call.option("page", int, 1), 1), page_size(call)
    start, total = (page - 1) * size, len(rows)
    if deepest and start >= MOST_OFFSET:
        raise Refusal(405, {"error": f"Offset pagination has a maximum allowed offset of {MOST_OFFSET} for requests that return objects of type {deepest}."
                                     " Remaining records can be retrieved using keyset pagination."})
    more, last = start + size < total, max((total + size - 1) // size, 1)
    total_known = total_known and total <= 10_000
    links = [(page - 1, "prev")] if page > 1 else []
    links += ([(page + 1, "next")] if more else []) + [(1, "first")] + ([(last, "last")] if total_known else [])
    headers = {
        "Link": ", ".join(f'{_link(call, page=number, per_page=size)}; rel="{name}"' for number, name in links),
        "x-page": str(page), "x-per-page": str(size), "x-next-page": str(page + 1) if more else "", "x-prev-page": str(page - 1) if page > 1 else "",
    }
    if total_known:
        headers |= {"x-total": str(total), "x-total-pages": str(last)}
    return Answer(body=[show(row) for row in rows[start:start + size]], headers=headers)


def page_size(call):
    return min(max(call.option("per_page", int, 20), 1), 100)


def by_keyset(call, rows, show, order, descending, cursor="cursor"):
    """One page of the rows after a key. rows: in the order asked; order: the attribute; cursor: the parameter of the next page's address."""
    size, given = page_size(call), call.params.get(cursor)

    def key(row):
        return [row[order], row.get("id")]
    if given and cursor in ("cursor", "page_token"):
        after = json.loads(base64.urlsafe_b64decode(given))
        rows = [row for row in rows if (key(row) < after if descending else key(row) > after)]
    shown, headers = rows[:size], {"x-per-page": str(size)}
    if len(rows) > size:
        last = key(shown[-1])
        value = last[0] if cursor.startswith("id_") else base64.urlsafe_b64encode(json.dumps(last).encode()).decode()
        headers["Link"] = f'{_link(call, **{cursor: value})}; rel="next"'
    return Answer(body=[show(row) for row in shown], headers=headers)
