"""Plans for a made-up kind that lives in places and has a key of several options, as tables and properties: no server, no product."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._reconcile import apply, by_key, diff, missing_references, plan
from ansible_collections.mlops.onprem.plugins.module_utils._resource import MASK, Option, Reference, Request, Resource
from hypothesis import given
from hypothesis import strategies as st

LEVELS = {"low": 10, "high": 30}


def home(values):
    return next(((kind, values[kind]) for kind in ("shelf", "room") if values.get(kind)), ("house", ""))


def card_requests(verb, values, body):
    kind, name = home(values)
    if verb == "create":
        return [Request("POST", f"{kind} {name}", body)]
    return [Request("PUT" if verb == "update" else "DELETE", str(values["handle"]), body)]


CARD = Resource(
    kind="card",
    items="cards",
    key=("shelf", "room", "name", "side"),
    one_of=("shelf", "room"),
    read=lambda client, wanted, places: [],
    requests=card_requests,
    partial=True,
    handle="id",
    unsent=("shelf", "room"),
    within=home,
    places={"shelf": "shelves", "room": "rooms"},
    built_in="fixed",
    check=lambda want, values: "size: 13 brings bad luck" if values.get("size") == 13 else None,
    options=(
        Option("shelf", fold=str.casefold),
        Option("room"),
        Option("name", "title", fold=str.casefold),
        Option("side", initial="front"),
        Option("size", type="int", initial=1),
        Option("level", choices=tuple(LEVELS), codes=LEVELS, initial="low"),
        Option("tags", type="list", elements="str", unordered=True),
        Option("text", masked=lambda key: key[2].startswith("x")),
        Option("pin", secret=True),
        Option("code", secret=True, same=lambda have, want: have == want),
        Option("draft", type="bool", creation=True),
        Option("colour", immutable=True, masked=lambda key: True),
    ),
)


def card(name="a", **values):
    return {option.name: None for option in CARD.options} | {"name": name} | values


def there(name="a", number=1, **values):
    return {"id": number, "title": name, "side": "front", "size": 1, "level": 10, "age": 7} | values


def only(actions):
    assert len(actions) == 1
    return actions[0]


# Keys


@pytest.mark.parametrize(
    ("values", "key", "folded", "name", "shown"),
    [
        ({"shelf": "S", "name": "N"}, ("S", None, "N", "front"), ("s", None, "n", "front"), "card 'N' of shelf 'S'", {"shelf": "S", "name": "N"}),
        ({"room": "R", "name": "n"}, (None, "R", "n", "front"), (None, "R", "n", "front"), "card 'n' of room 'R'", {"room": "R", "name": "n"}),
        ({"name": "n", "side": "back"}, (None, None, "n", "back"), (None, None, "n", "back"), "card 'n' 'back'", {"name": "n"}),
        ({"name": "n", "side": None}, (None, None, "n", "front"), (None, None, "n", "front"), "card 'n'", {"name": "n"}),
    ],
)
def test_a_key_of_several_options(values, key, folded, name, shown):
    assert CARD.key_of(values) == key
    assert CARD.fold(key) == folded and CARD.fold(folded) == folded
    assert CARD.name(key) == name
    assert CARD.result_key(key) == shown | {"side": key[3]}
    assert CARD.key_items(key) == list(zip(("shelf", "room", "name", "side"), key))


@pytest.mark.parametrize(
    ("key", "options", "value", "folded", "name"),
    [
        ("name", (Option("name", fold=str.lower),), "N", "n", "box 'N'"),
        ("name", (Option("name", initial="N"),), "N", "N", "box 'N'"),
        (("name",), (Option("name"),), ("N",), ("N",), "box 'N'"),
        (("shelf", "name"), (Option("shelf"), Option("name")), ("S", "N"), ("S", "N"), "box 'N' of shelf 'S'"),
        ("shelf", (Option("shelf"),), "S", "S", "box "),
    ],
)
def test_a_key_of_one_option_or_with_one_place(key, options, value, folded, name):
    kind = Resource(kind="box", items="boxes", key=key, options=options, read=CARD.read, places={"shelf": "shelves"})
    assert kind.key_of(dict(zip(kind.keys, [value] if isinstance(key, str) else value))) == value
    assert kind.fold(value) == folded and kind.name(value) == name


@pytest.mark.parametrize(
    ("place", "folded"),
    [(("shelf", "S"), ("shelf", "s")), (("room", "R"), ("room", "R")), (("house", ""), ("house", "")), (("cupboard", "C"), ("cupboard", "c"))],
)
def test_a_place_is_looked_up_as_its_option_or_as_part_of_the_key(place, folded):
    assert CARD.fold_place(place) == folded


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([card(shelf="s"), card("A", shelf="S")], "cards: card 'A' of shelf 'S' is given twice; give each shelf and room and name and side once"),
        ([card(), card(side="front")], "cards: card 'a' is given twice"),
        ([card(shelf="")], "cards: card 'a' of shelf '': shelf is empty; leave it out, or say which"),
        ([card(room="")], "room is empty"),
    ],
)
@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_a_key_that_cannot_be_meant_stops_everything(wanted, words, on_error):
    with pytest.raises(MlopsError, match=re.escape(words)):
        plan(CARD, [card("other"), *wanted], [], on_error=on_error)


def test_the_same_name_in_two_places_is_two_objects():
    actions = plan(CARD, [card(shelf="s", size=2), card(room="s", size=2), card(size=2), card(side="back", size=2)], [there(shelf="s"), there(number=2)])
    assert [(action.verb, [request.path for request in action.requests]) for action in actions] == [
        ("update", ["1"]),
        ("create", ["room s"]),
        ("update", ["2"]),
        ("create", ["house "]),
    ]


# What changes


@pytest.mark.parametrize(
    ("want", "have", "body"),
    [
        ({"shelf": "S", "name": "A"}, {"shelf": "s"}, None),
        ({"size": 2}, {}, {"size": 2}),
        ({"size": 1, "tags": ["b", "a"]}, {"tags": ["a", "b"]}, None),
        ({"tags": []}, {"tags": ["a"]}, {"tags": []}),
        ({"tags": []}, {}, None),
        ({"text": ""}, {"text": "x"}, {"text": ""}),
        ({"text": ""}, {}, None),
        ({"level": "high"}, {}, {"level": 30}),
        ({"level": "low"}, {"level": 10}, None),
        ({"level": "low"}, {"level": 20}, {"level": 10}),
        ({"pin": "1"}, {}, None),
        ({"pin": "1", "size": 2}, {}, {"size": 2}),
        ({"code": "1"}, {"code": "1"}, None),
        ({"code": "1"}, {"code": "2"}, {"code": "1"}),
        ({"code": "1", "size": 2}, {"code": "1"}, {"size": 2}),
        ({"draft": True}, {}, None),
        ({"draft": True, "size": 2}, {"draft": False}, {"size": 2}),
    ],
)
def test_an_update_sends_what_changes_and_nothing_else(want, have, body):
    action = only(plan(CARD, [card(**want)], [there(**have)]))
    assert action.verb == ("unchanged" if body is None else "update")
    assert [request.body for request in action.requests] == ([] if body is None else [body])
    assert set(action.after) == set(body or ()) and set(action.before) == set(body or ())


def test_a_new_object_is_sent_in_the_servers_words_with_what_counts_for_new_ones_only():
    action = only(plan(CARD, [card(shelf="s", level="high", pin="1", code="2", draft=True, text="")], []))
    assert action.requests == [Request("POST", "shelf s", {"title": "a", "side": "front", "size": 1, "level": 30, "pin": "1", "code": "2", "draft": True})]
    assert action.before == {} and action.after["pin"] == action.after["code"] == MASK
    assert action.values["level"] == "high" and action.values["pin"] == "1", "what the object is meant to be"


def test_the_servers_own_identifier_names_the_object_and_is_shown_nowhere():
    gone = only(plan(CARD, [card()], [there(number=42)], state="absent"))
    assert gone.requests == [Request("DELETE", "42", None)] and "handle" not in gone.before
    changed = only(plan(CARD, [card(size=2)], [there(number=42)]))
    assert changed.requests[0].path == "42" and changed.values["handle"] == 42
    assert (changed.before, changed.after) == ({"size": 1}, {"size": 2})


def test_without_a_handle_the_values_are_the_options():
    plain = replace(CARD, handle="", requests=None, update=("PUT", "/{name}"), delete=("DELETE", "/{name}"))
    assert "handle" not in only(plan(plain, [card(size=2)], [there()])).values
    assert only(plan(plain, [card()], [there()], state="absent")).requests == [Request("DELETE", "/a")]


def test_a_secret_goes_with_a_partial_update_only_when_it_is_due():
    wanted, current = [card(pin="1", size=2)], [there()]
    assert only(plan(CARD, wanted, current)).requests[0].body == {"size": 2}
    due = only(plan(CARD, wanted, current, send_secrets={(None, None, "a", "front")}))
    assert due.requests[0].body == {"size": 2, "pin": "1"} and due.after == {"size": 2, "pin": MASK}
    assert due.before == {"size": 1, "pin": None}
    assert only(plan(CARD, [card("b", pin="1")], [there("b")], send_secrets={(None, None, "a", "front")})).verb == "unchanged"


def test_an_update_of_the_whole_object_carries_the_secret_anyway():
    whole = replace(CARD, partial=False)
    assert only(plan(whole, [card(pin="1", size=2)], [there()])).requests[0].body == {"id": 1, "title": "a", "side": "front", "size": 2, "level": 10,
                                                                                      "age": 7, "pin": "1"}


@pytest.mark.parametrize(("left", "verb"), [(True, "update"), (False, "unchanged"), (None, "unchanged")])
def test_what_a_killed_run_left_half_done_is_finished(left, verb):
    kind = replace(CARD, unfinished="half.done")
    action = only(plan(kind, [card(size=1)], [there(half={"done": left})]))
    assert action.verb == verb and (action.before, action.after) == ({}, {})
    assert [request.body for request in action.requests] == ([{}] if left else [])
    assert only(plan(CARD, [card(size=1)], [there(half={"done": True})])).verb == "unchanged", "only of kinds that know of it"


@pytest.mark.parametrize("have", [None, there()])
def test_an_items_own_mistake_is_named(have):
    with pytest.raises(MlopsError, match="card 'a': size: 13 brings bad luck"):
        plan(CARD, [card(size=13)], [have] if have else [])


@pytest.mark.parametrize("have", [None, there()])
def test_what_the_server_has_is_judged_together_with_what_is_wanted(have):
    kind = replace(CARD, check=lambda want, values: f"{sorted({*want} & {'size', 'level'})} of {values['level']} {values['size']}")
    with pytest.raises(MlopsError, match=r"card 'a': \['size'\] of low 2"):
        plan(kind, [card(size=2)], [have] if have else [])


def test_a_refusal_shows_no_value_that_is_shown_nowhere():
    with pytest.raises(MlopsError) as caught:
        plan(CARD, [card(colour="blue-secret")], [there(colour="red-secret")])
    assert str(caught.value) == (f"card 'a': colour is {MASK!r} on the server and {MASK!r} here and cannot be changed; take another shelf or room or name or "
                                 "side, or delete it first (with what it holds)")
    kind = replace(CARD, options=(*CARD.options, Option("shade", only={"colour": ("red",)})))
    with pytest.raises(MlopsError, match=re.escape(f"shade is for colour red; this one has colour {MASK}")):
        plan(kind, [card(colour="blue-secret", shade="dark")], [])


@pytest.mark.parametrize(("name", "shown"), [("a", "new"), ("x", MASK)])
def test_a_masked_value_is_compared_and_sent_but_not_shown(name, shown):
    action = only(plan(CARD, [card(name, text="new")], [there(name, text="old")]))
    assert action.requests[0].body == {"text": "new"} and action.after == {"text": shown}
    assert action.before == {"text": MASK if shown == MASK else "old"}
    assert only(plan(CARD, [card(name, text="old")], [there(name, text="old")])).verb == "unchanged"
    assert only(plan(CARD, [card(name)], [there(name, text="old")], state="absent")).before["text"] == (MASK if shown == MASK else "old")


BOXED = replace(
    CARD,
    options=(*CARD.options, Option("parts", type="list", elements="dict", same=lambda have, want: [one["name"] for one in have or ()] ==
                                   [one["name"] for one in want], options=(Option("name", required=True), Option("key", secret=True)))),
)


def test_a_secret_inside_a_list_is_sent_but_not_shown():
    parts, old = [{"name": "n", "key": "secret-1"}, {"name": "m", "key": None}], [{"name": "o", "key": "secret-0"}]
    shown, old_shown = [{"name": "n", "key": MASK}, {"name": "m", "key": None}], [{"name": "o", "key": MASK}]
    made = only(plan(BOXED, [card(parts=parts)], []))
    assert made.requests[0].body["parts"] == parts and made.after["parts"] == shown
    changed = only(plan(BOXED, [card(parts=parts)], [there(parts=old)]))
    assert changed.requests[0].body == {"parts": parts} and (changed.before, changed.after) == ({"parts": old_shown}, {"parts": shown})
    assert only(plan(BOXED, [card()], [there(parts=old)], state="absent")).before["parts"] == old_shown
    assert only(plan(BOXED, [card(parts=parts)], [there()])).before == {"parts": None}


def test_what_of_an_item_is_to_be_hidden():
    item = card("x", pin="1", text="2", size=3, parts=[{"name": "n", "key": "4"}, {"name": "m"}])
    assert sorted(filter(None, BOXED.hidden(item))) == ["1", "2", "4"]
    assert list(filter(None, BOXED.hidden(card("a", text="2", colour="5")))) == ["5"]


@pytest.mark.parametrize(("name", "shown"), [("a", ({"text": "3 words"}, {"text": "2 words"})), ("x", ({"text": MASK}, {"text": MASK}))])
def test_an_option_may_say_how_its_change_is_told(name, shown):
    told = replace(CARD.options[7], told=lambda have, want: tuple(f"{len(side.split())} words" for side in (have, want)))
    kind = replace(CARD, options=(*CARD.options[:7], told, *CARD.options[8:]))
    action = only(plan(kind, [card(name, text="d e")], [there(name, text="a b c")]))
    assert (action.before, action.after) == shown and action.requests[0].body == {"text": "d e"}
    assert only(plan(kind, [card("a", size=2, text="a")], [there(text="a")])).after == {"size": 2}


# Refused items beside the others


def test_with_continue_what_cannot_be_had_is_refused_and_the_rest_planned():
    wanted = [card("a", size=13), card("b", size=2), card("c", colour="red"), card("d")]
    actions = plan(CARD, wanted, [there("b", 2), there("c", 3, colour="blue"), there("d", 4)], on_error="continue")
    assert {action.key[2]: action.verb for action in actions} == {"a": "refuse", "b": "update", "c": "refuse", "d": "unchanged"}
    assert [bool(action.requests) for action in actions if action.verb == "refuse"] == [False, False]
    assert next(action.why for action in actions if action.key[2] == "a") == "card 'a': size: 13 brings bad luck"
    assert set(diff(CARD, actions)["after"]) == {"b front"}
    with pytest.raises(MlopsError, match="card 'a': size: 13 brings bad luck; card 'c': colour is"):
        plan(CARD, wanted, [there("b", 2), there("c", 3, colour="blue"), there("d", 4)])


def test_a_refused_item_is_not_purged():
    actions = plan(CARD, [card(size=13)], [there(), there("b", 2)], purge=True, places=[("house", "")], on_error="continue")
    assert [(action.verb, action.key[2]) for action in actions] == [("refuse", "a"), ("delete", "b")]


def test_a_purge_that_the_kind_refuses_is_an_item_as_others_are():
    def requests(verb, values, body):
        if verb == "delete":
            raise MlopsError("glued")
        return card_requests(verb, values, body)

    kind, current = replace(CARD, requests=requests), [there(), there("b", 2)]
    with pytest.raises(MlopsError, match="glued"):
        plan(kind, [card()], current, purge=True, places=[("house", "")])
    actions = plan(kind, [card()], current, purge=True, places=[("house", "")], on_error="continue")
    assert [(action.verb, action.key[2], action.why) for action in actions] == [("unchanged", "a", ""), ("refuse", "b", "glued")]


# Purge


@pytest.mark.parametrize(
    ("places", "gone"),
    [
        ([("shelf", "s")], {1, 2}),
        ([("shelf", "S")], {1, 2}),
        ([("room", "s")], {4}),
        ([("shelf", "t"), ("house", "")], {3, 5}),
        ([("shelf", "nowhere")], set()),
    ],
)
def test_purge_is_for_the_named_places_only(places, gone):
    current = [there("a", 1, shelf="s"), there("b", 2, shelf="S"), there("a", 3, shelf="t"), there("a", 4, room="s"), there("a", 5),
               there("z", 6, shelf="s", fixed=True)]
    actions = plan(CARD, [], current, purge=True, places=places)
    assert {action.requests[0].path for action in actions} == {str(number) for number in gone}


def test_purge_of_nothing_named_is_refused():
    for places in (None, []):
        with pytest.raises(MlopsError, match="purge: with an empty list of cards it would delete everything; give the list of what is to stay"):
            plan(CARD, [], [there()], purge=True, places=places)
    assert only(plan(CARD, [card()], [there(), there("b", 2)], purge=True)).key[2] == "a", "without places nothing is in one of them"


def test_purge_does_not_go_with_absent():
    with pytest.raises(MlopsError, match="purge: with state absent it would delete what is listed and what is not"):
        plan(CARD, [card()], [there()], purge=True, state="absent", places=[("house", "")])


MEMBER = replace(CARD, own_user=True, key=("shelf", "room", "side", "name"))


@pytest.mark.parametrize("user", ["me", "ME"])
def test_who_we_connect_as_is_found_in_the_last_part_of_the_key_whatever_its_spelling(user):
    current = [there("Me", 1), there("b", 2), there("z", 3)]
    actions = plan(MEMBER, [card("mE", size=2), card("b", size=2)], current, user=user, purge=True, places=[("house", "")])
    assert [(action.verb, action.key[3]) for action in actions] == [("update", "b"), ("update", "mE"), ("delete", "z")]
    assert [action.key[3] for action in plan(MEMBER, [card("b")], current, user=user, purge=True, places=[("house", "")])] == ["b", "z"]
    with pytest.raises(MlopsError, match="card 'Me' is who this task connects as and cannot delete itself"):
        plan(MEMBER, [card("ME")], current, user=user, state="absent")
    assert len(plan(CARD, [card("b")], current, user=user, purge=True, places=[("house", "")])) == 3, "only of kinds that are users"


# References by a part of the key, in any spelling

FOLDER = Resource(
    kind="folder",
    items="folders",
    key="path",
    read=CARD.read,
    create=("POST", "/{path}"),
    update=("PUT", "/{path}"),
    delete=("DELETE", "/{path}"),
    within=lambda values: ("folder", values["path"].rpartition("/")[0]),
    places={"folder": "within"},
    references=(Reference("path", "folder", of=lambda path: [path.rpartition("/")[0]] if "/" in path else []), Reference("link", "folder", wildcard="*")),
    options=(Option("path", fold=str.casefold), Option("size", initial=1), Option("link")),
)


def folder(path, **values):
    return {"path": path, "size": None, "link": None} | values


def test_what_holds_others_comes_first_and_goes_last_in_any_spelling():
    paths = ["A/b/c", "a/B", "a"]
    assert [action.key for action in plan(FOLDER, [folder(path) for path in paths], [])] == ["a", "a/B", "A/b/c"]
    current = [{"path": path} for path in ("x", "x/y", "X/y/z")]
    assert [action.key for action in plan(FOLDER, [folder(path) for path in ("X/Y/Z", "x/Y", "x")], current, state="absent")] == ["X/y/z", "x/y", "x"]
    everything = plan(FOLDER, [folder("a")], current, purge=True, places=[("folder", ""), ("folder", "x"), ("folder", "X/Y")])
    assert [(action.verb, action.key) for action in everything] == [("create", "a"), ("delete", "X/y/z"), ("delete", "x/y"), ("delete", "x")]


def test_a_circle_is_named_in_any_spelling():
    with pytest.raises(MlopsError, match=r"folders: (a -> b -> a|b -> a -> b) refer to each other in a circle"):
        plan(FOLDER, [folder("A", link="b"), folder("B", link="a")], [])


@pytest.mark.parametrize(
    ("wanted", "purge", "lines"),
    [
        ([folder("top/a")], False, []),
        ([folder("ToP/a")], False, []),
        ([folder("New/a"), folder("new")], False, []),
        ([folder("none/a")], False, ["folder 'none/a': path names folder 'none', which does not exist"]),
        ([folder("top", link="none", size=2)], False, ["folder 'top': link names folder 'none', which does not exist"]),
        ([folder("top", link="*")], False, []),
        ([folder("old", size=2), folder("a", link="TOP")], True, ["folder 'a': link names folder 'TOP', which does not exist"]),
    ],
)
def test_references_within_the_kind_are_known_in_any_spelling(wanted, purge, lines):
    current = [{"path": "Top", "size": 1}, {"path": "old", "size": 1}]
    actions = plan(FOLDER, wanted, current, purge=purge, places=[("folder", "")])
    assert sum(missing_references(None, FOLDER, actions, current).values(), []) == lines


def test_a_kind_names_what_else_is_missing_for_writes_only():
    asked = []

    def missing(client, actions):
        asked.append((client, [action.key for action in actions]))
        return {"a": ["no wood"], "b": []}

    kind = replace(FOLDER, missing=missing)
    current = [{"path": "b", "size": 1}, {"path": "c", "size": 1}, {"path": "d", "size": 1}]
    actions = plan(kind, [folder("a", link="none"), folder("b", size=2), folder("c")], current, purge=True, places=[("folder", "")])
    assert missing_references("client", kind, actions, current) == {
        "a": ["folder 'a': link names folder 'none', which does not exist", "folder 'a': no wood"]}
    assert asked == [("client", ["a", "b"])]


# Properties

PLACES = [("shelf", "s"), ("shelf", "t"), ("room", "r"), ("house", "")]
SECRETS = st.sampled_from(["secret-1", "secret-2", "secret-3"])
AT = st.sampled_from([{"shelf": "s"}, {"shelf": "S"}, {"shelf": "t"}, {"room": "r"}, {}])
NAMES = st.sampled_from(["a", "A", "b", "x", "x2"])


def unique_key(item):
    return CARD.fold(CARD.key_of(item))


def unique_object(obj):
    return unique_key(obj | {"name": obj["title"]})


WANTED = st.lists(
    st.builds(
        lambda at, item: card(**at, **item),
        AT,
        st.fixed_dictionaries(
            {"name": NAMES},
            optional={
                "side": st.sampled_from(["front", "back"]),
                "size": st.integers(0, 3),
                "level": st.sampled_from(list(LEVELS)),
                "tags": st.lists(st.sampled_from("pq"), max_size=3),
                "text": st.one_of(st.just(""), SECRETS),
                "pin": SECRETS,
                "code": SECRETS,
                "draft": st.booleans(),
            },
        ),
    ),
    max_size=6,
    unique_by=unique_key,
)
CURRENT = st.builds(
    lambda objects: [{**obj, "id": number} for number, obj in enumerate(objects, 1)],
    st.lists(
        st.builds(
            lambda at, obj: obj | at,
            AT,
            st.fixed_dictionaries(
                {"title": NAMES, "side": st.sampled_from(["front", "back"]), "more": st.integers()},
                optional={
                    "size": st.integers(0, 3),
                    "level": st.sampled_from([10, 20, 30]),
                    "tags": st.sampled_from([[], ["p"], ["q", "p"]]),
                    "text": st.one_of(st.just(""), SECRETS),
                    "code": SECRETS,
                    "fixed": st.booleans(),
                },
            ),
        ),
        max_size=8,
        unique_by=unique_object,
    ),
)
NAMED = st.lists(st.sampled_from([*PLACES, ("shelf", "T")]), max_size=3)


class Store:
    """A server of three rules: make in a place, change by number, delete by number."""

    def __init__(self, current):
        self.objects = {obj["id"]: copy.deepcopy(obj) for obj in current}
        self.secrets = set()

    def send(self, _client, request):
        if request.method == "POST":
            kind, _space, name = request.path.partition(" ")
            number = max(self.objects, default=0) + 1
            self.objects[number] = {"id": number, **copy.deepcopy(request.body)} | ({} if kind == "house" else {kind: name})
        elif request.method == "PUT":
            self.objects[int(request.path)] |= copy.deepcopy(request.body)
        else:
            del self.objects[int(request.path)]


def simulated(wanted, current, **options):
    """(actions, results, what is there afterwards)."""
    store, actions = Store(current), plan(CARD, wanted, current, **options)
    return actions, apply(None, CARD, actions, send=store.send), list(store.objects.values())


def has(obj, item):
    """Whether an object has what an item says, in words of the test's own."""
    plain = {"size", "code", "text"} - ({"text"} if obj.get("text") is None and item["text"] == "" else set())
    return (all(item[name] is None or obj.get(name) == item[name] for name in plain)
            and (item["level"] is None or obj["level"] == LEVELS[item["level"]])
            and (item["tags"] is None or sorted(set(item["tags"])) == sorted(set(obj.get("tags") or []))))


