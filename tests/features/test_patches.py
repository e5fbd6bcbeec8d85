import numpy as np
import pytest
import torch
from scipy import ndimage

from knowngood.features.backbones import load_backbone
from knowngood.features.patches import PatchFeatures, align, as_points, smooth


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(strides=(8, 16))


def photos(count, height, width):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, size=(count, height, width, 3), dtype=np.uint8))


class TestPatchFeatures:
    def test_one_map_a_scale_at_half_the_resolution_each(self, backbone):
        maps = PatchFeatures(backbone, scales=3, neighbourhood=3, spacing=8)(photos(2, 64, 128))
        assert [tuple(one.shape) for one in maps] == [(2, 152, 8, 16), (2, 152, 4, 8), (2, 152, 2, 4)]

    def test_the_second_scale_is_the_image_at_half_its_size(self, backbone):
        small = photos(1, 64, 64)
        doubled = small.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
        (expected,) = PatchFeatures(backbone, scales=1, neighbourhood=3, spacing=8)(small)
        _, second = PatchFeatures(backbone, scales=2, neighbourhood=3, spacing=8)(doubled)
        torch.testing.assert_close(second, expected, rtol=1e-4, atol=1e-4)

    def test_the_neighbourhood_is_a_mean_with_zeros_beyond_the_border(self):
        finest = load_backbone(strides=(8,))
        images = photos(1, 64, 64)
        (plain,) = PatchFeatures(finest, scales=1, neighbourhood=1, spacing=8)(images)
        (averaged,) = PatchFeatures(finest, scales=1, neighbourhood=5, spacing=8)(images)
        expected = ndimage.uniform_filter(plain.numpy(), size=(1, 1, 5, 5), mode="constant")
        np.testing.assert_allclose(averaged.numpy(), expected, rtol=1e-3, atol=1e-4)

    def test_on_a_coarser_grid_finer_maps_are_averaged(self, backbone):
        images = photos(1, 64, 64)
        (fine,) = PatchFeatures(backbone, scales=1, neighbourhood=3, spacing=8)(images)
        (coarse,) = PatchFeatures(backbone, scales=1, neighbourhood=3, spacing=16)(images)
        (alone,) = PatchFeatures(load_backbone(strides=(16,)), scales=1, neighbourhood=3, spacing=16)(images)
        of_stride_8 = fine[:, :40].unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean(dim=(3, 5))
        torch.testing.assert_close(coarse, torch.cat([of_stride_8, alone], dim=1), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize(
        ("strides", "scales", "sides"), [((8, 16), 4, (28, 4)), ((8, 16, 32), 3, (14, 4))]
    )
    def test_maps_whose_sides_do_not_divide_fit_too(self, strides, scales, sides):
        backbone = load_backbone(strides=strides)
        features = PatchFeatures(backbone, scales=scales, neighbourhood=3, spacing=strides[-1])
        maps = features(photos(1, 448, 448))
        assert (maps[0].shape[-1], maps[-1].shape[-1]) == sides
        assert {one.shape[1] for one in maps} == {sum(backbone.channels)}

    def test_nothing_in_it_is_trained(self, backbone):
        features = PatchFeatures(backbone, scales=1, neighbourhood=3, spacing=8)
        assert not any(parameter.requires_grad for parameter in features.parameters())


class TestAlign:
    def test_the_first_map_is_untouched_and_the_others_get_its_size(self):
        fine, coarse = torch.rand(2, 3, 8, 12), torch.rand(2, 5, 2, 3)
        first, second = align([fine, coarse])
        assert first is fine
        assert second.shape == (2, 5, 8, 12)

    def test_positions_in_the_image_are_kept(self):
        # Each map holds the coordinate, 0 to 1, of its pixels' centres.
        coarse = ((torch.arange(4) + 0.5) / 4).expand(1, 1, 4, 4)
        fine = ((torch.arange(16) + 0.5) / 16).expand(1, 1, 16, 16)
        _, aligned = align([fine, coarse])
        inner = slice(2, -2)  # bilinear interpolation is flat beyond the outermost centres
        torch.testing.assert_close(aligned[..., inner], fine[..., inner])


def test_points_keep_the_order_of_images_rows_and_columns():
    features = torch.arange(2 * 5 * 3 * 4).reshape(2, 5, 3, 4)
    points = as_points(features)
    assert torch.equal(points[0], features[0, :, 0, 0])
    assert torch.equal(points[1], features[0, :, 0, 1])
    assert torch.equal(points[4], features[0, :, 1, 0])
    assert torch.equal(points[12], features[1, :, 0, 0])


class TestSmooth:
    @pytest.mark.parametrize("sigma", [0.3, 1.0, 1.5, 4.0])
    def test_is_scipys_gaussian_filter(self, sigma):
        maps = torch.rand(2, 9, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        expected = ndimage.gaussian_filter(maps.numpy(), (0, sigma, sigma), mode="nearest", truncate=3)
        np.testing.assert_allclose(smooth(maps, sigma).numpy(), expected, rtol=1e-9)

    @pytest.mark.parametrize("sigma", [0.5, 3.0])
    def test_a_constant_map_stays_constant(self, sigma):
        maps = torch.full((1, 4, 6), -3.0)
        torch.testing.assert_close(smooth(maps, sigma), maps)

    def test_a_peak_stays_where_it_is_and_keeps_its_sum(self):
        maps = torch.zeros(1, 31, 31)
        maps[0, 12, 18] = 1
        blurred = smooth(maps, 2.0)
        assert divmod(int(blurred.argmax()), 31) == (12, 18)
        assert blurred.sum().item() == pytest.approx(1, abs=1e-5)
        assert blurred.max() < 0.1

    def test_sigma_zero_changes_nothing(self):
        maps = torch.rand(2, 5, 5)
        assert torch.equal(smooth(maps, 0), maps)
