# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The XML of items, views, nodes and credentials: as posted text is stored, and as the controller writes an object that it saves itself."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import cache
from xml.parsers import expat

DECLARATION = re.compile(r"""\ufeff?<\?xml\s+version\s*=\s*["'](1\.\d)["'](?:\s+encoding\s*=\s*["']([\w.-]+)["'])?[^>]*\?>""")
REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]+)|(\d+));")
CONTROLS = {number for number in (*range(1, 32), *range(127, 160)) if number not in (9, 10, 13)}
PRIVATE = 0xE000  # a control character, which XML 1.1 allows as a reference and Python's parser does not, travels above this
BROKEN = (expat.ExpatError, ET.ParseError, ValueError)  # what the controller answers with 500

# A class's fields in the order in which they are written. `field=value` is written with that value when it is not given (`@class`: as that class; an
# empty one: as <field/>), `field!` is a secret.
FIELDS = {
    "project": "actions description displayName logRotator keepDependencies=false properties= scm=@hudson.scm.NullSCM quietPeriod scmCheckoutRetryCount"
    " assignedNode canRoam=false disabled=false blockBuildWhenDownstreamBuilding=false blockBuildWhenUpstreamBuilding=false jdk authToken triggers="
    " concurrentBuild=false customWorkspace builders= publishers= buildWrappers=",
    "flow-definition": "actions description displayName keepDependencies=false properties= definition triggers quietPeriod authToken disabled=false",
    "com.cloudbees.hudson.plugins.folder.Folder": "actions description displayName properties= folderViews healthMetrics="
    " icon=@com.cloudbees.hudson.plugins.folder.icons.StockFolderIcon",
    "hudson.tasks.Shell": "command configuredLocalRules= unstableReturn",
    "hudson.tasks.LogRotator": "daysToKeep numToKeep artifactDaysToKeep artifactNumToKeep removeLastBuild=false",
    "hudson.tasks.ArtifactArchiver": "artifacts excludes latestOnly=false allowEmptyArchive=false onlyIfSuccessful=false fingerprint=false"
    " defaultExcludes=true caseSensitive=true followSymlinks=false",
    "hudson.triggers.TimerTrigger": "spec",
    "hudson.triggers.SCMTrigger": "spec ignorePostCommitHooks=false",
    "jenkins.model.BuildDiscarderProperty": "strategy",
    "hudson.model.ParametersDefinitionProperty": "parameterDefinitions=",
    "hudson.model.StringParameterDefinition": "name description defaultValue trim=false",
    "hudson.model.TextParameterDefinition": "name description defaultValue trim=false",
    "hudson.model.BooleanParameterDefinition": "name description defaultValue=false",
    "hudson.model.ChoiceParameterDefinition": "name description choices",
    "hudson.model.PasswordParameterDefinition": "name description defaultValue!",
    "hudson.model.FileParameterDefinition": "name description",
    "hudson.model.RunParameterDefinition": "name description projectName runId filter",
    "com.cloudbees.plugins.credentials.CredentialsParameterDefinition": "name description defaultValue credentialType required=false",
    "org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition": "script sandbox=false",
    "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition": "scm scriptPath lightweight=false",
    "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty": "abortPrevious=false",
    "com.cloudbees.plugins.credentials.domains.Domain": "name description specifications=",
    "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl": "scope id description username password! usernameSecret",
    "com.cloudbees.plugins.credentials.impl.CertificateCredentialsImpl": "scope id description keyStoreSource password!",
    "com.cloudbees.plugins.credentials.impl.CertificateCredentialsImpl$UploadedKeyStoreSource": "uploadedKeystoreBytes!",
    "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl": "scope id description secret!",
    "org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl": "scope id description fileName secretBytes!",
    "com.cloudbees.jenkins.plugins.sshcredentials.impl.BasicSSHUserPrivateKey": "scope id description username usernameSecret=false passphrase!"
    " privateKeySource",
    "com.cloudbees.jenkins.plugins.sshcredentials.impl.BasicSSHUserPrivateKey$DirectEntryPrivateKeySource": "privateKey!",
    "hudson.model.ListView": "owner name description filterExecutors=false filterQueue=false properties jobNames jobFilters columns includeRegex recurse=false"
    " statusFilter",
    "hudson.model.AllView": "owner name description filterExecutors=false filterQueue=false properties",
    "hudson.model.MyView": "owner name description filterExecutors=false filterQueue=false properties",
    "slave": "temporaryOfflineCause name description remoteFS numExecutors mode retentionStrategy launcher label= nodeProperties=",
    "hudson.slaves.JNLPLauncher": "tunnel workDirSettings webSocket=false",
    "hudson.slaves.CommandLauncher": "agentCommand",
}
# Empty ones of these are <name/>, those of all other fields <name></name>.
COLLECTIONS = {name[:-1] for fields in FIELDS.values() for name in fields.split() if name.endswith("=")} - {"label"}
COLLECTIONS |= {"actions", "columns", "jobFilters", "properties", "unserializable-parents", "views"}

