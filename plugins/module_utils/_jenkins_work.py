# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins at work: builds that are triggered and followed for hours, restarts that wait for them. Knows nothing of how jobs are defined."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from urllib.parse import quote

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MASK, MlopsError, ServiceError
from ansible_collections.mlops.onprem.plugins.module_utils._jenkins import JENKINS, Client, item_path

BLOCK = 64 * 1024
LINE = 1024 * 1024  # what a line of a log may take of memory; the rest of a longer one counts as the next
SHOWN = 2000  # characters of a line in log_tail
NOTE = re.compile(rb"\x1b\[8mha:.*?\x1b\[0m")
MOMENT = 60.0  # a Jenkins that starts refuses the right token for a moment: 401 for longer than this is an answer
GRACE = 10.0  # seconds that a build gets after each of stop, term and kill
BUILD = "building,result,duration,queueId,artifacts[relativePath],actions[_class]"
RUNNING = "computer[executors[currentExecutable[url,fullDisplayName]],oneOffExecutors[currentExecutable[url,fullDisplayName]]]"


def connect(module, **changes) -> Client:
    """The client for a module's options, those in `changes` replaced."""
    return Client(JENKINS.transport({**module.params, **changes}, read_only=module.check_mode or module.params.get("state") == "gathered"))


class Wait:
    """A wait with an end, in pauses that grow to `poll` seconds. A loop asks, looks at `over` and sleeps; nothing is kept of what was seen."""

    def __init__(self, client, seconds: float, poll: float):
        self.client, self.end, self.poll, self.pause = client, time.monotonic() + seconds, poll, 0.1

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end

    def sleep(self, least: float = 0.0) -> None:
        time.sleep(max(0.0, min(max(least, min(self.pause, self.poll)), self.end - time.monotonic())))
        self.pause = min(self.pause * 1.5, max(self.poll, 0.1))

    def ask(self, read):
        """read(), tried again until the end while the connection is lost or Jenkins restarts."""
        refused = None
        while True:
            try:
                return read()
            except ServiceError as error:
                self.client.library.crumb = None  # a restart forgets the session that it belongs to
                refused = (refused or time.monotonic()) if error.status == 401 else None
                if not passing(error) or self.over or refused and time.monotonic() - refused > MOMENT:
                    raise
            self.sleep(0.05)


def passing(error: ServiceError) -> bool:
    """Whether a restart answers so: nothing, 503, 500 once, and 401 for the right token."""
    return error.status in (None, 401) or error.status >= 500


# --- builds


def build(module) -> dict:
    """What jenkins_build returns."""
    params, client = module.params, connect(module)
    name, queue, number = params["job"].strip("/"), params["queue_id"], params["number"]
    path = item_path(name)
    client.transport.secrets |= {str(value) for value in (params["secret_parameters"] or {}).values()}
    answer = {"changed": False, "job": name, "queue_id": queue, "number": number, "joined": False, "result": None, "timed_out": False}
    resumes = queue is not None or number is not None
    if not resumes:
        form, parameterised, waiting = _checked(module, client, path, name)
        shown = {key: MASK if key in (params["secret_parameters"] or {}) else value for key, value in form.items()}
        answer |= {"changed": True, "diff": {"before": {}, "after": {"build of": name, "parameters": shown}}}
    if not resumes and module.check_mode:
        return answer | {"requests": client.transport.sent}
    log = Log(None if module.check_mode else params["log_path"], params["log_lines"])
    if not resumes:
        reply = client.send("POST", f"{path}/{'buildWithParameters' if parameterised else 'build'}", form)
        found = re.search(r"/queue/item/(\d+)", reply.headers.get("Location", ""))
        if not found:
            raise MlopsError(f"job: Jenkins took the request to build {name!r}, but did not say which queue item it became; look at the job")
        queue = int(found[1])
        answer |= {"queue_id": queue, "joined": queue == waiting}
    if params["wait"]:
        answer |= _followed(module, client, log, path, name, queue, number)
    return answer | {"requests": client.transport.sent}


