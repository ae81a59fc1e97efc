# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a playbook of this collection and reads what it failed of. Knows where Ansible may be; knows no playbook's variables."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from mlops_steps.commands import last_words, run
from mlops_steps.outcome import BadInput

COLLECTION = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).resolve().with_name("ansible.cfg")
SAID = re.compile(r'"?(?:msg)"?: "?((?:[^"\\]|\\.)+)"?')


def playbook(project, name, variables, **env):
    """(exit code, reason) of a playbook. Variables are no secrets; those go by `env`, which nobody else on the machine can read."""
    path = os.pathsep.join([project.env.get("PATH", os.defpath), str(Path(sys.executable).parent), str(COLLECTION / ".venv" / "bin")])
    if launcher := shutil.which("mlops-deploy", path=path):
        words = [launcher, name]
    elif program := shutil.which("ansible-playbook", path=path):
        words = [program, f"mlops.onprem.{name}"]
    else:
        raise BadInput("neither mlops-deploy nor ansible-playbook is on PATH, install Ansible to publish and deploy from here")
    project.write(f"{name}-variables.json", variables)
    words += ["-e", f"@{project.build / f'{name}-variables.json'}"]
    fixed = {"ANSIBLE_CONFIG": project.env.get("ANSIBLE_CONFIG") or str(CONFIG), "ANSIBLE_NOCOLOR": "1", "PATH": path}
    code, lines = run(words, {**project.env, **collections(project), **fixed, **env}, project.root)
    return code, said(lines)


def collections(project):
    """Where Ansible finds this collection, where that follows from where this file is."""
    if COLLECTION.parts[-3:] == ("ansible_collections", "mlops", "onprem"):
        root = COLLECTION.parents[2]
    elif (COLLECTION / ".ansible" / "collections").is_dir():
        root = COLLECTION / ".ansible" / "collections"
    else:
        return {}
    return {"ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(filter(None, [str(root), project.env.get("ANSIBLE_COLLECTIONS_PATH")]))}


def said(lines):
    """What the failed task said: Ansible prints one line of JSON for it."""
    for line in reversed(lines):
        if line.startswith(("fatal: ", "ERROR! ", "[ERROR]")) and (found := SAID.search(line)):
            return found[1].replace('\\"', '"').replace("\\n", " ").strip()
    return last_words([line for line in lines if "failed=" not in line])
