# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan, then apply. The plan is a pure function of what is wanted and what is there; applying sends exactly the plan's requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Reference, Resource, get, read_json

DONE = {"create": "created", "update": "updated", "delete": "deleted", "unchanged": "unchanged", "refuse": "failed"}


@dataclass(frozen=True)
class Action:
    """What happens to one object. before and after hold the options that change, secrets masked; refers the values that name other objects;
    why says what is wrong with one that is refused; values is the item as it is meant to become."""

    verb: str
    key: str | tuple
    before: Mapping = field(default_factory=dict)
    after: Mapping = field(default_factory=dict)
    requests: Sequence = ()
    refers: Mapping = field(default_factory=dict)
    why: str = ""
    values: Mapping = field(default_factory=dict)


def plan(resource: Resource, wanted: Sequence[Mapping], current: Sequence[Mapping], *, state: str = "present", purge: bool = False,
         user: str | None = None, send_secrets: Collection = (), places: Collection | None = None, on_error: str = "stop") -> list[Action]:
    """The actions that turn current (API objects) into wanted (items with None for what was left out), in the order they can be done.

    purge: also delete what is there and not wanted, of a kind that lives in places only in those. user: who we connect as. send_secrets: keys
    (folded) whose secrets an update must send. Raises MlopsError, naming every item that cannot be had; with on_error `continue` those items
    become actions of verb `refuse`. Nothing is decided by sending.
    """
    items = {}
    for item in wanted:
        key = resource.key_of(item)
        if resource.fold(key) in items:
            raise MlopsError(f"{resource.items}: {resource.name(key)} is given twice; give each {' and '.join(resource.keys)} once")
        if empty := next((name for name in resource.one_of if item.get(name) == ""), None):
            raise MlopsError(f"{resource.items}: {resource.name(key)}: {empty} is empty; leave it out, or say which")
        items[resource.fold(key)] = {name: value for name, value in item.items() if value is not None} | resource.result_key(key)
    if purge and state == "absent":
        raise MlopsError("purge: with state absent it would delete what is listed and what is not; it goes with state present")
    if purge and not items and not places:
        raise MlopsError(f"purge: with an empty list of {resource.items} it would delete everything; give the list of what is to stay")
    there = by_key(resource, current)
    actions = []
    for key, want in items.items():
        if key not in there:
            actions.append(Action("unchanged", resource.key_of(want)) if state == "absent" else _tried(_create, resource, want))
        elif state == "absent":
            actions.append(_tried(_delete, resource, want, there[key], user))
        else:
            actions.append(_tried(_update, resource, want, there[key], key in send_secrets))
    if purge:
        ours, inside = by_key(resource, managed(resource, current)), {resource.fold_place(place) for place in places or ()}
        for key, obj in ours.items():
            found = resource.result_key(obj_key(resource, obj))
            if key not in items and not _is_own(resource, key, user) and (not resource.within or resource.fold_place(resource.within(found)) in inside):
                actions.append(_tried(_delete, resource, found, obj, user))
    return settle(_ordered(resource, actions, user), on_error)


def _tried(decide, resource, item, *more) -> Action:
    """What is decided about an item, or why it cannot be had."""
    try:
        return decide(resource, item, *more)
    except MlopsError as problem:
        return Action("refuse", resource.key_of(item), why=str(problem))


def settle(actions: list[Action], on_error: str) -> list[Action]:
    """The actions, when none is refused or the others are to be done without it; else MlopsError with every reason."""
    problems = [action.why for action in actions if action.verb == "refuse"]
    if problems and on_error == "stop":
        raise MlopsError("; ".join(problems))
    return actions


def obj_key(resource: Resource, obj: Mapping):
    """The key of an API object."""
    return resource.key_of({option.name: option.seen(get(obj, resource.at(option, {}))) for option in resource.key_options})


def by_key(resource: Resource, objects: Sequence[Mapping]) -> dict:
    """{folded key: API object}."""
    return {resource.fold(obj_key(resource, obj)): obj for obj in objects}


def _is_own(resource, key, user) -> bool:
    """Whether this object is the user we connect as."""
    name = resource.keys[-1]
    return resource.own_user and resource.key_items(resource.fold(key))[-1][1] == resource.folded(name, user)


def managed(resource: Resource, current: Sequence[Mapping]) -> list:
    """The objects that are ours to gather or purge: not those that belong to the server."""
    return [obj for obj in current if not (resource.built_in and get(obj, resource.built_in))]


def _create(resource, want) -> Action:
    key, values = resource.key_of(want), dict(want)
    for option in resource.options:
        if resource.applies(option, values) and option.initial is not None:
            values.setdefault(option.name, option.initial)
    missing = [option.name for option in resource.options
               if option.required and option.name not in values and resource.applies(option, values)]
    if missing:
        raise MlopsError(f"{resource.name(key)} is not there yet and cannot be made without {', '.join(missing)}")
    _refuse_unfit(resource, key, want, values)
    return Action("create", key, *_sides(resource, key, {}, values), resource.to_send("create", values, resource.new_body(values)),
                  _refers(resource, values), values=values)


