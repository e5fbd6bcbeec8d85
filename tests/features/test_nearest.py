import numpy as np
import openvino
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from knowngood.engines.engine import ENGINES, compile_graph, read_for_one_image
from knowngood.engines.export import to_onnx
from knowngood.features.nearest import BLOCK, EXACT_CHANNELS, LARGEST_POINT, LEVELS, ZERO, MemoryBank


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def as_map(queries):
    """Queries `(Q, C)` as a map `(1, C, 1, Q)`."""
    return queries.T[None, :, None]


def euclidean(queries, points):
    return torch.cdist(queries.double(), points.double()).amin(dim=1).float().view(1, 1, -1)


def in_whole_numbers(bank, maps):
    """The distances of a bank in 8 bits by NumPy's 64-bit whole numbers."""
    points = np.rint(bank.points[:, :, 0, 0].numpy()).astype(np.int64)  # (M, C)
    steps = np.rint(((maps - bank.centre) / bank.step).numpy())
    queries = np.clip(steps, -ZERO, LEVELS - 1 - ZERO).astype(np.int64)  # (N, C, h, w)
    products = np.einsum("mc,nchw->nmhw", points, queries)
    squared = (queries**2).sum(axis=1) + ((points**2).sum(axis=1)[:, None, None] - 2 * products).min(axis=1)
    return np.sqrt(squared.astype(np.float32)) * np.float32(bank.step)


@pytest.mark.parametrize(("points", "dimensions"), [(1, 3), (50, 1), (300, 152), (2 * BLOCK + 1, 20)])
def test_distances_are_euclidean(points, dimensions):
    bank, queries = random(points, dimensions), 2 * random(70, dimensions, seed=1)
    given = MemoryBank(bank, eight_bit=False)(as_map(queries))
    torch.testing.assert_close(given, euclidean(queries, bank), rtol=1e-4, atol=5e-4)


def test_a_map_has_a_distance_at_each_position():
    bank, maps = random(40, 8), random(2, 8, 3, 5, seed=1)
    distances = MemoryBank(bank, eight_bit=False)(maps)
    assert distances.shape == (2, 3, 5)
    torch.testing.assert_close(
        distances[1, 2, 4].view(1, 1, 1), euclidean(maps[1, :, 2, 4][None], bank), rtol=1e-4, atol=1e-4
    )


def test_far_from_the_origin_little_cancels():
    bank, queries = random(200, 40) + 1000, random(70, 40, seed=1) + 1000
    given = MemoryBank(bank, eight_bit=False)(as_map(queries))
    torch.testing.assert_close(given, euclidean(queries, bank), rtol=1e-4, atol=1e-4)


def test_a_point_of_the_bank_is_at_no_distance():
    bank = random(100, 20)
    distances = MemoryBank(bank, eight_bit=False)(as_map(bank))
    assert torch.isfinite(distances).all()
    assert distances.max() < 5e-3
    assert MemoryBank(bank, eight_bit=True)(as_map(bank)).max() == 0


def test_the_bank_keeps_its_own_copy():
    points, queries = random(10, 4), torch.zeros(1, 4, 1, 1)
    bank = MemoryBank(points, eight_bit=False)
    before = bank(queries)
    points += 100
    assert torch.equal(bank(queries), before)


def test_in_eight_bits_distances_are_nearly_the_same():
    bank, queries = random(300, 40), as_map(random(200, 40, seed=1))
    rounded, exact = (MemoryBank(bank, eight_bit=eight_bit)(queries) for eight_bit in (True, False))
    torch.testing.assert_close(rounded, exact, rtol=0.02, atol=0)
    assert not torch.equal(rounded, exact)


def test_in_eight_bits_a_bank_of_one_point_or_of_equal_points_has_no_division_by_zero():
    for points in (torch.zeros(1, 3), torch.full((5, 3), 7.0)):
        assert torch.isfinite(MemoryBank(points, eight_bit=True)(torch.ones(1, 3, 2, 2))).all()


# --- the same on every processor


@settings(max_examples=30, deadline=None)
@given(
    dimensions=st.integers(1, 40) | st.sampled_from([152, EXACT_CHANNELS]),
    points=st.integers(1, 30) | st.just(BLOCK + 3),
    spread=st.sampled_from([0.0, 0.3, 1.0, 5.0]),
    seed=st.integers(0, 1000),
)
def test_in_eight_bits_distances_are_those_of_whole_numbers_to_the_last_bit(dimensions, points, spread, seed):
    bank = MemoryBank(random(points, dimensions, seed=seed), eight_bit=True)
    maps = spread * random(1, dimensions, 3, 4, seed=seed + 1)
    np.testing.assert_array_equal(bank(maps).numpy(), in_whole_numbers(bank, maps))


def test_the_largest_numbers_of_the_most_channels_are_summed_exactly():
    # All products at their bounds: -128 times 63 in every channel.
    bank = MemoryBank(torch.tensor([[1.0], [-1.0]]).expand(2, EXACT_CHANNELS), eight_bit=True)
    maps = torch.full((1, EXACT_CHANNELS, 1, 2), -100.0)
    maps[..., 1] = 100.0
    np.testing.assert_array_equal(bank(maps).numpy(), in_whole_numbers(bank, maps))
    assert EXACT_CHANNELS * (2 * ZERO * LARGEST_POINT + LARGEST_POINT**2) < 2**24
    assert (EXACT_CHANNELS + 1) * (2 * ZERO * LARGEST_POINT + LARGEST_POINT**2) >= 2**24


def test_more_channels_are_summed_in_parts_that_are_exact():
    bank = MemoryBank(random(20, 2 * EXACT_CHANNELS + 7), eight_bit=True)
    assert bank.halves.shape == (3, 20)
    maps = random(1, 2 * EXACT_CHANNELS + 7, 2, 2, seed=1)
    np.testing.assert_allclose(bank(maps).numpy(), in_whole_numbers(bank, maps), rtol=3e-7)


@pytest.mark.parametrize("dimensions", [152, EXACT_CHANNELS + 1])
@pytest.mark.parametrize("engine", ENGINES)
def test_engines_give_the_same_distances(engine, dimensions):
    bank = MemoryBank(random(BLOCK + 20, dimensions), eight_bit=True)
    maps = random(1, dimensions, 4, 6, seed=1)
    graph = to_onnx(bank, {"images": maps}, ["distances"])
    # Without its rounding of the input, in which engines may differ between two levels.
    steps = ((maps - bank.centre) / bank.step).round() * bank.step + bank.centre
    (given,) = compile_graph(graph, engine)(steps.numpy())
    np.testing.assert_allclose(given, bank(steps).numpy(), rtol=1e-6)


def test_the_engine_multiplies_whole_numbers():
    bank = MemoryBank(random(2 * BLOCK, 16), eight_bit=True)
    graph = to_onnx(bank, {"images": random(1, 16, 4, 4)}, ["distances"])
    compiled = openvino.Core().compile_model(read_for_one_image(graph), "CPU")
    about = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    precisions = [
        str(node["runtimePrecision"].value) for node in about if node["layerType"].value == "Convolution"
    ]
    assert precisions == ["u8", "u8"]
