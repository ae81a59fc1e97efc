"""An option's value as it is compared, seen and sent, and the bodies of requests, as tables. No server but for one read, no product."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._reconcile import missing_references, plan
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Reference, Request, Resource, read_json
from ansible_collections.mlops.onprem.plugins.module_utils._transport import Transport

CODES = {"low": 10, "none": 0}


@pytest.mark.parametrize(
    ("option", "value", "normal"),
    [
        (Option("a"), "", None),
        (Option("a"), "x", "x"),
        (Option("a", none="-"), "-", None),
        (Option("a", none="-"), "", None),
        (Option("a", type="bool"), False, None),
        (Option("a", type="bool"), True, True),
        (Option("a", type="int"), 0, 0),
        (Option("a", type="int", none=0), 0, None),
        (Option("a", type="list"), [], None),
        (Option("a", type="list"), ["b", "a", "b"], ["b", "a", "b"]),
        (Option("a", type="list", unordered=True), ["b", "a", "b"], ["a", "b"]),
        (Option("a", type="dict"), {}, None),
        (Option("a", choices=("Red", "blue")), "rED", "Red"),
        (Option("a", choices=("Red", "blue")), "green", "green"),
        (Option("a", type="list", choices=("Red",)), ["RED"], ["RED"]),
        (Option("a", choices=("1",)), 1, 1),
    ],
)
def test_a_value_as_it_is_compared(option, value, normal):
    assert option.normal(value) == normal and type(option.normal(value)) is type(normal)


@pytest.mark.parametrize(
    ("option", "held", "seen"),
    [
        (Option("a", codes=CODES), 10, "low"),
        (Option("a", codes=CODES), 0, "none"),
        (Option("a", codes=CODES), 20, 20),
        (Option("a", choices=("Red", "blue")), "BLUE", "blue"),
        (Option("a", choices=("Red", "blue")), "green", "green"),
        (Option("a", choices=("red", "Red")), "Red", "Red"),
        (Option("a", choices=("1",)), 1, 1),
        (Option("a"), "X", "X"),
    ],
)
def test_a_value_as_it_is_seen(option, held, seen):
    assert option.seen(held) == seen and type(option.seen(held)) is type(seen)


@pytest.mark.parametrize(("value", "sent"), [("low", 10), ("none", 0), (20, 20)])
def test_a_value_as_it_is_sent(value, sent):
    assert Option("a", codes=CODES).sent(value) == sent and Option("a").sent(value) == value


@pytest.mark.parametrize(
    ("option", "have", "want", "differs"),
    [
        (Option("a"), "x", "y", True),
        (Option("a"), "x", None, False),
        (Option("a"), None, "", False),
        (Option("a", secret=True), None, "x", False),
        (Option("a", secret=True, same=lambda have, want: have == want), "x", "y", True),
        (Option("a", secret=True, same=lambda have, want: have == want), "x", "x", False),
        (Option("a", same=lambda have, want: have > want), 3, 2, False),
        (Option("a", same=lambda have, want: have > want), 2, 2, True),
        (Option("a", creation=True), "x", "y", False),
        (Option("a", creation=True, same=lambda have, want: False), "x", "y", False),
    ],
)
def test_what_makes_an_update_due(option, have, want, differs):
    assert option.differs(have, want) is differs


DOOR = Resource(
    kind="door",
    items="doors",
    read=lambda client, wanted: [],
    create=("POST", "/{kind}/{name}"),
    update=("PUT", "/{kind}/{name}"),
    delete=("DELETE", "/{kind}/{name}"),
    references=(Reference("key", "key", "/keys"), Reference("beside", "door")),
    options=(
        Option("name", fold=str.lower),
        Option("kind", choices=("a/b", "c", "d"), initial="c"),
        Option("lock", "{kind}.lock", choices=("none", "bolt", "key"), none="none", initial="none"),
        Option("code", "{kind}.code", secret=True, carried="{kind}.codes", only={"lock": ("bolt", "key"), "kind": ("a/b", "c")}),
        Option("pin", "{kind}.pin", secret=True, same=lambda have, want: have == want, only={"lock": ("key",)}),
        Option("open", type="bool"),
        Option("tags", type="list", elements="str"),
        Option("words", type="dict"),
        Option("text", "about.text", clears="about"),
        Option("wood", required=True, only={"kind": ("d",)}),
        Option("glass", required=True, only={"kind": ("d",)}),
        Option("fresh", creation=True),
        Option("key"),
        Option("beside"),
    ),
)


def door(name="n", **values):
    return {option.name: None for option in DOOR.options} | {"name": name} | values


def only(actions):
    assert len(actions) == 1
    return actions[0]


def test_where_an_option_sits_may_hold_another_as_it_is():
    new = only(plan(DOOR, [door(kind="a/b", lock="bolt", code="1")], []))
    assert new.requests == [Request("POST", "/a%2Fb/n", {"name": "n", "kind": "a/b", "a/b": {"lock": "bolt", "code": "1"}})]
    there = {"name": "n", "kind": "a/b", "a/b": {"lock": "bolt", "code": "x"}, "c": {"code": "stays"}}
    assert DOOR.view(there) == {"name": "n", "kind": "a/b", "lock": "bolt"}
    body = only(plan(DOOR, [door(open=True)], [there])).requests[0].body
    assert body == {"name": "n", "kind": "a/b", "a/b": {"lock": "bolt"}, "c": {"code": "stays"}, "open": True}
    part = only(plan(replace(DOOR, partial=True), [door(lock="key")], [there]))
    assert part.requests == [Request("PUT", "/a%2Fb/n", {"a/b": {"lock": "key"}})]


def test_every_character_that_means_something_in_a_path_is_quoted():
    assert only(plan(DOOR, [door("a/?#%X b")], [])).requests[0].path == "/c/a%2F%3F%23%25X%20b"


@pytest.mark.parametrize(
    ("want", "part", "whole"),
    [
        ({"open": False}, {"open": False}, {"open": False}),
        ({"tags": []}, {"tags": []}, {"tags": []}),
        ({"words": {}}, {"words": {}}, {"words": None}),
        ({"text": ""}, {"about": {"text": ""}}, {"about": None}),
        ({"text": "y"}, {"about": {"text": "y"}}, {"about": {"text": "y", "more": 1}}),
    ],
)
def test_what_is_emptied_keeps_its_type_or_is_null(want, part, whole):
    there = {"name": "n", "kind": "c", "open": True, "tags": ["t"], "words": {"w": 1}, "about": {"text": "x", "more": 1}}
    assert only(plan(replace(DOOR, partial=True), [door(**want)], [there])).requests[0].body == part
    assert only(plan(DOOR, [door(**want)], [there])).requests[0].body == there | whole


@pytest.mark.parametrize(("want", "body"), [({"open": False}, {"open": False}), ({"tags": []}, {}), ({"text": ""}, {}), ({"fresh": "x"}, {"fresh": "x"})])
def test_a_new_object_is_sent_what_is_there(want, body):
    assert only(plan(DOOR, [door(**want)], [])).requests[0].body == {"name": "n", "kind": "c"} | body


def test_the_view_leaves_out_what_cannot_be_known_or_does_not_apply():
    there = {"name": "n", "kind": "c", "c": {"lock": "KEY", "code": "1", "pin": "2"}, "fresh": "x", "wood": "oak", "open": None, "more": 1}
    assert DOOR.view(there) == {"name": "n", "kind": "c", "lock": "key", "pin": "2"}
    assert DOOR.view(there | {"c": {"lock": "bolt", "pin": "2"}}) == {"name": "n", "kind": "c", "lock": "bolt"}


def test_a_deletion_tells_what_was_there():
    gone = only(plan(DOOR, [door("N")], [{"name": "n", "kind": "c", "open": True, "key": "k"}], state="absent"))
    assert (gone.key, gone.before, gone.after) == ("n", {"name": "n", "kind": "c", "open": True, "key": "k"}, {})
    assert gone.values == {"name": "n", "kind": "c", "open": True, "key": "k"} and gone.refers == {"key": ["k"]}


@pytest.mark.parametrize(
    ("want", "there", "words"),
    [
        ({"kind": "d"}, None, "door 'n' is not there yet and cannot be made without wood, glass"),
        ({"kind": "d", "open": True}, {"kind": "c"}, "door 'n': kind, open cannot be changed without giving wood, glass, which the server does not have or "
                                                     "does not keep over an update"),
        (
            {"open": True},
            {"kind": "c", "c": {"lock": "key", "codes": 1}},
            "door 'n': open cannot be changed without giving code, which the server does not have or does not keep over an update",
        ),
        ({"code": "1"}, {"kind": "d"}, "door 'n': code is for lock bolt or key and kind a/b or c; this one has lock None, kind d"),
    ],
)
def test_every_fault_of_an_item_is_named(want, there, words):
    with pytest.raises(MlopsError) as caught:
        plan(DOOR, [door(**want)], [{"name": "n"} | there] if there else [])
    assert str(caught.value) == words


@pytest.mark.parametrize("there", [{"kind": "d"}, {"kind": "c", "c": {"lock": "key"}}, {"kind": "c", "c": {"codes": 1}}])
def test_what_is_not_kept_is_needed_only_where_it_is_there(there):
    assert only(plan(DOOR, [door(open=True)], [{"name": "n"} | there])).verb == "update"


def test_names_of_another_kind_are_not_folded(server):
    server.answers = [(200, {}, b'[{"name": "k"}, {"name": "K2"}]')]

    def missing(**values):
        actions = plan(DOOR, [door(**values)], [{"name": "other"}])
        return missing_references(Transport(server.url), DOOR, actions, [{"name": "other"}])

    assert missing(key="K2") == {} and missing(beside="OTHER") == {}
    assert missing(key="K") == {"n": ["door 'n': key names key 'K', which does not exist"]}


def test_a_read_of_what_is_not_there_gives_nothing(server):
    transport = Transport(server.url)
    server.answers = [(200, {}, b'{"a": [1]}'), (404, {}, b"<p>no"), (405, {}, b"")]
    assert read_json(transport, "/x", {"page": "2"}) == {"a": [1]}
    assert server.seen[0][:2] == ("GET", "/x?page=2")
    assert read_json(transport, "/x") is None
    with pytest.raises(ServiceError, match="405"):
        read_json(transport, "/x")
