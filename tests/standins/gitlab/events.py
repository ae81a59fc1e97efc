# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What projects' hooks are told of pushes and merge requests, in the words of GitLab's documentation of webhooks, and that it is really sent."""

from __future__ import annotations

import json
import queue
import re
import ssl
import threading
import urllib.error
import urllib.request
import uuid

from .calls import now
from .state import full_path, matches

ZERO = "0" * 40
TIMEOUT = 10
KINDS = {  # switch of the hook -> what the header says
    "push_events": "Push Hook", "tag_push_events": "Tag Push Hook", "merge_requests_events": "Merge Request Hook",
}
MOST_COMMITS = 20


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_about):
        return None


class Events:
    """The part of GitLab that calls hooks: one attempt each, one after the other, by a thread, so that no answer waits for it.

    deliveries: {url, event, status, error} of each call, in order; `status` is None where there was no answer.
    """

    def start_events(self):
        self.deliveries, self._outbox = [], queue.SimpleQueue()
        if self.repositories:
            threading.Thread(target=self._send_all, daemon=True).start()

    def fire(self, project, switch, body, branch=None):
        """Tell the hooks that have this kind of event switched on, and whose filter lets the branch pass."""
        for hook in project["hooks"]:
            if hook[switch] and (branch is None or _passes(hook, branch)):
                self._outbox.put((dict(hook), KINDS[switch], json.dumps(body).encode()))

    def _send_all(self):
        while True:
            hook, event, body = self._outbox.get()
            with self.lock:
                pass  # the answer that caused it is made
            self.deliveries.append({"url": hook["url"], "event": event, **self._send(hook, event, body)})

    def _send(self, hook, event, body):
        headers = {"Content-Type": "application/json", "User-Agent": f"GitLab/{self.version}", "X-Gitlab-Event": event, "X-Gitlab-Instance": self.url,
                   "X-Gitlab-Event-UUID": str(uuid.uuid4()), **({"X-Gitlab-Token": hook["token"]} if hook["token"] else {})}
        trust = ssl.create_default_context() if hook["enable_ssl_verification"] else ssl._create_unverified_context()  # noqa: S323 - what the hook asks for
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust), _NoRedirect)
        try:
            with opener.open(urllib.request.Request(hook["url"], body, {**hook["custom_headers"], **headers}), timeout=TIMEOUT) as answer:  # noqa: S310
                return {"status": answer.status, "error": None}
        except urllib.error.HTTPError as no:
            return {"status": no.code, "error": None}
        except OSError as no:
            return {"status": None, "error": str(no)}


def _passes(hook, branch):
    wanted, strategy = hook["push_events_branch_filter"], hook.get("branch_filter_strategy", "wildcard")
    if not wanted or strategy == "all_branches":
        return True
    return bool(re.search(wanted, branch)) if strategy == "regex" else matches(wanted, branch)


def pushed(call, project, changes):
    """What follows from (ref, before, after) of branches and tags: merge requests move along, hooks are called."""
    gitlab = call.gitlab
    if not gitlab.repositories:
        return
    for ref, before, after in changes:
        branch, tag = ref.removeprefix("refs/heads/"), ref.startswith("refs/tags/")
        # a push of more than so many branches and tags is told to no hook
        if len(changes) <= gitlab.settings["push_event_hooks_limit"]:
            gitlab.fire(project, "tag_push_events" if tag else "push_events", push(call, project, ref, before, after), None if tag else branch)
        for mr in project["merge_requests"]:
            if not tag and mr["state"] == "opened" and mr["source_branch"] == branch and after != ZERO:
                moved(call, project, mr, after)
                gitlab.fire(project, "merge_requests_events", merge_request(call, project, mr, "update", oldrev=before))


def moved(call, project, mr, number):
    mr.update(sha=number, updated_at=now())
    call.gitlab.repositories.set_ref(project, f"refs/merge-requests/{mr['iid']}/head", number)


def address(call, project):
    return f"{call.gitlab.url}/{full_path(project)}"


