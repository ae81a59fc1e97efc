# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small project with trained models, in the environment of the example's lock, and how to validate it. Knows no check."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PROJECT = Path(__file__).with_name("project")
LOCK = ROOT / "examples" / "breast_cancer" / "requirements.txt"


class Done(NamedTuple):
    """A run of the plugin. checks: those of validation.json by id; cases: (result, message) of the JUnit report by name."""

    code: int
    output: str
    folder: Path
    report: dict
    checks: dict
    cases: dict

    @property
    def page(self):
        return (self.folder / "build/reports/validation.html").read_text(encoding="utf-8")

    def package(self, name):
        return json.loads((self.folder / "build/package" / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def project_python():
    """The Python of a project's environment, made once from the example's lock and kept in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or ROOT / ".cache")
    home = cache / f"validation-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:8]}"
    if not (home / "bin" / "python").exists():
        made = home.with_suffix(f".{os.getpid()}")
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, made], check=True)
        subprocess.run([*uv, "pip", "sync", "-q", "--python", made / "bin" / "python", "--require-hashes", LOCK], check=True)
        made.rename(home)
    return home / "bin" / "python"


@pytest.fixture(scope="session")
def environment():
    """One thread, no settings of whoever runs the tests, and the plugin within reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLOPS_", "PYTEST_"))}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**kept, **threads, "PYTHONPATH": str(ROOT / "pipeline"), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="session")
def models(project_python, environment, tmp_path_factory):
    """A folder with one folder for each trained model, and facts.json."""
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([project_python, "train.py", folder], cwd=PROJECT, env=environment, check=True)
    return folder


@pytest.fixture(scope="session")
def facts(models):
    """What scikit-learn itself says about the models."""
    return json.loads((models / "facts.json").read_text())


@pytest.fixture
def project(tmp_path, models):
    """project(model, **fields of validation.yml) makes the project with a trained package, or puts another into the one that is there."""
    def make(model="good", golden=True, **fields):
        folder = tmp_path / "project"
        (folder / "build/package").mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "project_data.py", folder)
        shutil.copy(models / model / "model.onnx", folder / "build/package")
        if golden and (models / model / "golden.json").exists():
            shutil.copy(models / model / "golden.json", folder / "build/package")
        content = {"data": {"loader": "project_data:cancer"}, "metrics": [{"metric": "accuracy", "min": 0.5}], "bootstrap": {"resamples": 200}, **fields}
        (folder / "validation.yml").write_text(yaml.safe_dump(content))
        return folder
    return make


@pytest.fixture
def validate(project_python, environment, project):
    """validate(model, *options, **fields) runs the plugin as the step `validate` does and returns what is Done."""
    def run(model="good", *options, golden=True, **fields):
        folder = project(model, golden, **fields)
        shutil.rmtree(folder / "build/reports", ignore_errors=True)
        words = [project_python, "-m", "pytest", "-p", "mlops_validation.plugin", "--mlops-config", "validation.yml",
                 "--junitxml", "build/reports/validation.xml", *options]
        done = subprocess.run(words, cwd=folder, env=environment, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(done.stdout)
        file, cases = folder / "build/reports/validation.json", {}
        report = json.loads(file.read_text()) if file.exists() else {}
        if file.exists():
            for case in ET.parse(folder / "build/reports/validation.xml").iter("testcase"):
                told = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
                result = "pass" if told is None else {"failure": "fail", "skipped": "skip"}.get(told.tag, told.tag)
                cases[case.get("name")] = (result, None if told is None else told.get("message"))
        return Done(done.returncode, done.stdout, folder, report, {check["id"]: check for check in report.get("checks", [])}, cases)
    return run
