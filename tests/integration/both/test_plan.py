# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A playbook that makes one of everything on empty servers: what --check --diff prints is what the real run does, object by object. Secrets nowhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.mlops.onprem.tests.integration.both.conftest import gitlab
from ansible_collections.mlops.onprem.tests.integration.both.steps import BOB, GITLAB, JENKINS, MORE
from ansible_collections.mlops.onprem.tests.standins.jenkins import Jenkins


def playbook():
    """One task for each kind, then one that prints every result."""
    tasks = []
    for name, items, _key, made, _changed in (*GITLAB, *JENKINS):
        more = {option: value for option, value in MORE.get(name, {}).items() if not option.startswith("_")}
        options = {items: [*made, BOB] if name == "gitlab_users" else made, **more}
        tasks.append({"name": f"Make {items}", f"mlops.onprem.{name}": options, "register": f"{name}_done", "no_log": "_no_log" in MORE.get(name, {})})
    told = {step[0]: f"{{{{ {step[0]}_done.results }}}}" for step in (*GITLAB, *JENKINS) if "_no_log" not in MORE.get(step[0], {})}
    return [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "tasks": [*tasks, {"name": "Tell", "ansible.builtin.debug": {"msg": told}}],
        }
    ]


@pytest.fixture
def play(tmp_path):
    """Run the playbook against both stand-ins; the connection comes from the environment. Returns what it prints."""
    book = tmp_path / "site.yml"
    book.write_text(json.dumps(playbook()))
    with gitlab() as git, Jenkins() as jenkins:
        connection = {"GITLAB_URL": git.url, "GITLAB_TOKEN": git.token, "JENKINS_URL": jenkins.url, "JENKINS_USERNAME": jenkins.username,
                      "JENKINS_TOKEN": jenkins.token}  # fmt: skip

        def run(*options):
            git.clear()
            jenkins.clear()
            program = Path(sys.executable).with_name("ansible-playbook")
            env = os.environ | connection | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
            done = subprocess.run([program, "-i", "localhost,", "-c", "local", book, *options], env=env, text=True, capture_output=True, check=False)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            for secret in (git.token, jenkins.token, "pass-of-", "key-of-fingerprints"):
                assert secret not in done.stdout + done.stderr
            return done.stdout, git.writes() + jenkins.writes()

        yield run


def objects(output):
    """{task: its lines}, warnings and the count of the last line aside."""
    lines = [line for line in output.splitlines() if not line.startswith(("[WARNING]", "PLAY RECAP", "localhost "))]
    return dict(part.split("\n", 1) for part in re.split(r"\nTASK ", "\n".join(lines))[1:])


def test_the_plan_on_empty_servers_is_what_the_real_run_does(play):
    planned, writes = play("--check", "--diff")
    assert writes == []
    done, writes = play("--diff")
    kinds = len(GITLAB) + len(JENKINS)
    assert f"changed={kinds} " in planned and f"changed={kinds} " in done and len(writes) >= kinds
    planned, done = objects(planned), objects(done)
    assert planned.keys() == done.keys()
    for task, told in planned.items():
        assert told == done[task], task
    again, writes = play("--diff")
    assert "changed=0 " in again and writes == []
    checked, writes = play("--check", "--diff")
    assert "changed=0 " in checked and writes == []


def test_nothing_is_printed_that_is_secret_however_much_is_asked_for(play):
    play("-vvv", "--diff")
    play("-vvv", "--check", "--diff")
