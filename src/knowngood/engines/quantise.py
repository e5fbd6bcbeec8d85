"""Eight-bit convolutions: a graph whose convolutions multiply whole numbers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from knowngood.engines.engine import Outputs, compile_graph

MARGIN = 1.1
"""Room beyond what the images showed, as a factor: a defect may excite a layer more than good parts do."""

LARGEST_WEIGHT = 63
"""Weights take 7 of their 8 bits: processors without VNNI add two products in 16 bits, which then never
overflow (2 x 255 x 63 < 2**15). With 8, good transistors scored 3.8 instead of 2.1 there, above the
threshold."""

COLOURS = 3
"""Channels of an image."""

EQUALISED = 0.75
"""How far the ranges of the channels that a depthwise convolution reads are equalised: 0 leaves them as they
are; 1 makes them equal, which would leave a defect no room where good parts reach the last level."""

Constants = dict[str, NDArray[Any]]
"""The constants of a graph by name."""


class Observed(NamedTuple):
    """The least and the largest value of each channel of a tensor on some images, and its mean, `(C,)`."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]


def quantise(graph: bytes, images: Iterable[NDArray[np.uint8]]) -> tuple[bytes, list[Outputs]]:
    """Let the convolutions of a graph multiply 8-bit numbers.

    The input of each convolution is rounded to 256 levels over its range on the images, its weights to 127
    levels for each output channel (Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", arXiv:1712.05877). Four things keep the features close.

    - What is rounded in the first layer goes through all others: pixels keep their own 256 levels where one
      step serves all colours; other convolutions of colours stay in floating point.
    - Weights of one kernel are rounded so that their sum changes least: what they read is mostly smooth.
    - The channels that a depthwise convolution reads are equalised before they are rounded; its weights have
      a scale for each channel, and take the factor back (cross-layer equalization in Nagel et al., "Data-Free
      Quantization Through Weight Equalization and Bias Correction", arXiv:1906.04721, section 4.1).
    - What the rounding of weights adds to the mean of a channel is taken off its bias (the same, 4.2).

    All else, the sums of residual branches included, stays in floating point.

    Args:
        graph: A serialised ONNX graph in float32, as `simplify` leaves it.
        images: Images to observe the ranges on, uint8 `(H, W, 3)` at the graph's shape.

    Returns:
        The serialised graph, whose nodes are the standard's own, so that any ONNX runtime can run it; and
        the outputs of the graph in float32 for each of the images.
    """
    model = onnx.load_from_string(graph)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    readers, convolved = _readers(model, constants)
    observed, outputs = _observe(graph, list(readers), convolved, images)
    for name in set(readers) - convolved:
        steps = observed[name].high - observed[name].low
        if np.ptp(steps) > 1e-5 * steps.max():  # normalised by a spread for each colour: no levels for all
            del readers[name], observed[name]
    nodes: list[onnx.NodeProto] = []
    factors: dict[str, NDArray[np.float64] | None] = {}
    rounded = {node.output[0] for of_tensor in readers.values() for node in of_tensor}
    for node in model.graph.node:
        if node.output[0] in rounded:
            name = node.input[0]
            nodes.append(_round_weight(node, observed[name].mean, factors[name], constants))
        nodes.append(node)
        for name in filter(observed.__contains__, node.output):
            depthwise = all(constants[reader.input[1]].shape[1] == 1 for reader in readers[name])
            factors[name] = _equalising(observed[name]) if depthwise and name in convolved else None
            nodes += _round_tensor(name, observed[name], factors[name], constants)
    used = {name for node in nodes for name in node.input}
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items() if name in used
    )
    return bytes(model.SerializeToString()), outputs


