# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model server lets through, answers and keeps, seen from its own host with slots written by hand. It knows the role, not releases."""

from __future__ import annotations

import base64
import importlib.util
import json
import pathlib
import random
import shlex

import pytest

HERE = pathlib.Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("onnx_models", HERE / "onnx_models.py")
onnx_models = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(onnx_models)

SLOTS = [
    ("scale", "a", "1", onnx_models.scale(2.0)),
    ("scale", "b", "2", onnx_models.scale(3.0)),
    ("typed", "a", "1", onnx_models.typed()),
    ("slow", "a", "1", onnx_models.slow()),
    ("moving", "a", "1", onnx_models.scale(2.0)),
]
ROWS = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}
DRIFT = "/run/model-server/moving-a/drift.json"
MOVING = {"model": "moving", "slot": "a", "slots": {"a": "1-0"}, "bad": [], "releases": {"1-0": {"digest": "sha256:digest-of-1", "version": "1"}}}
ADMIN = (
    "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/haproxy/admin.sock');"
    " s.sendall(sys.argv[1].encode() + b'\\n'); print(s.recv(99).decode())"
)


def put(host, path, content):
    data = base64.b64encode(content if isinstance(content, bytes) else content.encode()).decode()
    host.check_output(f"mkdir -p {shlex.quote(str(pathlib.PurePath(path).parent))} && echo {data} | base64 -d > {shlex.quote(path)}")


