#!/usr/bin/python
# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs of Jenkins as a list: documentation and one description; knows no requests."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jenkins_jobs
short_description: Manage jobs of Jenkins
version_added: "0.2.0"
author: the mlops.onprem developers (@mlops-onprem)
description:
  - Makes, changes, deletes and reads jobs, as a list, in one pass. One request lists the names, one more reads each listed job.
  - A job is given in one of three forms. By options (O(jobs[].type) and what belongs to it) for the usual kinds; as Jenkins Job Builder YAML
    (O(jobs[].jjb)) for all that its library knows; as XML (O(jobs[].xml)) for the rest.
  - An update edits Jenkins' own XML of the job. With options only the elements of the given options are set. With C(jjb) and C(xml) every element
    that the document has is set, and what it does not mention stays.
  - A document is compared as XML, without versions of plugins, blanks and the order of attributes. What Jenkins adds to an object is no difference.
    What a list holds besides what is given, such as a build step, a publisher, a parameter or a property that was added by hand, is one, and is taken away.
    With options that holds for the lists that are given (O(jobs[].shell), O(jobs[].parameters)), and other lists are left alone.
  - A secret in a job, such as the default of a password parameter, can be compared only until Jenkins has encrypted it, which it does when it next saves the
    job itself. A new one is then sent with the next other change.
  - A diff of O(jobs[].jjb) and O(jobs[].xml) shows the text without the values under names such as C(password), C(secret) and C(token). Better keep
    secrets out of jobs, as credentials.
  - A job cannot become one of another kind; that is refused before anything is written.
  - The jobs that Jenkins makes inside a multibranch job are not touched.
  - The options for multibranch jobs and for git were not checked against a controller, whose recordings had neither plugin.

extends_documentation_fragment:
  - mlops.onprem.service
  - mlops.onprem.service.connection
  - mlops.onprem.service.list
  - mlops.onprem.jenkins
