# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a slot measures drift, on tables made from seeds, and what becomes of it for Prometheus and Nagios. It knows no server: molecule asks a real one."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

ROLES = Path(__file__).parents[3] / "roles"
CHECK = ROLES / "nagios_agent/files/check_drift.py"
ABOUT = {"model": "m", "version": "1", "digest": "sha256:1"}


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROLES / f"model_server/files/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


drift, model_info = load("drift"), load("model_info")


def table(seed, rows, columns=5, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (rows, columns)).astype(np.float32)


def stream(reference, window=1000):
    return drift.Stream([f"c{number}" for number in range(reference.shape[1])], list(reference.T), window, 0.2)


def feed(one, rows, size):
    for start in range(0, len(rows), size):
        one.add(list(rows[start : start + size].T))


def reference_file(folder, rows, names=None):
    lines = [",".join(names or [f"c{number}" for number in range(rows.shape[1])])] + [",".join(map(repr, map(float, row))) for row in rows]
    (folder / "reference.csv").write_text("\n".join(lines) + "\n")
    return folder / "reference.csv"


def watch(folder, rows, answer=None, shape=(-1, 5), window=1000):
    """A watch of a model whose answer is y = sum of the row."""
    found = drift.Watch(folder / "drift.json", ABOUT, window, 0.2, 3)
    inputs = [{"name": "x", "shape": list(shape), "dtype": np.dtype("float32"), "kind": "f"}]
    found.start(reference_file(folder, rows), inputs, answer or (lambda given: {"y": given.sum(axis=1)}))
    return found


def ask(one, rows, size=1, answer=None):
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        one.add(part, {"y": part.sum(axis=1)} if answer is None else answer(part))


def told(one):
    one.worker.submit(int).result()
    return json.loads(Path(one.file).read_text())


def test_psi_of_a_table_computed_by_hand():
    """Reference 50 %, 30 %, 20 %; now 40 %, 30 %, 25 % and 5 % that the reference does not have."""
    column = drift.Column(np.repeat([0.0, 1.0, 2.0], [250, 150, 100]))
    counts = column.count(np.repeat([0.0, 1.0, 2.0, -7.0, 0.5, 7.0], [400, 300, 250, 20, 20, 10]))
    assert counts.tolist() == [400, 300, 250, 50, 0]
    by_hand = -0.1 * math.log(0.4 / 0.5) + 0.05 * math.log(0.25 / 0.2) + (0.05 - 0.0001) * math.log(0.05 / 0.0001)
    assert column.psi(counts) == pytest.approx(by_hand, abs=1e-12) and by_hand == pytest.approx(0.34359, abs=1e-4)
    assert column.psi(np.array([250, 150, 100, 0, 0])) == 0


def test_many_numbers_are_cut_at_their_quantiles():
    column = drift.Column(np.arange(1, 1001, dtype=float))
    assert column.keys.tolist() == [100, 200, 300, 400, 500, 600, 700, 800, 900]
    assert column.count(np.array([-np.inf, 100, 100.5, 900, 901, np.inf, np.nan])).tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 1, 2, 1]


@pytest.mark.parametrize("rows, bins", [(100, 2), (499, 9), (500, 10), (5000, 10)])
def test_few_rows_carry_few_bins(rows, bins):
    assert len(drift.Column(np.arange(rows, dtype=float)).keys) == bins - 1


@pytest.mark.parametrize("reference, rows", [(100, 1000), (455, 1000), (5000, 1000)])
def test_the_same_distribution_never_alarms(reference, rows):
    """200 windows of 20 columns for each of 10 references: not one window is above the bound."""
    above = 0
    for seed in range(10):
        one = stream(table(seed, reference, 20))
        for number in range(20):
            one.add(list(table(1000 * seed + number + 100, rows, 20).T))
            above += max(one.psi.values()) > 0.2
    assert above == 0


@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_a_shift_of_one_standard_deviation_is_far_above_the_bound(shift):
    for seed in range(10):
        one = stream(table(seed, 455))
        feed(one, table(seed + 100, 3000, shift=shift), 1000)
        assert one.drifted == 3 and min(one.psi.values()) > 0.5


def test_one_shifted_column_of_many_is_enough_and_is_named():
    one, rows = stream(table(1, 500, 20)), table(2, 3000, 20)
    rows[:, 7] += 1
    feed(one, rows, 100)
    assert one.drifted == 3 and [name for name, psi in one.psi.items() if psi > 0.2] == ["c7"]


