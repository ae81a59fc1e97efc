# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one kind of object is, as data: its options, where each sits in the API's object, and its requests. Knows no product."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MASK


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
    masked: Callable | None = None  # masked(key) tells of which objects the value, though it can be read, is shown nowhere
    creation: bool = False  # counts for a new object only; given for one that is there it means nothing
    fold: Callable | None = None  # of a key: what it is looked up by, where several spellings name the same object
    codes: Mapping = field(default_factory=dict)  # {value: what the API's object holds for it}
    same: Callable | None = None  # same(have, want) tells whether they mean the same, where equality does not; of a secret: it can be read back
    since: str = ""  # version of the product that brought it, or the edition that has it
    options: tuple = ()  # of a list of dicts: what each holds, as Options of which name, type, elements, choices, required and secret count
    told: Callable | None = None  # told(have, want) is (before, after) as a diff shows them, where that is not the values

    def normal(self, value):
        """The value as it is compared."""
        if value is None or value is False or value in ("", [], {}) or (self.none is not None and value == self.none):
            return None
        if self.choices and isinstance(value, str):
            return self.spelled(value)
        return sorted(set(value)) if self.unordered else value

    def spelled(self, value):
        """The choice that the value is, whatever its case: servers store some in the case they were sent."""
        return value if value in self.choices else next((choice for choice in self.choices if str(choice).lower() == str(value).lower()), value)

    def seen(self, value):
        """The option's value for what the API's object holds."""
        if self.codes:
            return next((name for name, code in self.codes.items() if code == value), value)
        return self.spelled(value) if self.choices and isinstance(value, str) else value

    def sent(self, value):
        """What the API's object holds for the option's value."""
        return self.codes.get(value, value) if self.codes else value

    def differs(self, have, want) -> bool:
        """Whether an update is needed to get from one value to the other; what cannot be compared needs none."""
        if want is None or self.creation:
            return False
        return not self.same(have, want) if self.same else not self.secret and self.normal(want) != self.normal(have)


@dataclass(frozen=True)
class Reference:
    """The values of an option name objects of another kind (read from `path`, their names in `field`), or of the same kind (no path)."""

    option: str
    what: str
    path: str = ""
    field: str = "name"
    wildcard: str = ""  # values that begin with it name no object
    of: Callable | None = None  # of(value) lists the names that a value stands for, such as the folder of a path


