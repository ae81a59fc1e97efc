# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`ansible-test sanity`, every one of its tests, on a copy of the checkout and without a container. It knows no rule of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ansible_test
import pytest

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
ANSIBLE_TEST = [Path(sys.executable).parent / "ansible-test", "sanity"]
# ansible-test fetches get-pip.py from a host that may be out of reach. This is what it would do, by the pip that Python brings along.
GET_PIP = """# Written by tests/sanity/test_sanity.py: stands in for get-pip.py.
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments]))
"""


@pytest.fixture
def environment(root):
    """ansible-test keeps what it installs in HOME: one of its own below .cache serves all runs."""
    home = root / ".cache" / "ansible-test"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    requirements = Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
    version = re.search(r"\bpip='([\d.]+)'", requirements.read_text()).group(1)
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)
    return {**os.environ, "HOME": str(home)}


def test_every_sanity_test_passes(root, collection_copy, environment):
    def sanity(*options):
        return subprocess.run([*ANSIBLE_TEST, *options], cwd=collection_copy, env=environment, text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    # Beside the names it prints warnings, such as one on the locale.
    wanted = set(re.findall(r"^[a-z][a-z0-9-]*$", sanity("--list-tests").stdout, re.M))
    done = sanity("--local", "--python", PYTHON, "--requirements", "--color", "no", "--junit")
    print(done.stdout)
    reports = collection_copy / "tests" / "output" / "junit"
    # tests/summary.py counts each of ansible-test's own tests.
    shutil.copytree(reports, root / "tests" / "output" / "sanity", dirs_exist_ok=True)
    assert done.returncode == 0
    assert wanted, "no test was listed"
    assert set(re.findall(r'^Running sanity test "([\w-]+)"', done.stdout, re.M)) == wanted
