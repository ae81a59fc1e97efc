# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users, who may be seen how far, and members of projects and groups."""

from __future__ import annotations

import re
from datetime import date

from ..server import Answer
from . import tables
from .calls import Refusal, at_least_one, by_keyset, missing, now, ordered, paged, refusal, route
from .state import find_child, new_member


def shown_user(call, user, names=None):
    """What the caller may see of a user: all for administrators, most for oneself, else what is public."""
    own = call.user["id"] == user["id"]
    names = names or (tables.USER_PUBLIC if not (call.admin or own) else tuple(name for name, field in tables.USER.items() if field.shown and name != "note"))
    row = {name: user[name] for name in {*names, *tables.USER_BASIC} if name in user and name != "web_url"}
    row["web_url"] = f"{call.gitlab.url}/{user['username']}"
    if len(names) > len(tables.USER_PUBLIC):
        row |= {name: user[name] for name in tables.USER_PUBLIC if name in user} | {"identities": user["identities"], "can_create_project": True}
        if call.admin:
            row |= {name: user[name] for name in ("is_admin", "note", "namespace_id", "created_by")}
    return row


def shown_member(call, member):
    user = call.state.users[member["user_id"]]
    row = {**shown_user(call, user, tables.USER_BASIC), "access_level": member["access_level"], "created_at": member["created_at"],
           "expires_at": member["expires_at"], "created_by": member.get("created_by")}
    return {**row, "membership_state": "active"} if call.gitlab.edition == "ee" else row


# users

@route("GET", "/user", level=None, scopes=("read_user",))
def user_self(call, _place):
    return shown_user(call, call.user)


@route("GET", "/users", level=None, scopes=("read_user",))
def users_list(call, _place):
    option, state = call.option, call.state
    if option("username") is not None:
        found = state.paths.get(option("username").lower())
        rows = [found] if found and found["kind"] == "user" else []
    else:
        rows = state.users.values()
    search = option("search", str, "").lower()
    tests = {
        "active": lambda user: user["state"] == "active", "blocked": lambda user: user["state"] == "blocked", "external": lambda user: user["external"],
        "humans": lambda user: not user["bot"], "admins": lambda user: user["is_admin"], "without_project_bots": lambda user: not user["bot"],
        "exclude_active": lambda user: user["state"] != "active", "exclude_external": lambda user: not user["external"],
        "exclude_humans": lambda user: user["bot"],
    }
    asked = [test for name, test in tests.items() if option(name, bool)]
    rows = [user for user in rows if all(test(user) for test in asked)
            and (not search or search in f"{user['username']}\n{user['name']}".lower() or (call.admin and search == user["email"].lower()))]
    names = None if call.admin else tables.USER_BASIC

    def show(user):
        return shown_user(call, user, names)
    rows, order, descending = ordered(call, rows, "id", "desc")
    return by_keyset(call, rows, show, order, descending) if option("pagination") == "keyset" else paged(call, rows, show, deepest="User")


@route("GET", "/users/:id", level=None, scopes=("read_user",))
def user_get(call, user):
    return shown_user(call, user)


def user_values(call, when, besides=None):
    given, state = call.take(tables.USER, when), call.state
    if given.get("email"):
        given["email"] = given["email"].strip().lower()
    for name, what in (("email", "Email"), ("username", "Username")):
        owner = given.get(name) and (state.emails if name == "email" else state.paths).get(given[name].lower())
        if owner and owner is not besides:
            if owner["kind"] != "user":
                raise refusal(400, {"username": tables.TAKEN})
            raise refusal(409, f"{what} has already been taken")
    wrong = {}
    if "email" in given and not re.fullmatch(r"[^@\s]+@[^@\s]+", given["email"] or ""):
        wrong["email"] = ["is invalid"]
    if "username" in given and not tables.PATH.fullmatch(given["username"] or ""):
        wrong["username"] = [tables.BAD_PATH]
    if given.get("password") and len(given["password"]) < state.settings["minimum_password_length"]:
        wrong["password"] = [f"is too short (minimum is {state.settings['minimum_password_length']} characters)"]
    if wrong:
        raise refusal(400, wrong)
    given |= {"is_admin": given.pop("admin")} if "admin" in given else {}
    if given.get("extern_uid") and given.get("provider"):
        given["identities"] = [{"provider": given["provider"], "extern_uid": given["extern_uid"], "saml_provider_id": None}]
    return given


