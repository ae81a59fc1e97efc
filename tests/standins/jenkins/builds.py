# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The queue, builds and their logs. Time passes by the controller's `clock`; what became due is done at the next request."""

from __future__ import annotations

import json
import mimetypes
import re
import threading
from itertools import count

from . import work
from .api import HTML, TEXT, Answer, Bean, Shown, bad, broken, content_type, form, jetty, missing, parts, posts, to

NOTE = "\x1b[8mha:////4AAAstandin\x1b[0m"
COLOURS = {None: "notbuilt", "SUCCESS": "blue", "UNSTABLE": "yellow", "FAILURE": "red", "ABORTED": "aborted", "NOT_BUILT": "notbuilt"}
LAST = {  # name of the link -> does this build count?
    "firstBuild": lambda build: True,
    "lastBuild": lambda build: True,
    "lastCompletedBuild": lambda build: not build.building,
    "lastFailedBuild": lambda build: build.result == "FAILURE",
    "lastStableBuild": lambda build: build.result == "SUCCESS",
    "lastSuccessfulBuild": lambda build: build.result in ("SUCCESS", "UNSTABLE"),
    "lastUnstableBuild": lambda build: build.result == "UNSTABLE",
    "lastUnsuccessfulBuild": lambda build: not build.building and build.result != "SUCCESS",
}


def millis(seconds: float) -> int:
    return int(seconds * 1000)


def link(name):
    return lambda job: job.last(name)


class Buildable(Bean):
    """The part of a job that is built.

    How its next builds go may be set: `duration` in seconds, `result`, `log_lines`, `artifacts` {path: bytes}, `ignores_stop` (a pipeline step that
    only `kill` ends).
    """

    common = {
        "allBuilds": lambda job: job.newest(),
        "buildable": lambda job: job.buildable,
        "builds": lambda job: job.newest()[:100],
        "color": lambda job: job.color,
        "keepDependencies": lambda job: job.config.findtext("keepDependencies") == "true",
        **{name: link(name) for name in LAST},
        "nextBuildNumber": lambda job: job.next_number,
        "property": lambda job: job.properties(),
        "concurrentBuild": lambda job: job.concurrent,
        "disabled": lambda job: job.disabled,
        "inQueue": lambda job: job.queued() is not None,
        "queueItem": lambda job: job.queued(),
    }
    pipeline_fields = {**common, "resumeBlocked": lambda job: False}
    fields = {
        **common,
        "downstreamProjects": lambda job: [],
        "labelExpression": lambda job: job.config.findtext("assignedNode"),
        "scm": lambda job: {"_class": (job.config.find("scm").get("class") if job.config.find("scm") is not None else None) or "hudson.scm.NullSCM"},
        "upstreamProjects": lambda job: [],
    }
    hidden = ("allBuilds",)

    def start_builds(self):
        self.builds, self.next_number = {}, 1
        self.duration, self.result, self.log_lines, self.artifacts, self.ignores_stop = 0.05, "SUCCESS", [], {}, False

    @property
    def is_pipeline(self):
        return self.config.tag == "flow-definition"

    @property
    def concurrent(self):
        if self.is_pipeline:
            return "DisableConcurrentBuildsJobProperty" not in self.xml
        return self.config.findtext("concurrentBuild") == "true"

    @property
    def color(self):
        last = self.last("lastCompletedBuild")
        base = "disabled" if self.disabled else COLOURS[last and last.result]
        return base + ("_anime" if any(build.building for build in self.builds.values()) else "")

    def newest(self):
        return [self.builds[number] for number in sorted(self.builds, reverse=True)]

    def last(self, name):
        builds = self.newest()[::-1] if name == "firstBuild" else self.newest()
        return next((build for build in builds if LAST[name](build)), None)

    def definitions(self):
        return self.config.findall("properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions/*")

    def properties(self):
        return [
            Shown(element.tag, **({"parameterDefinitions": [shown_definition(each) for each in self.definitions()]} if "ParametersDef" in element.tag else {}))
            for element in self.config.findall("properties/*")
        ]

    def queued(self):
        return next((item for item in self.jenkins.waiting if item.job is self), None)

    def child(self, names):
        if names[0].isdigit():
            if int(names[0]) not in self.builds:
                raise missing()
            return self.builds[int(names[0])], 1
        if names[0] in LAST:
            if self.last(names[0]) is None:
                raise missing()
            return self.last(names[0]), 1
        return None

    @posts
    def do_build(self, request):
        self.jenkins.need("Job/Build", self)
        given = form(request)
        if not self.buildable:
            raise jetty(409, "Conflict")
        if "json" in given:
            values = {each["name"]: each.get("value") for each in json.loads(given["json"]).get("parameter", [])}
            self.jenkins.enqueue(self, self.values(values), given.get("delay"))
            return to(self.jenkins.base + self.path, 201)
        if self.definitions():
            raise jetty(400, "This page expects a form submission")
        return to(f"{self.jenkins.base}/queue/item/{self.jenkins.enqueue(self, [], given.get('delay')).id}/", 201)

    @posts
    def do_buildWithParameters(self, request):
        self.jenkins.need("Job/Build", self)
        if not self.buildable:
            raise jetty(409, "Conflict")
        if not self.definitions():
            raise jetty(400, f"{self.full_name} is not parameterized")
        given = form(request)
        if content_type(request) == "multipart/form-data":
            given |= {name: file for name, file, _content in parts(request) if file is not None}
        return to(f"{self.jenkins.base}/queue/item/{self.jenkins.enqueue(self, self.values(given, True), given.get('delay')).id}/", 201)

    def values(self, given, strict=False):
        """The parameters of a build: what was given, else the defaults; unknown names are ignored."""
        found = []
        for element in self.definitions():
            shape, name, value = element.tag.rpartition(".")[2].removesuffix("ParameterDefinition"), element.findtext("name"), default_of(element)
            if name in given:
                value = str(given[name]).lower() == "true" if shape == "Boolean" else given[name]
            if strict and ((shape == "Choice" and value not in choices(element)) or (shape == "File" and name not in given)):
                raise broken()
            kind = {"Choice": "String", "Text": "Text"}.get(shape, shape)
            found.append(Shown(f"hudson.model.{kind}ParameterValue", name=name, **({} if shape == "Password" else {"value": value})))
        return found


