#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Projects of GitLab as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitlab_projects
short_description: Manage projects of GitLab
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads projects of GitLab, as a list, in one pass. Projects are named by their full path.
  - They are read by pages, 100 in one request where they lie close together.
  - From GitLab 18 on, and with the Enterprise Edition before, a deleted project is only marked, renamed and archived; GitLab removes it later.
  - A marked project counts as not there, so that another one can be made at its path.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.gitlab
options:
  projects:
    description: The projects to manage. Each C(path) may be given once, whatever its case.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - Full path, such as V(models/churn). It cannot be changed. The group has to be there.
        type: str
        required: true
      name:
        description:
          - Name that people see. The last part of the path for a new one unless given.
        type: str
      description:
        description:
          - Description.
        type: str
      visibility:
        description:
          - Who sees the project; V(private) for a new one unless given.
        type: str
        choices: [private, internal, public]
      default_branch:
        description:
          - Default branch. It has to be there; for a new project it needs O(projects[].initialize_with_readme).
        type: str
      topics:
        description:
          - Topics, in any order.
        type: list
        elements: str
      archived:
        description:
          - Whether the project is read-only.
        type: bool
      initialize_with_readme:
        description:
          - Whether a new project begins with a README. Means nothing for one that is there.
        type: bool
      import_url:
        description:
          - Address of a repository that a new project begins with; credentials in it are shown nowhere. Means nothing for a project that is there.
        type: str
      merge_method:
        description:
          - How merge requests are merged.
        type: str
        choices: [merge, rebase_merge, ff]
      squash_option:
        description:
          - Whether commits are squashed.
        type: str
        choices: [never, always, default_on, default_off]
      only_allow_merge_if_pipeline_succeeds:
        description:
          - Whether merging needs a pipeline that succeeded.
        type: bool
      allow_merge_on_skipped_pipeline:
        description:
          - Whether a skipped pipeline counts as one that succeeded.
        type: bool
      only_allow_merge_if_all_discussions_are_resolved:
        description:
          - Whether merging needs all threads to be resolved.
        type: bool
      remove_source_branch_after_merge:
        description:
          - Whether new merge requests remove their branch.
        type: bool
      resolve_outdated_diff_discussions:
        description:
          - Whether a push resolves threads on changed lines.
        type: bool
      printing_merge_request_link_enabled:
        description:
          - Whether a push prints the address for a new merge request.
        type: bool
      merge_commit_template:
        description:
          - Template of merge commits.
        type: str
      squash_commit_template:
        description:
          - Template of squash commits.
        type: str
      suggestion_commit_message:
        description:
          - Template of commits of suggestions.
        type: str
      repository_access_level:
        description:
          - Who sees the repository.
        type: str
        choices: [disabled, private, enabled]
      merge_requests_access_level:
        description:
          - Who sees merge requests.
        type: str
        choices: [disabled, private, enabled]
      issues_access_level:
        description:
          - Who sees issues.
        type: str
        choices: [disabled, private, enabled]
      wiki_access_level:
        description:
          - Who sees the wiki.
        type: str
        choices: [disabled, private, enabled]
      snippets_access_level:
        description:
          - Who sees snippets.
        type: str
        choices: [disabled, private, enabled]
      builds_access_level:
        description:
          - Who sees pipelines and jobs.
        type: str
        choices: [disabled, private, enabled]
      forking_access_level:
        description:
          - Who may fork.
        type: str
        choices: [disabled, private, enabled]
      container_registry_access_level:
        description:
          - Who sees the container registry.
        type: str
        choices: [disabled, private, enabled]
      environments_access_level:
        description:
          - Who sees environments.
        type: str
        choices: [disabled, private, enabled]
      feature_flags_access_level:
        description:
          - Who sees feature flags.
        type: str
        choices: [disabled, private, enabled]
      infrastructure_access_level:
        description:
          - Who sees infrastructure.
        type: str
        choices: [disabled, private, enabled]
      monitor_access_level:
        description:
          - Who sees monitoring.
        type: str
        choices: [disabled, private, enabled]
      releases_access_level:
        description:
          - Who sees releases.
        type: str
        choices: [disabled, private, enabled]
      analytics_access_level:
        description:
          - Who sees analytics.
        type: str
        choices: [disabled, private, enabled]
      pages_access_level:
        description:
          - Who sees the pages.
        type: str
        choices: [disabled, private, enabled, public]
      model_experiments_access_level:
        description:
          - Who sees experiments of models. Needs GitLab 16.2.
        type: str
        choices: [disabled, private, enabled]
      model_registry_access_level:
        description:
          - Who sees the model registry. Needs GitLab 16.7.
        type: str
        choices: [disabled, private, enabled]
      lfs_enabled:
        description:
          - Whether Git LFS can be used.
        type: bool
      packages_enabled:
        description:
          - Whether the package registry can be used.
        type: bool
      request_access_enabled:
        description:
          - Whether users may ask for access.
        type: bool
      service_desk_enabled:
        description:
          - Whether there is a service desk.
        type: bool
      emails_enabled:
        description:
          - Whether e-mails are sent. Needs GitLab 16.9.
        type: bool
      shared_runners_enabled:
        description:
          - Whether the instance's runners serve it.
        type: bool
      group_runners_enabled:
        description:
          - Whether the group's runners serve it.
        type: bool
      public_jobs:
        description:
          - Whether people without membership see jobs of a visible project.
        type: bool
      build_timeout:
        description:
          - Seconds that a job may take.
        type: int
      ci_config_path:
        description:
          - Path of the pipeline's configuration.
        type: str
      ci_default_git_depth:
        description:
          - How many commits jobs fetch, V(0) for all.
        type: int
      ci_forward_deployment_enabled:
        description:
          - Whether an older deployment may not overtake a newer one.
        type: bool
      auto_cancel_pending_pipelines:
        description:
          - Whether a newer pipeline cancels older ones.
        type: str
        choices: [enabled, disabled]
      auto_devops_enabled:
        description:
          - Whether Auto DevOps is used.
        type: bool
      keep_latest_artifact:
        description:
          - Whether the latest artifacts are kept whatever their age.
        type: bool
  groups:
    description: Full paths of groups whose direct projects O(state=gathered) reads and O(purge) covers, even without items there.
    type: list
    elements: str
  purge:
    description:
      - Also delete every project that is not listed and lies directly in a group of O(groups) or in the group of a listed one.
      - Nothing that is named by no item and no such list is touched; with neither it is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A project for each model
  mlops.onprem.gitlab_projects:
    projects:
      - path: models/churn
        description: Predicts who leaves
        topics: [model, tabular]
        initialize_with_readme: true
        merge_method: ff
        only_allow_merge_if_pipeline_succeeds: true
      - path: models/vision/defects
        lfs_enabled: true

- name: Read what is there in a group
  mlops.onprem.gitlab_projects:
    state: gathered
    groups: [models]

- name: Keep a retired model for reading only
  mlops.onprem.gitlab_projects:
    projects:
      - path: models/old
        archived: true
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
    - path: models/churn
      result: created
gathered:
  description: What is on the server, in the form this module takes.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{path: models/churn, name: churn, visibility: private, default_branch: main, topics: [model]}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.mlops.onprem.plugins.module_utils._gitlab import GITLAB
from ansible_collections.mlops.onprem.plugins.module_utils._gitlab_kinds import PROJECTS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(GITLAB, PROJECTS)


if __name__ == "__main__":
    main()
