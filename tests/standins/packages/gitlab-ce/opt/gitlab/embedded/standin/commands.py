# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stand-in for GitLab's control commands: checks what it is given and fails as they would. Every call is noted in /var/opt/gitlab/standin/calls.

Usage: commands.py gitlab-ctl|gitlab-psql|gitlab-rake|gitlab-backup ARGUMENT...    It is never the product and runs no Chef, PostgreSQL or Rails.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

BASE = Path("/opt/gitlab")
DATA = Path("/var/opt/gitlab")
OWN = DATA / "standin"
RB = Path("/etc/gitlab/gitlab.rb")
LOGS = Path("/var/log/gitlab/reconfigure")
UNIT = """[Unit]
Description=GitLab stand-in, for tests only
After=multi-user.target

[Service]
ExecStart=/opt/gitlab/embedded/bin/runsvdir-start
Restart=always
TasksMax=4915

[Install]
WantedBy=multi-user.target
"""


def version() -> str:
    return json.loads((BASE / "version-manifest.json").read_text())["build_version"]


def note(line: str) -> None:
    OWN.mkdir(parents=True, exist_ok=True)
    with (OWN / "calls").open("a") as calls:
        calls.write(f"{line}\n")


def write(path: Path, text: str, owner: str = "root") -> None:
    """A file of mode 0600, whole or not at all."""
    scratch = path.with_name(f"{path.name}.new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    shutil.chown(scratch, owner, owner)
    scratch.rename(path)


def read_rb(*flags: str, of: str | None = None) -> dict:
    """gitlab.rb as it is; SystemExit with the reason where GitLab would refuse it."""
    checked = subprocess.run([BASE / "embedded/bin/ruby", "-c", RB], capture_output=True, text=True, check=False)
    if checked.returncode:
        sys.exit(f"FATAL: {RB} is no Ruby:\n{checked.stderr}")
    command = [BASE / "embedded/bin/ruby", BASE / "embedded/standin/config.rb", BASE / "embedded/standin/keys.json", of or version(), RB, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip() or f"config.rb ended with {done.returncode}")
    return json.loads(done.stdout or "{}")


def certificate(config: dict) -> dict:
    """{certificate, key} that nginx serves; empty without TLS."""
    url = urlsplit(config["external_url"])
    nginx = config.get("gitlab_rails", {}).get("nginx", {})
    if url.scheme != "https":
        return {}
    files = {"certificate": nginx.get("ssl_certificate", f"/etc/gitlab/ssl/{url.hostname}.crt"),
             "key": nginx.get("ssl_certificate_key", f"/etc/gitlab/ssl/{url.hostname}.key")}
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files["certificate"], files["key"])
    except (OSError, ssl.SSLError) as error:
        sys.exit(f"FATAL: nginx cannot load {files['certificate']} with {files['key']}: {error}")
    return files


def bootstrap() -> None:
    """What only the first reconfigure does: the user, the data, a password made up for root, the unit."""
    try:
        pwd.getpwnam("git")
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--home-dir", DATA, "--no-create-home", "--shell", "/bin/sh", "git"], check=True)
    password = os.environ.get("GITLAB_ROOT_PASSWORD") or secrets.token_urlsafe(32)
    if "GITLAB_ROOT_PASSWORD" not in os.environ:
        write(Path("/etc/gitlab/initial_root_password"), f"# made up by the stand-in\nPassword: {password}\n")
    root = {"sign_in_count": 0, "password": hashlib.sha256(password.encode()).hexdigest()}
    shutil.chown(OWN, "git", "git")
    write(OWN / "rails.json", json.dumps({"users": {"root": root}, "tokens": []}), "git")
    Path("/usr/lib/systemd/system/gitlab-runsvdir.service").write_text(UNIT)
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def reconfigure() -> None:
    note("gitlab-ctl reconfigure")
    # Tests hold it here to kill it.
    while (OWN / "pause").exists():
        time.sleep(0.1)
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{time.time_ns()}.log"
    try:
        config = read_rb()
        if "external_url" not in config:
            sys.exit("FATAL: external_url is not set")
        config["standin"] = certificate(config)
    except SystemExit as refused:
        write(log, f"{refused}\n")
        raise
    before = json.loads((OWN / "config.json").read_text()) if (OWN / "config.json").exists() else None
    os.chmod("/etc/gitlab", 0o775)
    first = not (DATA / "bootstrapped").exists()
    if first:
        bootstrap()
    nodes = BASE / "embedded/nodes"
    nodes.mkdir(exist_ok=True)
    write(nodes / "standin.json", json.dumps({"normal": config}))
    write(OWN / "config.json", json.dumps(config))
    if first:
        subprocess.run(["systemctl", "enable", "--now", "gitlab-runsvdir.service"], check=True, capture_output=True)
        (DATA / "bootstrapped").touch()
    elif config != before:
        restart()
    # The product prints the changes of files, with what is secret in them.
    print(f"gitlab.rb is applied:\n{RB.read_text()}")
    write(log, f"applied\n{RB.read_text()}")
    print("gitlab Reconfigured! (stand-in)")


