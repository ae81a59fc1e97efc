# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a served model its golden requests and compares the answers. Knows the Open Inference Protocol V2; knows no release and no slot."""

from __future__ import annotations

import math
from typing import NamedTuple

from ansible_collections.mlops.onprem.plugins.module_utils._errors import ServiceError, one_line
from ansible_collections.mlops.onprem.plugins.module_utils._package import values_of


class Verdict(NamedTuple):
    """How one golden request went. reason: None when it passed. max_absolute, max_relative: the largest differences over its numbers;
    worst: output, index, expected and got where the absolute difference is largest. version, digest: what the answer's headers named."""

    name: str
    reason: str | None
    max_absolute: float = 0.0
    max_relative: float = 0.0
    worst: dict | None = None
    version: str | None = None
    digest: str | None = None

    @property
    def passed(self):
        return self.reason is None


def probe(source, model, golden, version=None, digest=None):
    """Sends every golden request to source (`_fetch.Source`) and returns a Verdict for each.

    version and digest: what the answers must name in the body and the headers x-model-version and x-model-digest; None for no matter.
    """
    return [_ask(source, model, request, version, digest) for request in golden]


def _ask(source, model, request, version, digest):
    try:
        answer = source.call("POST", f"v2/models/{model}/infer", request.request)
    except ServiceError as error:
        return Verdict(request.name, str(error))
    if answer.status != 200:
        return Verdict(request.name, f"answered {answer.status}: {one_line(answer.body.decode(errors='replace')) or 'nothing'}")
    body = answer.json()
    body = body if isinstance(body, dict) else {}
    named = (
        ("header x-model-version", version, answer.headers.get("x-model-version")),
        ("model_version", version, body.get("model_version")),
        ("header x-model-digest", digest, answer.headers.get("x-model-digest")),
    )
    for what, expected, got in named:
        if expected and got != expected:
            return Verdict(request.name, f"{what} is {got!r}, expected {expected!r}")
    return compare(request, body.get("outputs"))._replace(version=answer.headers.get("x-model-version"), digest=answer.headers.get("x-model-digest"))


def compare(request, outputs):
    """The Verdict on the outputs of an answer: every golden output must be there, of its type and shape, each value within
    absolute + relative * |expected|."""
    found = {output.get("name"): output for output in outputs if isinstance(output, dict)} if isinstance(outputs, list) else {}
    reason, most_absolute, most_relative, worst = None, 0.0, 0.0, None
    for wanted in request.outputs:
        got = found.get(wanted["name"])
        if got is None:
            return Verdict(request.name, f"output {wanted['name']!r} is missing, the answer has {', '.join(map(str, found)) or 'none'}")
        for field in ("datatype", "shape"):
            if got.get(field) != wanted[field]:
                return Verdict(request.name, f"output {wanted['name']!r}: {field} is {got.get(field)!r}, expected {wanted[field]!r}")
        expected_values, got_values = values_of(wanted["data"]), values_of(got.get("data"))
        if len(expected_values) != len(got_values):
            return Verdict(request.name, f"output {wanted['name']!r}: {len(got_values)} values, expected {len(expected_values)}")
        for index, (expected, value) in enumerate(zip(expected_values, got_values)):
            absolute, relative = difference(expected, value)
            most_relative = max(most_relative, relative)
            if absolute > most_absolute or worst is None:
                got_text = value if finite(value) is value else str(value)
                most_absolute, worst = max(most_absolute, absolute), {"output": wanted["name"], "index": index, "expected": expected, "got": got_text}
            # written so that NaN, which compares with nothing, fails
            if reason is None and not absolute <= request.absolute + request.relative * size_of(expected):
                allowed = f"absolute {request.absolute}, relative {request.relative}"
                reason = f"output {wanted['name']!r}[{index}]: expected {expected!r}, got {value!r} ({allowed})"
    return Verdict(request.name, reason, most_absolute, most_relative, worst)


def difference(expected, value):
    """(absolute, relative) difference of two values; anything but two numbers is equal (0) or infinitely far."""
    if not (is_number(expected) and is_number(value)):
        return (0.0, 0.0) if type(expected) is type(value) and expected == value else (float("inf"), float("inf"))
    absolute = abs(value - expected)
    return float(absolute), float(absolute / abs(expected)) if expected else 0.0


def size_of(expected):
    return abs(expected) if is_number(expected) else 0.0


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def report(verdicts):
    """The result of a module: counts, largest differences, one entry a request, and why it failed (None when all passed)."""
    failed = [verdict for verdict in verdicts if not verdict.passed]
    reason = f"golden request {failed[0].name!r}: {failed[0].reason} ({len(failed)} of {len(verdicts)} failed)" if failed else None
    return {
        "total": len(verdicts),
        "passed": len(verdicts) - len(failed),
        "max_absolute": finite(max((verdict.max_absolute for verdict in verdicts), default=0.0)),
        "max_relative": finite(max((verdict.max_relative for verdict in verdicts), default=0.0)),
        "version": _common(verdict.version for verdict in verdicts),
        "digest": _common(verdict.digest for verdict in verdicts),
        "requests": [_shown(verdict) for verdict in verdicts],
        "reason": reason,
    }


def _shown(verdict):
    differences = {name: finite(getattr(verdict, name)) for name in ("max_absolute", "max_relative")}
    return {"name": verdict.name, "passed": verdict.passed, "reason": verdict.reason, "worst": verdict.worst, **differences}


def _common(values):
    """The one value that all are, else None."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def finite(value):
    """The value, or None for a number that JSON cannot hold."""
    return value if not isinstance(value, float) or math.isfinite(value) else None
