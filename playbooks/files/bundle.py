# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fills, seals and verifies a bundle: one folder with all that a site takes from outside. It does not know what a site needs: playbook bundle says so.

    bundle.py verify FOLDER      name every missing, changed and unknown file; needs nothing but Python (a bundle carries this file as bundle-verify)
    bundle.py PART               packages, archives, wheels, plugins, collection, seal or tar: reads JSON from standard input, writes JSON to standard output

A part fetches what is not there or not right, under another name first, and never leaves a half file under a name that counts. What could not be had
is in its answer under `missing`, with the reason. The lock file, written last, makes a bundle of the folder.
"""

import hashlib
import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request

LOCK, VERIFIER, PARTIAL, MARK = "bundle.lock.json", "bundle-verify", ".partial", ".bundle"
FORMAT = 1
TIMEOUT = 60  # seconds without a byte


class Problem(Exception):
    """What a person must read; the message is whole."""


def without_login(text):
    """A mirror's address may hold a password; the lock file and messages are for everybody."""
    return re.sub(r'(?<=://)[^/@\s"]+@', "", text)


# --- files


def digest(path):
    """sha256 of a file in hexadecimal digits."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            found.update(piece)
    return found.hexdigest()


def is_right(path, sha256):
    return os.path.isfile(path) and digest(path) == sha256


def files_below(folder):
    """Paths of all files below a folder, relative to it, sorted; what is half done or ours alone does not count."""
    found = []
    for place, folders, names in os.walk(folder):
        if place == folder:
            folders[:] = [name for name in folders if name != PARTIAL]
        found += [os.path.relpath(os.path.join(place, name), folder) for name in names]
    return sorted(set(found) - {MARK})


def put(path, content):
    """Write a file whole or not at all; tells whether it was another before."""
    data = content.encode() if isinstance(content, str) else content
    if os.path.isfile(path):
        with open(path, "rb") as file:
            if file.read() == data:
                return False
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(path + ".new", 0o644)
    os.replace(path + ".new", path)
    return True


def run(command, **options):
    """Standard output of a command; a Problem with the end of what it said when it fails."""
    try:
        done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False, **options)
    except FileNotFoundError as error:
        raise Problem(f"{command[0]} is not installed here") from error
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip() and "Ignored the following versions" not in line]
        raise Problem("; ".join(said[-4:]) or f"{command[0]} ended with {done.returncode}")
    return done.stdout


class Part:
    """What one part did: files it answers for, what it could not have, and how many it fetched."""

    def __init__(self, given):
        self.given, self.root = given, given["bundle"]
        self.files, self.missing, self.fetched = {}, [], 0
        begin(self.root)

    def path(self, name):
        return os.path.join(self.root, name)

    def partial(self, name):
        """Where something is made before it gets its name."""
        path = os.path.join(self.root, PARTIAL, name.replace("/", "_"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def has(self, name, source, **more):
        self.files[name] = {"from": without_login(source), **more}

    def lacks(self, what, why, wanted_by):
        self.missing.append({"what": without_login(what), "why": without_login(why), "for": wanted_by})

    def fetch(self, name, url, sha256, **more):
        """Have one file by its URL. An empty sha256 takes what comes, each time."""
        if not (sha256 and is_right(self.path(name), sha256)):
            new = self.partial(name)
            try:
                with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, open(new, "wb") as file:
                    shutil.copyfileobj(answer, file, 1 << 20)
            except (OSError, ValueError) as error:
                raise Problem(f"{url}: {getattr(error, 'reason', None) or error}") from error
            if sha256 and (found := digest(new)) != sha256:
                os.remove(new)
                raise Problem(f"{url}: sha256 is {found}, wanted is {sha256}")
            self.take(new, name)
        self.has(name, url, **more)

    def take(self, new, name):
        """Give a finished file its name, if it is not there with the same content."""
        if is_right(self.path(name), digest(new)):
            os.remove(new)
            return
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        os.chmod(new, 0o644)
        os.replace(new, self.path(name))
        self.fetched += 1

    def answer(self):
        return {"files": self.files, "missing": self.missing, "fetched": self.fetched}


def begin(root):
    """Make the folder a bundle in the making, or refuse one that is something else: what is not wanted in a bundle is removed."""
    os.makedirs(root, exist_ok=True)
    if os.listdir(root) and not os.path.exists(os.path.join(root, MARK)) and not os.path.exists(os.path.join(root, LOCK)):
        raise Problem(f"{root} is not empty and no bundle: give a folder that is empty, not there, or a bundle made before")
    put(os.path.join(root, MARK), "This folder is filled by playbook bundle of the collection mlops.onprem; what it does not know is removed.\n")


def lock_of(root):
    """The lock file's content, {} when there is none that can be read."""
    try:
        with open(os.path.join(root, LOCK), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


# --- packages of the operating system: a flat, signed repository of one suite, with everything that they need on a system that has nothing


def packages(part):
    """apt works in an empty root that mmdebstrap makes with its own default mirrors, whatever this machine is."""
    given = part.given
    with tempfile.TemporaryDirectory() as scratch:
        asked, told = os.path.join(scratch, "asked"), os.path.join(scratch, "told")
        put(asked, json.dumps(given))
        hook = f'{shlex.quote(sys.executable)} {shlex.quote(os.path.abspath(__file__))} in-root "$1" {shlex.quote(asked)} {shlex.quote(told)}'
        run(["mmdebstrap", "--quiet", "--variant=custom", "--mode=chrootless", f"--architectures={given['architecture']}", f"--customize-hook={hook}",
             given["suite"], "/dev/null", *given["sources"]])
        with open(told, encoding="utf-8") as file:
            found = json.load(file)
    part.files, part.missing, part.fetched = found["files"], found["missing"], found["fetched"]
    folder = f"apt/{given['suite']}"
    if not part.missing:
        for name in set(os.listdir(part.path(folder))) - {os.path.basename(name) for name in part.files}:
            if name.endswith(".deb"):
                os.remove(part.path(f"{folder}/{name}"))
    for name in os.listdir(part.path(folder)):
        if name.endswith(".deb") and f"{folder}/{name}" not in part.files:
            part.has(f"{folder}/{name}", "an earlier run; this one could not ask for it")
    run([given["sign"], part.path(folder), given["keys"]])
    for name in ("Packages", "InRelease", "key.asc"):
        part.has(f"{folder}/{name}", "made here")


def in_root(root, asked, told):
    """The part of `packages` that mmdebstrap runs: root is the empty system, apt's configuration for it is in the environment."""
    with open(asked, encoding="utf-8") as file:
        given = json.load(file)
    part = Part(given)
    environment = {**os.environ, "APT_CONFIG": os.environ["MMDEBSTRAP_APT_CONFIG"], "LC_ALL": "C.UTF-8"}

    def apt(*arguments, **options):
        return run(["apt-get", "-qq", "-y", "-o", "APT::Sandbox::User=root", "-o", "Acquire::ForceHash=SHA256", "-o", "Acquire::Retries=3", *arguments],
                   env=environment, **options)

    unreachable = {}
    for repository in given["repositories"]:
        if why := _add(part, root, repository, apt):
            unreachable[repository["of"]] = f"its repository {repository['url']} cannot be used: {why}"
            part.lacks(f"repository {repository['name']} ({given['suite']})", why, repository["of"])
    wanted = {}
    for need in given["needs"]:
        wanted.update(_closure(part, need, unreachable.get(need["of"]), apt))
    _download(part, wanted, apt)
    put(told, json.dumps(part.answer()))


def _add(part, root, repository, apt):
    """Add a vendor's repository to the sources; returns why it cannot be used."""
    name = repository["name"]
    source, key = f"{root}/etc/apt/sources.list.d/{name}.sources", f"keys/{name}.asc"
    try:
        if repository.get("key"):
            part.fetched += put(part.path(key), repository["key"].strip() + "\n")
            part.has(key, f"variables of {repository['of']}")
        else:
            checksum = (repository.get("key_checksum") or "").partition(":")[2]
            part.fetch(key, repository["key_url"], checksum)
        put(source, f"Types: deb\nURIs: {repository['url']}\nSuites: {repository['suite']}\n"
            + (f"Components: {' '.join(repository['components'])}\n" if repository.get("components") else "")
            + f"Signed-By: {part.path(key)}\nAllow-Insecure: no\n")
        apt("-o", "APT::Get::List-Cleanup=0", "-o", f"Dir::Etc::sourcelist={source}", "-o", "Dir::Etc::sourceparts=-", "--error-on=any", "update")
    except Problem as problem:
        if os.path.exists(source):
            os.remove(source)
        return str(problem)
    return ""


def _closure(part, need, unreachable, apt):
    """{file: what apt says of it} of packages installed in one transaction, as role software does; those that cannot be are named one by one."""
    def closure(names):
        said = apt("--print-uris", "--no-install-recommends", "install", *names)
        return {found["file"]: found for found in map(_uri, said.splitlines()) if found}

    try:
        return closure(need["packages"])
    except Problem as together:
        good = []
        for name in need["packages"]:
            try:
                closure([name])
                good.append(name)
            except Problem as alone:
                part.lacks(f"package {name} ({part.given['suite']})", unreachable or str(alone).replace("E: ", ""), need["of"])
        if len(good) == len(need["packages"]):
            part.lacks(f"packages {' '.join(good)} together ({part.given['suite']})", str(together), need["of"])
        return closure(good) if good and len(good) < len(need["packages"]) else {}


def _uri(line):
    """A line of apt-get --print-uris: 'URI' NAME SIZE SHA256:DIGEST"""
    found = re.match(r"'([^']+)' (\S+)_(\S+)_(\S+)\.deb \d+ SHA256:([0-9a-f]{64})", line)
    if not found:
        return None
    uri, name, version, architecture, sha256 = found.groups()
    # Where a version has an epoch, apt writes its colon as %3a; the archives of Debian leave it out of file names, and so do we.
    version = urllib.parse.unquote(version)
    return {"uri": uri, "name": name, "version": version, "architecture": architecture, "sha256": sha256,
            "file": f"{name}_{version.partition(':')[2] or version}_{architecture}.deb"}


def _download(part, wanted, apt):
    folder = f"apt/{part.given['suite']}"
    os.makedirs(part.path(folder), exist_ok=True)
    scratch = part.partial(f"{folder}/")
    os.makedirs(scratch, exist_ok=True)
    lacking = [found for file, found in sorted(wanted.items()) if not is_right(part.path(f"{folder}/{file}"), found["sha256"])]
    said = ""
    for start in range(0, len(lacking), 50):
        try:
            apt("download", *(f"{found['name']}={found['version']}" for found in lacking[start:start + 50]), cwd=scratch)
        except Problem as problem:
            said = str(problem)
    for name in os.listdir(scratch):
        plain = re.sub(r"_\d+%3a", "_", name)
        if plain in wanted and is_right(os.path.join(scratch, name), wanted[plain]["sha256"]):
            part.take(os.path.join(scratch, name), f"{folder}/{plain}")
    for file, found in sorted(wanted.items()):
        if is_right(part.path(f"{folder}/{file}"), found["sha256"]):
            part.has(f"{folder}/{file}", found["uri"], version=found["version"])
        else:
            part.lacks(f"package {found['name']}={found['version']} ({part.given['suite']})", said or "was not what its repository says it is", "packages")


# --- archives


def archives(part):
    """Files by URL and checksum. One that cannot be had may be replaced by another that a program makes; the variables for that one are told."""
    variables, replaced = {}, []
    for archive in part.given["archives"]:
        name, (kind, _colon, sha256) = archive["archive"], archive["checksum"].partition(":")
        try:
            if kind != "sha256":
                raise Problem(f"its checksum is {archive['checksum']}; right would be sha256:...")
            maker = next((maker for maker in part.given["makers"] if maker["archive"] == name), None)
            if maker:
                _make(part, maker)
            else:
                part.fetch(name, archive["url"], sha256)
        except Problem as problem:
            maker = next((maker for maker in part.given["makers"] if maker["instead_of"] == name), None)
            try:
                if not maker:
                    raise
                _make(part, maker)
                variables |= maker["variables"]
                replaced.append({"what": name, "why": str(problem), "by": maker["archive"]})
            except Problem as other:
                part.lacks(f"archive {name}", str(problem) if other is problem else f"{problem}; nor its replacement: {other}", archive["of"])
    return {"variables": variables, "replaced": replaced}


def _make(part, maker):
    name, sha256 = maker["archive"], maker["checksum"].partition(":")[2]
    if not is_right(part.path(name), sha256):
        scratch = part.partial(f"{name}.made/")
        shutil.rmtree(scratch, ignore_errors=True)
        os.makedirs(scratch)
        run([maker["command"], scratch])
        if not is_right(os.path.join(scratch, name), sha256):
            raise Problem(f"{maker['command']} did not make {name} with {maker['checksum']}")
        part.take(os.path.join(scratch, name), name)
    part.has(name, f"{os.path.basename(maker['command'])}: {maker['from']}")


# --- Python wheels


NO_PACKAGES = ("requirements.txt", "index.html")


def wheels(part):
    """One folder per lock and Python. A folder that the last lock file knows for the same lock, and that is as it was, costs no request."""
    before, inputs = lock_of(part.root), {}
    for each in part.given["wheels"]:
        name = f"wheels/{each['name']}-{each['python']}"
        with open(each["lock"], encoding="utf-8") as file:
            text = file.read()
        lock, allowed = hashlib.sha256(text.encode()).hexdigest(), set(re.findall(r"--hash=sha256:([0-9a-f]{64})", text))
        known = {path for path in before.get("files", {}) if path.startswith(f"{name}/") and not path.endswith(NO_PACKAGES)}
        os.makedirs(part.path(name), exist_ok=True)
        right = {path for path in _there(part, name) if digest(part.path(path)) in allowed}
        try:
            if before.get("inputs", {}).get(name) != lock or not known or known != right:
                right = _wheels(part, each, name, right)
            inputs[name] = lock
        except Problem as problem:
            part.lacks(name, str(problem), each["of"])
        for path in right:
            part.has(path, "the index of Python packages that this machine uses")
        links = "".join(f'<a href="{urllib.parse.quote(file)}">{html.escape(file)}</a><br>\n' for file in sorted(map(os.path.basename, right)))
        part.fetched += put(part.path(f"{name}/requirements.txt"), text)
        put(part.path(f"{name}/index.html"), f"<!DOCTYPE html>\n<title>{name}</title>\n{links}")
        part.has(f"{name}/requirements.txt", "this collection")
        part.has(f"{name}/index.html", "made here")
    return {"inputs": inputs}


def _there(part, name):
    return {f"{name}/{file}" for file in os.listdir(part.path(name)) if file not in NO_PACKAGES}


def _wheels(part, each, name, right):
    """The packages of a lock by pip, which fetches none that lies there with a right hash."""
    scratch = part.partial(f"{name}/")
    os.makedirs(scratch, exist_ok=True)
    for path in right:
        shutil.copy2(part.path(path), scratch)
    platforms = [f"--platform={platform}" for platform in each["platforms"]]
    binary = ["--only-binary=:all:"] if each["binary"] else []
    run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--python-version", each["python"], *binary, *platforms,
         "--requirement", each["lock"], "--dest", scratch])
    made = {f"{name}/{file}" for file in os.listdir(scratch)}
    for path in made:
        part.take(os.path.join(scratch, os.path.basename(path)), path)
    for path in _there(part, name) - made:
        os.remove(part.path(path))
    return made


