# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plugins, the update centre's jobs, and the configuration-as-code plugin."""

from __future__ import annotations

import io
import json
import zipfile
from itertools import count

import yaml

from . import xml as documents
from .api import JSON, Answer, Bean, Refused, Shown, bad, broken, charset, content_type, denied, form, missing, parts, posts, to

# Name, version and needs of what the recorded controller had, and of configuration-as-code, which it had not.
INSTALLED = """
asm-api 9.9-185.va_6c6b_3348b_c3
bouncycastle-api 2.30.1.84-291.v9f17b_21896e2
branch-api 2.1280.v0d4e5b_b_460ef scm-api cloudbees-folder caffeine-api commons-lang3-api ionicons-api structs
caffeine-api 3.2.2-178.v353b_8428ed56
cloudbees-folder 6.1100.ve9eed61d16c4 ionicons-api credentials
command-launcher 134.v025a_5fcf9dea_ script-security
commons-lang3-api 3.19.0-104.v12125f33a_255
commons-text-api 1.14.0-194.v804a_dc3a_1b_d8 commons-lang3-api
configuration-as-code 2006.v001a_2ca_6b_574 caffeine-api commons-lang3-api commons-text-api
credentials-binding 728.v902a_273b_8947 credentials plain-credentials workflow-step-api structs ssh-credentials
credentials 1502.v5c95e620ddfe structs commons-lang3-api commons-text-api bouncycastle-api ionicons-api
durable-task 686.v80ff80875b_82
ionicons-api 94.vcc3065403257
jackson2-api 2.20.0-420.ve47f40ae6ff4
matrix-auth 3.2.8 ionicons-api cloudbees-folder
next-build-number 66.v4b_4762172d53 branch-api ionicons-api workflow-job
pipeline-build-step 599.v4b_67ea_11b_152 workflow-step-api workflow-api workflow-support script-security structs
pipeline-graph-analysis 254.v0f63a_a_447dca_ workflow-api workflow-step-api workflow-cps workflow-job pipeline-stage-step pipeline-input-step workflow-support
pipeline-input-step 560.v56198a_642157 structs workflow-step-api workflow-api workflow-support credentials
pipeline-rest-api 2.41 commons-lang3-api workflow-api pipeline-graph-analysis workflow-job pipeline-stage-step pipeline-input-step workflow-support
 workflow-step-api jackson2-api
pipeline-stage-step 322.vecffa_99f371c workflow-api workflow-step-api
plain-credentials 199.v9f8e1f741799 credentials
scm-api 728.vc30dcf7a_0df5 asm-api commons-lang3-api structs
script-security 1402.1405.vc96e74964250 caffeine-api
ssh-credentials 361.vb_f6760818e8c credentials variant
structs 362.va_b_695ef4fdf9
variant 70.va_d9f17f859e0
workflow-api 1413.v2ff1a_5e720fa_ workflow-step-api scm-api structs
workflow-basic-steps 1098.v808b_fd7f8cf4 commons-lang3-api workflow-step-api workflow-api structs workflow-durable-task-step
workflow-cps 4350.vcc65d4958821 ionicons-api scm-api script-security structs workflow-api workflow-scm-step workflow-step-api workflow-support
workflow-durable-task-step 1479.v56e587f413a_7 workflow-step-api durable-task workflow-api workflow-support script-security structs scm-api
workflow-job 1571.1580.v18e46842c125 ionicons-api workflow-step-api workflow-api workflow-support
workflow-scm-step 466.va_d69e602552b_ workflow-step-api scm-api
workflow-step-api 710.v3e456cc85233 structs
workflow-support 1015.v785e5a_b_b_8b_22 workflow-step-api workflow-api scm-api script-security caffeine-api
"""
ROOTS = ("jenkins", "security", "tool", "unclassified", "credentials", "appearance", "jobs", "groovy", "support", "configuration-as-code")
IN_JENKINS = """
    agentProtocols authorizationStrategy clouds crumbIssuer disableRememberMe disabledAdministrativeMonitors globalNodeProperties jdks labelAtoms
    labelString log markupFormatter mode myViewsTabBar nodeMonitors nodes noUsageStatistics numExecutors primaryView projectNamingStrategy
    proxy quietPeriod rawBuildsDir remotingSecurity scmCheckoutRetryCount securityRealm slaveAgentPort systemMessage updateCenter views viewsTabBar
"""  # attributes of the root element `jenkins`


def plugin(name, version, needs=(), **changes):
    """What the API says of a plugin."""
    return {
        "active": True, "backupVersion": None, "bundled": False, "deleted": False, "dependencies": list(needs), "detached": False,
        "downgradable": False, "enabled": True, "hasUpdate": False, "longName": name, "pinned": False, "requiredCoreVersion": "2.541.3",
        "shortName": name, "supportsDynamicLoad": "MAYBE", "url": None, "version": version, **changes,
    }  # fmt: skip


