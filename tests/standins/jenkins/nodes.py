# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes: the list, the built-in one and agents."""

from __future__ import annotations

import hashlib
import html
import json
import xml.etree.ElementTree as ET

from . import xml as documents
from .api import Answer, Bean, Refused, Shown, bad, broken, charset, form, good_name, jetty, missing, posts, to, url_name, xml

MONITORS = ("SwapSpace", "TemporarySpace", "DiskSpace", "Architecture", "ResponseTime", "Clock")
LOAD = {"_class": "hudson.model.Label$1"}


def executor(number, build):
    return Shown(None, (), currentExecutable=build, idle=build is None, likelyStuck=False, number=number, progress=-1 if build is None else 50)


class Computer(Bean):
    """What runs builds: of an agent's node, or the built-in one (name "")."""

    fields = {
        "actions": [],
        "assignedLabels": lambda computer: [Shown(None, name=label) for label in computer.labels],
        "description": lambda computer: computer.text("description") if computer.name else "the Jenkins controller's built-in node",
        "displayName": lambda computer: computer.name or "Built-In Node",
        "executors": lambda computer: computer.executors(),
        "icon": lambda computer: computer.icon,
        "iconClassName": lambda computer: computer.icon,
        "idle": lambda computer: not computer.builds,
        "jnlpAgent": lambda computer: bool(computer.name),
        "launchSupported": lambda computer: not computer.name,
        "loadStatistics": LOAD,
        "manualLaunchAllowed": True,
        "monitorData": lambda computer: (
            {f"hudson.node_monitors.{name}Monitor": None for name in MONITORS} if computer.jenkins.allowed("Overall/Administer") else {}
        ),
        "numExecutors": lambda computer: computer.size,
        "offline": lambda computer: computer.offline,
        "offlineCause": lambda computer: computer.cause(),
        "offlineCauseReason": lambda computer: html.escape(html.escape(computer.message or "", False), False),
        "oneOffExecutors": lambda computer: [executor(-1, build) for build in computer.builds if build.job.is_pipeline],
        "temporarilyOffline": lambda computer: computer.message is not None,
    }

    def __init__(self, jenkins, name):
        self.jenkins, self.name = jenkins, name
        self.kind = "hudson.slaves.SlaveComputer" if name else "hudson.model.Hudson$MasterComputer"
        self.fields = {**Computer.fields, "absoluteRemotePath": None} if name else Computer.fields
        self.path = f"/computer/{url_name(name)}/" if name else "/computer/(built-in)/"

    @property
    def element(self):
        return self.jenkins.nodes[self.name]

    def text(self, field):
        return self.element.findtext(field)

    @property
    def labels(self):
        return sorted({self.name, *(self.text("label") or "").split()}) if self.name else ["built-in"]

    @property
    def size(self):
        return int(self.text("numExecutors")) if self.name else self.jenkins.executors

    @property
    def builds(self):
        return [build for build in self.jenkins.running if build.node == self.name]

    def executors(self):
        builds = [build for build in self.builds if not build.job.is_pipeline]
        return [executor(number, builds[number] if number < len(builds) else None) for number in range(self.size)]

    @property
    def message(self):
        """Why somebody took it offline; None: nobody did."""
        return self.text("temporaryOfflineCause/message") if self.name else self.jenkins.built_in_message

    @property
    def offline(self):
        return self.message is not None or not self.jenkins.is_online(self.name)

    @property
    def icon(self):
        return "symbol-computer-offline" if self.offline else "symbol-computer"

    def cause(self):
        if self.message is None:
            return None
        since = int(self.text("temporaryOfflineCause/timestamp") or 0) if self.name else 0
        text = f"Disconnected by {self.jenkins.user.name} : {self.message}"
        return Shown("hudson.slaves.OfflineCause$UserCause", timestamp=since, description=html.escape(text, False))

    def set_message(self, message):
        if not self.name:
            self.jenkins.built_in_message = message
            return
        for cause in self.element.findall("temporaryOfflineCause"):
            self.element.remove(cause)
        if message is None:
            return
        user = self.jenkins.user.name
        cause = documents.parsed('<temporaryOfflineCause class="hudson.slaves.OfflineCause$UserCause"/>')
        documents.add(cause, "timestamp", str(int(self.jenkins.clock() * 1000)))
        text = documents.add(cause, "description")
        documents.add(documents.add(text, "holder"), "owner", "hudson.slaves.Messages")
        documents.add(text, "key", "SlaveComputer.DisconnectedBy")
        strings = documents.add(text, "args")
        documents.add(strings, "string", user)
        documents.add(strings, "string", f" : {message}")
        documents.add(cause, "userId", user)
        documents.add(cause, "message", message)
        self.element.insert(0, cause)

    def do_config_xml(self, request):
        if not self.name or request.method not in ("GET", "POST"):
            raise Refused(400)
        self.jenkins.need("Agent/Configure")
        if request.method == "GET":
            return xml(f'<?xml version="1.1" encoding="UTF-8"?>\n{documents.written(self.element)}')
        element = complete(documents.held(self.jenkins.root_of(documents.decoded(request.body, charset(request)), ("slave",)), self.jenkins.plugins))
        del self.jenkins.nodes[self.name]
        self.jenkins.nodes[element.findtext("name") or self.name] = element
        return None

    @posts
    def do_doDelete(self, request):
        if not self.name:
            raise Refused(400)
        self.jenkins.need("Agent/Delete")
        for build in self.builds:
            build.finish("FAILURE", self.jenkins.clock())
        del self.jenkins.nodes[self.name]
        return to("/computer/")

    @posts
    def do_toggleOffline(self, request):
        self.jenkins.need("Agent/Disconnect")
        self.set_message(form(request).get("offlineMessage", "") if self.message is None else None)
        return to(self.path)

    @posts
    def do_changeOfflineCause(self, request):
        self.jenkins.need("Agent/Disconnect")
        self.set_message(form(request).get("offlineMessage", ""))
        return to(self.path)

    def do_jenkins_agent_jnlp(self, request):
        if not self.name:
            raise missing()
        self.jenkins.need("Agent/Connect")
        secret = hashlib.sha256(f"standin {self.name}".encode()).hexdigest()
        web_socket = ["-webSocket"] if self.text("launcher/webSocket") == "true" else []
        work = ["-workDir", self.text("remoteFS") or "", "-internalDir", self.text("launcher/workDirSettings/internalDir") or "remoting"]
        arguments = [secret, self.name, *web_socket, *work, "-url", f"{self.jenkins.base}/"]
        text = "".join(f"<argument>{html.escape(argument)}</argument>" for argument in arguments)
        return Answer(200, f"<jnlp><application-desc>{text}</application-desc></jnlp>".encode(), {"Content-Type": "application/x-java-jnlp-file"})

    do_slave_agent_jnlp = do_jenkins_agent_jnlp


