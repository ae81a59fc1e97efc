# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The example is what its README says: repeatable, two good versions that share most bytes, and one that answers wrong when served."""

from __future__ import annotations

import json
import subprocess

import pytest

REPLAY = """
import json, sys
import numpy, onnxruntime
session, worst = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx"), 0.0
for request in json.load(open(sys.argv[1] + "/golden.json"))["requests"]:
    given = {i["name"]: numpy.array(i["data"], "float32").reshape(i["shape"]) for i in request["request"]["inputs"]}
    for wanted, got in zip(request["outputs"], session.run([o["name"] for o in request["outputs"]], given)):
        assert list(got.shape) == wanted["shape"] and str(got.dtype) == {"INT64": "int64", "FP32": "float32"}[wanted["datatype"]]
        worst = max(worst, float(abs(got.ravel() - numpy.array(wanted["data"])).max()))
print(worst)
"""


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_training_again_gives_the_same_bytes(train, trained, tmp_path):
    for version, folder in trained.items():
        assert content(train(version, tmp_path / version)) == content(folder)


@pytest.mark.parametrize(("version", "right"), [("1", True), ("2", True), ("bad", False)])
def test_golden_answers_are_those_of_the_good_versions_only(example_python, trained, version, right):
    worst = float(subprocess.run([example_python, "-c", REPLAY, trained[version]], check=True, capture_output=True, text=True).stdout)
    assert worst < 1e-6 if right else worst > 0.5


def test_the_good_versions_share_nine_tenths_of_their_bytes(trained):
    first, second = content(trained["1"]), content(trained["2"])
    shared = sum(len(data) for name, data in second.items() if first[name] == data)
    assert shared >= 0.9 * sum(map(len, second.values()))


def test_the_versions_are_models_worth_shipping(trained):
    for version in ("1", "2"):
        assert json.loads((trained[version] / "metrics.json").read_text())["accuracy"] >= 0.95
