# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Nexus modules share in their documentation beyond the fragment C(service)."""

from __future__ import annotations


class ModuleDocFragment:
    """The address, and how to give the connection once."""

    DOCUMENTATION = r"""
options:
  url:
    description: Address of Nexus, without the C(/service/rest) part, such as V(https://nexus.example.org).
    type: str
    required: true
  username:
    description: User to connect as.
    type: str
  password:
    description: Password of O(username).
    type: str
requirements:
  - requests (Python package, where the module runs)
attributes:
  action_group:
    description: Use C(group/mlops.onprem.nexus) in C(module_defaults) to give the connection once.
    support: full
    membership: [mlops.onprem.nexus]
notes:
  - Runs on the controller. Use C(delegate_to=localhost), C(run_once=true).
  - Every connection option can be given by an environment variable, E(NEXUS_URL), E(NEXUS_USERNAME), E(NEXUS_PASSWORD), E(NEXUS_CA_PATH) and so on.
  - An option that is left out is left alone on an object that is there.
  - Run against Nexus Repository 3.71.0; newer endpoints follow the API description of 3.94.
"""
