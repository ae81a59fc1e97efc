# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a step works on: the project's pyproject.toml, the site's policy, the build's variables and folder. Runs nothing, changes nothing but records."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mlops_steps.outcome import BadInput

# What the project's own code (training, tests, a validation's loader) has no business with.
SECRETS = re.compile(r"^(MLOPS_.*(PASSWORD|TOKEN|SIGNING_KEY|INDEX_URL).*|VAULT_PASSWORD)$")


@dataclass
class Project:
    """The project in folder `root`, in a build with variables `env`."""

    root: Path
    env: dict = field(default_factory=lambda: dict(os.environ))

    @property
    def build(self):
        """The folder that steps write to."""
        return self.root / "build"

    @property
    def package(self):
        """The folder that is going to be published."""
        return self.build / "package"

    @property
    def reports(self):
        """The folder of what people and Jenkins read."""
        return self.build / "reports"

    @cached_property
    def settings(self):
        """[tool.mlops] of pyproject.toml, checked."""
        path = self.root / "pyproject.toml"
        if not path.is_file():
            raise BadInput(f"{self.root} has no pyproject.toml, run the step in the project's folder")
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("mlops")
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"pyproject.toml is no TOML: {error}") from error
        if not isinstance(found, dict):
            raise BadInput("pyproject.toml has no table [tool.mlops], give it model and train")
        if not isinstance(found.get("model"), str) or not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?", found["model"]):
            raise BadInput(f"pyproject.toml: tool.mlops.model is {found.get('model')!r}, give 1 to 48 of a-z, 0-9 and - (not at the ends)")
        train = found.get("train")
        if not isinstance(train, list) or not train or not all(isinstance(word, str) and word for word in train):
            raise BadInput(f"pyproject.toml: tool.mlops.train is {train!r}, give the command as a list of words, such as [\"python\", \"-m\", \"churn.train\"]")
        return {"lock": "requirements.txt", "description": "", "framework": "", "licenses": [], **found}

    @property
    def model(self):
        """The model's name, on which project and policy must agree: a policy of another model would have other thresholds."""
        name, wanted = self.settings["model"], self.policy.get("model")
        if wanted and wanted != name:
            raise BadInput(f"pyproject.toml: tool.mlops.model is {name!r}, the site's policy is for {wanted!r}")
        return name

    @cached_property
    def policy(self):
        """What the site decides; {} on a laptop."""
        path = self.env.get("MLOPS_POLICY")
        if not path:
            return {}
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"MLOPS_POLICY {path}: {error}") from error
        if not isinstance(found, dict):
            raise BadInput(f"MLOPS_POLICY {path} holds a {type(found).__name__}, give an object")
        return found

    def policy_value(self, name):
        """A value of the policy that the step cannot do without."""
        if not self.policy.get(name):
            raise BadInput(f"the policy has no {name}, " + ("onboard the model again" if self.policy else "name its file in MLOPS_POLICY"))
        return self.policy[name]

    @property
    def environments(self):
        """Where a version goes, in this order; production comes last."""
        return self.policy.get("environments") or ["staging", "production"]

    def from_site(self, variable, name):
        """A value of the build's variables, else of the policy; "" for none."""
        return self.env.get(variable) or self.policy.get(name) or ""

    @property
    def ca_file(self):
        """The file of authorities to trust instead of the system's; "" for none."""
        return self.from_site("MLOPS_CA_FILE", "ca_file")

    @property
    def store(self):
        """Base URL of the store of packages."""
        return self.env.get("MLOPS_STORE") or self.policy_value("store")

    def outside(self, **more):
        """Variables for the project's own code: the locked environment first, nothing secret."""
        kept = {name: value for name, value in self.env.items() if not SECRETS.match(name) and name not in ("PYTHONPATH", "PYTHONHOME")}
        home = self.build / "env"
        return {**kept, "VIRTUAL_ENV": str(home), "PATH": f"{home / 'bin'}{os.pathsep}{self.env.get('PATH', os.defpath)}", **more}

    def git(self, *words):
        """What git says about the project; "" where it says nothing (no repository, no git)."""
        try:
            done = subprocess.run(["git", *words], cwd=self.root, check=False, capture_output=True, text=True)
        except FileNotFoundError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    @cached_property
    def commit(self):
        """The commit that is built."""
        found = self.env.get("GIT_COMMIT") or self.git("rev-parse", "HEAD")
        if not found:
            raise BadInput(f"{self.root} has no commit, and a package names the commit it was made from: git init, git add, git commit")
        return found

    @property
    def ref(self):
        """The branch or tag that is built. Of a job with one branch, Jenkins tells only where it came from."""
        return (self.env.get("TAG_NAME") or self.env.get("BRANCH_NAME") or self.env.get("GIT_BRANCH", "").removeprefix("origin/")
                or self.git("branch", "--show-current") or "main")

    def write(self, name, value):
        """Write a JSON file below build/, whole or not at all."""
        path = self.build / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        new.replace(path)

    def read(self, name, default=None):
        """A JSON file below build/, or the default where there is none (yet)."""
        try:
            return json.loads((self.build / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return default

    def needed(self, name, step):
        """A JSON file below build/ that an earlier step has written."""
        found = self.read(name)
        if found is None:
            raise BadInput(f"build/{name} is not there, run the step {step} first")
        return found

    def record(self, step, started, code, reason):
        """Add a line for a step that has ended. One write each: steps run side by side."""
        if not (self.root / "pyproject.toml").is_file():
            return
        self.build.mkdir(exist_ok=True)
        line = {"step": step, "seconds": round(time.time() - started, 1), "exit": code,
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), "build": self.env.get("BUILD_URL", ""), "reason": reason}
        with open(self.build / "steps.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def steps(self):
        """The newest line of each step of this build, in the order of their starts. A workspace may still hold another build's."""
        try:
            lines = (self.build / "steps.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = {line["step"]: line for line in map(json.loads, lines) if line["build"] == self.env.get("BUILD_URL", "")}
        return sorted(found.values(), key=lambda line: line["started"])
