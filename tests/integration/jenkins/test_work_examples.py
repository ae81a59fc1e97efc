# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The examples in the documentation of builds, restarts, plugins and configuration as code run, on a controller and with files as they expect them."""

from __future__ import annotations

import importlib

import pytest
import yaml
from ansible_collections.mlops.onprem.plugins import modules

from .test_build import PARAMETERS, make
from .test_plugins import Mirror

TRAIN = PARAMETERS.replace("WHO", "EPOCHS").replace("COLOR", "SORT").replace("PW", "REGISTRY_PASSWORD").replace(
    "<hudson.model.FileParameterDefinition><name>up.txt</name></hudson.model.FileParameterDefinition>",
    "<hudson.model.StringParameterDefinition><name>DATASET</name><defaultValue/></hudson.model.StringParameterDefinition>",
)  # fmt: skip


@pytest.mark.parametrize("name", ["jenkins_build", "jenkins_casc", "jenkins_plugins", "jenkins_restart"])
def test_examples(name, jenkins, run, tmp_path):
    jenkins.quiet_period = 0
    make(jenkins, "team", "<com.cloudbees.hudson.plugins.folder.Folder/>")
    make(jenkins, "team/train", TRAIN)
    make(jenkins, "team/validate")
    mirror = Mirror(tmp_path)
    pin = mirror.add("matrix-auth", "3.2.8")
    (tmp_path / "jenkins-plugins.yml").write_text(yaml.safe_dump([mirror.add("fresh", "1")]))
    del jenkins.plugins["matrix-auth"]
    files = {"src": str(tmp_path / "matrix-auth/3.2.8/matrix-auth.hpi"), "sha256": pin["sha256"]}
    places = {"mirror": str(tmp_path), "lock": str(tmp_path / "jenkins-plugins.yml"), "log_path": str(tmp_path / "log"), "artifacts_dest": str(tmp_path),
              "applied_path": str(tmp_path / "applied"), "poll": 0.01}  # fmt: skip
    registered = {}
    for task in yaml.safe_load(importlib.import_module(f"{modules.__name__}.{name}").EXAMPLES):
        options = dict(task[f"mlops.onprem.{name}"])
        options |= {option: value for option, value in places.items() if option in options}
        if "plugins" in options:
            options["plugins"] = [item | files for item in options["plugins"]]
        if "lookup(" in str(options.get("content")):
            options["content"] = "jenkins: {mode: NORMAL}"
        if "queue_id" in options:
            options["queue_id"] = registered["validation"]["queue_id"]
        answer = run(name, **options)
        assert not answer.get("failed"), f"{task['name']}: {answer['msg']}"
        registered[task.get("register")] = answer
