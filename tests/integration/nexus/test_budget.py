"""How many requests lists cost on a real Nexus, counted by the module and by Nexus' own log; and real runs of ansible-playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

BLOBSTORES = [{"name": f"budget-{number}", "path": f"budget-{number}"} for number in range(10)]
REPOSITORIES = [{"name": f"budget-{number}", "format": "raw", "type": "hosted", "blob_store": f"budget-{number % 10}"} for number in range(50)]
ROLES = [{"id": f"budget-{number}", "name": f"Budget {number}", "privileges": [f"nx-repository-view-raw-budget-{number}-read"]} for number in range(20)]
USERS = [
    {
        "user_id": f"budget-{number}",
        "first_name": "B",
        "last_name": str(number),
        "email": f"b{number}@example.org",
        "roles": [f"budget-{number}"],
        "password": f"pass-of-{number}",
    }
    for number in range(20)
]
HUNDRED = {"blobstores": BLOBSTORES, "repositories": REPOSITORIES, "roles": ROLES, "users": USERS}


@pytest.fixture
def empty(run):
    yield
    for kind, items in reversed(HUNDRED.items()):
        assert "failed" not in run(
            f"nexus_{kind}", state="absent", **{kind: [{name: item[name] for name in ("name", "id", "user_id") if name in item} for item in items]}
        ), kind


def cost(run, nexus, **given):
    """Changes and requests of one round over the four kinds; the modules' count must be Nexus' own."""
    nexus.requests_logged()
    answers = [run(f"nexus_{kind}", **{kind: items}) for kind, items in (HUNDRED | given).items()]
    assert not any(answer.get("failed") for answer in answers), answers
    sent = sum(answer["requests"] for answer in answers)
    assert sent == len(nexus.requests_logged())
    return sum(result["result"] != "unchanged" for answer in answers for result in answer["results"]), sent


def test_a_hundred_objects(run, nexus, empty):
    changes, sent = cost(run, nexus)
    assert changes == 100 and sent <= 108
    changes, sent = cost(run, nexus)
    assert changes == 0 and sent <= 6 + len(BLOBSTORES)
    changes, sent = cost(run, nexus, blobstores=[{"name": store["name"]} for store in BLOBSTORES])
    assert changes == 0 and sent <= 6
    wanted = {}
    for kind, change in (
        ("repositories", {"write_policy": "deny"}),
        ("roles", {"privileges": ["nx-search-read"]}),
        ("users", {"roles": ["budget-1"]}),
        ("blobstores", {"quota_type": "spaceUsedQuota", "quota_limit": 10**12}),
    ):
        wanted[kind] = [HUNDRED[kind][0] | change, *HUNDRED[kind][1:]]
        changes, sent = cost(run, nexus, **wanted)
        assert changes == 1 and sent <= 6 + len(BLOBSTORES) + 2, kind


def test_more_users_than_nexus_lists_by_default(run, nexus):
    users = [
        {
            "user_id": f"many-{number}",
            "first_name": "M",
            "last_name": str(number),
            "email": f"m{number}@example.org",
            "roles": ["nx-anonymous"],
            "password": "pass-of-many",
        }
        for number in range(150)
    ]
    keys = [{"user_id": user["user_id"]} for user in users]
    try:
        assert run("nexus_users", users=users)["requests"] == 152
        again = run("nexus_users", users=users)
        assert not again["changed"] and again["requests"] == 1
        assert len(run("nexus_users", state="gathered", users=keys)["gathered"]) == 150
    finally:
        assert len(run("nexus_users", state="absent", users=keys)["results"]) == 150


PLAYBOOK = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "module_defaults": {"group/mlops.onprem.nexus": {"url": "{{ nexus_url }}", "username": "admin"}},
        "tasks": [
            {"mlops.onprem.nexus_content_selectors": {"content_selectors": [{"name": "play-a", "expression": 'format == "raw"'}]}},
            {
                "mlops.onprem.nexus_privileges": {
                    "privileges": [
                        {
                            "name": "play-a",
                            "type": "repository-content-selector",
                            "actions": ["READ"],
                            "format": "raw",
                            "repository": "*",
                            "content_selector": "play-a",
                        }
                    ]
                }
            },
            {"mlops.onprem.nexus_roles": {"roles": [{"id": "play-a", "name": "Play", "privileges": ["play-a"]}]}},
            {
                "mlops.onprem.nexus_users": {
                    "users": [
                        {
                            "user_id": "play-a",
                            "first_name": "P",
                            "last_name": "A",
                            "email": "p@example.org",
                            "roles": ["play-a"],
                            "password": "pass-of-play",
                        }
                    ],
                    "update_secret": "when_changed",
                }
            },
            {"mlops.onprem.nexus_settings": {"realms": {"active": ["NexusAuthenticatingRealm"]}, "eula": {"accepted": True}}},
        ],
    }
]


def play(nexus, tmp_path, *options):
    """Run the playbook with connection options from group defaults and, for the password, the environment."""
    book = tmp_path / "play.yml"
    book.write_text(yaml.safe_dump(PLAYBOOK))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", book, "-e", f"nexus_url={nexus.url}", *options],
        env=os.environ | {"NEXUS_PASSWORD": nexus.password, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert nexus.password not in done.stdout and "pass-of-play" not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_a_playbook_with_group_defaults_check_and_diff(run, nexus, tmp_path):
    nexus.writes_logged()
    planned = play(nexus, tmp_path, "--check", "--diff")
    assert "changed=4 " in planned and '"password": "******"' in planned and '"expression": "format == \\"raw\\""' in planned
    assert "names role 'play-a', which does not exist: right only if an earlier task" in planned
    assert nexus.writes_logged() == []
    assert "changed=4 " in play(nexus, tmp_path, "--diff")
    assert len(nexus.writes_logged()) == 4
    assert "changed=0 " in play(nexus, tmp_path) and nexus.writes_logged() == []
    for kind, key in (("users", "user_id"), ("roles", "id"), ("privileges", "name"), ("content_selectors", "name")):
        assert run(f"nexus_{kind}", state="absent", **{kind: [{key: "play-a"}]})["changed"], json.dumps(kind)
