import numpy as np
import onnx
import pytest
import torch
from torch import nn

from knowngood.data.loader import Batches
from knowngood.engines.export import blank, to_onnx
from knowngood.errors import DataError
from knowngood.features.frozen import FrozenFeatures
from knowngood.features.views import Symmetries, extract_views, seen_from

SQUARE, WIDE = (16, 16), (16, 32)


def draw(shape, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, *shape, 3), dtype=np.uint8)


def see(orientation, images):
    return Symmetries(orientation, images.shape[1:3])(torch.from_numpy(images)).numpy()


def as_set(views):
    return {view.tobytes() for view in views}


class Corners(nn.Module):
    """The mean of the upper left quarter, and a map of coarse means: neither is the same when turned."""

    def forward(self, images):
        pixels = images.permute(0, 3, 1, 2).float()
        fields = nn.functional.avg_pool2d(pixels, 8)
        return fields[:, :, 0, 0], fields


def frozen(shape, about=None):
    graph = to_onnx(Corners(), {"images": blank(shape)}, ["features/output0", "features/output1"])
    if about:
        model = onnx.load_from_string(graph)
        onnx.helper.set_model_props(model, about)
        graph = model.SerializeToString()
    return FrozenFeatures(graph, Corners)


class TestSymmetries:
    @pytest.mark.parametrize(
        ("orientation", "shape", "count"),
        [
            ("fixed", SQUARE, 1),
            ("mirrored", SQUARE, 2),
            ("quarter", SQUARE, 8),
            ("any", SQUARE, 8),
            ("fixed", WIDE, 1),
            ("mirrored", WIDE, 2),
            ("quarter", WIDE, 4),
            ("any", WIDE, 4),
        ],
    )
    def test_each_is_another_view_and_the_first_the_image_itself(self, orientation, shape, count):
        images = draw(shape)
        views = see(orientation, images)
        assert views.shape == (3, count, *shape, 3)
        assert views.dtype == np.uint8
        assert Symmetries(orientation, shape).count == count
        np.testing.assert_array_equal(views[:, 0], images)
        for of_image in views:
            assert len(as_set(of_image)) == count

    def test_mirrored_is_from_left_to_right(self):
        images = draw(WIDE)
        np.testing.assert_array_equal(see("mirrored", images)[:, 1], images[:, :, ::-1])

    def test_a_squares_are_its_eight_symmetries(self):
        [image] = draw(SQUARE, 1)
        expected = [np.rot90(way, turns) for way in (image, image[:, ::-1]) for turns in range(4)]
        assert as_set(see("quarter", image[None])[0]) == as_set(map(np.ascontiguousarray, expected))

    def test_a_wide_images_are_those_that_keep_its_shape(self):
        [image] = draw(WIDE, 1)
        expected = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
        assert as_set(see("any", image[None])[0]) == as_set(map(np.ascontiguousarray, expected))

    def test_a_turned_image_has_the_same_views(self):
        [image] = draw(SQUARE, 1)
        for other in (np.rot90(image), image[::-1], image.transpose(1, 0, 2)):
            views = see("quarter", np.ascontiguousarray(other)[None])[0]
            assert as_set(views) == as_set(see("quarter", image[None])[0])

    def test_the_images_are_left_as_they_are(self):
        images = draw(SQUARE)
        before = images.copy()
        see("quarter", images)
        np.testing.assert_array_equal(images, before)


class TestSeenFrom:
    @pytest.mark.parametrize(
        ("orientation", "shape"), [("mirrored", SQUARE), ("quarter", SQUARE), ("any", WIDE)]
    )
    def test_rows_of_an_image_are_the_features_of_its_views(self, orientation, shape):
        images = draw(shape)
        views = Symmetries(orientation, shape)
        one = frozen(shape)
        features = seen_from(one, views, shape)
        assert features.views == views.count
        assert features.shapes == one.shapes == [(3,), (3, shape[0] // 8, shape[1] // 8)]
        given = features(torch.from_numpy(images))
        expected = one(torch.from_numpy(see(orientation, images)).flatten(0, 1))
        for ours, theirs in zip(given, expected, strict=True):
            assert len(ours) == 3 * views.count
            torch.testing.assert_close(ours, theirs)
        rows = given[0].reshape(3, views.count, 3)
        assert rows.std(dim=1).min() > 0.1  # the views do differ

    def test_torch_sees_the_same(self):
        images = torch.from_numpy(draw(SQUARE))
        features = seen_from(frozen(SQUARE), Symmetries("quarter", SQUARE), SQUARE)
        for graph, torchs in zip(features(images), features.module()(images), strict=True):
            torch.testing.assert_close(graph, torchs)

    def test_one_view_is_the_features_themselves(self):
        one = frozen(SQUARE)
        assert seen_from(one, Symmetries("fixed", SQUARE), SQUARE) is one

    def test_where_the_weights_came_from_is_not_lost(self):
        about = {"name": "two", "weights": "drawn", "weights_hash": "abc"}
        features = seen_from(frozen(SQUARE, about), Symmetries("any", SQUARE), SQUARE)
        assert features.backbone == about


class TestExtractViews:
    def test_gives_all_views_of_each_image_in_order(self):
        images = draw(SQUARE, 7)
        features = seen_from(frozen(SQUARE), Symmetries("quarter", SQUARE), SQUARE)
        places, found = [], []
        for place, arrays in extract_views(features, Batches(list(images), SQUARE, size=4), device="cpu"):
            assert [array.shape for array in arrays] == [(8, 3), (8, 3, 2, 2)]
            places.append(place)
            found.append([array.copy() for array in arrays])
        assert places == list(range(7))
        expected = features(torch.from_numpy(images))
        for column, theirs in zip(zip(*found, strict=True), expected, strict=True):
            np.testing.assert_allclose(np.concatenate(column), theirs.numpy(), rtol=1e-5)

    def test_images_that_cannot_be_read_are_passed_over_and_places_kept(self, tmp_path):
        images = draw(SQUARE, 5)
        sources, failures = list(images), []
        for place in (0, 3):
            sources[place] = tmp_path / f"{place}.png"
        features = seen_from(frozen(SQUARE), Symmetries("mirrored", SQUARE), SQUARE)
        batches = Batches(sources, SQUARE, on_unreadable=failures.append)
        found = {place: arrays[0].copy() for place, arrays in extract_views(features, batches, device="cpu")}
        assert sorted(found) == [1, 2, 4]
        assert len(failures) == 2
        for place, array in found.items():
            expected = features(torch.from_numpy(images[place][None]))[0]
            np.testing.assert_allclose(array, expected.numpy(), rtol=1e-5)

    def test_else_they_are_an_error(self, tmp_path):
        features = frozen(SQUARE)
        batches = Batches([*draw(SQUARE, 2), tmp_path / "missing.png"], SQUARE)
        with pytest.raises(DataError, match=r"missing\.png"):
            list(extract_views(features, batches, device="cpu"))
