# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From five lines of the inventory to everything a model has (model_secrets and the modules of three products), on stand-ins of GitLab and Jenkins and
the real Nexus. A run of the playbook takes its time, so each test follows a site through several."""

from __future__ import annotations

import base64
import json
import os

import requests
from ansible_collections.mlops.onprem.tests.integration.models.conftest import REPORT_TOKEN, SIGNING_KEY, VAULT_PASSWORD, entry

TASKS = 34


def put(site, model, who, path, content=b"weights"):
    """Status of a real PUT into the model's repository, as its user."""
    name = f"model-{model}-{who}"
    password = site.registered(model)["secrets"][f"{who}_password"]
    return requests.put(f"{site.nexus.url}/repository/model-{model}/{path}", data=content, auth=(name, password), timeout=60).status_code


def get(site, model, who, path, password=None):
    password = password or site.registered(model)["secrets"][f"{who}_password"]
    return requests.get(f"{site.nexus.url}/repository/model-{model}/{path}", auth=(f"model-{model}-{who}", password), timeout=60).status_code


def credentials(site, folder):
    return site.jenkins.credentials[folder]["_"]


def hook(site, path):
    return next(iter(site.gitlab.project(path)["hooks"]), {})


def made(site, model):
    """All a new model has, each side asked itself; the two sides of a secret are the same."""
    project, secrets = site.gitlab.project(f"risk/{model}"), site.registered(model)["secrets"]
    tree = site.gitlab_get(f"projects/risk%2F{model}/repository/tree?recursive=true")
    assert {"Jenkinsfile", "pyproject.toml", "validation.yml", "requirements.txt", "README.md"} <= {row["path"] for row in tree}
    assert len(site.gitlab_get(f"projects/risk%2F{model}/repository/commits")) == 1
    assert [rule["name"] for rule in site.gitlab_get(f"projects/risk%2F{model}/protected_branches")] == ["main"]
    assert [rule["name"] for rule in site.gitlab_get(f"projects/risk%2F{model}/protected_tags")] == ["v*"]
    assert [each["key"] for each in site.gitlab_get(f"projects/risk%2F{model}/variables")] == ["MLOPS_STORE"]
    keys = site.gitlab_get(f"projects/risk%2F{model}/deploy_keys")
    assert [key["key"].split()[1] for key in keys] == [secrets["deploy_key_public"].split()[1]]
    held = credentials(site, f"risk/{model}")
    shared = credentials(site, "risk")
    assert set(held) == {"model-policy", "store-publisher", "store-reader", "deploy-key"}
    assert set(shared) == {"signing-key", "gitlab-api", "vault-password"}
    assert held["store-publisher"].findtext("password") == secrets["publisher_password"]
    assert held["deploy-key"].findtext("privateKeySource/privateKey").strip() == secrets["deploy_key"].strip()
    assert shared["gitlab-api"].findtext("secret") == REPORT_TOKEN and shared["vault-password"].findtext("secret") == VAULT_PASSWORD
    assert base64.b64decode(shared["signing-key"].findtext("secretBytes")).decode() == SIGNING_KEY
    policy = json.loads(base64.b64decode(held["model-policy"].findtext("secretBytes")))
    assert policy["model"] == model and policy["store"] == f"{site.nexus.url}/repository/model-{model}"
    assert credentials(site, "")["gitlab-hook"].findtext("secret") == hook(site, f"risk/{model}")["token"]
    assert site.jenkins.item(f"risk/{model}/pipeline") and site.jenkins.item(f"risk/{model}/retrain")
    assert get(site, model, "publisher", "nothing") == get(site, model, "reader", "nothing") == 404
    return project


def test_a_model_is_made_once_and_what_it_publishes_stays(site):
    site.gitlab_post("groups", path="risk", name="risk")
    site.gitlab_post("projects", path="churn-1", name="churn-1", namespace_id=site.gitlab.group("risk")["id"])
    theirs = {"branch": "main", "commit_message": "ours", "actions": [{"action": "create", "file_path": "README.md", "content": "ours"}]}
    site.gitlab_post("projects/risk%2Fchurn-1/repository/commits", **theirs)
    models = [entry(0), entry(1)]

    # All is made, in one run that shows no secret however much it is asked to say; a project with files keeps just those.
    run = site.play(models, "-vvv", "--diff")
    assert run.ok + run.skipped == TASKS
    made(site, "churn-0")
    assert [row["path"] for row in site.gitlab_get("projects/risk%2Fchurn-1/repository/tree?recursive=true")] == ["README.md"]

    # What is published stays; who reads does not write.
    assert put(site, "churn-0", "publisher", "1/model.onnx") == 201
    assert put(site, "churn-0", "publisher", "1/model.onnx", b"other") in (400, 403)
    assert put(site, "churn-0", "reader", "2/model.onnx") == 403 and get(site, "churn-0", "reader", "1/model.onnx") == 200
    assert put(site, "churn-1", "publisher", "1/model.onnx") == 201
    stranger = requests.get(f"{site.nexus.url}/repository/model-churn-0/1/model.onnx", timeout=60,
                            auth=("model-churn-1-reader", site.registered("churn-1")["secrets"]["reader_password"]))  # fmt: skip
    assert stranger.status_code == 403

    # Again: nothing.
    before = {file.name: file.stat().st_mtime_ns for file in site.home.iterdir()}
    run = site.play(models)
    assert (run.changed, site.writes, run.ok + run.skipped) == (0, [], TASKS)
    assert {file.name: file.stat().st_mtime_ns for file in site.home.iterdir()} == before


