#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docs, options and one call: how answers are compared stands in `_probe`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_probe
short_description: Ask a served model its golden requests and compare the answers
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Sends the requests of a package's C(golden.json) in the Open Inference Protocol V2 and compares every value with its tolerance.
  - Fails when an answer is missing, of another version or digest, or different. Never changes anything.
options:
  model:
    description: Name of the model.
    type: str
    required: true
  url:
    description: Where to ask, C(http://host:port), C(https://) or C(unix:///path/to/socket).
    type: str
    default: http://127.0.0.1:8080
  golden:
    description:
      - Path of the golden file on the host.
      - Left out, that of the release with the digest O(expect_digest), else of the active one.
    type: path
  expect_version:
    description: Version that every answer must name, in the header C(x-model-version) and as C(model_version).
    type: str
  expect_digest:
    description: Digest that every answer must name in the header C(x-model-digest).
    type: str
  timeout:
    description: Seconds to wait for each answer.
    type: int
    default: 30
  root:
    description: Folder of all releases on the host.
    type: path
    default: /var/lib/models
attributes:
  check_mode:
    support: full
    description: Asks just the same, an inference changes nothing.
  diff_mode:
    support: none
    description: Nothing is changed.
"""

EXAMPLES = r"""
- name: Ask the candidate in its slot, before any client does
  mlops.onprem.model_probe:
    model: wine
    url: unix:///run/model-server/wine-b/http.sock
    expect_digest: "{{ started.candidate.digest }}"

- name: Ask what clients are answered
  mlops.onprem.model_probe:
    model: wine
    expect_version: "2"
"""

RETURN = r"""
total:
  description: Number of golden requests.
  returned: always
  type: int
passed:
  description: Number of those that were answered right.
  returned: always
  type: int
max_absolute:
  description: Largest absolute difference over all numbers. Null when an answer was no number.
  returned: always
  type: float
max_relative:
  description: Largest relative difference over all numbers.
  returned: always
  type: float
version:
  description: Version that the answers named; null when they named none, or not the same.
  returned: always
  type: str
digest:
  description: Digest that the answers named, as RV(version).
  returned: always
  type: str
reason:
  description: What was wrong first; null when all passed.
  returned: always
  type: str
requests:
  description: One entry a request, with C(name), C(passed), C(reason), C(max_absolute), C(max_relative), C(worst).
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._fetch import Source
from ansible_collections.mlops.onprem.plugins.module_utils._probe import probe, report
from ansible_collections.mlops.onprem.plugins.module_utils._release import Layout
from ansible_collections.mlops.onprem.plugins.module_utils._rollout import golden_requests


def main():
    options = {
        "model": {"type": "str", "required": True},
        "url": {"type": "str", "default": "http://127.0.0.1:8080"},
        "golden": {"type": "path"},
        "expect_version": {"type": "str"},
        "expect_digest": {"type": "str"},
        "timeout": {"type": "int", "default": 30},
        "root": {"type": "path", "default": "/var/lib/models"},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    wanted = module.params
    try:
        golden = golden_requests(Layout(root=wanted["root"]), wanted["model"], wanted["expect_digest"], wanted["golden"])
        source = Source(wanted["url"], timeout=wanted["timeout"], retries=0)
        result = report(probe(source, wanted["model"], golden, wanted["expect_version"], wanted["expect_digest"]))
    except MlopsError as error:
        module.fail_json(msg=str(error))
    if result["reason"]:
        module.fail_json(msg=f"{wanted['model']} at {wanted['url']}: {result['reason']}", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
