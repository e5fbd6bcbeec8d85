"""Whether a graph is safe to run: worked out before any engine sees it.

An inspector may come from a stranger. Engines trust a graph: they read and write wherever it says, and take
whatever memory and time it asks for. So a graph is read here first, with plain code, and refused unless it
holds only operators that our own exporter gives, every shape can be worked out, whatever is taken by its
place is known to be there, and memory and time are within bounds. All is worked out for one image, which is
how engines run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.engines.vetting.layers import multiplications
from knowngood.engines.vetting.onnx_file import Declared, Graph, Node, read_graph
from knowngood.engines.vetting.operators import infer
from knowngood.engines.vetting.taken import check
from knowngood.engines.vetting.values import ABSENT, Value, between, constant
from knowngood.types import EXTRAS

OPSETS = (17,)
"""The versions of ONNX's operators that are known here."""

IR_VERSIONS = (8,)
"""The versions of the ONNX format that are known here."""

INPUT = "images"

OUTPUTS: Mapping[str, int] = {"score": 1, "map": 3, **EXTRAS}
"""What a graph may give, with the number of its dimensions; the score it must."""

MOST_PIXELS = 20_000_000
"""An image has no more: `input_size` goes to 4096, and sides are rounded to a multiple of up to 64."""

LONGEST_CHAIN = 1000
"""No result has more operations behind it, one after the other: engines walk a graph step by step, and a
chain of 2,000 takes OpenVINO a quarter of a minute. Ours have up to 300, a bank of 100,000 points 500."""


class Bound(NamedTuple):
    """A bound that grows with the image: so much, and more for each pixel, but never more than the most."""

    base: int
    a_pixel: int
    most: int

    def at(self, pixels: int) -> int:
        """The bound for images of so many pixels."""
        return min(self.base + self.a_pixel * pixels, self.most)


LARGEST_CONSTANTS = Bound(1 << 28, 1 << 10, 1 << 30)
"""Bytes of all constants. Most of ours take up to 30 MiB, a wide ResNet-50 255 MiB; the covariances of
`padim` take 625 a pixel, 655 MB at 1024 x 1024 pixels."""

LARGEST_TENSOR = Bound(1 << 29, 1 << 10, 2 << 30)
"""Bytes of any tensor. Ours take up to 100 a pixel, eight views of an image up to 1,000: 1.6 GB for an
image of 4096 x 4096 pixels."""

MOST_HELD = Bound(1 << 30, 3 << 10, 4 << 30)
"""Bytes of all tensors that are needed at one time, constants and what is made of them included. Ours take
up to 200 a pixel, and up to 2,600 in eight views."""

MOST_ARITHMETIC = Bound(10**11, 400_000, 10**12)
"""Multiplications for an image, about ten seconds on two cores at most. Ours take 8,000 to 20,000 a pixel;
eight views of a scattering transform take 300,000, a bank of 100,000 points as many."""


def check_graph(content: bytes) -> dict[str, tuple[int, ...]]:
    """Refuse a graph that no inspector has, or that might harm who runs it.

    Args:
        content: A serialised ONNX graph.

    Returns:
        The shape of each output for one image, `(1, ...)`.

    Raises:
        ValueError: With the reason.

    Example:
        >>> check_graph(b"")
        Traceback (most recent call last):
        ValueError: it is damaged: a model has no 'graph'
    """
    graph = read_graph(content)
    check(
        set(graph.opsets) <= set(OPSETS) and bool(graph.opsets),
        f"its operators are of version {sorted(graph.opsets)}, not {OPSETS[-1]}",
    )
    check(
        graph.ir_version in IR_VERSIONS,
        f"it is of version {graph.ir_version} of the ONNX format, not {IR_VERSIONS[-1]}",
    )
    values = infer_all(graph)
    for name, declared in graph.inner.items():
        if name in values and not _agrees(declared, values[name]):
            raise ValueError(f"{name[:60]!r} is not what the graph says that it is")
    image = values[INPUT].shape
    for name, declared in graph.outputs.items():
        check(name in OUTPUTS, f"it gives {name!r:.60}, which no inspector gives")
        check(name in values, f"nothing gives its output {name!r}")
        _check_output(name, values[name], declared, image)
    check("score" in graph.outputs, "it gives no score")
    return {name: values[name].shape for name in graph.outputs}


