# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Nagios that watches itself and another machine: what it sees, whom it tells, whom it lets in. Asked from the machines, by the web interface's
programs, a real SMTP server and a real HTTP server. What a test changes it changes back."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import pytest
import testinfra
import yaml

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
SITE = yaml.safe_load((SCENARIO / "vars" / "site.yml").read_text(encoding="utf-8"))
SECRETS = [SITE["site_hook_secret"], SITE["site_mail_secret"], SITE["site_engineer_secret"], SITE["site_users"][1]["password"]]
USERS = {"engineer": SITE["site_engineer_secret"], "guest": SITE["site_users"][1]["password"]}
ON_BOTH = ["HostDown", "DiskFull", "MemoryLow", "LoadHigh"]
ON_TARGET = ["NginxDown", "Page", "PlainPage", "Port", "Certificate"]
SERVICES = {("monitor1", name) for name in ON_BOTH} | {("target1", name) for name in ON_BOTH + ON_TARGET}
RUNBOOK = SITE["site_runbook"]
SUMMARY = next(check["summary"] for check in SITE["site_checks"] if check["name"] == "NginxDown")
UNITS = [("monitor", "nagios4"), ("monitor", "nagios-web"), ("monitor", "nagios-nrpe-server"), ("target", "nagios-nrpe-server")]


def machine(name):
    """The name of a machine's container."""
    return f"mlops-{os.environ.get('MLOPS_LAB', 'molecule')}-{name}"


@pytest.fixture(scope="module")
def monitor():
    return testinfra.get_host(f"docker://{machine('monitor1')}")


@pytest.fixture(scope="module")
def target():
    return testinfra.get_host(f"docker://{machine('target1')}")


def converge(*arguments, **variables):
    """(exit code, output) of the scenario's playbook with other variables."""
    given = [word for item in variables.items() for word in ("-e", json.dumps(dict([item])))]
    done = subprocess.run(["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "-e", f"@{SCENARIO}/vars/site.yml", *given, *arguments,
                           SCENARIO / "converge.yml"], text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout)
    return done.returncode, done.stdout


def until(what, seconds=300):
    """The first true value that what() gives; the last one when there is none in time."""
    end = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < end:
        time.sleep(1)
    return value


def web(host, path, *options, user="engineer", password=None):
    """(status, body) of the web interface."""
    login = ["-u", f"{user}:{password or USERS[user]}"] if user else []
    done = host.run(shlex.join(["curl", "-s", "-w", "\n%{http_code}", *login, *options, "http://127.0.0.1:8085" + path]))
    body, _newline, status = done.stdout_bytes.decode(errors="replace").rpartition("\n")
    return int(status), body


def states(host):
    """{(host, service): (state, whether it is hard, output)} as the web interface tells it."""
    status, body = web(host, "/nagios4/cgi-bin/statusjson.cgi?query=servicelist&details=true&formatoptions=enumerate", user="guest")
    assert status == 200
    return {(name, service): (about["status"].upper(), about["state_type"] == "hard", about["plugin_output"])
            for name, services in json.loads(body)["data"]["servicelist"].items() for service, about in services.items()}


def all_ok(host):
    """Whether every service is, and is surely, OK."""
    found = states(host)
    return all(about[:2] == ("OK", True) for about in found.values()) and found


def web_users(host):
    """{user of the web interface: hash of the password}."""
    return dict(line.split(":") for line in host.file("/etc/nagios4/web.users").content_string.splitlines())


def process(host, unit):
    """The main process of a unit."""
    return host.check_output(f"systemctl show --value -p MainPID {unit}")


def nrpe(host, asked, *options, client="nagios_client", ca="ca"):
    """(exit code, output) of a question to an agent."""
    done = host.run(" ".join(["/usr/lib/nagios/plugins/check_nrpe -H", asked, "-d 0 -S TLSv1.2+", f"-A /opt/{ca}.crt",
                              f"-C /opt/{client}.crt -K /opt/{client}.key" if client else "", *options]))
    return done.rc, done.stdout


