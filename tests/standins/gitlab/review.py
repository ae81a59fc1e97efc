# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a pipeline tells a project: statuses of commits, merge requests with their notes, environments and deployments."""

from __future__ import annotations

import re

from . import tables
from .calls import now, paged, refusal, route
from .events import merge_request, moved
from .people import shown_user
from .repository import READ, WRITE, files_at, may_push, set_head, shown_commit, write
from .state import find_child, full_path

REFUSED_STATE = 'Cannot transition status via :{0} from :{1} (Reason(s): Status cannot transition via "{0}")'
VERBS = {"pending": "enqueue", "running": "run", "success": "success", "failed": "drop", "canceled": "cancel", "skipped": "skip"}


def author(call):
    return shown_user(call, call.user, tables.USER_BASIC)


def commit_of(project, text):
    found = files_at(project, text)
    if not found:
        raise refusal(404, "404 Commit Not Found")
    return found[1]


# statuses of commits: keyed by ref, name and user while they are not final; then a new row is made

@route("POST", "/projects/:id/statuses/:sha", level=WRITE)
def status_set(call, project, sha):
    call.require("state")
    given, number = call.take(tables.COMMIT_STATUS, "c"), commit_of(project, sha)
    ref = given.get("ref") or next((name for name, head in project["heads"].items() if number in line(project, head)), None)
    if not ref:
        raise refusal(404, "404 References for commit Not Found")
    name, state, stamp = given.get("name") or given.get("context") or "default", given["state"], now()
    row = next((row for row in project["statuses"] if (row["sha"], row["ref"], row["name"], row["author"]["id"]) == (number, ref, name, call.user["id"])
                and row["status"] in ("pending", "running")), None)
    if row and (row["status"] == state or state == "pending"):
        raise refusal(400, REFUSED_STATE.format(VERBS[state], row["status"]))
    if not row:
        row = {"id": call.state.new_id("status"), "sha": number, "ref": ref, "name": name, "target_url": None, "description": None, "created_at": stamp,
               "started_at": None, "finished_at": None, "allow_failure": False, "coverage": None, "pipeline_id": project["id"], "author": author(call)}
        project["statuses"].append(row)
    row |= {"status": state, **{name: given[name] for name in ("target_url", "description") if name in given}}
    row["started_at" if state == "running" else "finished_at" if state != "pending" else "created_at"] = stamp
    return row


def line(project, number):
    """The ids of a commit and of all before it."""
    found, open_ends = set(), [number]
    while open_ends:
        number = open_ends.pop()
        if number not in found and number in project["commits"]:
            found.add(number)
            open_ends += project["commits"][number]["parent_ids"]
    return found


@route("GET", "/projects/:id/repository/commits/:sha/statuses", level=READ)
def statuses(call, project, sha):
    number = commit_of(project, sha)
    rows = [row for row in project["statuses"] if row["sha"] == number
            and call.option("ref", str, row["ref"]) == row["ref"] and call.option("name", str, row["name"]) == row["name"]]
    if not call.option("all", bool):
        rows = list({row["name"]: row for row in rows}.values())
    return paged(call, rows, lambda row: row)


# merge requests, within one project

def shown_mr(call, project, mr):
    web, iid = f"{call.gitlab.url}/{full_path(project)}/-/merge_requests/{mr['iid']}", mr["iid"]
    row = {name: value for name, value in mr.items() if name != "notes"}
    return row | {
        "web_url": web, "reference": f"!{iid}", "references": {"short": f"!{iid}", "relative": f"!{iid}", "full": f"{full_path(project)}!{iid}"},
        "user_notes_count": len(mr["notes"]), "has_conflicts": False, "assignees": [], "assignee": None, "reviewers": [], "labels": [], "milestone": None,
        "merged_by": mr["merge_user"], "upvotes": 0, "downvotes": 0, "merge_when_pipeline_succeeds": False, "squash": False,
    }


def find_mr(project, iid):
    return find_child(project["merge_requests"], "iid", iid)


def tell(call, project, mr, action, **changes):
    if call.gitlab.repositories:
        call.gitlab.fire(project, "merge_requests_events", merge_request(call, project, mr, action, changes))


