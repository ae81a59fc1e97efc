#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Repositories of Nexus as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nexus_repositories
short_description: Manage repositories of Nexus
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads hosted, proxy and group repositories of any format, as a list, in one pass.
  - Reads all with one request. A blob store, cleanup policy, routing rule or member that does not exist is refused before anything is written,
    and so is a change of name, format, type or blob store.
  - Members are made before their groups, whatever the order of the list.
  - The formats C(raw), C(maven2) and C(apt) are run against a real Nexus; the others are checked against the API description only.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.nexus
options:
  repositories:
    description: The repositories to manage. Each C(name) may be given once.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the repository.
        type: str
        required: true
      format:
        description:
          - Format. Needed for a new repository; it cannot be changed.
        type: str
        choices: [alpine, ansiblegalaxy, apt, cargo, cocoapods, composer, conan, conda, docker, gitlfs, go, helm, huggingface, maven2, npm,
        nuget, oci, p2, pub, pypi, r, raw, rubygems, swift, terraform, yum]
      type:
        description:
          - Type. Needed for a new repository; it cannot be changed.
        type: str
        choices: [hosted, proxy, group]
      online:
        description:
          - Whether it takes requests; V(true) for a new one unless given.
        type: bool
      blob_store:
        description:
          - Name of its blob store; V(default) for a new one unless given. It cannot be changed.
        type: str
      strict_content_type_validation:
        description:
          - Whether uploads must be what their name says; V(true) for a new one unless given.
        type: bool
      write_policy:
        description:
          - Hosted only. Whether a file may be replaced; V(allow_once) for a new one unless given, so that what is published stays.
        type: str
        choices: [allow, allow_once, deny]
      latest_policy:
        description:
          - Hosted C(docker) and C(oci) only. Whether the tag C(latest) may be replaced under O(repositories[].write_policy=allow_once).
        type: bool
      cleanup_policies:
        description:
          - Hosted and proxy only. Names of cleanup policies; an empty list takes them away.
        type: list
        elements: str
      proprietary_components:
        description:
          - Hosted only, but not C(swift). Whether its components are guarded against dependency confusion.
        type: bool
      members:
        description:
          - Group only. Names of the members, in the order in which they are asked. Needed for a new group.
        type: list
        elements: str
      writable_member:
        description:
          - Group of C(conan), C(docker), C(npm), C(oci), C(pypi) only. Member that takes uploads.
        type: str
      remote_url:
        description:
          - Proxies only. Address of the upstream. Needed for a new proxy.
        type: str
      content_max_age:
        description:
          - Proxies only. Minutes to keep files, V(-1) for ever; V(1440) for a new one unless given.
        type: int
      metadata_max_age:
        description:
          - Proxies only. Minutes to keep metadata; V(1440) for a new one unless given.
        type: int
      negative_cache_enabled:
        description:
          - Proxies only. Whether to remember what is not there; V(true) for a new one unless given.
        type: bool
      negative_cache_ttl:
        description:
          - Proxies only. Minutes to remember it; V(1440) for a new one unless given.
        type: int
      blocked:
        description:
          - Proxies only. Whether to ask the upstream at all; V(false), not blocked, for a new one unless given.
        type: bool
      auto_block:
        description:
          - Proxies only. Whether to stop asking an upstream that does not answer; V(true) for a new one unless given.
        type: bool
      connection_retries:
        description:
          - Proxies only. Tries of a request to the upstream.
        type: int
      connection_timeout:
        description:
          - Proxies only. Seconds to wait for the upstream.
        type: int
      user_agent_suffix:
        description:
          - Proxies only. Text added to the user agent.
        type: str
      enable_circular_redirects:
        description:
          - Proxies only. Whether to follow redirects in a circle.
        type: bool
      enable_cookies:
        description:
          - Proxies only. Whether to keep the upstream's cookies.
        type: bool
      use_trust_store:
        description:
          - Proxies only. Whether to trust the certificates in the trust store of Nexus.
        type: bool
      auth_type:
        description:
          - Proxies only. How to log in at the upstream; V(none) takes the login away. V(bearerToken) and V(ntlm) are checked against the API
            description only.
        type: str
        choices: [none, username, ntlm, bearerToken]
      auth_username:
        description:
          - User at the upstream.
        type: str
      auth_password:
        description:
          - Password at the upstream.
          - Nexus refuses an update of a proxy with a login unless the password is sent again, so keep it in the list.
        type: str
      auth_ntlm_host:
        description:
          - Host for V(ntlm).
        type: str
      auth_ntlm_domain:
        description:
          - Domain for V(ntlm).
        type: str
      auth_bearer_token:
        description:
          - Token for V(bearerToken). Needed in every update.
        type: str
      routing_rule:
        description:
          - Proxies only. Name of a routing rule; empty text takes it away.
        type: str
      maven_version_policy:
        description:
          - Format C(maven2) only. Kind of versions; V(RELEASE) for a new one unless given.
        type: str
        choices: [RELEASE, SNAPSHOT, MIXED]
      maven_layout_policy:
        description:
          - Format C(maven2) only. Whether paths must be Maven's; V(STRICT) for a new one unless given.
        type: str
        choices: [STRICT, PERMISSIVE]
      content_disposition:
        description:
          - Hosted and proxy of C(maven2) and C(raw) only. Whether browsers show or save files.
        type: str
        choices: [INLINE, ATTACHMENT]
      apt_distribution:
        description:
          - Format C(apt) only. Distribution, such as V(bookworm). Needed for a new one.
        type: str
      apt_flat:
        description:
          - Proxy of C(apt) only. Whether the upstream is flat; V(false) for a new one unless given.
        type: bool
      signing_keypair:
        description:
          - Formats C(alpine), C(apt), C(terraform), C(yum) only. Private key, armoured. Needed for a new hosted C(apt) repository.
          - Nexus takes no update without it, so keep it in the list (from a vault).
        type: str
      signing_passphrase:
        description:
          - Passphrase of O(repositories[].signing_keypair).
        type: str
      http_port:
        description:
          - Formats C(docker) and C(oci) only. Port of an HTTP connector, V(0) for none.
        type: int
      https_port:
        description:
          - Formats C(docker) and C(oci) only. Port of an HTTPS connector, V(0) for none.
        type: int
      subdomain:
        description:
          - Formats C(docker) and C(oci) only. Subdomain that routes to the repository.
        type: str
      path_enabled:
        description:
          - Formats C(docker) and C(oci) only. Whether it is reached by path.
        type: bool
      force_basic_auth:
        description:
          - Formats C(docker) and C(oci) only. Whether anonymous pulls are refused; V(true) for a new one unless given.
        type: bool
      v1_enabled:
        description:
          - Formats C(docker) and C(oci) only. Whether the old API answers; V(false) for a new one unless given.
        type: bool
      index_type:
        description:
          - Proxy of C(docker) and C(oci) only. Which index to use; V(REGISTRY) for a new one unless given.
        type: str
        choices: [REGISTRY, HUB, CUSTOM]
      index_url:
        description:
          - Proxy of C(docker) and C(oci) only. Address for V(CUSTOM).
        type: str
      cache_foreign_layers:
        description:
          - Proxy of C(docker) and C(oci) only. Whether to keep foreign layers.
        type: bool
      require_authentication:
        description:
          - Proxy and group of C(cargo) and C(terraform) only. Whether clients must log in.
        type: bool
      yum_repodata_depth:
        description:
          - Hosted C(yum) only. Depth of the folder with C(repodata); V(0) for a new one unless given.
        type: int
      yum_deploy_policy:
        description:
          - Hosted C(yum) only. Whether paths must fit the depth; V(STRICT) for a new one unless given.
        type: str
        choices: [STRICT, PERMISSIVE]
      nuget_version:
        description:
          - Proxy of C(nuget) only. Protocol of the upstream; V(V3) for a new one unless given.
        type: str
        choices: [V2, V3]
      nuget_query_cache_max_age:
        description:
          - Proxy of C(nuget) only. Seconds to keep query results; V(3600) for a new one unless given.
        type: int
      conan_version:
        description:
          - Proxy of C(conan) only. Protocol of the upstream; V(V2) for a new one unless given.
        type: str
        choices: [V1, V2]
  purge:
    description:
      - Also delete every repository that is not listed.
      - An empty list is refused.
    type: bool
    default: false
  update_secret:
    description:
      - V(on_create) sends secrets with a new object and with every update that something else causes.
      - V(always) sends them in every run, which then always reports a change.
    type: str
    choices: [on_create, always]
    default: on_create
