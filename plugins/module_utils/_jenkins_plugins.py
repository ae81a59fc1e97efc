# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' plugins by exact pins: what differs is verified as a file, uploaded, and made active by one restart. Asks no update site."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import uuid
import zipfile
from graphlib import CycleError, TopologicalSorter
from itertools import zip_longest

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_work import Wait, connect, download, restart, restart_required
from ansible_collections.mlops.onprem.plugins.module_utils._reconcile import DONE
from ansible_collections.mlops.onprem.plugins.module_utils._transport import Transport

try:
    import yaml
except ImportError:  # Ansible itself needs it; told when a lock file is read
    yaml = None

PINS = ("name", "version", "sha256", "url", "src", "enabled")
INSTALLED = "plugins[shortName,version,enabled,active,deleted,dependencies[shortName,optional]]"
JOBS = "jobs[id,name,type,errorMessage,status[type]]"
INSTALLING = 600  # seconds that Jenkins gets to take in what was uploaded


def plugins(module) -> dict:
    """What jenkins_plugins returns."""
    params, client = module.params, connect(module)
    pins = _pins(params)
    there, core = _installed(client)
    if params["state"] == "gathered":
        names = {pin["name"] for pin in pins}
        found = [{"name": name, "version": have["version"], "enabled": have["enabled"]} for name, have in there.items()
                 if not have["deleted"] and (not names or name in names)]
        return {"changed": False, "gathered": found, "requests": client.transport.sent}
    waiting, last = set(), 0
    if params["state"] == "present" and any(_differs(pin, there.get(pin["name"])) for pin in pins):
        jobs = _jobs(client)
        waiting, last = {job["name"] for job in jobs if job["status"]["type"] == "SuccessButRequiresRestart"}, max((job["id"] for job in jobs), default=0)
    steps = [_step(params, pin, there.get(pin["name"]), waiting) for pin in pins]
    _refuse(steps, there)
    uploads = _uploads(params, module.tmpdir, steps, there, core)
    if not module.check_mode:
        _upload(client, uploads, last)
        for step in steps:
            if step["post"] and step["verb"] != "refuse":
                client.send("POST", f"/pluginManager/plugin/{step['name']}/{step['post']}")
    failed = any(step["verb"] == "refuse" for step in steps)
    required = any(step["waits"] for step in steps)
    if uploads and not module.check_mode:
        required = restart_required(client) or required
    restarts = required and params["restart"] and not failed
    if restarts and not module.check_mode:
        restart(connect(module, retries=0), params["reason"], params["build_timeout"], params["start_timeout"])
    if not module.check_mode and (restarts or uploads):
        _look_again(steps, _installed(client)[0], restarts)
    return {
        "changed": restarts or any(step["verb"] in ("create", "update", "delete") for step in steps),
        "results": [{"name": step["name"], "version": step["version"], "result": DONE[step["verb"]], **({"why": step["why"]} if step["why"] else {})}
                    for step in steps],
        "restarted": restarts, "restart_required": required and not restarts, "requests": client.transport.sent,
        "pins": [{name: value for name, value in pin.items() if value is not None} for pin in pins],
        "diff": {when: {step["name"]: step[when] for step in steps if step["verb"] not in ("unchanged", "refuse")} for when in ("before", "after")},
    }


# --- what is wanted


