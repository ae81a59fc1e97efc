#!/usr/bin/python3
"""Stands in for a host's Python interpreter: runs it and notes what the run cost, child processes included. Knows nothing of Ansible.

Appends one line of JSON to /var/tmp/measured: CPU seconds, largest resident memory of one process in KiB, bytes written to storage.
"""

import json
import resource
import subprocess
import sys

done = subprocess.run(["/usr/bin/python3", *sys.argv[1:]], check=False)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
with open("/proc/self/io", encoding="ascii") as file:
    io = dict(line.split(": ") for line in file)
with open("/var/tmp/measured", "a", encoding="ascii") as file:
    cost = {"cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss, "written": int(io["write_bytes"])}
    file.write(json.dumps(cost) + "\n")
sys.exit(done.returncode)
