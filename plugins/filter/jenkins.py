# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pure part of roles jenkins and jenkins_agent: variables as a configuration-as-code document, the secrets beside it, what cannot work, and what
Jenkins and its agents must know of one another's machines. It asks no host."""

from __future__ import annotations

import re
from base64 import b64decode

from ansible.errors import AnsibleFilterError

PLACE = "/etc/jenkins/secrets"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HASH = re.compile(r"#jbcrypt:\$2[aby]?\$\d\d\$[./A-Za-z0-9]{53}")
ADMIN = "Overall/Administer"
HOOK = "gitlab-hook"
LDAP = {  # option of the role: attribute of the plugin
    "server": "server", "root_dn": "rootDN", "user_search": "userSearch", "user_search_base": "userSearchBase", "group_search_base": "groupSearchBase",
    "group_search_filter": "groupSearchFilter", "manager_dn": "managerDN", "display_name_attribute": "displayNameAttributeName",
    "mail_attribute": "mailAddressAttributeName",
}  # fmt: skip
CREDENTIALS = {  # type: (name in the document, plugin, what it needs)
    "username_password": ("usernamePassword", "credentials", ("username", "password")),
    "secret_text": ("string", "plain-credentials", ("secret",)),
    "secret_file": ("file", "plain-credentials", ("file_name", "content_base64")),
    "ssh_key": ("basicSSHUserPrivateKey", "ssh-credentials", ("username", "private_key")),
}


def jenkins_document(given: dict) -> dict:
    """{document, secrets: {name: text}, plugins: those it needs}, of the role's variables without their prefix."""
    secrets, plugins = {}, {"configuration-as-code"}
    jenkins = {"numExecutors": given["executors"], "slaveAgentPort": given["agent_port"], "securityRealm": _realm(given, secrets, plugins),
               "authorizationStrategy": _authorization(given, plugins)}
    document = {"jenkins": jenkins, "unclassified": {"location": {"url": f"{given['url'].rstrip('/')}/"}}}
    if given["agents"]:
        jenkins["nodes"] = [{"permanent": _agent(agent, plugins)} for agent in given["agents"]]
    if given["libraries"]:
        plugins |= {"git", "pipeline-groovy-lib"}
        document["unclassified"]["globalLibraries"] = {"libraries": [_library(library) for library in given["libraries"]]}
    if given["credentials"]:
        found = [_credential(credential, secrets, plugins) for credential in [*given["credentials"], *_hook(given)]]
        document["credentials"] = {"system": {"domainCredentials": [{"credentials": found}]}}
    for secret in given["secrets"]:
        secrets[secret["name"]] = secret["value"]
    # configuration-as-code looks for variables in what it has put in, too
    return {"document": _merged(document, given["casc"]), "secrets": {name: text.replace("${", "^${") for name, text in secrets.items()},
            "plugins": sorted(plugins)}


def _filled(**values) -> dict:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _merged(one, other):
    """Mappings are merged, anything else of the second stands."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{name: _merged(one[name], value) if name in one else value for name, value in other.items()}}
    return other


def _realm(given, secrets, plugins) -> dict:
    ldap = given["ldap"]
    if ldap:
        plugins.add("ldap")
        place = {attribute: ldap[option] for option, attribute in LDAP.items() if ldap.get(option)}
        if ldap.get("manager_password"):
            secrets["ldap-manager"] = ldap["manager_password"]
            place["managerPasswordSecret"] = "${ldap-manager}"
        return {"ldap": {"configurations": [place], "disableMailAddressResolver": False}}
    users = []
    for user in accounts(given):
        secrets[f"user-{user['name']}"] = user.get("password") or user.get("password_hash") or ""
        users.append(_filled(id=user["name"], password=f"${{user-{user['name']}}}", name=user.get("full_name"), description=user.get("description")))
    return {"local": {"allowsSignup": False, "enableCaptcha": False, "users": users}}


def accounts(given) -> list:
    """The users of Jenkins' own list, the admin first, once."""
    others = [user for user in given["users"] if user["name"] != given["admin_user"]]
    same = [user for user in given["users"] if user["name"] == given["admin_user"]]
    return [{**(same[0] if same else {}), "name": given["admin_user"], "password": given["admin_password"]}, *others]


