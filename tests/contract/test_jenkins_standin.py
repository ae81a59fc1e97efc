# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in for Jenkins answers as a controller did: every recorded request is sent to it, in order, and the answers are compared."""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import zipfile
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.mlops.onprem.tests.standins.jenkins import Jenkins, xml

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings" / "jenkins_2.541.3"
NAMES = """
    01_authentication 02a_job_xml_round_trip 02b_job_lifecycle 02c_job_names 02d_job_lists 02e_job_xml_text 02f_job_xml_after_controller_save
    03_jjb_round_trip 04_folders 05a_credentials_create_read 05b_credentials_update_delete 05c_credentials_domains_folders 06_nodes
    07a_builds_start_queue 07b_builds_running_log_stop 07c_pipelines 08_views 09_plugins 09b_plugin_upload 10_quiet_restart 10b_quiet_message
    11_matrix_auth 11b_matrix_property_errors 11c_folder_matrix_script 12_errors
"""
FILES = NAMES.split()
HEADERS = (
    "Content-Type", "Location", "X-Error", "WWW-Authenticate", "Allow", "X-More-Data", "X-You-Are-Authenticated-As", "X-You-Are-In-Group-Disabled",
    "X-Required-Permission", "X-Permission-Implied-By",
)  # fmt: skip
PRESENT = ("X-Jenkins", "X-Text-Size")
# Fields whose values depend on the clock, on chance or on the machine: only their types are compared.
VARYING = {"timestamp", "inQueueSince", "buildableStartMilliseconds", "duration", "estimatedDuration", "crumb", "progress"}
UNORDERED = {"assignedLabels", "nodes"}
FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
ADMIN = "basic admin:<redacted:api-token-admin>"
SECRET = "secret-pw-one"
KNOWN_USER = "<usernameSecret>false</usernameSecret>"
# Credentials and a domain that the recording made by form, made behind the back here.
BY_FORM = ((28, "stj", "t"), (34, "fij", "by form"), (39, "sshj", "k"))
DOMAIN = "com.cloudbees.plugins.credentials.domains.Domain"
DOM2 = xml.parsed(f"<{DOMAIN}><name>dom2</name><description>by form</description></{DOMAIN}>")


class Listed(NamedTuple):
    """A difference that is known: in these files, of requests that match, in these parts of the answer ("*": all)."""

    files: str
    request: str
    parts: str
    why: str


