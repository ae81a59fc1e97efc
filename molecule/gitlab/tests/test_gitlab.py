# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role gitlab does with a stand-in package that refuses what GitLab refuses. In the order of a story: each test goes on from the last.

What a real GitLab would show beyond it (Chef, PostgreSQL, Rails, hours of migrations) is not tried here.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
LAB = os.environ.get("MLOPS_LAB", "molecule")
STATE = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
SECRETS = STATE / "mlops-onprem" / LAB / "secrets"
NAMES = ("gitlab_root.password", "gitlab_api.password", "gitlab_smtp.password", "gitlab_ldap.password")
VARS = yaml.safe_load((SCENARIO / "vars/gitlab.yml").read_text())
KEYS = SCENARIO.parents[2] / "shared/specs/gitlab_rb_keys_19.3.json"
OWN = "/var/opt/gitlab/standin"
OLD, NEXT, LAST = "17.8.7-ce.0", "17.11.7-ce.0", "18.2.8-ce.0"


def secret(name):
    return (SECRETS / name).read_text().strip()


def command(*flags, **variables):
    given = [word for item in variables.items() for word in ("-e", json.dumps(dict([item])))]
    return ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "-e", f"@{SCENARIO}/vars/gitlab.yml", *given, *flags,
            SCENARIO.parents[1] / "playbooks/gitlab.yml"]


def playbook(*flags, **variables):
    """(exit code, output) of gitlab.yml with other values than the scenario's."""
    done = subprocess.run(command(*flags, **variables), text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    print(done.stdout)
    return done.returncode, " ".join(done.stdout.split())


def changed(text):
    """How many tasks of a run changed something."""
    return int(text.partition("PLAY RECAP")[2].partition("changed=")[2].split()[0])


def calls(host):
    """How often each command of GitLab was called since the machine was made."""
    return Counter(host.check_output(f"cat {OWN}/calls").splitlines())


def settings(host):
    """What the last reconfigure read."""
    return json.loads(host.check_output(f"cat {OWN}/config.json"))


def api(host, path):
    curl = "curl -sS --cacert /root/ca.crt -H @/root/header https://gitlab1:8443/api/v4"
    return json.loads(host.check_output(f"{curl}{path}"))


def version(host):
    return host.check_output("dpkg-query --show --showformat='${db:Status-Status} ${Version}' gitlab-ce")


def until(what, seconds=1200):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.2)


def killed_at_reconfigure(host, *flags, **variables):
    """A run that is killed, with all it started on the machine, when it has come to `gitlab-ctl reconfigure`."""
    before = calls(host)["gitlab-ctl reconfigure"]
    host.check_output(f"touch {OWN}/pause")
    run = subprocess.Popen(command(*flags, **variables), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: calls(host)["gitlab-ctl reconfigure"] > before or run.poll() is not None)
        assert run.poll() is None, "the run ended before it came there"
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        # The machine: the reconfigure first, then what waits for it.
        host.run("for name in 'commands.py gitlab-ctl' dpkg apt AnsiballZ; do pgrep -f \"$name\" | grep -vx $$ | xargs -r kill -9; done")
        host.check_output(f"rm {OWN}/pause")


@pytest.fixture(scope="module", autouse=True)
def access(request):
    """The CA and the token on the machine, as files, for curl."""
    name = f"mlops-{LAB}-gitlab1"
    for path, text in (("/root/ca.crt", (SECRETS / "ca.crt").read_text()), ("/root/header", f"PRIVATE-TOKEN: {secret('gitlab_api.password')}\n")):
        subprocess.run(["docker", "exec", "-i", name, "sh", "-c", f"umask 077; cat >{path}"], input=text, text=True, check=True)
    yield
    subprocess.run(["docker", "exec", name, "rm", "-f", "/root/ca.crt", "/root/header"], check=True)


