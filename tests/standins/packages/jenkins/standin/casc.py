# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a document of configuration-as-code as the plugin does (by its source, August 2026): unknown names and variables are refused. Applies nothing."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

import yaml
from standins.jenkins.plugins import IN_JENKINS, ROOTS

ROLE = {"name": None, "description": None, "pattern": None, "permissions": None, "entries": [{"user": None, "group": None, "either": None}]}
COMMON = {"id": None, "scope": None, "description": None}
# None: anything. A mapping: its attributes. A list: one kind of element. Choice: one of these symbols, each of a plugin ("" is Jenkins itself).


class Choice(dict):
    """{symbol: (plugin, what is in it)}, of the class `name`."""

    def __init__(self, name, **symbols):
        super().__init__(symbols)
        self.name = name


class Of(tuple):
    """(plugin, what is in it): an element that a plugin brings."""


SSH = {"host": None, "port": None, "credentialsId": None, "javaPath": None, "jvmOptions": None, "sshHostKeyVerificationStrategy": Choice(
    "hudson.plugins.sshslaves.verifiers.SshHostKeyVerificationStrategy", manuallyProvidedKeyVerificationStrategy=("", {"key": None}),
    knownHostsFileKeyVerificationStrategy=("", {}))}
NODE = {"name": None, "nodeDescription": None, "remoteFS": None, "numExecutors": None, "mode": None, "labelString": None, "retentionStrategy": None,
        "launcher": Choice("hudson.slaves.ComputerLauncher", inbound=("", {"webSocket": None, "workDirSettings": None, "tunnel": None}),
                           ssh=("ssh-slaves", SSH)),
        "nodeProperties": [Choice("hudson.slaves.NodeProperty", envVars=("", {"env": [{"key": None, "value": None}]}))]}
USER = {"id": None, "password": None, "name": None, "description": None, "properties": None}
LDAP = dict.fromkeys(["server", "rootDN", "userSearch", "userSearchBase", "groupSearchBase", "groupSearchFilter", "managerDN", "managerPasswordSecret",
                      "displayNameAttributeName", "mailAddressAttributeName", "inhibitInferRootDN"])
GIT = Choice("jenkins.scm.api.SCMSource", git=("git", {"remote": None, "credentialsId": None, "traits": None, "id": None}))
LIBRARY = {"name": None, "defaultVersion": None, "implicit": None, "allowVersionOverride": None, "includeInChangesets": None,
           "retriever": Choice("org.jenkinsci.plugins.workflow.libs.LibraryRetriever", modernSCM=("git", {"scm": GIT, "libraryPath": None}))}
CREDENTIAL = Choice(
    "com.cloudbees.plugins.credentials.Credentials",
    usernamePassword=("credentials", {**COMMON, "username": None, "password": None, "usernameSecret": None}),
    string=("plain-credentials", {**COMMON, "secret": None}),
    file=("plain-credentials", {**COMMON, "fileName": None, "secretBytes": None}),
    basicSSHUserPrivateKey=("ssh-credentials", {**COMMON, "username": None, "passphrase": None, "usernameSecret": None, "privateKeySource": Choice(
        "BasicSSHUserPrivateKey$PrivateKeySource", directEntry=("", {"privateKey": None}))}),
)
SCHEMA = {
    **dict.fromkeys(ROOTS),
    "jenkins": {
        **dict.fromkeys(IN_JENKINS.split()),
        "securityRealm": Choice("hudson.security.SecurityRealm", local=("", {"allowsSignup": None, "enableCaptcha": None, "users": [USER]}),
                                ldap=("ldap", {"configurations": [LDAP], "disableMailAddressResolver": None, "cache": None})),
        "authorizationStrategy": Choice(
            "hudson.security.AuthorizationStrategy", loggedInUsersCanDoAnything=("", {"allowAnonymousRead": None}), unsecured=("", {}),
            roleBased=("role-strategy", {"roles": {"global": [ROLE], "items": [ROLE], "agents": [ROLE]}, "permissionTemplates": None})),
        "nodes": [Choice("hudson.model.Node", permanent=("", NODE))],
    },
    "unclassified": {"location": {"url": None, "adminAddress": None}, "mailer": Of(("mailer", None)), "gitLabConnectionConfig": Of(("gitlab-plugin", None)),
                     "globalLibraries": Of(("pipeline-groovy-lib", {"libraries": [LIBRARY]}))},
    "credentials": Of(("credentials", {"system": {"domainCredentials": [{"domain": None, "credentials": [CREDENTIAL]}]}})),
}  # fmt: skip


