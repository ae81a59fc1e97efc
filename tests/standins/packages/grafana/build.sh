#!/bin/sh
# The stand-in has the version that the role asks for: there is one place for it. Takes the copy of the tree.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^grafana_version: *//p' "$here/../../../../roles/grafana/defaults/main.yml")
sed -i "s/@version@/$version/" "$1/DEBIAN/control" "$1/usr/share/grafana/standin.py"
chmod 0755 "$1/DEBIAN/postinst" "$1/DEBIAN/prerm" "$1/usr/share/grafana/bin/grafana" "$1"/usr/sbin/*
