"""What applying a plan sends, takes back, keeps and tells, on small made-up kinds. No product."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._reconcile import Action, apply, diff, outcome, plan, refuse, send, settle
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Request, Resource
from ansible_collections.mlops.onprem.plugins.module_utils._transport import Transport
from hypothesis import given
from hypothesis import strategies as st

BOX = Resource(
    kind="box",
    items="boxes",
    read=lambda client, wanted: [],
    create=("POST", "/{name}"),
    update=("PUT", "/{name}"),
    options=(Option("name"), Option("size", initial=1)),
)


class Sender:
    """Refuses what `refused` names and answers everything else; `sent` is what it was given."""

    def __init__(self, *refused):
        self.refused, self.sent = refused, []

    def __call__(self, client, request):
        assert client == "client"
        self.sent.append(request.path)
        if request.path in self.refused:
            raise MlopsError(f"{request.path} refused")
        return {"made": request.path}


def action(key, *requests, verb="update", **more):
    return Action(verb, key, requests=requests, **more)


def post(path, **more):
    return Request("POST", path, **more)


# Undo


@pytest.mark.parametrize(
    ("refused", "sent", "why"),
    [
        ((), ["one", "two", "three"], None),
        (("one",), ["one", "back-1"], "box 'a': one refused"),
        (("two",), ["one", "two", "back-2", "back-1"], "box 'a': two refused"),
        (("three",), ["one", "two", "three"], "box 'a': three refused"),
        (("two", "back-1"), ["one", "two", "back-2", "back-1"], "box 'a': two refused; and what it had begun could not be taken back: back-1 refused"),
        (("two", "back-2"), ["one", "two", "back-2"], "box 'a': two refused; and what it had begun could not be taken back: back-2 refused"),
    ],
)
def test_what_a_failed_request_had_begun_is_taken_back_in_order(refused, sent, why):
    """The second step back is not taken without the first: it may be safe only on top of it."""
    back = [post("back-1"), post("back-2")]
    sender = Sender(*refused)
    item = action("a", post("one", undo=(back[0],)), post("two", undo=(back[1], back[0])), post("three"))
    assert apply("client", BOX, [item], send=sender) == [{"name": "a", "result": "failed" if why else "updated"} | ({"why": why} if why else {})]
    assert sender.sent == sent


# Keep


def test_what_is_kept_of_the_answers_is_in_the_items_result():
    keep = (lambda answer: {"token": "T-" + answer["made"]}), (lambda answer: {"ends": answer["made"]})
    sender = Sender()
    items = [action("a", post("1", keep=keep[0]), post("2"), post("3", keep=keep[1])), action("b", post("4"), verb="create")]
    assert apply("client", BOX, items, send=sender) == [{"name": "a", "result": "updated", "token": "T-1", "ends": "3"}, {"name": "b", "result": "created"}]


def test_what_was_made_before_a_failure_is_not_lost():
    """A new token is shown once; that the old one could not be revoked afterwards is no reason to throw it away."""
    item = action("a", post("new", keep=lambda answer: {"token": "T"}), post("old"))
    assert apply("client", BOX, [item], send=Sender("old")) == [{"name": "a", "result": "failed", "why": "box 'a': old refused", "token": "T"}]


def test_an_answer_that_cannot_be_kept_is_a_failure():
    def keep(answer):
        raise MlopsError("no token in the answer")

    sender = Sender()
    assert apply("client", BOX, [action("a", post("new", keep=keep, undo=(post("back"),)))], send=sender)[0]["why"] == "box 'a': no token in the answer"
    assert sender.sent == ["new", "back"]


# Several items


@pytest.mark.parametrize(
    ("on_error", "results", "sent"),
    [
        ("stop", ["failed", "updated", "failed", "unchanged", "skipped", "skipped"], ["b", "c"]),
        ("continue", ["failed", "updated", "failed", "unchanged", "created", "deleted"], ["b", "c", "e", "f"]),
    ],
)
def test_after_a_failure_the_rest_is_skipped_or_not(on_error, results, sent):
    items = [action("a", verb="refuse", why="wrong"), action("b", post("b")), action("c", post("c"), post("c2")), action("d", verb="unchanged"),
             action("e", post("e"), verb="create"), action("f", post("f"), verb="delete")]
    sender = Sender("c")
    told = apply("client", BOX, items, on_error, sender)
    assert [result["result"] for result in told] == results and sender.sent == sent
    assert [result["name"] for result in told] == list("abcdef")
    assert [result.get("why") for result in told] == ["wrong", None, "box 'c': c refused", None,
                                                      *(["an item before it failed"] * 2 if on_error == "stop" else [None, None])]


def test_stop_is_the_default():
    assert [result["result"] for result in apply("client", BOX, [action("a", post("a")), action("b", post("b"))], send=Sender("a"))] == ["failed", "skipped"]


GROUPS = st.lists(st.lists(st.sampled_from(["create", "update", "delete", "unchanged", "refuse"]), min_size=1, max_size=4), max_size=5)
DONE = {"create": "created", "update": "updated", "delete": "deleted", "unchanged": "unchanged", "refuse": "failed"}


@given(GROUPS, st.sets(st.integers(0, 4)), st.booleans(), st.randoms(use_true_random=False))
def test_one_request_for_many_items_fails_for_exactly_those(groups, refused, stop, order):
    """A group is written with one request, if it has something to write."""
    items = {f"{number}.{place}": (number, verb) for number, verbs in enumerate(groups) for place, verb in enumerate(verbs)}
    actions = [Action(verb, key, why="wrong" if verb == "refuse" else "") for key, (_number, verb) in items.items()]
    order.shuffle(actions)
    writes = {number: bool({"create", "update", "delete"} & set(verbs)) for number, verbs in enumerate(groups)}

    def batch(given):
        assert given == actions
        by_key = {one.key: one for one in given}
        return [([by_key[f"{number}.{place}"] for place in range(len(verbs))], [post(number)] if writes[number] else []) for number, verbs in enumerate(groups)]

    sender = Sender(*refused)
    results = apply("client", replace(BOX, batch=batch), actions, "stop" if stop else "continue", sender)
    broken = [number for number in sorted(refused) if writes.get(number)]
    last = broken[0] if broken and stop else len(groups)
    assert sender.sent == [number for number in range(len(groups)) if writes[number] and number <= last]
    for one, result in zip(actions, results):
        number, verb = items[one.key]
        assert result["name"] == one.key
        if verb in ("unchanged", "refuse"):
            assert result["result"] == DONE[verb] and result.get("why") == (one.why or None)
        elif number > last:
            assert (result["result"], result["why"]) == ("skipped", "an item before it failed")
        elif number in refused:
            others = f" and {len(groups[number]) - 1} more" if len(groups[number]) > 1 else ""
            assert (result["result"], result["why"]) == ("failed", f"box '{number}.0'{others}: {number} refused")
        else:
            assert result == {"name": one.key, "result": DONE[verb]}


def test_a_batch_is_asked_for_the_whole_plan_and_keeps_for_each():
    keep = post("all", keep=lambda answer: {"commit": "c1"})
    kind = replace(BOX, batch=lambda actions: [([one for one in actions if one.requests], [keep]), ([one for one in actions if not one.requests], [])])
    sender = Sender()
    results = apply("client", kind, plan(kind, [{"name": "a", "size": 2}, {"name": "b"}, {"name": "c", "size": 1}], [{"name": "c", "size": 1}]), send=sender)
    assert results == [{"name": "a", "result": "created", "commit": "c1"}, {"name": "b", "result": "created", "commit": "c1"},
                       {"name": "c", "result": "unchanged"}]
    assert sender.sent == ["all"]


# What is refused beforehand


def test_settle_stops_with_every_reason_or_lets_the_others_go():
    fine, bad, worse = action("a"), action("b", verb="refuse", why="b is wrong"), action("c", verb="refuse", why="c is wrong")
    assert settle([fine], "stop") == [fine]
    assert settle([bad, fine, worse], "continue") == [bad, fine, worse]
    with pytest.raises(MlopsError) as caught:
        settle([bad, fine, worse], "stop")
    assert str(caught.value) == "b is wrong; c is wrong"


def test_refuse_takes_the_requests_of_what_misses_something():
    fine, bad = action("a", post("a")), action("b", post("b"), before={"size": 1}, after={"size": 2}, verb="create")
    refused = refuse([fine, bad], {"b": ["no wood", "no nails"], "c": ["not planned"]})
    assert refused[0] is fine
    assert (refused[1].verb, refused[1].key, refused[1].requests, refused[1].why) == ("refuse", "b", (), "no wood; no nails")
    sender = Sender()
    assert apply("client", BOX, refused, "continue", sender) == [{"name": "a", "result": "updated"},
                                                                 {"name": "b", "result": "failed", "why": "no wood; no nails"}]
    assert sender.sent == ["a"] and set(diff(BOX, refused)["after"]) == {"a"}


@pytest.mark.parametrize(("verb", "result"), DONE.items())
def test_the_outcome_of_an_action_that_goes_through(verb, result):
    assert outcome(BOX, Action(verb, "a")) == {"name": "a", "result": result}
    assert outcome(BOX, Action(verb, "a", why="so")) == {"name": "a", "result": result, "why": "so"}


def test_the_diff_of_a_key_of_several_options_leaves_out_what_is_not_given():
    kind = replace(BOX, key=("shelf", "name"), options=(Option("shelf"), Option("name"), Option("size")))
    actions = [Action("create", (None, "a"), {}, {"size": 1}), Action("update", ("s", "a"), {"size": 1}, {"size": 2}),
               Action("delete", ("s", "b"), {"size": 3}), Action("unchanged", ("s", "c")), Action("refuse", ("s", "d"))]
    assert diff(kind, actions) == {"before_header": "boxes", "after_header": "boxes", "before": {"s a": {"size": 1}, "s b": {"size": 3}},
                                   "after": {"a": {"size": 1}, "s a": {"size": 2}}}


# The write itself


def test_a_write_is_json_or_text_and_its_answer_is_handed_back(server):
    transport = Transport(server.url)
    server.answers = [(200, {}, b'{"id": 3}')]
    assert send(transport, Request("PUT", "/a", {"size": 2})).json() == {"id": 3}
    send(transport, Request("PUT", "/b", "w\u00f6rd"))
    send(transport, Request("DELETE", "/c"))
    seen = [(method, path, headers.get("Content-Type"), body) for method, path, headers, body in server.seen]
    assert seen == [("PUT", "/a", "application/json", b'{"size": 2}'), ("PUT", "/b", "text/plain", "w\u00f6rd".encode()), ("DELETE", "/c", None, b"")]


@pytest.mark.parametrize(
    ("status", "refusal", "words"),
    [
        (404, None, "answered 404 Not Found: no ******"),
        (404, lambda answer: None, "answered 404 Not Found: no ******"),
        (200, lambda answer: f"{answer.text}!", "answered 200 OK: no ******!"),
    ],
)
def test_a_refusal_is_found_in_a_404_and_inside_a_success(server, status, refusal, words):
    server.answers = [(status, {}, b"no s3cret")]
    transport = Transport(server.url)
    transport.secrets.add("s3cret")
    with pytest.raises(ServiceError) as caught:
        send(transport, Request("PUT", "/a", {}, refusal=refusal))
    assert str(caught.value) == f"PUT {server.url}/a {words}" and caught.value.status == status


def test_a_success_without_a_refusal_is_one(server):
    assert send(Transport(server.url), Request("PUT", "/a", {}, refusal=lambda answer: "")).status_code == 200