LISTED = [
    # not provided: nothing of ours asks for it
    Listed("01_.*", "/user/.*/descriptorByName/", "*", "not provided: users make no API tokens here"),
    Listed("01_.*", "/me/api/json", "json property", "not provided: the properties of a user"),
    Listed("01_.*|02b_.*|02d_.*", "/api/(xml|python)", "*", "not provided: the API in other forms than JSON"),
    Listed("02b_.*", "/checkJobName", "*", "not provided: checks of the web forms"),
    Listed("02d_.*", "jsonp=", "*", "not provided: the refusal of jsonp"),
    Listed("02d_.*", "depth=1", r"json (views|primaryView|overallLoad|unlabeledLoad|jobs\[\]|assignedLabels\[\])\..*", "`depth` shows less; use `tree`"),
    Listed("05a_.*", "^(9|11|12|14|27|33|38) POST", "*", "not provided: credentials by form, whose answer says nothing"),
    Listed("05b_.*", "/updateSubmit|^(28|29|31|33|35) ", "*", "not provided: credentials by form, and what is read after it"),
    Listed("05c_.*", "^4 POST", "*", "not provided: domains by form"),
    Listed("05c_.*", "/doMove", "*", "not provided: moving credentials between domains"),
    Listed("05c_.*", "/user/admin/credentials/", "*", "not provided: credentials of users"),
    Listed("06_.*", r"/computer/\((built-in|master)\)/api/json", "json monitorData.*", "not provided: what the node monitors measured"),
    Listed("06_.*", "/doDisconnect|/launchSlaveAgent|/logText/", "*", "not provided: an agent's connection and its log"),
    Listed("07b_.*", r"progressiveHtml|/ws/|/\*zip\*/", "*", "not provided: logs as HTML, workspaces, artifacts as an archive"),
    Listed("07b_.*", "/(injectedEnvVars|testReport)/", "X-Jenkins", "not provided: pages of plugins; a 404 as there, but for this header"),
    Listed("07b_.*", "^(39|40|41|42) ", "*", "not provided: a build's own name and description"),
    Listed("07b_.*", "/nextbuildnumber/|^46 |/doWipeOutWorkspace", "*", "not provided: the next build's number, and workspaces"),
    Listed("07b_.*|07c_.*", "^(22|11) GET", r"json (jobs\[\]\.)?healthReport", "not provided: health reports"),
    Listed("07c_.*", "/wfapi/", "*", "not provided: the pages of pipeline-rest-api; no stages are simulated"),
    Listed("07c_.*", "/input/", "*", "not provided: input steps"),
    Listed("07c_.*", "/plwait/1/api/json", "json actions", "not provided: input steps"),
    Listed("07c_.*", "/pipeline-syntax/|/replay/|checkScriptCompile", "*", "not provided: help for writing pipelines"),
    Listed("08_.*", "JobToView|JobFromView|^(42|45) ", "*", "not provided: single jobs added to a view, and what is read after it"),
    Listed("08_.*", "^(46|47|48) ", "*", "not provided: jobs made through a view"),
    Listed("09_.*", "/pluginManager/(install|prevalidateConfig|checkUpdatesServer)$", "*", "not provided: web forms and checks"),
    Listed("09_.*", "/updateCenter/", r"\*|json (sites|availables)|status|Content-Type", "not provided: update sites"),
    Listed("10_.*", "^44 GET", "*", "not provided: /reload takes no time, so nothing is answered with 500 after it"),
    Listed("12_.*", "/job/e1/api/$|/systemInfo|/log/all", "*", "not provided: pages for people"),
    # no Groovy
    Listed("06_.*|09_.*|11_.*|11b_.*|11c_.*|12_.*|02d_.*", "/scriptText", "text", "there is no Groovy: only the scripts that read many items are known"),
    # nothing is run
    Listed("06_.*|07c_.*", "/consoleText", "*", "no agent and no pipeline is run, so neither writes its own lines into the log"),
    Listed("07c_.*", "progressiveText", "text", "no pipeline is run, so it writes no lines of its own into the log"),
    Listed("07b_.*", "^15 GET", "text", "the shell's own last word, Terminated, is missing: no shell is run"),
    # simpler than there
    Listed("02b_.*", "^(38|50) GET", "text", "a cron spec is not read, so a bad one stays when the controller saves the job"),
    Listed("05a_.*|05c_.*", "/credentials/", r"json (.*\.)?displayName", "a certificate's subject is not read from its key store"),
    Listed("05b_.*", "^17 POST", "text", "the text of encrypted shape is not in the recording; its length is"),
    Listed("08_.*", "^53 GET", r"json views\[\]\.jobs", "a view forgets its regex when a bad one is posted; the controller goes on matching by the one before"),
    Listed("09b_.*", "^11 GET", r"json jobs\[\]\.name", "a file that is no plugin gets a name with a random number"),
]


def shell(command="x", **fields):
    """A job's XML; fields: elements with their text."""
    more = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
    return f"<project>{more}<builders><hudson.tasks.Shell><command>{command}</command></hudson.tasks.Shell></builders></project>"


def parameter(kind, name, default=None, more=""):
    tag = f"hudson.model.{kind}ParameterDefinition"
    return f"<{tag}><name>{name}</name>{'' if default is None else f'<defaultValue>{default}</defaultValue>'}{more}</{tag}>"


def parameterised(*definitions):
    held = f"<parameterDefinitions>{''.join(definitions)}</parameterDefinitions>"
    tag = "hudson.model.ParametersDefinitionProperty"
    return shell().replace("<builders>", f"<properties><{tag}>{held}</{tag}></properties><builders>")