@route("POST", "/projects/:id/merge_requests", level=WRITE)
def mr_open(call, project):
    call.require("source_branch", "target_branch", "title")
    given, stamp = call.take(tables.MERGE_REQUEST, "c"), now()
    source, target = given["source_branch"], given["target_branch"]
    wrong = [f"{what} branch \"{name}\" does not exist" for what, name in (("Source", source), ("Target", target)) if name not in project["heads"]]
    if wrong or source == target:
        raise refusal(422, wrong or ["You can't use same project/branch for source and target"])
    other = next((mr for mr in project["merge_requests"] if mr["state"] == "opened" and (mr["source_branch"], mr["target_branch"]) == (source, target)), None)
    if other:
        raise refusal(409, [f"Another open merge request already exists for this source branch: !{other['iid']}"])
    draft = bool(re.match(r"(draft:|\[draft\]|\(draft\))", given["title"], re.I))
    mr = {
        "id": call.state.new_id("merge_request"), "iid": len(project["merge_requests"]) + 1, "project_id": project["id"], "title": given["title"],
        "description": given.get("description"), "state": "opened", "created_at": stamp, "updated_at": stamp, "merge_user": None, "merged_at": None,
        "closed_by": None, "closed_at": None, "target_branch": target, "source_branch": source, "author": author(call), "source_project_id": project["id"],
        "target_project_id": project["id"], "draft": draft, "work_in_progress": draft, "merge_status": "can_be_merged",
        "detailed_merge_status": "draft_status" if draft else "mergeable", "sha": project["heads"][source], "merge_commit_sha": None,
        "force_remove_source_branch": bool(given.get("remove_source_branch")), "notes": [],
    }
    project["merge_requests"].append(mr)
    if call.gitlab.repositories:
        moved(call, project, mr, mr["sha"])
    tell(call, project, mr, "open")
    return shown_mr(call, project, mr)


@route("GET", "/projects/:id/merge_requests", level=READ)
def mr_list(call, project):
    state = call.option("state", ("all", "opened", "closed", "merged", "locked"), "all")
    rows = [mr for mr in project["merge_requests"][::-1] if state in ("all", mr["state"])
            and all(call.option(name, str, mr[name]) == mr[name] for name in ("source_branch", "target_branch"))]
    return paged(call, rows, lambda mr: shown_mr(call, project, mr))


MR = "/projects/:id/merge_requests/:merge_request_iid"


@route("GET", MR, level=READ)
def mr_get(call, project, iid):
    return shown_mr(call, project, find_mr(project, iid))


@route("PUT", MR, level=WRITE)
def mr_change(call, project, iid):
    mr, given = find_mr(project, iid), call.take(tables.MERGE_REQUEST, "u")
    event = given.get("state_event")
    if event == "close" and mr["state"] == "opened":
        mr.update(state="closed", closed_by=author(call), closed_at=now())
    elif event == "reopen" and mr["state"] == "closed":
        mr.update(state="opened", closed_by=None, closed_at=None)
    else:
        event = None
    changes = {name: {"previous": mr[name], "current": given[name]} for name in ("title", "description", "target_branch")
               if given.get(name, mr[name]) != mr[name]}
    mr.update(updated_at=now(), **{name: change["current"] for name, change in changes.items()})
    if event or changes:
        tell(call, project, mr, event or "update", **changes)
    return shown_mr(call, project, mr)


@route("PUT", f"{MR}/merge", level=WRITE)
def mr_merge(call, project, iid):
    """A real merge commit; what cannot be merged without a person, or without real repositories, is refused."""
    mr, given, repositories = find_mr(project, iid), call.take(tables.MERGE, "u"), call.gitlab.repositories
    if mr["state"] != "opened" or mr["draft"]:
        raise refusal(405, "405 Method Not Allowed")
    source, target = mr["source_branch"], mr["target_branch"]
    if not may_push(call, project, target, "merge"):
        raise refusal(401)
    if given.get("sha", mr["sha"]) != mr["sha"]:
        raise refusal(409, f"SHA does not match HEAD of source branch: {mr['sha']}")
    tree = repositories and repositories.merged(project, project["heads"][target], mr["sha"])
    if not tree:
        raise refusal(422, "Branch cannot be merged")
    message = f"Merge branch '{source}' into '{target}'\n\n{mr['title']}\n\nSee merge request {full_path(project)}!{mr['iid']}"
    about = {"branch": target, "commit_message": given.get("merge_commit_message") or message}
    commit = write(call, project, about, repositories.files(project, tree), merged=mr["sha"])
    stamp = now()
    mr.update(state="merged", merge_user=author(call), merged_at=stamp, updated_at=stamp, merge_commit_sha=commit["id"], detailed_merge_status="not_open")
    tell(call, project, mr, "merge")
    if given.get("should_remove_source_branch", mr["force_remove_source_branch"]) and source != project["default_branch"]:
        set_head(call, project, source)
    return shown_mr(call, project, mr)


def find_note(mr, note_id):
    return find_child(mr["notes"], "id", note_id, "Note")


@route("POST", f"{MR}/notes", level=READ)
def note_add(call, project, iid):
    call.require("body")
    mr, stamp = find_mr(project, iid), now()
    note = {"id": call.state.new_id("note"), "type": None, "body": call.option("body"), "author": author(call), "created_at": stamp, "updated_at": stamp,
            "system": False, "noteable_id": mr["id"], "noteable_type": "MergeRequest", "project_id": project["id"], "resolvable": False,
            "confidential": False, "internal": False, "noteable_iid": mr["iid"], "commands_changes": {}}
    mr["notes"].append(note)
    return note


@route("GET", f"{MR}/notes", level=READ)
def notes(call, project, iid):
    newest_first = call.option("sort", ("asc", "desc"), "desc") == "desc"
    rows = find_mr(project, iid)["notes"]
    return paged(call, rows[::-1] if newest_first else rows, lambda note: note)


