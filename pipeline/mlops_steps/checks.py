# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Steps lint, unit, integration, data and train: programs of the project's environment and what their failures mean. Knows no metric."""

from __future__ import annotations

import shutil
from xml.etree import ElementTree

from mlops_steps.commands import last_words, run
from mlops_steps.outcome import BadInput, Stop

NAMED = 5
NOTHING_COLLECTED = 5


def lint(project, _options):
    """ruff, with the project's own settings."""
    report = fresh_report(project, "lint")
    code, lines = run([python(project), "-m", "ruff", "check", "--output-format", "junit", "--output-file", report, "."], project.outside(), project.root)
    if code == 1 and report.is_file():
        run([python(project), "-m", "ruff", "check", "--output-format", "concise", "."], project.outside(), project.root)
        raise Stop("lint: " + faults(report))
    if code:
        raise Stop(f"lint: ruff ended with {code}: {last_words(lines)}")
    print("lint: no fault")


def tests(name):
    """The step that runs the tests in tests/<name>."""
    def step(project, _options):
        if not (project.root / "tests" / name).is_dir():
            raise Stop(f"{name}: there is no folder tests/{name}, add one with tests, or leave the stage out in the Jenkinsfile")
        report = fresh_report(project, name)
        code, lines = run([python(project), "-m", "pytest", f"tests/{name}", "--junitxml", report], project.outside(), project.root)
        if code == NOTHING_COLLECTED:
            raise Stop(f"{name}: tests/{name} holds no test")
        if code:
            raise Stop(f"{name}: " + (faults(report) if report.is_file() else last_words(lines)))
    return step


def train(project, _options):
    """The project's training, into an empty build/package."""
    python(project)
    shutil.rmtree(project.package, ignore_errors=True)
    project.package.parent.mkdir(parents=True, exist_ok=True)
    code, lines = run(project.settings["train"], project.outside(), project.root)
    if code:
        raise Stop(f"train: {' '.join(project.settings['train'])} ended with {code}: {last_words(lines)}")
    if not project.package.is_dir():
        raise Stop("train: the training ended well and wrote no build/package")


def python(project):
    """The Python of the project's environment."""
    found = project.build / "env" / "bin" / "python"
    if not found.exists():
        raise BadInput("build/env is not there, run the step environment first")
    return found


def fresh_report(project, name):
    """The path of a report, free of an earlier one's."""
    report = project.reports / f"{name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    return report


def faults(report):
    """One line for what a JUnit report says: how many failed, and the first ones by name with what they say."""
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except ElementTree.ParseError as error:
        return f"its report {report.name} cannot be read: {error}"
    failed = [(case, fault) for case in cases for fault in case if fault.tag in ("failure", "error")]
    shown = []
    for case, fault in failed[:NAMED]:
        said = (fault.get("message") or fault.text or "").strip()
        shown.append(f"{case.get('classname')} {case.get('name')}" + (f": {said.splitlines()[0]}" if said else ""))
    more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    return f"{len(failed)} of {len(cases)} failed: {'; '.join(shown)}{more}"
