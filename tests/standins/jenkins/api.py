# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every part of the controller shares: objects with an API page, the `tree` and `depth` that cut it, refusals, and how a URL finds its object."""

from __future__ import annotations

import json
import re
from email import message_from_bytes
from functools import wraps
from urllib.parse import parse_qsl, quote

from ..server import Answer, Request

XML = {"Content-Type": "application/xml"}
JSON = {"Content-Type": "application/json;charset=utf-8"}
HTML = {"Content-Type": "text/html;charset=utf-8"}
TEXT = {"Content-Type": "text/plain;charset=utf-8"}
GROUPS = {
    "Overall": "hudson.model.Hudson",
    "Job": "hudson.model.Item",
    "View": "hudson.model.View",
    "Agent": "hudson.model.Computer",
    "Credentials": "com.cloudbees.plugins.credentials.CredentialsProvider",
}
IMPLIED = {
    "Create": ("GenericCreate", "GenericWrite"),
    "Delete": ("GenericDelete", "GenericWrite"),
    "Configure": ("GenericConfigure", "GenericUpdate", "GenericWrite"),
    "Build": ("GenericUpdate", "GenericWrite"),
    "Cancel": ("GenericUpdate", "GenericWrite"),
}


class Refused(Exception):
    """Carries the answer."""

    def __init__(self, status, body=b"", headers=None):
        super().__init__(status)
        self.answer = Answer(status, body, headers or {})


