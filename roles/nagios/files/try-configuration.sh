#!/bin/sh
# Lets Nagios read a file that is not in its place yet, its main configuration or its objects, and prints what it has against it.
# Usage: try-configuration.sh main|objects FILE
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Nagios gives up root's powers before it reads.
install -m 0644 "$2" "$folder/$1.cfg"
chmod 0755 "$folder"
# As in the main configuration, as far as it matters for objects.
[ "$1" = main ] || cat >"$folder/main.cfg" <<END
cfg_file=$folder/objects.cfg
interval_length=1
log_file=/var/log/nagios4/nagios.log
check_result_path=/var/lib/nagios4/spool/checkresults
illegal_object_name_chars=\`~!\$%^&*|'"<>?,()=
illegal_macro_output_chars=\`~\$&|'"<>
END
said=$(/usr/sbin/nagios4 -v "$folder/main.cfg" 2>&1) || {
  printf '%s\n' "$said" | grep -E '^ *(Error|Warning|Unable)' >&2 || printf '%s\n' "$said" >&2
  exit 1
}