def _update(resource, want, obj, send_secret) -> Action:
    have = _view(resource, obj)
    key = resource.key_of(want)
    changes = resource.changes(have, want)
    for option in changes:
        if option.immutable:
            old, new = (resource.shown(key, {option.name: side.get(option.name)})[option.name] for side in (have, want))
            raise MlopsError(f"{resource.name(key)}: {option.name} is {old!r} on the server and {new!r} here and cannot be changed; "
                             f"take another {' or '.join(resource.keys)}, or delete it first (with what it holds)")
    values = {**have, **want}
    _refuse_unfit(resource, key, want, values)
    secrets = [option for option in resource.secrets if option.name in want]
    unfinished = resource.unfinished and get(obj, resource.unfinished)
    if not (changes or unfinished or send_secret and secrets):
        return Action("unchanged", key)
    requests = []
    if changes or unfinished or not resource.secret_update:
        missing = [option.name for option in resource.options if option.name not in values and resource.applies(option, values)
                   and (option.required and not resource.applies(option, have)
                        or option.carried and get(obj, resource.path(option.carried, values, safe=False)) is not None)]
        if missing:
            raise MlopsError(f"{resource.name(key)}: {', '.join(option.name for option in changes)} cannot be changed without giving "
                             f"{', '.join(missing)}, which the server does not have or does not keep over an update")
        with_it = [] if resource.secret_update or resource.partial and not send_secret else secrets
        requests += resource.to_send("update", values, resource.merged_body(obj, values, changes + with_it))
    if resource.secret_update and send_secret and secrets:
        requests += resource.send_secret(values)
    sent = {option.name for option in changes} | ({option.name for option in secrets} if send_secret else set())
    sides = _sides(resource, key, *({name: side.get(name) for name in want if name in sent} for side in (have, want)))
    return Action("update", key, *sides, requests,
                  _refers(resource, {option.name: want[option.name] for option in changes}), values=values)


def _delete(resource, _item, obj, user) -> Action:
    key = obj_key(resource, obj)
    if _is_own(resource, key, user):
        raise MlopsError(f"{resource.name(key)} is who this task connects as and cannot delete itself")
    have = _view(resource, obj)
    sides = _sides(resource, key, {name: value for name, value in have.items() if name != "handle"}, {})
    return Action("delete", key, *sides, resource.to_send("delete", have, None), _refers(resource, have), values=have)


def _sides(resource, key, before, after) -> tuple:
    """Both sides of a diff, as it may show them."""
    for option in resource.options:
        if option.told and (option.name in before or option.name in after):
            old = before.get(option.name)
            told = option.told(old, after.get(option.name, old))
            before, after = ({**side, option.name: text} if option.name in side else side for side, text in zip((before, after), told))
    return resource.shown(key, before), resource.shown(key, after)


def _view(resource, obj) -> dict:
    """The API's object as options, with the server's own identifier beside them."""
    return resource.view(obj) | ({"handle": get(obj, resource.handle)} if resource.handle else {})


def _refuse_unfit(resource, key, want, values) -> None:
    """An option that an object of this kind does not have is a mistake to name, not to drop."""
    for option in resource.options:
        if option.name in want and not resource.applies(option, values):
            needs = " and ".join(f"{other} {' or '.join(map(str, allowed))}" for other, allowed in option.only.items())
            has = ", ".join(f"{other} {value}" for other, value in resource.shown(key, {other: values.get(other) for other in option.only}).items())
            raise MlopsError(f"{resource.name(key)}: {option.name} is for {needs}; this one has {has}")
    fault = resource.check(want, values) if resource.check else None
    if fault:
        raise MlopsError(f"{resource.name(key)}: {fault}")


def _refers(resource, values) -> dict:
    """{option: names of other objects} of these values."""
    found = {}
    for ref in resource.references:
        if value := values.get(ref.option):
            names = ref.of(value) if ref.of else [value] if isinstance(value, str) else value
            found[ref.option] = [name for name in names if not (ref.wildcard and name.startswith(ref.wildcard))]
    return found


def _ordered(resource, actions, user) -> list[Action]:
    """Writes after those they refer to, deletions last and the other way round; the user we connect as at the very end of the writes."""
    own = [ref.option for ref in resource.references if not ref.path]
    keys = {resource.fold(action.key): action for action in actions}
    graph = TopologicalSorter({key: [name for option in own for name in map(resource.fold, action.refers.get(option, ())) if name in keys]
                               for key, action in keys.items()})
    try:
        order = [keys[key] for key in graph.static_order()]
    except CycleError as error:
        raise MlopsError(f"{resource.items}: {' -> '.join(map(str, error.args[1]))} refer to each other in a circle") from error
    writes = [action for action in order if action.verb != "delete"]
    writes.sort(key=lambda action: _is_own(resource, action.key, user))
    return writes + [action for action in reversed(order) if action.verb == "delete"]


