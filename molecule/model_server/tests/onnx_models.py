# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small ONNX models, written as protobuf by hand so that no test machine needs the onnx package. It knows the fields it uses and no others."""

from __future__ import annotations

import struct

FLOAT, INT32, INT64, STRING, BOOL, DOUBLE = 1, 6, 7, 8, 9, 11


def _varint(value):
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def _message(*fields):
    """Encode (number, int | str | bytes) pairs in order."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(raw)) + raw
    return out


def _tensor_type(kind, shape):
    dims = [(1, _message((1, size) if isinstance(size, int) else (2, size))) for size in shape]
    return _message((1, _message((1, kind), (2, _message(*dims)))))


def _value(name, value_type):
    return _message((1, name), (2, value_type))


def _node(kind, inputs, output):
    return _message(*[(1, name) for name in inputs], (2, output), (4, kind))


def _model(nodes, inputs, outputs, constants=()):
    graph = [(1, node) for node in nodes] + [(2, "test")] + [(5, constant) for constant in constants]
    graph += [(11, value) for value in inputs] + [(12, value) for value in outputs]
    return _message((1, 9), (7, _message(*graph)), (8, _message((2, 17))))


def scale(factor):
    """y = x * factor, x is float[N,3]."""
    constant = _message((1, 1), (2, FLOAT), (8, "k"), (9, struct.pack("<f", factor)))
    shape = _tensor_type(FLOAT, ["N", 3])
    return _model([_node("Mul", ["x", "k"], "y")], [_value("x", shape)], [_value("y", shape)], [constant])


def typed():
    """out_<name> = <name>, one vector for each datatype."""
    kinds = {"fp32": FLOAT, "fp64": DOUBLE, "int64": INT64, "int32": INT32, "bool": BOOL, "bytes": STRING}
    nodes = [_node("Identity", [name], f"out_{name}") for name in kinds]
    inputs = [_value(name, _tensor_type(kind, ["N"])) for name, kind in kinds.items()]
    return _model(nodes, inputs, [_value(f"out_{name}", _tensor_type(kind, ["N"])) for name, kind in kinds.items()])


def slow():
    """Eight products of n[0] x n[1] matrices: seconds of work from two numbers."""
    nodes = [_node("ConstantOfShape", ["n"], "m0")]
    nodes += [_node("MatMul", [f"m{step}", "m0"], f"m{step + 1}") for step in range(8)]
    nodes += [_node("ReduceSum", ["m8"], "y")]
    return _model(nodes, [_value("n", _tensor_type(INT64, [2]))], [_value("y", _tensor_type(FLOAT, ["A", "B"]))])


def sequence():
    """An output that is no tensor, as a classifier exported with ZipMap has."""
    sequence_type = _message((4, _message((1, _tensor_type(FLOAT, ["N"])))))
    return _model([_node("SequenceConstruct", ["x"], "y")], [_value("x", _tensor_type(FLOAT, ["N"]))], [_value("y", sequence_type)])