"""

EXAMPLES = r"""
- name: A store for models, a mirror, and a group of both
  mlops.onprem.nexus_repositories:
    repositories:
      - name: models
        format: raw
        type: hosted
        blob_store: models
      - name: datasets
        format: raw
        type: proxy
        remote_url: https://datasets.example.org/
      - name: all-files
        format: raw
        type: group
        members: [models, datasets]

- name: Take a repository offline and leave everything else about it alone
  mlops.onprem.nexus_repositories:
    repositories:
      - name: datasets
        online: false

- name: Delete a repository with what it holds
  mlops.onprem.nexus_repositories:
    state: absent
    repositories:
      - name: all-files
"""

RETURN = r"""
results:
  description:
    - One entry per item, in the order in which they were handled, with what names the item.
    - C(result) is V(created), V(updated), V(deleted), V(unchanged), V(failed), or V(skipped) after a failure; C(why) is there when it failed or was skipped.
  returned: unless O(state=gathered)
  type: list
  elements: dict
  sample:
    - name: models
      result: created
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{name: models, format: raw, type: hosted, online: true, blob_store: models}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._module import manage
from ansible_collections.mlops.onprem.plugins.module_utils._nexus import NEXUS, REPOSITORIES


def main():
    manage(NEXUS, REPOSITORIES)


if __name__ == "__main__":
    main()