def _checked(module, client, path, name):
    """The parameters as Jenkins' form, whether the job has any, and its waiting queue item; everything that is wrong is named before a request."""
    params = module.params
    job = client.tree(path, "buildable,queueItem[id],property[parameterDefinitions[name,type,choices]]") if path else None
    if job is None:
        raise MlopsError(f"job: {name!r} is not there, or this user may not see it; give its full name, such as team/model")
    if not job.get("buildable"):
        raise MlopsError(f"job: {name!r} {'is disabled' if 'buildable' in job else 'is a folder or the like'} and cannot be built")
    known = {each["name"]: each for part in job.get("property") or () for each in part.get("parameterDefinitions") or ()}
    plain, secret = params["parameters"] or {}, params["secret_parameters"] or {}
    problems, form = [f"{key} is in parameters and in secret_parameters; give it once" for key in plain if key in secret], {}
    for key, value in [*plain.items(), *secret.items()]:
        kind, choices = known.get(key, {}).get("type"), known.get(key, {}).get("choices")
        form[key] = text = str(value).lower() if isinstance(value, bool) else str(value)
        if kind is None:
            problems.append(f"{key} is no parameter of it, which has {', '.join(known) or 'none'}")
        elif not isinstance(value, (str, int, float)):
            problems.append(f"{key} is not a text, number or boolean")
        elif kind.startswith("File"):
            problems.append(f"{key} is a file, which cannot be given")
        elif kind.startswith("Password") and key in plain:
            module.no_log_values.add(text)
            problems.append(f"{key} is a password; give it in secret_parameters, which are not shown")
        elif choices and text not in choices:
            problems.append(f"{key} is {'no choice' if key in secret else repr(text)}; it can be {', '.join(choices)}")
        elif kind.startswith("Boolean") and text.lower() not in ("true", "false"):
            problems.append(f"{key} is {'no boolean' if key in secret else repr(text)}; it can be true or false")
    if problems:
        raise MlopsError(f"parameters of job {name!r}: {'; '.join(problems)}")
    return form, bool(known), (job.get("queueItem") or {}).get("id")


def _followed(module, client, log, path, name, queue, number) -> dict:
    """What came of a queue item or build, seen until it ends or the time is up."""
    params = module.params
    wait = Wait(client, 0 if module.check_mode else params["wait_timeout"], params["poll"])
    why = ""
    if number is None:
        number, why = _number(client, wait, path, name, queue)
    seen = {"number": number, "log_tail": [], "artifacts": [], "input": None}
    what = f"build {number} of {name!r}" if number else f"queue item {queue} of {name!r}"
    state = {"building": True, "result": None}
    if number:
        place = f"{path}/{number}"
        seen["url"] = client.transport.url(f"{place}/")
        state = _ended(module, client, wait, log, place, what, seen)
        if queue is not None and state.get("queueId") not in (None, queue):
            raise MlopsError(f"queue_id: {what} came of queue item {state['queueId']}, not of {queue}; give the job that the item is of")
    if state["building"]:
        seen |= {"timed_out": True}
        if module.check_mode or params["on_timeout"] == "leave":
            return seen
        seen["failed"] = f"{what} did not end within {params['wait_timeout']} s{why and f' ({why})'}" + (
            f"; it waits for input: {seen['input']}" if seen["input"] else "")
        if params["on_timeout"] == "fail":
            seen["failed"] += f"; it goes on, resume the wait with {f'number: {number}' if number else f'queue_id: {queue}'}"
            return seen
        if not number:
            client.send("POST", "/queue/cancelItem", params={"id": queue})
            return seen | {"failed": f"{seen['failed']} and was cancelled"}
        state = _aborted(client, place, params["poll"])
        seen["failed"] += " and was aborted" if not state["building"] else " and goes on in spite of stop, term and kill"
        _finish(wait, log, client, place, seen)
    seen |= {"result": state["result"], "duration": state.get("duration", 0) / 1000}
    seen["artifacts"] = _artifacts(client, place, state.get("artifacts") or (), None if module.check_mode else params["artifacts_dest"])
    if "failed" not in seen and state["result"] not in params["expect"]:
        seen["failed"] = f"{what} ended {state['result']}, not {' or '.join(params['expect'])}: {seen['url']}"
    return seen


def _number(client, wait, path, name, queue):
    """The number of the build that a queue item became, or None and what it waits for when the time is up."""
    why = ""
    while True:
        item = wait.ask(lambda: client.tree(f"/queue/item/{queue}", "cancelled,why,executable[number]"))
        if item is None:  # forgotten five minutes after it left the queue, and by a restart
            builds = (wait.ask(lambda: client.tree(path, "builds[number,queueId]{0,100}")) or {}).get("builds") or ()
            found = next((each["number"] for each in builds if each.get("queueId") == queue), None)
            if found is None:
                raise MlopsError(f"queue_id: item {queue} is not in the queue any more, and none of the last 100 builds of {name!r} came of it")
            return found, ""
        if item.get("cancelled"):
            raise MlopsError(f"queue item {queue} of {name!r} was cancelled before it became a build{why and f'; it had waited: {why}'}")
        if item.get("executable"):
            return item["executable"]["number"], ""
        why = item.get("why") or why
        if wait.over:
            return None, why
        wait.sleep()


