# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pytest plugin: one test item for each check of validation.yml, and the reports at the end. It decides nothing itself."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from .config import ConfigError, ModelError, load

VALIDATION = pytest.StashKey()
FIGURES = pytest.StashKey()  # by name of the check


class CheckFailed(Exception):
    """Its text is the whole report: a reason needs no traceback."""


def pytest_addoption(parser):
    """The options; without --mlops-config the plugin does nothing."""
    group = parser.getgroup("mlops", "model validation")
    group.addoption("--mlops-config", metavar="FILE", help="validation.yml: validate the model instead of running the project's tests")
    group.addoption("--mlops-policy", metavar="FILE", default=os.environ.get("MLOPS_POLICY"),
                    help="the site's policy (JSON), whose thresholds apply as well (default: the environment's MLOPS_POLICY)")
    group.addoption("--mlops-output", metavar="DIR", default="build/reports", help="folder for validation.json and validation.html (%(default)s)")
    group.addoption("--mlops-package", metavar="DIR", default="build/package", help="folder of the package, for golden.json and metrics.json (%(default)s)")
    group.addoption("--mlops-baseline", metavar="DIR", default=os.environ.get("MLOPS_BASELINE"),
                    help="folder of the version in production (default: the environment's MLOPS_BASELINE)")


def pytest_configure(config):
    """Find everything that is wrong with the input before a check runs: exit code 4."""
    file = config.option.mlops_config
    if not file:
        return
    try:
        wanted = load(file, config.option.mlops_policy, config.option.mlops_package, config.option.mlops_baseline)
        # Only now: it takes the libraries of a project that has a model to validate.
        config.stash[VALIDATION] = importlib.import_module("mlops_validation.run").Validation(wanted)
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from error
    except ImportError as error:
        raise pytest.UsageError(f"{error.name or error}: is not installed here: add it to the project's locked requirements") from error
    config.stash[FIGURES] = {}
    config.args = [str(Path(file).resolve())]


def pytest_collect_file(file_path, parent):
    """The file named by --mlops-config, and no other."""
    if VALIDATION in parent.config.stash and [str(file_path)] == parent.config.args:
        return ValidationFile.from_parent(parent, path=file_path)
    return None


class ValidationFile(pytest.File):
    """validation.yml."""

    def collect(self):
        """An item for each check."""
        for name, check in self.config.stash[VALIDATION].checks():
            yield Check.from_parent(self, name=name, check=check)


class Check(pytest.Item):
    """One check. What it found goes with pytest's report, so that JUnit, JSON and HTML tell the same."""

    def __init__(self, *, check, **options):
        super().__init__(**options)
        self.check = check

    def runtest(self):
        """Pass, fail or skip as the verdict says."""
        try:
            verdict = self.check()
        except ModelError as error:
            raise CheckFailed(str(error)) from error
        self.user_properties.append(("reason", verdict.reason))
        self.config.stash[FIGURES][self.name] = verdict.figures
        if verdict.passed is None:
            pytest.skip(verdict.reason)
        if not verdict.passed:
            raise CheckFailed(verdict.reason)

    def repr_failure(self, excinfo, style=None):
        """The reason; a traceback only for what no check foresees."""
        return str(excinfo.value) if isinstance(excinfo.value, CheckFailed) else super().repr_failure(excinfo, style)

    def reportinfo(self):
        """Where, for messages: the file and the check's name."""
        return self.path, None, self.name


class Results:
    """Keeps what pytest reported."""

    def __init__(self, figures):
        self.found, self.figures = {}, figures

    def pytest_runtest_logreport(self, report):
        """The one phase of a check that says something: its call, or a set-up that failed."""
        if report.when == "call" or report.outcome != "passed":
            told = dict(report.user_properties)
            result = {"passed": "pass", "failed": "fail", "skipped": "skip"}[report.outcome]
            name = report.nodeid.partition("::")[2]
            self.found[name] = {"id": name, "kind": name.partition("[")[0], "result": result, "reason": told.get("reason") or report.longreprtext.strip(),
                                "seconds": round(report.duration, 3), "figures": self.figures.get(name, {})}


def pytest_sessionstart(session):
    """Listen only when there is something to report."""
    if VALIDATION in session.config.stash:
        session.config.pluginmanager.register(Results(session.config.stash[FIGURES]), "mlops_validation_results")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """Write validation.json, validation.html and the package's metrics.json."""
    results = session.config.pluginmanager.get_plugin("mlops_validation_results")
    if results:
        session.config.stash[VALIDATION].write(list(results.found.values()), exitstatus == pytest.ExitCode.OK, Path(session.config.option.mlops_output))


def pytest_terminal_summary(terminalreporter, config):
    """Every reason, of what passed too: whoever reads the log of the build sees the figures."""
    results = config.pluginmanager.get_plugin("mlops_validation_results")
    if results:
        terminalreporter.section("model validation")
        for each in results.found.values():
            terminalreporter.line(f"{each['result'].upper():4} {each['id']}: {each['reason'].splitlines()[0] if each['reason'] else ''}")
