# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stand-in for Grafana in tests, never the product: `grafana server` reads its configuration and answers a small part of the HTTP API, `grafana cli`
resets the admin's password. It follows the product's public documentation and draws nothing.

Where the product refuses to start (unreadable or unknown configuration, two default data sources, a secret's file that is not there) so does it; where
the product keeps what it had and logs (a broken dashboard) so does it. Names in grafana.ini that nobody knows pass, as they do there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

VERSION = "@version@"
HOME = Path("/usr/share/grafana")
SECRET = re.compile(r"password|secret|private_key|token$")
# Failed logins in the last five minutes after which a user is turned away, whatever the password.
ATTEMPTS, WINDOW = 5, 300


class Refused(Exception):
    """What the program ends with."""


def log(level, message, **about):
    """One line as the product logs: key=value."""
    print(" ".join([f"logger=stand-in level={level} msg={json.dumps(message)}", *(f"{key}={json.dumps(str(value))}" for key, value in about.items())]),
          flush=True)


def expand(value, name):
    """A value with $__file{}, $__env{} and ${NAME} put in."""
    def put(match):
        kind, argument = match.group(1) or "env", match.group(2)
        if kind == "env":
            return os.environ.get(argument, "")
        if kind != "file":
            raise Refused(f"{name}: unknown provider {kind}")
        try:
            return Path(argument).read_text().strip()
        except OSError as error:
            raise Refused(f"{name}: {error}") from error
    return re.sub(r"\$(?:__(\w+))?\{([^}]*)\}", put, value)


def read_ini(path, content=None):
    """{section: {key: value}} of an INI file as the product's parser takes it."""
    sections, section = {}, ""
    try:
        lines = (Path(path).read_text() if content is None else content).splitlines()
    except OSError as error:
        raise Refused(str(error)) from error
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if line[-1] != "]":
                raise Refused(f"{path}:{number}: unclosed section: {line}")
            section = line[1:-1]
            continue
        key, sign, value = line.partition("=")
        if not sign:
            raise Refused(f"{path}:{number}: key-value delimiter not found: {line}")
        value = value.strip()
        quoted = re.match(r'"""(.*?)"""|`(.*?)`|"(.*?)"', value)
        value = next(part for part in quoted.groups() if part is not None) if quoted else re.split(r"\s[#;]", value)[0].strip()
        sections.setdefault(section, {})[key.strip()] = value
    return sections


def configuration(arguments):
    """Settings of all sources, in their order: the package's, the command line's defaults, the file's."""
    options = dict(re.match(r"--?(\w+)=(.*)", argument).groups() for argument in arguments if re.match(r"--?\w+=", argument))
    settings = read_ini(Path(options.get("homepath", HOME)) / "conf/defaults.ini")
    for argument in arguments:
        if match := re.fullmatch(r"cfg:(?:default\.)?([\w.]+)\.(\w+)=(.*)", argument):
            settings.setdefault(match.group(1), {})[match.group(2)] = match.group(3)
    for section, keys in read_ini(options.get("config", "/etc/grafana/grafana.ini")).items():
        settings.setdefault(section, {}).update(keys)
    return {section: {key: expand(value, f"{section}.{key}") for key, value in keys.items()} for section, keys in settings.items()}, options


def true(settings, section, key):
    return settings.get(section, {}).get(key, "").lower() in ("true", "1", "yes", "on")


def digest(password, salt):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 10000).hex()


class Database:
    """The file that outlives the server: users and data sources."""

    def __init__(self, settings):
        self.path = Path(settings["paths"]["data"]) / "grafana.db"
        with self.open() as db:
            db.execute("CREATE TABLE IF NOT EXISTS user (id INTEGER PRIMARY KEY, login TEXT UNIQUE, salt TEXT, password TEXT)")
            db.execute("CREATE TABLE IF NOT EXISTS data_source (name TEXT PRIMARY KEY, about TEXT, pruned INTEGER)")

    def open(self):
        return sqlite3.connect(self.path, timeout=10)

    def first_user(self, settings):
        """The admin, where there is no user at all."""
        with self.open() as db:
            if not db.execute("SELECT count(*) FROM user").fetchone()[0]:
                db.execute("INSERT INTO user (id, login) VALUES (1, ?)", (settings["security"]["admin_user"],))
                self.set_password(1, settings["security"]["admin_password"], db)

    def set_password(self, user, password, db=None):
        with db or self.open() as db:
            salt = secrets.token_hex(5)
            return db.execute("UPDATE user SET salt = ?, password = ? WHERE id = ?", (salt, digest(password, salt), user)).rowcount

    def user(self, login):
        with self.open() as db:
            return db.execute("SELECT id, login, salt, password FROM user WHERE login = ?", (login,)).fetchone()

    def datasources(self):
        with self.open() as db:
            return [json.loads(about) for (about,) in db.execute("SELECT about FROM data_source ORDER BY name")]