def missing_references(client, resource: Resource, actions: Sequence[Action], current: Sequence[Mapping]) -> dict:
    """{key: what that creation or update refers to and is neither there nor made by the others, one line each}; asks the server only for kinds
    referred to."""
    found: dict = {}
    writes = [action for action in actions if action.verb in ("create", "update")]
    for ref in resource.references:
        users = [action for action in writes if action.refers.get(ref.option)]
        known = _known(client, resource, ref, actions, current) if users else ()
        for action in users:
            found.setdefault(action.key, []).extend(f"{resource.name(action.key)}: {ref.option} names {ref.what} {name!r}, which does not exist"
                                                    for name in action.refers[ref.option] if (name if ref.path else resource.fold(name)) not in known)
    for key, lines in (resource.missing(client, writes) if resource.missing else {}).items():
        found.setdefault(key, []).extend(f"{resource.name(key)}: {line}" for line in lines)
    return {key: lines for key, lines in found.items() if lines}


def refuse(actions: Sequence[Action], missing: Mapping) -> list[Action]:
    """The actions, those with something missing refused."""
    return [replace(action, verb="refuse", requests=(), why="; ".join(missing[action.key])) if action.key in missing else action for action in actions]


def _known(transport, resource, ref: Reference, actions, current) -> set:
    """The names that are there or will be; those of the kind itself folded."""
    if ref.path:
        return {get(obj, ref.field) for obj in read_json(transport, ref.path) or ()}
    done = {verb: {resource.fold(action.key) for action in actions if action.verb == verb} for verb in ("create", "delete")}
    return set(by_key(resource, current)) - done["delete"] | done["create"]


def apply(client, resource: Resource, actions: Sequence[Action], on_error: str = "stop", send: Callable | None = None) -> list[dict]:
    """Send the plan's requests; returns one result per action: key, result (created, updated, deleted, unchanged, failed, skipped), why.

    on_error: `continue` goes on with the other items after one failed, `stop` marks them skipped. send(client, request) sends one write and
    returns the answer. Never raises for a refused write.
    """
    results: dict = {}
    failed = False
    for group, requests in resource.batch(actions) if resource.batch else [([action], action.requests) for action in actions]:
        for action in group:
            results[action.key] = outcome(resource, action)
        if failed and on_error == "stop" and requests:
            told = {"result": "skipped", "why": "an item before it failed"}
        else:
            told = _send_all(client, resource, group, requests, send or globals()["send"])
        failed = failed or told.get("result") == "failed"
        for action in group:
            if action.verb not in ("unchanged", "refuse"):
                results[action.key] |= told
    return [results[action.key] for action in actions]


def _send_all(client, resource, group, requests, send) -> dict:
    """What the requests of one group of actions come to: what is kept of the answers, also of those before a failure.

    Undoing stops at the first request that is refused: what comes after it may be safe only on top of it.
    """
    kept: dict = {}
    for request in requests:
        try:
            answer = send(client, request)
            kept |= request.keep(answer) if request.keep else {}
        except MlopsError as error:
            why = f"{resource.name(group[0].key)}{f' and {len(group) - 1} more' if len(group) > 1 else ''}: {error}"
            for undo in request.undo:
                try:
                    send(client, undo)
                except MlopsError as left:
                    why += f"; and what it had begun could not be taken back: {left}"
                    break
            return kept | {"result": "failed", "why": why}
    return kept


def outcome(resource: Resource, action: Action) -> dict:
    """What an action comes to when it goes through."""
    return resource.result_key(action.key) | {"result": DONE[action.verb]} | ({"why": action.why} if action.why else {})


def send(transport, request):
    """Send one write, return the answer; raises ServiceError also for a 404 (a write to what is not there) and for a refusal inside a success."""
    text = isinstance(request.body, str)
    answer = transport.request(request.method, request.path, json=None if text else request.body, data=request.body.encode() if text else None,
                               headers={"Content-Type": "text/plain"} if text else None)
    refusal = request.refusal(answer) if request.refusal else None
    if answer.status_code == 404 or refusal:
        raise ServiceError(request.method, answer.url, answer.status_code, answer.reason, refusal or answer.text, secrets=tuple(transport.secrets))
    return answer


def diff(resource: Resource, actions: Sequence[Action]) -> dict:
    """The plan as Ansible shows it: per changed object the options that change."""
    changed = {" ".join(str(part) for part in resource.result_key(action.key).values()): action
               for action in actions if action.verb not in ("unchanged", "refuse")}
    return {"before_header": resource.items, "after_header": resource.items,
            "before": {name: dict(action.before) for name, action in changed.items() if action.verb != "create"},
            "after": {name: dict(action.after) for name, action in changed.items() if action.verb != "delete"}}