def curl(host, path, body=None, options=""):
    """Return (status, headers, body) of one request to HAProxy."""
    if body is not None:
        options += f" -H 'content-type: application/json' -d {shlex.quote(body if isinstance(body, str) else json.dumps(body))}"
    head, _gap, text = host.check_output(f"curl -sS -i --path-as-is {options} http://127.0.0.1:8080{path}").partition("\r\n\r\n")
    lines = head.splitlines()
    headers = {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, text


def infer(host, model, *inputs, **more):
    return curl(host, f"/v2/models/{model}/infer", {"inputs": list(inputs), **more})


def table(seed, rows, shift=0.0):
    """Rows of three normal columns."""
    chance = random.Random(seed)
    return [[chance.gauss(shift, 1) for _column in range(3)] for _row in range(rows)]


def send(host, rows):
    """Ask model `moving` with 500 rows at a time; each answer must be twice its row."""
    for start in range(0, len(rows), 500):
        part = [value for row in rows[start : start + 500] for value in row]
        body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [len(part) // 3, 3], "data": part}]}
        put(host, "/tmp/rows.json", json.dumps(body))
        status, _headers, text = curl(host, "/v2/models/moving/infer", options="-H 'content-type: application/json' -H 'expect:' -d @/tmp/rows.json")
        assert status == 200 and json.loads(text)["outputs"][0]["data"] == pytest.approx([2 * value for value in part], rel=1e-5)


def drift_of(host, windows):
    """What slot a of model `moving` wrote of its drift, once it has measured so many windows of inputs and of outputs."""
    asked = [f'"{of}": {{"measured": true, "reason": "", "windows": {windows},' for of in ("input", "output")]
    found = " && ".join(f"grep -qF {shlex.quote(text)} {DRIFT}" for text in asked)
    return json.loads(host.check_output(f"for i in $(seq 100); do {found} && break; sleep 0.1; done; cat {DRIFT}"))


def drift_metrics(host):
    """{name: {label `of`, or the column: value}} of drift, as Prometheus' collector may read it."""
    host.check_output("systemctl start model-info.service")
    found = {}
    for line in host.check_output("runuser -u nobody cat /var/lib/prometheus/node-exporter/models.prom").splitlines():
        if 'model="moving",version="1",digest="sha256:digest-of-1",env=' in line:
            last = line.rpartition('="')[2].partition('"')[0]
            found.setdefault(line.partition("{")[0], {})[last] = float(line.rpartition(" ")[2])
    return found


def flip(slot):
    return f"python3 -c {shlex.quote(ADMIN)} 'set map /etc/haproxy/models.map scale model_scale_{slot}'"


def load(host, count, *changes):
    return json.loads(host.check_output(f"python3 /root/load.py {count} " + " ".join(shlex.quote(change) for change in changes)))


@pytest.fixture(scope="module", autouse=True)
def slots(host):
    """Write by hand what releases write, and take it away at the end."""
    units = [f"model-server@{model}-{slot}" for model, slot, _version, _onnx in SLOTS]
    for model, slot, version, onnx in SLOTS:
        folder, address = f"/var/lib/models/{model}/releases/{version}-00000000", f"/run/model-server/{model}-{slot}/http.sock"
        put(host, f"{folder}/model.onnx", onnx)
        env = {"NAME": model, "VERSION": version, "DIGEST": f"sha256:digest-of-{version}", "DIR": folder, "SOCKET": address}
        put(host, f"/etc/model-server/slots/{model}-{slot}.env", "".join(f"MODEL_{key}={value}\n" for key, value in env.items()))
        backends = "".join(f"backend {about}model_{model}_{slot}\n    server slot unix@{address}\n" for about in ("", "about_"))
        put(host, f"/etc/haproxy/models.d/{model}-{slot}.cfg", backends)
    put(host, "/etc/haproxy/models.map", "scale model_scale_a\ntyped model_typed_a\nslow model_slow_a\nlost model_lost_a\nmoving model_moving_a\n")
    reference = "".join(",".join(map(str, row)) + "\n" for row in [("length", "width", "mass"), *table(0, 500)])
    put(host, "/var/lib/models/moving/releases/1-00000000/reference.csv", reference)
    put(host, "/var/lib/models/moving/state.json", json.dumps(MOVING))
    put(host, "/root/load.py", (HERE / "load.py").read_text(encoding="utf-8"))
    host.check_output(f"systemctl restart {' '.join(units)} && systemctl reload haproxy")
    yield
    host.check_output(f"systemctl stop {' '.join(units)}; rm -rf /var/lib/models/* /etc/model-server/slots/* /etc/haproxy/models.d/* /root/load.py")
    host.check_output("truncate -s 0 /etc/haproxy/models.map && systemctl reload haproxy")


def test_an_answer_names_version_and_digest_in_headers_and_body(host):
    status, headers, text = infer(host, "scale", ROWS, id="mine")
    answer = json.loads(text)
    assert (status, headers["x-model-version"], headers["x-model-digest"]) == (200, "1", "sha256:digest-of-1")
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("scale", "1", "mine")
    output = {key: answer["outputs"][0][key] for key in ("name", "datatype", "shape", "data")}
    assert output == {"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [2.0, 4.0, 6.0]}


def test_metadata_and_readiness(host):
    status, headers, text = curl(host, "/v2/models/scale")
    assert status == 200 and headers["x-model-version"] == "1"
    assert json.loads(text)["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]
    assert curl(host, "/v2/models/scale/ready")[0] == 200
    assert [json.loads(curl(host, path)[2]) for path in ("/v2/health/live", "/v2/health/ready")] == [{"live": True}, {"ready": True}]
    assert json.loads(curl(host, "/v2")[2])["name"] == "mlops.onprem"


def test_every_datatype_comes_back_as_it_went(host):
    data = {
        "fp32": [1.5, -2],
        "fp64": [1e300, 0.1],
        "int64": [2**53 + 1, -1],
        "int32": [2**31 - 1, 0],
        "bool": [True, False],
        "bytes": ["", "Grüße \n"],
    }
    inputs = [{"name": name, "datatype": name.upper(), "shape": [2], "data": values} for name, values in data.items()]
    status, _headers, text = infer(host, "typed", *inputs)
    assert status == 200, text
    assert {output["name"]: (output["datatype"], output["data"]) for output in json.loads(text)["outputs"]} == {
        f"out_{name}": (name.upper(), values) for name, values in data.items()
    }


def test_only_the_outputs_asked_for_come_back(host):
    inputs = [{"name": name, "datatype": name.upper(), "shape": [0], "data": []} for name in ("fp32", "fp64", "int64", "int32", "bool", "bytes")]
    status, _headers, text = infer(host, "typed", *inputs, outputs=[{"name": "out_bool"}])
    assert (status, [output["name"] for output in json.loads(text)["outputs"]]) == (200, ["out_bool"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "z"}, "inputs ['z'], the model wants ['x']"),
        ({"datatype": "FP64"}, "input x: datatype FP64, the model wants FP32"),
        ({"shape": [1, 4]}, "input x: shape [1, 4], the model wants [-1, 3]"),
        ({"shape": [3]}, "input x: shape [3], the model wants [-1, 3]"),
        ({"shape": [-1, 3]}, "input x: shape [-1, 3]"),
        ({"shape": [2, 3]}, "cannot reshape array of size 3 into shape (2,3)"),
        ({"data": ["1", "2", "3"]}, "input x: data is not all FP32"),
        ({"data": [True, False, True]}, "input x: data is not all FP32"),
        ({"data": [None, 2, 3]}, "input x: data is not all FP32"),
        ({"data": [[1], [2, 3]]}, "input x:"),
    ],
)
def test_a_request_that_does_not_fit_is_the_clients_fault(host, change, reason):
    status, headers, text = infer(host, "scale", {**ROWS, **change})
    assert status == 400 and reason in json.loads(text)["error"], text
    assert headers["x-model-version"] == "1"


@pytest.mark.parametrize(
    ("name", "values"), [("int64", [1.7, 1]), ("int32", [2**31, 1]), ("bool", [1, 0]), ("bytes", [1, 2]), ("int64", [2**70, 1]), ("fp32", ["1", 1])]
)
def test_no_value_is_bent_into_a_datatype(host, name, values):
    inputs = [{"name": other, "datatype": other.upper(), "shape": [0], "data": []} for other in ("fp32", "fp64", "int64", "int32", "bool", "bytes")]
    inputs = [{**given, "shape": [2], "data": values} if given["name"] == name else given for given in inputs]
    status, _headers, text = infer(host, "typed", *inputs)
    assert status == 400 and f"input {name}:" in text, text


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"inputs": 1}', '{"inputs": []}', '{"inputs": [{"name": "x"}]}'])
def test_an_unreadable_request_is_the_clients_fault(host, body):
    status, headers, _text = curl(host, "/v2/models/scale/infer", body)
    assert status in (400, 422) and headers["x-model-version"] == "1"


@pytest.mark.parametrize("length", ["2", "999", "-1", "no"])
def test_an_unreadable_binary_request_is_the_clients_fault(host, length):
    options = f"-H 'inference-header-content-length: {length}' -H 'content-type: application/octet-stream' --data-binary '{{}}abc'"
    assert curl(host, "/v2/models/scale/infer", options=options)[0] in (400, 422)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/repository/models/scale/unload", 403),
        ("POST", "/v2/repository/models/scale/load", 403),
        ("POST", "/v2/repository/index", 403),
        ("GET", "/metrics", 404),
        ("GET", "/", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("POST", "/v1/models/scale:predict", 404),
        ("POST", "/v2/models/scale/versions/1/infer", 404),
        ("POST", "/v2/models/scale/../../repository/models/scale/unload", 404),
        ("POST", "/v2/models/scale%2f..%2f/infer", 404),
        ("GET", "/v2/models/none", 404),
        ("GET", "/v2/models/lost", 404),
        ("GET", "/v2/models/scale/infer", 405),
        ("PUT", "/v2/models/scale/infer", 405),
        ("DELETE", "/v2/models/scale", 405),
        ("POST", "/v2/models/scale/ready", 405),
        ("POST", "/v2/health/ready", 405),
    ],
)
def test_nothing_else_passes(host, method, path, status):
    got, headers, text = curl(host, path, options=f"-X {method} -H 'content-length: 0'")
    assert got == status and json.loads(text)["error"]
    assert "x-model-version" not in headers


