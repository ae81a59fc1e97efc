# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the GitLab modules share in their documentation beyond the fragment C(service)."""

from __future__ import annotations


class ModuleDocFragment:
    """The address, and how to give the connection once."""

    DOCUMENTATION = r"""
options:
  url:
    description: Address of GitLab, without the C(/api/v4) part, such as V(https://gitlab.example.org).
    type: str
    required: true
  token:
    description: A personal, group or project access token with the scope C(api). Some kinds of objects need an administrator's.
    type: str
    required: true
requirements:
  - requests (Python package, where the module runs)
  - python-gitlab (Python package, where the module runs)
attributes:
  action_group:
    description: Use C(group/mlops.onprem.gitlab) in C(module_defaults) to give the connection once.
    support: full
    membership: [mlops.onprem.gitlab]
notes:
  - Runs on the controller. Use C(delegate_to=localhost), C(run_once=true).
  - Every connection option can be given by an environment variable, E(GITLAB_URL), E(GITLAB_TOKEN), E(GITLAB_CA_PATH) and so on.
  - An option that is left out is left alone on an object that is there.
  - Written for GitLab 16 to 19, Community Edition first. Run against a stand-in whose every request and answer is checked against GitLab's API
    description, not against GitLab itself.
"""

    PROJECTS = r"""
options:
  projects:
    description: Full paths of projects that O(state=gathered) reads and O(purge) covers, even without items there.
    type: list
    elements: str
"""

    GROUPS = r"""
options:
  groups:
    description: Full paths of groups that O(state=gathered) reads and O(purge) covers, even without items there.
    type: list
    elements: str
"""
