#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes of Jenkins as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jenkins_nodes
short_description: Manage nodes of Jenkins
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads agents' nodes, as a list, in one pass.
  - The built-in node, V((built-in\)), can only be taken offline and back.
  - The secret by which an inbound agent connects is not returned.
  - Nodes with the launcher V(ssh) and tool locations were not checked against a controller, whose recordings had neither.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.jenkins
options:
  nodes:
    description: The nodes to manage. Each C(name) may be given once.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the node.
        type: str
        required: true
      launcher:
        description:
          - How its agent starts, Jenkins over V(ssh), or V(inbound) by itself. Needed for a new node. With another launcher its options begin as for a new one.
        type: str
        choices: [inbound, ssh]
      description:
        description:
          - Description.
        type: str
      remote_fs:
        description:
          - Folder of the agent on its machine. Needed for a new node.
        type: str
      executors:
        description:
          - How many builds it runs at once, V(1) or more; V(1) for a new one unless given.
        type: int
      mode:
        description:
          - Whether it runs any build, or V(exclusive)ly those that ask for its labels; V(normal) for a new one unless given.
        type: str
        choices: [normal, exclusive]
      labels:
        description:
          - Labels.
        type: list
        elements: str
      environment:
        description:
          - Environment variables of builds on it, all of them. Free form, because their names are yours.
        type: dict
      tools:
        description:
          - Where tools are on it, all of them. An empty list takes them away.
        type: list
        elements: dict
        suboptions:
          type:
            description:
              - Class of the tool, such as V(hudson.plugins.git.GitTool$DescriptorImpl).
            type: str
            required: true
          name:
            description:
              - Name of the installation in Jenkins' configuration, such as V(Default).
            type: str
            required: true
          home:
            description:
              - Path on the agent's machine.
            type: str
            required: true
      websocket:
        description:
          - Of V(inbound), whether it connects by WebSocket instead of a port of its own; it does for a new one unless given.
        type: bool
      work_dir:
        description:
          - Of V(inbound), the folder the agent works in. Empty text is O(nodes[].remote_fs).
        type: str
      host:
        description:
          - Of V(ssh), the machine. Needed for a new one.
        type: str
      port:
        description:
          - Of V(ssh), the port; V(22) for a new one unless given.
        type: int
      credentials_id:
        description:
          - Of V(ssh), the id of the credential. Needed for a new one.
        type: str
      java_path:
        description:
          - Of V(ssh), the path of Java. Empty text is the one that is found.
        type: str
      jvm_options:
        description:
          - Of V(ssh), options of Java.
        type: str
      host_key_verification:
        description:
          - Of V(ssh), how the machine's key is checked. Against Jenkins' V(known_hosts), as once V(trusted), as V(provided) in O(nodes[].host_key), or V(none);
          - V(known_hosts) for a new one unless given.
        type: str
        choices: [known_hosts, trusted, provided, none]
      host_key:
        description:
          - With V(provided), the machine's public key, type and blob as in a known_hosts file.
        type: str
      offline:
        description:
          - Whether it is taken offline. An agent that is not connected is another matter.
        type: bool
      offline_reason:
        description:
          - Why it is offline, with O(nodes[].offline).
        type: str
  purge:
    description:
      - Also delete every node that is not listed, except the built-in one and those that a cloud has made.
      - An empty list is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Agents with a GPU
  mlops.onprem.jenkins_nodes:
    nodes:
      - name: gpu-1
        launcher: ssh
        host: gpu-1.example.org
        credentials_id: agents
        remote_fs: /srv/jenkins
        labels: [linux, gpu]
        executors: 2
        mode: exclusive
        environment:
          CUDA_VISIBLE_DEVICES: "0"
      - name: edge-1
        launcher: inbound
        remote_fs: /srv/jenkins

- name: Take a machine out for maintenance
  mlops.onprem.jenkins_nodes:
    nodes:
      - name: gpu-1
        offline: true
        offline_reason: New driver
"""

RETURN = r"""
results:
  description:
    - One entry per item, in the order in which they were handled, with what names the item.
    - C(result) is V(created), V(updated), V(deleted), V(unchanged), V(failed), or V(skipped) after a failure; C(why) is there when it failed or was skipped.
  returned: unless O(state=gathered)
  type: list
  elements: dict
  sample:
    - name: gpu-1
      result: created
gathered:
  description: What is on the server, in the form this module takes. The launcher of an agent that neither V(ssh) nor V(inbound) starts is left out, and
    the nodes that a cloud has made.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{name: edge-1, launcher: inbound, remote_fs: /srv/jenkins, executors: 1, mode: normal}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 3
"""

from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_kinds import NODES
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(JENKINS, NODES)


if __name__ == "__main__":
    main()
