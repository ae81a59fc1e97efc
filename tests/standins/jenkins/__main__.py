# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Serve the stand-in until the process is ended: prints its URL, then its token."""

from __future__ import annotations

import argparse
import shlex

from . import Jenkins
from .run import PIPELINE, Agent

parser = argparse.ArgumentParser()
parser.add_argument("--latency", type=float, default=0.0)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--rewrite", action="store_true")
parser.add_argument("--token")
parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
parser.add_argument("--public-url", help="what others call it by, where that is not the loopback port")
parser.add_argument("--agent-command", help="a command that runs the script on its standard input on an agent; with it builds really run")
parser.add_argument("--pipeline-command", default=shlex.join(PIPELINE), help="a command that runs a Jenkinsfile by the file with its settings")
parser.add_argument("--workspaces", default="workspace", help="the folder of the workspaces on the agent")
parser.add_argument("--executors", type=int, default=1, help="how many builds really run at once")
given = parser.parse_args()
runner = Agent(shlex.split(given.agent_command), given.workspaces, shlex.split(given.pipeline_command)) if given.agent_command else None
jenkins = Jenkins(latency=given.latency, port=given.port, rewrite=given.rewrite, token=given.token, runner=runner, executors=given.executors,
                  host=given.host, public_url=given.public_url)
print(jenkins.url, f"token: {jenkins.token}", sep="\n", flush=True)
jenkins.serve_forever()
