# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan, then apply. The plan is a pure function of what is wanted and what is there; applying sends exactly the plan's requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._resource import MASK, Reference, Resource, get, read_json

DONE = {"create": "created", "update": "updated", "delete": "deleted", "unchanged": "unchanged"}


@dataclass(frozen=True)
class Action:
    """What happens to one object. before and after hold the options that change, secrets masked; refers the values that name other objects."""

    verb: str
    key: str
    before: Mapping = field(default_factory=dict)
    after: Mapping = field(default_factory=dict)
    requests: Sequence = ()
    refers: Mapping = field(default_factory=dict)


def plan(resource: Resource, wanted: Sequence[Mapping], current: Sequence[Mapping], *, state: str = "present", purge: bool = False,
         user: str | None = None, send_secrets: Collection = ()) -> list[Action]:
    """The actions that turn current (API objects) into wanted (items with None for what was left out), in the order they can be done.

    purge: also delete what is there and not wanted. user: who we connect as. send_secrets: keys whose secrets an update must send.
    Raises MlopsError, naming every item that cannot be had; nothing is decided by sending.
    """
    items = {}
    for item in wanted:
        if item[resource.key] in items:
            raise MlopsError(f"{resource.items}: {resource.name(item[resource.key])} is given twice; give each {resource.key} once")
        items[item[resource.key]] = {name: value for name, value in item.items() if value is not None}
    if purge and not items:
        raise MlopsError(f"purge: with an empty list of {resource.items} it would delete everything; give the list of what is to stay")
    key_path = next(resource.at(option, {}) for option in resource.options if option.name == resource.key)
    there = {get(obj, key_path): obj for obj in current}
    actions, problems = [], []
    for key, want in items.items():
        try:
            if state == "absent":
                actions.append(_delete(resource, key, there[key], user) if key in there else Action("unchanged", key))
            elif key in there:
                actions.append(_update(resource, key, there[key], want, key in send_secrets))
            else:
                actions.append(_create(resource, key, want))
        except MlopsError as problem:
            problems.append(str(problem))
    if purge:
        ours = {get(obj, key_path): obj for obj in managed(resource, current)}
        actions += [_delete(resource, key, obj, user) for key, obj in ours.items() if key not in items and not (resource.own_user and key == user)]
    if problems:
        raise MlopsError("; ".join(problems))
    return _ordered(resource, actions, user)


def managed(resource: Resource, current: Sequence[Mapping]) -> list:
    """The objects that are ours to gather or purge: not those that belong to the server."""
    return [obj for obj in current if not (resource.built_in and get(obj, resource.built_in))]


def _create(resource, key, want) -> Action:
    values = dict(want)
    for option in resource.options:
        if resource.applies(option, values) and option.initial is not None:
            values.setdefault(option.name, option.initial)
    missing = [option.name for option in resource.options
               if option.required and option.name not in values and resource.applies(option, values)]
    if missing:
        raise MlopsError(f"{resource.name(key)} is not there yet and cannot be made without {', '.join(missing)}")
    _refuse_unfit(resource, key, want, values)
    return Action("create", key, {}, _shown(resource, values), resource.to_send("create", values, resource.new_body(values)),
                  _refers(resource, values))


def _update(resource, key, obj, want, send_secret) -> Action:
    have = resource.view(obj)
    changes = resource.changes(have, want)
    for option in changes:
        if option.immutable:
            raise MlopsError(f"{resource.name(key)}: {option.name} is {have.get(option.name)!r} on the server and {want[option.name]!r} here and "
                             f"cannot be changed; take another {resource.key}, or delete it first (with what it holds)")
    values = {**have, **want}
    _refuse_unfit(resource, key, want, values)
    secrets = [option for option in resource.secrets if option.name in want]
    if not changes and not (send_secret and secrets):
        return Action("unchanged", key)
    requests = []
    if changes or not resource.secret_update:
        missing = [option.name for option in resource.options if option.name not in values and resource.applies(option, values)
                   and (option.required and not resource.applies(option, have)
                        or option.carried and get(obj, resource.path(option.carried, values, safe=False)) is not None)]
        if missing:
            raise MlopsError(f"{resource.name(key)}: {', '.join(option.name for option in changes)} cannot be changed without giving "
                             f"{', '.join(missing)}, which the server does not have or does not keep over an update")
        requests += resource.to_send("update", values, resource.merged_body(obj, values, changes + ([] if resource.secret_update else secrets)))
    if resource.secret_update and send_secret and secrets:
        requests += resource.send_secret(values)
    sent = {option.name for option in changes} | ({option.name for option in secrets} if send_secret else set())
    shown = _shown(resource, {name: want[name] for name in want if name in sent})
    return Action("update", key, {name: have.get(name) for name in shown}, shown, requests,
                  _refers(resource, {option.name: want[option.name] for option in changes}))