def _project(call, project):
    web = address(call, project)
    ssh = f"git@127.0.0.1:{full_path(project)}.git"
    return {"id": project["id"], "name": project["name"], "description": project["description"], "web_url": web, "avatar_url": None, "git_ssh_url": ssh,
            "git_http_url": f"{web}.git", "namespace": full_path(project).rpartition("/")[0],
            "visibility_level": {"private": 0, "internal": 10, "public": 20}[project["visibility"]], "path_with_namespace": full_path(project),
            "default_branch": project["default_branch"], "ci_config_path": project["ci_config_path"], "homepage": web, "url": ssh, "ssh_url": ssh,
            "http_url": f"{web}.git"}


def _commit(call, project, number):
    commit = project["commits"][number]
    return {"id": number, "message": commit["message"], "title": commit["title"], "timestamp": commit["committed_date"],
            "url": f"{address(call, project)}/-/commit/{number}", "author": {"name": commit["author_name"], "email": commit["author_email"]}}


def _with_files(call, project, number):
    commit = project["commits"][number]
    files, old = commit["files"], project["commits"][commit["parent_ids"][0]]["files"] if commit["parent_ids"] else {}
    return {**_commit(call, project, number), "added": sorted(files.keys() - old), "removed": sorted(old.keys() - files),
            "modified": sorted(path for path in files.keys() & old if files[path] != old[path])}


def push(call, project, ref, before, after):
    """The body of a push to a branch or of a tag. Of a new branch the commits that the default one has are not told."""
    tag = ref.startswith("refs/tags/")
    name = ref.split("/", 2)[-1]
    head = project["tags"][name]["commit"] if tag and after != ZERO else None if after == ZERO else after
    commits = []
    if head and not tag:
        default = project["heads"].get(project["default_branch"])
        known = before if before != ZERO else default if name != project["default_branch"] else None
        commits = call.gitlab.repositories.run(project, "rev-list", "--reverse", head, *([f"^{known}"] if known else [])).decode().split()
    about, user, kind = _project(call, project), call.user, "tag_push" if tag else "push"
    names = ("name", "url", "description", "homepage", "git_http_url", "git_ssh_url", "visibility_level")
    protected = any(matches(rule["name"], name) for rule in project["protected_tags" if tag else "protected_branches"])
    return {"object_kind": kind, "event_name": kind, "before": before, "after": after, "ref": ref, "ref_protected": protected,
            "checkout_sha": head, "message": None, "user_id": user["id"], "user_name": user["name"], "user_username": user["username"],
            "user_email": user["public_email"] or "", "user_avatar": user["avatar_url"], "project_id": project["id"], "project": about,
            "commits": [_with_files(call, project, number) for number in commits[-MOST_COMMITS:]], "total_commits_count": len(commits), "push_options": {},
            "repository": {each: about[each] for each in names}}


def merge_request(call, project, mr, action, changes=None, **more):
    """The body about a merge request; `more` goes into its attributes."""
    about, user = _project(call, project), call.user
    names = ("id", "iid", "title", "description", "state", "source_branch", "target_branch", "source_project_id", "target_project_id", "merge_status",
             "detailed_merge_status", "merge_commit_sha", "draft", "work_in_progress", "created_at", "updated_at")
    attributes = {**{name: mr[name] for name in names}, "author_id": mr["author"]["id"], "assignee_ids": [], "reviewer_ids": [], "labels": [],
                  "url": f"{address(call, project)}/-/merge_requests/{mr['iid']}", "source": about, "target": about,
                  "last_commit": _commit(call, project, mr["sha"]), "action": action, **more}
    return {"object_kind": "merge_request", "event_type": "merge_request",
            "user": {"id": user["id"], "name": user["name"], "username": user["username"], "avatar_url": user["avatar_url"], "email": "[REDACTED]"},
            "project": about, "repository": {name: about[name] for name in ("name", "url", "description", "homepage")}, "object_attributes": attributes,
            "labels": [], "changes": changes or {}}
