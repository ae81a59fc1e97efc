# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a package says about itself is valid by the ModelPack specification's own schema of a model config. No server."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.mlops.onprem.plugins.module_utils import _package, _publish
from ansible_collections.mlops.onprem.plugins.module_utils._store import open_store
from ansible_collections.mlops.onprem.plugins.modules import model_package

SCHEMA = Path(__file__).resolve().parents[3] / "shared" / "specs" / "modelpack_config_schema.json"
EVERYTHING = {
    "description": "Tells one from the other", "authors": ["A", "B"], "licenses": ["MIT", "CC-BY-4.0"], "source_url": "https://git/a",
    "documentation_url": "https://docs/a", "git_commit": "0123abcd", "build_url": "https://ci/1", "framework": "scikit-learn 1.9",
    "dataset_digest": "sha256:" + "0" * 64, "metrics": {"accuracy": 0.9, "rows": 3},
}


@pytest.fixture(scope="module")
def validate():
    """A function that raises when a config is not valid by the schema."""
    if not SCHEMA.is_file():
        pytest.skip(f"{SCHEMA} is not there: specifications stand beside the project on its developers' machines, not in it")
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate


@pytest.mark.parametrize("annotations", [{}, EVERYTHING], ids=["nothing", "everything"])
def test_the_config_is_valid_and_names_the_layers(validate, tmp_path, annotations):
    for path in ("source", "store"):
        (tmp_path / path).mkdir()
    for name in ("model.safetensors", "labels.json", "notes.md"):
        (tmp_path / "source" / name).write_bytes(name.encode())
    store = open_store(f"file://{tmp_path}/store")
    _publish.publish(store, "m", "1", str(tmp_path / "source"), annotations=annotations)
    manifest = _publish.resolve(store, "m", "1")
    config = json.loads(store.read(_package.blob_path("m", manifest.config[0]), 1 << 20))
    validate(config)
    assert config["modelfs"]["diffIds"] == [file.digest for file in manifest.files]
    assert (config["descriptor"]["name"], config["descriptor"]["version"], config["config"]["format"]) == ("m", "1", "safetensors")
    for option, value in annotations.items():
        name, field = _publish.ANNOTATIONS[option]
        assert name in manifest.annotations
        assert field is None or config["descriptor"][field] == value


@pytest.mark.parametrize("spoil", [{"extra": 1}, {"modelfs": {"type": "layers", "diffIds": []}}, {"descriptor": {"authors": "A"}}])
def test_the_schema_would_notice(validate, spoil):
    config = {"descriptor": {"name": "m"}, "modelfs": {"type": "layers", "diffIds": ["x"]}, "config": {}}
    validate(config)
    with pytest.raises(jsonschema.ValidationError):
        validate(config | spoil)


def test_the_options_of_the_module_are_the_annotations():
    """No option is lost between the module and the manifest."""
    options = {*model_package.TEXTS, "authors", "licenses", "metrics"}
    assert options == set(_publish.ANNOTATIONS) == set(EVERYTHING)
