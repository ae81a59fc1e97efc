# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One HTTP session to one service: keep-alive, retries of safe verbs, a count of what was sent, a read-only switch. Knows no product."""

from __future__ import annotations

import random
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ReadOnlyViolation, ServiceError

try:
    import requests
    from requests.adapters import HTTPAdapter
except ImportError:  # told to the user when a transport is made, not when Ansible imports the file
    requests, HTTPAdapter = None, object

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
RETRY_STATUS = frozenset({429, 502, 503, 504})
MAX_PAUSE = 60.0
BODY_LIMIT = 64 * 1024
READERS = 8


class Transport:
    """Requests to one service; client libraries are given `session` and so obey the same rules.

    base_url: http(s) URL that paths are joined to. username/password: HTTP Basic; token: Bearer, used instead.
    ca_path: file or folder of certificates to trust. client_cert/client_key: PEM files. timeout: seconds to connect and between bytes.
    retries: further tries of a safe verb after 429, 502, 503, 504 or a lost connection. read_only: refuse every request that could write.
    proxy: URL for both schemes; without it the environment's settings count.
    Attributes: log, a list of (method, path) sent; secrets, a set of strings cut out of error texts, to which callers may add; words(answer)
    finds a refusal's own words, for a product that puts them elsewhere than in the body.
    """

    def __init__(self, base_url, username=None, password=None, token=None, ca_path=None, validate_certs=True, client_cert=None,
                 client_key=None, timeout=60, retries=4, read_only=False, proxy=None):
        if requests is None:
            raise MlopsError("the Python package 'requests' is missing on the controller: install it for the Python that runs Ansible")
        parts = urlsplit(base_url or "")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise MlopsError(f"url: {base_url!r} is not an http:// or https:// URL with a host")
        if parts.username or parts.password:
            raise MlopsError("url: holds a user or password; give them as username and password")
        self.base_url = base_url.rstrip("/")
        self.timeout, self.read_only, self.calling = timeout, read_only, threading.local()
        self.secrets = {secret for secret in (password, token) if secret}
        self.log: list[tuple[str, str]] = []
        self.session = requests.Session()
        wire = _Wire(self, retries)
        self.session.mount("https://", wire)
        self.session.mount("http://", wire)
        self.session.auth = _auth(username, password, token)
        self.verify = (ca_path or True) if validate_certs else False
        self.Trouble = requests.exceptions.RequestException
        self.words = text_of
        self.session.cert = (client_cert, client_key) if client_key else client_cert
        if proxy:
            self.session.proxies = {"http": proxy, "https": proxy}
            self.session.trust_env = False

    @property
    def sent(self) -> int:
        """How many requests went out, retries and redirects counted."""
        return len(self.log)

    def url(self, path_or_url: str) -> str:
        """The full URL of a path below base_url; an absolute URL must be of the same origin, so that credentials go nowhere else."""
        if not path_or_url.startswith(("http://", "https://")):
            return f"{self.base_url}/{path_or_url.lstrip('/')}"
        if urlsplit(path_or_url)[:2] != urlsplit(self.base_url)[:2]:
            raise MlopsError(f"url: {path_or_url} is not on {self.base_url}; no request is sent to another server")
        return path_or_url

    @staticmethod
    def basic(username: str, password: str) -> str:
        """The Authorization header of a user, for a request in another name than the session's."""
        return "Basic " + b64encode(f"{username}:{password}".encode()).decode()

    def request(self, method, path_or_url, *, params=None, json=None, data=None, headers=None, stream=False, reads=False):
        """Send one request and return the requests.Response; a 404 is returned too, any other status of 400 or more raises ServiceError.

        data: bytes, a file object or an iterator of bytes. reads: marks a POST that changes nothing, allowed when read_only.
        Raises ReadOnlyViolation before anything is sent, ServiceError (status None) when no answer came.
        """
        self.calling.reads = reads
        try:
            # verify goes with each request: of a session's own, requests lets REQUESTS_CA_BUNDLE win
            return self.session.request(method, self.url(path_or_url), params=params, json=json, data=data, headers=headers, stream=stream,
                                        timeout=self.timeout, verify=self.verify, allow_redirects=method in SAFE)
        except requests.exceptions.RequestException as error:
            raise self.no_answer(method, self.url(path_or_url), error) from error
        finally:
            self.calling.reads = False

    @property
    def reads(self) -> bool:
        """Whether the request that this thread is sending changes nothing, whatever its method."""
        return getattr(self.calling, "reads", False)

    def each(self, read, items) -> list:
        """[read(item) for item in items], up to 8 at a time on as many connections: for reads only, which do not wait for each other."""
        items = list(items)
        if len(items) < 2:
            return [read(item) for item in items]
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(read, items))

    def no_answer(self, method: str, url: str, error: BaseException) -> ServiceError:
        """The ServiceError for a request that got no (whole) answer, in the words of the innermost reason."""
        root = _root_cause(error)
        return ServiceError(method, url, None, str(root) or type(root).__name__, secrets=tuple(self.secrets),
                            refused=isinstance(root, ConnectionRefusedError))