class Receivers:
    """What the SMTP server and the HTTP server of monitor1 have been sent."""

    def __init__(self, host):
        self.host = host

    def clear(self):
        self.host.check_output("rm -f /root/received")

    def messages(self, kind, **wanted):
        """Messages of a kind whose fields hold the texts wanted."""
        lines = self.host.run("cat /root/received").stdout.splitlines()
        return [message for message in map(json.loads, lines) if message["kind"] == kind and all(text in str(message[field]) for field, text in wanted.items())]


@pytest.fixture(scope="module")
def receivers(monitor):
    monitor.run("systemctl stop receivers")
    monitor.check_output("systemd-run --quiet --unit=receivers python3 /opt/receivers.py /root/received /opt/mail.password")
    yield Receivers(monitor)
    monitor.check_output("systemctl stop receivers")


def test_every_check_is_made_and_ok(monitor):
    found = until(lambda: all_ok(monitor))
    assert found, states(monitor)
    assert set(found) == SERVICES


def test_hosts_are_pinged_and_grouped_as_in_the_inventory(monitor):
    hosts = json.loads(web(monitor, "/nagios4/cgi-bin/statusjson.cgi?query=hostlist&details=true&formatoptions=enumerate")[1])["data"]["hostlist"]
    assert {name: about["status"] for name, about in hosts.items()} == {"monitor1": "up", "target1": "up"}
    assert all("rta" in about["plugin_output"] for about in hosts.values())
    groups = json.loads(web(monitor, "/nagios4/cgi-bin/objectjson.cgi?query=hostgrouplist&details=true")[1])["data"]["hostgrouplist"]
    both = ["monitor1", "target1"]
    assert {name: about["members"] for name, about in groups.items()} == {"lab": both, "monitored": both, "monitoring": both[:1], "targets": both[1:]}


def test_web_interface_asks_for_a_password_on_every_page(monitor):
    for path in ["/", "/nagios4/", "/nagios4/images/logofullsize.png", "/nagios4/cgi-bin/statusjson.cgi?query=programstatus", "/nagios4/cgi-bin/status.cgi"]:
        assert web(monitor, path, user=None)[0] == 401, path
        assert web(monitor, path, password="wrong-password")[0] == 401, path
        assert web(monitor, path)[0] == (302 if path == "/" else 200), path
    assert web(monitor, "/nagios4/", user="nagiosadmin", password="nagiosadmin")[0] == 401


def test_every_link_of_the_menu_stays_below_the_path_of_a_proxy_and_works(monitor):
    assert "side.php" in web(monitor, "/nagios4/")[1]
    links = sorted({link.replace("&amp;", "&") for link in re.findall(r'href="([^"#]+)"', web(monitor, "/nagios4/side.php")[1]) if "//" not in link})
    assert len(links) > 25
    for link in links:
        path = link if link.startswith("/") else f"/nagios4/{link}"
        assert path.startswith("/nagios4/") and web(monitor, path)[0] == 200, path
    assert "'/nagios4/cgi-bin/'" in web(monitor, "/nagios4/js/map.js")[1]


def test_redirects_lead_back_to_the_tls_proxy(monitor):
    body = web(monitor, "/", "-H", "Host: nagios.example.org:8444", "-D", "-")[1]
    assert "Location: https://nagios.example.org:8444/nagios4/" in body.splitlines()


def test_web_interface_listens_on_loopback_only(monitor):
    listening = [socket for socket in monitor.socket.get_listening_sockets() if socket.endswith((":8085", ":80", ":443", ":25"))]
    assert listening == ["tcp://127.0.0.1:8085"]


