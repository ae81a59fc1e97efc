# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may reach what is in a project or group: protected branches and tags, deploy keys, and access tokens with their bot users."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import date, timedelta

from . import tables
from .calls import Refusal, at_least_one, now, paged, refusal, route
from .parts import both, hang
from .state import find_child, fresh, matches, new_member

DEFAULT_TOKEN_DAYS, ROTATED_TOKEN_DAYS = 365, 7


# protected branches and tags

def _access(state, level, **more):
    return {"id": state.new_id("access"), "access_level": level, "access_level_description": tables.LEVEL_TEXT.get(level, str(level)), **more}


def branch_rule(state, name, push, merge, force=False):
    return {"id": state.new_id("rule"), "name": name, "push_access_levels": [_access(state, push)] if push is not None else [],
            "merge_access_levels": [_access(state, merge)] if merge is not None else [], "unprotect_access_levels": [], "allow_force_push": force,
            "code_owner_approval_required": False}


def matching_rules(project, branch):
    return [rule for rule in project["protected_branches"] if matches(rule["name"], branch)]


def protect_default(state, project):
    """What happens when the first branch is made: it gets the protection that instance or group wish, unless some rule is there."""
    space = state.namespaces[project["namespace_id"]]
    holder = space if space["kind"] == "group" else state.settings
    wished, old = holder.get("default_branch_protection_defaults") or tables.DEFAULT_PROTECTION, holder["default_branch_protection"]
    if old == 0 or matching_rules(project, project["default_branch"]):
        return
    push, merge = ((wished.get(f"allowed_to_{what}") or [{"access_level": 40}])[0]["access_level"] for what in ("push", "merge"))
    project["protected_branches"].append(branch_rule(
        state, project["default_branch"], 30 if old == 1 else push, 30 if old in (1, 3) else merge, bool(wished.get("allow_force_push"))))


def shown_rule(call, _project, rule, _alone=True):
    """Rows of levels without what only EE knows."""
    ee = call.gitlab.edition == "ee"

    def rows(name):
        return [{**row, **({"user_id": row.get("user_id"), "group_id": row.get("group_id")} if ee else {}), "deploy_key_id": row.get("deploy_key_id")}
                for row in rule[name]]
    if "create_access_levels" in rule:
        return {"name": rule["name"], "create_access_levels": rows("create_access_levels")}
    row = {name: rule[name] for name in ("id", "name", "allow_force_push")} | {name: rows(name) for name in ("push_access_levels", "merge_access_levels")}
    if ee:
        row |= {"unprotect_access_levels": rows("unprotect_access_levels"), "inherited": False,
                "code_owner_approval_required": rule["code_owner_approval_required"]}
    return row


def change_levels(call, project, rule, given, creating):
    """EE's lists: add rows, change those with an id, remove those with `_destroy`; a repeated or unknown one refuses all."""
    wrong = []
    for what in ("push", "merge", "unprotect", "create"):
        wanted, name = given.get(f"allowed_to_{what}"), f"{what}_access_levels"
        if not wanted:
            continue
        rows = [] if creating and f"{what}_access_level" not in given else rule[name][:]
        for one in wanted:
            about = {key: one[key] for key in ("access_level", "user_id", "group_id", "deploy_key_id") if one.get(key) is not None}
            if one.get("id"):
                old = find_child(rows, "id", one["id"])
                rows.remove(old)
                if not one.get("_destroy"):
                    rows.append({**old, **about, "access_level_description": tables.LEVEL_TEXT.get(about.get("access_level"), "")})
            elif any(all(row.get(key) == value for key, value in about.items()) for row in rows):
                wrong.append(f"{what.title()} access levels access level has already been taken")
            elif "user_id" in about and about["user_id"] not in call.state.members(project):
                wrong.append(f"{what.title()} access levels user is not a member of the project")
            else:
                rows.append(_access(call.state, about.pop("access_level", 40), **about))
        rule[name] = rows
    if wrong:
        raise refusal(422, wrong)


def _searched(call, rules):
    search = call.option("search", str, "").lower()
    return [rule for rule in rules if search in rule["name"].lower()]


BRANCH_RULE, find_branch_rule = hang(["/projects/:id/protected_branches"], lambda _call, project: project["protected_branches"], shown_rule, "name",
                                     listed=_searched)
hang(["/projects/:id/protected_tags"], lambda _call, project: project["protected_tags"], shown_rule, "name")


def _level(given, name):
    level = given.get(name)
    return 40 if level is None else level


@route("POST", "/projects/:id/protected_branches")
def branch_protect(call, project):
    call.require("name")
    given = call.take(tables.PROTECTED_BRANCH, "c")
    if any(rule["name"] == given["name"] for rule in project["protected_branches"]):
        raise refusal(409, f"Protected branch '{given['name']}' already exists")
    if not given["name"]:
        raise refusal(422, ["Name can't be blank"])
    rule = branch_rule(call.state, given["name"], _level(given, "push_access_level"), _level(given, "merge_access_level"),
                       bool(given.get("allow_force_push")))
    rule["code_owner_approval_required"] = bool(given.get("code_owner_approval_required"))
    if given.get("unprotect_access_level") is not None:
        rule["unprotect_access_levels"] = [_access(call.state, given["unprotect_access_level"])]
    change_levels(call, project, rule, given, creating=True)
    project["protected_branches"].append(rule)
    return shown_rule(call, project, rule)


