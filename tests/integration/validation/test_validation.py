# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The validation plugin on real models in a real environment: what passes, what does not, and whether its reports say the same."""

from __future__ import annotations

import html
import json
import math
import re
import subprocess

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._package import parse_golden

EVERYTHING = {
    "metrics": [{"metric": "roc_auc", "min": 0.98, "confidence": 0.9}, {"metric": "accuracy", "min": 0.999, "slice": "mean_radius > 12 and mean_radius < 17"},
                {"metric": "log_loss", "max": 0.2}],
    "compare": {"metric": "roc_auc", "tolerance": 0.01},
    "robustness": [{"noise": 0.01, "min_unchanged": 0.95}, {"extreme": "finite"}, {"missing": "any"}],
    "latency": {"p50_ms": 1000, "p95_ms": 1000, "requests": 20},
    "schema": "project_data:GOOD",
}
LOOSE = {"metric": "accuracy", "min": 0.5}


def test_all_reports_say_the_same(validate, models):
    done = validate(**EVERYTHING)
    assert done.code == 1 and done.report["result"] == "fail"
    assert list(done.checks) == list(done.cases) == [
        "schema", "metric[roc_auc >= 0.98]", "metric[accuracy >= 0.999 | mean_radius > 12 and mean_radius < 17]", "metric[log_loss <= 0.2]",
        "compare[roc_auc]", "robustness[noise 1%]", "robustness[extreme]", "robustness[missing]", "latency[p50]", "latency[p95]", "golden"]
    failed = [name for name, check in done.checks.items() if check["result"] == "fail"]
    assert failed == ["metric[accuracy >= 0.999 | mean_radius > 12 and mean_radius < 17]"]
    assert done.report["counts"] == {"pass": 9, "fail": 1, "skip": 1}
    assert done.report["reasons"] == [done.checks[failed[0]]["reason"]]
    page = html.unescape(done.page)
    for name, check in done.checks.items():
        result, message = done.cases[name]
        assert result == check["result"]
        assert message in (None, check["reason"])
        assert f"<td>{name}</td><td>{check['reason']}</td>" in page and check["reason"] in done.output
    assert "<td>metric[roc_auc &gt;= 0.98]</td>" in done.page
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', done.page)
    assert len(sources) == 3 and {source[:22] for source in sources} == {"data:image/png;base64,"}
    # training's golden answers are kept
    assert (done.folder / "build/package/golden.json").read_bytes() == (models / "good/golden.json").read_bytes()


def test_without_production_a_comparison_is_visibly_skipped(validate):
    done = validate(compare={"metric": "accuracy"})
    assert done.code == 0 and done.report["result"] == "pass"
    assert done.cases["compare[accuracy]"] == ("skip", "no version in production to compare with")
    assert done.report["skipped"] == ["no version in production to compare with"] and done.report["counts"]["skip"] == 1
    assert "2 passed, 0 failed, 1 skipped" in done.page and "1 skipped" in done.output


def test_a_missed_threshold_tells_its_figure(validate, facts):
    done = validate("weak", metrics=[{"metric": "log_loss", "max": 0.2}, {"metric": "roc_auc", "min": 0.9999, "confidence": 0.9}])
    assert done.code == 1
    value = done.checks["metric[log_loss <= 0.2]"]["figures"]["value"]
    assert done.checks["metric[log_loss <= 0.2]"]["reason"] == f"log_loss is {value:.4g}, needed: at most 0.2"
    assert value > 2 * facts["good"]["log_loss"] and done.package("metrics.json")["log_loss"] == value
    assert re.fullmatch(r"roc_auc is 0\.\d+ \(90 % interval 0\.\d+ to [01][.\d]*\), needed: at least 0\.9999 at the lower end",
                        done.checks["metric[roc_auc >= 0.9999]"]["reason"])


