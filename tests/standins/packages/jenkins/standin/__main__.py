# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in for Jenkins as a service: home, plugins, document and secrets of the machine behind the API of standins.jenkins. Never the product.

It does what the product does when it starts, is told to read its document, restarts or is stopped by systemd. It runs no build. What must outlive a
restart (items, nodes, tokens) is one JSON file in its home. A document it does not take leaves it without an answer but 503, and not ready.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
import xml.etree.ElementTree as ET
import zipfile
import zipimport
from pathlib import Path
from urllib.parse import unquote

import casc
from standins.jenkins import controller, nodes, plugins
from standins.jenkins.api import HTML, JSON, Refused, bad, form, jetty, parts, posts, to
from standins.jenkins.controller import ANONYMOUS, Jenkins, User
from standins.server import Answer

VERSION = "@version@"
RESTART = 5  # the product ends with it and is started by systemd
TOKEN = "jenkins.security.ApiTokenProperty"


def say(text):
    print(f"jenkins (stand-in): {text}", file=sys.stderr, flush=True)


def java_needed(version) -> int:
    return 21 if tuple(map(int, version.split(".")[:2])) >= (2, 545) else 17


class Who(controller.Who):
    """A user, who may give itself tokens."""

    def __init__(self, jenkins, name, short):
        super().__init__(jenkins, name, short)
        self.jenkins, self.owner = jenkins, name

    @posts
    def add_token(self, request):
        given = form(request)
        if self.jenkins.user.name != self.owner:
            raise Refused(403)
        value = given.get("newTokenPlainValue", "")
        if len(value) != 34 or not value.startswith("11"):
            raise bad("The token must consist of 2 characters for the version and 32 hex-characters for the secret")
        self.jenkins.tokens.setdefault(self.owner, []).append(hashlib.sha256(value.encode()).hexdigest())
        self.jenkins.keep()
        return Answer(200, json.dumps({"status": "ok", "data": {"tokenName": given.get("newTokenName"), "tokenValue": value}}).encode(), JSON)


setattr(Who, f"do_descriptorByName_{TOKEN.replace('.', '_')}_addFixedToken", Who.add_token)


class ConfigurationAsCode(plugins.ConfigurationAsCode):
    """The plugin, with the document of the machine."""

    def problem(self, text):
        try:
            casc.read(text, self.jenkins.active())
        except casc.Invalid as invalid:
            return str(invalid)
        return None

    @posts
    def do_reload(self, request):
        if not self.jenkins.allowed("Overall/Administer"):
            raise Refused(403)
        try:
            self.jenkins.configure()
        except casc.Invalid as invalid:
            say(f"Failed to reload configuration: {invalid}")
            return Answer(200, f"<!DOCTYPE html><html><body>{invalid}</body></html>", HTML)
        self.jenkins.reloads += 1
        say("document read again")
        return to("/configuration-as-code/")


class PluginManager(plugins.PluginManager):
    """What is uploaded is kept as a file."""

    @posts
    def do_uploadPlugin(self, request):
        self.jenkins.uploading = next((content for _field, file, content in parts(request) if file), None)
        return super().do_uploadPlugin(request)


controller.ConfigurationAsCode, controller.Who, controller.PluginManager = ConfigurationAsCode, Who, PluginManager


