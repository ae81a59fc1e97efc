# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Steps deploy and gate: onto the hosts of an environment by playbooks/deploy.yml, and whether what runs on staging may go on."""

from __future__ import annotations

import time

from mlops_steps import monitoring
from mlops_steps.ansible import playbook
from mlops_steps.outcome import BadInput, Stop

POLL_SECONDS = 10


def deploy(project, options):
    """Deploy the published version to one environment."""
    environment = known(project, options.environment)
    made = project.needed("package.json", "package")
    project.needed("publish.json", "publish")
    report = project.build / f"deploy-{environment}.json"
    report.unlink(missing_ok=True)
    variables = {"model": made["model"], "version": made["version"], "environments": environment, "report": str(report),
                 # Where it was published; the inventory of the hosts need not know each model's repository.
                 **({"model_release_store": project.store} if project.policy.get("store") else {})}
    code, reason = playbook(project, "deploy", variables, **told(project, made))
    if code:
        failures = (project.read(report.name) or {}).get("failures") or []
        raise Stop(f"deploy to {environment}: " + ("; ".join(failure["text"] for failure in failures) or reason))


def told(project, made):
    """Who and why, for those whom the deploy tells."""
    why = (project.read("reason.json") or {}).get("reason") or f"{project.env.get('MLOPS_TRIGGER') or 'by hand'}: {made.get('subject') or made['commit'][:8]}"
    return {"MLOPS_BY": project.env.get("MLOPS_BY") or made.get("author") or "the pipeline", "MLOPS_WHY": project.env.get("MLOPS_WHY") or why}


def known(project, environment):
    """An environment of the policy."""
    if environment not in project.environments:
        raise BadInput(f"environment {environment!r} is not in the policy, give {' or '.join(project.environments)}")
    return environment


def gate(project, _options):
    """pass, fail or hold for what runs on the environments before the last."""
    verdict, reasons = "pass", []
    for environment in project.environments[:-1]:
        found, told = judge(project, environment)
        verdict = found if verdict == "pass" or found == "fail" else verdict
        reasons += told
    project.write("gate.json", {"verdict": verdict, "reasons": reasons})
    if verdict != "pass":
        raise Stop(f"gate: {verdict}: {'; '.join(reasons)}")
    print(f"gate: pass: {'; '.join(reasons)}")


def judge(project, environment):
    """(verdict, reasons) for one environment: what the deploy saw on its hosts, then, where the policy asks for minutes, what monitoring has seen since."""
    made = project.needed("package.json", "package")
    report = project.needed(f"deploy-{environment}.json", f"deploy {environment}")
    rows = [row for row in report["hosts"] if row["environment"] == environment]
    wrong = [f"{row['host']}: {row['state']}, golden {row['golden_passed']}/{row['golden_total']}" for row in rows
             if row["to"] != made["version"] or row["state"] not in ("released", "unchanged") or row["golden_passed"] != row["golden_total"]]
    if wrong or report["failures"]:
        return "fail", wrong or [failure["text"] for failure in report["failures"]]
    if not rows:
        return "hold", [f"{environment} has no host that the deploy reached: nothing is known of {made['version']}"]
    passed = f"{environment}: {len(rows)} hosts answer their golden requests with {made['version']}"
    wanted = {"minutes": 0, "max_error_rate": 0.01, "min_requests": 1, **project.policy.get("gate", {})}
    if not wanted["minutes"]:
        return "pass", [passed]
    verdict, told = watch(project, environment, {row["host"] for row in rows}, made["version"], wanted)
    return verdict, [passed, told] if verdict == "pass" else [told]


def concerning(project, environment, hosts):
    """Critical alerts about the environment or its hosts. Not each has all labels: that a host is down says nothing of a model or an environment."""
    return [alert for alert in monitoring.firing(project, severity="critical")
            if alert["labels"].get("model", project.model) == project.model
            and (alert["labels"].get("host") in hosts or alert["labels"].get("env") == environment)]


def watch(project, environment, hosts, version, wanted):
    """Look for as many minutes as the policy says. Monitoring that cannot be read raises: no data is neither pass nor fail."""
    until = time.monotonic() + wanted["minutes"] * 60
    while True:
        if alerts := concerning(project, environment, hosts):
            return "fail", f"{environment}: alert {', '.join(sorted(alert['labels'].get('alertname', '') for alert in alerts))}"
        if (left := until - time.monotonic()) <= 0:
            break
        time.sleep(min(POLL_SECONDS, left))
    versions = {found for found, _digest in monitoring.serving(project, environment)}
    if versions != {version}:
        return "hold", f"{environment}: monitoring sees {', '.join(sorted(versions)) or 'no version'} there, {version} alone is needed"
    total, errors = monitoring.requests(project, environment, wanted["minutes"])
    if total < wanted["min_requests"]:
        return "hold", f"{environment}: {total} requests in {wanted['minutes']} minutes, {wanted['min_requests'] - total} more are needed to tell"
    rate, allowed = errors / total if total else 0, wanted["max_error_rate"]
    told = f"{environment}: {errors} of {total} requests failed in {wanted['minutes']} minutes, {rate:.2%}, allowed are {allowed:.2%}"
    return ("fail" if rate > allowed else "pass"), told