def provisioning(settings, kind):
    """(file, content) of the YAML files of one kind."""
    for path in sorted((Path(settings["paths"]["provisioning"]) / kind).glob("*.y*ml")):
        try:
            content = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise Refused(f"{path}: {error}") from error
        if content is None:
            continue
        if not isinstance(content, dict) or content.get("apiVersion") != 1:
            raise Refused(f"{path}: apiVersion must be 1")
        yield path, content


def provision_datasources(settings, database):
    """Put what the files say into the database; what a file with prune gave before and gives no more leaves."""
    wanted, gone = {}, set()
    for path, content in provisioning(settings, "datasources"):
        gone |= {entry["name"] for entry in content.get("deleteDatasources") or []}
        for entry in values(content.get("datasources") or [], str(path)):
            if not entry.get("name") or not entry.get("type"):
                raise Refused(f"{path}: a data source needs a name and a type")
            if entry["name"] in wanted or entry.get("uid") in {about.get("uid") for about, _text in wanted.values()} - {None}:
                raise Refused(f"{path}: {entry['name']}: name or uid is there twice")
            wanted[entry["name"]] = (entry, bool(content.get("prune")))
    if sum(bool(about.get("isDefault")) for about, _text in wanted.values()) > 1:
        raise Refused("datasource.yaml config is invalid. Only one datasource per organization can be marked as default")
    with database.open() as db:
        for (name,) in db.execute("SELECT name FROM data_source WHERE pruned = 1").fetchall():
            gone |= {name} - set(wanted)
        for name in gone:
            db.execute("DELETE FROM data_source WHERE name = ?", (name,))
        for number, (name, (about, pruned)) in enumerate(sorted(wanted.items()), 1):
            shown = {"id": number, "uid": about.get("uid") or hashlib.sha256(name.encode()).hexdigest()[:14], "orgId": 1, "name": name,
                     "type": about["type"], "access": about.get("access", "proxy"), "url": about.get("url", ""), "user": about.get("user", ""),
                     "database": about.get("database", ""), "basicAuth": bool(about.get("basicAuth")), "isDefault": bool(about.get("isDefault")),
                     "jsonData": about.get("jsonData") or {}, "readOnly": not about.get("editable"),
                     "secureJsonFields": dict.fromkeys(about.get("secureJsonData") or {}, True)}
            db.execute("INSERT OR REPLACE INTO data_source VALUES (?, ?, ?)", (name, json.dumps(shown), int(pruned)))


def values(node, name):
    """Provisioned content with variables put in; $$ is a dollar."""
    if isinstance(node, dict):
        return {key: values(value, name) for key, value in node.items()}
    if isinstance(node, list):
        return [values(value, name) for value in node]
    if isinstance(node, str):
        return "$".join(re.sub(r"\$(\w+)", lambda match: os.environ.get(match.group(1), ""), expand(part, name)) for part in node.split("$$"))
    return node


