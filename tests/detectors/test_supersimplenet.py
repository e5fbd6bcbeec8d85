"""SuperSimpleNet: its losses, and what it begins as."""

import pytest
import torch

from knowngood.detectors.supersimplenet import SuperSimpleNetwork, draw_marks, truncated


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SuperSimpleNetwork(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]), noise=1.0, width=8).eval()


def test_the_adaptor_begins_as_the_identity_of_standardised_features(network):
    features = torch.tensor([5.0, 10.0]).view(1, 2, 1, 1).expand(1, 2, 3, 4)
    torch.testing.assert_close(network.adapted(features), torch.full((1, 2, 3, 4), 2.0))


def test_errors_are_positive_and_grow_with_the_map_and_with_the_logit(network):
    features = torch.randn(2, 2, 3, 4)
    errors = network.errors(features)
    assert errors.shape == (2, 3, 4)
    assert (errors > 0).all()
    maps, logits = network.heads(network.adapted(features))
    torch.testing.assert_close(errors.log().exp().expm1().log(), maps[:, 0] + logits[:, :, None])


def test_the_classifying_head_changes_neither_the_map_nor_the_adaptor(network):
    network.train().losses(torch.randn(3, 2, 8, 8), torch.zeros(3))["images"].backward()
    assert all(one.grad is not None for one in network.classify.parameters())
    assert all(one.grad is None for part in (network.mark, network.adaptor) for one in part.parameters())


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
