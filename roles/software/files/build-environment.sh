#!/usr/bin/env bash
# Builds a Python environment from hash-locked wheels, tries it, and only then gives it its name.
# It knows where wheels may come from; it does not know which packages there are (the lock does) nor what they are for (the trial does).
# Usage: build-environment.sh OPTION PYTHON TARGET LOCK WHEELHOUSE MIB COMPILE TRIAL...
#   OPTION: the role's option that PYTHON comes from; WHEELHOUSE: "" = pip's index, a folder, or file://a.tar; MIB: room that it needs;
#   COMPILE: yes, or no = what the trial does not import is compiled by nobody; TRIAL: arguments of the environment's Python
set -euo pipefail
option=$1 python=$2 target=$3 lock=$4 wheelhouse=$5 need_mib=$6 compile=$7
shift 7
home=$(dirname "$target")

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
  { echo "$option: $python is $("$python" -V), the environment needs Python 3.11 to 3.13" >&2; exit 1; }
free_mib=$(df --output=avail -m "$home" | tail -n 1)
((free_mib >= need_mib)) || { echo "$home has $free_mib MiB free, building the environment needs $need_mib MiB" >&2; exit 1; }

# A killed run leaves its folder (and perhaps a pip that still writes to it): a later run uses another one, and clears what nobody can be using.
find "$home" -maxdepth 1 -name '*.partial.*' -mmin +60 -exec rm -rf {} +
partial=$(mktemp -d "$target.partial.XXXXXX")
chmod 0755 "$partial"
trap 'rm -rf "$partial"' EXIT
options=()
case $wheelhouse in
  "") ;;
  file://*) mkdir "$partial/wheels"; tar -xf "${wheelhouse#file://}" -C "$partial/wheels"; options=(--no-index --find-links "$partial/wheels") ;;
  *) options=(--no-index --find-links "$wheelhouse") ;;
esac
[ "$compile" = yes ] || options+=(--no-compile)

# pip runs from the wheel that python3-venv brings and stays out of the environment.
"$python" -m venv --without-pip "$partial"
PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) "$partial/bin/python" -m pip --quiet --no-cache-dir --disable-pip-version-check \
  install --no-deps --only-binary :all: --require-hashes "${options[@]}" --requirement "$lock"
rm -rf "$partial/wheels"
"$partial/bin/python" "$@" >/dev/null
# Scripts name their interpreter by the path that they are going to have.
grep -lIr "^#!$partial/" "$partial/bin" | xargs -r sed -i "1s|^#!$partial/|#!$target/|"
mv -T "$partial" "$target"
