# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a push to production and back, for a new model of the lab: each hop is seen from the outside, in the products' own words. Runs after test_site.py and
test_watching.py, on the site that they leave; each test leaves it as the next one finds it."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.mlops.onprem.tests.e2e.lab import PRODUCTION, SERVERS, until
from ansible_collections.mlops.onprem.tests.e2e.loop import MODEL, PROJECT, TEAM, Loop

# The five lines of the inventory.
ENTRY = {
    "name": MODEL,
    "team": TEAM,
    "thresholds": [{"metric": "roc_auc", "min": 0.98}],
    "receivers": ["people"],
    "retrain": {"on_alert": True, "at_most_every": 3600},
}
STAGES = ["Checkout", "Environment", "Package", "Publish", "Staging", "Gate", "Production", "Report"]
CHECKS = ["Lint", "Unit tests", "Integration tests", "Data checks", "Model validation"]


@pytest.fixture(scope="module", name="loop")
def fixture_loop(lab):
    with Loop(lab) as loop:
        yield loop


@pytest.fixture(scope="module", name="clone")
def fixture_clone(loop, tmp_path_factory):
    """The developer's clone; made once, after the model was onboarded."""
    return loop.clone(tmp_path_factory.mktemp("developer"))


def stages(log):
    """[(stage, outcome, seconds)] of a build's log, in the order of their ends."""
    return [(name, outcome, float(seconds)) for name, outcome, seconds in re.findall(r"^(?:\[.+?\] )?\[stage\] (.+?) (success|failure) ([\d.]+)", log, re.M)]


def told(loop, kind, *words):
    """Texts of one kind in the people's inbox that have all the words."""
    return [text for message in loop.lab.inbox() if message["kind"] == kind and all(word in (text := json.dumps(message)) for word in words)]


def only_comment(loop, iid):
    """The one comment that the pipeline keeps on a merge request, without the backslashes of Markdown."""
    comment, = [note["body"] for note in loop.api(f"/merge_requests/{iid}/notes") if not note.get("system")]
    return comment.replace("\\", "")


def served(loop):
    """{host: version} of all hosts that serve the model."""
    row = reference(loop)[:1]
    return {host: loop.infer(host, row)[0] for host in SERVERS}


def reference(loop):
    """The rows that the serving version was trained on, as its package has them."""
    text = loop.lab.inside("production1", "sh", "-c", f"cat /var/lib/models/{MODEL}/current/reference.csv")
    return [[float(value) for value in line.split(",")] for line in text.splitlines()[1:]]


def test_the_lab_gets_a_machine_for_builds(loop):
    """An agent that can deploy, by the same roles that a site uses; its key is let in on the model hosts."""
    for playbook in ("playbooks/lab.yml", "tests/e2e/agent.yml", "playbooks/jenkins.yml"):
        assert loop.play(playbook).code == 0
    assert "mlops-pipeline" in loop.lab.inside("agent1", "ls", "/usr/local/bin")


def test_five_lines_and_one_command(loop):
    """A model that nobody knew has all its places."""
    done = loop.play("playbooks/models.yml", models=[ENTRY])
    assert done.code == 0
    root = loop.gitlab.token
    assert loop.api("", token=root)["path_with_namespace"] == PROJECT
    assert loop.job("pipeline") and loop.job("retrain")
    assert loop.versions() == []
    ada, = loop.lab.ask(f"{loop.gitlab.url}/api/v4/users?username=ada", token=root)
    loop.api("/members", "POST", root, user_id=ada["id"], access_level=40)


