# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The examples in the documentation of the kinds run: each task on a controller that has what it refers to, twice, and then changes nothing."""

from __future__ import annotations

import importlib

import pytest
import yaml
from ansible_collections.mlops.onprem.plugins import modules

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize("name", ["jenkins_credentials", "jenkins_folders", "jenkins_jobs", "jenkins_nodes", "jenkins_views"])
def test_examples(name, run, both):
    run("jenkins_folders", folders=[{"name": "vision"}])
    for task in yaml.safe_load(importlib.import_module(f"{modules.__name__}.{name}").EXAMPLES):
        options = task[f"mlops.onprem.{name}"]
        if "credentials" in options:
            options["credentials"] = [item | ({"private_key": KEY} if "private_key" in item else {}) for item in options["credentials"]]
        answer = run(name, **options)
        assert not answer.get("failed"), f"{task['name']}: {answer['msg']}"
        both.clear()
        again = run(name, **options)
        assert not again["changed"] and both.writes() == [], task["name"]
