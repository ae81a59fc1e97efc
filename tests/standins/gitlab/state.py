# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stand-in stores, as plain dictionaries and lists, with indexes by id and by lower-cased path; who may do what; and what ends a little later."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from . import tables
from .calls import Refusal, now, refusal

PARTS = {
    "project": ("hooks", "variables", "protected_branches", "protected_tags", "members", "deploy_keys", "access_tokens", "shared_with_groups"),
    "group": ("hooks", "variables", "members", "access_tokens", "shared_with_groups"),
}
NAMES = {"project": "Project", "group": "Group", "user": "User"}
VISIBLE = {"private": 0, "internal": 10, "public": 20}


def fresh(value):
    """A default of a table as something that may be changed."""
    if isinstance(value, dict):
        return {name: fresh(inner) for name, inner in value.items()}
    return [fresh(inner) for inner in value] if isinstance(value, (list, tuple)) else value


@cache
def _wildcard(name):
    return re.compile(".*".join(map(re.escape, name.split("*"))), re.S)


def matches(rule, branch):
    """Whether a protection's name, perhaps with wildcards, means this branch."""
    return bool(_wildcard(rule).fullmatch(branch))


def new_member(user, level, expires_at=None, created_by=None):
    return {"user_id": user["id"], "username": user["username"], "access_level": level, "expires_at": expires_at, "created_at": now(),
            "created_by": created_by}


def full_path(place):
    return place[{"project": "path_with_namespace", "group": "full_path", "user": "username"}[place["kind"]]]


