# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' credentials, nodes and views as data, and where each option of them sits in their XML. Jobs and folders are in _jenkins_items."""

from __future__ import annotations

import base64
import binascii
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from urllib.parse import quote

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import item_path
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_items import FOLDER, edited, folded, listing, name_fault, same_name
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_xml import (
    NEW,
    at,
    converted,
    filled,
    flag,
    kind_of,
    number,
    parse,
    put,
    remove,
    seen,
    text,
    text_of,
    write,
)
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Request, Resource


def _in_folder(values: Mapping):
    return ("folder", values.get("folder") or "")


# What lives in a folder or at the top


def _folders(client, places) -> list:
    """The folders that are asked for, "" for the top; all of them when everything is."""
    if places is not None:
        return list(dict.fromkeys(place for _option, place in places))
    return ["", *(row["name"] for row in listing(client, None).values() if row["_class"] == FOLDER)]


def _missing_folder(client, actions):
    found: dict = {}
    for action in actions:
        folder, domain = action.values.get("folder") or "", action.values.get("domain")
        if folder in client.gone:
            found[action.key] = [f"folder: {folder!r} does not exist, or may not be seen" if folder else "the store may not be seen by this user"]
        elif action.verb == "create" and domain is not None and (folder, domain) not in client.domains:
            found[action.key] = [f"domain: {domain!r} does not exist; domains are made in Jenkins"]
    return found


# Credentials

IMPL = "com.cloudbees.plugins.credentials.impl"
SSH_KEY = "com.cloudbees.jenkins.plugins.sshcredentials.impl.BasicSSHUserPrivateKey"
CREDENTIAL_TYPES = {
    "username_password": f"{IMPL}.UsernamePasswordCredentialsImpl",
    "secret_text": "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl",
    "secret_file": "org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl",
    "ssh_key": SSH_KEY,
    "certificate": f"{IMPL}.CertificateCredentialsImpl",
}
CREDENTIAL_FIELDS = {"scope": text("scope"), "id": text("id"), "description": text("description"), "username": text("username"),
                     "username_secret": flag("usernameSecret"), "file_name": text("fileName")}
SECRET_PLACES = {
    "password": "password",
    "secret": "secret",
    "content_base64": "secretBytes",
    "private_key": f"privateKeySource@{SSH_KEY}$DirectEntryPrivateKeySource/privateKey",
    "passphrase": "!passphrase",
    "keystore_base64": f"keyStoreSource@{IMPL}.CertificateCredentialsImpl$UploadedKeyStoreSource/uploadedKeystoreBytes",
}


def _store(folder: str) -> str:
    return f"{item_path(folder)}/credentials/store/{'folder' if folder else 'system'}"


def _domain(values: Mapping) -> str:
    return f"{_store(values.get('folder') or '')}/domain/{quote(values['domain'], safe='')}"


HOLDER = "properties/com.cloudbees.hudson.plugins.folder.properties.FolderCredentialsProvider_-FolderCredentialsProperty/domainCredentialsMap"
DOMAIN = "com.cloudbees.plugins.credentials.domains.Domain"


def _read_credentials(client, wanted, places):
    """One request for each folder, whose document holds all its credentials; for the system's store one, and one for each that is wanted."""
    for item in wanted or ():  # an error may quote one line of a secret
        client.transport.secrets |= {line for name in SECRET_PLACES for line in (item.get(name) or "").split("\n") if len(line) > 7}
    stores = client.transport.each(lambda folder: (folder, _of_folder(client, folder) if folder else _of_system(client)), _folders(client, places))
    client.gone = {folder for folder, store in stores if store is None}
    if "" in client.gone and not any(item.get("type") and not item.get("folder") for item in wanted or ()):  # nothing to make, so nothing to wait for
        raise MlopsError("credentials: the system's store may not be seen by this user, so what is in it is not known")
    client.domains = {(folder, domain) for folder, store in stores if store for domain in store}
    keys = {CREDENTIALS.found_by(item) for item in wanted or ()}

    def one(pair):
        values, root = pair
        if keys and CREDENTIALS.found_by(values) not in keys:
            return values
        document = "" if root is not None else client.text(_address(values))
        return None if document is None else _seen_credential(values, parse(document) if root is None else root, document)
    found = [({"folder": folder or None, "domain": domain, "id": name}, root) for folder, store in stores if store
             for domain, held in store.items() for name, root in held]
    return [row for row in client.transport.each(one, found) if row]