def _pins(params) -> list:
    """The pins of the task or its lock file, completed from the update centre's file."""
    pins, where = params["plugins"] or [], "plugins"
    if params["lock"]:
        where, folder = params["lock"], os.path.dirname(params["lock"])
        pins = _read(where, "lock")
        pins = pins.get("plugins") if isinstance(pins, dict) else pins
        if not isinstance(pins, list) or not all(isinstance(pin, dict) and isinstance(pin.get("name"), str) for pin in pins):
            raise MlopsError(f"lock: {where} is no list of pins with a name each, as it is or under `plugins`")
        pins = [dict.fromkeys(PINS) | pin for pin in pins]
        for pin in pins:
            pin["src"] = pin["src"] and os.path.join(folder, pin["src"])
    problems, names = [], [pin["name"] for pin in pins]
    for pin in pins:
        if unknown := set(pin) - set(PINS):
            problems.append(f"{pin['name']} has {', '.join(sorted(unknown))}; a pin has {', '.join(PINS)}")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", pin["name"]):
            problems.append(f"{pin['name']!r} is no short name of a plugin")
        if names.count(pin["name"]) > 1:
            problems.append(f"{pin['name']} is given twice")
        if pin["version"] is not None and not isinstance(pin["version"], str):
            problems.append(f"{pin['name']}: version {pin['version']!r} is a number; put it in quotes")
        if pin["sha256"] is not None and not re.fullmatch(r"[0-9a-f]{64}", str(pin["sha256"])):
            problems.append(f"{pin['name']}: sha256 is {pin['sha256']!r}, not 64 digits 0-9a-f")
    if not problems and params["update_center"] and params["state"] == "present":
        problems = _closure(pins, params["update_center"], params["resolve"])
    if not problems and params["state"] == "present":
        problems = [f"{pin['name']}: version is missing" for pin in pins if not pin["version"]]
    if problems:
        raise MlopsError(f"{where}: {'; '.join(dict.fromkeys(problems))}")
    return pins


