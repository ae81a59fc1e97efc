#!/bin/sh
# Makes the users of the web interface be those on stdin, one "NAME PASSWORD" a line; keeps the hash of a password that has not changed.
# Prints what it changes, never a password. Usage: web-users.sh FILE [plan], where plan changes nothing.
set -eu
umask 077
file=$1
# On an empty host a check has no such program yet. What is on stdin is read all the same: who writes it would meet a broken pipe.
command -v htpasswd >/dev/null || { cat >/dev/null && echo "$file would be made" && exit 0; }
new=$(mktemp)
trap 'rm -f "$new"' EXIT
of() { awk -F: -v name="$1" '$1 == name' "$2"; }

[ -e "$file" ] || echo "$file is made"
while IFS=' ' read -r name password; do
  if [ -e "$file" ] && printf '%s' "$password" | htpasswd -v -i "$file" "$name" >/dev/null 2>&1; then
    of "$name" "$file" >>"$new"
  else
    echo "$name has a new password"
    printf '%s' "$password" | htpasswd -n -i -B -C 8 "$name" | grep . >>"$new"
  fi
done
if [ -e "$file" ]; then
  cut -d: -f1 "$file" | while read -r name; do
    [ -n "$(of "$name" "$new")" ] || echo "$name is removed"
  done
  [ "$(stat -c %U:%G:%a "$file")" = root:www-data:640 ] || echo "$file gets its owner and mode"
fi
[ "${2-}" != plan ] || exit 0
if ! cmp -s "$new" "$file" || [ "$(stat -c %U:%G:%a "$file")" != root:www-data:640 ]; then
  install -o root -g www-data -m 0640 "$new" "$file.new"
  mv "$file.new" "$file"
fi
