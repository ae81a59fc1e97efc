# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hangs on a project, a group or the instance, what such kinds have in common; hooks, variables and settings, and what says the version."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from . import tables
from .calls import Refusal, at_least_one, now, paged, refusal, route
from .state import find_child, fresh


def both(end, instance=None):
    """The paths of a kind that projects and groups have, and perhaps the instance."""
    return [f"/projects/:id{end}", f"/groups/:id{end}"] + ([instance] if instance else [])


def hang(paths, rows, show, key, what=None, find=None, listed=None, remove=None):
    """Routes to list, get and delete a kind of rows that hang on a place; returns the paths of one row and how it is found.

    rows(call, place): the stored list. show(call, place, row, alone). key: the attribute that the path names. what: GitLab's word where one is missing.
    """
    find = find or (lambda call, place, value: find_child(rows(call, place), key, value, what))
    one = [f"{path}/:{key}" for path in paths]

    @route("GET", *paths)
    def get_all(call, place):
        found = rows(call, place)
        return paged(call, listed(call, found) if listed else found, lambda row: show(call, place, row, False))

    @route("GET", *one)
    def get_one(call, place, value):
        return show(call, place, find(call, place, value), True)

    @route("DELETE", *one)
    def delete(call, place, value):
        row = find(call, place, value)
        if remove:
            remove(call, place, row)
        else:
            rows(call, place).remove(row)

    return one, find


# hooks: of a project, of a group (EE), of the system

def hooks_of(call, place):
    if place["kind"] == "group" and call.gitlab.edition != "ee":
        raise Refusal(404, {"error": "404 Not Found"})
    return place["hooks"]


def shown_hook(call, place, hook, alone=True):
    has, table = call.gitlab.has, tables.HOOKS[place["kind"]]
    row = {name: hook[name] for name, field in table.items() if field.shown and name in hook and has(field)}
    row |= {"id": hook["id"], "created_at": hook["created_at"], "alert_status": hook["alert_status"], "disabled_until": hook["disabled_until"]}
    if place["kind"] != "instance":
        row[f"{place['kind']}_id"] = place["id"]
    if alone:
        row["url_variables"] = [{"key": key} for key in hook["url_variables"]]
        if has(table["custom_headers"]):
            row["custom_headers"] = [{"key": key} for key in hook["custom_headers"]]
    if call.gitlab.number >= (19,):
        row |= {"token_present": bool(hook["token"]), "signing_token_present": bool(hook.get("signing_token"))}
    return row


def check_url(call, place, url):
    """A web address, and none of the local network unless the settings allow it."""
    parts = urlsplit(url or "")
    host = (parts.hostname or "").lower()
    good = parts.scheme in ("http", "https") and host and not re.search(r"\s", url)
    allowed = call.state.settings[f"allow_local_requests_from_{'system_hooks' if place['kind'] == 'instance' else 'web_hooks_and_services'}"]
    if good and not allowed and not {host, f"{host}:{parts.port}"} & set(call.state.settings["outbound_local_requests_whitelist"]):
        try:
            good = ipaddress.ip_address(host).is_global
        except ValueError:
            good = host != "localhost" and not host.endswith(".localhost")
    if not good:
        raise Refusal(422, {"error": "Invalid url given"})


def hook_values(call, place, hook, given):
    """Store what was given. Maps of secrets merge; a new URL without its token forgets the token, and the variables of the URL alike."""
    if "url" in given:
        check_url(call, place, given["url"])
    if given.get("push_events_branch_filter") and re.search(r"[\s~^:?\[\\]|\.\.", given["push_events_branch_filter"]) \
            and given.get("branch_filter_strategy", hook.get("branch_filter_strategy")) == "wildcard":
        raise Refusal(422, {"error": "Invalid branch filter given"})
    moved = given.get("url", hook["url"]) != hook["url"]
    for name in ("custom_headers", "url_variables"):
        rows = given.get(name) or ()
        if not all(isinstance(row, dict) and "key" in row and "value" in row for row in rows):
            raise Refusal(400, {"error": f"{name}[0][key] is missing, {name}[0][value] is missing"})
        given[name] = {**({} if moved and name == "url_variables" else hook[name]), **{row["key"]: row["value"] for row in rows}}
    if len(given["custom_headers"]) > 20:
        raise refusal(422, {"custom_headers": ["must be 20 or fewer"]})
    hook.update({"token": None} if moved else {}, **given)
    return hook


HOOKS = both("/hooks", "/hooks")
HOOK, find_hook = hang(HOOKS, hooks_of, shown_hook, "id")


@route("POST", *HOOKS)
def hook_create(call, place):
    hooks, table = hooks_of(call, place), tables.HOOKS[place["kind"]]
    call.require("url")
    if len(hooks) >= tables.MOST_HOOKS.get(place["kind"], 10_000):
        raise refusal(422, {"base": [f"Maximum number of {place['kind']} hooks ({tables.MOST_HOOKS[place['kind']]}) exceeded"]})
    hook = {**{name: fresh(field.default) for name, field in table.items() if call.gitlab.has(field)}, "url": call.params["url"], "token": None,
            "custom_headers": {}, "url_variables": {}, "alert_status": "executable", "disabled_until": None, "created_at": now()}
    hook_values(call, place, hook, call.take(table, "c"))
    hook["id"] = call.state.new_id("hook")
    hooks.append(hook)
    return shown_hook(call, place, hook)


