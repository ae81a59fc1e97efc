# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' jobs and folders as data, and where each option of them sits in their XML. How requests travel is in _jenkins."""

from __future__ import annotations

import importlib
import io
import logging
import os
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from functools import cache
from urllib.parse import quote

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, one_line
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import item_path
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_xml import (
    NEW,
    at,
    differences,
    filled,
    flag,
    merge,
    number,
    parse,
    put,
    remove,
    seen,
    text,
    text_of,
    veiled,
    without_passwords,
    without_plugins,
    write,
)
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Reference, Request, Resource

REFUSED = re.compile(r"[/\\%?*:;&<#@|\[!$^\x00-\x1f]")
FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
LEVELS = 6  # how deep folders are listed at once when everything is asked for


def name_fault(option: str, name: str, path: bool = False):
    """What Jenkins refuses in a name, or silently makes another of; path: its parts are between slashes."""
    for part in name.split("/") if path else [name]:
        if not part or part in (".", "..") or part != part.strip() or part.endswith(".") or len(part) > 255:
            return f"{option}: {part!r} is no name for Jenkins: empty, too long, ending in a dot, or with blanks at an end"
        if found := REFUSED.search(part):
            return f"{option}: {part!r} holds {found[0]!r}, which Jenkins allows in no name"
    return None


def _parent(full_name: str) -> list:
    above = full_name.rpartition("/")[0]
    return [above] if above else []


def _above(full_name: str) -> list:
    """All folders above."""
    parts = full_name.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _in_parent(values: Mapping):
    return ("folder", values["name"].rpartition("/")[0])


def folded(name: str) -> str:
    """A name as Jenkins compares names: letter by letter without case, so that ß is not ss."""
    return "".join(small if len(small := letter.casefold()) == 1 else letter for letter in name)


def same_name(have, want) -> bool:
    return have is not None and folded(have) == folded(want)


PARAMETERS = "properties/hudson.model.ParametersDefinitionProperty"
PARAMETER_TYPES = {"string": "String", "text": "Text", "bool": "Boolean", "choice": "Choice", "password": "Password"}


def _parameter(element) -> dict:
    kind = next((kind for kind, name in PARAMETER_TYPES.items() if element.tag == f"hudson.model.{name}ParameterDefinition"), element.tag)
    default, trim = at(element, "defaultValue"), text_of(at(element, "trim")) == "true"
    found = {"name": text_of(at(element, "name")), "type": kind, "description": text_of(at(element, "description")) or None, "trim": trim or None}
    found["password" if kind == "password" else "default"] = text_of(default) or None
    if kind == "choice":
        found["choices"] = [text_of(choice) for choice in element.iter("string")]
    return {name: value for name, value in found.items() if value is not None}


def _read_parameters(root):
    found = at(root, f"{PARAMETERS}/parameterDefinitions")
    return None if found is None else [_parameter(element) for element in found]


def _write_parameters(root, wanted):
    """What a parameter does not say stays as it is on the server."""
    if not wanted:
        return remove(root, PARAMETERS)
    holder = at(root, f"{PARAMETERS}/parameterDefinitions", NEW)
    there = {(element.tag, text_of(at(element, "name"))): element for element in holder}
    holder[:] = []
    for parameter in wanted:
        kind = parameter["type"]
        tag = f"hudson.model.{PARAMETER_TYPES.get(kind, kind)}ParameterDefinition" if kind in PARAMETER_TYPES else kind
        element = there.get((tag, parameter["name"]))
        if element is None:
            element = ET.Element(tag)
        holder.append(element)
        put(element, "name", parameter["name"])
        default = parameter.get("password" if kind == "password" else "default")
        for name, value in (("description", parameter.get("description")), ("defaultValue", default.lower() if kind == "bool" and default else default)):
            if value is not None:
                put(element, name, value)
        if kind in ("string", "text") and (parameter.get("trim") is not None or at(element, "trim") is None):
            put(element, "trim", str(bool(parameter.get("trim"))).lower())
        if parameter.get("choices") is not None:
            for old in [child for child in element if child.tag == "choices"]:
                element.remove(old)
            values = at(element, "choices@java.util.Arrays$ArrayList/a@string-array", NEW)
            values[:] = []
            for choice in parameter["choices"]:
                ET.SubElement(values, "string").text = choice
    return None