def test_a_read_only_user_can_change_nothing(monitor):
    """Command 7 asks for a check now; it reaches Nagios by its pipe. The form carries a number that must come back, in a cookie as well."""
    form = "/nagios4/cgi-bin/cmd.cgi?cmd_typ=7&host=target1&service=Page"
    assert "do not have permission" in web(monitor, form, user="guest")[1]
    number = re.search(r"nagFormId' value='(\w+)'", web(monitor, form)[1], re.I)[1]
    order = ["-b", f"NagFormId={number}", "--data",
             f"nagFormId={number}&cmd_typ=7&cmd_mod=2&host=target1&service=Page&start_time={quote('2026-01-01 00:00:00')}&force_check=on"]
    assert "do not have permission" in web(monitor, "/nagios4/cgi-bin/cmd.cgi", *order, user="guest")[1]
    assert "successfully submitted" in web(monitor, "/nagios4/cgi-bin/cmd.cgi", *order)[1]
    log = monitor.file("/var/log/nagios4/nagios.log")
    assert until(lambda: "EXTERNAL COMMAND: SCHEDULE_FORCED_SVC_CHECK;target1;Page" in log.content_string)


def test_run_book_and_summary_show_in_the_web_interface_as_they_were_written(monitor):
    page = web(monitor, "/nagios4/cgi-bin/extinfo.cgi?type=2&host=target1&service=NginxDown")[1]
    assert f"HREF='{RUNBOOK}'" in page
    assert SUMMARY.replace("<", "&lt;").replace(">", "&gt;").rstrip("\\ ") in page
    assert f"href='{RUNBOOK}'" in web(monitor, "/nagios4/cgi-bin/status.cgi?host=target1")[1]


def test_agent_answers_nagios(monitor):
    code, text = nrpe(monitor, "target1", "-c NginxDown")
    assert (code, text) == (0, "UNIT OK - nginx.service is active\n")


@pytest.mark.parametrize(("client", "options"), [(None, []), ("stranger", []), (None, ["-n"]), (None, ["-d 2", "-L ADH"])],
                         ids=["no certificate", "another CA's", "no TLS", "anonymous"])
def test_agent_refuses_who_shows_no_certificate_of_the_site(monitor, client, options):
    code, text = nrpe(monitor, "target1", "-c NginxDown", *options, client=client)
    assert code != 0 and "UNIT" not in text


def test_agent_refuses_another_host_whatever_it_shows(monitor, target):
    code, text = nrpe(target, "target1", "-c NginxDown")
    assert code != 0 and "UNIT" not in text
    assert "is not allowed to talk to us" in target.check_output("journalctl --unit nagios-nrpe-server --no-pager")


def test_nagios_refuses_an_agent_of_another_ca(monitor):
    code, text = nrpe(monitor, "target1", "-c NginxDown", ca="stranger")
    assert code != 0 and "UNIT" not in text


def test_agent_takes_no_arguments_and_knows_no_other_command(monitor):
    for question in ["-c NginxDown -a ssh.service", "-c check_users", "-c 'NginxDown;id'"]:
        code, text = nrpe(monitor, "target1", question)
        assert code != 0 and "UNIT" not in text and "uid=" not in text, question


def test_https_is_verified_with_the_ca_of_the_site(monitor):
    """The very commands of the checks: with the site's CA they pass, with another's they do not."""
    for name in ["Page", "Certificate"]:
        command = re.search(rf"command_name +{name}@target1\n +command_line +(.*)", monitor.file("/etc/nagios4/mlops.cfg").content_string)[1]
        assert monitor.run(command).rc == 0
        refused = monitor.run(command.replace("/etc/nagios4/ca.pem", "/opt/stranger.crt"))
        assert refused.rc == 2 and "certificate" in refused.stdout


