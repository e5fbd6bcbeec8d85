import pytest
import torch

from knowngood.features.nearest import MemoryBank


def exact(queries, points):
    return torch.cdist(queries.double(), points.double()).amin(dim=1).float()


@pytest.mark.parametrize(("points", "dimensions"), [(1, 3), (50, 1), (300, 152)])
def test_distances_are_euclidean(points, dimensions):
    rng = torch.Generator().manual_seed(0)
    bank = torch.randn(points, dimensions, generator=rng)
    queries = 2 * torch.randn(70, dimensions, generator=rng)
    torch.testing.assert_close(
        MemoryBank(bank, eight_bit=False)(queries), exact(queries, bank), rtol=1e-4, atol=1e-4
    )


def test_far_from_the_origin_little_cancels():
    rng = torch.Generator().manual_seed(0)
    bank = torch.randn(200, 40, generator=rng) + 1000
    queries = torch.randn(70, 40, generator=rng) + 1000
    torch.testing.assert_close(
        MemoryBank(bank, eight_bit=False)(queries), exact(queries, bank), rtol=1e-4, atol=1e-4
    )


def test_a_point_of_the_bank_is_at_no_distance():
    bank = torch.randn(100, 20, generator=torch.Generator().manual_seed(0))
    distances = MemoryBank(bank, eight_bit=False)(bank)
    assert torch.isfinite(distances).all()
    assert distances.max() < 5e-3


def test_the_bank_keeps_its_own_copy():
    points = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    queries = torch.zeros(1, 4)
    bank = MemoryBank(points, eight_bit=False)
    before = bank(queries)
    points += 100
    assert torch.equal(bank(queries), before)


def test_in_eight_bits_distances_are_nearly_the_same():
    rng = torch.Generator().manual_seed(0)
    bank = torch.randn(300, 40, generator=rng)
    queries = torch.randn(200, 40, generator=rng)
    rounded = MemoryBank(bank, eight_bit=True)(queries)
    torch.testing.assert_close(rounded, exact(queries, bank), rtol=0.02, atol=0)
    assert not torch.equal(rounded, MemoryBank(bank, eight_bit=False)(queries))


def test_in_eight_bits_a_bank_of_one_point_or_of_equal_points_has_no_division_by_zero():
    for points in (torch.zeros(1, 3), torch.full((5, 3), 7.0)):
        assert torch.isfinite(MemoryBank(points, eight_bit=True)(torch.ones(4, 3))).all()
