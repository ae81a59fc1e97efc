# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role grafana leaves on a machine, asked from the machine itself, and what a change of a value does and does not touch.

Grafana is a stand-in here; Prometheus, its exporters and HAProxy are real, so what the dashboards ask is really answered.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from ansible_collections.mlops.onprem.tests.dashboards import queries

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
DASHBOARDS = sorted((SCENARIO.parents[1] / "roles" / "grafana" / "files" / "dashboards").glob("*.json"))
PASSWORD = 'molecule #1; "$x'
RUNBOOKS = "https://git.example.org/runbooks.md"
SECRETS = ("molecule #1", "mail-secret-1", "oauth-secret-1", "source-secret-1", "second-secret-2")
API = "http://127.0.0.1:3000/grafana"


def curl(host, path, password=PASSWORD, method="GET"):
    """(status, text) of one request; the password goes by standard input. None is no password."""
    login = "" if password is None else "user = " + json.dumps(f"admin:{password}")
    done = host.run(f"printf '%s\\n' {shlex.quote(login)} | curl -sS -X {method} -K - -w '\\n%{{http_code}}' {shlex.quote(API + path)}")
    text, _line, status = done.stdout.rpartition("\n")
    return int(status), text


def api(host, path):
    status, text = curl(host, path)
    assert status == 200, text
    return json.loads(text)


def empty(host, found):
    """Those of the queries that find nothing, asked in one go as Grafana asks: by its data source."""
    urls = [f'url = "{API}/api/datasources/proxy/uid/prometheus/api/v1/query?query={quote(expression)}"' for _title, expression in found]
    config = "\n".join(["user = " + json.dumps(f"admin:{PASSWORD}"), r'write-out = "\n"', *urls])
    answers = host.check_output(f"printf %s {shlex.quote(config)} | curl -sS -K -").splitlines()
    assert len(answers) == len(found)
    return [query for query, answer in zip(found, answers) if not json.loads(answer)["data"]["result"]]


def role(*options, **values):
    """(exit code, output) of another run of the role, with other values."""
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], *options, "-e", json.dumps(values), SCENARIO.parent / "shared" / "converge.yml"]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return done.returncode, done.stdout + done.stderr


def process(host):
    return host.check_output("systemctl show --value -p MainPID grafana-server")


def shown(host):
    return {row["uid"] for row in api(host, "/api/search?type=dash-db")}


def copies(host):
    """The dashboards of the teams' folders, as Grafana lists them."""
    return [row for row in api(host, "/api/search?type=dash-db") if row["folderTitle"] in ("risk", "No model yet")]


def test_service_runs_as_its_user_now_and_after_a_boot(host):
    service = host.service("grafana-server")
    assert service.is_running and service.is_enabled
    assert host.check_output(f"stat -c %U /proc/{process(host)}") == "grafana"
    assert host.socket("tcp://127.0.0.1:3000").is_listening
    assert not host.socket("tcp://0.0.0.0:3000").is_listening


def test_unit_is_shut_in(host):
    assert float(host.check_output("systemd-analyze security --no-pager grafana-server.service").split()[-3]) <= 4.0
    assert host.run("systemd-analyze verify grafana-server.service").stderr == ""


def test_nobody_enters_without_the_password(host):
    assert curl(host, "/api/user", None)[0] == 401
    assert curl(host, "/api/search", None)[0] == 401
    assert curl(host, "/api/user", "admin")[0] == 401
    assert api(host, "/api/user")["isGrafanaAdmin"] is True


def test_configuration_is_read_as_it_was_meant(host):
    settings = api(host, "/api/admin/settings")
    assert settings["users"]["allow_sign_up"] == settings["auth.anonymous"]["enabled"] == "false"
    assert {settings["analytics"][key] for key in ("reporting_enabled", "check_for_updates", "check_for_plugin_updates")} == {"false"}
    assert settings["auth.generic_oauth"]["client_id"] == "a; b # c"
    assert settings["auth.generic_oauth"]["client_secret"] == settings["smtp"]["password"] == "*********"
    assert settings["smtp"]["host"] == "127.0.0.1:25"


def test_secrets_are_read_by_grafana_only(host):
    private = ("admin.password", "grafana.ini", "secrets/oauth", "secrets/smtp_password", "provisioning/datasources/mlops.yaml")
    for path in private:
        file = host.file(f"/etc/grafana/{path}")
        assert (file.user, file.group, file.mode) == ("root", "grafana", 0o640), path
    assert not [secret for secret in SECRETS if secret in host.file("/etc/grafana/grafana.ini").content_string]
    words = " ".join(f"-e {shlex.quote(secret)}" for secret in SECRETS)
    found = host.run(f"grep -rlF {words} /etc /run/systemd /var/log /usr/share/grafana 2>/dev/null").stdout.split()
    assert [path for path in found if host.file(path).mode & 0o007] == []
    processes = host.check_output("ps -eo args")
    assert not [secret for secret in SECRETS if secret in processes]


def test_data_sources_are_there_and_answer(host):
    sources = {source["uid"]: source for source in api(host, "/api/datasources")}
    assert sorted(sources) == ["alertmanager", "elsewhere", "prometheus"]
    assert [uid for uid, source in sources.items() if source["isDefault"]] == ["prometheus"]
    assert sources["prometheus"]["jsonData"]["timeInterval"] == "5s" and sources["prometheus"]["readOnly"]
    assert sources["elsewhere"]["secureJsonFields"] == {"basicAuthPassword": True}
    assert api(host, "/api/datasources/uid/prometheus/health")["status"] == "OK"


