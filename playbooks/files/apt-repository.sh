#!/bin/sh
# Makes a folder of .deb files a signed package repository (flat: its suite is "./"). It knows nothing of what the packages are.
# Usage: apt-repository.sh FOLDER KEYHOME     KEYHOME keeps the signing key, made at the first use; FOLDER/key.asc becomes its public half.
set -eu
folder=$1
umask 077
mkdir -p "$2"
# By a short name: gpg's agent listens on a socket in its home, and the path of a socket has at most 107 characters.
short=$(mktemp -d)
ln -s "$(cd "$2" && pwd)" "$short/keys"
export GNUPGHOME="$short/keys"
trap 'gpgconf --kill gpg-agent; rm -rf "$short"' EXIT
gpg --batch --quiet --list-secret-keys mlops-onprem >/dev/null 2>&1 \
  || gpg --batch --quiet --passphrase '' --quick-generate-key 'mlops-onprem package repository <mlops-onprem@localhost>' ed25519 sign never
umask 022
cd "$folder"
apt-ftparchive packages . >Packages.new
if cmp -s Packages.new Packages && [ -e InRelease ] && [ -e key.asc ]; then
  rm Packages.new
else
  # The signature last: until it is there, and when it does not fit, apt refuses the folder.
  rm -f InRelease
  mv Packages.new Packages
  apt-ftparchive -o APT::FTPArchive::Release::Suite=./ release . >.Release.new
  gpg --batch --armor --export mlops-onprem >key.asc
  gpg --batch --quiet --yes --digest-algo SHA512 --clearsign --output .InRelease.new .Release.new
  mv .InRelease.new InRelease
  rm .Release.new
  echo "made $folder"
fi
