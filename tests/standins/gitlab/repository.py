# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project's repository: branches of files, commits of all actions or none, git's own ids of blobs and trees, and who may push where."""

from __future__ import annotations

import base64
import binascii
import hashlib

from ..server import Answer
from . import tables
from .access import matching_rules, protect_default
from .calls import by_keyset, now, paged, refusal, route
from .events import ZERO, pushed

READ, WRITE = {"project": 20}, {"project": 30}
GIT_SCOPES = ("read_repository",)
STALE = "You are attempting to update a file that has changed since you started editing it."
FILE_PATHS = ("/projects/:id/repository/files/:file_path",)


class Executable(bytes):
    """A file's content whose execute bit is set."""


def git_id(kind, content):
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def mode(content):
    return "100755" if isinstance(content, Executable) else "100644"


def tree_rows(files, folder=""):
    """Rows of a folder, git's order, with the ids git would give; below folders too, each before what it holds."""
    names, rows, packed = {}, [], b""
    for path, content in files.items():
        if path.startswith(folder):
            name, slash, _rest = path[len(folder):].partition("/")
            names.setdefault(name + slash, content)
    for name in sorted(names):
        if name.endswith("/"):
            inner, number = tree_rows(files, folder + name)
            rows.append({"id": number, "name": name[:-1], "type": "tree", "path": folder + name[:-1], "mode": "040000", "inner": inner})
        else:
            rows.append({"id": git_id("blob", names[name]), "name": name, "type": "blob", "path": folder + name, "mode": mode(names[name])})
        packed += f"{rows[-1]['mode'].lstrip('0')} {rows[-1]['name']}\0".encode() + bytes.fromhex(rows[-1]["id"])
    return rows, git_id("tree", packed)


def files_at(project, ref):
    """(files, id of the last commit) of a branch, tag, commit or HEAD; None when there is none."""
    branch = project["default_branch"] if ref in (None, "", "HEAD") else ref
    if branch in project["branches"]:
        return project["branches"][branch], project["heads"].get(branch)
    commit = project["commits"].get(project["tags"].get(branch, {}).get("commit", branch))
    return (commit["files"], commit["id"]) if commit else None


def may_push(call, project, branch, what="push"):
    """Whether the caller may push to a branch or, what="merge", merge into it."""
    if project["archived"]:
        return False
    level, rules = call.level(project), matching_rules(project, branch)
    if not rules:
        return level >= (30 if project["branches"] else 40)
    rows = [row for rule in rules for row in rule[f"{what}_access_levels"]]
    levels = [row["access_level"] for row in rows if not row.get("user_id")]
    named = any(row.get("user_id") == call.user["id"] for row in rows)
    return named or any(level >= wanted > 0 for wanted in levels)


def write(call, project, about, files, base=None, merged=None):
    """Make a commit of these files the head of about['branch'], and what GitLab does at the first one. base, merged: its parents, where not the head."""
    branch, first, repositories = about["branch"], not project["branches"], call.gitlab.repositories
    before = project["heads"].get(branch)
    parents = [parent for parent in (base or before, merged) if parent]
    number = hashlib.sha1(f"{project['id']} {len(project['commits'])} {branch} {about['commit_message']}".encode(), usedforsecurity=False).hexdigest()
    stamp, name, email = now(), about.get("author_name") or call.user["name"], about.get("author_email") or call.user["commit_email"]
    commit = {
        "id": number, "short_id": number[:8], "created_at": stamp, "parent_ids": parents, "title": about["commit_message"].split("\n")[0],
        "message": about["commit_message"], "author_name": name, "author_email": email, "authored_date": stamp, "committer_name": call.user["name"],
        "committer_email": call.user["commit_email"], "committed_date": stamp, "files": dict(files),
    }
    if repositories:
        number = repositories.commit(project, branch, commit)
        commit |= {"id": number, "short_id": number[:8]}
    project["commits"][number] = commit
    project["branches"][branch], project["heads"][branch] = dict(files), number
    project["last_activity_at"] = stamp
    if first:
        project["default_branch"] = branch
        protect_default(call.state, project)
    pushed(call, project, [(f"refs/heads/{branch}", before or ZERO, number)])
    return commit


def set_head(call, project, name, number=None):
    """Make a branch of a commit, or with None take it away."""
    before = project["heads"].pop(name, None)
    project["branches"].pop(name, None)
    if number:
        project["branches"][name], project["heads"][name] = dict(project["commits"][number]["files"]), number
    if call.gitlab.repositories:
        call.gitlab.repositories.set_ref(project, f"refs/heads/{name}", number)
    pushed(call, project, [(f"refs/heads/{name}", before or ZERO, number or ZERO)])


def last_commit(project, commit_id, path):
    """The id of the last commit at or before this one that changed a path."""
    while commit_id in project["commits"]:
        commit = project["commits"][commit_id]
        parent = project["commits"].get((commit["parent_ids"] or [None])[0])
        if not parent or parent["files"].get(path) != commit["files"].get(path):
            return commit_id
        commit_id = parent["id"]
    return commit_id


