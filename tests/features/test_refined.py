"""A memory bank that looks twice."""

import numpy as np
import pytest
import torch

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import to_onnx
from knowngood.features.nearest import MemoryBank
from knowngood.features.refined import MARGIN, SHARE, RefinedBank, ratio_of


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def bank():
    points = random(300, 12)
    small, large = (MemoryBank(some, eight_bit=False) for some in (points[:20], points))
    return RefinedBank(small, large, ratio=0.8)


def test_the_farthest_quarter_has_the_distance_to_the_large_bank(bank):
    maps = random(3, 12, 4, 6, seed=1)
    distances, first, second = (one(maps).flatten(1) for one in (bank, bank.small, bank.large))
    again = 24 // SHARE
    for row in range(3):
        least = first[row].sort(descending=True).values[again - 1]
        surely = first[row] >= least * (1 + MARGIN)
        assert 0 < surely.sum() < again
        torch.testing.assert_close(distances[row][surely], second[row][surely])
        never = first[row] <= least
        assert never.sum() == 24 - again + 1
        assert torch.equal(distances[row][never], 0.8 * first[row][never])
        between = ~surely & ~never
        low, high = (torch.minimum, torch.maximum)
        bounds = second[row][between], 0.8 * first[row][between]
        assert (distances[row][between] >= low(*bounds) - 1e-6).all()
        assert (distances[row][between] <= high(*bounds) + 1e-6).all()


def test_what_is_equal_is_estimated_whatever_the_order(bank):
    maps = random(1, 12, 1, 1, seed=1).expand(1, 12, 4, 4).contiguous()
    expected = 0.8 * bank.small(maps)
    assert torch.equal(bank(maps), expected)


def test_a_map_of_one_position(bank):
    maps = random(2, 12, 1, 1, seed=1)
    assert torch.equal(bank(maps), 0.8 * bank.small(maps))


def test_no_step_where_a_position_is_looked_at_again(bank):
    maps = random(1, 12, 4, 4, seed=1)
    first = bank.small(maps).flatten()
    at = int(first.argsort(descending=True)[16 // SHARE - 1])
    moved = maps.clone()
    moved.view(12, 16)[:, at] *= 1 + 1e-6
    assert (bank(maps) - bank(moved)).abs().max() < 1e-3


def test_the_ratio_of_the_mean_distances(bank):
    maps = random(2, 12, 4, 4, seed=1)
    expected = bank.large(maps).mean() / bank.small(maps).mean()
    assert ratio_of(bank.small, bank.large, maps) == pytest.approx(float(expected))
    assert ratio_of(bank.large, bank.small, maps) == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("eight_bit", [False, True])
def test_engines_give_the_same_distances(engine, eight_bit):
    points = random(300, 12)
    small, large = (MemoryBank(some, eight_bit=eight_bit) for some in (points[:20], points))
    bank = RefinedBank(small, large, ratio=0.8)
    maps = random(1, 12, 4, 6, seed=1)
    graph = to_onnx(bank, {"images": maps}, ["map"])
    (given,) = compile_graph(graph, engine)(maps.numpy())
    np.testing.assert_allclose(given, bank(maps).numpy(), rtol=1e-5)
