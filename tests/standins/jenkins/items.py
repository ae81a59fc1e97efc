# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs, folders and views."""

from __future__ import annotations

import hashlib
import json
import re
from copy import deepcopy

from . import xml as documents
from .api import TEXT, Answer, Bean, Refused, bad, broken, charset, content_type, form, good_name, missing, posts, to, url_name, xml
from .builds import Buildable
from .credentials import PROPERTY, Credentials

FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
KINDS = {  # root element -> class; the plugin a class needs stands in xml.OWNERS
    "project": "hudson.model.FreeStyleProject",
    "flow-definition": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
    FOLDER: FOLDER,
    "matrix-project": "hudson.matrix.MatrixProject",
    "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject": "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject",
}
CLASSES = {}  # root element -> what is made of it, where that is no plain job
VIEWS = ("hudson.model.ListView", "hudson.model.AllView", "hudson.model.MyView")
XML_TYPES = ("application/xml", "text/xml")


class Group(Bean):
    """What holds items and views: a folder, or the controller itself. `children` and `views` are found by their names in lower case, and by name."""

    def start_group(self, primary):
        self.children, self.views = {}, {}
        self.primary = self.add_view(primary, documents.parsed("<hudson.model.AllView/>"))

    def add_view(self, name, element):
        self.views[name] = View(self, name, element)
        return self.views[name]

    def listed(self) -> list:
        """The items below that the one who asks may see, by name."""
        return [item for _name, item in sorted(self.children.items()) if self.jenkins.allowed("Job/Read", item)]

    def all_items(self) -> list:
        found = self.listed()
        for item in found:
            found += item.listed() if isinstance(item, Group) else ()
        return found

    def listed_views(self) -> list:
        return sorted(self.views.values(), key=lambda view: view.name.lower())

    def child(self, names):
        if names[0] == "job" and len(names) > 1:
            item = self.children.get(names[1].lower())
            if item is None or not self.jenkins.allowed("Job/Read", item):
                raise missing()
            return item, 2
        if names[0] == "view" and len(names) > 1:
            if names[1] not in self.views:
                raise missing()
            return self.views[names[1]], 2
        if names[0] == "credentials":
            return Credentials(self), 1
        return None

    @posts
    def do_createItem(self, request):
        self.jenkins.need("Job/Create", self)
        given, kind = form(request), content_type(request)
        mode = given.get("mode")
        if not mode and not kind:
            raise bad("No Content-Type header set")
        if "name" not in given:
            raise bad("Query parameter 'name' is required")
        name = good_name(given["name"])
        if name.lower() in self.children:
            raise bad(f"A job already exists with the name  {name} ")
        if mode == "copy":
            source = self.jenkins.item(given.get("from", "").lstrip("/"), None if given.get("from", "").startswith("/") else self)
            if source is None:
                raise bad(f"No such job: {given.get('from')}")
            item = source.copied(self, name)
            return to(f"{item.path}configure")
        if kind in XML_TYPES:
            self.add_item(name, self.jenkins.posted(documents.decoded(request.body, charset(request))), create=True)
            return None
        if not mode:
            raise bad("No mode given")
        root = next((root for root, kind in KINDS.items() if mode in (root, kind)), None)
        if root is None:
            raise bad(f"No item type  {mode}  is known")
        item = self.add_item(name, documents.stored(f"<{root}/>"))
        item.save()
        return to(f"{item.path}configure")

    def add_item(self, name, text, create=False):
        tag = documents.parsed(text).tag
        known = KINDS.get(tag)
        plugin = documents.owner_of(tag) if known else None
        if not known or (plugin and not self.jenkins.plugins.get(plugin, {}).get("active")):
            raise broken()
        item = CLASSES.get(tag, Job)(self.jenkins, self, name, known, text)
        self.children[name.lower()] = item
        if isinstance(item, Folder):
            item.loaded()
        if create and (self.jenkins.rewrite or (isinstance(item, Folder) and "properties.AuthorizationMatrixProperty>" in text)):
            item.save()
        return item

    @posts
    def do_createView(self, request):
        self.jenkins.need("View/Create", self)
        given, is_xml = form(request), content_type(request) in XML_TYPES
        if "name" not in given:
            raise bad("Query parameter 'name' is required")
        name = good_name(given["name"])
        if name in self.views:
            raise bad(f'A view already exists with the name "{name}"')
        if not is_xml and not given.get("mode"):
            raise bad("No view type is specified")
        empty = f"<{given.get('mode')}><properties class='hudson.model.View$PropertyList'/></{given.get('mode')}>"
        text = documents.decoded(request.body, charset(request)) if is_xml else empty
        self.add_view(name, self.jenkins.root_of(text, VIEWS)).start()
        if isinstance(self, Folder):
            self.save()
        return None if is_xml else to(f"{self.views[name].path}configure")