def test_windows_are_in_a_row():
    one = stream(table(1, 500))
    for shift, drifted in [(1, 1), (1, 2), (0, 0), (1, 1), (1, 2), (1, 3), (1, 4)]:
        one.add(list(table(5, 1000, shift=shift).T))
        assert one.drifted == drifted


@pytest.mark.parametrize("size", [1, 7, 999, 1000, 1001, 3500])
def test_a_window_is_of_exactly_its_rows_whatever_the_batches(size):
    one, rows = stream(table(1, 500)), table(2, 3500)
    feed(one, rows, size)
    last = stream(table(1, 500))
    last.add(list(rows[2000:3000].T))
    assert (one.windows, one.rows, one.psi) == (3, 500, last.psi)


def test_unknown_values_have_a_bin_of_their_own():
    reference = table(1, 1000, 1)
    reference[::2] = np.nan
    one, rows = stream(reference), table(2, 1000, 1)
    rows[::2] = np.nan
    one.add(list(rows.T))
    assert one.psi["c0"] < 0.1
    one.add(list(table(3, 1000, 1).T))
    assert one.psi["c0"] > 1


def test_new_unknown_values_are_a_shift():
    one, rows = stream(table(1, 1000, 1)), table(2, 1000, 1)
    rows[::10] = np.nan
    one.add(list(rows.T))
    assert one.psi["c0"] > 0.2


@pytest.mark.parametrize("value", [3.5, math.nan])
def test_a_constant_column_is_well_until_it_changes(value):
    one, rows = stream(np.full((200, 1), value, np.float32)), np.full((1000, 1), value, np.float32)
    one.add(list(rows.T))
    assert one.psi["c0"] == 0
    rows[:100] = 4
    one.add(list(rows.T))
    assert one.psi["c0"] > 0.2


def test_a_column_that_is_mostly_zero_or_mostly_at_its_end():
    for seed in range(5):
        for cut, mean in ((np.maximum, -1), (np.minimum, 1)):
            one = stream(cut(table(seed, 500, 1, mean), 0))
            rows = cut(table(seed + 100, 1000, 1, mean), 0)
            one.add(list(rows.T))
            assert one.psi["c0"] < 0.1
            one.add(list(rows.T + 1))
            assert one.psi["c0"] > 0.2


@pytest.mark.parametrize("values", [["no", "yes"], [b"no", b"yes"], [False, True], [0, 1], [np.float16(0), np.float16(1)]])
def test_answers_of_every_kind_are_counted_by_value(values):
    kind = object if isinstance(values[0], (str, bytes)) else None
    one = drift.Stream(["label"], [np.array(values * 100, dtype=kind)], 1000, 0.2)
    one.add([np.array(values * 500, dtype=kind)])
    assert one.psi == {"label": 0}
    one.add([np.array(values[:1] * 800 + values[1:] * 200, dtype=kind)])
    assert one.psi["label"] == pytest.approx(0.6 / 2 * math.log(0.8 / 0.2), abs=1e-9)


def test_rare_texts_share_a_bin():
    column = drift.Column(np.array(["a"] * 300 + ["b"] * 200 + [f"rare{number}" for number in range(100)], dtype=object))
    assert len(column.keys) == 10 and {"a", "b"} <= set(column.keys)
    assert column.count(np.array(["a", "new", "rare99"])).sum() == 3


def test_a_slot_tells_what_it_found(tmp_path):
    one = watch(tmp_path, table(1, 500))
    start = told(one)
    assert start["input"] == {"measured": True, "reason": "", "windows": 0, "drifted": 0, "psi": {}} and start["output"]["measured"]
    ask(one, table(2, 3500))
    calm = told(one)
    assert [(calm[of]["windows"], calm[of]["drifted"]) for of in ("input", "output")] == [(3, 0), (3, 0)]
    assert set(calm["input"]["psi"]) == {f"c{number}" for number in range(5)} and set(calm["output"]["psi"]) == {"y"}
    ask(one, table(3, 3500, shift=1), size=7)
    found = told(one)
    assert [(found[of]["windows"], found[of]["drifted"]) for of in ("input", "output")] == [(7, 4), (7, 4)]
    assert (found["version"], found["digest"], found["bound"], found["windows"], found["errors"]) == ("1", "sha256:1", 0.2, 3, 0)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("drift")] == ["drift.json"]


