# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Holds requests and answers against GitLab's published API description: paths, names of fields, and types where its entities say them right."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .calls import nested

SPEC = Path(__file__).resolve().parents[4] / "shared" / "specs" / "gitlab_openapi_v3.json"
API = "/api/v4"
TYPES = {"integer": int, "boolean": bool, "array": list, "string": str, "object": dict}
ERRORS = {"message", "error", "error_description", "scope"}
# Parameters of every call; the description leaves authentication out.
EVERYWHERE = {"private_token", "access_token", "sudo"}


class Allowed(NamedTuple):
    """What is not in the description and yet right. calls: `VERB path as described`; what: path, parameter, field, status or type,
    or entity: the one in `names` is answered."""

    why: str
    calls: str
    what: str
    names: str = ""


EXCEPTIONS = (
    Allowed("administrators see all of themselves; described as what is public, and under /api/v3 only", "GET /user", "entity", "UserWithAdmin"),
    Allowed("settings are not in the description; doc/api/settings.md has them", "(GET|PUT) /application/settings", "path"),
    Allowed("hooks of groups (EE) are not in the description; doc/api/group_webhooks.md has them", r"\w+ /groups/[^/]+/hooks.*", "path"),
    Allowed("keyset paging is described for the tree only; doc/api/rest has it for projects and users", "GET /(projects|users).*", "parameter",
            "pagination cursor"),
    Allowed("pages of access tokens are not described; doc/api/rest has them for every list", "GET .*/access_tokens", "parameter", "page per_page"),
    Allowed("deletion at once is in the code and doc/api/projects.md, not in the description", r"DELETE /(projects|groups)/\{id\}", "parameter",
            "permanently_remove full_path"),
    Allowed("a group's deletion is accepted with 202 in the code, described as 204; a user's with 204, described as 200",
            r"DELETE /(groups|users)/\{id\}", "status"),
    Allowed("a status is answered with 201 in the code, described as 200", r"POST .*/statuses/\{sha\}", "status"),
    Allowed("notes of merge requests are not in the description; doc/api/notes.md has them", r"\w+ .*/merge_requests/\w+/notes.*", "path"),
    Allowed("a commit is answered with 201 in the code, described as 200; doc/api/commits.md shows 201", r"POST .*/repository/commits", "status"),
    Allowed("full rows are given unless `simple`; the description knows the simple row only", r"GET (/projects|/users/\{user_id\}/projects)", "entity",
            "ProjectWithAccess"),
    Allowed("administrators and oneself see more of a user than what all see", r"GET /users(/\{id\})?", "entity", "UserWithAdmin"),
    Allowed("newer than the description: 18 and 19", r"\w+ .*hooks.*", "parameter", "milestone_events resource_deploy_token_events signing_token"),
    Allowed("newer than the description: 18 and 19", r"\w+ .*hooks.*", "field",
            "milestone_events resource_deploy_token_events token_present signing_token_present"),
    Allowed("variables of groups: their booleans are described as strings; the code takes booleans", r"\w+ /groups/\{id\}/variables.*", "type",
            "protected masked masked_and_hidden raw"),
    Allowed("variables of groups: the filter and scope are in the code (EE) as for projects", r"\w+ /groups/\{id\}/variables.*", "parameter",
            "filter filter.environment_scope environment_scope"),
    Allowed("a changed deploy key is answered with can_push; doc/api/deploy_keys.md shows it", r"PUT .*/deploy_keys/\{key_id\}", "field", "can_push"),
    Allowed("a member can be named by several ids or names with commas; the code takes text", r"POST .*/members", "type", "user_id"),
    Allowed("several members at once are answered by a status; only one member is described", r"POST .*/members", "field", "status message"),
    Allowed("a namespace is an id or a path; described as text", r"PUT /projects/\{id\}/transfer", "type", "namespace"),
)


