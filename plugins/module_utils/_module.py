# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only file of the core that meets AnsibleModule: argument spec from a Resource, one run of read, plan, apply. Knows no product."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._fingerprint import split, with_marks
from ansible_collections.mlops.onprem.plugins.module_utils._reconcile import (
    apply,
    by_key,
    diff,
    managed,
    missing_references,
    outcome,
    plan,
    refuse,
    send,
    settle,
)
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Resource
from ansible_collections.mlops.onprem.plugins.module_utils._transport import Transport

CONNECTION = {
    "url": {"type": "str", "required": True},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "timeout": {"type": "int", "default": 60},
    "retries": {"type": "int", "default": 4},
    "proxy": {"type": "str"},
}
BY_PASSWORD = {"username": {"type": "str"}, "password": {"type": "str", "no_log": True}}
BY_TOKEN = {"token": {"type": "str", "required": True, "no_log": True}}


@dataclass(frozen=True)
class Product:
    """A product's connection: `env` is the prefix of the environment variables that stand in for connection options.

    login: the options one connects by. connect(transport) turns the transport into what the product's resources are given, such as a client
    library. send(client, request) sends one write. lacks(client, needs) says why the server has no option of that version or edition.
    user(client, params) is who we connect as, asked for kinds that are users.
    """

    env: str
    login: Mapping = field(default_factory=lambda: BY_PASSWORD)
    connect: Callable = staticmethod(lambda transport: transport)
    send: Callable = staticmethod(send)
    lacks: Callable = staticmethod(lambda client, needs: None)
    user: Callable = staticmethod(lambda client, params: params["username"])

    def spec(self) -> dict:
        """The connection's options, each with its environment variable."""
        return {name: {**entry, "fallback": (env_fallback, [f"{self.env}_{word.upper()}" for word in (name, *entry.get("aliases", ()))])}
                for name, entry in (CONNECTION | self.login).items()}

    def transport(self, params: Mapping, read_only: bool) -> Transport:
        """The connection that these module options describe."""
        return Transport(params["url"], **{name: params[name] for name in CONNECTION | self.login if name != "url"}, read_only=read_only)


def argument_spec(product: Product, resource: Resource) -> dict:
    """The argument spec of the module that manages this kind."""
    spec = product.spec()
    if resource.single:
        key = resource.options[0]
        spec |= {name: {"type": "dict", "options": {option.name: _entry(option) for option in resource.options[1:]
                                                    if name in option.only[key.name]}} for name in key.choices}
    elif resource.mapping:
        spec |= {resource.items: {"type": "dict"}}
    else:
        options = {option.name: _entry(option) | ({"required": True} if _is_needed(resource, option) else {}) for option in resource.options}
        spec |= {resource.items: {"type": "list", "elements": "dict", "options": options, "no_log": False, **_one_of(resource)}}
        if not resource.by_name:
            spec |= {"purge": {"type": "bool", "default": False}} | {many: {"type": "list", "elements": "str"} for many in resource.places.values()}
    states = ["present", "gathered"] if resource.single or resource.mapping else ["present", "absent", "gathered"]
    spec |= {"state": {"type": "str", "choices": states, "default": "present"},
             "on_error": {"type": "str", "choices": ["stop", "continue"], "default": "stop"},
             "assume_empty": {"type": "bool", "default": False}}
    if resource.secrets:
        choices = ["on_create", "always"] + (["when_changed"] if resource.verify or resource.fingerprint else [])
        spec["update_secret"] = {"type": "str", "choices": choices, "default": "on_create", "no_log": False}
    if resource.fingerprint:
        spec["fingerprint_key"] = {"type": "str", "no_log": True}
    return spec


def _one_of(resource: Resource) -> dict:
    return {"mutually_exclusive": [list(resource.one_of)]} if len(resource.one_of) > 1 else {}


def _is_needed(resource: Resource, option: Option) -> bool:
    return option.name in resource.keys and option.initial is None and option.name not in resource.one_of


