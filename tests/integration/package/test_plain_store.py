# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""model_package against the least a server can be, and how little memory it takes to send something large."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LARGE = 1 << 30
LIMITED = """
import resource, sys
from ansible_collections.mlops.onprem.plugins.module_utils import _publish, _store
store = _store.open_store(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_DATA, (256 << 20, 256 << 20))
sent = _publish.publish(store, "m", "1", sys.argv[2])
print(sent["bytes_sent"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_publish_twice_show_and_what_it_cannot(plain_server, trained, key, package):
    given = {"store": plain_server.url, "model": "breast-cancer", "version": "1"}
    assert package(source=trained["1"], signing_key=key[0], **given)["blobs_sent"] == 7
    plain_server.seen.clear()
    assert not package(source=trained["1"], signing_key=key[0], **given)["changed"]
    assert {method for method, _path in plain_server.seen} == {"GET", "HEAD"}
    assert package(state="gathered", public_key=key[1], **given)["package"]["signature"] == "verified"
    assert "cannot be listed: only a folder, an OCI layout and a Nexus repository" in package(state="gathered", store=plain_server.url)["msg"]
    assert "breast-cancer 9 is not in" in package(state="gathered", **given | {"version": "9"})["msg"]


@pytest.mark.parametrize("status", [400, 401, 403, 405, 500, 507])
def test_a_server_that_answers_with_an_error_is_quoted(plain_server, trained, package, status):
    plain_server.answer = status
    result = package(source=trained["1"], store=plain_server.url, model="breast-cancer", version="1")
    assert f"GET {plain_server.url}/breast-cancer/manifests/1 answered {status}" in result["msg"]
    assert [method for method, _path in plain_server.seen] == ["GET"]


def test_something_large_is_streamed(plain_server, tmp_path):
    """1 GiB goes through a process that may have 256 MiB of data and needs 32 of them."""
    (tmp_path / "model.safetensors").touch()
    os.truncate(tmp_path / "model.safetensors", LARGE)
    done = subprocess.run([sys.executable, "-c", LIMITED, plain_server.url, tmp_path], capture_output=True, text=True, check=False,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    sent, grown_kib = map(int, done.stdout.split())
    assert sent > LARGE
    assert grown_kib < 32 * 1024
