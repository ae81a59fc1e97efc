# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GitLab's kinds of objects as data, and each kind's oddities. How requests travel is in _gitlab; what GitLab does is from its documentation and source."""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import re
from collections.abc import Mapping
from datetime import date, timedelta

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import (
    Adopt,
    Ref,
    Revoke,
    Settled,
    base,
    is_marked,
    missing_places,
    quoted,
    read_paths,
    read_places,
    within,
)
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Reference, Request, Resource

VISIBILITY = ("private", "internal", "public")
FEATURE = ("disabled", "private", "enabled")
LEVELS = {"no_access": 0, "minimal_access": 5, "guest": 10, "planner": 15, "reporter": 20, "developer": 30, "maintainer": 40, "owner": 50}
BRANCH_LEVELS = {"no_one": 0, "developer": 30, "maintainer": 40, "admin": 60}
PLACES = {"project": "projects", "group": "groups"}
UNREADABLE = None

PROJECT = Option("project", fold=str.casefold)
GROUP = Option("group", fold=str.casefold)


def _parent(path: str) -> list:
    parent = path.rpartition("/")[0]
    return [parent] if parent else []


def _in_parent(values: Mapping):
    return ("group", values["path"].rpartition("/")[0])


def _path_fault(want: Mapping, _values):
    part = next((part for part in want["path"].split("/") if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?<![.])", part)), None)
    if part is not None or want["path"].endswith((".git", ".atom")):
        return (f"path: {part or want['path']!r} cannot be part of a path; letters, digits, _ - and . are allowed, beginning with a letter, digit or _ "
                "and not ending in ., .git or .atom")
    if want["path"].isdigit():
        return f"path: {want['path']!r} would be taken for an id; GitLab's API cannot name a group whose path is a number"
    return None


# Groups


def _read_groups(client, wanted, places):
    """The groups that are wanted or directly in the places asked for as a whole, and those that the wanted ones lie in, which no purge takes."""
    if places is None:
        return [row for row in client.list("/groups") or () if not is_marked(row)]
    named = {item["path"].casefold(): item for item in wanted}
    holders = {parent for path in named for parent in _holders(path)} - set(named)
    rows = read_paths(client, "groups", named | dict.fromkeys(holders), "full_path", "descendant_groups")
    for (_group, path), whole in places.items():
        rows += client.list(f"/groups/{quoted(path)}/subgroups") or [] if whole and path else []
    client.learn("namespace", rows, "full_path")
    rows = [{**row, "holds": row["full_path"].casefold() in holders} for row in rows if not is_marked(row)]
    # lists leave this one out
    alone = [row["full_path"] for row in rows if (named.get(row["full_path"].casefold()) or {}).get("membership_lock") is not None]
    found = client.transport.each(lambda path: client.get(f"/groups/{quoted(path)}", with_projects=False), alone)
    return rows + [row for row in found if row]


def _holders(path: str) -> list:
    """The groups that a path lies in."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _group_requests(verb, values, body):
    if verb == "delete":
        return [Request("DELETE", f"/groups/{values['handle']}")]
    if verb == "update":
        return [Request("PUT", f"/groups/{values['handle']}", body)]
    parent, _slash, last = values["path"].rpartition("/")
    body |= {"path": last, "name": values.get("name", last)} | ({"parent_id": Ref("namespace", parent)} if parent else {})
    return [Request("POST", "/groups", body)]


def _taken_groups(client, actions):
    """The paths of new groups that something else has."""
    def one(action):
        project = client.get(f"/projects/{quoted(action.key)}") if "/" in action.key else None
        if project and not is_marked(project):
            return ["path: is a project, not a group"]
        return ["path: is a user, not a group"] if "/" not in action.key and client.id_of("namespace", action.key) is not None else []
    new = [action for action in actions if action.verb == "create"]
    return {action.key: lines for action, lines in zip(new, client.transport.each(one, new))}


GROUPS = Resource(
    kind="group", items="groups", key="path", read=_read_groups, requests=_group_requests, partial=True, handle="id", unsent=("full_path",),
    within=_in_parent, places={"group": "within"}, references=(Reference("path", "group", of=_parent),), check=_path_fault,
    missing=_taken_groups, built_in="holds",
    options=(
        Option("path", "full_path", fold=str.casefold),
        Option("name"),
        Option("description"),
        Option("visibility", choices=VISIBILITY, initial="private"),
        Option("project_creation_level", choices=("noone", "owner", "maintainer", "developer", "administrator")),
        Option("subgroup_creation_level", choices=("owner", "maintainer")),
        Option("require_two_factor_authentication", type="bool"),
        Option("two_factor_grace_period", type="int"),
        Option("request_access_enabled", type="bool"),
        Option("share_with_group_lock", type="bool"),
        Option("lfs_enabled", type="bool"),
        Option("auto_devops_enabled", type="bool"),
        Option("emails_enabled", type="bool", since="16.9"),
        Option("mentions_disabled", type="bool"),
        Option("default_branch", since="16.11"),
        Option("shared_runners_setting", choices=("enabled", "disabled_and_overridable", "disabled_and_unoverridable")),
        Option("membership_lock", type="bool", since="ee"),
    ),
)

# Projects


def _read_projects(client, wanted, places):
    """The projects that are wanted or directly in the groups asked for as a whole."""
    if places is None:
        rows = client.list("/projects", pagination="keyset", order_by="id", sort="asc") or []
    else:
        whole = [quoted(path) for (_group, path), whole in places.items() if whole]
        rows = read_paths(client, "projects", {item["path"] for item in wanted}, "path_with_namespace", "projects")
        for path in whole:
            found = client.list(f"/groups/{path}/projects", with_shared=False)
            rows += (client.list(f"/users/{path}/projects") or []) if found is None else found
    return [row for row in rows if not is_marked(row)]


def _project_requests(verb, values, body):
    if verb == "delete":
        return [Request("DELETE", f"/projects/{values['handle']}")]
    archived = body.pop("archived", None)
    if verb == "create":
        namespace, _slash, last = values["path"].rpartition("/")
        body |= {"path": last, "name": values.get("name", last), "namespace_id": Ref("namespace", namespace)}
        requests = [Request("POST", "/projects", body)]
        return requests + ([Request("POST", f"/projects/{quoted(values['path'])}/archive")] if archived else [])
    change = [Request("PUT", f"/projects/{values['handle']}", body)] if body else []
    if archived is None:
        return change
    turn = [Request("POST", f"/projects/{values['handle']}/{'archive' if archived else 'unarchive'}")]
    return change + turn if archived else turn + change


def _missing_namespaces(client, actions):
    """What a new project is to be made in, if it is not there, or is itself a project."""
    found: dict = {}
    for action in actions:
        namespace = action.key.rpartition("/")[0]
        if action.verb != "create":
            continue
        if not namespace:
            found[action.key] = ["path: has no group; write it as group/project"]
        elif client.id_of("namespace", namespace) is None:
            project = client.get(f"/projects/{quoted(namespace)}")
            found[action.key] = [f"path: {namespace!r} is a project, not a group" if project and not is_marked(project) else
                                 f"path: group {namespace!r} does not exist, or this token does not see it"]
    return found


def _feature(name, **more):
    return Option(f"{name}_access_level", choices=FEATURE, **more)


PROJECTS = Resource(
    kind="project", items="projects", key="path", read=_read_projects, requests=_project_requests, partial=True, handle="id",
    unsent=("path_with_namespace",), within=_in_parent, places={"group": "groups"}, missing=_missing_namespaces, check=_path_fault,
    options=(
        Option("path", "path_with_namespace", fold=str.casefold),
        Option("name"),
        Option("description"),
        Option("visibility", choices=VISIBILITY, initial="private"),
        Option("default_branch"),
        Option("topics", type="list", elements="str", unordered=True),
        Option("archived", type="bool"),
        Option("initialize_with_readme", type="bool", creation=True),
        Option("import_url", creation=True, masked=lambda key: True),
        Option("merge_method", choices=("merge", "rebase_merge", "ff")),
        Option("squash_option", choices=("never", "always", "default_on", "default_off")),
        Option("only_allow_merge_if_pipeline_succeeds", type="bool"),
        Option("allow_merge_on_skipped_pipeline", type="bool"),
        Option("only_allow_merge_if_all_discussions_are_resolved", type="bool"),
        Option("remove_source_branch_after_merge", type="bool"),
        Option("resolve_outdated_diff_discussions", type="bool"),
        Option("printing_merge_request_link_enabled", type="bool"),
        Option("merge_commit_template"),
        Option("squash_commit_template"),
        Option("suggestion_commit_message"),
        _feature("repository"),
        _feature("merge_requests"),
        _feature("issues"),
        _feature("wiki"),
        _feature("snippets"),
        _feature("builds"),
        _feature("forking"),
        _feature("container_registry"),
        _feature("environments"),
        _feature("feature_flags"),
        _feature("infrastructure"),
        _feature("monitor"),
        _feature("releases"),
        _feature("analytics"),
        Option("pages_access_level", choices=(*FEATURE, "public")),
        _feature("model_experiments", since="16.2"),
        _feature("model_registry", since="16.7"),
        Option("lfs_enabled", type="bool"),
        Option("packages_enabled", type="bool"),
        Option("request_access_enabled", type="bool"),
        Option("service_desk_enabled", type="bool"),
        Option("emails_enabled", type="bool", since="16.9"),
        Option("shared_runners_enabled", type="bool"),
        Option("group_runners_enabled", type="bool"),
        Option("public_jobs", type="bool"),
        Option("build_timeout", type="int"),
        Option("ci_config_path"),
        Option("ci_default_git_depth", type="int"),
        Option("ci_forward_deployment_enabled", type="bool"),
        Option("auto_cancel_pending_pipelines", choices=("enabled", "disabled")),
        Option("auto_devops_enabled", type="bool"),
        Option("keep_latest_artifact", type="bool"),
    ),
)

# Users

STATE_REQUESTS = {("blocked", "active"): "unblock", ("deactivated", "active"): "activate", ("banned", "active"): "unban",
                  ("active", "blocked"): "block", ("deactivated", "blocked"): "block", ("active", "deactivated"): "deactivate",
                  ("blocked_pending_approval", "active"): "approve", ("active", "banned"): "ban"}
OF_GITLAB = ("ghost", "support-bot", "alert-bot")


def _read_users(client, wanted):
    """All users by pages where that is fewer requests than asking for each."""
    if wanted is None:
        rows = client.list("/users") or []
    else:
        names = [item["username"] for item in wanted]
        rows, pages = client.page("/users") if len(names) > 1 else ([], None)
        if pages and pages <= len(names):
            rows += client.rest("/users", pages)
        else:
            rows = [row for found in client.transport.each(lambda name: client.get("/users", username=name), names) for row in found or ()]
    return [{**row, "admin": row.get("is_admin"), "handle": (row["id"], row["state"]), "internal": bool(row.get("bot") or row["username"] in OF_GITLAB)}
            for row in rows]


def _user_requests(verb, values, body):
    if verb == "delete":
        return [Request("DELETE", f"/users/{values['handle'][0]}")]
    state = body.pop("state", None)
    if verb == "create":
        if not {"password", "reset_password", "force_random_password"} & {name for name, value in values.items() if value}:
            raise MlopsError(f"user {values['username']!r} is not there yet and cannot be made without password, reset_password or force_random_password")
        if state not in (None, "active"):
            raise MlopsError(f"user {values['username']!r}: state {state} is for a user who is there; make it first")
        return [Request("POST", "/users", body)]
    number, now = values["handle"]
    if "email" in body:
        body["skip_reconfirmation"] = True
    change = [Request("PUT", f"/users/{number}", body)] if body else []
    if state is None:
        return change
    if (now, state) not in STATE_REQUESTS:
        raise MlopsError(f"user {values['username']!r}: state is {now!r} on the server and cannot become {state!r}")
    return change + [Request("POST", f"/users/{number}/{STATE_REQUESTS[now, state]}")]


USERS = Resource(
    kind="user", items="users", key="username", read=_read_users, requests=_user_requests, partial=True, handle="handle", own_user=True,
    built_in="internal", fingerprint="note",
    options=(
        Option("username", fold=str.casefold),
        Option("name", required=True),
        Option("email", required=True, same=lambda have, want: (have or "").casefold() == want.strip().casefold()),  # GitLab keeps it in lower case
        Option("password", secret=True),
        Option("state", choices=("active", "blocked", "deactivated", "banned", "blocked_pending_approval", "ldap_blocked")),  # the last two are read only
        Option("admin", type="bool"),
        Option("external", type="bool"),
        Option("can_create_group", type="bool"),
        Option("projects_limit", type="int"),
        Option("private_profile", type="bool"),
        Option("note"),
        Option("skip_confirmation", type="bool", creation=True, initial=True),
        Option("reset_password", type="bool", creation=True),
        Option("force_random_password", type="bool", creation=True),
    ),
)

# Members


def _read_members(client, wanted, places):
    rows = read_places("members")(client, wanted, places)
    client.learn("user", rows, "username")
    return [{**row, "bot": bool(re.match(r"(project|group)_\d+_bot", row["username"]))} for row in rows]


def _member_requests(verb, values, body):
    address = f"{base(within(values))}/members"
    if verb == "create":
        return [Request("POST", address, {"user_id": Ref("user", values["user"]), **body})]
    if verb == "delete":
        return [Request("DELETE", f"{address}/{values['handle']}")]
    return [Request("PUT", f"{address}/{values['handle']}", {"access_level": LEVELS.get(values["access_level"], values["access_level"]), **body})]


def _missing_members(client, actions):
    found = missing_places(client, actions)
    for action in actions:
        if action.verb == "create" and client.id_of("user", action.values["user"]) is None:
            found.setdefault(action.key, []).append(f"user {action.values['user']!r} does not exist")
    return found


def _needs_place(want: Mapping, _values):
    return None if want.get("project") or want.get("group") else "project or group is missing: say whose it is"


MEMBERS = Resource(
    kind="member", items="members", key=("project", "group", "user"), one_of=("project", "group"), read=_read_members, requests=_member_requests,
    partial=True, handle="id", unsent=("project", "group", "username"), built_in="bot", own_user=True, within=within, places=PLACES,
    missing=_missing_members, check=_needs_place,
    options=(
        PROJECT,
        GROUP,
        Option("user", "username", fold=str.casefold),
        Option("access_level", choices=tuple(name for name in LEVELS if name != "no_access"), codes=LEVELS, required=True),
        Option("expires_at"),
    ),
)

# Hooks

EVENTS = ("push", "tag_push", "merge_requests", "issues", "confidential_issues", "note", "confidential_note", "job", "pipeline", "wiki_page", "deployment",
          "releases", "feature_flag")
ON_SYSTEM = ("push", "tag_push", "merge_requests", "repository_update")


def _read_hooks(client, wanted, places):
    """The hooks, each with the ids of all that have its address: GitLab lets one be there twice."""
    rows, ids = read_places("hooks", "/hooks")(client, wanted, places), {}
    for row in rows:
        ids.setdefault((*within(row), row["url"]), []).append(row["id"])
    return [{**row, "handle": ids[(*within(row), row["url"])]} for row in rows]


def _hook_requests(verb, values, body):
    place = within(values)
    address = f"{base(place)}/hooks" if place[0] != "instance" else "/hooks"
    if verb == "create":
        return [Request("POST", address, body)]
    if verb == "delete":
        return [Request("DELETE", f"{address}/{number}") for number in values["handle"]]
    return [Request("PUT", f"{address}/{values['handle'][0]}", {"url": values["url"], **body})]


def _hook_fault(want: Mapping, values: Mapping):
    if len(values.get("handle") or ()) > 1:
        return f"url: is there {len(values['handle'])} times; delete all but one, or all by state absent"
    system = within(want)[0] == "instance"
    given = {name for name, value in want.items() if value}
    unfit = sorted(f"{event}_events" for event in (set(EVENTS) - set(ON_SYSTEM) if system else {"repository_update"}) if f"{event}_events" in given)
    if unfit:
        return f"{', '.join(unfit)}: {'a system hook has no such event' if system else 'only a system hook has this event'}"
    return None if re.match(r"https?://[^/\s]", want["url"]) else f"url: {want['url']!r} is not an http:// or https:// address"


HOOKS = Resource(
    kind="hook", items="hooks", key=("project", "group", "url"), one_of=("project", "group"), read=_read_hooks,
    requests=_hook_requests, partial=True, handle="handle", unsent=("project", "group"), within=within, places=PLACES, missing=missing_places,
    fingerprint="description", check=_hook_fault,
    options=(
        PROJECT,
        Option("group", fold=str.casefold, since="ee"),
        Option("url"),
        Option("token", secret=True),
        Option("name", since="17.1"),
        Option("description", since="17.1"),
        Option("enable_ssl_verification", type="bool", initial=True),
        *(Option(f"{event}_events", type="bool") for event in dict.fromkeys((*EVENTS, *ON_SYSTEM))),
        Option("push_events_branch_filter"),
        Option("branch_filter_strategy", choices=("wildcard", "regex", "all_branches")),
        Option("custom_webhook_template", since="16.10"),
    ),
)

# Protected branches and tags: GitLab cannot change their levels, so the rule is taken away and made anew under the cover of a stricter one.

COVER = "***"  # a wildcard like * that nobody writes: what a killed run leaves behind is known by it


def _covered(rows):
    """The rules, each with whether a killed run has left its cover behind; one whose cover alone is left is shown as that is."""
    covers = {(row["project"], row["name"][:-len(COVER)]): row for row in rows if row["name"].endswith(COVER)}
    rules = {(row["project"], row["name"]): row for row in rows if not row["name"].endswith(COVER)}
    lone = {at: {**row, "name": at[1], "lone": True} for at, row in covers.items() if at not in rules}
    return [{**row, "covered": at in covers, "handle": (row, at in covers)} for at, row in (rules | lone).items()]


def _level(rows):
    """The level of a rule's role; rows of single users, groups and keys hold a level too, which says nothing."""
    return next((row.get("access_level") for row in rows if not _is_single(row)), None)


def _is_single(row) -> bool:
    return any(row.get(f"{who}_id") for who in ("user", "group", "deploy_key"))


def _read_branches(client, wanted, places):
    rows = read_places("protected_branches", groups=False)(client, wanted, places)
    return [{**row, "push": _level(row["push_access_levels"]), "merge": _level(row["merge_access_levels"])} for row in _covered(rows)]


def _read_tags(client, wanted, places):
    rows = read_places("protected_tags", groups=False)(client, wanted, places)
    return [{**row, "create": _level(row["create_access_levels"])} for row in _covered(rows)]


FLAGS = ("allow_force_push", "code_owner_approval_required")


def _rule_body(values, levels) -> dict:
    body = {"name": values["name"], **{level: BRANCH_LEVELS.get(values[level], values[level]) for level in levels if level in values}}
    return body | {name: values[name] for name in FLAGS if values.get(name) is not None}


def _same_rule(row) -> dict:
    """The request's body that makes a rule as it is. What it cannot say is refused."""
    rows_of = {name[:-1]: rows for name, rows in row.items() if name.endswith("_access_levels") and rows}
    if any(len(rows) > 1 or _is_single(rows[0]) for rows in rows_of.values()):
        raise MlopsError(f"{row['name']!r} of project {row['project']!r} has levels for single users, groups or keys, which would be lost; "
                         "change this rule in GitLab")
    return {"name": row["name"], **{level: rows[0]["access_level"] for level, rows in rows_of.items()}, **{name: row[name] for name in FLAGS if name in row}}


def _protect(address: str, levels: tuple):
    """The requests of a kind of protection. levels: its options that are levels."""
    def requests(verb, values, body):
        rules = f"/projects/{quoted(values['project'])}/{address}"
        rule, cover = f"{rules}/{quoted(values['name'])}", f"{rules}/{quoted(values['name'] + COVER)}"
        if verb == "create":
            return [Request("POST", rules, _rule_body(values, levels))]
        row, covered = values["handle"]
        uncover = Request("DELETE", cover)
        off = [Request("DELETE", cover, undo=(uncover,))] if covered else []  # tried twice
        if verb == "delete":
            return ([] if row.get("lone") else [Request("DELETE", rule)]) + off
        if row.get("lone"):
            return [Request("POST", rules, _rule_body(values, levels)), *off]
        if not {"push", "merge", "create"} & set(body):
            return ([Request("PATCH", rule, body)] if body else []) + off
        before = _same_rule(row)
        # whatever of it was done when a request failed: first the old rule is there, then the cover goes
        back = (Settled("POST", rules, before), uncover)
        # closed in what changes, and else as the rule was: should the cover alone be left, the next run knows the rest from it
        closed = {**before, "name": values["name"] + COVER, **{level: 0 for level in levels if level.partition("_")[0] in body}}
        return [*([] if covered else [Request("POST", rules, closed, undo=(uncover,))]),
                Request("DELETE", rule, undo=back),
                Request("POST", rules, before | _rule_body(values, levels), undo=back),
                Request("DELETE", cover, undo=(uncover,))]
    return requests


PROTECTED_BRANCHES = Resource(
    kind="protected branch", items="protected_branches", key=("project", "name"), read=_read_branches, partial=True, handle="handle",
    requests=_protect("protected_branches", ("push_access_level", "merge_access_level")), built_in="inherited",
    unfinished="covered", within=within, places={"project": "projects"}, missing=missing_places,
    options=(
        PROJECT,
        Option("name"),
        Option("push_access_level", "push", choices=tuple(BRANCH_LEVELS), codes=BRANCH_LEVELS, initial="maintainer"),
        Option("merge_access_level", "merge", choices=tuple(BRANCH_LEVELS), codes=BRANCH_LEVELS, initial="maintainer"),
        Option("allow_force_push", type="bool", initial=False),
        Option("code_owner_approval_required", type="bool", since="ee"),
    ),
)

PROTECTED_TAGS = Resource(
    kind="protected tag", items="protected_tags", key=("project", "name"), read=_read_tags, partial=True, handle="handle",
    requests=_protect("protected_tags", ("create_access_level",)),
    unfinished="covered", within=within, places={"project": "projects"}, missing=missing_places,
    options=(
        PROJECT,
        Option("name"),
        Option("create_access_level", "create", choices=tuple(BRANCH_LEVELS), codes=BRANCH_LEVELS, initial="maintainer"),
    ),
)

# Variables


def _read_variables(client, wanted, places):
    """The value of a hidden variable is never shown; a variable of the instance, and in the free edition of a group, has no scope."""
    rows = read_places("variables", "/admin/ci/variables")(client, wanted, places)
    return [{**row, "environment_scope": row.get("environment_scope") or "*", "value": UNREADABLE if row.get("hidden") else row["value"]} for row in rows]


def _variable_requests(verb, values, body):
    place, scope = within(values), values.get("environment_scope", "*")
    address = f"{base(place)}/variables" if place[0] != "instance" else "/admin/ci/variables"
    one = f"{address}/{quoted(values['key'])}" + (f"?filter[environment_scope]={quoted(scope)}" if place[0] != "instance" else "")
    if verb == "delete":
        return [Request("DELETE", one)]
    if place[0] != "project" and scope == "*":
        body.pop("environment_scope", None)
    if verb == "update":
        return [Request("PUT", one, body)]
    if body.pop("hidden", None):
        body.pop("masked", None)
        body["masked_and_hidden"] = True
    return [Request("POST", address, {**body, "value": values["value"]})]


def _missing_variables(client, actions):
    """Only the paid editions know scopes in groups; the free one would take a scope without a word and drop it."""
    found = missing_places(client, actions)
    for action in actions:
        if action.values.get("group") and action.values["environment_scope"] != "*" and not client.server()["ee"]:
            found.setdefault(action.key, []).append("environment_scope: in a group it needs GitLab Premium or Ultimate; this server is GitLab "
                                                    f"{client.server()['text']} without an enterprise licence")
    return found


def _variable_fault(want: Mapping, values: Mapping):
    if not re.fullmatch(r"[A-Za-z0-9_]{1,255}", want["key"]):
        return "key: only letters, digits and _ are allowed, 255 at most"
    if within(want)[0] == "instance" and (values.get("environment_scope", "*") != "*" or values.get("hidden")):
        return "environment_scope and hidden: a variable of the whole instance has neither"
    value = values.get("value")
    if value is not None and (values.get("masked") or values.get("hidden")):
        fits = re.fullmatch(r"\S{8,}" if values.get("raw") else r"[a-zA-Z0-9_+=/@:.~-]{8,}", value)
        if not fits:
            return ("value: cannot be masked: it must have 8 or more characters on one line, " + (
                "none of them blank" if values.get("raw") else "only letters, digits and _+=/@:.~- (or set raw)"))
    return None


VARIABLES = Resource(
    kind="variable", items="variables", key=("project", "group", "key", "environment_scope"), one_of=("project", "group"), read=_read_variables,
    requests=_variable_requests, partial=True, unsent=("project", "group"), within=within, places=PLACES, missing=_missing_variables,
    fingerprint="description", unreadable=lambda item: bool(item.get("hidden")), check=_variable_fault,
    options=(
        PROJECT,
        GROUP,
        Option("key"),
        Option("environment_scope", initial="*"),
        Option("value", secret=True, required=True, same=lambda have, want: have is UNREADABLE or have == want),
        Option("masked", type="bool"),
        Option("hidden", type="bool", immutable=True, since="17.4"),
        Option("protected", type="bool"),
        Option("raw", type="bool"),
        Option("variable_type", choices=("env_var", "file"), initial="env_var"),
        Option("description", since="16.2"),
    ),
)

# Deploy keys


def key_blob(text: str) -> str:
    """What of a public key GitLab keeps: type and blob; comments come back altered."""
    return " ".join(text.split()[:2])


def _deploy_key_requests(verb, values, body):
    address = f"/projects/{quoted(values['project'])}/deploy_keys"
    if verb == "create":
        return [Adopt("POST", address, body)]  # of a key that another project has, GitLab keeps the title
    return [Request("PUT" if verb == "update" else "DELETE", f"{address}/{values['handle']}", body)]


def _key_fault(want: Mapping, _values):
    kind, _space, rest = want["key"].partition(" ")
    try:
        blob = base64.b64decode(rest.split()[0], validate=True)
    except (IndexError, binascii.Error):
        blob = b""
    return None if kind.encode() in blob[:64] else "key: is no public key; write it as in a .pub file: type, blob, comment"


DEPLOY_KEYS = Resource(
    kind="deploy key", items="deploy_keys", key=("project", "key"), read=read_places("deploy_keys", groups=False),
    requests=_deploy_key_requests, partial=True, handle="id", unsent=("project",), within=within, places={"project": "projects"}, missing=missing_places,
    check=_key_fault,
    options=(
        PROJECT,
        Option("key", fold=key_blob),
        Option("title", required=True),
        Option("can_push", type="bool", initial=False),
    ),
)

# Access tokens

LIFETIME, ROTATE_BEFORE = 90, 14


def _read_tokens(client, wanted, places):
    """The active tokens, each with the ids of all of its name. One is due when it ends soon, or has a twin that a killed run left."""
    known = {ACCESS_TOKENS.found_by(item): item for item in wanted or ()}
    rows = read_places("access_tokens", state="active")(client, wanted, places)
    rows, ids, found = [row for row in rows if row["active"] and not row["revoked"]], {}, []
    for row in rows:
        ids.setdefault((*within(row), row["name"]), []).append(row["id"])
    for row in rows:
        item, twins = known.get(ACCESS_TOKENS.found_by(row), {}), ids[(*within(row), row["name"])]
        before = ROTATE_BEFORE if item.get("rotate_before_days") is None else item["rotate_before_days"]
        ending = row["expires_at"] and (date.fromisoformat(row["expires_at"]) - date.today()).days <= before
        found.append({**row, "handle": twins, "due": bool(ending or len(twins) > 1)})
    return found


def _token_of(answer) -> dict:
    made = answer.json()
    return {"token": made["token"], "expires_at": made["expires_at"]}


def _token_requests(verb, values, body):
    """A token cannot be changed: one that ends soon is rotated, one of other rights, or of several, is replaced and then revoked.

    A token whose value got lost on the way is revoked again, so that the next run makes one.
    """
    address, name, old = f"{base(within(values))}/access_tokens", values["name"], values.get("handle", [])
    if verb == "delete":
        return [Request("DELETE", f"{address}/{number}") for number in old]
    lost = (Revoke("DELETE", address, {"name": name, "keep": tuple(old)}),)
    ends = str(date.today() + timedelta(days=values.get("lifetime_days", LIFETIME)))
    if verb == "update" and len(old) == 1 and not body:
        return [Request("POST", f"{address}/{old[0]}/rotate", {"expires_at": ends}, keep=_token_of, undo=lost)]
    made = {"name": name, "scopes": values["scopes"], "access_level": LEVELS[values["access_level"]], "expires_at": ends}
    return [Request("POST", address, made, keep=_token_of, undo=lost), *(Request("DELETE", f"{address}/{number}") for number in old)]


def _token_fault(want: Mapping, values: Mapping):
    before = ROTATE_BEFORE if want.get("rotate_before_days") is None else want["rotate_before_days"]
    if want.get("lifetime_days", LIFETIME) <= before:
        return f"rotate_before_days: {before} is not less than lifetime_days; the token would be rotated in every run"
    return _needs_place(want, values)


ACCESS_TOKENS = Resource(
    kind="access token", items="access_tokens", key=("project", "group", "name"), one_of=("project", "group"), read=_read_tokens, requests=_token_requests,
    partial=True, handle="handle", unfinished="due", within=within, places=PLACES, missing=missing_places, reveals=True, check=_token_fault,
    options=(
        PROJECT,
        GROUP,
        Option("name"),
        Option("scopes", type="list", elements="str", unordered=True, required=True),
        Option("access_level", choices=tuple(name for name in LEVELS if LEVELS[name] >= 10), codes=LEVELS, initial="maintainer"),
        Option("lifetime_days", type="int", creation=True),
        Option("rotate_before_days", type="int", creation=True),
    ),
)

# Files


def blob_id(content: bytes) -> str:
    """The id git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _decoded(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


def _bytes(values: Mapping) -> bytes | None:
    if values.get("content_base64") is not None:
        return _decoded(values["content_base64"])
    return None if values.get("content") is None else values["content"].encode()


def _read_files(client, wanted, _places):
    """The files that are asked for, by listing each folder they lie in: GitLab gives git's id of each content, so that no file is fetched but
    those of which the item says nothing."""
    if wanted is None:
        raise MlopsError("files: say which files to read")
    folders = list(dict.fromkeys((item["project"], item.get("branch") or "main", item["path"].rpartition("/")[0]) for item in wanted))
    empty = set()

    def one(folder):
        project, branch, path = folder
        if project in empty:
            return {}
        rows = client.list(f"{base(('project', project))}/repository/tree", ref=branch, **({"path": path} if path else {}))
        if rows is None and _note_missing(client, project, branch):
            empty.add(project)
        return {(project, branch, row["path"]): row for row in rows or () if row["type"] == "blob"}
    # One folder of each project first: where there is nothing at all the others are not asked.
    first = list({project: (project, branch, path) for project, branch, path in reversed(folders)}.values())
    found = client.transport.each(one, first) + client.transport.each(one, [folder for folder in folders if folder not in first])
    there = {at: row for rows in found for at, row in rows.items()}
    asked = [(at, item) for item in wanted if (at := (item["project"], item.get("branch") or "main", item["path"])) in there]
    return client.transport.each(lambda pair: _file(client, pair[0], there[pair[0]], pair[1]), asked)


def _note_missing(client, project, branch) -> bool:
    """Note a project or a branch that is not there; in an empty repository every branch can be begun. Whether there can be no file at all."""
    about = None if project.isdigit() else client.get(base(("project", project)))
    if about is None:
        client.gone.add(("project", project))
    elif not about.get("empty_repo") and client.get(f"{base(('project', project))}/repository/branches/{quoted(branch)}") is None:
        client.gone.add(("branch", (project, branch)))
    return about is None or bool(about.get("empty_repo"))


def _missing_branches(client, actions):
    lost = {action.key: [f"branch {action.values['branch']!r} does not exist"] for action in actions
            if ("branch", (action.values["project"], action.values["branch"])) in client.gone}
    return missing_places(client, actions) | lost


def _file(client, at, row, item) -> dict:
    """The file as an object: git's id of its content where that is only to be compared, the content itself where the item names the file only."""
    project, branch, path = at
    found = {"project": project, "branch": branch, "path": path, "executable": row["mode"] == "100755"}
    if item.get("overwrite") is False:
        return {**found, "executable": item.get("executable"), "content": UNREADABLE, "content_base64": UNREADABLE}
    if any(item.get(name) is not None for name in ("content", "content_base64", "executable")):
        return {**found, "content": _blob(row["id"]), "content_base64": _blob(row["id"])}
    answer = client.request("GET", f"{base(('project', project))}/repository/files/{quoted(path)}/raw", {"ref": branch})
    content = b"" if answer is None else answer.content
    try:
        return {**found, "content": content.decode()}
    except UnicodeDecodeError:
        return {**found, "content_base64": base64.b64encode(content).decode()}


def _blob(number: str) -> str:
    return f"git's blob {number}"


def _file_requests(verb, values, body):
    """The request of one file, of the options that change; those of a branch go together, see _commits."""
    path, content = values["path"], None if verb == "delete" else _bytes(body)
    actions = [{"action": "delete", "file_path": path}] if verb == "delete" else []
    if verb == "create" or content is not None:
        actions = [{"action": verb, "file_path": path, "content": base64.b64encode(content or b"").decode(), "encoding": "base64"}]
    if verb != "delete" and "executable" in body and (verb == "update" or body["executable"]):
        actions.append({"action": "chmod", "file_path": path, "execute_filemode": body["executable"]})
    return [Request("POST", f"/projects/{quoted(values['project'])}/repository/commits", {"branch": values.get("branch") or "main", "actions": actions})]


def _commits(actions):
    """One commit for each branch, however many files change."""
    groups: dict = {}
    for action in actions:
        at = (action.requests[0].path, action.requests[0].body["branch"]) if action.requests else (action.key,)
        groups.setdefault(at, []).append(action)
    return [(group, [_commit(group)] if group[0].requests else []) for group in groups.values()]


def _commit(group) -> Request:
    message = next((action.values["commit_message"] for action in group if action.values.get("commit_message")), None)
    words = {"create": "add", "update": "change", "delete": "remove"}
    told = ", ".join(f"{words[action.verb]} {action.values['path']}" for action in group)
    body = {**group[0].requests[0].body, "actions": [part for action in group for part in action.requests[0].body["actions"]],
            "commit_message": message or (f"{told[0].upper()}{told[1:]}" if len(group) < 4 else f"Change {len(group)} managed files")}
    return Request("POST", group[0].requests[0].path, body)


def _file_fault(want: Mapping, values: Mapping):
    if values.get("content") is None and values.get("content_base64") is None and want.get("overwrite") is not False:
        return "content is missing: give content or content_base64"
    if want.get("content") is not None and want.get("content_base64") is not None:
        return "content and content_base64 exclude each other"
    if {"", ".", ".."} & set(want["path"].split("/")):
        return f"path: {want['path']!r} is not a path inside the repository"
    try:
        _bytes(want)
    except (binascii.Error, ValueError):
        return "content_base64: cannot be decoded; give base64 text"
    return None


def _same_content(decode):
    def same(have, want):
        try:
            return have is UNREADABLE or have == _blob(blob_id(decode(want)))
        except (binascii.Error, ValueError):
            return False  # named by _file_fault
    return same


FILES = Resource(
    kind="file", items="files", key=("project", "branch", "path"), read=_read_files, requests=_file_requests, partial=True, batch=_commits,
    by_name=True, within=within, places={"project": "projects"}, missing=_missing_branches, check=_file_fault,
    options=(
        PROJECT,
        Option("branch", initial="main"),
        Option("path"),
        Option("content", same=_same_content(str.encode)),
        Option("content_base64", same=_same_content(_decoded)),
        Option("executable", type="bool"),
        Option("overwrite", type="bool", creation=True),
        Option("commit_message", creation=True),
    ),
)

# Settings

SECRET_SETTING = re.compile(r"(?!allow_|disable_|enable_|enforce_|require_).*(password|secret|token|_key|salt|credentials)$")


def _read_settings(client, wanted):
    """Every setting of the server, and for each wanted one that it does not show an object that says so."""
    there = {name: value for name, value in (client.get("/application/settings") or {}).items() if name != "id"}
    unknown = [item["name"] for item in wanted or () if item["name"] not in there]
    near = {name: next(iter(difflib.get_close_matches(name, there, 1)), "") for name in unknown}
    told = {name: f"GitLab {client.server()['text']} shows no such setting" + (f"; did you mean {near[name]}?" if near[name] else "") for name in unknown}
    return [{"name": name, "value": value, "handle": ("", value)} for name, value in there.items()] + [
        {"name": name, "handle": (why, None)} for name, why in told.items()]


def _setting_fault(want: Mapping, values: Mapping):
    """GitLab would ignore a setting that it does not have, and turn a value of another type into something."""
    why, have = values.get("handle", ("", None))
    if why:
        return why
    if have is not None and type(have) is not type(want["value"]):
        secret = SECRET_SETTING.fullmatch(want["name"])
        return f"{'what is given' if secret else repr(want['value'])} is of type {type(want['value']).__name__}; the server has {type(have).__name__}" + (
            "" if secret else f" {have!r}")
    return None


def _setting_requests(verb, values, body):
    return [Request("PUT", "/application/settings", {values["name"]: values["value"]})]


def _one_put(actions):
    changed = [action for action in actions if action.requests]
    body = {name: value for action in changed for name, value in action.requests[0].body.items()}
    rest = [([action], []) for action in actions if not action.requests]
    return rest + ([(changed, [Request("PUT", "/application/settings", body)])] if changed else [])


SETTINGS = Resource(
    kind="setting", items="settings", read=_read_settings, requests=_setting_requests, partial=True, mapping=True, batch=_one_put,
    handle="handle", check=_setting_fault,
    options=(Option("name"), Option("value", type="raw", masked=lambda key: bool(SECRET_SETTING.fullmatch(key)),
                                    same=lambda have, want: (have == want and type(have) is type(want)) or (have is None and want in ("", [], {})))),
)