# --- Jenkins' plugins, as the module jenkins_plugins takes them


def document(part):
    """A file that is read here and is no part of the bundle, by URL or path: an update centre's. Its path is empty when it cannot be had."""
    where = part.given["url"]
    url = where if "://" in where else f"file://{urllib.parse.quote(os.path.abspath(where))}"
    path = part.partial("document")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            put(path, answer.read())
        return {"path": path}
    except (OSError, ValueError) as error:
        part.lacks(f"update centre {where}", str(getattr(error, "reason", None) or error), part.given["of"])
        return {"path": ""}


def plugins(part):
    """Files at jenkins-plugins/NAME/VERSION/NAME.hpi, and their pins beside them."""
    pins = []
    for problem in part.given["problems"]:
        part.lacks(f"Jenkins plugin {problem['name']}", problem["why"], part.given["of"])
    for pin in part.given["pins"]:
        name = f"jenkins-plugins/{pin['name']}/{pin['version']}/{pin['name']}.hpi"
        try:
            if not pin["sha256"]:
                raise Problem("its sha256 is not known; nothing is taken unverified")
            part.fetch(name, pin["url"], pin["sha256"], version=pin["version"])
            pins.append({key: pin[key] for key in ("name", "version", "sha256")})
        except Problem as problem:
            part.lacks(f"Jenkins plugin {pin['name']} {pin['version']}", str(problem), part.given["of"])
    if pins:
        part.fetched += put(part.path("jenkins-plugins/plugins.json"), json.dumps({"plugins": pins}, indent=2) + "\n")
        part.has("jenkins-plugins/plugins.json", "made here")


