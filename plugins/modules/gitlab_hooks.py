#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Webhooks of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_hooks
short_description: Manage webhooks of GitLab
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads webhooks of projects, groups and the whole instance, as a list, in one pass.
  - A hook without O(hooks[].project) and O(hooks[].group) is a system hook, which needs an administrator's token.
  - GitLab lets an address be there twice in one place. Such a pair is refused and named; O(state=absent) deletes both.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
  - mlops.onprem.gitlab.groups
  - mlops.onprem.gitlab.projects
  - mlops.onprem.fingerprint
options:
  hooks:
    description: The hooks to manage. Each address may be given once for each project, group, and the instance.
    type: list
    elements: dict
    suboptions:
      project:
        description:
          - Full path of the project it is of, such as V(models/churn).
        type: str
      group:
        description:
          - Full path of the group it is of. Hooks of groups need GitLab Premium or Ultimate.
        type: str
      url:
        description:
          - Address that GitLab calls. Local addresses are refused by GitLab unless its settings allow them.
        type: str
        required: true
      token:
        description:
          - Secret that GitLab sends in C(X-Gitlab-Token); see O(update_secret) for a hook that is there.
        type: str
      name:
        description:
          - Name. Needs GitLab 17.1.
        type: str
      description:
        description:
          - Description, at whose end the fingerprint of the token is kept. Needs GitLab 17.1.
        type: str
      enable_ssl_verification:
        description:
          - Whether to check the receiver's certificate; V(true) for a new one unless given.
        type: bool
      push_events:
        description:
          - Whether to call for pushes to branches.
        type: bool
      tag_push_events:
        description:
          - Whether to call for new and deleted tags.
        type: bool
      merge_requests_events:
        description:
          - Whether to call for merge requests.
        type: bool
      issues_events:
        description:
          - Whether to call for issues. Not of a system hook.
        type: bool
      confidential_issues_events:
        description:
          - Whether to call for confidential issues. Not of a system hook.
        type: bool
      note_events:
        description:
          - Whether to call for comments. Not of a system hook.
        type: bool
      confidential_note_events:
        description:
          - Whether to call for confidential comments. Not of a system hook.
        type: bool
      job_events:
        description:
          - Whether to call for jobs. Not of a system hook.
        type: bool
      pipeline_events:
        description:
          - Whether to call for pipelines. Not of a system hook.
        type: bool
      wiki_page_events:
        description:
          - Whether to call for wiki pages. Not of a system hook.
        type: bool
      deployment_events:
        description:
          - Whether to call for deployments. Not of a system hook.
        type: bool
      releases_events:
        description:
          - Whether to call for releases. Not of a system hook.
        type: bool
      feature_flag_events:
        description:
          - Whether to call for feature flags. Not of a system hook.
        type: bool
      repository_update_events:
        description:
          - Whether to call for updates of repositories. Of system hooks only.
        type: bool
      push_events_branch_filter:
        description:
          - Branches whose pushes count, as O(hooks[].branch_filter_strategy) says.
        type: str
      branch_filter_strategy:
        description:
          - How the filter is read.
        type: str
        choices: [wildcard, regex, all_branches]
      custom_webhook_template:
        description:
          - Template of the body. Needs GitLab 16.10.
        type: str
  purge:
    description:
      - Also delete every hook that is not listed, of the projects and groups that are listed or named by O(projects) and O(groups), and of the instance
        if a system hook is listed.
      - Nothing that is named by no item and no such list is touched; with neither it is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Tell the build server, with a token that follows the vault
  mlops.onprem.gitlab_hooks:
    update_secret: when_changed
    fingerprint_key: "{{ vault_fingerprint_key }}"
    hooks:
      - project: models/churn
        url: https://jenkins.example.org/project/churn
        token: "{{ vault_hook_token }}"
        push_events: true
        push_events_branch_filter: main
        merge_requests_events: true
      - url: https://audit.example.org/gitlab
        repository_update_events: true

- name: Only that hook in the project
  mlops.onprem.gitlab_hooks:
    purge: true
    hooks:
      - project: models/churn
        url: https://jenkins.example.org/project/churn
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
      url: "https://jenkins.example.org/project/churn"
      result: created
gathered:
  description: What is on the server, in the form this module takes. Secrets are left out.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{project: models/churn, url: "https://jenkins.example.org/project/churn", push_events: true}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import HOOKS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, HOOKS)


if __name__ == "__main__":
    main()