options:
  jobs:
    description: The jobs to manage. Each C(name) may be given once, in whatever case.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Full name with the folders above, such as V(vision/train). The folders must be there.
        type: str
        required: true
      type:
        description:
          - Kind of a job that is given by options. A new job needs this, O(jobs[].jjb) or O(jobs[].xml).
        type: str
        choices: [freestyle, pipeline, multibranch]
      jjb:
        description:
          - Jenkins Job Builder YAML that defines a job of this name, or of its last part; templates and macros may stand beside it.
          - Needs the Python packages jenkins-job-builder and setuptools<81 on the controller. Files of the user's, such as its configuration, are not read.
          - The library adds a mark to the description.
        type: str
      xml:
        description:
          - The job's config.xml.
        type: str
      description:
        description:
          - Description. Empty text takes it away.
        type: str
      display_name:
        description:
          - Name that is shown instead. Empty text takes it away.
        type: str
      disabled:
        description:
          - Whether it cannot be built.
        type: bool
      script:
        description:
          - Of a pipeline, the script itself. Line ends at its beginning and end are not compared. Excludes O(jobs[].git_url).
        type: str
      sandbox:
        description:
          - Of a pipeline with a script, whether the script runs in the sandbox; a new one does.
        type: bool
      git_url:
        description:
          - Address of the git repository; of a pipeline that is where its script lies.
          - Needs Jenkins' git plugin.
        type: str
      git_branch:
        description:
          - Of a freestyle job or pipeline, branch specifier; V(*/main) for a new one.
        type: str
      git_credentials_id:
        description:
          - Id of the credential for the repository. Empty text takes it away.
        type: str
      script_path:
        description:
          - Of a pipeline from git or a multibranch job, path of the script; V(Jenkinsfile) for a new one.
        type: str
      lightweight:
        description:
          - Of a pipeline from git, whether to fetch the script alone; a new one does.
        type: bool
      includes:
        description:
          - Of a multibranch job, patterns of the branches to build, blanks between, such as V(main release-*).
        type: str
      excludes:
        description:
          - Of a multibranch job, patterns of the branches not to build.
        type: str
      scan_interval:
        description:
          - Of a multibranch job, scan the repository if this long nothing told of a change. V(never) takes it away.
        type: str
        choices: [1m, 2m, 5m, 10m, 15m, 20m, 25m, 30m, 1h, 2h, 4h, 8h, 12h, 1d, 2d, 1w, 2w, 4w, never]
      orphans_keep_days:
        description:
          - Of a multibranch job, how many days to keep the jobs of deleted branches. V(0) is no limit.
        type: int
      orphans_keep:
        description:
          - Of a multibranch job, how many jobs of deleted branches to keep. V(0) is no limit.
        type: int
      shell:
        description:
          - Of a freestyle job, the commands of its steps, which are all its steps; others are taken away.
        type: list
        elements: str
      label:
        description:
          - Of a freestyle job, label expression of the nodes it runs on. Empty text is any node.
        type: str
      parameters:
        description:
          - Of a freestyle job or pipeline, all its parameters in order. An empty list takes them away.
          - What is left out of a parameter that is there stays as it is.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - Name of the parameter.
            type: str
            required: true
          type:
            description:
              - Its kind.
            type: str
            choices: [string, text, bool, choice, password]
            required: true
          description:
            description:
              - Description.
            type: str
          default:
            description:
              - Default of V(string), V(text) and V(bool).
            type: str
          choices:
            description:
              - What can be chosen, the default first. Needed by V(choice).
            type: list
            elements: str
          password:
            description:
              - Default of V(password).
            type: str
          trim:
            description:
              - Whether blanks around the value of V(string) and V(text) are cut off.
            type: bool
      cron:
        description:
          - Of a freestyle job or pipeline, when to build, such as V(H 3 * * *). Empty text takes it away.
        type: str
      poll_scm:
        description:
          - Of a freestyle job or pipeline, when to look for changes. Empty text takes it away.
        type: str
      keep_days:
        description:
          - Of a freestyle job or pipeline, how many days to keep builds. V(0) is no limit.
        type: int
      keep_builds:
        description:
          - Of a freestyle job or pipeline, how many builds to keep. V(0) is no limit.
        type: int
      concurrent:
        description:
          - Of a freestyle job or pipeline, whether it can be built while it is being built.
        type: bool
  folders:
    description:
      - Folders whose jobs are gathered or purged too, beside those that the items lie in. Empty text is the top.
    type: list
    elements: str
  purge:
    description:
      - Also delete every job that is not listed and lies directly in a folder that an item lies in or O(folders) names.
      - Folders are never deleted, those of plugins neither, such as organization folders; a multibranch job is deleted as a job, with the jobs in it.
      - An empty list without O(folders) is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Jobs of a model
  mlops.onprem.jenkins_jobs:
    jobs:
      - name: vision/train
        type: pipeline
        git_url: https://gitlab.example.org/vision/model.git
        git_branch: "*/main"
        git_credentials_id: gitlab
        script_path: ci/train.groovy
        cron: H 3 * * 6
        keep_builds: 20
        concurrent: false
        parameters:
          - name: EPOCHS
            type: string
            default: "10"
      - name: vision/branches
        type: multibranch
        git_url: https://gitlab.example.org/vision/model.git
        git_credentials_id: gitlab
        scan_interval: 1d
        orphans_keep_days: 7

- name: A job with publishers, by Jenkins Job Builder
  mlops.onprem.jenkins_jobs:
    jobs:
      - name: vision/nightly
        jjb: |
          - job:
              name: nightly
              builders:
                - shell: make report
              publishers:
                - archive:
                    artifacts: report/*.html

- name: Read the jobs of a folder, to adopt them
  mlops.onprem.jenkins_jobs:
    state: gathered
    folders: [vision]
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
    - name: vision/train
      result: created
gathered:
  description:
    - What is on the server, in the form this module takes. By options where they say all that a job holds, else as XML. Folders of plugins, such as
      organization folders, are left out.
    - Defaults of password parameters are left out until Jenkins has encrypted them. Other secrets that a job's XML holds are in it.
  returned: when O(state=gathered)
  type: list
  elements: dict
  sample: [{name: vision/train, type: pipeline, script: echo 1, sandbox: true}]
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 3
"""

from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins_items import JOBS
from ansible_collections.mlops.onprem.plugins.module_utils._module import manage


def main():
    manage(JENKINS, JOBS)


if __name__ == "__main__":
    main()
