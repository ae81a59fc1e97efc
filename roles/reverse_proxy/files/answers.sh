#!/bin/sh
# Waits until nginx shows on each port the certificate that lies on disk, so that a reload that nginx refused is not taken for done.
# Usage: answers.sh SECONDS PORT:SITE:NAME...    SITE: whose certificate; NAME: sent as the server's name, may be empty
set -eu
until=$(($(date +%s) + $1))
shift
for server in "$@"; do
  IFS=: read -r port site name <<-END
	$server
	END
  wanted=$(openssl x509 -in "/etc/nginx/tls/$site.pem" -noout -fingerprint -sha256)
  set -- -connect "127.0.0.1:$port"
  if [ -n "$name" ]; then set -- "$@" -servername "$name"; else set -- "$@" -noservername; fi
  while shown=$(openssl s_client "$@" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256 2>/dev/null) || :; [ "$shown" != "$wanted" ]; do
    if [ "$(date +%s)" -ge $until ]; then
      echo "port $port: ${shown:-no certificate} instead of that of site $site; /var/log/nginx/error.log says why" >&2
      exit 1
    fi
    sleep 0.5
  done
done