def _same_parameters(have, want) -> bool:
    """A password that Jenkins has encrypted cannot be compared, and what is left out means nothing."""
    def fits(there, wanted):
        return all(value is None or name == "password" and there.get(name, "").startswith("{AQAA") != value.startswith("{AQAA")
                   or (str(value).lower() == str(there.get(name, "false")).lower() if wanted["type"] == "bool" and name == "default"
                       else (there.get(name) or None) == (value or None)) for name, value in wanted.items())
    have = have or []
    return len(have) == len(want) and all(fits(*pair) for pair in zip(have, want))


def _read_shell(root):
    """The commands of the shell steps; a step of another kind shows as its class, so that it differs from what is wanted."""
    found = at(root, "builders")
    return None if found is None else [text_of(at(step, "command")) if step.tag == "hudson.tasks.Shell" else f"<{step.tag}>" for step in found]


def _write_shell(root, commands):
    builders = at(root, "builders", NEW)
    there = [step for step in builders if step.tag == "hudson.tasks.Shell"]
    builders[:] = []
    for position, command in enumerate(commands):
        step = there[position] if position < len(there) else ET.Element("hudson.tasks.Shell")
        put(step, "command", command)
        builders.append(step)


def _write_label(root, label):
    put(root, "canRoam", str(not label).lower())
    text("!assignedNode")[1](root, label)


SERIAL = "properties/org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty"


def _write_concurrent(root, concurrent):
    if concurrent:
        remove(root, SERIAL)
    else:
        at(root, SERIAL, NEW)


INTERVALS = {"1m": ("* * * * *", 1), "2m": ("*/2 * * * *", 2), "5m": ("*/5 * * * *", 5), "10m": ("H/6 * * * *", 10), "15m": ("H/6 * * * *", 15),
             "20m": ("H/3 * * * *", 20), "25m": ("H/3 * * * *", 25), "30m": ("H/2 * * * *", 30), "1h": ("H * * * *", 60), "2h": ("H * * * *", 120),
             "4h": ("H * * * *", 240), "8h": ("H * * * *", 480), "12h": ("H H * * *", 720), "1d": ("H H * * *", 1440), "2d": ("H H * * *", 2880),
             "1w": ("H H * * *", 10080), "2w": ("H H * * *", 20160), "4w": ("H H * * *", 40320)}
SCAN = "triggers/com.cloudbees.hudson.plugins.folder.computed.PeriodicFolderTrigger"


def _read_interval(root):
    found = at(root, f"{SCAN}/interval")
    return next((name for name, (_spec, minutes) in INTERVALS.items() if text_of(found) == str(minutes * 60000)), found is not None and text_of(found) or None)


def _write_interval(root, name):
    if not name or name == "never":
        return remove(root, SCAN)
    spec, minutes = INTERVALS[name]
    put(at(root, SCAN, NEW), "spec", spec)
    put(at(root, SCAN, NEW), "interval", str(minutes * 60000))
    return None


def _git(scm: str) -> dict:
    remotes, branches = f"{scm}/userRemoteConfigs", f"{scm}/branches"
    return {"git_url": text(f"{remotes}/hudson.plugins.git.UserRemoteConfig/url", single=remotes),
            "git_credentials_id": text(f"{remotes}/hudson.plugins.git.UserRemoteConfig/!credentialsId"),
            "git_branch": text(f"{branches}/hudson.plugins.git.BranchSpec/name", single=branches)}


def _triggers(triggers: str) -> dict:
    return {"cron": text(f"{triggers}/!hudson.triggers.TimerTrigger/spec"), "poll_scm": text(f"{triggers}/!hudson.triggers.SCMTrigger/spec")}


def _keep(path: str, days: str, builds: str) -> dict:
    return {days: number(f"{path}/daysToKeep"), builds: number(f"{path}/numToKeep")}