class Dashboards:
    """The provisioned dashboards: read from their folders again and again."""

    def __init__(self, settings):
        self.settings = settings
        self.lock = threading.Lock()
        self.found = {}
        self.interval = 10
        self.configure()

    def configure(self):
        """Read the providers and all their files."""
        providers = []
        for path, content in provisioning(self.settings, "dashboards"):
            for entry in content.get("providers") or []:
                options = entry.get("options") or {}
                if entry.get("type", "file") != "file" or not options.get("path"):
                    raise Refused(f"{path}: provider {entry.get('name')}: type file with options.path is what there is")
                if options.get("foldersFromFilesStructure") and (entry.get("folder") or entry.get("folderUid")):
                    raise Refused(f"{path}: 'folder' and 'folderUID' should be empty using 'foldersFromFilesStructure' option")
                providers.append(entry)
        names = [entry.get("name") for entry in providers]
        if len(set(names)) != len(names):
            raise Refused("dashboards: a provider's name is there twice")
        self.providers = providers
        self.interval = max([entry.get("updateIntervalSeconds", 10) for entry in providers], default=10)
        self.read()

    def read(self):
        """One look at the files. What cannot be read, or has a uid that another file has, changes nothing."""
        with self.lock:
            there, uids = {}, {}
            for entry in self.providers:
                root = Path(entry["options"]["path"])
                if not root.is_dir():
                    log("error", "Cannot read directory", path=root)
                for path in sorted(root.rglob("*.json")):
                    folder = entry.get("folder", "")
                    if entry["options"].get("foldersFromFilesStructure"):
                        folder = "" if path.parent == root else path.parent.name
                    try:
                        content = json.loads(path.read_text())
                        if not content.get("title"):
                            raise ValueError("Dashboard title cannot be empty")
                        uid = content.get("uid") or hashlib.sha256(str(path).encode()).hexdigest()[:14]
                    except (OSError, ValueError, AttributeError) as error:
                        log("error", "failed to load dashboard from", file=path, error=error)
                        there[path] = self.found.get(path)
                        continue
                    there[path] = (uid, folder, content)
                    uids.setdefault(uid, []).append(path)
                    if entry.get("disableDeletion"):
                        there = {**self.found, **there}
            twice = {uid: paths for uid, paths in uids.items() if len(paths) > 1}
            for uid, paths in twice.items():
                log("warn", "the same UID is used more than once", uid=uid, times=len(paths))
            if not twice:
                self.found = {path: about for path, about in there.items() if about}

    def watch(self):
        while True:
            time.sleep(self.interval)
            self.read()

    def by_uid(self):
        with self.lock:
            return {uid: (path, folder, content) for path, (uid, folder, content) in self.found.items()}


def folder_uid(title):
    return hashlib.sha256(f"folder {title}".encode()).hexdigest()[:14] if title else ""


def slug(title):
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