# --- this collection


def collection(part):
    """The collection's tarball; one that holds the same files stays, whenever it was made."""
    source = part.given["source"]
    scratch = part.partial("collection/")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    if os.path.exists(os.path.join(source, "galaxy.yml")):
        run([part.given["galaxy"], "collection", "build", source, "--output-path", scratch])
    else:
        _pack(source, scratch)
    (name,) = os.listdir(scratch)
    if not os.path.exists(part.path(name)) or _manifest(part.path(name)) != _manifest(os.path.join(scratch, name)):
        part.take(os.path.join(scratch, name), name)
    part.has(name, "this collection")
    return {"inputs": {"collection": name}}


def _pack(source, target):
    """An installed collection has no galaxy.yml, but the lists of its files."""
    with open(os.path.join(source, "MANIFEST.json"), encoding="utf-8") as file:
        about = json.load(file)["collection_info"]
    with open(os.path.join(source, "FILES.json"), encoding="utf-8") as file:
        names = [entry["name"] for entry in json.load(file)["files"] if entry["ftype"] == "file"]
    with tarfile.open(os.path.join(target, f"{about['namespace']}-{about['name']}-{about['version']}.tar.gz"), "w:gz") as archive:
        for name in ["MANIFEST.json", "FILES.json", *names]:
            archive.add(os.path.join(source, name), name, recursive=False)


