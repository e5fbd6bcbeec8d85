"""The classifier SuperSimpleNet: what it learns from masks, from defects without one, and from noise."""

import numpy as np
import pytest
import torch

from knowngood.classifiers.supersimplenet import NO_MASK, MarkingClassifier, _share
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading


@pytest.fixture
def network():
    torch.manual_seed(0)
    mean, deviation = torch.zeros(2), torch.ones(2)
    return MarkingClassifier(mean, deviation, [4, 2, 2], noise=1.0, width=8).train()


def batch(share):
    """Two samples of noise, with the share of each place that is marked."""
    features = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    return torch.cat([features, torch.full((2, 1, 8, 8), share)], dim=1)


def test_the_shares_of_places():
    mask = np.zeros((64, 64), np.uint8)
    mask[:16, :16] = 255
    photos = [np.full((64, 64), 90, np.uint8) for _ in range(3)]
    images = ImageSet(photos, Reading((64, 64)), ["good", "dent", "dent"], masks=["", mask, ""])
    shares = [_share(images, index, (8, 8)) for index in range(3)]
    assert not shares[0].any()
    assert shares[1][:2, :2].tolist() == [[1, 1], [1, 1]]
    assert shares[1].sum() == 4
    assert (shares[2] == NO_MASK).all()


def test_places_of_a_defect_without_mask_count_only_where_there_is_noise(network):
    labels = torch.tensor([1, 2])
    torch.manual_seed(3)
    unknown = network.losses(batch(NO_MASK), labels)["places"]
    torch.manual_seed(3)
    good = network.losses(batch(0.0), labels)["places"]
    assert torch.isfinite(unknown)
    assert unknown != good
    unknown.backward()
    assert all(one.grad is not None for one in network.marking.mark.parameters())


def test_a_mask_raises_the_map_where_it_marks():
    torch.manual_seed(0)
    network = MarkingClassifier(torch.zeros(2), torch.ones(2), [4, 4], noise=1.0, width=16).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    samples = torch.randn(8, 3, 8, 8)
    samples[:, 2] = 0
    samples[4:, :2, :2, :2] += 4
    samples[4:, 2, :2, :2] = 1
    labels = torch.tensor([0] * 4 + [1] * 4)
    for _ in range(60):
        optimizer.zero_grad()
        network.losses(samples, labels)["loss"].backward()
        optimizer.step()
    maps, logits = network.eval()(samples[:, :2])
    marked = samples[:, 2] > 0
    assert maps[marked].mean() > maps[~marked].mean() + 0.5
    assert (logits.argmax(dim=1) == labels).float().mean() > 0.9


def test_noise_is_learned_to_be_no_good_part(network):
    losses = network.losses(batch(0.0), torch.tensor([0, 0]))
    assert set(losses) == {"loss", "places", "images"}
    assert losses["loss"] == losses["places"] + losses["images"]
