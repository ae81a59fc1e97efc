"""Every request the Nexus modules can send is in the product's API descriptions: path, verb, names and types of the body. No server."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.mlops.onprem.plugins.module_utils import _nexus
from ansible_collections.mlops.onprem.plugins.module_utils._reconcile import plan

SPECS = Path(__file__).resolve().parents[3] / "shared" / "specs"
OLD, NEW = "nexus_3.71_swagger.json", "nexus_3.94_openapi.yaml"
REAL_FORMATS = ("apt", "maven2", "raw")
# Read under one name and written under another: both are sent, a server takes the one it knows.
BESIDES = {"routingRule", "routingRuleName"}
# Sent with what was read; not in the description of an update, where the path says it.
IN_PATH = {"name"}


@cache
def spec(name):
    path = SPECS / name
    if not path.is_file():
        pytest.skip(f"{path} is not there: Nexus' API descriptions stand beside the project on its developers' machines, not in it")
    return (
        yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if path.suffix == ".yaml" else json.loads(path.read_text())
    )


def resolve(name, node):
    while "$ref" in node:
        target = spec(name)
        for part in node["$ref"][2:].split("/"):
            target = target[part]
        node = target
    return node


def operation(name, method, path):
    """The operation and its path as described; None when this version has none."""
    below = path.removeprefix("/service/rest")
    for described, verbs in spec(name)["paths"].items():
        if method.lower() in verbs and re.fullmatch(re.sub(r"\\{[^}]*\\}|\{[^}]*\}", "[^/]+", described), below):
            return verbs[method.lower()], described
    return None, None


def body_schema(name, method, path):
    found, described = operation(name, method, path)
    assert found, f"{method} {path} is not in {name}"
    if name == OLD:
        return next((parameter["schema"] for parameter in found.get("parameters", ()) if parameter["in"] == "body"), None), described
    content = resolve(name, found.get("requestBody", {})).get("content", {})
    return next((media["schema"] for media in content.values() if "schema" in media), None), described


def faults(name, schema, body, where=""):
    """Unknown names, and values that are not of the described type; a description that says nothing allows everything."""
    schema = resolve(name, schema)
    if isinstance(body, dict) and (schema.get("properties") or schema.get("allOf")):
        known = dict(schema.get("properties", {}))
        for part in schema.get("allOf", ()):
            known |= resolve(name, part).get("properties", {})
        for field, value in body.items():
            if field not in known:
                if field not in BESIDES | IN_PATH or where:
                    yield f"{where}{field} is not described"
            elif value is not None:
                yield from faults(name, known[field], value, f"{where}{field}.")
        yield from (f"{where}{field} is missing" for field in schema.get("required", ()) if field not in body)
    elif body is not None and schema:
        plain = {key: value for key, value in schema.items() if key in ("type", "enum", "minLength", "minimum", "pattern", "minItems")}
        if "items" in schema and "$ref" not in schema["items"]:
            plain["items"] = {key: value for key, value in schema["items"].items() if key in ("type", "enum")}
        if "enum" in plain:  # one description has all choices in one string
            plain["enum"] = [choice for choices in plain["enum"] for choice in choices.split(",")]
        try:
            jsonschema.validate(body, plain)
        except jsonschema.ValidationError as error:
            yield f"{where[:-1]}: {error.message}"


def check(name, request):
    schema, _described = body_schema(name, request.method, request.path)
    if request.method == "DELETE":
        assert request.body is None
        return
    assert schema is not None, f"{request.method} {request.path} takes no body in {name}"
    problems = list(faults(name, schema, request.body))
    assert not problems, f"{request.method} {request.path} in {name}: {problems}\n{request.body}"


def item(resource, **values):
    return {option.name: None for option in resource.options} | values


def sample(option):
    """A value for an option: a choice that is not "none", or something of its type."""
    if option.choices:
        choice = next(choice for choice in option.choices if choice != option.none)
        return [choice] if option.type == "list" else choice
    return {"str": "y", "int": 5, "bool": True, "list": ["y"]}[option.type]


def full(resource, given):
    """An item with every option that fits what is given, secrets too."""
    values = dict(given)
    for option in resource.options:
        if option.name not in values and resource.applies(option, values):
            values[option.name] = sample(option)
    return item(resource, **values)


ADDED = {  # by the server, to what it shows
    "blobstores": {"unavailable": False, "blobCount": 0, "totalSizeInBytes": 0, "availableSpaceInBytes": 1},
    "content_selectors": {"type": "csel"},
    "cleanup_policies": {"inUseCount": 0},
    "privileges": {"readOnly": False},
    "repositories": {"url": "http://nexus.example.org/repository/x"},
    "roles": {"source": "default", "readOnly": False},
    "users": {"source": "default", "readOnly": False, "externalRoles": []},
}


def life(resource, values, change):
    """The requests of making an object, changing it and deleting it; what is made is read back as it was sent, with what the server adds."""
    created = plan(resource, [values], [])[0].requests
    body = created[0].body | ADDED.get(resource.items, {})
    for option in resource.options:
        if (option.at or option.name) in resource.unsent:
            body[option.at or option.name] = values[option.name]
    updated = plan(resource, [values | change], [body], send_secrets={values[resource.key]})[0].requests
    deleted = plan(resource, [values], [body], state="absent")[0].requests
    assert created and updated and deleted
    return [*created, *updated, *deleted]


def described_repositories(name):
    for path in spec(name)["paths"]:
        found = re.fullmatch(r"/v1/repositories/([a-z0-9]+)/(hosted|proxy|group)", path)
        if found:
            yield {"maven": "maven2"}.get(found[1], found[1]), found[2]


def test_every_described_format_can_be_made():
    known = {format_ for format_, _type in described_repositories(NEW)}
    assert known == set(_nexus.FORMATS)
    assert {format_ for format_, _type in described_repositories(OLD)} == set(REAL_FORMATS)


@pytest.mark.parametrize("name", [OLD, NEW])
@pytest.mark.parametrize("filled", [False, True])
def test_repositories(name, filled):
    seen = 0
    for format_, type_ in described_repositories(name):
        given = {"name": "x", "format": format_, "type": type_}
        if filled:
            values = full(_nexus.REPOSITORIES, given)
        else:
            needed = {
                option.name: sample(option)
                for option in _nexus.REPOSITORIES.options
                if option.required and option.name not in given and _nexus.REPOSITORIES.applies(option, given)
            }
            values = item(_nexus.REPOSITORIES, **needed, **given)
            values["signing_keypair"] = "KEY"
        for option in ("signing_keypair", "signing_passphrase"):
            if not signs(name, format_, type_):
                values[option] = None
        for request in life(_nexus.REPOSITORIES, values, {"online": False}):
            check(name, request)
            seen += 1
    assert seen == 3 * len(list(described_repositories(name)))


def test_a_routing_rule_is_sent_under_both_names():
    """It is read as routingRuleName; 3.71 takes routingRule, later versions the other: an update of something else must not lose it."""
    proxy = {"name": "x", "format": "raw", "type": "proxy", "routingRule": "rule", "storage": {}}
    request = plan(_nexus.REPOSITORIES, [item(_nexus.REPOSITORIES, name="x", content_max_age=5)], [proxy])[0].requests[0]
    assert request.body["routingRule"] == request.body["routingRuleName"] == "rule"


def signs(name, format_, type_):
    schema, _described = body_schema(name, "POST", f"{_nexus.API}/repositories/{'maven' if format_ == 'maven2' else format_}/{type_}")
    schema = resolve(name, schema)
    return f"{format_}Signing" in schema.get("properties", {}) or any(
        f"{format_}Signing" in resolve(name, part).get("properties", {}) for part in schema.get("allOf", ())
    )


PRIVILEGE_TYPES = _nexus.PRIVILEGES.options[1].choices
OTHERS = [
    (_nexus.BLOBSTORES, {"name": "x", "type": "file"}, {"quota_limit": 6}, (OLD, NEW)),
    (_nexus.BLOBSTORES, {"name": "x", "type": "group"}, {"quota_limit": 6}, (NEW,)),
    (_nexus.BLOBSTORES, {"name": "x", "type": "s3"}, {"quota_type": "none", "quota_limit": None}, (NEW,)),
    (_nexus.CLEANUP_POLICIES, {"name": "x"}, {"retain": 6}, (NEW,)),
    (_nexus.CONTENT_SELECTORS, {"name": "x"}, {"description": ""}, (OLD, NEW)),
    (_nexus.ROLES, {"id": "x"}, {"privileges": []}, (OLD, NEW)),
    (_nexus.USERS, {"user_id": "x", "email": "x@example.org"}, {"status": "disabled"}, (OLD, NEW)),
    *((_nexus.PRIVILEGES, {"name": "x", "type": type_}, {"description": "z"}, (OLD, NEW)) for type_ in PRIVILEGE_TYPES),
]


@pytest.mark.parametrize(("resource", "given", "change", "names"), OTHERS, ids=[f"{case[0].items}-{case[1].get('type', '')}" for case in OTHERS])
def test_other_kinds(resource, given, change, names):
    for request in life(resource, full(resource, given), change):
        for name in names:
            check(name, request)


SETTINGS = [
    ("anonymous", {"enabled": True, "user_id": "u", "realm": "r"}, {"enabled": False, "userId": "anonymous", "realmName": "x"}, (OLD, NEW)),
    ("realms", {"active": ["a"]}, {"active": ["b"]}, (OLD, NEW)),
    ("email", {"host": "h", "from_address": "a@example.org", "password": "p"}, None, (OLD, NEW)),
    ("eula", {"accepted": True}, {"accepted": False, "disclaimer": "text"}, (NEW,)),
    ("base_url", {"url": "https://n.example"}, {"rest": True}, (NEW,)),
    ("base_url", {"url": "https://n.example"}, {"rest": True, "id": "1", "type": "baseurl", "enabled": True, "properties": {"url": "x"}}, (NEW,)),
]


@pytest.mark.parametrize(("setting", "values", "current", "names"), SETTINGS)
def test_settings(setting, values, current, names):
    actions = plan(_nexus.SETTINGS, [item(_nexus.SETTINGS, name=setting, **values)], [] if current is None else [{"name": setting, **current}])
    assert len(actions[0].requests) == 1
    for name in names:
        check(name, actions[0].requests[0])


READS = [
    "blobstores",
    "repositorySettings",
    "security/content-selectors",
    "security/privileges",
    "security/roles",
    "security/users",
    "security/anonymous",
    "security/realms/active",
    "email",
    "repositories",
    "routing-rules",
    "script",
    "status",
]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("name", [OLD, NEW])
def test_reads(name, path):
    assert operation(name, "GET", f"{_nexus.API}/{path}")[0]


def test_newer_reads():
    for path in (f"{_nexus.API}/capabilities", f"{_nexus.API}/system/eula", f"{_nexus.INTERNAL}/cleanup-policies"):
        assert operation(NEW, "GET", path)[0]


def test_a_wrong_name_type_or_path_is_seen():
    request = plan(_nexus.ROLES, [item(_nexus.ROLES, id="x", name="n")], [])[0].requests[0]
    for change in ({"nmae": "n"}, {"privileges": "p"}, {"name": ""}):
        with pytest.raises(AssertionError):
            check(NEW, type(request)(request.method, request.path, request.body | change))
    with pytest.raises(AssertionError, match="is not in"):
        check(OLD, type(request)("POST", f"{_nexus.API}/security/rolls", request.body))
