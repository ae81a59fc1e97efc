# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One validation: the project's data, the model, production's model, and each check as a name and a function. It knows no pytest."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from functools import cached_property

import numpy as np
import pandas as pd

from . import checks, config, report
from .checks import Verdict
from .config import ConfigError, ModelError
from .model import Model, one_line, read_golden, written_here

NO_PRODUCTION = "no version in production to compare with"


class Validation:
    """Everything that can be found wrong with the input is found while this is made: ConfigError, before any check runs."""

    def __init__(self, wanted):
        self.config = wanted
        folder = wanted.file.resolve().parent
        sys.path[:0] = [str(path) for path in (folder, folder / "src") if path.is_dir()]
        self.rows, self.truth = self._data()
        self.schema = self._imported("schema", wanted.schema) if wanted.schema else None
        if self.schema is not None and not callable(getattr(self.schema, "validate", None)):
            self._wrong("schema", wanted.schema, "a pandera DataFrameSchema or DataFrameModel")
        self.slices = {entry.slice: self._slice(entry) for entry in (*wanted.metrics, *wanted.compare) if entry.slice}
        self.numbers = {entry.metric for entry in (*wanted.metrics, *wanted.compare)} & set(config.NUMBERS)
        try:
            self.model = Model(wanted.model, wanted)
            self.answers = self.model.answers(self.rows)
        except ModelError as error:
            raise ConfigError(f"{wanted.file.name}: model: {error}") from error
        self.classes = self._classes()

    def _wrong(self, field, value, right):
        raise ConfigError(f"{self.config.file.name}: {field}: {config.shown(value)} is not right: needed is {right}")

    def _imported(self, field, name):
        module, _colon, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # the project's own code
            return self._wrong(field, name, f"a module and a name in it that can be imported from the project's folder "
                               f"({type(error).__name__}: {one_line(error)})")

    def _data(self):
        name = self.config.loader
        load = self._imported("data.loader", name)
        right = "a callable that returns (rows, labels)"
        try:
            rows, labels = load()
        except Exception as error:  # the project's own code
            return self._wrong("data.loader", name, f"{right}, but it raised {type(error).__name__}: {one_line(error)}")
        if not isinstance(rows, pd.DataFrame):
            rows = np.asarray(rows)
            if rows.ndim != 2:
                self._wrong("data.loader", name, f"{right}, rows being a DataFrame or an array of two dimensions, not of {rows.ndim}")
            rows = pd.DataFrame(rows, columns=[f"feature_{number}" for number in range(rows.shape[1])])
        labels = np.asarray(labels)
        if labels.shape != (len(rows),) or not len(rows):
            self._wrong("data.loader", name, f"{right}, one label a row and at least one row: it returned {len(rows)} rows and labels of shape {labels.shape}")
        return rows.reset_index(drop=True), labels

    def _slice(self, entry):
        try:
            return self.rows.query(entry.slice).index.to_numpy()
        except Exception as error:  # pandas raises what its parser, numexpr or Python raise
            raise ConfigError(f"{entry.where}.slice: {entry.slice!r} is not right: needed is a pandas query on the columns "
                              f"{config.shown(', '.join(map(str, self.rows.columns)))} ({one_line(error)})") from error

    def _classes(self):
        """The classes in the order of the probabilities' columns; empty for a model that answers numbers."""
        entries = (*self.config.metrics, *self.config.compare)
        if self.numbers:
            others = sorted({entry.metric for entry in entries} - set(config.NUMBERS))
            if others or any(isinstance(entry, config.Noise) for entry in self.config.robustness):
                self._wrong("metrics", sorted(self.numbers), "either metrics of numbers or of classes (robustness to noise counts labels that stay, which "
                            f"is of classes): {', '.join(others) or 'noise'} is of classes")
            return []
        classes = np.array(self.config.classes) if self.config.classes else np.unique(self.truth)
        for what, labels in (("the data", self.truth), ("the model", self.answers.labels)):
            if strange := sorted(set(labels.tolist()) - set(classes.tolist()), key=str):
                self._wrong("ask.classes", classes.tolist(), f"a list of all labels: {what} has also {config.shown(strange)}")
        if len(classes) < 2:
            self._wrong("ask.classes", classes.tolist(), "at least two labels: the data has only one, name both")
        asked = sorted({entry.metric for entry in entries} & set(config.PROBABILITIES))
        found = self.answers.probabilities
        if asked and (not isinstance(found, np.ndarray) or found.shape != (len(self.rows), len(classes))):
            shape = "no such output" if found is None else f"an output of shape {np.shape(found)}"
            self._wrong("ask.probabilities", self.config.probabilities, f"an output with one column for each of the labels {classes.tolist()}, which "
                        f"{', '.join(asked)} needs: the model has {shape}")
        return classes

    @cached_property
    def production(self):
        """(Answers of the version in production on the same rows, "") or (None, why there are none)."""
        if self.config.baseline is None:
            return None, NO_PRODUCTION
        try:
            answers = Model(self.config.baseline / "model.onnx", self.config).answers(self.rows)
        except ModelError as error:
            return None, one_line(error)
        if np.shape(answers.probabilities) != np.shape(self.answers.probabilities):
            return None, f"its probabilities have the shape {np.shape(answers.probabilities)}"
        return answers, ""

    def checks(self):
        """(name, function that returns a Verdict) of every check, in the order in which they are told."""
        wanted = self.config
        if wanted.schema:
            yield "schema", self._schema
        for entry in wanted.metrics:
            yield entry.name, lambda entry=entry: self._metric(entry)
        for entry in wanted.compare:
            yield entry.name, lambda entry=entry: self._compare(entry)
        for entry in wanted.robustness:
            yield entry.name, lambda entry=entry: self._noise(entry) if isinstance(entry, config.Noise) else self._odd(entry)
        for entry in wanted.latency:
            yield entry.name, lambda entry=entry: self._latency(entry)
        yield "golden", self._golden

    def _on(self, entry):
        return self.slices[entry.slice] if entry.slice else np.arange(len(self.rows))

    def _metric(self, entry):
        rows = self._on(entry)
        verdict = checks.threshold(entry, self.truth[rows], self.answers.of(rows), self.classes, self.config.resamples, self.config.seed)
        before = self.production[0]
        told = checks.figure(entry.metric, self.truth[rows], before.of(rows), self.classes) if before and len(rows) else float("nan")
        return verdict._replace(figures={**verdict.figures, "production": checks.finite(told)})

    def _compare(self, entry):
        answers, reason = self.production
        if reason == NO_PRODUCTION:
            return Verdict(None, NO_PRODUCTION, {"metric": entry.metric, "slice": entry.slice})
        if answers is None:
            return Verdict(False, f"the version in production cannot be asked about these rows: {reason}. When the model's inputs changed on purpose, take "
                           "compare out of validation.yml for this one release", {"metric": entry.metric, "slice": entry.slice})
        rows = self._on(entry)
        return checks.comparison(entry, self.truth[rows], self.answers.of(rows), answers.of(rows), self.classes, entry.metric in config.HIGHER,
                                 self.config.resamples, self.config.seed)

    def _noise(self, entry):
        random, noisy = np.random.default_rng(self.config.seed), self.rows.copy()
        for column in noisy.select_dtypes("floating"):
            noisy[column] = noisy[column] + random.normal(size=len(noisy)) * entry.scale * noisy[column].std(ddof=0)
        return checks.unchanged(entry, self.answers.labels, self.model.answers(noisy).labels)

    def _odd(self, entry):
        return checks.odd(entry, *self.model.odd_answers(self.rows, entry))

    @cached_property
    def times(self):
        """Milliseconds by (rows, requests), measured once for all bounds on them."""
        sizes = {(entry.rows, entry.requests) for entry in self.config.latency}
        return {(rows, requests): self.model.milliseconds(self.rows.take(np.arange(rows) % len(self.rows)), requests) for rows, requests in sorted(sizes)}

    def _latency(self, entry):
        return checks.quick(entry, self.times[entry.rows, entry.requests])

    def _schema(self):
        try:
            self.schema.validate(self.rows, lazy=True)
        except importlib.import_module("pandera.errors").SchemaErrors as error:  # a project without a schema needs no pandera
            found = {}
            for case in error.failure_cases.to_dict("records"):
                column = case["column"] if case["schema_context"] == "Column" and case["column"] is not None else case["failure_case"]
                found.setdefault((str(column), str(case["check"])), []).append(case["failure_case"])
            return checks.violations(found, len(self.rows))
        return checks.violations({}, len(self.rows))

    def _golden(self):
        file, model = self.config.package / "golden.json", self.config.model.name
        document = read_golden(file) if file.is_file() else None
        if document and not written_here(document):
            problems, total = self.model.golden_problems(document), len(document["requests"])
            figures = {"origin": "training", "requests": total, "failed": len(problems)}
            if problems:
                name, problem = problems[0]
                return Verdict(False, f"{model} does not answer as the trained model did: golden request {name!r}: {problem}; {len(problems)} of {total} "
                               "requests differ. Was a step, such as a scaler, left out of the export?", figures)
            return Verdict(True, f"{model} answers all {total} golden requests as the trained model did", figures)
        document = self.model.golden(self.rows, self.answers, self.config.golden)
        figures = {"origin": "validation", "requests": len(document["requests"]), "failed": 0}
        if not document["requests"]:
            return Verdict(False, "golden.json cannot be written: every row has a missing value", figures)
        try:
            text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
        except ValueError:
            return Verdict(False, "golden.json cannot be written: the model answers with what is not a finite number", figures)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return Verdict(True, f"golden.json: {len(document['requests'])} requests written with the answers of {model} (training wrote none)", figures)

    def write(self, found, passed, output):
        """The reports on what pytest found, and the package's metrics.json."""
        report.write(self, found, passed, output)

    def described(self):
        """What was validated."""
        wanted = self.config
        return {"model": os.path.relpath(wanted.model, wanted.file.resolve().parent),
                "sha256": hashlib.sha256(wanted.model.read_bytes()).hexdigest(), "rows": len(self.rows), "features": self.rows.shape[1],
                "classes": [each.item() if hasattr(each, "item") else each for each in self.classes], "seed": wanted.seed, "resamples": wanted.resamples,
                "production": wanted.baseline is not None}