@route("PUT", *HOOK)
def hook_update(call, place, hook_id):
    hook, table = find_hook(call, place, hook_id), tables.HOOKS[place["kind"]]
    given = call.take(table, "u")
    if not given:
        raise at_least_one([name for name, field in table.items() if "u" in field.given])
    return shown_hook(call, place, hook_values(call, place, hook, given))


def _hook_map(call, place, hook_id):
    hook, name = find_hook(call, place, hook_id), call.request.path.split("/")[-2]
    if not call.gitlab.has(tables.HOOKS[place["kind"]][name]):
        raise Refusal(404, {"error": "404 Not Found"})
    return hook[name]


_MAP_PATHS = [f"{path}/{name}/:key" for path in HOOK for name in ("custom_headers", "url_variables")]


@route("PUT", *_MAP_PATHS)
def hook_map_set(call, place, hook_id, key):
    call.require("value")
    _hook_map(call, place, hook_id)[key] = call.params["value"]


@route("DELETE", *_MAP_PATHS)
def hook_map_delete(call, place, hook_id, key):
    if _hook_map(call, place, hook_id).pop(key, None) is None:
        raise refusal(404)


# variables: of a project, a group, the instance

UNHIDE = {"base": ["The visibility setting cannot be changed for a hidden variable."]}


def shown_variable(call, place, variable, _alone=True):
    has = call.gitlab.has
    row = {name: variable[name] for name, field in tables.VARIABLES[place["kind"]].items() if field.shown and (has(field) or name == "environment_scope")}
    return {**row, "value": None} if variable.get("hidden") else row


def check_variable(place, wanted, besides=None):
    wrong, key, scope = {}, wanted["key"], wanted.get("environment_scope")
    if not re.fullmatch(r"\w{1,255}", key or "", re.A):
        wrong["key"] = ["is too long (maximum is 255 characters)" if len(key or "") > 255 else "can contain only letters, digits and '_'."]
    elif any(row["key"] == key and row.get("environment_scope") == scope for row in place["variables"] if row is not besides):
        wrong["key"] = [f"({key}) has already been taken"]
    value = wanted["value"] or ""
    good = re.fullmatch(r"\S{8,}", value) if wanted["raw"] else re.fullmatch(r"[a-zA-Z0-9_+=/@:.~-]{8,}", value)
    if wanted["masked"] and not good:
        wrong["value"] = ["is invalid"]
    if wrong:
        raise refusal(400, wrong)


VARIABLES = both("/variables", "/admin/ci/variables")


@route("POST", *VARIABLES)
def variable_create(call, place):
    call.require("key", "value")
    table = tables.VARIABLES[place["kind"]]
    given = call.take(table, "c")
    hide = bool(given.pop("masked_and_hidden", False))
    variable = {**{name: fresh(field.default) for name, field in table.items() if name != "masked_and_hidden"}, **given, "hidden": hide}
    variable["masked"] = bool(variable["masked"] or hide)
    check_variable(place, variable)
    place["variables"].append(variable)
    return shown_variable(call, place, variable)


def find_variable(call, place, key):
    """The one variable that key and filter mean."""
    scope = call.params.get("filter[environment_scope]") or (call.params.get("filter") or {}).get("environment_scope")
    found = [row for row in place["variables"] if row["key"] == key and scope in (None, row.get("environment_scope"))]
    if not found:
        raise refusal(404, "404 Variable Not Found")
    if len(found) > 1:
        raise refusal(409, "409 Conflict: There are multiple variables with provided parameters. Please use 'filter[environment_scope]'")
    return found[0]


VARIABLE, _find = hang(VARIABLES, lambda _call, place: place["variables"], shown_variable, "key", find=find_variable)


@route("PUT", *VARIABLE)
def variable_update(call, place, key):
    variable, given = find_variable(call, place, key), call.take(tables.VARIABLES[place["kind"]], "u")
    if variable["hidden"] and not given.get("masked", True):
        raise refusal(400, UNHIDE)
    wanted = {**variable, **given}
    check_variable(place, wanted, besides=variable)
    variable.update(wanted)
    return shown_variable(call, place, variable)


# settings and version

def shown_settings(call):
    settings = {name: value for name, value in call.state.settings.items() if name not in tables.SETTINGS_SECRETS}
    return {"id": 1, **fresh(settings), **{old: settings[new] for old, new in tables.SETTINGS_ALIASES.items() if new in settings}}


@route("GET", "/application/settings")
def settings_get(call, _place):
    return shown_settings(call)


@route("PUT", "/application/settings")
def settings_update(call, _place):
    given = call.take({**tables.SETTINGS, **{old: tables.SETTINGS[new] for old, new in tables.SETTINGS_ALIASES.items()}}, "u")
    if not given:
        raise at_least_one([*tables.SETTINGS][:5])
    levels = given.get("default_branch_protection_defaults") or {}
    for row in [*levels.get("allowed_to_push", ()), *levels.get("allowed_to_merge", ())]:
        if row.get("access_level") not in tables.BRANCH_LEVELS:
            raise Refusal(400, {"error": "default_branch_protection_defaults[allowed_to_push][0][access_level] does not have a valid value"})
    call.state.settings |= {tables.SETTINGS_ALIASES.get(name, name): value for name, value in given.items()}
    return shown_settings(call)


@route("GET", "/version", "/metadata", level=None, scopes=("read_user",))
def version(call, _place):
    ee = call.gitlab.edition == "ee"
    told = {"version": call.gitlab.version + ("-ee" if ee else ""), "revision": "5tandin0000"}
    return {**told, "kas": {"enabled": False, "externalUrl": None, "version": None}, "enterprise": ee}
