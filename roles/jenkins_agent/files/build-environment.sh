#!/usr/bin/env bash
# Builds an environment with Ansible from hash-locked wheels, tries it, and only then gives it its name.
# It knows where wheels may come from; it does not know which packages there are (the lock does).
# Usage: build-environment.sh PYTHON HOME TARGET WHEELHOUSE   (WHEELHOUSE: "" = pip's index, a folder, or file://a.tar)
set -euo pipefail
python=$1 home=$2 target=$3 wheelhouse=$4

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
  { echo "jenkins_agent_deploy_python: $python is $("$python" -V), Ansible here needs Python 3.11 to 3.13" >&2; exit 1; }

# A killed run leaves its folder (and perhaps a pip that still writes to it): a later run uses another one, and clears what nobody can be using.
find "$home" -maxdepth 1 -name '*.partial.*' -mmin +60 -exec rm -rf {} +
partial=$(mktemp -d "$target.partial.XXXXXX")
chmod 0755 "$partial"
trap 'rm -rf "$partial"' EXIT
source=()
case $wheelhouse in
  "") ;;
  file://*) mkdir "$partial/wheels"; tar -xf "${wheelhouse#file://}" -C "$partial/wheels"; source=(--no-index --find-links "$partial/wheels") ;;
  *) source=(--no-index --find-links "$wheelhouse") ;;
esac

# pip runs from the wheel that python3-venv brings and stays out of the environment.
"$python" -m venv --without-pip "$partial"
PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) "$partial/bin/python" -m pip --quiet --no-cache-dir --disable-pip-version-check \
  install --no-deps --only-binary :all: --require-hashes "${source[@]}" --requirement "$home/requirements-deploy.txt"
rm -rf "$partial/wheels"
"$partial/bin/python" -m ansible playbook --version >/dev/null
# Scripts name their interpreter by the path that they are going to have.
grep -lIr "^#!$partial/" "$partial/bin" | xargs -r sed -i "1s|^#!$partial/|#!$target/|"
mv -T "$partial" "$target"
