# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells Prometheus which model, version and digest each slot of this host holds, from the state files that releases write, and how far its inputs and
outputs have drifted, from the file that a running slot writes. Nagios' check reads what comes out, so that the two cannot disagree.

It asks no server: whether a slot answers is the business of HAProxy's metrics. Usage: model_info.py ROOT FILE [ENVIRONMENT [RUN]]
"""

import json
import os
import sys
from pathlib import Path

HEAD = {
    "mlops_model_info": ("gauge", "What a slot of a model holds; 1 for every slot that was set up."),
    "mlops_model_active": ("gauge", "1 for the slot that was committed and serves, 0 for the other one."),
    "mlops_model_bad": ("gauge", "Versions of the model that are marked bad on this host."),
    "mlops_model_drift_measured": ("gauge", "1 where drift of a running slot is measured, 0 where it cannot be."),
    "mlops_model_drift_bound": ("gauge", "PSI above which a window of a running slot counts as drifted."),
    "mlops_model_drift_errors_total": ("counter", "Requests of a running slot that could not be measured."),
    "mlops_model_drift_windows_total": ("counter", "Windows that a running slot has measured."),
    "mlops_model_drifted_windows": ("gauge", "Windows in a row up to the last one in which a column was above the bound."),
    "mlops_model_drift_alarm": ("gauge", "1 where the slot that serves has had as many drifted windows in a row as make an alarm."),
    "mlops_model_input_psi": ("gauge", "PSI of an input column in the last window: all above the bound, and the largest ones."),
    "mlops_model_output_psi": ("gauge", "PSI of an output column in the last window: all above the bound, and the largest ones."),
}
# A model can have thousands of columns: of one slot, so many of the largest are told always, and so many at most.
ALWAYS, MOST = 10, 100
LABEL = {"input": "feature", "output": "output"}


def labels(**values):
    """Labels as Prometheus' text format writes them."""
    escaped = {name: str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in values.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def drift(run, model, slot):
    """What the running slot wrote of drift, or None where it does not run or measures nothing."""
    try:
        return json.loads(Path(run, f"{model}-{slot}", "drift.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def drift_lines(found, active, about):
    """(name, labels, value) of every metric of one slot's drift; `about` is what all of them are labelled with."""
    yield "mlops_model_drift_bound", about, found["bound"]
    yield "mlops_model_drift_errors_total", about, found["errors"]
    for of, label in LABEL.items():
        told, which = found[of], {**about, "of": of}
        yield "mlops_model_drift_measured", which, int(told["measured"])
        if told["measured"]:
            yield "mlops_model_drift_windows_total", which, told["windows"]
            yield "mlops_model_drifted_windows", which, told["drifted"]
            if active:
                yield "mlops_model_drift_alarm", which, int(told["drifted"] >= found["windows"])
            largest = sorted(told["psi"].items(), key=lambda item: -item[1])[:MOST]
            for column, psi in largest[:ALWAYS] + [(column, psi) for column, psi in largest[ALWAYS:] if psi > found["bound"]]:
                yield f"mlops_model_{of}_psi", {**about, label: column}, psi


def lines(states, environment, run):
    """(name, labels, value) of every metric, for the contents of state.json files."""
    for state in sorted(states, key=lambda state: state["model"]):
        model = state["model"]
        yield "mlops_model_bad", {"model": model, "env": environment}, len(state["bad"])
        for slot, name in sorted(state["slots"].items()):
            if name not in state["releases"]:
                continue
            release, active = state["releases"][name], slot == state["slot"]
            yield "mlops_model_info", {"model": model, "digest": release["digest"], "version": release["version"], "env": environment, "slot": slot}, 1
            yield "mlops_model_active", {"model": model, "env": environment, "slot": slot}, int(active)
            if found := drift(run, model, slot):
                # Version and digest are those of the process, which may still be the one before.
                about = {"model": model, "version": found["version"], "digest": found["digest"], "env": environment, "slot": slot}
                yield from drift_lines(found, active, about)


def metrics(states, environment, run):
    """The text of all metrics, those of one name together."""
    found = list(lines(states, environment, run))
    text = ""
    for name, (kind, meaning) in HEAD.items():
        text += f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"
        text += "".join(f"{name}{labels(**about)} {value}\n" for which, about, value in found if which == name)
    return text


def main(root, file, environment="", run="/run/model-server"):
    """Write the file by a rename, so that the collector never reads half of it."""
    states = [json.loads(path.read_text()) for path in Path(root).glob("*/state.json")]
    new = Path(f"{file}.new")
    new.write_text(metrics(states, environment, run), encoding="utf-8")
    os.replace(new, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