class Plugin(Bean):
    brief, page_kind = (), "hudson.PluginWrapper"

    def __init__(self, jenkins, name):
        self.jenkins, self.held = jenkins, jenkins.plugins[name]
        versions = {need: jenkins.plugins[need]["version"] for need in self.held["dependencies"] if need in jenkins.plugins}
        needs = [Shown(None, (), optional=False, shortName=need, version=version) for need, version in versions.items()]
        self.fields = {**self.held, "dependencies": needs}

    def set(self, **changes):
        self.jenkins.need("Overall/Administer")
        self.held.update(changes)

    @posts
    def do_makeEnabled(self, request):
        self.set(enabled=True)

    @posts
    def do_makeDisabled(self, request):
        self.set(enabled=False)

    @posts
    def do_doUninstall(self, request):
        self.set(deleted=True)
        return to("/manage/pluginManager/installed")


class PluginManager(Bean):
    kind = "hudson.LocalPluginManager"
    fields = {"plugins": lambda manager: [Plugin(manager.jenkins, name) for name in manager.jenkins.plugins]}

    def __init__(self, jenkins):
        self.jenkins = jenkins

    def do_api_json(self, request):
        self.jenkins.need("Overall/Administer")
        return super().do_api_json(request)

    def child(self, names):
        if names[0] != "plugin" or len(names) < 2:
            return None
        if names[1] not in self.jenkins.plugins:
            raise missing()
        return Plugin(self.jenkins, names[1]), 2

    @posts
    def do_installNecessaryPlugins(self, request):
        """Answers 302 whatever comes of it; what the update site has (`available`) is installed."""
        self.jenkins.need("Overall/Administer")
        for install in self.jenkins.root_of(documents.decoded(request.body, charset(request)), ("jenkins",)).findall("install"):
            name = install.get("plugin", "").partition("@")[0]
            if name in self.jenkins.available and name not in self.jenkins.plugins:
                self.jenkins.installed(name, self.jenkins.available[name])
        return to("/pluginManager/updates/")

    @posts
    def do_installPlugins(self, request):
        """Unlike the one before it says so when it cannot."""
        self.jenkins.need("Overall/Administer")
        if content_type(request) != "application/json":
            raise broken()
        answer = {"status": "ok", "data": {"correlationId": "00000000-0000-0000-0000-000000000000"}}
        for name in json.loads(request.body)["plugins"]:
            if name not in self.jenkins.available:
                return Answer(200, json.dumps({"status": "error", "message": f"No such plugin: {name}"}).encode(), JSON)
            self.jenkins.installed(name, self.jenkins.available[name])
        return Answer(200, json.dumps(answer).encode(), JSON)

    @posts
    def do_uploadPlugin(self, request):
        self.jenkins.need("Overall/Administer")
        found = parts(request) if content_type(request) == "multipart/form-data" else []
        if len(found) < 2 or found[0][1] is None:
            raise broken()
        _field, file, content = found[0]
        if not file:
            return to("/pluginManager/advanced")
        if not file.endswith((".hpi", ".jpi")):
            raise bad(f"{file} is not a Jenkins plugin")
        try:
            manifest = zipfile.ZipFile(io.BytesIO(content)).read("META-INF/MANIFEST.MF").decode()
            values = dict(line.split(": ", 1) for line in manifest.replace("\r\n", "\n").replace("\n ", "").splitlines() if ": " in line)
            name, version = values["Short-Name"], values["Plugin-Version"]
        except (zipfile.BadZipFile, KeyError):
            self.jenkins.job_done("Failure", "uploaded00000000000000000000", "Failed to dynamically deploy this plugin")
        else:
            needs = values.get("Plugin-Dependencies", "")
            self.jenkins.installed(name, version, [need.partition(":")[0] for need in needs.split(",") if need])
        return to("/pluginManager/updates/")


class UpdateCenter(Bean):
    kind = "hudson.model.UpdateCenter"
    fields = {
        "jobs": lambda centre: centre.jobs(),
        "restartRequiredForCompletion": lambda centre: any(job["status"] == "SuccessButRequiresRestart" for job in centre.jenkins.update_jobs),
    }

    def __init__(self, jenkins):
        self.jenkins = jenkins

    def jobs(self):
        found = []
        for job in self.jenkins.update_jobs:
            status = job["status"] if self.jenkins.clock() >= job["done"] else "Installing"
            shown = Shown(f"hudson.model.UpdateCenter$DownloadJob${status}", (), success=status.startswith("Success"), type=status)
            for kind, number, more in (("ConnectionCheckJob", 2, {}), ("InstallationJob", 0, {"name": job["name"], "status": shown, "plugin": {}})):
                fields = {"errorMessage": job["error"] if more else None, "id": job["id"] + number, "type": kind, **more}
                found.append(Shown(f"hudson.model.UpdateCenter${kind}", **fields))
        return found


