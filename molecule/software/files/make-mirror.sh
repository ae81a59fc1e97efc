#!/bin/sh
# Makes what stands for a bundle and for a vendor's package repository: tiny packages, signed, an archive, and a certificate to serve them with.
# Two runs make the same packages. Usage: make-mirror.sh FOLDER SUITE
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
suite=$2
[ ! -e "$folder/made" ] || exit 0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
umask 022

# package FOLDER NAME VERSION DEPENDS: a package whose program says its name and version.
package() {
  tree=$scratch/$2-$3
  mkdir -p "$1" "$tree/DEBIAN" "$tree/usr/bin"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: tests <tests@localhost>\nDepends: %s\nDescription: made by the tests\n' \
    "$2" "$3" "$4" >"$tree/DEBIAN/control"
  printf '#!/bin/sh\necho %s %s\n' "$2" "$3" >"$tree/usr/bin/$2"
  chmod 0755 "$tree/usr/bin/$2"
  find "$tree" -exec touch -h -d @1767225600 {} +
  SOURCE_DATE_EPOCH=1767225600 dpkg-deb --root-owner-group -Znone --build "$tree" "$1/$2_$3_all.deb" >/dev/null
}
sign() { "$here/../../../playbooks/files/apt-repository.sh" "$1" "$2" >/dev/null; }

packages=$folder/mirror/apt/$suite
package "$packages" mirrored-tool 1:1.0 'mirrored-library (>= 1.0)'
package "$packages" mirrored-library 1.0 dpkg
for name in served late spoiled; do package "$packages" "$name-tool" 1.0 dpkg; done
sign "$packages" "$folder/keys"
package "$folder/vendor" vendor-tool 2.0 dpkg
sign "$folder/vendor" "$folder/vendor-keys"

# The archive has the same bytes each time, on the mirror and elsewhere.
mkdir -p "$scratch/tool-1.0/bin"
printf '#!/bin/sh\necho tool 1.0\n' >"$scratch/tool-1.0/bin/tool"
chmod 0755 "$scratch/tool-1.0" "$scratch/tool-1.0/bin" "$scratch/tool-1.0/bin/tool"
tar -C "$scratch" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -cf "$folder/mirror/tool-1.0.tar" tool-1.0

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=tests' -addext 'subjectAltName=DNS:localhost' \
  -keyout "$folder/tls.key" -out "$folder/tls.crt" 2>/dev/null
touch "$folder/made"
echo "made $folder"