# Where classes come from: a prefix of the name, and the plugin that brings it (None: Jenkins itself). The longest prefix counts; no prefix: unknown.
OWNERS = {
    "hudson.matrix.": "matrix-project", "hudson.model.": None, "hudson.scm.": None, "hudson.security.": None, "hudson.slaves.": None,
    "hudson.slaves.CommandLauncher": "command-launcher", "hudson.tasks.": None, "hudson.tasks.junit.": "junit", "hudson.triggers.": None,
    "hudson.tools.": None, "jenkins.branch.": "branch-api", "jenkins.plugins.git.": "git", "jenkins.scm.": "scm-api",
    "hudson.util.": None, "hudson.plugins.git.": "git", "hudson.plugins.sshslaves.": "ssh-slaves", "hudson.plugins.timestamper.": "timestamper",
    "hudson.plugins.ws_cleanup.": "ws-cleanup", "hudson.maven.": "maven-plugin", "java.": None, "jenkins.model.": None, "jenkins.triggers.": None,
    "com.cloudbees.hudson.plugins.folder.": "cloudbees-folder", "com.cloudbees.hudson.plugins.folder.properties.AuthorizationMatrixProperty": None,
    "com.cloudbees.jenkins.plugins.sshcredentials.": "ssh-credentials", "com.cloudbees.plugins.credentials.CredentialsParameterDefinition": "credentials",
    "com.cloudbees.plugins.credentials.domains.": "credentials", "com.cloudbees.plugins.credentials.impl.": "credentials",
    "com.dabsquared.gitlabjenkins.": "gitlab-plugin", "org.jenkinsci.plugins.credentialsbinding.": "credentials-binding",
    "org.jenkinsci.plugins.matrixauth.": None, "org.jenkinsci.plugins.plaincredentials.": "plain-credentials",
    "org.jenkinsci.plugins.workflow.cps.": "workflow-cps", "org.jenkinsci.plugins.workflow.job.": "workflow-job",
    "io.jenkins.plugins.gitlabbranchsource.": "gitlab-branch-source", "jenkins.branch.buildstrategies.basic.": "basic-branch-build-strategies",
    "org.jenkinsci.plugins.workflow.multibranch.": "workflow-multibranch", "org.jenkinsci.plugins.workflow.libs.": "pipeline-groovy-lib",
}  # fmt: skip
COLUMNS = ("StatusColumn", "WeatherColumn", "JobColumn", "LastSuccessColumn", "LastFailureColumn", "LastDurationColumn", "BuildButtonColumn")
OWNERS |= {f"hudson.views.{name}": None for name in (*COLUMNS, "LastStableColumn", "DefaultViewsTabBar", "StatusFilter")}
TAGS = {"project": None, "flow-definition": "workflow-job", "slave": None}
MATRIX = {"hudson.security.AuthorizationMatrixProperty", "com.cloudbees.hudson.plugins.folder.properties.AuthorizationMatrixProperty"}
PERMISSION = re.compile(
    r"(?:(?:USER|GROUP|EITHER):)?(?:hudson\.model\.(?:Item\.(?:Build|Cancel|Configure|Create|Delete|Discover|ExtendedRead|Move|Read|Workspace)"
    r"|Run\.(?:Delete|Update|Artifacts|Replay)|View\.(?:Configure|Create|Delete|Read))|hudson\.scm\.SCM\.Tag"
    r"|com\.cloudbees\.plugins\.credentials\.CredentialsProvider\.(?:Create|Delete|ManageDomains|Update|View)):(.+)"
)