def test_a_stopped_service_is_seen_told_and_seen_again(monitor, target, receivers):
    receivers.clear()
    target.check_output("systemctl stop nginx")
    try:
        wanted = {("target1", name): ("WARNING" if name == "PlainPage" else "CRITICAL", True) for name in ON_TARGET}
        until(lambda: {key: about[:2] for key, about in states(monitor).items() if key in wanted} == wanted)
        found = states(monitor)
        assert {key: about[:2] for key, about in found.items()} == {key: wanted.get(key, ("OK", True)) for key in SERVICES}
        assert "nginx.service is inactive" in found["target1", "NginxDown"][2]
        assert until(lambda: len(receivers.messages("mail", subject="PROBLEM")) == 9 and len(receivers.messages("web")) == 9), receivers.messages("mail")
    finally:
        target.check_output("systemctl start nginx")

    mail = receivers.messages("mail", subject="PROBLEM: NginxDown on target1 is CRITICAL", to="team@example.org")
    assert len(mail) == 1
    assert (mail[0]["login"], mail[0]["sender"]) == ("nagios", "nagios@example.org")
    for line in [SUMMARY, f"What to do: {RUNBOOK}", "Check says: UNIT CRITICAL - nginx.service is inactive",
                 "In Nagios: https://monitor1:8444/nagios4/cgi-bin/extinfo.cgi?type=2&host=target1&service=NginxDown"]:
        assert line in mail[0]["text"].splitlines()
    chat = receivers.messages("web", path=f"/hooks/{SITE['site_hook_secret']}", body="NginxDown")
    assert len(chat) == 1 and set(chat[0]["body"]) == {"text"} and chat[0]["type"] == "application/json"
    assert f"What to do: {RUNBOOK}" in chat[0]["body"]["text"] and SUMMARY in chat[0]["body"]["text"]
    told = [message["body"] for message in receivers.messages("web", path="/json/", body="NginxDown")]
    assert [(about["type"], about["state"], about["host"], about["check"], about["severity"], about["runbook"], about["labels"], about["summary"])
            for about in told] == [("PROBLEM", "CRITICAL", "target1", "NginxDown", "critical", RUNBOOK, {"feedback": "retrain"}, SUMMARY)]
    # Who asked for critical checks only is not told of a warning.
    assert receivers.messages("mail", subject="PlainPage", to="team@example.org")
    assert not receivers.messages("mail", subject="PlainPage", to="on-call@example.org")

    assert until(lambda: all_ok(monitor))
    assert until(lambda: receivers.messages("mail", subject="RECOVERY: NginxDown on target1 is OK", to="on-call@example.org"))
    assert until(lambda: receivers.messages("web", path="/json/", body="'type': 'RECOVERY', 'state': 'OK', 'host': 'target1', 'check': 'NginxDown'"))


def test_a_host_that_is_gone_is_told_of_once_and_not_with_each_of_its_services(monitor, receivers):
    receivers.clear()
    space = subprocess.run(["docker", "inspect", "-f", "{{.State.Pid}}", machine("target1")], check=True, capture_output=True, text=True).stdout.strip()
    silent = ["nsenter", "-t", space, "-n", "sysctl", "-q", "-w"]
    subprocess.run([*silent, "net.ipv4.icmp_echo_ignore_all=1"], check=True)
    subprocess.run(["docker", "pause", machine("target1")], check=True)
    try:
        assert until(lambda: receivers.messages("web", path="/json/", body="'state': 'DOWN'"))
        # Port is left out: the kernel of a frozen machine still takes connections.
        gone = [("target1", name) for name in ON_BOTH + ON_TARGET if name != "Port"]
        assert until(lambda: all(states(monitor)[key][0] != "OK" and states(monitor)[key][1] for key in gone)), states(monitor)
    finally:
        subprocess.run(["docker", "unpause", machine("target1")], check=True)
        subprocess.run([*silent, "net.ipv4.icmp_echo_ignore_all=0"], check=True)
    assert until(lambda: receivers.messages("web", path="/json/", body="'state': 'UP'"))
    assert until(lambda: all_ok(monitor))
    problems = [message["body"] for message in receivers.messages("web", path="/json/", body="PROBLEM")]
    assert [(about["host"], about["check"], about["state"], about["runbook"]) for about in problems] == [
        ("target1", "HostDown", "DOWN", "https://runbooks.example.org/host")]


