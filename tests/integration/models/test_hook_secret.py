# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who keeps the secret of GitLab's calls in Jenkins: what playbooks/jenkins.yml hands to role jenkins, and whether playbooks/onboarding.yml sends it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
KEPT = (("jenkins_credentials", [{"id": "a", "type": "secret_text", "secret": "s"}]),)
HOOK = "jenkins_gitlab_hook_secret"


@pytest.fixture
def asked(tmp_path):
    """A play of one of the playbooks without its roles; what it gives each host for a variable of the role."""

    def ask(playbook, name, variable, *options, jenkins=KEPT, **everywhere):
        (play,) = [play for play in yaml.safe_load((ROOT / "playbooks" / playbook).read_text()) if play["name"] == name]
        del play["roles"]
        given = tmp_path / "given.json"
        play["tasks"] = [{"ansible.builtin.copy": {"content": f"{{{{ [{variable}] | to_json }}}}", "dest": str(given), "mode": "0600"}, "check_mode": False,
                          "delegate_to": "localhost", "tags": ["configure", "provision"]}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        hosts = {"localhost": LOCAL, **({"jenkins1": LOCAL | dict(jenkins)} if jenkins is not None else {})}
        inventory = {"hosts": hosts, "vars": everywhere, "children": {"jenkins": {"hosts": {"jenkins1": {}}}} if jenkins is not None else {}}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": inventory}))
        done = subprocess.run([Path(sys.executable).with_name("ansible-playbook"), "-i", tmp_path / "hosts.yml", tmp_path / "play.yml", *options],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        (value,) = json.loads(given.read_text())
        assert not value or isinstance(value, bool) or value not in done.stdout + done.stderr, "the secret was printed"
        return value

    return ask


def test_role_jenkins_is_handed_the_sites_one_secret_where_it_keeps_credentials(asked, tmp_path):
    given, home = ("jenkins.yml", "Jenkins", HOOK), tmp_path / "models"
    assert asked(*given, "--check", model_pipeline_home=str(home)) and not home.exists(), "a check makes nothing"
    secret = asked(*given, "--limit", "jenkins1", model_pipeline_home=str(home))
    assert secret == json.loads((home / ".site.json").read_text())["hook_secret"] and [file.name for file in home.glob("*.json")] == [".site.json"]
    assert asked(*given, "--check", model_pipeline_home=str(home)) == secret
    assert asked(*given, "--tags", "provision", model_pipeline_home=str(home)) == ""
    assert asked(*given) == asked(*given, jenkins={}, model_pipeline_home=str(tmp_path / "other")) == "" and not (tmp_path / "other").exists()


@pytest.mark.parametrize(("sent", "changes"), [
    (False, {}),
    (True, {"jenkins": {}}),
    (True, {"jenkins": None}),
    (True, {"site_jenkins_url": "https://elsewhere.example.org"}),
])
def test_onboarding_sends_it_where_no_document_keeps_it(asked, sent, changes):
    assert asked("onboarding.yml", "Models", "model_pipeline_hook_credential", **{"model_pipeline_home": "/nowhere", **changes}) is sent


def test_onboarding_sends_it_where_jenkins_does_not_know_the_registry(asked):
    assert asked("onboarding.yml", "Models", "model_pipeline_hook_credential") is True
