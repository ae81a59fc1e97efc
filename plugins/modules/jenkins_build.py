#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docs, options and one call: how a build is triggered and followed stands in `_jenkins_work`."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jenkins_build
short_description: Build a job of Jenkins and wait for the result
version_added: "0.1.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Triggers a job, follows its queue item to the build and the build to its end, for hours if need be, and returns result, log and artifacts.
  - Lost connections and restarts of Jenkins during the wait are survived. The wait itself can be resumed by O(queue_id) or O(number).
  - Parameters that the job does not have, which Jenkins would ignore, and values that it would refuse or misread are named before anything is triggered.
extends_documentation_fragment:
  - mlops.onprem.service.connection
  - mlops.onprem.jenkins
options:
  job:
    description: Full name of the job, such as V(team/model).
    type: str
    required: true
  parameters:
    description:
      - Parameters of the build, those left out have their default. In free form, because each job has its own.
      - A value is a text, number or boolean. File parameters cannot be given.
    type: dict
  secret_parameters:
    description: Parameters that are not shown, such as passwords. In free form, because each job has its own.
    type: dict
  queue_id:
    description: Follow this queue item, as RV(queue_id) of a task before, instead of triggering a build.
    type: int
  number:
    description: Follow this build instead of triggering one.
    type: int
  wait:
    description: Whether to follow what was triggered. Without it the task ends at once, with a RV(queue_id) to follow later.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait for the end of the build, the time in the queue included.
    type: int
    default: 86400
  poll:
    description: Seconds between two looks at the build, in the end; the first ones come faster. V(0) does not pause.
    type: float
    default: 10
  on_timeout:
    description:
      - What to do when the time is up. V(fail) fails and lets the build go on, V(leave) lets it go on and succeeds with RV(timed_out).
      - V(abort) stops the build, a pipeline by force if it must be, or takes it out of the queue, and fails.
    type: str
    choices: [fail, leave, abort]
    default: fail
  expect:
    description: Results with which the task succeeds.
    type: list
    elements: str
    choices: [SUCCESS, UNSTABLE, FAILURE, NOT_BUILT, ABORTED]
    default: [SUCCESS]
  log_path:
    description: File on the controller that the log is written to while it grows, for C(tail -f). It is written anew by each task.
    type: path
  log_lines:
    description: How many of the last lines of the log to return.
    type: int
    default: 20
  artifacts_dest:
    description: Folder on the controller to download the artifacts of the ended build to, whatever its result.
    type: path
attributes:
  check_mode:
    description: Names what would be triggered, and with which parameters, or says how the build to follow stands; sends no write and does not wait.
    support: full
  diff_mode:
    description: Shows the job and its parameters, those of O(secret_parameters) masked.
    support: full
notes:
  - Each run triggers a build, so the task always reports a change, except when it follows one by O(queue_id) or O(number).
  - If the connection is lost while the build is triggered, Jenkins may have taken the request; the request is not repeated.
"""

EXAMPLES = r"""
- name: Train, which takes hours, and fetch the model
  mlops.onprem.jenkins_build:
    job: team/train
    parameters:
      EPOCHS: 20
      DATASET: "2026-11"
    secret_parameters:
      REGISTRY_PASSWORD: "{{ vault_registry_password }}"
    wait_timeout: 43200
    poll: 30
    on_timeout: abort
    log_path: /var/tmp/train.log
    artifacts_dest: /var/tmp/train

- name: Trigger now
  mlops.onprem.jenkins_build:
    job: team/validate
    wait: false
  register: validation

- name: Look later
  mlops.onprem.jenkins_build:
    job: team/validate
    queue_id: "{{ validation.queue_id }}"
    expect: [SUCCESS, UNSTABLE]
"""

RETURN = r"""
job:
  description: Full name of the job.
  returned: success
  type: str
  sample: team/train
queue_id:
  description: The queue item that was triggered or followed.
  returned: success
  type: int
  sample: 31
joined:
  description: Whether an item was in the queue already that took this request on. Jenkins then builds once for both.
  returned: success
  type: bool
number:
  description: Number of the build; null while it is in the queue.
  returned: success
  type: int
  sample: 7
url:
  description: Address of the build.
  returned: when there is a build
  type: str
  sample: https://jenkins.example.org/job/team/job/train/7/
result:
  description: Result of the build; null when it was not waited for to its end.
  returned: success
  type: str
  sample: SUCCESS
duration:
  description: Seconds that the build took.
  returned: when the build has ended
  type: float
  sample: 5123.4
timed_out:
  description: Whether the build went on when the time was up.
  returned: success
  type: bool
input:
  description: What the build waits for a person to answer. Needs the plugin pipeline-rest-api on Jenkins.
  returned: when the build was followed
  type: str
log_tail:
  description: The last lines of the log.
  returned: when the build was followed
  type: list
  elements: str
  sample: ["Finished: SUCCESS"]
artifacts:
  description: Path and URL of each artifact, and where it was downloaded to.
  returned: when the build was followed
  type: list
  elements: dict
  sample: [{path: out/model.onnx, url: https://jenkins.example.org/job/team/job/train/7/artifact/out/model.onnx}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 42
"""

from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_work import build
from ansible_collections.mlops.onprem.plugins.module_utils._module import run


def main():
    results = ["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"]
    options = {
        "job": {"type": "str", "required": True},
        "parameters": {"type": "dict"},
        "secret_parameters": {"type": "dict", "no_log": True},
        "queue_id": {"type": "int"},
        "number": {"type": "int"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 86400},
        "poll": {"type": "float", "default": 10},
        "on_timeout": {"type": "str", "choices": ["fail", "leave", "abort"], "default": "fail"},
        "expect": {"type": "list", "elements": "str", "choices": results, "default": ["SUCCESS"]},
        "log_path": {"type": "path"},
        "log_lines": {"type": "int", "default": 20},
        "artifacts_dest": {"type": "path"},
    }
    once = ("parameters", "secret_parameters")
    run(JENKINS.spec() | options, build,
        mutually_exclusive=[("queue_id", "number"), *((name, resumed) for name in once for resumed in ("queue_id", "number"))])


if __name__ == "__main__":
    main()
