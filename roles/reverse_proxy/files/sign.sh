#!/bin/sh
# Signs the request on its input with the private CA of a folder, on the controller, and prints the certificate. The names come from the inventory, not
# from the request.
# Usage: sign.sh FOLDER NAMES DAYS    NAMES as OpenSSL writes them: DNS:a.example.com,IP:192.0.2.1
set -eu
umask 077
cd "$1"
if ! openssl x509 -in ca.crt -noout -checkend $(($3 * 86400)) >/dev/null; then
  echo "the CA $1/ca.crt ends before a certificate of $3 days would: take ca.key and ca.crt away, so that the next run makes a new CA, and give that to clients" >&2
  exit 1
fi
extensions=$(mktemp)
trap 'rm -f "$extensions"' EXIT
printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' 'extendedKeyUsage=serverAuth' \
  'subjectKeyIdentifier=hash' 'authorityKeyIdentifier=keyid' "subjectAltName=$2" >"$extensions"
openssl x509 -req -in /dev/stdin -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" -sha256 -days "$3" -extfile "$extensions" 2>/dev/null
