"""The part of a shipped graph that resizes pictures of any size, as `knowngood.data.reading` does.

Whoever runs a graph in another language would otherwise resize pictures by other rules, and get other scores.
In this package a faster function resizes them, and the graph behind runs on images of one shape; a test holds
the two equal. Nothing here imports onnx: the part is written byte by byte, always the same for a shape and a
region, so that a reader knows it from anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.engines.vetting.check import INPUT
from knowngood.engines.vetting.protobuf import encoded, fields

PICTURES = "pictures"
"""The input of a shipped graph: uint8 `(N, height, width, 3)` in RGB order, of any height and width."""

_GRAPH, _INPUT = 7, 11  # the numbers of a model's graph, and of the inputs of that
_FLOAT, _UINT8, _WHOLE, _BOOL = 1, 2, 7, 9  # ONNX's numbers for types
_PREFIX = "resizing/"  # of all names but those of the two inputs
_HALVINGS = 5
_ROUNDED_UP = 1 / 1024


class Crop(NamedTuple):
    """The region that pictures are cut to first; see `knowngood.data.roi`.

    Args:
        size: Height and width of the picture that it was drawn on.
        box: Its first row and column, and those behind its last.
        outside: Which pixels of what is resized become one colour: for each a byte, 1 or 0.
        fill: RGB of these.
    """

    size: tuple[int, int]
    box: tuple[int, int, int, int]
    outside: bytes
    fill: tuple[int, int, int]


def with_resizing(graph: bytes, shape: tuple[int, int], crop: Crop | None = None) -> bytes:
    r"""Put the resizing before a graph, whose input `images` then is inside and `pictures` outside.

    Args:
        graph: A serialised ONNX graph of images `(N, *shape, 3)`.
        shape: Height and width.
        crop: The region that pictures are cut to; None for all of them.

    Raises:
        ValueError: The graph is damaged.

    Example:
        >>> graph = encoded(7, encoded(1, b"a node"))
        >>> without_resizing(with_resizing(graph, (64, 96)), (64, 96))[-8:]
        b'\n\x06a node'
    """
    return _in_model(graph, lambda inside: _resizing(shape, crop) + _without_inputs(inside))


def without_resizing(graph: bytes, shape: tuple[int, int], crop: Crop | None = None) -> bytes:
    """Undo `with_resizing`.

    Raises:
        ValueError: The graph is damaged, or does not begin with the resizing to this shape, or with
            that of another region.
    """
    begin = _resizing(shape, crop)

    def rest(inside: bytes) -> bytes:
        if not inside.startswith(begin):
            raise ValueError(f"it does not begin by resizing pictures to {shape[0]} x {shape[1]} pixels")
        return _input(INPUT, ("n", *shape, 3)) + inside[len(begin) :]

    return _in_model(graph, rest)


def _in_model(model: bytes, change: Any) -> bytes:
    """A serialised model whose graph is changed; it comes last."""
    found = list(fields(memoryview(model)))
    graphs = [content for number, _, content in found if number == _GRAPH]
    if len(graphs) != 1:
        raise ValueError("it is damaged: a model has one 'graph'")
    others = b"".join(encoded(number, content) for number, _, content in found if number != _GRAPH)
    return others + encoded(_GRAPH, change(bytes(graphs[0])))


def _without_inputs(graph: bytes) -> bytes:
    """A serialised graph that does not say what it takes."""
    known = fields(memoryview(graph))
    return b"".join(encoded(number, content) for number, _, content in known if number != _INPUT)


@lru_cache(maxsize=8)  # an inspector that is loaded is compared with it, and then cut behind it
def _resizing(shape: tuple[int, int], crop: Crop | None) -> bytes:
    """The nodes, constants and input of the resizing, as the beginning of a serialised graph."""
    constants = _constants(shape) | (_constants_of(crop, shape) if crop else {})
    named = {f"{_PREFIX}{name}": np.array(value) for name, value in constants.items()}
    return b"".join(
        (
            _input(PICTURES, ("n", "height", "width", 3)),
            *(_constant(name, value) for name, value in named.items()),
            *_nodes(cut=crop is not None),
        )
    )


def _constants(shape: tuple[int, int]) -> dict[str, Any]:
    """The constants by name; those of an axis have the number of the axis."""
    constants: dict[str, Any] = {
        "shape": np.array(shape),
        "twice": 2 * np.array(shape),
        "one": 1,
        "two": 2,
        "none": 0,
        "zero": np.float32(0),
        "half": np.float32(0.5),
        "rounded_up": np.float32(_ROUNDED_UP),
        "whole": np.float32(1),
        "white": np.float32(255),
    }
    for axis, side in enumerate(shape):
        constants |= {
            f"axis{axis}": axis,
            f"side{axis}": np.float32(side),
            f"row{axis}": np.arange(side, dtype=np.float32)[:, None],
        }
    return constants


def _constants_of(crop: Crop, shape: tuple[int, int]) -> dict[str, Any]:
    """The constants of a region by name."""
    return {
        "drawn_on": np.array(crop.size),
        "rounded": np.array(crop.size) - 1,
        "first": np.array(crop.box[:2]),
        "behind": np.array(crop.box[2:]),
        "sides": np.array([1, 2]),
        "outside": np.frombuffer(crop.outside, np.bool_).reshape(*shape, 1),
        "fill": np.array(crop.fill, np.float32),
    }


def _cutting() -> Iterator[bytes]:
    """The operations that cut pictures to the box of a region."""
    yield _node("Shape", PICTURES, "of_picture", start=1, end=3)
    yield _node("Mul", "first of_picture", "first_times")
    yield _node("Div", "first_times drawn_on", "begins")
    yield _node("Mul", "behind of_picture", "behind_times")
    yield _node("Add", "behind_times rounded", "behind_up")
    yield _node("Div", "behind_up drawn_on", "ends")
    yield _node("Slice", f"{PICTURES} begins ends sides", "cut")


def _nodes(*, cut: bool) -> Iterator[bytes]:
    """The operations, as fields of a graph."""
    if cut:
        yield from _cutting()
    yield _node("Transpose", "cut" if cut else PICTURES, "planes", perm=[0, 3, 1, 2])
    yield _node("Cast", "planes", "halved0", to=_FLOAT)
    for done in range(_HALVINGS):
        yield from _halving(done, done + 1)
    yield _node("Shape", f"halved{_HALVINGS}", "size", start=2, end=4)
    # Averages over areas if it shrinks and a side is still twice as long as needed, else linear.
    yield _node("LessOrEqual", "shape size", "side_shrinks")
    yield _node("LessOrEqual", "twice size", "side_halves")
    yield _node("Cast", "side_shrinks", "shrinks_whole", to=_WHOLE)
    yield _node("Cast", "side_halves", "halves_whole", to=_WHOLE)
    yield _node("ReduceMin", "shrinks_whole", "shrinks", keepdims=0)
    yield _node("ReduceMax", "halves_whole", "halves", keepdims=0)
    yield _node("Mul", "shrinks halves", "areas_whole")
    yield _node("Equal", "areas_whole one", "areas")
    for axis in (0, 1):
        yield from _weights(axis)
    yield _node("MatMul", f"weights0 halved{_HALVINGS}", "rows")
    yield _node("Transpose", "weights1", "turned", perm=[1, 0])
    yield _node("MatMul", "rows turned", "resized")
    yield _node("Add", "resized rounded_up", "shifted")
    yield _node("Round", "shifted", "levels")
    yield _node("Clip", "levels zero white", "within")
    yield _node("Transpose", "within", "pixels", perm=[0, 2, 3, 1])
    if cut:
        yield _node("Where", "outside fill pixels", "filled")
    yield _node("Cast", "filled" if cut else "pixels", INPUT, to=_UINT8)


def _halving(done: int, now: int) -> Iterator[bytes]:
    """The operations that halve both sides if they are even and at least twice as long as needed."""
    yield _node("Shape", f"halved{done}", f"size{done}", start=2, end=4)
    yield _node("Mod", f"size{done} two", f"odd{done}")
    yield _node("Equal", f"odd{done} none", f"even{done}")
    yield _node("GreaterOrEqual", f"size{done} twice", f"long{done}")
    yield _node("And", f"even{done} long{done}", f"fits{done}")
    yield _node("Cast", f"fits{done}", f"fits_whole{done}", to=_WHOLE)
    yield _node("ReduceMin", f"fits_whole{done}", f"both{done}", keepdims=0)
    yield _node("Equal", f"both{done} one", f"halves{done}")
    halves = (
        _node("AveragePool", f"halved{done}", f"means{done}", kernel_shape=[2, 2], strides=[2, 2]),
        _node("Add", f"means{done} half", f"above{done}"),
        _node("Floor", f"above{done}", f"less{done}"),
    )
    stays = _node("Identity", f"halved{done}", f"same{done}")
    yield _node(
        "If",
        f"halves{done}",
        f"halved{now}",
        then_branch=_branch(b"".join(halves), f"less{done}"),
        else_branch=_branch(stays, f"same{done}"),
    )


def _weights(axis: int) -> Iterator[bytes]:
    """The operations that give the weights `(side, size)` of pixels along an axis."""

    def node(op: str, taken: str, given: str) -> bytes:
        names = " ".join(name if name in shared else f"{name}{axis}" for name in taken.split())
        return _node(op, names, f"{given}{axis}")

    shared = {"none", "one", "half", "whole", "zero", "areas"}
    yield _node("Gather", f"size axis{axis}", f"count{axis}", axis=0)
    yield node("Range", "none count one", "places")
    yield _node("Cast", f"places{axis}", f"place{axis}", to=_FLOAT)
    yield _node("Cast", f"count{axis}", f"extent{axis}", to=_FLOAT)
    yield node("Div", "extent side", "step")
    yield node("Mul", "row step", "begin")
    # Linear: the distance from the middle of each new pixel, which stays within the picture.
    yield node("Mul", "step half", "half_step")
    yield node("Add", "begin half_step", "middle")
    yield node("Sub", "middle half", "wanted")
    yield node("Sub", "extent whole", "last")
    yield node("Max", "wanted zero", "not_before")
    yield node("Min", "not_before last", "centre")
    yield node("Sub", "centre place", "offset")
    yield node("Abs", "offset", "distance")
    yield node("Sub", "whole distance", "near")
    yield node("Max", "near zero", "linear")
    # Areas: how much of each pixel is within the new one.
    yield node("Add", "begin step", "end")
    yield node("Add", "place whole", "next")
    yield node("Min", "end next", "until")
    yield node("Max", "begin place", "since")
    yield node("Sub", "until since", "overlap")
    yield node("Max", "overlap zero", "inside")
    yield node("Div", "inside step", "shares")
    yield node("Where", "areas shares linear", "weights")


def _node(op: str, taken: str, given: str, **attributes: int | list[int] | bytes) -> bytes:
    """An operation as a field of a graph: the operator, the short names of what it takes and gives."""

    def names(field: int, short: str) -> bytes:
        of_graph = (name if name in (PICTURES, INPUT) else f"{_PREFIX}{name}" for name in short.split())
        return b"".join(encoded(field, name.encode()) for name in of_graph)

    content = names(1, taken) + names(2, given) + encoded(4, op.encode())
    for name, value in attributes.items():
        if isinstance(value, list):
            known, type_ = b"".join(encoded(8, number) for number in value), 7
        elif isinstance(value, bytes):
            known, type_ = encoded(6, value), 5
        else:
            known, type_ = encoded(3, value), 2
        content += encoded(5, encoded(1, name.encode()) + known + encoded(20, type_))
    return encoded(1, content)


def _branch(nodes: bytes, given: str) -> bytes:
    """A graph inside an operation, which takes what it likes from outside."""
    return (
        nodes
        + encoded(2, given.encode())
        + encoded(12, _described(f"{_PREFIX}{given}", _FLOAT, ("n", 3, "", "")))
    )


def _constant(name: str, value: NDArray[Any]) -> bytes:
    """A constant as a field of a graph."""
    dims = b"".join(encoded(1, side) for side in value.shape)
    raw = value.astype(value.dtype.newbyteorder("<")).tobytes()
    type_ = encoded(2, {"float32": _FLOAT, "int64": _WHOLE, "bool": _BOOL}[value.dtype.name])
    return encoded(5, dims + type_ + encoded(8, name.encode()) + encoded(9, raw))


def _input(name: str, sides: tuple[int | str, ...]) -> bytes:
    """What a graph takes, in uint8, as a field of it."""
    return encoded(_INPUT, _described(name, _UINT8, sides))


def _described(name: str, type_: int, sides: tuple[int | str, ...]) -> bytes:
    """The description of a tensor; a side that is free has a name, or none."""
    dims = (
        encoded(1, encoded(2, side.encode()) if isinstance(side, str) else encoded(1, side)) for side in sides
    )
    tensor = encoded(1, type_) + encoded(2, b"".join(dims))
    return encoded(1, name.encode()) + encoded(2, encoded(1, tensor))