@route("POST", "/users", level=60)
def user_create(call, _place):
    call.require("email", "name", "username")
    ways = ("password", "reset_password", "force_random_password")
    if not any(call.params.get(name) for name in ways):
        raise at_least_one(ways)
    given = user_values(call, "c")
    if given.pop("reset_password", None) or given.pop("force_random_password", None):
        given["password"] = None
    confirmed = now() if given.pop("skip_confirmation", None) else None
    given.pop("force_random_password", None)
    user = call.state.add_user(given.pop("username"), **given, confirmed_at=confirmed, created_by=shown_user(call, call.user, tables.USER_BASIC))
    return shown_user(call, user)


@route("PUT", "/users/:id", level=60)
def user_update(call, user):
    given, state = user_values(call, "u", besides=user), call.state
    skip = given.pop("skip_reconfirmation", None)
    if given.get("email") and given["email"].lower() != user["email"].lower():
        if skip:
            state.emails[given["email"].lower()] = state.emails.pop(user["email"].lower())
        else:  # the old one stays until the new one is confirmed
            user["unconfirmed_email"] = given.pop("email")
    if given.get("password") and user is not call.user:
        user["password_expires_at"] = now()
    if given.get("username"):
        state.change(user, username=given["username"])
    user.update(given)
    return shown_user(call, user)


@route("DELETE", "/users/:id", level=60)
def user_delete(call, user):
    owned = [group for group in call.state.groups.values()
             if [member["user_id"] for member in group["members"] if member["access_level"] == 50] == [user["id"]]
             and not any(member["access_level"] == 50 for above in call.state.ancestors(group) for member in above["members"])]
    if owned and not call.option("hard_delete", bool):
        raise refusal(409, "409 Conflict: User cannot be removed if is the sole owner of a group")
    user["state"] = "blocked"
    for group in owned:
        call.state.remove_later(group)
    call.state.remove_later(user)


# {verb: ({state before: state after}, what is said to other states)}; a state that is its own end is an early success
CHANGES = {
    "block": ({"active": "blocked", "deactivated": "blocked", "blocked": "blocked"}, "User cannot be blocked"),
    "unblock": ({"blocked": "active", "active": "active"}, "Deactivated users cannot be unblocked by the API"),
    "deactivate": ({"active": "deactivated", "deactivated": "deactivated"}, "A blocked user cannot be deactivated by the API"),
    "activate": ({"deactivated": "active", "active": "active"}, "A blocked user must be unblocked to be activated"),
    "ban": ({"active": "banned"}, "You cannot ban blocked users."),
    "unban": ({"banned": "active"}, "You cannot unban users who are not banned."),
    "approve": ({"blocked_pending_approval": "active"}, "The user you are trying to approve is not pending approval"),
}


@route("POST", *(f"/users/:id/{verb}" for verb in CHANGES), level=60)
def user_state(call, user):
    verb = call.request.path.rpartition("/")[2]
    after, otherwise = CHANGES[verb]
    if verb in ("block", "ban") and user is call.user:
        raise refusal(403, f"403 Forbidden - You cannot {verb} yourself")
    if user["state"] not in after:
        raise refusal(403, f"403 Forbidden - {otherwise}")
    if verb == "deactivate" and user["state"] == "active" and user["last_activity_on"]:
        raise refusal(403, "403 Forbidden - The user you are trying to deactivate has been active in the past 90 days and cannot be deactivated")
    user["state"] = after[user["state"]]
    return Answer(201, True)


# members

def _members(*ends):
    return [f"/{kind}/:id/members{end}" for kind in ("projects", "groups") for end in ends]