class View(Bean):
    brief = ("name", "url")
    fields = {
        "description": lambda view: view.element.findtext("description"),
        "jobs": lambda view: view.jobs(),
        "name": lambda view: view.name,
        "property": lambda view: [],
        "url": lambda view: view.jenkins.base + (view.owner.path if view is view.owner.primary else view.path),
    }

    def __init__(self, owner, name, element):
        self.owner, self.name, self.jenkins = owner, name, owner.jenkins
        self.replace(element)

    def replace(self, element):
        """Take over what is known of an element; the name stays what it is."""
        self.element = documents.held(element, self.jenkins.plugins)
        for element in [*self.element.findall("owner"), *self.element.findall("name")]:
            self.element.remove(element)
        self.element.insert(0, self.element.makeelement("name", {}))
        self.element[0].text = self.name
        regex = self.element.find("includeRegex")
        try:
            re.compile("" if regex is None else regex.text or "")
        except re.error:
            self.element.remove(regex)

    def start(self):
        """What a new list view has without being told."""
        if self.kind == "hudson.model.ListView" and self.element.find("jobNames") is None:
            recurse = list(self.element).index(self.element.find("recurse"))
            names = documents.parsed('<jobNames><comparator class="java.lang.String$CaseInsensitiveComparator"/></jobNames>')
            columns = documents.parsed(f"<columns>{''.join(f'<hudson.views.{name}/>' for name in documents.COLUMNS)}</columns>")
            for element in (columns, documents.parsed("<jobFilters/>"), names):
                self.element.insert(recurse, element)

    @property
    def kind(self):
        return self.element.tag

    @property
    def path(self):
        return f"{self.owner.path}view/{url_name(self.name)}/"

    def names(self):
        return [name.text for name in self.element.findall("jobNames/string")]

    def jobs(self):
        if self.kind != "hudson.model.ListView":
            return self.owner.listed()
        names, regex = self.names(), self.element.findtext("includeRegex")
        matches = re.compile(regex).fullmatch if regex else lambda name: None
        prefix = f"{self.owner.full_name}/" if self.owner.full_name else ""
        if self.element.findtext("recurse") == "true":
            return [item for item in self.owner.all_items() if (name := item.full_name.removeprefix(prefix)) in names or matches(name)]
        below = {item.name: item for item in self.owner.listed()}
        return [below[name] for name in names if name in below] + [item for name, item in below.items() if name not in names and matches(name)]

    def child(self, names):
        return self.owner.child(names) if names[0] == "job" else None

    def do_config_xml(self, request):
        if request.method != "POST":
            return xml(f'<?xml version="1.1" encoding="UTF-8"?>\n{documents.written(self.element)}')
        self.jenkins.need("View/Configure", self.owner)
        self.replace(self.jenkins.root_of(documents.decoded(request.body, charset(request)), (self.kind,)))
        return self.changed()

    def changed(self):
        if isinstance(self.owner, Folder):
            self.owner.save()

    @posts
    def do_doDelete(self, request):
        self.jenkins.need("View/Delete", self.owner)
        del self.owner.views[self.name]
        self.changed()
        return to(self.owner.path)