def complete(element):
    """What the controller adds to a node's XML when it reads it."""
    element.find("label").text = (element.findtext("label") or "").strip()
    launcher = element.find("launcher")
    if launcher is not None and launcher.get("class") == "hudson.slaves.JNLPLauncher" and launcher.find("workDirSettings") is None:
        launcher.insert(0, work_dir("true"))
    return element


def work_dir(disabled, given=()):
    given, element = dict(given), ET.Element("workDirSettings")
    documents.add(element, "disabled", str(given.get("disabled", disabled)).lower())
    if given.get("workDirPath"):
        documents.add(element, "workDirPath", given["workDirPath"])
    documents.add(element, "internalDir", given.get("internalDir", "remoting"))
    documents.add(element, "failIfWorkDirIsMissing", str(given.get("failIfWorkDirIsMissing", False)).lower())
    return element


def from_form(given: dict) -> ET.Element:
    """The XML of a node posted as a form's JSON."""
    element = ET.Element("slave")
    for field, name in (("name", "name"), ("nodeDescription", "description"), ("remoteFS", "remoteFS"), ("numExecutors", "numExecutors"), ("mode", "mode")):
        default = {"numExecutors": 1, "mode": "NORMAL"}.get(field)
        if field in given or default:
            documents.add(element, name, str(given.get(field, default)))
    retention, launcher = given.get("retentionStrategy"), given.get("launcher")
    if retention:
        documents.add(element, "retentionStrategy", **{"class": retention.get("$class") or retention.get("stapler-class")})
    if launcher:
        child = documents.add(element, "launcher", **{"class": launcher.get("$class") or launcher.get("stapler-class")})
        if child.get("class") == "hudson.slaves.JNLPLauncher":
            child.append(work_dir("false", launcher.get("workDirSettings") or ()))
            documents.add(child, "webSocket", str(launcher.get("webSocket", False)).lower())
        else:
            for field, value in launcher.items():
                if "class" not in field:
                    documents.add(child, {"command": "agentCommand"}.get(field, field), str(value))
    documents.add(element, "label", given.get("labelString", ""))
    properties = documents.add(element, "nodeProperties")
    variables = given.get("nodeProperties", {}).get("hudson-slaves-EnvironmentVariablesNodeProperty", {}).get("env", [])
    if variables:
        holder = documents.add(documents.add(properties, "hudson.slaves.EnvironmentVariablesNodeProperty"), "envVars", serialization="custom")
        documents.add(holder, "unserializable-parents")
        tree = documents.add(holder, "tree-map")
        documents.add(documents.add(tree, "default"), "comparator", **{"class": "java.lang.String$CaseInsensitiveComparator"})
        documents.add(tree, "int", str(len(variables)))
        for each in variables:
            documents.add(tree, "string", each["key"])
            documents.add(tree, "string", each["value"])
    return element


