# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Projects and groups of the stand-in for GitLab: how they are made, found, shown, renamed, shared, deleted and brought back."""

from __future__ import annotations

import re
from datetime import date

from ..server import Answer
from . import tables
from .calls import MAINTAIN, Refusal, at_least_one, by_keyset, now, ordered, paged, refusal, route
from .people import shown_user
from .repository import write
from .state import VISIBLE, find_child, fresh, full_path, new_member

STILL_LEAVING = "The project is still being deleted. Please try again later."
ACCEPTED = Answer(202, {"message": "202 Accepted"})
OWN, SEE = {"project": 50, "group": 50}, 0


# shown

def shown_namespace(space, url):
    user = space["kind"] == "user"
    path = full_path(space)
    return {"id": space["namespace_id"] if user else space["id"], "name": space["name"], "path": space["username"] if user else space["path"],
            "kind": space["kind"], "full_path": path, "parent_id": space.get("parent_id"), "avatar_url": space["avatar_url"],
            "web_url": f"{url}/{path}" if user else f"{url}/groups/{path}"}


def shown_project(call, project, simple=False, access=False):
    state, url, path = call.state, call.gitlab.url, project["path_with_namespace"]
    space = state.namespaces[project["namespace_id"]]
    row = {name: project[name] for name in tables.PROJECT_BASIC} if simple else {
        name: project[name] for name, field in tables.PROJECT.items() if field.shown and name in project} | {
        name: project[name] for name in ("id", "path_with_namespace", "created_at", "last_activity_at", "updated_at", "creator_id")}
    row |= {
        "topics": sorted(project["topics"]), "tag_list": sorted(project["topics"]), "namespace": shown_namespace(space, url), "web_url": f"{url}/{path}",
        "name_with_namespace": project["name_with_namespace"], "http_url_to_repo": f"{url}/{path}.git", "ssh_url_to_repo": f"git@127.0.0.1:{path}.git",
    }
    if simple:
        return row
    row |= {old: project[new] != "disabled" for old, new in tables.PROJECT_FEATURES.items()}
    row |= {
        "emails_disabled": not project["emails_enabled"], "empty_repo": not project["branches"], "service_desk_address": None,
        "can_create_merge_request_in": True, "description_html": project["description"] or "", "shared_with_groups": fresh(project["shared_with_groups"]),
        "_links": {"self": f"{url}/api/v4/projects/{project['id']}", "members": f"{url}/api/v4/projects/{project['id']}/members"},
    }
    if call.gitlab.delays_deletion:
        row |= {"marked_for_deletion_on": project["marked_for_deletion_on"], "marked_for_deletion_at": project["marked_for_deletion_on"]}
    if space["kind"] == "user":
        row["owner"] = shown_user(call, space, tables.USER_BASIC)
    level = call.level(project)
    if level >= 40:
        row["runners_token"] = None
    if call.option("statistics", bool):
        size = sum(map(len, project["branches"].get(project["default_branch"], {}).values()))
        row["statistics"] = {"commit_count": len(project["commits"]), "storage_size": size, "repository_size": size}
    if access:
        direct = next((member for member in project["members"] if member["user_id"] == call.user["id"]), None)
        above = next((member for group in state.ancestors(project) for member in group["members"] if member["user_id"] == call.user["id"]), None)
        row["permissions"] = {name: member and {"access_level": member["access_level"], "notification_level": 3}
                              for name, member in (("project_access", direct), ("group_access", above))}
    return row


def shown_group(call, group, alone=False):
    row = {name: fresh(group[name]) for name, field in tables.GROUP.items() if name in group and (field.shown or (alone and name in tables.GROUP_DETAIL))}
    row |= {"id": group["id"], "full_name": group["full_name"], "full_path": group["full_path"], "created_at": group["created_at"],
            "web_url": f"{call.gitlab.url}/groups/{group['full_path']}", "emails_disabled": not group["emails_enabled"]}
    if call.gitlab.delays_deletion:
        row["marked_for_deletion_on"] = group["marked_for_deletion_on"]
    if alone:
        row["shared_with_groups"] = fresh(group["shared_with_groups"])
        if call.may(group, 50):
            row["runners_token"] = None
        if call.option("with_projects", bool, True):
            row["projects"] = [shown_project(call, project) for project in [*group["projects"].values()][:100]]
            row["shared_projects"] = []
    return row


