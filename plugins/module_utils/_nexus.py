# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sonatype Nexus Repository: how its kinds of objects are read and written. Formats and endpoints newer than 3.71 follow its API description."""

from __future__ import annotations

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MASK, MlopsError, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._module import Product
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Reference, Request, Resource, read_json

API = "/service/rest/v1"
INTERNAL = "/service/rest/internal"
EXTDIRECT = "/service/extdirect"  # the user interface's own calls: the only way to capabilities before 3.7x has /v1/capabilities

NEXUS = Product(env="NEXUS")


def _listing(path, **params):
    """A read that lists a whole kind with one GET; raises MlopsError where this version of Nexus has no such list."""
    def read(transport, _wanted):
        answer = read_json(transport, path, params)
        if answer is None:
            raise MlopsError(f"GET {transport.url(path)} answered 404: this version of Nexus ({_version(transport)}) has no {path}")
        return answer
    return read


def _version(transport) -> str:
    """What the server calls itself, such as Nexus/3.71.0-06 (OSS)."""
    return transport.request("GET", f"{API}/status").headers.get("Server", "unknown")


# Blob stores

FILE, GROUP_STORE, S3 = {"type": ("file",)}, {"type": ("group",)}, {"type": ("s3",)}


def _read_blobstores(transport, wanted):
    """The list has names, types and quotas; the rest costs one GET per store, made where it is asked for or an update will need it."""
    stores = []
    items = None if wanted is None else {item["name"]: item for item in wanted}
    for store in _listing(f"{API}/blobstores")(transport, wanted):
        view = BLOBSTORES.view(store)
        item = view if items is None else items.get(store["name"])
        more = item and (items is None or BLOBSTORES.changes(view, item)) and read_json(transport, BLOBSTORES.path(BLOBSTORES.update[1], view))
        stores.append(store | (more or {}))
    return stores


BLOBSTORES = Resource(
    kind="blob store", items="blobstores", read=_read_blobstores,
    create=("POST", f"{API}/blobstores/{{type}}"), update=("PUT", f"{API}/blobstores/{{type}}/{{name}}"),
    delete=("DELETE", f"{API}/blobstores/{{name}}"),
    unsent=("type", "unavailable", "blobCount", "totalSizeInBytes", "availableSpaceInBytes"),
    references=(Reference("members", "blob store"),),
    options=(
        Option("name"),
        Option("type", choices=("file", "group", "s3"), initial="file", immutable=True),
        Option("path", only=FILE, required=True),
        Option("quota_type", "softQuota.type", choices=("none", "spaceRemainingQuota", "spaceUsedQuota"), none="none", clears="softQuota"),
        Option("quota_limit", "softQuota.limit", type="int", only={"quota_type": ("spaceRemainingQuota", "spaceUsedQuota")}, required=True),
        Option("members", type="list", elements="str", only=GROUP_STORE, required=True),
        Option("fill_policy", "fillPolicy", choices=("roundRobin", "writeToFirst"), initial="writeToFirst", only=GROUP_STORE),
        Option("s3_bucket", "bucketConfiguration.bucket.name", only=S3, required=True, immutable=True),
        Option("s3_region", "bucketConfiguration.bucket.region", only=S3, initial="DEFAULT"),
        Option("s3_prefix", "bucketConfiguration.bucket.prefix", only=S3),
        Option("s3_endpoint", "bucketConfiguration.advancedBucketConnection.endpoint", only=S3),
        Option("s3_force_path_style", "bucketConfiguration.advancedBucketConnection.forcePathStyle", type="bool", only=S3),
        Option("s3_access_key_id", "bucketConfiguration.bucketSecurity.accessKeyId", only=S3),
        Option("s3_secret_access_key", "bucketConfiguration.bucketSecurity.secretAccessKey", only=S3, secret=True,
               carried="bucketConfiguration.bucketSecurity.accessKeyId"),
    ),
)

# Repositories

FORMATS = ("alpine", "ansiblegalaxy", "apt", "cargo", "cocoapods", "composer", "conan", "conda", "docker", "gitlfs", "go", "helm", "huggingface",
           "maven2", "npm", "nuget", "oci", "p2", "pub", "pypi", "r", "raw", "rubygems", "swift", "terraform", "yum")
HOSTED, PROXY, GROUP = {"type": ("hosted",)}, {"type": ("proxy",)}, {"type": ("group",)}
NOT_GROUP = {"type": ("hosted", "proxy")}
IMAGES = {"format": ("docker", "oci")}
SIGNED = {"format": ("alpine", "apt", "terraform", "yum")}
AUTH = "httpClient.authentication"


