# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site's one list of models, checked, and spread into what each bulk module takes and what monitoring is told. Knows the conventions (names, ids,
addresses); asks no server, makes no secret."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

import yaml
from ansible.errors import AnsibleFilterError

LABEL = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?<![.])"
# Metric -> its bound, as pipeline/mlops_validation has them; a unit test compares the two.
METRICS = {
    **dict.fromkeys(("accuracy", "balanced_accuracy", "precision", "recall", "f1", "matthews_correlation", "roc_auc", "average_precision", "r2"), "min"),
    **dict.fromkeys(("log_loss", "brier_score", "mean_absolute_error", "root_mean_squared_error"), "max"),
}
RETRAIN = {"on_alert": bool, "schedule": str, "at_most_every": int}
GATE = {"minutes": int, "max_error_rate": float, "min_requests": int}
# What a release goes to, in its order.
TARGETS = (["staging"], ["production"], ["staging", "production"])


def _text(pattern):
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


def _each(right):
    return lambda value: isinstance(value, (list, tuple)) and all(right(item) for item in value)


def _is(value, kind):
    """Whether a value is of a type; a whole number is a number, yes and no are none."""
    return isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))


def _number(low=float("-inf"), high=float("inf")):
    """A finite number of the closed range."""
    return lambda value: _is(value, float) and abs(value) < float("inf") and low <= value <= high


def _mapping(fields):
    return lambda value: isinstance(value, dict) and all(name in fields and _is(each, fields[name]) for name, each in value.items())


def _retrain(value):
    return _mapping(RETRAIN)(value) and value.get("at_most_every", 60) >= 60 and "\n" not in value.get("schedule", "")


def _gate(value):
    return _mapping(GATE)(value) and min(value.get("minutes", 0), value.get("min_requests", 0)) >= 0 and _number(0, 1)(value.get("max_error_rate", 0))


# field -> (whether a value is right, what would be right)
FIELDS = {
    "name": (_text(LABEL), "a DNS label: lower case letters, digits and -, at most 40, beginning and ending with a letter or digit"),
    "team": (_text(LABEL), "a DNS label: lower case letters, digits and -, at most 40, beginning and ending with a letter or digit"),
    "project": (_text(f"{PART}(/{PART})+"), "the path of a GitLab project, such as risk/churn"),
    "description": (_text(r"[^\x00-\x1f\x7f]*"), "one line of text, without control characters"),
    "thresholds": (_each(lambda value: isinstance(value, dict)), "a list of metrics with a bound, such as {metric: roc_auc, min: 0.98}"),
    "targets": (lambda value: isinstance(value, (list, tuple)) and list(value) in TARGETS, "staging, production or both, in this order"),
    "receivers": (_each(_text(r"[A-Za-z0-9_.-]+")), "a list of receivers of alertmanager_receivers"),
    "retrain": (_retrain, "a mapping of on_alert (yes or no), schedule (as Jenkins writes it, such as H 3 * * 0) and at_most_every (60 seconds or more)"),
    "gate": (_gate, "a mapping of minutes, min_requests (whole numbers from 0 up) and max_error_rate (a number from 0 to 1)"),
    "approval": (lambda value: value in ("never", "production"), "never or production"),
    "repository": (_text(r"(?!models?$)[a-z0-9][a-z0-9_.-]*"),
                   "the name of a Nexus repository: lower case letters, digits and _ . -; not models, where the site keeps the versions of all models without "
                   "an entry, which state: absent would remove, and not model, whose roles model-reader and model-publisher would be the site's own"),
    "state": (lambda value: value in ("present", "absent"), "present or absent"),
    "purge_project": (lambda value: isinstance(value, bool), "yes or no"),
}
REQUIRED = ("name", "team")
UNIQUE = ("name", "project", "repository")