def _of_system(client):
    """{domain: [(id, None)]}: what they are has to be asked for one by one."""
    store = client.tree(_store(""), "domains[credentials[id]]")
    return store and {domain: [(row["id"], None) for row in held["credentials"]] for domain, held in store["domains"].items()}


def _of_folder(client, folder):
    """{domain: [(id, element)]} from the folder's own document; secrets in it are encrypted, and are only looked at to see that they are there."""
    address = f"{item_path(folder)}/config.xml"
    document = client.text(address)
    if document is None:
        return None
    if re.match(r"\s*<(!doctype )?html", document, re.I):
        raise MlopsError(f"url: no Jenkins answers at {client.transport.base_url}: {address} is no document of a folder, perhaps a page to log in")
    holder = at(parse(document), HOLDER)
    found = {"_": []}
    for entry in holder if holder is not None else ():
        domain, held = next((part for part in entry if part.tag == DOMAIN), None), [part for part in entry if part.tag != DOMAIN]
        name = text_of(at(domain, "name")) if domain is not None else ""
        found[name or "_"] = [(text_of(at(root, "id")), root) for part in held for root in part if at(root, "id") is not None]
    return found


def _address(values: Mapping) -> str:
    return f"{_domain(values)}/credential/{quote(values['id'], safe='')}/config.xml"


def _seen_credential(values, root, document) -> dict:
    kind = next((kind for kind, tag in CREDENTIAL_TYPES.items() if tag == root.tag), root.tag)
    places = {name: at(root, place.replace("!", "")) for name, place in SECRET_PLACES.items()}
    return {**seen(CREDENTIAL_FIELDS, root), **values, "type": kind, "handle": document, "foreign": kind not in CREDENTIAL_TYPES,
            "had": {name: True for name, element in places.items() if element is not None and (len(element) or (element.text or "").strip())}}


def _credential_requests(verb, values, body):
    """An update carries the secret: what is read holds a placeholder, which Jenkins would take for the secret itself."""
    if verb == "delete":
        return [Request("DELETE", _address(values))]

    def whole(root):
        for element in [element for element in root.iter() if at(element, "secret-redacted") is not None]:
            element.clear()
        given = {name: "".join(value.split()) if name.endswith("_base64") else value
                 for name, value in values.items() if value is not None and name != "handle"}
        return filled(CREDENTIAL_FIELDS | {name: text(place) for name, place in SECRET_PLACES.items()}, root,
                      given | {"scope": values.get("scope", "global").upper()})
    if verb == "create":
        return [Request("POST", f"{_domain(values)}/createCredentials", write(whole(ET.Element(CREDENTIAL_TYPES[values["type"]]))))]
    changed = write(whole(parse(values["handle"]))) if values["handle"] else edited(_address(values), whole)
    return [Request("POST", _address(values), changed)]


