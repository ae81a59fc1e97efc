# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one kind of object is, as data: its options, where each sits in the API's object, and its requests. Sends nothing, knows no product."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

MASK = "******"


@dataclass(frozen=True)
class Option:
    """One option of an item. `at` is its dotted path in the API's object (default: the name) and may hold other options in braces."""

    name: str
    at: str = ""
    type: str = "str"
    choices: tuple = ()
    elements: str | None = None
    required: bool = False  # a new object cannot be made without it
    initial: Any = None  # what a new object starts with; never used on one that is there
    immutable: bool = False
    secret: bool = False  # cannot be read back
    unordered: bool = False  # a list in which order and repetition mean nothing
    none: Any = None  # the wanted value that stands for "nothing there"; empty text and an empty list always do
    clears: str = ""  # path that is emptied by `none`, when it is more than the option's own
    only: Mapping[str, tuple] = field(default_factory=dict)  # {other option: values it must have for this one to exist}
    carried: str = ""  # of a secret: path which, when filled on the server, makes every update need the secret again

    def normal(self, value):
        """The value as it is compared."""
        if value is None or value is False or value in ("", [], {}) or (self.none is not None and value == self.none):
            return None
        if self.choices and isinstance(value, str):
            return self.spelled(value)
        return sorted(set(value)) if self.unordered else value

    def spelled(self, value):
        """The choice that the value is, whatever its case: servers store some in the case they were sent."""
        return next((choice for choice in self.choices if str(choice).lower() == str(value).lower()), value)


@dataclass(frozen=True)
class Reference:
    """The values of an option name objects of another kind (read from `path`, their names in `field`), or of the same kind (no path)."""

    option: str
    what: str
    path: str = ""
    field: str = "name"
    wildcard: str = ""  # values that begin with it name no object


@dataclass(frozen=True)
class Request:
    """One request of a plan. `body` is sent as JSON, text as it is. `refusal` finds the error in an answer that says success."""

    method: str
    path: str
    body: Any = None
    refusal: Callable | None = None


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    options begin with those that others refer to. create, update, delete are (method, path with options in braces).
    read(client, wanted) lists the kind as API objects; wanted is None when everything is asked for.
    requests(verb, values, body) replaces the three pairs where they cannot say it. verify(client, item, have) tells whether a secret is still right.
    """

    kind: str
    items: str
    options: tuple
    read: Callable
    key: str = "name"
    create: tuple = ()
    update: tuple = ()
    delete: tuple = ()
    requests: Callable | None = None
    secret_update: tuple = ()  # (method, path, option): a secret of an existing object has a request of its own
    verify: Callable | None = None
    unsent: tuple = ()  # paths that are read, or stand in the request's path, but are not part of what is sent
    references: tuple = ()
    spellings: Mapping[str, Mapping] = field(default_factory=dict)  # {option: {value: how paths spell it}}
    built_in: str = ""  # path that is true on objects the server owns: neither gathered nor purged
    own_user: bool = False  # the key is a user: the one we connect as comes last and is never deleted
    single: bool = False  # one object per choice of the key, each a module option of its own

    @property
    def secrets(self) -> tuple:
        return tuple(option for option in self.options if option.secret)

    def name(self, key) -> str:
        return f"{self.kind} {key!r}"

    def applies(self, option: Option, values: Mapping) -> bool:
        """Whether an object with these values has the option at all."""
        return all(values.get(other) in allowed for other, allowed in option.only.items())

    def path(self, template: str, values: Mapping, safe: bool = True) -> str:
        """The template with the values filled in; safe: quoted for a URL."""
        spelled = dict(values) | {name: words.get(values[name], values[name]) for name, words in self.spellings.items() if name in values}
        return template.format_map({name: quote(str(value), safe="") if safe else value for name, value in spelled.items()})

    def at(self, option: Option, values: Mapping) -> str:
        return self.path(option.at or option.name, values, safe=False)

    def view(self, obj: Mapping) -> dict:
        """The API's object as options, without secrets and without what is not there."""
        values: dict = {}
        for option in self.options:
            if option.secret or not self.applies(option, values):
                continue
            value = get(obj, self.at(option, values))
            if value is not None:
                values[option.name] = option.spelled(value) if option.choices and isinstance(value, str) else value
        return values

    def changes(self, have: Mapping, want: Mapping) -> list[Option]:
        """The options given in `want` whose value is not the one in `have`; secrets cannot be compared."""
        return [option for option in self.options if want.get(option.name) is not None and not option.secret
                and option.normal(want[option.name]) != option.normal(have.get(option.name))]

    def new_body(self, values: Mapping) -> dict:
        """The API's object for a new one."""
        body: dict = {}
        for option in self.options:
            value = values.get(option.name)
            if self.applies(option, values) and (value is False or option.normal(value) is not None):
                put(body, self.at(option, values), value)
        for path in self.unsent:
            drop(body, path)
        return body

    def merged_body(self, obj: Mapping, values: Mapping, send: list[Option]) -> dict:
        """The server's own object with the options in `send` replaced: what is not managed stays, a secret that is not sent is not nulled."""
        body = deepcopy(dict(obj))
        for path in (*self.unsent, *(self.at(option, values) for option in self.secrets if self.applies(option, values))):
            drop(body, path)
        for option in send:
            empty = option.normal(values[option.name]) is None and option.type not in ("bool", "list")
            put(body, option.clears if empty and option.clears else self.at(option, values), None if empty else values[option.name])
        return body

    def to_send(self, verb: str, values: Mapping, body: Any) -> list[Request]:
        """The requests of one create, update or delete."""
        if self.requests:
            return self.requests(verb, values, body)
        method, path = getattr(self, verb)
        return [Request(method, self.path(path, values), body)]

    def send_secret(self, values: Mapping) -> list[Request]:
        """The request that gives an existing object its secret, where that is one of its own."""
        method, path, option = self.secret_update
        return [Request(method, self.path(path, values), values[option])]


def get(obj: Any, path: str) -> Any:
    """The value at a dotted path; None where any part is missing."""
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, Mapping) else None
    return obj


def put(obj: dict, path: str, value: Any) -> None:
    """Set the value at a dotted path and make the objects on the way; one that is null is made too."""
    *parents, last = path.split(".")
    for part in parents:
        if obj.get(part) is None:
            obj[part] = {}
        obj = obj[part]
    obj[last] = value


def drop(obj: dict, path: str) -> None:
    """Take out what is at a dotted path, if it is there."""
    *parents, last = path.split(".")
    for part in parents:
        obj = obj.get(part) or {}
    obj.pop(last, None)


def read_json(transport, path: str, params: Mapping | None = None) -> Any:
    """The JSON a GET answers, or None when what was asked for is not there: the only place that decides so."""
    answer = transport.request("GET", path, params=params)
    return None if answer.status_code == 404 else answer.json()
