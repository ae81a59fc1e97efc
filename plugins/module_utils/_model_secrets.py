# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry of onboarded models: a folder of the controller with one file a model, its entry and its secrets. Makes secrets; knows no product."""

from __future__ import annotations

import json
import re
import secrets
import stat
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.mlops.onprem.plugins.module_utils._content import write_atomic
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError

try:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
except ImportError:  # told to the user when a key is made, not when Ansible imports the file
    serialization = None

SITE = ".site.json"
# Where a model's things are.
PLACES = ("team", "project", "repository")
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class Registry:
    """The folder, as it was read; changes are written one file at a time, each whole or not at all."""

    def __init__(self, path: str, write: bool):
        self.path, self.write, self.changed = Path(path), write, False
        self.models = {}
        self.site = None
        if self.path.is_dir():
            _private(self.path)
            self.models = {file.stem: _read(file) for file in sorted(self.path.glob("*.json")) if NAME.fullmatch(file.stem)}
            self.site = _read(self.path / SITE) if (self.path / SITE).exists() else None

    def put(self, name: str, content: dict) -> None:
        """Write one file; what is the same already is not written."""
        self._hide()
        before = self.site if name == SITE else self.models.get(name)
        if content == before:
            return
        self.changed = True
        if name == SITE:
            self.site = content
        else:
            self.models[name] = content
        if self.write:
            file = self.path / (SITE if name == SITE else f"{name}.json")
            write_atomic(file, json.dumps(content, indent=1, sort_keys=True), 0o600)

    def _hide(self) -> None:
        """The folder may lie beside an inventory that is in git; its secrets must not get there, whoever made it."""
        file = self.path / ".gitignore"
        if file.exists():
            return
        self.changed = True
        if self.write:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(file, "*\n", 0o600)

    def remove(self, name: str) -> None:
        """Take a model's file away."""
        self.changed = True
        del self.models[name]
        if self.write:
            (self.path / f"{name}.json").unlink()


def _private(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise MlopsError(f"path: {str(path)!r} has mode {mode:04o}, others than its owner may read secrets in it: chmod go= it")


def _read(file: Path) -> dict:
    _private(file)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MlopsError(f"path: {str(file)!r} is not JSON; take it from a backup, it holds secrets that nothing else has") from error


def _password() -> str:
    return secrets.token_urlsafe(24)


def _made() -> dict:
    """New secrets of one model."""
    if serialization is None:
        raise MlopsError("the Python package cryptography is missing on the controller; keys are made with it")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return {"publisher_password": _password(), "reader_password": _password(), "deploy_key": private.decode(), "deploy_key_public": public.decode()}


def secrets_of_models(params: dict, write: bool) -> dict:
    """What there is after the folder was brought to the wanted models, or after what was made for them is noted."""
    registry = Registry(params["path"], write)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    if params["state"] == "finished":
        return _finished(registry, params)
    wanted = {entry["name"]: entry for entry in params["models"]}
    unlisted = [name for name in registry.models if name not in wanted]
    if unknown := [name for name in params["only"] if name not in registry.models and name not in wanted]:
        raise MlopsError(f"only: {unknown[0]!r} is no model of the list and none that was onboarded")
    registered = {name: model["entry"] for name, model in registry.models.items()}
    _unmoved(wanted, registered)
    _distinct(wanted, registered)
    chosen = set(params["only"] or registry.models) if params["rotate"] else set()
    site = registry.site or {"hook_secret": _password(), "fingerprint_key": _password()}
    if params["rotate"] and not params["only"] and registry.site:
        site = {**site, "hook_secret": _password()}
    registry.put(SITE, site)
    rotated, made = [], []
    for name in [*wanted, *unlisted]:
        old = registry.models.get(name)
        entry = wanted.get(name) or old["entry"]
        if entry["state"] == "absent":
            continue
        new = {**old, "entry": entry} if old else {"entry": entry, "secrets": _made(), "made": now, "rotated": "", "started": False, "retired": []}
        if old and name in chosen:
            new = {**new, "secrets": _made(), "rotated": now, "retired": [*old["retired"], old["secrets"]["deploy_key_public"]]}
            rotated.append(name)
        made += [] if old else [name]
        registry.put(name, new)
    present = [name for name in [*wanted, *unlisted] if name in registry.models and (wanted.get(name) or {}).get("state") != "absent"]
    # What was onboarded goes, wherever the line says that it is.
    absent = [{**registry.models[name], "entry": {**registered[name], "state": "absent", "purge_project": entry["purge_project"]}}
              for name, entry in wanted.items() if entry["state"] == "absent" and name in registered]
    return {"changed": registry.changed, "models": [registry.models[name] for name in present], "absent": absent, "unlisted": unlisted, "made": made,
            "rotated": rotated, "removed": [], **registry.site}


def _unmoved(wanted, registered) -> None:
    """A model stays where it was onboarded: what it has there would stay too, at work and known to nobody."""
    for name, entry in wanted.items():
        for field in PLACES:
            if entry["state"] != "absent" and name in registered and entry[field] != registered[name][field]:
                raise MlopsError(f"models: {name}: {field} is {entry[field]!r}, but it was onboarded with {registered[name][field]!r} and does not move; set "
                                 f"that again, or list it with state: absent first and onboard it anew in a second run. That removes its repository "
                                 f"{registered[name]['repository']!r} with all versions, unless you keep it by hand (docs/models.md)")


def _distinct(wanted, registered) -> None:
    """A new model may not take what another still has, be that one off the list or about to go."""
    for field in ("project", "repository"):
        holders = {entry[field].casefold(): name for name, entry in registered.items()}
        for entry in wanted.values():
            holder = holders.get(entry[field].casefold(), entry["name"])
            if entry["state"] != "absent" and holder != entry["name"]:
                raise MlopsError(f"models: {entry['name']}: {field} is {entry[field]!r}, which model {holder} has, onboarded before; give it another, or let a "
                                 f"run with {holder} as state: absent go first")


def _finished(registry, params) -> dict:
    """Note of models that all was made for them, so that nothing is started a second time, and forget those that were taken away."""
    for name in params["started"]:
        if name in registry.models:
            registry.put(name, {**registry.models[name], "started": True, "retired": []})
    removed = [name for name in params["removed"] if name in registry.models]
    for name in removed:
        registry.remove(name)
    return {"changed": registry.changed, "models": [], "absent": [], "unlisted": [], "made": [], "rotated": [], "removed": removed}