@given(WANTED, CURRENT, NAMED, st.booleans())
def test_after_the_plan_everything_is_as_wanted_and_nothing_else_was_touched(wanted, current, named, purge):
    places = [*(home(item) for item in wanted), *named]
    purge = purge and bool(places)
    actions, results, after = simulated(wanted, current, purge=purge, places=places)
    left, before = by_key(CARD, after), by_key(CARD, current)
    wishes = {unique_key(item): item for item in wanted}
    inside = {(kind, name.lower()) for kind, name in places}
    for key, item in wishes.items():
        assert has(left[key], item)
    for key, obj in before.items():
        if key in wishes:
            assert left[key]["more"] == obj["more"] and left[key]["id"] == obj["id"], "changed, not made anew"
        elif purge and not obj.get("fixed") and home(CARD.result_key(key)) in inside:
            assert key not in left
        else:
            assert left[key] == obj
    assert set(left) <= set(before) | set(wishes)
    assert len({CARD.fold(action.key) for action in actions}) == len(actions) == len(results)
    assert [result["result"] for result in results] == [{"create": "created", "update": "updated", "delete": "deleted"}.get(action.verb, action.verb)
                                                        for action in actions]
    again = plan(CARD, wanted, after, purge=purge, places=places)
    assert {action.verb for action in again} <= {"unchanged"} and not any(action.requests for action in again)