def test_it_runs_now_and_after_a_boot_and_is_reached_by_tls_only(host):
    service = host.service("gitlab-runsvdir")
    assert service.is_running and service.is_enabled
    assert host.check_output(f"stat -c %U /proc/$(cat {OWN}/puma.pid)") == "git"
    assert host.socket("tcp://0.0.0.0:8443").is_listening and not host.socket("tcp://0.0.0.0:8080").is_listening
    for page in ("health", "readiness", "liveness"):
        assert host.check_output(f"curl -sf --cacert /root/ca.crt -o /dev/null -w %{{http_code}} https://gitlab1:8443/-/{page}") == "200"


def test_two_runs_reconfigured_once_and_set_password_and_token_once(host):
    done = calls(host)
    assert (done["gitlab-ctl reconfigure"], done["gitlab-rails runner -"], done["gitlab-ctl hup nginx"]) == (1, 1, 0)
    stored = json.loads(host.check_output(f"cat {OWN}/rails.json"))
    assert stored["users"]["root"]["password"] == hashlib.sha256(secret("gitlab_root.password").encode()).hexdigest()
    assert [token["scopes"] for token in stored["tokens"]] == [["api", "admin_mode"]]
    assert not host.file("/etc/gitlab/initial_root_password").exists


def test_the_token_works_and_the_objects_are_there(host):
    assert api(host, "/user")["username"] == "root"
    assert api(host, "/projects/models%2Fchurn")["path"] == "churn"
    assert [member["username"] for member in api(host, "/groups/models/members") if member["access_level"] == 30] == ["jenkins"]
    assert api(host, "/application/settings")["signup_enabled"] is False


@pytest.mark.parametrize(("path", "mode"), [("gitlab.rb", 0o600), ("ssl/gitlab1.key", 0o600), ("ssl/gitlab1.crt", 0o644)])
def test_files_are_roots_and_secrets_his_alone(host, path, mode):
    file = host.file(f"/etc/gitlab/{path}")
    assert (file.user, file.group, file.mode) == ("root", "root", mode)


def test_text_that_looks_like_ruby_arrives_and_is_not_run(host):
    assert settings(host)["gitlab_rails"]["gitlab_email_subject_suffix"] == VARS["gitlab_rb"]["gitlab_rails"]["gitlab_email_subject_suffix"]
    assert settings(host)["gitlab_rails"]["ldap_servers"]["main"]["password"] == secret("gitlab_ldap.password")
    assert not host.file("/tmp/ran").exists


def test_an_upgrade_of_the_system_leaves_it_alone(host):
    """Though two newer versions lie in the repository."""
    text = host.check_output("apt-get --simulate dist-upgrade")
    assert "Inst gitlab-ce" not in text and "kept back" in text


# What is refused before anything is changed, each in one run: values of this role, names in gitlab.rb, a way that leaves out a stop.
REFUSED = [
    ({"gitlab_certificate": "", "gitlab_certificate_key": "", "gitlab_monitoring_addresses": ["192.0.2.0/24"], "gitlab_backup_path": "backups",
      "gitlab_smtp": {"port": 25}, "gitlab_root_password": "short", "gitlab_api_token": "A-token-that-ends-with-a-new-line\n", "gitlab_api_token_days": 400,
      "gitlab_update_secret": "when_changed", "gitlab_source": {"url": "file:///srv/standins/gitlab-ce", "suite": "./"}},
     ["gitlab_external_url begins with https, so gitlab_certificate", "gitlab_monitoring_addresses leaves out 127.0.0.1", "gitlab_backup_path is 'backups'",
      "gitlab_smtp has no address", "gitlab_root_password is shorter", "gitlab_api_token has to be", "gitlab_api_token_days is 400",
      "that needs gitlab_fingerprint_key", "it needs a suite, too, and key or key_url"]),
    ({"gitlab_rb": {"sidekiq": {"max_concurrency": 5}, "gitlab_rail": {"time_zone": "UTC"}}},
     ["sidekiq.max_concurrency was removed in GitLab 17.0. Use gitlab_sidekiq_concurrency.",
      "gitlab_rail is no section of gitlab.rb; did you mean gitlab_rails?"]),
    ({"gitlab_version": LAST}, ["GitLab 17.11 is a required stop on the way to 18.2.8-ce.0. Next set gitlab_version to the latest patch release of 17.11,"]),
]


