# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Jenkins modules share in their documentation beyond the fragment C(service)."""

from __future__ import annotations


class ModuleDocFragment:
    """The address, and how to give the connection once."""

    DOCUMENTATION = r"""
options:
  url:
    description: Address of Jenkins, such as V(https://jenkins.example.org).
    type: str
    required: true
  username:
    description: User to connect as.
    type: str
  password:
    description: API token of O(username), or the password.
    type: str
    aliases: [token]
requirements:
  - requests (Python package, where the module runs)
  - python-jenkins (Python package, where the module runs)
attributes:
  action_group:
    description: Use C(group/mlops.onprem.jenkins) in C(module_defaults) to give the connection once.
    support: full
    membership: [mlops.onprem.jenkins]
notes:
  - Runs on the controller. Use C(delegate_to=localhost), C(run_once=true).
  - Every connection option can be given by an environment variable, E(JENKINS_URL), E(JENKINS_USERNAME), E(JENKINS_TOKEN) or E(JENKINS_PASSWORD),
    E(JENKINS_CA_PATH) and so on.
  - An option that is left out is left alone on an object that is there.
  - Run against a stand-in that was checked against recordings of a Jenkins controller 2.541.3, not against a controller itself.
"""
