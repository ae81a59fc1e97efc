# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Credentials: stores of the controller and of folders, their domains, and what reads hide."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from base64 import b64encode
from copy import deepcopy

from . import xml as documents
from .api import Answer, Bean, Refused, broken, charset, content_type, jetty, missing, posts, to, url_name, xml

PROVIDER = "com.cloudbees.hudson.plugins.folder.properties.FolderCredentialsProvider"
PROPERTY = f"{PROVIDER}_-FolderCredentialsProperty"
ACTION = "com.cloudbees.plugins.credentials.CredentialsStoreAction"
DOMAIN = "com.cloudbees.plugins.credentials.domains.Domain"
FOLDER_STORE = f"{PROVIDER}$FolderCredentialsProperty$CredentialsStoreActionImpl"
SYSTEM_STORE = "com.cloudbees.plugins.credentials.SystemCredentialsProvider$UserFacingAction"
TYPES = {
    "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl": "Username with password",
    "com.cloudbees.plugins.credentials.impl.CertificateCredentialsImpl": "Certificate",
    "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl": "Secret text",
    "org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl": "Secret file",
    "com.cloudbees.jenkins.plugins.sshcredentials.impl.BasicSSHUserPrivateKey": "SSH Username with private key",
}
SECRETS = {"password", "secret", "secretBytes", "passphrase", "privateKey", "uploadedKeystoreBytes"}
XML_TYPES = ("application/xml", "text/xml")


def display_name(element) -> str:
    text, user = element.findtext("description") or "", element.findtext("username")
    kind = TYPES[element.tag]
    if kind == "Username with password":
        # the password's length is not shown, and without <usernameSecret> the name is a secret too
        name = f"{user}/******" if element.findtext("usernameSecret") == "false" else None
    else:
        name = {"Secret file": element.findtext("fileName"), "SSH Username with private key": user, "Certificate": "CN=unknown"}.get(kind)
    return (f"{name} ({text})" if text else name) if name else text or element.findtext("id")


class Credential(Bean):
    brief, page_kind = (), f"{ACTION}$CredentialsWrapper"
    fields = {
        "description": lambda credential: credential.element.findtext("description"),
        "displayName": lambda credential: display_name(credential.element),
        "fingerprint": None,
        "fullName": lambda credential: f"{credential.domain.store.full_name}/{credential.domain.name}/{url_name(credential.id)}",
        "id": lambda credential: credential.id,
        "typeName": lambda credential: TYPES[credential.element.tag],
    }

    def __init__(self, domain, name):
        self.domain, self.id, self.jenkins = domain, name, domain.jenkins
        self.path = f"{domain.path}credential/{url_name(name)}/"

    @property
    def element(self):
        return self.domain.held[self.id]

    def do_config_xml(self, request):
        if request.method == "GET":
            element = documents.held(self.element, self.jenkins.plugins)
            for secret in element.iter():
                if secret.tag in SECRETS:
                    secret.text = None
                    documents.add(secret, "secret-redacted")
            return Answer(200, documents.written(element).encode("iso-8859-1", "xmlcharrefreplace"), {"Content-Type": "application/xml"})
        if request.method == "DELETE":
            return self.remove()
        if request.method != "POST":
            raise Refused(400)
        return self.replace(self.jenkins.credential(documents.decoded(request.body, charset(request))))

    def replace(self, element):
        self.jenkins.need("Credentials/Update", self.domain.store.owner)
        if element.findtext("id") != self.id:
            raise broken()
        self.domain.held[self.id] = element
        self.domain.store.changed()

    def remove(self):
        self.jenkins.need("Credentials/Delete", self.domain.store.owner)
        del self.domain.held[self.id]
        self.domain.store.changed()

    @posts
    def do_doDelete(self, request):
        self.remove()
        return to(self.domain.path)