@route("GET", "/namespaces/:id", level=None)
def namespace_get(call, _instance, name):
    """A group or a user, by its id as a namespace or by its full path."""
    space = call.state.namespaces.get(int(name)) if name.isdigit() else call.state.paths.get(name.lower())
    if not space or space["kind"] == "project" or (space["kind"] == "group" and not call.may(space, 0)):
        raise refusal(404, "404 Namespace Not Found")
    return shown_namespace(space, call.gitlab.url)


# projects

def selected(call, rows):
    """Of the projects, what the usual parameters of their lists leave, in the asked order."""
    option = call.option
    search, visibility, archived = (option("search") or "").lower(), option("visibility"), option("archived", bool)
    owned, member, least, topic = option("owned", bool), option("membership", bool), option("min_access_level", int), option("topic")
    after, before, marked = option("id_after", int, 0), option("id_before", int), option("marked_for_deletion_on")
    asked = search or visibility or owned or member or least or topic or before or marked or archived is not None or not call.admin
    if asked:
        rows = [row for row in rows
                if (not search or search in f"{row['name']}\n{row['path']}\n{row['description'] or ''}".lower()
                    or (option("search_namespaces", bool) and search in row["path_with_namespace"].lower()))
                and (not visibility or row["visibility"] == visibility) and (archived is None or row["archived"] == archived)
                and (not topic or set(topic.split(",")) <= set(row["topics"])) and (not marked or row["marked_for_deletion_on"] == marked)
                and (not before or row["id"] < before) and call.may(row, 0)
                and (not owned or call.state.level(call.user, row) >= 50) and (not (member or least) or call.state.level(call.user, row) >= (least or 1))]
    if after:
        rows = [row for row in rows if row["id"] > after]
    return ordered(call, rows, "created_at", "desc")


def list_of_projects(call, rows, access=True):
    rows, order, descending = selected(call, rows)
    simple = call.option("simple", bool, False)

    def show(row):
        return shown_project(call, row, simple, access)
    if call.option("pagination") != "keyset":
        return paged(call, rows, show, deepest="Project")
    if order != "id" or "order_by" not in call.params:
        raise Refusal(405, {"error": "Keyset pagination is not yet available for this type of request"})
    return by_keyset(call, rows, show, order, descending, "id_before" if descending else "id_after")


@route("GET", "/projects", level=None)
def projects_list(call, _place):
    return list_of_projects(call, call.state.projects.values())


@route("GET", "/users/:id/projects", level=None)
def projects_of_user(call, user):
    return list_of_projects(call, user["projects"].values())


@route("GET", "/groups/:id/projects", level=SEE)
def projects_of_group(call, group):
    spaces = [group]
    if call.option("include_subgroups", bool):
        spaces += [space for space in call.state.below(group) if space["kind"] == "group"]
    rows = {project["id"]: project for space in spaces for project in space["projects"].values()}
    if call.option("with_shared", bool, True):
        rows |= {number: call.state.projects[number] for space in spaces for number in call.state.shared.get(space["id"], ()) if number in call.state.projects}
    return list_of_projects(call, rows.values(), access=False)


@route("GET", "/projects/:id", level=SEE, scopes=("read_repository",))
def project_get(call, project):
    return shown_project(call, project, access=True)


def project_values(call, given):
    """What was given, under the names it is stored by; old names first, so that a new one wins."""
    values = {tables.PROJECT_ALIASES[name]: value for name, value in given.items() if name in tables.PROJECT_ALIASES}
    values |= {tables.PROJECT_FEATURES[name]: "enabled" if value else "disabled" for name, value in given.items() if name in tables.PROJECT_FEATURES}
    if "emails_disabled" in given:
        values["emails_enabled"] = not given["emails_disabled"]
    return values | {name: value for name, value in given.items() if tables.PROJECT[name].shown and name not in tables.PROJECT_ALIASES}


def check_project(call, space, name, path, visibility, besides=None):
    """GitLab's model validations of what a project is called and who sees it."""
    wrong, state = {}, call.state
    other = state.paths.get(f"{full_path(space)}/{path}".lower())
    if other and other is not besides:
        if other.get("leaving"):
            raise refusal(400, {"base": [STILL_LEAVING], "limit_reached": []})
        wrong |= {"project_namespace.path": tables.TAKEN, "path": tables.TAKEN}
    namespace = space["namespace_id"] if space["kind"] == "user" else space["id"]
    if (namespace, name) in state.names and (not besides or besides["name"] != name or besides["namespace_id"] != namespace):
        wrong |= {"project_namespace.name": tables.TAKEN, "name": tables.TAKEN}
    if not tables.PATH.fullmatch(path):
        wrong["path"] = [tables.BAD_PATH]
    elif path.lower() in tables.RESERVED_PROJECTS:
        wrong["path"] = [f"{path} is a reserved name"]
    check_visibility(call, space, visibility, wrong)
    if wrong:
        raise refusal(400, wrong)