def _delete(resource, key, obj, user) -> Action:
    if resource.own_user and key == user:
        raise MlopsError(f"{resource.name(key)} is who this task connects as and cannot delete itself")
    have = resource.view(obj)
    return Action("delete", key, have, {}, resource.to_send("delete", have, None), _refers(resource, have))


def _refuse_unfit(resource, key, want, values) -> None:
    """An option that an object of this kind does not have is a mistake to name, not to drop."""
    for option in resource.options:
        if option.name in want and not resource.applies(option, values):
            needs = " and ".join(f"{other} {' or '.join(map(str, allowed))}" for other, allowed in option.only.items())
            has = ", ".join(f"{other} {values.get(other)}" for other in option.only)
            raise MlopsError(f"{resource.name(key)}: {option.name} is for {needs}; this one has {has}")


def _shown(resource, values) -> dict:
    """The values as a diff may show them."""
    secret = {option.name for option in resource.secrets}
    return {name: MASK if name in secret else value for name, value in values.items()}


def _refers(resource, values) -> dict:
    """{option: names of other objects} of these values."""
    return {ref.option: [name for name in ([value] if isinstance(value, str) else value) if not (ref.wildcard and name.startswith(ref.wildcard))]
            for ref in resource.references if (value := values.get(ref.option))}


def _ordered(resource, actions, user) -> list[Action]:
    """Writes after those they refer to, deletions last and the other way round; the user we connect as at the very end of the writes."""
    own = [ref.option for ref in resource.references if not ref.path]
    keys = {action.key: action for action in actions}
    graph = TopologicalSorter({key: [name for option in own for name in action.refers.get(option, ()) if name in keys]
                               for key, action in keys.items()})
    try:
        order = [keys[key] for key in graph.static_order()]
    except CycleError as error:
        raise MlopsError(f"{resource.items}: {' -> '.join(error.args[1])} refer to each other in a circle") from error
    writes = [action for action in order if action.verb != "delete"]
    writes.sort(key=lambda action: resource.own_user and action.key == user)
    return writes + [action for action in reversed(order) if action.verb == "delete"]


def missing_references(transport, resource: Resource, actions: Sequence[Action], current: Sequence[Mapping]) -> list[str]:
    """What the creations and updates refer to and is neither there nor made by them, one line each; asks the server only for kinds referred to."""
    found = []
    writes = [action for action in actions if action.verb in ("create", "update")]
    for ref in resource.references:
        users = [action for action in writes if action.refers.get(ref.option)]
        if not users:
            continue
        known = _known(transport, resource, ref, actions, current)
        found += [f"{resource.name(action.key)}: {ref.option} names {ref.what} {name!r}, which does not exist"
                  for action in users for name in action.refers[ref.option] if name not in known]
    return found


def _known(transport, resource, ref: Reference, actions, current) -> set:
    if ref.path:
        return {get(obj, ref.field) for obj in read_json(transport, ref.path) or ()}
    gone = {action.key for action in actions if action.verb == "delete"}
    return {resource.view(obj)[resource.key] for obj in current} - gone | {action.key for action in actions if action.verb == "create"}


def apply(transport, resource: Resource, actions: Sequence[Action], on_error: str = "stop") -> list[dict]:
    """Send the plan's requests; returns one result per action: key, result (created, updated, deleted, unchanged, failed, skipped), why.

    on_error: `continue` goes on with the other items after one failed, `stop` marks them skipped. Never raises for a refused write.
    """
    results: list[dict] = []
    for action in actions:
        result = outcome(resource, action)
        if on_error == "stop" and action.requests and any(done["result"] == "failed" for done in results):
            result |= {"result": "skipped", "why": "an item before it failed"}
        else:
            try:
                for request in action.requests:
                    send(transport, request)
            except MlopsError as error:
                result |= {"result": "failed", "why": f"{resource.name(action.key)}: {error}"}
        results.append(result)
    return results


def outcome(resource: Resource, action: Action) -> dict:
    """What an action comes to when it goes through."""
    return {resource.key: action.key, "result": DONE[action.verb]}


def send(transport, request) -> None:
    """Send one write; raises ServiceError also for a 404 (a write to what is not there) and for a refusal inside a success."""
    text = isinstance(request.body, str)
    answer = transport.request(request.method, request.path, json=None if text else request.body, data=request.body.encode() if text else None,
                               headers={"Content-Type": "text/plain"} if text else None)
    refusal = request.refusal(answer) if request.refusal else None
    if answer.status_code == 404 or refusal:
        raise ServiceError(request.method, answer.url, answer.status_code, answer.reason, refusal or answer.text, secrets=tuple(transport.secrets))


def diff(resource: Resource, actions: Sequence[Action]) -> dict:
    """The plan as Ansible shows it: per changed object the options that change."""
    changed = [action for action in actions if action.verb != "unchanged"]
    return {"before_header": resource.items, "after_header": resource.items,
            "before": {action.key: dict(action.before) for action in changed if action.verb != "create"},
            "after": {action.key: dict(action.after) for action in changed if action.verb != "delete"}}
