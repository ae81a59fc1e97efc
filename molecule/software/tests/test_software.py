# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role software leaves on a machine: the package, the archive's folder and nothing half done."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def test_package_is_installed(host):
    assert host.package("tree").is_installed


def test_archive_is_unpacked_whole_and_owned_by_root(host):
    tool = host.file("/opt/tool-1.0/bin/tool")
    assert (tool.user, tool.group, tool.mode) == ("root", "root", 0o755)
    assert host.check_output("/opt/tool-1.0/bin/tool") == "tool 1.0"


def test_no_rest_of_unpacking_is_left(host):
    assert host.check_output("ls -A /opt") == "tool-1.0"


def test_another_content_is_refused_and_nothing_is_installed(host):
    playbook = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "refused.yml"
    done = subprocess.run(["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], playbook], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "checksum" in done.stdout.lower()
    assert not host.file("/opt/tool-refused").exists
    host.check_output("rm -rf /opt/tool-refused.new")
