#!/bin/sh
# Puts into the tree what is not kept there: the API stand-in, the keys of gitlab.rb that the product's own template names (read where they lie beside
# the checkout), and the versions. The tree becomes the newest; the older ones, for the tests of upgrades, become packages beside it.
# Usage: build.sh TREE
set -eu
tree=$1
here=$(cd "$(dirname "$0")" && pwd)
standins=$here/../..
keys=$here/../../../../../shared/specs/gitlab_rb_keys_19.3.json
own=$tree/opt/gitlab/embedded/standin
if [ -e "$keys" ]; then
  install -m 0644 "$keys" "$own/keys.json"
else
  echo "stand-in gitlab-ce: it takes every name in gitlab.rb, as $keys does not stand beside the project" >&2
  echo '{"top_level": [], "scalars": [], "keys": [], "deprecated": []}' >"$own/keys.json"
fi
mkdir -p "$own/standins/gitlab" "$tree/opt/gitlab/embedded/service/gitlab-rails"
ln -s /usr/bin/ruby "$tree/opt/gitlab/embedded/bin/ruby"
touch "$own/standins/__init__.py"
install -m 0644 "$standins/server.py" "$own/standins/"
install -m 0644 "$standins"/gitlab/*.py "$own/standins/gitlab/"

version() { # version TREE VERSION MIN_VERSION: what the version is and from which one it may be upgraded to
  sed -i "s/@VERSION@/$2/; s/@MIN_VERSION@/$3/" "$1/DEBIAN/control" "$1/DEBIAN/preinst"
  printf '{"software": {}, "build_version": "%s"}\n' "$2" >"$1/opt/gitlab/version-manifest.json"
  printf 'gitlab-ce %s\n' "$2" >"$1/opt/gitlab/version-manifest.txt"
  echo "$2" >"$1/opt/gitlab/embedded/service/gitlab-rails/VERSION"
}
for one in 17.8.7:17.5 17.11.7:17.8; do
  older=$tree-${one%:*}
  cp -R "$tree" "$older"
  version "$older" "${one%:*}" "${one#*:}"
  find "$older" -exec touch -h -d @1767225600 {} +
  SOURCE_DATE_EPOCH=1767225600 dpkg-deb --root-owner-group -Znone --build "$older" "$(dirname "$tree")" >/dev/null
done
version "$tree" 18.2.8 17.11
