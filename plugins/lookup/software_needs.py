# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What playbooks and their roles ask role software for, read from their own files, so that no second list of it can be wrong. It fetches nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
name: software_needs
short_description: What the roles of playbooks ask role software for
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Reads playbooks, those that they import, and the roles of this collection that they use, and finds every include of role
    P(mlops.onprem.software#role) in them. Its variables are filled in for each host of the play, without a connection to any.
  - A role may read C(/etc/os-release) of its host by M(ansible.builtin.slurp) before; it is given the name of the suite. Whatever else a role learns
    from its host is not known here.
  - An inventory without other hosts than C(localhost) stands for no site in particular; then every play counts, with the values that roles have by
    themselves.
options:
  _terms:
    description: Paths of playbooks.
    required: true
    type: list
    elements: path
  suites:
    description: Code names of the systems that hosts may have.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: What is needed
  ansible.builtin.debug:
    msg: "{{ lookup('mlops.onprem.software_needs', playbook_dir ~ '/site.yml', suites=['bookworm']) }}"
"""

RETURN = r"""
_list:
  description:
    - One entry for each include, suite and set of values, with C(of), who asks; C(suite), C(hosts), C(packages), C(repositories) and C(archives), as the
      options of role software; C(requirements), paths of the role's locks of Python packages; C(problem), why the values are not known, or empty.
  type: list
  elements: dict
"""

import base64
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

COLLECTION = Path(__file__).resolve().parents[2]
PREFIX = "mlops.onprem."
SOFTWARE = f"{PREFIX}software"
IMPORTS = ("ansible.builtin.import_playbook", "import_playbook")
INCLUDES = ("ansible.builtin.include_role", "ansible.builtin.import_role", "include_role", "import_role")
SLURPS = ("ansible.builtin.slurp", "slurp")
TASKS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")
OPTIONS = {"packages": "software_packages", "repositories": "software_repositories", "archives": "software_archives"}


class LookupModule(LookupBase):
    """One run reads all files once and fills in values once for each host, suite and include."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        self._variables, self._seen = variables, set()
        found = {}
        for path, play in (each for term in terms for each in self._plays(Path(term).resolve())):
            for host in self._hosts(play["hosts"]):
                for suite in self.get_option("suites"):
                    for need in self._of_play(path, play, host, suite):
                        found.setdefault(repr(need), {**need, "hosts": []})["hosts"].append(host)
        for need in found.values():
            need["hosts"] = list(dict.fromkeys(need["hosts"]))
        return list(found.values())

    def _load(self, path):
        """The content of a YAML file; what it templates may be filled in."""
        return (self._loader.load_from_file(str(path), cache="none", trusted_as_template=True) or []) if path.is_file() else []

    def _plays(self, path):
        if path in self._seen:
            return
        self._seen.add(path)
        if not path.is_file():
            raise AnsibleError(f"playbook {path} is not there")
        for play in self._load(path):
            imported = next((play[key] for key in IMPORTS if key in play), None)
            if imported:
                yield from self._plays((path.parent / imported).resolve())
            else:
                yield path, play

    def _hosts(self, pattern):
        """Hosts of a play. Of patterns those are known that this collection uses: names of groups and hosts, a colon or comma between them."""
        groups = self._variables["groups"]
        if not set(groups["all"]) - {"localhost"}:
            return ["localhost"]
        pattern = self._templar.template(pattern)
        names = [name.strip() for name in (pattern if isinstance(pattern, list) else pattern.replace(",", ":").split(":"))]
        return list(dict.fromkeys(host for name in names for host in groups.get(name, [name] if name in groups["all"] or name == "localhost" else [])))

    def _of_play(self, path, play, host, suite):
        given = {**self._host(host), **(play.get("vars") or {})}
        for role in ({"role": role} if isinstance(role, str) else role for role in play.get("roles") or []):
            own = {key: value for key, value in role.items() if key not in ("role", "name", "tags", "when", "vars", "become")} | (role.get("vars") or {})
            yield from self._of_role(role.get("role", role.get("name")), f"playbook {path.name}", given, own, suite)
        yield from self._of_tasks([play], f"playbook {path.name}", given, suite)

    def _host(self, host):
        return dict(self._variables["hostvars"].raw_get(host))

    def _of_role(self, name, asked_by, given, own, suite):
        """`given` are the variables that hold where the role is used, `own` those that it is used with."""
        if name == SOFTWARE:
            yield self._need(asked_by, given | own, own, suite)
        elif name.startswith(PREFIX):
            role = COLLECTION / "roles" / name.removeprefix(PREFIX)
            tasks = [task for path in sorted((role / "tasks").glob("*.yml")) for task in self._load(path)]
            variables = dict(self._load(role / "defaults" / "main.yml")) | given | dict(self._load(role / "vars" / "main.yml")) | own
            for task in walk(tasks):
                if any((task.get(key) or {}).get("src") == "/etc/os-release" for key in SLURPS):
                    variables[task["register"]] = {"content": base64.b64encode(f"VERSION_CODENAME={suite}\n".encode()).decode()}
            requirements = sorted(str(path) for path in (role / "files").glob("requirements*.txt"))
            if requirements:
                yield {**self._nothing(f"role {role.name}", suite), "requirements": requirements}
            yield from self._of_tasks(tasks, f"role {role.name}", variables, suite)

    def _of_tasks(self, tasks, asked_by, given, suite):
        for task in walk(tasks):
            included = next((task[key] for key in INCLUDES if key in task), None)
            if included and included.get("tasks_from", "main") in ("main", "main.yml"):
                yield from self._of_role(included["name"], asked_by, given, task.get("vars") or {}, suite)

    @staticmethod
    def _nothing(asked_by, suite):
        return {"of": asked_by, "suite": suite, "packages": [], "repositories": [], "archives": [], "requirements": [], "problem": ""}

    def _need(self, asked_by, variables, own, suite):
        need = self._nothing(asked_by, suite)
        templar = self._templar.copy_with_new_env(available_variables=variables)
        try:
            for key, option in OPTIONS.items():
                need[key] = templar.template(own.get(option, []))
        except AnsibleError as error:
            need["problem"] = " ".join(str(error).split())
        return need


def walk(tasks):
    """Every task, those in blocks included."""
    for task in tasks:
        if isinstance(task, dict):
            yield task
            for key in TASKS:
                yield from walk(task.get(key) or [])
