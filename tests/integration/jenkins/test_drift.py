# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of each kind, changed by hand behind the modules' backs, are found and repaired: nothing is trusted to a cache."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from ansible_collections.mlops.onprem.tests.standins.jenkins import xml as documents

JJB = """
- job:
    name: jjb
    builders: [{shell: one}, {shell: two}]
    publishers: [{archive: {artifacts: "*.txt"}}]
    triggers: [{timed: "@daily"}]
    parameters: [{string: {name: A, default: "1"}}]
    properties: [{build-discarder: {num-to-keep: 5}}]
"""
RAW = (
    "<project><description>d</description><disabled>false</disabled><properties/><triggers/><builders><hudson.tasks.Shell><command>a</command>"
    "</hudson.tasks.Shell><hudson.tasks.Maven><targets>b</targets></hudson.tasks.Maven></builders><publishers/><buildWrappers/></project>"
)
JOBS = [
    {
        "name": "drift/pipe",
        "type": "pipeline",
        "script": "echo 1",
        "parameters": [{"name": "A", "type": "string", "default": "1"}],
        "cron": "@daily",
        "keep_builds": 5,
        "concurrent": False,
        "disabled": False,
        "description": "",
    },
    {"name": "drift/free", "type": "freestyle", "shell": ["one", "two"], "git_url": "https://g/x.git", "git_branch": "main", "label": "linux"},
    {"name": "drift/many", "type": "multibranch", "git_url": "https://g/x.git", "excludes": "x", "scan_interval": "1h"},
    {"name": "drift/jjb", "jjb": JJB},
    {"name": "drift/raw", "xml": RAW},
]
ARCHIVER = "<hudson.tasks.ArtifactArchiver><artifacts>*</artifacts></hudson.tasks.ArtifactArchiver>"
SHELL = "<hudson.tasks.Shell><command>by hand</command></hudson.tasks.Shell>"
PARAMETER = "<hudson.model.StringParameterDefinition><name>X</name></hudson.model.StringParameterDefinition>"


def text(path, new):
    def change(root):
        root.find(path).text = new

    return change


def more(path, xml, first=False):
    def change(root):
        parent = root.find(path)
        parent.insert(0 if first else len(parent), ET.fromstring(xml))

    return change


def less(path, place=0):
    def change(root):
        parent = root.find(path)
        parent.remove(parent[place])

    return change


def turned(path):
    def change(root):
        parent = root.find(path)
        parent[:] = reversed(parent)

    return change


PARAMETERS = "properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions"
BY_HAND = [
    ("drift/pipe", text("definition/script", "echo 2")),
    ("drift/pipe", text(f"{PARAMETERS}/*/defaultValue", "2")),
    ("drift/pipe", more(PARAMETERS, PARAMETER)),
    ("drift/pipe", less(PARAMETERS)),
    ("drift/pipe", text(".//hudson.triggers.TimerTrigger/spec", "@hourly")),
    ("drift/pipe", less("properties", 0)),
    ("drift/pipe", less("properties", 1)),
    ("drift/pipe", less("properties", 2)),
    ("drift/pipe", text("disabled", "true")),
    ("drift/pipe", more(".", "<description>by hand</description>")),
    ("drift/pipe", text(".//numToKeep", "7")),
    ("drift/free", more("builders", SHELL, first=True)),
    ("drift/free", more("builders", "<hudson.tasks.Maven><targets>x</targets></hudson.tasks.Maven>")),
    ("drift/free", turned("builders")),
    ("drift/free", less("builders")),
    ("drift/free", text("scm/userRemoteConfigs/*/url", "https://other")),
    ("drift/free", more("scm/userRemoteConfigs", "<hudson.plugins.git.UserRemoteConfig><url>https://2</url></hudson.plugins.git.UserRemoteConfig>")),
    ("drift/free", more("scm/branches", "<hudson.plugins.git.BranchSpec><name>other</name></hudson.plugins.git.BranchSpec>")),
    ("drift/free", text("assignedNode", "windows")),
    ("drift/many", text("sources/data/jenkins.branch.BranchSource/source/remote", "https://other")),
    ("drift/many", more("sources/data", "<jenkins.branch.BranchSource><source/></jenkins.branch.BranchSource>")),
    ("drift/many", less("sources/data/jenkins.branch.BranchSource/source/traits", 1)),
    ("drift/many", less("triggers")),
    ("drift/jjb", more("publishers", SHELL)),
    ("drift/jjb", less("publishers")),
    ("drift/jjb", more("builders", SHELL, first=True)),
    ("drift/jjb", turned("builders")),
    ("drift/jjb", more("buildWrappers", "<hudson.plugins.timestamper.TimestamperBuildWrapper/>")),
    ("drift/jjb", more("properties", "<hudson.model.ParametersDefinitionProperty/>")),
    ("drift/jjb", less("properties")),
    ("drift/jjb", more(PARAMETERS, PARAMETER)),
    ("drift/jjb", more("triggers", "<hudson.triggers.SCMTrigger><spec>@hourly</spec></hudson.triggers.SCMTrigger>")),
    ("drift/jjb", text(".//numToKeep", "6")),
    ("drift/jjb", text("canRoam", "false")),
    ("drift/raw", text("description", "by hand")),
    ("drift/raw", text("disabled", "true")),
    ("drift/raw", more("publishers", ARCHIVER)),
    ("drift/raw", more("triggers", "<hudson.triggers.TimerTrigger><spec>@daily</spec></hudson.triggers.TimerTrigger>")),
    ("drift/raw", more("properties", "<hudson.model.ParametersDefinitionProperty/>")),
    ("drift/raw", turned("builders")),
    ("drift/raw", text("builders/hudson.tasks.Maven/targets", "c")),
]