def _entry(option: Option) -> dict:
    entry = {"type": option.type, "no_log": option.secret or bool(option.masked)}
    if option.options:
        entry["options"] = {part.name: _entry(part) | ({"required": True} if part.required else {}) for part in option.options}
    return entry | ({"elements": option.elements} if option.elements else {}) | ({"choices": list(option.choices)} if option.choices else {})


class _Module(AnsibleModule):
    """`unlogged` names options that stay out of the system's log, and out of what is printed of options that are refused: a mapping may hold
    secrets beside what is none."""

    def __init__(self, unlogged, **more):
        self.unlogged, self.accepted = unlogged, False
        super().__init__(**more)
        self.accepted = True

    def fail_json(self, msg, **kwargs):
        if not self.accepted:
            kwargs.setdefault("invocation", {"module_args": {name: value for name, value in self.params.items() if name not in self.unlogged}})
        super().fail_json(msg, **kwargs)

    def _log_invocation(self):
        params = self.params
        self.params = {name: value for name, value in params.items() if name not in self.unlogged}
        super()._log_invocation()
        self.params = params


def run(spec: dict, work: Callable, unlogged: tuple = (), **more) -> None:
    """Run a module: work(module) returns what it exits with; an MlopsError, or a `failed` in what is returned, fails it."""
    module = _Module(unlogged, argument_spec=spec, supports_check_mode=True, **more)
    try:
        result = work(module)
    except MlopsError as error:
        module.fail_json(msg=str(error))
    failed = result.pop("failed", None) or "; ".join(dict.fromkeys(item["why"] for item in result.get("results", []) if item["result"] == "failed"))
    if failed:
        module.fail_json(msg=failed, **result)
    module.exit_json(**result)


def manage(product: Product, resource: Resource) -> None:
    """Run the module that manages this kind, and exit."""
    run(argument_spec(product, resource), lambda module: _run(module, product, resource), unlogged=(resource.items,) if resource.mapping else ())


def _run(module, product, resource) -> dict:
    """What the module returns; raises MlopsError when nothing was or could be written."""
    params = module.params
    if resource.single:
        wanted = [{resource.key: name, **params[name]} for name in resource.options[0].choices if params[name] is not None]
    elif resource.mapping:
        wanted = [{resource.key: name, "value": value} for name, value in (params[resource.items] or {}).items()]
    else:
        wanted = params[resource.items] or []
    unshown = {text for item in wanted for value in resource.hidden(item) for text in _texts(value)}
    module.no_log_values |= unshown  # before anything can fail: what a task was given is printed with its failure
    transport = product.transport(params, read_only=module.check_mode or params["state"] == "gathered")
    transport.secrets |= unshown
    client = product.connect(transport)
    places = _places(resource, wanted, params)
    if params["state"] == "gathered":
        return {"changed": False, "gathered": _gathered(resource, client, wanted, places), "requests": transport.sent}
    if not wanted and not params.get("purge"):
        return {"changed": False, "results": [], "requests": 0}
    if resource.mapping and (empty := [item[resource.key] for item in wanted if item["value"] is None]):
        raise MlopsError(f"{resource.items}: {', '.join(empty)}: no value is given; leave out what is to stay as it is")
    there = not (module.check_mode and params["assume_empty"])  # the caller knows best: a proxy may answer where nothing is installed
    if there:
        lacking = _lacking(product, client, resource, wanted, params)
        current = _list(resource, client, None if params.get("purge") and not resource.within else wanted, places)
    else:
        module.warn(f"{params['url']} is not there yet: planned as for an empty server, names of other objects not checked")
        lacking, current = {}, []
    wanted, stale = _secrets(params, resource, client, wanted, current)
    actions = plan(resource, wanted, current, state=params["state"], purge=params.get("purge", False), send_secrets=stale, places=places,
                   user=product.user(client, params) if resource.own_user and there else None, on_error=params["on_error"])
    actions = refuse(actions, lacking)
    if resource.reveals and not module.no_log and any(request.keep for action in actions for request in action.requests):
        raise MlopsError(f"no_log: the results of this task hold new secrets of {resource.items}; say `no_log: true` on the task")
    missing = missing_references(client, resource, actions, current) if there else {}
    if module.check_mode:
        for line in sum(missing.values(), []):
            module.warn(f"{line}: right only if an earlier task of this run makes it")
        results = [outcome(resource, action) for action in actions]
    else:
        actions = settle(refuse(actions, missing), params["on_error"])
        results = apply(client, resource, actions, params["on_error"], product.send)
    changed = any(result["result"] in ("created", "updated", "deleted") for result in results)
    return {"changed": changed, "results": results, "diff": diff(resource, actions), "requests": transport.sent}