class Item(Bean):
    """A job or folder. `xml` is the text of its config.xml, which tests may read and change."""

    brief = ("name", "url", "color")
    fields = {
        "actions": lambda item: [{}] * item.action_count + [{"_class": "com.cloudbees.plugins.credentials.ViewCredentialsAction"}],
        "description": lambda item: item.config.findtext("description"),
        "displayName": lambda item: item.config.findtext("displayName") or item.name,
        "displayNameOrNull": lambda item: item.config.findtext("displayName") or None,
        "fullDisplayName": lambda item: " » ".join(above.config.findtext("displayName") or above.name for above in item.line()),
        "fullName": lambda item: item.full_name,
        "name": lambda item: item.name,
        "url": lambda item: item.jenkins.base + item.path,
        "healthReport": lambda item: [],
    }
    action_count = 2

    def __init__(self, jenkins, parent, name, kind, text):
        self.jenkins, self.parent, self.name, self.kind, self.xml = jenkins, parent, name, kind, text
        self._read = None, None

    @property
    def config(self):
        """The element of `xml`; not to be changed."""
        if self._read[0] is not self.xml:
            self._read = self.xml, documents.parsed(self.xml)
        return self._read[1]

    def line(self):
        """The folders above it and itself, from the top."""
        return [*(self.parent.line() if isinstance(self.parent, Item) else ()), self]

    @property
    def full_name(self):
        return f"{self.parent.full_name}/{self.name}" if self.parent.full_name else self.name

    @property
    def path(self):
        return f"{self.parent.path}job/{url_name(self.name)}/"

    def matrix(self):
        """Who may do what here by its own property: (inherits?, {(permission, name)}); None without one."""
        if "AuthorizationMatrixProperty>" not in self.xml:
            return None
        held = next(
            (kept for element in self.config.findall("properties/*") if element.tag in documents.MATRIX and (kept := documents.held(element, {})) is not None),
            None,
        )
        if held is None:
            return None
        grants = {tuple(entry.text.removeprefix("USER:").removeprefix("GROUP:").rsplit(":", 1)) for entry in held.findall("permission")}
        return not (held.find("inheritanceStrategy") is not None and "NonInheriting" in held.find("inheritanceStrategy").get("class", "")), grants

    def save(self, **changes):
        """What the controller does when it writes the item itself; changes: elements' new texts."""
        root = deepcopy(self.config)
        for name, text in changes.items():
            element = root.find(name)
            if element is None:
                element = documents.add(root, name)
            element.text = text
        self.xml = documents.saved(documents.held(self.to_save(root), self.jenkins.plugins, self.jenkins.encrypt))

    def to_save(self, root):
        return root

    def copied(self, parent, name):
        item = parent.add_item(name, self.xml)
        item.held = True
        for child in (self.children if isinstance(self, Folder) else {}).values():
            child.copied(item, child.name)
        return item

    def do_config_xml(self, request):
        if request.method == "GET":
            if not self.jenkins.allowed("Job/ExtendedRead", self):
                self.jenkins.need("Job/Configure", self)
            return xml(self.xml)
        if request.method != "POST":
            raise Refused(400)
        self.jenkins.need("Job/Configure", self)
        if content_type(request) == "application/x-www-form-urlencoded":
            raise broken()
        text = self.jenkins.posted(documents.decoded(request.body, charset(request) or "iso-8859-1"))
        if documents.parsed(text).tag != self.config.tag:
            raise broken()
        self.xml, self.held = text, False
        self.loaded()
        if self.jenkins.rewrite:
            self.save()
        return None

    def loaded(self):
        """Its config.xml was replaced."""

    def remove(self):
        del self.parent.children[self.name.lower()]

    def index(self, request):
        if request.method != "DELETE":
            return super().index(request)
        self.jenkins.need("Job/Delete", self)
        self.remove()
        return Answer(204)

    @posts
    def do_doDelete(self, request):
        self.jenkins.need("Job/Delete", self)
        self.remove()
        return to(self.jenkins.trail[-2].path)

    @posts
    def do_disable(self, request):
        return self.switch("true")

    @posts
    def do_enable(self, request):
        return self.switch("false")

    def switch(self, disabled):
        self.jenkins.need("Job/Configure", self)
        if isinstance(self, Job) and (self.config.findtext("disabled") or "false") != disabled:
            self.save(disabled=disabled)
        return to(self.path)

    def do_description(self, request):
        if request.method == "GET":
            return Answer(200, self.config.findtext("description") or "", TEXT)
        self.describe(request)
        return Answer(204)

    @posts
    def do_submitDescription(self, request):
        self.describe(request)
        return to(self.path)

    def describe(self, request):
        self.jenkins.need("Job/Configure", self)
        self.save(description=form(request).get("description", ""))

    @posts
    def do_confirmRename(self, request):
        self.jenkins.need("Job/Configure", self)
        name = good_name(form(request).get("newName", ""))
        if name.lower() in self.parent.children and self.parent.children[name.lower()] is not self:
            raise bad(f"The name  {name}  is already in use.")
        self.moved(self.parent, name)
        return to(self.path.rstrip("/"))

    do_doRename = do_confirmRename

    def moved(self, parent, name):
        before = self.full_name
        del self.parent.children[self.name.lower()]
        self.parent, self.name = parent, name
        parent.children[name.lower()] = self
        self.jenkins.stores_moved(before, self.full_name)

    @posts
    def do_move_move(self, request):
        destination = form(request).get("destination", "").strip("/")
        target = self.jenkins.item(destination) if destination else self.jenkins.root
        if not isinstance(target, Group) or self.name.lower() in target.children or (isinstance(target, Item) and self in target.line()):
            return to(f"{self.path}move/")
        self.moved(target, self.name)
        return to(self.path)


