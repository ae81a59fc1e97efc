# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The document that role jenkins makes of its variables: what is in it, that no secret is, and what is refused with which words."""

from __future__ import annotations

import base64
import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.onprem.plugins.filter.jenkins import FilterModule, jenkins_agents, jenkins_document, jenkins_faults, known_hosts

PINS = ("configuration-as-code", "role-strategy", "ldap", "ssh-slaves", "ssh-credentials", "plain-credentials", "credentials", "git", "pipeline-groovy-lib")
ADMINS = {"name": "admin", "permissions": ["Overall/Administer"], "users": ["admin"]}
HASH = "#jbcrypt:$2a$10$" + "a" * 53


def given(**changes):
    plain = {"version": "2.541.3", "url": "https://jenkins.example.org", "prefix": "", "port": 8080, "heap": "1g", "java_options": [], "admin_user": "admin",
             "admin_password": "admin-secret", "pins": [{"name": name} for name in PINS], "executors": 0, "agent_port": -1, "users": [], "ldap": {},
             "roles": {}, "agents": [], "nodes": [], "libraries": [], "credentials": [], "gitlab_hook_secret": "", "secrets": [], "casc": {}}
    return {**plain, **changes}


def document(**changes):
    return jenkins_document(given(**changes))["document"]


def faults(**changes):
    return jenkins_faults(given(**changes))


def test_least_document_is_closed():
    made = jenkins_document(given())
    jenkins = made["document"]["jenkins"]
    assert jenkins["securityRealm"] == {"local": {"allowsSignup": False, "enableCaptcha": False, "users": [{"id": "admin", "password": "${user-admin}"}]}}
    assert jenkins["authorizationStrategy"] == {"loggedInUsersCanDoAnything": {"allowAnonymousRead": False}}
    assert (jenkins["numExecutors"], jenkins["slaveAgentPort"]) == (0, -1)
    assert made["document"]["unclassified"] == {"location": {"url": "https://jenkins.example.org/"}}
    assert "nodes" not in jenkins and "credentials" not in made["document"], "what is not given would be taken away"
    assert made["secrets"] == {"user-admin": "admin-secret"}
    assert made["plugins"] == ["configuration-as-code"]
    assert faults() == []


SECRETS = {
    "users": [{"name": "dev", "password": "hidden-1"}, {"name": "robot", "password_hash": HASH}],
    "credentials": [
        {"id": "a", "type": "username_password", "username": "u", "password": "hidden-2"}, {"id": "b", "type": "secret_text", "secret": "hidden-3"},
        {"id": "c", "type": "secret_file", "file_name": "f", "content_base64": "hidden-4"},
        {"id": "d", "type": "ssh_key", "username": "u", "private_key": "hidden-5\n", "passphrase": "hidden-6"},
    ],
    "secrets": [{"name": "more", "value": "hidden-7"}],
}


def test_no_secret_is_in_the_document_and_each_is_beside_it():
    made = jenkins_document(given(**SECRETS))
    text = json.dumps(made["document"])
    assert "hidden" not in text and HASH not in text and "admin-secret" not in text
    assert made["secrets"] == {
        "user-admin": "admin-secret", "user-dev": "hidden-1", "user-robot": HASH, "credential-a": "hidden-2", "credential-b": "hidden-3",
        "credential-c": "hidden-4", "credential-d": "hidden-5\n", "credential-d.passphrase": "hidden-6", "more": "hidden-7",
    }
    for name in set(made["secrets"]) - {"more", "credential-d"}:
        assert f"${{{name}}}" in text, f"{name} is named nowhere"
    assert "${readFile:/etc/jenkins/secrets/credential-d}" in text
    assert faults(**SECRETS) == []


def test_the_secret_of_gitlabs_calls_is_kept_where_the_document_has_credentials():
    git = {"id": "git", "type": "username_password", "username": "u", "password": "hidden-1"}
    made = jenkins_document(given(credentials=[git], gitlab_hook_secret="hidden-2"))
    kept = made["document"]["credentials"]["system"]["domainCredentials"][0]["credentials"]
    assert kept[1:] == [{"string": {"id": "gitlab-hook", "scope": "GLOBAL", "description": "GitLab shows it with each call",
                                    "secret": "${credential-gitlab-hook}"}}]
    assert made["secrets"]["credential-gitlab-hook"] == "hidden-2" and "hidden" not in json.dumps(made["document"])
    assert "plain-credentials" in made["plugins"] and len(kept) == 2
    assert "gitlab-hook" not in json.dumps(document(credentials=[git])), "without a secret there is nothing to keep"
    alone = jenkins_document(given(gitlab_hook_secret="hidden-2"))
    assert "credentials" not in alone["document"] and set(alone["secrets"]) == {"user-admin"}, "a store that the document does not have is left alone"


