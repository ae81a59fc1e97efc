# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on the instance: sends inference requests of model `scale` to 127.0.0.1:8080 on kept-alive connections and checks each answer.

Usage: load.py COUNT [AT:COMMAND ...]    COMMAND is run by the shell when AT requests have been taken up.
Prints JSON: answers by version, and whatever was not exactly one version's answer. It retries nothing and knows no releases.
"""

from __future__ import annotations

import collections
import http.client
import itertools
import json
import subprocess
import sys
import threading

WORKERS = 4
FACTOR = {"1": 2.0, "2": 3.0}
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}]})


def ask(connection):
    """Send one request and return the version that answered; ValueError when header, body and numbers are not of one version."""
    connection.request("POST", "/v2/models/scale/infer", BODY, {"Content-Type": "application/json"})
    response = connection.getresponse()
    raw = response.read()
    if response.status != 200:
        raise ValueError(f"{response.status} {raw.decode()}")
    answer, version = json.loads(raw), response.headers["x-model-version"]
    numbers = [FACTOR[version] * number for number in (1.0, 2.0, 3.0)]
    told = answer["model_version"], response.headers["x-model-digest"], answer["outputs"][0]["data"]
    if told != (version, f"sha256:digest-of-{version}", numbers):
        raise ValueError(f"mixed: {version} {told}")
    return version


def work(numbers, commands, versions, wrong):
    connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=60)
    for number in numbers:
        if number in commands:
            subprocess.run(commands[number], shell=True, check=True)
        try:
            versions[ask(connection)] += 1
        except (OSError, ValueError, http.client.HTTPException) as error:
            wrong.append(f"request {number}: {error!r}")
            connection.close()


def main(count, *changes):
    commands = {int(at): command for at, command in (change.split(":", 1) for change in changes)}
    numbers, versions, wrong = iter(range(int(count))), collections.Counter(), []
    workers = [threading.Thread(target=work, args=(numbers, commands, versions, wrong)) for _unused in itertools.repeat(None, WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps({"versions": versions, "wrong": wrong}))


main(*sys.argv[1:])