@route("GET", *_members("", "/all"), level=0)
def members_list(call, place):
    query, wanted = call.option("query", str, "").lower(), {str(one) for one in call.option("user_ids", list, ())}
    everyone = call.request.path.endswith("/all")
    rows = [found[1] for found in call.state.members(place).values()] if everyone else place["members"]
    users = call.state.users
    rows = [row for row in rows if (not wanted or str(row["user_id"]) in wanted)
            and (not query or query in "{username}\n{name}".format(**users[row["user_id"]]).lower())]
    return paged(call, rows, lambda member: shown_member(call, member))


@route("GET", *_members("/:user_id", "/all/:user_id"), level=0)
def member_get(call, place, user_id):
    rows = [found[1] for found in call.state.members(place).values()] if "/members/all/" in call.request.path else place["members"]
    return shown_member(call, find_child(rows, "user_id", user_id))


def check_level(call, place, user, level, expires_at):
    """A level must exist, and not lie below what the user has from a group above."""
    allowed = {10, 20, 30, 40, 50} | ({15} if call.gitlab.number >= (17, 7) else set()) | ({5} if call.gitlab.edition == "ee" else set())
    wrong = {}
    if level not in allowed:
        wrong["access_level"] = ["is not included in the list"]
    for above in call.state.ancestors(place):
        held = next((member["access_level"] for member in above["members"] if member["user_id"] == user["id"]), 0)
        if held > level and "access_level" not in wrong:
            names = {5: "Minimal Access", 10: "Guest", 15: "Planner", 20: "Reporter", 30: "Developer", 40: "Maintainer", 50: "Owner"}
            wrong["access_level"] = [f"should be greater than or equal to {names[held]} inherited membership from group {above['name']}"]
    if expires_at and expires_at < date.today().isoformat():
        wrong["expires_at"] = ["cannot be a date in the past"]
    if wrong:
        raise refusal(400, wrong)
    if level > call.level(place):
        raise refusal(403)


@route("POST", *_members(""))
def member_create(call, place):
    given = call.take(tables.MEMBER, "c")
    if not given.get("user_id") and not given.get("username"):
        raise Refusal(400, {"error": "user_id, username are missing, exactly one parameter must be provided"})
    if "access_level" not in given:
        raise missing("access_level")
    several = (given.get("user_id") or given.get("username")).split(",")
    find = (lambda text: call.state.users.get(int(text)) if text.isdigit() else None) if given.get("user_id") else call.gitlab.user
    faults, added = {}, []
    for text in several:
        user = find(text.strip())
        try:
            if not user:
                raise refusal(404, "404 User Not Found")
            if any(member["user_id"] == user["id"] for member in place["members"]):
                raise refusal(409, "Member already exists")
            check_level(call, place, user, given["access_level"], given.get("expires_at"))
        except Refusal as no:
            if len(several) == 1:
                raise
            faults[user["username"] if user else text] = str(no.answer.body["message"])
            continue
        added.append(new_member(user, given["access_level"], given.get("expires_at"), shown_user(call, call.user, tables.USER_BASIC)))
    place["members"] += added
    if len(several) > 1:
        return {"status": "error", "message": faults} if faults else {"status": "success"}
    return shown_member(call, added[0])


def _spare_last_owner(place, member):
    if place["kind"] == "group" and not place["parent_id"] and [one for one in place["members"] if one["access_level"] == 50] == [member]:
        raise refusal(403)


@route("PUT", *_members("/:user_id"))
def member_update(call, place, user_id):
    given = call.take(tables.MEMBER, "u")
    if "access_level" not in given:
        raise missing("access_level")
    member = find_child(place["members"], "user_id", user_id)
    if given["access_level"] != 50:
        _spare_last_owner(place, member)
    check_level(call, place, call.state.users[member["user_id"]], given["access_level"], given.get("expires_at"))
    member.update({name: given[name] for name in ("access_level", "expires_at") if name in given})
    return shown_member(call, member)


@route("DELETE", *_members("/:user_id"))
def member_delete(call, place, user_id):
    member = find_child(place["members"], "user_id", user_id)
    _spare_last_owner(place, member)
    place["members"].remove(member)
    if not call.option("skip_subresources", bool):
        for below in call.state.below(place) if place["kind"] == "group" else ():
            below["members"][:] = [one for one in below["members"] if one["user_id"] != member["user_id"]]