def models(entries, groups=None, registered=()):
    """The entries with their defaults filled in, then what the registry has besides; an error for the first thing that is wrong. groups: those of the
    inventory, which must have each of the targets."""
    if not isinstance(entries, (list, tuple)):
        raise AnsibleFilterError(f"models is {entries!r}; it must be a list")
    found: list = []
    for number, entry in enumerate(entries, 1):
        found.append(_complete(entry, f"models: entry {number}", groups))
    listed = {entry["name"] for entry in found}
    for entry in registered:
        if entry["name"] not in listed:
            full = _complete(entry, f"models: registered model {entry['name']}", None)
            found.append({**full, "targets": [group for group in full["targets"] if groups is None or group in groups]})
    for field in UNIQUE:
        seen: dict = {}
        for entry in found:
            other = seen.setdefault(entry[field].casefold(), entry)
            if other is not entry:
                raise AnsibleFilterError(f"models: {field} is {entry[field]!r} in two entries ({other['name']}, {entry['name']}); each needs one of its own")
    return found


def _complete(entry, place, groups):
    if not isinstance(entry, dict):
        raise AnsibleFilterError(f"{place} is {entry!r}; it must have the fields {' and '.join(REQUIRED)}")
    place = f"{place} ({entry['name']})" if "name" in entry and "registered" not in place else place
    _check(place, entry, FIELDS, REQUIRED, "a model")
    _check_thresholds(f"{place}: thresholds", entry.get("thresholds", ()))
    name, team = entry["name"], entry["team"]
    full = {"description": f"Model {name} of team {team}", "project": f"{team}/{name}", "thresholds": [], "targets": ["staging", "production"], "receivers": [],
            "approval": "never", "repository": f"model-{name}", "state": "present", "purge_project": False, **entry,
            "retrain": {"on_alert": False, "schedule": "", "at_most_every": 86400, **entry.get("retrain", {})},
            "gate": {"minutes": 0, "max_error_rate": 0.01, "min_requests": 1, **entry.get("gate", {})}}
    for group in full["targets"]:
        if groups is not None and group not in groups and full["state"] == "present":
            raise AnsibleFilterError(f"{place}: targets has {group!r}, which is no group of the inventory")
    return full


def _check(place, entry, fields, required, what):
    """An error for the first field that is missing, unknown or wrong."""
    for field in required:
        if field not in entry:
            raise AnsibleFilterError(f"{place}: {field} is missing; it must be {fields[field][1]}")
    for field, value in entry.items():
        if field not in fields:
            raise AnsibleFilterError(f"{place}: {field} is no field of {what}; it has {', '.join(fields)}")
        right, wanted = fields[field]
        if not right(value):
            raise AnsibleFilterError(f"{place}: {field} is {value!r}; it must be {wanted}")


def _check_thresholds(place, thresholds):
    """What the step validate would refuse is refused before a model's project and policy are made of it."""
    seen = set()
    for number, entry in enumerate(thresholds, 1):
        here, metric = f"{place}: entry {number}", entry.get("metric")
        bound = METRICS.get(metric) if isinstance(metric, str) else None
        if not bound:
            raise AnsibleFilterError(f"{here}: metric is {metric!r}; it must be one of {', '.join(METRICS)}")
        _check(here, entry, {
            "metric": (METRICS.get, metric),
            bound: (_number(), f"a number, the {'least' if bound == 'min' else 'most'} that {metric} may be"),
            "slice": (_text(r"(?s).*\S.*"), "a pandas query on the rows, such as mean_radius > 15"),
            "confidence": (_number(0.5, 0.999), "a share from 0.5 to 0.999, such as 0.95"),
        }, (bound,), f"a threshold on {metric}")
        # What validation calls a check.
        name = (metric, f"{entry[bound]:g}", " ".join(entry.get("slice", "").split()))
        if name in seen:
            raise AnsibleFilterError(f"{here}: {metric} with this {bound} and slice is there twice; once is right")
        seen.add(name)


# What the modules take