@pytest.mark.parametrize(("variables", "words"), REFUSED, ids=["values", "names", "stop"])
def test_what_gitlab_would_refuse_is_refused_before_anything_is_changed(host, variables, words):
    state = "sha256sum /etc/gitlab/gitlab.rb /etc/apt/sources.list.d/*; dpkg-query -W"
    before = calls(host), host.check_output(state)
    code, text = playbook(**variables)
    assert code != 0 and [word for word in words if word not in text] == []
    assert (calls(host), host.check_output(state)) == before
    assert changed(text) == 0


def test_another_setting_is_one_reconfigure_and_nothing_tells_a_secret(host):
    """With a token that GitLab does not know any more, so that every task that is given a secret runs."""
    host.check_output(f"sed -i 's/\"tokens\":.*/\"tokens\": []}}/' {OWN}/rails.json")
    before = calls(host)
    code, text = playbook("-vvv", "--diff", gitlab_sidekiq_concurrency=11, gitlab_smtp={**VARS["gitlab_smtp"], "port": 465, "tls": True})
    assert code == 0
    done = calls(host) - before
    assert (done["gitlab-ctl reconfigure"], done["gitlab-rails runner -"]) == (1, 1)
    assert settings(host)["sidekiq"]["concurrency"] == 11
    assert api(host, "/user")["username"] == "root"
    key = secret("gitlab.key").splitlines()[-2]
    assert [name for name in NAMES if secret(name) in text] == [] and key not in text


def test_no_secret_lies_where_others_read_it_nor_in_a_command_line(host):
    words = "\n".join([*map(secret, NAMES), secret("gitlab.key").splitlines()[-2]])
    subprocess.run(["docker", "exec", "-i", f"mlops-{LAB}-gitlab1", "sh", "-c", "umask 077; cat >/run/words"], input=f"{words}\n", text=True, check=True)
    found = host.run("grep -rlFf /run/words /etc /var /opt /root /tmp /usr/lib/systemd 2>/dev/null | grep -v ^/root/header | xargs -r stat -c '%a %n'").stdout
    assert "600 /etc/gitlab/gitlab.rb" in found
    assert [line for line in found.splitlines() if not line.startswith("600 ")] == []
    assert host.run(f"cat {OWN}/calls /proc/[0-9]*/cmdline /proc/[0-9]*/environ | grep -cFf /run/words").stdout == "0\n"
    host.check_output("rm /run/words")


@pytest.mark.skipif(not KEYS.is_file(), reason="the stand-in knows no names of gitlab.rb: the product's own list does not stand beside the project")
def test_a_setting_that_gitlab_refuses_ends_the_run_and_what_was_there_goes_on(host):
    code, text = playbook("--tags=configure", gitlab_rb={"gitlab_rails": {"no_such_key": 1}})
    assert code != 0 and "/var/log/gitlab/reconfigure" in text and "gitlab-ctl reconfigure ended with 1" in text
    assert settings(host)["gitlab_rails"]["time_zone"] == "UTC"
    assert api(host, "/user")["username"] == "root"


def test_a_run_killed_between_writing_and_reconfiguring_is_repaired_by_the_next(host):
    killed_at_reconfigure(host, "--tags=configure", gitlab_sidekiq_concurrency=13)
    assert '"concurrency"] = 13' in host.check_output("cat /etc/gitlab/gitlab.rb") and settings(host)["sidekiq"]["concurrency"] == 11
    before = calls(host)
    code, text = playbook("--tags=configure", gitlab_sidekiq_concurrency=13)
    # gitlab.rb is as it should be: what counts is what was applied.
    assert code == 0 and calls(host)["gitlab-ctl reconfigure"] == before["gitlab-ctl reconfigure"] + 1
    assert settings(host)["sidekiq"]["concurrency"] == 13


