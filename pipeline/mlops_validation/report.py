# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""validation.json, validation.html and metrics.json from the results. It decides nothing and knows no pytest."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

# What differs from run to run, or with what is in production, would make two packages of one model.
NOT_OF_THE_MODEL = ("latency", "compare")


def write(validation, found, passed, output):
    """All three files."""
    package = validation.config.package
    counts = {name: sum(each["result"] == name for each in found) for name in ("pass", "fail", "skip")}
    document = {"schema": 1, "result": "pass" if passed else "fail", "counts": counts, **validation.described(),
                "reasons": [each["reason"] for each in found if each["result"] == "fail"],
                "skipped": [each["reason"] for each in found if each["result"] == "skip"], "checks": found}
    output.mkdir(parents=True, exist_ok=True)
    _write_json(output / "validation.json", document)
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.get_template("report.html.j2").render(document=document, plots=plots(validation, found))
    (output / "validation.html").write_text(page, encoding="utf-8")
    package.mkdir(parents=True, exist_ok=True)
    _write_json(package / "metrics.json", metrics(validation, found))


def metrics(validation, found):
    """The figures of the model alone: metrics on all rows by name, and each check's figures."""
    kept = [each for each in found if each["kind"] not in NOT_OF_THE_MODEL]
    told = [each["figures"] for each in kept if each["kind"] == "metric" and each["figures"]]
    return {**{figures["metric"]: figures["value"] for figures in told if not figures["slice"]}, "rows": len(validation.rows),
            "checks": [{"id": each["id"], "figures": {name: value for name, value in each["figures"].items() if name != "production"}} for each in kept]}


def plots(validation, found):
    """(title, data: URI of a PNG) of what there is to see."""
    measured = [each for each in found if each["kind"] == "metric" and each["figures"].get("value") is not None]
    if measured:
        yield "Metrics and their bounds", _png(_bounds, measured, height=1 + 0.45 * len(measured))
    probabilities = validation.answers.probabilities
    if len(validation.classes) == 2 and np.shape(probabilities) == (len(validation.truth), 2) and np.isfinite(probabilities).all():
        yield "Receiver operating characteristic", _png(_roc, validation)
    if "times" in vars(validation):
        yield "Latency", _png(_latency, validation.times)


def _bounds(axes, measured):
    for place, each in enumerate(reversed(measured)):
        told, colour = each["figures"], "tab:green" if each["result"] == "pass" else "tab:red"
        if told["low"] is not None:
            axes.plot([told["low"], told["high"]], [place, place], color=colour, linewidth=2)
        axes.plot(told["value"], place, "o", color=colour)
        axes.plot(told["bound"], place, marker="|", markersize=16, color="black")
        if told.get("production") is not None:
            axes.plot(told["production"], place, "x", color="tab:blue")
    axes.set_yticks(range(len(measured)), [each["id"].replace("$", r"\$") for each in reversed(measured)])
    axes.set_xlabel("dot: value with interval; line: bound; cross: in production", fontsize="small", loc="right")


def _roc(axes, validation):
    for name, answers, colour in (("in production", validation.production[0], "tab:blue"), ("this version", validation.answers, "tab:green")):
        if answers is not None:
            wrong, right, _thresholds = roc_curve(validation.truth == validation.classes[1], answers.probabilities[:, 1])
            axes.plot(wrong, right, color=colour, label=name)
    axes.plot([0, 1], [0, 1], color="lightgrey", linestyle="--")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.legend(loc="lower right")


def _latency(axes, times):
    for (rows, _requests), milliseconds in times.items():
        axes.hist(milliseconds, bins=40, alpha=0.6, label=f"{rows} row{'' if rows == 1 else 's'}")
    axes.set_xlabel("ms")
    axes.set_ylabel("requests")
    axes.legend()


def _png(draw, content, height=3.5):
    figure = Figure(figsize=(7.5, height), layout="constrained")
    draw(figure.add_subplot(), content)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=90)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def _write_json(path, content):
    """Readable, and the same bytes for the same content."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True, default=lambda value: value.item()) + "\n", encoding="utf-8")