CPS = "org.jenkinsci.plugins.workflow.cps"
MULTIBRANCH = "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject"
SOURCES = "sources@jenkins.branch.MultiBranchProject$BranchSourceList/data"
SOURCE = f"{SOURCES}/jenkins.branch.BranchSource/source@jenkins.plugins.git.GitSCMSource"
WILDCARDS = f"{SOURCE}/traits/jenkins.scm.impl.trait.WildcardSCMHeadFilterTrait"
COMMON = {"description": text("!description"), "display_name": text("!displayName"), "disabled": flag("disabled")}
BUILDS = {"parameters": (_read_parameters, _write_parameters),
          **_keep("properties/jenkins.model.BuildDiscarderProperty/strategy@hudson.tasks.LogRotator", "keep_days", "keep_builds")}
FIELDS = {
    "freestyle": {**COMMON, **BUILDS, **_git("scm@hudson.plugins.git.GitSCM"), **_triggers("triggers"), "concurrent": flag("concurrentBuild"),
                  "label": (text("!assignedNode")[0], _write_label), "shell": (_read_shell, _write_shell)},
    "pipeline": {**COMMON, **BUILDS, "script": text(f"definition@{CPS}.CpsFlowDefinition/script"),
                 "sandbox": flag(f"definition@{CPS}.CpsFlowDefinition/sandbox"),
                 **_git(f"definition@{CPS}.CpsScmFlowDefinition/scm@hudson.plugins.git.GitSCM"),
                 "script_path": text(f"definition@{CPS}.CpsScmFlowDefinition/scriptPath"),
                 "lightweight": flag(f"definition@{CPS}.CpsScmFlowDefinition/lightweight"),
                 **_triggers("properties/org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty/triggers"),
                 "concurrent": (lambda root: at(root, SERIAL) is None, _write_concurrent)},
    "multibranch": {**COMMON, "git_url": text(f"{SOURCE}/remote", single=SOURCES), "git_credentials_id": text(f"{SOURCE}/!credentialsId"),
                    "script_path": text("factory@org.jenkinsci.plugins.workflow.multibranch.WorkflowBranchProjectFactory/scriptPath"),
                    "includes": text(f"{WILDCARDS}/includes", "*"), "excludes": text(f"{WILDCARDS}/excludes", ""),
                    **_keep("orphanedItemStrategy@com.cloudbees.hudson.plugins.folder.computed.DefaultOrphanedItemStrategy", "orphans_keep_days",
                            "orphans_keep"),
                    "scan_interval": (_read_interval, _write_interval)},
}
ROOTS = {"freestyle": "project", "pipeline": "flow-definition", "multibranch": MULTIBRANCH}
OWNER = f"<owner class='{MULTIBRANCH}' reference='../..'/>"
SKELETONS = {
    "freestyle": "<project><keepDependencies>false</keepDependencies><properties/><scm class='hudson.scm.NullSCM'/><canRoam>true</canRoam>"
    "<disabled>false</disabled><blockBuildWhenDownstreamBuilding>false</blockBuildWhenDownstreamBuilding><blockBuildWhenUpstreamBuilding>false"
    "</blockBuildWhenUpstreamBuilding><triggers/><concurrentBuild>false</concurrentBuild><builders/><publishers/><buildWrappers/></project>",
    "pipeline": "<flow-definition><keepDependencies>false</keepDependencies><properties/><triggers/><disabled>false</disabled></flow-definition>",
    "multibranch": f"<{MULTIBRANCH}><properties/><folderViews class='jenkins.branch.MultiBranchProjectViewHolder'>{OWNER}</folderViews><healthMetrics/>"
    f"<icon class='jenkins.branch.MetadataActionFolderIcon'>{OWNER}</icon><orphanedItemStrategy class='com.cloudbees.hudson.plugins.folder.computed."
    "DefaultOrphanedItemStrategy'><pruneDeadBranches>true</pruneDeadBranches><daysToKeep>-1</daysToKeep><numToKeep>-1</numToKeep><abortBuilds>false"
    f"</abortBuilds></orphanedItemStrategy><triggers/><disabled>false</disabled><sources class='jenkins.branch.MultiBranchProject$BranchSourceList'><data/>"
    f"{OWNER}</sources><factory class='org.jenkinsci.plugins.workflow.multibranch.WorkflowBranchProjectFactory'>{OWNER}<scriptPath>Jenkinsfile</scriptPath>"
    f"</factory></{MULTIBRANCH}>",
}