def send(number: int, *names: str) -> None:
    for name in names:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((OWN / f"{name}.pid").read_text()), number)


def restart(*names: str) -> None:
    note(f"restart {' '.join(names or ('puma', 'nginx'))}")
    send(signal.SIGTERM, *(names or ("puma", "nginx")))


def upgrade() -> None:
    """After the package's files have changed: a first reconfigure where an address is known, else one of what is there."""
    if not (DATA / "bootstrapped").exists() and os.environ.get("EXTERNAL_URL", "http://gitlab.example.com") == "http://gitlab.example.com":
        print("gitlab (stand-in): not configured yet: set external_url in /etc/gitlab/gitlab.rb, then gitlab-ctl reconfigure")
        return
    first = not (DATA / "bootstrapped").exists()
    if not Path("/etc/gitlab/skip-auto-reconfigure").exists():
        reconfigure()
        if not first:
            restart()


def backup(name: str, what: str) -> None:
    config = json.loads((OWN / "config.json").read_text()) if (OWN / "config.json").exists() else {}
    folder = Path(config.get("gitlab_rails", {}).get("backup_path", DATA / "backups"))
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / f"{time.time_ns()}_{version()}_{name}.tar", what)
    print(f"stand-in: saved {what}")


def gitlab_ctl(command: str, *arguments: str) -> None:
    if command == "reconfigure" and not arguments:
        reconfigure()
    elif command == "upgrade":
        note("gitlab-ctl upgrade")
        upgrade()
    elif command == "check-config" and len(arguments) == 1 and arguments[0].startswith("--version="):
        if (OWN / "config.json").exists():
            read_rb("--removed-only", of=arguments[0].partition("=")[2])
    elif command == "backup-etc":
        note("gitlab-ctl backup-etc")
    elif (command, *arguments) == ("hup", "nginx"):
        note("gitlab-ctl hup nginx")
        send(signal.SIGHUP, "nginx")
    elif command == "restart":
        restart(*arguments)
    elif command == "status":
        sys.exit(subprocess.run(["systemctl", "is-active", "gitlab-runsvdir.service"], check=False).returncode)
    else:
        sys.exit(f"stand-in: gitlab-ctl {command} {' '.join(arguments)} is not known")


def gitlab_psql(*arguments: str) -> None:
    """Knows one query: that of the documentation for unfinished background migrations. {"rows": [...], "calls": n} in `migrations`: the rows in n answers."""
    query = arguments[-1].strip().rstrip(";") if arguments else ""
    note("gitlab-psql")
    if not query.startswith("SELECT job_class_name") or not query.endswith("FROM batched_background_migrations WHERE status NOT IN (3, 6)"):
        sys.exit(f"ERROR: the stand-in does not know the query {query}")
    if {"--no-align", "--tuples-only"} - set(arguments):
        sys.exit("ERROR: the stand-in answers without heading and alignment only")
    state = OWN / "migrations"
    planned = json.loads(state.read_text()) if state.exists() else {"calls": 0}
    if planned["calls"] > 0:
        print("\n".join(planned["rows"]))
        state.write_text(json.dumps({**planned, "calls": planned["calls"] - 1}))


def main(name: str, *arguments: str) -> None:
    if os.getuid():
        sys.exit("stand-in: this command must be executed as root")
    if name == "gitlab-ctl":
        gitlab_ctl(*(arguments or ("",)))
    elif name == "gitlab-psql":
        gitlab_psql(*arguments)
    elif name == "gitlab-backup" and arguments[:1] == ("create",):
        note("gitlab-backup create")
        backup("gitlab_backup", "everything")
    elif name == "gitlab-rake" and arguments[:1] == ("gitlab:backup:create",):
        note("gitlab-rake gitlab:backup:create")
        backup("gitlab_backup", "the database")
    else:
        sys.exit(f"stand-in: {name} {' '.join(arguments)} is not known")


if __name__ == "__main__":
    main(*sys.argv[1:])