def model_objects(registry, site):
    """Every list that the bulk modules take, by product and kind, from what model_secrets returned and the site's addresses and secrets."""
    kept, gone = registry["models"], registry["absent"]
    entries = [model["entry"] for model in kept]
    return {
        "gitlab": _gitlab(kept, entries, registry["hook_secret"], site),
        "jenkins": _jenkins(kept, entries, registry["hook_secret"], site),
        "nexus": _nexus(kept, site),
        "absent": _absent(gone, site),
        "start": {model["entry"]["project"]: _starter(model["entry"]) for model in kept if not model["started"]},
        "finish": sorted(model["entry"]["name"] for model in kept if not model["started"] or model["retired"]),
    }


def _parents(path):
    parts = path.split("/")[:-1]
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _hook_url(site):
    return f"{site['jenkins_url'].rstrip('/')}/gitlab-webhook/post"


def _gitlab(kept, entries, hook_secret, site):
    jenkins = bool(site["jenkins_url"])
    return {
        "groups": [{"path": path, "description": "Models that the inventory lists (mlops.onprem)"}
                   for path in dict.fromkeys(path for entry in entries for path in _parents(entry["project"]))],
        "projects": [{"path": entry["project"], "description": entry["description"], "topics": ["model"], "remove_source_branch_after_merge": True,
                      # The verdict of Jenkins, which GitLab keeps as a pipeline from outside.
                      **({"only_allow_merge_if_pipeline_succeeds": True} if jenkins else {})} for entry in entries],
        # As GitLab itself protects the branch of a first push, so that there is nothing to change.
        "protected_branches": [{"project": entry["project"], "name": "main", "push_access_level": "maintainer", "merge_access_level": "maintainer",
                                "allow_force_push": False} for entry in entries],
        "protected_tags": [{"project": entry["project"], "name": "v*", "create_access_level": "maintainer"} for entry in entries],
        "hooks": [{"project": entry["project"], "url": _hook_url(site), "token": hook_secret, "description": "Jenkins", "push_events": True,
                   "tag_push_events": True, "merge_requests_events": True, "note_events": False} for entry in entries if jenkins],
        "variables": [{"project": entry["project"], "key": "MLOPS_STORE", "value": _store(entry, site)} for entry in entries if site["store_url"]],
        "deploy_keys": [{"project": model["entry"]["project"], "key": model["secrets"]["deploy_key_public"], "title": f"Jenkins, {model['entry']['name']}",
                         "can_push": False} for model in kept],
        "retired_keys": [{"project": model["entry"]["project"], "key": key} for model in kept for key in model["retired"]],
    }


def _store(entry, site):
    return f"{site['store_url'].rstrip('/')}/repository/{entry['repository']}" if site["store_url"] else ""


def policy(entry, site):
    """What the site decides for a model, as the steps of the pipeline take it."""
    return {
        "model": entry["name"], "team": entry["team"], "project": entry["project"], "store": _store(entry, site), "thresholds": entry["thresholds"],
        "environments": entry["targets"], "approval": entry["approval"], "gate": entry["gate"], "receivers": entry["receivers"],
        "retrain": {"at_most_every": entry["retrain"]["at_most_every"]},
        **{name: site[name] for name in ("gitlab_url", "jenkins_url", "prometheus_url", "alertmanager_url", "ca_file", "wheels", "index_url")},
        "credentials": [name for name, there in (("monitoring", site["monitoring_user"]), ("store-reader", True), ("vault-password", site["vault_password"]))
                        if there],
    }


def _base64(text):
    return base64.b64encode(text.encode()).decode()