def _manifest(path):
    """MANIFEST.json of a collection's tarball: it holds the sum over all files; b"" for what is none."""
    try:
        with tarfile.open(path) as archive:
            return archive.extractfile("MANIFEST.json").read()
    except (OSError, KeyError, EOFError, tarfile.TarError):
        return b""


# --- the lock file


def seal(part):
    """Remove what no part answers for, write what a site's variables are, the verifier, and last the lock file."""
    for done in part.given["parts"]:
        part.files.update(done["files"])
        part.missing += done["missing"]
    variables = {}
    for done in part.given["parts"]:
        variables |= done.get("variables", {})
    keys = [name for name in sorted(part.files) if re.fullmatch(r"apt/[^/]+/key\.asc", name)]
    if keys:
        with open(part.path(keys[0]), encoding="utf-8") as file:
            variables["software_mirror_key"] = file.read()
    put(part.path("variables.json"), json.dumps(variables, indent=2, sort_keys=True) + "\n")
    part.has("variables.json", "made here")
    with open(__file__, encoding="utf-8") as file:
        put(part.path(VERIFIER), "#!/usr/bin/env python3\n" + file.read())
    os.chmod(part.path(VERIFIER), 0o755)
    part.has(VERIFIER, "this collection")
    shutil.rmtree(part.partial(""), ignore_errors=True)
    removed = [name for name in files_below(part.root) if name not in part.files and name != LOCK]
    for name in removed:
        os.remove(part.path(name))
    for place, _folders, _names in os.walk(part.root, topdown=False):
        if place != part.root and not os.listdir(place):
            os.rmdir(place)
    files, inputs = {}, dict(part.given["inputs"])
    for need in inputs["needs"]:  # paths of this machine say nothing elsewhere
        need["requirements"] = [os.path.basename(path) for path in need["requirements"]]
    for name in sorted(part.files):
        about = {key: value for key, value in part.files[name].items() if value}
        files[name] = {"size": os.path.getsize(part.path(name)), "sha256": digest(part.path(name)), **about}
    lock = {
        "format": FORMAT,
        "inputs": inputs | {key: value for done in part.given["parts"] for key, value in done.get("inputs", {}).items()},
        "missing": sorted(part.missing, key=lambda each: (each["what"], each["for"])),
        "replaced": [each for done in part.given["parts"] for each in done.get("replaced", ())],
        "files": files,
    }
    changed = put(part.path(LOCK), without_login(json.dumps(lock, indent=1, sort_keys=True)) + "\n")
    return {"changed": changed, "removed": removed, "files": len(files), "size": sum(each["size"] for each in files.values()),
            "sha256": digest(part.path(LOCK)), "missing": lock["missing"], "replaced": lock["replaced"],
            "fetched": sum(done["fetched"] for done in part.given["parts"])}


