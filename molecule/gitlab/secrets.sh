#!/bin/sh
# Makes once what only this scenario needs: a certificate for gitlab1 by the lab's CA, and passwords, each with mode 0600. Usage: secrets.sh FOLDER ADDRESS
set -eu
umask 077
cd "$1"
for name in gitlab_root gitlab_api gitlab_smtp gitlab_ldap; do
  [ -e "$name.password" ] || { openssl rand -hex 20 >"$name.password" && echo "made $name.password"; }
done
[ -e gitlab.key ] || openssl ecparam -name prime256v1 -genkey -noout -out gitlab.key
[ -e gitlab.crt ] || {
  openssl req -new -key gitlab.key -subj '/CN=gitlab1' -out gitlab.csr
  printf 'subjectAltName=DNS:gitlab1,IP:%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$2" >gitlab.ext
  openssl x509 -req -in gitlab.csr -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -days 825 -extfile gitlab.ext -out gitlab.crt 2>/dev/null
  rm gitlab.csr gitlab.ext
  echo 'made gitlab.crt'
}