def check_visibility(call, parent, visibility, wrong):
    if parent and parent["kind"] == "group" and VISIBLE[visibility] > VISIBLE[parent["visibility"]]:
        wrong["visibility_level"] = [f"{visibility} is not allowed in a {parent['visibility']} group."]
    if visibility in call.state.settings["restricted_visibility_levels"] and not call.admin:
        wrong["visibility_level"] = [f"{visibility} has been restricted by your GitLab administrator"]


@route("POST", "/projects", level=None)
def project_create(call, _place):
    given, state = call.take(tables.PROJECT, "c"), call.state
    if "name" not in given and "path" not in given:
        raise Refusal(400, {"error": "name, path are missing, at least one parameter must be provided"})
    if len({"import_url", "template_name", "template_project_id"} & set(given)) > 1:
        raise Refusal(400, {"error": "import_url, template_name, template_project_id are mutually exclusive"})
    if given.get("import_url") and "git" not in state.settings["import_sources"]:
        raise refusal(403, "403 Forbidden - Project import sources are disabled")
    space = state.namespaces.get(given.get("namespace_id") or call.user["namespace_id"])
    allowed = space and (call.admin or space is call.user or (space["kind"] == "group" and state.level(call.user, space) >= 30
                         and space["project_creation_level"] != "noone"))
    if not allowed or space.get("marked_for_deletion_on"):
        raise refusal(400, {"namespace": ["is not valid"]})
    if space["kind"] == "user" and len(space["projects"]) >= space["projects_limit"]:
        raise Refusal(403, {"error": [f"Your project limit is {space['projects_limit']} projects! Please contact your administrator to increase it"]})
    values = project_values(call, given)
    name = values.setdefault("name", given.get("path"))
    path = values.setdefault("path", name if tables.PATH.fullmatch(name) else re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-"))
    check_project(call, space, name, path, given.get("visibility") or state.settings["default_project_visibility"])
    readme = given.get("initialize_with_readme")
    if not readme:  # without a first commit the wished default branch has no effect
        values.pop("default_branch", None)
    project = state.add_project({**values, "namespace_id": space["namespace_id"] if space["kind"] == "user" else space["id"],
                                 "creator_id": call.user["id"]})
    if space["kind"] == "user":
        project["members"] += [new_member(one, 50) for one in {call.user["id"]: call.user, space["id"]: space}.values()]
    if given.get("import_url"):
        project |= {"import_status": "finished", "import_type": "git", "import_url": given["import_url"]}
    if readme:
        write(call, project, {"branch": project["default_branch"], "commit_message": "Initial commit"}, {"README.md": f"# {name}\n".encode()})
    return shown_project(call, project)


@route("PUT", "/projects/:id")
def project_update(call, project):
    given = call.take(tables.PROJECT, "u")
    if not given:
        raise at_least_one([name for name, field in tables.PROJECT.items() if "u" in field.given][:4])
    values = project_values(call, given)
    name, path = values.get("name") or project["name"], values.get("path") or project["path"]
    space = call.state.namespaces[project["namespace_id"]]
    if "default_branch" in values and project["branches"] and values["default_branch"] not in project["branches"]:
        raise refusal(400, {"base": ["Could not change HEAD: branch '{default_branch}' does not exist".format(**values)]})
    check_project(call, space, name, path, values.get("visibility") or project["visibility"], besides=project)
    if (name, path) != (project["name"], project["path"]):
        call.state.change(project, name=name, path=path)
    project.update({name: value for name, value in values.items() if name not in ("name", "path")}, updated_at=now())
    return shown_project(call, project)


@route("POST", "/projects/:id/archive", "/projects/:id/unarchive", level=OWN)
def project_archive(call, project):
    project["archived"] = call.request.path.endswith("/archive")
    return shown_project(call, project)


@route("PUT", "/projects/:id/transfer", level=OWN)
def project_transfer(call, project):
    call.require("namespace")
    wanted = str(call.params["namespace"])
    space = call.state.namespaces.get(int(wanted)) if wanted.isdigit() else call.state.paths.get(wanted.lower())
    if not space or space["kind"] == "project":
        raise refusal(404, "404 Namespace Not Found")
    check_project(call, space, project["name"], project["path"], project["visibility"])
    call.state.change(project, namespace_id=space["namespace_id"] if space["kind"] == "user" else space["id"])
    return shown_project(call, project)


@route("GET", "/projects/:id/users", level=SEE)
def project_users(call, project):
    search = call.option("search", str, "").lower()
    users = [call.state.users[number] for number in call.state.members(project)]
    users = [user for user in users if search in f"{user['username']}\n{user['name']}".lower()]
    return paged(call, users, lambda user: shown_user(call, user, tables.USER_BASIC))


# deletion

def tombstone(place):
    return f"-deletion_scheduled-{place['id']}"


@route("DELETE", "/projects/:id", "/groups/:id", level=OWN)
def delete_place(call, place):
    state, what = call.state, place["kind"]
    permanently = call.option("permanently_remove", bool)
    if not call.gitlab.delays_deletion:
        state.remove_later(place)
        return ACCEPTED
    if permanently:
        if what == "group" and not place["parent_id"]:
            raise refusal(400, "`permanently_remove` option is only available for subgroups.")
        if not place["marked_for_deletion_on"]:
            raise refusal(400, f"{what.title()} must be marked for deletion first.")
        if (call.option("full_path") or "").lower() != full_path(place).lower():
            raise refusal(400, f"`full_path` is incorrect. You must enter the complete path for the {'subgroup' if what == 'group' else 'project'}.")
        if not state.settings.get("allow_immediate_namespaces_deletion", True):
            raise refusal(403, "403 Forbidden - `permanently_remove` option is not available anymore")
        state.remove_later(place)
        return ACCEPTED
    if place["marked_for_deletion_on"]:
        raise refusal(400, f"{what.title()} has been already marked for deletion")
    place["marked_for_deletion_on"] = date.today().isoformat()
    if what == "project":
        place["archived"] = True
    state.change(place, path=place["path"] + tombstone(place), name=place["name"] + tombstone(place))
    return ACCEPTED


@route("POST", "/projects/:id/restore", "/groups/:id/restore", level=OWN)
def restore_place(call, place):
    if not place["marked_for_deletion_on"]:
        raise refusal(400, f"{place['kind'].title()} has not been marked for deletion")
    plain = {name: place[name].removesuffix(tombstone(place)) for name in ("path", "name")}
    if full_path(place).removesuffix(tombstone(place)).lower() in call.state.paths:
        raise refusal(400, {"path": tables.TAKEN})
    place["marked_for_deletion_on"] = None
    call.state.change(place, **plain)
    if place["kind"] == "group":
        return shown_group(call, place, alone=True)
    place["archived"] = False
    return shown_project(call, place)


# groups

def list_of_groups(call, rows):
    search, visibility, skip = call.option("search", str, "").lower(), call.option("visibility"), {str(one) for one in call.option("skip_groups", list, ())}
    top, owned, least = call.option("top_level_only", bool), call.option("owned", bool), call.option("min_access_level", int)
    rows = [row for row in rows
            if search in f"{row['name']}\n{row['path']}".lower() and visibility in (None, row["visibility"]) and str(row["id"]) not in skip
            and not (top and row["parent_id"]) and call.may(row, 0) and (not owned or call.state.level(call.user, row) >= 50)
            and (not least or call.state.level(call.user, row) >= least)]
    return paged(call, ordered(call, rows, "name", "asc")[0], lambda group: shown_group(call, group), deepest="Group")


@route("GET", "/groups", level=None)
def groups_list(call, _place):
    return list_of_groups(call, call.state.groups.values())


@route("GET", "/groups/:id/subgroups", level=SEE)
def subgroups(call, group):
    return list_of_groups(call, group["subgroups"].values())


@route("GET", "/groups/:id/descendant_groups", level=SEE)
def descendant_groups(call, group):
    return list_of_groups(call, [place for place in call.state.below(group) if place["kind"] == "group"])


@route("GET", "/groups/:id", level=SEE)
def group_get(call, group):
    return shown_group(call, group, alone=True)


def group_faults(call, parent, values, besides=None):
    wrong, path, name = {}, values["path"], values["name"]
    other = call.state.paths.get((f"{parent['full_path']}/{path}" if parent else path).lower())
    if other and other is not besides:
        wrong["path"] = tables.TAKEN
    if not tables.PATH.fullmatch(path):
        wrong["path"] = [tables.BAD_PATH]
    elif not parent and path.lower() in tables.RESERVED_GROUPS:
        wrong["path"] = [f"{path} is a reserved name"]
    if not tables.GROUP_NAME.fullmatch(name):
        wrong["name"] = ["can contain only letters, digits, emoji, '_', '.', '+', dashes or spaces. It must start with a letter, digit, emoji or '_'."]
    elif parent and any(one["name"] == name for one in parent["subgroups"].values() if one is not besides):
        wrong["name"] = tables.TAKEN
    check_visibility(call, parent, values["visibility"], wrong)
    return wrong


def group_values(call, when):
    values = call.take(tables.GROUP, when)
    if "emails_disabled" in values:
        values["emails_enabled"] = not values.pop("emails_disabled")
    values.pop("avatar", None)
    return values


@route("POST", "/groups", level=None)
def group_create(call, _place):
    call.require("name", "path")
    values, parent = group_values(call, "c"), None
    if values.get("parent_id"):
        parent = call.state.groups.get(values["parent_id"])
        if not parent or not call.may(parent, 0):
            raise refusal(404, "404 Group Not Found")
        if not call.may(parent, 50 if parent["subgroup_creation_level"] == "owner" else 40):
            raise refusal(403)
    elif not call.admin and not call.user["can_create_group"]:
        raise refusal(403)
    visibility = values.get("visibility") or (parent or {}).get("visibility") or call.state.settings["default_group_visibility"]
    values["visibility"] = visibility
    wrong = group_faults(call, parent, values)
    if wrong:  # the one place that prints a Ruby hash
        text = ", ".join(f":{name}=>[" + ", ".join(f'"{one}"' for one in texts) + "]" for name, texts in wrong.items())
        raise refusal(400, f"Failed to save group {{{text}}}")
    group = call.state.add_group(values)
    group["members"].append(new_member(call.user, 50))
    return shown_group(call, group, alone=False)


@route("PUT", "/groups/:id", level=OWN)
def group_update(call, group):
    values = group_values(call, "u")
    parent = call.state.groups.get(group["parent_id"])
    named = {name: values.get(name) or group[name] for name in ("name", "path", "visibility")}
    wrong = group_faults(call, parent, named, besides=group)
    if any(VISIBLE[one["visibility"]] > VISIBLE[named["visibility"]] for one in call.state.below(group)):
        wrong["visibility_level"] = [f"{named['visibility']} is not allowed since there are sub-groups or projects with higher visibility."]
    if wrong:
        raise refusal(400, wrong)
    group.update({name: value for name, value in values.items() if name not in ("name", "path")})
    if (named["name"], named["path"]) != (group["name"], group["path"]):
        call.state.change(group, name=named["name"], path=named["path"])
    return shown_group(call, group)


@route("POST", "/projects/:id/share", "/groups/:id/share", level=MAINTAIN)
def share(call, place):
    call.require("group_id", "group_access")
    given = call.take(tables.SHARE, "c")
    group = call.state.groups.get(given["group_id"])
    if not group or not call.may(group, 0):
        raise refusal(404, "404 Group Not Found")
    if any(row["group_id"] == group["id"] for row in place["shared_with_groups"]):
        raise refusal(409, {"shared_group_id": tables.TAKEN} if place["kind"] == "group" else "Already shared with this group")
    place["shared_with_groups"].append({"group_id": group["id"], "group_name": group["name"], "group_full_path": group["full_path"],
                                        "group_access_level": given["group_access"], "expires_at": given.get("expires_at")})
    if place["kind"] == "group":
        return shown_group(call, place, alone=True)
    call.state.shared.setdefault(group["id"], set()).add(place["id"])
    return {"id": call.state.new_id("share"), "project_id": place["id"], "group_id": group["id"], "group_access": given["group_access"],
            "expires_at": given.get("expires_at")}


@route("DELETE", "/projects/:id/share/:group_id", "/groups/:id/share/:group_id", level=MAINTAIN)
def unshare(call, place, group_id):
    place["shared_with_groups"].remove(find_child(place["shared_with_groups"], "group_id", group_id))
    call.state.shared.get(int(group_id), set()).discard(place["id"])
