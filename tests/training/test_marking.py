"""The places that get noise, and the losses of maps."""

import pytest
import torch

from knowngood.training.marking import draw_marks, truncated


def test_marks_cover_some_places_and_follow_torchs_random_numbers():
    torch.manual_seed(1)
    marks = draw_marks(64, (16, 16))
    assert 0.15 < marks.mean() < 0.5
    assert set(marks.unique().tolist()) == {0.0, 1.0}
    torch.manual_seed(1)
    assert torch.equal(draw_marks(64, (16, 16)), marks)


def test_the_truncated_loss_is_nothing_beyond_the_margin():
    maps, wanted = torch.tensor([0.6, -0.7, 3.0]), torch.tensor([1.0, 0.0, 1.0])
    assert truncated(maps, wanted) == 0
    assert truncated(-maps, wanted).item() == pytest.approx((1.1 + 3.5) / 2 + 1.2)