class Handler(BaseHTTPRequestHandler):
    """One request. self.server has settings, database and dashboards."""

    protocol_version = "HTTP/1.1"
    server_version = "stand-in"
    sys_version = ""

    def log_message(self, form, *values):
        log("info", "Request", line=form % values)

    def answer(self, status, content, kind="application/json", **headers):
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, status, message, ident=""):
        self.answer(status, {"message": message, "messageId": ident, "statusCode": status, "traceID": ""})

    def login(self):
        """The user of the request, or None; an error was answered where this is False."""
        kind, _space, text = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic" or not true(self.server.settings, "auth.basic", "enabled"):
            return None
        name, _colon, password = base64.b64decode(text).decode().partition(":")
        failed = [then for then in self.server.failed.get(name, []) if time.monotonic() - then < WINDOW]
        user = self.server.database.user(name)
        guarded = not true(self.server.settings, "security", "disable_brute_force_login_protection")
        if not user or guarded and len(failed) >= ATTEMPTS or not hmac.compare_digest(digest(password, user[2]), user[3]):
            self.server.failed[name] = [*failed, time.monotonic()]
            self.fail(401, "Invalid username or password", "password-auth.failed")
            return False
        self.server.failed.pop(name, None)
        return user

    def do_GET(self):
        self.handle_one("GET")

    def do_POST(self):
        self.handle_one("POST")

    def do_PUT(self):
        self.handle_one("PUT")

    def handle_one(self, method):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        path = url.path.rstrip("/")
        prefix = urllib.parse.urlsplit(self.server.settings["server"]["root_url"]).path.rstrip("/")
        if prefix and true(self.server.settings, "server", "serve_from_sub_path"):
            if f"{path}/".startswith(f"{prefix}/"):
                path = path[len(prefix):]
            elif path != "/api/health":
                return self.answer(301, "", Location=f"{prefix}{path}")
        if (method, path) == ("GET", "/api/health"):
            return self.answer(200, {"database": "ok", "version": VERSION, "commit": "stand-in"})
        if (method, path) == ("GET", "/login"):
            return self.answer(200, "<!DOCTYPE html><title>stand-in</title><p>This is a stand-in for tests.\n", "text/html; charset=UTF-8")
        user = self.login()
        if user is False:
            return None
        if not user:
            if not path.startswith("/api"):
                return self.answer(302, "", Location=f"{prefix}/login")
            if method != "GET" or path.startswith(("/api/admin", "/api/user")) or not true(self.server.settings, "auth.anonymous", "enabled"):
                return self.fail(401, "Unauthorized", "auth.unauthorized")
        for verb, pattern, handler in ROUTES:
            if verb == method and (match := re.fullmatch(pattern, path)):
                try:
                    return handler(self, user, query, body, *map(urllib.parse.unquote, match.groups()))
                except Refused as error:
                    log("error", str(error))
                    return self.fail(500, str(error))
        return self.fail(404, "Not found")

    def whoami(self, user, query, body):
        self.answer(200, {"id": user[0], "uid": f"standin{user[0]}", "login": user[1], "name": "", "email": f"{user[1]}@localhost", "orgId": 1,
                          "isGrafanaAdmin": user[0] == 1, "isDisabled": False, "isExternal": False, "theme": ""})

    def password(self, user, query, body):
        asked = json.loads(body)
        if not hmac.compare_digest(digest(asked["oldPassword"], user[2]), user[3]):
            return self.fail(401, "Invalid old password")
        self.server.database.set_password(user[0], asked["newPassword"])
        return self.answer(200, {"message": "User password changed"})

    def settings(self, user, query, body):
        self.answer(200, {section: {key: "*********" if SECRET.search(key) and value else value for key, value in keys.items()}
                          for section, keys in self.server.settings.items()})

    def datasources(self, user, query, body):
        self.answer(200, self.server.database.datasources())

    def datasource(self, user, query, body, kind, name):
        found = self.one(kind, name)
        return self.answer(200, found) if found else self.fail(404, "Data source not found")

    def one(self, kind, name):
        return next((about for about in self.server.database.datasources() if about[kind] == name), None)

    def health(self, user, query, body, uid):
        """As the plugin of a Prometheus does: by a query."""
        found = self.one("uid", uid)
        if not found:
            return self.fail(404, "Data source not found")
        if found["type"] != "prometheus":
            return self.fail(404, "Plugin health check is not implemented")
        status, content = fetch(f"{found['url']}/api/v1/query?query=1%2B1")
        if status != 200:
            return self.answer(400, {"status": "ERROR", "message": f"{status} {content.decode(errors='replace')[:200]}"})
        return self.answer(200, {"status": "OK", "message": "Successfully queried the Prometheus API."})

    def proxy(self, user, query, body, uid, rest):
        found = self.one("uid", uid)
        if not found:
            return self.fail(404, "Data source not found")
        status, content = fetch(f"{found['url']}/{rest}?{urllib.parse.urlencode(query)}")
        return self.answer(status, content.decode())

    def search(self, user, query, body):
        rows = []
        by_uid = self.server.dashboards.by_uid()
        for title in sorted({folder for _path, folder, _content in by_uid.values()} - {""}):
            uid = folder_uid(title)
            rows.append({"uid": uid, "title": title, "type": "dash-folder", "url": f"/dashboards/f/{uid}/{slug(title)}", "tags": []})
        for uid, (_path, folder, content) in sorted(by_uid.items()):
            row = {"uid": uid, "title": content["title"], "type": "dash-db", "url": f"/d/{uid}/{slug(content['title'])}", "tags": content.get("tags") or []}
            rows.append({**row, **({"folderUid": folder_uid(folder), "folderTitle": folder} if folder else {})})
        rows = [row for row in rows if query.get("type") in (None, row["type"]) and query.get("query", "").lower() in row["title"].lower()]
        self.answer(200, rows[: int(query.get("limit", 1000))])

    def dashboard(self, user, query, body, uid):
        if uid not in self.server.dashboards.by_uid():
            return self.fail(404, "Dashboard not found")
        path, folder, content = self.server.dashboards.by_uid()[uid]
        return self.answer(200, {"meta": {"type": "db", "provisioned": True, "provisionedExternalId": path.name, "folderTitle": folder or "General",
                                          "folderUid": folder_uid(folder), "slug": slug(content["title"]), "url": f"/d/{uid}/{slug(content['title'])}"},
                                 "dashboard": {**content, "uid": uid}})

    def reload(self, user, query, body, kind):
        if user[0] != 1:
            return self.fail(403, "You'll need additional permissions to perform this action.")
        if kind == "dashboards":
            self.server.dashboards.configure()
        else:
            provision_datasources(self.server.settings, self.server.database)
        return self.answer(200, {"message": f"{kind.capitalize()} config reloaded"})


