# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Serves the stand-in until it is killed: prints its URL on the first line and an administrator's token on the second."""

import argparse

from . import GitLab

parser = argparse.ArgumentParser(prog="gitlab stand-in", description=__doc__)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
parser.add_argument("--version", default="17.11.0")
parser.add_argument("--edition", choices=("ce", "ee"), default="ce")
parser.add_argument("--token", default="glpat-of-root-for-tests", help="the administrator's token")
parser.add_argument("--no-validate", action="store_true", help="answer without looking into GitLab's API description")
parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
parser.add_argument("--public-url", help="what others call it by, where that is not the loopback port")
parser.add_argument("--repositories", help="a folder for real git repositories; with it projects' hooks are called too")
given = parser.parse_args()
gitlab = GitLab(given.version, given.edition, given.latency, not given.no_validate, given.port, given.token, given.repositories,
                host=given.host, public_url=given.public_url)
print(gitlab.url, f"token: {gitlab.token}", sep="\n", flush=True)
gitlab.serve_forever()
