# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restarts: once, after the builds that run; when those take too long the restart is taken back and they are named."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.mlops.onprem.tests.integration.calling import call

from .test_build import make


def test_jenkins_is_restarted_once_and_waited_for(jenkins, run):
    answer = run("jenkins_restart", reason="patch day & more")
    assert (answer["changed"], answer["result"], answer["running"]) == (True, "restarted", []), answer
    assert jenkins.restarts == 1 and jenkins.writes() == ["POST /safeRestart"]
    assert jenkins.seen[jenkins.requests().index("POST /safeRestart")].body == b"message=patch+day+%26+more"
    assert {200, 503, 401, None} <= set(jenkins.statuses), "every stage of a restart was met"
    assert not jenkins.coming_back and jenkins.statuses[-1] == 200


def test_a_restart_that_is_hardly_seen_is_seen(jenkins, run):
    jenkins.restart_answers = ("restarting",)
    assert run("jenkins_restart")["changed"] and jenkins.restarts == 1


def test_check_mode_names_the_builds_and_sends_nothing(jenkins, run):
    make(jenkins, "long", duration=600)
    jenkins.run_build("long")
    answer = run("jenkins_restart", True)
    assert answer["changed"] and answer["running"] == ["long #1"], answer
    assert jenkins.writes() == [] and jenkins.restarts == 0 and not jenkins.quieting


def test_running_builds_are_waited_for(jenkins, run):
    make(jenkins, "long", duration=0.5)
    build = jenkins.run_build("long")
    answer = run("jenkins_restart")
    assert answer["changed"] and answer["running"] == ["long #1"] and jenkins.restarts == 1, answer
    assert build.result == "SUCCESS", "not lost"


def test_builds_that_take_too_long_stop_the_restart(jenkins, run):
    make(jenkins, "long", duration=600)
    build = jenkins.run_build("long")
    answer = run("jenkins_restart", build_timeout=1)
    assert answer.get("failed") and "restart: not done, 1 builds still run after 1 s: long #1" in answer["msg"], answer
    assert jenkins.writes() == ["POST /safeRestart", "POST /cancelQuietDown"]
    assert build.building and jenkins.restarts == 0 and not jenkins.quieting and not jenkins.restart_wanted


def test_a_jenkins_that_was_quiet_before_stays_so(jenkins, run):
    make(jenkins, "long", duration=600)
    jenkins.run_build("long")
    run("jenkins_restart", state="quiet", reason="backup")
    assert run("jenkins_restart", build_timeout=0).get("failed")
    assert jenkins.quieting and jenkins.quiet_reason == "backup" and jenkins.restarts == 0


def test_force_loses_the_builds(jenkins, run):
    make(jenkins, "long", duration=600)
    build = jenkins.run_build("long")
    answer = run("jenkins_restart", build_timeout=0, force_after_timeout=True)
    assert answer["changed"] and jenkins.restarts == 1 and build.result == "ABORTED", answer
    assert jenkins.writes() == ["POST /safeRestart", "POST /restart"]


def test_only_if_required(jenkins, run):
    answer = run("jenkins_restart", only_if_required=True)
    assert (answer["changed"], answer["result"]) == (False, "unchanged") and jenkins.writes() == []
    jenkins.installed("ionicons-api", "95")
    assert run("jenkins_restart", only_if_required=True)["changed"] and jenkins.restarts == 1
    jenkins.clear()
    assert not run("jenkins_restart", only_if_required=True)["changed"] and jenkins.writes() == []


def test_quiet_and_active(jenkins, run):
    assert run("jenkins_restart", True, state="quiet")["changed"] and jenkins.writes() == []
    assert run("jenkins_restart", state="quiet", reason="backup")["changed"] and jenkins.quiet_reason == "backup"
    jenkins.clear()
    assert not run("jenkins_restart", state="quiet", reason="backup")["changed"]
    assert not run("jenkins_restart", state="quiet")["changed"] and jenkins.writes() == []
    assert run("jenkins_restart", state="quiet", reason="other")["changed"] and jenkins.quiet_reason == "other"
    assert run("jenkins_restart", state="active")["changed"] and not jenkins.quieting
    jenkins.clear()
    assert not run("jenkins_restart", state="active")["changed"] and jenkins.writes() == []


def test_what_a_killed_run_left_is_completed(jenkins, run):
    make(jenkins, "long", duration=0.5)
    jenkins.run_build("long")
    jenkins.quieting = jenkins.restart_wanted = True  # killed while it waited for the build
    assert run("jenkins_restart")["changed"] and jenkins.restarts == 1 and not jenkins.quieting


def test_somebody_who_cancels_is_named(jenkins, run):
    make(jenkins, "long", duration=600)
    jenkins.run_build("long")

    def cancel():
        jenkins.quieting = jenkins.restart_wanted = False

    timer = threading.Timer(0.5, cancel)
    timer.start()
    answer = run("jenkins_restart", build_timeout=30)
    timer.join()
    assert answer.get("failed") and "somebody cancelled it" in answer["msg"] and jenkins.restarts == 0, answer


def test_a_jenkins_that_stays_away_is_an_error(jenkins, run):
    jenkins.restart_answers = ("restarting",) * 1000
    answer = run("jenkins_restart", start_timeout=1)
    assert answer.get("failed") and "Jenkins is not back after 1 s" in answer["msg"] and "503" in answer["msg"], answer


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ({"username": "dev", "password": "dev-token"}, "Overall/Administer"),
        ({"password": "wrong-token"}, "answered 401"),
        ({"url": "http://127.0.0.1:9"}, "did not answer"),
    ],
)
def test_who_may_not_restart(jenkins, connection, said):
    jenkins.add_user("dev", "dev-password", "dev-token", {"Overall/Read"})
    options = {"url": jenkins.url, "username": jenkins.username, "password": jenkins.token} | connection
    answer = call("jenkins_restart", options)
    assert answer.get("failed") and (said in answer["msg"] or "Hudson.Administer" in answer["msg"]), answer
    assert jenkins.restarts == 0 and options["password"] not in answer["msg"]
