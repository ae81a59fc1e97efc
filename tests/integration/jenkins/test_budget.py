# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many requests many objects cost, as the controller counts them: counts, no seconds."""

from __future__ import annotations

import pytest

SCRIPT = "pipeline {\n  agent any\n  stages { stage('x') { steps { sh 'make' } } }\n}\n"


def a_job(number):
    name = f"team {number % 10}/job-{number}"
    if number % 2:
        return {"name": name, "type": "freestyle", "shell": ["make", "make test"], "cron": "@daily", "keep_builds": 5}
    return {"name": name, "type": "pipeline", "script": SCRIPT, "parameters": [{"name": "A", "type": "string", "default": "1"}], "concurrent": False}


FOLDERS = [{"name": f"team {number}", "description": "d"} for number in range(10)]


def cost(run, jenkins, kind, **options):
    jenkins.clear()
    answer = run(kind, **options)
    assert not answer.get("failed"), answer["msg"]
    assert answer["requests"] + sum("crumbIssuer" in request for request in jenkins.requests()) >= len(jenkins.requests())
    return sum(result["result"] != "unchanged" for result in answer["results"]), len(jenkins.requests())


@pytest.mark.parametrize("count", [50, 200])
def test_jobs(run, jenkins, count):
    jobs = [a_job(number) for number in range(count)]
    assert cost(run, jenkins, "jenkins_folders", folders=FOLDERS) == (10, 12)
    assert cost(run, jenkins, "jenkins_folders", folders=FOLDERS) == (0, 1)
    assert cost(run, jenkins, "jenkins_jobs", jobs=jobs) == (count, count + 2)
    changes, second = cost(run, jenkins, "jenkins_jobs", jobs=jobs)
    assert changes == 0 and second == count + 1 <= count + 3
    assert cost(run, jenkins, "jenkins_jobs", jobs=jobs, purge=True) == (0, second)
    changes, sent = cost(run, jenkins, "jenkins_jobs", jobs=[jobs[0] | {"description": "new"}, *jobs[1:]])
    assert changes == 1 and sent <= second + 2
    jenkins.clear()
    assert len(run("jenkins_jobs", state="gathered")["gathered"]) == count and len(jenkins.requests()) == count + 1


def test_what_is_read_is_what_is_wanted(run, jenkins):
    """Two jobs of two hundred cost as much as two."""
    run("jenkins_folders", folders=FOLDERS)
    run("jenkins_jobs", jobs=[a_job(number) for number in range(40)])
    assert cost(run, jenkins, "jenkins_jobs", jobs=[a_job(0), a_job(1)]) == (0, 3)


def test_credentials_nodes_views(run, jenkins):
    run("jenkins_folders", folders=FOLDERS[:2])
    credentials = [{"id": f"c{n}", "folder": f"team {n % 2}", "type": "secret_text", "secret": f"pass-of-{n}"} for n in range(20)]
    nodes = [{"name": f"n{n}", "launcher": "inbound", "remote_fs": "/x"} for n in range(20)]
    views = [{"name": f"v{n}", "folder": f"team {n % 2}", "regex": "x"} for n in range(20)]
    # a folder's document has all its credentials
    for kind, items, lists, each, writes in (("credentials", credentials, 2, 0, 1), ("nodes", nodes, 1, 1, 2), ("views", views, 2, 1, 1)):
        assert cost(run, jenkins, f"jenkins_{kind}", **{kind: items}) == (20, lists + 1 + 20 * writes), kind
        assert cost(run, jenkins, f"jenkins_{kind}", **{kind: items}) == (0, lists + 20 * each), kind
        more = {"description": "new"}
        changes, sent = cost(run, jenkins, f"jenkins_{kind}", **{kind: [items[0] | more, *items[1:]]})
        assert changes == 1 and sent <= lists + 20 + 2, kind
