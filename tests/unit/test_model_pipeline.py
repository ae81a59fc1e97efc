# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site's one list of models: what comes out of an entry, what is refused with which words, and what monitoring is told."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET

import pytest
import tomllib
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.onprem.pipeline.mlops_validation import config
from ansible_collections.mlops.onprem.plugins.filter.checks import checks
from ansible_collections.mlops.onprem.plugins.filter.model_pipeline import (
    FIELDS,
    METRICS,
    model_checks,
    model_folders,
    model_jenkins_roles,
    model_objects,
    model_receivers,
    model_routes,
    models,
)

GROUPS = {"staging": ["s1"], "production": ["p1"]}
SITE = {
    "gitlab_url": "https://gitlab.example.org", "gitlab_server": "gitlab", "gitlab_token": "report-token", "git_base": "",
    "jenkins_url": "https://jenkins.example.org/", "nexus_url": "https://nexus.example.org", "store_url": "https://nexus.example.org", "blob_store": "",
    "hook_credential": True, "prometheus_url": "", "alertmanager_url": "", "ca_file": "", "signing_key": "signing-key", "vault_password": "vault-word",
    "monitoring_user": "pipelines", "monitoring_password": "m", "wheels": "", "index_url": "",
}  # fmt: skip
CHURN = {"name": "churn", "team": "risk"}
ROC = {"metric": "roc_auc", "min": 0.98}


def one(**fields):
    return models([{**CHURN, **fields}], GROUPS)[0]


def objects(*entries, absent=(), started=False, site=None, retired=()):
    def registered(entry):
        made = {"publisher_password": "p", "reader_password": "r", "deploy_key": "private", "deploy_key_public": f"ssh-ed25519 {entry['name']}"}
        return {"entry": entry, "secrets": made, "started": started, "retired": list(retired)}
    kept, gone = ([registered(entry) for entry in each] for each in (entries, absent))
    return model_objects({"models": kept, "absent": gone, "hook_secret": "hook"}, site or SITE)


def test_two_fields_are_enough():
    assert one() == {
        "name": "churn", "team": "risk", "project": "risk/churn", "description": "Model churn of team risk", "thresholds": [],
        "targets": ["staging", "production"], "receivers": [], "approval": "never", "repository": "model-churn", "state": "present",
        "purge_project": False, "retrain": {"on_alert": False, "schedule": "", "at_most_every": 86400},
        "gate": {"minutes": 0, "max_error_rate": 0.01, "min_requests": 1},
    }  # fmt: skip
    assert set(one()) == set(FIELDS)


def test_what_is_given_stays_and_parts_are_filled_in():
    entry = one(project="ml/risk/churn-model", retrain={"on_alert": True}, gate={"minutes": 5, "min_requests": 100}, targets=["production"], repository="churn")
    assert entry["retrain"] == {"on_alert": True, "schedule": "", "at_most_every": 86400}
    assert entry["gate"] == {"minutes": 5, "max_error_rate": 0.01, "min_requests": 100}
    assert (entry["project"], entry["targets"], entry["repository"]) == ("ml/risk/churn-model", ["production"], "churn")


