"""The ONNX format, as far as inspectors use it. Nothing here imports onnx, which only learning needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from knowngood.engines.vetting.protobuf import (
    REQUIRED,
    Message,
    ignored,
    integer,
    raw,
    read,
    real,
    text,
    within,
)
from knowngood.errors import quoted

T = TypeVar("T")

TYPES = {1: "float32", 2: "uint8", 3: "int8", 7: "int64", 9: "bool", 11: "float64"}
"""The types of numbers that a tensor may have, by ONNX's number for them."""

MOST_SIDES = 8
"""No tensor has more dimensions; ours have up to six."""

MOST_NODES = 4000
"""No graph has more nodes: OpenVINO's time to compile one grows with their square, to some ten seconds here.
Ours have up to a thousand; a memory bank of 100,000 points, in blocks of 500, has a thousand a scale."""

MOST_TAKEN = 500
"""No node takes or gives more tensors; a bank of 100,000 points is split into 200. On average it is a few."""

MOST_BYTES_OF_NODES = 2 << 20
"""All nodes take no more, names and all; ours take up to 200 KiB, for such a bank a megabyte."""

_ATTRIBUTES = {1: "f", 2: "i", 3: "s", 4: "t", 7: "ints"}
"""The field of an attribute's value, by ONNX's number for its type."""


class Declared(NamedTuple):
    """What a graph says of a tensor: its type and its sides; None for one that is free."""

    dtype: str
    sides: tuple[int | None, ...]


class Node(NamedTuple):
    """One operation. An input that is left out is an empty text."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        """For messages: its operator and what it gives."""
        return f"{self.op} ({', '.join(self.outputs)[:80]})"


class Graph(NamedTuple):
    """What a graph holds; `inner` is what it says of tensors between its nodes."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]
    inputs: Mapping[str, Declared]
    outputs: Mapping[str, Declared]
    inner: Mapping[str, Declared]
    opsets: frozenset[int]
    ir_version: int


def read_graph(content: bytes) -> Graph:
    """Read a serialised ONNX graph.

    Args:
        content: All bytes of the file; the constants of the graph are views of them.

    Raises:
        ValueError: It is damaged, or has what no inspector has, such as tensors in other files.

    Example:
        >>> read_graph(b"a picture")
        Traceback (most recent call last):
        ValueError: it is damaged: a model has no field 12
    """
    model = read(memoryview(content), _MODEL)
    graph = model["graph"]
    if sum(len(node["input"]) + len(node["output"]) for node in graph["node"]) > 5 * MOST_NODES:
        raise ValueError(f"its nodes take and give more than {5 * MOST_NODES} tensors")
    return Graph(
        nodes=tuple(map(_node, graph["node"])),
        constants=_named((constant["name"], _array(constant)) for constant in graph["initializer"]),
        inputs=_named(map(_declared, graph["input"])),
        outputs=_named(map(_declared, graph["output"])),
        inner=_named(map(_declared, graph["value_info"])),
        # Operators of other domains may be announced, but no node has one.
        opsets=frozenset(entry["version"] for entry in model["opset_import"] if entry["domain"] in _OWN),
        ir_version=model["ir_version"],
    )