def test_a_body_is_measured_before_a_slot_sees_it(host):
    host.check_output("truncate -s $((16 * 1024 * 1024 + 1)) /tmp/large")
    assert curl(host, "/v2/models/scale/infer", options="--data-binary @/tmp/large -H 'expect:'")[0] == 413
    assert curl(host, "/v2/models/scale/infer", options="--data-binary @/tmp/large -H 'expect:' -H 'transfer-encoding: chunked'")[0] == 411


def test_a_slot_refuses_to_unload_even_on_its_socket(host):
    slot = "curl -s -o /dev/null -w '%{http_code}' --unix-socket /run/model-server/scale-a/http.sock -X POST http://slot"
    assert host.check_output(f"{slot}/v2/repository/models/scale/unload") == "400"
    assert host.check_output(f"{slot}/v1/models/scale:predict") == "404"
    assert infer(host, "scale", ROWS)[0] == 200


def test_a_slot_is_reached_through_haproxy_only(host):
    ready = "curl -s -o /dev/null -w '%{http_code}' --unix-socket /run/model-server/scale-a/http.sock http://slot/v2/models/scale/ready"
    assert host.run(f"setpriv --reuid nobody --regid nogroup --clear-groups {ready}").rc == 7
    assert host.check_output(f"setpriv --reuid haproxy --regid haproxy --clear-groups {ready}") == "200"
    pid = host.check_output("systemctl show --property MainPID --value model-server@scale-a")
    seen = host.check_output(f"setpriv --reuid model-server --regid haproxy --init-groups cat /proc/{pid}/net/tcp /proc/{pid}/net/tcp6")
    # Column 4 is the state, 0A listens. Where a container allows no network of its own, sshd and HAProxy show too; 127.0.0.11 is docker's resolver.
    listening = {line.split()[1] for line in seen.splitlines() if line.split()[3] == "0A"}
    listening |= {line.split()[3] for line in host.check_output("ss -Hltn").splitlines()}
    ports = {address.rpartition(":")[2] for address in listening if not address.startswith(("0B00007F", "127.0.0.11"))}
    # ssh, and HAProxy's two: the models and its metrics.
    assert ports <= {"0016", "22", "1F90", "8080", "20D5", "8405"}


