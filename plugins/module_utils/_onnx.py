# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of an ONNX model's inputs and outputs, read without its weights. Knows just enough of protobuf; loads and runs nothing."""

from __future__ import annotations

import io
import os

from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError

GRAPH, INPUT, OUTPUT, NAME = 7, 11, 12, 1  # field numbers of ModelProto, GraphProto and ValueInfoProto
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def tensor_names(raw_file, where: str) -> tuple:
    """(input names, output names) of an open ONNX file; MlopsError when it is none. Seeks over everything else, whatever its size."""
    file = io.BufferedReader(raw_file)
    names = {INPUT: [], OUTPUT: []}
    try:
        for field, start, end in _fields(file, 0, os.fstat(file.fileno()).st_size):
            if field == GRAPH:
                for part, first, last in _fields(file, start, end):
                    if part in names:
                        names[part] += [_text(file, *span) for number, *span in _fields(file, first, last) if number == NAME]
    except ValueError as error:
        raise MlopsError(f"{where}: not an ONNX model: {error} (a Git LFS pointer, or cut short?)") from error
    finally:
        file.detach()
    if not names[OUTPUT]:
        raise MlopsError(f"{where}: not an ONNX model: it has no output")
    return names[INPUT], names[OUTPUT]


def _fields(file, start: int, end: int):
    """(number, start, end) of each field with bytes between two offsets."""
    position = start
    while position < end:
        file.seek(position)
        key = _varint(file)
        kind = key & 7
        if kind == BYTES:
            length = _varint(file)
            first, position = file.tell(), file.tell() + length
            if position > end:
                raise ValueError(f"a field at byte {first} is longer than what holds it")
            yield key >> 3, first, position
        elif kind == VARINT:
            _varint(file)
            position = file.tell()
        elif kind in (FIXED32, FIXED64):
            position = file.tell() + (4 if kind == FIXED32 else 8)
        else:
            raise ValueError(f"byte {position} begins no field")


def _varint(file) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends in the middle of a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number is longer than 64 bits")


def _text(file, start: int, end: int) -> str:
    file.seek(start)
    return file.read(end - start).decode()
