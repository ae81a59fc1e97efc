# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small site, kind by kind in the order in which a playbook would make it: (module, list, key, what is made, what is changed). Sends nothing."""

from __future__ import annotations

import base64

HOOK = "https://jenkins.example.org/project/model-a"
KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))).decode()

BOB = {"username": "bob", "name": "Bob", "email": "bob@example.org", "password": "pass-of-bob-1"}

GITLAB = [
    ("gitlab_settings", "settings", None, {"signup_enabled": False, "default_projects_limit": 50}, {"signup_enabled": True, "default_projects_limit": 60}),
    (
        "gitlab_groups",
        "groups",
        "path",
        [{"path": "team"}, {"path": "team/models", "description": "Models"}],
        [{"path": "team", "description": "Team"}, {"path": "team/models", "description": "All models", "visibility": "private"}],
    ),
    (
        "gitlab_projects",
        "projects",
        "path",
        [{"path": "team/models/a", "topics": ["ml"], "merge_method": "ff"}, {"path": "team/models/b", "archived": True}],
        [{"path": "team/models/a", "topics": ["ml", "onnx"], "squash_option": "always"}, {"path": "team/models/b", "archived": False}],
    ),
    (
        "gitlab_users",
        "users",
        "username",
        [{"username": "ann", "name": "Ann", "email": "ann@example.org", "password": "pass-of-ann-1"}],
        [{"username": "ann", "name": "Ann A.", "state": "blocked"}],
    ),
    (
        "gitlab_members",
        "members",
        ("project", "user"),
        [{"project": "team/models/a", "user": "bob", "access_level": "developer"}],
        [{"project": "team/models/a", "user": "bob", "access_level": "maintainer"}],
    ),
    (
        "gitlab_hooks",
        "hooks",
        ("project", "url"),
        [{"project": "team/models/a", "url": HOOK, "token": "pass-of-hook", "push_events": True}],
        [{"project": "team/models/a", "url": HOOK, "token": "pass-of-hook-2", "merge_requests_events": True}],
    ),
    (
        "gitlab_protected_branches",
        "protected_branches",
        ("project", "name"),
        [{"project": "team/models/a", "name": "main", "push_access_level": "developer"}, {"project": "team/models/a", "name": "release/*"}],
        [
            {"project": "team/models/a", "name": "main", "push_access_level": "maintainer", "merge_access_level": "developer"},
            {"project": "team/models/a", "name": "release/*", "allow_force_push": True},
        ],
    ),
    (
        "gitlab_protected_tags",
        "protected_tags",
        ("project", "name"),
        [{"project": "team/models/a", "name": "v*", "create_access_level": "maintainer"}],
        [{"project": "team/models/a", "name": "v*", "create_access_level": "no_one"}],
    ),
    (
        "gitlab_variables",
        "variables",
        ("project", "key", "environment_scope"),
        [
            {"project": "team/models/a", "key": "STORE", "value": "pass-of-store", "masked": True},
            {"project": "team/models/a", "key": "STORE", "value": "pass-of-prod", "environment_scope": "production"},
        ],
        [
            {"project": "team/models/a", "key": "STORE", "value": "pass-of-store-2"},
            {"project": "team/models/a", "key": "STORE", "protected": True, "environment_scope": "production"},
        ],
    ),
    (
        "gitlab_deploy_keys",
        "deploy_keys",
        ("project", "key"),
        [{"project": "team/models/a", "title": "jenkins", "key": KEY}],
        [{"project": "team/models/a", "title": "jenkins agent", "key": KEY, "can_push": True}],
    ),
    (
        "gitlab_access_tokens",
        "access_tokens",
        ("project", "name"),
        [{"project": "team/models/a", "name": "reader", "scopes": ["read_api"], "access_level": "reporter"}],
        [{"project": "team/models/a", "name": "reader", "scopes": ["read_api", "read_repository"]}],
    ),
    (
        "gitlab_files",
        "files",
        ("project", "branch", "path"),
        [
            {"project": "team/models/a", "branch": "main", "path": "Jenkinsfile", "content": "modelPipeline()\n"},
            {"project": "team/models/a", "branch": "main", "path": "src/train.py", "content": "print(1)\n"},
        ],
        [
            {"project": "team/models/a", "branch": "main", "path": "Jenkinsfile", "content": "modelPipeline(gpu: true)\n"},
            {"project": "team/models/a", "branch": "main", "path": "src/train.py", "executable": True},
        ],
    ),
]

JENKINS = [
    (
        "jenkins_folders",
        "folders",
        "name",
        [{"name": "team"}, {"name": "team/models", "description": "Models"}],
        [{"name": "team", "description": "Team"}, {"name": "team/models", "display_name": "All models"}],
    ),
    (
        "jenkins_credentials",
        "credentials",
        ("folder", "id"),
        [
            {"id": "store", "type": "username_password", "username": "reader", "password": "pass-of-reader"},
            {"folder": "team", "id": "hook", "type": "secret_text", "secret": "pass-of-hook"},
        ],
        [
            {"id": "store", "type": "username_password", "username": "writer", "password": "pass-of-writer"},
            {"folder": "team", "id": "hook", "type": "secret_text", "secret": "pass-of-hook-2", "description": "hook"},
        ],
    ),
    (
        "jenkins_jobs",
        "jobs",
        "name",
        [
            {"name": "team/models/train a", "type": "pipeline", "script": "node { sh 'make' }"},
            {"name": "team/nightly", "type": "freestyle", "shell": ["make test"], "disabled": True},
        ],
        [
            {"name": "team/models/train a", "type": "pipeline", "script": "node { sh 'make train' }", "description": "trains"},
            {"name": "team/nightly", "type": "freestyle", "shell": ["make test", "make report"], "disabled": False},
        ],
    ),
    (
        "jenkins_nodes",
        "nodes",
        "name",
        [{"name": "gpu 1", "launcher": "inbound", "remote_fs": "/var/lib/jenkins", "labels": ["gpu"], "executors": 1}],
        [{"name": "gpu 1", "labels": ["gpu", "linux"], "executors": 2}],
    ),
    (
        "jenkins_views",
        "views",
        ("folder", "name"),
        [{"folder": "team", "name": "All models", "jobs": ["nightly"]}],
        [{"folder": "team", "name": "All models", "jobs": ["nightly"], "description": "every model"}],
    ),
]

MORE = {
    "gitlab_hooks": {"update_secret": "when_changed", "fingerprint_key": "key-of-fingerprints"},
    "jenkins_credentials": {"update_secret": "when_changed", "fingerprint_key": "key-of-fingerprints"},
    "gitlab_access_tokens": {"_no_log": True},
}


def keys_of(key, items):
    """The items reduced to what names them."""
    names = (key,) if isinstance(key, str) else key
    return [{name: item[name] for name in names if name in item} for item in items]
