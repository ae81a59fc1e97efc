# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' XML: read, written, compared by what it means, changed in place, and seen as options. Sends nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from copy import deepcopy

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MASK, MlopsError

DECLARATION = re.compile(r"^\ufeff?\s*<\?xml[^>]*\?>")
REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]+)|(\d+));")
# XML 1.1 allows control characters as references, Python's parser knows 1.0 only: they travel as characters above PRIVATE
PRIVATE = 0xE000
CONTROLS = frozenset(range(1, 32)) - {9, 10, 13}
WRITTEN = re.compile("[\x01-\x08\x0b-\x1f\ue001-\ue01f]")  # a carriage return too: a parser makes another line end of it
COLLECTIONS = frozenset({None, "vector", "list", "empty-list", "linked-list"})  # classes of a list that mean the same
UNORDERED = frozenset({"properties", "triggers", "nodeProperties"})
ENCRYPTED = re.compile(r"\{AQAA[\w+/=]+\}")
# Never compared and never taken away: what Jenkins and pipelines keep of their own, and the credentials of a folder
KEPT = frozenset({"actions", "com.cloudbees.hudson.plugins.folder.properties.FolderCredentialsProvider_-FolderCredentialsProperty"})
SECRET_NAME = r"[\w.-]*(?:password|passphrase|secret|token|privatekey)[\w.-]*"
VEILED = (
    re.compile(rf"(<({SECRET_NAME})>)[^<]+(?=</\2>)", re.I),
    re.compile(r"(<hudson\.model\.PasswordParameterDefinition>(?:(?!</hudson).)*?<defaultValue>)[^<]+(?=</)", re.S),
    re.compile(rf"(^[ \t-]*['\"]?{SECRET_NAME}['\"]?:[ \t]+)\S.*$", re.I | re.M),
)


def parse(text: str) -> ET.Element:
    """The root element of a document of version 1.0 or 1.1; control characters in it are hidden, see text_of()."""
    try:
        return ET.fromstring(REFERENCE.sub(_hidden, DECLARATION.sub("", text, count=1)))
    except (ET.ParseError, ValueError) as error:
        raise MlopsError(f"is no XML: {error}") from None


def veiled(text: str) -> str:
    """A document, XML or Job Builder's YAML, as a diff may show it: without the values under names that are those of secrets."""
    for pattern in VEILED:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def _hidden(reference):
    number = int(reference[1], 16) if reference[1] else int(reference[2])
    return chr(PRIVATE + number) if number in CONTROLS else reference[0]


def write(root: ET.Element) -> str:
    """The document as text."""
    return "<?xml version='1.1' encoding='UTF-8'?>\n" + WRITTEN.sub(lambda char: f"&#{ord(char[0]) % PRIVATE};", ET.tostring(root, encoding="unicode"))


def text_of(element: ET.Element | None) -> str:
    """The text of an element without children, as it was given."""
    text = "" if element is None or len(element) else element.text or ""
    return re.sub("[\ue001-\ue01f]", lambda char: chr(ord(char[0]) - PRIVATE), text)


def at(root: ET.Element, path: str, new: Mapping | None = None) -> ET.Element | None:
    """The element at a path of tag or tag@class; None where there is none of that class.

    new: {tag or class: the content of a new one}: make what is missing, in place of one of another class.
    """
    for part in path.split("/"):
        tag, _at, kind = part.partition("@")
        child = next((child for child in root if child.tag == tag), None)
        if child is None or kind and child.get("class") != kind:
            if new is None:
                return None
            if child is None:
                child = ET.SubElement(root, tag)
            child.clear()
            if kind:
                child.set("class", kind)
            child.extend(parse(f"<new>{new.get(kind or tag, '')}</new>"))
        root = child
    return root


