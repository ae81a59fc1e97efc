# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries of the models that were onboarded, read from the registry's folder on the controller. Gives no secret; knows nothing of the entries."""

from __future__ import annotations

DOCUMENTATION = r"""
name: registered_models
author: the mlops.onprem developers (@mlops-onprem)
version_added: "0.1.0"
short_description: Entries of the models that were onboarded
description:
  - Reads what M(mlops.onprem.model_secrets) keeps, without the secrets. Where there is no such folder, nothing was onboarded from here.
options:
  _terms:
    description: The folder.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Say what was onboarded, models that are off the list too
  ansible.builtin.debug:
    msg: "{{ lookup('mlops.onprem.registered_models', model_pipeline_home) }}"
"""

RETURN = r"""
_raw:
  description: One list of entries for each folder, ordered by name.
  type: list
  elements: list
"""

import json
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms, variables=None, **kwargs):
        return [[self._entry(file) for file in sorted(Path(term).glob("[!.]*.json"))] for term in terms]

    @staticmethod
    def _entry(file):
        try:
            return json.loads(file.read_text(encoding="utf-8"))["entry"]
        except (OSError, ValueError, KeyError) as error:
            raise AnsibleLookupError(f"{file} is no file of a model: {error}") from error