# Jobs


@cache
def _job_builder():
    """Parts of Jenkins Job Builder, set up without the user's configuration and without asking a server for its plugins."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pkg_resources, which the library uses
            parts = ("config", "loader", "registry", "roots", "xml_config")
            config, loader, registry, roots, xml_config = (importlib.import_module(f"jenkins_jobs.{part}") for part in parts)
    except ImportError as error:
        raise MlopsError(f"needs the Python packages jenkins-job-builder and setuptools<81 on the controller: {error}") from error
    logging.getLogger("jenkins_jobs").setLevel(logging.CRITICAL)
    settings = config.JJBConfig(os.devnull)
    modules = registry.ModuleRegistry(settings, [])
    return settings, loader.load_files, roots.Roots, modules, xml_config.XmlJobGenerator(modules)


@cache
def from_jjb(full_name: str, definition: str):
    """The XML of the job that Jenkins Job Builder's YAML defines under the full name or the last part of it."""
    settings, load, roots, modules, generator = _job_builder()
    try:
        made = roots(settings)
        load(settings, made, [io.StringIO(definition)])
        jobs = made.generate_jobs()
        chosen = [job for name in (full_name, full_name.rpartition("/")[2]) for job in jobs if job.data["name"] == name][:1]
        if not chosen:
            raise MlopsError(f"defines {', '.join(str(job.data['name']) for job in jobs) or 'no job'}, not {full_name}")
        modules.set_macros(made.macros)
        modules.amend_job_dicts(chosen)
        root = generator.generateXML(chosen)[0].xml
    except MlopsError:
        raise
    except Exception as error:  # the library has errors of many kinds, also for mistakes in the YAML
        raise MlopsError(f"Jenkins Job Builder does not take it: {one_line(str(error))}") from error
    if root.tag == MULTIBRANCH:  # Jenkins drops what the library writes for every job
        for tag in ("views", "viewsTabBar", "canRoam"):
            remove(root, tag)
    return root


def _document(values: Mapping):
    """The document that an item gives as it is; None when it is described by options."""
    form = next((form for form in ("jjb", "xml") if values.get(form)), None)
    try:
        return None if form is None else from_jjb(values["name"], values["jjb"]) if form == "jjb" else parse(values["xml"])
    except MlopsError as error:
        raise MlopsError(f"{form}: {error}") from error


class Drift(str):
    """Where a document on the server is not the wanted one: as text what is there; `wanted` is what is to be there."""

    wanted = ""


def _drift(found) -> Drift:
    lines = [[f"{place}: {'(nothing)' if side is None else side}" for side in sides] for place, *sides in found]
    drift = Drift("\n".join(line[0] for line in lines))
    drift.wanted = "\n".join(line[1] for line in lines)
    return drift


def _type_of(root) -> str:
    return next((kind for kind, tag in ROOTS.items() if tag == root.tag), root.tag)


def _job(name: str, document: str, item: Mapping | None) -> dict:
    """A job on the server, in the form in which it is wanted; without a form in options if they say it all, else as XML."""
    found = {"name": name, "handle": document}
    form = next((form for form in ("jjb", "xml") if item and item.get(form)), None)
    if form and document == item[form]:
        return {**found, form: document}
    root = parse(document)
    kind = _type_of(root)
    if form:
        try:
            wanted = _document(item)
        except MlopsError:
            return {**found, form: Drift()}  # named by _job_fault
        drift = list(differences(root, wanted)) if root.tag == wanted.tag else [("", root.tag, wanted.tag)]
        return {**found, form: _drift(drift) if drift else item[form]}
    wanted = {option for option, value in (item or {}).items() if value is not None} - {"name"}
    if not wanted:
        without_passwords(root)
    view = seen(FIELDS.get(kind, COMMON), root)
    if not wanted and (kind not in FIELDS or any(differences(filled(FIELDS[kind], parse(SKELETONS[kind]), view), root))):
        return {**found, "xml": write(without_plugins(root))}
    return {**found, "type": kind, **view}


