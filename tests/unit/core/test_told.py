# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options whose values are too much for a diff, and options that hold options of their own."""

from __future__ import annotations

from ansible_collections.mlops.onprem.plugins.module_utils import _module, _reconcile
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Resource

PARTS = Option("parts", type="list", elements="dict", options=(Option("name", required=True), Option("size", choices=("s", "l")), Option("word", secret=True)))
KIND = Resource(
    kind="thing",
    items="things",
    read=lambda client, wanted: [],
    create=("POST", "/things"),
    update=("PUT", "/things/{name}"),
    delete=("DELETE", "/things/{name}"),
    options=(Option("name"), Option("text", told=lambda have, want: (f"{len(have or '')} letters", f"{len(want)} letters")), Option("note"), PARTS),
)


def change(want, have):
    return _reconcile.plan(KIND, [{"name": "a", **want}], [{"name": "a", **have}])[0]


def test_a_diff_tells_what_the_option_says():
    action = change({"text": "long", "note": "n"}, {"text": "other", "note": "m"})
    assert (action.before, action.after) == ({"text": "5 letters", "note": "m"}, {"text": "4 letters", "note": "n"})
    assert action.requests[0].body == {"name": "a", "text": "long", "note": "n"}
    action = change({"text": "same", "note": "n"}, {"text": "same", "note": "m"})
    assert (action.before, action.after) == ({"note": "m"}, {"note": "n"}), "what does not change is not told"


def test_what_is_made_or_deleted_is_told_the_same_way():
    made = _reconcile.plan(KIND, [{"name": "a", "text": "long", "note": "n"}, {"name": "b", "note": "n"}], [])
    assert [action.after for action in made] == [{"name": "a", "text": "4 letters", "note": "n"}, {"name": "b", "note": "n"}]
    assert made[0].requests[0].body["text"] == "long"
    gone = _reconcile.plan(KIND, [{"name": "a"}, {"name": "b"}], [{"name": "a", "text": "other", "note": "m"}, {"name": "b"}], state="absent")
    assert {action.key: action.before for action in gone} == {"a": {"name": "a", "text": "5 letters", "note": "m"}, "b": {"name": "b"}}
    assert next(action.values["text"] for action in gone if action.key == "a") == "other"


def test_options_of_options_are_typed():
    spec = _module.argument_spec(_module.Product(env="X"), KIND)["things"]["options"]["parts"]
    assert spec == {
        "type": "list",
        "elements": "dict",
        "no_log": False,
        "options": {
            "name": {"type": "str", "no_log": False, "required": True},
            "size": {"type": "str", "no_log": False, "choices": ["s", "l"]},
            "word": {"type": "str", "no_log": True},
        },
    }
