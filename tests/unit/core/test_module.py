"""Whole modules of small made-up kinds, run in this process against a server whose answers a test sets. No product."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.onprem.plugins.module_utils._fingerprint import mark_of, split
from ansible_collections.mlops.onprem.plugins.module_utils._module import BY_TOKEN, Product, argument_spec
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Reference, Request, Resource, read_json

PRODUCT = Product(env="MADEUP")


def listed(client, _wanted):
    return read_json(client, "/boxes")


BOX = Resource(
    kind="box",
    items="boxes",
    read=listed,
    create=("POST", "/boxes"),
    update=("PUT", "/boxes/{name}"),
    delete=("DELETE", "/boxes/{name}"),
    partial=True,
    fingerprint="note",
    references=(Reference("shelf", "shelf", "/shelves"),),
    options=(
        Option("name", fold=str.casefold),
        Option("size", type="int"),
        Option("pin", secret=True),
        Option("note", since="2.0"),
        Option("lid", type="bool", since="2.1"),
        Option("shelf"),
        Option("colour", choices=("red", "blue")),
    ),
)


def rows(*objects):
    return (200, {}, json.dumps(objects).encode())


def sent(server, *methods):
    """(method, path, body) of what came in."""
    return [(method, path, json.loads(body) if body else None) for method, path, _headers, body in server.seen
            if method in methods or not methods and method != "GET"]


# The argument spec


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {"update_secret": ["on_create", "always", "when_changed"], "state": ["present", "absent", "gathered"]}),
        ({"fingerprint": ""}, {"update_secret": ["on_create", "always"], "fingerprint_key": None}),
        ({"fingerprint": "", "verify": lambda client, item, have: True}, {"update_secret": ["on_create", "always", "when_changed"]}),
        ({"options": BOX.options[:2], "fingerprint": ""}, {"update_secret": None}),
        ({"mapping": True}, {"state": ["present", "gathered"], "purge": None, "boxes": {"type": "dict"}}),
        ({"places": {"shelf": "shelves", "room": "rooms"}}, {"shelves": {"type": "list", "elements": "str"}, "rooms": {"type": "list", "elements": "str"}}),
    ],
)
def test_the_argument_spec_follows_from_the_kind(change, expected):
    spec = argument_spec(PRODUCT, replace(BOX, **change))
    for name, value in expected.items():
        assert spec.get(name) == value if value is None or isinstance(value, dict) else spec[name]["choices"] == value
    assert spec["url"]["required"] and spec["password"]["no_log"]


def test_an_item_needs_those_parts_of_its_key_that_have_no_other_value():
    kind = replace(BOX, key=("shelf", "room", "name", "side"), one_of=("shelf", "room"),
                   options=(Option("shelf"), Option("room"), Option("name"), Option("side", initial="front"), Option("pin", secret=True)))
    entry = argument_spec(PRODUCT, kind)["boxes"]
    assert {name: option.get("required", False) for name, option in entry["options"].items()} == {
        "shelf": False, "room": False, "name": True, "side": False, "pin": False}
    assert entry["mutually_exclusive"] == [["shelf", "room"]] and "mutually_exclusive" not in argument_spec(PRODUCT, BOX)["boxes"]
    assert {name: option["no_log"] for name, option in entry["options"].items()} == {
        "shelf": False, "room": False, "name": False, "side": False, "pin": True}


def test_what_can_be_asked_for_by_name_only_has_nothing_to_purge():
    spec = argument_spec(PRODUCT, replace(BOX, by_name=True, places={"shelf": "shelves"}))
    assert "purge" not in spec and "shelves" not in spec and "boxes" in spec


def test_a_masked_option_and_a_secret_inside_a_list_are_kept_out_of_the_log():
    parts = Option("parts", type="list", elements="dict", options=(
        Option("name", required=True), Option("key", secret=True), Option("kind", choices=("a", "b"))))
    options = argument_spec(PRODUCT, replace(BOX, options=(*BOX.options, parts, Option("link", masked=lambda key: False))))["boxes"]["options"]
    assert options["link"]["no_log"] and not options["parts"]["no_log"]
    assert options["parts"]["options"] == {"name": {"type": "str", "no_log": False, "required": True}, "key": {"type": "str", "no_log": True},
                                           "kind": {"type": "str", "no_log": False, "choices": ["a", "b"]}}


def test_one_connects_as_the_product_says_and_the_environment_helps(server, module, monkeypatch):
    product = Product(env="TOKENED", login=BY_TOKEN)
    server.answers = [rows()]
    assert module(product, BOX, boxes=[{"name": "a"}])["msg"] == "missing required arguments: token"
    assert module(product, BOX, boxes=[], username="me")["failed"]
    monkeypatch.setenv("TOKENED_TOKEN", "from-outside")
    module(product, BOX, boxes=[{"name": "a"}])
    assert server.seen[0][2]["Authorization"] == "Bearer from-outside"
    module(product, BOX, boxes=[{"name": "a"}], token="given")
    assert server.seen[-1][2]["Authorization"] == "Bearer given"


# One run


def test_a_run_reads_writes_and_says_so(server, module):
    server.answers = [rows({"name": "a", "size": 1}), (201, {}, b"")]
    result = module(PRODUCT, BOX, boxes=[{"name": "A", "size": 2}, {"name": "b"}])
    assert sent(server) == [("PUT", "/boxes/A", {"size": 2}), ("POST", "/boxes", {"name": "b"})]
    assert result["changed"] and result["requests"] == 3
    assert result["results"] == [{"name": "A", "result": "updated"}, {"name": "b", "result": "created"}]
    assert result["diff"]["before"] == {"A": {"size": 1}}


def test_check_mode_foretells_and_sends_nothing(server, module, warned):
    server.answers = [rows({"name": "a", "size": 1}), rows()]
    result = module(PRODUCT, BOX, _check=True, boxes=[{"name": "a", "size": 2, "shelf": "s"}])
    assert result["changed"] and result["results"] == [{"name": "a", "result": "updated"}] and sent(server) == []
    assert warned == ["box 'a': shelf names shelf 's', which does not exist: right only if an earlier task of this run makes it"]


def test_nothing_wanted_asks_nothing(server, module):
    result = module(PRODUCT, BOX, boxes=[])
    assert (result["changed"], result["results"], result["requests"], server.seen) == (False, [], 0, [])


@pytest.mark.parametrize(
    ("on_error", "msg", "results", "writes"),
    [
        ("stop", "box 'a': shelf names shelf 's', which does not exist", None, []),
        ("continue", "box 'a': shelf names shelf 's', which does not exist; box 'c': PUT {}/boxes/c answered 400 Bad Request",
         ["failed", "updated", "failed"], ["/boxes/b", "/boxes/c"]),
    ],
)
def test_what_misses_something_stops_or_not(server, module, on_error, msg, results, writes):
    server.answers = [rows({"name": "a"}, {"name": "b"}, {"name": "c"}), rows({"name": "t"}), (200, {}, b""), (400, {}, b"")]
    wanted = [{"name": "a", "shelf": "s"}, {"name": "b", "shelf": "t"}, {"name": "c", "size": 1}]
    result = module(PRODUCT, BOX, boxes=wanted, on_error=on_error)
    assert result["failed"] and result["msg"] == msg.format(server.url)
    assert [item["result"] for item in result["results"]] == results if results else "results" not in result
    assert [path for _method, path, _body in sent(server)] == writes


def test_a_failure_that_many_items_share_is_told_once(server, module):
    kind = replace(BOX, batch=lambda actions: [(actions, [Request("POST", "/all", {})])])
    server.answers = [rows(), (409, {}, b"")]
    result = module(PRODUCT, kind, boxes=[{"name": name} for name in "abc"])
    assert result["msg"] == f"box 'a' and 2 more: POST {server.url}/all answered 409 Conflict"
    assert [item["result"] for item in result["results"]] == ["failed"] * 3


def test_a_product_sends_by_its_own_means(server, module):
    class Client:
        def __init__(self, transport):
            self.transport = transport

    def send(client, request):
        return client.transport.request("PATCH" if request.method == "PUT" else request.method, "/own" + request.path, json=request.body)

    product = Product(env="MADEUP", connect=Client, send=send)
    server.answers = [rows(), (201, {}, b"")]
    result = module(product, replace(BOX, read=lambda client, wanted: listed(client.transport, wanted)), boxes=[{"name": "a"}])
    assert result["changed"] and sent(server) == [("POST", "/own/boxes", {"name": "a"})]


def test_who_we_connect_as_is_asked_for_kinds_that_are_users(server, module):
    product = Product(env="MADEUP", user=lambda client, params: client.request("GET", "/me").json()["name"])
    server.answers = [rows({"name": "a"}, {"name": "Me"}), (200, {}, b'{"name": "me"}'), (200, {}, b"")]
    result = module(product, replace(BOX, own_user=True), boxes=[{"name": "b", "size": 1}], purge=True)
    assert [(item["name"], item["result"]) for item in result["results"]] == [("b", "created"), ("a", "deleted")]
    server.seen.clear()
    server.answers = [rows(), (200, {}, b"")]
    module(product, BOX, boxes=[{"name": "b"}])
    assert sent(server, "GET") == [("GET", "/boxes", None)]


# Secrets


@pytest.mark.parametrize(
    ("policy", "key", "note", "pin_sent"),
    [
        ("on_create", None, "words", False),
        ("on_create", "k", "words", False),
        ("always", None, "words", True),
        ("always", "k", "words", True),
        ("when_changed", "k", "words", True),
        ("when_changed", "k", "right", False),
    ],
)
def test_when_a_secret_is_sent(server, module, policy, key, note, pin_sent):
    item = {"name": "a", "pin": "geheim"}
    server.answers = [rows({"name": "A", "note": f"words [secret {mark_of(BOX, item, 'k')}]" if note == "right" else note}), (200, {}, b"")]
    result = module(PRODUCT, BOX, boxes=[item], update_secret=policy, **({"fingerprint_key": key} if key else {}))
    bodies = [body for _method, _path, body in sent(server)]
    assert [body["pin"] for body in bodies] == (["geheim"] if pin_sent else [])
    assert [split(body["note"]) if key else body.get("note") for body in bodies] == ([("words", mark_of(BOX, item, "k")) if key else None] if pin_sent else [])
    assert result["changed"] is pin_sent and "geheim" not in json.dumps(result)


def test_a_secret_that_can_be_tried_is_sent_when_it_is_wrong(server, module):
    asked = []
    kind = replace(BOX, fingerprint="", verify=lambda client, item, have: asked.append((item["pin"], have)) or item["pin"] == "right")
    server.answers = [rows({"name": "A", "size": 1}, {"name": "b"}), (200, {}, b"")]
    module(PRODUCT, kind, boxes=[{"name": "a", "pin": "wrong"}, {"name": "b", "pin": "right"}, {"name": "c", "pin": "new"}], update_secret="when_changed")
    assert sent(server) == [("PUT", "/boxes/a", {"pin": "wrong"}), ("POST", "/boxes", {"name": "c", "pin": "new"})]
    assert asked == [("wrong", {"name": "A", "size": 1}), ("right", {"name": "b"})]


def test_when_changed_needs_a_key(server, module):
    result = module(PRODUCT, BOX, boxes=[{"name": "a"}], update_secret="when_changed")
    assert result["msg"].startswith("fingerprint_key: update_secret when_changed needs it")


def test_no_secret_is_told_by_a_refusal(server, module):
    server.answers = [rows(), (400, {}, b"pin geheim is too short, key k3y too")]
    result = module(PRODUCT, BOX, boxes=[{"name": "a", "pin": "geheim"}], username="u", password="k3y")
    assert result["msg"].endswith("400 Bad Request: pin ****** is too short, key ****** too")
    parts = Option("parts", type="list", elements="dict", options=(Option("name"), Option("key", secret=True)))
    server.answers = [rows(), (400, {}, b"no k3y-of-n here")]
    result = module(PRODUCT, replace(BOX, options=(*BOX.options, parts)), boxes=[{"name": "a", "parts": [{"name": "n", "key": "k3y-of-n"}]}])
    assert result["msg"].endswith("400 Bad Request: no ****** here") and "k3y" not in json.dumps(result)


TELLING = replace(BOX, reveals=True, requests=lambda verb, values, body: [
    Request("POST", "/tokens", body, keep=(lambda answer: {"token": answer.json()["token"]}) if verb == "create" else None)])


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("no_log", [False, True])
def test_results_that_hold_secrets_need_no_log(server, module, check, no_log):
    server.answers = [rows(), (201, {}, b'{"token": "T"}')]
    result = module(PRODUCT, TELLING, _check=check, _no_log=no_log, boxes=[{"name": "a"}])
    if no_log:
        assert result["results"] == [{"name": "a", "result": "created"} | ({} if check else {"token": "T"})]
    else:
        assert result["msg"] == "no_log: the results of this task hold new secrets of boxes; say `no_log: true` on the task"
    assert len(sent(server)) == (no_log and not check)


def test_results_without_new_secrets_need_no_no_log(server, module):
    server.answers = [rows({"name": "a", "size": 1}), (200, {}, b"{}")]
    assert module(PRODUCT, TELLING, boxes=[{"name": "a", "size": 1}])["results"] == [{"name": "a", "result": "unchanged"}]
    server.answers = [rows({"name": "a", "size": 1}), (200, {}, b"{}")]
    assert module(PRODUCT, TELLING, boxes=[{"name": "a", "size": 2}])["changed"]
    server.answers = [rows(), (201, {}, b'{"token": "T"}')]
    assert module(PRODUCT, replace(TELLING, reveals=False), boxes=[{"name": "a"}])["results"][0]["token"] == "T"


# What the server does not have


def lacks(_client, needs):
    return f"needs {needs}" if needs > "2.0" else None


@pytest.mark.parametrize(
    ("item", "msg"),
    [
        ({"note": "x", "lid": True}, "lid: needs 2.1"),
        ({"note": "x"}, None),
        ({"lid": False}, None),
        ({"pin": "geheim"}, None),
    ],
)
def test_an_option_that_the_server_would_drop_is_refused(server, module, item, msg):
    server.answers = [rows()]
    result = module(replace(PRODUCT, lacks=lacks), BOX, boxes=[{"name": "a"} | item])
    assert result.get("msg") == msg and len(server.seen) == (0 if msg else 2)


def test_with_continue_the_items_that_the_server_can_have_are_written(server, module):
    server.answers = [rows(), (201, {}, b"")]
    result = module(replace(PRODUCT, lacks=lacks), BOX, boxes=[{"name": "a", "lid": True}, {"name": "b"}], on_error="continue")
    assert result["msg"] == "box 'a': lid: needs 2.1" and sent(server) == [("POST", "/boxes", {"name": "b"})]
    assert [item["result"] for item in result["results"]] == ["failed", "created"] and set(result["diff"]["after"]) == {"b"}


@pytest.mark.parametrize(
    ("item", "options", "refused"),
    [
        ({"pin": "x"}, {"fingerprint_key": "k"}, True),
        ({"pin": "x", "size": 1}, {"fingerprint_key": "k"}, False),
        ({"size": 1}, {"fingerprint_key": "k"}, False),
        ({"pin": "x"}, {"fingerprint_key": "k", "state": "absent"}, False),
        ({"pin": "x"}, {}, False),
    ],
)
def test_a_fingerprint_needs_the_option_that_carries_it(server, module, item, options, refused):
    kind = replace(BOX, unreadable=lambda item: item["size"] is None)
    server.answers = [rows()]
    result = module(replace(PRODUCT, lacks=lambda client, needs: "is too new"), kind, boxes=[{"name": "a"} | item], **options)
    assert result.get("msg") == ("note: is too new" if refused else None)


def test_an_empty_server_is_asked_nothing(server, module, warned):
    def fail(*_given):
        raise AssertionError("asked")

    product, kind = replace(PRODUCT, lacks=fail, user=fail), replace(BOX, own_user=True, missing=fail, read=fail)
    result = module(product, kind, _check=True, assume_empty=True, boxes=[{"name": "a", "lid": True, "shelf": "s", "pin": "p"}])
    assert result["results"] == [{"name": "a", "result": "created"}] and server.seen == [] and result["requests"] == 0
    assert warned == [f"{server.url} is not there yet: planned as for an empty server, names of other objects not checked"]


def test_assume_empty_counts_in_check_mode_only(server, module):
    server.answers = [rows({"name": "a"})]
    assert module(PRODUCT, BOX, assume_empty=True, boxes=[{"name": "a"}])["results"] == [{"name": "a", "result": "unchanged"}]


# Mappings

SETTING = Resource(
    kind="setting",
    items="settings",
    mapping=True,
    read=lambda client, wanted: [{"name": name, "value": value} for name, value in read_json(client, "/settings").items()],
    requests=lambda verb, values, body: [Request("PUT", "/settings", {values["name"]: values["value"]})],
    partial=True,
    options=(Option("name"), Option("value", type="raw", masked=lambda key: key.endswith("password"),
                                    same=lambda have, want: have == want and type(have) is type(want))),
)


def test_a_mapping_is_one_object_for_each_entry(server, module):
    server.answers = [(200, {}, b'{"size": 1, "open": true, "words": ["a"]}')]
    result = module(PRODUCT, SETTING, settings={"size": 1, "open": 1, "words": ["b"], "new": 0})
    assert {item["name"]: item["result"] for item in result["results"]} == {"size": "unchanged", "open": "updated", "words": "updated", "new": "created"}
    assert sent(server)[:2] == [("PUT", "/settings", {"open": 1}), ("PUT", "/settings", {"words": ["b"]})]
    assert result["diff"]["after"]["words"] == {"value": ["b"]}


def test_a_mapping_is_gathered_as_one_without_what_is_shown_nowhere(server, module):
    server.answers = [(200, {}, b'{"size": 1, "password": "old", "words": ["a"], "none": null}')]
    assert module(PRODUCT, SETTING, state="gathered")["gathered"] == {"size": 1, "words": ["a"]}
    assert module(PRODUCT, SETTING, state="gathered", settings={"size": 3, "password": "x"})["gathered"] == {"size": 1}


def test_an_entry_without_a_value_is_a_mistake(server, module):
    assert module(PRODUCT, SETTING, settings={"a": 1, "b": None, "c": None})["msg"] == "settings: b, c: no value is given; leave out what is to stay as it is"
    assert server.seen == []


def test_nothing_masked_is_printed_or_logged(server, module, monkeypatch):
    logged = []
    monkeypatch.setattr(AnsibleModule, "log", lambda self, msg, log_args=None: logged.append((msg, log_args)))
    hidden = {"password": "hidden-1", "other_password": {"of": ["hidden-2"], "on": True}, "third_password": 7301946}
    server.answers = [(200, {}, b'{"password": "hidden-0"}'), (400, {}, b"hidden-1, hidden-2 and 7301946 are bad")]
    result = module(PRODUCT, SETTING, settings={"size": 1, **hidden}, on_error="continue")
    assert result["failed"] and result["results"][1]["result"] == "failed"
    for text in ("hidden-", "7301946"):
        assert text not in json.dumps(result) and text not in str(logged)
    assert result["invocation"]["module_args"]["settings"]["size"] == 1 and logged


# Places and gathering


def in_places(client, wanted, places):
    asked = client.calls if hasattr(client, "calls") else []
    asked.append((None if wanted is None else [item["name"] for item in wanted], places))
    client.calls = asked
    return [{"shelf": shelf, "name": name, "note": f"{name} [secret 0123456789abcdef]", "pin": "shown", "fixed": name == "z"}
            for shelf in ("s", "t") for name in ("a", "b", "z")]


PLACED = replace(BOX, key=("shelf", "name"), places={"shelf": "shelves"}, within=lambda values: ("shelf", values["shelf"]), built_in="fixed", references=(),
                 read=in_places, delete=("DELETE", "/boxes/{shelf}/{name}"))


@pytest.fixture
def calls(monkeypatch):
    """What the kind's read was given."""
    made = []
    product = replace(PRODUCT, connect=lambda transport: setattr(transport, "calls", made) or transport)
    return product, made