def test_a_library_in_a_folder_of_its_repository():
    library = {"name": "mlops", "git_url": "https://g.example.org/mlops.git", "version": "main"}
    found = document(libraries=[{**library, "path": "pipeline"}, {**library, "name": "a", "path": "a/b/"}, {**library, "name": "top"}])
    retrievers = [one["retriever"]["modernSCM"] for one in found["unclassified"]["globalLibraries"]["libraries"]]
    git = {"scm": {"git": {"remote": "https://g.example.org/mlops.git"}}}
    assert retrievers == [{**git, "libraryPath": "pipeline/"}, {**git, "libraryPath": "a/b/"}, git]
    assert faults(libraries=[{**library, "path": "a..b/.c/"}]) == []


def test_a_secret_that_looks_like_a_variable_is_kept_from_being_one():
    assert jenkins_document(given(admin_password="a${b}c"))["secrets"]["user-admin"] == "a^${b}c"


def test_roles():
    roles = {"global": [ADMINS], "items": [{"name": "dev", "pattern": "m/.*", "permissions": ["Job/Read"], "groups": ["devs"]}], "agents": []}
    made = jenkins_document(given(roles=roles))
    assert made["document"]["jenkins"]["authorizationStrategy"] == {"roleBased": {"roles": {
        "global": [{"name": "admin", "permissions": ["Overall/Administer"], "entries": [{"user": "admin"}]}],
        "items": [{"name": "dev", "pattern": "m/.*", "permissions": ["Job/Read"], "entries": [{"group": "devs"}]}]}}}
    assert "role-strategy" in made["plugins"]


def test_ldap_takes_the_place_of_the_list():
    ldap = {"server": "ldaps://l", "root_dn": "dc=a", "manager_dn": "cn=m", "manager_password": "hidden"}
    made = jenkins_document(given(ldap=ldap, roles={"global": [ADMINS]}))
    assert made["document"]["jenkins"]["securityRealm"]["ldap"]["configurations"] == [
        {"server": "ldaps://l", "rootDN": "dc=a", "managerDN": "cn=m", "managerPasswordSecret": "${ldap-manager}"}]
    assert made["secrets"] == {"ldap-manager": "hidden"}


def test_agents():
    inbound, ssh = document(agents=[
        {"name": "one", "launcher": "inbound", "gpus": 2, "labels": ["linux"], "environment": {"A": 1}},
        {"name": "two", "launcher": "ssh", "host": "192.0.2.1", "credentials_id": "agents", "host_key": "ssh-ed25519 AAAA"},
    ])["jenkins"]["nodes"]
    assert inbound["permanent"] == {
        "name": "one", "remoteFS": "/var/lib/jenkins-agent", "numExecutors": 1, "mode": "NORMAL", "labelString": "linux gpu", "retentionStrategy": "always",
        "launcher": {"inbound": {"webSocket": True}}, "nodeProperties": [{"envVars": {"env": [{"key": "A", "value": "1"}, {"key": "GPUS", "value": "2"}]}}]}
    assert ssh["permanent"]["launcher"] == {"ssh": {"host": "192.0.2.1", "port": 22, "credentialsId": "agents", "sshHostKeyVerificationStrategy": {
        "manuallyProvidedKeyVerificationStrategy": {"key": "ssh-ed25519 AAAA"}}}}


def test_more_is_merged_and_wins():
    made = document(casc={"jenkins": {"systemMessage": "hello", "numExecutors": 3}, "tool": {"git": {}}})
    assert made["jenkins"]["systemMessage"] == "hello" and made["jenkins"]["numExecutors"] == 3 and made["tool"] == {"git": {}}
    assert "securityRealm" in made["jenkins"]


