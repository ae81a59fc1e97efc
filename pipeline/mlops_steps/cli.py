# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of the steps: names, arguments, exit codes, and the record that every step leaves."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from mlops_steps import checks, environment, gitlab, monitoring, packaging, rollout, summary, validation
from mlops_steps.outcome import Stop
from mlops_steps.project import Project

STEPS = {
    "environment": environment.environment,
    "lint": checks.lint,
    "unit": checks.tests("unit"),
    "integration": checks.tests("integration"),
    "data": checks.tests("data"),
    "train": checks.train,
    "validate": validation.validate,
    "package": packaging.package,
    "publish": packaging.publish,
    "deploy": rollout.deploy,
    "gate": rollout.gate,
    "report": gitlab.report,
    "comment": gitlab.comment,
    "deployment": gitlab.deployment,
    "reason": monitoring.reason,
    "summary": summary.summary,
}
STATES = ("running", "success", "failed", "canceled")


def parser():
    """The arguments. argparse ends with 2 for wrong ones, as every step does for bad input."""
    made = argparse.ArgumentParser(prog="mlops-pipeline", description="One step of a model's pipeline, run in the project's folder.")
    steps = made.add_subparsers(dest="step", required=True, metavar="STEP")
    found = {name: steps.add_parser(name, help=(run.__doc__ or "").strip()) for name, run in STEPS.items()}
    found["deploy"].add_argument("environment")
    found["deployment"].add_argument("environment")
    found["deployment"].add_argument("status", choices=STATES)
    found["comment"].add_argument("--state", choices=("success", "failed", "canceled"), default="success", help="how the build ended")
    found["report"].add_argument("state", choices=STATES)
    found["report"].add_argument("--stage", default="", help="the stage that it is about; the whole build without it")
    return made


def main(words, project=None):
    """Run one step; its exit code."""
    options = parser().parse_args(words)
    project = project or Project(Path.cwd())
    name = " ".join([options.step, *([options.environment] if "environment" in options else [])])
    started, code, reason = time.time(), 1, f"{name} was broken off"
    # Jenkins ends a step that is too late, or whose build is stopped, with this signal: its end is recorded like any other.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    try:
        STEPS[options.step](project, options)
        code, reason = 0, ""
    except Stop as stop:
        code, reason = stop.code, " ".join(str(stop).split())
        print(f"mlops-pipeline: {reason}", file=sys.stderr)
    finally:
        project.record(name, started, code, reason)
    return code
