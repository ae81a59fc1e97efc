# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Prometheus and Alertmanager say about a model, and step reason. Knows the metrics of model_server and HAProxy; decides nothing."""

from __future__ import annotations

from mlops_steps.outcome import Stop
from mlops_steps.service import Service, basic


def prometheus(project):
    """The site's Prometheus."""
    return _service(project, "Prometheus", "prometheus_url")


def _service(project, name, key):
    env = project.env
    headers = basic(env.get("MLOPS_MONITORING_USERNAME"), env.get("MLOPS_MONITORING_PASSWORD"))
    return Service(name, project.policy_value(key), headers, project.ca_file)


def query(service, expression):
    """[(labels, value)] of an instant query."""
    answer = service.get("/api/v1/query", query=expression)
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise Stop(f"{service.name}: GET /api/v1/query: {answer!r:.200} is no answer of Prometheus")
    return [(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]


def serving(project, environment):
    """{(version, digest): number of hosts} of what serves in an environment."""
    about = f'{{model="{project.model}",env="{environment}"}}'
    rows = query(prometheus(project), f"mlops_model_info{about} and on (instance, slot) mlops_model_active{about} == 1")
    found = {}
    for labels, _one in rows:
        key = labels["version"], labels["digest"]
        found[key] = found.get(key, 0) + 1
    return found


def requests(project, environment, minutes):
    """(requests, of them errors) that the model's slots of an environment answered in the last minutes."""
    slots = f'mlops_model_active{{model="{project.model}",env="{environment}"}} == 1'
    total = (f'sum(increase(haproxy_backend_http_responses_total{{proxy=~"model_{project.model}_[ab]"%s}}[{minutes}m]) '
             f'* on (host) group_left () group by (host) ({slots}))')
    service = prometheus(project)
    counted = [sum(value for _labels, value in query(service, total % match)) for match in ("", ',code="5xx"')]
    return round(counted[0]), round(counted[1])


def firing(project, **labels):
    """Alerts that Alertmanager holds for these labels and has neither silenced nor inhibited."""
    filters = [f'{name}="{value}"' for name, value in labels.items()]
    return _service(project, "Alertmanager", "alertmanager_url").get("/api/v2/alerts", active="true", silenced="false", inhibited="false", filter=filters)


def reason(project, _options):
    """Why a feedback build was started. It stops nothing: the model is trained whatever the reason was."""
    try:
        alerts = firing(project, model=project.model, feedback="retrain")
    except Stop as stop:
        text, alerts = f"unknown: {stop}", []
    else:
        text = "; ".join(f"{_name(alert)} since {alert.get('startsAt', '')[:16]}: {_says(alert)}" for alert in alerts)
        text = text or "no alert asks for it now: started by a schedule or by hand"
    project.write("reason.json", {"reason": text, "alerts": [
        {"name": _name(alert), "since": alert.get("startsAt"), "says": _says(alert), "labels": alert["labels"]} for alert in alerts]})
    print(f"reason: {text}")


def _name(alert):
    return alert["labels"].get("alertname", "alert")


def _says(alert):
    about = alert.get("annotations", {})
    return about.get("summary") or about.get("description") or "it says nothing more"
