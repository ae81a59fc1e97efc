# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many requests lists cost, counted by the module and by the stand-in, and that they grow with what is managed and not faster."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.onprem.tests.standins.gitlab import GitLab

from .conftest import public_key, runner

ONE_GROUP = [f"models/{'sub/deep/' * (number % 2)}p{number}" for number in range(100)]
TEN_GROUPS = [f"top{number % 10}/p{number}" for number in range(100)]
WIDE = [f"wide/p{number}" for number in range(500)]
FULL = "wide/full"


def filled(gitlab, run, paths):
    """Projects as an administrator would have made them."""
    groups = {path.rpartition("/")[0]: None for path in paths}
    assert run("gitlab_groups", groups=[{"path": path} for path in dict.fromkeys([*(path.partition("/")[0] for path in groups), "models/sub", *groups])
                                        if path != "models/sub" or "models/sub/deep" in groups])["changed"]  # fmt: skip
    for path in paths:
        group, _slash, name = path.rpartition("/")
        gitlab.state.add_project({"path": name, "name": name, "namespace_id": gitlab.group(group)["id"], "creator_id": 1})


@pytest.fixture(scope="module")
def site():
    """A stand-in with 700 projects, not held against the description, which costs more than answering."""
    with GitLab(validate=False) as gitlab:
        run = runner(gitlab)
        filled(gitlab, run, ONE_GROUP + TEN_GROUPS + WIDE + [FULL])
        yield gitlab, run


def counted(gitlab, run):
    """Changes, requests and writes of a run; the module counts what the stand-in saw."""

    def go(kind, items, **options):
        gitlab.clear()
        answer = run(f"gitlab_{kind}", **{kind: items}, **options)
        assert not answer.get("failed"), answer["msg"]
        assert answer["requests"] == len(gitlab.seen)
        return sum(result["result"] != "unchanged" for result in answer["results"]), len(gitlab.seen), len(gitlab.writes())

    return go


@pytest.fixture
def cost(site):
    return counted(*site)


def changed(items, number, **more):
    return [*items[:number], items[number] | more, *items[number + 1:]]


@pytest.mark.parametrize("paths", [ONE_GROUP, TEN_GROUPS], ids=["in one group", "in ten"])
def test_a_hundred_projects(on, paths):
    gitlab, run = on(validate=False)
    filled(gitlab, run, paths)
    projects, cost = [{"path": path, "topics": ["model"], "merge_method": "ff"} for path in paths], counted(gitlab, run)
    assert cost("projects", projects)[::2] == (100, 100)
    changes, again, writes = cost("projects", projects)
    assert (changes, writes) == (0, 0) and again <= 6
    changes, sent, writes = cost("projects", changed(projects, 3, merge_method="merge"))
    assert (changes, writes) == (1, 1) and sent <= again + 2


def test_a_hundred_projects_of_many(cost):
    """Where the site is large and they lie in ten top groups: one request for each group, or the pages of all, whichever is less."""
    assert cost("projects", [{"path": path} for path in ONE_GROUP]) == (0, 1, 0)
    changes, sent, writes = cost("projects", [{"path": path} for path in TEN_GROUPS])
    assert (changes, writes) == (0, 0) and sent <= 11


def test_new_projects_cost_one_request_each_and_a_few(cost, site):
    projects = [{"path": f"top{number % 10}/new{number}"} for number in range(100)]
    changes, sent, writes = cost("projects", projects)
    assert (changes, writes) == (100, 100) and sent <= 120
    for item in projects:
        site[0].state.remove(site[0].project(item["path"]))


@pytest.mark.parametrize("paths", [ONE_GROUP, TEN_GROUPS], ids=["in one group", "in ten"])
def test_a_hundred_hooks(cost, paths):
    hooks = [{"project": path, "url": "https://h.example.org/x", "token": "pass-of-hook", "push_events": True} for path in paths]
    more = {"update_secret": "when_changed", "fingerprint_key": "pass-of-fingerprints"}
    assert cost("hooks", hooks, **more)[::2] == (100, 100)
    changes, again, writes = cost("hooks", hooks, **more)
    assert (changes, writes) == (0, 0) and again <= 110
    changes, sent, writes = cost("hooks", changed(hooks, 3, push_events=False), **more)
    assert (changes, writes) == (1, 1) and sent <= again + 2