def test_a_slice_counts_its_own_rows_only(validate, facts):
    done = validate(metrics=[{**LOOSE, "slice": "mean_radius > 13"}, {**LOOSE, "slice": "mean_radius > 1000"},
                             {"metric": "roc_auc", "min": 0.5, "slice": "mean_radius > 20"}])
    large = [(label, said) for label, said, radius in zip(facts["labels"], facts["said"], facts["mean_radius"]) if radius > 13]
    figures = done.checks["metric[accuracy >= 0.5 | mean_radius > 13]"]["figures"]
    assert 20 < figures["rows"] == len(large) < len(facts["labels"])
    assert figures["value"] == pytest.approx(sum(label == said for label, said in large) / len(large))
    # what cannot be computed does not pass
    giants = sum(radius > 20 for radius in facts["mean_radius"])
    assert done.report["reasons"] == [
        "accuracy cannot be computed: no rows; needed: at least 0.5, on slice mean_radius > 1000 (0 rows)",
        f"roc_auc cannot be computed: all rows have the label 0; needed: at least 0.5, on slice mean_radius > 20 ({giants} rows)"]


def test_with_confidence_the_end_of_the_interval_must_hold(validate, facts):
    value = facts["good"]["accuracy"]
    bound = round(value - 0.005, 4)
    done = validate(metrics=[{"metric": "accuracy", "min": bound}, {"metric": "accuracy", "min": bound + 1e-5, "confidence": 0.95},
                             {"metric": "accuracy", "min": 0.9, "confidence": 0.5}, {"metric": "log_loss", "max": 0.09, "confidence": 0.95}])
    plain, wide, narrow, loss = (check for name, check in done.checks.items() if name.startswith("metric"))
    assert [each["result"] for each in (plain, wide, narrow, loss)] == ["pass", "fail", "pass", "fail"]
    assert wide["figures"]["low"] < narrow["figures"]["low"] <= value <= narrow["figures"]["high"] < wide["figures"]["high"]
    assert loss["figures"]["value"] < 0.09 < loss["figures"]["high"]
    # of a share, the interval is about 1.96 standard errors wide on each side
    half = 1.96 * math.sqrt(value * (1 - value) / len(facts["labels"]))
    assert wide["figures"]["high"] - wide["figures"]["low"] == pytest.approx(2 * half, rel=0.3)


def test_worse_than_production_fails_equal_passes(validate, models):
    asked = [{"metric": "roc_auc", "confidence": 0.9}, {"metric": "log_loss", "tolerance": 0.05}, {"metric": "brier_score", "tolerance": 1}]
    worse = validate("weak", "--mlops-baseline", models / "good", compare=asked)
    assert worse.code == 1
    told = worse.checks["compare[log_loss]"]
    change = told["figures"]["production"] - told["figures"]["value"]
    assert told["figures"]["change"] == pytest.approx(change) and change < -0.1
    assert re.fullmatch(r"log_loss is 0\.\d+, in production 0\.\d+: worse by 0\.\d+, allowed: worse by at most 0\.05", told["reason"])
    assert worse.checks["compare[brier_score]"]["result"] == "pass"  # worse, but within the tolerance
    assert worse.checks["compare[roc_auc]"]["figures"]["low"] < 0
    same = validate("good", "--mlops-baseline", models / "good", compare=asked)
    assert same.code == 0
    figures = same.checks["compare[roc_auc]"]["figures"]
    assert (figures["change"], figures["low"], figures["high"]) == (0, 0, 0)
    assert ": no change (90 % interval: no change to no change), allowed: no worse at all" in same.checks["compare[roc_auc]"]["reason"]
    better = validate("good", "--mlops-baseline", models / "weak", compare=asked)
    assert better.code == 0 and better.checks["compare[log_loss]"]["figures"]["change"] == pytest.approx(-change)
    assert better.checks["metric[accuracy >= 0.5]"]["figures"]["production"] is not None


def test_a_version_in_production_that_cannot_be_asked_is_no_pass(validate, models):
    done = validate("good", "--mlops-baseline", models / "narrow", compare={"metric": "roc_auc"})
    assert done.code == 1
    assert "the version in production cannot be asked about these rows" in done.checks["compare[roc_auc]"]["reason"]


def test_golden_answers_of_the_estimator_find_a_forgotten_scaler(validate):
    done = validate("unscaled", metrics=[{"metric": "accuracy", "min": 0}])
    assert done.code == 1
    assert [name for name, check in done.checks.items() if check["result"] == "fail"] == ["golden"]
    assert re.match(r"model\.onnx does not answer as the trained model did: golden request 'two rows': output (label|probabilities)\[\d\]: expected \S+, got "
                    r"\S+ \(allowed: absolute 0\.0001, relative 0\.001\); 1 of 1 requests differ", done.checks["golden"]["reason"])