def test_a_message_that_cannot_be_handed_over_is_logged_without_its_secrets(monitor):
    """As when the receivers are down: ports that nobody listens on."""
    done = monitor.run("umask 077; sed 's/8099/8098/; s/2525/2524/' /etc/nagios4/notify.json >/run/notify.json; "
                       "sed 's#/etc/nagios4/notify.json#/run/notify.json#' /usr/local/lib/nagios/notify.py >/run/notify.py; "
                       "python3 /run/notify.py --to chat --type PROBLEM --host target1 --check Page --state CRITICAL --output x & "
                       "python3 /run/notify.py --to team --type PROBLEM --host target1 --check Page --state CRITICAL --output x; code=$?; wait; exit $code")
    assert done.rc == 1
    assert "chat was not told of Page after 3 attempts: URLError" in done.stderr
    assert "team was not told of Page after 3 attempts: ConnectionRefusedError" in done.stderr
    assert not [secret for secret in SECRETS if secret in done.stderr + done.stdout]


@pytest.mark.parametrize(("variables", "said"), [
    ({"nagios_contacts": [{"name": "a`b", "email": "x@example.org"}]}, "nagios_contacts and nagios_webhooks have the names ['a`b', 'chat', 'feedback']"),
    ({"nagios_nrpe_key": ""}, "nagios_nrpe_certificate, nagios_nrpe_key and nagios_nrpe_ca must be PEM texts"),
    ({"nagios_checks": [{"name": "x!y", "kind": "ping", "hosts": [{"name": "monitor1", "address": "monitor1"}]}]},
     "nagios_checks has x!y with the hosts [{'name': 'monitor1', 'address': 'monitor1'}]"),
    ({"nagios_agent_allowed_hosts": []}, "nagios_agent_allowed_hosts is []; it must have at least one"),
    ({"nagios_agent_checks": [{"name": "x", "kind": "unit", "unit": "a;b", "hosts": []}]},
     "nagios_agent_checks has {'name': 'x', 'kind': 'unit', 'unit': 'a;b'"),
    ({"nagios_port": 80}, "nagios_port is 80; it must be 1024 or more, up to 65535"),
    # A number that the role lets through and Nagios refuses.
    ({"site_extra_checks": [{"name": "Forever", "groups": ["monitored"], "kind": "tcp", "port": 22, "for": 2 * (2 ** 32 - 1)}]},
     "Error: Invalid max_attempts"),
], ids=["contact", "certificate", "check", "who may ask", "unit", "port", "by Nagios"])
def test_what_would_not_work_is_refused_and_what_runs_is_left_alone(monitor, variables, said):
    files = "find /etc/nagios /etc/nagios4 -type f | sort | xargs sha256sum"
    before = (monitor.check_output(files), process(monitor, "nagios4"))
    part = "--tags" if any(name.startswith("nagios_agent") for name in variables) else "--skip-tags"
    code, text = converge("--limit", "monitor1", part, "agents", **variables)
    assert code != 0 and said in " ".join(text.split())
    assert (monitor.check_output(files), process(monitor, "nagios4")) == before


@pytest.mark.parametrize(("part", "text"), [("objects", "define hoost {\n}\n"), ("main", "cfg_file=/nowhere.cfg\n")])
def test_nagios_tries_a_file_before_it_replaces_another(monitor, part, text):
    monitor.check_output("printf %s > /run/broken", text)
    done = monitor.run(f"/usr/local/lib/nagios/try-configuration.sh {part} /run/broken")
    assert done.rc == 1 and "Error" in done.stderr