def listing(client, depth: int | None, fields: str = "name") -> dict:
    """{full name in lower case: what is told of an item} of everything down to a depth, or of everything, in as few requests as folders are deep."""
    found: dict = {}

    def ask(folder, levels):
        tree = fields
        for _level in range(levels - 1):
            tree = f"{fields},jobs[{tree}]"
        return folder, (client.tree(item_path(folder), f"jobs[{tree}]") or {}).get("jobs", ())

    def walk(folder, rows):
        for row in rows:
            name = f"{folder}/{row['name']}".lstrip("/")
            found[folded(name)] = {**row, "name": name}
            if row["_class"] == FOLDER:
                yield from walk(name, row["jobs"]) if "jobs" in row else [name]
    cut = [""]
    while cut:
        answers = client.transport.each(lambda folder: ask(folder, depth or LEVELS), cut)
        cut = [name for folder, rows in answers for name in walk(folder, rows)]
        if depth:
            break
    client.items = found
    return found


def _depth(wanted, places) -> int | None:
    """As deep as the names lie; None: everything."""
    deep = [item["name"].count("/") + 1 for item in wanted or ()] + [place.count("/") + 2 if place else 1 for _option, place in places or ()]
    return max(deep) if deep and places is not None else None


def _chosen(found, wanted, places):
    """The listed items that are wanted, with the wanted item; those of a place, or all, where none is."""
    if wanted:
        return [(found[name], item) for item in wanted if (name := folded(item["name"])) in found]
    inside = None if places is None else {folded(place) for _option, place in places}
    return [(row, None) for name, row in found.items() if inside is None or name.rpartition("/")[0] in inside]


def _holds_more(row) -> bool:
    """Whether it is a folder of a plugin, such as an organization's; a multibranch job is a job."""
    return row["_class"].endswith("Folder")


def _read_jobs(client, wanted, places):
    """One request for the names and one for each wanted job. Of the others in a place only the names are known, which is enough to delete them."""
    found = listing(client, _depth(wanted, places))
    jobs = {name: row for name, row in found.items() if row["_class"] != FOLDER}
    if not wanted:  # what holds jobs in a way of its own is nobody's to gather or purge; by its name it can be had
        jobs = {name: row for name, row in jobs.items() if not _holds_more(row)}
    chosen = _chosen(jobs, wanted, places)
    documents = client.transport.each(lambda pair: client.text(f"{item_path(pair[0]['name'])}/config.xml"), chosen)
    rows = [_job(row["name"], document, item) for (row, item), document in zip(chosen, documents) if document is not None]
    have = {folded(row["name"]) for row in rows}
    others = _chosen(jobs, None, places) if wanted and places else ()
    return rows + [{"name": row["name"]} for row, _item in others if folded(row["name"]) not in have and not _holds_more(row)]


def _job_requests(verb, values, body):
    parent, _slash, last = values["name"].rpartition("/")
    if verb == "delete":
        return [Request("POST", f"{item_path(values['name'])}/doDelete")]
    document = _document(values) if not values.get("type") else None
    if verb == "create":
        root = document if document is not None else filled(FIELDS[values["type"]], parse(SKELETONS[values["type"]]), values)
        if values.get("type") == "multibranch":
            put(at(root, SOURCE), "id", f"mlops-{values['name']}")
        return [Request("POST", f"{item_path(parent)}/createItem?name={quote(last, safe='')}", write(root))]
    root = parse(values["handle"])
    if document is None:
        # with another source of the script what goes with it begins anew, and no is a value then
        begun = {name: values[name] for source, name in (("script", "sandbox"), ("git_url", "lightweight")) if source in body and name in values}
        filled(FIELDS.get(_type_of(root), COMMON), root, begun | body)
    elif document.tag != root.tag:
        raise MlopsError(f"job {values['name']!r} is a {root.tag} on the server and a {document.tag} here, which cannot be changed; "
                         "take another name, or delete it first (with its builds)")
    else:
        merge(root, document)
    return [Request("POST", f"{item_path(values['name'])}/config.xml", write(root))]