@given(WANTED, CURRENT)
def test_absent_takes_exactly_what_is_listed(wanted, current):
    _actions, _results, after = simulated(wanted, current, state="absent")
    listed = {unique_key(item) for item in wanted}
    assert after == [obj for obj in current if unique_object(obj) not in listed]
    assert not any(action.requests for action in plan(CARD, wanted, after, state="absent"))


@given(CURRENT)
def test_gathered_and_fed_back_changes_nothing(current):
    gathered = [card(**CARD.view(obj)) for obj in current]
    actions = plan(CARD, gathered, current, purge=True, places=PLACES)
    assert [action.verb for action in actions] == ["unchanged"] * len(current)


@given(WANTED, CURRENT, st.sets(st.integers(0, 9)), st.booleans())
def test_what_is_shown_nowhere_is_shown_nowhere(wanted, current, failing, everything):
    """Of every kind of answer: masked only where the key says so, secrets everywhere."""
    if everything:  # a text that may be shown is no secret; take those of masked objects alone
        wanted = [item | {"name": "x" + item["name"]} for item in wanted]
        current = [obj | {"title": "x" + obj["title"]} for obj in current]
    else:
        wanted = [item | {"text": None} for item in wanted]
        current = [obj | {"text": None} for obj in current]
    store, count = Store(current), iter(range(1000))

    def send(client, request):
        if next(count) in failing:
            raise MlopsError("no")
        store.send(client, request)

    due = {unique_key(item) for item in wanted}
    for state in ("present", "absent"):
        purge = state == "present"
        actions = plan(CARD, wanted, current, state=state, purge=purge, places=PLACES, send_secrets=due, on_error="continue")
        results = apply(None, CARD, actions, "continue", send)
        shown = [diff(CARD, actions), results, *((action.before, action.after, action.why, action.refers) for action in actions)]
        assert "secret-" not in repr(shown)
        current = list(store.objects.values())
