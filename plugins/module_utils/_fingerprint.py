# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fingerprint of secrets that cannot be read back, kept where the product shows it: at the end of a description. Sends nothing, knows no product."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence

from ansible_collections.mlops.onprem.plugins.module_utils._resource import Resource

MARK = re.compile(r"\s*\[secret ([0-9a-f]{16})\]\s*$")


def split(text: str | None) -> tuple[str, str]:
    """The description without its fingerprint, and the fingerprint or an empty text."""
    found = MARK.search(text or "")
    return (text[:found.start()], found[1]) if found else (text or "", "")


def join(text: str, mark: str) -> str:
    """The description with its fingerprint."""
    return f"{text}{' ' if text else ''}[secret {mark}]" if mark else text


def mark_of(resource: Resource, item: Mapping, key: str) -> str:
    """64 bits of HMAC-SHA256 over the object's key and its secrets, in hex; empty where the item gives no secret. Nobody without the key can
    try secrets against it, and equal secrets of two objects look different."""
    secrets = {option.name: item[option.name] for option in resource.secrets if item.get(option.name) is not None}
    if not secrets:
        return ""
    text = json.dumps([resource.kind, resource.key_items(resource.found_by(item)), secrets], sort_keys=True)
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


def with_marks(resource: Resource, wanted: Sequence[Mapping], views: Mapping, key: str, update: bool) -> tuple[list, set]:
    """The items with their fingerprints in place, and the keys (folded) of existing objects whose secrets are no longer the wanted ones.

    views: {folded key: what is there, as options}. update: whether a secret that is no longer right is to be replaced; if not, its fingerprint stays.
    """
    name, items, stale = resource.fingerprint, [], set()
    for item in wanted:
        folded = resource.found_by(item)
        text, old = split(views.get(folded, {}).get(name))
        new = mark_of(resource, item, key) if key and resource.unreadable(item) else ""
        if folded in views and new and new != old and update:
            stale.add(folded)
        mark = new if new and (update or folded not in views) else old
        keeps = item.get(name) is None and mark == old
        items.append(item if keeps else {**item, name: join(text if item.get(name) is None else split(item[name])[0], mark)})
    return items, stale
