# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model as an ONNX file: how it is asked, how long that takes, and its golden requests. It knows no threshold and no report."""

from __future__ import annotations

import json
import time

import numpy as np
import onnxruntime

from .checks import Answers, golden_difference
from .config import ModelError

# ONNX type, numpy type, datatype of the Open Inference Protocol V2
TYPES = (("float", np.float32, "FP32"), ("double", np.float64, "FP64"), ("float16", np.float16, "FP16"), ("int64", np.int64, "INT64"),
         ("int32", np.int32, "INT32"), ("bool", np.bool_, "BOOL"), ("string", np.object_, "BYTES"))
NUMPY = {f"tensor({name})": kind for name, kind, _datatype in TYPES}
DATATYPE = {f"tensor({name})": datatype for name, _kind, datatype in TYPES}
BY_DATATYPE = {datatype: kind for _name, kind, datatype in TYPES}
WRITTEN_HERE = "validated row "  # how the names of golden requests begin that come from the ONNX file


class Model:
    """One ONNX file on one thread. Where it has one input, that gets all columns; where it has several, each gets the column of its name."""

    def __init__(self, file, config):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the same sums each time, and times that say something
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base
            raise ModelError(f"{file} cannot be loaded: {one_line(error)}") from error
        self.inputs = {each.name: each for each in self.session.get_inputs()}
        self.outputs = {each.name: each for each in self.session.get_outputs()}
        self.label, self.probabilities = config.label, config.probabilities
        if config.input and list(self.inputs) != [config.input]:
            raise ModelError(f"ask.input: {config.input!r} is not right: the model's inputs are {', '.join(self.inputs)}")
        if self.label not in self.outputs:
            raise ModelError(f"ask.label: {self.label!r} is not right: the model's outputs are {', '.join(self.outputs)}")
        for each in (*self.inputs.values(), *self.outputs.values()):
            if each.type not in NUMPY:
                raise ModelError(f"{each.name} is a {each.type}, which no client can ask for: export tensors (skl2onnx: options={{'zipmap': False}})")

    def feed(self, rows):
        """The tensors for a DataFrame of rows."""
        if len(self.inputs) == 1:
            (each,) = self.inputs.values()
            return {each.name: self._tensor(each, rows.to_numpy())}
        if missing := [name for name in self.inputs if name not in rows.columns]:
            raise ModelError(f"the model asks for {', '.join(missing)}, the rows have {', '.join(map(str, rows.columns))}")
        return {name: self._tensor(each, rows[name].to_numpy().reshape(-1, *[1] * (len(each.shape) - 1))) for name, each in self.inputs.items()}

    @staticmethod
    def _tensor(each, values):
        try:
            return np.ascontiguousarray(values.astype(NUMPY[each.type]))
        except (TypeError, ValueError) as error:
            raise ModelError(f"input {each.name}: the rows do not fit {each.type}: {one_line(error)}") from error

    def run(self, feed, names=None):
        """The outputs by name."""
        names = list(names or self.outputs)
        try:
            return dict(zip(names, self.session.run(names, feed)))
        except Exception as error:  # as above
            raise ModelError(one_line(error)) from error

    def answers(self, rows):
        """The Answers on a DataFrame of rows."""
        found = self.run(self.feed(rows))
        labels, probabilities = found[self.label], found.get(self.probabilities)
        if len(labels.ravel()) != len(rows):
            raise ModelError(f"output {self.label}: {len(labels.ravel())} values for {len(rows)} rows")
        return Answers(labels.ravel(), probabilities)

    def odd_answers(self, rows, wanted):
        """Asks about the first row with one feature after the other missing or extreme: (problems, number of requests)."""
        feed, problems, asked = self.feed(rows[:1]), [], 0
        for name, tensor in feed.items():
            for place in range(tensor.size):
                feature = rows.columns[place] if len(feed) == 1 and tensor.size == len(rows.columns) else name
                for value in _odd_values(tensor.dtype, wanted.kind):
                    changed = tensor.copy()
                    changed.ravel()[place] = value
                    asked += 1
                    if problem := self._problem({**feed, name: changed}, wanted.answers == "finite"):
                        problems.append((feature, problem))
        return problems, asked

    def _problem(self, feed, finite):
        try:
            found = self.run(feed)
        except ModelError as error:
            return f"no answer: {error}"
        strange = [name for name, values in found.items() if finite and values.dtype.kind == "f" and not np.isfinite(values).all()]
        return f"{', '.join(strange)} not finite" if strange else ""

    def milliseconds(self, rows, requests):
        """The times of so many requests of the rows, after some that are not counted."""
        feed, names, times = self.feed(rows), list(self.outputs), []
        for _number in range(requests + 10):
            start = time.perf_counter()
            self.session.run(names, feed)
            times.append((time.perf_counter() - start) * 1000)
        return times[10:]

    def golden(self, rows, answers, options):
        """A golden.json of what this file answers: one row of each label first, then rows spread over the data."""
        finite = [np.isfinite(values).reshape(len(rows), -1).all(axis=1) for values in self.feed(rows).values() if values.dtype.kind == "f"]
        whole = np.flatnonzero(np.all(finite, axis=0)).tolist() if finite else list(range(len(rows)))  # JSON has no NaN
        first = {answers.labels[number]: number for number in reversed(whole)}
        spread = [whole[int(place)] for place in np.linspace(0, len(whole) - 1, options["requests"])] if whole else []
        chosen = list(dict.fromkeys([*sorted(first.values()), *spread]))[:options["requests"]]
        return {"schema": 1, "requests": [self._golden_request(number, self.feed(rows[number:number + 1]), options) for number in chosen]}

    def _golden_request(self, number, feed, options):
        return {"name": f"{WRITTEN_HERE}{number}",
                "request": {"inputs": [_described(name, DATATYPE[self.inputs[name].type], values) for name, values in feed.items()]},
                "outputs": [_described(name, DATATYPE[self.outputs[name].type], values) for name, values in self.run(feed).items()],
                "tolerance": {"absolute": options["absolute"], "relative": options["relative"]}}

    def golden_problems(self, document):
        """[(name of the request, what differs)] for a golden.json that training wrote from the estimator itself."""
        problems = []
        for request in document["requests"]:
            allowed = {"absolute": 1e-6, "relative": 1e-4, **request.get("tolerance", {})}
            try:
                feed = {each["name"]: _array(each) for each in request["request"]["inputs"]}
                found = self.run(feed)
            except (ModelError, ValueError) as error:
                problems.append((request["name"], str(error)))
                continue
            for wanted in request["outputs"]:
                if wanted["name"] not in found:
                    problem = f"is missing, the model has {', '.join(found)}"
                else:
                    problem = golden_difference(_array(wanted), found[wanted["name"]], allowed["absolute"], allowed["relative"])
                if problem:
                    problems.append((request["name"], f"output {wanted['name']}{'' if problem.startswith('[') else ' '}{problem}"))
                    break
        return problems


