"""SuperSimpleNet: its losses, and what it begins as."""

import pytest
import torch

from knowngood.detectors.supersimplenet import SuperSimpleNetwork


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SuperSimpleNetwork(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]), noise=1.0, width=8).eval()


def test_the_adaptor_begins_as_the_identity_of_standardised_features(network):
    features = torch.tensor([5.0, 10.0]).view(1, 2, 1, 1).expand(1, 2, 3, 4)
    torch.testing.assert_close(network.marking.adapted(features), torch.full((1, 2, 3, 4), 2.0))


def test_errors_are_positive_and_grow_with_the_map_and_with_the_logit(network):
    features = torch.randn(2, 2, 3, 4)
    errors = network.errors(features)
    assert errors.shape == (2, 3, 4)
    assert (errors > 0).all()
    maps, logits = network.marking.heads(network.marking.adapted(features))
    torch.testing.assert_close(errors.log().exp().expm1().log(), maps[:, 0] + logits[:, :, None])


def test_the_classifying_head_changes_neither_the_map_nor_the_adaptor(network):
    network.train().losses(torch.randn(3, 2, 8, 8), torch.zeros(3))["images"].backward()
    marking = network.marking
    assert all(one.grad is not None for one in marking.classify.parameters())
    assert all(one.grad is None for part in (marking.mark, marking.adaptor) for one in part.parameters())