LIMITS = ("keep_days", "keep_builds", "orphans_keep_days", "orphans_keep")


def _job_fault(want: Mapping, values: Mapping):
    given = [form for form in ("jjb", "xml") if want.get(form)]
    beside = [option.name for option in JOBS.options if given and option.name in want and option.name not in ("name", *given)]
    is_new, git = "handle" not in values, values.get("git_url")
    faults = (
        name_fault("name", values["name"], path=True),
        beside and f"{', '.join(beside)}: cannot be given beside {given[0]}, which describes the whole job",
        want.get("script") and want.get("git_url") and "script and git_url exclude each other: a pipeline has one source",
        is_new and not given and not want.get("type") and "is not there yet and cannot be made without type, jjb or xml",
        is_new and want.get("type") == "pipeline" and not want.get("script") and not git and "a new pipeline needs script or git_url",
        is_new and want.get("type") == "multibranch" and not git and "a new multibranch job needs git_url",
        next((f"{name}: needs git_url" for name in ("git_branch", "git_credentials_id", "lightweight") if name in want and not git), None),
        next((f"{name}: {value} is less than 0, which is no limit" for name, value in want.items() if name in LIMITS and value < 0), None),
        "sandbox" in want and not values.get("script") and "sandbox: needs script",
        next((f"parameters: {one['name']!r}: {fault}" for one in want.get("parameters") or () for fault in [_parameter_fault(one)] if fault), None),
    )
    fault = next(filter(None, faults), None)
    if fault or not given:
        return fault
    try:
        root = _document(want)
    except MlopsError as error:
        return str(error)
    return f"{given[0]}: describes a folder; use jenkins_folders" if root.tag == FOLDER else None


def _parameter_fault(parameter: Mapping):
    kind = parameter["type"]
    if (kind == "choice") != bool(parameter.get("choices")):
        return "choices: belong to a parameter of type choice" if kind != "choice" else "choices: a parameter of type choice needs some"
    if parameter.get("default") is not None and kind in ("choice", "password"):
        return "default: the first of choices is the default" if kind == "choice" else "default: give it as password"
    return "password: belongs to a parameter of type password" if parameter.get("password") is not None and kind != "password" else None


def _missing_parents(kind):
    def missing(client, actions):
        """What a new item is to be made in, if it is not there or holds no items; and what is there under its name."""
        found: dict = {}
        for action in actions:
            there, above = client.items.get(folded(action.key)), _parent(action.key)
            row = client.items.get(folded(above[0])) if above else None
            if action.verb == "create" and there:
                found[action.key] = [f"name: there is a {'folder' if there['_class'] == FOLDER else 'job'} of that name"]
            elif action.verb == "create" and above and kind == "job" and row is None:
                found[action.key] = [f"name: folder {above[0]!r} does not exist"]
            elif action.verb == "create" and above and row is not None and row["_class"] != FOLDER:
                found[action.key] = [f"name: {above[0]!r} is a job, not a folder"]
        return found
    return missing


def _same_text(have, want) -> bool:
    have, want = ((text or "").replace("\r\n", "\n").strip("\n") for text in (have, want))
    return have == want


def _documents(have, want) -> tuple:
    """What a diff shows of two documents."""
    return veiled(str(have)), veiled(getattr(have, "wanted", want))