@route("GET", f"{MR}/notes/:note_id", level=READ)
def note_get(_call, project, iid, note_id):
    return find_note(find_mr(project, iid), note_id)


@route("PUT", f"{MR}/notes/:note_id", level=READ)
def note_change(call, project, iid, note_id):
    call.require("body")
    note = find_note(find_mr(project, iid), note_id)
    if not call.may(project, 40) and note["author"]["id"] != call.user["id"]:
        raise refusal(403)
    note.update(body=call.option("body"), updated_at=now())
    return note


# environments and deployments

def environment(call, project, name, **more):
    """A new environment."""
    if not re.fullmatch(r"[\w /.${}()-]{1,255}", name) or name.startswith("/") or name.endswith("/"):
        raise refusal(400, {"name": ["can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces, but it cannot start or end with '/'"]})
    if any(row["name"] == name for row in project["environments"]):
        raise refusal(400, {"name": tables.TAKEN, "slug": tables.TAKEN})
    stamp = now()
    row = {"id": call.state.new_id("environment"), "name": name, "slug": re.sub(r"[^a-z0-9]+", "-", name.lower())[:24].strip("-"), "external_url": None,
           "created_at": stamp, "updated_at": stamp, "state": "available", "description": None, "tier": None, "auto_stop_setting": "always", **more}
    row["tier"] = row["tier"] or next((tier for tier in ("production", "staging", "testing") if name.lower().startswith(tier[:4])), "other")
    project["environments"].append(row)
    return row


@route("POST", "/projects/:id/environments", level=WRITE)
def environment_create(call, project):
    call.require("name")
    return environment(call, project, **call.take(tables.ENVIRONMENT, "c"))


@route("GET", "/projects/:id/environments", level=READ)
def environments(call, project):
    name, search = call.option("name"), call.option("search", str, "").lower()
    rows = [row for row in project["environments"] if name in (None, row["name"]) and search in row["name"].lower()
            and call.option("states", str, row["state"]) == row["state"]]
    return paged(call, rows, lambda row: row)


ENVIRONMENT = "/projects/:id/environments/:environment_id"


@route("GET", ENVIRONMENT, level=READ)
def environment_get(call, project, number):
    row = find_child(project["environments"], "id", number, "Environment")
    last = next((one for one in project["deployments"][::-1] if one["environment"]["id"] == row["id"] and one["status"] == "success"), None)
    return {**row, "last_deployment": last}


@route("PUT", ENVIRONMENT, level=WRITE)
def environment_change(call, project, number):
    row = find_child(project["environments"], "id", number, "Environment")
    row.update(call.take(tables.ENVIRONMENT, "u"), updated_at=now())
    return row


@route("POST", "/projects/:id/deployments", level=WRITE)
def deployment_create(call, project):
    call.require("environment", "sha", "ref", "tag", "status")
    given, stamp = call.take(tables.DEPLOYMENT, "c"), now()
    if given["ref"] not in project["tags" if given["tag"] else "heads"]:
        raise refusal(400, {"ref": ["The branch or tag does not exist"]})
    if given["sha"] not in project["commits"]:
        raise refusal(400, {"sha": ["The commit does not exist"]})
    place = next((row for row in project["environments"] if row["name"] == given["environment"]), None) or environment(call, project, given["environment"])
    names = ("id", "name", "slug", "external_url", "created_at", "updated_at")
    row = {"id": call.state.new_id("deployment"), "iid": len(project["deployments"]) + 1, "ref": given["ref"], "sha": given["sha"], "created_at": stamp,
           "updated_at": stamp, "user": author(call), "environment": {name: place[name] for name in names}, "deployable": None, "status": given["status"]}
    project["deployments"].append(row)
    return extended(row)


def extended(row):
    return {**row, "pending_approval_count": 0, "approvals": []}


@route("GET", "/projects/:id/deployments", level=READ)
def deployments(call, project):
    rows = [row for row in project["deployments"] if call.option("environment", str, row["environment"]["name"]) == row["environment"]["name"]
            and call.option("status", str, row["status"]) == row["status"]]
    return paged(call, rows[::-1] if call.option("sort") == "desc" else rows, lambda row: row)


@route("GET", "/projects/:id/deployments/:deployment_id", level=READ)
def deployment_get(_call, project, number):
    return extended(find_child(project["deployments"], "id", number, "Deployment"))


@route("PUT", "/projects/:id/deployments/:deployment_id", level=WRITE)
def deployment_change(call, project, number):
    call.require("status")
    row = find_child(project["deployments"], "id", number, "Deployment")
    row.update(call.take(tables.DEPLOYMENT, "u"), updated_at=now())
    return extended(row)


# tags

def shown_tag(call, project, name):
    tag = project["tags"][name]
    commit = shown_commit(call, project, project["commits"][tag["commit"]])
    return {"name": name, "message": None, "target": tag["target"], "commit": commit, "release": None, "protected": False, "created_at": None}


@route("GET", "/projects/:id/repository/tags", level=READ)
def tags(call, project):
    return paged(call, sorted(project["tags"], reverse=True), lambda name: shown_tag(call, project, name))
