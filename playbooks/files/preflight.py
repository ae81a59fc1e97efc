# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says what speaks against setting this host up: operating system, memory, disk, ports, names, clock, sources. It changes nothing.

It knows hosts and not what will run on them: the needs come as JSON in the only argument, the problems go out as a JSON list of sentences.
    {"systems": {"debian": ["12", "13"]}, "memory": MB, "disk": {PATH: MB}, "ports": [{"port": PORT, "programs": [NAME, ...]}],
     "tls_ports": [PORT, ...], "names": [HOST, ...], "sources": [URL, ...], "ca": PEM text or "",
     "now": seconds since 1970 on the controller, "clock": seconds that the clocks may differ}
"""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

TIMEOUT = 10  # seconds for one source


def system(wanted, text):
    """The text is that of /etc/os-release."""
    about = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.M))
    name, version = about.get("ID", "unknown"), about.get("VERSION_ID", "without a version")
    if version not in wanted.get(name, ()):
        right = ", ".join(f"{known} {' or '.join(versions)}" for known, versions in wanted.items())
        yield f"operating system is {name} {version}, right would be {right}"


def memory(wanted, text):
    """The text is that of /proc/meminfo."""
    there = int(re.search(r"^MemTotal:\s+(\d+) kB", text, re.M).group(1)) // 1024
    if there < wanted:
        yield f"memory is {there} MB, needed are {wanted} MB"


def disk(wanted):
    for path, size in sorted(wanted.items()):
        place = path
        while not os.path.isdir(place):
            place = os.path.dirname(place)
        free = shutil.disk_usage(place).free // 2**20
        # What lies there already counts as given: a second run needs no second place.
        if free < size and not (os.path.isdir(path) and os.listdir(path)):
            yield f"{path} has {free} MB free, needed are {size} MB"


def ports(wanted, text):
    """The text is what `ss -ltnpH` says."""
    for line in text.splitlines():
        port = int(line.split()[3].rpartition(":")[2])
        programs = re.findall(r'\("([^"]+)"', line)
        expected = wanted.get(port)
        if expected and programs and not set(programs) & set(expected):
            yield f"port {port} is in use by {' and '.join(sorted(set(programs)))}, needed for {' or '.join(expected)}"


def names(wanted):
    for name in wanted:
        try:
            socket.getaddrinfo(name, None)
        except OSError as error:
            yield f"name {name} does not resolve ({error.strerror}): put it into DNS or /etc/hosts"


def clock(now, allowed):
    apart = time.time() - now
    if abs(apart) > allowed:
        yield f"clock is {apart:+.0f} s from the controller's, allowed are {allowed} s: set up time synchronisation"


def sources(wanted, ca):
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca)
    for url in wanted:
        if url.startswith("file://"):
            if not os.path.exists(url[len("file://"):]):
                yield f"source {url} is not there"
            continue
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT, context=context).close()
        except urllib.error.HTTPError as error:
            # A folder that may not be listed is there all the same.
            if error.code >= 500:
                yield f"source {url} answers {error.code}"
        except (OSError, ValueError) as error:
            yield f"source {url} cannot be reached ({getattr(error, 'reason', error)})"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def problems(needs):
    """Every problem, as one sentence each."""
    yield from system(needs["systems"], read("/etc/os-release"))
    yield from memory(needs["memory"], read("/proc/meminfo"))
    yield from disk(needs["disk"])
    shown = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=False).stdout if shutil.which("ss") else ""
    wanted = {int(need["port"]): need["programs"] for need in needs["ports"]}
    yield from ports(wanted | dict.fromkeys(map(int, needs["tls_ports"]), ["nginx"]), shown)
    yield from names(needs["names"])
    yield from clock(needs["now"], needs["clock"])
    yield from sources(needs["sources"], needs["ca"])


if __name__ == "__main__":
    print(json.dumps(list(dict.fromkeys(problems(json.loads(sys.argv[1]))))))
