import numpy as np
import pytest
import torch
from kymatio.scattering2d.frontend.torch_frontend import ScatteringTorch2D

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import blank, to_onnx
from knowngood.engines.simplify import simplify
from knowngood.errors import RecipeError
from knowngood.features.scattering import LUMINANCE, Scattering


@pytest.fixture(scope="module")
def images(good_images):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, size=(1, 96, 96, 3), dtype=np.uint8)
    return torch.from_numpy(np.concatenate([good_images[:2], noise]))


def waves(height, width, period, angle):
    """A picture of straight waves that run in a direction, uint8 (1, height, width, 3)."""
    y, x = np.mgrid[:height, :width]
    phase = 2 * np.pi * (np.sin(angle) * y + np.cos(angle) * x) / period
    grey = (127.5 + 100 * np.cos(phase)).round().astype(np.uint8)
    return torch.from_numpy(np.repeat(grey[None, ..., None], 3, axis=3))


class TestAgainstKymatio:
    @pytest.mark.parametrize(("scales", "angles"), [(3, 8), (2, 4), (1, 8)])
    def test_away_from_the_border_coefficients_differ_by_less_than_a_hundredth(self, images, scales, angles):
        tiled = images.repeat(1, 2, 2, 1)[:, :128, :144]
        grey = (tiled.double().numpy() @ np.array(LUMINANCE) / 255).astype(np.float32)
        theirs = ScatteringTorch2D(scales, (128, 144), L=angles)(torch.from_numpy(grey))
        ours = Scattering((128, 144), scales=scales, angles=angles).maps(tiled)
        assert ours.shape == theirs.shape
        border = 40 // 2**scales  # what kymatio takes to lie beyond the border is felt so far
        inside = (..., slice(border, -border), slice(border, -border))
        # For each image and path: the difference's length as a share of the coefficients'.
        difference = (ours - theirs)[inside].norm(dim=(2, 3)) / theirs[inside].norm(dim=(2, 3))
        assert difference.max() < 0.005
        peaks = (ours[inside].amax(dim=(2, 3)) / theirs[inside].amax(dim=(2, 3))).log().abs()
        assert peaks.max() < 0.005

    def test_the_paths_are_in_its_order(self):
        scattering = ScatteringTorch2D(3, (32, 32), L=4, out_type="list")
        found = scattering(torch.zeros(1, 32, 32))
        theirs = [tuple(zip(one["j"], one["theta"], strict=True)) for one in found]
        ours = Scattering((32, 32), scales=3, angles=4)
        assert ours.paths == theirs
        assert ours(blank((32, 32))).shape == (1, 2 * len(theirs))


class TestScattering:
    def test_features_are_the_mean_and_the_maximum_of_each_path(self, images):
        scattering = Scattering((96, 96))
        maps = scattering.maps(images)
        assert maps.shape == (3, 217, 12, 12)
        features = scattering(images)
        assert features.shape == (3, 434)
        np.testing.assert_allclose(features[:, :217], maps.numpy().mean(axis=(2, 3)), rtol=1e-5)
        np.testing.assert_array_equal(features[:, 217:], maps.numpy().max(axis=(2, 3)))

    @pytest.mark.parametrize(("period", "scale"), [(8 / 3, 0), (16 / 3, 1), (32 / 3, 2)])
    @pytest.mark.parametrize("angle", [3, 5])
    def test_waves_are_found_under_their_size_and_direction(self, period, scale, angle):
        scattering = Scattering((128, 96))
        # kymatio's first axis is y, and its angles fall from a little under a right one.
        picture = waves(128, 96, period, np.pi / 2 - (3 - angle) * np.pi / 8)
        first = sum(len(path) == 1 for path in scattering.paths)
        means = scattering(picture)[0, 1 : 1 + first]
        assert scattering.paths[1 + int(means.argmax())] == ((scale, angle),)

    def test_an_image_of_one_colour_has_brightness_alone(self):
        colour = torch.tensor([200, 100, 50], dtype=torch.uint8).expand(1, 40, 48, 3)
        scattering = Scattering((40, 48))
        mean, maximum = scattering(colour).view(2, -1)
        brightness = (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255
        assert mean[0].item() == pytest.approx(brightness, rel=1e-5)
        assert maximum[0].item() == pytest.approx(brightness, rel=1e-5)
        assert torch.cat([mean[1:], maximum[1:]]).abs().max() < 1e-5

    @pytest.mark.parametrize("shape", [(21, 21), (28, 28), (45, 70)])
    def test_sides_need_not_divide(self, shape):
        rng = np.random.default_rng(0)
        pictures = torch.from_numpy(rng.integers(0, 256, size=(2, *shape, 3), dtype=np.uint8))
        scattering = Scattering(shape)
        assert scattering.maps(pictures).shape == (2, 217, -(-shape[0] // 8), -(-shape[1] // 8))
        assert torch.isfinite(scattering(pictures)).all()

    def test_features_do_not_depend_on_the_batch(self, images):
        scattering = Scattering((96, 96))
        together = scattering(images)
        alone = torch.cat([scattering(image[None]) for image in images])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
        assert torch.equal(together, Scattering((96, 96))(images))

    def test_nothing_in_it_is_trained(self):
        assert not list(Scattering((96, 96)).parameters())

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"scales": 0}, "scales=0"),
            ({"angles": 0}, "angles=0"),
            ({"shape": (64, 20)}, r"shape=\(64, 20\) .* 41 pixels"),
            ({"shape": (40, 40), "scales": 4}, r"shape=\(40, 40\) .* fewer scales"),
        ],
    )
    def test_what_cannot_be_is_named(self, options, words):
        with pytest.raises(RecipeError, match=words):
            Scattering(**{"shape": (64, 64), **options})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(96, 96), (70, 45)])
def test_the_graph_gives_the_same(images, engine, shape):
    height, width = shape
    pictures = images[:, :height, :width].contiguous()
    scattering = Scattering(shape)
    expected = scattering(pictures)
    graph = simplify(to_onnx(scattering, {"images": blank(shape)}, ["features"]))
    (given,) = compile_graph(graph, engine)(pictures.numpy())
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-6)
