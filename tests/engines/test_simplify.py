import numpy as np
import onnx
import pytest
import torch
from torch import nn

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import blank, to_onnx
from knowngood.engines.simplify import BATCH, simplify


class Twice(nn.Module):
    """One convolution applied at two scales, its padding worked out from the shape as traced code does."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3, stride=2)

    def at_one_scale(self, pixels):
        rows = torch.tensor(pixels.shape[2])
        return self.convolution(torch.nn.functional.pad(pixels, (0, 1, 0, int(rows % 2 + 1))))

    def forward(self, images):
        pixels = images.permute(0, 3, 1, 2).float()
        return self.at_one_scale(pixels), self.at_one_scale(pixels[..., ::2, ::2])


@pytest.fixture(scope="module")
def graph():
    return to_onnx(Twice(), {"images": blank((16, 24))}, ["fine", "coarse"])


@pytest.mark.parametrize("engine", ENGINES)
def test_it_computes_the_same_for_any_number_of_images(graph, engine):
    plain = simplify(graph)
    images = np.random.default_rng(0).integers(0, 256, size=(3, 16, 24, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = Twice()(torch.from_numpy(images))
    for given, wanted in zip(compile_graph(plain, engine)(images), expected, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-3)


def test_names_stay_and_the_batch_is_free(graph):
    model = onnx.load_from_string(simplify(graph))
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["images"]
    assert [value.name for value in model.graph.output] == ["fine", "coarse"]
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == BATCH


def test_no_constant_is_shared_and_no_shape_is_worked_out(graph):
    before, after = (onnx.load_from_string(one).graph for one in (graph, simplify(graph)))
    constants = {constant.name for constant in after.initializer}
    used = [name for node in after.node for name in node.input if name in constants]
    assert len(used) == len(set(used))
    assert sum(node.op_type == "Conv" for node in after.node) == 2
    assert "Shape" not in {node.op_type for node in after.node}
    assert len(after.node) <= len(before.node)
