# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only file of the core that meets AnsibleModule: argument spec from a Resource, one run of read, plan, apply. Knows no product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._reconcile import apply, diff, managed, missing_references, outcome, plan
from ansible_collections.mlops.onprem.plugins.module_utils._resource import Option, Resource
from ansible_collections.mlops.onprem.plugins.module_utils._transport import Transport

CONNECTION = {
    "url": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "timeout": {"type": "int", "default": 60},
    "retries": {"type": "int", "default": 4},
    "proxy": {"type": "str"},
}


@dataclass(frozen=True)
class Product:
    """A product's connection: `env` is the prefix of the environment variables that stand in for connection options.

    connect(transport) turns the transport into what the product's resources are given, such as a client library; by default itself.
    """

    env: str
    connect: Callable = staticmethod(lambda transport: transport)


def argument_spec(product: Product, resource: Resource) -> dict:
    """The argument spec of the module that manages this kind."""
    spec = {name: {**entry, "fallback": (env_fallback, [f"{product.env}_{name.upper()}"])} for name, entry in CONNECTION.items()}
    if resource.single:
        key = resource.options[0]
        spec |= {name: {"type": "dict", "options": {option.name: _entry(option) for option in resource.options[1:]
                                                    if name in option.only[key.name]}} for name in key.choices}
    else:
        options = {option.name: _entry(option) | ({"required": True} if option.name == resource.key else {}) for option in resource.options}
        spec |= {resource.items: {"type": "list", "elements": "dict", "options": options},
                 "purge": {"type": "bool", "default": False}}
    states = ["present", "gathered"] if resource.single else ["present", "absent", "gathered"]
    spec |= {"state": {"type": "str", "choices": states, "default": "present"},
             "on_error": {"type": "str", "choices": ["stop", "continue"], "default": "stop"},
             "assume_empty": {"type": "bool", "default": False}}
    if resource.secrets:
        choices = ["on_create", "always"] + (["when_changed"] if resource.verify else [])
        spec["update_secret"] = {"type": "str", "choices": choices, "default": "on_create", "no_log": False}
    return spec


def _entry(option: Option) -> dict:
    entry = {"type": option.type, "no_log": option.secret}
    return entry | ({"elements": option.elements} if option.elements else {}) | ({"choices": list(option.choices)} if option.choices else {})


def manage(product: Product, resource: Resource) -> None:
    """Run the module that manages this kind, and exit."""
    module = AnsibleModule(argument_spec=argument_spec(product, resource), supports_check_mode=True)
    try:
        result = _run(module, product, resource)
    except MlopsError as error:
        module.fail_json(msg=str(error))
    failed = [item["why"] for item in result.get("results", []) if item["result"] == "failed"]
    if failed:
        module.fail_json(msg="; ".join(failed), **result)
    module.exit_json(**result)


def _run(module, product, resource) -> dict:
    """What the module returns; raises MlopsError when nothing was or could be written."""
    params = module.params
    if resource.single:
        wanted = [{resource.key: name, **params[name]} for name in resource.options[0].choices if params[name] is not None]
    else:
        wanted = params[resource.items]
    connection = {name: params[name] for name in CONNECTION if name != "url"}
    transport = Transport(params["url"], **connection, read_only=module.check_mode or params["state"] == "gathered")
    transport.secrets |= {item[option.name] for item in wanted or () for option in resource.secrets if item.get(option.name)}
    client = product.connect(transport)
    if params["state"] == "gathered":
        keys = {item[resource.key] for item in wanted or ()}
        objects = resource.read(client, wanted if wanted and resource.single else None)
        found = {view[resource.key]: view for view in map(resource.view, managed(resource, objects)) if not keys or view[resource.key] in keys}
        if resource.single:
            settings = {name: {option: value for option, value in view.items() if option != resource.key} for name, view in found.items()}
            return {"changed": False, "gathered": settings, "requests": transport.sent}
        return {"changed": False, "gathered": list(found.values()), "requests": transport.sent}
    if not wanted and not params.get("purge"):
        return {"changed": False, "results": [], "requests": 0}
    current, there = _read(module, resource, client, wanted)
    actions = plan(resource, wanted or (), current, state=params["state"], purge=params.get("purge", False), user=params["username"],
                   send_secrets=_send_secrets(params.get("update_secret"), resource, client, wanted, current))
    missing = missing_references(transport, resource, actions, current) if there else []
    if missing and not module.check_mode:
        raise MlopsError("; ".join(missing))
    for line in missing:
        module.warn(f"{line}: right only if an earlier task of this run makes it")
    results = [outcome(resource, action) for action in actions] if module.check_mode else apply(transport, resource, actions, params["on_error"])
    changed = any(result["result"] in ("created", "updated", "deleted") for result in results)
    return {"changed": changed, "results": results, "diff": diff(resource, actions), "requests": transport.sent}


def _read(module, resource, client, wanted) -> tuple[list, bool]:
    """The current objects, and whether there is a server at all: the caller knows best, a proxy may answer where nothing is installed."""
    if module.check_mode and module.params["assume_empty"]:
        module.warn(f"{module.params['url']} is not there yet: planned as for an empty server, names of other objects not checked")
        return [], False
    return resource.read(client, wanted), True


def _send_secrets(policy, resource, client, wanted, current) -> set:
    """The keys whose secrets an update sends; on_create is the empty set, because a new object always gets its secret."""
    if policy == "always":
        return {item[resource.key] for item in wanted}
    if policy != "when_changed":
        return set()
    there = {view[resource.key]: view for view in map(resource.view, current)}
    return {item[resource.key] for item in wanted if item[resource.key] in there and not resource.verify(client, item, there[item[resource.key]])}