def matrix(*permissions, description="<description>team folder</description>"):
    tag = f"{FOLDER.rpartition('.')[0]}.properties.AuthorizationMatrixProperty"
    granted = "".join(f"<permission>{permission}</permission>" for permission in permissions)
    strategy = '<inheritanceStrategy class="org.jenkinsci.plugins.matrixauth.inheritance.InheritParentStrategy"/>'
    return f"<{FOLDER}>{description}<properties><{tag}>{strategy}{granted}</{tag}></properties></{FOLDER}>"


def user_password(name, secret="secret-pw-one", description="desc", more=""):
    tag = "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl"
    fields = f"<scope>GLOBAL</scope><id>{name}</id><description>{description}</description><username>user1</username><password>{secret}</password>"
    return f"<{tag}>{fields}{more}</{tag}>"


class Replay:
    """Sends a file's requests to a stand-in of its own and says in what its answers differ."""

    def __init__(self, name, jenkins):
        self.name, self.jenkins = name, jenkins
        self.now = 1795421864.0
        self.sizes, self.sealed, self.crumb, self.cookie = {}, {}, "none", "none"
        jenkins.clock = lambda: self.now
        jenkins.quiet_period = 5
        jenkins.add_user("dev", "dev-password", "dev-token", {"Overall/Read", "Job/Read", "View/Read"})
        del jenkins.plugins["configuration-as-code"]
        self.connection = http.client.HTTPConnection("127.0.0.1", jenkins.server_port)

    # what the recording found there, and what was done between the recorded requests

    def job(self, name, text="<project/>", **plan):
        """Make a job or folder behind the back; plan: how its builds go."""
        folder, _slash, short = name.rpartition("/")
        item = (self.jenkins.item(folder) if folder else self.jenkins.root).add_item(short, self.jenkins.posted(text))
        for field, value in plan.items():
            setattr(item, field, value)
        return item

    def credential(self, text, domain="_", store=""):
        element = self.jenkins.credential(text)
        self.jenkins.credentials[store][domain][element.findtext("id")] = element

    def forget(self, *names):
        for name in names:
            del self.jenkins.credentials[""]["_"][name]

    def later(self, seconds):
        self.now += seconds
        self.jenkins.tick()

    def repost(self, name="bare2", **action):
        self.jenkins.item(name).xml = self.jenkins.posted(shell())
        if action:
            self.jenkins.item(name).save(**action)

    def start(self):
        job = self.job
        self.jenkins.scripts |= self.checks()
        if self.name in ("01", "02d", "03", "07b", "08", "11"):
            job("bad1", "<project><description/></project>")
        if self.name == "01":
            granted = ("USER:hudson.model.Item.Build:dev", "USER:hudson.model.Item.Configure:dev", "GROUP:hudson.model.Item.Read:authenticated")
            job("mx", matrix(*granted)).save()
            job("mx2", f"<{FOLDER}/>")
        elif self.name == "02d":
            job("t1")
            job("t2", "<flow-definition/>")
        elif self.name == "02f":
            job("b-for-copies")
        elif self.name in ("05b", "05c"):
            for text in (
                *([user_password("up1")] if self.name == "05b" else []), user_password("upj", more=KNOWN_USER, description="by form"),
                user_password("bc50dc85-bada-4ea9-9e22-19a36c3ad168", more=KNOWN_USER, description="no id"), user_password("a/b"),
                *self.secrets("st1", "text", "stj", "t", "fi1", "file", "fij", "by form", "ssh1", "key", "sshj", "k", "ce1", "cert"),
                user_password("up2", description="system scope &amp; ü\n2nd line", more="<usernameSecret>true</usernameSecret>"),
                user_password("long", description=f'managed sha256:{"ab" * 32} &lt;b&gt; {{"k":"v"}}\nline2  '),
            ):  # fmt: skip
                self.credential(text)
        elif self.name in ("07a", "07b"):
            self.jenkins.numbers = count(9 if self.name == "07a" else 20)
            step = ["[b1] $ /bin/sh -xe /var/tmp/jenkins0000.sh"]
            job("b1", shell(), artifacts={"out/a.txt": b"art\n"}, log_lines=step, duration=0.02)
            words = ["[bp] $ /bin/sh -xe /var/tmp/jenkins0000.sh", "+ echo hello wörld & co true green", "hello wörld & co true green"]
            choice = "<choices><string>red</string><string>green</string></choices>"
            bp = (parameter("String", "WHO", "nobody"), parameter("Boolean", "FLAG", "false"), parameter("Choice", "COLOR", more=choice))
            job("bp", parameterised(*bp, parameter("Password", "PW", "")), log_lines=words, duration=0.01)
            job("bpf", parameterised(parameter("String", "WHO"), parameter("File", "up.txt")))
            job("bq", shell(assignedNode="nolabel", canRoam="false"))
            lines = ["[bslow] $ /bin/sh -xe /var/tmp/jenkins0000.sh"]
            lines += [line for number in range(1, 31) for line in (f"+ echo line {number}", f"line {number}", "+ sleep 1")]
            job("bslow", shell(), duration=30, log_lines=lines)
            if self.name == "07b":
                job("bfail", shell(), result="FAILURE")
                job("bunst", shell(), result="UNSTABLE")
                for name, number in (("b1", 3), ("bfail", 1), ("bunst", 1), ("bp", 4), ("bpf", 1)):
                    for _build in range(number):
                        self.jenkins.run_build(name, 0.02)
                self.later(1)
                self.jenkins.numbers = count(18)
                self.jenkins.run_build("bslow")
        elif self.name == "07c":
            self.jenkins.numbers = count(23)
            for name in ("plpar", "plwait", "plstuck", "plin", "pl"):
                job(name, "<flow-definition/>", duration=3.005 if name == "plpar" else 20, ignores_stop=name == "plstuck")
            self.jenkins.item("plpar").artifacts = {"o.txt": b"o\n"}
            job("b1", shell())
        elif self.name == "08":
            job("va")
            job("vb")
            job("vf", f"<{FOLDER}/>")
            job("vf/vi")
        elif self.name == "09b":
            del self.jenkins.plugins["next-build-number"]
            self.jenkins.plugins["command-launcher"]["active"] = False
        elif self.name == "10":
            self.jenkins.numbers = count(32)
            job("rs", shell(), duration=30)
            self.jenkins.plugins["next-build-number"]["deleted"] = True
            self.jenkins.plugins["command-launcher"]["enabled"] = False
        elif self.name == "11":
            self.jenkins.numbers = count(34)
        elif self.name == "11c":
            job("mf", matrix("GROUP:hudson.model.Item.Build:authenticated", "USER:hudson.model.Item.Read:dev", description="")).save()
        elif self.name == "12":
            job("e1")

    def secrets(self, *names):
        """The other credentials of 05a, by name and description."""
        kinds = {
            "st": ("org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl", "<secret>secret-txt-one</secret>"),
            "fi": ("org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl", "<fileName>{}.txt</fileName><secretBytes>YQ==</secretBytes>"),
            "ss": (
                "com.cloudbees.jenkins.plugins.sshcredentials.impl.BasicSSHUserPrivateKey",
                "<username>git</username><usernameSecret>false</usernameSecret><privateKeySource class='com.cloudbees.jenkins.plugins.sshcredentials.impl."
                "BasicSSHUserPrivateKey$DirectEntryPrivateKeySource'><privateKey>key</privateKey></privateKeySource>",
            ),
            "ce": (
                "com.cloudbees.plugins.credentials.impl.CertificateCredentialsImpl",
                "<keyStoreSource class='com.cloudbees.plugins.credentials.impl.CertificateCredentialsImpl$UploadedKeyStoreSource'><uploadedKeystoreBytes>"
                "YQ==</uploadedKeystoreBytes></keyStoreSource><password>p</password>",
            ),
        }
        for name, text in zip(names[::2], names[1::2]):
            tag, fields = kinds[name[:2]]
            yield f"<{tag}><scope>GLOBAL</scope><id>{name}</id><description>{text}</description>{fields.format('ab'[name == 'fij'])}</{tag}>"

    def checks(self):
        """What the recorded scripts found out about secrets, looked up in the stand-in's state."""
        held = self.jenkins.credentials

        def secret(text):
            known = {None: "is NULL", "": "is EMPTY", "<secret-redacted/>": "is the literal placeholder text"}
            return known.get(text) or (f"is {text}" if text.startswith("secret-pw") else f"is something else, {len(text)} characters")

        def upx(_jenkins, _script):
            found = held[""]["_"]["upx"]
            return f"[username:{found.findtext('username')}, description:{found.findtext('description')}, secret:{secret(found.findtext('password'))}]\n"

        def same(name, field, value):
            return lambda _jenkins, _script: f"{str(held['']['_'][name].findtext(field) == value).lower()}\n"

        def folder(_jenkins, script):
            if "startsWith" in script:
                found = [(name, element.findtext("password")) for domain in held["cf"].values() for name, element in domain.items()]
                return f"[{', '.join(f'[{name}, {str(text == SECRET).lower()}]' for name, text in found)}]\n"
            found = held["cf"]["_"]["fu1"]
            return f"{found.findtext('description')} kept={str(found.findtext('password') == 'secret-pw-one').lower()}\n"

        key = "privateKeySource/privateKey"
        return {
            "find{it.id=='upx'}": upx,
            "it.secret.plainText": same("st1", "secret", "secret-txt-one"),
            "content.text": same("fi1", "secretBytes", "YQ=="),
            "it.privateKeys": lambda _jenkins, _script: "[] null\n" if not held[""]["_"]["ssh1"].findtext(key).strip() else "a key\n",
            "it.keyStore": same("ce1", "password", "secret-phrase-one"),
            "getItemByFullName('cf')": folder,
        }

    def before(self, number, note, path):
        """What was done before this request, without being recorded."""
        jenkins, name = self.jenkins, path.split("/")[2] if path.startswith("/job/") else ""
        if "toggled twice" in note or "disable + enable" in note:
            jenkins.item(name).save(disabled="false" if path.endswith("/disable") else "true")
        if "after a second save by the controller" in note:
            jenkins.save(name)
        steps = {
            ("02b", 28): lambda: jenkins.item("enc1").remove(),
            ("02f", 84): self.repost,
            ("05c", 5): lambda: (jenkins.credentials[""].update(dom2={}), jenkins.domains.setdefault("", {}).update(dom2=DOM2)),
            ("05c", 17): lambda: self.forget("up1"),
            ("05c", 37): lambda: self.exchange({"method": "GET", "path": "/job/cf/config.xml", "headers": {"Authorization": ADMIN}}, ""),
            ("06", 26): lambda: jenkins.nodes.pop("g0"),
            ("06", 54): lambda: jenkins.nodes.pop("g2"),
            ("02d", 2): lambda: [self.nested(level) for level in range(1, 13)],
            ("02f", 85): lambda: self.repost(description="dd"),
            ("02f", 86): self.repost,
            ("02f", 87): lambda: self.repost(disabled="true"),
            **{("02f", number): self.repost for number in range(88, 92)},
            ("04", 28): lambda: self.send("POST", "/job/f2/submitDescription", b"description=props2", {"Content-Type": "application/x-www-form-urlencoded"}),
            ("05a", 10): lambda: self.credential(user_password("upj", description="by form", more=KNOWN_USER)),
            ("05a", 15): lambda: self.credential(user_password("bc50dc85-bada-4ea9-9e22-19a36c3ad168", description="no id", more=KNOWN_USER)),
            **{("05a", number): lambda pair=pair: self.credential(next(self.secrets(*pair))) for number, *pair in BY_FORM},
            ("05a", 46): lambda: self.forget("UP1", "upt", "upc", "q"),
            ("05b", 19): lambda: self.credential(user_password("upx", description="d8")),
            ("05b", 24): lambda: self.credential(user_password("upx")),
            ("06", 83): lambda: jenkins.online.add("ag1"),
            ("06", 85): lambda: (
                self.job("onag", shell(assignedNode="live", canRoam="false"), duration=30)
                and (jenkins.enqueue(jenkins.item("onag"), [], "0sec"), jenkins.tick())
            ),
            ("07a", 1): lambda: self.later(0.1),
            ("07a", 2): lambda: self.later(7),
            ("07a", 5): lambda: setattr(jenkins.item("b1"), "duration", 1),
            ("07a", 7): lambda: self.later(0.2),
            ("07a", 10): lambda: self.later(2),
            ("07a", 20): lambda: self.later(0.005),
            ("07a", 21): lambda: self.later(1),
            ("07a", 22): lambda: self.later(1),
            ("07a", 27): lambda: self.later(1),
            ("07a", 28): lambda: self.later(1),
            ("07a", 32): lambda: self.later(0.1),
            ("07b", 2): lambda: self.later(2.4),
            ("07b", 3): lambda: self.later(2),
            ("07c", 1): lambda: (self.later(4), setattr(jenkins.item("plpar").builds[1], "description", "set by script")),
            ("07c", 12): lambda: next(jenkins.numbers),
            ("07c", 21): lambda: self.later(20),
            ("07c", 23): lambda: jenkins.run_build("plwait"),
            ("07c", 24): lambda: jenkins.item("plwait").builds[2].finish("ABORTED", self.now),
            ("07c", 26): lambda: jenkins.run_build("plwait"),
            ("07c", 28): lambda: jenkins.run_build("plstuck"),
            ("07c", 36): lambda: (jenkins.run_build("plin", 0, "FAILURE"), self.later(1)),
            ("09b", 2): lambda: self.later(3),
            ("09b", 6): lambda: self.later(3),
            ("09b", 11): lambda: self.later(3),
            ("10", 11): lambda: self.later(0.1),
            ("10", 25): lambda: (setattr(jenkins, "restart_answers", ["restarting"] * 3 + ["starting"] * 3), self.later(40)),
            ("10", 31): lambda: setattr(jenkins, "coming_back", []),
            ("10", 36): lambda: setattr(jenkins, "restart_answers", ["restarting"] * 3 + ["starting"] * 3),
            ("10", 43): lambda: setattr(jenkins, "coming_back", []),
            ("11c", 1): lambda: None,
        }
        steps.get((self.name, number), lambda: None)()

    def nested(self, level):
        above = "/".join(f"d{depth}" for depth in range(1, level))
        path = f"{above}/d{level}" if above else f"d{level}"
        if self.jenkins.item(path) is None:
            self.job(path, f"<{FOLDER}><description>f</description></{FOLDER}>")
        disabled = "<disabled>true</disabled>" if level % 2 else ""
        self.job(f"{path}/j{level}", f"<project><description>at {level}</description>{disabled}</project>")

    # the request

    def authorization(self, kind):
        known = {
            "admin:<redacted:api-token-admin>": f"admin:{self.jenkins.token}",
            "admin:<redacted:password-admin>": f"admin:{self.jenkins.password}",
            "dev:<redacted:api-token-dev>": "dev:dev-token",
            "dev:<redacted:password-dev>": "dev:dev-password",
        }
        scheme, _blank, given = kind.partition(" ")
        if scheme == "none":
            return {}
        if scheme == "bearer":
            return {"Authorization": "Bearer something"}
        return {"Authorization": "Basic " + base64.b64encode(known.get(given, given).encode()).decode()}

    def send(self, method, path, body=b"", headers=None):
        headers = {**self.authorization(ADMIN), **(headers or {})}
        return self.raw(method, path, body, headers)

    def raw(self, method, path, body, headers):
        self.connection.request(method, path, body or None, {"Host": "jenkins.example", **headers})
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def exchange(self, request, note):
        headers = dict(request["headers"])
        sent = self.authorization(headers.pop("Authorization"))
        sent |= {name: value for name, value in headers.items() if name not in ("Jenkins-Crumb", "Cookie")}
        if headers.get("Jenkins-Crumb") == "present":
            sent["Jenkins-Crumb"] = "wrong" if "wrong crumb" in note else self.crumb
        if headers.get("Cookie") == "present":
            sent["Cookie"] = self.cookie
        path = re.sub(r"start=(\d+)", lambda found: f"start={self.sizes.get(found[1], found[1])}", request["path"])
        status, answered, body = self.raw(request["method"], path, self.body(request, path), sent)
        if "/crumbIssuer" in path and status == 200 and body.startswith(b"{"):
            self.crumb = json.loads(body)["crumb"]
            self.cookie = (answered.get("Set-Cookie") or self.cookie).partition(";")[0]
        self.sealed[path] = re.findall(r"\{AQAAA[^}]*\}", body.decode("utf-8", "replace")) or self.sealed.get(path)
        return status, answered, body

    def body(self, request, path):
        text = request.get("body") or ""
        if text.startswith("multipart"):
            return self.upload(text)
        if text.startswith("<ISO-8859-1 bytes> "):
            return text.removeprefix("<ISO-8859-1 bytes> ").encode("iso-8859-1")
        text = re.sub(r"<([\d,]+) times (\w)>", lambda found: found[2] * int(found[1].replace(",", "")), text)
        big = re.fullmatch(r"<project with a description of ([\d,]+) characters>", text)
        if big:  # 40 MB prove nothing here
            text = f"<project><description>{'x' * min(3_000_000, int(big[1].replace(',', '')))}</description></project>"
        if "\n<cut:" in text:  # a long list of fields
            text = text.partition("\n<cut:")[0].rpartition("%2C")[0] + "%2Curl"
        sealed = iter(self.sealed.get(path) or ())
        text = text.replace("<redacted:secret-file-base64>", "YQ==").replace("<redacted:keystore-base64>", "YQ==")
        return re.sub(r"(?<=\{)<redacted:encrypted>(?=\})|<redacted:([\w-]+)>", lambda found: found[1] or next(sealed, "{sealed}")[1:-1], text).encode()

    def upload(self, text):
        file, out = re.search(r'filename="([^"]*)"', text)[1], io.BytesIO()
        short = file.partition(".")[0]
        with zipfile.ZipFile(out, "w") as archive:
            version = self.jenkins.plugins.get(short, {}).get("version", "66.v4b_4762172d53")
            needs = "Plugin-Dependencies: branch-api:1,ionicons-api:1,workflow-job:1\r\n" if short == "next-build-number" else ""
            archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\nShort-Name: {short}\r\nPlugin-Version: {version}\r\n{needs}")
        content = b"not a zip" if "not a zip" in text else out.getvalue()
        parts = [f'form-data; name="name"; filename="{file}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode() + content]
        if "pluginUrl" in text:
            parts.append(b'form-data; name="pluginUrl"\r\n\r\n')
        return b"".join(b"------b3\r\nContent-Disposition: " + part + b"\r\n" for part in parts) + b"------b3--\r\n"

    # the comparison

    def differences(self, number, exchange):
        """{part: (recorded, answered)} of what is not the same."""
        request, recorded, note = exchange["request"], exchange["response"], exchange.get("note") or ""
        self.before(number, note, request["path"])
        status, headers, body = self.exchange(request, note)
        found = {}
        if status != recorded["status"]:
            found["status"] = recorded["status"], status
        for name in (*HEADERS, *PRESENT):
            # blanks at the end of a header are lost on the way
            was, now = (value and re.sub(r"; *", ";", value).lower().strip() for value in (recorded["headers"].get(name), headers.get(name)))
            if name in PRESENT:
                was, now = bool(was), bool(now)
            if was != now:
                found[name] = was, now
        if "X-Text-Size" in headers and "X-Text-Size" in recorded["headers"]:
            self.sizes[recorded["headers"]["X-Text-Size"]] = headers["X-Text-Size"]
        kind = (recorded["headers"].get("Content-Type") or "").partition(";")[0]
        expected = recorded["body"] or ""
        if status == recorded["status"] and "<cut:" not in expected and kind != "text/html" and request["method"] != "HEAD":
            found |= compared_json(expected, body) if kind == "application/json" else compared_text(expected, body)
        return found


def compared_text(recorded, body):
    """Text and XML have to be the same to the letter, but for secrets and what marks a console note."""
    if recorded.startswith("<ISO-8859-1 bytes, decoded here> "):
        recorded, text = recorded.removeprefix("<ISO-8859-1 bytes, decoded here> "), body.decode("iso-8859-1")
    elif recorded.startswith("<binary"):
        return {}
    else:
        text = body.decode("utf-8", "replace")
    text = re.sub(r"\{AQAAA[^}]*\}", "{<redacted:encrypted>}", text)
    text, recorded = (re.sub(r"\x1b\[8mha:.*?\x1b\[0m", "<note>", each) for each in (text, recorded))
    text, recorded = (re.sub(r"<argument>(?:[0-9a-f]{64}|<redacted:agent-secret[\w-]*>)<", "<argument>secret<", each) for each in (text, recorded))
    text, recorded = (re.sub(r"<timestamp>\d+<", "<timestamp>0<", each) for each in (text, recorded))
    recorded = re.sub(r"<redacted:(secret-plain)>", r"\1", recorded)
    return {} if text == recorded else {"text": (recorded, text)}


def compared_json(recorded, body):
    text = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "uuid", body.decode())
    recorded = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "uuid", recorded)
    found = {}
    for place, was, now in unequal(json.loads(recorded), json.loads(text)):
        found.setdefault(f"json {place}", (was, now))
    return found