def test_a_push_reaches_production(loop, clone, capsys):
    """Hook, job, stages, Nexus, staging, gate, production, deployment record, and people who are told."""
    loop.example(clone)
    commit = loop.commit(clone, "The first version")
    _number, result, log = loop.build("pipeline/job/main")
    assert result == "SUCCESS"
    ended = stages(log)
    assert [name for name, outcome, _seconds in ended if outcome == "success" and name in STAGES] == STAGES
    assert {name for name, _outcome, _seconds in ended} >= set(CHECKS)
    tasks, steps = len(re.findall(r"^TASK \[", log, re.M)), log.count("+ mlops-pipeline ")
    with capsys.disabled():
        print("\nfrom a push to production:", ", ".join(f"{name} {seconds:.1f} s" for name, _outcome, seconds in ended))
        print(f"the pipeline's own part: {steps} steps, {tasks} tasks of Ansible;", re.findall(rf"^{MODEL} .* bytes sent.*$", log, re.M)[-1])
    assert tasks <= 75 and steps <= 32
    version, = loop.versions()
    assert version.endswith(commit[:8])
    assert served(loop) == dict.fromkeys(SERVERS, version)
    statuses = {row["name"]: row["status"] for row in loop.api(f"/repository/commits/{commit}/statuses")}
    assert statuses["mlops"] == "success" and set(statuses.values()) == {"success"}
    deployments = {row["environment"]["name"]: (row["status"], row["sha"]) for row in loop.api("/deployments")}
    assert deployments == {"staging": ("success", commit), "production": ("success", commit)}
    for kind in ("mail", "post"):
        until(lambda kind=kind: told(loop, kind, f"{MODEL} {version}: deploy started (production)", "/pipeline/job/main/1"), seconds=30)
        until(lambda kind=kind: told(loop, kind, f"{MODEL} {version}: deploy succeeded (production)", *PRODUCTION), seconds=30)
    until(lambda: told(loop, "post", "/api/annotations", MODEL, "succeeded"), seconds=30)


@pytest.mark.parametrize("patch, stage, reason", [(3, "Model validation", "roc_auc"), (4, "Unit tests", "test_")])
def test_a_merge_request_that_fails_is_stopped_before_packaging(loop, clone, patch, stage, reason):
    """A version that misses its threshold, and one whose code fails a unit test: the reason is in the comment, nothing is packaged."""
    before = loop.versions()
    branch = f"version-{patch}"
    loop.commit(clone, f"Version {patch}", branch, patch)
    iid = loop.api("/merge_requests", "POST", source_branch=branch, target_branch="main", title=f"Version {patch}")["iid"]
    _number, result, log = loop.build(f"pipeline/job/MR-{iid}")
    assert result == "FAILURE"
    ended = {name: outcome for name, outcome, _seconds in stages(log)}
    assert ended[stage] == "failure" and ended.keys().isdisjoint({"Package", "Publish", "Staging"})
    comment = only_comment(loop, iid)
    assert reason in comment
    print(comment)
    assert loop.versions() == before


def test_a_version_that_answers_differently_when_served_ends_on_staging(loop, clone):
    before = served(loop)
    loop.git(clone, "switch", "-q", "main")
    commit = loop.commit(clone, "Version 5", patch=5)
    _number, result, log = loop.build("pipeline/job/main", after=1)
    assert result == "FAILURE"
    ended = {name: outcome for name, outcome, _seconds in stages(log)}
    assert ended["Publish"] == "success" and ended["Staging"] == "failure" and ended.keys().isdisjoint({"Gate", "Production"})
    assert served(loop) == before
    version, = [name for name in loop.versions() if name.endswith(commit[:8])]
    until(lambda: told(loop, "mail", f"{MODEL} {version}: deploy failed (staging)", "golden"), seconds=30)
    assert [row["status"] for row in loop.api("/deployments?environment=staging") if row["sha"] == commit] == ["failed"]


def test_a_merge_request_that_passes_is_compared_with_production_and_goes_there_when_merged(loop, clone):
    loop.git(clone, "switch", "-q", "--force-create", "version-2", "origin/main")
    loop.git(clone, "revert", "--no-commit", "HEAD")
    loop.commit(clone, "Version 2", patch=2)
    iid = loop.api("/merge_requests", "POST", source_branch="version-2", target_branch="main", title="Version 2")["iid"]
    _number, result, _log = loop.build(f"pipeline/job/MR-{iid}")
    assert result == "SUCCESS"
    comment = only_comment(loop, iid)
    assert "roc_auc" in comment and all(version in comment for version in served(loop).values())
    print(comment)
    loop.api(f"/merge_requests/{iid}/merge", "PUT")
    _number, result, _log = loop.build("pipeline/job/main", after=2)
    assert result == "SUCCESS"
    assert served(loop) == dict.fromkeys(SERVERS, loop.versions()[-1])