def _read(path, option):
    """The YAML or JSON of a file; the update centre wraps its JSON into a call."""
    try:
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"(?s)^\s*updateCenter\.post\(|\);?\s*$", "", file.read())
        return json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except OSError as error:
        raise MlopsError(f"{option}: {path} cannot be read: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise MlopsError(f"{option}: {path} is no YAML or JSON: {error}") from error


def _closure(pins, path, resolve) -> list:
    """Complete the pins, and with `resolve` the list, from the update centre's file; returns what is wrong. Optional dependencies are left out."""
    known, problems = _read(path, "update_center").get("plugins", {}), []
    items = {pin["name"]: pin for pin in pins}
    for pin in pins:  # grows
        entry = known.get(pin["name"])
        if entry is None or pin["version"] not in (None, entry["version"]):
            has = f"has version {entry['version']}, not {pin['version']}" if entry else "does not have it"
            problems.append(f"{pin['name']}: update_center {path} {has}, so its dependencies are not known")
            continue
        pin["version"] = entry["version"]
        pin["sha256"] = pin["sha256"] or base64.b64decode(entry.get("sha256", "")).hex() or None
        for need in entry.get("dependencies", ()):
            name = need["name"]
            if not need.get("optional") and resolve and name not in items:
                items[name] = dict.fromkeys(PINS) | {"name": name}
                pins.append(items[name])
            elif not need.get("optional") and name not in items:
                problems.append(f"{pin['name']} needs {name} {need['version']}, which is not listed; add it, or say resolve: true")
    return problems


def newer(one: str, other: str) -> bool:
    """Whether a version comes after another: numbers by size, words such as beta before a release, a commit's hash means nothing."""
    parts = [[(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"[.-]", version) if not re.fullmatch(r"v[0-9a-f_]{6,}", part)]
             for version in (one, other)]
    first, second = zip(*zip_longest(*parts, fillvalue=(1, 0, "")))
    return first > second


# --- what is there, and the plan


def _installed(client):
    """{name: plugin} and the controller's version."""
    answer = client.get("/pluginManager/api/json", {"tree": INSTALLED})
    if answer is None:
        raise MlopsError(f"url: {client.transport.base_url} has no plugin manager that this user may see")
    return {each["shortName"]: each for each in answer.json()["plugins"]}, answer.headers.get("X-Jenkins", "")


def _jobs(client, last: int = 0, number: int = 0) -> list:
    """The installations after `last`, when there are that many and none is under way."""
    wait = Wait(client, INSTALLING, 2.0)
    while True:
        jobs = [job for job in client.tree("/updateCenter", JOBS)["jobs"] if job["type"] == "InstallationJob" and job["id"] > last]
        if wait.over or len(jobs) >= number and not any(job["status"]["type"] in ("Pending", "Installing") for job in jobs):
            return jobs
        wait.sleep()


def _differs(pin, have) -> bool:
    return have is None or have["deleted"] or have["version"] != pin["version"]


def _step(params, pin, have, waiting) -> dict:
    """What happens to one plugin. verb as in a plan; upload: a file is sent; post: what is asked of it; waits: a restart has to complete it."""
    name, enabled = pin["name"], pin["enabled"]
    step = {"name": name, "version": pin["version"], "pin": pin, "verb": "unchanged", "why": "", "upload": False, "post": "", "waits": False,
            "before": {"version": have["version"], "enabled": have["enabled"]} if have and not have["deleted"] else {}}
    step["after"] = {**step["before"], "version": pin["version"], **({} if enabled is None else {"enabled": enabled})}
    if params["state"] == "absent":
        there = have and not have["deleted"]
        step |= {"verb": "delete" if there else "unchanged", "post": "doUninstall" if there else "", "waits": have is not None, "after": {}}
        return step
    if _differs(pin, have) and name in waiting:
        step |= {"verb": "update" if params["restart"] else "unchanged", "why": "uploaded before, waits for a restart", "waits": True}
    elif _differs(pin, have):
        step |= {"verb": "update" if step["before"] else "create", "upload": True, "waits": have is not None}
        if step["before"] and newer(have["version"], pin["version"]) and not params["allow_downgrade"]:
            step |= {"verb": "refuse", "why": f"plugin {name}: {have['version']} is installed and {pin['version']} is older; say allow_downgrade: true"}
    if enabled is not None and enabled != (have["enabled"] if have else True):
        step |= {"verb": "update" if step["verb"] == "unchanged" else step["verb"], "post": "makeEnabled" if enabled else "makeDisabled", "waits": True}
    if have and have["active"] != have["enabled"] and not have["deleted"]:
        step |= {"waits": True, "why": step["why"] or "waits for a restart"}
    return step


def _refuse(steps, there) -> None:
    """Raise what is wrong with the plan."""
    gone = {step["name"] for step in steps if step["verb"] == "delete"}
    problems = [step["why"] for step in steps if step["verb"] == "refuse"]
    problems += [f"plugin {need['shortName']} is needed by {name}, which stays; list that too" for name, have in there.items()
                 for need in have["dependencies"] if need["shortName"] in gone and not (need["optional"] or name in gone or have["deleted"])]
    if problems:
        raise MlopsError("; ".join(problems))


# --- the files


def _uploads(params, folder, steps, there, core) -> list:
    """[(step, file)] in the order in which they can be loaded, every file verified."""
    versions = {name: have["version"] for name, have in there.items() if not have["deleted"]} | {step["name"]: step["version"] for step in steps}
    late = {step["name"] for step in steps if step["waits"]}
    steps = {step["name"]: step for step in steps if step["upload"]}
    mirror = _mirror(params) if steps else None
    files, needs, problems = {}, {}, []
    for name, step in steps.items():
        pin = step["pin"]
        if not pin["sha256"]:
            problems.append(f"plugin {name} {pin['version']}: sha256 is missing; nothing is installed unverified")
        elif not (pin["src"] or params["mirror"]):
            problems.append(f"plugin {name} {pin['version']}: is not installed so; give its src, or a mirror that has it")
        else:
            files[name] = pin["src"] or mirror(pin["url"] or f"{name}/{pin['version']}/{name}.hpi", os.path.join(folder, f"{name}.hpi"))
            needs[name], fault = _needs(pin, content(pin, files[name]), core)
            problems += [fault] if fault else []
    for name, of_it in needs.items():
        problems += [f"plugin {name} {steps[name]['version']} needs {need} {version}, "
                     f"{f'there is {versions[need]}' if need in versions else 'which is not there'}"
                     for need, version in of_it if need not in versions or newer(version, versions[need])]
    if problems:
        raise MlopsError("; ".join(problems))
    try:
        order = list(TopologicalSorter({name: [need for need, _version in needs[name] if need in steps] for name in steps}).static_order())
    except CycleError as error:
        raise MlopsError(f"plugins: {' -> '.join(error.args[1])} need each other") from error
    for name in order:  # what needs a plugin that waits for the restart waits with it
        if steps[name]["waits"] or late & {need for need, _version in needs[name]}:
            late.add(name)
            steps[name]["waits"] = True
    return [(steps[name], files[name]) for name in order]


def _mirror(params):
    """mirror(path, target) gives the file at a path of the mirror, a folder or a URL."""
    base = params["mirror"] or ""
    if not base.startswith(("http://", "https://")):
        return lambda path, _target: os.path.join(base, path)
    names = ("ca_path", "validate_certs", "client_cert", "client_key", "timeout", "retries", "proxy")
    transport = Transport(base, params["mirror_username"], params["mirror_password"], **{name: params[name] for name in names}, read_only=True)

    def fetched(path, target):
        download(transport, path, target)
        return target
    return fetched


def content(pin, path) -> bytes:
    """The bytes of a file, which are the pinned ones."""
    try:
        with open(path, "rb") as file:
            found = file.read()
    except OSError as error:
        raise MlopsError(f"plugin {pin['name']}: {path} cannot be read: {error.strerror}") from error
    if (digest := hashlib.sha256(found).hexdigest()) != pin["sha256"]:
        raise MlopsError(f"plugin {pin['name']} {pin['version']}: sha256 of {path} is {digest}, pinned is {pin['sha256']}")
    return found


def _needs(pin, found, core):
    """[(name, version)] that the plugin needs, and what is wrong with it, by its own manifest."""
    name = pin["name"]
    try:
        text = zipfile.ZipFile(io.BytesIO(found)).read("META-INF/MANIFEST.MF").decode()
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError):
        return [], f"plugin {name}: its file is no plugin"
    told = dict(re.findall(r"(?m)^([\w-]+): *(.*)$", text.replace("\r\n", "\n").replace("\n ", "")))
    version = told.get("Plugin-Version", "").partition(" ")[0]
    if (told.get("Short-Name"), version) != (name, pin["version"]):
        return [], f"plugin {name} {pin['version']}: its file is {told.get('Short-Name')} {version}"
    if core and newer(told.get("Jenkins-Version", "0"), core):
        return [], f"plugin {name} {version} needs Jenkins {told['Jenkins-Version']}, this is {core}"
    return [tuple(need.split(":")[:2]) for need in told.get("Plugin-Dependencies", "").split(",") if ":" in need and "resolution:=optional" not in need], ""


