import numpy as np
import pytest
import torch
from torch import nn

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import to_onnx
from knowngood.engines.logsumexp import logsumexp


class OfSoftmax(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, values):
        return logsumexp(values.softmax(dim=2), self.dim), logsumexp(values.topk(3, dim=1).values, self.dim)


@pytest.fixture
def values():
    return 20 * torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_it_is_that_of_torch(values, dim):
    torch.testing.assert_close(logsumexp(values, dim), values.logsumexp(dim=dim))
    large = torch.full((2, 3, 2), -1e30)
    torch.testing.assert_close(logsumexp(large, dim), large.logsumexp(dim=dim))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dim", [1, 2])
def test_engines_take_it_over_the_dimension_that_is_asked_for(values, engine, dim):
    module = OfSoftmax(dim)
    graph = to_onnx(module, {"images": values[:1]}, ["one", "other"])
    for given, wanted in zip(compile_graph(graph, engine)(values.numpy()), module(values), strict=True):
        np.testing.assert_allclose(given, wanted.numpy(), rtol=1e-5, atol=1e-5)
