"""Plans as tables and properties, on a small made-up kind: no server, no product."""

from __future__ import annotations

import copy
from urllib.parse import unquote

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._reconcile import apply, diff, missing_references, plan
from ansible_collections.mlops.onprem.plugins.module_utils._resource import MASK, Option, Reference, Request, Resource, drop, get, put
from ansible_collections.mlops.onprem.plugins.module_utils._transport import Transport
from hypothesis import given
from hypothesis import strategies as st

BOX = Resource(
    kind="box",
    items="boxes",
    read=lambda client, wanted: [],
    built_in="builtIn",
    own_user=True,
    create=("POST", "/boxes/{shape}"),
    update=("PUT", "/boxes/{shape}/{name}"),
    delete=("DELETE", "/boxes/{name}"),
    unsent=("shape", "age"),
    spellings={"shape": {"rounded": "round"}},
    references=(Reference("inside", "box"), Reference("shelf", "shelf", "/shelves", wildcard="*")),
    options=(
        Option("name"),
        Option("shape", choices=("square", "rounded"), required=True, immutable=True),
        Option("size", "dim.size", type="int", initial=3),
        Option("lid", "dim.lid", type="bool", initial=True),
        Option("label", "{shape}.label"),
        Option("tags", type="list", elements="str", unordered=True),
        Option("inside", type="list", elements="str"),
        Option("radius", "dim.radius", type="int", required=True, only={"shape": ("rounded",)}),
        Option("lock", "lock.kind", choices=("none", "key", "code"), none="none", clears="lock"),
        Option("code", "lock.code", secret=True, carried="lock", only={"lock": ("code",)}),
        Option("limit", type="int", none=0),
        Option("seal", "seal.kind", choices=("wax", "lead")),
        Option("colour", "seal.colour", required=True, only={"seal": ("wax",)}),
        Option("shelf"),
    ),
)


def box(**values):
    return {option.name: None for option in BOX.options} | values


def there(name="a", **values):
    """An object as the server shows it, with things we do not manage."""
    obj = {"name": name, "shape": "Square", "dim": {"size": 3, "lid": True, "depth": 9}, "lock": None, "age": 7, "more": {"x": 1}}
    for path, value in values.items():
        put(obj, path.replace("__", "."), value)
    return obj


def only(actions):
    assert len(actions) == 1
    return actions[0]


@pytest.mark.parametrize(
    ("want", "have", "verb", "changed"),
    [
        ({"shape": "square"}, None, "create", {"name", "shape", "size", "lid"}),
        ({"shape": "square"}, {}, "unchanged", set()),
        ({}, {}, "unchanged", set()),
        ({"size": 3}, {}, "unchanged", set()),
        ({"size": 4}, {}, "update", {"size"}),
        ({"size": 0}, {}, "update", {"size"}),
        ({"lid": False}, {}, "update", {"lid"}),
        ({"lid": False}, {"dim__lid": None}, "unchanged", set()),
        ({"label": ""}, {}, "unchanged", set()),
        ({"label": "x"}, {"square__label": "x"}, "unchanged", set()),
        ({"label": ""}, {"square__label": "x"}, "update", {"label"}),
        ({"tags": ["b", "a", "a"]}, {"tags": ["a", "b"]}, "unchanged", set()),
        ({"tags": ["a"]}, {"tags": ["a", "b"]}, "update", {"tags"}),
        ({"tags": []}, {"tags": None}, "unchanged", set()),
        ({"inside": ["d", "c"]}, {"inside": ["c", "d"]}, "update", {"inside"}),
        ({"lock": "none"}, {}, "unchanged", set()),
        ({"lock": "none"}, {"lock": {"kind": "KEY"}}, "update", {"lock"}),
        ({"lock": "key"}, {"lock": {"kind": "KEY"}}, "unchanged", set()),
        ({"limit": 0}, {}, "unchanged", set()),
        ({"limit": 0}, {"limit": 5}, "update", {"limit"}),
    ],
)
def test_what_changes(want, have, verb, changed):
    action = only(plan(BOX, [box(name="a", **want)], [] if have is None else [there(**have)]))
    assert action.verb == verb
    assert set(action.after) == changed
    assert bool(action.requests) == (verb != "unchanged")


