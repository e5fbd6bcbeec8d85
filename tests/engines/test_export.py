import onnx
import torch
from torch import nn

from knowngood.engines.export import OPSET, to_onnx


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, images):
        brightness = images.float().mean(dim=(2, 3))
        return self.drop(brightness), brightness.amax(dim=1)


def test_the_graph_is_checked_named_and_takes_any_number_of_images():
    graph = onnx.load_from_string(to_onnx(Noisy(), (8, 12), ["rows", "peak"]))
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
    graph = onnx.load_from_string(to_onnx(module, (8, 12), ["rows", "peak"]))
    assert "Dropout" not in {node.op_type for node in graph.graph.node}
    assert not module.training


def test_the_same_module_gives_the_same_bytes():
    torch.manual_seed(0)
    first = to_onnx(Noisy(), (8, 8), ["rows", "peak"])
    assert to_onnx(Noisy(), (8, 8), ["rows", "peak"]) == first
