# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dashboards of role grafana: each passes the schema that Grafana publishes, and is made as the others are; what the role refuses.

The schema is Grafana's own generated types, PyPI package grafana-foundation-sdk. They read what they know and pass by the rest, and look at no types:
so what they read is written again and compared, and every value is held against the type that is declared for it. Whether a query finds anything is
tested on a Prometheus, elsewhere.
"""

from __future__ import annotations

import copy
import enum
import json
import subprocess
import sys
import types
import typing
import warnings
from pathlib import Path

import pytest
from ansible_collections.mlops.onprem.tests import dashboards as asked
from grafana_foundation_sdk.cog import plugins, runtime
from grafana_foundation_sdk.cog.encoder import JSONEncoder

with warnings.catch_warnings():
    # It says that there is a newer form; the classic one is what every supported version takes as a file.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard

ROLE = Path(__file__).resolve().parents[2] / "roles" / "grafana"
FILES = sorted((ROLE / "files" / "dashboards").glob("*.json"))
CHECK = ROLE / "files" / "check_dashboards.py"
# Panels that ask nothing.
SILENT = ("row", "text")
plugins.register_default_plugins()


def read(path):
    return json.loads(path.read_text())


def lost(given, back, at):
    """What of the given JSON the published types did not write again as it was."""
    if isinstance(given, dict) and isinstance(back, dict):
        for key, value in given.items():
            if key in back:
                yield from lost(value, back[key], f"{at}.{key}")
            else:
                yield f"{at}.{key}: no such field"
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for index, (one, other) in enumerate(zip(given, back)):
            yield from lost(one, other, f"{at}[{index}]")
    elif given != back:
        yield f"{at}: {given!r} became {back!r}"


def written(model):
    """What the published types write, as JSON reads it."""
    return json.loads(JSONEncoder().encode(model))


def mistyped(value, hint, at):
    """Where a value is not of its declared type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    value = value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, dict) and hasattr(hint, "from_json"):
        # Some lists the types leave as they were.
        model = hint.from_json(copy.deepcopy(value))
        yield from mistyped(model, hint, at)
        yield from lost(value, written(model), at)
    elif hasattr(value, "to_json"):
        # Options of a panel are declared as any object; what they were read as says what they are.
        for name, inner in typing.get_type_hints(type(value)).items():
            yield from mistyped(getattr(value, name), inner, f"{at}.{name}")
    elif origin in (typing.Union, types.UnionType):
        tries = [list(mistyped(value, argument, at)) for argument in arguments if (argument is type(None)) == (value is None)]
        if all(tries):
            yield from min(tries, key=len, default=[f"{at}: {value!r} is none of {arguments}"])
    elif origin is typing.Literal:
        if value not in arguments:
            yield f"{at}: {value!r} is none of {arguments}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{at}: {value!r} is no list"
        else:
            for index, item in enumerate(value):
                yield from mistyped(item, arguments[0], f"{at}[{index}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{at}: {value!r} is no object"
        else:
            for key, item in value.items():
                yield from mistyped(item, arguments[1], f"{at}.{key}")
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value not in [member.value for member in hint]:
            yield f"{at}: {value!r} is none of {[member.value for member in hint]}"
    elif hint is float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            yield f"{at}: {value!r} is no number"
    elif hint not in (object, typing.Any) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        yield f"{at}: {value!r} is no {getattr(hint, '__name__', hint)}"


def faults(dashboard):
    """Everything in which a dashboard departs from the published schema."""
    known = [*runtime.Runtime().panelcfg_variants, "row"]
    found = [f"panel {panel.get('title')!r}: no type {panel['type']!r}" for panel in asked.panels(dashboard) if panel["type"] not in known]
    model = Dashboard.from_json(copy.deepcopy(dashboard))
    found += mistyped(model, Dashboard, "dashboard")
    return found + list(lost(dashboard, written(model), "dashboard"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dashboard_passes_the_published_schema(path):
    assert faults(read(path)) == []


def _first(dashboard, kind):
    return next(panel for panel in dashboard["panels"] if panel["type"] == kind)


PLANTED = {
    "unknown panel type": lambda board: _first(board, "stat").update(type="sat"),
    "unknown panel field": lambda board: _first(board, "stat").update(tilte="x"),
    "unknown option": lambda board: _first(board, "timeseries")["options"]["legend"].update(placment="bottom"),
    "unknown field of a query": lambda board: _first(board, "stat")["targets"][0].update(expresion="up"),
    "wrong type of a position": lambda board: _first(board, "stat")["gridPos"].update(w="4"),
    "wrong type of a switch": lambda board: board.update(editable="no"),
    "wrong value of a choice": lambda board: _first(board, "timeseries")["options"]["tooltip"].update(mode="many"),
    "wrong type of a threshold": lambda board: _first(board, "stat")["fieldConfig"]["defaults"]["thresholds"]["steps"][1].update(value="high"),
    "wrong style of a line": lambda board: _first(board, "timeseries")["fieldConfig"]["defaults"]["custom"].update(drawStyle="dots"),
    "unknown field of a transformation": lambda board: _first(board, "table")["transformations"][0].update(option={}),
    "wrong type of a link": lambda board: _first(board, "stat").update(links=[{"title": 1, "type": "link", "url": "/"}]),
    "unknown kind of variable": lambda board: board["templating"]["list"][0].update(type="datasorce"),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
def test_schema_check_notices(plant):
    board = read(ROLE / "files" / "dashboards" / "hosts.json")
    plant(board)
    assert faults(board)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dashboard_is_made_as_the_others(path):
    board = read(path)
    assert board["uid"] == f"mlops-{path.stem}" and board["title"] and board["description"] and board["tags"] == ["mlops"]
    assert board["links"][0]["type"] == "dashboards" and board["links"][0]["tags"] == ["mlops"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["title"], panel
        if panel["type"] in SILENT:
            continue
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}" and panel["targets"], panel["title"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_panel_covers_another(path):
    taken = {}
    for panel in read(path)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            assert cell not in taken, f"{panel['title']} covers {taken[cell]}"
            taken[cell] = panel["title"]


def test_links_lead_to_dashboards_that_are_there():
    texts = {path.stem: path.read_text() for path in FILES}
    uids = {read(path)["uid"] for path in FILES}
    linked = {part.split('"')[0].split("?")[0] for text in texts.values() for part in text.split('"/d/')[1:]}
    assert linked and linked <= uids
    assert {read(path)["title"] for path in FILES} >= {"Hosts", "Model serving", "Pipeline", "Overview"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_is_asked(path):
    found = asked.queries(path)
    titles = {panel["title"] for panel in read(path)["panels"] if panel["type"] not in SILENT}
    assert titles <= {title for title, _title in found}
    assert not [expression for _title, expression in found if "${" in expression or "$_" in expression or "$h" in expression]


def test_role_offers_the_dashboards_that_are_there():
    text = (ROLE / "defaults" / "main.yml").read_text()
    offered = next(line for line in text.splitlines() if line.startswith("grafana_dashboards: ")).partition("[")[2].rstrip("]").split(", ")
    assert sorted(offered) == [path.stem for path in FILES]


# What check_dashboards.py refuses, as files of the site's folder, and a word of what it says.
REFUSED = {
    "not JSON": ({"team.json": "{"}, "is not JSON"),
    "no uid": ({"team.json": {"title": "Team"}}, "uid is None"),
    "bad uid": ({"team.json": {"uid": "a b", "title": "Team"}}, "uid is 'a b'"),
    "no title": ({"team.json": {"uid": "team", "title": " "}}, "title is ' '"),
    "a uid twice": ({"one.json": {"uid": "team", "title": "One"}, "Two/two.json": {"uid": "team", "title": "Two"}}, "uid team is also that of"),
    "a uid of ours": ({"mine.json": {"uid": "mlops-hosts", "title": "Mine"}}, "uid mlops-hosts is also that of"),
    "a title twice": ({"one.json": {"uid": "one", "title": "Team"}, "two.json": {"uid": "two", "title": "Team"}}, "Team is also that of"),
    "a file of ours": ({"MLOps/hosts.json": {"uid": "mine", "title": "Mine"}}, "path MLOps/hosts.json is also that of"),
    "an answer of the API": ({"team.json": {"meta": {}, "dashboard": {"uid": "team", "title": "Team"}}}, "not a dashboard"),
    "a list": ({"team.json": []}, "is not a dashboard"),
    "exported for sharing": ({"team.json": {"uid": "team", "title": "Team", "__inputs": [{}]}}, "exported for sharing"),
    "too deep": ({"a/b/team.json": {"uid": "team", "title": "Team"}}, "folder of a folder"),
}


def check(site, *files, folders=()):
    return subprocess.run([sys.executable, CHECK, "MLOps", site, json.dumps(folders), *files], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("files", "word"), REFUSED.values(), ids=REFUSED.keys())
def test_broken_dashboard_is_refused(tmp_path, files, word):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    done = check(tmp_path, *FILES)
    assert done.returncode == 1 and word in done.stdout and str(tmp_path) in done.stdout, done.stdout + done.stderr


def test_good_dashboards_are_listed(tmp_path):
    (tmp_path / "Team").mkdir()
    (tmp_path / "Team" / "team.json").write_text('{"uid": "team", "title": "Team"}')
    rows = json.loads(check(tmp_path, *FILES).stdout)
    assert [row["path"] for row in rows] == [*(f"MLOps/{path.name}" for path in FILES), "Team/team.json"]
    assert rows[-1] == {"source": str(tmp_path / "Team" / "team.json"), "path": "Team/team.json", "folder": "Team", "uid": "team", "title": "Team",
                        "own": False, "change": {}}
    assert check("").stdout == "[]\n"
    assert "is not a folder" in check(tmp_path / "nowhere").stdout


def test_a_folder_has_copies_that_offer_its_values_only():
    wanted = [{"name": team, "dashboards": ["serving"], "values": {"model": models}} for team, models in (("risk", ["churn", "fraud"]), ("care", ["tumours"]))]
    rows = json.loads(check("", *FILES, folders=wanted).stdout)
    assert [(row["path"], row["title"], row["own"]) for row in rows[len(FILES) :]] == [
        ("risk/serving.json", "Model serving: risk", True), ("care/serving.json", "Model serving: care", True)]
    assert len({row["uid"] for row in rows}) == len(rows) and all(len(row["uid"]) <= 40 for row in rows)
    # The same one in the next run, whatever else is there.
    assert json.loads(check("", *FILES, folders=wanted[1:]).stdout)[-1] == rows[-1]
    made = rows[len(FILES)]["change"]["templating"]["list"]
    given = read(next(path for path in FILES if path.stem == "serving"))["templating"]["list"]
    assert [name for name, old, new in zip((one["name"] for one in given), given, made) if old != new] == ["model"]
    model = next(one for one in made if one["name"] == "model")
    assert (model["regex"], model["allValue"]) == ("/^(churn|fraud)$/", "(churn|fraud)")


RISK = {"name": "risk", "dashboards": ["serving"], "values": {"model": ["churn"]}}


@pytest.mark.parametrize(("folders", "word"), [
    ([{**RISK, "name": "a/b"}], "entry 1 (a/b): name must be"),
    ([{**RISK, "name": "MLOps"}], "and not MLOps"),
    ([RISK, RISK], "is also that of grafana_folders (risk/serving.json)"),
    ([{**RISK, "dashboards": ["pipeline"]}], "dashboard pipeline has no variable model: it has datasource, check"),
    ([{**RISK, "values": {"model": ["a.*"]}}], "values.model is ['a.*']: must be a list of words"),
    ([{**RISK, "values": {"model": "churn"}}], "values.model is 'churn'"),
    ([{**RISK, "values": {"model": []}}], "values.model is []"),
])  # fmt: skip
def test_a_folder_that_would_not_work_is_refused(folders, word):
    done = check("", *FILES, folders=folders)
    assert done.returncode == 1 and word in done.stdout, done.stdout + done.stderr


def test_a_value_may_be_a_number():
    row = json.loads(check("", *FILES, folders=[{"name": "risk", "values": {"model": [2024, "churn"]}}]).stdout)[-1]
    assert next(one for one in row["change"]["templating"]["list"] if one["name"] == "model")["allValue"] == "(2024|churn)"


def test_a_name_is_enough():
    row = json.loads(check("", *FILES, folders=[{"name": "all"}]).stdout)[-1]
    assert row["path"] == "all/serving.json"
    assert row["change"]["templating"] == read(next(path for path in FILES if path.stem == "serving"))["templating"]


def test_a_copy_of_a_dashboard_that_is_not_shown_is_refused():
    assert "dashboard serving is not one of grafana_dashboards" in check("", folders=[RISK]).stdout


def test_a_copy_does_not_take_the_place_of_a_file_of_the_site(tmp_path):
    (tmp_path / "risk").mkdir()
    (tmp_path / "risk" / "serving.json").write_text('{"uid": "theirs", "title": "Theirs"}')
    assert "path risk/serving.json is also that of" in check(tmp_path, *FILES, folders=[RISK]).stdout