def _jenkins(kept, entries, hook_secret, site):
    by_https = site["git_base"].startswith("http")
    # Where role jenkins keeps the system's store by its document, it keeps this one, too: that replaces the whole store.
    hook = {"id": "gitlab-hook", "type": "secret_text", "secret": hook_secret, "description": "GitLab shows it with each call"}
    credentials = [hook] if site["hook_credential"] else []
    for model in kept:
        entry, made = model["entry"], model["secrets"]
        folder = {"folder": f"{entry['team']}/{entry['name']}"}
        credentials += [
            {**folder, "id": "model-policy", "type": "secret_file", "file_name": "policy.json", "description": "What the site decides for this model",
             "content_base64": _base64(json.dumps(policy(entry, site), sort_keys=True))},
            {**folder, "id": "store-publisher", "type": "username_password", "username": f"{entry['repository']}-publisher",
             "password": made["publisher_password"], "description": "Adds versions to the store"},
            {**folder, "id": "store-reader", "type": "username_password", "username": f"{entry['repository']}-reader",
             "password": made["reader_password"], "description": "Reads the version in production"},
            {**folder, "id": "deploy-key", "type": "ssh_key", "username": "git", "private_key": made["deploy_key"], "description": "Reads the project"},
        ]
    # What all of the site share lies in the folders of the teams, where the models' folders find it; by https the project is read with the token.
    teams = list(dict.fromkeys(entry["team"] for entry in entries))
    credentials += [{"folder": team, **credential} for team in teams for value, credential in (
        (site["signing_key"], {"id": "signing-key", "type": "secret_file", "file_name": "signing.key", "description": "Signs packages",
                               "content_base64": _base64(site["signing_key"])}),
        (site["gitlab_token"], {"id": "gitlab-api", "type": "secret_text", "secret": site["gitlab_token"], "description": "Reports to GitLab"}),
        (site["monitoring_user"], {"id": "monitoring", "type": "username_password", "username": site["monitoring_user"],
                                   "password": site["monitoring_password"], "description": "Reads what monitoring sees"}),
        (site["vault_password"], {"id": "vault-password", "type": "secret_text", "secret": site["vault_password"], "description": "Opens the vault"}),
        (site["gitlab_token"] if by_https else "", {"id": "gitlab-clone", "type": "username_password", "username": "oauth2",
                                                    "password": site["gitlab_token"], "description": "Reads projects"}),
    ) if value]
    return {
        "folders": [{"name": team, "description": f"Models of team {team}"} for team in teams]
        + [{"name": f"{entry['team']}/{entry['name']}", "description": entry["description"]} for entry in entries],
        "credentials": credentials,
        "jobs": [job for entry in entries for job in _jobs(entry, site, "gitlab-clone" if by_https else "deploy-key")],
    }


def _jobs(entry, site, credential):
    place = f"{entry['team']}/{entry['name']}"
    return [
        {"name": f"{place}/pipeline", "xml": MULTIBRANCH.format(**{name: escape(value) for name, value in {
            "description": entry["description"], "server": site["gitlab_server"], "owner": entry["project"].rpartition("/")[0], "project": entry["project"],
            "credential": credential, "id": f"mlops-{entry['name']}"}.items()})},
        {"name": f"{place}/retrain", "type": "pipeline", "description": f"Trains {entry['name']} anew and ships it", "git_url": _git_url(entry, site),
         "git_branch": "*/main", "git_credentials_id": credential, "script_path": "Jenkinsfile", "cron": entry["retrain"]["schedule"], "concurrent": False},
    ]


def _git_url(entry, site):
    base = site["git_base"] or f"ssh://git@{urlsplit(site['gitlab_url']).hostname}"
    return f"{base.rstrip('/')}/{entry['project']}.git"