def test_a_change_needs_reloads_only_and_shows_no_secret(monitor, target):
    """One more check, a user who comes and leaves, and other secrets: a plan, the change, and the way back."""
    hosts = {"monitor": monitor, "target": target}
    running = {(where, unit): process(hosts[where], unit) for where, unit in UNITS}
    hashes = web_users(monitor)
    new = {"site_engineer_secret": "another-secret-55e0", "site_hook_secret": "hook-secret-91aa", "site_mail_secret": "mail-secret-03bd"}
    leaver = {"name": "leaver", "password": "leaver-secret-9a9a"}
    extra = {"site_extra_checks": [{"name": "SshDown", "groups": ["monitored"], "kind": "unit", "unit": "ssh.service"}], "site_extra_users": [leaver]}
    # What htpasswd is called with, other users of the machine could see.
    monitor.check_output("printf '#!/bin/sh\\necho \"called with $*\" >>/run/called\\nexec /usr/bin/htpasswd \"$@\"\\n' >/usr/local/bin/htpasswd && "
                         "chmod +x /usr/local/bin/htpasswd")

    code, planned = converge("--skip-tags", "agents", "--check", "--diff", "-vvv", **new, **extra)
    assert code == 0 and web_users(monitor) == hashes
    code, text = converge("--diff", "-vvv", **new, **extra)
    assert code == 0
    assert sorted(set(re.findall(r"RUNNING HANDLER \[[^]]* : ([^]]*)\]", text))) == ["Reload NRPE", "Reload Nagios"]
    called = monitor.file("/run/called").content_string
    assert "engineer" in called
    secrets = [*SECRETS, *new.values(), leaver["password"], "PRIVATE KEY"]
    assert not [secret for secret in secrets if secret in planned + text + called]
    assert web(monitor, "/nagios4/")[0] == 401
    assert web(monitor, "/nagios4/", password=new["site_engineer_secret"])[0] == 200
    assert web(monitor, "/nagios4/", user="leaver", password=leaver["password"])[0] == 200
    now = web_users(monitor)
    assert now["guest"] == hashes["guest"] and now["engineer"] != hashes["engineer"]
    assert until(lambda: {("monitor1", "SshDown"), ("target1", "SshDown")} <= set(all_ok(monitor) or [])), states(monitor)

    monitor.check_output("rm /usr/local/bin/htpasswd")
    assert converge()[0] == 0
    assert until(lambda: set(states(monitor)) == SERVICES)
    assert nrpe(monitor, "target1", "-c SshDown")[0] != 0
    assert set(web_users(monitor)) == set(USERS) and web(monitor, "/nagios4/")[0] == 200
    assert {(where, unit): process(hosts[where], unit) for where, unit in UNITS} == running


def test_no_secret_can_be_read_by_others(monitor, target):
    for host in (monitor, target):
        found = host.run("runuser -u nobody -- grep -rlE %s /etc /run /srv /usr/local /var", "|".join([*SECRETS[:3], "PRIVATE KEY-----"])).stdout
        assert [line for line in found.splitlines() if not line.startswith("/srv/mirror")] == []
    for host, path in [(monitor, "/etc/nagios4/notify.json"), (monitor, "/etc/nagios4/nrpe/client.key"), (target, "/etc/nagios/tls/agent.key")]:
        assert (host.file(path).user, host.file(path).group, host.file(path).mode) == ("root", "nagios", 0o640)
    users = monitor.file("/etc/nagios4/web.users")
    assert (users.user, users.group, users.mode) == ("root", "www-data", 0o640)
    assert all("$2y$" in line for line in users.content_string.splitlines())


@pytest.mark.parametrize(("where", "unit"), UNITS)
def test_services_run_as_users_of_their_own_in_a_sandbox(request, where, unit):
    host = request.getfixturevalue(where)
    assert host.service(unit).is_running and host.service(unit).is_enabled
    group = host.check_output(f"systemctl show --value -p ControlGroup {unit}")
    owners = set(host.check_output(f"stat -c %U $(sed 's#^#/proc/#' /sys/fs/cgroup/systemd{group}/cgroup.procs) 2>/dev/null || true").split())
    assert owners == {"www-data" if unit == "nagios-web" else "nagios"}
    said = host.check_output(f"systemd-analyze security --no-pager {unit}").splitlines()[-1]
    assert float(re.search(r"level for .*: ([0-9.]+)", said)[1]) <= 4.0, said