def page(status: int, title: str, **headers) -> Refused:
    """A page of Jenkins: HTML whatever the client accepts."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refused(status, f"<!DOCTYPE html><html><head><title>{title} - Jenkins</title></head><body><h1>{title}</h1></body></html>", {**HTML, **names})


def jetty(status: int, message: str, **headers) -> Refused:
    """A page of the web server below Jenkins."""
    text = f"<html><head><title>Error {status} {message}</title></head><body><h2>HTTP ERROR {status} {message}</h2></body></html>"
    return Refused(status, text, {"Content-Type": "text/html;charset=iso-8859-1", **{name.replace("_", "-"): value for name, value in headers.items()}})


def missing() -> Refused:
    return page(404, "Not Found")


def bad(reason: str) -> Refused:
    return page(400, "Error", X_Error=reason)


def broken() -> Refused:
    return page(500, "Oops!")


def denied(user: str, permission: str) -> Refused:
    group, verb = permission.split("/")
    implied = [f"hudson.security.Permission.{name}" for name in IMPLIED.get(verb, ())] if group != "Overall" else []
    if permission == "Agent/Connect":
        implied = ["hudson.model.Computer.Disconnect"]
    headers = {
        "X-You-Are-Authenticated-As": user,
        "X-You-Are-In-Group-Disabled": "JENKINS-39402: use -Dhudson.security.AccessDeniedException2.REPORT_GROUP_HEADERS=true or use /whoAmI to diagnose",
        "X-Required-Permission": f"{GROUPS[group]}.{verb}",
    }
    if implied:
        headers["X-Permission-Implied-By"] = ", ".join([*implied, "hudson.model.Hudson.Administer"])
    refusal = page(403, "Access Denied")
    refusal.answer.headers.update(headers)
    return refusal


def to(location: str, status=302) -> Answer:
    return Answer(status, b"", {"Location": location})


def xml(text: str) -> Answer:
    return Answer(200, text.encode(), XML)


def posts(method):
    """A URL that only answers POST."""

    @wraps(method)
    def checked(self, request):
        if request.method != "POST":
            raise page(405, "Method Not Allowed", **({"Allow": "POST"} if method.__name__ == "do_build" else {}))
        return method(self, request)

    return checked


class Bean:
    """An object with a URL.

    kind: the `_class` it shows; page_kind: the one it shows only on its own page. fields: name -> value, or what makes it of the object. brief: the
    fields another object's page shows of it; None: all of them. hidden: fields shown only to who asks for them. The pages below its URL are methods:
    `config.xml` is `do_config_xml`.
    """

    kind, page_kind, fields, brief, hidden = None, None, {}, None, ()

    def child(self, names: list[str]):
        """The object the next names of the URL lead to and how many they are; None: they are a page of this one."""
        return None

    def do_api_json(self, request: Request) -> Answer:
        given = form(request)
        try:
            tree = parse_tree(given["tree"]) if given.get("tree") else None
            body = {"_class": self.page_kind or self.kind, **shown(self, tree, int(given.get("depth") or 0))}
        except (ValueError, IndexError):
            raise broken() from None
        return Answer(200, json.dumps(body, indent=2 if given.get("pretty") else None, ensure_ascii=False).encode(), JSON)

    def index(self, request: Request) -> Answer:
        return Answer(200, "<!DOCTYPE html><html><body>Jenkins</body></html>", HTML)


class Shown(Bean):
    """A plain object without a URL."""

    def __init__(self, kind, brief=None, **fields):
        self.kind, self.brief, self.fields = kind, brief, fields


def parse_tree(text: str) -> dict:
    """`name,jobs[url]{0,2}` as {name: ({}, None), jobs: ({url: ({}, None)}, (0, 2))}."""
    tokens = re.findall(r"[^,\[\]{}]+|\{[^}]*\}|[,\[\]{}]", text)

    def level(position, inside):
        found = {}
        while True:
            name, below, span = tokens[position].strip(), {}, None
            position += 1
            if not re.fullmatch(r"[\w*]+", name):
                raise ValueError(text)
            if tokens[position : position + 1] == ["["]:
                below, position = level(position + 1, True)
            if tokens[position : position + 1] and tokens[position].startswith("{"):
                first, comma, last = tokens[position].strip("{}").partition(",")
                span = (int(first or 0), int(last) if last else None if comma else int(first) + 1)
                position += 1
            found[name] = ({**found[name][0], **below}, span) if name in found else (below, span)
            end = tokens[position] if position < len(tokens) else None
            position += 1
            if end == ("]" if inside else None):
                return found, position
            if end != ",":
                raise ValueError(text)

    return level(0, False)[0]


def shown(value, tree, depth=0):
    """What the API says of a value: the fields `tree` asks for, or without a tree all that are `depth` levels below."""
    if isinstance(value, Bean):
        result = {"_class": value.kind} if value.kind else {}
        for name, field in value.fields.items():
            below, span, deeper = None, None, depth
            if tree is None:
                if name in value.hidden or (value.brief is not None and depth < 0 and name not in value.brief):
                    continue
            elif (asked := tree.get(name) or tree.get("*")) is None:
                continue
            else:
                below, span = asked
            item = field(value) if callable(field) else field
            if span and isinstance(item, list):
                if span[0] > len(item):
                    raise IndexError(name)
                item = item[span[0] : span[1]]
            result[name] = _nested(item, below, deeper)
        return result
    return _nested(value, tree, depth)


def _nested(value, tree, depth):
    if isinstance(value, Bean):
        return shown(value, tree, depth if value.brief is None else depth - 1)
    if isinstance(value, list):
        return [_nested(item, tree, depth) for item in value]
    if isinstance(value, dict):
        return {name: _nested(item, tree, depth) for name, item in value.items()}
    return value


def content_type(request: Request) -> str:
    return (request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def charset(request: Request) -> str | None:
    return request.headers.get_content_charset() if "charset" in (request.headers.get("Content-Type") or "").lower() else None


def parts(request: Request) -> list:
    """A multipart body's (name, file name or None, bytes)."""
    message = message_from_bytes(b"Content-Type: " + request.headers.get("Content-Type", "").encode() + b"\r\n\r\n" + request.body)
    return [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_payload(decode=True))
        for part in (message.get_payload() if message.is_multipart() else ())
    ]


def form(request: Request) -> dict:
    """The parameters of the query and of a form in the body."""
    kind, given = content_type(request), {}
    if kind == "application/x-www-form-urlencoded":
        given = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    elif kind == "multipart/form-data":
        given = {name: content.decode("utf-8", "replace") for name, file, content in parts(request) if file is None}
    return {**given, **request.parameters}


def url_name(name: str) -> str:
    return quote(name, safe="")


def good_name(name: str) -> str:
    """A name as an item, view or node gets it; refused as Jenkins refuses it."""
    name = name.strip(" ")
    if not name:
        raise bad("No name is specified")
    if name in (".", ".."):
        raise bad(f"{name}  is not an allowed name")
    for char in name:
        if ord(char) < 32:
            raise bad(f"No control code is allowed: {re.sub('[^ -~]', lambda found: f'{chr(92)}u{ord(found[0])};', name)}")
        if char in "?*/\\%!@#$^&|<>[]:;":
            raise bad(f"{char}  is an unsafe character")
    if name.endswith("."):
        raise bad("A name cannot end with  . ")
    if len(name.encode()) > 255:
        raise broken()
    return name