def _texts(value) -> list:
    """The texts and numbers in a value."""
    if isinstance(value, (Mapping, list)):
        return [text for part in (value.values() if isinstance(value, Mapping) else value) for text in _texts(part)]
    return [str(value)] if value and value is not True else []


def _places(resource, wanted, params) -> dict:
    """{place (option, value) that the task names, by its items or by itself: whether all that is in it is asked for}."""
    if not resource.within:
        return {}
    named = [(option, name) for option, many in resource.places.items() for name in params.get(many) or ()]
    return {resource.within(item): bool(params.get("purge")) for item in wanted} | dict.fromkeys(named, True)


def _list(resource, client, wanted, places) -> list:
    return resource.read(client, wanted, places) if resource.within else resource.read(client, wanted)


def _gathered(resource, client, wanted, places):
    """What is there in the form that the module takes: the named objects, all of the named places, or everything. Of an item its key counts."""
    wanted = [resource.result_key(resource.key_of(item)) for item in wanted]
    keys = {resource.found_by(item) for item in wanted}
    everything = not places if resource.within else not (wanted and resource.single)
    found = []
    for obj in managed(resource, _list(resource, client, None if everything else wanted, None if everything else places)):
        view = resource.view(obj)
        view = {name: value for name, value in view.items() if name not in resource.unshown(resource.key_of(view))}
        if resource.fingerprint and view.get(resource.fingerprint):
            view[resource.fingerprint] = split(view[resource.fingerprint])[0]
        if not keys or resource.found_by(view) in keys:
            found.append(view)
    if resource.mapping:
        return {view[resource.key]: view["value"] for view in found if "value" in view}
    return {view.pop(resource.key): view for view in found} if resource.single else found


def _lacking(product, client, resource, wanted, params) -> dict:
    """{key: what is wrong} of items with options that this server's version or edition does not have: it would drop them without a word."""
    found = {}
    for item in wanted:
        given = {name for name, value in item.items() if value not in (None, False)}
        if params.get("fingerprint_key") and params["state"] == "present" and resource.unreadable(item) and any(
                item.get(secret.name) is not None for secret in resource.secrets):
            given.add(resource.fingerprint)
        lines = [f"{option.name}: {why}" for option in resource.options if option.since and option.name in given
                 for why in [product.lacks(client, option.since)] if why]
        found |= {resource.key_of(item): lines} if lines else {}
    if found and params["on_error"] == "stop":
        raise MlopsError("; ".join(dict.fromkeys(sum(found.values(), []))))
    return {key: [f"{resource.name(key)}: {line}" for line in lines] for key, lines in found.items()}


def _secrets(params, resource, client, wanted, current) -> tuple[list, set]:
    """The items, with fingerprints where those are kept, and the keys whose secrets an update sends; a new object always gets its secret."""
    policy, key = params.get("update_secret"), params.get("fingerprint_key")
    if not resource.secrets or params["state"] != "present":
        return wanted, set()
    named = {resource.found_by(item) for item in wanted}
    there = {folded: resource.view(obj) for folded, obj in by_key(resource, current).items() if folded in named}
    stale: set = set()
    if resource.fingerprint:
        if policy == "when_changed" and not key:
            raise MlopsError("fingerprint_key: update_secret when_changed needs it, to tell from the fingerprint on the server whether a secret has changed")
        wanted, stale = with_marks(resource, wanted, there, key, update=policy != "on_create")
    elif policy == "when_changed":
        stale = {key for item in wanted for key in [resource.found_by(item)] if key in there and not resource.verify(client, item, there[key])}
    if policy == "always":
        stale = named
    return wanted, stale
