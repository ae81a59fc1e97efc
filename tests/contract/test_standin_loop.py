# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-ins for GitLab and Jenkins together: a real push by a real git reaches a build that really runs, and what may not does not."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
import requests
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab
from ansible_collections.mlops.onprem.tests.standins.jenkins import Jenkins
from ansible_collections.mlops.onprem.tests.standins.jenkins.run import Agent, expression
from ansible_collections.mlops.onprem.tests.standins.server import Answer, StandIn

PROJECT = "projects/grp%2Fone"
SECRET = "of-the-hook"
FOLDER = "<com.cloudbees.hudson.plugins.folder.Folder/>"
SOURCE = "io.jenkins.plugins.gitlabbranchsource"
MULTIBRANCH = f"""<org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject>
  <sources class="jenkins.branch.MultiBranchProject$BranchSourceList"><data><jenkins.branch.BranchSource>
    <source class="{SOURCE}.GitLabSCMSource"><serverName>gitlab</serverName><projectOwner>grp</projectOwner><projectPath>grp/one</projectPath>
      <credentialsId>clone</credentialsId><traits>
        <{SOURCE}.BranchDiscoveryTrait><strategyId>1</strategyId></{SOURCE}.BranchDiscoveryTrait>
        <{SOURCE}.OriginMergeRequestDiscoveryTrait><strategyId>1</strategyId></{SOURCE}.OriginMergeRequestDiscoveryTrait>
        <{SOURCE}.TagDiscoveryTrait/></traits></source>STRATEGIES
  </jenkins.branch.BranchSource></data></sources>
  <factory class="org.jenkinsci.plugins.workflow.multibranch.WorkflowBranchProjectFactory"><scriptPath>Jenkinsfile</scriptPath></factory>
</org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject>"""
TAGS_TOO = "<buildStrategies>" + "".join(f"<jenkins.branch.buildstrategies.basic.{kind}BuildStrategyImpl/>" for kind in ("Branch", "ChangeRequest", "Tag")) \
    + "</buildStrategies>"