@pytest.mark.parametrize(
    ("options", "read", "found"),
    [
        ({}, (None, None), ["s/a", "s/b", "t/a", "t/b"]),
        ({"boxes": []}, (None, None), ["s/a", "s/b", "t/a", "t/b"]),
        ({"boxes": [{"shelf": "s", "name": "A"}]}, (["A"], {("shelf", "s"): False}), ["s/a"]),
        ({"shelves": ["s", "t", "s"]}, ([], {("shelf", "s"): True, ("shelf", "t"): True}), ["s/a", "s/b", "t/a", "t/b"]),
    ],
)
def test_gathered_is_what_is_named_or_everything_without_marks_and_secrets(module, calls, options, read, found):
    product, made = calls
    result = module(product, PLACED, state="gathered", **options)
    assert made == [read]
    assert [f"{item['shelf']}/{item['name']}" for item in result["gathered"]] == found
    assert not result["changed"] and all(item["note"] == item["name"] and "pin" not in item for item in result["gathered"])


def test_purge_is_for_the_places_that_the_task_names(server, module, calls):
    product, made = calls
    server.answers = [(200, {}, b"")]
    result = module(product, PLACED, boxes=[{"shelf": "s", "name": "a"}], shelves=["t"], purge=True)
    assert made == [(["a"], {("shelf", "s"): True, ("shelf", "t"): True})], "all that is there must be read to be purged"
    assert [path for _method, path, _body in sent(server)] == ["/boxes/t/b", "/boxes/t/a", "/boxes/s/b"]
    server.seen.clear()
    result = module(product, PLACED, boxes=[{"shelf": "s", "name": "a"}], purge=True)
    assert [path for _method, path, _body in sent(server)] == ["/boxes/s/b"]
    server.seen.clear()
    result = module(product, PLACED, boxes=[], shelves=["t"], purge=True)
    assert result["changed"] and [path for _method, path, _body in sent(server)] == ["/boxes/t/b", "/boxes/t/a"]
    result = module(product, PLACED, boxes=[], purge=True)
    assert result["msg"].startswith("purge: with an empty list of boxes")


SINGLE = replace(BOX, single=True, fingerprint="", references=(), options=(
    Option("name", choices=("one", "two")), Option("size", type="int", only={"name": ("one",)}), Option("colour", only={"name": ("two",)})))


def test_a_kind_of_single_objects_has_an_option_for_each(server, module):
    server.answers = [rows({"name": "one", "size": 1}, {"name": "two", "colour": "red"}), (200, {}, b"")]
    assert module(PRODUCT, SINGLE, one={"size": 1}, two={"colour": "blue"})["results"] == [
        {"name": "one", "result": "unchanged"}, {"name": "two", "result": "updated"}]
    server.answers = [rows({"name": "one", "size": 1}, {"name": "two", "colour": "red"})]
    assert module(PRODUCT, SINGLE, state="gathered")["gathered"] == {"one": {"size": 1}, "two": {"colour": "red"}}
    assert module(PRODUCT, SINGLE, state="gathered", two={})["gathered"] == {"two": {"colour": "red"}}


def test_a_mapping_is_not_printed_with_an_option_that_is_refused(module):
    result = module(PRODUCT, SETTING, settings={"password": "hidden-9"}, on_error="never")
    assert result["failed"] and "on_error" in result["msg"] and "hidden-9" not in json.dumps(result)