def test_five_hundred_variables_on_a_hundred_projects(cost):
    variables = [{"project": path, "key": f"KEY_{number}", "value": f"pass-of-{number}"} for path in ONE_GROUP for number in range(5)]
    assert cost("variables", variables)[::2] == (500, 500)
    changes, again, writes = cost("variables", variables)
    assert (changes, writes) == (0, 0) and again <= 110
    changes, sent, writes = cost("variables", changed(variables, 3, value="pass-of-other"))
    assert (changes, writes) == (1, 1) and sent <= again + 2


OTHERS = {
    "members": {"user": "root", "access_level": "owner"},
    "protected_branches": {"name": "main"},
    "protected_tags": {"name": "v*"},
    "deploy_keys": {"key": public_key(1), "title": "t"},
    "files": {"path": "a/b", "content": "x"},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_list_for_each_project_and_a_few(cost, kind):
    items = [{"project": path, **OTHERS[kind]} for path in TEN_GROUPS[:20]]
    assert cost(kind, items)[0] == 20
    changes, sent, writes = cost(kind, items)
    assert (changes, writes) == (0, 0) and sent <= 22


def test_users_are_read_by_pages_or_one_by_one(cost, site):
    users = [{"username": f"u{number}", "name": "U", "email": f"u{number}@example.org", "force_random_password": True} for number in range(250)]
    assert cost("users", users)[::2] == (250, 250)
    assert cost("users", users) == (0, 4, 0), "three pages and who we are"
    assert cost("users", users[:2]) == (0, 4, 0), "two of them, after a look at the number of pages"
    changes, sent, writes = cost("users", changed(users, 7, name="V"))
    assert (changes, writes) == (1, 1) and sent == 5


def test_settings_cost_one_request(cost):
    assert cost("settings", {"signup_enabled": False, "gravatar_enabled": False}) == (2, 2, 1)
    assert cost("settings", {"signup_enabled": False, "gravatar_enabled": False}) == (0, 1, 0)


def test_files_of_a_branch_go_in_one_commit(cost, site):
    files = [{"project": "top0/p0", "path": f"folder/f{number}", "content": str(number)} for number in range(120)]
    assert cost("files", files)[2] == 1
    assert cost("files", files) == (0, 2, 0), "two pages of a folder, no content"
    assert cost("files", changed(files, 5, content="other")) == (1, 3, 1)
    project = site[0].project("top0/p0")
    assert len(project["branches"]["main"]) >= 120 and len(project["commits"]) <= 3


# more than a page of each list
MANY = {
    "hooks": [{"project": FULL, "url": f"https://h.example.org/{number}"} for number in range(100)],
    "variables": [{"project": FULL, "key": f"K{number}", "value": "pass-of-it"} for number in range(250)],
    "protected_branches": [{"project": FULL, "name": f"rel/{number}"} for number in range(120)],
    "protected_tags": [{"project": FULL, "name": f"v{number}"} for number in range(120)],
    "deploy_keys": [{"project": FULL, "key": public_key(1000 + number), "title": str(number)} for number in range(120)],
}


@pytest.mark.parametrize("kind", MANY)
def test_more_than_a_page(cost, site, kind):
    items = MANY[kind]
    assert cost(kind, items)[::2] == (len(items), len(items))
    changes, sent, writes = cost(kind, items)
    assert (changes, writes) == (0, 0) and sent == -(-len(items) // 100)
    gathered = site[1](f"gitlab_{kind}", state="gathered", projects=[FULL])["gathered"]
    assert len(gathered) == len(items) and cost(kind, gathered, purge=True)[::2] == (0, 0)


def test_more_than_a_page_of_projects_and_groups(cost, site):
    run = site[1]
    assert len(run("gitlab_projects", state="gathered", groups=["wide"])["gathered"]) == 501
    assert len(run("gitlab_projects", state="gathered")["gathered"]) >= 700
    groups = [{"path": f"wide/g{number}"} for number in range(150)]
    assert cost("groups", groups)[::2] == (150, 150)
    changes, sent, writes = cost("groups", groups)
    assert (changes, writes) == (0, 0) and sent <= 4


@pytest.mark.parametrize("kind", ["projects", "hooks", "variables"])
def test_requests_grow_with_the_number_of_objects(cost, kind):
    def items(number):
        more = {"projects": {}, "hooks": {"url": "https://grow.example.org/"}, "variables": {"key": "GROW", "value": "pass-of-it"}}[kind]
        return [{"path" if kind == "projects" else "project": path, **more} for path in WIDE[:number]]

    cost(kind, items(500))
    few, many = (cost(kind, items(number)) for number in (50, 500))
    assert few[::2] == many[::2] == (0, 0) and many[1] <= 10 * few[1]