def _authorization(given, plugins) -> dict:
    roles = given["roles"]
    if not roles:
        return {"loggedInUsersCanDoAnything": {"allowAnonymousRead": False}}
    plugins.add("role-strategy")

    def role(one):
        entries = [{"user": name} for name in one.get("users") or ()] + [{"group": name} for name in one.get("groups") or ()]
        return _filled(name=one["name"], description=one.get("description"), pattern=one.get("pattern"), permissions=one["permissions"], entries=entries)

    return {"roleBased": {"roles": {kind: [role(one) for one in roles[kind]] for kind in ("global", "items", "agents") if roles.get(kind)}}}


def _agent(agent, plugins) -> dict:
    if agent["launcher"] == "ssh":
        plugins |= {"ssh-slaves", "ssh-credentials"}
        check = {"manuallyProvidedKeyVerificationStrategy": {"key": agent["host_key"]}} if agent.get("host_key") else "knownHostsFileKeyVerificationStrategy"
        launcher = {"ssh": _filled(host=agent.get("host") or agent["name"], port=agent.get("port") or 22, credentialsId=agent.get("credentials_id"),
                                   javaPath=agent.get("java_path"), sshHostKeyVerificationStrategy=check)}
    else:
        launcher = {"inbound": {"webSocket": True}}
    variables = {**(agent.get("environment") or {}), **({"GPUS": str(agent["gpus"])} if agent.get("gpus") else {})}
    labels = [*(agent.get("labels") or ()), *(("gpu",) if agent.get("gpus") else ())]
    shown = [{"key": name, "value": str(value)} for name, value in variables.items()]
    return _filled(name=agent["name"], nodeDescription=agent.get("description"), remoteFS=agent.get("remote_fs") or "/var/lib/jenkins-agent",
                   numExecutors=agent.get("executors") or 1, mode=(agent.get("mode") or "normal").upper(), labelString=" ".join(dict.fromkeys(labels)),
                   retentionStrategy="always", launcher=launcher, nodeProperties=[{"envVars": {"env": shown}}] if shown else [])


def _library(library) -> dict:
    git = _filled(remote=library["git_url"], credentialsId=library.get("credentials_id"))
    # Jenkins keeps the path with a slash at its end.
    path = f"{library['path'].rstrip('/')}/" if library.get("path") else None
    return {"name": library["name"], "defaultVersion": library["version"], "implicit": bool(library.get("implicit")),
            "allowVersionOverride": library.get("allow_version_override") is not False,
            "retriever": {"modernSCM": {"scm": {"git": git}, **_filled(libraryPath=path)}}}


def _hook(given) -> list[dict]:
    """What onboarding would make by the API. The document replaces the whole store of the system, so that it has to be in it."""
    secret = given["gitlab_hook_secret"]
    return [{"id": HOOK, "type": "secret_text", "secret": secret, "description": "GitLab shows it with each call"}] if secret else []


def _credential(credential, secrets, plugins) -> dict:
    kind, plugin, needs = CREDENTIALS[credential["type"]]
    plugins |= {"credentials", plugin}
    name = f"credential-{credential['id']}"
    secrets[name] = credential.get(needs[-1]) or ""
    held = _filled(id=credential["id"], scope=(credential.get("scope") or "global").upper(), description=credential.get("description"),
                   username=credential.get("username"))
    if kind == "usernamePassword":
        held["password"] = f"${{{name}}}"
    elif kind == "string":
        held["secret"] = f"${{{name}}}"
    elif kind == "file":
        held |= {"fileName": credential["file_name"], "secretBytes": f"${{{name}}}"}
    else:
        # read as a file, because a key ends with a newline
        held["privateKeySource"] = {"directEntry": {"privateKey": f"${{readFile:{PLACE}/{name}}}"}}
        if credential.get("passphrase"):
            secrets[f"{name}.passphrase"] = credential["passphrase"]
            held["passphrase"] = f"${{{name}.passphrase}}"
    return {kind: held}


