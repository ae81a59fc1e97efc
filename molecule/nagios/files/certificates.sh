#!/bin/sh
# Makes, once, the certificate of the watched service and that of a stranger, in the folder of the lab's CA. Prints what it makes.
set -eu
umask 077
cd "$1"
signed() { # signed NAME CA EXTENSIONS
  [ ! -e "$1.crt" ] || return 0
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  printf '%b' "$3" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -sha256 -days 825 -extfile "$1.ext" -out "$1.crt.new" 2>/dev/null
  rm "$1.csr" "$1.ext"
  mv "$1.crt.new" "$1.crt"
  echo "made $1.crt"
}
if [ ! -e strangers.crt ]; then
  openssl ecparam -name prime256v1 -genkey -noout -out strangers.key
  openssl req -x509 -new -key strangers.key -sha256 -days 825 -subj '/CN=another CA' -out strangers.crt
fi
signed target1 ca 'extendedKeyUsage=serverAuth\nsubjectAltName=DNS:target1\n'
signed stranger strangers 'extendedKeyUsage=clientAuth,serverAuth\nsubjectAltName=DNS:target1\n'