# What the plugin gitlab-branch-source keeps: branches that are no merge request, merge requests of the project itself merged with their target, tags.
# Jenkins builds a tag by itself only where a strategy of basic-branch-build-strategies says so; -1 is any age.
MULTIBRANCH = """<org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject>
  <description>{description}</description>
  <orphanedItemStrategy class="com.cloudbees.hudson.plugins.folder.computed.DefaultOrphanedItemStrategy">
    <pruneDeadBranches>true</pruneDeadBranches>
    <daysToKeep>7</daysToKeep>
    <numToKeep>50</numToKeep>
  </orphanedItemStrategy>
  <sources class="jenkins.branch.MultiBranchProject$BranchSourceList">
    <data>
      <jenkins.branch.BranchSource>
        <source class="io.jenkins.plugins.gitlabbranchsource.GitLabSCMSource">
          <id>{id}</id>
          <serverName>{server}</serverName>
          <projectOwner>{owner}</projectOwner>
          <projectPath>{project}</projectPath>
          <credentialsId>{credential}</credentialsId>
          <traits>
            <io.jenkins.plugins.gitlabbranchsource.BranchDiscoveryTrait>
              <strategyId>1</strategyId>
            </io.jenkins.plugins.gitlabbranchsource.BranchDiscoveryTrait>
            <io.jenkins.plugins.gitlabbranchsource.OriginMergeRequestDiscoveryTrait>
              <strategyId>1</strategyId>
            </io.jenkins.plugins.gitlabbranchsource.OriginMergeRequestDiscoveryTrait>
            <io.jenkins.plugins.gitlabbranchsource.TagDiscoveryTrait/>
          </traits>
        </source>
        <buildStrategies>
          <jenkins.branch.buildstrategies.basic.BranchBuildStrategyImpl/>
          <jenkins.branch.buildstrategies.basic.ChangeRequestBuildStrategyImpl>
            <ignoreTargetOnlyChanges>true</ignoreTargetOnlyChanges>
          </jenkins.branch.buildstrategies.basic.ChangeRequestBuildStrategyImpl>
          <jenkins.branch.buildstrategies.basic.TagBuildStrategyImpl>
            <atLeastMillis>-1</atLeastMillis>
            <atMostMillis>-1</atMostMillis>
          </jenkins.branch.buildstrategies.basic.TagBuildStrategyImpl>
        </buildStrategies>
      </jenkins.branch.BranchSource>
    </data>
  </sources>
  <factory class="org.jenkinsci.plugins.workflow.multibranch.WorkflowBranchProjectFactory">
    <scriptPath>Jenkinsfile</scriptPath>
  </factory>
</org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject>
"""


def _nexus(kept, site):
    roles, users = [], []
    for model in kept:
        entry, made = model["entry"], model["secrets"]
        repository, view = entry["repository"], f"nx-repository-view-raw-{entry['repository']}"
        roles += [
            {"id": f"{repository}-reader", "name": f"Reads packages of {entry['name']}", "privileges": [f"{view}-browse", f"{view}-read"], "roles": []},
            # Nexus asks for `edit` where a path is new, too; the repository's write policy refuses what is there.
            {"id": f"{repository}-publisher", "name": f"Publishes packages of {entry['name']}", "privileges": [f"{view}-add", f"{view}-edit"],
             "roles": [f"{repository}-reader"]},
        ]
        users += [{"user_id": f"{repository}-{what}", "first_name": entry["name"], "last_name": what, "email": f"{repository}-{what}@localhost",
                   "status": "active", "roles": [f"{repository}-{what}"], "password": made[f"{what}_password"]} for what in ("publisher", "reader")]
    return {
        # Blobs have no file name extension: Nexus could not tell their type.
        "repositories": [{"name": model["entry"]["repository"], "format": "raw", "type": "hosted", "online": True, "write_policy": "allow_once",
                          "strict_content_type_validation": False, **({"blob_store": site["blob_store"]} if site["blob_store"] else {})} for model in kept],
        "roles": roles,
        "users": users,
    }


