"""DRAEM: what its networks learn from; see also the contract tests."""

import numpy as np
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors import make_detector
from knowngood.detectors.draem import DraemNetwork, damage, marking_loss
from knowngood.errors import TrainingError


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DraemNetwork(3, width=2)


@pytest.fixture
def batch(good_images):
    return torch.from_numpy(good_images[:4])


class TestDamage:
    def test_changes_a_share_of_the_images_and_says_where(self, good_images):
        images = torch.from_numpy(good_images)
        damaged, changed = damage(images, np.random.default_rng(0), share=0.5)
        assert 4 < changed.any(dim=(1, 2)).sum() < 20
        differ = (damaged.int() - images).abs().amax(dim=3) >= 10
        assert torch.equal(changed, differ)
        assert torch.equal(images, torch.from_numpy(good_images))

    def test_follows_torchs_random_numbers_in_a_step(self, network, batch):
        def loss(seed):
            torch.manual_seed(seed)
            return network.eval().losses(batch, None)["loss"].item()

        assert loss(1) == loss(1) != loss(2)


def test_damaged_pixels_count_as_much_as_the_others_together():
    logits, changed = torch.zeros(100), torch.zeros(100)
    changed[0] = 1
    of_each = 0.5**2 * np.log(2)
    assert marking_loss(logits, changed).item() == pytest.approx(2 * of_each)
    assert marking_loss(logits, 0 * changed).item() == pytest.approx(of_each)


def test_the_repair_learns_from_the_marks_too(network, batch):
    network.losses(batch, None)["marks"].backward()
    assert all(one.grad is not None and one.grad.any() for one in network.repair.last.parameters())


def test_the_maps_of_each_size_are_passed_on_where_damage_is_marked(network):
    pixels = torch.rand(2, 3, 32, 64)
    repaired, logits = network(pixels)
    assert repaired.shape == pixels.shape
    assert logits.shape == (2, 32, 64)
    assert network.mark.up[-1][0].in_channels == 2 * network.repair.up[-1][0].in_channels


def test_a_collapse_is_named(good_images, monkeypatch):
    monkeypatch.setattr(
        DraemNetwork, "forward", lambda self, pixels: (self.repair(pixels).sigmoid(), 0 * pixels[:, 0])
    )
    recipe = make_detector("draem", {"epochs": 1, "width": 2})
    with pytest.raises(TrainingError, match=r"^draem: it has collapsed, .* take more epochs"):
        recipe.fit(ImageSet(list(good_images[:4]), Reading((64, 64))), seed=0, device="cpu")


def test_every_image_is_scored_by_a_network_that_has_not_learned_from_it(good_images, monkeypatch):
    recipe = make_detector("draem", {"epochs": 1, "width": 2, "batch_size": 4})
    monkeypatch.setattr(type(recipe), "fault", lambda *_: "")  # one epoch is too few
    images = ImageSet(list(good_images[:7]), Reading((64, 64)))
    fit = recipe.fit(images, seed=0, device="cpu")
    assert fit.places.tolist() == list(range(7))
    pixels = torch.cat([torch.from_numpy(batch.images.copy()) for batch in images.batches()])
    with torch.inference_mode():
        each = torch.stack([recipe.fitted(one).eval()(pixels).image for one in fit.fitted.networks])
        together = fit.fitted(pixels).image
    assert len(each) == 3
    held_out = torch.from_numpy(fit.held_out).float()
    by_one = (each - held_out).abs().argmin(dim=0)
    assert torch.allclose(each.gather(0, by_one[None])[0], held_out)
    assert torch.equal(by_one.bincount().sort().values, torch.tensor([2, 2, 3]))
    assert (together <= each.mean(dim=0) + 1e-6).all()