def test_a_new_object_gets_initial_values_and_nothing_else():
    action = only(plan(BOX, [box(name="a/b", shape="rounded", radius=2, label="x")], []))
    assert action.requests == [
        Request("POST", "/boxes/round", {"name": "a/b", "dim": {"size": 3, "lid": True, "radius": 2}, "round": {"label": "x"}})
    ]


def test_an_update_sends_the_servers_object_with_the_changes():
    server = there(lock={"kind": "key"})
    before = copy.deepcopy(server)
    action = only(plan(BOX, [box(name="a", size=5)], [server]))
    assert action.requests == [
        Request("PUT", "/boxes/square/a", {"name": "a", "dim": {"size": 5, "lid": True, "depth": 9}, "lock": {"kind": "key"}, "more": {"x": 1}})
    ]
    assert (action.before, action.after) == ({"size": 3}, {"size": 5})
    assert server == before, "planning changes nothing it is given"


def test_what_is_taken_away_is_sent_as_null_as_a_whole():
    action = only(plan(BOX, [box(name="a", lock="none", limit=0)], [there(lock={"kind": "code", "code": None}, limit=4)]))
    assert action.requests[0].body["lock"] is None and action.requests[0].body["limit"] is None


def test_paths_are_quoted():
    assert only(plan(BOX, [box(name="a/b c")], [there("a/b c")], state="absent")).requests[0].path == "/boxes/a%2Fb%20c"


def test_a_secret_is_carried_by_every_update_or_the_update_is_refused():
    server = there(lock={"kind": "code", "code": None})
    with pytest.raises(MlopsError, match="box 'a': size cannot be changed without giving code"):
        plan(BOX, [box(name="a", size=4)], [server])
    action = only(plan(BOX, [box(name="a", size=4, code="1234")], [server]))
    assert action.requests[0].body["lock"] == {"kind": "code", "code": "1234"}
    assert only(plan(BOX, [box(name="a", code="1234")], [server])).verb == "unchanged"
    action = only(plan(BOX, [box(name="a", code="1234")], [server], send_secrets={"a"}))
    assert action.verb == "update" and action.after == {"code": MASK}
    assert only(plan(BOX, [box(name="a", lock="none")], [server])).requests[0].body["lock"] is None


def test_a_secret_that_is_not_sent_is_not_nulled():
    plain = Resource(
        kind="box",
        items="boxes",
        read=BOX.read,
        update=("PUT", "/{name}"),
        options=(Option("name"), Option("size"), Option("pin", "pin", secret=True)),
    )
    action = only(plan(plain, [{"name": "a", "size": 2}], [{"name": "a", "size": 1, "pin": None}]))
    assert action.requests[0].body == {"name": "a", "size": 2}


def test_a_secret_with_a_request_of_its_own():
    own = Resource(
        kind="box",
        items="boxes",
        read=BOX.read,
        create=("POST", "/"),
        update=("PUT", "/{name}"),
        secret_update=("PUT", "/{name}/pin", "pin"),
        options=(Option("name"), Option("size"), Option("pin", secret=True)),
    )
    server, want = [{"name": "a", "size": 1}], {"name": "a", "size": 2, "pin": "99"}
    assert [request.path for request in only(plan(own, [want], server)).requests] == ["/a"]
    assert [request.path for request in only(plan(own, [want], server, send_secrets={"a"})).requests] == ["/a", "/a/pin"]
    assert only(plan(own, [want | {"size": 1}], server, send_secrets={"a"})).requests == [Request("PUT", "/a/pin", "99")]
    assert only(plan(own, [want], [])).requests[0].body == {"name": "a", "size": 2, "pin": "99"}