def put(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    """The child with that tag, made if it is missing, with the text."""
    child = at(parent, tag, {})
    child.text = text
    return child


def remove(root: ET.Element, path: str) -> None:
    """Take out the element at a path, if it is there."""
    above = path.rpartition("/")[0]
    parent, child = at(root, above) if above else root, at(root, path)
    if child is not None:
        parent.remove(child)


def differences(have: ET.Element, want: ET.Element, path: str = "") -> Iterator[tuple]:
    """(path, what is there, what is wanted) wherever `have` does not mean what `want` says.

    An object may hold more than is wanted: Jenkins adds what it knows. A list may not: what was put into it by hand is a difference.
    """
    for name, value in want.attrib.items():
        if name != "plugin" and value != have.get(name) and not (name == "class" and {value, have.get(name)} <= COLLECTIONS):
            yield path, f"{name}={have.get(name)}", f"{name}={value}"
            return
    if _is_list(want) or not text_of(want).strip() and not len(want) and _is_list(have):
        yield from _list_differences(have, want, path)
    elif not len(want):
        there, wanted = (text_of(side).replace("\r\n", "\n") for side in (have, want))
        if there != wanted and (there.strip() or wanted.strip()) and not _cannot_tell(path, there, wanted) and not len(have):
            yield path, _shown(path, there), _shown(path, wanted)
    else:
        for child in want:
            if child.tag in KEPT:
                continue
            found, place = at(have, child.tag), f"{path}/{child.tag}".lstrip("/")
            if found is not None:
                yield from differences(found, child, place)
            elif not _is_default(child):
                yield place, None, _told(child, place)


def _list_differences(have, want, path):
    pairs = _matched(have, want)
    for place, (found, child) in enumerate(pairs, 1):
        tag = (found if child is None else child).tag
        below = f"{path}/{tag}[{place}]".lstrip("/")
        if found is None or child is None:
            yield below, _told(found, below), _told(child, below)
        else:
            yield from differences(found, child, below)
    tags = [[child.tag for child in element if child.tag not in KEPT] for element in (have, want)]
    if want.tag not in UNORDERED and tags[0] != tags[1] and sorted(tags[0]) == sorted(tags[1]):
        yield path, ", ".join(tags[0]), ", ".join(tags[1])


def _is_list(element) -> bool:
    """Elements of a list carry the name of a class, or all the same."""
    tags = [child.tag for child in element]
    return len(set(tags)) < len(tags) or any("." in tag or tag in ("string", "entry") for tag in tags)


def _matched(have, want) -> list:
    """[(there, wanted)] of two lists: one after the other of the same tag, None where the other has no more."""
    left = [child for child in have if child.tag not in KEPT]
    pairs = []
    for child in want:
        if child.tag in KEPT:
            continue
        found = next((other for other in left if other.tag == child.tag), None)
        if found is not None:
            left.remove(found)
        pairs.append((found, child))
    return pairs + [(found, None) for found in left]


def _is_default(element) -> bool:
    """Jenkins writes nothing for what is empty, and drops what it does not know: nothing and no are what a field is without being told."""
    return not len(element) and "class" not in element.attrib and text_of(element).strip() in ("", "false")


def _is_secret(path, text) -> bool:
    return bool(ENCRYPTED.fullmatch(text)) or "PasswordParameterDefinition" in path and path.endswith("/defaultValue")


def _cannot_tell(path, there, wanted) -> bool:
    """A secret that Jenkins has encrypted, against one in plain text."""
    sealed = [bool(ENCRYPTED.fullmatch(text)) for text in (there, wanted)]
    return sealed[0] != sealed[1] and (sealed[0] or _is_secret(path, wanted))


def _shown(path, text) -> str:
    hidden = _is_secret(path, text) or re.fullmatch(SECRET_NAME, path.rpartition("/")[2], re.I)
    return MASK if text and hidden else text


def _told(element, path):
    """An element as a diff shows it; its texts, if it has children."""
    if element is None or not len(element):
        return None if element is None else _shown(path, text_of(element))
    texts = [f"{child.tag}={_shown(f'{path}/{child.tag}', text_of(child))}" for child in element if text_of(child).strip()]
    return " ".join(texts) or element.tag


def merge(have: ET.Element, want: ET.Element) -> None:
    """Make `have` mean what `want` says, in place; what an object holds besides stays, what a list holds besides goes."""
    if {have.get("class"), want.get("class")} - COLLECTIONS and want.get("class") and have.get("class") != want.get("class"):
        have.clear()
        have.attrib.update(want.attrib)
        have.text = want.text
        have.extend(deepcopy(child) for child in want)
        return
    if _is_list(want) or not text_of(want).strip() and not len(want) and _is_list(have):
        kept, items = [child for child in have if child.tag in KEPT], []
        for found, child in _matched(have, want):
            if child is not None and found is not None:
                merge(found, child)
            if child is not None:
                items.append(deepcopy(child) if found is None else found)
        have[:] = kept + items
    elif not len(want):
        if not len(have) or text_of(want).strip():
            have[:] = []
            have.text = want.text
    else:
        for child in want:
            found = at(have, child.tag)
            if found is None:
                have.append(deepcopy(child))
            elif child.tag not in KEPT:
                merge(found, child)


def without_plugins(root: ET.Element) -> ET.Element:
    """The document without the versions of plugins, in place."""
    for element in root.iter():
        element.attrib.pop("plugin", None)
    return root


def without_passwords(root: ET.Element) -> ET.Element:
    """The document without the defaults of password parameters that can be read, in place; an encrypted one stays."""
    for element in root.iter("hudson.model.PasswordParameterDefinition"):
        if not ENCRYPTED.fullmatch(text_of(at(element, "defaultValue"))):
            remove(element, "defaultValue")
    return root


# Where options sit in a document: a field is (read, fill) of its root element. A `!` marks the element that goes when the option is emptied.

NEW = {  # what a new element begins with
    "hudson.tasks.LogRotator": "<daysToKeep>-1</daysToKeep><numToKeep>-1</numToKeep><artifactDaysToKeep>-1</artifactDaysToKeep>"
    "<artifactNumToKeep>-1</artifactNumToKeep><removeLastBuild>false</removeLastBuild>",
    "hudson.triggers.SCMTrigger": "<spec/><ignorePostCommitHooks>false</ignorePostCommitHooks>",
    "org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition": "<script/><sandbox>true</sandbox>",
    "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition": "<scriptPath>Jenkinsfile</scriptPath><lightweight>true</lightweight>",
    "hudson.plugins.git.GitSCM": "<configVersion>2</configVersion><userRemoteConfigs/><branches><hudson.plugins.git.BranchSpec><name>*/main</name>"
    "</hudson.plugins.git.BranchSpec></branches><doGenerateSubmoduleConfigurations>false</doGenerateSubmoduleConfigurations>"
    "<submoduleCfg class='empty-list'/><extensions/>",
    "jenkins.branch.BranchSource": "<strategy class='jenkins.branch.DefaultBranchPropertyStrategy'><properties class='empty-list'/></strategy>",
    "jenkins.plugins.git.GitSCMSource": "<traits><jenkins.plugins.git.traits.BranchDiscoveryTrait/></traits>",
    "jenkins.scm.impl.trait.WildcardSCMHeadFilterTrait": "<includes>*</includes><excludes/>",
    "hudson.plugins.sshslaves.SSHLauncher": "<launchTimeoutSeconds>60</launchTimeoutSeconds><maxNumRetries>10</maxNumRetries>"
    "<retryWaitTime>15</retryWaitTime><tcpNoDelay>true</tcpNoDelay>",
    "hudson.slaves.JNLPLauncher": "<workDirSettings><disabled>false</disabled><internalDir>remoting</internalDir>"
    "<failIfWorkDirIsMissing>false</failIfWorkDirIsMissing></workDirSettings><webSocket>true</webSocket>",
}


def text(path: str, empty: str | None = None, single: str = ""):
    """A text; empty: what stands for nothing. single: path of a list in which it is the only one: more than one is another value."""
    head, mark, tail = path.partition("!")
    place, cut = head + tail, head + tail.partition("/")[0] if mark else ""

    def read(root):
        several, element = at(root, single) if single else (), at(root, place)
        if several is not None and len(several) > 1:
            return f"{len(several)} of them"
        return None if element is None or text_of(element) == empty else text_of(element)

    def fill(root, value):
        if cut and not value:
            remove(root, cut)
        else:
            at(root, place, NEW).text = value or empty
        if single:
            del at(root, single)[1:]
    return read, fill


def converted(pair, seen, sent):
    """A pair whose texts mean something else."""
    read, fill = pair
    return (lambda root: None if read(root) is None else seen(read(root))), (lambda root, value: fill(root, sent(value)))


def flag(path: str):
    return converted(text(path), lambda value: value == "true", lambda value: str(bool(value)).lower())


def number(path: str, empty: str = "-1"):
    return converted(text(path, empty), lambda value: int(value) if value.lstrip("-").isdigit() else None, lambda value: str(value) if value else empty)


def kind_of(path: str, kinds: Mapping):
    """The class of an element by a name; a class without one is told to nobody and left alone."""
    def read(root):
        element = at(root, path)
        return next((name for name, kind in kinds.items() if element is not None and element.get("class") == kind), None)
    return read, lambda root, name: at(root, f"{path}@{kinds[name]}", NEW)


def seen(fields: Mapping, root) -> dict:
    """What a document holds, as options."""
    found = {name: read(root) for name, (read, _fill) in fields.items()}
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def filled(fields: Mapping, root, values: Mapping):
    """The document with the given options in it."""
    for name, (_read, fill) in fields.items():
        if values.get(name) is not None:
            fill(root, values[name])
    return root