def _read_repositories(transport, wanted):
    """The list, with two oddities made plain: a routing rule is read under another name than it is written (sent back as read it would be
    lost), and of an apt repository's signing the key is always there, but shown only when there is a passphrase, which is never shown."""
    repositories = _listing(f"{API}/repositorySettings")(transport, wanted)
    for repository in repositories:
        if repository["type"] == "proxy":
            repository["routingRule"] = repository.get("routingRuleName")
        elif repository["format"] == "apt":
            repository["aptSigning"] = {"passphrase": MASK} if repository.get("aptSigning") else {}
    return repositories


def _repository_requests(verb, values, body):
    method = {"create": "POST", "update": "PUT", "delete": "DELETE"}[verb]
    template = f"{API}/repositories/" + {"create": "{format}/{type}", "update": "{format}/{type}/{name}", "delete": "{name}"}[verb]
    if body and "routingRule" in body:
        body["routingRuleName"] = body["routingRule"]
    return [Request(method, REPOSITORIES.path(template, values), body)]


REPOSITORIES = Resource(
    kind="repository", items="repositories", read=_read_repositories, requests=_repository_requests,
    unsent=("format", "type", "url"), spellings={"format": {"maven2": "maven"}},
    references=(Reference("blob_store", "blob store", f"{API}/blobstores"),
                Reference("cleanup_policies", "cleanup policy", f"{INTERNAL}/cleanup-policies"),
                Reference("routing_rule", "routing rule", f"{API}/routing-rules"),
                Reference("members", "repository")),
    options=(
        Option("name"),
        Option("format", choices=FORMATS, required=True, immutable=True),
        Option("type", choices=("hosted", "proxy", "group"), required=True, immutable=True),
        Option("online", type="bool", initial=True),
        Option("blob_store", "storage.blobStoreName", initial="default", immutable=True),
        Option("strict_content_type_validation", "storage.strictContentTypeValidation", type="bool", initial=True),
        Option("write_policy", "storage.writePolicy", choices=("allow", "allow_once", "deny"), initial="allow_once", only=HOSTED),
        Option("latest_policy", "storage.latestPolicy", type="bool", only=HOSTED | IMAGES),
        Option("cleanup_policies", "cleanup.policyNames", type="list", elements="str", unordered=True, only=NOT_GROUP),
        Option("proprietary_components", "component.proprietaryComponents", type="bool",
               only=HOSTED | {"format": tuple(name for name in FORMATS if name != "swift")}),
        Option("members", "group.memberNames", type="list", elements="str", only=GROUP, required=True),
        Option("writable_member", "group.writableMember", only=GROUP | {"format": ("conan", "docker", "npm", "oci", "pypi")}),
        # proxies
        Option("remote_url", "proxy.remoteUrl", only=PROXY, required=True),
        Option("content_max_age", "proxy.contentMaxAge", type="int", initial=1440, only=PROXY),
        Option("metadata_max_age", "proxy.metadataMaxAge", type="int", initial=1440, only=PROXY),
        Option("negative_cache_enabled", "negativeCache.enabled", type="bool", initial=True, only=PROXY),
        Option("negative_cache_ttl", "negativeCache.timeToLive", type="int", initial=1440, only=PROXY),
        Option("blocked", "httpClient.blocked", type="bool", initial=False, only=PROXY),
        Option("auto_block", "httpClient.autoBlock", type="bool", initial=True, only=PROXY),
        Option("connection_retries", "httpClient.connection.retries", type="int", only=PROXY),
        Option("connection_timeout", "httpClient.connection.timeout", type="int", only=PROXY),
        Option("user_agent_suffix", "httpClient.connection.userAgentSuffix", only=PROXY),
        Option("enable_circular_redirects", "httpClient.connection.enableCircularRedirects", type="bool", only=PROXY),
        Option("enable_cookies", "httpClient.connection.enableCookies", type="bool", only=PROXY),
        Option("use_trust_store", "httpClient.connection.useTrustStore", type="bool", only=PROXY),
        Option("auth_type", f"{AUTH}.type", choices=("none", "username", "ntlm", "bearerToken"), none="none", clears=AUTH, only=PROXY),
        Option("auth_username", f"{AUTH}.username", only={"auth_type": ("username", "ntlm")}, required=True),
        Option("auth_password", f"{AUTH}.password", secret=True, only={"auth_type": ("username", "ntlm")}, required=True, carried=AUTH),
        Option("auth_ntlm_host", f"{AUTH}.ntlmHost", only={"auth_type": ("ntlm",)}),
        Option("auth_ntlm_domain", f"{AUTH}.ntlmDomain", only={"auth_type": ("ntlm",)}),
        Option("auth_bearer_token", f"{AUTH}.bearerToken", secret=True, only={"auth_type": ("bearerToken",)}, required=True, carried=AUTH),
        Option("routing_rule", "routingRule", only=PROXY),
        # formats
        Option("maven_version_policy", "maven.versionPolicy", choices=("RELEASE", "SNAPSHOT", "MIXED"), initial="RELEASE",
               only=NOT_GROUP | {"format": ("maven2",)}),
        Option("maven_layout_policy", "maven.layoutPolicy", choices=("STRICT", "PERMISSIVE"), initial="STRICT",
               only=NOT_GROUP | {"format": ("maven2",)}),
        Option("content_disposition", "{format}.contentDisposition", choices=("INLINE", "ATTACHMENT"),
               only=NOT_GROUP | {"format": ("maven2", "raw")}),
        Option("apt_distribution", "apt.distribution", required=True, only=NOT_GROUP | {"format": ("apt",)}),
        Option("apt_flat", "apt.flat", type="bool", initial=False, only=PROXY | {"format": ("apt",)}),
        Option("signing_keypair", "{format}Signing.keypair", secret=True, only=SIGNED, carried="{format}Signing"),
        Option("signing_passphrase", "{format}Signing.passphrase", secret=True, only=SIGNED, carried="{format}Signing.passphrase"),
        Option("http_port", "{format}.httpPort", type="int", none=0, only=IMAGES),
        Option("https_port", "{format}.httpsPort", type="int", none=0, only=IMAGES),
        Option("subdomain", "{format}.subdomain", only=IMAGES),
        Option("path_enabled", "{format}.pathEnabled", type="bool", only=IMAGES),
        Option("force_basic_auth", "{format}.forceBasicAuth", type="bool", initial=True, only=IMAGES),
        Option("v1_enabled", "{format}.v1Enabled", type="bool", initial=False, only=IMAGES),
        Option("index_type", "{format}Proxy.indexType", choices=("REGISTRY", "HUB", "CUSTOM"), initial="REGISTRY", only=PROXY | IMAGES),
        Option("index_url", "{format}Proxy.indexUrl", only=PROXY | IMAGES),
        Option("cache_foreign_layers", "{format}Proxy.cacheForeignLayers", type="bool", only=PROXY | IMAGES),
        Option("require_authentication", "{format}.requireAuthentication", type="bool",
               only={"type": ("proxy", "group"), "format": ("cargo", "terraform")}),
        Option("yum_repodata_depth", "yum.repodataDepth", type="int", initial=0, only=HOSTED | {"format": ("yum",)}),
        Option("yum_deploy_policy", "yum.deployPolicy", choices=("STRICT", "PERMISSIVE"), initial="STRICT",
               only=HOSTED | {"format": ("yum",)}),
        Option("nuget_version", "nugetProxy.nugetVersion", choices=("V2", "V3"), initial="V3", only=PROXY | {"format": ("nuget",)}),
        Option("nuget_query_cache_max_age", "nugetProxy.queryCacheItemMaxAge", type="int", initial=3600, only=PROXY | {"format": ("nuget",)}),
        Option("conan_version", "conanProxy.conanVersion", choices=("V1", "V2"), initial="V2", only=PROXY | {"format": ("conan",)}),
    ),
)

