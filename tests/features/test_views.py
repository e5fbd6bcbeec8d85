import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.engines.export import blank, to_onnx
from knowngood.errors import DataError, RecipeError
from knowngood.features.extract import extract_views
from knowngood.features.frozen import FrozenFeatures
from knowngood.features.views import (
    MARGIN,
    EightViews,
    Symmetries,
    mean_probability,
    see,
    seen_from,
    vote,
)
from knowngood.recipe import ORIENTATIONS

SQUARE, WIDE = (16, 16), (16, 32)


def draw(shape, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, *shape, 3), dtype=np.uint8)


def view(orientation, images):
    return Symmetries(orientation, images.shape[1:3])(torch.from_numpy(images)).numpy()


def as_set(views):
    return {view.tobytes() for view in views}


def run(module, **inputs):
    examples = {name: value[:1] for name, value in inputs.items()}
    session = onnxruntime.InferenceSession(
        to_onnx(module, examples, ["out"]), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {name: value.numpy() for name, value in inputs.items()})[0]


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, logits):
        return self.function(logits)


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
        views = view(orientation, images)
        assert views.shape == (3, count, *shape, 3)
        assert views.dtype == np.uint8
        assert Symmetries(orientation, shape).count == count
        np.testing.assert_array_equal(views[:, 0], images)
        for of_image in views:
            assert len(as_set(of_image)) == count

    def test_mirrored_is_from_left_to_right(self):
        images = draw(WIDE)
        np.testing.assert_array_equal(view("mirrored", images)[:, 1], images[:, :, ::-1])

    def test_a_squares_are_its_eight_symmetries(self):
        [image] = draw(SQUARE, 1)
        expected = [np.rot90(way, turns) for way in (image, image[:, ::-1]) for turns in range(4)]
        assert as_set(view("quarter", image[None])[0]) == as_set(map(np.ascontiguousarray, expected))

    def test_a_wide_images_are_those_that_keep_its_shape(self):
        [image] = draw(WIDE, 1)
        expected = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
        assert as_set(view("any", image[None])[0]) == as_set(map(np.ascontiguousarray, expected))

    def test_a_turned_image_has_the_same_views(self):
        [image] = draw(SQUARE, 1)
        for other in (np.rot90(image), image[::-1], image.transpose(1, 0, 2)):
            views = view("quarter", np.ascontiguousarray(other)[None])[0]
            assert as_set(views) == as_set(view("quarter", image[None])[0])

    def test_the_images_are_left_as_they_are(self):
        images = draw(SQUARE)
        before = images.copy()
        view("quarter", images)
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
        expected = one(torch.from_numpy(view(orientation, images)).flatten(0, 1))
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
        for place, arrays in extract_views(features, ImageSet(list(images), Reading(SQUARE)), device="cpu"):
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
        batches = ImageSet(sources, Reading(SQUARE), on_unreadable=failures.append)
        found = {place: arrays[0].copy() for place, arrays in extract_views(features, batches, device="cpu")}
        assert sorted(found) == [1, 2, 4]
        assert len(failures) == 2
        for place, array in found.items():
            expected = features(torch.from_numpy(images[place][None]))[0]
            np.testing.assert_allclose(array, expected.numpy(), rtol=1e-5)

    def test_else_they_are_an_error(self, tmp_path):
        features = frozen(SQUARE)
        batches = ImageSet([*draw(SQUARE, 2), tmp_path / "missing.png"], Reading(SQUARE))
        with pytest.raises(DataError, match=r"missing\.png"):
            list(extract_views(features, batches, device="cpu"))


def planes(count, shape):
    """Images as networks see them, float `(count, 3, H, W)`."""
    return torch.from_numpy(draw(shape, count)).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("shape", [(24, 24), (20, 32), (7, 5)])
def test_eight_different_views_the_first_of_which_is_the_image(orientation, shape):
    images = planes(2, shape)
    views = EightViews(orientation)(images)
    assert views.shape == (2, 8, 3, *shape)
    assert torch.equal(views[:, 0], images)
    # In an image of a few pixels half a margin and a whole one are both a pixel.
    assert len({view.numpy().tobytes() for view in views[0]}) == 8 - (
        shape == (7, 5) and orientation == "fixed"
    )


