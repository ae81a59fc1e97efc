# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab with machines of products that cannot be had here: they join when a package repository answers. What answers is a stand-in, not the product.
"""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.mlops.onprem.tests.e2e.lab import MONITOR, ROOT
from ansible_collections.mlops.onprem.tests.standins.server import running

PACKAGES = ROOT / "tests" / "standins" / "packages"
# Package of the stand-in by product, and the version that it stands for.
GITLAB = 40
PRODUCTS = {"gitlab": ("gitlab-ce", "18.2.8-ce.0"), "grafana": ("grafana", "13.2.3")}


@pytest.fixture(name="repositories")
def fixture_repositories(lab):
    """({product: InRelease of its stand-in's package repository}, their folder, which the machines see as /srv/mirror/standins)."""
    folder = Path(lab.env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops-onprem" / "mirror" / "standins"
    for package, _version in PRODUCTS.values():
        subprocess.run([PACKAGES / "build", package, folder], check=True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield {product: f"http://127.0.0.1:{server.server_port}/{package}/InRelease" for product, (package, _version) in PRODUCTS.items()}, folder
    shutil.rmtree(folder)


def test_products_join_the_lab_when_their_packages_can_be_had(lab, repositories, tmp_path):
    addresses, folder = repositories
    sources = {}
    for product, (package, version) in PRODUCTS.items():
        sources[f"{product}_source"] = {"url": f"file:///srv/mirror/standins/{package}", "suite": "./", "key": (folder / package / "key.asc").read_text()}
        sources[f"{product}_version"] = version
    given = tmp_path / "given.json"
    given.write_text(json.dumps(sources))
    without = lab.playbook("lab")
    assert without.code == 0
    left_out, = re.findall(r"left out, because the package repositories of their vendors are not reachable from here: ([a-z, ]+)\.", without.text)
    assert set(left_out.split(", ")) == set(PRODUCTS)
    assert lab.playbook("lab", lab_vendors=addresses).code == 0
    assert lab.playbook("site", "-e", f"@{given}").code == 0
    again = lab.playbook("site", "-e", f"@{given}")
    assert (again.code, again.changed_tasks()) == (0, [])
    assert {"gitlab1"} <= set(again.recap)
    a_new_model_has_its_places_in_them(lab, given)


def a_new_model_has_its_places_in_them(lab, given):
    """The products are found by their groups: nothing but the list names the model."""
    models = [{"name": "churn", "team": "risk"}]
    assert lab.playbook("models", "-e", f"@{given}", models=models).code == 0
    again = lab.playbook("models", "-e", f"@{given}", models=models)
    assert (again.code, again.changed_tasks()) == (0, [])
    token = lab.secret("gitlab_api")
    project = lab.ask(f"https://{lab.at(GITLAB)}:8443/api/v4/projects/risk%2Fchurn", token=token)
    assert project["path_with_namespace"] == "risk/churn"
    boards = lab.ask(f"https://{lab.at(MONITOR)}:8443/grafana/api/search?type=dash-db", "admin", lab.secret("grafana_admin"))
    assert {"Model serving: risk"} == {row["title"] for row in boards if row.get("folderTitle") == "risk"}