def unequal(recorded, answered, place="", name=""):
    if isinstance(recorded, dict) and isinstance(answered, dict):
        for key in sorted(recorded.keys() | answered.keys()):
            where = f"{place}.{key}".lstrip(".")
            if key not in answered or key not in recorded:
                yield where, recorded.get(key, "absent"), answered.get(key, "absent")
            else:
                yield from unequal(recorded[key], answered[key], where, key)
    elif isinstance(recorded, list) and isinstance(answered, list) and len(recorded) == len(answered):
        if name in UNORDERED:
            recorded, answered = (sorted(each, key=json.dumps) for each in (recorded, answered))
        for was, now in zip(recorded, answered):
            yield from unequal(was, now, f"{place}[]")
    elif name in VARYING and type(recorded) is type(answered):
        return
    elif recorded != answered:
        yield place, recorded, answered


@pytest.mark.parametrize("file", FILES)
def test_answers_as_recorded(file):
    path = RECORDINGS / f"{file}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there: recordings of a controller stand beside the project on its developers' machines, not in it")
    exchanges = json.loads(path.read_text())["exchanges"]
    listed = [entry for entry in LISTED if re.fullmatch(entry.files, file)]
    used, equal, known, problems = set(), 0, 0, []
    with Jenkins() as jenkins:
        replay = Replay(file.partition("_")[0], jenkins)
        replay.start()
        for number, exchange in enumerate(exchanges):
            request = f"{number} {exchange['request']['method']} {exchange['request']['path']}"
            found = replay.differences(number, exchange)
            left = dict(found)
            for entry in listed:
                if re.search(entry.request, request):
                    hits = [part for part in left if entry.parts == "*" or re.fullmatch(entry.parts, part)]
                    used |= {entry} if hits else set()
                    for part in hits:
                        del left[part]
            equal += not found
            known += bool(found) and not left
            problems += [f"{request[:150]} {part}:\n   recorded {was!r:.700}\n   answered {now!r:.700}" for part, (was, now) in left.items()]
    print(f"{file}: {len(exchanges)} exchanges replayed, {equal} equal, {known} with listed differences, {len(exchanges) - equal - known} with others")
    assert not problems, "\n".join(problems)
    stale = [entry for entry in listed if entry not in used]
    assert not stale, f"listed differences that no longer occur in {file}: {stale}"
