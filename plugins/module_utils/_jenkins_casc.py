# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A configuration-as-code document: checked by Jenkins, compared with what Jenkins exports, applied when something differs.

By the source of the plugin configuration-as-code (August 2026), not by recordings of a controller. The export is a different text for the same
settings: it leaves out defaults, some settings and all jobs, encrypts secrets and resolves ${...}. So the document is compared as a part of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MASK, MlopsError, ServiceError, mask, one_line
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_work import connect

try:
    import yaml
except ImportError:  # Ansible itself needs it
    yaml = None

PLACE = "/configuration-as-code"
YAML = "application/x-yaml; charset=utf-8"
SECRET = re.compile(r"(?i)(?!.*id$).*(password|passphrase|secret|token|private_?key|api_?key)")
ENCRYPTED = re.compile(r"\{[A-Za-z0-9+/=\s]{20,}\}")
RESOLVED = re.compile(r"(?<!\^)\$\{")
MISSING = object()


def casc(module) -> dict:
    """What jenkins_casc returns."""
    params, client = module.params, connect(module)
    if params["state"] == "gathered":
        text = yaml.safe_dump(_readable(_export(client)), sort_keys=False, allow_unicode=True)
        return {"changed": False, "gathered": text, "requests": client.transport.sent}
    text = _text(params)
    document = _parsed(text)
    client.transport.secrets |= set(_secrets(document))
    for line in _checked(client, text):
        module.warn(f"content: {line}")
    key, record = params["fingerprint_key"], _record(params["applied_path"])
    known = key is not None and record.get("mark") == _seal(key, [params["url"], document])

    def due(found):
        """Whether an entry of the comparison is a reason to apply."""
        path, kind, have, _want = found
        if kind == "secret":
            return params["update_secret"] == "always" or params["update_secret"] == "when_changed" and not known
        return not (known and record["shown"].get(path) == _seal(key, str(have)))

    reasons = [found for found in compare(document, _export(client)) if due(found)]
    left = []
    if reasons and not module.check_mode:
        client.send("POST", f"{PLACE}/apply", text.encode(), YAML)
        left = [found for found in compare(document, _export(client)) if found[1] != "secret"]
        if key is not None:
            mark = _seal(key, [params["url"], document])
            _keep(params["applied_path"], {"mark": mark, "shown": {path: _seal(key, str(have)) for path, _kind, have, _want in left}})
        elif left:
            module.warn("applied, but the export does not show as given: " + ", ".join(path for path, *_rest in left)
                        + "; without applied_path every run applies the document again")
    return {
        "changed": bool(reasons), "result": "updated" if reasons else "unchanged", "differences": [path for path, *_rest in reasons],
        "not_shown": [path for path, *_rest in left], "requests": client.transport.sent,
        "diff": {"before": {path: _shown(path, kind, have) for path, kind, have, _want in reasons},
                 "after": {path: _shown(path, kind, want) for path, kind, _have, want in reasons}},
    }


