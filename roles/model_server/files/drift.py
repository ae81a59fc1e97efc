# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far what a model is asked and what it answers have moved from the reference in its package: PSI by column, in windows of rows.

It knows tables of numbers and one file to tell what it found. It knows neither HTTP nor ONNX, and raises nothing at who asks it to count.
"""

import csv
import json
import logging
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Full

import numpy as np

# An empty bin counts as this share, so that its logarithm is one.
EPSILON = 1e-4
# With n rows in a window, N in the reference and b bins, chance alone makes a PSI of (b - 1) (1/n + 1/N) on average: few rows carry few bins only.
BINS, ROWS_PER_BIN, ROWS_LEAST = 10, 50, 100
ROWS_MOST, CELLS_MOST = 10_000, 2_000_000
# The model is asked at its start, and a slot that loads must not wait long for it.
ANSWERS_MOST, ANSWERS_BATCH, ANSWERS_SECONDS = 2_000, 100, 5
OUTPUT_COLUMNS_MOST = 100
PENDING_CELLS_MOST = 1_000_000
# What is handed over to be counted and is not yet: more is left out, so that a slot's memory has a bound.
BATCHES_MOST = 4


def plain(values):
    """The array as one that can be sorted: texts as texts, truth values as numbers."""
    if values.dtype.kind in "OS":
        return values.astype(str)
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


class Column:
    """The reference of one column: bins, and which share of the reference lies in each.

    Few values are a bin each; many numbers are cut at their quantiles. The last two bins are what lies in no other, and what is unknown (NaN).
    """

    def __init__(self, reference):
        reference = plain(reference)
        bins = max(1, min(BINS, len(reference) // ROWS_PER_BIN))
        known = reference[~np.isnan(reference)] if reference.dtype.kind == "f" else reference
        values, often = np.unique(known, return_counts=True)
        self.by_value = len(values) <= bins or reference.dtype.kind == "U"
        if self.by_value:
            self.keys = np.sort(values[np.argsort(-often, kind="stable")[:bins]])
        else:
            self.keys = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf"))
        self.share = np.maximum(self.count(reference) / len(reference), EPSILON)

    def count(self, values):
        """How many of the values lie in each bin."""
        at = np.searchsorted(self.keys, values)
        if self.by_value:
            at[np.searchsorted(self.keys, values, side="right") == at] = len(self.keys)
        if values.dtype.kind == "f":
            at[np.isnan(values)] = len(self.keys) + 1
        return np.bincount(at, minlength=len(self.keys) + 2)

    def psi(self, counts):
        """Population stability index of counted values against the reference: 0 is the same, above 0.2 is usually called a shift."""
        share = np.maximum(counts / counts.sum(), EPSILON)
        return float(np.sum((share - self.share) * np.log(share / self.share)))


class Stream:
    """Columns that come together, counted in windows of exactly `window` rows."""

    def __init__(self, names, reference, window, bound):
        self.names, self.columns = names, [Column(values) for values in reference]
        self.window, self.bound = window, bound
        self.windows = self.drifted = 0
        self.psi = {}
        self.begin()

    def begin(self):
        """Begin a window; what was counted of one is forgotten."""
        self.rows, self.counts = 0, [0] * len(self.names)

    def add(self, table):
        """Count a list of columns of one length; whether that ended a window."""
        if len(table) != len(self.columns):
            raise ValueError(f"{len(table)} columns, the reference has {len(self.columns)}")
        table, start, before = [plain(values) for values in table], 0, self.windows
        while start < len(table[0]):
            stop = start + self.window - self.rows
            for number, values in enumerate(table):
                self.counts[number] = self.counts[number] + self.columns[number].count(values[start:stop])
            self.rows += len(table[0][start:stop])
            start = stop
            if self.rows == self.window:
                self._finish()
        return self.windows > before

    def _finish(self):
        self.psi = {name: column.psi(counts) for name, column, counts in zip(self.names, self.columns, self.counts)}
        self.windows += 1
        # Three in a row are counted, not three in all: each window gets its chance to be well.
        self.drifted = self.drifted + 1 if max(self.psi.values()) > self.bound else 0
        self.begin()


def read_reference(path):
    """Return (names, float64 table) of at most ROWS_MOST rows of a CSV file, drawn by chance but always the same ones; ValueError says what is wrong."""
    chance = random.Random(0)
    with open(path, newline="", encoding="utf-8-sig") as file:
        names = next(csv.reader(file), [])
        if not all(names) or len(set(names)) != len(names) or not names:
            raise ValueError(f"reference.csv has the columns {names}; each must have a name of its own")
        most, lines = max(ROWS_LEAST, min(ROWS_MOST, CELLS_MOST // len(names))), []
        for number, line in enumerate(file):
            if number < most:
                lines.append(line)
            elif (place := chance.randrange(number + 1)) < most:
                lines[place] = line
    chance.shuffle(lines)
    rows = [row for row in csv.reader(lines) if row]
    if len(rows) < ROWS_LEAST:
        raise ValueError(f"reference.csv has {len(rows)} rows; at least {ROWS_LEAST} are needed to tell a shift from chance")
    if {len(row) for row in rows} != {len(names)}:
        raise ValueError(f"reference.csv has rows of other lengths than its {len(names)} names")
    table = np.empty((len(rows), len(names)))
    for number, name in enumerate(names):
        try:
            table[:, number] = [float(row[number]) if row[number] else np.nan for row in rows]
        except ValueError:
            # Not from: the message of the cause holds the value, and what is raised here is logged.
            raise ValueError(f"reference.csv: column {name} is not all numbers") from None
    return names, table


def as_input(names, table, inputs):
    """The reference as the model takes it; ValueError where its inputs are not one table with these columns."""
    shapes = [node["shape"] for node in inputs]
    if len(inputs) != 1 or len(shapes[0]) != 2 or inputs[0]["kind"] not in "fiu" or shapes[0][1] not in (-1, len(names)):
        raise ValueError(f"the model's inputs are not one table of {len(names)} numeric columns, which reference.csv has")
    if inputs[0]["kind"] != "f" and np.isnan(table).any():
        raise ValueError("reference.csv has empty cells, and the model's input is of whole numbers")
    return table.astype(inputs[0]["dtype"])


def columns_of(name, values):
    """[(name, column)] of one output: a vector or a table."""
    table = values.reshape(len(values), -1)
    return [(name if table.shape[1] == 1 else f"{name}.{number}", table[:, number]) for number in range(table.shape[1])]


def answers(rows, first, answer):
    """({output: answers of the model to the first of the rows}, how many rows): as many as it gives within ANSWERS_SECONDS."""
    parts, start, size, end = [], 0, max(first, 1), time.monotonic() + ANSWERS_SECONDS
    rows = rows[:ANSWERS_MOST]
    # A model that takes any number of rows is asked for one first: a hundred of a slow one could outlast the time that a start may take.
    while start < len(rows) and time.monotonic() <= end and (first < 1 or start + size <= len(rows)):
        parts.append(answer(rows[start : start + size]))
        start += size
        size = first if first > 0 else min(2 * size, ANSWERS_BATCH)
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}, min(start, len(rows))


class Watch:
    """Counts what one slot is asked and answers, in a thread of its own, and writes to `file` what each finished window showed."""

    def __init__(self, file, about, window, bound, windows):
        self.file, self.about = file, {**about, "window": window, "bound": bound, "windows": windows}
        self.streams, self.reasons, self.outputs = {}, {}, []
        self.errors = self.rows = self.cells = 0
        self.pending, self.lock, self.worker = [], threading.Lock(), ThreadPoolExecutor(1, "drift")
        self.room = threading.BoundedSemaphore(BATCHES_MOST)

    def start(self, reference, inputs, answer):
        """Take up the reference: `inputs` are {name, shape, kind, dtype} each, `answer` gives {output: array} for a table. Never raises."""
        try:
            names, table = read_reference(reference)
            rows = as_input(names, table, inputs)
            self.streams["input"] = Stream(names, list(rows.T), self.about["window"], self.about["bound"])
        except FileNotFoundError:
            self.reasons["input"] = "the package has no reference.csv"
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.reasons["input"] = str(error)
        if "input" in self.streams:
            try:
                self._start_outputs(*answers(rows, inputs[0]["shape"][0], answer))
            except Exception as error:  # pylint: disable=broad-exception-caught
                self.reasons["output"] = f"the model does not answer its reference: {type(error).__name__}"
        self.reasons.setdefault("output", "" if "output" in self.streams else "the inputs are not measured")
        for reason in {reason for reason in self.reasons.values() if reason}:
            logging.getLogger("drift").warning("drift is not measured: %s", reason)
        try:
            self._write()
        except OSError as error:
            self._failed(error)

    def _start_outputs(self, found, rows):
        told = {name: columns_of(name, values) for name, values in found.items() if values.ndim in (1, 2) and len(values) == rows}
        self.outputs = [name for name, columns in told.items() if 0 < len(columns) <= OUTPUT_COLUMNS_MOST]
        if rows < ROWS_LEAST or not self.outputs:
            self.reasons["output"] = f"{rows} answers to the reference in time, {len(self.outputs)} outputs with a value or a short list for each row"
            self.outputs = []
            return
        names, columns = zip(*(column for name in self.outputs for column in told[name]))
        self.streams["output"] = Stream(list(names), columns, self.about["window"], self.about["bound"])

    def add(self, rows, found):
        """Take note of one request and its answers ({output: array}); the work is done later and elsewhere. Never raises."""
        if not self.streams:
            return
        try:
            # Of a request that asked for some outputs only, these are not counted: the columns of a window belong together.
            told = [found[name] for name in self.outputs] if self.outputs and all(name in found for name in self.outputs) else None
            with self.lock:
                self.cells += rows.size + sum(values.size for values in told or ())
                self.pending.append((rows, told))
                before, self.rows = self.rows, self.rows + len(rows)
                full = self.rows // self.about["window"] > before // self.about["window"] or self.cells > PENDING_CELLS_MOST
                if full:
                    taken, self.pending, self.cells = self.pending, [], 0
            if full:
                if not self.room.acquire(blocking=False):  # pylint: disable=consider-using-with
                    raise Full
                self.worker.submit(self._measure, taken)
        except Exception as error:  # pylint: disable=broad-exception-caught
            self._failed(error)

    def _measure(self, taken):
        try:
            ended = self.streams["input"].add(list(np.concatenate([rows for rows, _told in taken]).T))
            told = [told for _rows, told in taken if told is not None]
            if told:
                tables = [np.concatenate(parts) for parts in zip(*told)]
                ended |= self.streams["output"].add([column for name, table in zip(self.outputs, tables) for _name, column in columns_of(name, table)])
            if ended:
                self._write()
        except Exception as error:  # pylint: disable=broad-exception-caught
            self._failed(error)
            for stream in self.streams.values():
                stream.begin()
        finally:
            self.room.release()

    def _failed(self, error):
        self.errors += 1
        if self.errors == 1:
            # Its message could hold data of the request.
            logging.getLogger("drift").error("drift could not be measured (%s); requests go on, further errors are counted only", type(error).__name__)

    def _write(self):
        """Tell what is known, by a rename: nobody reads half of it."""
        told = {**self.about, "errors": self.errors}
        for of in ("input", "output"):
            stream = self.streams.get(of)
            told[of] = {"measured": stream is not None, "reason": self.reasons.get(of, "")}
            if stream:
                told[of] |= {"windows": stream.windows, "drifted": stream.drifted, "psi": {name: round(psi, 4) for name, psi in stream.psi.items()}}
        with open(f"{self.file}.new", "w", encoding="utf-8") as file:
            json.dump(told, file)
        os.replace(f"{self.file}.new", self.file)