class Service(Jenkins):
    """The stand-in with a home."""

    restart_answers = ()  # it really goes down

    def __init__(self, home, port, prefix):
        self.folder, self.prefix, self.session_id = Path(home), prefix, secrets.token_hex(4)
        self.tokens, self.reloads, self.secured, self.uploading, self.connected, self.exit_code = {}, 0, False, None, {}, None
        super().__init__(version=VERSION, port=port)
        self.users = {}
        self.load_plugins()
        self.restore()

    # --- plugins

    def load_plugins(self):
        self.plugins = {}
        for file in sorted((self.folder / "plugins").glob("*.jpi")):
            with contextlib.suppress(zipfile.BadZipFile, KeyError, OSError):
                text = zipfile.ZipFile(file).read("META-INF/MANIFEST.MF").decode().replace("\r\n", "\n").replace("\n ", "")
                told = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
                needs = [need.partition(":")[0] for need in told.get("Plugin-Dependencies", "").split(",") if need and "resolution:=optional" not in need]
                self.plugins[told["Short-Name"]] = plugins.plugin(told["Short-Name"], told["Plugin-Version"], needs)
        failed = True
        while failed:
            failed = [name for name, held in self.plugins.items() if held["active"] and not set(held["dependencies"]) <= self.active()]
            for name in failed:
                say(f"Failed to load: {name}: something it depends on is missing")
                self.plugins[name]["active"] = False

    def active(self):
        return {name for name, held in self.plugins.items() if held["active"]}

    def installed(self, name, version, needs=()):
        (self.folder / "plugins" / f"{name}.jpi").write_bytes(self.uploading)
        super().installed(name, version, needs)

    # --- the document

    def configure(self):
        """Read the document and do what it says; Invalid before anything of it is done."""
        if "configuration-as-code" not in self.active():
            say("the plugin configuration-as-code is not active: everybody is an administrator")
            return
        path = os.environ.get("CASC_JENKINS_CONFIG", "")
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise casc.Invalid(f"Invalid configuration: '{path}' isn't a valid path. {error}") from None
        document = casc.read(text, self.active())
        self.casc = text
        jenkins = document.get("jenkins") or {}
        self.executors = int(jenkins.get("numExecutors", 2))
        self.take_users(jenkins)
        if "nodes" in jenkins:
            self.take_nodes(jenkins["nodes"])
        if "credentials" in document:
            found = [credential for domain in document["credentials"]["system"]["domainCredentials"] for credential in domain["credentials"]]
            self.credentials[""] = {"_": {element.findtext("id"): element for element in map(element_of, found)}}

    def take_users(self, jenkins):
        realm, strategy = jenkins.get("securityRealm") or {}, jenkins.get("authorizationStrategy") or {}
        self.secured = bool(realm)
        roles = strategy.get("roleBased", {}).get("roles", {}).get("global", [])
        for user in realm.get("local", {}).get("users", []):
            granted = {permission for role in roles for permission in role["permissions"]
                       for entry in role.get("entries", []) if entry.get("user") == user["id"] or entry.get("group") == "authenticated"}
            self.users[user["id"]] = User(user["id"], user.get("password", ""), "", {"Overall/Administer"} if not roles else granted)

    def take_nodes(self, given):
        self.nodes = {}
        for node in (each["permanent"] for each in given):
            symbol, inside = next(iter(node["launcher"].items()))
            classes = {"inbound": "hudson.slaves.JNLPLauncher", "ssh": "hudson.plugins.sshslaves.SSHLauncher"}
            launcher = {"$class": classes[symbol], **{name: value for name, value in inside.items() if not isinstance(value, dict)}}
            variables = [entry for held in node.get("nodeProperties", []) for entry in held["envVars"]["env"]]
            properties = {"hudson-slaves-EnvironmentVariablesNodeProperty": {"env": variables}} if variables else {}
            self.nodes[node["name"]] = nodes.from_form({**node, "launcher": launcher, "nodeProperties": properties,
                                                        "retentionStrategy": {"$class": "hudson.slaves.RetentionStrategy$Always"}})

    # --- who asks

    def authenticate(self, request) -> bool:
        scheme, _blank, given = request.headers.get("Authorization", "").partition(" ")
        if not self.secured:
            self.user = User("anonymous", permissions={"Overall/Administer"})
            return True
        if scheme.lower() != "basic":
            self.user = ANONYMOUS
            return False
        name, _colon, secret = base64.b64decode(given).decode("utf-8", "replace").partition(":")
        user = self.users.get(name)
        by_token = hashlib.sha256(secret.encode()).hexdigest() in self.tokens.get(name, ())
        if user is None or not (by_token or opens(user.password, secret)):
            raise jetty(401, "Unauthorized", WWW_Authenticate='Basic realm="Jenkins"')
        self.user = user
        return by_token

    def answer(self, request) -> Answer:
        if self.prefix:
            if not f"{request.path}/".startswith(f"{self.prefix}/"):
                return Answer(302, b"", {"Location": f"{self.prefix}/"})
            request.path = request.path[len(self.prefix):] or "/"
        if request.path == "/jnlpJars/agent.jar":
            return Answer(200, zipimport.zipimporter(sys.argv[0]).get_data(f"{sys.argv[0]}/agent.jar"), {"Content-Type": "application/java-archive"})
        if request.path == "/wsagents/":
            return self.for_an_agent(request)
        answer = super().answer(request)
        answer.headers.setdefault("X-Jenkins", self.version)
        answer.headers["X-Jenkins-Session"] = self.session_id
        if request.writes:
            self.keep()
        return answer

    def for_an_agent(self, request):
        """An agent logs in; the product would keep a WebSocket open."""
        name = unquote(request.headers.get("Node-Name", ""))
        if name not in self.nodes or request.headers.get("Secret-Key") != hashlib.sha256(f"standin {name}".encode()).hexdigest():
            return Answer(403)
        if name not in self.connected:
            say(f"agent {name} is connected")
        self.connected[name] = time.monotonic()
        return Answer(204)

    def is_online(self, name):
        self.online = {agent for agent, seen in self.connected.items() if time.monotonic() - seen < 10}
        return super().is_online(name)

    # --- restarts

    def restart(self):
        say("restarts")
        self.exit_code = RESTART
        threading.Thread(target=self.shutdown).start()

    def keep(self):
        state = {"items": [(name, self.item(name).xml) for name in self.items], "plain": self._plain, "tokens": self.tokens,
                 "nodes": {name: ET.tostring(element, "unicode") for name, element in self.nodes.items()},
                 "views": {view.name: ET.tostring(view.element, "unicode") for view in self.root.views.values()}}
        new = self.folder / "standin.json.new"
        new.touch(mode=0o600)
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(self.folder / "standin.json")

    def restore(self):
        try:
            state = json.loads((self.folder / "standin.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        self._plain, self.tokens = state["plain"], state["tokens"]
        self.nodes = {name: ET.fromstring(text) for name, text in state["nodes"].items()}
        for name, text in state["items"]:
            folder, _slash, last = name.rpartition("/")
            (self.item(folder) if folder else self.root).add_item(last, text)
        for name, text in state["views"].items():
            if name not in self.root.views:
                self.root.add_view(name, ET.fromstring(text))


def opens(kept, secret) -> bool:
    if not kept.startswith("#jbcrypt:"):
        return bool(kept) and secrets.compare_digest(kept.encode(), secret.encode())
    import crypt  # noqa: PLC0415 gone in Python 3.13, where a hash opens nothing

    wanted = kept.removeprefix("#jbcrypt:")
    return crypt.crypt(secret, wanted.replace("$2a$", "$2b$", 1)) == wanted.replace("$2a$", "$2b$", 1)


def element_of(credential) -> ET.Element:
    """A credential of the document as it is held."""
    symbol, inside = next(iter(credential.items()))
    kinds = {"usernamePassword": "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl",
             "string": "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl",
             "file": "org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl",
             "basicSSHUserPrivateKey": "com.cloudbees.jenkins.plugins.sshcredentials.impl.BasicSSHUserPrivateKey"}
    element = ET.Element(kinds[symbol])
    for name, value in inside.items():
        ET.SubElement(element, name).text = value["directEntry"]["privateKey"] if isinstance(value, dict) else str(value)
    return element


def notify(text):
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            channel.send(text.encode())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--java", type=int, required=True)
    parser.add_argument("--httpPort", type=int, default=8080)
    parser.add_argument("--httpListenAddress", default="0.0.0.0")
    parser.add_argument("--prefix", default="")
    given, options = parser.parse_known_args()
    if given.java < java_needed(VERSION):
        sys.exit(f"Running with Java {given.java}, which is older than the minimum required version (Java {java_needed(VERSION)}).")
    if given.httpListenAddress != "127.0.0.1":
        sys.exit("this stand-in listens on 127.0.0.1 only")
    if "-Djenkins.install.runSetupWizard=false" not in options:
        sys.exit("this stand-in has no setup wizard")
    service = Service(os.environ["JENKINS_HOME"], given.httpPort, given.prefix)
    signal.signal(signal.SIGTERM, lambda *_unused: os._exit(143))
    try:
        service.configure()
    except casc.Invalid as invalid:
        say(f"SEVERE: Failed to initialize Jenkins: ConfigurationAsCodeBootFailure: {invalid}")
        service.answer = lambda _request: Answer(503, "<!DOCTYPE html><html><body>Jenkins failed to start</body></html>", HTML)
    else:
        say(f"{VERSION} is up and running; this is a stand-in for tests, not the product")
        notify("READY=1")
    service.serve_forever(0.05)
    service.server_close()
    sys.exit(service.exit_code)


if __name__ == "__main__":
    main()