@pytest.mark.parametrize(("fields", "words"), [
    ({"name": "Churn"}, "entry 1 (Churn): name is 'Churn'; it must be a DNS label"),
    ({"name": "-churn"}, "name is '-churn'"),
    ({"name": "x" * 41}, "at most 40"),
    ({"team": "risk/eu"}, "team is 'risk/eu'; it must be a DNS label"),
    ({"project": "churn"}, "project is 'churn'; it must be the path of a GitLab project"),
    ({"project": "risk/.."}, "project is"),
    ({"description": "two\nlines"}, "description is 'two\\nlines'; it must be one line of text"),
    ({"description": "a bell \x07"}, "without control characters"),
    ({"thresholds": {"metric": "roc_auc", "min": 0.9}}, "thresholds is {'metric': 'roc_auc', 'min': 0.9}; it must be a list of metrics with a bound"),
    ({"thresholds": ["roc_auc"]}, "thresholds is ['roc_auc']; it must be a list of metrics with a bound"),
    ({"thresholds": [ROC, {"metric": "auc", "min": 0.9}]}, "(churn): thresholds: entry 2: metric is 'auc'; it must be one of accuracy, balanced"),
    ({"thresholds": [{"min": 0.9}]}, "metric is None; it must be one of accuracy"),
    ({"thresholds": [{"metric": ["roc_auc"], "min": 0.9}]}, "metric is ['roc_auc']; it must be one of accuracy"),
    ({"thresholds": [{"metric": "roc_auc"}]}, "thresholds: entry 1: min is missing; it must be a number, the least that roc_auc may be"),
    ({"thresholds": [{"metric": "log_loss", "min": 0.9}]}, "max is missing; it must be a number, the most that log_loss may be"),
    ({"thresholds": [{**ROC, "max": 1}]}, "max is no field of a threshold on roc_auc; it has metric, min, slice, confidence"),
    ({"thresholds": [{"metric": "roc_auc", "min": "high"}]}, "min is 'high'; it must be a number"),
    ({"thresholds": [{**ROC, "slice": ""}]}, "slice is ''; it must be a pandas query"),
    ({"thresholds": [{**ROC, "confidence": 95}]}, "confidence is 95; it must be a share from 0.5 to 0.999"),
    ({"thresholds": [ROC, {**ROC, "confidence": 0.9}]}, "entry 2: roc_auc with this min and slice is there twice"),
    ({"targets": "staging"}, "targets is 'staging'; it must be staging, production or both, in this order"),
    ({"targets": ["elsewhere"]}, "targets is ['elsewhere']; it must be staging, production or both, in this order"),
    ({"targets": []}, "targets is []"),
    ({"targets": ["production", "staging"]}, "in this order"),
    ({"gate": {"min_requests": 0.5}}, "gate is {'min_requests': 0.5}; it must be a mapping of minutes, min_requests"),
    ({"receivers": "people"}, "receivers is 'people'; it must be a list"),
    ({"retrain": {"on_alert": "yes"}}, "retrain is {'on_alert': 'yes'}; it must be a mapping of on_alert"),
    ({"retrain": {"at_most_every": 5}}, "60 seconds or more"),
    ({"retrain": {"at_most": 500}}, "retrain is"),
    ({"gate": {"minutes": True}}, "gate is {'minutes': True}"),
    ({"gate": {"minutes": -1}}, "gate is {'minutes': -1}; it must be a mapping of minutes, min_requests (whole numbers from 0 up) and max_error_rate"),
    ({"gate": {"min_requests": -1}}, "whole numbers from 0 up"),
    ({"gate": {"max_error_rate": -0.1}}, "max_error_rate (a number from 0 to 1)"),
    ({"gate": {"max_error_rate": 5}}, "max_error_rate (a number from 0 to 1)"),
    ({"gate": {"max_error_rate": float("nan")}}, "max_error_rate (a number from 0 to 1)"),
    ({"approval": "always"}, "approval is 'always'; it must be never or production"),
    ({"state": "gone"}, "state is 'gone'; it must be present or absent"),
    ({"purge_project": "yes"}, "purge_project is 'yes'; it must be yes or no"),
    ({"repository": "Model"}, "repository is 'Model'"),
    ({"repository": "models"}, "not models, where the site keeps the versions of all models without an entry, which state: absent would remove"),
    ({"repository": "model"}, "not model, whose roles model-reader and model-publisher would be the site's own"),
    ({"threshold": []}, "threshold is no field of a model; it has name, team"),
])
def test_a_wrong_field_is_named_with_its_value_and_what_would_be_right(fields, words):
    with pytest.raises(AnsibleFilterError) as refused:
        one(**fields)
    assert words in str(refused.value)


def test_the_metrics_are_those_of_validation():
    assert {**dict.fromkeys(config.HIGHER, "min"), **dict.fromkeys(config.LOWER, "max")} == METRICS


