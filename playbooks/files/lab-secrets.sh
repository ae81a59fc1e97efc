#!/bin/sh
# Makes the lab's keys, certificates and passwords once, each with mode 0600, in the folder given. It prints one line for each thing it made
# and never a value. A real site keeps these in ansible-vault (see inventories/example).
set -eu
umask 077
mkdir -p "$1"
cd "$1"
once() { # once FILE COMMAND...: run the command with FILE.new as its last argument, then rename: a killed run leaves no half file
  file=$1
  shift
  [ -e "$file" ] && return 0
  rm -f "$file.new"
  "$@" "$file.new" >/dev/null
  mv "$file.new" "$file"
  echo "made $file"
}
password() { openssl rand -hex 20 >"$1"; }
for name in nexus_admin nexus_publisher nexus_deployer nexus_metrics monitoring grafana_admin gitlab_root gitlab_api; do
  once "$name.password" password
done
once id_ed25519 ssh-keygen -q -t ed25519 -N '' -C mlops-lab -f
[ -e id_ed25519.pub ] || { ssh-keygen -y -f id_ed25519 >id_ed25519.pub; rm -f id_ed25519.new.pub; }
once signing.key openssl genpkey -algorithm ed25519 -out
once signing.pub openssl pkey -in signing.key -pubout -out
once ca.key openssl ecparam -name prime256v1 -genkey -noout -out
once ca.crt openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj '/CN=mlops lab CA' -addext 'keyUsage=critical,keyCertSign,cRLSign' -out
certificate() { # certificate NAME EXTENSIONS: a key and what the CA signed for it
  once "$1.key" openssl ecparam -name prime256v1 -genkey -noout -out
  [ ! -e "$1.crt" ] || return 0
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  printf 'basicConstraints=CA:FALSE\n%b\n' "$2" >"$1.ext"
  once "$1.crt" openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -days 825 -extfile "$1.ext" -out
  rm -f "$1.csr" "$1.ext"
}
certificate nexus "subjectAltName=DNS:nexus1,DNS:localhost,IP:$2.10\\nextendedKeyUsage=serverAuth"
certificate gitlab "subjectAltName=DNS:gitlab1,IP:$2.40\\nextendedKeyUsage=serverAuth"
# What Nagios and its agents show one another.
certificate nagios_client extendedKeyUsage=clientAuth
certificate nagios_agent extendedKeyUsage=serverAuth
