# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What roles jenkins and jenkins_agent leave on their machines, what a change of a value does and does not touch, and a deploy from the agent.

Jenkins, its plugins and its agent.jar are stand-ins here; systemd, Java, TLS, ssh, Ansible on the agent and the model host are real.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest
import testinfra

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
LAB = os.environ.get("MLOPS_LAB", "molecule")
HOME = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "mlops-onprem" / LAB
PASSWORD = 'admin "${x}" #1'
SECRETS = ("admin \"", "developer-secret-1", "git-secret-1", "vault-secret-1", "greeting-secret-1", "store-secret-1", "fingerprint-secret-1",
           "11aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "#jbcrypt:", "PRIVATE KEY", "another-secret-2")
API = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def agent():
    return testinfra.get_host(f"docker://mlops-{LAB}-agent1")


@pytest.fixture(scope="module")
def staging():
    return testinfra.get_host(f"docker://mlops-{LAB}-staging1")


def curl(host, path, user="admin", password=PASSWORD):
    """(status, text) of one request; the password goes by standard input. Without a user nobody asks."""
    login = f"user = {json.dumps(f'{user}:{password}')}" if user else ""
    done = host.run(f"printf '%s\\n' {shlex.quote(login)} | curl -sS -g -K - -w '\\n%{{http_code}}' {shlex.quote(API + path)}")
    text, _newline, status = done.stdout.rpartition("\n")
    return int(status), text


def api(host, path, **login):
    status, text = curl(host, path, **login)
    assert status == 200, text
    return json.loads(text)


def role(*options, tags="configure", **values):
    """(exit code, output) of another run of steps of the playbook on Jenkins' machine, with other values."""
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "-e", f"@{SCENARIO.parent}/deploy/vars/store.yml", "-e", json.dumps(values),
               "--limit", "jenkins1", "--tags", tags, *options, SCENARIO.parents[1] / "playbooks" / "jenkins.yml"]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    print(done.stdout + done.stderr)
    return done.returncode, done.stdout + done.stderr


def process(host, unit="jenkins"):
    return host.check_output(f"systemctl show --value -p MainPID {unit}")


def starts(host):
    return int(host.check_output("journalctl -u jenkins -o cat --no-pager | grep -c 'is up and running' || true"))


def reads(host):
    return int(host.check_output("journalctl -u jenkins -o cat --no-pager | grep -c 'document read again' || true"))


def digest(host, path="/etc/jenkins/jenkins.yaml"):
    return host.check_output(f"sha256sum {path}")


# --- as converged


@pytest.mark.parametrize("unit, user", [("jenkins", "jenkins"), ("jenkins-agent", "jenkins-agent")])
def test_services_run_as_their_users_now_and_after_a_boot_in_a_sandbox(host, agent, unit, user):
    machine = agent if unit == "jenkins-agent" else host
    service = machine.service(unit)
    assert service.is_running and service.is_enabled
    assert machine.check_output(f"stat -c %U /proc/{process(machine, unit)}") == user
    exposure = machine.check_output(f"systemd-analyze security --no-pager {unit}.service | tail -n 1")
    assert float(re.search(r": ([0-9.]+) ", exposure)[1]) <= 4.0, exposure


def test_jenkins_is_reached_by_tls_only(host):
    assert host.socket("tcp://127.0.0.1:8080").is_listening and not host.socket("tcp://0.0.0.0:8080").is_listening
    assert host.check_output("curl -sko /dev/null -w %{http_code} https://localhost:8443/login") == "200"


def test_nobody_enters_without_a_password(host):
    assert curl(host, "/api/json", user="")[0] == 403
    assert curl(host, "/api/json", password="admin")[0] == 401
    assert api(host, "/whoAmI/api/json")["name"] == "admin"