def _credential_fault(want: Mapping, values: Mapping):
    if values.get("folder") and values.get("scope") == "system":
        return "scope: system is for credentials outside of folders"
    if not values["id"].strip():
        return "id: is empty"
    for name in ("content_base64", "keystore_base64"):
        try:
            base64.b64decode("".join((want.get(name) or "").split()), validate=True)
        except (binascii.Error, ValueError):
            return f"{name}: cannot be decoded; give base64 text"
    key = (want.get("private_key") or "").strip()
    if key and not re.fullmatch(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----\n.+\n-----END \1-----", key.replace("\r\n", "\n"), re.S):
        return "private_key: cannot be decoded; give it as in a PEM file, with its first and last line"
    return None


def _secret(name, *kinds, **more):
    return Option(name, secret=True, carried=f"had.{name}", only={"type": kinds}, **more)


CREDENTIALS = Resource(
    kind="credential", items="credentials", key=("folder", "domain", "id"), one_of=("folder",), read=_read_credentials, requests=_credential_requests,
    partial=True, handle="handle", built_in="foreign", fingerprint="description", within=_in_folder, places={"folder": "folders"},
    missing=_missing_folder, check=_credential_fault,
    options=(
        Option("folder", fold=folded, same=same_name),
        Option("domain", initial="_"),
        Option("id"),
        Option("type", choices=tuple(CREDENTIAL_TYPES), required=True, immutable=True),
        Option("scope", choices=("global", "system"), codes={"global": "GLOBAL", "system": "SYSTEM"}, initial="global"),
        Option("description"),
        Option("username", required=True, only={"type": ("username_password", "ssh_key")}),
        Option("username_secret", type="bool", only={"type": ("username_password", "ssh_key")}),
        Option("file_name", required=True, only={"type": ("secret_file",)}),
        _secret("password", "username_password", "certificate", required=True),
        _secret("secret", "secret_text", required=True),
        _secret("content_base64", "secret_file", required=True),
        _secret("private_key", "ssh_key", required=True),
        _secret("passphrase", "ssh_key"),
        _secret("keystore_base64", "certificate", required=True),
    ),
)

# Nodes

BUILT_IN = "(built-in)"
COMPUTER = "hudson.slaves.SlaveComputer"  # a cloud's nodes have classes of their own: it makes and deletes them
SSH = "hudson.plugins.sshslaves.SSHLauncher"
LAUNCHERS = {"inbound": "hudson.slaves.JNLPLauncher", "ssh": SSH}
STRATEGY = f"launcher@{SSH}/sshHostKeyVerificationStrategy"
STRATEGIES = {"known_hosts": "KnownHostsFile", "trusted": "ManuallyTrusted", "provided": "ManuallyProvided", "none": "NonVerifying"}
STRATEGIES = {name: f"hudson.plugins.sshslaves.verifiers.{kind}KeyVerificationStrategy" for name, kind in STRATEGIES.items()}
VARIABLES = "nodeProperties/hudson.slaves.EnvironmentVariablesNodeProperty"
TOOLS = "nodeProperties/hudson.tools.ToolLocationNodeProperty"
SLAVE = ("<slave><name/><description/><remoteFS/><numExecutors>1</numExecutors><mode>NORMAL</mode>"
         "<retentionStrategy class='hudson.slaves.RetentionStrategy$Always'/><label/><nodeProperties/></slave>")


def _read_variables(root):
    found = at(root, f"{VARIABLES}/envVars/tree-map")
    texts = [text_of(child) for child in found if child.tag == "string"] if found is not None else []
    return dict(zip(texts[::2], texts[1::2])) or None


def _word(value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _write_variables(root, variables):
    remove(root, VARIABLES)
    if variables:
        holder = at(root, f"{VARIABLES}/envVars", NEW)
        holder.set("serialization", "custom")
        holder.extend(parse("<new><unserializable-parents/><tree-map><default><comparator class='java.lang.String$CaseInsensitiveComparator'/></default>"
                            f"<int>{len(variables)}</int></tree-map></new>"))
        for name in sorted(variables, key=str.lower):
            for word in (name, _word(variables[name])):
                ET.SubElement(holder[1], "string").text = word


def _read_tools(root):
    found = at(root, f"{TOOLS}/locations")
    return [{name: text_of(at(tool, name)) for name in ("type", "name", "home")} for tool in found] if found is not None else None


def _write_tools(root, tools):
    remove(root, TOOLS)
    for tool in tools:
        element = ET.SubElement(at(root, f"{TOOLS}/locations", NEW), "hudson.tools.ToolLocationNodeProperty_-ToolLocation")
        for name in ("type", "name", "home"):
            put(element, name, tool[name])


def _tool_set(tools) -> set:
    return {(tool["type"], tool["name"], tool["home"]) for tool in tools or ()}


def _read_host_key(root):
    key = at(root, f"{STRATEGY}@{STRATEGIES['provided']}/key")
    return None if key is None else f"{text_of(at(key, 'algorithm'))} {text_of(at(key, 'key'))}"


def _write_host_key(root, host_key):
    key = at(root, f"{STRATEGY}@{STRATEGIES['provided']}/key", NEW)
    put(key, "algorithm", host_key.split()[0])
    put(key, "key", host_key.split()[1])


NODE_FIELDS = {
    "description": text("description"),
    "remote_fs": text("remoteFS"),
    "executors": number("numExecutors", ""),
    "mode": text("mode"),
    "labels": converted(text("label", ""), str.split, " ".join),
    "environment": (_read_variables, _write_variables),
    "tools": (_read_tools, _write_tools),
    "launcher": kind_of("launcher", LAUNCHERS),
    "websocket": flag(f"launcher@{LAUNCHERS['inbound']}/webSocket"),
    "work_dir": text(f"launcher@{LAUNCHERS['inbound']}/workDirSettings/!workDirPath"),
    "host": text(f"launcher@{SSH}/host"),
    "port": number(f"launcher@{SSH}/port"),
    "credentials_id": text(f"launcher@{SSH}/credentialsId"),
    "java_path": text(f"launcher@{SSH}/!javaPath"),
    "jvm_options": text(f"launcher@{SSH}/!jvmOptions"),
    "host_key_verification": kind_of(STRATEGY, STRATEGIES),
    "host_key": (_read_host_key, _write_host_key),
}


def _node_key(name: str) -> str:
    return BUILT_IN if name.casefold() in ("built-in node", "(built-in)", "(master)") else name


def _read_nodes(client, wanted):
    rows = client.tree("/computer", "computer[displayName,temporarilyOffline]")
    named = None if wanted is None else {_node_key(item["name"]) for item in wanted}

    def one(row):
        if row["_class"].endswith("MasterComputer"):
            return {"name": BUILT_IN, "offline": row["temporarilyOffline"], "built_in": True}
        document = client.text(f"/computer/{quote(row['displayName'], safe='')}/config.xml") if named is None or row["displayName"] in named else None
        root = ET.Element("slave") if document is None else parse(document)
        return {**seen(NODE_FIELDS, root), "handle": document, "name": row["displayName"], "offline": row["temporarilyOffline"],
                "offline_reason": text("temporaryOfflineCause/message")[0](root), "built_in": row["_class"] != COMPUTER}
    return client.transport.each(one, rows["computer"] if rows else ())


def _node_requests(verb, values, body):
    name = _node_key(values["name"])
    address = f"/computer/{name if name == BUILT_IN else quote(name, safe='')}"
    if name == BUILT_IN and (verb != "update" or set(body) - {"offline", "offline_reason"}):
        raise MlopsError(f"node {values['name']!r} is Jenkins' own: it is set up in Jenkins' configuration; here it can only be taken offline")
    if verb == "delete":
        return [Request("POST", f"{address}/doDelete")]
    given = {"mode": "NORMAL", **values} if verb == "create" else {option: values[option] for option in body}
    given = given | ({"mode": given["mode"].upper()} if "mode" in given else {})
    requests, reason = [], values.get("offline_reason") or ""
    if verb == "create":
        launcher = {"stapler-class": LAUNCHERS[values["launcher"]], "$class": LAUNCHERS[values["launcher"]], "host": values.get("host"),
                    "port": values.get("port"), "credentialsId": values.get("credentials_id"), "webSocket": values.get("websocket")}
        form = {"name": name, "nodeDescription": "", "numExecutors": str(given["executors"]), "remoteFS": values["remote_fs"], "labelString": "",
                "mode": "NORMAL", "type": "hudson.slaves.DumbSlave", "nodeProperties": {"stapler-class-bag": "true"},
                "launcher": {field: value for field, value in launcher.items() if value is not None}}
        root = filled(NODE_FIELDS, parse(SLAVE), given)
        put(root, "name", name)
        requests = [Request("POST", "/computer/doCreateItem", {"name": name, "type": "hudson.slaves.DumbSlave", "json": json.dumps(form)}),
                    Request("POST", f"{address}/config.xml", write(root), undo=(Request("POST", f"{address}/doDelete"),))]
    elif set(given) - {"offline", "offline_reason"}:
        if "launcher" in given:  # the other launcher begins anew: with what a new node starts with, and no is a value then
            ours = [option for option in NODES.options if option.only.get("launcher") == (given["launcher"],)]
            given |= {option.name: values.get(option.name, option.initial) for option in ours if option.initial is not None}
        requests = [Request("POST", f"{address}/config.xml", write(filled(NODE_FIELDS, parse(values["handle"]), given)))]
    if "offline" in given and (verb == "update" or values["offline"]):
        requests.append(Request("POST", f"{address}/toggleOffline?offlineMessage={quote(reason, safe='')}"))
    elif "offline_reason" in given and verb == "update" and values.get("offline"):
        requests.append(Request("POST", f"{address}/changeOfflineCause", {"offlineMessage": reason, "json": json.dumps({"offlineMessage": reason})}))
    return requests


def _node_fault(want: Mapping, values: Mapping):
    executors, key = values.get("executors"), want.get("host_key")
    if _node_key(values["name"]) != BUILT_IN and (fault := name_fault("name", values["name"])):
        return fault
    if executors is not None and executors < 1:
        return f"executors: {executors} makes a node that Jenkins neither shows nor deletes; 1 or more are needed"
    if key is not None and not re.fullmatch(r"(ssh|ecdsa)-\S+ [A-Za-z0-9+/=]+( .*)?", key):
        return "host_key: is no public key; write it as in a known_hosts file, without the host: type, blob"
    return "offline_reason: needs offline" if want.get("offline_reason") and not values.get("offline") else None


BY_SSH, INBOUND = {"launcher": ("ssh",)}, {"launcher": ("inbound",)}
NODES = Resource(
    kind="node", items="nodes", read=_read_nodes, requests=_node_requests, partial=True, handle="handle", built_in="built_in", check=_node_fault,
    options=(
        Option("name", fold=_node_key, same=lambda have, want: have is not None and _node_key(have) == _node_key(want)),
        Option("launcher", choices=tuple(LAUNCHERS), required=True),
        Option("description"),
        Option("remote_fs", required=True),
        Option("executors", type="int", initial=1),
        Option("mode", choices=("normal", "exclusive"), initial="normal"),
        Option("labels", type="list", elements="str", unordered=True),
        Option("environment", type="dict", same=lambda have, want: (have or {}) == {name: _word(value) for name, value in want.items()}),
        Option("tools", type="list", elements="dict", same=lambda have, want: _tool_set(have) == _tool_set(want), options=(
            Option("type", required=True), Option("name", required=True), Option("home", required=True))),
        Option("websocket", type="bool", initial=True, only=INBOUND),
        Option("work_dir", only=INBOUND),
        Option("host", required=True, only=BY_SSH),
        Option("port", type="int", initial=22, only=BY_SSH),
        Option("credentials_id", required=True, only=BY_SSH),
        Option("java_path", only=BY_SSH),
        Option("jvm_options", only=BY_SSH),
        Option("host_key_verification", choices=tuple(STRATEGIES), initial="known_hosts", only=BY_SSH),
        Option("host_key", required=True, only={**BY_SSH, "host_key_verification": ("provided",)},
               same=lambda have, want: have is not None and have.split()[:2] == want.split()[:2]),
        Option("offline", type="bool"),
        Option("offline_reason"),
    ),
)

# Views

LIST_VIEW = "hudson.model.ListView"
COLUMNS = {name: f"hudson.views.{name.title().replace('_', '')}Column" for name in (
    "status", "weather", "job", "last_success", "last_failure", "last_duration", "last_stable", "build_button")}
VIEW = (f"<{LIST_VIEW}><name/><filterExecutors>false</filterExecutors><filterQueue>false</filterQueue><properties class='hudson.model.View$PropertyList'/>"
        "<jobNames><comparator class='java.lang.String$CaseInsensitiveComparator'/></jobNames><jobFilters/><columns>"
        f"{''.join(f'<{kind}/>' for name, kind in COLUMNS.items() if name != 'last_stable')}</columns><recurse>false</recurse></{LIST_VIEW}>")


def _read_names(root):
    found = at(root, "jobNames")
    return None if found is None else [text_of(child) for child in found if child.tag == "string"]


def _write_names(root, names):
    holder = at(root, "jobNames", {"jobNames": "<comparator class='java.lang.String$CaseInsensitiveComparator'/>"})
    holder[:] = [child for child in holder if child.tag != "string"]
    for name in sorted(set(names), key=str.lower):
        ET.SubElement(holder, "string").text = name


def _read_columns(root):
    found = at(root, "columns")
    return None if found is None else [next((name for name, kind in COLUMNS.items() if kind == child.tag), child.tag) for child in found]


def _write_columns(root, columns):
    holder = at(root, "columns", NEW)
    there = {child.tag: child for child in holder}
    tags = [COLUMNS.get(column, column) for column in columns]
    holder[:] = [there[tag] if tag in there else ET.Element(tag) for tag in tags]


VIEW_FIELDS = {"description": text("!description"), "jobs": (_read_names, _write_names), "regex": text("!includeRegex"),
               "columns": (_read_columns, _write_columns), "recurse": flag("recurse"), "filter_queue": flag("filterQueue"),
               "filter_executors": flag("filterExecutors")}


def _view_address(values: Mapping) -> str:
    return f"{item_path(values.get('folder') or '')}/view/{quote(values['name'], safe='')}"


def _read_views(client, wanted, places):
    rows = client.transport.each(lambda folder: (folder, client.tree(item_path(folder), "views[name]")), _folders(client, places))
    client.gone = {folder for folder, row in rows if row is None or "views" not in row}
    keys = {VIEWS.found_by(item) for item in wanted or ()}

    def one(view):
        if view["foreign"] or keys and VIEWS.found_by(view) not in keys:
            return view
        document = client.text(f"{_view_address(view)}/config.xml")
        return None if document is None else {**seen(VIEW_FIELDS, parse(document)), **view, "handle": (LIST_VIEW, document)}
    found = [{"folder": folder or None, "name": view["name"], "handle": (view["_class"], ""), "foreign": view["_class"] != LIST_VIEW}
             for folder, row in rows for view in (row or {}).get("views", ())]
    return [view for view in client.transport.each(one, found) if view]


def _view_requests(verb, values, body):
    kind, document = values["handle"] if verb != "create" else (LIST_VIEW, VIEW)
    if kind != LIST_VIEW:
        raise MlopsError(f"{VIEWS.name(VIEWS.key_of(values))} is a {kind}; only list views are managed")
    address = _view_address(values)
    if verb == "delete":
        return [Request("POST", f"{address}/doDelete")]
    root = filled(VIEW_FIELDS, parse(document), body if verb == "update" else values)
    if verb == "update":
        return [Request("POST", f"{address}/config.xml", write(root))]
    put(root, "name", values["name"])
    return [Request("POST", f"{item_path(values.get('folder') or '')}/createView?name={quote(values['name'], safe='')}", write(root))]


def _view_fault(want: Mapping, values: Mapping):
    unknown = next((column for column in want.get("columns") or () if column not in COLUMNS and "." not in column), None)
    return name_fault("name", values["name"]) or (unknown and f"columns: {unknown!r} is none of {', '.join(COLUMNS)}, nor the name of a class")


VIEWS = Resource(
    kind="view", items="views", key=("folder", "name"), one_of=("folder",), read=_read_views, requests=_view_requests, partial=True, handle="handle",
    built_in="foreign", within=_in_folder, places={"folder": "folders"}, missing=_missing_folder, check=_view_fault,
    options=(
        Option("folder", fold=folded, same=same_name),
        Option("name"),
        Option("description"),
        Option("jobs", type="list", elements="str", unordered=True),
        Option("regex"),
        Option("columns", type="list", elements="str"),
        Option("recurse", type="bool"),
        Option("filter_queue", type="bool"),
        Option("filter_executors", type="bool"),
    ),
)
