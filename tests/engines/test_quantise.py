import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import blank, to_onnx
from knowngood.engines.quantise import LARGEST_WEIGHT, _rounded, quantise
from knowngood.engines.simplify import simplify

SHAPE = (32, 32)


class Small(nn.Module):
    """Convolutions as a mobile network has them: full, depthwise, pointwise without activation, and a sum."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.pointwise = nn.Conv2d(16, 16, 1)

    def forward(self, images):
        first = torch.nn.functional.relu6(self.stem(pixels_of(images)))
        second = torch.nn.functional.relu6(self.depthwise(first))
        return self.pointwise(second) + first


class Depthwise(nn.Module):
    """The first two convolutions alone."""

    def __init__(self, small):
        super().__init__()
        self.small = small

    def forward(self, images):
        return self.small.depthwise(torch.nn.functional.relu6(self.small.stem(pixels_of(images))))


def pixels_of(images):
    return torch.as_tensor(images).permute(0, 3, 1, 2).float() / 128 - 1


@pytest.fixture(scope="module")
def images():
    smooth = np.random.default_rng(0).integers(0, 256, size=(8, 4, 4, 3), dtype=np.uint8)
    return smooth.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="module")
def module():
    return Small().eval()


@pytest.fixture(scope="module")
def quantised(module, images):
    return quantise(simplify(to_onnx(module, {"images": blank(SHAPE)}, ["maps"])), images)


def test_the_features_change_by_a_small_part_of_their_spread(module, quantised, images):
    with torch.inference_mode():
        expected = module(torch.from_numpy(images)).numpy()
    for engine in ENGINES:
        (given,) = compile_graph(quantised[0], engine)(images)
        error = np.abs(given - expected).mean() / expected.std()
        assert 0 < error < 0.03, engine


def test_it_also_gives_what_the_graph_in_float32_gave(module, quantised, images):
    with torch.inference_mode():
        expected = module(torch.from_numpy(images)).numpy()
    given = np.concatenate([maps for (maps,) in quantised[1]])
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4)


def makers_of_inputs(graph):
    """The kinds of node that make input and weight of each convolution."""
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model, full_check=True)
    makers = {output: node.op_type for node in model.graph.node for output in node.output}
    return [
        [makers.get(name) for name in node.input[:2]] for node in model.graph.node if node.op_type == "Conv"
    ]


def test_every_convolution_multiplies_numbers_of_eight_bits(quantised):
    assert makers_of_inputs(quantised[0]) == [["DequantizeLinear"] * 2] * 3


def test_but_not_one_of_colours_between_the_levels_of_pixels(images):
    class Halved(nn.Module):
        def __init__(self):
            super().__init__()
            self.halve = nn.Conv2d(3, 3, 2, stride=2, groups=3, bias=False)
            self.stem = nn.Conv2d(3, 16, 3)
            self.pointwise = nn.Conv2d(16, 16, 1)

        def forward(self, images):
            return self.pointwise(self.stem(self.halve(pixels_of(images))))

    graph, _ = quantise(simplify(to_onnx(Halved(), {"images": blank(SHAPE)}, ["maps"])), images)
    halve, stem, pointwise = makers_of_inputs(graph)
    assert halve == pointwise == ["DequantizeLinear"] * 2
    assert "DequantizeLinear" not in stem


def test_nor_where_colours_have_steps_of_their_own(images):
    class Normalised(Small):
        def forward(self, images):
            spread = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
            return self.pointwise(self.depthwise(self.stem(pixels_of(images) / spread)))

    graph, _ = quantise(simplify(to_onnx(Normalised(), {"images": blank(SHAPE)}, ["maps"])), images)
    stem, *others = makers_of_inputs(graph)
    assert "DequantizeLinear" not in stem
    assert others == [["DequantizeLinear"] * 2] * 2


def test_the_sum_of_a_kernel_is_kept():
    kernels = np.random.default_rng(0).uniform(-60, 60, size=(8, 4, 3, 3)).astype(np.float32)
    whole = _rounded(kernels)
    assert (whole == np.rint(whole)).all()
    assert np.abs(whole - kernels).max() <= 1
    assert np.abs((whole - kernels).sum(axis=(2, 3))).max() <= 0.5 + 1e-4


def test_weights_are_small_enough_that_two_products_fit_into_sixteen_bits(quantised):
    model = onnx.load_from_string(quantised[0])
    levels = [numpy_helper.to_array(c) for c in model.graph.initializer if c.name.endswith("/levels")]
    assert len(levels) == 3
    assert {int(np.abs(one.astype(int)).max()) for one in levels} == {LARGEST_WEIGHT}
    assert 2 * 255 * LARGEST_WEIGHT < 2**15


def test_channels_of_small_values_are_evened_out_before_a_depthwise_convolution(images):
    module = Small().eval()
    with torch.no_grad():
        module.stem.weight[:8] /= 100
        module.stem.bias[:8] /= 100
        expected = module.depthwise(torch.nn.functional.relu6(module.stem(pixels_of(images)))).numpy()
    small = Depthwise(module)
    graph, _ = quantise(simplify(to_onnx(small, {"images": blank(SHAPE)}, ["maps"])), images)
    (given,) = compile_graph(graph)(images)
    error = np.abs(given - expected).mean(axis=(0, 2, 3)) / expected.std(axis=(0, 2, 3))
    assert error[:8].max() < 0.03  # in 256 levels for all channels together, 1/100 would be two of them


def test_means_of_channels_are_kept(module, quantised, images):
    with torch.inference_mode():
        expected = module(torch.from_numpy(images)).numpy()
    (given,) = compile_graph(quantised[0])(images)
    np.testing.assert_allclose(given.mean(axis=(0, 2, 3)), expected.mean(axis=(0, 2, 3)), atol=5e-3)


def test_images_that_are_all_black_divide_by_nothing(module):
    black = np.zeros((2, *SHAPE, 3), np.uint8)
    graph, _ = quantise(simplify(to_onnx(module, {"images": blank(SHAPE)}, ["maps"])), black)
    assert np.isfinite(compile_graph(graph)(black)[0]).all()