RETRAIN = """<flow-definition><properties><org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty/></properties>
  <definition class="org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition"><scm class="hudson.plugins.git.GitSCM"><userRemoteConfigs>
    <hudson.plugins.git.UserRemoteConfig><url>URL</url><credentialsId>clone</credentialsId></hudson.plugins.git.UserRemoteConfig></userRemoteConfigs>
    <branches><hudson.plugins.git.BranchSpec><name>*/main</name></hudson.plugins.git.BranchSpec></branches></scm>
    <scriptPath>Jenkinsfile</scriptPath></definition>
</flow-definition>"""
CREDENTIALS = "com.cloudbees.plugins.credentials.impl"
PLAIN_CREDENTIALS = "org.jenkinsci.plugins.plaincredentials.impl"
PLAIN = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "PATH": os.environ["PATH"],
         **{f"GIT_{who}_{what}": f"me{'@example.com' * (what == 'EMAIL')}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}}


def until(found, seconds=60):
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

    def ask(self, method, where, expected=None, /, **given):
        answer = requests.request(method, f"{self.gitlab.url}/api/v4/{where}", json=given or None, headers={"PRIVATE-TOKEN": self.gitlab.token}, timeout=30)
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

    def hook(self, url, **more):
        self.ask("POST", f"{PROJECT}/hooks", url=url, token=SECRET, tag_push_events=True, merge_requests_events=True, **more)


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
    (clone / "large").write_bytes(os.urandom(2 << 20))  # sent in chunks
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
    assert site.ask("GET", f"{PROJECT}/repository/commits/v1.0")["parent_ids"] == [made["id"]]
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
    answer = requests.put(f"{site.gitlab.url}/api/v4/{PROJECT}/merge_requests/1/merge", headers={"PRIVATE-TOKEN": site.token("developer", 30)}, timeout=30)
    assert answer.status_code == 401
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


# what hooks are told


class Receiver(StandIn):
    """Takes whatever it is sent."""

    def answer(self, request):
        return Answer()

    def bodies(self, number):
        until(lambda: len(self.seen) >= number)
        return [json.loads(request.body) for request in self.seen]


@pytest.fixture
def receiver(site):
    with Receiver() as receiver:
        site.hook(f"{receiver.url}/hook", custom_headers=[{"key": "X-Own", "value": "mine"}])
        yield receiver


def test_what_a_hook_is_told_of_a_push(site, receiver):
    clone, before = site.clone("clone"), site.project["heads"]["main"]
    git(clone, "rm", "-q", "README.md")
    first = site.commit(clone, "a", "a")
    second = site.commit(clone, "a", "b")
    git(clone, "push", "-q", "origin", "main")
    git(clone, "tag", "v1")
    git(clone, "push", "-q", "origin", "v1")
    git(clone, "push", "-q", "origin", "HEAD:one", "HEAD:two", "HEAD:three", "HEAD:four")  # more than hooks are told
    git(clone, "push", "-q", "origin", ":one")
    push, tag, gone = receiver.bodies(3)
    headers = receiver.seen[0].headers
    assert (headers["X-Gitlab-Event"], headers["X-Gitlab-Token"], headers["X-Own"]) == ("Push Hook", SECRET, "mine")
    assert headers["X-Gitlab-Instance"] == site.gitlab.url and headers["Content-Type"] == "application/json" and len(headers["X-Gitlab-Event-UUID"]) == 36
    assert (push["object_kind"], push["ref"], push["before"], push["after"], push["checkout_sha"]) == ("push", "refs/heads/main", before, second, second)
    assert [(row["id"], row["added"], row["modified"], row["removed"]) for row in push["commits"]] == [
        (first, ["a"], [], ["README.md"]), (second, [], ["a"], [])]
    assert push["ref_protected"] and push["user_username"] == "root" and push["total_commits_count"] == 2
    assert (push["project"]["path_with_namespace"], push["project"]["git_http_url"]) == ("grp/one", f"{site.gitlab.url}/grp/one.git")
    assert (tag["object_kind"], tag["ref"], tag["before"], tag["checkout_sha"]) == ("tag_push", "refs/tags/v1", "0" * 40, second)
    assert (gone["ref"], gone["after"], gone["checkout_sha"], gone["commits"]) == ("refs/heads/one", "0" * 40, None, [])


def test_what_a_hook_is_told_of_a_merge_request(site, receiver):
    clone = site.clone("clone")
    first = site.commit(clone, "a", "a", "topic")
    git(clone, "push", "-q", "origin", "topic")
    site.ask("POST", f"{PROJECT}/merge_requests", source_branch="topic", target_branch="main", title="New")
    second = site.commit(clone, "a", "b")
    git(clone, "push", "-q", "origin", "topic")
    for change in ({"title": "Newer"}, {"state_event": "close"}, {"state_event": "reopen"}):
        site.ask("PUT", f"{PROJECT}/merge_requests/1", **change)
    site.ask("PUT", f"{PROJECT}/merge_requests/1/merge")
    told = [(body, body["object_attributes"]) for body in receiver.bodies(9) if body["object_kind"] == "merge_request"]
    assert [(about["action"], about["state"]) for _body, about in told] == [
        ("open", "opened"), ("update", "opened"), ("update", "opened"), ("close", "closed"), ("reopen", "opened"), ("merge", "merged")]
    assert [about["last_commit"]["id"] for _body, about in told] == [first, *[second] * 5]
    assert [about.get("oldrev") for _body, about in told] == [None, first, None, None, None, None]
    assert told[2][0]["changes"] == {"title": {"previous": "New", "current": "Newer"}}
    about = told[0][1]
    assert (about["iid"], about["source_branch"], about["target_branch"], about["url"]) == (1, "topic", "main", f"{site.gitlab.url}/grp/one/-/merge_requests/1")


# from a push to a build


class Server:
    """A Jenkins whose builds clone what they build and tell its commit; `runs` are those that were started, in order."""

    def __init__(self, site):
        self.site, self.runs, self.held, self.busy, self.most = site, [], None, 0, 0
        self.jenkins = Jenkins(runner=self.run)

    def run(self, run):
        self.runs.append(run)
        self.busy += 1
        self.most = max(self.most, self.busy)
        if self.held:
            self.held.wait(20)
        clone = self.site.folder / f"build-{len(self.runs)}"
        secret = run.credentials[run.checkout]["password"]
        git(self.site.folder, "clone", "-q", run.repository.replace("://", f"://oauth2:{secret}@"), clone.name)
        git(clone, "checkout", "-q", run.commit or f"origin/{run.branch}")
        run.log(f"built {git(clone, 'rev-parse', 'HEAD')}\nof {run.job}")
        run.artifact("build/out.txt", b"out")
        self.busy -= 1
        return "FAILURE" if (clone / "bad").exists() else "SUCCESS"

    def ask(self, method, path, user=None, **given):
        return requests.request(method, f"{self.jenkins.url}/{path}", auth=user or (self.jenkins.username, self.jenkins.token), timeout=30, **given)

    def item(self, folder, name, xml):
        assert self.ask("POST", f"{folder}createItem", params={"name": name}, data=xml, headers={"Content-Type": "application/xml"}).ok

    def credential(self, store, kind, **fields):
        xml = f"<{kind}>" + "".join(f"<{name}>{value}</{name}>" for name, value in {"scope": "GLOBAL", **fields}.items()) + f"</{kind}>"
        assert self.ask("POST", f"{store}/domain/_/createCredentials", data=xml, headers={"Content-Type": "application/xml"}).ok

    def build(self, name, number=1):
        """What the API says of a build that is over."""
        def over():
            answer = self.ask("GET", f"job/grp/job/one/job/{name}/{number}/api/json")
            return answer.ok and not answer.json()["building"] and answer.json()
        return until(over)


@pytest.fixture
def server(site):
    server = Server(site)
    with server.jenkins:
        server.item("", "grp", FOLDER)
        server.item("job/grp/", "one", FOLDER)
        server.credential("credentials/store/system", f"{PLAIN_CREDENTIALS}.StringCredentialsImpl", id="gitlab-hook", secret=SECRET)
        server.credential("credentials/store/system", f"{PLAIN_CREDENTIALS}.StringCredentialsImpl", id="gitlab-api", secret="of all")
        place = "job/grp/job/one/credentials/store/folder"
        server.credential(place, f"{PLAIN_CREDENTIALS}.StringCredentialsImpl", id="gitlab-api", secret="of one")
        server.credential(place, f"{PLAIN_CREDENTIALS}.FileCredentialsImpl", id="model-policy", fileName="policy.json", secretBytes="e30=")
        server.credential(place, f"{CREDENTIALS}.UsernamePasswordCredentialsImpl", id="clone", username="oauth2", password=site.token("jenkins", 20))
        server.item("job/grp/job/one/", "pipeline", MULTIBRANCH.replace("STRATEGIES", TAGS_TOO))
        server.item("job/grp/job/one/", "retrain", RETRAIN.replace("URL", f"{site.gitlab.url}/grp/one.git"))
        yield server


@pytest.fixture
def hooked(site, server):
    site.hook(f"{server.jenkins.url}/gitlab-webhook/post")
    return server


def test_a_push_is_built(site, hooked):
    clone = site.clone("clone")
    pushed = site.commit(clone, "model.py", "x")
    git(clone, "push", "-q", "origin", "main")
    build = hooked.build("pipeline/job/main")
    assert build["result"] == "SUCCESS" and [row["relativePath"] for row in build["artifacts"]] == ["build/out.txt"]
    text = hooked.ask("GET", "job/grp/job/one/job/pipeline/job/main/1/consoleText").text
    assert text.startswith("Push event to branch main\n") and f"built {pushed}\nof grp/one/pipeline/main\n" in text and text.endswith("Finished: SUCCESS\n")
    assert hooked.ask("GET", "job/grp/job/one/job/pipeline/job/main/1/artifact/build/out.txt").content == b"out"
    assert [row["name"] for row in hooked.ask("GET", "job/grp/job/one/job/pipeline/api/json").json()["jobs"]] == ["main"]
    assert site.gitlab.deliveries == [{"url": f"{hooked.jenkins.url}/gitlab-webhook/post", "event": "Push Hook", "status": 200, "error": None}]
    run = hooked.runs[0]
    assert run.credentials["gitlab-api"] == {"type": "string", "value": "of one"}
    assert run.credentials["model-policy"] == {"type": "file", "name": "policy.json", "content": "{}"}
    known = {"BRANCH_NAME": "main", "BRANCH_IS_PRIMARY": "true", "GIT_COMMIT": pushed, "JOB_BASE_NAME": "main", "BUILD_NUMBER": "1",
             "JOB_NAME": "grp/one/pipeline/main", "BUILD_URL": f"{hooked.jenkins.url}/job/grp/job/one/job/pipeline/job/main/1/"}
    assert known.items() <= run.environment.items() and "TAG_NAME" not in run.environment
    made = site.ask("POST", f"{PROJECT}/repository/commits", branch="main", commit_message="Bad",
                    actions=[{"action": "create", "file_path": "bad", "content": ""}])
    assert hooked.build("pipeline/job/main", 2)["result"] == "FAILURE" and hooked.runs[1].commit == made["id"]


def test_merge_requests_and_tags_are_built(site, hooked):
    clone = site.clone("clone")
    first = site.commit(clone, "model.py", "x", "feature/x")
    git(clone, "push", "-q", "origin", "feature/x")
    assert hooked.build("pipeline/job/feature%252Fx")["fullDisplayName"].endswith("feature/x #1")
    site.ask("POST", f"{PROJECT}/merge_requests", source_branch="feature/x", target_branch="main", title="New")
    hooked.build("pipeline/job/MR-1")
    second = site.commit(clone, "model.py", "y")
    git(clone, "push", "-q", "origin", "feature/x")
    hooked.build("pipeline/job/MR-1", 2)
    run = hooked.runs[2]
    assert [(one.branch, one.commit) for one in hooked.runs] == [("feature/x", first), (None, first), (None, second)] and run.merge == "main"
    known = {"CHANGE_ID": "1", "CHANGE_BRANCH": "feature/x", "CHANGE_TARGET": "main", "BRANCH_NAME": "MR-1"}
    assert known.items() <= run.environment.items() and "BRANCH_IS_PRIMARY" not in hooked.runs[0].environment
    site.ask("PUT", f"{PROJECT}/merge_requests/1", title="Newer")  # nothing to build
    site.ask("PUT", f"{PROJECT}/merge_requests/1/merge", should_remove_source_branch=True)
    hooked.build("pipeline/job/main")
    git(clone, "fetch", "-q")
    git(clone, "tag", "-m", "A version", "v1.0", "origin/main")
    git(clone, "push", "-q", "origin", "v1.0")
    hooked.build("pipeline/job/v1.0")
    assert hooked.runs[-1].environment["TAG_NAME"] == "v1.0" and hooked.runs[-1].commit == git(clone, "rev-parse", "origin/main") and len(hooked.runs) == 5
    assert hooked.ask("GET", "job/grp/job/one/job/pipeline/job/MR-1/api/json").json()["disabled"]
    assert {row["event"] for row in site.gitlab.deliveries} == {"Push Hook", "Merge Request Hook", "Tag Push Hook"}


def test_without_a_strategy_tags_are_found_and_not_built(site, hooked):
    hooked.jenkins.item("grp/one/pipeline").xml = MULTIBRANCH.replace("STRATEGIES", "")
    git(site.clone("clone"), "push", "-q", "origin", "HEAD:refs/tags/v1", "HEAD:refs/heads/other")
    hooked.build("pipeline/job/other")
    assert hooked.jenkins.item("grp/one/pipeline/v1") and [run.branch for run in hooked.runs] == ["other"]


def test_only_the_right_secret_and_the_right_events_start_builds(site, server):
    url = f"{server.jenkins.url}/gitlab-webhook/post"
    site.ask("POST", f"{PROJECT}/hooks", url=url, token="wrong")
    site.ask("POST", f"{PROJECT}/hooks", url=url)
    site.ask("POST", f"{PROJECT}/hooks", url=url, token=SECRET, push_events=False, merge_requests_events=True)
    site.ask("POST", f"{PROJECT}/hooks", url=url, token=SECRET, push_events_branch_filter="release-*")
    git(site.clone("clone"), "push", "-q", "origin", "HEAD:topic", "HEAD:refs/tags/v1")
    until(lambda: len(site.gitlab.deliveries) == 2)
    time.sleep(0.5)
    assert [row["status"] for row in site.gitlab.deliveries] == [401, 401] and not server.runs
    assert not server.jenkins.item("grp/one/pipeline").children
    assert requests.post(url, data="x", headers={"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET}, timeout=10).status_code == 400
    git(site.folder / "clone", "push", "-q", "origin", "HEAD:release-1")
    server.build("pipeline/job/release-1")


def test_a_hook_that_does_not_answer_is_noted(site):
    site.hook("http://127.0.0.1:1/")
    site.ask("POST", f"{PROJECT}/repository/branches", branch="topic", ref="main")
    delivery = until(lambda: site.gitlab.deliveries)[0]
    assert delivery["status"] is None and "refused" in delivery["error"]


def test_a_token_starts_the_retraining_and_what_waits_is_one(site, server):
    server.held = threading.Event()
    server.jenkins.add_user("alertmanager", "", "token-of-alerts", {"Overall/Read", "Job/Read", "Job/Build"})
    path, alerts = "job/grp/job/one/job/retrain/build", ("alertmanager", "token-of-alerts")
    first = server.ask("POST", path, alerts, json={"status": "firing", "alerts": [{}]})
    assert first.status_code == 201 and "/queue/item/" in first.headers["Location"]
    until(lambda: server.runs)
    second = server.ask("POST", path, alerts, json={"alerts": []}).headers["Location"]
    assert server.ask("POST", path, alerts, json={"alerts": []}).headers["Location"] == second != first.headers["Location"]
    assert server.ask("POST", path, ("alertmanager", "wrong"), json={}).status_code == 401
    site.ask("POST", f"{PROJECT}/repository/commits", branch="main", commit_message="m", actions=[{"action": "create", "file_path": "new", "content": "a"}])
    server.held.set()
    assert server.build("retrain", 2)["result"] == "SUCCESS" and (site.folder / "build-2" / "new").exists()
    assert len(server.runs) == 2 and server.most == 1 and "BRANCH_NAME" not in server.runs[0].environment


def test_one_executor_and_an_abort(site, hooked):
    hooked.held = threading.Event()
    clone = site.clone("clone")
    for name in ("one", "two"):
        git(clone, "push", "-q", "origin", f"HEAD:{name}")
    until(lambda: hooked.jenkins.item("grp/one/pipeline/two") and hooked.jenkins.item("grp/one/pipeline/two").builds)
    waiting = hooked.jenkins.item("grp/one/pipeline/two").builds[1]
    until(lambda: "Waiting for next available executor\n" in waiting.log())
    assert hooked.ask("POST", "job/grp/job/one/job/pipeline/job/two/1/stop").ok
    hooked.held.set()
    assert hooked.build("pipeline/job/two")["result"] == "ABORTED" and hooked.build("pipeline/job/one")["result"] == "SUCCESS"
    assert hooked.most == 1 == len(hooked.runs)


def test_a_runner_that_fails_is_a_failed_build(server):
    server.jenkins.runner = lambda _run: 1 / 0
    server.ask("POST", "job/grp/job/one/job/retrain/build")
    assert server.build("retrain")["result"] == "FAILURE"
    assert "ZeroDivisionError" in server.ask("GET", "job/grp/job/one/job/retrain/1/consoleText").text


# the runner of a Jenkinsfile on an agent

RUNS_IT = """
import json, subprocess, sys
config = json.load(open(sys.argv[1]))
script = "mkdir -p build/reports; git rev-parse HEAD | tee build/commit.txt; git config --get-all remote.origin.url; touch build/reports/a.xml build/b.bin; ls"
done = subprocess.run(config["workspace_cmd"], input=script, text=True, capture_output=True)
print(open(config["jenkinsfile"]).read(), done.stdout, config["env"], sorted(config["credentials"]), config["approve"], done.returncode, sep="\\n", flush=True)
if subprocess.run(config["workspace_cmd"], input="test ! -e slow", text=True).returncode:
    subprocess.run(["sleep", "60"])
failed = subprocess.run(config["workspace_cmd"], input="test -e bad", text=True).returncode == 0
json.dump({"result": "FAILURE" if failed else "SUCCESS", "artifacts": ["build/**/*.xml, build/*.txt"]}, open("RESULT.json", "w"))
"""


@pytest.fixture
def agent(site, hooked):
    """The server's builds go to an agent: a shell here, and a program that stands for the runner of the Groovy."""
    program = site.folder / "runs_it.py"
    program.write_text(RUNS_IT)
    hooked.jenkins.runner = Agent(["sh"], str(site.folder / "workspaces"), [sys.executable, str(program)])
    return hooked


def test_a_jenkinsfile_is_run_in_a_workspace_on_the_agent(site, agent):
    clone = site.clone("clone")
    site.commit(clone, "Jenkinsfile", "the pipeline\n")
    pushed = site.commit(clone, "model.py", "x")
    git(clone, "push", "-q", "origin", "main")
    assert agent.build("pipeline/job/main")["result"] == "SUCCESS"
    text = agent.jenkins.item("grp/one/pipeline/main").builds[1].log()
    assert f"the pipeline\n\n{pushed}\n{site.gitlab.url}/grp/one.git\nJenkinsfile\nREADME.md\nbuild\nmodel.py\n" in text
    assert f"'GIT_COMMIT': '{pushed}'" in text and "['clone', 'gitlab-api', 'gitlab-hook', 'model-policy']\nTrue\n0\n" in text
    assert agent.jenkins.item("grp/one/pipeline/main").builds[1].files == {"build/commit.txt": f"{pushed}\n".encode(), "build/reports/a.xml": b""}

    git(clone, "switch", "-q", "-c", "topic", "HEAD~1")
    head = site.commit(clone, "bad", "")
    git(clone, "push", "-q", "origin", "topic")
    assert agent.build("pipeline/job/topic")["result"] == "FAILURE"
    site.ask("POST", f"{PROJECT}/merge_requests", source_branch="topic", target_branch="main", title="Bad")
    assert agent.build("pipeline/job/MR-1")["result"] == "FAILURE"
    text = agent.jenkins.item("grp/one/pipeline/MR-1").builds[1].log()
    assert "model.py" in text and "'CHANGE_ID': '1'" in text and f"'GIT_COMMIT': '{head}'" not in text  # merged with main

    agent.ask("POST", "job/grp/job/one/job/retrain/build")
    assert agent.build("retrain")["result"] == "SUCCESS"


def test_an_aborted_build_ends_what_it_started(site, agent):
    clone = site.clone("clone")
    site.commit(clone, "Jenkinsfile", "the pipeline\n")
    site.commit(clone, "slow", "")
    git(clone, "push", "-q", "origin", "main")
    until(lambda: "the pipeline" in agent.ask("GET", "job/grp/job/one/job/pipeline/job/main/1/consoleText").text)
    assert agent.ask("POST", "job/grp/job/one/job/pipeline/job/main/1/stop").ok
    assert agent.build("pipeline/job/main")["result"] == "ABORTED"
    assert until(lambda: agent.jenkins.agent.acquire(blocking=False))


def test_a_commit_without_a_jenkinsfile_fails_and_says_so(site, agent):
    git(site.clone("clone"), "push", "-q", "origin", "HEAD:topic")
    assert agent.build("pipeline/job/topic")["result"] == "FAILURE"
    assert "Jenkinsfile: No such file" in agent.jenkins.item("grp/one/pipeline/topic").builds[1].log()


@pytest.mark.parametrize(("pattern", "path", "meant"), [
    ("build/**", "build/a/b", True), ("build/*", "build/a/b", False), ("**/*.xml", "a.xml", True), ("**/*.xml", "b/c/a.xml", True), ("build/", "build/a", True),
    ("a.b", "axb", False), ("build/?.json", "build/a.json", True)])
def test_patterns_of_artifacts(pattern, path, meant):
    assert bool(re.fullmatch(expression(pattern), path)) == meant


def test_both_on_an_address_of_others(tmp_path):
    for name, more in (("gitlab", ["--no-validate", "--repositories", str(tmp_path)]), ("jenkins", ["--agent-command", "sh -e"])):
        with socket.create_server(("127.0.0.2", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, "-m", f"ansible_collections.mlops.onprem.tests.standins.{name}", "--host", "127.0.0.2", "--port", str(port),
                   "--public-url", f"http://{name}.example.com:8080/", *more]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout.readline().strip() == f"http://{name}.example.com:8080"
                assert requests.get(f"http://127.0.0.2:{port}/", timeout=10).status_code in (403, 404)
                with pytest.raises(requests.ConnectionError):
                    requests.get(f"http://127.0.0.1:{port}/", timeout=10)
            finally:
                process.kill()
