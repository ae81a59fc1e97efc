# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Steps package and publish: is build/package whole and the one that was validated, what is it called, and into the store with it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from mlops_steps.ansible import playbook
from mlops_steps.outcome import BadInput, Stop
from mlops_steps.validation import digests

# What Jenkins runs before it packages; on a laptop, only who looks would notice that one of them has failed.
CHECKS = ("lint", "unit", "integration", "data", "train", "validate")
NEEDED = ("golden.json", "metrics.json")
VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


def package(project, _options):
    """Check build/package and decide the version."""
    if failed := [step["step"] for step in project.steps() if step["exit"] and step["step"] in CHECKS]:
        raise Stop(f"package: {', '.join(failed)} failed, nothing is packaged before that is repaired and run again")
    folder = project.package
    if not folder.is_dir():
        raise BadInput("build/package is not there, run the step train first")
    links = [path.name for path in folder.rglob("*") if path.is_symlink()]
    if links:
        raise Stop(f"package: {', '.join(links)} in build/package: a package holds plain files, no links")
    files = digests(folder)
    for name in NEEDED:
        if name not in files:
            raise Stop(f"package: build/package has no {name}, run the step validate, which writes it")
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except ValueError as error:
            raise Stop(f"package: build/package/{name} is no JSON: {error}") from error
    formats = [".onnx", *project.policy.get("formats", [])]
    if not any(path.endswith(tuple(formats)) for path in files):
        raise Stop(f"package: build/package has no model file ({', '.join(formats)})")
    validated = project.needed("validated.json", "validate")
    if changed := sorted(name for name in files.keys() | validated.keys() if files.get(name) != validated.get(name)):
        raise Stop(f"package: {', '.join(changed)} in build/package changed after validation: what is published is what was validated")
    sizes = [{"path": name, "size": (folder / name).stat().st_size, "digest": f"sha256:{digest}"} for name, digest in files.items()]
    made = {"model": project.model, "version": version(project), "files": sizes, "bytes": sum(file["size"] for file in sizes), "commit": project.commit,
            "author": project.git("log", "-1", "--format=%an"), "subject": project.git("log", "-1", "--format=%s")}
    project.write("package.json", made)
    print(f"{made['model']} {made['version']}: {len(sizes)} files, {made['bytes']} bytes")


def version(project):
    """A tag's own version, else one that sorts by time and names the commit."""
    if tag := project.env.get("TAG_NAME"):
        found = re.sub(r"^v(?=\d)", "", tag)
        if not VERSION.fullmatch(found):
            raise BadInput(f"tag {tag!r} is no version: 1 to 64 of letters, digits, '.', '_' and '-', such as v1.2")
        return found
    # Someone's unfinished work is in no commit; on an agent there is none.
    unfinished = "-dirty" if not project.env.get("BUILD_URL") and project.git("status", "--porcelain") else ""
    return time.strftime("%Y%m%d.%H%M%S", time.gmtime()) + f"-{project.commit[:8]}{unfinished}"


def publish(project, _options):
    """Sign and publish by playbooks/publish.yml. What it must not tell goes by environment."""
    made = project.needed("package.json", "package")
    key = project.env.get("MLOPS_SIGNING_KEY")
    if not key or not Path(key).is_file():
        raise BadInput(f"MLOPS_SIGNING_KEY is {key or 'empty'}, give the file of the key that signs packages")
    current = {name: f"sha256:{digest}" for name, digest in digests(project.package).items()}
    if current != {file["path"]: file["digest"] for file in made["files"]}:
        raise Stop("publish: build/package is not what the step package looked at, run that again")
    result = project.build / "publish.json"
    result.unlink(missing_ok=True)
    metrics = json.loads((project.package / "metrics.json").read_text(encoding="utf-8"))
    annotations = {
        "description": project.settings["description"],
        "framework": project.settings["framework"],
        "licenses": project.settings["licenses"],
        "git_commit": made["commit"],
        "source_url": source_url(project),
        "build_url": project.env.get("BUILD_URL", ""),
        "dataset_digest": (project.read("dataset.json") or {}).get("digest", ""),
        "metrics": {name: value for name, value in metrics.items() if isinstance(value, (int, float)) and not isinstance(value, bool)},
    }
    variables = {"model": made["model"], "version": made["version"], "folder": str(project.package), "store": project.store, "report": str(result),
                 "annotations": {name: value for name, value in annotations.items() if value}, "allow_formats": project.policy.get("formats", [])}
    code, reason = playbook(project, "publish", variables, **({"MLOPS_STORE_CA_PATH": project.ca_file} if project.ca_file else {}))
    if code:
        raise Stop(f"publish: {reason}")
    done = project.needed("publish.json", "publish")
    print(f"{made['model']} {made['version']}: {done['digest']}, sent {done['blobs_sent']} files, {done['bytes_sent']} of {done['bytes_total']} bytes")


def source_url(project):
    """The project's page at GitLab; "" on a laptop."""
    url, path = project.policy.get("gitlab_url"), project.policy.get("project")
    return f"{url.rstrip('/')}/{path}" if url and path else ""