def _absent(gone, site):
    """What goes with a model that is taken away. Its GitLab project stays as it is, without what ties it to this site, unless purge_project says otherwise."""
    entries = [model["entry"] for model in gone]
    stays = [model for model in gone if not model["entry"]["purge_project"]]
    names = [f"{entry['repository']}-{what}" for entry in entries for what in ("publisher", "reader")]
    return {
        "names": [entry["name"] for entry in entries],
        "projects": [{"path": entry["project"]} for entry in entries if entry["purge_project"]],
        "hooks": [{"project": model["entry"]["project"], "url": _hook_url(site)} for model in stays if site["jenkins_url"]],
        "variables": [{"project": model["entry"]["project"], "key": "MLOPS_STORE"} for model in stays],
        "deploy_keys": [{"project": model["entry"]["project"], "key": key} for model in stays
                        for key in (model["secrets"]["deploy_key_public"], *model["retired"])],
        "folders": [{"name": f"{entry['team']}/{entry['name']}"} for entry in entries],
        "users": [{"user_id": name} for name in names],
        "roles": [{"id": name} for name in names],
        "repositories": [{"name": entry["repository"]} for entry in entries],
    }


# Starter files


def _starter(entry):
    """The files that an empty project begins with, for one commit."""
    # A name by itself may be a word of Python, a module of its or a package of the environment (import, json, xgboost).
    name, package = entry["name"], f"model_{entry['name'].replace('-', '_')}"
    # Of one line of text JSON makes what TOML takes, too, if letters stay what they are.
    values = {"@NAME@": name, "@PACKAGE@": package, "@DESCRIPTION_TOML@": json.dumps(entry["description"], ensure_ascii=False),
              "@DESCRIPTION@": entry["description"]}
    files = {file: re.sub("@[A-Z_]+@", lambda found: values[found[0]], text) for file, text in STARTER.items()}
    # Not JSON, of which YAML would read 1e-05 as a text; by way of it, since YAML is only written of plain types, not those of Ansible.
    files["validation.yml"] += yaml.safe_dump({"metrics": json.loads(json.dumps(entry["thresholds"]))}, sort_keys=False, allow_unicode=True)
    return [{"project": entry["project"], "branch": "main", "path": file.replace("@PACKAGE@", package), "content": text, "overwrite": False,
             "commit_message": f"A start for the model {name}"} for file, text in files.items()]


STARTER = {
    "Jenkinsfile": "@Library('mlops') _ ; modelPipeline()\n",
    "pyproject.toml": """# The model, for the steps of the pipeline (docs/pipeline.md of mlops.onprem).
[tool.mlops]
model = "@NAME@"
description = @DESCRIPTION_TOML@
lock = "requirements.txt"
train = ["python", "-m", "@PACKAGE@.train", "--output", "build/package"]
""",
    "requirements.txt": "# The locked environment, with hashes: pip-compile --generate-hashes, or uv pip compile --generate-hashes.\n",
    "validation.yml": """# What a version must reach. The site's own thresholds (its inventory) hold as well: this file can be stricter, never laxer.
data: {loader: "@PACKAGE@.data:holdout"}
model: build/package/model.onnx
golden: {requests: 3, tolerance: {absolute: 0.0001, relative: 0.0001}}
""",
    "README.md": """# @NAME@

@DESCRIPTION@

1. Put the training into `@PACKAGE@/train.py`, the data into `@PACKAGE@/data.py`, the environment into `requirements.txt`.
2. Write tests below `tests/`: `unit`, `integration`, and `data` for what the training data must be like.
3. Push a branch and open a merge request: its comment says what was reached. What is merged into `main` is shipped.
""",
    "MODEL_CARD.md": "# @NAME@\n\n@DESCRIPTION@\n\n## What it is for\n\n## What it was trained on\n\n## Limits\n",
    "@PACKAGE@/__init__.py": "",
    "@PACKAGE@/train.py": '''"""Trains the model and writes the package: model.onnx, reference.csv, labels.json, MODEL_CARD.md."""

raise SystemExit("@PACKAGE@/train.py: the training is to be written")
''',
    "@PACKAGE@/data.py": '''"""The data: what is trained on, and what is held back to judge a version by."""


def holdout():
    """(rows, labels) that no training has seen."""
    raise NotImplementedError("@PACKAGE@/data.py: holdout() is to be written")
''',
    "tests/unit/test_data.py": "\"\"\"What the code must do.\"\"\"\n\n\ndef test_there_is_a_package():\n    import @PACKAGE@  # noqa: F401\n",
    "tests/integration/test_train.py": "\"\"\"What training and packaging must do together.\"\"\"\n\n\ndef test_nothing_yet():\n    pass\n",
    "tests/data/test_data.py": "\"\"\"What the training data must be like.\"\"\"\n\n\ndef test_nothing_yet():\n    pass\n",
}


