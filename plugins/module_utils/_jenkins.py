# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' HTTP API through python-jenkins on our transport: one read, one write, the words of a refusal. Its kinds are in _jenkins_kinds.

How Jenkins answers is from recordings of a controller 2.541.3; what no recording shows is said where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._module import Product
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Request
from ansible_collections.mlops.onprem.plugins.module_utils._transport import text_of

try:
    import jenkins
except ImportError:  # told to the user when a client is made
    jenkins = None

HEADER = "X-Jenkins"
XML = "application/xml; charset=utf-8"  # without a charset an update is read as ISO-8859-1


class Client:
    """What Jenkins' resources are given."""

    def __init__(self, transport):
        if jenkins is None:
            raise MlopsError("the Python package 'python-jenkins' is missing on the controller: install it for the Python that runs Ansible")
        transport.words = _words
        self.transport = transport
        self.library = _library(transport)
        # what a read has seen, for the check of what a write needs: {name in lower case: item}; places that are not there; (folder, domain)
        self.items, self.gone, self.domains = {}, set(), set()
        self.known = False  # whether it is Jenkins that said of something that it is not there

    def get(self, path: str, params: Mapping | None = None):
        """The answer to a GET; None where it is not there, or may not be seen. That nobody but Jenkins may say."""
        answer = self.transport.request("GET", path, params=params)
        if answer.status_code != 404:
            return answer
        if not self.known and HEADER not in answer.headers and HEADER not in self.transport.request("GET", "/api/json", params={"tree": "mode"}).headers:
            raise MlopsError(f"url: no Jenkins answers at {self.transport.base_url}: {answer.url.partition('?')[0]} is 404 without the header {HEADER}")
        self.known = True
        return None

    def tree(self, path: str, tree: str):
        """The JSON of the named fields below a path; None where it is not there."""
        answer = self.get(f"{path}/api/json", {"tree": tree})
        try:
            return None if answer is None else answer.json()
        except ValueError:
            place = answer.url.partition("?")[0]
            raise MlopsError(f"url: no Jenkins answers at {self.transport.base_url}: {place} is no JSON, perhaps a page to log in") from None

    def text(self, path: str) -> str | None:
        """A text such as a config.xml, decoded as its own declaration says, else as ISO-8859-1 where Jenkins says application/xml, else as UTF-8."""
        answer = self.get(path)
        return None if answer is None else decoded(answer.content, answer.headers.get("Content-Type", ""))

    def send(self, method: str, path: str, data=None, content_type: str | None = None, params: Mapping | None = None):
        """The answer to a write, with a crumb where Jenkins wants one; a 404 raises ServiceError as other refusals do. Redirects are not followed:
        302 is how Jenkins says done."""
        request = jenkins.requests.Request(method, self.transport.url(path), data=data, params=params,
                                           headers={"Content-Type": content_type} if content_type else {})
        try:
            return self.library.jenkins_request(request)
        except jenkins.NotFoundException as error:
            raise ServiceError(method, self.transport.url(path), 404, "Not Found", secrets=tuple(self.transport.secrets)) from error

    def ask(self, path: str, data=None, content_type: str | None = None):
        """The answer to a POST that only reads, which check mode allows; None where it is not there. A test keeps the list of such paths."""
        headers = {"Content-Type": content_type} if content_type else {}
        request = jenkins.requests.Request("POST", self.transport.url(path), headers=headers)
        self.library.maybe_add_crumb(request)
        answer = self.transport.request("POST", path, data=data, headers=request.headers, reads=True)
        return None if answer.status_code == 404 else answer


def _library(transport):
    """python-jenkins, which knows about crumbs, with every request of it sent by our transport."""
    class Library(jenkins.Jenkins):
        """The library without a connection of its own."""

        def _request(self, req, stream=None):
            return transport.request(req.method, req.url, params=req.params or None, data=req.data or None, headers=req.headers, stream=bool(stream))

    library = Library(transport.base_url)
    library._auth_resolved = True  # the transport authorises
    return library


def _words(answer) -> str:
    """Why Jenkins refuses: a header, because its bodies are pages for people."""
    permission = answer.headers.get("X-Required-Permission")
    told = answer.headers.get("X-Error") or (f"the user lacks the permission {permission}" if permission else "")
    if told:
        return " ".join(told.split())
    text = text_of(answer)
    if not text and answer.status_code == 409 and answer.url.endswith("/createCredentials"):
        return "it is there already"
    if not text and answer.status_code == 500:
        return "Jenkins' log has the reason; often a class of a plugin that is not installed"
    return text


def decoded(content: bytes, content_type: str) -> str:
    """Text of an XML answer: as its declaration says, else as Jenkins means it."""
    declared = re.match(rb"<\?xml[^>]*encoding=[\"']([\w-]+)", content)
    plain = "iso-8859-1" if content_type.strip() == "application/xml" else "utf-8"
    return content.decode(declared[1].decode() if declared else plain, "replace")


def item_path(full_name: str) -> str:
    """The address of a job or folder: a/b is /job/a/job/b; the root is empty."""
    return "".join(f"/job/{quote(part, safe='')}" for part in full_name.split("/") if part)


def _send(client, request: Request):
    """Send one write of a plan: a text is XML, a mapping is a form; a function makes the body of what is on the server at that moment."""
    body = request.body(client) if callable(request.body) else request.body
    if isinstance(body, str):
        return client.send(request.method, request.path, body.encode(), XML)
    return client.send(request.method, request.path, body)


LOGIN = {"username": {"type": "str"}, "password": {"type": "str", "no_log": True, "aliases": ["token"]}}
JENKINS = Product(env="JENKINS", login=LOGIN, connect=Client, send=_send)
