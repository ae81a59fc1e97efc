"""Fingerprints of secrets on a small made-up kind: when they are equal, when a secret is sent, what becomes of the text. No server, no product."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._fingerprint import join, mark_of, split, with_marks
from ansible_collections.mlops.onprem.plugins.module_utils._reconcile import apply, by_key, plan
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Request, Resource
from hypothesis import given
from hypothesis import strategies as st


def requests(verb, values, body):
    return [Request({"create": "POST", "update": "PUT"}[verb], values["name"].lower(), body)]


SAFE = Resource(
    kind="safe",
    items="safes",
    key=("room", "name"),
    read=lambda client, wanted: [],
    requests=requests,
    partial=True,
    fingerprint="note",
    options=(
        Option("room", initial="hall"),
        Option("name", fold=str.lower),
        Option("size", type="int"),
        Option("pin", secret=True),
        Option("code", secret=True),
        Option("note", "about.note"),
    ),
)
KEY = "site key"
MARK, OTHER = "0123456789abcdef", "fedcba9876543210"


def safe(name="a", **values):
    return {option.name: None for option in SAFE.options} | {"name": name} | values


# Text


@pytest.mark.parametrize(
    ("text", "words", "mark"),
    [
        (None, "", ""),
        ("", "", ""),
        ("words", "words", ""),
        (f"[secret {MARK}]", "", MARK),
        (f"words [secret {MARK}]", "words", MARK),
        (f"two\nlines\n [secret {MARK}] \n", "two\nlines", MARK),
        (f"words [secret {MARK}] more", f"words [secret {MARK}] more", ""),
        (f"words [secret {OTHER}] [secret {MARK}]", f"words [secret {OTHER}]", MARK),
        ("words [secret 0123456789abcde]", "words [secret 0123456789abcde]", ""),
        ("words [secret 0123456789ABCDEF]", "words [secret 0123456789ABCDEF]", ""),
        (f"words [secret {MARK}0]", f"words [secret {MARK}0]", ""),
        (f"words(secret {MARK})", f"words(secret {MARK})", ""),
    ],
)
def test_a_text_and_its_mark(text, words, mark):
    assert split(text) == (words, mark)


@pytest.mark.parametrize(
    ("text", "mark", "whole"), [("", "", ""), ("words ", "", "words "), ("", MARK, f"[secret {MARK}]"), (" words", MARK, f" words [secret {MARK}]")]
)
def test_a_mark_stands_at_the_end(text, mark, whole):
    assert join(text, mark) == whole


TEXTS = st.text(st.sampled_from("ab [secrt]0f\n"), max_size=12)
MARKS = st.from_regex(r"\A[0-9a-f]{16}\Z")


@given(TEXTS, MARKS, MARKS)
def test_a_mark_is_found_again_and_replaced_not_added(text, mark, other):
    words = text.rstrip()
    assert split(join(text, mark)) == (words, mark)
    assert split(join(split(join(text, mark))[0], other)) == (words, other)
    assert split(text) == (text, ""), "a text without a mark stays as it is"


# Equal or not


def test_a_mark_is_the_same_in_every_version():
    assert mark_of(SAFE, safe("A", pin="1234"), KEY) == "aba43829e6729cf2"
    assert mark_of(SAFE, safe("A", pin="geheim-ö", code=""), KEY) == "7e27c50bc42b8ad2"


def test_without_a_secret_there_is_no_mark():
    assert mark_of(SAFE, safe(size=3, note="x"), KEY) == ""


ITEMS = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "A", "b", "a:b"])},
    optional={
        "room": st.sampled_from(["hall", "a", "b"]),
        "pin": st.sampled_from(["1", "2", "1, code=2", '1", "code": "2']),
        "code": st.sampled_from(["", "1", "2"]),
        "size": st.integers(0, 1),
        "note": st.sampled_from(["x", "y"]),
    },
)


@given(ITEMS, ITEMS, st.sampled_from([KEY, "k2"]), st.sampled_from([KEY, "k2"]), st.booleans())
def test_marks_are_equal_only_for_the_same_key_object_and_secrets(one, other, key, key2, same_kind):
    kind = SAFE if same_kind else replace(SAFE, kind="box")

    def identity(item, key, kind):
        secrets = tuple(item.get(name) for name in ("pin", "code"))
        return (kind.kind, item.get("room", "hall"), item["name"].lower(), secrets, key) if set(secrets) != {None} else None

    first, second = mark_of(SAFE, one, key), mark_of(kind, other, key2)
    assert (first == second) == (identity(one, key, SAFE) == identity(other, key2, kind))
    for item, mark in ((one, first), (other, second)):
        assert re.fullmatch("[0-9a-f]{16}", mark) if {"pin", "code"} & set(item) else mark == ""


# What is sent, over several runs


class Store:
    """A server that keeps a secret and shows none. `told` counts the secrets it was sent."""

    def __init__(self, *objects):
        self.objects = {obj["name"].lower(): obj for obj in objects}
        self.pins, self.told = {}, 0

    def send(self, _client, request):
        body = dict(request.body)
        if "pin" in body:
            self.pins[request.path] = body.pop("pin")
            self.told += 1
        self.objects[request.path] = {**self.objects.get(request.path, {"room": "hall", "name": request.path}), **body}

    def shown(self):
        return list(self.objects.values())

    def note(self, name):
        return self.objects[name].get("about", {}).get("note")


def run(store, wanted, update=True, key=KEY, kind=SAFE):
    """One run: the verbs of what it did."""
    views = {at: kind.view(obj) for at, obj in by_key(kind, store.shown()).items()}
    items, stale = with_marks(kind, wanted, views, key, update)
    actions = plan(kind, items, store.shown(), send_secrets=stale)
    assert stale <= set(views), "only what is there can be out of date"
    apply(None, kind, actions, send=store.send)
    return [action.verb for action in actions]


@given(
    st.lists(st.tuples(st.sampled_from(["1", "2", None]), st.sampled_from([None, "", "words", f"words [secret {OTHER}]", "other"]), st.sampled_from("aA")),
             min_size=1, max_size=8)
)
def test_a_changed_secret_is_sent_exactly_once(runs):
    store, last, changes, words = Store(), None, 0, ""
    for pin, note, name in runs:
        run(store, [safe(name, pin=pin, note=note)])
        changes += pin not in (None, last)
        last = pin or last
        words = words if note is None else split(note)[0]
        assert store.told == changes
        assert store.pins.get("a") == last
        text, mark = split(store.note("a"))
        assert (text, mark) == (words, mark_of(SAFE, safe(pin=last), KEY)), "one mark, and no word lost"
        assert run(store, [safe(name, pin=pin, note=note)]) == ["unchanged"]
    assert store.told == changes


@given(st.sampled_from([None, "", "words", "new words"]), st.sampled_from(["1", "2", None]), st.sampled_from(["", MARK]), st.sampled_from(["", "words"]))
def test_on_create_leaves_secret_and_mark_of_what_is_there(note, pin, mark, words):
    store = Store({"room": "hall", "name": "a", "about": {"note": join(words, mark)}})
    for _run in range(2):
        verbs = run(store, [safe(pin=pin, note=note, size=1)], update=False)
        assert store.told == 0
        assert split(store.note("a")) == (words if note is None else note, mark)
    assert verbs == ["unchanged"]


def test_on_create_marks_what_is_new():
    store = Store()
    assert run(store, [safe(pin="1")], update=False) == ["create"] and store.told == 1
    assert store.note("a") == f"[secret {mark_of(SAFE, safe(pin='1'), KEY)}]"
    assert run(store, [safe(pin="2")], update=False) == ["unchanged"] and store.pins == {"a": "1"}
    assert run(store, [safe(pin="2")]) == ["update"] and store.pins == {"a": "2"}


def test_what_has_no_mark_gets_the_secret_and_one():
    store = Store({"room": "hall", "name": "a", "about": {"note": "words"}})
    assert run(store, [safe(pin="1")]) == ["update"] and store.told == 1
    assert store.note("a") == f"words [secret {mark_of(SAFE, safe(pin='1'), KEY)}]"


def test_another_key_sends_every_secret_once_more():
    store, wanted = Store(), [safe("a", pin="1"), safe("b", pin="1"), safe("c")]
    assert run(store, wanted) == ["create"] * 3
    assert run(store, wanted, key="k2") == ["update", "update", "unchanged"] and store.told == 4
    assert run(store, wanted, key="k2") == ["unchanged"] * 3
    assert store.note("a") != store.note("b"), "equal secrets of two objects look different"


@pytest.mark.parametrize("key", [None, ""])
@pytest.mark.parametrize("update", [True, False])
def test_without_a_key_nothing_is_marked_and_marks_stay(key, update):
    store = Store({"room": "hall", "name": "a", "about": {"note": f"words [secret {MARK}]"}})
    assert run(store, [safe("a", pin="1", note="new"), safe("b", pin="1", note="b")], update=update, key=key) == ["update", "create"]
    assert (store.note("a"), store.note("b")) == (f"new [secret {MARK}]", "b")


def test_what_can_be_read_needs_no_mark():
    kind = replace(SAFE, unreadable=lambda item: item["size"] == 1)
    items, stale = with_marks(kind, [safe("a", pin="1", size=1), safe("b", pin="1", size=2)], {}, KEY, True)
    assert [item["note"] for item in items] == [f"[secret {mark_of(SAFE, safe('a', pin='1'), KEY)}]", None] and stale == set()


def test_items_are_not_written_to_and_the_others_are_handed_on():
    wanted = [safe("a", pin="1"), safe("b")]
    items, _stale = with_marks(SAFE, wanted, {}, KEY, True)
    assert wanted[0]["note"] is None and items[1] is wanted[1]