def test_the_switch_of_versions_is_for_root_only(host):
    assert host.run(f"setpriv --reuid haproxy --regid haproxy --clear-groups {flip('b')}").rc != 0
    assert host.run(f"setpriv --reuid model-server --regid haproxy --clear-groups {flip('b')}").rc != 0


def test_a_slot_is_confined(host):
    score = host.check_output("systemd-analyze security --no-pager model-server@scale-a | tail -n 1")
    assert float(score.split("model-server@scale-a.service: ")[1].split()[0]) <= 4.0, score
    shown = host.check_output("systemctl show --property MemoryMax --property IPAddressDeny model-server@scale-a")
    assert "MemoryMax=536870912" in shown and "0.0.0.0/0" in shown


def test_models_are_read_by_the_slots_only(host):
    root = host.file("/var/lib/models")
    assert (root.user, root.group, root.mode) == ("root", "model-server", 0o750)


def test_a_flip_under_load_loses_nothing_and_mixes_nothing(host):
    result = load(host, 4000, f"1000:{flip('b')}", f"2000:{flip('a')}", f"3000:{flip('b')}")
    assert result["wrong"] == []
    assert sum(result["versions"].values()) == 4000
    assert all(count >= 900 for count in result["versions"].values()) and set(result["versions"]) == {"1", "2"}