class ConfigurationAsCode(Bean):
    """The plugin's pages, by its source (2026-08); no controller with it was recorded."""

    def __init__(self, jenkins):
        self.jenkins = jenkins

    def problem(self, text):
        """Why a configuration is not one; None: it can be applied. Only root elements, and the names directly in `jenkins`, are known here."""
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            return str(error)
        if document is None:
            return None
        if not isinstance(document, dict):
            return "class io.jenkins.plugins.casc.model.Scalar cannot be cast to class io.jenkins.plugins.casc.model.Mapping"
        for name in (document.get("jenkins") or {}) if isinstance(document.get("jenkins") or {}, dict) else ():
            if name not in IN_JENKINS.split():
                return f"Invalid configuration elements for type: class jenkins.model.Jenkins : {name}.\nAvailable attributes : {', '.join(IN_JENKINS.split())}"
        unknown = [str(name) for name in document if str(name).lower() not in ROOTS and not str(name).startswith("x-")]
        if not unknown:
            return None
        names = ", ".join(unknown)
        return (
            f"No configurator found for the following root element{'s' if len(unknown) > 1 else ''}: {names}. This may indicate that the required plugin is"
            " not installed or failed to load. Verify that the plugin is installed and check the Jenkins startup logs for plugin loading errors."
            f"{names}"
        )

    def body(self, request):
        if not self.jenkins.allowed("Overall/Administer"):
            raise Refused(403)
        return request.body.decode("utf-8", "replace")

    @posts
    def do_check(self, request):
        request.reads = True
        problem = self.problem(self.body(request))
        body = [] if problem is None else [{"line": -1, "message": problem}]
        return Answer(200 if problem is None else 400, json.dumps(body).encode(), {"Content-Type": "application/json;charset=utf-8"})

    @posts
    def do_apply(self, request):
        text = self.body(request)
        if self.problem(text) is not None:
            raise broken()
        self.jenkins.casc = text

    @posts
    def do_checkNewSource(self, request):
        request.reads = True
        if not self.jenkins.allowed("Overall/Administer"):
            raise denied(self.jenkins.user.name, "Overall/Administer")
        source = form(request).get("newSource", "").strip()
        text = "<div/>" if not source else '<div class="error">Configuration cannot be applied. File or URL cannot be parsed or do not exist.</div>'
        return Answer(200, text, {"Content-Type": "text/html;charset=utf-8"})

    @posts
    def do_export(self, request):
        request.reads = True
        self.body(request)
        headers = {"Content-Type": "application/x-yaml; charset=utf-8", "Content-Disposition": "attachment; filename=jenkins.yaml"}
        return Answer(200, (self.jenkins.casc or "jenkins:\n  mode: NORMAL\n").encode(), headers)


class Plugins:
    """The controller's part. `plugins` {name: what the API says of it}, `available` {name: version} what the update site has."""

    def start_plugins(self):
        lines = [line.split() for line in INSTALLED.replace("\n ", " ").splitlines() if line]
        self.plugins = {name: plugin(name, version, needs, detached=name in DETACHED) for name, version, *needs in lines}
        self.available, self.update_jobs, self.install_seconds, self.casc, self.next_versions = {}, [], 0.05, None, {}
        self.job_numbers = count(1, 6)

    def installed(self, name, version, needs=()):
        """A plugin's file arrived: a new one works at once, one that runs already after a restart."""
        new = name not in self.plugins
        if new:
            self.plugins[name] = plugin(name, version, needs)
        else:
            self.plugins[name].update(backupVersion=self.plugins[name]["version"], downgradable=True)
            self.next_versions[name] = version
        self.job_done("Success" if new else "SuccessButRequiresRestart", name)

    def job_done(self, status, name, error=None):
        number = next(self.job_numbers)
        self.update_jobs.append({"id": number, "status": status, "name": name, "error": error, "done": self.clock() + self.install_seconds})

    def plugins_restarted(self):
        self.update_jobs = []
        self.plugins = {name: self.plugins[name] for name in sorted(self.plugins, key="{}.jpi".format) if not self.plugins[name]["deleted"]}
        for name, held in self.plugins.items():
            held.update(active=held["enabled"], version=self.next_versions.pop(name, held["version"]))


DETACHED = ("bouncycastle-api", "command-launcher", "matrix-auth")