# Cleanup policies, content selectors

CLEANUP_POLICIES = Resource(
    kind="cleanup policy", items="cleanup_policies", read=_listing(f"{INTERNAL}/cleanup-policies"),
    create=("POST", f"{INTERNAL}/cleanup-policies"), update=("PUT", f"{INTERNAL}/cleanup-policies/{{name}}"),
    delete=("DELETE", f"{INTERNAL}/cleanup-policies/{{name}}"), unsent=("inUseCount",),
    options=(
        Option("name"),
        Option("format", required=True),
        Option("notes"),
        Option("last_blob_updated_days", "criteriaLastBlobUpdated", type="int", none=0),
        Option("last_downloaded_days", "criteriaLastDownloaded", type="int", none=0),
        Option("release_type", "criteriaReleaseType", choices=("none", "RELEASES", "PRERELEASES"), none="none"),
        Option("asset_regex", "criteriaAssetRegex"),
        Option("retain", type="int", none=0),
        Option("sort_by", "sortBy"),
    ),
)

CONTENT_SELECTORS = Resource(
    kind="content selector", items="content_selectors", read=_listing(f"{API}/security/content-selectors"),
    create=("POST", f"{API}/security/content-selectors"), update=("PUT", f"{API}/security/content-selectors/{{name}}"),
    delete=("DELETE", f"{API}/security/content-selectors/{{name}}"), unsent=("type",),
    options=(Option("name"), Option("description"), Option("expression", required=True)),
)

