#!/bin/sh
# Packs the stand-in of tests/standins/jenkins and what makes a service of it into one file that Python runs, under the name of the product's; compiles
# the stand-in of agent.jar that it hands out. Its version is the one that the role asks for: there is one place for it. Takes the copy of the tree.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v javac >/dev/null || { echo "the stand-in package of Jenkins needs javac: install default-jdk-headless" >&2; exit 1; }
version=$(sed -n 's/^jenkins_version: *//p' "$here/../../../../roles/jenkins/defaults/main.yml")
sed -i "s/@version@/$version/" "$1/DEBIAN/control" "$1/standin/__main__.py"
mkdir "$1/standin/standins" "$1/agent/classes"
cp "$here/../../server.py" "$here/../../jenkins" "$1/standin/standins" -R
touch "$1/standin/standins/__init__.py"
javac -proc:none --release 17 -d "$1/agent/classes" "$1/agent/Agent.java"
# Not with the jar command: two builds of one tree are to be one file.
python3 - "$1" <<'END'
import sys
import zipfile
from pathlib import Path

tree = Path(sys.argv[1])


def pack(target, folder, files, first=()):
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in first:
            archive.writestr(zipfile.ZipInfo(name), text)
        for file in sorted(files):
            archive.writestr(zipfile.ZipInfo(str(file.relative_to(folder))), file.read_bytes())


classes = tree / "agent" / "classes"
pack(tree / "standin" / "agent.jar", classes, classes.rglob("*.class"), [("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nMain-Class: Agent\r\n\r\n")])
code = [file for file in (tree / "standin").rglob("*") if file.suffix in (".py", ".jar") and "__pycache__" not in file.parts]
(tree / "usr/share/java").mkdir(parents=True, exist_ok=True)
pack(tree / "usr/share/java/jenkins.war", tree / "standin", code)
END
rm -rf "$1/standin" "$1/agent"
chmod 0755 "$1/DEBIAN/postinst" "$1/DEBIAN/prerm" "$1/usr/bin/jenkins"