def check_outputs(
    given: Mapping[str, NDArray[Any]], images: int, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse what an engine gave for some images, where it is not what was worked out.

    Args:
        given: The arrays by name.
        images: How many images there were.
        shapes: What `check_graph` returned.

    Raises:
        ValueError: With the reason.

    Example:
        >>> check_outputs({"score": np.array([np.nan], np.float32)}, 1, {"score": (1,)})
        Traceback (most recent call last):
        ValueError: the graph gives a score that is not a finite number
    """
    check(set(given) == set(shapes), f"the graph gives {', '.join(given)}, not {', '.join(shapes)}")
    for name, array in given.items():
        shape = (images, *shapes[name][1:])
        check(
            array.dtype == np.float32 and array.shape == shape,
            f"the graph gives a {name} of {array.dtype} {array.shape}, not float32 {shape}",
        )
        check(bool(np.isfinite(array).all()), f"the graph gives a {name} that is not a finite number")


def infer_all(graph: Graph) -> dict[str, Value]:
    """Work out what every tensor of a graph is for one image, within the bounds of this module.

    Raises:
        ValueError: With the node, and the reason.
    """
    values = {INPUT: _image(graph)}
    for name, array in graph.constants.items():
        check(name not in values, f"{name!r:.60} stands for two things")
        values[name] = constant(array)
    pixels = values[INPUT].size // 3
    kept = sum(values[name].bytes for name in graph.constants)
    _check_bound("bytes of constants:", kept, LARGEST_CONSTANTS.at(pixels))
    depth: dict[str, int] = {}
    arithmetic, held = 0, kept + values[INPUT].bytes
    for node, done in _with_last_uses(graph):
        given = tuple(_taken(node, name, values) for name in node.inputs)
        try:
            results = infer(node, given)
        except (ValueError, LookupError, TypeError, ArithmeticError) as error:
            # What a rule does not foresee is refused too.
            raise ValueError(f"{node}: {error}") from error
        behind = 1 + max((depth.get(name, 0) for name in node.inputs), default=0)
        arithmetic += multiplications(node, given, results)
        for name, value in zip(node.outputs, results, strict=True):
            if not name or name in values:
                raise ValueError(f"{node}: {name[:60]!r} stands for two things, or for nothing")
            _check_bound(f"bytes of {node}:", value.bytes, LARGEST_TENSOR.at(pixels))
            values[name], depth[name] = value, behind
            held += value.bytes
        _check_bound("operations in a chain:", behind, LONGEST_CHAIN)
        _check_bound(f"multiplications up to {node}:", arithmetic, MOST_ARITHMETIC.at(pixels))
        _check_bound(f"bytes held at {node}:", held, MOST_HELD.at(pixels))
        # What is made of constants alone an engine works out first, and keeps.
        held -= sum(values[name].bytes for name in done if not values[name].fixed)
    return values


def _check_bound(what: str, amount: int, most: int) -> None:
    """Refuse more than a bound."""
    if amount > most:
        raise ValueError(f"{what} {amount:,}, more than {most:,}")


def _image(graph: Graph) -> Value:
    """What is known of the one input."""
    check(list(graph.inputs) == [INPUT], f"it takes {', '.join(graph.inputs)[:80] or 'nothing'}, not {INPUT}")
    dtype, sides = graph.inputs[INPUT]
    check(
        dtype == "uint8" and len(sides) == 4 and sides[0] is None and sides[3] == 3,
        f"it takes {dtype} of shape {sides}, not uint8 of any number of images (height, width, 3)",
    )
    height, width = (side or 0 for side in sides[1:3])
    check(0 < height * width <= MOST_PIXELS, f"it takes images of {height} x {width} pixels")
    return between("uint8", (1, height, width, 3), 0, 255)


def _taken(node: Node, name: str, values: Mapping[str, Value]) -> Value:
    """What a node takes, which something before it has given."""
    if not name:
        return ABSENT
    check(name in values, f"{node}: nothing before it gives {name!r:.60}")
    return values[name]


def _with_last_uses(graph: Graph) -> Iterator[tuple[Node, list[str]]]:
    """Each node, with those tensors that nothing behind it takes any more."""
    last = {name: place for place, node in enumerate(graph.nodes) for name in (*node.outputs, *node.inputs)}
    last |= dict.fromkeys(graph.outputs, len(graph.nodes))
    for place, node in enumerate(graph.nodes):
        names = {*node.inputs, *node.outputs} - {""}
        yield node, [name for name in names if last[name] == place]


def _agrees(declared: Declared, value: Value) -> bool:
    """Whether a tensor is what a graph says of it; a side that is free is that of the batch, or not known."""
    return (
        declared.dtype == value.dtype
        and len(declared.sides) == len(value.shape)
        and all(said in (None, side) for said, side in zip(declared.sides, value.shape, strict=True))
    )


def _check_output(name: str, value: Value, declared: Declared, image: tuple[int, ...]) -> None:
    """Refuse an output that is not what is read of an inspector."""
    what = f"it gives a {name} of {value.dtype} {value.shape}"
    check(
        _agrees(declared, value) and declared.sides[0] is None,
        f"{what}, and says of {declared.dtype} {declared.sides}",
    )
    check(
        value.dtype == "float32"
        and len(value.shape) == OUTPUTS[name]
        and value.shape[0] == 1
        and not value.fixed,
        f"{what}, not of float32 with {OUTPUTS[name]} dimensions, one score an image",
    )
    if name == "rebuilt":
        check(
            value.shape[1:3] == image[1:3] and value.shape[3] in (1, 3), f"{what}, not of the image's shape"
        )
    if name == "map":
        check(prod(value.shape) <= prod(image[:3]), f"{what}, larger than the image")