def validated(thresholds, tmp_path):
    """Whether the step validate takes them in the policy."""
    (tmp_path / "model.onnx").touch()
    (tmp_path / "validation.yml").write_text('{data: {loader: "a:b"}, metrics: {metric: accuracy, min: 0.123}}')
    (tmp_path / "policy.json").write_text(json.dumps({"thresholds": thresholds}))
    try:
        return bool(config.load(tmp_path / "validation.yml", policy=tmp_path / "policy.json", package=tmp_path))
    except config.ConfigError:
        return False


@pytest.mark.parametrize("thresholds", [
    [{"metric": metric, bound: 0.5}] for metric in [*METRICS, "auc", None, 3] for bound in ("min", "max", "bound")] + [
    [{**ROC, field: value}] for field, values in {
        "min": (0, -1, 1e-05, "0.5", True, None, float("inf"), float("nan"), [0.5]), "max": (1,), "weight": (1,),
        "slice": ("age > 60", " age\n> 60 ", "", " \n", None, 5), "confidence": (0.5, 0.999, 0.4999, 1, "0.9", None, True)}.items() for value in values] + [
    [ROC, ROC], [ROC, {**ROC, "confidence": 0.9}], [ROC, {**ROC, "min": 0.98000001}], [ROC, {**ROC, "min": 0.9}], [ROC, {**ROC, "slice": "age > 60"}],
    [{**ROC, "slice": "age  > 60"}, {**ROC, "slice": "age > 60"}], [{}], ["roc_auc"], [],
])
def test_thresholds_are_refused_here_that_validation_would_refuse_and_no_others(thresholds, tmp_path):
    try:
        taken = one(thresholds=thresholds)["thresholds"] == thresholds
    except AnsibleFilterError:
        taken = False
    assert taken == validated(thresholds, tmp_path)


@pytest.mark.parametrize(("entries", "words"), [
    ("churn", "models is 'churn'; it must be a list"),
    (["churn"], "entry 1 is 'churn'; it must have the fields name and team"),
    ([{"name": "churn"}], "entry 1 (churn): team is missing; it must be a DNS label"),
    ([CHURN, {"name": "churn", "team": "fraud"}], "name is 'churn' in two entries"),
    ([CHURN, {"name": "other", "team": "risk", "project": "Risk/Churn"}], "project is 'Risk/Churn' in two entries (churn, other)"),
    ([CHURN, {"name": "other", "team": "risk", "repository": "model-churn"}], "repository is 'model-churn' in two entries"),
])
def test_a_wrong_list(entries, words):
    with pytest.raises(AnsibleFilterError) as refused:
        models(entries, GROUPS)
    assert words in str(refused.value)


def test_a_target_must_be_a_group_of_the_inventory():
    with pytest.raises(AnsibleFilterError, match="targets has 'production', which is no group of the inventory"):
        models([CHURN], {"staging": ["s1"]})


def test_what_was_onboarded_before_follows_and_keeps_the_targets_that_are_left():
    found = models([{**CHURN, "targets": ["staging"]}], {"staging": ["s1"]}, [
        one(targets=["staging"]), {**one(), "name": "old", "project": "risk/old", "repository": "model-old", "targets": ["staging", "production"]}])
    assert [(entry["name"], entry["targets"]) for entry in found] == [("churn", ["staging"]), ("old", ["staging"])]
    with pytest.raises(AnsibleFilterError, match="repository is 'model-churn' in two entries"):
        models([CHURN], GROUPS, [{**one(), "name": "old", "project": "risk/old"}])


