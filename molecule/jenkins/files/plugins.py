# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes stand-ins of Jenkins' plugins, files with a manifest and nothing else, as a mirror with a lock file. They are not the plugins.

Usage: plugins.py FOLDER [LOCK NAME=VERSION...]. It prints what it made. With a LOCK, another lock file is made with these versions in place of the others.
"""

import hashlib
import sys
import zipfile
from pathlib import Path

PLUGINS = {  # name: (version, what it depends on)
    "cloudbees-folder": ("6.1100.ve9eed61d16c4", ["credentials"]), "configuration-as-code": ("2006.v001a_2ca_6b_574", ["caffeine-api"]),
    "caffeine-api": ("3.2.2-178.v353b_8428ed56", []), "credentials": ("1502.v5c95e620ddfe", ["structs"]), "git": ("5.8.0", ["credentials"]),
    "matrix-auth": ("3.2.8", []), "pipeline-groovy-lib": ("787.ve2fef0efdca_6", ["git"]), "plain-credentials": ("199.v9f8e1f741799", ["credentials"]),
    "role-strategy": ("777.v6d04b_3c0a_5cd", []), "ssh-credentials": ("361.vb_f6760818e8c", ["credentials"]),
    "ssh-slaves": ("3.1097.v868116049892", ["ssh-credentials"]), "structs": ("362.va_b_695ef4fdf9", []),
    "workflow-job": ("1571.1580.v18e46842c125", ["workflow-step-api"]), "workflow-step-api": ("710.v3e456cc85233", ["structs"]),
    "workflow-cps": ("4350.vcc65d4958821", ["workflow-step-api", "workflow-job"]),
}  # fmt: skip


def make(folder, name, version, needs):
    """One file of the mirror; its pin."""
    path = folder / name / version / f"{name}.hpi"
    wanted = ",".join(f"{need}:{PLUGINS[need][0]}" for need in needs)
    manifest = f"Manifest-Version: 1.0\r\nShort-Name: {name}\r\nPlugin-Version: {version}\r\nJenkins-Version: 2.479.1\r\n"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), manifest + (f"Plugin-Dependencies: {wanted}\r\n" if wanted else "") + "\r\n")
        print(f"made {path}")
    return f'- {{name: {name}, version: "{version}", sha256: {hashlib.sha256(path.read_bytes()).hexdigest()}}}'


target, lock = Path(sys.argv[1]), (sys.argv[2:3] or ["lock.yml"])[0]
others = dict(pair.split("=") for pair in sys.argv[3:])
pins = [make(target, name, others.get(name, version), needs) for name, (version, needs) in sorted(PLUGINS.items())]
(target / lock).write_text("---\n# Pins of stand-ins of plugins.\n" + "\n".join(pins) + "\n", encoding="utf-8")