@route("POST", "/projects/:id/protected_tags")
def tag_protect(call, project):
    call.require("name")
    given = call.take(tables.PROTECTED_TAG, "c")
    if any(rule["name"] == given["name"] for rule in project["protected_tags"]):
        raise refusal(422, ["Name has already been taken"])
    rule = {"name": given["name"], "create_access_levels": [_access(call.state, _level(given, "create_access_level"))]}
    change_levels(call, project, rule, given, creating=True)
    project["protected_tags"].append(rule)
    return shown_rule(call, project, rule)


@route("PATCH", *BRANCH_RULE)
def branch_change(call, project, name):
    """CE changes `allow_force_push` and nothing else."""
    rule, given = find_branch_rule(call, project, name), call.take(tables.PROTECTED_BRANCH, "u")
    changed = fresh(rule)
    change_levels(call, project, changed, given, creating=False)
    rule |= changed | {name: bool(given[name]) for name in ("allow_force_push", "code_owner_approval_required") if name in given}
    return shown_rule(call, project, rule)


# deploy keys: one row of title and key, shared by projects; whether one may push is each project's

class Link(dict):
    """A project's use of a deploy key: `can_push` is its own, title and key read through to the shared row."""

    def __init__(self, row, can_push):
        super().__init__(can_push=can_push, id=row["id"])
        self.row = row

    def __missing__(self, name):
        return self.row[name]


def shown_key(call, row, **more):
    comment = row["key"].split()[:2] + [row["owner"], "(127.0.0.1)"]
    return {**{name: row[name] for name in ("id", "title", "created_at", "expires_at", "fingerprint", "fingerprint_sha256")},
            "key": " ".join(comment), **more}


def shown_link(call, _project, link, _alone=True):
    return shown_key(call, link.row, can_push=link["can_push"])


def unlink(call, project, link):
    project["deploy_keys"].remove(link)
    link.row["projects"].pop(project["id"], None)
    call.state.drop_key(link["id"])


KEYS = ["/projects/:id/deploy_keys"]
KEY, find_link = hang(KEYS, lambda _call, project: project["deploy_keys"], shown_link, "id", "Deploy Key", remove=unlink)


@route("GET", "/deploy_keys")
def keys_of_instance(call, _place):
    public = call.option("public", bool)

    def show(row):
        used = {True: [], False: []}
        for project in row["projects"].values():
            can_push = next((link["can_push"] for link in project["deploy_keys"] if link["id"] == row["id"]), None)
            if can_push is not None:
                names = ("id", "description", "name", "name_with_namespace", "path", "path_with_namespace", "created_at")
                used[can_push].append({name: project[name] for name in names})
        return shown_key(call, row, projects_with_write_access=used[True], projects_with_readonly_access=used[False])
    return paged(call, [row for row in call.state.deploy_keys.values() if not public or row["public"]], show)


def _blob(text):
    """(bytes of a public key, its two words); None when it is none."""
    words = (text or "").split()
    try:
        blob = base64.b64decode(words[1], validate=True)
        kind = blob[4:4 + int.from_bytes(blob[:4], "big")].decode()
    except (IndexError, ValueError):
        return None
    return blob if kind == words[0] else None


@route("POST", "/projects/:id/deploy_keys", "/deploy_keys")
def key_add(call, place):
    call.require("key", "title")
    given, state, project = call.take(tables.DEPLOY_KEY, "c"), call.state, place if place["kind"] == "project" else None
    blob = _blob(given["key"])
    if blob is None:
        raise refusal(400, {"key": ["is invalid"], "fingerprint": ["cannot be generated"]})
    sha256 = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    for link in project["deploy_keys"] if project else ():
        if link["fingerprint_sha256"] == sha256:
            return shown_link(call, project, link)
    row = state.key_prints.get(sha256)
    if row and not (project and (row["public"] or any(state.level(call.user, other) >= 40 for other in row["projects"].values()))):
        raise refusal(400, {"deploy_key.fingerprint_sha256" if project else "fingerprint_sha256": ["has already been taken"]})
    if not row:
        md5 = hashlib.md5(blob, usedforsecurity=False).hexdigest()
        row = {"id": state.new_id("key"), "title": given["title"], "key": given["key"], "created_at": now(), "expires_at": given.get("expires_at"),
               "fingerprint": ":".join(re.findall("..", md5)), "fingerprint_sha256": sha256, "owner": call.user["name"], "public": not project, "projects": {}}
        state.deploy_keys[row["id"]] = state.key_prints[sha256] = row
    if not project:
        return shown_key(call, row)
    return shown_link(call, project, _use(project, row, bool(given.get("can_push"))))


