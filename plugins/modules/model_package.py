#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of model_package and one call each into _publish. Knows no format, no protocol and no key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_package
short_description: Publish, show and copy signed model packages
version_added: "0.1.0"
description:
  - Turns a folder with a trained model into a CNCF ModelPack artifact (an OCI image manifest with one raw layer per file, a config and
    annotations) and brings it into a store, file by file by sha256. Files that the store has are not sent again, so an interrupted publish
    is finished by the next run and versions that share files cost only what differs.
  - A version never changes. The same content again is no change, dates, build URL and key aside; other content under the same version is
    refused and what differs is named.
  - Runs on the controller (C(delegate_to) localhost). Files are streamed, and what is sent is checked against what was hashed before.
author: the mlops.onprem developers (@mlops-onprem)
requirements:
  - requests on the controller, for servers
  - cryptography on the controller, for signatures
options:
  state:
    description:
      - V(present) publishes O(source).
      - V(copied) brings a published version, byte for byte and with its signature, from O(store) to O(destination).
      - V(gathered) lists models and versions of O(store), or shows one version when O(version) is given, after checking its signature (with
        O(public_key)) and that every file is there with its size.
    type: str
    choices: [present, copied, gathered]
    default: present
  model:
    description: Name of the model, 1 to 48 of a-z, 0-9 and C(-). Required but for listing.
    type: str
  version:
    description:
      - Version of the model, 1 to 64 of letters, digits, C(.), C(_) and C(-), as an OCI tag.
      - Put it in quotes, YAML reads 1.10 as the number 1.1.
    type: str
  source:
    description:
      - The folder to publish. It holds at least one model file, plain files only, at most 10,000 of them.
      - With a C(model.onnx) it must hold C(golden.json), the example requests that every host is asked before it serves the model.
    type: path
  store:
    description:
      - Where packages lie. C(file:///folder), C(https://server/repository/name) (a Nexus raw repository, best with write policy "allow
        once", or any server that takes PUT, GET and HEAD), or C(oci-layout:///folder) (one model, readable by any OCI client, each version a
        reference).
      - If not set, the environment variable E(MLOPS_STORE) is used.
    type: str
    required: true
  destination:
    description: Where V(copied) brings the version, a URL like O(store). A server is asked with the same connection options.
    type: str
  signing_key:
    description:
      - File with the Ed25519 private key (PEM) that signs the manifest. Only its owner may have access to it.
      - If not set, the environment variable E(MLOPS_SIGNING_KEY) is used. Without it the package is not signed, and hosts refuse it by default.
    type: path
  signing_key_passphrase:
    description: Passphrase of O(signing_key). If not set, the environment variable E(MLOPS_SIGNING_KEY_PASSPHRASE) is used.
    type: str
  public_key:
    description:
      - The Ed25519 public key that V(gathered) and V(copied) check signatures with, as PEM text or a file of it. A missing or wrong signature
        is then an error.
    type: str
  allow_formats:
    description:
      - File name extensions with their dot that a package may hold besides ONNX, safetensors, skops, and the usual data and documents.
      - Loading C(.pkl), C(.joblib), C(.pt) and the like runs code of whoever made them, so they are refused unless named here.
    type: list
    elements: str
    default: []
  annotations:
    description: What the manifest says about the model. All of it is readable by whoever reads the store.
    type: dict
    suboptions:
      description: {description: One sentence for people., type: str}
      authors: {description: Who made it., type: list, elements: str}
      licenses: {description: SPDX identifiers., type: list, elements: str}
      source_url: {description: Where its code is., type: str}
      documentation_url: {description: Where it is documented., type: str}
      git_commit: {description: The commit that was trained., type: str}
      build_url: {description: The build that made it. Another one does not make another version., type: str}
      framework: {description: 'What trained it, such as C(scikit-learn 1.9.1).', type: str}
      dataset_digest: {description: The sha256 of the training data as C(sha256:<hex>)., type: str}
      metrics: {description: 'Numbers by name, such as the content of C(metrics.json). Free form, because every model has its own.', type: dict}
  username:
    description: User of the server. If not set, the environment variable E(MLOPS_STORE_USERNAME) is used.
    type: str
  password:
    description: Password of the server. If not set, the environment variable E(MLOPS_STORE_PASSWORD) is used.
    type: str
  ca_path:
    description: File or folder of certificates to trust. If not set, the environment variable E(MLOPS_STORE_CA_PATH) is used.
    type: path
  validate_certs:
    description: Check the server's certificate. If not set, the environment variable E(MLOPS_STORE_VALIDATE_CERTS) is used.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for a connection and between bytes. If not set, the environment variable E(MLOPS_STORE_TIMEOUT) is used.
    type: int
    default: 60
attributes:
  check_mode:
    description: Sends no write; what would be sent is returned.
    support: full
  diff_mode:
    description: Shows the files of the version before and after.
    support: full