def test_a_reload_serves_what_the_map_on_disk_says(host):
    host.check_output(flip("b"))
    result = load(host, 2000, "500:systemctl reload haproxy")
    assert result["wrong"] == []
    assert set(result["versions"]) == {"1", "2"}
    assert load(host, 10)["versions"] == {"1": 10}


def test_a_restart_serves_what_the_map_on_disk_says(host):
    put(host, "/etc/haproxy/models.map", "scale model_scale_b\ntyped model_typed_a\nslow model_slow_a\nlost model_lost_a\nmoving model_moving_a\n")
    assert load(host, 10)["versions"] == {"1": 10}
    host.check_output("systemctl restart haproxy")
    assert load(host, 10)["versions"] == {"2": 10}
    host.check_output(flip("a"))


def test_a_stopping_slot_finishes_its_request_and_health_answers_meanwhile(host):
    body = json.dumps({"inputs": [{"name": "n", "datatype": "INT64", "shape": [2], "data": [1500, 1500]}]})
    address = "http://127.0.0.1:8080/v2/models/slow"
    asked = f"curl -s -o /dev/null -w '%{{http_code}}' -H 'content-type: application/json' -d {shlex.quote(body)} {address}/infer"
    ready = f"curl -s -o /dev/null -w '%{{http_code}}' {address}/ready"
    meanwhile = f"sleep 0.3; {ready}; test -s /tmp/slow && echo ' too fast'; systemctl stop model-server@slow-a"
    assert host.check_output(f"{asked} > /tmp/slow & {meanwhile}; wait; echo; cat /tmp/slow").split() == ["200", "200"]
    host.check_output("systemctl start model-server@slow-a")


def test_a_killed_slot_comes_back(host):
    restarted = '[ "$(systemctl show --property NRestarts --property ActiveState model-server@typed-a | xargs)" = "NRestarts=1 ActiveState=active" ]'
    host.check_output("systemctl kill --signal KILL model-server@typed-a")
    host.check_output(f"for i in $(seq 100); do {restarted} && exit 0; sleep 0.2; done; exit 1")
    assert curl(host, "/v2/models/typed/ready")[0] == 200


def test_a_model_that_is_down_is_told_as_json(host):
    host.check_output("systemctl stop model-server@typed-a")
    status, headers, text = curl(host, "/v2/models/typed")
    host.check_output("systemctl start model-server@typed-a")
    assert (status, headers["content-type"]) == (503, "application/json")
    assert json.loads(text) == {"error": "the model is not running"}


def test_a_model_that_v2_cannot_carry_never_becomes_ready(host):
    put(host, "/var/lib/models/slow/releases/2-00000000/model.onnx", onnx_models.sequence())
    env = host.check_output("cat /etc/model-server/slots/slow-a.env").replace("1-00000000", "2-00000000").replace("slow-a", "slow-b")
    put(host, "/etc/model-server/slots/slow-b.env", env)
    assert host.run("systemctl start model-server@slow-b").rc != 0
    assert "zipmap=False" in host.check_output("journalctl --unit model-server@slow-b --no-pager")
    host.check_output("systemctl stop model-server@slow-b")


def test_logs_name_requests_and_versions_but_hold_no_data(host):
    infer(host, "typed", {"name": "bytes", "datatype": "BYTES", "shape": [1], "data": ["s3cret-row"]})
    assert "version=1 POST /v2/models/scale/infer" in host.check_output("journalctl --identifier haproxy --no-pager")
    assert "s3cret-row" not in host.check_output("journalctl --no-pager")
    invocation = host.check_output("systemctl show --property InvocationID --value model-server@scale-a")
    assert "Traceback" not in host.check_output(f"journalctl _SYSTEMD_INVOCATION_ID={invocation} --no-pager")