# Privileges, roles, users

ON_REPOSITORIES = {"type": ("repository-admin", "repository-content-selector", "repository-view")}

PRIVILEGES = Resource(
    kind="privilege", items="privileges", read=_listing(f"{API}/security/privileges"), built_in="readOnly",
    create=("POST", f"{API}/security/privileges/{{type}}"), update=("PUT", f"{API}/security/privileges/{{type}}/{{name}}"),
    delete=("DELETE", f"{API}/security/privileges/{{name}}"), unsent=("type", "readOnly"),
    references=(Reference("repository", "repository", f"{API}/repositories", wildcard="*"),
                Reference("content_selector", "content selector", f"{API}/security/content-selectors"),
                Reference("script_name", "script", f"{API}/script", wildcard="*")),
    options=(
        Option("name"),
        Option("type", choices=("application", "repository-admin", "repository-content-selector", "repository-view", "script", "wildcard"),
               required=True, immutable=True),
        Option("description"),
        Option("actions", type="list", elements="str", unordered=True, required=True,
               choices=("READ", "BROWSE", "EDIT", "ADD", "DELETE", "RUN", "START", "STOP", "ASSOCIATE", "DISASSOCIATE", "ALL"),
               only={"type": ("application", "script", *ON_REPOSITORIES["type"])}),
        Option("pattern", required=True, only={"type": ("wildcard",)}),
        Option("domain", required=True, only={"type": ("application",)}),
        Option("format", required=True, only=ON_REPOSITORIES),
        Option("repository", required=True, only=ON_REPOSITORIES),
        Option("content_selector", "contentSelector", required=True, only={"type": ("repository-content-selector",)}),
        Option("script_name", "scriptName", required=True, only={"type": ("script",)}),
    ),
)

ROLES = Resource(
    kind="role", items="roles", key="id", read=_listing(f"{API}/security/roles", source="default"), built_in="readOnly",
    create=("POST", f"{API}/security/roles"), update=("PUT", f"{API}/security/roles/{{id}}"), delete=("DELETE", f"{API}/security/roles/{{id}}"),
    unsent=("source", "readOnly"),
    references=(Reference("privileges", "privilege", f"{API}/security/privileges"), Reference("roles", "role")),
    options=(
        Option("id"),
        Option("name", required=True),
        Option("description"),
        Option("privileges", type="list", elements="str", unordered=True),
        Option("roles", type="list", elements="str", unordered=True),
    ),
)


LOGS_IN = ("active", "changepassword")


def _login_works(transport, item, have) -> bool:
    """Whether the wanted password is the user's: one request in the user's name. Of a user who cannot log in it is taken as right
    until that changes."""
    if item.get("password") is None:
        return True
    if have["status"] not in LOGS_IN:
        return item.get("status") not in LOGS_IN
    try:
        transport.request("GET", f"{API}/status", headers={"Authorization": transport.basic(item["user_id"], item["password"])})
    except ServiceError as error:
        if error.status != 401:
            raise
        return False
    return True


USERS = Resource(
    # without a source Nexus lists only the first 100
    kind="user", items="users", key="user_id", read=_listing(f"{API}/security/users", source="default"), own_user=True,
    create=("POST", f"{API}/security/users"), update=("PUT", f"{API}/security/users/{{user_id}}"),
    delete=("DELETE", f"{API}/security/users/{{user_id}}"), verify=_login_works,
    secret_update=("PUT", f"{API}/security/users/{{user_id}}/change-password", "password"),
    references=(Reference("roles", "role", f"{API}/security/roles", field="id"),),
    options=(
        Option("user_id", "userId"),
        Option("first_name", "firstName", required=True),
        Option("last_name", "lastName", required=True),
        Option("email", "emailAddress", required=True),
        Option("status", choices=("active", "disabled", "locked", "changepassword"), initial="active"),
        Option("roles", type="list", elements="str", unordered=True, required=True),
        Option("password", secret=True, required=True),
    ),
)

# Settings: one object each


def _read_settings(transport, wanted):
    names = SETTINGS.options[0].choices if wanted is None else [item["name"] for item in wanted]
    found = ((name, _SETTING_READERS[name](transport)) for name in names)
    return [obj | {"name": name} for name, obj in found if obj is not None]


