"""The examples in the modules' documentation run: each task in check mode on a real Nexus, with what it refers to taken as made before."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import yaml
from ansible_collections.mlops.onprem.plugins import modules

NAMES = sorted(module.name for module in pkgutil.iter_modules(modules.__path__) if module.name.startswith("nexus_"))


@pytest.mark.parametrize("name", NAMES)
def test_examples(name, run, nexus):
    tasks = yaml.safe_load(importlib.import_module(f"{modules.__name__}.{name}").EXAMPLES)
    # an example may refer to what the one before it made
    made = {item["name"]: item for task in tasks for item in task[f"mlops.onprem.{name}"].get("repositories", ()) if "format" in item}
    nexus.writes_logged()
    for task in tasks:
        options = dict(task[f"mlops.onprem.{name}"])
        if "password" in options:
            options["password"] = nexus.password
        if "repositories" in options:
            options["repositories"] = [made.get(item["name"], {}) | item for item in options["repositories"]]
        answer = run(name, True, **options)
        assert not answer.get("failed"), f"{task['name']}: {answer['msg']}"
    assert [request for request in nexus.writes_logged() if request != ("POST", "/service/extdirect")] == []
