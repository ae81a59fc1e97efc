#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docs, options and one call: how Jenkins is restarted stands in `_jenkins_work`."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jenkins_restart
short_description: Restart Jenkins after its builds, or keep it quiet
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Lets Jenkins take no new builds, waits for those that run, restarts it once, and waits until it answers as before.
  - Uses the safe restart of Jenkins, which waits for builds that a restart would lose. Pipelines are paused by it and go on afterwards.
  - A task that is killed while it waits leaves a Jenkins that restarts by itself when the builds have ended; the next run takes the wait on.
extends_documentation_fragment:
  - mlops.onprem.service.connection
  - mlops.onprem.jenkins
options:
  state:
    description:
      - V(restarted) restarts, in every run unless O(only_if_required) is true.
      - V(quiet) only lets Jenkins take no new builds. V(active) takes that back, and a restart that waits for builds too.
    type: str
    choices: [restarted, quiet, active]
    default: restarted
  only_if_required:
    description: Restart only if Jenkins says that an installed plugin waits for a restart. A plugin that was enabled, disabled or uninstalled does not count.
    type: bool
    default: false
  reason:
    description: What Jenkins shows its users while it takes no builds.
    type: str
  build_timeout:
    description: Seconds to wait for running builds. After that the restart is taken back and the task fails, naming them.
    type: int
    default: 3600
  force_after_timeout:
    description: Restart after O(build_timeout) in spite of running builds, which are lost.
    type: bool
    default: false
  start_timeout:
    description: Seconds until Jenkins has to answer again after it went down.
    type: int
    default: 600
attributes:
  check_mode:
    description: Can run in check mode and tell what would change; no request that could write is sent.
    support: full
  diff_mode:
    description: Shows the state before and after.
    support: full
notes:
  - That a safe restart which is taken back stays so, and what pipelines do meanwhile, is by the source of Jenkins. Not checked against a controller.
  - Reads are not tried again while Jenkins goes down, so that its absence is seen; O(retries) has no effect.
"""

EXAMPLES = r"""
- name: Make new plugins active, after the training that runs
  mlops.onprem.jenkins_restart:
    only_if_required: true
    reason: New plugins, back in a minute
    build_timeout: 14400

- name: No new builds during the backup
  mlops.onprem.jenkins_restart:
    state: quiet
    reason: Backup

- name: Go on after the backup
  mlops.onprem.jenkins_restart:
    state: active
"""

RETURN = r"""
result:
  description: The state that was made, or V(unchanged).
  returned: success
  type: str
  sample: restarted
running:
  description: Builds that ran when the task began, if there was something to do.
  returned: success
  type: list
  elements: str
  sample: ["team » model #7"]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 9
"""

from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_work import restart_module
from ansible_collections.mlops.onprem.plugins.module_utils._module import run


def main():
    options = {
        "state": {"type": "str", "choices": ["restarted", "quiet", "active"], "default": "restarted"},
        "only_if_required": {"type": "bool", "default": False},
        "reason": {"type": "str"},
        "build_timeout": {"type": "int", "default": 3600},
        "force_after_timeout": {"type": "bool", "default": False},
        "start_timeout": {"type": "int", "default": 600},
    }
    run(JENKINS.spec() | options, restart_module)


if __name__ == "__main__":
    main()