def _read_email(transport):
    """Mail settings that were never made, or were reset, are answered with an empty host."""
    email = read_json(transport, f"{API}/email")
    return email if email["host"] else None


def _read_base_url(transport):
    """The capability that holds the base URL; `rest` tells which of two interfaces the server has for it."""
    found = read_json(transport, f"{API}/capabilities")
    if found is not None:
        return next((capability | {"rest": True} for capability in found if capability["type"] == "baseurl"), {"rest": True})
    call = {"action": "capability_Capability", "method": "read", "data": None, "type": "rpc", "tid": 1}
    answer = transport.request("POST", EXTDIRECT, json=call, reads=True)
    refusal = _extdirect_refusal(answer)
    if refusal:
        raise MlopsError(f"base_url: {_version(transport)} has neither {API}/capabilities nor its predecessor: {refusal}")
    return next((capability for capability in answer.json()["result"]["data"] if capability["typeId"] == "baseurl"), {})


def _read_eula(transport):
    """Versions before 3.77 have no licence to accept; there the answer is that nothing is left to accept."""
    return read_json(transport, f"{API}/system/eula") or {"accepted": True}


_SETTING_READERS = {
    "anonymous": lambda transport: read_json(transport, f"{API}/security/anonymous"),
    "base_url": _read_base_url,
    "email": _read_email,
    "eula": _read_eula,
    "realms": lambda transport: {"active": read_json(transport, f"{API}/security/realms/active")},
}


def _extdirect_refusal(answer) -> str | None:
    """The error in an ExtDirect answer, which is 200 even when refused."""
    if answer.status_code == 404:
        return "404"
    result = answer.json().get("result") or {}
    return None if result.get("success") else str(result.get("errors") or result.get("message") or answer.json().get("message"))


def _setting_requests(_verb, values, body):
    name = body.pop("name")
    if name == "realms":
        return [Request("PUT", f"{API}/security/realms/active", body["active"])]
    if name == "base_url":
        return [_base_url_request(body)]
    method, path = {"anonymous": ("PUT", "/security/anonymous"), "email": ("PUT", "/email"), "eula": ("POST", "/system/eula")}[name]
    return [Request(method, API + path, body)]


def _base_url_request(body):
    """A capability is created without an id and updated with it, by REST where the server has it, else by the interface of its pages."""
    kept = {name: body[name] for name in ("id", "enabled", "notes", "properties") if body.get(name) is not None}
    capability = {"enabled": True, "notes": "", **kept}
    if body.get("rest"):
        path = f"{API}/capabilities" + (f"/{capability['id']}" if "id" in capability else "")
        return Request("PUT" if "id" in capability else "POST", path, capability | {"type": "baseurl"})
    call = {"action": "capability_Capability", "method": "update" if "id" in capability else "create",
            "data": [capability | {"typeId": "baseurl"}], "type": "rpc", "tid": 1}
    return Request("POST", EXTDIRECT, call, refusal=_extdirect_refusal)


def _of(name):
    return {"name": (name,)}


SETTINGS = Resource(
    kind="setting", items="settings", read=_read_settings, requests=_setting_requests, single=True,
    options=(
        Option("name", choices=tuple(_SETTING_READERS)),
        Option("enabled", type="bool", initial=True, only={"name": ("anonymous", "email")}),
        Option("user_id", "userId", only=_of("anonymous")),
        Option("realm", "realmName", only=_of("anonymous")),
        Option("url", "properties.url", only=_of("base_url"), required=True),
        Option("host", only=_of("email"), required=True),
        Option("port", type="int", only=_of("email"), initial=25),
        Option("username", only=_of("email")),
        Option("password", only=_of("email"), secret=True),
        Option("from_address", "fromAddress", only=_of("email"), required=True),
        Option("subject_prefix", "subjectPrefix", only=_of("email")),
        Option("start_tls", "startTlsEnabled", type="bool", only=_of("email")),
        Option("start_tls_required", "startTlsRequired", type="bool", only=_of("email")),
        Option("ssl", "sslOnConnectEnabled", type="bool", only=_of("email")),
        Option("ssl_check_server", "sslServerIdentityCheckEnabled", type="bool", only=_of("email")),
        Option("use_trust_store", "nexusTrustStoreEnabled", type="bool", only=_of("email")),
        Option("accepted", type="bool", only=_of("eula")),
        Option("active", type="list", elements="str", only=_of("realms")),
    ),
)
