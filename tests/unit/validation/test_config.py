# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What validation.yml and the policy may say: each bad field is named with its value and what would be right, and the defaults are as documented."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.onprem.pipeline.mlops_validation import config

ROOT = Path(__file__).resolve().parents[3]
RIGHT = {"data": {"loader": "a.b:c"}, "metrics": [{"metric": "roc_auc", "min": 0.9}]}


@pytest.fixture
def load(tmp_path):
    """load(document or text, policy=None) is the Config."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package/model.onnx").touch()

    def run(content, policy=None, **options):
        file = tmp_path / "validation.yml"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        if isinstance(policy, Path):
            options["policy"] = policy
        elif policy is not None:
            (tmp_path / "policy.json").write_text(policy if isinstance(policy, str) else json.dumps(policy))
            options["policy"] = tmp_path / "policy.json"
        return config.load(file, package=tmp_path / "package", **options)
    return run


@pytest.mark.parametrize(("wrong", "said"), [
    ("metrics: [", "cannot be understood: while parsing"),
    ("[]", "validation.yml: the file: [] is not right: needed is a mapping of fields"),
    ({"data": None}, "validation.yml: data: None is not right: needed is a mapping of fields"),
    ({"data": {}}, "data.loader: is missing: needed is module:name, for instance breast_cancer.data:holdout"),
    ({"data": {"loader": "a.b.c"}}, "data.loader: 'a.b.c' is not right: needed is module:name"),
    ({"data": {"loader": "a:b", "rows": 3}}, "data.rows: 3 is not right: needed is one of the fields loader"),
    ({"model": 3}, "model: 3 is not right: needed is the path of an ONNX file"),
    ({"model": "gone.onnx"}, "gone.onnx' is not right: needed is an ONNX file that is there"),
    ({"ask": {"input": 1}}, "ask.input: 1 is not right: needed is the name of the model's input"),
    ({"ask": {"label": []}}, "ask.label: [] is not right: needed is the name of an output"),
    ({"ask": {"probabilities": ""}}, "ask.probabilities: '' is not right: needed is the name of an output"),
    ({"ask": {"classes": [1]}}, "ask.classes: [1] is not right: needed is a list of at least two labels"),
    ({"ask": {"output": "x"}}, "ask.output: 'x' is not right: needed is one of the fields input, label, probabilities, classes"),
    ({"metrics": []}, "metrics: is missing or empty: needed is at least one entry"),
    ({"metrics": 3}, "metrics: 3 is not right: needed is a list of mappings"),
    ({"metrics": ["roc_auc"]}, "metrics[0]: 'roc_auc' is not right: needed is a mapping of fields"),
    ({"metrics": [{"metric": "auc", "min": 1}]}, "metrics[0].metric: 'auc' is not right: needed is one of accuracy, balanced_accuracy"),
    ({"metrics": [{"metric": "roc_auc"}]}, "metrics[0].min: is missing: needed is a number, the least that roc_auc may be"),
    ({"metrics": [{"metric": "roc_auc", "min": True}]}, "metrics[0].min: True is not right: needed is a number"),
    ({"metrics": [{"metric": "roc_auc", "min": float("nan")}]}, "metrics[0].min: nan is not right: needed is a number"),
    ({"metrics": [{"metric": "log_loss", "min": 1}]}, "metrics[0].min: 1 is not right: needed is max: log_loss is better when it is lower"),
    ({"metrics": [{"metric": "roc_auc", "min": 0.5, "confidence": 95}]}, "metrics[0].confidence: 95 is not right: needed is a share from 0.5 to 0.999"),
    ({"metrics": [{"metric": "roc_auc", "min": 0.5, "slice": 5}]}, "metrics[0].slice: 5 is not right: needed is a pandas query"),
    ({"metrics": [{"metric": "roc_auc", "min": 0.5, "weight": 5}]}, "metrics[0].weight: 5 is not right: needed is one of the fields metric, min, slice"),
    ({"metrics": [{"metric": "f1", "min": 0.5}] * 2}, "validation.yml: metrics[1]: metric[f1 >= 0.5] is there twice"),
    ({"compare": [{"metric": "f1", "tolerance": -1}]}, "compare[0].tolerance: -1 is not right: needed is a number from 0 up"),
    ({"compare": {"tolerance": 1}}, "compare.metric: is missing: needed is one of accuracy"),
    ({"robustness": [{"min_unchanged": 1}]}, "robustness[0]: {'min_unchanged': 1} is not right: needed is exactly one of noise, missing, extreme"),
    ({"robustness": [{"noise": 0, "min_unchanged": 1}]}, "robustness[0].noise: 0 is not right: needed is a share of each feature's standard deviation"),
    ({"robustness": [{"noise": 0.1}]}, "robustness[0].min_unchanged: is missing: needed is the least share of labels that stay"),
    ({"robustness": [{"noise": 0.1, "min_unchanged": 99}]}, "robustness[0].min_unchanged: 99 is not right"),
    ({"robustness": [{"missing": True}]}, "robustness[0].missing: True is not right: needed is one of any, finite"),
    ({"latency": {"rows": 1}}, "latency: {} is not right: needed is p50_ms or p95_ms"),
    ({"latency": {"p95_ms": 0}}, "latency.p95_ms: 0 is not right: needed is milliseconds above 0"),
    ({"latency": {"p95_ms": 5, "rows": 0}}, "latency.rows: 0 is not right: needed is a whole number from 1"),
    ({"latency": [{"p95_ms": 5, "requests": 2.5}]}, "latency[0].requests: 2.5 is not right: needed is a whole number from 20"),
    ({"schema": "rows.yml"}, "schema: 'rows.yml' is not right: needed is module:name"),
    ({"golden": {"requests": 0}}, "golden.requests: 0 is not right: needed is a whole number from 1 to 100"),
    ({"golden": {"tolerance": {"absolute": "1"}}}, "golden.tolerance.absolute: '1' is not right: needed is a number from 0 up"),
    ({"golden": {"tolerance": {"abs": 1}}}, "golden.tolerance.abs: 1 is not right: needed is one of the fields absolute, relative"),
    ({"bootstrap": {"resamples": 10}}, "bootstrap.resamples: 10 is not right: needed is a whole number from 100"),
    ({"bootstrap": {"seed": -1}}, "bootstrap.seed: -1 is not right"),
    ({"thresholds": []}, "thresholds: [] is not right: needed is one of the fields data, model"),
])
def test_each_bad_field_is_named(load, wrong, said):
    with pytest.raises(config.ConfigError) as raised:
        load(wrong if isinstance(wrong, str) else {**RIGHT, **wrong})
    assert said in str(raised.value) and "\n" not in str(raised.value) and "validation.yml" in str(raised.value)


@pytest.mark.parametrize(("policy", "said"), [
    ("{", "cannot be understood"),
    ("[]", "policy.json: [] is not right: needed is a JSON object"),
    ({"thresholds": [{"metric": "f1", "max": 1}]}, "policy.json: thresholds[0].max: 1 is not right: needed is min: f1 is better when it is higher"),
])
def test_a_bad_policy_is_named(load, policy, said):
    with pytest.raises(config.ConfigError) as raised:
        load(RIGHT, policy)
    assert said in str(raised.value)


@pytest.mark.parametrize(("options", "said"), [
    ({"policy": Path("gone.json")}, "gone.json: cannot be read: No such file"),
    ({"baseline": "gone"}, "--mlops-baseline: 'gone/model.onnx' is not right: needed is an ONNX file that is there"),
])
def test_a_file_that_is_named_must_be_there(load, options, said):
    with pytest.raises(config.ConfigError) as raised:
        load(RIGHT, **options)
    assert said in str(raised.value)


def test_without_a_policy_or_with_an_empty_one_the_projects_thresholds_stand(load):
    assert [entry.name for entry in load(RIGHT).metrics] == [entry.name for entry in load(RIGHT, {"model": "a"}).metrics] == ["metric[roc_auc >= 0.9]"]


def test_a_project_may_be_stricter_but_not_laxer(load):
    """A laxer bound of its own takes nothing from the site's."""
    found = load({**RIGHT, "metrics": [{"metric": "f1", "min": 0.1}, {"metric": "roc_auc", "min": 0.99}]},
                 {"thresholds": [{"metric": "f1", "min": 0.8}, {"metric": "roc_auc", "min": 0.9}]})
    assert {entry.name for entry in found.metrics} == {"metric[f1 >= 0.8, site policy]", "metric[roc_auc >= 0.9, site policy]", "metric[f1 >= 0.1]",
                                                       "metric[roc_auc >= 0.99]"}


