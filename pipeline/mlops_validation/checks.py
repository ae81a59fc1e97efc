# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verdicts: arrays in, pass or fail out, with a reason that a person reads. It knows no file, no model and no pytest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn import metrics as scores


class Verdict(NamedTuple):
    """passed: None when there was nothing to decide. figures: what was measured, as JSON holds it."""

    passed: bool | None
    reason: str
    figures: dict


class Answers(NamedTuple):
    """What a model said about rows: labels, one a row, and probabilities, one column a class, or None."""

    labels: Any
    probabilities: Any

    def of(self, rows):
        """The answers on some of the rows."""
        return Answers(self.labels[rows], None if self.probabilities is None else self.probabilities[rows])


def figure(metric, truth, answers, classes):
    """A metric as a number; NaN where the rows do not allow one (a single class, for instance). classes[1] is the positive of two."""
    if metric in ("r2", "mean_absolute_error", "root_mean_squared_error"):
        function = {"r2": scores.r2_score, "mean_absolute_error": scores.mean_absolute_error, "root_mean_squared_error": scores.root_mean_squared_error}[metric]
        return float(function(truth, answers.labels)) if len(truth) > 1 else float("nan")
    if metric in ("precision", "recall", "f1"):
        function = {"precision": scores.precision_score, "recall": scores.recall_score, "f1": scores.f1_score}[metric]
        # of two classes that of the positive one, of more the mean over all
        labels, average = (list(classes[1:]), "micro") if len(classes) == 2 else (list(classes), "macro")
        return float(function(truth, answers.labels, labels=labels, average=average, zero_division=0))
    if metric in ("accuracy", "balanced_accuracy", "matthews_correlation"):
        function = {"accuracy": scores.accuracy_score, "balanced_accuracy": scores.recall_score, "matthews_correlation": scores.matthews_corrcoef}[metric]
        # the recall of every class that is there: balanced_accuracy_score warns where an answer is of another class
        options = {"labels": np.unique(truth), "average": "macro", "zero_division": 0} if metric == "balanced_accuracy" else {}
        return float(function(truth, answers.labels, **options))
    return _of_probabilities(metric, truth, np.asarray(answers.probabilities, dtype=float), classes)


def _of_probabilities(metric, truth, probabilities, classes):
    if not np.isfinite(probabilities).all():
        return float("nan")
    if metric == "log_loss":
        # the digits of FP32 do not always sum to one, which log_loss warns of
        return float(scores.log_loss(truth, probabilities / probabilities.sum(axis=1, keepdims=True), labels=classes))
    one = (np.asarray(truth)[:, None] == np.asarray(classes)).astype(int)
    if len(classes) == 2:
        one, probabilities = one[:, 1], probabilities[:, 1]
    if metric == "brier_score":
        return float(((one - probabilities) ** 2).reshape(len(truth), -1).sum(axis=1).mean())
    if not (one.any(axis=0).all() and (1 - one).any(axis=0).all()):
        return float("nan")
    function = {"roc_auc": scores.roc_auc_score, "average_precision": scores.average_precision_score}[metric]
    return float(function(one, probabilities, average="macro"))


def interval(value_of, rows, confidence, resamples, seed):
    """Both ends of the percentile interval of value_of(row numbers) over resamples of the rows; None when more than 1 in 20 has no value."""
    random = np.random.default_rng(seed)
    values = np.array([value_of(random.integers(0, rows, rows)) for _number in range(resamples)])
    values = values[np.isfinite(values)]
    if len(values) < 0.95 * resamples:
        return None
    return tuple(float(end) for end in np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2]))


