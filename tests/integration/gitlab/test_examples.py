# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The examples in the modules' documentation run on a stand-in for GitLab: planned, done, and found right by a second run."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import yaml
from ansible_collections.mlops.onprem.plugins import modules

NAMES = sorted(module.name for module in pkgutil.iter_modules(modules.__path__) if module.name.startswith("gitlab_"))


def filled(value):
    """The example with a secret of these tests wherever it names a variable."""
    if isinstance(value, dict):
        return {name: filled(part) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part) for part in value]
    return "pass-of-example" if isinstance(value, str) and value.startswith("{{") else value


@pytest.mark.parametrize("name", NAMES)
def test_examples(name, on):
    gitlab, run = on()
    if name not in ("gitlab_groups", "gitlab_settings"):
        run("gitlab_groups", groups=[{"path": "models"}, {"path": "models/vision"}])
    if name not in ("gitlab_groups", "gitlab_projects", "gitlab_settings"):
        run("gitlab_projects", projects=[{"path": path, "initialize_with_readme": True} for path in ("models/churn", "models/vision/defects")])
    if name != "gitlab_settings":
        names = ["bob"] if name == "gitlab_users" else ["ann", "jenkins"]
        run("gitlab_users", users=[{"username": user, "name": user, "email": f"{user}@example.org", "force_random_password": True} for user in names])
    tasks = yaml.safe_load(importlib.import_module(f"{modules.__name__}.{name}").EXAMPLES)
    assert tasks
    for task in tasks:
        options = filled(task[f"mlops.onprem.{name}"])
        gitlab.clear()
        planned = run(name, True, _no_log=task.get("no_log", False), **options)
        assert not planned.get("failed"), f"{task['name']}: {planned['msg']}"
        assert gitlab.writes() == []
        done = run(name, _no_log=task.get("no_log", False), **options)
        assert not done.get("failed"), f"{task['name']}: {done['msg']}"
        assert done["changed"] == planned["changed"] and done.get("diff") == planned.get("diff")
        gitlab.clear()
        assert not run(name, _no_log=task.get("no_log", False), **options)["changed"] and gitlab.writes() == []