def jenkins_faults(given: dict) -> list[str]:
    """One line for each thing that cannot work: the variable, its value and what would be right. Never a secret."""
    faults = [*_values(given), *_people(given), *_things(given)]
    if faults:
        return faults
    pinned, made = {pin["name"] for pin in given["pins"]}, jenkins_document(given)
    missing = [name for name in made["plugins"] if name not in pinned]
    faults += [f"jenkins_plugins lacks {', '.join(missing)}, which the document needs: pin them, with what they depend on"] if missing else []
    names = [secret["name"] for secret in given["secrets"]]
    faults += [f"jenkins_secrets has {name!r}, which the role makes itself, give another name" for name in names
               if name.startswith(("user-", "credential-")) or name == "ldap-manager"]
    return faults


def _values(given):
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", given["version"]):
        yield f"jenkins_version {given['version']!r} is no version of Jenkins, give one such as 2.541.3"
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", given["url"]):
        yield f"jenkins_url {given['url']!r} is no URL, give one such as https://jenkins.example.org"
    elif given["prefix"] != re.sub(r"^https?://[^/]+", "", given["url"]).rstrip("/"):
        yield f"jenkins_url {given['url']!r} and jenkins_prefix {given['prefix']!r} do not agree, give both the same path, or none"
    if given["prefix"] and not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", given["prefix"]):
        yield f"jenkins_prefix {given['prefix']!r} is no path, give one such as /jenkins, or none"
    if not 1023 < given["port"] < 65536:
        yield f"jenkins_port {given['port']} is no port above 1023, give 1024 to 65535"
    if given["agent_port"] != -1 and not 1023 < given["agent_port"] < 65536:
        yield f"jenkins_agent_port {given['agent_port']} is no port above 1023, give 1024 to 65535, or -1 for none"
    if not re.fullmatch(r"[1-9][0-9]*[kmgKMG]", given["heap"]):
        yield f"jenkins_heap {given['heap']!r} is no size as Java writes it, give a number with k, m or g, such as 1g"
    for option in given["java_options"]:
        if not re.fullmatch(r"-[A-Za-z0-9@+=:,./_-]+", option):
            yield f"jenkins_java_options has {option!r}, which the start script would take apart: letters, digits and @ + = : , . / _ - only"


def _people(given):
    if not given["admin_password"].strip():
        yield "jenkins_admin_password is empty, give the password (or API token) of jenkins_admin_user, from a vault"
    for name in [given["admin_user"], *(user["name"] for user in given["users"])]:
        if not NAME.fullmatch(name):
            yield f"jenkins_users: {name!r} is no name of a user, give letters, digits and . _ -"
    for user in given["users"]:
        if not given["ldap"] and user["name"] != given["admin_user"] and bool(user.get("password")) == bool(user.get("password_hash")):
            yield f"jenkins_users: {user['name']} needs either password or password_hash"
        if user.get("password_hash") and not HASH.fullmatch(user["password_hash"]):
            yield f"jenkins_users: password_hash of {user['name']} is none of Jenkins, give #jbcrypt: and the bcrypt hash"
        if user.get("token") and not re.fullmatch("11[0-9a-f]{32}", user["token"]):
            yield f"jenkins_users: token of {user['name']} is none that Jenkins takes, give 11 and 32 digits 0-9a-f (echo 11$(openssl rand -hex 16))"
        if user.get("token") and not (user.get("password") or user["name"] == given["admin_user"]):
            yield f"jenkins_users: token of {user['name']} needs the user's password, since users make their own"
    if given["ldap"] and not given["ldap"].get("server"):
        yield "jenkins_ldap has no server, give a URL such as ldaps://ldap.example.org"
    if given["ldap"] and not given["roles"]:
        yield "jenkins_roles is empty, so that everybody in the directory of jenkins_ldap would be an administrator, give roles"
    if given["roles"] and not any(ADMIN in role["permissions"] and (given["admin_user"] in (role.get("users") or ()) or given["ldap"] and role.get("groups"))
                                  for role in given["roles"].get("global") or ()):
        yield f"jenkins_roles gives {ADMIN} to no role of {given['admin_user']}, as whom this role works, add the user to a global role that has it"
    for kind in ("items", "agents"):
        for role in given["roles"].get(kind) or ():
            if not role.get("pattern"):
                yield f"jenkins_roles: {role['name']} of {kind} has no pattern, give a regular expression of names"