def test_what_is_asked_as_in_training_raises_no_alert(loop):
    rows = reference(loop)
    for _again in range(9):
        loop.infer("production1", rows)
    windows = until(lambda: [one for one in loop.lab.series(f'mlops_model_drift_windows_total{{model="{MODEL}",host="production1",of="input"}}')
                             if float(one["value"][1]) >= 3], seconds=90)
    assert windows
    assert [one["value"][1] for one in loop.lab.series(f'mlops_model_drifted_windows{{model="{MODEL}",host="production1"}} > 0')] == []
    assert loop.lab.series(f'ALERTS{{model="{MODEL}"}}') == []


def test_what_is_asked_otherwise_is_told_and_trained_anew(loop):
    """Alert, chat and mail, retraining job with its reason, new version."""
    before = loop.versions()
    shifted = [[1.5 * value for value in row] for row in reference(loop)]
    for _again in range(9):
        loop.infer("production1", shifted)
    until(lambda: loop.lab.series(f'ALERTS{{alertname="ModelInputDrift",model="{MODEL}",feedback="retrain",alertstate="firing"}}'), seconds=120)
    for kind in ("mail", "post"):
        until(lambda kind=kind: told(loop, kind, "ModelInputDrift", MODEL, "production1"), seconds=60)
    number, result, log = loop.build("retrain")
    assert (number, result) == (1, "SUCCESS")
    assert "ModelInputDrift" in log
    version, = set(loop.versions()) - set(before)
    assert served(loop) == dict.fromkeys(SERVERS, version)
    until(lambda: told(loop, "mail", f"{MODEL} {version}: deploy succeeded (production)", "ModelInputDrift"), seconds=30)
    # One alert, one training: nothing more waits or runs.
    assert [build["number"] for build in loop.job("retrain")["builds"]] == [1]
    assert not loop.job("retrain")["inQueue"]


def test_a_model_that_is_off_the_list_keeps_all_it_has(loop):
    done = loop.play("playbooks/models.yml", models=[])
    assert done.code == 0
    assert re.search(rf"off the list.*{MODEL}", done.text)
    assert done.changed_tasks() == []
    assert loop.job("pipeline") and loop.versions() and loop.api("")["path_with_namespace"] == PROJECT
    assert set(served(loop)) == set(SERVERS)


def test_no_secret_was_said(loop):
    """Neither in the log of any build nor to people nor in an argument of a command that still runs."""
    kept = [json.loads(path.read_text()) for path in (loop.lab.home / "models").rglob("*.json")]
    secrets = {line for text in kept for value in strings(text) for line in value.splitlines() if len(line) > 30 and " " not in line}
    public = {line for text in kept for name, value in (text.get("secrets") or {}).items() if "public" in name for line in value.splitlines()}
    secrets = {secret for secret in secrets if not any(secret in line for line in public)}
    secrets |= {loop.jenkins.token, loop.gitlab.token, "opens-the-vault-of-the-test"}
    jobs = ["pipeline/job/main", "retrain", *(f"pipeline/job/MR-{row['iid']}" for row in loop.api("/merge_requests?state=all"))]
    said = {name: "".join(map(loop.log, loop.job(name)["builds"])) for name in jobs}
    said["inbox"] = json.dumps(loop.lab.inbox())
    said["arguments"] = loop.lab.inside("agent1", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert len(jobs) == 5 and len(secrets) >= 6 and all(said.values())
    assert [(name, secret[:4]) for name, text in said.items() for secret in secrets if secret in text] == []


def strings(value):
    """Every text in what JSON holds."""
    if isinstance(value, (dict, list)):
        return [text for one in (value.values() if isinstance(value, dict) else value) for text in strings(one)]
    return [value] if isinstance(value, str) else []