# --- what is done


def _upload(client, uploads, last) -> None:
    """Send the files and wait for what becomes of them, which the answers do not tell."""
    for step, path in uploads:
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="name"; filename="{step["name"]}.hpi"\r\nContent-Type: application/octet-stream\r\n\r\n'
        tail = f'\r\n--{mark}\r\nContent-Disposition: form-data; name="pluginUrl"\r\n\r\n\r\n--{mark}--\r\n'
        body = head.encode() + content(step["pin"], path) + tail.encode()
        client.send("POST", "/pluginManager/uploadPlugin", body, f"multipart/form-data; boundary={mark}")
    done = {job["name"]: job for job in _jobs(client, last, len(uploads))} if uploads else {}
    for step, _path in uploads:
        job = done.get(step["name"], {"status": {"type": "missing"}})
        if step["verb"] == "create" and step["waits"] and job["status"]["type"] == "Failure":
            step["why"] = "waits for a restart, with what it needs"  # the file is in its place
        elif not job["status"]["type"].startswith("Success"):
            told = job.get("errorMessage") or f"its installation is {job['status']['type']}"
            step |= {"verb": "refuse", "why": f"plugin {step['name']} {step['version']}: {told}"}
        step["waits"] = step["waits"] or job["status"]["type"] == "SuccessButRequiresRestart"


def _look_again(steps, there, restarted) -> None:
    """Name what did not come out as it was meant to."""
    for step in steps:
        have = there.get(step["name"])
        if step["verb"] == "refuse" or not restarted and step["waits"]:
            continue
        if not step["after"]:
            wrong = have and "it is still there"
        elif _differs(step["pin"], have):
            wrong = f"{have['version'] if have else 'no version'} is installed"
        else:
            wrong = have["active"] != have["enabled"] and "Jenkins could not load it; its log says why"
        if wrong:
            step |= {"verb": "refuse", "why": f"plugin {step['name']}: after all, {wrong}"}
