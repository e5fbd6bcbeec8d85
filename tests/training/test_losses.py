import numpy as np
import pytest
import torch
from torch.nn import functional as F

from knowngood.detectors.autoencoder import LOSSES, make_loss
from knowngood.metrics import similarity
from knowngood.training import losses
from knowngood.training.losses import LEAST_ERROR, divergence, drawn_code, unlikelihood


@pytest.fixture(scope="module")
def pair():
    generator = torch.Generator().manual_seed(0)
    original = F.interpolate(torch.rand(2, 3, 8, 8, generator=generator), size=(64, 64), mode="bilinear")
    return original, (original + 0.1 * torch.rand(2, 3, 64, 64, generator=generator)).clamp(0, 1)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_least_at_the_original_and_leads_there(pair, name):
    original, other = pair
    loss = make_loss(name)
    assert float(loss(original, original)) == pytest.approx(0, abs=1e-5)
    moving = other.clone().requires_grad_()
    before = loss(moving, original)
    assert before.item() > 0.001
    before.backward()
    step = 1e-3 / moving.grad.abs().max()
    assert loss((moving - step * moving.grad).detach(), original) < before.detach()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_takes_grey_images(pair, name):
    original, other = (images[:, :1] for images in pair)
    assert float(make_loss(name)(other, original)) > 0


def test_ssim_is_the_metric(pair):
    """But for the border, which it mirrors, where the metric ends."""
    original, other = pair
    by_metric = [
        similarity.ssim(one.permute(1, 2, 0).numpy(), two.permute(1, 2, 0).numpy())
        for one, two in zip(original, other, strict=True)
    ]
    assert float(losses.ssim(other, original)) == pytest.approx(
        1 - np.mean(by_metric), abs=0.03
    )  # it mirrors the border, where ours ends


def test_the_perceptual_loss_moves_no_weight_of_the_backbone(pair):
    original, other = pair
    loss = make_loss("perceptual")
    other = other.clone().requires_grad_()
    loss(other, original).backward()
    assert all(parameter.grad is None for parameter in loss.backbone.parameters())


def test_the_perceptual_loss_sees_what_pixels_do_not(pair):
    """A shifted image is as far as noise in pixels, but looks more alike."""
    original, _ = pair
    shifted = original.roll(1, dims=3)
    noise = torch.randn(original.shape, generator=torch.Generator().manual_seed(1))
    noisy = original + noise * losses.l2(shifted, original).sqrt()
    seen = make_loss("perceptual")
    assert losses.l2(noisy, original) == pytest.approx(float(losses.l2(shifted, original)), rel=0.05)
    assert seen(shifted, original) < seen(noisy, original)


def test_the_parts_of_the_evidence_bound():
    mean, log_variance = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, np.log(4.0)]])
    # Of N(1, 1) and N(0, 4) from N(0, 1): 1/2 and (4 - 1 - log 4) / 2.
    assert divergence(mean, log_variance).item() == pytest.approx(0.5 + (3 - np.log(4)) / 2)
    assert torch.equal(drawn_code(mean, log_variance, noisy=False), mean)
    original = torch.zeros(2, 1, 4, 4)
    assert unlikelihood(original + 0.1, original).item() == pytest.approx(np.log(0.01 + LEAST_ERROR) / 2)
