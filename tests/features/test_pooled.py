import numpy as np
import pytest
import torch
from torch import nn

from knowngood.detectors.rotation import TurnedView
from knowngood.features.backbones import Backbone
from knowngood.features.pooled import LevelMeans, OneView


class TwoLevels(nn.Module):
    """Maps at strides 2 and 4, of 3 and 5 channels."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.Conv2d(3, 3, 3, stride=2, padding=1)
            self.second = nn.Conv2d(3, 5, 3, stride=2, padding=1)

    def forward(self, images):
        fine = self.first(images).relu()
        return [fine, self.second(fine).relu()]


@pytest.fixture(scope="module")
def backbone():
    return Backbone(
        "two",
        TwoLevels(),
        mean=[0.5, 0.4, 0.3],
        std=[0.2, 0.3, 0.25],
        strides=(2, 4),
        channels=(3, 5),
        weights="drawn",
        weights_hash="",
    )


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)


def test_level_means_are_those_of_the_maps(backbone, images):
    normalised = (images / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.25]
    maps = backbone(torch.from_numpy(normalised).permute(0, 3, 1, 2).float())
    means = LevelMeans(backbone)(torch.from_numpy(images))
    assert [level.shape for level in means] == [(4, 3), (4, 5)]
    for given, level in zip(means, maps, strict=True):
        np.testing.assert_allclose(given, level.numpy().mean(axis=(2, 3)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [16, 24])
def test_means_of_quarters_cover_the_image(backbone, side):
    image = torch.zeros(1, side, side, 3, dtype=torch.uint8)
    image[:, : side // 2, side // 2 :] = 200  # the second quarter
    (level, _) = LevelMeans(backbone, regions=2)(image)
    first, second, third, fourth = level.view(3, 4).T
    torch.testing.assert_close(first, third, rtol=0.2, atol=0.5)
    assert (second - third).abs().max() > 2 * (fourth - third).abs().max()


def test_one_view_is_all_levels_side_by_side(backbone, images):
    (view,) = OneView(backbone)(torch.from_numpy(images))
    assert view.shape == (4, 1, 8)
    assert torch.equal(view[:, 0], torch.cat(LevelMeans(backbone)(torch.from_numpy(images)), dim=1))
    assert len({tuple(row) for row in view[:, 0].tolist()}) == 4


def test_turned_views_are_one_view_of_each_rotation(backbone, images):
    (turned,) = TurnedView(backbone)(torch.from_numpy(images))
    assert turned.shape == (4, 4, 8)
    for quarters in range(4):
        rotated = np.rot90(images, quarters, axes=(1, 2)).copy()
        (wanted,) = OneView(backbone)(torch.from_numpy(rotated))
        torch.testing.assert_close(turned[:, quarters], wanted[:, 0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(turned[:, 0], turned[:, 1], rtol=1e-2)


def test_turned_views_of_a_wide_image_have_the_same_shape(backbone, images):
    wide = torch.from_numpy(np.concatenate([images, images[::-1]], axis=2))
    (turned,) = TurnedView(backbone)(wide)
    assert turned.shape == (4, 4, 8)
    (upright,) = OneView(backbone)(wide)
    torch.testing.assert_close(turned[:, 0], upright[:, 0])


@pytest.mark.parametrize("kind", [OneView, TurnedView])
def test_they_say_where_the_weights_are_from(kind, backbone):
    assert kind(backbone).backbone.weights == "drawn"