def test_dashboards_are_shown_as_the_files_say(host):
    folders = {row["uid"]: row["folderTitle"] for row in api(host, "/api/search?type=dash-db")}
    assert folders == {**{f"mlops-{path.stem}": "MLOps" for path in DASHBOARDS}, "team": "Team",
                       **{row["uid"]: row["folderTitle"] for row in copies(host)}}
    for path in DASHBOARDS:
        there, given = api(host, f"/api/dashboards/uid/mlops-{path.stem}")["dashboard"], json.loads(path.read_text())
        assert there.pop("links") == [*given.pop("links"), {"title": "Run-book", "type": "link", "icon": "doc", "url": RUNBOOKS, "targetBlank": True}]
        assert there == given
    assert host.file("/etc/grafana/dashboards/MLOps/overview.json").exists
    assert api(host, "/api/admin/settings")["dashboards"]["default_home_dashboard_path"] == "/etc/grafana/dashboards/MLOps/overview.json"


def test_a_team_has_a_folder_with_what_its_models_do(host, tmp_path):
    """The copy says its team, offers its models, and its panels find them; that of a team without a model on any host shows no other team's."""
    assert {row["folderTitle"]: row["title"] for row in copies(host)} == {"risk": "Model serving: risk", "No model yet": "Model serving: No model yet"}
    found = {}
    for row in copies(host):
        board = api(host, f"/api/dashboards/uid/{row['uid']}")["dashboard"]
        assert board["links"][-1]["url"] == RUNBOOKS
        (tmp_path / "copy.json").write_text(json.dumps(board))
        asked = [(title, text) for title, text in queries(tmp_path / "copy.json") if title in ("Versions on the hosts", "Requests by model and slot")]
        found[row["folderTitle"]] = [title for title, _text in empty(host, asked)]
        assert len(asked) == 2
    assert found == {"risk": [], "No model yet": ["Versions on the hosts", "Requests by model and slot"]}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_finds_something(host, path):
    """Rates need two scrapes, so the first answers may be empty."""
    left = queries(path)
    assert len(left) > 10
    for _try in range(30):
        left = empty(host, left)
        if not left:
            return
        time.sleep(2)
    raise AssertionError(f"these panels are empty: {left}")


# What is refused before anything changes, and what is said.
REFUSED = {
    "short password": ({"grafana_admin_password": "secret"}, ["grafana_admin_password: must be"]),
    "port": ({"grafana_port": 80}, ["grafana_port: 80 must be 1024 to 65535"]),
    "settings": ({"grafana_settings": {"auth.ldap": True, "auth.proxy": {"bind_password": "second-secret-2"}}},
                 ["auth.ldap: must be a section", "auth.proxy.bind_password: is a secret"]),
    "two defaults": ({"grafana_datasources": [{"name": "Other", "type": "prometheus", "isDefault": True}]}, ["at most one has isDefault"]),
}


@pytest.mark.parametrize(("values", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_value_is_refused_by_name(host, values, words):
    before = process(host)
    code, text = role(**values)
    assert code == 2 and all(word in text for word in words), text
    assert "second-secret-2" not in text
    assert process(host) == before


def test_broken_dashboard_does_not_replace_the_good_one(host, tmp_path):
    (tmp_path / "Team").mkdir()
    (tmp_path / "Team" / "team.json").write_text('{"uid": "team", "title": ')
    before = process(host), host.file("/etc/grafana/dashboards/Team/team.json").sha256sum
    code, text = role(grafana_dashboards_path=str(tmp_path))
    assert code == 2 and "team.json: is not JSON" in text, text
    assert (process(host), host.file("/etc/grafana/dashboards/Team/team.json").sha256sum) == before
    assert "team" in shown(host)


def test_life_of_a_site(host, tmp_path):
    """Dashboards change and go, and the password changes: no restart, the old one does not open. What else left goes: one restart."""
    before = process(host)
    new = "second-secret-2 #"
    (tmp_path / "team.json").write_text('{"uid": "team", "title": "Team two", "schemaVersion": 42, "panels": []}')
    values = {"grafana_folders": [{"name": "risk"}], "grafana_dashboards_path": str(tmp_path), "grafana_dashboards": ["overview", "serving"],
              "grafana_admin_password": new}
    code, text = role("-vvv", "--diff", **values)
    assert code == 0 and not [secret for secret in SECRETS if secret in text], text
    assert curl(host, "/api/user")[0] == 401
    shown_now = {row["uid"]: row["title"] for row in json.loads(curl(host, "/api/search?type=dash-db", new)[1])}
    assert sorted(shown_now.values()) == ["Model serving", "Model serving: risk", "Overview", "Team two"]
    assert {"mlops-overview", "mlops-serving", "team"} < set(shown_now) and shown_now["team"] == "Team two"
    files = host.check_output("cd /etc/grafana/dashboards && find . -name '*.json'").split()
    assert sorted(files) == ["./MLOps/overview.json", "./MLOps/serving.json", "./risk/serving.json", "./team.json"]
    assert process(host) == before

    host.check_output("printf '[database]\\npassword = source-secret-1\\n' >>/etc/grafana/grafana.ini")
    code, text = role("--diff", grafana_datasources=[], grafana_secrets=[], grafana_settings={})
    assert code == 0 and not [secret for secret in SECRETS if secret in text], text
    assert process(host) != before
    assert api(host, "/api/user")["login"] == "admin" and "mlops-hosts" in shown(host)
    assert [source["uid"] for source in api(host, "/api/datasources")] == ["alertmanager", "prometheus"]
    assert not host.file("/etc/grafana/secrets/oauth").exists
    assert host.check_output("systemctl show --value -p NRestarts grafana-server") == "0"
