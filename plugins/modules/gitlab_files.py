#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_files
short_description: Manage files in repositories of GitLab
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Writes, deletes and reads files of branches, as a list, in one pass. The files of one branch go in one commit, all or none; without a difference
    there is none.
  - Contents are compared by the ids that git gives them, from one listing for each folder. Only O(state=gathered) and O(state=absent) fetch contents.
  - The task has to be allowed to push to the branch.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
options:
  files:
    description: The files to manage. Each path may be given once for each branch of a project.
    type: list
    elements: dict
    suboptions:
      project:
        description:
          - Full path of the project it is of, such as V(models/churn).
        type: str
        required: true
      branch:
        description:
          - Branch; V(main) unless given. It has to be there, unless the repository is empty.
        type: str
      path:
        description:
          - Path in the repository, such as V(.gitlab-ci.yml), with no part that is empty, C(.) or C(..).
        type: str
        required: true
      content:
        description:
          - Content as text, exactly as given. Either this or O(files[].content_base64) is needed for a new file.
        type: str
      content_base64:
        description:
          - Content in base64, for what is no text.
        type: str
      executable:
        description:
          - Whether the file can be executed.
        type: bool
      overwrite:
        description:
          - With V(false) a file that is there is left alone, whatever it holds.
        type: bool
      commit_message:
        description:
          - Message of the commit. The first of a branch counts; without one the commit tells what it does.
        type: str
"""

EXAMPLES = r"""
- name: The same pipeline in every project, and a start for the code
  mlops.onprem.gitlab_files:
    files:
      - project: models/churn
        path: .gitlab-ci.yml
        content: |
          include: [{project: models/pipeline, file: train.yml}]
      - project: models/churn
        path: train.py
        content: "print('to be written')\n"
        overwrite: false
      - project: models/churn
        path: scripts/run
        content: |
          #!/bin/sh
          exec python train.py
        executable: true
        commit_message: Set up the pipeline

- name: Read a file
  mlops.onprem.gitlab_files:
    state: gathered
    files:
      - project: models/churn
        path: .gitlab-ci.yml
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
    - project: models/churn
      branch: main
      path: ".gitlab-ci.yml"
      result: created
gathered:
  description: What is on the server, in the form this module takes.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{project: models/churn, branch: main, path: ".gitlab-ci.yml", content: "include: []\n", executable: false}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import FILES
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, FILES)


if __name__ == "__main__":
    main()