class Description:
    """The description, made ready: a tree of path parts to operations."""

    def __init__(self, spec):
        self.schemas, self.root = spec["components"]["schemas"], {}
        for path, verbs in [*spec["paths"].items(), (f"{API}/user", spec["paths"]["/api/v3/user"])]:
            if path.startswith(f"{API}/") and "*" not in path:
                node = self.root
                for part in path[len(API) + 1:].split("/"):
                    node = node.setdefault("{}" if part.startswith("{") else part, {})
                node["="] = (path[len(API):], verbs)

    @classmethod
    @cache
    def load(cls):
        """The description that stands beside the project; None where it does not."""
        return cls(json.loads(SPEC.read_text())) if SPEC.is_file() else None

    def operation(self, method, path):
        """(path as described, operation); a name in place of a parameter goes first, as in GitLab."""
        def below(node, parts):
            if not parts:
                return node.get("=")
            return (parts[0] in node and below(node[parts[0]], parts[1:])) or ("{}" in node and below(node["{}"], parts[1:])) or None
        found = below(self.root, path.strip("/").split("/"))
        if not found or method.lower() not in found[1] and not (method == "HEAD" and "get" in found[1]):
            return None, None
        return found[0], found[1].get(method.lower()) or found[1]["get"]

    def violations(self, call, answer):
        """One line for each thing that is neither described nor an exception."""
        path, method = call.request.path[len(API):], call.method
        described, operation = self.operation(method, path)
        where = f"{method} {described or path}"
        faults = [("path", "", "is not described")] if not operation else self.faults(call, answer, described, operation)
        return [f"{where}: {what} {name} {text}" for what, name, text in faults
                if not any(one.what == what and re.fullmatch(one.calls, where) and (one.what in ("path", "status") or one.names == "*"
                           or {name, name.rpartition(".")[2]} & set(one.names.split())) for one in EXCEPTIONS)]

    def faults(self, call, answer, described, operation):
        """(what, name, text) of each difference; types and what is missing matter only in what was accepted."""
        declared = self.declared(operation)
        known = EVERYWHERE | set(re.findall(r"\{(\w+)\}", described))
        done = answer.status < 300
        for source, strict in ((call.query, False), (call.body, "json" in call.request.headers.get("Content-Type", ""))):
            given = {name: value for name, value in source.items() if name not in known}
            yield from self.differences("parameter", {"properties": declared, "closed": True}, given, "", strict, done)
        if not done:
            unknown = set(answer.body) - ERRORS if isinstance(answer.body, dict) else ()
            yield from (("field", name, "is in no answer of failure") for name in unknown)
            return
        body = next(iter(operation.get("requestBody", {}).get("content", {}).values()), {}).get("schema", {})
        yield from (("parameter", name, "is required and was not given") for name in self.resolved(body).get("required", ())
                    if name not in call.params and name not in ("expires_at",))
        if str(answer.status) not in operation["responses"]:
            yield "status", str(answer.status), "is not described"
        schema = next((media["schema"] for about in operation["responses"].values() for media in about.get("content", {}).values() if "schema" in media), None)
        entity = next((one.names for one in EXCEPTIONS if one.what == "entity" and re.fullmatch(one.calls, f"{call.method} {described}")), None)
        schema = self.schemas[f"API_Entities_{entity}"] if entity else schema
        if schema and isinstance(answer.body, (dict, list)):
            rows = answer.body if isinstance(answer.body, list) else [answer.body]
            schema = schema["items"] if schema.get("type") == "array" else schema
            for row in rows:
                yield from self.differences("field", schema, row, "", False, True)

    def declared(self, operation):
        """{parameter: schema} of query and body together; Grape makes no difference. `a[b]` is a parameter within one."""
        found = {}
        for one in operation.get("parameters", ()):
            if one["in"] == "query":
                found[one["name"]] = one.get("schema", {})
        found = {name: {"properties": schema} if isinstance(schema, dict) and "type" not in schema and schema else schema
                 for name, schema in nested(found.items()).items()}
        for media in operation.get("requestBody", {}).get("content", {}).values():
            found |= self.resolved(media["schema"]).get("properties", {})
        return found

    def resolved(self, schema):
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def differences(self, what, schema, value, name, strict, types):
        """(what, name, text) for unknown names and wrong types of a value, downwards. What describes no properties allows all."""
        schema = self.resolved(schema)
        if value is None:
            return
        kind, inner = schema.get("type"), schema.get("properties")
        if isinstance(value, list):
            if kind not in ("array", None) and what == "parameter" and types:
                yield "type", name, f"is a list and described as {kind}"
            for one in value:
                yield from self.differences(what, schema.get("items", schema), one, name, strict, types)
        elif isinstance(value, dict):
            for key, one in value.items():
                inside = f"{name}.{key}" if name else key
                if inner and key in inner:
                    yield from self.differences(what, inner[key], one, inside, strict, types)
                elif inner or "closed" in schema:
                    yield what, inside, "is not described"
        elif types and not self.fits(schema, kind, value, what, strict):
            yield "type", name, f"is {type(value).__name__} and described as {kind} {schema.get('enum', '')}".rstrip()

    @staticmethod
    def fits(schema, kind, value, what, strict):
        """Whether a plain value is of the type. Answers: the entities call much text that is none, so only numbers and booleans count."""
        if what == "field":
            return kind not in ("integer", "boolean") or value.__class__ is TYPES[kind]
        if "enum" in schema and str(value) not in map(str, schema["enum"]):
            return False
        if strict:
            return kind is None or value.__class__ is TYPES[kind]
        text = str(value).lower()
        return (kind != "integer" or text.isdigit()) and (kind != "boolean" or text in ("true", "false", "1", "0"))
