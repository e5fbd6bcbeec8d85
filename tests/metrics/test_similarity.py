"""Structural similarity against torchmetrics, and against loops that follow the paper."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torchmetrics.functional.image import structural_similarity_index_measure

from knowngood.metrics.similarity import ssim

VALUES = st.floats(0, 1, width=32)


def naive(first, second, radii=(5, 5)):
    """Go from place to place, with the window of the paper, for images (H, W)."""
    grids = np.meshgrid(*(np.arange(-radius, radius + 1) for radius in radii), indexing="ij")
    window = np.exp(-(grids[0] ** 2 + grids[1] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = 0.01**2, 0.03**2
    height, width = window.shape
    found = []
    for row in range(first.shape[0] - height + 1):
        for column in range(first.shape[1] - width + 1):
            x = first[row : row + height, column : column + width].astype(np.float64)
            y = second[row : row + height, column : column + width].astype(np.float64)
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            variance_x, variance_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
            covariance = (window * (x - mean_x) * (y - mean_y)).sum()
            found.append(
                (2 * mean_x * mean_y + c1)
                * (2 * covariance + c2)
                / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
            )
    return np.mean(found)


def reference(first, second):
    """What torchmetrics finds for images (H, W, C), without the border, which it fills by mirroring."""
    pair = [torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None] for image in (first, second)]
    _, places = structural_similarity_index_measure(*pair, data_range=1.0, return_full_image=True)
    return float(places[..., 5:-5, 5:-5].mean())


@pytest.fixture
def pair():
    """A shaded picture and the same with noise, (24, 31, 3), 0 to 1."""
    rng = np.random.default_rng(0)
    y, x, c = np.mgrid[:24, :31, :3]
    shaded = 0.5 + 0.2 * np.sin(x / 3 + c) + 0.2 * np.cos(y / 4)
    return shaded, np.clip(shaded + rng.normal(0, 0.1, shaded.shape), 0, 1)


def test_it_is_what_torchmetrics_finds(pair):
    first, second = pair
    assert ssim(first, second) == pytest.approx(reference(first, second), abs=1e-9)
    assert 0.2 < ssim(first, second) < 0.9


@pytest.mark.parametrize("shape", [(11, 11), (12, 17), (20, 13)])
def test_it_is_what_the_paper_says(shape):
    first, second = np.random.default_rng(1).random((2, *shape))
    assert ssim(first, second) == pytest.approx(naive(first, second), abs=1e-12)


@pytest.mark.parametrize(
    ("shape", "radii"),
    [((8, 8), (3, 3)), ((7, 30), (3, 5)), ((30, 10), (5, 4)), ((1, 1), (0, 0)), ((2, 3), (0, 1))],
)
def test_the_window_is_cut_down_to_a_small_image(shape, radii):
    rng = np.random.default_rng(2)
    first, second = rng.random((2, *shape))
    assert ssim(first, second) == pytest.approx(naive(first, second, radii), abs=1e-12)


def test_channels_count_alike(pair):
    first, second = pair
    channels = [ssim(first[..., channel], second[..., channel]) for channel in range(3)]
    assert ssim(first, second) == pytest.approx(np.mean(channels), abs=1e-12)


@given(st.data(), array_shapes(min_dims=2, max_dims=3, max_side=14))
def test_symmetric_and_between_minus_one_and_one(data, shape):
    first, second = (
        data.draw(arrays(np.float32, shape, elements=VALUES)),
        data.draw(arrays(np.float32, shape, elements=VALUES)),
    )
    found = ssim(first, second)
    assert found == ssim(second, first)
    assert -1 - 1e-12 <= found <= 1 + 1e-12


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=3, max_side=14), elements=st.floats(-1e6, 1e6)))
def test_an_image_is_like_itself(image):
    assert ssim(image, image.copy()) == 1


def test_constant_images():
    grey = np.full((16, 16), 0.3)
    assert ssim(grey, grey) == 1
    # Only means differ: (2 * 0 * 1 + c1) / (0 + 1 + c1).
    assert ssim(np.zeros((16, 16)), np.ones((16, 16))) == pytest.approx(1e-4 / (1 + 1e-4))
    assert ssim(np.zeros((16, 16)), np.zeros((16, 16))) == 1


def test_opposite_structure_is_below_zero():
    board = np.indices((16, 16)).sum(axis=0) % 2
    assert ssim(board.astype(bool), ~board.astype(bool)) < -0.98


def test_more_noise_is_less_alike(pair):
    rng = np.random.default_rng(3)
    noise = rng.normal(size=pair[0].shape)
    found = [ssim(pair[0], pair[0] + share * noise) for share in (0, 0.02, 0.05, 0.1, 0.3)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 1


def test_input_stays_as_it_was(pair):
    before = [image.copy() for image in pair]
    ssim(*pair)
    np.testing.assert_array_equal(pair, before)


@pytest.mark.parametrize("shapes", [((8, 8), (8, 9)), ((8,), (8,)), ((1, 8, 8, 3),) * 2, ((0, 8), (0, 8))])
def test_shapes_that_are_no_pair_of_images(shapes):
    with pytest.raises(ValueError, match=r"both images must have one shape, .* got \("):
        ssim(*map(np.zeros, shapes))


def test_integers_are_refused():
    bytes_, floats = np.zeros((8, 8), np.uint8), np.zeros((8, 8))
    for pair in [(bytes_, floats), (floats, bytes_)]:
        with pytest.raises(ValueError, match="must be from 0 to 1; divide those of uint8"):
            ssim(*pair)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite(value):
    with pytest.raises(ValueError, match="not finite"):
        ssim(np.zeros((8, 8)), np.full((8, 8), value))