@pytest.mark.parametrize(
    ("wanted", "current", "options", "words"),
    [
        ([box(name="a"), box(name="b", shape="square"), box(name="a")], [], {}, "boxes: box 'a' is given twice"),
        ([box(name="a")], [], {}, "box 'a' is not there yet and cannot be made without shape"),
        ([box(name="a", shape="rounded")], [], {}, "cannot be made without radius"),
        ([box(name="a", shape="rounded", radius=1)], [there()], {}, "shape is 'square' on the server and 'rounded' here and cannot be changed"),
        ([box(name="a", radius=1)], [there()], {}, "radius is for shape rounded; this one has shape square"),
        ([box(name="a", shape="square", radius=1)], [], {}, "radius is for shape rounded"),
        ([box(name="a", code="1")], [there()], {}, "code is for lock code; this one has lock None"),
        ([box(name="a", lock="code")], [there(lock={"kind": "key"})], {}, "lock cannot be changed without giving code"),
        ([box(name="a", seal="wax")], [there()], {}, "box 'a': seal cannot be changed without giving colour"),
        ([], [there()], {"purge": True}, "purge: with an empty list"),
        ([box(name="a")], [there()], {"state": "absent", "user": "a"}, "box 'a' is who this task connects as"),
        ([box(name="a", shape="square", inside=["b"]), box(name="b", shape="square", inside=["a"])], [], {}, "refer to each other in a circle"),
        ([box(name="a"), box(name="b")], [], {}, "box 'a' .*; box 'b' "),
    ],
)
def test_what_is_refused_before_anything(wanted, current, options, words):
    with pytest.raises(MlopsError, match=words):
        plan(BOX, wanted, current, **options)


def order(actions):
    return [(action.verb, action.key) for action in actions if action.verb != "unchanged"]


def test_members_come_before_what_holds_them_and_go_after():
    wanted = [box(name="c", shape="square", inside=["b"]), box(name="b", shape="square", inside=["a"]), box(name="a", shape="square")]
    assert order(plan(BOX, wanted, [])) == [("create", "a"), ("create", "b"), ("create", "c")]
    current = [there("a"), there("b", inside=["a"]), there("c", inside=["b"])]
    assert order(plan(BOX, wanted, current, state="absent")) == [("delete", "c"), ("delete", "b"), ("delete", "a")]


def test_purge_takes_what_is_not_wanted_last_but_not_what_is_the_servers_or_ours():
    current = [there("old"), there("a", inside=["old"]), there("system", builtIn=True), there("me")]
    actions = plan(BOX, [box(name="a", inside=[]), box(name="new", shape="square")], current, purge=True, user="me")
    assert order(actions)[-1] == ("delete", "old") and sorted(order(actions)) == [("create", "new"), ("delete", "old"), ("update", "a")]
    assert order(plan(BOX, [box(name="a")], current)) == [], "purge is off by default"


def test_the_user_we_connect_as_is_changed_last():
    actions = plan(BOX, [box(name="me", size=4), box(name="b", size=4)], [there("me"), there("b")], user="me")
    assert order(actions) == [("update", "b"), ("update", "me")]


def test_references_are_looked_up_only_for_what_is_written(server):
    server.answers = [(200, {}, b'[{"name": "s1"}]')]
    transport = Transport(server.url)
    current = [there("a", shelf="gone"), there("z")]

    def missing(*wanted, **options):
        return sum(missing_references(transport, BOX, plan(BOX, wanted, current, **options), current).values(), [])

    assert missing(box(name="a", shelf="gone")) == [] and transport.sent == 0
    assert missing(box(name="a", shelf="s1"), box(name="b", shape="square", shelf="*")) == [] and transport.sent == 1
    assert missing(box(name="a", shelf="s2")) == ["box 'a': shelf names shelf 's2', which does not exist"]
    assert missing(box(name="a", inside=["z", "n"]), box(name="n", shape="square")) == []
    assert missing(box(name="a", inside=["n"])) == ["box 'a': inside names box 'n', which does not exist"]
    assert missing(box(name="a", inside=["z"]), purge=True) == ["box 'a': inside names box 'z', which does not exist"]