class Domain(Bean):
    brief = ()
    fields = {
        "credentials": lambda domain: [Credential(domain, name) for name in domain.held],
        "description": lambda domain: domain.element.findtext("description") if domain.name != "_" else "Credentials that should be available everywhere.",
        "displayName": lambda domain: domain.name if domain.name != "_" else "Global",
        "fullDisplayName": lambda domain: f"{domain.store.full_display_name} » {domain.name if domain.name != '_' else 'Global'}",
        "fullName": lambda domain: f"{domain.store.full_name}/{domain.name}",
        "global": lambda domain: domain.name == "_",
        "urlName": lambda domain: domain.name,
    }
    kind = f"{ACTION}$DomainWrapper"

    def __init__(self, store, name):
        self.store, self.name, self.jenkins = store, name, store.jenkins
        self.path = f"{store.path}domain/{url_name(name)}/"

    @property
    def held(self):
        return self.store.domains[self.name]

    @property
    def element(self):
        plain = ET.Element(DOMAIN)
        if self.name != "_":
            documents.add(plain, "name", self.name)
        return self.jenkins.domains.get(self.store.key, {}).get(self.name) if self.name != "_" else plain

    def child(self, names):
        if names[0] != "credential" or len(names) < 2:
            return None
        if names[1] not in self.held:
            raise missing()
        return Credential(self, names[1]), 2

    def do_config_xml(self, request):
        if request.method == "GET":
            return xml(documents.written(documents.held(self.element, self.jenkins.plugins)))
        self.jenkins.need("Credentials/ManageDomains", self.store.owner)
        if request.method == "DELETE":
            self.remove()
            return None
        if request.method != "POST":
            raise Refused(400)
        element = self.jenkins.root_of(documents.decoded(request.body, charset(request)), (DOMAIN,))
        if self.name != "_":
            self.jenkins.domains[self.store.key][self.name] = element
        self.store.changed()
        return None

    def remove(self):
        if self.name == "_":  # answers 200 and empties it
            self.held.clear()
        else:
            del self.jenkins.credentials[self.store.key][self.name], self.jenkins.domains[self.store.key][self.name]
        self.store.changed()

    @posts
    def do_doDelete(self, request):
        self.jenkins.need("Credentials/ManageDomains", self.store.owner)
        self.remove()
        return to(self.store.path)

    @posts
    def do_createCredentials(self, request):
        self.jenkins.need("Credentials/Create", self.store.owner)
        if content_type(request) not in XML_TYPES:
            raise jetty(400, "Bad Request")
        element = self.jenkins.credential(documents.decoded(request.body, charset(request)))
        name = element.findtext("id")
        if not name:
            raise broken()
        if name in self.held:
            return Answer(409)
        self.jenkins.credentials.setdefault(self.store.key, {"_": {}})[self.name][name] = element
        return self.store.changed()


class Credentials(Bean):
    """All stores seen from one place."""

    def __init__(self, owner):
        if not owner.jenkins.allowed("Credentials/View", owner):
            raise missing()
        self.store = Store(owner)
        self.kind = "com.cloudbees.plugins.credentials.ViewCredentialsAction" + ("" if self.store.key else "$RootActionImpl")
        self.fields = {"stores": {self.store.name: self.store}}

    def child(self, names):
        if names[0] != "store" or len(names) < 2:
            return None
        if names[1] != self.store.name:
            raise missing()
        return self.store, 2