@pytest.mark.parametrize("orientation", ["quarter", "any"])
def test_the_eight_views_of_a_square_are_its_symmetries(orientation):
    images = planes(1, (24, 24))
    views = EightViews(orientation)(images)[0].permute(0, 2, 3, 1).contiguous()
    image = images[0].permute(1, 2, 0).numpy()
    expected = [np.rot90(way, turns) for way in (image, image[:, ::-1]) for turns in range(4)]
    assert as_set(views.numpy()) == as_set(map(np.ascontiguousarray, expected))


def test_views_of_a_rectangle_are_its_symmetries_and_shifts():
    images = planes(1, (20, 40))
    views = EightViews("any")(images)[0]
    assert torch.equal(views[1], images[0].flip(2))
    assert torch.equal(views[2], images[0].flip(1))
    assert torch.equal(views[3], images[0].flip(1, 2))
    assert torch.equal(views[4][:, :-1], images[0][:, 1:])
    assert torch.equal(views[6][..., :-2], images[0][..., 2:])


def test_mirrored_views_are_four_and_their_flips():
    images = planes(1, (24, 24))
    views = EightViews("mirrored")(images)[0]
    assert torch.equal(views[4:], views[:4].flip(3))


def test_a_window_cuts_or_reflects():
    ramp = torch.arange(20.0).expand(1, 1, 20, 20)
    assert MARGIN == 0.05
    nearer, farther = see(ramp, (1, 1, 1, 1)), see(ramp, (-1, -1, -1, -1))
    assert nearer[0, 0, 0].diff().mean() == pytest.approx(0.9, abs=0.01)
    assert farther[0, 0, 0, 1:-1].diff().mean() == pytest.approx(1.1, abs=0.01)
    assert see(ramp, (0, 0, -1, 1))[0, 0, 0, :3].tolist() == [1, 0, 1]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("shape", [(24, 24), (20, 32)])
def test_views_in_a_graph_equal_those_of_torch_for_any_batch(orientation, shape):
    images = planes(3, shape)
    views = EightViews(orientation)
    np.testing.assert_allclose(run(views, images=images), views(images).numpy(), atol=1e-3)


def some_logits(count=50, views=8, classes=3):
    return 5 * torch.randn(count, views, classes, generator=torch.Generator().manual_seed(0))


def probabilities(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_mean_probability_against_numpy():
    logits = some_logits()
    expected = probabilities(logits.numpy()).mean(axis=1)
    np.testing.assert_allclose(mean_probability(logits).exp().numpy(), expected, rtol=1e-5)


def test_votes_against_numpy():
    logits = some_logits()
    means = probabilities(logits.numpy()).mean(axis=1)
    for row, result in enumerate(vote(logits).numpy()):
        counts = np.bincount(logits[row].argmax(dim=1).numpy(), minlength=3)
        np.testing.assert_allclose(np.exp(result), (counts + means[row]) / 9, rtol=1e-4)
        ties = np.flatnonzero(counts == counts.max())
        assert result.argmax() == ties[means[row][ties].argmax()]


def test_a_tied_vote_goes_to_the_surer_class():
    logits = torch.tensor([[[3.0, 0, 0], [3.0, 0, 0], [0, 1.0, 0], [0, 1.0, 0]]])
    assert vote(logits).argmax() == 0
    assert vote(logits.roll(1, dims=2)).argmax() == 1


@pytest.mark.parametrize("together", [vote, mean_probability])
def test_extreme_logits_stay_finite_and_a_graph_gives_the_same(together):
    logits = torch.cat([some_logits(), torch.tensor([1e4, -1e4, 0.0]).expand(1, 8, 3)])
    result = together(logits)
    assert torch.isfinite(result).all()
    np.testing.assert_allclose(run(Function(together), logits=logits), result.numpy(), rtol=1e-4, atol=1e-5)


def test_an_orientation_that_is_not_known():
    with pytest.raises(RecipeError, match="orientation='down' must be one of fixed, mirrored"):
        EightViews("down")