@dataclass(frozen=True)
class Request:
    """One request of a plan. `body` is sent as JSON, text as it is. `refusal` finds the error in an answer that says success.

    keep(answer) gives what of the answer belongs in the item's result. undo: requests that are sent when this one fails, up to the first
    that fails too.
    """

    method: str
    path: str
    body: Any = None
    refusal: Callable | None = None
    keep: Callable | None = None
    undo: tuple = ()


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    options begin with those that others refer to. create, update, delete are (method, path with options in braces, and {handle}).
    read(client, wanted) lists the kind as API objects; wanted is None when everything is asked for. Of a kind that lives in places it is
    read(client, wanted, places); places is {place: whether all that is in it is asked for}, or None for everything.
    requests(verb, values, body) replaces the three pairs where they cannot say it.
    verify(client, item, have) tells whether a secret is still right. missing(client, actions) names what the writes need and is not there.
    """

    kind: str
    items: str
    options: tuple
    read: Callable
    key: str | tuple = "name"  # the option, or the options, that tell one object from another
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
    partial: bool = False  # an update is sent as the changed options alone, not as the server's whole object with them
    handle: str = ""  # path of the server's own identifier, which requests name an object by
    one_of: tuple = ()  # options of which an item has one
    within: Callable | None = None  # within(values) is the place (option, value) an object lives in: what is read, gathered and purged together
    places: Mapping = field(default_factory=dict)  # {option of a place: module option that names places}
    missing: Callable | None = None
    fingerprint: str = ""  # the option whose text carries a fingerprint of the secrets
    unfinished: str = ""  # path that is true on what a killed run left half done: an update is due though no option differs
    by_name: bool = False  # the objects can only be asked for by name: no places to name, nothing to purge
    mapping: bool = False  # the module takes the objects as one mapping of key to `value` instead of a list
    reveals: bool = False  # results of this kind hold secrets: the task must say no_log
    unreadable: Callable = staticmethod(lambda item: True)  # unreadable(item) tells whether its secrets need a fingerprint
    batch: Callable | None = None  # batch(actions) is [(those done together, their requests)], where one request does many items
    check: Callable | None = None  # check(want, values) names what is wrong with an item; values is what the object would become

    # What follows from the options alone is asked for of every object, and worked out once.

    @cached_property
    def keys(self) -> tuple:
        """The names of the key's options."""
        return (self.key,) if isinstance(self.key, str) else self.key

    @cached_property
    def key_options(self) -> tuple:
        return tuple(option for option in self.options if option.name in self.keys)

    @cached_property
    def secrets(self) -> tuple:
        return tuple(option for option in self.options if option.secret)

    @cached_property
    def _inner(self) -> dict:
        """{option that is a list of dicts: the names of the secrets in each}."""
        found = {option.name: {part.name for part in option.options if part.secret} for option in self.options}
        return {name: secrets for name, secrets in found.items() if secrets}

    @cached_property
    def _masked(self) -> tuple:
        return tuple(option for option in self.options if option.masked)

    @cached_property
    def _initial(self) -> dict:
        return {option.name: option.initial for option in self.options}

    @cached_property
    def _folds(self) -> dict:
        return {option.name: option.fold for option in self.options if option.fold}

    def unshown(self, key) -> set:
        """The names of the options whose values appear nowhere."""
        return {option.name for option in self.secrets} | {option.name for option in self._masked if option.masked(key)}

    def hidden(self, item: Mapping) -> list:
        """The values of an item that appear nowhere."""
        inner = [one.get(secret) for name, secrets in self._inner.items() for one in item.get(name) or () for secret in secrets]
        return [item.get(name) for name in self.unshown(self.key_of(item))] + inner

    def key_of(self, values: Mapping):
        """The key of an item: a value, or a tuple where the key is of several options; a part left out is its option's initial value."""
        parts = tuple(self._initial[name] if values.get(name) is None else values[name] for name in self.keys)
        return parts[0] if isinstance(self.key, str) else parts

    def fold(self, key):
        """The key as it is looked up."""
        parts = tuple(self.folded(name, part) for name, part in self.key_items(key))
        return parts[0] if isinstance(self.key, str) else parts

    def found_by(self, values: Mapping):
        """What an item or a view is looked up by: its key, folded."""
        return self.fold(self.key_of(values))

    def folded(self, name: str, value):
        """A value of one of the key's options as it is looked up."""
        return self._folds[name](value) if name in self._folds and value is not None else value

    def fold_place(self, place):
        """A place as it is looked up; one that is no option of its own is part of the key, such as the folder of a path."""
        name, value = place
        return name, self.folded(name if name in self._initial else self.keys[0], value)

    def key_items(self, key) -> list:
        """[(option, value)] of a key."""
        return list(zip(self.keys, (key,) if isinstance(self.key, str) else key))

    def name(self, key) -> str:
        """An object as a person would call it: variable 'TOKEN' of project 'team/model'."""
        parts = [repr(value) for name, value in self.key_items(key) if name not in self.places and (value != self._initial[name] or name == self.key)]
        place = next((f" of {name} {value!r}" for name, value in self.key_items(key) if name in self.places and value is not None), "")
        return f"{self.kind} {' '.join(parts)}{place if self.one_of or len(self.keys) > 1 else ''}"

    def result_key(self, key) -> dict:
        """The key as options, those that are not given left out."""
        return {name: value for name, value in self.key_items(key) if value is not None}

    def applies(self, option: Option, values: Mapping) -> bool:
        """Whether an object with these values has the option at all."""
        return not option.only or all(values.get(other) in allowed for other, allowed in option.only.items())

    def path(self, template: str, values: Mapping, safe: bool = True) -> str:
        """The template with the values filled in; safe: quoted for a URL."""
        spelled = dict(values) | {name: words.get(values[name], values[name]) for name, words in self.spellings.items() if name in values}
        return template.format_map({name: quote(str(value), safe="") if safe else value for name, value in spelled.items()})

    def at(self, option: Option, values: Mapping) -> str:
        at = option.at or option.name
        return self.path(at, values, safe=False) if "{" in at else at

    def view(self, obj: Mapping) -> dict:
        """The API's object as options, without secrets and without what is not there."""
        values: dict = {}
        for option in self.options:
            if option.creation or option.secret and not option.same or not self.applies(option, values):
                continue
            value = get(obj, self.at(option, values))
            if value is not None:
                values[option.name] = option.seen(value)
        return values

    def shown(self, key, values: Mapping) -> dict:
        """The values as a diff may show them."""
        def masked(names, values):
            return {name: MASK if name in names and value is not None else value for name, value in values.items()}
        inner = {name: [masked(secrets, one) for one in values[name]] for name, secrets in self._inner.items() if isinstance(values.get(name), list)}
        return masked(self.unshown(key), {**values, **inner})

    def changes(self, have: Mapping, want: Mapping) -> list[Option]:
        """The options given in `want` whose value is not the one in `have`; secrets cannot be compared, and another spelling of the key is none."""
        return [option for option in self.options if option.name not in self.keys and option.differs(have.get(option.name), want.get(option.name))]

    def new_body(self, values: Mapping) -> dict:
        """The API's object for a new one."""
        body: dict = {}
        for option in self.options:
            value = values.get(option.name)
            if self.applies(option, values) and (value is False or option.normal(value) is not None):
                put(body, self.at(option, values), option.sent(value))
        for path in self.unsent:
            drop(body, path)
        return body

    def merged_body(self, obj: Mapping, values: Mapping, send: list[Option]) -> dict:
        """The server's own object with the options in `send` replaced: what is not managed stays, a secret that is not sent is not nulled.
        Where the server leaves alone what is not sent, only those options."""
        if self.partial:
            body: dict = {}
            for option in send:
                put(body, self.at(option, values), option.sent(values[option.name]))
            return body
        body = deepcopy(dict(obj))
        for path in (*self.unsent, *(self.at(option, values) for option in self.secrets if self.applies(option, values))):
            drop(body, path)
        for option in send:
            empty = option.normal(values[option.name]) is None and option.type not in ("bool", "list")
            put(body, option.clears if empty and option.clears else self.at(option, values), None if empty else option.sent(values[option.name]))
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
    for part in path.split(".") if "." in path else (path,):
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