def test_without_golden_requests_of_training_they_are_written(validate):
    done = validate("good", golden=False)
    raw = (done.folder / "build/package/golden.json").read_bytes()
    requests = parse_golden(raw)
    assert [request.name[:14] for request in requests] == ["validated row "] * 3
    assert {request.outputs[0]["data"][0] for request in requests} == {0, 1}
    assert done.checks["golden"]["reason"].startswith("golden.json: 3 requests written")
    # another model: what an earlier validation wrote says nothing about it
    other = validate("weak", golden=False)
    assert other.code == 0 and (other.folder / "build/package/golden.json").read_bytes() != raw


def test_violations_of_the_schema_are_named(validate, facts):
    done = validate(schema="project_data:STRICT")
    assert done.code == 1
    found = {(each["column"], each["check"]): each for each in done.checks["schema"]["figures"]["violations"]}
    large = found["mean_radius", "in_range(5, 20)"]
    giants = sum(radius > 20 for radius in facts["mean_radius"])
    assert large["count"] == giants > 3 and all(float(value) > 20 for value in large["examples"]) and len(large["examples"]) == 3
    assert ("mean_age", "column_in_dataframe") in found and "column mean_age is missing" in done.checks["schema"]["reason"]
    assert f"column mean_radius: in_range(5, 20) does not hold for {giants} (for instance {', '.join(large['examples'])})" in done.checks["schema"]["reason"]


def test_robustness(validate):
    done = validate(robustness=[{"noise": 0.001, "min_unchanged": 0.98}, {"noise": 10, "min_unchanged": 0.98}, {"missing": "finite"}, {"extreme": "finite"}])
    results = {name: check["result"] for name, check in done.checks.items() if name.startswith("robustness")}
    assert results == {"robustness[noise 0.1%]": "pass", "robustness[noise 1000%]": "fail", "robustness[missing]": "fail", "robustness[extreme]": "pass"}
    assert done.checks["robustness[noise 1000%]"]["figures"]["unchanged"] < 0.9
    assert "a missing value in mean_radius: probabilities not finite (30 of 30 requests)" in done.checks["robustness[missing]"]["reason"]


def test_an_absurd_bound_on_latency_fails(validate):
    done = validate(latency=[{"p95_ms": 0.00001, "requests": 20}, {"p50_ms": 10_000, "rows": 500, "requests": 20}])
    assert [name for name, check in done.checks.items() if check["result"] == "fail"] == ["latency[p95]"]
    assert re.fullmatch(r"p95 is \S+ ms over 20 requests of one row, needed: at most 1e-05 ms", done.report["reasons"][0])
    assert done.checks["latency[p50, 500 rows]"]["figures"]["rows"] == 500


def test_the_same_seed_gives_the_same_package(validate, models):
    fields = {"metrics": [{"metric": "roc_auc", "min": 0.5, "confidence": 0.95}], "robustness": [{"noise": 1, "min_unchanged": 0.1}],
              "latency": {"p95_ms": 1000}}
    first = validate("good", golden=False, **fields)
    kept = [(first.folder / "build/package" / name).read_bytes() for name in ("metrics.json", "golden.json")]
    again = validate("good", "--mlops-baseline", models / "weak", golden=False, **fields)
    assert [(again.folder / "build/package" / name).read_bytes() for name in ("metrics.json", "golden.json")] == kept
    other = validate("good", golden=False, **fields, bootstrap={"resamples": 200, "seed": 1})
    for name in ("metric[roc_auc >= 0.5]", "robustness[noise 100%]"):
        assert other.checks[name]["figures"] != again.checks[name]["figures"]


def test_the_sites_thresholds_apply_as_well(validate, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"model": "m", "thresholds": [{"metric": "accuracy", "min": 0.9999}, {"metric": "roc_auc", "min": 0.9}]}))
    done = validate("good", "--mlops-policy", policy, metrics=[LOOSE, {"metric": "roc_auc", "min": 0.9}])
    assert done.code == 1
    assert [(name, check["result"], check["figures"]["origin"]) for name, check in done.checks.items() if name.startswith("metric")] == [
        ("metric[accuracy >= 0.9999, site policy]", "fail", "site policy"), ("metric[roc_auc >= 0.9, site policy]", "pass", "site policy"),
        ("metric[accuracy >= 0.5]", "pass", "project")]


