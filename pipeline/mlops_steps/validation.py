# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Step validate: the version in production is fetched for comparison, then the pytest plugin decides. Knows the store's layout; knows no metric."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import urllib.parse
from pathlib import Path

from mlops_steps import monitoring
from mlops_steps.checks import faults, fresh_report, python
from mlops_steps.commands import last_words, run
from mlops_steps.outcome import BadInput, Stop
from mlops_steps.service import Refused, Service, basic

PIPELINE = Path(__file__).resolve().parents[1]
CONFIG = "validation.yml"
TITLE = "org.opencontainers.image.title"


def validate(project, _options):
    """Thresholds, comparison and the rest of validation.yml, on what training left in build/package."""
    interpreter = python(project)
    if not (project.root / CONFIG).is_file():
        raise BadInput(f"{project.root} has no {CONFIG}, which says what a version must show")
    if not project.package.is_dir():
        raise BadInput("build/package is not there, run the step train first")
    (project.build / "validated.json").unlink(missing_ok=True)
    report = fresh_report(project, "validation")
    before = baseline(project)
    words = [interpreter, "-m", "pytest", "-p", "mlops_validation.plugin", "--mlops-config", CONFIG, "--mlops-output", project.reports,
             "--mlops-package", project.package, "--junitxml", report]
    words += ["--mlops-policy", project.env["MLOPS_POLICY"]] if project.policy else []
    words += ["--mlops-baseline", before] if before else []
    code, lines = run(words, project.outside(PYTHONPATH=str(PIPELINE)), project.root)
    if code:
        said = project.read("reports/validation.json", {}).get("reasons") if report.is_file() else None
        raise Stop("validate: " + ("; ".join(said) if said else faults(report) if report.is_file() else last_words(lines)))
    project.write("validated.json", digests(project.package))


def digests(folder):
    """{path: sha256} of the files of a folder."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def baseline(project):
    """The folder of the version in production, None where there is none. A comparison that should be made and cannot be stops the step."""
    if given := project.env.get("MLOPS_BASELINE"):
        if not (Path(given) / "model.onnx").is_file():
            raise BadInput(f"MLOPS_BASELINE {given} holds no model.onnx, give the folder of a package")
        return Path(given)
    version, digest = project.env.get("MLOPS_BASELINE_VERSION"), None
    if not version:
        if not project.policy.get("prometheus_url"):
            print("no version in production is known here (the policy names no prometheus_url): nothing to compare with")
            return None
        found = monitoring.serving(project, project.environments[-1])
        if not found:
            print("no version is in production yet: nothing to compare with")
            return None
        # Hosts may differ while a release is under way: what most of them serve.
        version, digest = max(found, key=lambda key: (found[key], key))
    folder = project.build / "baseline"
    shutil.rmtree(folder, ignore_errors=True)
    fetch(reader(project), project.model, version, digest, folder)
    project.write("baseline.json", {"version": version, "digest": digest})
    print(f"compared with {version}, which is in production")
    return folder


def reader(project):
    """read(path below the store) as the one who may read it; the publisher's account serves too where it is at hand."""
    url, env = project.store, project.env
    if url.startswith("file://"):
        root = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path))

        def from_folder(path):
            try:
                return (root / path).read_bytes()
            except OSError as error:
                raise Stop(f"store {url}: {path}: {error.strerror}") from error
        return from_folder
    kind = "MLOPS_STORE_READER" if env.get("MLOPS_STORE_READER_USERNAME") else "MLOPS_STORE"
    service = Service("store", url, basic(env.get(f"{kind}_USERNAME"), env.get(f"{kind}_PASSWORD")), project.ca_file)

    def from_server(path):
        try:
            return service.request("GET", f"/{urllib.parse.quote(path, safe='/:')}")
        except Refused as error:
            if error.status in (401, 403):
                raise Stop(f"{error}: the version in production cannot be read, set MLOPS_STORE_READER_USERNAME and MLOPS_STORE_READER_PASSWORD "
                           "to an account that may read the store") from error
            raise
    return from_server


def fetch(read, model, version, digest, folder):
    """Write the files of a published version into a folder, each checked by its sha256, the manifest by the digest that production serves."""
    raw = read(f"{model}/manifests/{version}")
    got = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if digest and got != digest:
        raise Stop(f"store: {model} {version} is {got}, in production is {digest}: they are not the same package")
    try:
        layers = [(layer["annotations"][TITLE], layer["digest"]) for layer in json.loads(raw)["layers"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Stop(f"store: {model}/manifests/{version} is no manifest of a package") from error
    for path, wanted in layers:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", wanted) or Path(path).is_absolute() or ".." in Path(path).parts:
            raise Stop(f"store: {model}/manifests/{version} names the file {path!r} with digest {wanted!r}, no package has such a one")
        content = read(f"{model}/blobs/{wanted}")
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != wanted:
            raise Stop(f"store: {model}/blobs/{wanted} holds other bytes than its name says")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
