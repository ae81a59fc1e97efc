# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real bare repositories, one for each project, and git's smart HTTP on them. Knows commits and refs; who may do what is asked of the others."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import tarfile
import time
from email import message_from_bytes
from pathlib import Path

from ..server import Answer, Request
from .access import matching_rules, protect_default
from .calls import Call, Refusal, Route
from .events import ZERO, pushed
from .repository import Executable, may_push, mode
from .state import matches

SERVICES = ("git-upload-pack", "git-receive-pack")
ROUTES = {
    "git-upload-pack": Route(None, "project", 20, 200, ("read_repository", "write_repository")),
    "git-receive-pack": Route(None, "project", 30, 200, ("write_repository",)),
}
URL = re.compile(r"/(.+)\.git/(info/refs|git-upload-pack|git-receive-pack)")
# git runs it with the pushed objects in quarantine, so that only it can tell a force push; all else was decided before git was started
PRE_RECEIVE = """#!/bin/sh
refuse() { echo "GitLab: $1" >&2; exit 1; }
[ -z "$STANDIN_REFUSED" ] || refuse "$STANDIN_REFUSED"
while read -r old new ref; do
  case " $STANDIN_KEPT " in *" $ref "*)
    git merge-base --is-ancestor "$old" "$new" || refuse "You are not allowed to force push code to a protected branch on this project." ;;
  esac
done
"""
SETTINGS = {"http.receivepack": "true", "uploadpack.allowAnySHA1InWant": "true", "gc.auto": "0", "core.logAllRefUpdates": "false"}
# nothing of who runs the tests: no identity, no hooks, no settings
PLAIN = {"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "LC_ALL": "C.UTF-8"}
ABOUT = ("id", "parents", "author_name", "author_email", "authored_date", "committer_name", "committer_email", "committed_date", "message")
ABOUT_FORMAT = "--format=%H%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"


class Repositories:
    """The repositories below a folder, by the projects' ids, which no rename changes."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self, project, *arguments, given=None, check=True, **environment):
        """What git prints; it runs in the project's repository, which is made where there is none."""
        place = self.folder / f"{project['id']}.git"
        if not place.exists():
            subprocess.run(["git", "init", "-q", "--bare", place], env=PLAIN, check=True)
            for name, value in SETTINGS.items():
                subprocess.run(["git", "config", name, value], cwd=place, env=PLAIN, check=True)
            (place / "hooks" / "pre-receive").write_text(PRE_RECEIVE)
            (place / "hooks" / "pre-receive").chmod(0o755)
        return subprocess.run(["git", *arguments], cwd=place, input=given, env={**PLAIN, **environment}, capture_output=True, check=check).stdout

    def set_ref(self, project, ref, number=None):
        self.run(project, "update-ref", *([ref, number] if number else ["-d", ref]))

    def commit(self, project, branch, commit):
        """Make a commit of the stand-in's real, as the head of a branch; returns its id."""
        def person(who):
            name, email = (re.sub(r"[<>\n]", "", commit[f"{who}_{part}"]) for part in ("name", "email"))
            return f"{who} {name} <{email}> {int(time.time())} +0000\n".encode()

        def data(content):
            return b"data %d\n%b\n" % (len(content), content)
        first, *others = commit["parent_ids"] or [None]
        lines = [f"commit refs/heads/{branch}\nmark :1\n".encode(), person("author"), person("committer"), data(commit["message"].encode())]
        lines += [f"from {first}\n".encode()] if first else []
        lines += [f"merge {other}\n".encode() for other in others] + [b"deleteall\n"]
        for path, content in commit["files"].items():
            lines += [f"M {mode(content)} inline {path}\n".encode(), data(content)]
        return self.run(project, "fast-import", "--quiet", "--force", given=b"".join([*lines, b"get-mark :1\n"])).decode().strip()

    def merged(self, project, target, source):
        """Id of the tree that a merge of two commits gives; None where they contradict each other."""
        try:
            return self.run(project, "merge-tree", "--write-tree", target, source).decode().strip()
        except subprocess.CalledProcessError:
            return None

    def files(self, project, tree):
        """{path: content} of a commit or tree; links are left out."""
        found = {}
        with tarfile.open(fileobj=io.BytesIO(self.run(project, "archive", "--format=tar", tree))) as archive:
            for member in archive:
                if member.isfile():
                    found[member.name] = (Executable if member.mode & 0o100 else bytes)(archive.extractfile(member).read())
        return found

    def load(self, state, project):
        """Take over what is in the repository after a push; returns (ref, before, after) of each branch and tag that changed."""
        refs = {}
        for line in self.run(project, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/heads", "refs/tags").decode().splitlines():
            name, number, peeled = line.split(" ")
            refs[name] = (number, peeled or number)
        before = {f"refs/heads/{name}": number for name, number in project["heads"].items()}
        before |= {f"refs/tags/{name}": row["target"] for name, row in project["tags"].items()}
        for number in self.run(project, "rev-list", "--reverse", "--branches", "--tags").decode().split():
            if number not in project["commits"]:
                project["commits"][number] = self._commit(project, number)
        first = not project["branches"]
        heads = {name.removeprefix("refs/heads/"): row[0] for name, row in refs.items() if name.startswith("refs/heads/")}
        project["heads"], project["branches"] = heads, {name: dict(project["commits"][number]["files"]) for name, number in heads.items()}
        project["tags"] = {name.removeprefix("refs/tags/"): {"target": row[0], "commit": row[1]} for name, row in refs.items() if name.startswith("refs/tags/")}
        if first and heads:
            if project["default_branch"] not in heads:
                project["default_branch"] = next(iter(heads))
            protect_default(state, project)
        after = {name: row[0] for name, row in refs.items()}
        return [(ref, before.get(ref, ZERO), after.get(ref, ZERO)) for ref in sorted({*before, *after}) if before.get(ref) != after.get(ref)]

    def _commit(self, project, number):
        about = dict(zip(ABOUT, self.run(project, "show", "-s", ABOUT_FORMAT, number).decode(errors="replace").rstrip("\n").split("\0")))
        parents = about.pop("parents").split()
        return {**about, "short_id": number[:8], "created_at": about["committed_date"], "parent_ids": parents, "title": about["message"].split("\n")[0],
                "files": self.files(project, number)}


def refused(call, project, commands):
    """GitLab's words for the first of a push's commands that this user may not give; "" when all are allowed."""
    for old, new, ref in commands:
        name = ref.split("/", 2)[-1]
        if ref.startswith("refs/tags/"):
            rules = [rule for rule in project["protected_tags"] if matches(rule["name"], name)]
            if rules and new == ZERO:
                return "You are not allowed to delete protected tags from this project."
            if rules and old != ZERO:
                return "Protected tags cannot be updated."
            if rules and not any(call.level(project) >= row["access_level"] > 0 for rule in rules for row in rule["create_access_levels"]):
                return "You are not allowed to create this tag as it is protected."
            if old != ZERO and call.level(project) < 40:
                return "You are not allowed to change existing tags on this project."
        elif new == ZERO and name == project["default_branch"]:
            return "The default branch of a project cannot be deleted."
        elif new == ZERO and matching_rules(project, name):
            return "You can only delete protected branches using the web interface."
        elif not may_push(call, project, name):
            return "You are not allowed to push code to protected branches on this project."
    return ""


def kept(project, commands):
    """The branches among a push's commands whose history is not to be rewritten."""
    rules = {ref: matching_rules(project, ref.removeprefix("refs/heads/")) for old, _new, ref in commands if old != ZERO and ref.startswith("refs/heads/")}
    return [ref for ref, found in rules.items() if found and not any(rule["allow_force_push"] for rule in found)]


def commands_of(body):
    """(old id, new id, ref) for each ref that a push wants to change: the lines, each after its length, that come before the pack."""
    rows, place = [], 0
    while body[place:place + 4] and (size := int(body[place:place + 4], 16)):
        rows.append(body[place + 4:place + size].partition(b"\0")[0].decode().strip().split(" ", 2))
        place += size
    return [row for row in rows if len(row) == 3]


def answer(gitlab, request, path, page):
    """What git's own CGI program answers, once the user may; then what the push brought is taken over."""
    service = request.parameters.get("service") if page == "info/refs" else page
    if service not in SERVICES:
        return Answer(403, "Only smart HTTP is served\n")
    call = Call(gitlab, Request("POST", request.path, [], request.headers, b""))
    try:
        scheme, _blank, text = request.headers.get("Authorization", "").partition(" ")
        secret = base64.b64decode(text).decode(errors="replace").partition(":")[2] if scheme.lower() == "basic" else ""
        gitlab.identify(call, ROUTES[service], secret)
        project = gitlab.state.find("project", path)
        if not project or call.level(project) < 0:
            raise Refusal(404, "The project you were looking for could not be found or you don't have permission to view it.\n")
        if call.level(project) < ROUTES[service].level or (service == "git-receive-pack" and project["archived"]):
            raise Refusal(403, f"You are not allowed to {'push code to' if service == 'git-receive-pack' else 'download code from'} this project.\n")
    except Refusal as no:
        if isinstance(no.answer.body, str):
            return no.answer
        if no.answer.status == 403 and service == "git-receive-pack":
            return Answer(403, "You are not allowed to upload code.\n")
        return Answer(401, "HTTP Basic: Access denied.\n", {"WWW-Authenticate": 'Basic realm="GitLab"'})
    commands = commands_of(request.body) if page == "git-receive-pack" else []
    repositories = gitlab.repositories
    repositories.run(project, "symbolic-ref", "HEAD", f"refs/heads/{project['default_branch']}")
    written = repositories.run(
        project, "http-backend", given=request.body, REQUEST_METHOD=request.method, QUERY_STRING=f"service={service}" if page == "info/refs" else "",
        GIT_PROJECT_ROOT=str(repositories.folder), PATH_INFO=f"/{project['id']}.git/{page}", GIT_HTTP_EXPORT_ALL="1", REMOTE_USER=call.user["username"],
        CONTENT_TYPE=request.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(request.body)), GIT_PROTOCOL=request.headers.get("Git-Protocol", ""),
        HTTP_CONTENT_ENCODING=request.headers.get("Content-Encoding", ""), STANDIN_REFUSED=refused(call, project, commands),
        STANDIN_KEPT=" ".join(kept(project, commands)))
    head, _blank, body = written.partition(b"\r\n\r\n")
    headers = dict(message_from_bytes(head).items())
    if commands:
        pushed(call, project, repositories.load(gitlab.state, project))
    return Answer(int(headers.pop("Status", "200").split()[0]), body, headers)