@pytest.mark.parametrize("changes, words", [
    ({"version": "latest"}, "jenkins_version 'latest' is no version"),
    ({"url": "jenkins"}, "jenkins_url 'jenkins' is no URL"),
    ({"prefix": "/ci"}, "do not agree"),
    ({"port": 80}, "jenkins_port 80"),
    ({"heap": "big"}, "jenkins_heap 'big'"),
    ({"java_options": ["-Da=b; rm -rf /"]}, "jenkins_java_options has '-Da=b; rm -rf /'"),
    ({"admin_password": " "}, "jenkins_admin_password is empty"),
    ({"users": [{"name": "a b", "password": "x"}]}, "'a b' is no name of a user"),
    ({"users": [{"name": "dev"}]}, "dev needs either password or password_hash"),
    ({"users": [{"name": "dev", "password_hash": "plain"}]}, "password_hash of dev is none"),
    ({"users": [{"name": "dev", "password": "x", "token": "12"}]}, "token of dev is none that Jenkins takes"),
    ({"ldap": {"server": "ldaps://l"}}, "everybody in the directory"),
    ({"ldap": {"root_dn": "x"}, "roles": {"global": [ADMINS]}}, "jenkins_ldap has no server"),
    ({"roles": {"global": [{"name": "r", "permissions": ["Overall/Read"], "users": ["admin"]}]}}, "gives Overall/Administer to no role of admin"),
    ({"roles": {"global": [ADMINS], "items": [{"name": "r", "permissions": []}]}}, "r of items has no pattern"),
    ({"agents": [{"name": "a", "launcher": "ssh"}]}, "no credentials_id"),
    ({"agents": [{"name": "a", "launcher": "inbound"}] * 2}, "jenkins_agents has 'a' twice"),
    ({"agents": [{"name": "a", "launcher": "inbound"}], "nodes": [{"name": "b"}]}, "use one of them"),
    ({"credentials": [{"id": "../x", "type": "secret_text", "secret": "s"}]}, "id '../x'"),
    ({"credentials": [{"id": "x", "type": "secret_text"}]}, "x of type secret_text has no secret"),
    ({"credentials": [{"id": "gitlab-hook", "type": "secret_text", "secret": "s"}], "gitlab_hook_secret": "t"}, "jenkins_credentials has 'gitlab-hook'"),
    ({"libraries": [{"name": "m", "git_url": "u", "version": "v", "path": "/pipeline"}]}, "path '/pipeline' of m is no folder of its repository"),
    ({"libraries": [{"name": "m", "git_url": "u", "version": "v", "path": "a/.."}]}, "path 'a/..' of m"),
    ({"libraries": [{"name": "m", "git_url": "u", "version": "v", "path": "..\\a"}]}, "of m is no folder of its repository"),
    ({"secrets": [{"name": "user-admin", "value": "s"}]}, "which the role makes itself"),
    ({"roles": {"global": [ADMINS]}, "pins": [{"name": "configuration-as-code"}]}, "jenkins_plugins lacks role-strategy"),
    ({"pins": []}, "jenkins_plugins lacks configuration-as-code"),
    ({"casc": ["jenkins"]}, "no mapping"),
])
def test_refused(changes, words):
    found = faults(**changes)
    assert any(words in fault for fault in found), found
    assert not any("admin-secret" in fault for fault in found)


def test_what_is_no_role_variables_is_an_error_of_the_filter():
    with pytest.raises(AnsibleFilterError, match="argument spec"):
        FilterModule().filters()["jenkins_document"]({})


KEY = {"content": base64.b64encode(b"ssh-ed25519 AAAA root@host\n").decode()}


def test_agents_of_machines():
    hostvars = {"a": {"jenkins_agent_labels": ["x"], "jenkins_agent_gpus": 1},
                "b": {"jenkins_agent_launcher": "ssh", "jenkins_agent_name": "bee", "site_address": "192.0.2.1", "__jenkins_agent_host_key": KEY}}
    assert jenkins_agents(["a", "b"], hostvars) == [
        {"name": "a", "launcher": "inbound", "labels": ["x"], "gpus": 1},
        {"name": "bee", "launcher": "ssh", "host": "192.0.2.1", "credentials_id": "agents", "host_key": "ssh-ed25519 AAAA"}]


def test_known_hosts():
    hostvars = {"a": {"site_address": "a", "ansible_host": "192.0.2.1", "key": KEY}, "b": {"key": {"failed": True}}}
    assert known_hosts(["a", "b"], hostvars, "key") == "a,192.0.2.1 ssh-ed25519 AAAA\n"