def test_everything_of_a_model():
    found = objects(one(thresholds=[{"metric": "roc_auc", "min": 0.98}], retrain={"schedule": "H 3 * * 0"}))
    gitlab, jenkins, nexus = (found[name] for name in ("gitlab", "jenkins", "nexus"))
    assert [group["path"] for group in gitlab["groups"]] == ["risk"] and gitlab["projects"][0]["path"] == "risk/churn"
    assert gitlab["hooks"][0]["url"] == "https://jenkins.example.org/gitlab-webhook/post" and gitlab["hooks"][0]["token"] == "hook"
    assert [folder["name"] for folder in jenkins["folders"]] == ["risk", "risk/churn"]
    assert [(each.get("folder"), each["id"]) for each in jenkins["credentials"]] == [
        (None, "gitlab-hook"), *(("risk/churn", name) for name in ("model-policy", "store-publisher", "store-reader", "deploy-key")),
        *(("risk", name) for name in ("signing-key", "gitlab-api", "monitoring", "vault-password"))]
    policy = json.loads(base64.b64decode(jenkins["credentials"][1]["content_base64"]))
    assert set(policy) == {"model", "team", "project", "store", "gitlab_url", "prometheus_url", "alertmanager_url", "jenkins_url", "thresholds", "environments",
                           "approval", "gate", "receivers", "ca_file", "retrain", "wheels", "index_url", "credentials"}
    assert policy["retrain"] == {"at_most_every": 86400} and policy["credentials"] == ["monitoring", "store-reader", "vault-password"]
    assert policy["store"] == "https://nexus.example.org/repository/model-churn" and policy["thresholds"] == [{"metric": "roc_auc", "min": 0.98}]
    pipeline, retrain = jenkins["jobs"]
    source = ET.fromstring(pipeline["xml"]).find("sources/data/jenkins.branch.BranchSource/source")
    assert {name: source.findtext(name) for name in ("serverName", "projectOwner", "projectPath", "credentialsId")} == {
        "serverName": "gitlab", "projectOwner": "risk", "projectPath": "risk/churn", "credentialsId": "deploy-key"}
    assert (retrain["git_url"], retrain["cron"], retrain["concurrent"]) == ("ssh://git@gitlab.example.org/risk/churn.git", "H 3 * * 0", False)
    assert nexus["repositories"][0]["write_policy"] == "allow_once"
    names = [f"model-churn-{what}" for what in ("publisher", "reader")]
    assert [(user["user_id"], user["roles"]) for user in nexus["users"]] == [(name, [name]) for name in names]
    start = {file["path"]: file["content"] for file in found["start"]["risk/churn"]}
    assert start["Jenkinsfile"] == "@Library('mlops') _ ; modelPipeline()\n" and "metrics:\n- metric: roc_auc\n  min: 0.98\n" in start["validation.yml"]
    assert not [path for path, text in start.items() if "@NAME@" in path + text or "@PACKAGE@" in path + text]
    assert all(file["overwrite"] is False for file in found["start"]["risk/churn"])


def test_gitlabs_secret_is_not_sent_where_the_document_of_jenkins_has_it():
    found = objects(one(), site={**SITE, "hook_credential": False})
    assert "gitlab-hook" not in [each["id"] for each in found["jenkins"]["credentials"]] and found["gitlab"]["hooks"][0]["token"] == "hook"


@pytest.mark.parametrize("name", ["churn", "class", "import", "none", "json", "numpy", "tests", "build", "a-b", "2nd", "0"])
@pytest.mark.parametrize("description", [
    "", "the \"best\" model's \\n \\\" '''", '"""', "\U0001f642 \xe9 @NAME@ @PACKAGE@ {x} \\1 \x85 \u2028", "#: - [x </description>"])
def test_the_starter_files_can_be_read_whatever_the_entry_says(name, description):
    thresholds = [{"metric": "log_loss", "max": 1e-05}, {**ROC, "slice": "city == \"K\xf6ln \U0001f642\" and `a b` > 1  # '" + 20 * " or x"}]
    found = objects(one(name=name, description=description, thresholds=thresholds))
    start = {file["path"]: file["content"] for file in found["start"][f"risk/{name}"]}
    python = [path for path in start if path.endswith(".py")]
    assert len(python) == 6
    for path in python:
        compile(start[path], path, "exec")
    settings = tomllib.loads(start["pyproject.toml"])["tool"]["mlops"]
    assert settings["description"] == description and settings["model"] == name
    package = settings["train"][2].removesuffix(".train")
    assert package.isidentifier() and package.startswith("model_") and f"{package}/train.py" in start and f"{package}/__init__.py" in start
    validation = yaml.safe_load(start["validation.yml"])
    assert validation["metrics"] == thresholds and validation["data"] == {"loader": f"{package}.data:holdout"} and f"{package}/data.py" in start
    assert f"import {package} " in start["tests/unit/test_data.py"] and description in start["README.md"] and description in start["MODEL_CARD.md"]
    pipeline = ET.fromstring(found["jenkins"]["jobs"][0]["xml"])
    assert (pipeline.findtext("description") or "") == description


