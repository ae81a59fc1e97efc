# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for GitLab for each file of tests, and how to run a module against it: no answer may show a secret. Knows no test."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.mlops.onprem.tests.integration.calling import call
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab

SECRET = "pass-of-"  # every secret of these tests begins so


def public_key(number, comment="me@home"):
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0 " + number.to_bytes(4, "big") * 8
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}"


def runner(gitlab):
    """Run a module in this process: run("gitlab_groups", groups=[...]) returns what it prints. _check is check mode, _no_log the task's no_log."""

    def module(name, _check=False, _no_log=False, **options):
        answer = call(name, {"url": gitlab.url, "token": gitlab.token} | options, _check, _no_log)
        told = {name: value for name, value in answer.items() if name != "invocation"}
        assert SECRET not in str(answer) and gitlab.token not in str(answer), f"a secret is in {told}"
        return answer

    return module


@pytest.fixture(scope="module")
def gitlab():
    with GitLab() as standin:
        yield standin


@pytest.fixture(scope="module")
def run(gitlab):
    return runner(gitlab)


@pytest.fixture
def on():
    """A stand-in of a version and edition, and how to run a module against it: `gitlab, run = on(version="16.11.0")`."""
    running = []

    def start(**about):
        running.append(GitLab(**about))
        running[-1].__enter__()
        return running[-1], runner(running[-1])

    yield start
    for standin in running:
        standin.__exit__()
    assert [standin.violations for standin in running] == [[] for _standin in running]


@pytest.fixture(autouse=True)
def nothing_undocumented(request):
    """Every request and answer was as GitLab's API description has it."""
    yield
    if "gitlab" in request.fixturenames:
        assert request.getfixturevalue("gitlab").violations == []