class Folder(Item, Group):
    fields = {
        **Item.fields,
        "jobs": lambda folder: folder.listed(),
        "primaryView": lambda folder: folder.primary,
        "views": lambda folder: folder.listed_views(),
    }

    def __init__(self, *args):
        super().__init__(*args)
        self.start_group("All")

    def loaded(self):
        """Views and credentials are part of a folder's config.xml: what it does not name is gone."""
        self.views = {}
        for element in self.config.findall("folderViews/views/*"):
            if element.tag in VIEWS:
                self.add_view(element.findtext("name") or "All", element)
        first = self.config.findtext("primaryView") or "All"
        self.primary = self.views.get(first) or next(iter(self.views.values()), None) or self.add_view(first, documents.parsed("<hudson.model.AllView/>"))
        self.jenkins.stores_loaded(self)

    def to_save(self, root):
        properties = root.find("properties")
        if properties is None:
            properties = documents.add(root, "properties")
        for element in properties.findall(PROPERTY):
            properties.remove(element)
        store = self.jenkins.store_xml(self.full_name)
        if store is not None:
            properties.append(store)
            if root.find("actions") is None:
                documents.add(root, "actions")
        for element in root.findall("folderViews"):
            root.remove(element)
        holder = documents.add(root, "folderViews", **{"class": f"{FOLDER.rpartition('.')[0]}.views.DefaultFolderViewHolder"})
        views = documents.add(holder, "views")
        for view in self.views.values():
            element = deepcopy(view.element)
            element.insert(0, documents.parsed(f'<owner class="{FOLDER}" reference="../../../.."/>'))
            if element.find("properties") is None:
                element.insert(5 if element.find("description") is not None else 4, documents.parsed('<properties class="hudson.model.View$PropertyList"/>'))
            views.append(element)
        if self.primary and self.primary.name != "All":
            documents.add(holder, "primaryView", self.primary.name)
        documents.add(holder, "tabBar", **{"class": "hudson.views.DefaultViewsTabBar"})
        return root

    def describe(self, request):
        # seen on 2.541.3: this describes the view one sees there, not the folder
        self.jenkins.need("Job/Configure", self)
        element = self.primary.element
        if element.find("description") is None:
            element.insert(1, element.makeelement("description", {}))
        element.find("description").text = form(request).get("description", "")
        self.save()

    def remove(self):
        super().remove()
        self.jenkins.stores_moved(self.full_name, None)


CLASSES[FOLDER] = Folder


class Job(Buildable, Item):
    """A job; how its builds go is in builds.py."""

    def __init__(self, *args):
        super().__init__(*args)
        self.action_count = 5 if self.is_pipeline else 3
        self.head = None  # the branch, tag or merge request that a multibranch job made it of
        self.held = False  # a copy cannot be built until it is saved
        self.start_builds()
        self.fields = {**Item.fields, **(Buildable.pipeline_fields if self.is_pipeline else Buildable.fields)}

    @property
    def disabled(self):
        return self.config.findtext("disabled") == "true"

    @property
    def buildable(self):
        return not self.disabled and not self.held


def digest(item):
    return hashlib.sha256(item.xml.encode()).hexdigest()


# The scripts that were recorded for reading many items in one request, by a part of their text.
SCRIPTS = {
    "JsonOutput.toJson(Jenkins.get().allItems": lambda jenkins, _script: (
        json.dumps([{"name": item.full_name, "class": item.kind, "sha256": digest(item)} for item in jenkins.root.all_items()], separators=(",", ":")) + "\n"
    ),
    "println it.fullName+' '+java.security": lambda jenkins, _script: "".join(f"{item.full_name} {digest(item)}\n" for item in jenkins.root.all_items()),
    "it.configFile.asString()": lambda jenkins, _script: "".join(f"{item.full_name}\n{item.xml}\n" for item in jenkins.root.all_items()),
}