def choices(element) -> list:
    return [string.text or "" for string in element.iter("string")]


def default_of(element):
    if element.tag.endswith("ChoiceParameterDefinition"):
        return (choices(element) or [""])[0]
    text = element.findtext("defaultValue") or ""
    return text == "true" if element.tag.endswith("BooleanParameterDefinition") else text


def shown_definition(element):
    shape = element.tag.rpartition(".")[2]
    kind = {"Choice": "String"}.get(shape.removesuffix("ParameterDefinition"), shape.removesuffix("ParameterDefinition"))
    name, secret = element.findtext("name"), shape.startswith("Password")
    default = Shown(f"hudson.model.{kind}ParameterValue", name=name, **({} if secret else {"value": default_of(element)}))
    fields = {"defaultParameterValue": default, "description": element.findtext("description"), "name": name, "type": shape}
    return Shown(element.tag, **fields, **({"choices": choices(element)} if shape.startswith("Choice") else {}))


def cause(user):
    return Shown("hudson.model.Cause$UserIdCause", shortDescription=f"Started by user {user}", userId=user, userName=user)


class QueueItem(Bean):
    states = {
        "waiting": ("WaitingItem", {"timestamp": lambda item: millis(item.ready)}),
        "blocked": ("BlockedItem", {"buildableStartMilliseconds": lambda item: millis(item.ready)}),
        "buildable": ("BuildableItem", {"buildableStartMilliseconds": lambda item: millis(item.ready), "pending": False}),
        "left": ("LeftItem", {"cancelled": lambda item: item.cancelled, "executable": lambda item: item.build}),
    }
    common = {
        "actions": lambda item: item.actions(),
        "blocked": lambda item: item.state == "blocked",
        "buildable": lambda item: item.state == "buildable",
        "id": lambda item: item.id,
        "inQueueSince": lambda item: millis(item.since),
        "params": lambda item: "".join(f"\n{value.fields['name']}={item.text(value)}" for value in item.parameters),
        "stuck": lambda item: item.state == "buildable" and item.stuck,
        "task": lambda item: item.job,
        "url": lambda item: f"queue/item/{item.id}/",
        "why": lambda item: None if item.state == "left" else item.why,
    }

    def __init__(self, jenkins, number, job, parameters, delay, event=None, commit=None):
        self.jenkins, self.id, self.job, self.parameters, self.event, self.commit = jenkins, number, job, parameters, event, commit
        self.since = jenkins.clock()
        self.ready = self.since + delay
        self.users = [jenkins.user.name]
        self.state, self.why, self.stuck, self.cancelled, self.build = "waiting", None, False, False, None

    @property
    def kind(self):
        return f"hudson.model.Queue${self.states[self.state][0]}"

    @property
    def fields(self):
        return {**self.common, **self.states[self.state][1]}

    @staticmethod
    def text(value):
        shown = value.fields.get("value", "****")
        return str(shown).lower() if isinstance(shown, bool) else shown

    def actions(self):
        parameters = [Shown("hudson.model.ParametersAction", parameters=self.parameters)] if self.parameters else []
        causes = [Shown("jenkins.branch.BranchEventCause", shortDescription=self.event)] if self.event else [cause(user) for user in self.users]
        return [*parameters, Shown("hudson.model.CauseAction", causes=causes)]

    def advance(self, now):
        """Where it stands now; starts the build when nothing holds it any more."""
        was, self.stuck = self.state, False
        running = next((build for build in self.job.builds.values() if build.building), None)
        label = self.job.config.findtext("assignedNode")
        nodes = self.jenkins.labelled(label)
        if now < self.ready:
            left = self.ready - now
            self.why = f"In the quiet period. Expires in {f'{left:.1f} sec' if left < 60 else f'{left // 60:.0f} min'}"
        elif running and not self.job.concurrent:
            self.state, self.why = "blocked", f"Build #{running.number} is already in progress (ETA: N/A)"
        elif self.jenkins.quieting:
            self.state, self.why = "buildable", "Jenkins is about to shut down"
        elif not any(self.jenkins.is_online(node) for node in nodes):
            self.state, self.stuck = "buildable", True
            self.why = f"\u2018{nodes[0]}\u2019 is offline" if nodes else f"\u2018Jenkins\u2019 doesn\u2019t have label \u2018{label}\u2019"
        elif not self.job.is_pipeline and self.jenkins.busy() >= self.jenkins.executors and "" in nodes:
            self.state, self.why = "buildable", "Waiting for next available executor"
        else:
            node = next(node for node in nodes if self.jenkins.is_online(node))
            self.state, self.build = "left", Build(self, self.ready if was == "waiting" else now, node)


