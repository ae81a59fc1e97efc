#!/bin/sh
# Makes a private CA once, on the controller: ca.key (mode 0600) and ca.crt in a folder. What is there is kept, so a killed run is finished by the next.
# Usage: ca.sh FOLDER NAME DAYS
set -eu
umask 077
cd "$1"
if [ ! -e ca.key ]; then
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key.new
  mv ca.key.new ca.key
fi
if [ ! -e ca.crt ]; then
  openssl req -x509 -new -key ca.key -sha256 -days "$3" -subj "/CN=$2" -addext 'keyUsage=critical,keyCertSign,cRLSign' -out ca.crt.new
  mv ca.crt.new ca.crt
fi
