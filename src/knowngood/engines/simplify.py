"""Simplified graphs: shapes known, constants folded, every constant used once."""

from __future__ import annotations

import onnx

from knowngood.engines.export import BATCH
from knowngood.engines.native import import_onnxruntime
from knowngood.output import temporary_folder


def simplify(graph: bytes) -> bytes:
    """Fold all that is constant in a serialised ONNX graph once height and width are known.

    A traced network computes its paddings from shapes, for each image, and one that is applied at two scales
    shares its constants between them: OpenVINO then fuses neither into the convolutions. The first dimension
    of all inputs and outputs is the batch, whose size stays free.
    """
    onnxruntime = import_onnxruntime()
    model = onnx.load_from_string(graph)
    _set_batch(model, onnx.TensorShapeProto.Dimension(dim_value=1))
    with temporary_folder() as folder:
        options = onnxruntime.SessionOptions()
        # Only rewriting within the standard's own operators.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folder / "plain.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        plain = onnx.load(options.optimized_model_filepath)
    _set_batch(plain, onnx.TensorShapeProto.Dimension(dim_param=BATCH))
    del plain.graph.value_info[:]  # intermediate shapes, with the batch size of one
    _unshare(plain)
    return bytes(plain.SerializeToString())


def _set_batch(model: onnx.ModelProto, size: onnx.TensorShapeProto.Dimension) -> None:
    """Replace the first dimension of all inputs and outputs."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].CopyFrom(size)


def _unshare(model: onnx.ModelProto) -> None:
    """Give each node constants of its own."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    used: set[str] = set()
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            if name in used:
                copy = onnx.TensorProto()
                copy.CopyFrom(constants[name])
                copy.name = f"{name}/{len(model.graph.initializer)}"
                model.graph.initializer.append(copy)
                node.input[position] = copy.name
            elif name in constants:
                used.add(name)
