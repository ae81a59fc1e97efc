# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The example as a repository of its own, its Makefile run as a data scientist does, to a folder as store: five versions, each as far as it gets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[3]
STEPS = ["environment", "lint", "unit", "integration", "data", "train", "validate", "package", "publish"]
# Where another value of a parameter is all that differs, the checks of the code would say what they said before.
SHORT = ["environment", "train", "validate", "package", "publish"]
# What a host does with the golden requests, without a host: a session of its own, the same comparison of numbers.
REPLAY = """
import json, sys
import numpy as np, onnxruntime
kinds = {"FP32": np.float32, "INT64": np.int64}
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx", providers=["CPUExecutionProvider"])
for request in json.load(open(sys.argv[1] + "/golden.json"))["requests"]:
    feed = {each["name"]: np.array(each["data"], kinds[each["datatype"]]).reshape(each["shape"]) for each in request["request"]["inputs"]}
    for each in request["outputs"]:
        (got,) = session.run([each["name"]], feed)
        allowed = request["tolerance"]
        right = np.allclose(got.ravel(), each["data"], atol=allowed["absolute"], rtol=allowed["relative"])
        print(json.dumps([request["name"], each["name"], bool(right)]))
"""


@pytest.fixture(scope="module", name="laptop")
def fixture_laptop(tmp_path_factory):
    """run(target) in a copy of the example that is a git repository; root, store."""
    root = tmp_path_factory.mktemp("laptop") / "breast-cancer"
    shutil.copytree(ROOT / "examples" / "breast_cancer", root, ignore=shutil.ignore_patterns("build", ".local", "__pycache__", ".*_cache"))
    # Environments are kept where the other tests keep theirs: only the first run makes one.
    env = {"PATH": f"{ROOT / '.venv' / 'bin'}:/usr/bin:/bin", "HOME": os.environ["HOME"], "XDG_CACHE_HOME": str(ROOT / ".cache"),
           "MLOPS_PIPELINE": f"{sys.executable} {ROOT / 'pipeline' / 'mlops_steps'}", "GIT_CONFIG_GLOBAL": "/dev/null"}
    env |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "ANSIBLE_"))}

    def git(*words):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words], cwd=root, env=env, check=True, capture_output=True)

    def run(target):
        done = subprocess.run(["make", target], cwd=root, env=env, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(done.stdout)
        return done

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "one")
    return SimpleNamespace(root=root, run=run, git=git, store=root / ".local" / "store" / "breast-cancer")


@pytest.fixture(name="version")
def fixture_version(laptop):
    """version(number) makes the working tree that version, committed."""
    def make(number):
        laptop.git("checkout", "-q", "-B", f"version-{number}", "main")
        for patch in laptop.root.glob(f"versions/{number}-*.patch"):
            laptop.git("apply", str(patch))
            laptop.git("commit", "-qam", patch.stem)
    return make


def read(laptop, name):
    return json.loads((laptop.root / "build" / name).read_text())


def replayed(laptop):
    """Whether each golden request is answered right by a session of its own."""
    python = laptop.root / "build" / "env" / "bin" / "python"
    done = subprocess.run([python, "-c", REPLAY, laptop.root / "build" / "package"], check=True, capture_output=True, text=True)
    return [json.loads(line)[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("number", "steps"), [(1, STEPS), (2, SHORT)])
def test_good_versions_are_published(laptop, version, number, steps):
    version(number)
    for step in steps:
        assert laptop.run(step).returncode == 0
    assert laptop.run("summary").returncode == 0
    published, made = read(laptop, "publish.json"), read(laptop, "package.json")
    manifest = json.loads((laptop.store / "manifests" / made["version"]).read_text())
    assert (laptop.store / "manifests" / f"{made['version']}.sig").is_file() and published["digest"].startswith("sha256:")
    assert manifest["annotations"]["org.opencontainers.image.revision"] == made["commit"]
    # What both versions share is not sent again: version 2 sends its model, its golden answers, its metrics and its config.
    assert published["blobs_sent"] == (7 if number == 1 else 4)
    assert all(replayed(laptop))
    assert subprocess.run(["git", "status", "--porcelain"], cwd=laptop.root, check=True, capture_output=True).stdout == b""


@pytest.mark.parametrize(("number", "step", "reason"), [
    (3, "validate", "accuracy is 0.6"),
    (4, "unit", "1 of 7 failed: tests.unit.test_features test_column"),
])
def test_bad_versions_stop_before_they_are_packaged_and_say_why(laptop, version, number, step, reason):
    version(number)
    for before in ["environment", "train"] if step == "validate" else ["environment"]:
        assert laptop.run(before).returncode == 0
    done = laptop.run(step)
    assert done.returncode != 0
    assert f"mlops-pipeline: {step}: " in done.stdout and reason in done.stdout
    assert laptop.run("package").returncode != 0
    assert not (laptop.root / "build" / "package.json").exists()


def test_version_5_passes_everything_here_and_answers_differently_when_served(laptop, version):
    version(5)
    for step in STEPS:
        assert laptop.run(step).returncode == 0
    assert not all(replayed(laptop))