def test_what_is_edited_by_hand_is_mended_and_secrets_are_rotated(site):
    models = [entry(0)]
    site.play(models)
    assert put(site, "churn-0", "publisher", "1/model.onnx") == 201

    # Each kind edited by hand is found, and mended.
    edit_by_hand(site)
    run = site.play(models, "--check")
    assert (run.changed, site.writes) == (14, [])
    run = site.play(models)
    assert run.changed == 14
    made(site, "churn-0")

    # New secrets reach both sides in one run, and the old ones are worth nothing.
    old = site.registered("churn-0")["secrets"]
    site.play(models, "-e", "rotate=true")
    made(site, "churn-0")
    assert not set(old.values()) & set(site.registered("churn-0")["secrets"].values())
    assert get(site, "churn-0", "reader", "1/model.onnx", old["reader_password"]) == 401
    assert site.registered("churn-0")["retired"] == []


def edit_by_hand(site):
    """One object of each kind that the role makes."""
    place = "projects/risk%2Fchurn-0"
    site.gitlab_put("groups/risk", description="edited")
    site.gitlab_put(place, description="edited")
    site.gitlab_delete(f"{place}/protected_branches/main")
    site.gitlab_delete(f"{place}/protected_tags/v%2A")
    site.gitlab_put(f"{place}/hooks/{hook(site, 'risk/churn-0')['id']}", url=hook(site, "risk/churn-0")["url"], push_events=False)
    site.gitlab_put(f"{place}/variables/MLOPS_STORE", value="edited")
    key = site.gitlab_get(f"{place}/deploy_keys")[0]
    site.gitlab_put(f"{place}/deploy_keys/{key['id']}", can_push=True)
    run = site.module("jenkins")
    run("jenkins_folders", folders=[{"name": "risk/churn-0", "description": "edited"}])
    run("jenkins_jobs", jobs=[{"name": "risk/churn-0/retrain", "description": "edited"}])
    password = site.registered("churn-0")["secrets"]["publisher_password"]
    run("jenkins_credentials", credentials=[{"folder": "risk/churn-0", "id": "store-publisher", "username": "edited", "password": password}])
    run = site.module("nexus")
    run("nexus_repositories", repositories=[{"name": "model-churn-0", "write_policy": "allow"}])
    run("nexus_roles", roles=[{"id": "model-churn-0-reader", "name": "edited", "privileges": []}])
    run("nexus_users", users=[{"user_id": "model-churn-0-reader", "password": "edited-by-hand"}], update_secret="always")
    file = site.home / "churn-0.json"
    file.write_text(json.dumps(site.registered("churn-0") | {"entry": {**site.registered("churn-0")["entry"], "approval": "production"}}))
    os.chmod(file, 0o600)


def test_a_line_that_is_taken_away_removes_nothing_and_absent_does(site):
    site.play([entry(0), entry(1)])
    run = site.play([entry(0)])
    assert (run.changed, site.writes) == (0, [])
    assert [line for line in run.out.splitlines() if "churn-1" in line and "off the list, and kept with all they have: churn-1" in line]
    made(site, "churn-1")

    # What goes is what was onboarded, not what the line says.
    site.play([entry(0), entry(1, state="absent", team="fraud", repository="elsewhere")])
    assert site.gitlab.project("risk/churn-1") and not hook(site, "risk/churn-1") and site.gitlab_get("projects/risk%2Fchurn-1/deploy_keys") == []
    assert site.jenkins.item("risk/churn-1") is None and "model-churn-1" not in [each["name"] for each in site.nexus.get("repositories")]
    assert not [user for user in site.nexus.get("security/users?source=default") if "churn-1" in user["userId"]]
    assert not (site.home / "churn-1.json").exists()
    made(site, "churn-0")

    # A product without an address is passed over with a line, and a wrong list is refused before anything is sent.
    run = site.play([entry(0)], without=("site_gitlab_url", "site_jenkins_url"))
    assert "GitLab: model_pipeline_gitlab_url is not set" in run.out and "Jenkins: model_pipeline_jenkins_url is not set" in run.out
    assert (run.changed, site.sent["gitlab"], site.sent["jenkins"]) == (0, [], [])
    run = site.play([entry(0), entry(0)], check=False)
    assert run.code and "name is 'churn-0' in two entries" in run.out and site.total() == 0
    run = site.play([entry(0, repository="elsewhere"), entry(2)], check=False)
    assert run.code and "churn-0: repository is 'elsewhere', but it was onboarded with 'model-churn-0'" in run.out and site.total() == 0
    assert not (site.home / "churn-2.json").exists()


def test_tasks_and_requests_for_twenty(site):
    models = [entry(number, team=f"team-{number // 5}") for number in range(20)]
    run = site.play(models)
    assert run.ok + run.skipped == TASKS and site.total() <= 30 * 20, site.told()
    run = site.play(models)
    assert (run.changed, site.writes, run.ok + run.skipped) == (0, [], TASKS) and site.total() <= 12 * 20, site.told()


def test_a_check_of_a_whole_site_comes_before_its_products(site):
    """As site.yml does it: what does not answer is planned for as empty. Alone, the same check says that there is nobody."""
    nowhere = {f"site_{product}_url": f"http://127.0.0.1:{port}" for port, product in enumerate(("gitlab", "jenkins", "nexus"), 5)}
    run = site.play([entry(0)], "--check", "-e", json.dumps({**nowhere, "__models_products_follow": True}))
    assert run.changed >= 10 and not [url for url in nowhere.values() if f"{url} is not there yet: planned as for an empty server" not in run.out]
    assert site.total() == 0 and not site.home.exists()
    run = site.play([entry(0)], "--check", "-e", json.dumps(nowhere), check=False)
    assert run.code and "127.0.0.1:5" in run.out
