# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Multibranch jobs of the plugin gitlab-branch-source, and what GitLab's calls start in them. After the plugin's source; no controller with it was recorded."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from urllib.parse import quote

from ..server import Answer
from . import xml as documents
from .api import HTML, Refused, content_type
from .items import CLASSES, Group, Item, Job

HOOK = "/gitlab-webhook/post"
SECRET = "gitlab-hook"  # noqa: S105 - the id of the credential
PLUGINS = ("git", "workflow-multibranch", "gitlab-branch-source", "basic-branch-build-strategies")
MULTIBRANCH = "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject"
PIPELINE = "org.jenkinsci.plugins.workflow.job.WorkflowJob"
SOURCE = "io.jenkins.plugins.gitlabbranchsource.GitLabSCMSource"
ZERO = "0" * 40
# kind of head -> the trait that finds it, the strategy that builds it
KINDS = {
    "branch": ("BranchDiscoveryTrait", "BranchBuildStrategyImpl"),
    "tag": ("TagDiscoveryTrait", "TagBuildStrategyImpl"),
    "change": ("OriginMergeRequestDiscoveryTrait", "ChangeRequestBuildStrategyImpl"),
}
MERGED = "1"  # a strategyId: branches that are no merge request; merge requests merged with their target


class Multibranch(Job, Group):
    """A job of jobs: one for each branch, tag and merge request, made when GitLab tells of it. There is no scan."""

    def __init__(self, *args):
        super().__init__(*args)
        self.start_group("All")
        self.fields = {**Item.fields, "jobs": lambda job: job.listed(), "primaryView": lambda job: job.primary, "views": lambda job: job.listed_views(),
                       "disabled": lambda job: job.disabled}

    def child(self, names):
        return Group.child(self, names)

    def sources(self, project):
        """Its sources of that GitLab project."""
        return [source for source in self.config.iter("source") if source.get("class") == SOURCE and source.findtext("projectPath") == project]

    def head_changed(self, source, head, event):
        """A branch, tag or merge request is new or has another commit: its job is made where there is none, and built where a strategy says so."""
        kind = next(kind for kind in KINDS if head.get(kind))
        trait = next((found for found in source.iter() if found.tag.endswith(f".{KINDS[kind][0]}")), None)
        if trait is None or (kind == "branch" and trait.findtext("strategyId") == MERGED and self.requested(head["branch"])):
            return
        if kind == "change" and trait.findtext("strategyId") == MERGED:
            head["merge"] = head["change"]["target"]
        head |= {"checkout": source.findtext("credentialsId") or "", "script": self.config.findtext("factory/scriptPath") or "Jenkinsfile"}
        name = quote(head["name"], safe="")
        job = self.children.get(name.lower())
        if not job:
            job = self.children[name.lower()] = Job(self.jenkins, self, name, PIPELINE, branch_xml(head))
        elif job.head["commit"] == head["commit"] and not job.disabled:
            return  # told before
        job.head = head
        if job.disabled:
            job.save(disabled="false")
        strategies = [found.tag.rpartition(".")[2] for found in self.config.iter() if "BuildStrategyImpl" in found.tag]
        # without a strategy everything is built but tags
        if KINDS[kind][1] in strategies if strategies else kind != "tag":
            self.jenkins.enqueue(job, [], event=event, commit=head["commit"])

    def head_gone(self, name):
        job = self.children.get(quote(name, safe="").lower())
        if job and not job.disabled:
            job.save(disabled="true")

    def requested(self, branch):
        """Is the branch that of an open merge request?"""
        return any(job.head["change"] and job.head["change"]["branch"] == branch and not job.disabled for job in self.children.values())


CLASSES[MULTIBRANCH] = Multibranch


def branch_xml(head):
    root = documents.parsed(
        "<flow-definition><properties><org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty/></properties>"
        "<definition class='org.jenkinsci.plugins.workflow.multibranch.SCMBinder'><scriptPath/></definition><disabled>false</disabled></flow-definition>")
    root.find("definition/scriptPath").text = head["script"]
    documents.add(root, "displayName", head["name"])
    return ET.tostring(root, encoding="unicode")


def jobs_of(group):
    for item in group.children.values():
        if isinstance(item, Multibranch):
            yield item
        elif isinstance(item, Group):
            yield from jobs_of(item)


def refuse(status, text):
    return Refused(status, f"<html><body>{text}</body></html>", HTML)


def hook(jenkins, request):
    """A call of GitLab's; it needs no user and no crumb, but the secret."""
    if request.method != "POST":
        raise refuse(400, f"Only POST requests are supported, this was a {request.method} request")
    if content_type(request) != "application/json":
        raise refuse(400, f"Only application/json content is supported, this was {content_type(request)}")
    if not request.headers.get("X-Gitlab-Event"):
        raise refuse(400, "Expecting a GitLab event, missing expected X-Gitlab-Event header")
    secrets = [held[SECRET].findtext("secret") for held in jenkins.credentials[""].values() if SECRET in held]
    if request.headers.get("X-Gitlab-Token") not in secrets:
        raise refuse(401, "Expecting a valid secret token")
    event = json.loads(request.body)
    found = {"push": pushed, "tag_push": pushed, "merge_request": requested}.get(event["object_kind"])
    for job in jobs_of(jenkins.root):
        for source in job.sources(event["project"]["path_with_namespace"]) if found and job.buildable else ():
            found(job, source, event)
    return Answer(200)


def head_of(event, name, commit, **what):
    return {"branch": None, "tag": None, "change": None, "name": name, "commit": commit, "repository": event["project"]["git_http_url"], **what}


def pushed(job, source, event):
    kind, name = "tag" if event["object_kind"] == "tag_push" else "branch", event["ref"].split("/", 2)[-1]
    if event["after"] == ZERO:
        job.head_gone(name)
    else:
        primary = kind == "branch" and name == event["project"]["default_branch"]
        job.head_changed(source, head_of(event, name, event["checkout_sha"], primary=primary, **{kind: name}), f"Push event to {kind} {name}")


def requested(job, source, event):
    about = event["object_attributes"]
    name = f"MR-{about['iid']}"
    if about["action"] in ("close", "merge"):
        job.head_gone(name)
    elif about["action"] in ("open", "reopen", "update"):
        change = {"id": about["iid"], "branch": about["source_branch"], "target": about["target_branch"], "title": about["title"], "url": about["url"],
                  "author": event["user"]["username"]}
        job.head_changed(source, head_of(event, name, about["last_commit"]["id"], change=change), f"Merge request {about['iid']}: {about['action']}")