def test_by_https_jenkins_clones_with_the_token():
    jobs = objects(one(), site={**SITE, "git_base": "https://gitlab1:8443"})["jenkins"]
    assert jobs["jobs"][1]["git_url"] == "https://gitlab1:8443/risk/churn.git" and jobs["jobs"][1]["git_credentials_id"] == "gitlab-clone"
    assert [each["username"] for each in jobs["credentials"] if each["id"] == "gitlab-clone"] == ["oauth2"]


def test_what_is_started_gets_no_first_files_and_what_is_absent_loses_all_but_its_project():
    gone = one(name="old")
    found = objects(one(), absent=[gone], started=True, retired=["ssh-ed25519 before"])
    assert found["start"] == {} and found["finish"] == ["churn"] and found["gitlab"]["retired_keys"] == [{"project": "risk/churn", "key": "ssh-ed25519 before"}]
    assert found["absent"]["projects"] == [] and [hook["project"] for hook in found["absent"]["hooks"]] == ["risk/old"]
    assert objects(absent=[{**gone, "purge_project": True}])["absent"]["projects"] == [{"path": "risk/old"}]
    assert [group["path"] for group in found["gitlab"]["groups"]] == ["risk"]


def test_checks_are_taken_by_the_list_of_checks():
    found = checks(model_checks([one(), one(name="gone", state="absent"), one(name="a-b", targets=["production"])], runbook="https://runbooks.example.org/"),
                   GROUPS, {"s1": {}, "p1": {}})
    assert [check["name"] for check in found] == ["ModelNotReady_a_b", "ModelNotReady_churn"]
    assert found[1]["labels"] == {"model": "churn", "team": "risk"} and found[1]["status"] == [200, 404]
    assert [host["url"] for host in found[1]["hosts"]] == ["http://p1:8080/v2/models/churn/ready", "http://s1:8080/v2/models/churn/ready"]
    assert model_checks([{**one(), "targets": []}]) == []


def test_one_folder_of_grafana_a_team():
    found = model_folders([one(name="b"), one(name="a", team="fraud"), one(name="c"), one(name="gone", team="left", state="absent")])
    assert found == [{"name": "fraud", "dashboards": ["serving"], "values": {"model": ["a"]}},
                     {"name": "risk", "dashboards": ["serving"], "values": {"model": ["b", "c"]}}]


def test_who_is_told_and_what_is_started():
    entries = [one(name="a", retrain={"on_alert": True, "at_most_every": 3600}), one(name="b", receivers=["risk-chat"]), one(name="c")]
    assert model_receivers(entries, "https://jenkins.example.org/", "retrain", "token") == [{"name": "retrain-a", "send_resolved": False, "webhook": [{
        "url": "https://jenkins.example.org/job/risk/job/a/job/retrain/build", "username": "retrain", "password": "token"}]}]
    told = model_receivers(entries, "https://jenkins.example.org", "retrain", "token", "PEM")
    assert [hook.get("ca") for receiver in told for hook in receiver["webhook"]] == ["PEM"]
    routes = model_routes(entries, "people", "https://jenkins.example.org")
    assert [(route["receiver"], route["matchers"], route.get("repeat_interval")) for route in routes] == [
        ("retrain-a", ['feedback="retrain"', 'model="a"'], 3600), ("people", ['model="a"'], None), ("risk-chat", ['model="b"'], None)]
    assert all(route["continue"] for route in routes)
    assert model_receivers(entries, "", "", "") == [] and [route["receiver"] for route in model_routes(entries, "people", "")] == ["risk-chat"]


def test_one_item_role_a_team():
    roles = model_jenkins_roles([one(name="a"), one(name="b"), one(name="c", team="fraud")])
    assert [(role["name"], role["pattern"], role["groups"]) for role in roles] == [
        (f"team-{team}", f"{team}(/.*)?", [team]) for team in ("risk", "fraud")]