def _ended(module, client, wait, log, place, what, seen) -> dict:
    """The build as it is when it ends, or when the time is up."""
    while True:
        state = wait.ask(lambda: client.tree(place, BUILD))
        if state is None:
            raise MlopsError(f"{what} is not there, or was deleted")
        if not state["building"] or wait.over:
            _finish(wait, log, client, place, seen)
            return state
        wait.ask(lambda: log.read(client, place))
        asked = _input(client, wait, place, state)
        if asked and asked != seen["input"]:
            module.warn(f"{what} waits for input: {asked}")
        seen["input"] = asked
        wait.sleep()


def _input(client, wait, place, state) -> str | None:
    """What a pipeline asks a person; the plain API does not tell whether it was answered."""
    if not any(str(action.get("_class")).endswith("InputAction") for action in state.get("actions") or ()):
        return None
    answer = wait.ask(lambda: client.get(f"{place}/wfapi/pendingInputActions"))
    return "; ".join(each.get("message") or each["id"] for each in answer.json()) or None if answer else None


def _finish(wait, log, client, place, seen) -> None:
    """The rest of the log."""
    while wait.ask(lambda: log.read(client, place)) and not wait.over:
        wait.sleep(0.05)
    seen["log_tail"] = log.ended()


def _aborted(client, place, poll) -> dict:
    """The build after it was told to stop; a pipeline's step may ignore all but kill."""
    for verb in ("stop", "term", "kill"):
        wait = Wait(client, GRACE, poll)
        client.send("POST", f"{place}/{verb}")
        while True:
            state = wait.ask(lambda: client.tree(place, BUILD)) or {"building": False, "result": None}  # somebody deleted it
            if not state["building"]:
                return state
            if wait.over:
                break
            wait.sleep()
    return state


def _artifacts(client, place, found, folder) -> list:
    """Path and URL of each artifact, and where it was written."""
    artifacts = []
    for path in (each["relativePath"] for each in found):
        artifacts.append({"path": path, "url": client.transport.url(f"{place}/artifact/{quote(path)}")})
        if folder:
            target = os.path.join(folder, path)
            if ".." in path.split("/") or path.startswith("/"):
                raise MlopsError(f"artifacts_dest: the artifact {path!r} would lie outside of {folder}")
            download(client.transport, artifacts[-1]["url"], target)
            artifacts[-1]["dest"] = target
    return artifacts


def download(transport, url, target) -> None:
    """Write what the URL answers into the file, which is there only when it is whole."""
    answer = transport.request("GET", url, stream=True)
    if answer.status_code == 404:
        raise ServiceError("GET", transport.url(url), 404, "Not Found")
    try:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        with open(f"{target}.partial", "wb") as file:
            for block in answer.iter_content(BLOCK):
                file.write(block)
        os.replace(f"{target}.partial", target)
    except transport.Trouble as error:
        raise transport.no_answer("GET", answer.url, error) from error
    except OSError as error:
        raise MlopsError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        answer.close()


class Log:
    """The log of a build: into a file as it comes, its last lines kept, without the notes that Jenkins hides in it."""

    def __init__(self, path, lines: int):
        self.tail, self.start, self.rest = deque(maxlen=lines), 0, b""
        try:
            self.file = open(path, "wb") if path else open(os.devnull, "wb")
        except OSError as error:
            raise MlopsError(f"log_path: {path} cannot be written: {error.strerror}") from error

    def read(self, client, place) -> bool:
        """Take what is new; whether there is more to come. What a lost connection cut off is taken back, to be read again."""
        kept = (self.file.tell(), self.tail.copy(), self.rest)
        answer = client.transport.request("GET", f"{place}/logText/progressiveText", params={"start": self.start}, stream=True)
        try:
            size = int(answer.headers.get("X-Text-Size", self.start))
            if size < self.start:  # a crash lost its end, and Jenkins sends all of it
                self._back(0, self.tail.copy(), b"")
                self.tail.clear()
            for block in answer.iter_content(BLOCK) if answer.status_code == 200 else ():
                self._take(block)
        except client.transport.Trouble as error:
            self._back(*kept)
            raise client.transport.no_answer("GET", answer.url, error) from error
        finally:
            answer.close()
        self.file.flush()
        self.start = size
        return answer.headers.get("X-More-Data") == "true"

    def _back(self, position, tail, rest) -> None:
        self.tail, self.rest = tail, rest
        if self.file.name != os.devnull:
            self.file.seek(position)
            self.file.truncate()

    def _take(self, block: bytes) -> None:
        *lines, self.rest = (self.rest + block).split(b"\n")
        for line in lines:
            self._write(line)
        if len(self.rest) > LINE:
            self._write(self.rest)
            self.rest = b""

    def _write(self, line: bytes) -> None:
        line = NOTE.sub(b"", line).rstrip(b"\r")
        self.file.write(line + b"\n")
        self.tail.append(line[:SHOWN].decode("utf-8", "replace"))

    def ended(self) -> list:
        """The last lines."""
        if self.rest:
            self._write(self.rest)
            self.rest = b""
        self.file.flush()
        return list(self.tail)