def threshold(wanted, truth, answers, classes, resamples, seed):
    """The verdict on a config.Metric; truth and answers are of the rows of its slice."""
    on = _on(wanted, len(truth))
    figures = {"metric": wanted.metric, "slice": wanted.slice, "rows": len(truth), "value": None, "low": None, "high": None, "confidence": wanted.confidence,
               "bound": wanted.bound, "direction": wanted.direction, "origin": wanted.origin}
    word, end = ("at least", "lower") if wanted.direction == "min" else ("at most", "upper")
    needed = f"needed: {word} {wanted.bound:g}{f' at the {end} end' if wanted.confidence else ''}{on}"
    value = figure(wanted.metric, truth, answers, classes) if len(truth) else float("nan")
    if not np.isfinite(value):
        return Verdict(False, f"{wanted.metric} cannot be computed: {_why(truth, answers)}; {needed}", figures)
    figures["value"] = decisive = value
    ends = ""
    if wanted.confidence:
        found = interval(lambda chosen: figure(wanted.metric, truth[chosen], answers.of(chosen), classes), len(truth), wanted.confidence, resamples, seed)
        if found is None:
            none = f"too many resamples have no value for an interval ({_why(truth, answers)})"
            return Verdict(False, f"{wanted.metric} is {digits(value)}, but {none}; {needed}", figures)
        figures["low"], figures["high"] = found
        decisive = found[0] if wanted.direction == "min" else found[1]
        ends = f" ({wanted.confidence * 100:g} % interval {digits(found[0], wanted.bound)} to {digits(found[1], wanted.bound)})"
    passed = decisive >= wanted.bound if wanted.direction == "min" else decisive <= wanted.bound
    return Verdict(bool(passed), f"{wanted.metric} is {digits(value, wanted.bound)}{ends}, {needed}", figures)


def comparison(wanted, truth, answers, production, classes, higher, resamples, seed):
    """The verdict on a config.Compare: both versions' answers on the same rows, resampled in pairs. higher: whether more is better."""
    on = _on(wanted, len(truth))
    value, before = ((figure(wanted.metric, truth, each, classes) if len(truth) else float("nan")) for each in (answers, production))
    figures = {"metric": wanted.metric, "slice": wanted.slice, "rows": len(truth), "value": finite(value), "production": finite(before), "change": None,
               "low": None, "high": None, "confidence": wanted.confidence, "tolerance": wanted.tolerance}
    if not (np.isfinite(value) and np.isfinite(before)):
        return Verdict(False, f"{wanted.metric} cannot be compared with the version in production: {_why(truth, answers)}{on}", figures)
    sign = 1 if higher else -1  # a change above 0 is for the better

    def change(chosen):
        return sign * (figure(wanted.metric, truth[chosen], answers.of(chosen), classes) - figure(wanted.metric, truth[chosen], production.of(chosen), classes))

    figures["change"] = decisive = sign * (value - before)
    ends = ""
    if wanted.confidence:
        found = interval(change, len(truth), wanted.confidence, resamples, seed)
        if found is None:
            return Verdict(False, f"{wanted.metric}: too many resamples have no value for an interval of the change ({_why(truth, answers)}){on}", figures)
        figures["low"], figures["high"] = found
        decisive = found[0]
        ends = f" ({wanted.confidence * 100:g} % interval: {_by(found[0])} to {_by(found[1])})"
    allowed = f"worse by at most {wanted.tolerance:g}" if wanted.tolerance else "no worse at all"
    reason = (f"{wanted.metric} is {digits(value, before)}, in production {digits(before, value)}: {_by(sign * (value - before))}{ends}, allowed: "
              f"{allowed}{' at the lower end' if wanted.confidence else ''}{on}")
    return Verdict(bool(decisive >= -wanted.tolerance), reason, figures)


def unchanged(wanted, before, after):
    """The verdict on a config.Noise: labels without and with noise."""
    share = float(np.mean(before == after))
    changed = int(np.sum(before != after))
    reason = (f"{share * 100:.4g} % of the labels stay ({changed} of {len(before)} change) under noise of {wanted.scale * 100:g} % of each feature's "
              f"deviation, needed: at least {wanted.min_unchanged * 100:g} %")
    return Verdict(share >= wanted.min_unchanged, reason, {"noise": wanted.scale, "unchanged": share, "rows": len(before), "bound": wanted.min_unchanged})


