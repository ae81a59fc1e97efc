# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stand-in for GitLab's runsvdir: keeps the stand-in's two services running, puma as user git and nginx as root. Knows only how to start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

OWN = Path("/var/opt/gitlab/standin")
HERE = Path(__file__).parent
SERVICES = {"puma": "git", "nginx": None}


def start(name: str) -> subprocess.Popen:
    child = subprocess.Popen([sys.executable, HERE / f"{name}.py"], user=SERVICES[name], group=SERVICES[name], extra_groups=[], cwd="/")
    (OWN / f"{name}.pid").write_text(str(child.pid))
    return child


def main() -> None:
    running = {name: start(name) for name in SERVICES}

    def end(*_signal):
        for child in running.values():
            child.send_signal(signal.SIGTERM)
        for child in running.values():
            child.wait()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        for name, child in running.items():
            if child.poll() is not None:
                running[name] = start(name)
        time.sleep(0.2)


main()