class Queue(Bean):
    kind = "hudson.model.Queue"
    fields = {"discoverableItems": [], "items": lambda queue: queue.jenkins.waiting[::-1]}

    def __init__(self, jenkins):
        self.jenkins = jenkins

    def child(self, names):
        if names[0] != "item" or len(names) < 2:
            return None
        item = self.jenkins.queue.get(int(names[1])) if names[1].isdigit() else None
        if item is None:
            raise missing()
        return item, 2

    @posts
    def do_cancelItem(self, request):
        item = self.jenkins.queue.get(int(form(request).get("id") or 0))
        if item is None:
            raise missing()
        self.jenkins.need("Job/Cancel", item.job)
        if item.state == "left":
            raise broken()
        item.state, item.cancelled = "left", True
        self.jenkins.waiting.remove(item)
        return Answer(204)


class Build(Bean):
    brief = ("number", "url")
    common = {
        "actions": lambda build: build.actions(),
        "artifacts": lambda build: [
            Shown(None, displayPath=path.rpartition("/")[2], fileName=path.rpartition("/")[2], relativePath=path) for path in build.artifacts
        ],
        "building": lambda build: build.building,
        "description": lambda build: build.description,
        "displayName": lambda build: f"#{build.number}",
        "duration": lambda build: 0 if build.building else millis(build.end - build.start),
        "estimatedDuration": lambda build: build.estimate(),
        "executor": lambda build: ({"_class": "hudson.model.OneOffExecutor"} if build.job.is_pipeline else {}) if build.building else None,
        "fullDisplayName": lambda build: f"{build.title} #{build.number}",
        "id": lambda build: str(build.number),
        "inProgress": lambda build: build.building,
        "keepLog": lambda build: build.keep,
        "number": lambda build: build.number,
        "queueId": lambda build: build.item.id,
        "result": lambda build: build.result,
        "timestamp": lambda build: millis(build.start),
        "url": lambda build: build.job.jenkins.base + build.path,
        "culprits": lambda build: [],
    }
    own = {
        "builtOn": lambda build: build.node,
        "changeSet": lambda build: {"_class": "hudson.scm.EmptyChangeLogSet", "items": [], "kind": None},
    }
    pipeline = {
        "changeSets": lambda build: [],
        "nextBuild": lambda build: build.job.builds.get(build.number + 1),
        "previousBuild": lambda build: build.job.builds.get(build.number - 1),
    }

    def __init__(self, item, start, node=""):
        job = item.job
        self.item, self.job, self.jenkins, self.number, self.node = item, job, job.jenkins, job.next_number, node
        self.start, self.end = start, start + job.duration
        self.plan, self.lines, self.files, self.ignores_stop = job.result, list(job.log_lines), dict(job.artifacts), job.ignores_stop
        self.result = self.description = self.stopped_by = None
        self.keep, self.building = False, True
        self.stopped = threading.Event()
        job.builds[self.number] = self
        job.next_number += 1
        self.jenkins.running.append(self)
        if self.jenkins.runner and work.runs(job):
            self.end, self.lines, self.files = float("inf"), [], {}
            threading.Thread(target=work.work, args=(self, work.Run.of(self)), daemon=True).start()

    @property
    def kind(self):
        return "org.jenkinsci.plugins.workflow.job.WorkflowRun" if self.job.is_pipeline else "hudson.model.FreeStyleBuild"

    @property
    def fields(self):
        return {**self.common, **(self.pipeline if self.job.is_pipeline else self.own)}

    @property
    def title(self):
        return self.job.fields["fullDisplayName"](self.job)

    @property
    def path(self):
        return f"{self.job.path}{self.number}/"

    @property
    def artifacts(self):
        return {} if self.building else self.files

    def estimate(self):
        done = [build.end - build.start for build in self.job.newest() if build.result in ("SUCCESS", "UNSTABLE")][:3]
        return millis(sum(done) / len(done)) if done else -1

    def actions(self):
        found = self.item.actions()
        if self.stopped_by:
            interruption = Shown("jenkins.model.CauseOfInterruption$UserInterruption", shortDescription=f"Aborted by {self.stopped_by}", user=None)
            found.append(Shown("jenkins.model.InterruptedBuildAction", causes=[interruption]))
        graph = {"_class": "org.jenkinsci.plugins.workflow.job.views.FlowGraphAction"}
        return [*found, {}, {}, graph, {}, {}] if self.job.is_pipeline else found

    def finish(self, result, end):
        self.stopped.set()
        self.result, self.end, self.building = result, end, False
        self.jenkins.running.remove(self)

    def log(self) -> str:
        """The raw log up to now, with console notes."""
        now, place = self.jenkins.clock(), f"{self.jenkins.home}/workspace/{self.job.full_name}"
        if self.job.is_pipeline:
            head, tail = ["[Pipeline] Start of Pipeline"], ["[Pipeline] End of Pipeline"]
        else:
            where = f"Building remotely on {self.node} in workspace" if self.node else "Building in workspace"
            head, tail = ["Running as SYSTEM", f"{where} {place}"], []
        past = min(1, (min(now, self.end) - self.start) / max(self.job.duration, 0.001)) if self.start < self.end < float("inf") else 1
        shown = int(len(self.lines) * past)
        lines = [self.item.event or f"Started by user {NOTE}{self.item.users[0]}", *head, *self.lines[: shown if self.stopped_by or self.building else None]]
        if not self.building:
            lines += ["Build was aborted", f"Aborted by {NOTE}{self.stopped_by}"] if self.stopped_by else tail
            lines.append(f"Finished: {self.result}")
        return "".join(f"{line}\n" for line in lines)

    def child(self, names):
        if names[0] != "artifact" or len(names) < 2:
            return None
        path = "/".join(names[1:])
        if path not in self.artifacts:
            raise missing()
        return File(path, self.artifacts[path]), len(names)

    def do_consoleText(self, request):
        return Answer(200, re.sub(r"\x1b\[8m.*?\x1b\[0m", "", self.log()), TEXT)

    def do_logText_progressiveText(self, request):
        raw, start = self.log().encode(), int(request.parameters.get("start") or 0)
        text = raw if start > len(raw) else b"" if start < 0 else raw[start:]
        more = {"X-More-Data": "true"} if self.building else {}
        return Answer(200, text.replace(b"\n", b"\r\n"), {**TEXT, "X-Text-Size": str(len(raw)), **more})

    @posts
    def do_stop(self, request):
        return self.stop(not self.ignores_stop)

    @posts
    def do_term(self, request):
        return self.stop(self.job.is_pipeline and not self.ignores_stop, "term/")

    @posts
    def do_kill(self, request):
        return self.stop(self.job.is_pipeline, "kill/")

    def stop(self, works, other=""):
        self.jenkins.need("Job/Cancel", self.job)
        if works and self.building:
            self.stopped_by = self.jenkins.user.name
            self.finish("ABORTED", self.jenkins.clock())
        return to(self.path + ("" if self.job.is_pipeline else other))

    @posts
    def do_toggleLogKeep(self, request):
        self.jenkins.need("Job/Configure", self.job)
        self.keep = not self.keep
        return to(self.path)

    @posts
    def do_doDelete(self, request):
        self.jenkins.need("Job/Delete", self.job)
        if self.building:
            return Answer(200, "<!DOCTYPE html><html><body>still running</body></html>", HTML)
        if self.keep:
            raise bad(f"Unable to delete {self.title} #{self.number}: This record is explicitly marked to be kept.")
        del self.job.builds[self.number]
        return to(self.job.path)


