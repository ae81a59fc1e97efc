#!/bin/sh
# Prints those of the files that a running unit has not read: they are newer than its last start or reload.
# Usage: unread.sh UNIT FILE...
set -eu
unit=$1
shift
systemctl --quiet is-active "$unit" || exit 0
read_at=$(systemctl show --timestamp=us+utc --value --property=StateChangeTimestamp "$unit")
for file in "$@"; do
  [ ! -e "$file" ] || find "$file" -newermt "$read_at"
done