def test_threads_count_every_row_once(tmp_path, monkeypatch):
    monkeypatch.setattr(drift, "BATCHES_MOST", 20)
    one = watch(tmp_path, table(1, 500))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    asking = [threading.Thread(target=ask, args=(one, table(seed, 2500))) for seed in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    sys.setswitchinterval(before)
    found = told(one)
    assert (found["input"]["windows"], found["output"]["windows"], found["errors"]) == (20, 20, 0)


def test_batches_that_the_worker_has_no_room_for_are_left_out_and_counted(tmp_path, caplog):
    one, go_on = watch(tmp_path, table(1, 500)), threading.Event()
    one.worker.submit(go_on.wait)
    ask(one, table(2, 7000), size=1000)
    go_on.set()
    assert one.errors == 7 - drift.BATCHES_MOST and "(Full)" in caplog.text
    assert told(one)["input"]["windows"] == drift.BATCHES_MOST
    ask(one, table(3, 4000), size=1000)
    assert told(one)["input"]["windows"] == 2 * drift.BATCHES_MOST and one.errors == 7 - drift.BATCHES_MOST


def test_what_waits_to_be_counted_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(drift, "BATCHES_MOST", 30)
    one = watch(tmp_path, table(1, 500), window=10**9)
    for seed in range(30):
        ask(one, table(seed, 100_000), size=100_000)
    assert one.cells <= drift.PENDING_CELLS_MOST
    one.worker.submit(int).result()
    assert one.streams["input"].rows + sum(len(rows) for rows, _told in one.pending) == 3_000_000


def test_requests_for_some_outputs_only_count_for_inputs_only(tmp_path):
    one = watch(tmp_path, table(1, 500), answer=lambda rows: {"y": rows.sum(axis=1), "z": rows[:, :2]})
    ask(one, table(2, 2000), size=10)
    assert [told(one)[of]["windows"] for of in ("input", "output")] == [2, 0]
    ask(one, table(2, 2000), size=10, answer=lambda rows: {"y": rows.sum(axis=1), "z": rows[:, :2]})
    assert [told(one)[of]["windows"] for of in ("input", "output")] == [4, 2]
    assert set(told(one)["output"]["psi"]) == {"y", "z.0", "z.1"}


class Secretive:
    """An answer that cannot be counted, and whose error tells data."""

    @property
    def size(self):
        raise ValueError("s3cret")


def test_an_error_is_counted_told_once_and_raised_at_nobody(tmp_path, caplog):
    one = watch(tmp_path, table(1, 500))
    ask(one, table(2, 1500), size=1500)
    for _number in range(3):
        ask(one, table(2, 1000, columns=4), size=1000)
        ask(one, table(2, 1), answer=lambda rows: {"y": Secretive()})
    told(one)
    assert (one.errors, one.streams["input"].rows, one.streams["output"].rows) == (6, 0, 0)
    assert len([record for record in caplog.records if "could not be measured" in record.message]) == 1 and "s3cret" not in caplog.text
    Path(one.file).unlink()
    Path(f"{one.file}.new").mkdir()
    ask(one, table(2, 3000), size=3000)
    one.worker.submit(int).result()
    assert not Path(one.file).exists()


@pytest.mark.parametrize("content, word", [
    (None, "no reference.csv"), ("", "columns []"), ("a,a\n" + "1,2\n" * 200, "a name of its own"), ("a,\n" + "1,2\n" * 200, "a name of its own"),
    ("a,b,c,d,e\n" + "1,2,3,4,5\n" * 99, "99 rows"), ("a,b,c,d,e\n" + "1,2,3,4\n" * 200, "other lengths"),
    ("a,b,c,d,e\n" + "1,2,s3cret,4,5\n" * 200, "column c is not all numbers"), ("a,b,c,d\n" + "1,2,3,4\n" * 200, "one table of 4 numeric columns"),
    (b"\xff\xfe\n" * 200, "codec"),
])
def test_a_reference_that_does_not_fit_means_no_measuring_and_says_why(tmp_path, caplog, content, word):
    one = drift.Watch(tmp_path / "drift.json", ABOUT, 1000, 0.2, 3)
    if content is not None:
        (tmp_path / "reference.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    one.start(tmp_path / "reference.csv", [{"name": "x", "shape": [-1, 5], "dtype": np.dtype("float32"), "kind": "f"}], lambda rows: {})
    ask(one, table(2, 3000))
    found = told(one)
    assert word in found["input"]["reason"] and "s3cret" not in caplog.text
    assert not found["input"]["measured"] and not found["output"]["measured"]
    assert (one.pending, one.errors) == ([], 0)


@pytest.mark.parametrize("shapes, kind", [([[-1, 5], [-1, 5]], "f"), ([[-1]], "f"), ([[-1, 5, 1]], "f"), ([[-1, 5]], "O"), ([[-1, 4]], "f")])
def test_inputs_that_are_not_one_numeric_table_are_not_measured(tmp_path, shapes, kind):
    one = drift.Watch(tmp_path / "drift.json", ABOUT, 1000, 0.2, 3)
    inputs = [{"name": str(number), "shape": shape, "dtype": np.dtype("float32"), "kind": kind} for number, shape in enumerate(shapes)]
    one.start(reference_file(tmp_path, table(1, 500)), inputs, lambda rows: {})
    assert "not one table" in told(one)["input"]["reason"]


def test_empty_cells_are_unknown_and_do_not_fit_whole_numbers(tmp_path):
    (tmp_path / "reference.csv").write_text("a,b\n" + "1,\n,2\n" * 100)
    names, rows = drift.read_reference(tmp_path / "reference.csv")
    assert names == ["a", "b"] and np.isnan(rows).sum() == 200
    with pytest.raises(ValueError, match="whole numbers"):
        drift.as_input(names, rows, [{"shape": [-1, 2], "kind": "i", "dtype": np.dtype("int64")}])


def test_what_a_model_is_asked_is_not_one_end_of_a_sorted_reference(tmp_path):
    _names, rows = drift.read_reference(reference_file(tmp_path, np.arange(5000, dtype=float).reshape(-1, 1)))
    assert sorted(rows[:, 0]) == list(range(5000)) and abs(rows[:2000].mean() - 2500) < 150


def test_a_large_reference_is_drawn_from_evenly_and_always_alike(tmp_path):
    rows = np.arange(50_000, dtype=float).reshape(-1, 1)
    path = reference_file(tmp_path, rows)
    _names, first = drift.read_reference(path)
    assert len(first) == drift.ROWS_MOST and abs(first.mean() - 25_000) < 500
    assert (drift.read_reference(path)[1] == first).all()


def broken(rows):
    raise RuntimeError("s3cret")


@pytest.mark.parametrize("answer, outputs", [
    (broken, set()), (lambda rows: {"y": rows.sum()}, set()), (lambda rows: {"y": np.zeros((len(rows), 2, 2)), "z": rows[:, 0]}, {"z"}),
    (lambda rows: {"y": np.zeros((len(rows), 101))}, set()), (lambda rows: {"y": np.zeros(1)}, set()),
])
def test_outputs_that_cannot_be_measured_leave_the_inputs(tmp_path, caplog, answer, outputs):
    one = watch(tmp_path, table(1, 500), answer=answer)
    ask(one, table(2, 1000))
    assert set(one.outputs) == outputs
    assert told(one)["input"]["windows"] == 1 and told(one)["output"]["measured"] == bool(outputs)
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("first, asked", [(-1, [1, 2, 4, 8, 16, 32, 64, 100, 100, 100, 73]), (1, [1] * 500), (64, [64] * 7)])
def test_the_reference_is_answered_in_batches_that_the_model_takes(tmp_path, first, asked):
    sizes = []

    def answer(rows):
        sizes.append(len(rows))
        return {"y": rows.sum(axis=1)}

    assert told(watch(tmp_path, table(1, 500), answer, shape=(first, 5)))["output"]["measured"]
    assert sizes == asked


def test_a_slow_model_is_not_asked_for_long(tmp_path, monkeypatch):
    """As each row takes 0.1 seconds: a batch that is running is waited for, no other is begun."""
    now = [0.0]

    def answer(rows):
        now[0] += 0.1 * len(rows)
        return {"y": rows.sum(axis=1)}

    monkeypatch.setattr(drift.time, "monotonic", lambda: now[0])
    one = watch(tmp_path, table(1, 500), answer)
    assert "63 answers to the reference in time" in told(one)["output"]["reason"] and told(one)["input"]["measured"]
    assert now[0] < 3 * drift.ANSWERS_SECONDS


STATE = {"model": "m", "slot": "a", "slots": {"a": "1-x", "b": "2-y"}, "bad": [],
         "releases": {"1-x": {"digest": "sha256:1", "version": "1"}, "2-y": {"digest": "sha256:2", "version": "2"}}}


@pytest.fixture(name="export")
def fixture_export(tmp_path):
    """Call with what slots wrote: the lines that Prometheus gets."""

    def run(**slots):
        (tmp_path / "models/m").mkdir(parents=True, exist_ok=True)
        (tmp_path / "models/m/state.json").write_text(json.dumps(STATE))
        for slot, content in slots.items():
            (tmp_path / f"run/m-{slot}").mkdir(parents=True, exist_ok=True)
            (tmp_path / f"run/m-{slot}/drift.json").write_text(content if isinstance(content, str) else json.dumps(content))
        model_info.main(tmp_path / "models", tmp_path / "models.prom", "production", tmp_path / "run")
        return (tmp_path / "models.prom").read_text().splitlines()

    return run


def found(drifted=0, psi=None, **more):
    one = {"measured": True, "reason": "", "windows": 5, "drifted": drifted, "psi": psi or {}}
    return {**ABOUT, "bound": 0.2, "window": 1000, "windows": 3, "errors": 0, "input": one, "output": {"measured": False, "reason": "no"}, **more}


def test_metrics_of_a_slot(export):
    lines = export(a=found(3, {"mean radius": 0.5, 'a"b\\': 0.1}))
    about = 'model="m",version="1",digest="sha256:1",env="production",slot="a"'
    assert {line for line in lines if "drift" in line or "psi" in line if line[0] != "#"} == {
        f"mlops_model_drift_bound{{{about}}} 0.2", f"mlops_model_drift_errors_total{{{about}}} 0",
        f'mlops_model_drift_measured{{{about},of="input"}} 1', f'mlops_model_drift_measured{{{about},of="output"}} 0',
        f'mlops_model_drift_windows_total{{{about},of="input"}} 5', f'mlops_model_drifted_windows{{{about},of="input"}} 3',
        f'mlops_model_drift_alarm{{{about},of="input"}} 1',
        f'mlops_model_input_psi{{{about},feature="mean radius"}} 0.5', f'mlops_model_input_psi{{{about},feature="a\\"b\\\\"}} 0.1'}


def test_only_the_slot_that_serves_alarms(export):
    lines = export(a=found(2), b=found(9))
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("mlops_model_drift_alarm")] == ["0"]


def test_a_slot_that_does_not_run_or_writes_nonsense_tells_nothing_of_drift(export):
    lines = export(b="{")
    assert [line for line in lines if "drift" in line and line[0] != "#"] == []
    assert len([line for line in lines if line.startswith("mlops_model_info{")]) == 2


@pytest.mark.parametrize("above, told_of", [(0, 10), (5, 10), (50, 50), (500, 100)])
def test_the_number_of_series_is_bounded(export, above, told_of):
    lines = export(a=found(psi={f"c{number}": 1 + number / 1000 if number < above else 0.1 for number in range(1000)}))
    assert len([line for line in lines if line.startswith("mlops_model_input_psi{")]) == told_of


def check(file, of="input"):
    done = subprocess.run([sys.executable, CHECK, of, file], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_nagios_reads_what_prometheus_reads(export, tmp_path):
    file = tmp_path / "models.prom"
    export()
    assert check(file) == (0, "DRIFT OK - no model that serves here is measured\n")
    export(a=found(2, {"mean radius": 0.5}))
    assert check(file) == (0, "DRIFT OK - inputs of m 1 are as they were\n")
    assert check(file, "output")[0] == 0
    export(a=found(3, {"mean radius": 0.5, "texture $x|;": 0.3, "area": 0.1}))
    assert check(file) == (2, "DRIFT CRITICAL - inputs of m 1 have drifted: mean radius 0.5, texture _x__ 0.3\n")
    os.utime(file, (1, 1))
    assert check(file)[0] == 3 and "is older" in check(file)[1]
    file.unlink()
    assert check(file)[0] == 3 and "model_server_textfile" in check(file)[1]
