# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for a Jenkins controller for each test, and how to run a module against it. Knows no test."""

from __future__ import annotations

import warnings

import pytest
from ansible_collections.mlops.onprem.tests.integration.calling import call
from ansible_collections.mlops.onprem.tests.standins.jenkins import Jenkins

# what the recorded controller had not and our kinds of jobs and nodes need; its answers are those of the plugins' sources
ADDED = {"git": "5.7.0", "workflow-multibranch": "806.vb_b_688f609ee9", "ssh-slaves": "3.1031.v72c6b_883b_869"}


def with_plugins(jenkins):
    for name, version in ADDED.items():
        jenkins.installed(name, version)
    return jenkins


@pytest.fixture(params=[False, True], ids=["stored", "rewritten"])
def both(request):
    """A controller that keeps what is posted as it is, and one that writes each item anew."""
    with Jenkins(rewrite=request.param) as jenkins:
        yield with_plugins(jenkins)


@pytest.fixture
def jenkins():
    with Jenkins() as standin:
        yield with_plugins(standin)


def runner(jenkins):
    """Run a module in this process: run("jenkins_jobs", jobs=[...]) returns what it prints. _check is check mode."""

    def module(name, _check=False, **options):
        with warnings.catch_warnings():
            return call(name, {"url": jenkins.url, "username": jenkins.username, "password": jenkins.token} | options, _check)

    return module


@pytest.fixture
def run(request):
    """On the controller that the test uses."""
    return runner(request.getfixturevalue("both" if "both" in request.fixturenames else "jenkins"))