def test_defaults(load):
    found = load({**RIGHT, "latency": {"p95_ms": 5}, "compare": {"metric": "f1"}, "golden": {}})
    assert (found.seed, found.resamples) == (0, 1000)
    assert (found.input, found.label, found.probabilities, found.classes) == ("", "label", "probabilities", None)
    assert found.golden == {"requests": 3, "absolute": 1e-5, "relative": 1e-4}
    assert found.latency[0][1:] == (5, 1, 200)
    assert found.compare[0].tolerance == 0 and found.compare[0].confidence is None
    assert found.model.name == "model.onnx" and found.model.parent.name == "package"


def test_the_documented_example_is_right(load):
    """Every field of docs/validation.md is known, and every field is in it."""
    text = (ROOT / "docs/validation.md").read_text(encoding="utf-8")
    example = text.partition("<!-- example -->")[2].partition("\n\n    ")[2].partition("\n\n<!--")[0]
    document = yaml.safe_load("    " + example)
    found = load({**document, "model": "package/model.onnx"})
    assert set(document) == {"data", "model", "ask", "metrics", "compare", "robustness", "latency", "schema", "golden", "bootstrap"}
    assert len(found.metrics) == 3 and len(found.latency) == 3
    for metric in config.HIGHER + config.LOWER:
        assert f"`{metric}`" in text