def _things(given):
    for kind, key in (("agents", "name"), ("libraries", "name"), ("credentials", "id"), ("secrets", "name"), ("users", "name")):
        names = [one[key] for one in given[kind]]
        yield from (f"jenkins_{kind} has {name!r} twice" for name in sorted({name for name in names if names.count(name) > 1}))
        if kind in ("credentials", "secrets"):
            yield from (f"jenkins_{kind}: {key} {name!r} has other signs than letters, digits and . _ -" for name in names if not NAME.fullmatch(name))
    for agent in given["agents"]:
        if agent["launcher"] == "ssh" and not agent.get("credentials_id"):
            yield f"jenkins_agents: {agent['name']} has the launcher ssh and no credentials_id, give the id of an ssh_key"
        if agent.get("host_key") and not re.fullmatch(r"(ssh|ecdsa)-\S+ [A-Za-z0-9+/=]+", agent["host_key"]):
            yield f"jenkins_agents: host_key of {agent['name']} is no key, give type and blob, as the host's /etc/ssh/ssh_host_ed25519_key.pub begins"
    if given["agents"] and given["nodes"]:
        yield "jenkins_agents and jenkins_nodes are both given, and the document takes away nodes that it does not name, use one of them"
    for library in given["libraries"]:
        path = library.get("path") or ""
        if path.startswith("/") or ".." in re.split(r"[/\\]", path):
            yield f"jenkins_libraries: path {path!r} of {library['name']} is no folder of its repository, give one such as pipeline, without / before it and .."
    for credential in given["credentials"]:
        if credential["id"] == HOOK and given["gitlab_hook_secret"]:
            yield f"jenkins_credentials has {HOOK!r}, which the role makes of jenkins_gitlab_hook_secret, take it out"
        for need in CREDENTIALS[credential["type"]][2]:
            if not credential.get(need):
                yield f"jenkins_credentials: {credential['id']} of type {credential['type']} has no {need}"
    if not isinstance(given["casc"], dict):
        yield "jenkins_casc is no mapping of root elements such as jenkins and unclassified"


def jenkins_agents(hosts: list, hostvars) -> list[dict]:
    """What Jenkins is told of the machines with role jenkins_agent, by their own variables; over ssh with the host key that was read on the machine."""
    agents = []
    for host in hosts:
        about = hostvars[host]
        launcher = about.get("jenkins_agent_launcher", "inbound")
        agent = {"name": about.get("jenkins_agent_name") or host, "launcher": launcher, "remote_fs": about.get("jenkins_agent_home"),
                 "executors": about.get("jenkins_agent_executors"), "labels": about.get("jenkins_agent_labels"), "gpus": about.get("jenkins_agent_gpus"),
                 "environment": about.get("jenkins_agent_environment")}
        if launcher == "ssh":
            key = about.get("__jenkins_agent_host_key", {}).get("content")
            agent |= {"host": about.get("site_address") or host, "credentials_id": about.get("jenkins_agent_credentials_id", "agents"),
                      "host_key": " ".join(b64decode(key).decode().split()[:2]) if key else None}
        agents.append({name: value for name, value in agent.items() if value not in (None, "", [], {})})
    return agents


def known_hosts(hosts: list, hostvars, variable: str) -> str:
    """Lines of a known_hosts file: each host's key, as it was read there into `variable`, by the names and addresses it is reached by."""
    lines = []
    for host in hosts:
        about = hostvars[host]
        names = dict.fromkeys(filter(None, (host, about.get("site_address"), about.get("ansible_host"))))
        key = (about.get(variable) or {}).get("content")
        lines += [f"{','.join(names)} {' '.join(b64decode(key).decode().split()[:2])}"] if key else []
    return "".join(f"{line}\n" for line in lines)


def _checked(function):
    def of(given):
        try:
            return function(given)
        except (KeyError, TypeError, AttributeError) as error:
            raise AnsibleFilterError(f"{function.__name__}: the variables of role jenkins are not as its argument spec says: {error!r}") from error
    return of


class FilterModule:
    """What Ansible asks for."""

    def filters(self):
        return {"jenkins_document": _checked(jenkins_document), "jenkins_faults": _checked(jenkins_faults), "jenkins_agents": jenkins_agents,
                "known_hosts": known_hosts}