def _readers(
    model: onnx.ModelProto, constants: Constants
) -> tuple[dict[str, list[onnx.NodeProto]], set[str]]:
    """The convolutions that may be rounded, by the tensor that they read; and all tensors behind one."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    convolved: set[str] = set()  # before the first convolution there are pixels
    for node in model.graph.node:
        if node.op_type == "Conv" and set(node.input[1:]) <= set(constants):
            groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
            channels = groups * constants[node.input[1]].shape[1]
            if channels > COLOURS or node.input[0] not in convolved:
                readers.setdefault(node.input[0], []).append(node)
        if node.op_type == "Conv" or convolved & set(node.input):
            convolved.update(node.output)
    return readers, convolved


def _observe(
    graph: bytes, tensors: list[str], convolved: set[str], images: Iterable[NDArray[np.uint8]]
) -> tuple[dict[str, Observed], list[Outputs]]:
    """Run the images through the graph; give the ranges of tensors `(N, C, H, W)` in it, and its outputs."""
    model = onnx.load_from_string(graph)
    own = len(model.graph.output)
    for name in tensors:
        for reduce in ("ReduceMin", "ReduceMax", "ReduceMean"):
            output = f"{reduce} {name}"
            model.graph.node.append(helper.make_node(reduce, [name], [output], keepdims=0, axes=[0, 2, 3]))
            model.graph.output.append(helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    black_and_white = [np.full(shape, grey, np.uint8) for grey in (0, 255)]
    pairs = ((None, image[None]) for image in chain(black_and_white, images))
    stream = compile_graph(model.SerializeToString()).stream(pairs)
    runs = [tuple(np.array(value) for value in outputs) for _, outputs in stream]
    observed = {}
    for place, name in enumerate(tensors):
        lows, highs, means = (
            np.stack([run[own + 3 * place + reduced] for run in runs]).astype(np.float64)
            for reduced in range(3)
        )
        if name in convolved:
            lows, highs = MARGIN * lows[2:], MARGIN * highs[2:]
        # Zero must be one of the levels: convolutions pad with it.
        low, high = np.minimum(lows.min(axis=0), 0), np.maximum(highs.max(axis=0), 0)
        observed[name] = Observed(low, high, means[2:].mean(axis=0))
    return observed, [run[:own] for run in runs[2:]]


def _equalising(observed: Observed) -> NDArray[np.float64]:
    """The factors to divide channels by, `(C,)`, so that channels of small values get more levels."""
    reach = np.maximum(observed.high, -observed.low)
    return np.asarray(np.maximum(reach, 1e-3 * max(reach.max(), 1e-9)) ** EQUALISED)


def _round_tensor(
    name: str, observed: Observed, factor: NDArray[np.float64] | None, constants: Constants
) -> list[onnx.NodeProto]:
    """Nodes that divide a tensor by a factor, if there is one, and round it to 256 levels."""
    nodes, source = [], name
    low, high = observed.low, observed.high
    if factor is not None:
        low, high = low / factor, high / factor
        source = f"{name}/even"
        constants[f"{name}/inverse"] = (1 / factor).astype(np.float32)[:, None, None]
        nodes.append(helper.make_node("Mul", [name, f"{name}/inverse"], [source]))
    scale = max((float(high.max()) - float(low.min())) / 255, 1e-12)
    constants[f"{name}/scale"] = np.array(scale, np.float32)
    constants[f"{name}/zero"] = np.array(round(-float(low.min()) / scale), np.uint8)
    parameters = (f"{name}/scale", f"{name}/zero")
    return [
        *nodes,
        helper.make_node("QuantizeLinear", [source, *parameters], [f"{name}/levels"]),
        helper.make_node("DequantizeLinear", [f"{name}/levels", *parameters], [f"{name}/rounded"]),
    ]


def _round_weight(
    node: onnx.NodeProto,
    mean: NDArray[np.float64],
    factor: NDArray[np.float64] | None,
    constants: Constants,
) -> onnx.NodeProto:
    """Give a convolution a rounded input, rounded weights and a corrected bias, and return the weights' node.

    The mean and the factor, by which its input was divided, are those of each input channel, `(I,)`; the
    weight is `(O, I / groups, height, width)`, the bias `(O,)`.
    """
    source, name, *bias = node.input
    weight = constants[name]
    groups = len(mean) // weight.shape[1]

    def per_output(of_inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """From input channels `(I,)` to those that each output channel reads, `(O, I / groups)`."""
        return of_inputs.reshape(groups, -1).repeat(len(weight) // groups, axis=0)

    if factor is not None:
        weight = (weight * per_output(factor)[:, :, None, None]).astype(np.float32)
        mean = mean / factor
    scales = np.maximum(np.abs(weight).max(axis=(1, 2, 3)) / LARGEST_WEIGHT, 1e-12).astype(np.float32)
    levels = _rounded(weight / scales[:, None, None, None]).astype(np.int8)
    lost = (weight - levels * scales[:, None, None, None]).sum(axis=(2, 3))  # (O, I / groups)
    shift = (lost * per_output(mean)).sum(axis=1)
    parameters = {
        f"{name}/levels": levels,
        f"{name}/scale": scales,
        f"{name}/zero": np.zeros(len(scales), np.int8),
    }
    constants |= {
        **parameters,
        f"{name}/bias": ((constants[bias[0]] if bias else 0) + shift).astype(np.float32),
    }
    del node.input[:]
    node.input.extend([f"{source}/rounded", f"{name}/rounded", f"{name}/bias"])
    return helper.make_node("DequantizeLinear", list(parameters), [f"{name}/rounded"], axis=0)


def _rounded(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round kernels `(O, I, height, width)` to whole numbers; the sum of each changes least."""
    flat = kernels.reshape(*kernels.shape[:2], -1)
    whole = np.rint(flat)
    missing = np.rint((flat - whole).sum(axis=2, keepdims=True))
    # The weights that were rounded farthest the wrong way go to their other neighbour.
    gain = (flat - whole) * np.sign(missing)
    rank = np.argsort(np.argsort(-gain, axis=2, kind="stable"), axis=2, kind="stable")
    whole += np.where(rank < np.abs(missing), np.sign(missing), 0)
    return np.clip(whole, -LARGEST_WEIGHT, LARGEST_WEIGHT).reshape(kernels.shape)