# --- restarts


def restart_module(module) -> dict:
    """What jenkins_restart returns."""
    params, client = module.params, connect(module, retries=0)  # a read that is tried again would not see that Jenkins was away
    message, state = params["reason"], params["state"]
    quieting, reason, _session = _mood(client)
    due = {
        "active": quieting,
        "quiet": not quieting or message is not None and message != reason,
        "restarted": not params["only_if_required"] or restart_required(client),
    }[state]
    answer = {"changed": due, "result": state if due else "unchanged", "running": running(client) if due else [],
              "diff": {"before": {"state": "quiet" if quieting else "active"}, "after": {"state": state}} if due else {}}
    if due and not module.check_mode:
        if state == "restarted":
            restart(client, message, params["build_timeout"], params["start_timeout"], params["force_after_timeout"])
        else:
            client.send("POST", "/cancelQuietDown" if state == "active" else "/quietDown", _message(message))
    return answer | {"requests": client.transport.sent}


def _message(text) -> dict:
    return {"message": text} if text else {}


def _mood(client):
    """Whether it takes no new builds, why, and which run of the controller this is, where it says so."""
    answer = client.get("/api/json", {"tree": "quietingDown,quietDownReason"})
    if answer is None or "X-Jenkins" not in answer.headers:
        raise MlopsError(f"url: no Jenkins answers at {client.transport.base_url}: no X-Jenkins header")
    return answer.json()["quietingDown"], answer.json().get("quietDownReason"), answer.headers.get("X-Jenkins-Session")


def restart_required(client) -> bool:
    """Whether an installation waits for a restart."""
    return bool((client.tree("/updateCenter", "restartRequiredForCompletion") or {}).get("restartRequiredForCompletion"))


def running(client) -> list:
    """The names of the builds that run on any node."""
    names = []
    for computer in (client.tree("/computer", RUNNING) or {}).get("computer", ()):
        for executor in [*(computer.get("executors") or ()), *(computer.get("oneOffExecutors") or ())]:
            current = executor.get("currentExecutable") or {}
            names += [current[key] for key in ("fullDisplayName", "url") if current.get(key)][:1]
    return list(dict.fromkeys(names))


def restart(client, message=None, build_timeout=3600, start_timeout=600, force=False, poll=2.0) -> None:
    """Restart once: no new builds, those that run are waited for, and then for the controller. The client's reads must not be tried again.

    Jenkins' safe restart does the first part by itself, so that a run that is killed leaves no controller that is quiet for ever; it does not wait
    for pipelines, which pause and are resumed. When the time is up the restart is taken back and the builds are named, or with `force` lost.
    """
    was_quiet, reason, session = _mood(client)
    client.send("POST", "/safeRestart", _message(message))
    wait = Wait(client, build_timeout, poll)
    forced = False
    while True:
        try:
            quieting, _reason, now = _mood(client)
        except ServiceError as error:
            if passing(error):
                break
            raise
        if now != session:
            break
        if not quieting:
            raise MlopsError("restart: somebody cancelled it; Jenkins takes builds again and was not restarted")
        if wait.over and forced:
            raise MlopsError(f"restart: Jenkins took the request and did not go down within {start_timeout} s")
        if wait.over and force:
            client.send("POST", "/restart")
            wait, forced = Wait(client, start_timeout, poll), True
        elif wait.over:
            names = running(client)
            client.send("POST", "/cancelQuietDown")
            if was_quiet:
                client.send("POST", "/quietDown", _message(reason))
            raise MlopsError(f"restart: not done, {len(names)} builds still run after {build_timeout} s: {', '.join(names)}; "
                             "give build_timeout more, or force_after_timeout to lose them")
        else:
            wait.sleep()
    _back(client, Wait(client, start_timeout, poll), start_timeout)


def _back(client, wait, start_timeout) -> None:
    """Wait until Jenkins answers as it did before."""
    try:
        while wait.ask(lambda: _mood(client))[0]:
            if wait.over:
                raise MlopsError("it still takes no builds")
            wait.sleep()
    except MlopsError as error:
        raise MlopsError(f"restart: Jenkins is not back after {start_timeout} s: {error}") from error
