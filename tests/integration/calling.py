# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a test runs a module: in this process, as Ansible would call it, so that nothing but the module is waited for. Knows no server."""

from __future__ import annotations

import contextlib
import importlib
import io
import json

import pytest
from ansible.module_utils.testing import patch_module_args

MODULES = "ansible_collections.mlops.onprem.plugins.modules"


def call(name, connection, _check=False, _no_log=False, **options):
    """What the module prints, as a mapping. _check is check mode, _no_log the task's no_log."""
    out = io.StringIO()
    ansible = {"_ansible_check_mode": _check, "_ansible_diff": True, "_ansible_no_log": _no_log}
    with patch_module_args(connection | options | ansible), contextlib.redirect_stdout(out), pytest.raises(SystemExit):
        importlib.import_module(f"{MODULES}.{name}").main()
    return json.loads(out.getvalue().splitlines()[-1])