def test_another_certificate_is_read_without_a_reconfigure(host, tmp_path):
    sign = ["openssl", "x509", "-req", "-in", tmp_path / "csr", "-CA", SECRETS / "ca.crt", "-CAkey", SECRETS / "ca.key", "-set_serial", "4711", "-days", "9",
            "-extfile", tmp_path / "ext", "-out", tmp_path / "crt"]
    (tmp_path / "ext").write_text(host.check_output("openssl x509 -in /etc/gitlab/ssl/gitlab1.crt -noout -ext subjectAltName")
                                  .splitlines()[1].strip().replace("IP Address", "IP").join(("subjectAltName=", "\n")))
    subprocess.run(["openssl", "req", "-new", "-key", SECRETS / "gitlab.key", "-subj", "/CN=gitlab1", "-out", tmp_path / "csr"], check=True)
    subprocess.run(sign, check=True, capture_output=True)
    before, process = calls(host), host.check_output(f"cat {OWN}/nginx.pid")
    code, text = playbook("--tags=configure", gitlab_sidekiq_concurrency=13, gitlab_certificate=(tmp_path / "crt").read_text())
    assert code == 0 and calls(host) - before == Counter({"gitlab-ctl hup nginx": 1})
    served = host.check_output("openssl s_client -connect gitlab1:8443 </dev/null 2>/dev/null | openssl x509 -noout -serial")
    assert (served, host.check_output(f"cat {OWN}/nginx.pid")) == ("serial=1267", process)


def test_a_failed_migration_stops_an_upgrade_at_once(host):
    failed = json.dumps({"rows": ["BackfillThings|things|id|1", "BackfillOthers|others|id|4"], "calls": 9})
    host.check_output(f"echo '{failed}' >{OWN}/migrations")
    before = calls(host)
    code, text = playbook("--tags=install", gitlab_version=NEXT)
    assert code != 0 and "BackfillOthers|others|id|4" in text
    assert (calls(host) - before)["gitlab-psql"] == 1
    assert (version(host), host.check_output("apt-mark showhold")) == (f"installed {OLD}", "gitlab-ce")


def test_an_upgrade_waits_for_background_migrations_and_a_killed_one_is_finished_by_the_next_run(host):
    host.check_output(f"echo '{json.dumps({'rows': ['BackfillThings|things|id|1'], 'calls': 1})}' >{OWN}/migrations")
    before = calls(host)
    killed_at_reconfigure(host, "--tags=install", gitlab_version=NEXT)
    done = calls(host) - before
    assert done["gitlab-psql"] == 2
    assert (done["gitlab-rake gitlab:backup:create"], done["gitlab-ctl backup-etc"], done["gitlab-backup create"]) == (1, 1, 0)
    assert version(host) == f"half-configured {NEXT}"
    code, text = playbook(gitlab_version=NEXT, gitlab_rb={"gitlab_shell": {"migration": {"enabled": True}}})
    assert code == 0
    assert (version(host), api(host, "/version")["version"]) == (f"installed {NEXT}", "17.11.7")
    assert host.check_output("apt-mark showhold") == "gitlab-ce"
    assert api(host, "/projects/models%2Fchurn")["path"] == "churn"
    assert settings(host)["gitlab_shell"]["migration"] == {"enabled": True}


def test_an_upgrade_first_takes_away_what_the_new_version_refuses_and_saves_all_if_told_to(host):
    code, text = playbook("--check", gitlab_version=LAST)
    assert code == 0 and changed(text) > 0 and version(host) == f"installed {NEXT}"
    before = calls(host)
    # And with the default of what this scenario sets otherwise.
    wanted = {"gitlab_version": LAST, "gitlab_upgrade_backup": "full", "gitlab_smtp": {}}
    code, text = playbook(**wanted)
    assert code == 0
    done = calls(host) - before
    assert (done["gitlab-ctl reconfigure"], done["gitlab-backup create"], done["gitlab-rake gitlab:backup:create"]) == (2, 1, 0)
    assert (version(host), api(host, "/version")["version"]) == (f"installed {LAST}", "18.2.8")
    code, text = playbook(**wanted)
    assert code == 0 and changed(text) == 0