class Store(Bean):
    """The store of an owner, the controller or a folder; its key in `jenkins.credentials` is the owner's full name."""

    brief = ()
    fields = {"domains": lambda store: {name: Domain(store, name) for name in store.domains}}

    def __init__(self, owner):
        self.jenkins, self.owner, self.key = owner.jenkins, owner, owner.full_name
        self.name = "folder" if self.key else "system"
        self.kind = FOLDER_STORE if self.key else SYSTEM_STORE
        self.path = f"{owner.path}credentials/store/{self.name}/"
        self.full_name = f"{self.key}/folder" if self.key else "system"
        self.full_display_name = f"{owner.fields['fullDisplayName'](owner)} » Folder" if self.key else "System"

    @property
    def domains(self):
        return self.jenkins.credentials.get(self.key) or {"_": {}}

    def changed(self):
        if self.key:
            self.owner.save()

    def child(self, names):
        if names[0] != "domain" or len(names) < 2:
            return None
        if names[1] not in self.domains:
            raise missing()
        return Domain(self, names[1]), 2

    @posts
    def do_createDomain(self, request):
        self.jenkins.need("Credentials/ManageDomains", self.owner)
        element = self.jenkins.root_of(documents.decoded(request.body, charset(request)), (DOMAIN,))
        name = element.findtext("name")
        if not name:
            raise broken()
        if name in self.domains:
            return Answer(409)
        self.jenkins.credentials.setdefault(self.key, {"_": {}})[name] = {}
        self.jenkins.domains.setdefault(self.key, {})[name] = documents.held(element, self.jenkins.plugins)
        return self.changed()


class Vault:
    """The controller's part: `credentials` {store: {domain: {id: element with the real secret}}}, and what folders keep of them in their config.xml."""

    def start_vault(self):
        self.credentials, self.domains, self._plain = {"": {"_": {}}}, {}, {}

    def encrypt(self, text: str) -> str:
        """What is written of a secret. Text this controller has encrypted before stays as it is."""
        if text in self._plain:
            return text
        sealed = "{AQAAABAAAAAQ" + b64encode(f"standin-secret-{len(self._plain):08}".encode()).decode() + "}"
        self._plain[sealed] = text
        return sealed

    def decrypt(self, text: str) -> str:
        return self._plain.get(text, text)

    def credential(self, posted) -> ET.Element:
        """A posted credential as it is held: with its secrets in plain text."""
        element = self.root_of(posted, TYPES) if isinstance(posted, str) else posted
        element = documents.held(element, self.plugins, self.decrypt)
        for child in list(element):
            if (child.tag == "scope" and child.text not in ("GLOBAL", "SYSTEM", "USER")) or (child.tag == "passphrase" and not child.text):
                element.remove(child)
        return element

    def stores_loaded(self, folder):
        """A folder's config.xml was posted: the credentials in it are the folder's, those not in it are gone."""
        self.stores_moved(folder.full_name, None, below=False)
        for entry in folder.config.findall(f"properties/{PROPERTY}/domainCredentialsMap/entry"):
            domain = entry.find(DOMAIN)
            name = domain.findtext("name") or "_"
            found = [self.credential(deepcopy(element)) for element in entry.iter() if element.tag in TYPES]
            self.credentials.setdefault(folder.full_name, {"_": {}})[name] = {element.findtext("id"): element for element in found}
            if name != "_":
                self.domains.setdefault(folder.full_name, {})[name] = documents.held(domain, self.plugins)

    def store_xml(self, key):
        """The property of a folder's config.xml that holds its credentials; secrets are still in plain text. None without a store."""
        if key not in self.credentials:
            return None
        element = ET.Element(PROPERTY)
        entries = documents.add(element, "domainCredentialsMap", **{"class": "hudson.util.CopyOnWriteMap$Hash"})
        for name, held in self.credentials[key].items():
            if not held and name == "_" and len(self.credentials[key]) > 1:
                continue
            entry = documents.add(entries, "entry")
            entry.append(deepcopy(self.domains[key][name]) if name != "_" else ET.Element(DOMAIN))
            documents.add(entry, "java.util.concurrent.CopyOnWriteArrayList" if name == "_" else "list").extend(deepcopy(each) for each in held.values())
        return element

    def stores_moved(self, before, after, below=True):
        """A folder got another full name, or (None) is gone: its credentials and those of the folders below go with it."""
        for held in (self.credentials, self.domains):
            for key in [key for key in held if key == before or (below and key.startswith(f"{before}/"))]:
                value = held.pop(key)
                if after is not None:
                    held[after + key[len(before) :]] = value