class Invalid(Exception):
    """What the plugin says of a document that it does not take."""


def read(text: str, plugins) -> dict:
    """The document with its variables resolved; `plugins` are the names of the active ones."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Invalid(str(error)) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise Invalid("class io.jenkins.plugins.casc.model.Scalar cannot be cast to class io.jenkins.plugins.casc.model.Mapping")
    document = {name: value for name, value in document.items() if not str(name).startswith("x-")}
    unknown = [str(name) for name in document if str(name) not in SCHEMA or isinstance(SCHEMA[name], Of) and SCHEMA[name][0] not in plugins]
    if unknown:
        names = ", ".join(unknown)
        raise Invalid(f"No configurator found for the following root element{'s' if len(unknown) > 1 else ''}: {names}. This may indicate that the required"
                      " plugin is not installed or failed to load. Verify that the plugin is installed and check the Jenkins startup logs for plugin"
                      f" loading errors.{names}")
    return _read(document, SCHEMA, "root", plugins, os.environ)


def _read(value, schema, name, plugins, environment):
    if isinstance(schema, Of):
        schema = schema[1]
    if schema is None:
        return _resolved(value, environment)
    if isinstance(schema, list):
        if not isinstance(value, list):
            raise Invalid(f"Item isn't a Sequence: {name}")
        return [_read(each, schema[0], name, plugins, environment) for each in value]
    if isinstance(schema, Choice):
        symbol = value if isinstance(value, str) else next(iter(value)) if isinstance(value, dict) and len(value) == 1 else str(value)
        plugin, inside = schema.get(symbol, ("?", None))
        if plugin and plugin not in plugins:
            raise Invalid(f"No {schema.name} implementation found for {symbol}")
        return {symbol: _read({} if isinstance(value, str) else value[symbol] or {}, inside, symbol, plugins, environment)}
    if not isinstance(value, dict):
        raise Invalid(f"Item isn't a Mapping: {name}")
    known = [key for key, inside in schema.items() if not isinstance(inside, Of) or inside[0] in plugins]
    unknown = [key for key in value if key not in known]
    if unknown:
        raise Invalid(f"Invalid configuration elements for type: {name} : {', '.join(map(str, unknown))}.\nAvailable attributes : {', '.join(sorted(known))}")
    return {key: _read(inside, schema[key], key, plugins, environment) for key, inside in value.items()}


def _resolved(value, environment):
    if isinstance(value, dict):
        return {key: _resolved(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, environment) for each in value]
    return _replaced(value, environment).replace("^${", "${") if isinstance(value, str) else value


def _replaced(text, environment):
    """Variables, in what they are replaced by too; ^${ is kept."""
    def one(match):
        name, _mark, default = match[1].partition(":-")
        found = _looked_up(name, environment)
        if found is None and not _mark:
            if environment.get("CASC_STRICT_SECRET_RESOLUTION") == "true":
                raise Invalid(f"Unable to resolve variable '{name}'. Aborting configuration reload.")
            return ""
        return _replaced(default if found is None else found, environment)

    return re.sub(r"(?<!\^)\$\{([^${}]*)\}", one, text)


def _looked_up(name, environment):
    kind, mark, rest = name.partition(":")
    try:
        if mark and kind in ("readFile", "file"):
            return Path(rest).read_text(encoding="utf-8")
        if mark and kind in ("readFileBase64", "fileBase64"):
            return base64.b64encode(Path(rest).read_bytes()).decode()
        secret = Path(environment.get("SECRETS", "/run/secrets"), name)
        return secret.read_text(encoding="utf-8").strip() if secret.is_file() else environment.get(name)
    except OSError:
        return None
