# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Step environment: the locked libraries of a project, made once for each lock and shared by all builds. Knows no library."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlops_steps.commands import last_words, run
from mlops_steps.outcome import BadInput, Stop

HOUR, DAY = 3600, 86400
UNUSED_DAYS = 30


def environment(project, _options):
    """Begin a build: clear what an earlier one left, and link build/env to the environment of the lock."""
    lock = project.root / project.settings["lock"]
    if not lock.is_file():
        raise BadInput(f"pyproject.toml: tool.mlops.lock is {project.settings['lock']!r}, a file that is not there; make it with "
                       "uv pip compile --generate-hashes")
    if "--hash=sha256:" not in lock.read_text(encoding="utf-8"):
        raise BadInput(f"{project.settings['lock']} holds no hashes, make it with uv pip compile --generate-hashes")
    clear(project)
    home = Path(project.env.get("XDG_CACHE_HOME") or Path(project.env.get("HOME") or Path.home()) / ".cache") / "mlops-pipeline"
    home.mkdir(parents=True, exist_ok=True)
    tidy(home)
    digest = hashlib.sha256(lock.read_bytes() + b"%d.%d" % sys.version_info[:2]).hexdigest()
    target = home / f"env-{digest[:16]}"
    if not target.exists():
        make(project, lock, target)
    os.utime(target)
    link = project.build / "env"
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    print(f"build/env is {target}")


def clear(project):
    """What an earlier build left would be taken for this one's. (A feedback build writes its reason before this.)"""
    project.build.mkdir(exist_ok=True)
    for path in project.build.iterdir():
        if path.name in ("reason.json", "steps.jsonl"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def tidy(home):
    """Remove what a killed build left, and environments that no build has used for a month."""
    now = time.time()
    for path in home.glob("env-*"):
        if now - path.stat().st_mtime > (HOUR if ".partial." in path.name else UNUSED_DAYS * DAY):
            shutil.rmtree(path, ignore_errors=True)


def make(project, lock, target):
    """An environment under a name of its own, and only when it is whole under the right one."""
    partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.partial.", dir=target.parent))
    try:
        subprocess.run([sys.executable, "-m", "venv", partial], check=True, stdout=subprocess.DEVNULL)
        words, env = installer(project, partial / "bin" / "python", lock)
        code, lines = run(words, env, project.root)
        if code:
            raise Stop(f"the environment cannot be made from {lock.name}: {last_words(lines)}")
        # Scripts name their interpreter by the path that they are going to have.
        for script in (partial / "bin").iterdir():
            if not script.is_symlink() and (text := script.read_bytes()).find(os.fsencode(partial), 0, 4096) >= 0:
                script.write_bytes(re.sub(re.escape(os.fsencode(partial)), os.fsencode(target), text))
        partial.chmod(0o755)
        try:
            partial.rename(target)
        except OSError:
            # Another build has been quicker; what it made is the same.
            if not target.exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def installer(project, python, lock):
    """(words, variables) of the program that installs: uv where it is, else pip. An index URL may hold a password: it is no word."""
    env, wheels, index = dict(project.env), project.from_site("MLOPS_WHEELS", "wheels"), project.from_site("MLOPS_INDEX_URL", "index_url")
    if index:
        env |= {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index}
    if project.ca_file:
        env |= {"PIP_CERT": project.ca_file, "SSL_CERT_FILE": project.ca_file}
    source = ["--no-index", "--find-links", wheels] if wheels else []
    if shutil.which("uv", path=project.env.get("PATH")):
        return ["uv", "pip", "sync", "--quiet", "--require-hashes", *source, "--python", python, lock], env
    return [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps", "--require-hashes", *source, "-r", lock], env