@pytest.mark.parametrize(("model", "loader"), [("good", "cancer"), ("good", "array"), ("plants", "plants"), ("diabetes", "diabetes")])
def test_figures_are_those_of_scikit_learn(validate, facts, model, loader):
    expected = facts[model]
    lower = ("log_loss", "brier_score", "mean_absolute_error", "root_mean_squared_error")
    metrics = [{"metric": name, **({"max": 1000} if name in lower else {"min": -1000})} for name in expected]
    ask = {"ask": {"label": "variable"}} if model == "diabetes" else {}
    done = validate(model, metrics=metrics, data={"loader": f"project_data:{loader}"}, **ask)
    assert done.code == 0
    written = done.package("metrics.json")
    assert {name: written[name] for name in expected} == pytest.approx(expected, rel=1e-4)


UNFIT = [
    ({"data": {"loader": "project_data:nothing"}}, ".yml: data.loader: 'project_data:nothing' is not right: needed is a module and a name in it"),
    ({"data": {"loader": "project_data:broken"}}, "it raised RuntimeError: the share is not mounted"),
    ({"data": {"loader": "project_data:uneven"}}, "it returned 171 rows and labels of shape (170,)"),
    ({"schema": "project_data:cancer"}, "schema: 'project_data:cancer' is not right: needed is a pandera DataFrameSchema"),
    ({"metrics": [{**LOOSE, "slice": "radius > 3"}]}, ".yml: metrics[0].slice: 'radius > 3' is not right: needed is a pandas query on the columns"),
    ({"compare": [{"metric": "f1", "slice": "mean_radius >"}]}, ".yml: compare[0].slice: 'mean_radius >' is not right"),
    ({"ask": {"input": "rows"}}, "ask.input: 'rows' is not right: the model's inputs are features"),
    ({"ask": {"label": "class"}}, "ask.label: 'class' is not right: the model's outputs are label, probabilities"),
    ({"ask": {"probabilities": "scores"}, "metrics": [{"metric": "roc_auc", "min": 0}]}, "ask.probabilities: 'scores' is not right: needed is an output with"),
    ({"ask": {"classes": [0, 2]}}, "ask.classes: [0, 2] is not right: needed is a list of all labels: the data has also [1]"),
    ({"metrics": [LOOSE, {"metric": "r2", "min": 0}]}, "metrics: ['r2'] is not right: needed is either metrics of numbers or of classes"),
]


def test_what_does_not_fit_the_project_stops_before_any_check(project, project_python, environment):
    """Without pytest around it, which is tried below, and in one process: its start would be most of the time."""
    for number, (fields, _said) in enumerate(UNFIT):
        folder = project(**fields)
        (folder / "validation.yml").rename(folder / f"{number}.yml")
    script = ("from mlops_validation.config import ConfigError, load\nfrom mlops_validation.run import Validation\nfor number in range(%d):\n"
              "    try:\n        Validation(load(f'{number}.yml'))\n        print('nothing')\n    except ConfigError as error:\n        print(error)")
    done = subprocess.run([project_python, "-c", script % len(UNFIT)], cwd=folder, env=environment, text=True, check=True, stdout=subprocess.PIPE)
    print(done.stdout)
    lines = done.stdout.splitlines()
    assert len(lines) == len(UNFIT)
    assert [said for (_fields, said), line in zip(UNFIT, lines) if said not in line] == []


def test_bad_input_is_an_error_of_usage(validate):
    done = validate(metrics=[{"metric": "roc_auc", "max": 0.9}])
    assert done.code == 4 and not done.report and not (done.folder / "build/reports").exists()
    assert "ERROR: validation.yml: metrics[0].max: 0.9 is not right: needed is min: roc_auc is better when it is higher" in done.output
    assert not (done.folder / "build/package/metrics.json").exists()


def test_without_its_option_the_plugin_leaves_pytest_alone(project, project_python, environment):
    folder = project()
    (folder / "test_own.py").write_text("def test_own():\n    pass\n")
    done = subprocess.run([project_python, "-m", "pytest", "-p", "mlops_validation.plugin"], cwd=folder, env=environment, text=True, check=False,
                          stdout=subprocess.PIPE)
    assert done.returncode == 0 and "1 passed" in done.stdout and not (folder / "build/reports").exists()
