# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What validation.yml and the site's policy may say, checked and with its defaults filled in. It knows no data and no model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

# Which way is better. What each one computes stands in checks.py.
HIGHER = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "matthews_correlation", "roc_auc", "average_precision", "r2")
LOWER = ("log_loss", "brier_score", "mean_absolute_error", "root_mean_squared_error")
NUMBERS = ("r2", "mean_absolute_error", "root_mean_squared_error")  # of models that answer numbers; all others are of models that answer classes
PROBABILITIES = ("roc_auc", "average_precision", "log_loss", "brier_score")
ANSWERS = ("any", "finite")
SITE = "site policy"


class ConfigError(Exception):
    """Bad input: names file, field, value and what would be right."""


class ModelError(Exception):
    """The model cannot be asked."""


class Metric(NamedTuple):
    """A bound on a figure; direction is "min" or "max", slice a pandas query or "", confidence a share or None, origin "project" or SITE."""

    metric: str
    direction: str
    bound: float
    slice: str
    confidence: float | None
    origin: str
    where: str

    @property
    def name(self):
        """What the check is called in every report."""
        sign = ">=" if self.direction == "min" else "<="
        return f"metric[{self.metric} {sign} {self.bound:g}{' | ' + self.slice if self.slice else ''}{', ' + SITE if self.origin == SITE else ''}]"


class Compare(NamedTuple):
    """How much worse than the version in production a figure may be."""

    metric: str
    tolerance: float
    slice: str
    confidence: float | None
    where: str

    @property
    def name(self):
        """What the check is called in every report."""
        return f"compare[{self.metric}{' | ' + self.slice if self.slice else ''}]"


class Noise(NamedTuple):
    """Noise of scale standard deviations of each feature: min_unchanged is the share of labels that stay."""

    scale: float
    min_unchanged: float

    @property
    def name(self):
        """What the check is called in every report."""
        return f"robustness[noise {self.scale * 100:g}%]"


class Odd(NamedTuple):
    """Values no training row had: kind is "missing" or "extreme", answers "any" or "finite"."""

    kind: str
    answers: str

    @property
    def name(self):
        """What the check is called in every report."""
        return f"robustness[{self.kind}]"


class Latency(NamedTuple):
    """A bound in milliseconds on a percentile of single requests of so many rows."""

    percentile: int
    bound: float
    rows: int
    requests: int

    @property
    def name(self):
        """What the check is called in every report."""
        return f"latency[p{self.percentile}{f', {self.rows} rows' if self.rows > 1 else ''}]"


class Config(NamedTuple):
    """All of it. input, label, probabilities: the model's names; golden: requests, absolute, relative; baseline: folder or None."""

    file: Path
    loader: str
    model: Path
    package: Path
    baseline: Path | None
    input: str
    label: str
    probabilities: str
    classes: list | None
    metrics: list
    compare: list
    robustness: list
    latency: list
    schema: str
    golden: dict
    seed: int
    resamples: int