def applied(project, files, head, actions):
    """The files after the actions; the first one at fault refuses all."""
    files = dict(files)
    for action in actions:
        kind, path, old = action.get("action"), action.get("file_path"), action.get("previous_path")
        if kind not in ("create", "update", "delete", "move", "chmod"):
            raise refusal(400, {"error": "actions[0][action] does not have a valid value"})
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise refusal(400, "You must provide a valid file path")
        source = old if kind == "move" else path
        if kind in ("create", "move") and path in files:
            raise refusal(400, "A file with this name already exists")
        if kind != "create" and source not in files:
            raise refusal(400, "A file with this name doesn't exist")
        if action.get("last_commit_id") and action["last_commit_id"] != last_commit(project, head, source):
            raise refusal(400, STALE)
        content = files.pop(source, b"") if kind in ("delete", "move") else files.get(path, b"")
        if kind in ("create", "update") or (kind == "move" and action.get("content") is not None):
            plain = (action.get("content") or "").encode()
            try:
                plain = base64.b64decode(plain, validate=True) if action.get("encoding") == "base64" else plain
            except binascii.Error:
                raise refusal(400, "invalid base64") from None
            content = Executable(plain) if isinstance(content, Executable) else plain
        if action.get("execute_filemode") is not None:
            content = (Executable if action["execute_filemode"] else bytes)(content)
        if kind != "delete":
            files[path] = content
    return files


def commit_actions(call, project, given, actions):
    branch, start = given["branch"], given.get("start_branch") or given.get("start_sha")
    found = files_at(project, branch) if branch in project["branches"] else None
    base = None
    if start and (not found or given.get("force")):
        if branch in project["branches"] and not given.get("force"):
            raise refusal(400, f"A branch called '{branch}' already exists. Switch to that branch in order to make changes")
        base = files_at(project, start)
        if not base:
            raise refusal(400, f"Cannot find start_branch '{start}'" if given.get("start_branch") else f"Cannot find start_sha '{start}'")
        found = base
    elif start and start != branch:
        raise refusal(400, f"A branch called '{branch}' already exists. Switch to that branch in order to make changes")
    if not found and project["branches"]:
        raise refusal(400, "You can only create or edit files when you are on a branch")
    if not may_push(call, project, branch):
        raise refusal(403, "403 Forbidden - You are not allowed to push into this branch")
    files, head = found or ({}, None)
    return write(call, project, given, applied(project, files, head, actions), base and head)


def shown_commit(call, project, commit, detail=False):
    row = {name: value for name, value in commit.items() if name != "files"}
    row |= {"trailers": {}, "web_url": f"{call.gitlab.url}/{project['path_with_namespace']}/-/commit/{commit['id']}"}
    return {**row, "status": None, "project_id": project["id"], "last_pipeline": None} if detail else row


@route("POST", "/projects/:id/repository/commits", level=WRITE)
def commit_create(call, project):
    call.require("branch", "commit_message", "actions")
    given = call.take(tables.COMMIT, "c")
    if given.get("start_branch") and given.get("start_sha"):
        raise refusal(400, {"error": "start_branch, start_sha are mutually exclusive"})
    return shown_commit(call, project, commit_actions(call, project, given, given["actions"]), detail=True)


@route("GET", "/projects/:id/repository/commits", level=READ)
def commits_list(call, project):
    found, rows = files_at(project, call.option("ref_name")), []
    commit = project["commits"].get(found[1]) if found else None
    while commit:
        rows.append(commit)
        commit = project["commits"].get((commit["parent_ids"] or [None])[0])
    return paged(call, rows, lambda commit: shown_commit(call, project, commit), total_known=False)


@route("GET", "/projects/:id/repository/commits/:sha", level=READ)
def commit_get(call, project, ref):
    found = files_at(project, ref)
    if not found:
        raise refusal(404, "404 Commit Not Found")
    return shown_commit(call, project, project["commits"][found[1]], detail=True)


# branches

def shown_branch(call, project, name):
    rules = matching_rules(project, name)
    levels = {what: [row["access_level"] for rule in rules for row in rule[f"{what}_access_levels"]] for what in ("push", "merge")}
    commit = project["commits"].get(project["heads"].get(name))
    return {"name": name, "merged": False, "protected": bool(rules), "default": name == project["default_branch"], "can_push": may_push(call, project, name),
            "developers_can_push": 30 in levels["push"], "developers_can_merge": 30 in levels["merge"],
            "commit": shown_commit(call, project, commit) if commit else None,
            "web_url": f"{call.gitlab.url}/{project['path_with_namespace']}/-/tree/{name}"}