BUILT = {"type": ("pipeline", "freestyle")}
FROM_GIT = {"type": ("pipeline", "multibranch", "freestyle")}
ONLY = {kind: {"type": (kind,)} for kind in FIELDS}
JOBS = Resource(
    kind="job", items="jobs", read=_read_jobs, requests=_job_requests, partial=True, handle="handle", within=_in_parent, places={"folder": "folders"},
    one_of=("type", "jjb", "xml"), missing=_missing_parents("job"), check=_job_fault,
    options=(
        Option("name", fold=folded, same=same_name),
        Option("type", choices=tuple(FIELDS), immutable=True),
        Option("jjb", told=_documents),
        Option("xml", told=_documents),
        Option("description"),
        Option("display_name"),
        Option("disabled", type="bool"),
        Option("script", same=_same_text, only=ONLY["pipeline"]),
        Option("sandbox", type="bool", only=ONLY["pipeline"]),
        Option("git_url", only=FROM_GIT),
        Option("git_branch", only=BUILT),
        Option("git_credentials_id", only=FROM_GIT),
        Option("script_path", only={"type": ("pipeline", "multibranch")}),
        Option("lightweight", type="bool", only=ONLY["pipeline"]),
        Option("includes", only=ONLY["multibranch"], none="*"),
        Option("excludes", only=ONLY["multibranch"]),
        Option("scan_interval", choices=(*INTERVALS, "never"), none="never", only=ONLY["multibranch"]),
        Option("orphans_keep_days", type="int", none=0, only=ONLY["multibranch"]),
        Option("orphans_keep", type="int", none=0, only=ONLY["multibranch"]),
        Option("shell", type="list", elements="str", only=ONLY["freestyle"],
               same=lambda have, want: len(have or ()) == len(want) and all(map(_same_text, have or (), want))),
        Option("label", only=ONLY["freestyle"]),
        Option("parameters", type="list", elements="dict", same=_same_parameters, only=BUILT, options=(
            Option("name", required=True),
            Option("type", choices=tuple(PARAMETER_TYPES), required=True),
            Option("description"),
            Option("default"),
            Option("choices", type="list", elements="str"),
            Option("password", secret=True),
            Option("trim", type="bool"),
        )),
        Option("cron", only=BUILT),
        Option("poll_scm", only=BUILT),
        Option("keep_days", type="int", none=0, only=BUILT),
        Option("keep_builds", type="int", none=0, only=BUILT),
        Option("concurrent", type="bool", only=BUILT),
    ),
)

# Folders


def _read_folders(client, wanted, places):
    rows = listing(client, _depth(wanted, places), "name,description,displayNameOrNull").values()
    inside = None if wanted or places is None else {folded(place) for _option, place in places}
    listed = {folded(item["name"]) for item in wanted or ()}
    holders = {parent for name in listed for parent in _above(name)} - listed
    return [{**row, "holds": folded(row["name"]) in holders} for row in rows
            if row["_class"] == FOLDER and (inside is None or folded(row["name"].rpartition("/")[0]) in inside)]


def _folder_requests(verb, values, body):
    parent, _slash, last = values["name"].rpartition("/")
    if verb == "delete":
        return [Request("POST", f"{item_path(values['name'])}/doDelete")]
    fields = {name: COMMON[name] for name in ("description", "display_name")}
    if verb == "create":
        return [Request("POST", f"{item_path(parent)}/createItem?name={quote(last, safe='')}", write(filled(fields, ET.Element(FOLDER), values)))]
    given, address = {"description": body.get("description"), "display_name": body.get("displayNameOrNull")}, f"{item_path(values['name'])}/config.xml"
    return [Request("POST", address, edited(address, lambda root: filled(fields, root, given)))]


def edited(address: str, change):
    """The body of an update: the server's own document at that moment, changed. Its credentials, views and all else in it stay."""
    def body(client):
        document = client.text(address)
        if document is None:
            raise MlopsError(f"{address} is not there any more")
        return write(change(parse(document)))
    return body


FOLDERS = Resource(
    kind="folder", items="folders", read=_read_folders, requests=_folder_requests, partial=True, within=_in_parent, places={"folder": "within"},
    built_in="holds",  # what holds a listed folder is not purged
    references=(Reference("name", "folder", of=_parent),), missing=_missing_parents("folder"),
    check=lambda want, values: name_fault("name", values["name"], path=True),
    options=(
        Option("name", fold=folded, same=same_name),
        Option("display_name", "displayNameOrNull"),
        Option("description"),
    ),
)
