"""Golden answers: what counts as equal, and what a failed one is told."""

import json
import re

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._package import GoldenRequest
from ansible_collections.mlops.onprem.plugins.module_utils._probe import compare, report

NAN = float("nan")


def output(data, name="y", datatype="FP32", shape=None):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


def golden(outputs, absolute=0.1, relative=0.0):
    return GoldenRequest("one", {"inputs": []}, outputs, absolute, relative)


@pytest.mark.parametrize(
    "wanted, got, tolerance, reason",
    [
        ([output([1.0, 2.0])], [output([1.05, 1.95])], {}, None),
        ([output([1.0, 2.0])], [output([1.0, 2.2])], {}, r"output 'y'\[1\]: expected 2.0, got 2.2"),
        ([output([100.0])], [output([101.0])], {"relative": 0.01}, None),
        ([output([100.0])], [output([101.2])], {"relative": 0.01}, "expected 100.0, got 101.2"),
        ([output([0.0])], [output([0.2])], {"relative": 9.0}, "expected 0.0, got 0.2"),
        ([output([1.0])], [output([NAN])], {}, "got nan"),
        ([output([1.0])], [output([float("inf")])], {}, "got inf"),
        ([output([1.0])], [output([None])], {}, "got None"),
        ([output([1.0])], [output(["1.0"])], {}, "got '1.0'"),
        ([output([True], datatype="BOOL")], [output([1], datatype="BOOL")], {}, "expected True, got 1"),
        ([output(["a"], datatype="BYTES")], [output(["a"], datatype="BYTES")], {}, None),
        ([output(["a"], datatype="BYTES")], [output(["b"], datatype="BYTES")], {"absolute": 9.0}, "expected 'a', got 'b'"),
        ([output([1, 2])], [output([[1], [2]], shape=[2])], {}, None),
        ([output([1.0])], [], {}, "output 'y' is missing, the answer has none"),
        ([output([1.0])], [output([1.0], name="z")], {}, "output 'y' is missing, the answer has z"),
        ([output([1.0])], None, {}, "output 'y' is missing"),
        ([output([1.0])], ["y"], {}, "output 'y' is missing"),
        ([output([1.0])], [output([1.0], datatype="FP64")], {}, "datatype is 'FP64', expected 'FP32'"),
        ([output([1.0], shape=[1, 1])], [output([1.0])], {}, r"shape is \[1\], expected \[1, 1\]"),
        ([output([1.0, 2.0])], [output([1.0], shape=[2])], {}, "1 values, expected 2"),
        ([output([1.0])], [output([1.0]), output([5.0], name="extra")], {}, None),
    ],
)
def test_compare(wanted, got, tolerance, reason):
    verdict = compare(golden(wanted, **tolerance), got)
    if reason is None:
        assert verdict.passed, verdict.reason
    else:
        assert not verdict.passed and re.search(reason, verdict.reason), verdict.reason
    json.dumps(report([verdict]), allow_nan=False)


def test_the_worst_difference_is_named_though_another_failed_first():
    verdict = compare(golden([output([1.0, 2.0, 4.0])]), [output([1.5, 5.0, 4.0])])
    assert "'y'[0]" in verdict.reason
    assert verdict.worst == {"output": "y", "index": 1, "expected": 2.0, "got": 5.0}
    assert (verdict.max_absolute, verdict.max_relative) == (3.0, 1.5)


def test_a_probe_on_a_served_model(site):
    digest = site.store.publish("wine", "1", 3.0)
    site.release("1", digest)
    ask = site.probe
    assert report(ask())["passed"] == 1 and report(ask())["digest"] == digest
    assert report(ask(version="1", digest=digest))["reason"] is None
    assert "header x-model-version is '1', expected '2'" in report(ask(version="2"))["reason"]
    assert "header x-model-digest is" in report(ask(digest="sha256:0"))["reason"]
    assert "answered 503" in report(ask(model="beer"))["reason"]
    assert "'y'[0]: expected 4.0, got 3.0" in report(ask(golden=[output([4.0, 8.0])]))["reason"]
    site.stop_haproxy()
    assert "did not answer: Connection refused" in report(ask())["reason"]
    site.start_haproxy()
