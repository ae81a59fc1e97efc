#!/bin/sh
# Prints the TCP ports that another process than nginx listens on, with its name; nginx itself would find that out only after its new configuration is in place.
# Usage: ports.sh PORT...
set -eu
command -v ss >/dev/null || exit 0
for port in "$@"; do
  ss -Hltnp "sport = :$port" | grep -v '"nginx"' | sed "s/^.*users:((\"\([^\"]*\)\".*/port $port by \1/;t;s/.*/port $port by another process/" | sort -u
done