def tar(part):
    """The folder as one file beside it; one that is newer than the lock file stays."""
    target = part.root.rstrip("/") + ".tar"
    if os.path.exists(target) and os.path.getmtime(target) >= os.path.getmtime(part.path(LOCK)):
        return {"changed": False, "tar": target}

    def plain(member):
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = "root"
        return member

    with tarfile.open(target + ".new", "w") as archive:
        for name in [LOCK, *lock_of(part.root)["files"]]:
            archive.add(part.path(name), f"{os.path.basename(part.root.rstrip('/'))}/{name}", recursive=False, filter=plain)
    os.replace(target + ".new", target)
    return {"changed": True, "tar": target}


def verify(root):
    """One line per fault; nothing but this file's Python is needed."""
    lock = lock_of(root)
    if lock.get("format") != FORMAT:
        yield f"{os.path.join(root, LOCK)} is missing, or no lock file of format {FORMAT}: a bundle has it, a run that was killed does not leave one"
        return
    there = set(files_below(root))
    for name, about in lock["files"].items():
        path = os.path.join(root, name)
        if name not in there:
            yield f"missing: {name}"
        elif os.path.islink(path):
            yield f"changed: {name} is a link"
        elif os.path.getsize(path) != about["size"]:
            yield f"changed: {name} has {os.path.getsize(path)} bytes, not {about['size']}"
        elif digest(path) != about["sha256"]:
            yield f"changed: {name} has another sha256 than {about['sha256']}"
    yield from (f"unknown: {name}" for name in sorted(there - set(lock["files"]) - {LOCK}))


PARTS = {part.__name__: part for part in (packages, archives, wheels, document, plugins, collection, seal, tar)}


def main(arguments):
    if arguments[:1] == ["in-root"]:
        in_root(*arguments[1:])
        return 0
    if not arguments or arguments[0] == "verify":
        root = arguments[1] if arguments[1:] else os.path.dirname(os.path.abspath(__file__))
        faults = list(verify(root))
        print("\n".join(faults) or f"{root}: {len(lock_of(root)['files'])} files are as bundle.lock.json says, sha256 {digest(os.path.join(root, LOCK))}")
        return 1 if faults else 0
    part = Part(json.load(sys.stdin))
    more = PARTS[arguments[0]](part) or {}
    print(json.dumps({**part.answer(), **more}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Problem as problem:
        sys.exit(str(problem))