# What monitoring is told


def model_checks(entries, port=8080, runbook=""):
    """A check for each model, as entries of site_checks. 404 is right: a model that was never shipped to a host is not missing there."""
    return [{"name": f"ModelNotReady_{entry['name'].replace('-', '_')}", "groups": entry["targets"], "kind": "http", "status": [200, 404],
             "url": f"http://{{host}}:{port}/v2/models/{quote(entry['name'])}/ready", "summary": f"Model {entry['name']} does not answer",
             **({"runbook": runbook} if runbook else {}), "labels": {"model": entry["name"], "team": entry["team"]}}
            for entry in _present(entries) if entry["targets"]]


def model_folders(entries):
    """A folder of Grafana for each team, with what its models do, as entries of grafana_folders."""
    teams: dict = {}
    for entry in _present(entries):
        teams.setdefault(entry["team"], []).append(entry["name"])
    return [{"name": team, "dashboards": ["serving"], "values": {"model": names}} for team, names in sorted(teams.items())]


def model_receivers(entries, jenkins_url, username, password, ca=""):
    """Receivers of Alertmanager that start the job `retrain` of the models whose entry asks for it. ca: of Jenkins' certificate, where it is one's own."""
    # That an alert is over is no reason to train.
    return [{"name": f"retrain-{entry['name']}", "send_resolved": False, "webhook": [{
        "url": f"{jenkins_url.rstrip('/')}/job/{entry['team']}/job/{entry['name']}/job/retrain/build", "username": username, "password": password,
        **({"ca": ca} if ca else {})}]}
        for entry in _present(entries) if entry["retrain"]["on_alert"] and jenkins_url]


def model_routes(entries, default, jenkins_url):
    """Routes of Alertmanager: an alert of a model that asks for training starts it, and every alert of a model reaches the people of that model.
    default: who gets the alerts of models that name nobody."""
    found = []
    for entry in _present(entries):
        name = entry["name"]
        starts = entry["retrain"]["on_alert"] and bool(jenkins_url)
        if starts:
            found.append({"receiver": f"retrain-{name}", "matchers": ['feedback="retrain"', f'model="{name}"'], "continue": True, "group_by": ["model"],
                          # The job itself waits for at_most_every; called seldom, it would miss the moment from which it may.
                          "repeat_interval": min(entry["retrain"]["at_most_every"], 3600)})
        # A route that took an alert keeps the site's own receiver from it, so that it is named here.
        if starts or entry["receivers"]:
            found += [{"receiver": receiver, "matchers": [f'model="{name}"'], "continue": True} for receiver in entry["receivers"] or [default] if receiver]
    return found


def model_jenkins_roles(entries):
    """Item roles of Jenkins, one a team: who is in the team's group reads and builds what lies in its folder."""
    return [{"name": f"team-{team}", "pattern": f"{re.escape(team)}(/.*)?", "groups": [team],
             "permissions": ["Job/Read", "Job/Build", "Job/Cancel", "Job/Workspace"]} for team in dict.fromkeys(entry["team"] for entry in _present(entries))]


def _present(entries):
    return [entry for entry in entries if entry["state"] == "present"]


class FilterModule:
    """The filters of this file, by name."""

    def filters(self):
        return {"models": models, "model_objects": model_objects, "model_checks": model_checks, "model_folders": model_folders,
                "model_receivers": model_receivers, "model_routes": model_routes, "model_jenkins_roles": model_jenkins_roles}