class Reader:
    """Fields of one mapping of a file. It remembers what was taken, so that done() finds the misspelt ones."""

    def __init__(self, file, where, value):
        self.file, self.where, self.left = file, where, value
        if not isinstance(value, dict):
            self.wrong("", value, "a mapping of fields")
        self.left = dict(value)
        self.known = []

    def wrong(self, name, value, right):
        """Bad input."""
        place = ".".join(part for part in (self.where, name) if part) or "the file"
        raise ConfigError(f"{self.file}: {place}: {shown(value)} is not right: needed is {right}")

    def take(self, name, right, fits, default=None, required=False) -> Any:
        """The value of a field for which fits(value) holds."""
        self.known.append(name)
        if name not in self.left:
            if required:
                raise ConfigError(f"{self.file}: {'.'.join(filter(None, (self.where, name)))}: is missing: needed is {right}")
            return default
        value = self.left.pop(name)
        if not fits(value):
            self.wrong(name, value, right)
        return value

    def text(self, name, right="a text", pattern=r".*\S.*", **options):
        """A text of one line."""
        return self.take(name, right, lambda value: isinstance(value, str) and re.fullmatch(pattern, value.strip()), **options)

    def number(self, name, right, low=float("-inf"), high=float("inf"), **options):
        """A number of the closed range."""
        return self.take(name, right, lambda value: is_number(value) and low <= value <= high, **options)

    def count(self, name, low, high, **options):
        """A whole number of the closed range."""
        return self.take(name, f"a whole number from {low} to {high}",
                         lambda value: isinstance(value, int) and is_number(value) and low <= value <= high, **options)

    def choice(self, name, values, **options):
        """One of the values."""
        return self.take(name, f"one of {', '.join(values)}", lambda value: isinstance(value, str) and value in values, **options)

    def inside(self, name):
        """The Reader of a mapping, an empty one when the field is not there."""
        return Reader(self.file, ".".join(filter(None, (self.where, name))), self.take(name, "a mapping", lambda value: True, default={}))

    def entries(self, name):
        """Readers of a list of mappings; a single mapping is a list of one."""
        value = self.take(name, "a list of mappings", lambda value: isinstance(value, (list, dict)), default=[])
        place = ".".join(filter(None, (self.where, name)))
        if isinstance(value, dict):
            return [Reader(self.file, place, value)]
        return [Reader(self.file, f"{place}[{number}]", entry) for number, entry in enumerate(value)]

    def done(self):
        """No field is left that nobody asked for."""
        for name, value in self.left.items():
            self.wrong(str(name), value, f"one of the fields {', '.join(self.known)}")


def is_number(value):
    """A finite number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def shown(value):
    """A value, short enough for a line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:80] + "..."


def load(file, policy=None, package="build/package", baseline=None):
    """The Config of a validation.yml with the thresholds of a policy file; ConfigError when anything in them is wrong."""
    file, package = Path(file), Path(package)
    top = Reader(file.name, "", _parsed(file, yaml.safe_load, yaml.YAMLError))
    data = top.inside("data")
    loader = _function(data, "loader", "breast_cancer.data:holdout", required=True)
    data.done()
    model = top.text("model", "the path of an ONNX file")
    ask = top.inside("ask")
    asked = {"input": ask.text("input", "the name of the model's input", default=""), "label": ask.text("label", "the name of an output", default="label"),
             "probabilities": ask.text("probabilities", "the name of an output", default="probabilities"),
             "classes": ask.take("classes", "a list of at least two labels, in the order of the probabilities' columns",
                                 lambda value: isinstance(value, list) and len(value) > 1)}
    ask.done()
    metrics = [_metric(entry, "project") for entry in top.entries("metrics")]
    metrics = _once(metrics, file.name)
    if policy:
        metrics = _with_policy(metrics, Path(policy))
    compare = _once([_compare(entry) for entry in top.entries("compare")], file.name)
    robustness = _once([_robustness(entry) for entry in top.entries("robustness")], file.name)
    latency = _once([bound for entry in top.entries("latency") for bound in _latency(entry)], file.name)
    schema = _function(top, "schema", "breast_cancer.schema:rows")
    golden = _golden(top.inside("golden"))
    bootstrap = top.inside("bootstrap")
    drawn = {"seed": bootstrap.count("seed", 0, 2**32 - 1, default=0), "resamples": bootstrap.count("resamples", 100, 100_000, default=1000)}
    bootstrap.done()
    top.done()
    if not metrics:
        raise ConfigError(f"{file.name}: metrics: is missing or empty: needed is at least one entry such as {{metric: accuracy, min: 0.9}}")
    folder = file.resolve().parent
    model = folder / model if model else package / "model.onnx"
    for what, path in (("model", model), ("--mlops-baseline", baseline and Path(baseline) / "model.onnx")):
        if path and not path.is_file():
            raise ConfigError(f"{file.name}: {what}: {str(path)!r} is not right: needed is an ONNX file that is there")
    return Config(file=file, loader=loader, model=model, package=package, baseline=Path(baseline) if baseline else None, **asked, metrics=metrics,
                  compare=compare, robustness=robustness, latency=latency, schema=schema or "", golden=golden, **drawn)