def written_here(document):
    """Whether an earlier validation wrote this golden.json: then it says nothing about the model of today."""
    return all(str(request["name"]).startswith(WRITTEN_HERE) for request in document["requests"])


def read_golden(file):
    """The content of a golden.json; ModelError when it is not one. The strict check is made when the package is published."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        for request in document["requests"]:
            for tensor in (*request["request"]["inputs"], *request["outputs"]):
                _array(tensor)
            request["name"] = str(request["name"])
        return document
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{file.name} is not a list of golden requests as docs/packages.md describes it: {one_line(repr(error))}") from error


def _odd_values(dtype, kind):
    if dtype.kind == "f":
        return [np.nan] if kind == "missing" else [float(np.finfo(dtype).max) * 1e-4, float(np.finfo(dtype).min) * 1e-4]
    if dtype.kind in "iu":
        return [] if kind == "missing" else [np.iinfo(dtype).max, np.iinfo(dtype).min]
    if dtype.kind == "O":
        return [""] if kind == "missing" else ["x" * 10_000]
    return []


def _described(name, datatype, values):
    """An Open Inference Protocol V2 tensor, with the shortest digits that give the same number."""
    data = [float(str(value)) for value in values.ravel()] if values.dtype.kind == "f" else values.ravel().tolist()
    return {"name": name, "datatype": datatype, "shape": list(values.shape), "data": data}


def _array(tensor):
    return np.array(tensor["data"], dtype=BY_DATATYPE[tensor["datatype"]]).reshape(tensor["shape"])


def one_line(problem):
    """A message without line breaks."""
    return " ".join(str(problem).split())