"""

EXAMPLES = r"""
- name: Publish version 3, signed
  mlops.onprem.model_package:
    model: breast-cancer
    version: "3"
    source: build/package
    store: https://nexus.example.com/repository/models
    username: publisher
    password: "{{ vault_publisher_password }}"
    ca_path: /etc/ssl/certs/site-ca.pem
    signing_key: /etc/mlops/signing.pem
    annotations:
      git_commit: "{{ lookup('env', 'GIT_COMMIT') }}"
      build_url: "{{ lookup('env', 'BUILD_URL') }}"
      framework: scikit-learn 1.9.1
      metrics: "{{ lookup('file', 'build/package/metrics.json') | from_json }}"
  delegate_to: localhost

- name: What is in the store
  mlops.onprem.model_package:
    store: file:///srv/models
    state: gathered

- name: Resolve a version to its digest, its signature checked
  mlops.onprem.model_package:
    model: breast-cancer
    version: "3"
    store: https://nexus.example.com/repository/models
    public_key: "{{ lookup('file', 'signing.pub') }}"
    state: gathered
  register: found

- name: Take one version elsewhere on a disk, as an OCI layout
  mlops.onprem.model_package:
    model: breast-cancer
    version: "3"
    store: file:///srv/models
    destination: oci-layout:///media/disk/breast-cancer
    state: copied
"""

RETURN = r"""
model:
  description: The model published or copied.
  returned: state is present or copied
  type: str
version:
  description: The version published or copied.
  returned: state is present or copied
  type: str
digest:
  description:
    - sha256 of the manifest that stands in the store, the identity of the package.
    - In check mode of a new version, the digest it would get from an unchanged folder.
  returned: state is present or copied
  type: str
  sample: sha256:223250de9be6f84cc78ce71386951d95966f695d2e533eeb1ba8a5ec18a9e0da
blobs_sent:
  description: Number of files (config included, equal ones once) written to the store, or that would be in check mode.
  returned: state is present or copied
  type: int
bytes_sent:
  description: Their bytes.
  returned: state is present or copied
  type: int
blobs_present:
  description: Number of files that were there already.
  returned: state is present or copied
  type: int
bytes_total:
  description: Bytes of the whole package.
  returned: state is present or copied
  type: int
files_sent:
  description: Paths of the files sent.
  returned: state is present or copied
  type: list
  elements: str
signed:
  description: Whether the version has a signature made or copied by this call or an earlier one like it.
  returned: state is present or copied
  type: bool
manifest_url:
  description: Where the manifest is.
  returned: state is present or copied
  type: str
  sample: https://nexus.example.com/repository/models/breast-cancer/manifests/3
models:
  description: Models and their versions.
  returned: state is gathered, without version
  type: list
  elements: dict
  sample: [{model: breast-cancer, versions: ["1", "2"]}]
package:
  description:
    - The version asked for. Its C(signature) is C(verified), C(not checked) (without O(public_key)) or C(missing).
  returned: state is gathered, with version
  type: dict
  sample:
    model: breast-cancer
    version: "3"
    digest: sha256:223250de9be6f84cc78ce71386951d95966f695d2e533eeb1ba8a5ec18a9e0da
    bytes_total: 104860
    files: [{path: model.onnx, digest: "sha256:98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4", size: 1041}]
    annotations: {org.opencontainers.image.title: breast-cancer, org.opencontainers.image.version: "3"}
    signature: verified
    manifest_url: https://nexus.example.com/repository/models/breast-cancer/manifests/3
"""

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.mlops.onprem.plugins.module_utils import _publish
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._module import BY_PASSWORD, CONNECTION

SERVER = ("username", "password", "ca_path", "validate_certs", "timeout")
TEXTS = ("description", "source_url", "documentation_url", "git_commit", "build_url", "framework", "dataset_digest")


def main():
    """Run the module."""
    spec = {name: {**(CONNECTION | BY_PASSWORD)[name], "fallback": (env_fallback, [f"MLOPS_STORE_{name.upper()}"])} for name in SERVER}
    module = AnsibleModule(supports_check_mode=True, argument_spec={
        **spec,
        "state": {"type": "str", "choices": ["present", "copied", "gathered"], "default": "present"},
        "model": {"type": "str"},
        "version": {"type": "str"},
        "source": {"type": "path"},
        "store": {"type": "str", "required": True, "fallback": (env_fallback, ["MLOPS_STORE"])},
        "destination": {"type": "str"},
        "signing_key": {"type": "path", "no_log": False, "fallback": (env_fallback, ["MLOPS_SIGNING_KEY"])},
        "signing_key_passphrase": {"type": "str", "no_log": True, "fallback": (env_fallback, ["MLOPS_SIGNING_KEY_PASSPHRASE"])},
        "public_key": {"type": "str", "no_log": False},
        "allow_formats": {"type": "list", "elements": "str", "default": []},
        "annotations": {"type": "dict", "options": {
            **{name: {"type": "str"} for name in TEXTS},
            **{name: {"type": "list", "elements": "str"} for name in ("authors", "licenses")},
            "metrics": {"type": "dict"},
        }},
    }, required_if=[("state", "present", ["model", "version", "source"]), ("state", "copied", ["model", "version", "destination"])],
        required_by={"version": "model", "signing_key_passphrase": "signing_key"})
    try:
        result = _publish.run(module.params, {name: module.params[name] for name in SERVER}, module.check_mode)
    except MlopsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