def decoded(body: bytes, charset: str | None = None) -> str:
    """The text of a posted body: by the charset of its Content-Type, else by its own declaration."""
    if not charset:
        own = re.match(rb"""\s*<\?xml[^>]*encoding\s*=\s*["']([\w.-]+)""", body)
        charset = own[1].decode() if own else "utf-8"
    return body.decode(charset, "replace")


def _for_parser(text: str) -> tuple[str, str]:
    """The version of a document, and it without its declaration, as XML 1.0."""
    declaration = DECLARATION.match(text)
    version, text = (declaration[1], text[declaration.end() :]) if declaration else ("1.0", text.removeprefix("\ufeff"))
    if version == "1.1":
        text = re.sub("\r\x85|\x85|\u2028", "\n", text)
        text = REFERENCE.sub(lambda found: _hidden(found) or found[0], text)
    return version, text


def _hidden(reference):
    number = int(reference[1], 16) if reference[1] else int(reference[2])
    return chr(PRIVATE + number) if number in CONTROLS else None


def _escaped(text: str, quote=False) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    if quote:
        text = text.replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return re.sub("[\ue001-\ue09f\U00010000-\U0010ffff]", lambda char: f"&#{ord(char[0]) - (PRIVATE if ord(char[0]) < 0x10000 else 0)};", text)


def stored(text: str) -> str:
    """What the controller keeps of a posted document: nearly all of it as it is; only the XML layer is written anew."""
    version, text = _for_parser(text)
    out, open_tag, cdata, rooted, before_root = [], False, False, False, False

    def close():
        nonlocal open_tag
        if open_tag:
            out.append(">")
            open_tag = False

    def start(name, attributes):
        nonlocal open_tag, rooted
        close()
        out.append(f"<{name}" + "".join(f' {key}="{_escaped(value, True)}"' for key, value in zip(attributes[::2], attributes[1::2])))
        open_tag = rooted = True

    def end(name):
        nonlocal open_tag
        out.append("/>" if open_tag else f"</{name}>")
        open_tag = False

    def data(value):
        close()
        out.append(value if cdata else _escaped(value))

    def mark(value, inside_cdata=False):
        nonlocal before_root, cdata
        close()
        cdata = inside_cdata
        before_root |= not rooted
        out.append(value)

    parser = expat.ParserCreate()
    parser.buffer_text, parser.ordered_attributes = True, True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
    parser.CommentHandler = lambda value: mark(f"<!--{value}-->")
    parser.ProcessingInstructionHandler = lambda target, value: mark(f"<?{target} {value}?>")
    parser.StartCdataSectionHandler, parser.EndCdataSectionHandler = lambda: mark("<![CDATA[", True), lambda: mark("]]>")
    parser.Parse(text, True)
    content = "".join(out)
    if before_root and version == "1.1":  # something before the root makes the controller call it 1.0, which allows no control characters
        version = "1.0"
        if any(_hidden(found) for found in REFERENCE.finditer(content)):
            raise ValueError("a control character in XML 1.0")
    return f'<?xml version="{version}" encoding="UTF-8"?>{content}'