def test_what_stays_as_it_was_is_no_drift(host):
    assert drift_metrics(host)["mlops_model_drift_measured"] == {"input": 1, "output": 1}
    send(host, table(1, 3500))
    found = drift_of(host, 3)
    assert [(found[of]["windows"], found[of]["drifted"]) for of in ("input", "output")] == [(3, 0), (3, 0)] and found["errors"] == 0
    assert set(found["input"]["psi"]) == {"length", "width", "mass"} and set(found["output"]["psi"]) == {"y.0", "y.1", "y.2"}
    told = drift_metrics(host)
    assert told["mlops_model_drift_windows_total"] == {"input": 3, "output": 3}
    assert told["mlops_model_drifted_windows"] == told["mlops_model_drift_alarm"] == {"input": 0, "output": 0}
    assert set(told["mlops_model_input_psi"]) == {"length", "width", "mass"} and max(told["mlops_model_input_psi"].values()) < 0.2


def test_a_shift_is_told_after_three_windows_and_answers_stay_right(host):
    # Half a window is left from before, and is filled up; two of three are not enough.
    send(host, table(2, 500) + table(3, 2000, shift=1))
    assert [drift_of(host, 6)[of]["drifted"] for of in ("input", "output")] == [2, 2]
    assert drift_metrics(host)["mlops_model_drift_alarm"] == {"input": 0, "output": 0}
    send(host, table(4, 1000, shift=1))
    found, told = drift_of(host, 7), drift_metrics(host)
    assert [found[of]["drifted"] for of in ("input", "output")] == [3, 3]
    assert told["mlops_model_drifted_windows"] == {"input": 3, "output": 3} and told["mlops_model_drift_alarm"] == {"input": 1, "output": 1}
    assert min(told["mlops_model_input_psi"].values()) > 0.5 and min(told["mlops_model_output_psi"].values()) > 0.5


def test_what_was_found_is_read_by_slots_and_root_only_and_begins_anew_with_a_restart(host):
    file = host.file(DRIFT)
    assert (file.user, file.mode) == ("model-server", 0o600)
    assert host.check_output("find /run/model-server/moving-a -type f -printf '%f\\n'") == "drift.json"
    host.check_output("systemctl restart model-server@moving-a")
    assert [drift_of(host, 0)[of]["windows"] for of in ("input", "output")] == [0, 0]
    assert drift_metrics(host)["mlops_model_drift_alarm"] == {"input": 0, "output": 0}


def test_a_model_without_a_reference_is_served_and_said_not_to_be_measured(host):
    found = json.loads(host.check_output("cat /run/model-server/typed-a/drift.json"))
    assert (found["input"]["measured"], found["input"]["reason"]) == (False, "the package has no reference.csv")


def test_without_models_haproxy_still_starts(host):
    host.check_output("mkdir -p /tmp/empty && haproxy -c -q -f /etc/haproxy/haproxy.cfg -f /tmp/empty")


def test_a_runtime_is_built_whole_or_not_at_all(host):
    """Its packages are checked against the lock, and what a killed build left behind is not taken for a runtime."""
    put(host, "/opt/trial/build.sh", (HERE.parents[2] / "roles/software/files/build-environment.sh").read_text(encoding="utf-8"))
    host.check_output("cp /opt/model-server/*.py /opt/model-server/*.txt /opt/trial/")
    host.check_output("mkdir -p /opt/trial/none /opt/trial/new.partial.killed && touch -d '2 hours ago' /opt/trial/new.partial.killed")
    build = "bash /opt/trial/build.sh model_server_python %s /opt/trial/new /opt/trial/requirements-onnx.txt /opt/trial/none %s no /opt/trial/try_runtime.py"
    result = host.run(build % ("/usr/bin/python3", 700))
    assert result.rc != 0 and "No matching distribution found" in result.stderr
    assert host.check_output("ls -d /opt/trial/new* 2>/dev/null || true") == ""
    assert host.run(build % ("/bin/false", 700)).stderr.startswith("model_server_python: /bin/false")
    assert "building the environment needs 99999999 MiB" in host.run(build % ("/usr/bin/python3", 99999999)).stderr
    host.check_output("rm -rf /opt/trial")
