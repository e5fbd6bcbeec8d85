import numpy as np
import onnx
import pytest
import torch
from torch import nn

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import OPSET, blank, chain, to_onnx


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, images):
        brightness = images.float().mean(dim=(2, 3))
        return self.drop(brightness), brightness.amax(dim=1)


def test_the_graph_is_checked_named_and_takes_any_number_of_images():
    graph = onnx.load_from_string(to_onnx(Noisy(), {"images": blank((8, 12))}, ["rows", "peak"]))
    onnx.checker.check_model(graph, full_check=True)
    assert [one.version for one in graph.opset_import if one.domain == ""] == [OPSET]
    (images,) = graph.graph.input
    assert images.name == "images"
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    batch, *rest = images.type.tensor_type.shape.dim
    assert batch.dim_param == "n"
    assert [one.dim_value for one in rest] == [8, 12, 3]
    assert [one.name for one in graph.graph.output] == ["rows", "peak"]
    assert all(one.type.tensor_type.shape.dim[0].dim_param == "n" for one in graph.graph.output)


def test_nothing_of_training_gets_into_the_graph():
    module = Noisy().train()
    graph = onnx.load_from_string(to_onnx(module, {"images": blank((8, 12))}, ["rows", "peak"]))
    assert "Dropout" not in {node.op_type for node in graph.graph.node}
    assert not module.training


def test_the_same_module_gives_the_same_bytes():
    torch.manual_seed(0)
    example = {"images": blank((8, 8))}
    first = to_onnx(Noisy(), example, ["rows", "peak"])
    assert to_onnx(Noisy(), example, ["rows", "peak"]) == first


class Sum(nn.Module):
    def forward(self, rows, peak):
        return rows.sum(dim=1) + peak


@pytest.mark.parametrize("engine", ENGINES)
def test_a_module_behind_a_graph_takes_its_outputs(engine):
    graph = chain(to_onnx(Noisy(), {"images": blank((8, 12))}, ["rows", "peak"]), Sum(), ["total"])
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    images = np.random.default_rng(0).integers(0, 256, size=(3, 8, 12, 3), dtype=np.uint8)
    (total,) = compile_graph(graph, engine)(images)
    rows = images.mean(axis=(2, 3))
    np.testing.assert_allclose(total, rows.sum(axis=1) + rows.max(axis=1), rtol=1e-5)