ROUTES = (
    ("GET", "/api/user", Handler.whoami),
    ("PUT", "/api/user/password", Handler.password),
    ("GET", "/api/admin/settings", Handler.settings),
    ("GET", "/api/datasources", Handler.datasources),
    ("GET", "/api/datasources/(uid|name)/([^/]+)", Handler.datasource),
    ("GET", "/api/datasources/uid/([^/]+)/health", Handler.health),
    ("GET", "/api/datasources/proxy/uid/([^/]+)/(.+)", Handler.proxy),
    ("GET", "/api/search", Handler.search),
    ("GET", "/api/dashboards/uid/([^/]+)", Handler.dashboard),
    ("POST", "/api/admin/provisioning/(dashboards|datasources)/reload", Handler.reload),
)


def fetch(url):
    """(status, body) of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 502, json.dumps({"message": str(error)}).encode()


def serve(arguments):
    """grafana server."""
    settings, options = configuration(arguments)
    database = Database(settings)
    database.first_user(settings)
    provision_datasources(settings, database)
    dashboards = Dashboards(settings)
    server = ThreadingHTTPServer((settings["server"]["http_addr"], int(settings["server"]["http_port"])), Handler)
    server.settings, server.database, server.dashboards, server.failed = settings, database, dashboards, {}
    if "pidfile" in options:
        Path(options["pidfile"]).write_text(str(os.getpid()))
    threading.Thread(target=dashboards.watch, daemon=True).start()
    log("info", "HTTP Server Listen: a stand-in for tests, not the product", address=server.server_address, version=VERSION)
    server.serve_forever()


def cli(arguments):
    """grafana cli [global options] admin reset-admin-password [--user-id N] (--password-from-stdin | PASSWORD)"""
    if "--version" in arguments or "-v" in arguments:
        print(f"grafana cli version {VERSION} (stand-in)")
        return
    words = [re.sub("^--?(homepath|config|configOverrides|user-id)$", r"--\1", word) for word in arguments]
    joined, rest = [], []
    while words:
        word = words.pop(0)
        if word in ("--homepath", "--config", "--configOverrides", "--user-id"):
            joined.append(f"{word}={words.pop(0)}" if words else word)
        else:
            (joined if word.startswith("--") else rest).append(word)
    options = dict(word.partition("=")[::2] for word in joined)
    if rest[:2] != ["admin", "reset-admin-password"]:
        raise Refused(f"the stand-in knows admin reset-admin-password only, not: {' '.join(rest)}")
    overrides = [f"--{name}={options[f'--{name}']}" for name in ("homepath", "config") if f"--{name}" in options]
    settings, _faults = configuration([*overrides, *options.get("--configOverrides", "").split()])
    password = sys.stdin.readline().rstrip("\n") if "--password-from-stdin" in options else "".join(rest[2:3])
    if len(password) < 4:
        raise Refused("new password is too short")
    if not Database(settings).set_password(int(options.get("--user-id", 1)), password):
        raise Refused("could not read user from database. Error: user not found")
    print("Admin password changed successfully")


def main(arguments):
    commands = {"server": serve, "cli": cli}
    if not arguments or arguments[0] not in commands:
        raise Refused("usage: grafana server|cli ...")
    commands[arguments[0]](arguments[1:])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as error:
        log("error", str(error))
        sys.exit(1)