class _Wire(HTTPAdapter):
    """Where requests leave the process: everything the session sends passes here, redirects and client libraries included."""

    def __init__(self, transport, retries):
        super().__init__()
        self.transport, self.tries = transport, retries + 1

    def send(self, request, **options):  # pylint: disable=arguments-differ
        """Send with retries of safe verbs; raise ServiceError for a status of 400 and more but 404, and for a write that was not done."""
        transport, safe = self.transport, request.method in SAFE
        if transport.read_only and not (safe or transport.reads):
            raise ReadOnlyViolation(f"{request.method} {request.url} was not sent: check mode only reads")
        last = self.tries if safe else 1
        for attempt in range(1, last + 1):
            transport.log.append((request.method, urlsplit(request.url).path))
            pause = random.uniform(0.25, 0.5) * 2 ** attempt
            try:
                answer = super().send(request, **options)
            except requests.exceptions.RequestException as error:
                if attempt == last or not isinstance(_root_cause(error), (ConnectionResetError, BrokenPipeError)):
                    raise transport.no_answer(request.method, request.url, error) from error
            else:
                if attempt == last or answer.status_code not in RETRY_STATUS:
                    break
                pause = max(pause, _retry_after(answer))
                answer.close()
            time.sleep(min(MAX_PAUSE, pause))
        reason = answer.reason or ""
        if not safe and _sent_elsewhere(answer, request.url):
            reason += f" to {answer.headers.get('Location')}: nothing was written, give that address as url"
        elif answer.status_code < 400 or answer.status_code == 404:
            return answer
        body = transport.words(answer)
        answer.close()
        raise ServiceError(request.method, request.url, answer.status_code, reason, body, secrets=tuple(transport.secrets))


def _auth(username, password, token):
    """What puts the credentials on a request that has none of its own; never None, because requests would then look into .netrc."""
    header = f"Bearer {token}" if token else Transport.basic(username, password or "") if username else None

    def authorise(request):
        if header:
            request.headers.setdefault("Authorization", header)
        return request
    return authorise


def _sent_elsewhere(answer, url: str) -> bool:
    """A write was redirected instead of done: a moved server or http where https is wanted. (302 to a page is how some servers say done.)"""
    return answer.status_code in (301, 307, 308) or answer.is_redirect and (
        url.startswith("http://") and answer.headers["Location"].startswith("https://"))


def _retry_after(answer) -> float:
    """Seconds the server asks to wait, from either form of Retry-After; 0 when it does not say."""
    value = answer.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0


def _root_cause(error: BaseException) -> BaseException:
    """The innermost reason of a nested connection error."""
    while True:
        inner = getattr(error, "reason", None)
        inner = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
        if inner is None:
            return error
        error = inner


def text_of(answer) -> str:
    """The start of an error's body as text; markup is noise to a person, so an HTML page gives nothing."""
    if "html" in answer.headers.get("Content-Type", ""):
        return ""
    return next(answer.iter_content(BODY_LIMIT), b"").decode("utf-8", "replace")