def parsed(text: str) -> ET.Element:
    version, text = _for_parser(text)
    root = ET.fromstring(text)
    if version == "1.1":
        for element in root.iter():
            element.text = element.text and re.sub("[\ue001-\ue09f]", lambda char: chr(ord(char[0]) - PRIVATE), element.text)
    return root


def class_of(element: ET.Element) -> str:
    return element.get("class") or re.sub("__|_-", lambda found: "_" if found[0] == "__" else "$", element.tag)


@cache
def owner_of(name: str):
    """The plugin a class comes from (None: Jenkins itself); KeyError when nothing here knows it."""
    if name in TAGS:
        return TAGS[name]
    return OWNERS[max((prefix for prefix in OWNERS if name.startswith(prefix)), key=len, default=name)]


@cache
def fields_of(name: str):
    """[(field, default or None, secret?)] of a class; nothing when its fields are not known here."""
    found = []
    for described in FIELDS.get(name, "").split():
        field, equals, default = described.partition("=")
        found.append((field.rstrip("!"), default if equals else None, field.endswith("!")))
    return found


def held(element: ET.Element, plugins: dict, encrypt=None, owner=None) -> ET.Element | None:
    """A copy of what the controller holds of an element: of known classes the known fields, in order and with defaults. None: its class is not there.

    encrypt: what becomes of a secret's text; None leaves it.
    """
    name = class_of(element)
    attributes = {key: element.get(key) for key in ("class", "reference", "serialization") if element.get(key) and element.get(key) != "vector"}
    if "." in name or name in TAGS:
        try:
            plugin = owner_of(name)
        except KeyError:
            return None
        if plugin and not plugins.get(plugin, {}).get("active"):
            return None
        if plugin and plugin != owner:
            attributes["plugin"] = f"{plugin}@{plugins[plugin]['version']}"
            owner = plugin
    result = ET.Element(element.tag, attributes)
    if name in MATRIX:
        if element.find("entry") is not None:
            return None
        result.extend(child for child in element if child.tag != "permission" or PERMISSION.fullmatch(child.text or ""))
    elif fields_of(name) and "reference" not in attributes:
        given = {child.tag: child for child in element}
        for field, default, secret in fields_of(name):
            child = given.get(field)
            if child is not None and secret:
                # a placeholder inside is no text: what is left is the white space before it
                kept = add(result, field, child.text or "")
                kept.text = encrypt(kept.text) if encrypt else kept.text
            elif child is not None and (kept := held(child, plugins, encrypt, owner)) is not None:
                result.append(kept)
            elif default is not None:
                add(result, field, default) if not default.startswith("@") else ET.SubElement(result, field, {"class": default[1:]})
    else:
        result.text = element.text if not len(element) else None
        result.extend(kept for child in element if (kept := held(child, plugins, encrypt, owner)) is not None)
    if name == "hudson.tasks.Shell" and result.findtext("command"):
        result.find("command").text = re.sub("\r\n?", "\n", result.findtext("command"))
    return result


def add(parent: ET.Element, tag: str, text: str | None = None, **attributes) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child


def written(element: ET.Element, indent="") -> str:
    """An element as the controller writes it."""
    tag = element.tag + "".join(f' {key}="{_written_text(value)}"' for key, value in element.attrib.items())
    if len(element):
        return f"{indent}<{tag}>\n" + "".join(written(child, indent + "  ") + "\n" for child in element) + f"{indent}</{element.tag}>"
    if not element.text and (element.tag in COLLECTIONS or "." in element.tag or element.attrib or element.tag == "secret-redacted"):
        return f"{indent}<{tag}/>"
    return f"{indent}<{tag}>{_written_text(element.text or '')}</{element.tag}>"


def _written_text(text: str) -> str:
    for char, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        text = text.replace(char, name)
    return re.sub("[\x01-\x08\x0b-\x1f\x7f-\x9f]", lambda char: f"&#x{ord(char[0]):x};", text)


def saved(element: ET.Element) -> str:
    return f"<?xml version='1.1' encoding='UTF-8'?>\n{written(element)}"
