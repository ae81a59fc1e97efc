# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for any package: it comes back as it went in, and whatever is mangled on the way is refused with one line."""

from __future__ import annotations

import json
import tempfile
import unicodedata
from pathlib import Path

import pytest
from ansible_collections.mlops.onprem.plugins.module_utils import _package, _publish
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._store import open_store
from hypothesis import assume, given, settings
from hypothesis import strategies as st

NAME = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="/\\"), min_size=1, max_size=12).map(
    lambda text: unicodedata.normalize("NFC", text)).filter(lambda text: text not in (".", ".."))
PATH = st.builds(lambda folders, name, extension: "/".join([*folders, name + extension]), st.lists(NAME, max_size=3), NAME,
                 st.sampled_from([".csv", ".json", ".md", ".ONNX_DATA"]))
FILES = st.dictionaries(PATH, st.binary(max_size=40), max_size=8)
JUNK = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5)


def valid(paths):
    try:
        _package.check_paths(list(paths), "test")
        return True
    except MlopsError:
        return False


@settings(max_examples=60, deadline=None)
@given(files=FILES)
def test_any_valid_folder_comes_back_from_the_store_as_it_went_in(files):
    files = {**files, "model.onnx_data/weights.safetensors": b"w"}
    assume(valid(files))
    with tempfile.TemporaryDirectory() as scratch:
        for place in ("source", "store"):
            Path(scratch, place).mkdir()
        for path, content in files.items():
            target = Path(scratch, "source", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        store = open_store(f"file://{scratch}/store")
        sent = _publish.publish(store, "m", "1", f"{scratch}/source")
        manifest = _publish.resolve(store, "m", "1")
        assert manifest.digest == sent["digest"]
        assert {file.path: store.read(_package.blob_path("m", file.digest), 100) for file in manifest.files} == files
        assert sum(manifest.blobs.values()) == sent["bytes_sent"] == sent["bytes_total"]
        assert not _publish.publish(store, "m", "1", f"{scratch}/source")["changed"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """The bytes of a right manifest of m 1."""
    root = tmp_path_factory.mktemp("source")
    for name in ("model.onnx_data", "model.safetensors", "notes.md"):
        (root / name).write_bytes(name.encode())
    files = _package.read_folder(str(root))
    config = _package.build_config("m", "1", files, {}, _package.format_of(files))
    return _package.build_manifest("m", "1", files, config, {}).raw


def spots(document, place=()):
    """Where something stands in a JSON document, every depth."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*place, key)
        if isinstance(value, (dict, list)):
            yield from spots(value, (*place, key))


OPTIONAL = (_package.CREATED,)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_mangled_manifest_is_refused_in_one_line(raw, data):
    """Any field taken away or replaced by something else, but a date, and a digest or size that only the blobs could contradict."""
    document = json.loads(raw)
    place = data.draw(st.sampled_from([spot for spot in spots(document) if spot[-1] not in OPTIONAL]))
    target = document
    for key in place[:-1]:
        target = target[key]
    if data.draw(st.booleans()) and not isinstance(target, list):
        del target[place[-1]]
    else:
        junk = data.draw(JUNK)
        assume(junk != target[place[-1]])
        assume(not (place[-1] == "size" and isinstance(junk, int) and not isinstance(junk, bool) and junk >= 0))
        target[place[-1]] = junk
    with pytest.raises(MlopsError) as error:
        _package.parse_manifest(json.dumps(document).encode(), "m", "1")
    assert "\n" not in str(error.value)
    assert "manifest of m 1" in str(error.value)


@settings(max_examples=300, deadline=None)
@given(junk=st.binary(max_size=60) | JUNK.map(lambda value: json.dumps(value).encode()))
def test_junk_is_refused_and_never_an_exception_of_python(junk):
    for parse in (lambda: _package.parse_manifest(junk, "m", "1"), lambda: _package.parse_golden(junk)):
        with pytest.raises(MlopsError):
            parse()


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(min_value=0), spot=st.integers(min_value=0), byte=st.integers(0, 255))
def test_a_cut_or_flipped_manifest_has_another_digest_or_is_refused(raw, cut, spot, byte):
    flipped = bytearray(raw)
    flipped[spot % len(raw)] = byte
    for mangled in (raw[:cut % len(raw)], bytes(flipped)):
        try:
            manifest = _package.parse_manifest(mangled, "m", "1")
        except MlopsError:
            continue
        assert mangled == raw or manifest.digest != _package.digest_of(raw)


@settings(max_examples=200, deadline=None)
@given(path=st.text(max_size=20))
def test_no_accepted_path_leaves_its_folder(path):
    try:
        _package.check_path(path)
    except MlopsError:
        return
    assert Path("/base", path).resolve().is_relative_to("/base")
    assert Path("/base", path) != Path("/base")
    assert "\0" not in path


@settings(max_examples=200, deadline=None)
@given(one=PATH, change=st.sampled_from([str.upper, str.lower, str.swapcase, lambda text: unicodedata.normalize("NFD", text)]))
def test_paths_that_meet_when_folded_are_refused(one, change):
    other = change(one)
    assume(other != one)
    # Upper case of some letters is not their fold's upper case (dotless i), which no file system joins either.
    assume(_package._folded(one) == _package._folded(other))
    assert not valid([one, other])
    assert not valid([one, f"{other}/below"])
