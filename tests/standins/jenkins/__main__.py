# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Serve the stand-in until the process is ended: prints its URL, then its token."""

from __future__ import annotations

import argparse

from . import Jenkins

parser = argparse.ArgumentParser()
parser.add_argument("--latency", type=float, default=0.0)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--rewrite", action="store_true")
parser.add_argument("--token")
given = parser.parse_args()
jenkins = Jenkins(latency=given.latency, port=given.port, rewrite=given.rewrite, token=given.token)
print(jenkins.url, f"token: {jenkins.token}", sep="\n", flush=True)
jenkins.serve_forever()
