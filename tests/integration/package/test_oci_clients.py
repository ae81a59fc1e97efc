# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An exported package is read by OCI clients that know nothing of this collection."""

from __future__ import annotations

import json
import subprocess

import pytest


@pytest.fixture
def layout(tmp_path, trained, key, package):
    """(folder of an OCI layout copied out of a file store, digest of version 1)."""
    (tmp_path / "store").mkdir()
    given = {"store": f"file://{tmp_path}/store", "model": "breast-cancer"}
    for version in ("1", "2"):
        package(source=trained[version], version=version, signing_key=key[0], **given)
        copied = package(state="copied", version=version, destination=f"oci-layout://{tmp_path}/layout", public_key=key[1], **given)
        assert copied["changed"]
    shown = package(state="gathered", store=f"oci-layout://{tmp_path}/layout", model="breast-cancer", version="1", public_key=key[1])["package"]
    assert shown["signature"] == "verified"
    assert package(state="gathered", version="1", **given)["package"]["digest"] == shown["digest"]
    return tmp_path / "layout", shown["digest"]


def test_skopeo_inspects_and_copies_it(layout, tmp_path):
    folder, digest = layout
    raw = subprocess.run(["skopeo", "inspect", "--raw", f"oci:{folder}:1"], check=True, capture_output=True).stdout
    assert json.loads(raw)["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    subprocess.run(["skopeo", "copy", "--quiet", f"oci:{folder}:1", f"oci:{tmp_path}/copied:1"], check=True)
    index = json.loads((tmp_path / "copied" / "index.json").read_text())
    assert [entry["digest"] for entry in index["manifests"]] == [digest]


def test_oras_pulls_the_files_as_they_were(layout, oras, trained, tmp_path):
    folder, _digest = layout
    subprocess.run([oras, "pull", "--no-tty", "--oci-layout", f"{folder}:2", "--output", tmp_path / "pulled"], check=True)
    pulled, original = ({path.name: path.read_bytes() for path in place.iterdir()} for place in (tmp_path / "pulled", trained["2"]))
    assert pulled == original