@pytest.mark.parametrize("user, secret", [
    ("developer", "developer-secret-1"), ("developer", "11aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), ("robot", "robot-secret-1"),
])
def test_users_enter_by_password_hash_and_token(host, user, secret):
    if user == "robot" and host.run("python3 -W ignore -c 'import crypt'").rc:
        pytest.skip("the stand-in needs Python's crypt to compare a hash, which this Python does not have any more")
    assert api(host, "/whoAmI/api/json", user=user, password=secret)["name"] == user


def test_what_the_variables_say_is_there(host):
    assert api(host, "/computer/(built-in)/api/json?tree=numExecutors")["numExecutors"] == 0
    assert [job["fullName"] for job in api(host, "/job/models/api/json?tree=jobs[fullName]")["jobs"]] == ["models/churn"]
    stored = api(host, "/credentials/store/system/domain/_/api/json?tree=credentials[id]")["credentials"]
    assert {each["id"] for each in stored} == {"git", "vault", "agents", "gitlab-hook"}
    assert {view["name"] for view in api(host, "/api/json?tree=views[name]")["views"]} >= {"Models"}
    labels = api(host, "/computer/agent1/api/json?tree=assignedLabels[name]")["assignedLabels"]
    assert {label["name"] for label in labels} == {"agent1", "linux", "deploy", "gpu"}
    plugins = api(host, "/pluginManager/api/json?tree=plugins[shortName,active]")["plugins"]
    assert len(plugins) == 15 and all(plugin["active"] for plugin in plugins)


def test_secrets_are_in_their_files_only(host, agent):
    for path, mode, group in (("/etc/jenkins/jenkins.yaml", 0o640, "jenkins"), ("/etc/jenkins/secrets/user-admin", 0o640, "jenkins"),
                              ("/etc/jenkins/secrets/credential-git", 0o640, "jenkins"), ("/etc/jenkins/applied", 0o600, "root")):
        file = host.file(path)
        assert (file.user, file.group, file.mode) == ("root", group, mode), path
    secret = agent.file("/etc/jenkins-agent/secret")
    assert (secret.user, secret.mode) == ("jenkins-agent", 0o600)
    # The collection on the agent has this scenario in it.
    patterns = " ".join(f"-e {shlex.quote(text)}" for text in (*SECRETS, secret.content_string) if text != "PRIVATE KEY")
    for machine in (host, agent):
        readable = f"find /etc /opt /usr/local /var -xdev -name ansible_collections -prune -o -type f -perm /o=r -print0 | xargs -0 -r grep -laF {patterns}"
        assert machine.run(readable).stdout == ""
    seen = host.check_output(f"ps -eo args; tr '\\0' '\\n' </proc/{process(host)}/environ; cat /etc/jenkins/jenkins.yaml")
    seen += agent.check_output(f"ps -eo args; tr '\\0' '\\n' </proc/{process(agent, 'jenkins-agent')}/environ")
    assert [text for text in (*SECRETS, secret.content_string) if text in seen] == []


def test_agent_is_connected(host):
    end = time.monotonic() + 120
    while api(host, "/computer/agent1/api/json?tree=offline")["offline"]:
        assert time.monotonic() < end
        time.sleep(1)


# --- a deploy from the agent


def deploy(agent, *arguments, password="vault-secret-1"):
    words = " ".join(map(shlex.quote, arguments))
    bound = f"VAULT_PASSWORD={shlex.quote(password)} " if password else ""
    return agent.run(f"cd / && {bound}runuser -u jenkins-agent -- mlops-deploy {words}")


def served(agent):
    """The version that answers a client."""
    request = '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}'
    answer = agent.check_output(f"curl -sSf -H 'content-type: application/json' -d '{request}' http://staging1:8080/v2/models/scale/infer")
    return json.loads(answer)["model_version"]


def test_agent_deploys_a_model(agent):
    done = deploy(agent, "-e", "model=scale", "-e", "version=1")
    assert done.rc == 0, done.stdout + done.stderr
    assert served(agent) == "1"
    done = deploy(agent, "-e", "model=scale", "-e", "version=2")
    assert done.rc == 0, done.stdout + done.stderr
    assert served(agent) == "2"
    done = deploy(agent, "rollback", "-e", "model=scale")
    assert done.rc == 0, done.stdout + done.stderr
    assert served(agent) == "1"


def test_agent_runs_the_steps_of_a_pipeline(agent):
    listed = agent.run("runuser -u jenkins-agent -- mlops-pipeline --help")
    assert listed.rc == 0 and all(step in listed.stdout for step in ("environment", "validate", "publish", "gate"))
    refused = agent.run("cd / && runuser -u jenkins-agent -- mlops-pipeline package")
    assert refused.rc == 2 and "run the step train first" in refused.stderr


def test_agent_publishes_without_the_vaults_password(agent):
    """It is not bound there: nothing that only the password opens may be looked at."""
    done = deploy(agent, "publish", "-e", "model=scale", password="")
    assert done.rc != 0 and "say which model, version and folder" in done.stdout


def test_without_the_vaults_password_nothing_is_deployed(agent):
    for password in ("", "wrong"):
        done = deploy(agent, "-e", "model=scale", "-e", "version=2", password=password)
        assert done.rc != 0 and "vault" in (done.stdout + done.stderr).lower()
    assert served(agent) == "1"


def test_vaults_password_is_nowhere_on_the_agent(agent):
    assert agent.run("grep -rlI --exclude-dir=ansible_collections vault-secret-1 /etc /opt /var/lib /home /root /tmp /usr/local").stdout == ""
    assert agent.file("/etc/jenkins-agent/inventory/group_vars/all.yml").content_string.startswith("$ANSIBLE_VAULT")


def test_key_of_the_agent_opens_model_hosts_from_the_agent_and_for_commands_only(host, agent, staging):
    key = agent.file("/var/lib/jenkins-agent/.ssh/deploy")
    assert (key.user, key.mode) == ("jenkins-agent", 0o600)
    line = staging.file("/var/lib/deploy/.ssh/authorized_keys").content_string.splitlines()[-1]
    assert line.startswith(f'restrict,from="{agent.check_output("hostname -i").split()[0]}" ssh-ed25519 ')
    assert staging.run("sshd -T -C user=deploy | grep -i permitrootlogin").stdout.split()[-1] != "yes"
    ssh = "ssh -i {} -o BatchMode=yes -o UserKnownHostsFile=/tmp/known -o StrictHostKeyChecking=accept-new {} deploy@staging1 id -un"
    as_agent = "runuser -u jenkins-agent -- "
    assert agent.check_output(as_agent + ssh.format("/var/lib/jenkins-agent/.ssh/deploy", "")) == "deploy"
    assert "forwarding" in agent.run(as_agent + ssh.format("/var/lib/jenkins-agent/.ssh/deploy", "-o ExitOnForwardFailure=yes -R 9999:localhost:22")).stderr
    host.run(f"install -m 0600 /dev/null /tmp/stolen && printf %s {shlex.quote(key.content_string)} >/tmp/stolen")
    stolen = host.run(ssh.format("/tmp/stolen", ""))
    host.run("rm -f /tmp/stolen")
    assert stolen.rc != 0 and "Permission denied" in stolen.stderr


def test_a_model_host_with_another_key_is_not_trusted(agent):
    agent.run("cp /etc/jenkins-agent/known_hosts /root/known_hosts && sed -i 's/AAAAC3NzaC1lZDI1NTE5AAAAI..../AAAAC3NzaC1lZDI1NTE5AAAAIzzzz/' "
              "/etc/jenkins-agent/known_hosts")
    try:
        agent.run("rm -rf /var/lib/jenkins-agent/.ansible/cp")
        done = deploy(agent, "-e", "model=scale", "-e", "version=2")
        assert done.rc != 0 and "host key" in (done.stdout + done.stderr).lower()
    finally:
        agent.run("cat /root/known_hosts >/etc/jenkins-agent/known_hosts")
    assert served(agent) == "1"


# --- changes of Jenkins' values: a story, each test goes on from the last


def test_a_changed_document_is_read_without_a_restart(host):
    before = process(host)
    code, text = role("--diff", jenkins_executors=2)
    assert code == 0 and "numExecutors: 2" in text
    assert api(host, "/computer/(built-in)/api/json?tree=numExecutors")["numExecutors"] == 2
    assert process(host) == before


def test_what_a_killed_run_did_not_tell_is_told(host):
    before, count = process(host), reads(host)
    host.run("touch -d '+1 second' /etc/jenkins/secrets/greeting")
    assert role(jenkins_executors=2)[0] == 0
    assert reads(host) == count + 1 and process(host) == before


def test_a_document_that_jenkins_refuses_does_not_replace_the_good_one(host):
    before = digest(host), process(host), reads(host)
    code, text = role(jenkins_casc={"jenkins": {"systemMessage": "${nobody-knows}"}})
    assert code != 0 and "Jenkins refuses it" in text and "nobody-knows" in text
    assert (digest(host), process(host), reads(host)) == before


def test_an_option_that_java_refuses_changes_nothing(host):
    before = digest(host, "/etc/systemd/system/jenkins.service.d/mlops.conf"), process(host)
    code, text = role(jenkins_java_options=["-XX:Nonsense"])
    assert code != 0 and "Nonsense" in text
    assert (digest(host, "/etc/systemd/system/jenkins.service.d/mlops.conf"), process(host)) == before


def test_bad_values_are_named_before_anything_is_changed(host):
    before = digest(host)
    code, text = role(jenkins_heap="big", jenkins_users=[{"name": "x"}])
    assert code != 0 and "jenkins_heap 'big'" in text and "x needs either password or password_hash" in text
    assert digest(host) == before


def lock(name, *versions):
    subprocess.run(["python3", SCENARIO / "files" / "plugins.py", HOME / "jenkins-plugins", name, *versions], check=True)
    return HOME / "jenkins-plugins" / name


def test_a_plugin_with_a_wrong_checksum_is_refused_and_nothing_is_replaced(host):
    wrong = lock("wrong.yml", "matrix-auth=3.2.9", "git=5.9.0")
    digests = re.findall(r"name: matrix-auth.*sha256: (\w+)", wrong.read_text(encoding="utf-8"))
    wrong.write_text(wrong.read_text(encoding="utf-8").replace(digests[0], "f" * 64), encoding="utf-8")
    before = host.check_output("cd /var/lib/jenkins/plugins && sha256sum *"), process(host)
    code, text = role(jenkins_plugins_lock=str(wrong))
    assert code != 0 and "matrix-auth 3.2.9: sha256 of" in text
    assert (host.check_output("cd /var/lib/jenkins/plugins && sha256sum *"), process(host)) == before


def test_another_password_of_the_admin_is_told_without_a_restart_and_shown_nowhere(host):
    before = process(host)
    code, text = role("-vvv", "--diff", jenkins_admin_password="another-secret-2")
    assert code == 0
    assert [secret for secret in SECRETS if secret in text] == []
    assert curl(host, "/api/json")[0] == 401 and curl(host, "/api/json", password="another-secret-2")[0] == 200
    assert process(host) == before


def test_other_versions_of_plugins_are_one_restart(host):
    """With the admin's first password again: Jenkins knows it before it is restarted, or nobody could see that it is back."""
    before, count = process(host), starts(host)
    new = str(lock("new.yml", "matrix-auth=3.2.9", "git=5.9.0"))
    assert role("--check", jenkins_plugins_lock=new)[0] == 0
    assert process(host) == before
    assert role(jenkins_plugins_lock=new)[0] == 0
    assert starts(host) == count + 1
    found = {each["shortName"]: each["version"] for each in api(host, "/pluginManager/api/json?tree=plugins[shortName,version]")["plugins"]}
    assert (found["matrix-auth"], found["git"], len(found)) == ("3.2.9", "5.9.0", 15)


def test_a_changed_option_of_java_is_one_restart(host):
    count = starts(host)
    assert role(jenkins_java_options=["-Dmlops.test=1"], jenkins_plugins_lock=str(HOME / "jenkins-plugins" / "new.yml"))[0] == 0
    assert starts(host) == count + 1
    assert "-Dmlops.test=1" in host.check_output(f"tr '\\0' ' ' </proc/{process(host)}/cmdline")
    assert api(host, "/job/models/api/json?tree=name")["name"] == "models", "what is in it outlives a restart"


def test_the_package_does_not_start_jenkins_by_itself(host):
    """Its script would: nothing but the policy of the role's installation keeps a Jenkins that has its document from it."""
    host.check_output("dpkg --remove jenkins")
    assert not host.service("jenkins").is_running
    assert role(tags="install")[0] == 0
    assert host.package("jenkins").is_installed and not host.service("jenkins").is_running
    assert not host.file("/usr/sbin/policy-rc.d").exists
    host.check_output("systemctl start jenkins")