def odd(wanted, problems, asked):
    """The verdict on a config.Odd. problems: (feature, what went wrong); asked: number of requests."""
    value = "a missing value" if wanted.kind == "missing" else "an extreme value"
    figures = {"kind": wanted.kind, "requests": asked, "failed": len(problems), "answers": wanted.answers}
    needed = f"needed: {'an answer' if wanted.answers == 'any' else 'a finite answer'} each time"
    if not problems:
        return Verdict(True, f"{asked} requests with {value} in one feature were answered, {needed}", figures)
    feature, problem = problems[0]
    return Verdict(False, f"{value} in {feature}: {problem} ({len(problems)} of {asked} requests), {needed}", figures)


def quick(wanted, milliseconds):
    """The verdict on a config.Latency: the times of its requests."""
    p50, p95 = (float(value) for value in np.percentile(milliseconds, [50, 95]))
    value = p50 if wanted.percentile == 50 else p95
    rows = "one row" if wanted.rows == 1 else f"{wanted.rows} rows"
    reason = f"p{wanted.percentile} is {value:.3g} ms over {len(milliseconds)} requests of {rows}, needed: at most {wanted.bound:g} ms"
    return Verdict(value <= wanted.bound, reason, {"p50_ms": p50, "p95_ms": p95, "rows": wanted.rows, "requests": len(milliseconds), "bound": wanted.bound,
                                                   "percentile": wanted.percentile})


def violations(found, rows):
    """The verdict on the rows' schema. found: {(column, check): offending values}."""
    listed = [{"column": column, "check": check, "count": len(values), "examples": list(map(_plain, values[:3]))}
              for (column, check), values in found.items()]
    figures = {"rows": rows, "violations": listed}
    if not listed:
        return Verdict(True, f"{rows} rows are as the schema says", figures)
    told = "; ".join(f"column {each['column']} is missing" if each["check"] == "column_in_dataframe" else
                     f"column {each['column']}: {each['check']} does not hold for {each['count']} (for instance {', '.join(each['examples'])})"
                     for each in listed[:5])
    more = f"; and {len(listed) - 5} more" if len(listed) > 5 else ""
    return Verdict(False, f"{told}{more}", figures)


def golden_difference(expected, got, absolute, relative):
    """What is wrong with one output of a golden request, "" for nothing."""
    if list(got.shape) != list(expected.shape):
        return f"has the shape {list(got.shape)}, expected {list(expected.shape)}"
    if got.dtype.kind in "fiu" and expected.dtype.kind in "fiu":
        # written so that NaN, which compares with nothing, is wrong
        wrong = ~(np.abs(got.astype(float) - expected.astype(float)) <= absolute + relative * np.abs(expected.astype(float)))
    else:
        wrong = got != expected
    if not wrong.any():
        return ""
    place = int(np.flatnonzero(wrong.ravel())[0])
    return f"[{place}]: expected {expected.ravel()[place]}, got {got.ravel()[place]} (allowed: absolute {absolute:g}, relative {relative:g})"


def digits(value, beside=None):
    """Four digits, or as many as it takes to tell the value from the one that stands beside it."""
    for count in range(4, 17):
        text = f"{value:.{count}g}"
        if beside is None or value == beside or float(text) != float(f"{beside:.{count}g}"):
            break
    return text


def finite(value):
    """The value, or None for what JSON cannot hold."""
    return value if np.isfinite(value) else None


def _plain(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def _by(change):
    return f"{'better' if change > 0 else 'worse'} by {digits(abs(change))}" if change else "no change"


def _on(wanted, rows):
    return f", on slice {wanted.slice} ({rows} row{'' if rows == 1 else 's'})" if wanted.slice else ""


def _why(truth, answers):
    if not len(truth):
        return "no rows"
    if answers.probabilities is not None and not np.isfinite(answers.probabilities).all():
        return "some probabilities are not finite"
    if len(np.unique(truth)) == 1:
        return f"all rows have the label {truth[0]}"
    return f"{len(truth)} rows, with not every class among them"