def only(run, kind, items, name, **options):
    """A run changes this one object alone, as check mode says, and then all is well."""
    planned = run(kind, True, **{items[0]: items[1]}, **options)
    done = run(kind, **{items[0]: items[1]}, **options)
    assert not done.get("failed"), done["msg"]
    changed = [result.get("name") or result["id"] for result in done["results"] if result["result"] != "unchanged"]
    assert changed == [name] and done["diff"] == planned["diff"] and done["results"] == planned["results"]
    assert not run(kind, **{items[0]: items[1]}, **options)["changed"]
    return done


@pytest.fixture
def jobs(run, both):
    run("jenkins_folders", folders=[{"name": "drift"}])
    assert not run("jenkins_jobs", jobs=JOBS).get("failed")
    for name in both.items:
        both.save(name)
    return both


def test_jobs(run, jobs):
    for name, change in BY_HAND:
        item = jobs.item(name)
        before = item.xml
        root = documents.parsed(before)
        change(root)
        item.xml = documents.saved(root)
        only(run, "jenkins_jobs", ("jobs", JOBS), name)
        jobs.save(name)
        again = documents.parsed(item.xml)
        assert {child.tag for child in again} == {child.tag for child in documents.parsed(before)}, "nothing is left of it"
        item.xml = before


def test_a_job_disabled_or_deleted_by_hand(run, jobs):
    jobs.item("drift/pipe").save(disabled="true")
    done = only(run, "jenkins_jobs", ("jobs", JOBS), "drift/pipe")
    assert done["diff"]["before"] == {"drift/pipe": {"disabled": True}} and done["diff"]["after"] == {"drift/pipe": {"disabled": False}}
    jobs.item("drift/raw").remove()
    assert only(run, "jenkins_jobs", ("jobs", JOBS), "drift/raw")["results"][4]["result"] == "created"


def test_a_diff_of_a_document_names_what_differs(run, jobs):
    root = documents.parsed(jobs.item("drift/jjb").xml)
    more("builders", SHELL)(root)
    text("canRoam", "false")(root)
    jobs.item("drift/jjb").xml = documents.saved(root)
    diff = only(run, "jenkins_jobs", ("jobs", JOBS), "drift/jjb")["diff"]
    assert diff["before"]["drift/jjb"]["jjb"].split("\n") == ["canRoam: false", "builders/hudson.tasks.Shell[3]: command=by hand"]
    assert diff["after"]["drift/jjb"]["jjb"].split("\n") == ["canRoam: true", "builders/hudson.tasks.Shell[3]: (nothing)"]