class File(Bean):
    """An artifact."""

    def __init__(self, name, content):
        self.name, self.content = name, content

    def index(self, request):
        content = self.content.encode() if isinstance(self.content, str) else self.content
        return Answer(200, content, {"Content-Type": mimetypes.guess_type(self.name)[0] or "application/octet-stream"})


class Builds:
    """The controller's part: the queue and what runs."""

    def start_queue(self):
        self.queue, self.waiting, self.running, self.numbers = {}, [], [], count(1)

    def enqueue(self, job, parameters, delay=None, event=None, commit=None) -> QueueItem:
        """A waiting item of the same job with the same parameters takes the request on. event: why, when it was no user; commit: what to build."""
        wanted = [value.fields for value in parameters]
        for item in self.waiting:
            if item.job is job and [value.fields for value in item.parameters] == wanted:
                item.users.append(self.user.name)
                item.commit = commit or item.commit
                return item
        seconds = float(re.match(r"[\d.]+", delay)[0]) if delay else self.quiet_period
        item = QueueItem(self, next(self.numbers), job, parameters, seconds, event, commit)
        self.queue[item.id] = item
        self.waiting.append(item)
        if not seconds:
            self.tick()
        return item

    def busy(self) -> int:
        return sum(not build.job.is_pipeline and not build.node for build in self.running)

    def tick(self):
        """Do what became due."""
        now = self.clock()
        for build in list(self.running):
            if build.end <= now and not (build.ignores_stop and build.job.is_pipeline):
                build.finish(build.plan, build.end)
        for item in list(self.waiting):
            item.advance(now)
            if item.state == "left":
                self.waiting.remove(item)
        if self.restart_wanted and not self.running:
            self.restart()

    def run_build(self, full_name, seconds=None, result=None, log=None, artifacts=None) -> Build:
        """Start a build now, behind the client's back; what is given also holds for the job's later builds."""
        with self.lock:
            job = self.item(full_name)
            job.duration = job.duration if seconds is None else seconds
            job.result = result or job.result
            job.log_lines = job.log_lines if log is None else log.splitlines()
            job.artifacts = artifacts or job.artifacts
            item = QueueItem(self, next(self.numbers), job, [], 0)
            item.state, item.build = "left", Build(item, self.clock())
            self.queue[item.id] = item
            return item.build