def _parsed(file, parse, error):
    try:
        return parse(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{file}: cannot be read: {problem.strerror}") from problem
    except (error, UnicodeDecodeError) as problem:
        raise ConfigError(f"{file}: cannot be understood: {' '.join(str(problem).split())}") from problem


def _function(reader, name, example, **options):
    return reader.text(name, f"module:name, for instance {example}", r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", **options)


def _slice(entry):
    return " ".join(entry.text("slice", "a pandas query on the rows, for instance mean_radius > 15", default="", pattern=r"(?s).*\S.*").split())


def _confidence(entry):
    return entry.number("confidence", "a share from 0.5 to 0.999, for instance 0.95", 0.5, 0.999)


def _metric(entry, origin):
    metric = entry.choice("metric", HIGHER + LOWER, required=True)
    direction, better = ("min", "higher") if metric in HIGHER else ("max", "lower")
    other = "max" if direction == "min" else "min"
    if other in entry.left:
        entry.wrong(other, entry.left[other], f"{direction}: {metric} is better when it is {better}")
    bound = entry.number(direction, f"a number, the {'least' if direction == 'min' else 'most'} that {metric} may be", required=True)
    made = Metric(metric, direction, bound, _slice(entry), _confidence(entry), origin, f"{entry.file}: {entry.where}")
    entry.done()
    return made


def _compare(entry):
    made = Compare(entry.choice("metric", HIGHER + LOWER, required=True), entry.number("tolerance", "a number from 0 up", 0, default=0), _slice(entry),
                   _confidence(entry), f"{entry.file}: {entry.where}")
    entry.done()
    return made


def _robustness(entry):
    kinds = [kind for kind in ("noise", "missing", "extreme") if kind in entry.left]
    if len(kinds) != 1:
        entry.wrong("", entry.left, "exactly one of noise, missing, extreme")
    if kinds == ["noise"]:
        made = Noise(entry.number("noise", "a share of each feature's standard deviation above 0, up to 10", 1e-9, 10),
                     entry.number("min_unchanged", "the least share of labels that stay, from 0 to 1", 0, 1, required=True))
    else:
        made = Odd(kinds[0], entry.choice(kinds[0], ANSWERS))
    entry.done()
    return made


def _latency(entry):
    rows, requests = entry.count("rows", 1, 100_000, default=1), entry.count("requests", 20, 100_000, default=200)
    bounds = {percentile: entry.number(f"p{percentile}_ms", "milliseconds above 0", 1e-6) for percentile in (50, 95)}
    entry.done()
    if not any(bounds.values()):
        entry.wrong("", {}, "p50_ms or p95_ms, a bound in milliseconds")
    return [Latency(percentile, bound, rows, requests) for percentile, bound in bounds.items() if bound]


def _golden(reader):
    tolerance = reader.inside("tolerance")
    made = {"requests": reader.count("requests", 1, 100, default=3), "absolute": tolerance.number("absolute", "a number from 0 up", 0, default=1e-5),
            "relative": tolerance.number("relative", "a number from 0 up", 0, default=1e-4)}
    tolerance.done()
    reader.done()
    return made


def _with_policy(metrics, policy):
    """The site's thresholds first; what the project repeats word for word is shown once, as the site's."""
    content = _parsed(policy, json.loads, ValueError)
    if not isinstance(content, dict):
        raise ConfigError(f"{policy.name}: {shown(content)} is not right: needed is a JSON object")
    top = Reader(policy.name, "", {"thresholds": content.get("thresholds") or []})
    asked = _once([_metric(entry, SITE) for entry in top.entries("thresholds")], policy.name)
    same = {entry[:5] for entry in asked}
    return asked + [entry for entry in metrics if entry[:5] not in same]


def _once(entries, file):
    seen = {}
    for entry in entries:
        if entry.name in seen:
            raise ConfigError(f"{getattr(entry, 'where', file)}: {entry.name} is there twice: needed is one entry for it")
        seen[entry.name] = entry
    return entries
