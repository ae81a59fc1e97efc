# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-ins for GitLab and Jenkins together: a real push by a real git reaches a build that really runs, and what may not does not."""

from __future__ import annotations

import subprocess
import time
from urllib.parse import urlsplit

import pytest
import requests
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab

PROJECT = "projects/grp%2Fone"
SECRET = "of-the-hook"
PLAIN = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin",
         **{f"GIT_{who}_{what}": f"me{'@example.com' * (what == 'EMAIL')}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}}


def until(found, seconds=20):
    """What `found` gives as soon as it is something."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return value


def git(folder, *arguments, fails=False):
    """What a real git prints, errors too."""
    done = subprocess.run(["git", *arguments], cwd=folder, env=PLAIN, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout.strip()


class Site:
    """A GitLab with real repositories, with group `grp` and project `grp/one`."""

    def __init__(self, gitlab, folder):
        self.gitlab, self.folder = gitlab, folder
        gitlab.settings["allow_local_requests_from_web_hooks_and_services"] = True
        group = self.ask("POST", "groups", name="Grp", path="grp")["id"]
        self.ask("POST", "projects", name="one", namespace_id=group, initialize_with_readme=True)
        self.project = gitlab.project("grp/one")

    def ask(self, method, path, expected=None, /, **given):
        answer = requests.request(method, f"{self.gitlab.url}/api/v4/{path}", json=given or None, headers={"PRIVATE-TOKEN": self.gitlab.token}, timeout=30)
        assert answer.status_code == expected if expected else answer.ok, answer.text
        return answer.json() if answer.content else None

    def token(self, name, level, scopes=("api",)):
        token = self.gitlab.make_token(name, scopes)
        self.project["members"].append({"user_id": self.gitlab.user(name)["id"], "access_level": level})
        return token

    def url(self, token, user="oauth2"):
        return f"http://{user}:{token}@{urlsplit(self.gitlab.url).netloc}/grp/one.git"

    def clone(self, name, token=None):
        git(self.folder, "clone", "-q", self.url(token or self.gitlab.token), name)
        return self.folder / name

    def commit(self, clone, path, content, branch=None):
        """A commit of one file; returns its id."""
        if branch:
            git(clone, "switch", "-q", "-c", branch)
        (clone / path).write_text(content)
        git(clone, "add", path)
        git(clone, "commit", "-q", "-m", f"Change {path}")
        return git(clone, "rev-parse", "HEAD")

    def hook(self, url, **switches):
        self.ask("POST", f"{PROJECT}/hooks", url=url, token=SECRET, tag_push_events=True, merge_requests_events=True, **switches)


@pytest.fixture
def site(tmp_path):
    with GitLab(repositories=tmp_path / "repositories") as gitlab:
        yield Site(gitlab, tmp_path)
    assert gitlab.violations == []


# the git server


def test_what_the_api_commits_is_in_a_clone_and_what_is_pushed_is_in_the_api(site):
    made = site.ask("POST", f"{PROJECT}/repository/commits", branch="main", commit_message="Start",
                    actions=[{"action": "create", "file_path": "run me.sh", "content": "#!/bin/sh\n", "execute_filemode": True}])
    clone = site.clone("clone")
    assert git(clone, "rev-parse", "HEAD") == made["id"] and (clone / "run me.sh").stat().st_mode & 0o100 and (clone / "README.md").is_file()
    (clone / "large").write_bytes(bytes(range(256)) * 8192)  # sent in chunks
    git(clone, "add", "large")
    pushed = site.commit(clone, "model.py", "print()\n")
    git(clone, "tag", "v1.0")
    git(clone, "push", "-q", "origin", "main", "v1.0")
    assert site.ask("GET", f"{PROJECT}/repository/branches/main")["commit"]["id"] == pushed
    row = site.ask("GET", f"{PROJECT}/repository/files/model.py?ref=main")
    assert (row["commit_id"], row["last_commit_id"], row["blob_id"]) == (pushed, pushed, git(clone, "rev-parse", "HEAD:model.py"))
    assert [row["id"] for row in site.ask("GET", f"{PROJECT}/repository/commits")][:2] == [pushed, made["id"]]
    assert [row["name"] for row in site.ask("GET", f"{PROJECT}/repository/tree")] == ["README.md", "large", "model.py", "run me.sh"]
    assert [(row["name"], row["commit"]["id"]) for row in site.ask("GET", f"{PROJECT}/repository/tags")] == [("v1.0", pushed)]
    later = site.ask("POST", f"{PROJECT}/repository/commits", branch="main", commit_message="More",
                     actions=[{"action": "update", "file_path": "model.py", "content": "more\n"}])
    git(clone, "pull", "-q", "--ff-only")
    assert git(clone, "rev-parse", "HEAD") == later["id"] and (clone / "model.py").read_text() == "more\n"


def test_who_may_clone_and_push(site):
    reader, developer, other = site.token("reader", 20), site.token("developer", 30), site.gitlab.make_token("other")
    assert "not found" in git(site.folder, "clone", site.url(other), "no", fails=True)
    assert "Authentication failed" in git(site.folder, "clone", site.url("wrong"), "no", fails=True)
    assert "Authentication failed" in git(site.folder, "clone", site.url(site.token("narrow", 30, ["read_api"])), "no", fails=True)
    clone = site.clone("reading", reader)
    site.commit(clone, "a", "a", "topic")
    assert "403" in git(clone, "push", "origin", "topic", fails=True)
    git(clone, "push", "-q", site.url(developer), "topic")
    assert "403" in git(clone, "push", site.url(site.token("fetches", 40, ["read_repository"])), "topic:other", fails=True)
    assert sorted(site.project["branches"]) == ["main", "topic"]


def test_protected_branches_and_tags(site):
    developer, maintainer = site.token("developer", 30), site.token("maintainer", 40)
    site.ask("POST", f"{PROJECT}/protected_tags", name="v*")
    clone = site.clone("clone", developer)
    head = site.project["heads"]["main"]
    site.commit(clone, "a", "a")
    assert "GitLab: You are not allowed to push code to protected branches" in git(clone, "push", "origin", "main", fails=True)
    assert "protected" in git(clone, "push", "origin", "HEAD:refs/tags/v1", fails=True)
    assert (site.project["heads"], site.project["tags"], len(site.project["commits"])) == ({"main": head}, {}, 1)
    git(clone, "push", "-q", site.url(maintainer), "main", "HEAD:refs/tags/v1")
    git(clone, "commit", "-q", "--amend", "-m", "Other")
    assert "force push" in git(clone, "push", "-f", site.url(maintainer), "main", fails=True)
    assert "default branch" in git(clone, "push", site.url(maintainer), ":main", fails=True)
    git(clone, "push", "-q", "-f", site.url(developer), "main:topic")
    git(clone, "push", "-q", site.url(developer), ":topic")
    assert sorted(site.project["branches"]) == ["main"]


def test_a_merge_request_is_really_merged(site):
    clone = site.clone("clone")
    site.commit(clone, "model.py", "new", "topic")
    git(clone, "push", "-q", "origin", "topic")
    mr = site.ask("POST", f"{PROJECT}/merge_requests", source_branch="topic", target_branch="main", title="New")
    head = site.commit(clone, "other.py", "new")
    git(clone, "push", "-q", "origin", "topic")
    assert site.ask("GET", f"{PROJECT}/merge_requests/1")["sha"] == head != mr["sha"]
    assert git(clone, "ls-remote", "origin", "refs/merge-requests/1/head").startswith(head)
    site.ask("PUT", f"{PROJECT}/merge_requests/1/merge", 409, sha=mr["sha"])
    merged = site.ask("PUT", f"{PROJECT}/merge_requests/1/merge", sha=head, should_remove_source_branch=True)
    git(clone, "fetch", "-q", "--prune")
    assert merged["state"] == "merged" and merged["merge_commit_sha"] == git(clone, "rev-parse", "origin/main")
    assert git(clone, "rev-parse", "origin/main^2") == head and "See merge request grp/one!1" in git(clone, "log", "-1", "--format=%B", "origin/main")
    assert git(clone, "branch", "-r").split()[-1] == "origin/main" and sorted(site.project["branches"]["main"]) == ["README.md", "model.py", "other.py"]


def test_what_contradicts_is_not_merged(site):
    clone = site.clone("clone")
    git(clone, "branch", "topic")
    site.commit(clone, "README.md", "one")
    git(clone, "push", "-q", "origin", "main")
    git(clone, "switch", "-q", "topic")
    site.commit(clone, "README.md", "two")
    git(clone, "push", "-q", "origin", "topic")
    site.ask("POST", f"{PROJECT}/merge_requests", source_branch="topic", target_branch="main", title="New")
    site.ask("PUT", f"{PROJECT}/merge_requests/1/merge", 422)
    assert site.ask("GET", f"{PROJECT}/merge_requests/1")["state"] == "opened"
