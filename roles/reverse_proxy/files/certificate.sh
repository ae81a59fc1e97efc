#!/bin/sh
# Keeps /etc/nginx/tls/SITE.pem, the certificate of a site and its key in one file, so that there are both or none. The key is made here and never leaves;
# the CA's key is not known here.
#   certificate.sh request SITE NAMES DAYS CA    if a new certificate is needed, says why and prints a request for it
#   certificate.sh plan SITE NAMES DAYS CA       only says why
#   certificate.sh put SITE CERTIFICATE          puts the certificate for the last request in place
# NAMES as OpenSSL writes them (DNS:a.example.com,IP:192.0.2.1); DAYS that must be left; CA and CERTIFICATE are PEM texts.
set -eu
umask 077
verb=$1 site=$2
pem=/etc/nginx/tls/$site.pem key=/etc/nginx/tls/$site.key

request() { openssl req -new -key "$1" -subj "/CN=$site" -addext "subjectAltName=$names"; }
names_in() { openssl "$@" -noout -text | sed -n '/Subject Alternative Name/{n;s/^ *//;p;}'; }

why_new() {
  [ -e "$pem" ] || { echo "it has none"; return; }
  if ! openssl x509 -in "$pem" -noout || ! openssl pkey -in "$pem" -noout; then echo "$pem cannot be read"; return; fi 2>/dev/null
  ca=$(mktemp)
  printf '%s\n' "$ca_text" >"$ca"
  signed=0
  openssl verify -CAfile "$ca" -no_check_time "$pem" >/dev/null 2>&1 || signed=$?
  rm -f "$ca"
  [ $signed -eq 0 ] || { echo "it is not from this CA"; return; }
  openssl x509 -in "$pem" -noout -checkend $((days * 86400)) >/dev/null || { echo "fewer than $days days are left"; return; }
  [ "$(names_in x509 -in "$pem")" = "$(request "$pem" | names_in req)" ] || echo "it is for other names than $names"
}

if [ "$verb" = put ]; then
  # A file that a killed run left would keep its mode.
  rm -f "$pem.new"
  printf '%s\n' "$3" | cat - "$key" >"$pem.new"
  [ "$(openssl x509 -in "$pem.new" -noout -pubkey)" = "$(openssl pkey -in "$key" -pubout)" ]
  mv "$pem.new" "$pem"
  rm "$key"
  exit
fi
names=$3 days=$4 ca_text=$5
why=$(why_new)
[ -n "$why" ] || exit 0
echo "$site: $why"
[ "$verb" = request ] || exit 0
rm -f "$key"
openssl ecparam -name prime256v1 -genkey -noout -out "$key"
request "$key"
