# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds that really run: what a runner is told of a build, and the thread that waits for it. Knows no agent and no Groovy; jenkins/run.py does."""

from __future__ import annotations

import base64
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass

RESULTS = ("SUCCESS", "UNSTABLE", "FAILURE", "ABORTED", "NOT_BUILT")
CHECKOUT = "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition"
KINDS = {  # class of a credential -> kind, and {name: element}
    "UsernamePasswordCredentialsImpl": ("usernamePassword", {"username": "username", "password": "password"}),
    "StringCredentialsImpl": ("string", {"value": "secret"}),
    "FileCredentialsImpl": ("file", {"name": "fileName", "content": "secretBytes"}),
    "BasicSSHUserPrivateKey": ("sshUserPrivateKey", {"username": "username", "key": "privateKeySource/privateKey", "passphrase": "passphrase"}),
}


@dataclass
class Run:
    """One build, as a runner is told.

    branch, tag or change ({id, branch, target, ..} of a merge request) say what is built; commit is None where the branch's head is meant; merge is the
    branch to be merged in before. credentials: {id: {type, ..}}, in plain text, of the controller and of the folders above, the nearest first; checkout
    is the id of the one for git. log(text) and artifact(path, bytes) may be called at any time; stopped is set when somebody aborts the build.
    """

    job: str
    number: int
    url: str
    event: str | None
    repository: str
    commit: str | None
    branch: str | None
    tag: str | None
    change: dict | None
    merge: str | None
    script: str
    checkout: str
    credentials: dict
    environment: dict
    log: Callable[[str], None]
    artifact: Callable[[str, bytes], None]
    stopped: threading.Event

    @classmethod
    def of(cls, build):
        job, jenkins = build.job, build.jenkins
        head = job.head or from_git(job)
        commit = build.item.commit or head.get("commit")
        name, url = job.full_name, f"{jenkins.url}{build.path}"
        change = head.get("change")
        known = {
            "JENKINS_URL": f"{jenkins.url}/", "JOB_NAME": name, "JOB_BASE_NAME": job.name, "JOB_URL": f"{jenkins.url}{job.path}", "BUILD_URL": url,
            "BUILD_NUMBER": str(build.number), "BUILD_ID": str(build.number), "BUILD_TAG": f"jenkins-{name.replace('/', '-')}-{build.number}",
            "GIT_URL": head["repository"], "GIT_COMMIT": commit, "BRANCH_NAME": head.get("name"), "TAG_NAME": head.get("tag"),
            "BRANCH_IS_PRIMARY": "true" if head.get("primary") else None,
            **{f"CHANGE_{what.upper()}": str(value) for what, value in (change or {}).items()},
        }

        def log(text):
            with jenkins.lock:
                build.lines += text.splitlines()

        def artifact(path, content):
            with jenkins.lock:
                build.files[path] = content
        return cls(name, build.number, url, build.item.event, head["repository"], commit, head.get("branch"), head.get("tag"), change, head.get("merge"),
                   head["script"], head["checkout"], visible(job), {key: value for key, value in known.items() if value}, log, artifact, build.stopped)


def runs(job):
    """Whether a job's builds are the runner's: of a multibranch job's branches, and of pipelines whose script is in git."""
    definition = job.config.find("definition")
    return job.head is not None or (definition is not None and definition.get("class") == CHECKOUT)


def from_git(job):
    """What a pipeline's own definition says of its repository."""
    definition = job.config.find("definition")
    remote = definition.find("scm/userRemoteConfigs/hudson.plugins.git.UserRemoteConfig")
    return {"repository": remote.findtext("url"), "checkout": remote.findtext("credentialsId") or "", "script": definition.findtext("scriptPath"),
            "branch": (definition.findtext("scm/branches/hudson.plugins.git.BranchSpec/name") or "main").rpartition("*/")[2].removeprefix("refs/heads/")}


def visible(job):
    """{id: {type, ..}} of the credentials that a job's builds may bind."""
    jenkins, found = job.jenkins, {}
    for key in ["", *(item.full_name for item in job.line()[:-1])]:
        for held in jenkins.credentials.get(key, {}).values():
            for name, element in held.items():
                kind, parts = KINDS.get(element.tag.rpartition(".")[2], (None, {}))
                if kind and (key or element.findtext("scope") != "SYSTEM"):
                    found[name] = {"type": kind, **{part: element.findtext(path) or "" for part, path in parts.items()}}
                    if kind == "file":
                        found[name]["content"] = base64.b64decode(found[name]["content"]).decode()
    return found


def work(build, run):
    """Wait for an executor, call the runner, and say how the build ended."""
    jenkins, result = build.jenkins, "FAILURE"
    if not jenkins.agent.acquire(blocking=False):
        run.log("Waiting for next available executor")
        jenkins.agent.acquire()
    try:
        if not run.stopped.is_set():
            result = jenkins.runner(run)
    except Exception:  # what a pipeline does not catch ends in its log
        run.log(traceback.format_exc())
    finally:
        jenkins.agent.release()
    with jenkins.lock:
        if build.building:
            build.finish(result if result in RESULTS else "FAILURE", jenkins.clock())