@route("GET", "/projects/:id/repository/branches", level=READ)
def branches_list(call, project):
    search = call.option("search", str, "")
    return paged(call, [name for name in sorted(project["branches"]) if search in name], lambda name: shown_branch(call, project, name))


@route("GET", "/projects/:id/repository/branches/:branch", level=READ)
def branch_get(call, project, name):
    if name not in project["branches"]:
        raise refusal(404, "404 Branch Not Found")
    return Answer(204) if call.method == "HEAD" else shown_branch(call, project, name)


@route("POST", "/projects/:id/repository/branches", level=WRITE)
def branch_create(call, project):
    call.require("branch", "ref")
    name, found = call.option("branch"), files_at(project, call.option("ref"))
    if name in project["branches"]:
        raise refusal(400, "Branch already exists")
    if not found:
        raise refusal(400, f"Invalid reference name: {call.option('ref')}")
    if not may_push(call, project, name):
        raise refusal(403, "403 Forbidden - You are not allowed to push into this branch")
    set_head(call, project, name, found[1])
    return shown_branch(call, project, name)


@route("DELETE", "/projects/:id/repository/branches/:branch", level=WRITE)
def branch_delete(call, project, name):
    if name not in project["branches"]:
        raise refusal(404, "404 Branch Not Found")
    if name == project["default_branch"]:
        raise refusal(400, "Cannot remove HEAD branch")
    if matching_rules(project, name) and not call.may(project, 40):
        raise refusal(403)
    set_head(call, project, name)


# tree and files

@route("GET", "/projects/:id/repository/tree", level=READ, scopes=GIT_SCOPES)
def tree(call, project):
    found, folder = files_at(project, call.option("ref")), call.option("path", str, "").strip("/")
    if not found:
        raise refusal(404, "404 Tree Not Found")
    rows = tree_rows(found[0], folder + "/" if folder else "")[0]
    if not rows and folder:
        raise refusal(404, "404 invalid revision or path Not Found")

    def opened(inner):
        for row in inner:
            yield row
            yield from opened(row.get("inner", ()))
    rows = [*opened(rows)] if call.option("recursive", bool) else sorted(rows, key=lambda row: row["type"] != "tree")

    def show(row):
        return {name: value for name, value in row.items() if name != "inner"}
    if call.option("pagination") == "keyset":
        return by_keyset(call, sorted(rows, key=lambda row: row["path"]), show, "path", False, "page_token")
    return paged(call, rows, show)


def _file(call, project, path):
    found = files_at(project, call.option("ref"))
    if not found:
        raise refusal(404, "404 Commit Not Found")
    if path not in found[0]:
        raise refusal(404, "404 File Not Found")
    return found[0][path], found[1]


@route("GET", *FILE_PATHS, level=READ, scopes=GIT_SCOPES)
def file_get(call, project, path):
    content, head = _file(call, project, path)
    about = {"file_name": path.rpartition("/")[2], "file_path": path, "size": len(content), "encoding": "base64",
             "content_sha256": hashlib.sha256(content).hexdigest(), "ref": call.option("ref", str, project["default_branch"]),
             "blob_id": git_id("blob", content), "commit_id": head, "last_commit_id": last_commit(project, head, path),
             "execute_filemode": isinstance(content, Executable)}
    headers = {f"X-Gitlab-{'-'.join(part.title() for part in name.split('_'))}": str(value).lower() if isinstance(value, bool) else str(value)
               for name, value in about.items()}
    return Answer(200, b"" if call.method == "HEAD" else {**about, "content": base64.b64encode(content).decode()}, headers)


@route("GET", "/projects/:id/repository/files/:file_path/raw", level=READ, scopes=GIT_SCOPES)
def file_raw(call, project, path):
    return Answer(200, bytes(_file(call, project, path)[0]), {"Content-Type": "text/plain"})


def _file_action(call, project, path, kind, *required):
    call.require("branch", "commit_message", *required)
    given = call.take(tables.FILE, "c")
    action = {name: given[name] for name in ("content", "encoding", "last_commit_id", "execute_filemode") if name in given}
    if kind == "update" and "execute_filemode" not in action:
        found = files_at(project, given.get("start_branch") or given["branch"])
        if found and found[0].get(path) == applied(project, found[0], found[1], [{"action": "update", "file_path": path, **action}]).get(path):
            raise refusal(400, "The file is unchanged: an empty commit is not made")
    commit_actions(call, project, given, [{"action": kind, "file_path": path, **action}])
    return {"file_path": path, "branch": given["branch"]}


@route("POST", *FILE_PATHS, level=WRITE)
def file_create(call, project, path):
    return _file_action(call, project, path, "create", "content")


@route("PUT", *FILE_PATHS, level=WRITE)
def file_update(call, project, path):
    return _file_action(call, project, path, "update", "content")


@route("DELETE", *FILE_PATHS, level=WRITE)
def file_delete(call, project, path):
    _file_action(call, project, path, "delete")