def _named(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Things by name, each of which has one of its own."""
    things: dict[str, T] = {}
    for name, thing in pairs:
        if not name or name in things:
            raise ValueError(f"the name {quoted(name)} stands for nothing or for two things")
        things[name] = thing
    return things


def _node(found: Mapping[str, Any]) -> Node:
    if found["domain"]:
        raise ValueError(
            f"{quoted(found['op_type'])} is an operator of {quoted(found['domain'])}, not one of ONNX's own"
        )
    attributes = _named(_attribute(one) for one in found["attribute"])
    return Node(found["op_type"], tuple(found["input"]), tuple(found["output"]), attributes)


def _attribute(found: Mapping[str, Any]) -> tuple[str, Any]:
    """The name of an attribute and its one value, which is of the type that it states."""
    given = [field for field in _ATTRIBUTES.values() if found[field] not in (None, [])]
    stated = _ATTRIBUTES.get(found["type"])
    if stated is None or not set(given) <= {stated} or (stated != "ints" and not given):
        raise ValueError(
            f"the attribute {quoted(found['name'])} has not just one value of the type that it states"
        )
    value = found[stated]
    return found["name"], tuple(value) if stated == "ints" else _array(value) if stated == "t" else value


def _array(found: Mapping[str, Any]) -> NDArray[Any]:
    """A constant, as a view of the file's bytes."""
    name = f"the constant {quoted(found['name'])}"
    dtype = np.dtype(_type(name, found["data_type"])).newbyteorder("<")
    shape = _sides(name, found["dims"])
    if prod(shape) * dtype.itemsize != len(found["raw_data"]):
        raise ValueError(
            f"{name} is {dtype.name} of shape {shape}, but has {len(found['raw_data'])} bytes of them"
        )
    return np.frombuffer(found["raw_data"], dtype).reshape(shape)


def _declared(found: Mapping[str, Any]) -> tuple[str, Declared]:
    """What is said of a tensor."""
    name, tensor = f"the tensor {quoted(found['name'])}", found["type"]["tensor_type"]
    sides = [side["size"] for side in tensor["shape"]["dim"]]
    _sides(name, [side for side in sides if side is not None])
    return found["name"], Declared(_type(name, tensor["elem_type"]), tuple(sides))


def _type(name: str, number: int) -> str:
    if number not in TYPES:
        raise ValueError(f"{name} is of ONNX's type {number}; it may be one of {', '.join(TYPES.values())}")
    return TYPES[number]


def _sides(name: str, sides: list[int]) -> tuple[int, ...]:
    if len(sides) > MOST_SIDES or any(side < 0 for side in sides):
        raise ValueError(f"{name} has the shape {tuple(sides)[:10]}, which no tensor has")
    return tuple(sides)


_OWN = ("", "ai.onnx")
"""Both are names for ONNX's own operators; nodes of ours have the first."""
_ELSEWHERE = "a tensor that is kept in another file"
_ENTRY = Message("property", {1: text("key"), 2: ignored("value")})
_SIDE = Message("side", {1: integer("size", None), 2: text("name", None), 3: ignored("denotation")})
_SHAPE = Message("shape", {1: within("dim", _SIDE, most=MOST_SIDES)})
_TENSOR = Message("type", {1: integer("elem_type", REQUIRED), 2: within("shape", _SHAPE, REQUIRED)})
_TYPE = Message(
    "type",
    {1: within("tensor_type", _TENSOR, REQUIRED), 6: ignored("denotation")},
    {4: "a sequence", 5: "a map", 8: "a sparse tensor", 9: "a tensor that may be missing"},
)
_VALUE = Message("tensor", {1: text("name"), 2: within("type", _TYPE, REQUIRED), 3: ignored("doc_string")})
_CONSTANT = Message(
    "constant",
    {
        1: integer("dims", most=MOST_SIDES),
        2: integer("data_type", REQUIRED),
        8: text("name"),
        9: raw("raw_data"),
        12: ignored("doc_string"),
    },
    {13: _ELSEWHERE, 14: _ELSEWHERE},
)
_ATTRIBUTE = Message(
    "attribute",
    {
        1: text("name"),
        2: real("f"),
        3: integer("i", None),
        4: text("s", None),
        5: within("t", _CONSTANT),
        8: integer("ints", most=2 * MOST_SIDES),
        13: ignored("doc_string"),
        20: integer("type", REQUIRED),
    },
    {6: "a graph inside an operation", 11: "graphs inside an operation"},
)
_NODE = Message(
    "node",
    {
        1: text("input", most=MOST_TAKEN),
        2: text("output", most=MOST_TAKEN),
        3: text("name"),
        4: text("op_type", REQUIRED),
        5: within("attribute", _ATTRIBUTE, most=16),
        6: ignored("doc_string"),
        7: text("domain"),
    },
)
_GRAPH = Message(
    "graph",
    {
        1: within("node", _NODE, most=MOST_NODES, most_bytes=MOST_BYTES_OF_NODES),
        2: text("name"),
        5: within("initializer", _CONSTANT, most=2 * MOST_NODES),
        10: ignored("doc_string"),
        11: within("input", _VALUE, most=1),
        12: within("output", _VALUE, most=16),
        13: within("value_info", _VALUE, most=MOST_NODES, most_bytes=MOST_BYTES_OF_NODES),
    },
    {15: "sparse constants"},
)
_OPSET = Message("set of operators", {1: text("domain"), 2: integer("version", REQUIRED)})
_MODEL = Message(
    "model",
    {
        1: integer("ir_version"),
        2: text("producer_name"),
        3: text("producer_version"),
        4: text("domain"),
        5: integer("model_version"),
        6: ignored("doc_string"),
        7: within("graph", _GRAPH, REQUIRED),
        8: within("opset_import", _OPSET, most=100),
        14: within("metadata_props", _ENTRY, most=100),
    },
    {20: "a training", 25: "functions of its own"},
)