def _use(project, row, can_push):
    row["projects"][project["id"]] = project
    project["deploy_keys"].append(Link(row, can_push))
    return project["deploy_keys"][-1]


@route("POST", "/projects/:id/deploy_keys/:key_id/enable")
def key_enable(call, project, key_id):
    row = call.state.deploy_keys.get(int(key_id)) if key_id.isdigit() else None
    known = row and (row["public"] or call.admin or any(call.state.level(call.user, other) >= 40 for other in row["projects"].values()))
    if not known:
        raise refusal(404, "404 Deploy Key Not Found")
    if project["id"] not in row["projects"]:
        _use(project, row, can_push=False)
    return shown_key(call, row)


@route("PUT", *KEY)
def key_change(call, project, key_id):
    link, given = find_link(call, project, key_id), call.take(tables.DEPLOY_KEY, "u")
    if not given:
        raise at_least_one(("title", "can_push"))
    if "title" in given and not (call.admin or link.row["owner"] == call.user["name"]):
        raise refusal(403)
    link.row["title"] = given.get("title", link.row["title"])
    link["can_push"] = bool(given.get("can_push", link["can_push"]))
    return shown_link(call, project, link)


# access tokens of projects and groups: each has a bot user who is a member

def _active(token):
    return not token["revoked"] and token["expires_at"] > date.today().isoformat()


def shown_token(call, _place, token, _alone=True, secret=False):
    row = {name: token[name] for name in ("id", "name", "revoked", "created_at", "scopes", "user_id", "expires_at", "access_level")}
    row |= {"active": _active(token), "last_used_at": None}
    if call.gitlab.number >= (17, 7):
        row["description"] = token["description"]
    return {**row, "token": token["token"]} if secret else row


def _expiry(given, days):
    latest = (date.today() + timedelta(DEFAULT_TOKEN_DAYS)).isoformat()
    wanted = given.get("expires_at") or (date.today() + timedelta(days)).isoformat()
    if wanted > latest:
        raise refusal(400, f"400 Bad request - Expiration date must be before {latest}")
    if wanted <= date.today().isoformat():
        raise refusal(400, "400 Bad request - Expiration date must be in the future")
    return wanted


def _issue(call, place, about):
    number = call.state.new_id("token")
    secret = "glpat-" + hashlib.sha256(repr((place["kind"], place["id"], number)).encode()).hexdigest()[:20]
    token = {**about, "id": number, "token": secret, "revoked": False, "created_at": now(), "resource": (place["kind"], place["id"])}
    call.state.tokens[secret] = token
    place["access_tokens"].append(token)
    return token


def _in_state(call, rows):
    state = call.option("state") if call.gitlab.number >= (17, 2) else None
    return [token for token in rows if state is None or _active(token) == (state == "active")]


TOKENS = both("/access_tokens")
TOKEN, find_token = hang(TOKENS, lambda _call, place: place["access_tokens"], shown_token, "id", listed=_in_state,
                         remove=lambda _call, _place, token: token.update(revoked=True))


@route("POST", *TOKENS)
def token_create(call, place):
    call.require("name", "scopes")
    given, kind = call.take(tables.ACCESS_TOKEN, "c"), place["kind"]
    if not given["scopes"] or not set(given["scopes"]) <= set(tables.TOKEN_SCOPES):
        raise Refusal(400, {"error": "scopes does not have a valid value"})
    level = given.get("access_level") or 40
    if call.token["resource"] or level > min(call.level(place), 50):
        raise refusal(400, f"400 Bad request - User does not have permission to create {kind} access token")
    expires_at = _expiry(given, DEFAULT_TOKEN_DAYS)
    count = call.state.new_id("bot")
    bot = call.state.add_user(f"{kind}_{place['id']}_bot_{hashlib.md5(str(count).encode(), usedforsecurity=False).hexdigest()}", name=given["name"], bot=True,
                              confirmed_at=now(), email=f"{kind}_{place['id']}_bot_{count}@noreply.127.0.0.1")
    place["members"].append(new_member(bot, level, expires_at))
    token = _issue(call, place, {"name": given["name"], "scopes": given["scopes"], "description": given.get("description"), "access_level": level,
                                 "user_id": bot["id"], "expires_at": expires_at, "family": count})
    return shown_token(call, place, token, secret=True)


@route("POST", *(f"{path}/rotate" for path in TOKEN))
def token_rotate(call, place, token_id):
    old = find_token(call, place, call.token["id"] if token_id == "self" else token_id)
    if old["revoked"]:
        for token in place["access_tokens"]:
            token["revoked"] = token["revoked"] or token["family"] == old["family"]
        raise refusal(400, "400 Bad request - token already revoked")
    expires_at = _expiry(call.take(tables.ACCESS_TOKEN, "u"), ROTATED_TOKEN_DAYS)
    old["revoked"] = True
    names = ("name", "scopes", "description", "access_level", "user_id", "family")
    return shown_token(call, place, _issue(call, place, {**{name: old[name] for name in names}, "expires_at": expires_at}), secret=True)
