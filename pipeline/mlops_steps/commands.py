# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs other programs so that their output is seen at once and their last words are kept for a reason. Knows no step."""

from __future__ import annotations

import re
import subprocess
from collections import deque

from mlops_steps.outcome import BadInput

KEPT = 40
# Colours, and a user and password inside a URL.
UNWANTED = re.compile(r"\x1b\[[0-9;]*m|(?<=://)[^/@\s]+@")


def run(words, env, cwd):
    """(exit code, last lines of what it said) of a program."""
    try:
        process = subprocess.Popen([str(word) for word in words], cwd=cwd, env=env, text=True, errors="replace",
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except (FileNotFoundError, PermissionError) as error:
        raise BadInput(f"{words[0]}: {error.strerror}, it is not on PATH: {env.get('PATH', '')}") from error
    last = deque(maxlen=KEPT)
    with process:
        try:
            for said in process.stdout:
                line = UNWANTED.sub("", said.rstrip("\n"))
                print(line, flush=True)
                last.append(line)
        except BaseException:
            # Who breaks the step off does not want to wait for its program.
            process.terminate()
            raise
    return process.returncode, list(last)


def last_words(lines):
    """The line of a program's output that tells most: the last that is not empty."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
