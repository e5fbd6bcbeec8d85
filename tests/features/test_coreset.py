import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from knowngood.features.coreset import StreamingCoreset, k_center


def naive_greedy(points, size, first):
    """Gonzalez' algorithm as it is written, in float64."""
    points = points.double()
    chosen = [first]
    nearest = (points - points[first]).norm(dim=1)
    while len(chosen) < size:
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (points - points[chosen[-1]]).norm(dim=1))
    return torch.tensor(chosen)


def covering_radius(points, centres):
    # without a product of matrices, whose rounding lets a point be at 3e-8 from itself on some processors
    distances = torch.cdist(points.double(), centres.double(), compute_mode="donot_use_mm_for_euclid_dist")
    return float(distances.amin(dim=1).max())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def clustered(count, dimensions, seed):
    rng = generator(seed)
    centres = 20 * torch.randn(7, dimensions, generator=rng)
    member = torch.randint(7, (count,), generator=rng)
    return centres[member] + torch.randn(count, dimensions, generator=rng)


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(3, 700),
    dimensions=st.integers(1, 40),
    share=st.floats(0.01, 0.9),
    batch=st.sampled_from([1, 8, 64]),
    clusters=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_it_covers_as_exact_greedy_does(seed, count, dimensions, share, batch, clusters):
    points = (
        clustered(count, dimensions, seed)
        if clusters
        else torch.randn(count, dimensions, generator=generator(seed))
    )
    size = max(1, int(share * count))
    chosen = k_center(points, size, generator=generator(seed), batch=batch)
    assert len(chosen) == len(chosen.unique()) <= size
    exact = naive_greedy(points, size, int(chosen[0]))
    # Below this, points cannot be told apart in single precision.
    blur = 2e-3 * float((points - points.mean(dim=0)).norm(dim=1).max())
    assert covering_radius(points, points[chosen]) <= 1.05 * covering_radius(points, points[exact]) + blur


def test_order_of_choice_is_that_of_exact_greedy():
    points = torch.randn(2000, 30, generator=generator(1))
    chosen = k_center(points, 200, generator=generator(2))
    assert chosen.tolist() == naive_greedy(points, 200, int(chosen[0])).tolist()


def test_far_from_the_origin_it_chooses_the_same():
    points = torch.randint(-8, 8, (500, 12), generator=generator(3)) + torch.rand(500, 12).round(decimals=1)
    here = k_center(points, 50, generator=generator(4))
    there = k_center(points + 512, 50, generator=generator(4))
    assert covering_radius(points, points[there]) == pytest.approx(
        covering_radius(points, points[here]), rel=0.05
    )


@pytest.mark.parametrize("offset", [0, 100])
def test_a_repeated_point_is_chosen_once(offset):
    different = 3 * torch.randn(40, 50, generator=generator(5)) + offset
    points = different[torch.arange(1000) % 40]
    chosen = k_center(points, 300, generator=generator(6))
    assert len(chosen) == 40
    assert len(points[chosen].unique(dim=0)) == 40


def test_identical_points_need_one_centre():
    assert len(k_center(torch.full((30, 4), 7.3), 10, generator=generator())) == 1


@pytest.mark.parametrize("size", [5, 6, 100])
def test_asked_for_as_many_as_there_are_it_takes_all(size):
    points = torch.randn(5, 3, generator=generator())
    assert sorted(k_center(points, size, generator=generator()).tolist()) == [0, 1, 2, 3, 4]


def test_same_generator_same_choice():
    points = torch.randn(400, 8, generator=generator(7))
    first = k_center(points, 60, generator=generator(8))
    assert torch.equal(first, k_center(points, 60, generator=generator(8)))
    assert first[0] != k_center(points, 60, generator=generator(9))[0]


def test_the_points_are_left_as_they_are():
    points = torch.randn(100, 4, generator=generator())
    before = points.clone()
    k_center(points, 10, generator=generator())
    assert torch.equal(points, before)


class TestStreaming:
    def test_memory_is_bounded(self):
        coreset = StreamingCoreset(20, buffer=100, generator=generator())
        alive = []
        rng = np.random.default_rng(0)
        for _ in range(60):
            piece = torch.randn(int(rng.integers(1, 40)), 5)
            alive.append((weakref.ref(piece), len(piece)))
            coreset.add(piece)
            del piece
            assert sum(length for ref, length in alive if ref() is not None) <= 100
        assert coreset.points().shape == (20, 5)

    def test_one_addition_may_exceed_the_buffer(self):
        coreset = StreamingCoreset(10, buffer=20, generator=generator())
        coreset.add(torch.randn(500, 3, generator=generator()))
        assert coreset.points().shape == (10, 3)

    @pytest.mark.parametrize(
        "make", [clustered, lambda n, d, seed: torch.rand(n, d, generator=generator(seed))]
    )
    def test_it_covers_nearly_as_well_as_all_at_once(self, make):
        points = make(3000, 10, 0)
        coreset = StreamingCoreset(100, buffer=600, generator=generator(1))
        for piece in points.split(150):
            coreset.add(piece)
        at_once = points[k_center(points, 100, generator=generator(1))]
        assert covering_radius(points, coreset.points()) < 1.3 * covering_radius(points, at_once)

    def test_its_points_are_among_those_added(self):
        points = torch.randn(300, 4, generator=generator())
        coreset = StreamingCoreset(15, buffer=50, generator=generator())
        for piece in points.split(30):
            coreset.add(piece)
        assert covering_radius(coreset.points(), points) == 0

    def test_few_points_are_all_kept(self):
        coreset = StreamingCoreset(15, buffer=50, generator=generator())
        assert coreset.empty
        coreset.add(torch.eye(3))
        assert not coreset.empty
        assert torch.equal(coreset.points(), torch.eye(3))

    def test_two_that_are_merged_cover_the_points_of_both(self):
        points = clustered(2000, 6, 0)
        one, other = (StreamingCoreset(80, buffer=400, generator=generator(seed)) for seed in (1, 2))
        for place, piece in enumerate(points.split(100)):
            (one, other)[place % 2].add(piece)
        kept = [piece.clone() for piece in other._pieces]
        one.merge(other)
        assert one.points().shape == (80, 6)
        assert all(map(torch.equal, other._pieces, kept))
        at_once = points[k_center(points, 80, generator=generator(1))]
        assert covering_radius(points, one.points()) < 1.5 * covering_radius(points, at_once)