def test_a_refused_item_stops_or_not_and_says_which(server):
    wanted = [box(name=name, shape="square") for name in "abc"]
    for on_error, expected in (("stop", ["created", "failed", "skipped"]), ("continue", ["created", "failed", "created"])):
        server.answers = [(201, {}, b""), (404, {}, b"no such shape"), (201, {}, b"")]
        results = apply(Transport(server.url), BOX, plan(BOX, wanted, []), on_error)
        assert [result["result"] for result in results] == expected
        assert results[1]["why"] == f"box 'b': POST {server.url}/boxes/square answered 404 Not Found: no such shape"


def test_the_diff_is_the_plan_without_secrets():
    actions = plan(
        BOX,
        [box(name="a", size=5), box(name="n", shape="square", lock="code", code="1234"), box(name="same")],
        [there("a"), there("same"), there("old")],
        purge=True,
    )
    shown = diff(BOX, actions)
    assert shown["before"]["a"] == {"size": 3} and shown["after"]["a"] == {"size": 5}
    assert set(shown["before"]) == {"a", "old"} and set(shown["after"]) == {"a", "n"}
    assert shown["after"]["n"]["code"] == MASK and "1234" not in str(shown)


NAMES = st.sampled_from(["a", "b", "c", "d"])
WANTED = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "size": st.integers(0, 3),
            "lid": st.booleans(),
            "label": st.sampled_from(["", "x", "y"]),
            "tags": st.lists(st.sampled_from("xyz"), max_size=4),
            "lock": st.sampled_from(["none", "key"]),
            "limit": st.integers(0, 2),
        },
    ),
    unique_by=lambda item: item["name"],
)
CURRENT = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES, "more": st.integers(), "shape": st.just("SQUARE")},
        optional={
            "dim": st.fixed_dictionaries({}, optional={"size": st.integers(0, 3), "lid": st.sampled_from([True, False, None])}),
            "square": st.sampled_from([None, {}, {"label": "x"}, {"label": ""}]),
            "tags": st.sampled_from([None, [], ["x", "y"]]),
            "lock": st.sampled_from([None, {"kind": "KEY", "model": 3}]),
            "limit": st.sampled_from([None, 1]),
        },
    ),
    unique_by=lambda obj: obj["name"],
)


def obey(actions, current):
    """A server of one rule: do what each request says."""
    store = {obj["name"]: copy.deepcopy(obj) for obj in current}
    for request in (request for action in actions for request in action.requests):
        name = unquote(request.path.rsplit("/", 1)[1])
        if request.method == "DELETE":
            del store[name]
        else:
            store[request.body["name"]] = copy.deepcopy(request.body) | {"shape": "SQUARE"}
    return list(store.values())


@given(WANTED, CURRENT, st.booleans())
def test_after_the_plan_nothing_is_left_to_do(wanted, current, purge):
    wanted = [box(shape="square", **item) for item in wanted]
    if purge and not wanted:
        return
    actions = plan(BOX, wanted, current, purge=purge)
    after = obey(actions, current)
    assert order(plan(BOX, wanted, after, purge=purge)) == []
    kept = {obj["name"]: obj for obj in after}
    for obj in current:
        assert purge or kept[obj["name"]]["more"] == obj["more"], "what is not managed stays"
    assert len(actions) == len({action.key for action in actions})


@given(CURRENT)
def test_gathered_and_fed_back_changes_nothing(current):
    gathered = [BOX.view(obj) for obj in current]
    assert order(plan(BOX, [box(**item) for item in gathered], current, purge=bool(gathered))) == []


@given(st.dictionaries(st.sampled_from("abc"), st.integers()), st.sampled_from(["a", "a.b", "x.y.z"]), st.integers())
def test_put_get_drop(obj, path, value):
    if isinstance(obj.get("a"), int) and "." in path:
        obj.pop("a")
    put(obj, path, value)
    assert get(obj, path) == value
    drop(obj, path)
    drop(obj, path)
    assert get(obj, path) is None