def test_what_jenkins_adds_is_no_drift(run, jobs):
    """Actions of pipelines, versions of plugins, defaults of a newer version, other order of attributes and elements."""
    for name in ("drift/pipe", "drift/jjb", "drift/raw", "drift/free"):
        root = documents.parsed(jobs.item(name).xml)
        if root.find("actions") is None:
            ET.SubElement(root, "actions")
        root.find("actions").append(ET.Element("org.jenkinsci.plugins.pipeline.modeldefinition.actions.DeclarativeJobAction", plugin="x@1"))
        for element in root.iter():
            element.set("plugin", "y@2")
        for step in root.findall("builders/*"):
            ET.SubElement(step, "newField").text = "1"
        ET.SubElement(root, "newDefault").text = "true"
        root[:] = reversed(root)
        jobs.item(name).xml = documents.saved(root)
    jobs.clear()
    assert not run("jenkins_jobs", jobs=JOBS)["changed"] and jobs.writes() == []


def test_folders(run, jenkins):
    folders = [{"name": "f", "description": "d", "display_name": "F"}, {"name": "g"}]
    run("jenkins_folders", folders=folders)
    for name in ("description", "displayName"):
        jenkins.item("f").save(**{name: "by hand"})
        only(run, "jenkins_folders", ("folders", folders), "f")
        assert jenkins.item("f").config.findtext(name) in ("d", "F")
    jenkins.item("g").remove()
    only(run, "jenkins_folders", ("folders", folders), "g")


def test_credentials(run, jenkins):
    """A secret changed by hand cannot be seen; all else is, and then the secret is repaired with it."""
    credentials = [{"id": "c", "type": "username_password", "username": "u", "password": "pass-of-c", "description": "d"}]
    run("jenkins_credentials", credentials=credentials)
    for name in ("description", "username"):
        held = jenkins.credentials[""]["_"]["c"]
        held.find("password").text = "by hand"
        assert not run("jenkins_credentials", credentials=credentials)["changed"], "not to be seen"
        held.find(name).text = "by hand"
        only(run, "jenkins_credentials", ("credentials", credentials), "c")
        held = jenkins.credentials[""]["_"]["c"]
        assert (held.findtext("password"), held.findtext(name)) == ("pass-of-c", credentials[0][name])
    del jenkins.credentials[""]["_"]["c"]
    only(run, "jenkins_credentials", ("credentials", credentials), "c")


def test_nodes(run, jenkins):
    nodes = [
        {"name": "n", "launcher": "inbound", "remote_fs": "/x", "labels": ["a"], "environment": {"A": "1"}, "offline": False, "tools": []},
        {"name": "s", "launcher": "ssh", "remote_fs": "/x", "host": "h", "credentials_id": "c"},
    ]
    run("jenkins_nodes", nodes=nodes)
    variables = "nodeProperties/hudson.slaves.EnvironmentVariablesNodeProperty/envVars/tree-map"
    for name, change in (
        ("n", text("label", "b")),
        ("n", text("numExecutors", "5")),
        ("n", text(f"{variables}/string[2]", "2")),
        ("n", less("nodeProperties")),
        ("n", lambda root: root.find("launcher").set("class", "hudson.slaves.CommandLauncher")),
        ("s", text("launcher/host", "other")),
        (
            "s",
            lambda root: root.find("launcher/sshHostKeyVerificationStrategy").set(
                "class", "hudson.plugins.sshslaves.verifiers.NonVerifyingKeyVerificationStrategy"
            ),
        ),
    ):
        change(jenkins.nodes[name])
        only(
            run,
            "jenkins_nodes",
            ("nodes", [node | {"executors": 1, "host_key_verification": "known_hosts"} if node["name"] == "s" else node | {"executors": 1} for node in nodes]),
            name,
        )
    run("jenkins_nodes", nodes=[{"name": "n", "offline": True, "offline_reason": "by hand"}])
    only(run, "jenkins_nodes", ("nodes", nodes), "n")
    del jenkins.nodes["s"]
    only(run, "jenkins_nodes", ("nodes", nodes), "s")


def test_views(run, jenkins):
    views = [{"name": "v", "jobs": ["a", "b"], "columns": ["status", "job"], "regex": "x", "recurse": False}]
    run("jenkins_views", views=views)
    for change in (
        less("jobNames", 1),
        more("jobNames", "<string>c</string>"),
        more("columns", "<hudson.views.WeatherColumn/>"),
        turned("columns"),
        text("includeRegex", "y"),
        text("recurse", "true"),
    ):
        change(jenkins.root.views["v"].element)
        only(run, "jenkins_views", ("views", views), "v")
    del jenkins.root.views["v"]
    only(run, "jenkins_views", ("views", views), "v")
