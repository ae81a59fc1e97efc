# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role reverse_proxy lets through, refuses and keeps, seen by clients on its own host and by runs with other variables. It knows no interface but
the small one of this scenario."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
SECRETS = pathlib.Path(os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local/state") / "mlops-onprem" / os.environ.get("MLOPS_LAB", "molecule")
CA = "/root/ca.crt"
NAMES = ("alpha.example.org", "beta.example.org", "proxy1", "nexus1", "nobody.example.org")


def password(name):
    return (SECRETS / "secrets" / f"nexus_{name}.password").read_text(encoding="utf-8").strip()


def run(**variables):
    """The role with other variables, as talkative as it can be: the finished ansible-playbook."""
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], HERE.parents[1] / "shared" / "converge.yml", "-vvv", "--diff", "-e"]
    return subprocess.run([*command, json.dumps(variables)], text=True, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def good(**variables):
    done = run(**variables)
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def sites():
    """The scenario's sites, as its inventory has them after templating."""
    command = ["ansible", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "proxy1", "-m", "ansible.builtin.debug", "-a", "var=reverse_proxy_sites"]
    shown = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE, env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"})
    return json.loads(shown.stdout.partition("=>")[2])["reverse_proxy_sites"]


@pytest.fixture(scope="module", autouse=True)
def clients(host):
    """What a client needs: the CA's certificate and a program for what curl cannot do."""
    for path, source in ((CA, SECRETS / "ca" / "ca.crt"), ("/root/client.py", HERE / "client.py")):
        host.check_output(f"cat >{path} <<'END'\n{source.read_text(encoding='utf-8')}\nEND")


def curl(host, url, options="", ca=CA):
    """(exit code, status, headers, body) of a request to this host by whatever name."""
    resolve = " ".join(f"--resolve {name}:{port}:127.0.0.1" for name in NAMES for port in (80, 443, 8443, 9443))
    done = host.run(f"curl -sS -i --cacert {ca} {resolve} {options} {shlex.quote(url)}")
    head, _gap, body = done.stdout.partition("\r\n\r\n")
    lines = head.splitlines() or ["none 0"]
    return done.rc, int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body


def main_process(host):
    return host.check_output("systemctl show --value -p MainPID nginx")


def serial(host, port, name):
    return host.check_output(f"openssl s_client -connect 127.0.0.1:{port} -servername {name} </dev/null 2>/dev/null | openssl x509 -noout -serial")


def state(host):
    """What nginx runs on: its files and its process."""
    return host.check_output("sha256sum /etc/nginx/nginx.conf /etc/nginx/tls/* /etc/nginx/users/*"), main_process(host)


# What clients meet


def test_the_private_ca_is_all_a_client_needs(host):
    for name in NAMES[:2]:
        assert curl(host, f"https://{name}/")[:2] == (0, 200 if name == "alpha.example.org" else 401)
    for name in ("proxy1", "127.0.0.1", "[::1]"):
        assert curl(host, f"https://{name}:8443/part/", "--connect-to ::127.0.0.1:")[:2] == (0, 200)
    assert curl(host, "https://alpha.example.org/", ca="/etc/ssl/certs/ca-certificates.crt")[0] == 60


def test_the_name_picks_the_site_and_its_certificate(host):
    assert json.loads(curl(host, "https://alpha.example.org/")[3])["port"] == 9001
    answer = curl(host, "https://beta.example.org/", f"-u reader:{password('publisher')}")
    assert json.loads(answer[3])["port"] == 9002
    assert serial(host, 443, "alpha.example.org") != serial(host, 443, "beta.example.org")


def test_other_names_are_refused(host):
    """On a port of named sites by the proxy itself, elsewhere by the client: the certificate is for other names."""
    assert curl(host, "https://nobody.example.org/", "-k")[:2] == (35, 0)
    assert curl(host, "https://nobody.example.org:8443/part/")[0] == 60
    assert curl(host, "https://nobody.example.org:8443/part/", "-k")[1] == 200


def test_the_path_picks_the_site(host):
    assert json.loads(curl(host, "https://proxy1:8443/part/x?y=1")[3])["path"] == "/part/x?y=1"
    assert curl(host, "https://proxy1:8443/gone/")[1] == 502
    assert curl(host, "https://proxy1:8443/other")[1] == 404


@pytest.mark.parametrize(("version", "accepted"), [("tls1", False), ("tls1_1", False), ("tls1_2", True), ("tls1_3", True)])
def test_old_tls_is_refused(host, version, accepted):
    ciphers = "" if version == "tls1_3" else "-cipher DEFAULT:@SECLEVEL=0"
    done = host.run(f"openssl s_client -{version} {ciphers} -connect 127.0.0.1:443 -servername alpha.example.org </dev/null")
    assert (done.rc == 0 and "Verify return code" in done.stdout and "Cipher is (NONE)" not in done.stdout) == accepted
    assert accepted or "alert protocol version" in done.stderr


def test_a_cipher_without_forward_secrecy_is_refused(host):
    offer = "openssl s_client -tls1_2 -cipher {} -connect 127.0.0.1:9443 </dev/null"
    assert host.run(offer.format("ECDHE-ECDSA-AES128-GCM-SHA256")).rc == 0
    assert "handshake failure" in host.run(offer.format("ECDHE-ECDSA-AES128-SHA")).stderr


def test_a_login_is_asked_for_and_kept_from_the_interface(host):
    right, other = password("publisher"), password("deployer")
    for options, status in (("", 401), ("-u reader:wrong", 401), (f"-u reader:{other}", 401), (f"-u nobody:{right}", 401), (f"-u reader:{right}", 200),
                            (f"-u other:{other}", 200)):
        assert curl(host, "https://beta.example.org/", options)[1] == status, options
    answer = curl(host, "https://beta.example.org/", f"-u reader:{right}")
    assert "authorization" not in json.loads(answer[3])["headers"]
    assert json.loads(curl(host, "https://alpha.example.org/", "-u a:b")[3])["headers"]["authorization"]


def test_the_interface_learns_who_asks_and_how(host):
    headers = json.loads(curl(host, "https://proxy1:8443/part/")[3])["headers"]
    assert (headers["host"], headers["x-forwarded-proto"], headers["x-forwarded-for"]) == ("proxy1:8443", "https", "127.0.0.1")


def test_headers_that_protect_browsers_are_added_and_stricter_ones_kept(host):
    _rc, _status, headers, _body = curl(host, "https://alpha.example.org/")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "sameorigin"
    assert headers["strict-transport-security"] == "max-age=600"
    assert curl(host, "https://alpha.example.org/framed")[2]["x-frame-options"] == "deny"
    assert curl(host, "https://beta.example.org/")[2]["x-frame-options"] == "sameorigin"


def test_plain_http_is_sent_to_tls(host):
    _rc, status, headers, _body = curl(host, "http://alpha.example.org/a?b=1")
    assert (status, headers["location"]) == (301, "https://alpha.example.org/a?b=1")
    assert curl(host, "http://proxy1/part/")[2]["location"] == "https://proxy1:8443/part/"


def test_a_websocket_passes_where_it_is_allowed(host):
    assert host.check_output(f"python3 /root/client.py websocket {CA} 443 alpha.example.org /") == "101 echo of a frame"
    assert host.check_output(f"python3 /root/client.py websocket {CA} 8443 proxy1 /part/").startswith("200")


def test_an_upload_is_streamed_and_never_spooled(host):
    """The interface has the first half while the client still holds the second one back."""
    files = "find /var/lib/nginx /tmp /var/tmp -type f -size +16k -user www-data"
    half, spooled, status = host.check_output(f"python3 /root/client.py upload {CA} 443 alpha.example.org 64 {shlex.quote(files)}").split("|")
    assert (int(half), spooled, status) == (32 * 1024 * 1024, "", "201")
    assert host.check_output("cat /run/upstream-9001/received") == str(64 * 1024 * 1024)


def test_tokens_in_a_query_are_in_no_log(host):
    for url in ("https://alpha.example.org/a?token=sesame-1", "https://proxy1:8443/gone/?token=sesame-2", "https://beta.example.org/?token=sesame-3"):
        curl(host, url, "-H 'Referer: https://alpha.example.org/?token=sesame-4' -u sesame-5:sesame-6")
    assert host.run("grep -r sesame /var/log/nginx").stdout == ""
    assert "/gone/" in host.check_output("tail -2 /var/log/nginx/access.log")


# How it stands on the host


def modes(host):
    return host.check_output("stat -c '%n %a %U:%G' /etc/nginx/tls/* /etc/nginx/users/*").splitlines()


MODES = [*(f"/etc/nginx/tls/{name}.pem 600 root:root" for name in ("alpha", "beta", "given", "part")), "/etc/nginx/users/beta 640 root:www-data"]


def test_keys_and_hashes_are_readable_by_whom_they_are_for(host):
    assert host.file("/etc/nginx/tls").mode == 0o700
    assert modes(host) == MODES
    lines = host.file("/etc/nginx/users/beta").content_string.splitlines()
    assert [line.partition("$6$")[0] for line in lines] == ["reader:", "other:"]


def test_the_private_ca_is_its_owners_only():
    assert {path.name: path.stat().st_mode & 0o777 for path in (SECRETS / "ca").iterdir()} == {"ca.key": 0o600, "ca.crt": 0o600}
    assert (SECRETS / "ca").stat().st_mode & 0o777 == 0o700


def test_workers_are_not_root(host):
    """The master is, for low ports and for the keys: that is all it may do (see its drop-in)."""
    users = host.check_output("ps -o user=,args= --ppid " + main_process(host)).splitlines()
    assert users
    assert all(line.startswith("www-data nginx: worker") for line in users)


def test_the_service_is_shut_in(host):
    exposure = host.check_output("systemd-analyze security --no-pager nginx.service").splitlines()[-1]
    assert float(exposure.partition(": ")[2].split()[0]) <= 4.0


def test_it_comes_back_after_a_restart(host):
    assert host.service("nginx").is_enabled
    host.check_output("systemctl restart nginx")
    assert curl(host, "https://alpha.example.org/")[1] == 200


# Runs with other variables


def test_a_broken_configuration_never_replaces_the_good_one(host, sites):
    before = state(host)
    done = run(reverse_proxy_sites=[site | {"limit_rate": "20q"} for site in sites])
    assert done.returncode == 2
    assert "failed to validate" in done.stdout
    assert "20q" in done.stdout
    assert state(host) == before
    host.check_output("nginx -t -q && systemctl reload nginx")
    assert curl(host, "https://alpha.example.org/")[:2] == (0, 200)


def test_what_cannot_work_is_refused_with_all_reasons_before_any_change(host, sites):
    before = state(host)
    bad = [
        {"name": "one", "port": 443, "upstream": "127.0.0.1:1", "server_names": ["alpha.example.org", "one.example.org"]},
        {"name": "alpha", "port": 70000, "upstream": "127.0.0.1:1", "users": []},
        {"name": "two", "port": 9443, "upstream": "127.0.0.1:1"},
        {"name": "three", "port": 80, "upstream": "127.0.0.1:1", "key": "half of a secret"},
    ]
    text = run(reverse_proxy_sites=[*sites, *bad]).stdout
    for reason in ("site one: server_names has alpha.example.org, which site alpha has on port 443", "site alpha: name alpha is given twice",
                   "site alpha: port 70000", "site alpha: users is empty", "site two: port 9443 with no server_names and path / is taken",
                   "site three: port 80 is reverse_proxy_redirect_port", "site three: key is given without its certificate"):
        assert reason in text
    assert "half of a secret" not in text
    assert state(host) == before


def test_a_certificate_of_another_key_and_a_taken_port_are_refused(host, sites):
    before = state(host)
    given = next(site for site in sites if site["name"] == "given")
    text = run(reverse_proxy_sites=[given | {"certificate": (SECRETS / "secrets" / "ca.crt").read_text(encoding="utf-8")}]).stdout
    assert "site given: certificate is for another key" in text
    assert "taken on this host: port 9002 by" in run(reverse_proxy_sites=[*sites, given | {"name": "late", "port": 9002}]).stdout
    assert state(host) == before


def test_a_certificate_that_runs_out_is_renewed_by_a_reload(host):
    pid, alpha, given = main_process(host), serial(host, 443, "alpha.example.org"), serial(host, 9443, "nexus1")
    text = good(reverse_proxy_renew_days=398, reverse_proxy_certificate_days=420)
    assert "alpha: fewer than 398 days are left" in text
    assert main_process(host) == pid
    assert serial(host, 443, "alpha.example.org") != alpha
    assert serial(host, 9443, "nexus1") == given
    assert curl(host, "https://alpha.example.org/")[:2] == (0, 200)


def test_sites_follow_the_variables_and_a_killed_run_is_repaired(host, sites):
    """Other names, another password, a site less; then all as it was, on files that a killed run left."""
    pid, part = main_process(host), serial(host, 8443, "proxy1")
    alpha, beta = (site for site in sites if site["name"] in ("alpha", "beta"))
    beta = beta | {"users": [{"name": "reader", "password": "open sesame"}], "server_names": ["beta.example.org", "proxy1"]}
    text = good(reverse_proxy_sites=[beta, *(site for site in sites if site["name"] in ("part", "gone"))])
    assert "open sesame" not in text
    assert curl(host, "https://proxy1/", "-u 'reader:open sesame'")[:2] == (0, 200)
    assert curl(host, "https://beta.example.org/", f"-u reader:{password('publisher')}")[1] == 401
    assert curl(host, "https://alpha.example.org/", "-k")[0] == 35
    assert not host.socket("tcp://0.0.0.0:9443").is_listening
    assert host.check_output("ls /etc/nginx/tls") == "beta.pem\npart.pem"
    assert (main_process(host), serial(host, 8443, "proxy1")) == (pid, part)
    host.check_output("cd /etc/nginx/tls && : >alpha.key && echo half >alpha.pem.new && truncate -s 300 part.pem && touch /etc/nginx/nginx.conf")
    text = good()
    for secret in ("publisher", "deployer"):
        assert password(secret) not in text
    assert "BEGIN EC PRIVATE KEY" not in text
    assert f"{(SECRETS / 'secrets' / 'nexus.key').read_text(encoding='utf-8').splitlines()[1]}" not in text
    assert curl(host, f"https://{alpha['server_names'][0]}/")[:2] == (0, 200)
    assert modes(host) == MODES
    assert (serial(host, 8443, "proxy1") != part, main_process(host)) == (True, pid)
    assert good().count("changed=0") == 1
