# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The closure of Jenkins plugins for playbooks; what it is stands in module_utils/_jenkins_closure."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_closure import closure, read


def jenkins_closure(text, wanted, core=""):
    """{pins, problems} of the wanted plugins, by the text of an update centre's file."""
    try:
        pins, problems = closure(read(text), wanted, core)
    except MlopsError as error:
        raise AnsibleFilterError(str(error)) from error
    return {"pins": pins, "problems": problems}


class FilterModule:
    """Filters of bundles."""

    def filters(self):
        return {"jenkins_closure": jenkins_closure}