class Computers(Bean):
    """/computer/"""

    kind = "hudson.model.ComputerSet"
    fields = {
        "busyExecutors": lambda computers: sum(not build.job.is_pipeline for build in computers.jenkins.running),
        "computer": lambda computers: [Computer(computers.jenkins, name) for name in computers.names()],
        "displayName": "Nodes",
        "totalExecutors": lambda computers: sum(Computer(computers.jenkins, name).size for name in computers.names() if computers.jenkins.is_online(name)),
    }

    def __init__(self, jenkins):
        self.jenkins = jenkins

    def names(self):
        return ["", *sorted((name for name in self.jenkins.nodes if self.answers(name)), key=str.lower)]

    def answers(self, name):
        """Has the node a computer? One without executors has none, and cannot be reached, read or deleted."""
        executors = self.jenkins.nodes[name].findtext("numExecutors") or ""
        return executors.isdigit() and int(executors) > 0

    def child(self, names):
        if names[0] in ("(built-in)", "(master)"):
            return Computer(self.jenkins, ""), 1
        if names[0] in self.jenkins.nodes and self.answers(names[0]):
            return Computer(self.jenkins, names[0]), 1
        return None

    @posts
    def do_doCreateItem(self, request):
        self.jenkins.need("Agent/Create")
        given = form(request)
        if "name" not in given:
            raise bad("Query parameter 'name' is required")
        name = good_name(given["name"])
        if name in self.jenkins.nodes:
            raise bad(f"Agent called  {name}  already exists")
        if given.get("type") not in ("hudson.slaves.DumbSlave", "hudson.slaves.DumbSlave$DescriptorImpl"):
            raise broken()
        if "json" not in given:
            raise jetty(400, "This page expects a form submission")
        element = from_form({**json.loads(given["json"]), "name": name})
        kept = documents.held(element, self.jenkins.plugins)
        if (element.find("launcher") is None) != (kept.find("launcher") is None):  # its class is not there
            raise broken()
        self.jenkins.nodes[name] = kept
        return to("/computer/")


class Label(Bean):
    brief, page_kind = ("name",), "hudson.model.labels.LabelAtom"

    def __init__(self, jenkins, name):
        nodes = jenkins.labelled(name)
        size = sum(Computer(jenkins, node).size for node in nodes if jenkins.is_online(node))
        self.fields = {
            "actions": [], "busyExecutors": 0, "clouds": [], "description": None, "idleExecutors": size, "loadStatistics": LOAD, "name": name,
            "nodes": [{"_class": "hudson.slaves.DumbSlave" if node else "hudson.model.Hudson", "nodeName": node} for node in nodes],
            "offline": not size, "tiedJobs": [], "totalExecutors": size, "propertiesList": [],
        }  # fmt: skip


class Nodes:
    """The controller's part. `nodes` {name: element of its config.xml}; `online` names of those whose agent is connected."""

    def start_nodes(self):
        self.nodes, self.online, self.executors, self.built_in_message = {}, set(), 2, None

    def is_online(self, name) -> bool:
        if not name:
            return self.built_in_message is None
        return name in self.online and name in self.nodes and self.nodes[name].find("temporaryOfflineCause") is None

    def labelled(self, expression) -> list:
        """The nodes with all labels of `a && b`; without an expression the built-in one."""
        wanted = {label.strip() for label in (expression or "built-in").split("&&")}
        return [name for name in ["", *self.nodes] if wanted <= set(Computer(self, name).labels)]