class State:
    """Everything stored, secrets too. A place is a project, group or user; `namespaces` holds groups and users by namespace id, `paths` all by path."""

    def __init__(self, has):
        self.has = has
        self.projects, self.groups, self.users, self.namespaces = {}, {}, {}, {}
        self.paths, self.emails, self.names, self.redirects = {}, {}, set(), {}
        self.tokens, self.deploy_keys, self.key_prints, self.shared = {}, {}, {}, {}
        self.settings = {name: fresh(field.default) for name, field in tables.SETTINGS.items() if has(field)}
        self.instance = {"kind": "instance", "hooks": [], "variables": []}
        self.pending, self.branch_was_open = [], []
        self._ids = Counter()

    def new_id(self, kind):
        self._ids[kind] += 1
        return self._ids[kind]

    # places

    def add_user(self, username, **values):
        user = {
            **{name: fresh(field.default) for name, field in tables.USER.items() if field.shown and self.has(field)},
            "projects_limit": self.settings["default_projects_limit"], "can_create_group": self.settings["can_create_group"],
            "kind": "user", "id": self.new_id("user"), "namespace_id": self.new_id("namespace"), "username": username, "name": username, "is_admin": False,
            "state": "active", "locked": False, "bot": False, "avatar_url": None, "created_at": now(), "created_by": None, "email": f"{username}@example.com",
            "unconfirmed_email": None, "password": None, "identities": [], "projects": {}, **values,
        }
        user["commit_email"] = user["commit_email"] or user["email"]
        self.users[user["id"]] = self.namespaces[user["namespace_id"]] = self.paths[username.lower()] = user
        self.emails[user["email"].lower()] = user
        return user

    def add_group(self, values):
        group = {
            **{name: fresh(field.default) for name, field in tables.GROUP.items() if self.has(field) and name != "parent_id"},
            "default_branch_protection": self.settings["default_branch_protection"], "visibility": self.settings["default_group_visibility"],
            "parent_id": None, **values, "kind": "group", "id": self.new_id("namespace"), "created_at": now(), "subgroups": {}, "projects": {},
            "marked_for_deletion_on": None, **{part: [] for part in PARTS["group"]},
        }
        self.groups[group["id"]] = self.namespaces[group["id"]] = group
        if group["parent_id"]:
            self.groups[group["parent_id"]]["subgroups"][group["id"]] = group
        self._index(group)
        return group

    def add_project(self, values):
        stamp = now()
        project = {
            **{name: fresh(field.default) for name, field in tables.PROJECT.items() if field.shown and self.has(field)},
            "default_branch": self.settings["default_branch_name"], "visibility": self.settings["default_project_visibility"],
            **values, "kind": "project", "id": self.new_id("project"), "created_at": stamp, "updated_at": stamp, "last_activity_at": stamp,
            "marked_for_deletion_on": None, "branches": {}, "commits": {}, "heads": {}, "tags": {},
            **{part: [] for part in ("merge_requests", "statuses", "environments", "deployments")}, **{part: [] for part in PARTS["project"]},
        }
        self.projects[project["id"]] = project
        self.namespaces[project["namespace_id"]]["projects"][project["id"]] = project
        self._index(project)
        return project

    def _index(self, place):
        """Set the place's full path and enter it."""
        if place["kind"] == "project":
            space = self.namespaces[place["namespace_id"]]
            place["path_with_namespace"] = f"{full_path(space)}/{place['path']}"
            place["name_with_namespace"] = f"{space.get('full_name', space['name'])} / {place['name']}"
            self.names.add((place["namespace_id"], place["name"]))
        elif place["kind"] == "group":
            parent = self.groups.get(place["parent_id"])
            place["full_path"] = f"{parent['full_path']}/{place['path']}" if parent else place["path"]
            place["full_name"] = f"{parent['full_name']} / {place['name']}" if parent else place["name"]
        self.paths[full_path(place).lower()] = place

    def _leave(self, place):
        self.paths.pop(full_path(place).lower(), None)
        if place["kind"] == "project":
            self.names.discard((place["namespace_id"], place["name"]))

    def change(self, place, **values):
        """Change what a place's full path or name is made of, with all that lies below."""
        below = [place] if place["kind"] == "project" else [place, *self.below(place)]
        before = {id(one): full_path(one) for one in below}
        for one in below:
            self._leave(one)
        if "namespace_id" in values:
            self.namespaces[place["namespace_id"]]["projects"].pop(place["id"])
            self.namespaces[values["namespace_id"]]["projects"][place["id"]] = place
        place.update(values)
        for one in below:
            self._index(one)
            if one["kind"] == "project" and full_path(one) != before[id(one)]:
                self.redirects[before[id(one)].lower()] = one

    def below(self, space):
        """Groups and projects below a group or a user's namespace, parents first."""
        for group in space.get("subgroups", {}).values():
            yield group
            yield from self.below(group)
        yield from space["projects"].values()

    def remove(self, place):
        """Take a place and all that lies in it away."""
        for inner in [] if place["kind"] == "project" else [*self.below(place)][::-1]:
            self.remove(inner)
        self._leave(place)
        {"project": self.projects, "group": self.groups, "user": self.users}[place["kind"]].pop(place["id"], None)
        if place["kind"] == "project":
            self.namespaces[place["namespace_id"]]["projects"].pop(place["id"], None)
            self.redirects = {path: one for path, one in self.redirects.items() if one is not place}
            for link in place["deploy_keys"]:
                self.drop_key(link["id"])
        else:
            self.namespaces.pop(place["id"] if place["kind"] == "group" else place["namespace_id"], None)
        if place["kind"] == "group" and place["parent_id"]:
            self.groups[place["parent_id"]]["subgroups"].pop(place["id"], None)
        if place["kind"] == "user":
            self.emails.pop(place["email"].lower(), None)
            self.tokens = {token: about for token, about in self.tokens.items() if about["user_id"] != place["id"]}
            for other in [*self.projects.values(), *self.groups.values()]:
                other["members"][:] = [member for member in other["members"] if member["user_id"] != place["id"]]

    def remove_later(self, place, calls=2):
        """As a background job does: the place is still there in the next calls."""
        place["leaving"] = True
        self.pending.append([calls + 1, place])

    def tick(self):
        for job in self.pending[:]:
            job[0] -= 1
            if job[0] <= 0:
                self.pending.remove(job)
                self.remove(job[1])

    def drop_key(self, key_id):
        """Forget a deploy key that no project uses any more."""
        key = self.deploy_keys.get(key_id)
        if key and not key["public"] and not any(link["id"] == key_id for project in key["projects"].values() for link in project["deploy_keys"]):
            del self.deploy_keys[key_id], self.key_prints[key["fingerprint_sha256"]]

    # looking up

    def find(self, kind, text, method="GET"):
        """The place a path's :id names: digits are an id, all else a full path in any case; None when there is none."""
        if text.isascii() and text.isdigit():
            return {"project": self.projects, "group": self.groups, "user": self.users}[kind].get(int(text))
        place = self.paths.get(text.lower())
        if place and place["kind"] == kind:
            return place
        moved = self.redirects.get(text.lower()) if kind == "project" else None
        if not moved:
            return None
        if method != "GET":
            raise Refusal(405, {"message": "405 Non GET methods are not allowed for moved projects"})
        return {"moved": moved}

    def ancestors(self, place):
        """The groups above, the nearest first."""
        space = self.groups.get(place["namespace_id" if place["kind"] == "project" else "parent_id"])
        while space:
            yield space
            space = self.groups.get(space["parent_id"])

    def members(self, place, inherited=True):
        """{user id: (level, member, where it comes from)}: the highest of each user, of groups above and of invited groups too."""
        found = {}
        for source in (place, *self.ancestors(place)):
            invited = [({**member, "access_level": min(member["access_level"], share["group_access_level"])}, source)
                       for share in source["shared_with_groups"] if share["group_id"] in self.groups
                       for member in self.groups[share["group_id"]]["members"]]
            for member, origin in [(member, source) for member in source["members"]] + invited:
                if member["user_id"] not in found or found[member["user_id"]][0] < member["access_level"]:
                    found[member["user_id"]] = (member["access_level"], member, origin)
        return found

    def level(self, user, place):
        """What a user may on a place, as an access level; -1 for not even seeing it. Administrators are not asked here."""
        if place["kind"] == "project" and place["namespace_id"] == user["namespace_id"]:
            return 50
        member = self.members(place).get(user["id"])
        if member:
            return member[0]
        return 0 if place["visibility"] == "public" or (place["visibility"] == "internal" and not user["external"]) else -1


def find_child(rows, name, value, what=None):
    """The row of a list whose attribute has the value, or GitLab's 404."""
    for row in rows:
        if str(row[name]) == str(value):
            return row
    raise refusal(404, f"404 {what} Not Found" if what else None)