def _text(params) -> str:
    if params["content"] is not None:
        return params["content"]
    try:
        with open(params["src"], encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise MlopsError(f"src: {params['src']} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _parsed(text):
    """The document; a fault is named by its line, never by its text, which may be a secret."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise MlopsError(f"content: {where}is no YAML: {getattr(error, 'problem', None) or type(error).__name__}") from None
    if not isinstance(document, dict) or not document:
        raise MlopsError("content: is no mapping of root elements, such as jenkins, credentials or unclassified")
    return document


def _checked(client, text) -> list:
    """What Jenkins warns of in the document; raises MlopsError with what it refuses. Nothing is applied."""
    try:
        answer = client.ask("/configuration-as-code/check", text.encode(), YAML)
    except ServiceError as error:
        if error.status != 400:
            raise
        told = "; ".join(dict.fromkeys(re.findall(r'"message": ?"((?:[^"\\]|\\.)*)', error.body))) or error.body
        raise MlopsError(f"content: Jenkins refuses it, nothing was applied: {one_line(told.replace(chr(92) + 'n', ' '))}") from error
    if answer is None:
        raise MlopsError("content: Jenkins has no plugin configuration-as-code, or it is not active")
    lines = [f"line {each['line']}: {each['message']}" if each.get("line", -1) >= 0 else each["message"] for each in answer.json()]
    return [mask(one_line(line), client.transport.secrets) for line in lines]


def _export(client) -> dict:
    answer = client.ask("/configuration-as-code/export")
    if answer is None:
        raise MlopsError("url: Jenkins has no plugin configuration-as-code, or it is not active")
    try:
        return yaml.safe_load(answer.content.decode("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:  # its text may hold secrets
        raise MlopsError(f"url: what Jenkins exports is no YAML that can be read here ({type(error).__name__})") from None


# --- comparing


def compare(want, have, path="", name=""):
    """(path, kind, have, want) of what the document says and the export does not; kind `secret` is what is there, but cannot be compared."""
    if isinstance(want, dict) and (isinstance(have, dict) or have is MISSING):
        for key, value in want.items():
            if path or not str(key).startswith("x-"):
                yield from compare(value, MISSING if have is MISSING else have.get(key, MISSING), f"{path}.{key}" if path else str(key), str(key))
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        left = list(have)
        for number, value in enumerate(want):  # the export's order is its own
            found = [list(compare(value, other, f"{path}[{number}]", name)) for other in left]
            best = min(range(len(left)), key=lambda index: [sum(entry[1] != "secret" for entry in found[index]), len(found[index])])
            yield from found[best]
            del left[best]
    elif _plain(want) != _plain(have):
        hidden = have is not MISSING and not isinstance(want, (dict, list)) and (
            SECRET.match(name) or RESOLVED.search(str(want)) or ENCRYPTED.fullmatch(str(have)))
        yield path, "secret" if hidden else "other", have, want


def _plain(value):
    """A value as it is compared: a symbol with and without an empty body is one, text and number too, and nothing is nothing."""
    if isinstance(value, dict) and len(value) == 1 and not next(iter(value.values())):
        value = next(iter(value))
    if value is MISSING or value in (None, "", {}, []):  # false and 0 are not nothing: what is left out of the export may be true
        return ""
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value, sort_keys=True, default=str)
    return str(value).replace("^${", "${").strip()


def _secrets(value, name=""):
    """The texts in the document that nobody may read."""
    if isinstance(value, (dict, list)):
        for key, each in value.items() if isinstance(value, dict) else ((name, each) for each in value):
            yield from _secrets(each, str(key))
    elif SECRET.match(name) and value not in (None, "", True, False):
        yield str(value)


def _readable(value):
    """The export without what is encrypted or could not be exported."""
    if isinstance(value, dict):
        return {key: _readable(each) for key, each in value.items() if not _unreadable(each)}
    return [_readable(each) for each in value if not _unreadable(each)] if isinstance(value, list) else value


def _unreadable(value) -> bool:
    return isinstance(value, str) and bool(ENCRYPTED.fullmatch(value) or value.startswith("FAILED TO EXPORT"))


def _shown(path, kind, value):
    """A value as a diff may show it."""
    if value is MISSING:
        return "(not exported)"
    return MASK if kind == "secret" else _masked(value, re.sub(r"\[\d+\]$", "", path).rpartition(".")[2])


def _masked(value, name=""):
    if isinstance(value, dict):
        return {key: _masked(each, str(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, name) for each in value]
    return MASK if SECRET.match(name) or _unreadable(value) else value


# --- what was applied last


def _seal(key, value) -> str:
    """An HMAC: nobody without the key can try values against it."""
    return hmac.new(key.encode(), json.dumps(value, sort_keys=True, default=str).encode(), hashlib.sha256).hexdigest()


def _record(path) -> dict:
    """What was applied last: a lost or strange file only means that the document is applied again."""
    record = {}
    if path:
        with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
            record = json.load(file)
    return record if isinstance(record, dict) and isinstance(record.get("shown"), dict) else {}


def _keep(path, record) -> None:
    try:
        with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise MlopsError(f"applied_path: the document was applied, but {path} cannot be written: {error.strerror}") from error
