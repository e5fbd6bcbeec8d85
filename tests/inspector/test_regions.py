from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knowngood.data import reading
from knowngood.data.reading import map_on_image
from knowngood.errors import RecipeError
from knowngood.inspector.regions import HeatScale, Region, above, find_regions, hottest

LINE = 5.0


def spots(shape, *places, value=9.0):
    """A map of ones with hot patches."""
    patch_map = np.ones(shape, np.float32)
    for place in places:
        patch_map[place] = value
    return patch_map


def test_a_hot_patch_of_a_wide_image():
    [region] = find_regions(spots((6, 9), (1, 7)), LINE, (300, 900))
    # Patches are 50 pixels high and 100 wide; the map is at the line halfway between two centres.
    assert region == Region(701, 50, 98, 50, region.area, 9.0, 750, 75)
    assert 0.5 < region.area / (98 * 50) < 0.9  # in the corners interpolation is lower


def test_a_hot_patch_in_the_corner_of_a_tall_image():
    [region] = find_regions(spots((9, 6), (8, 0)), LINE, (900, 300))
    assert (region.x, region.y, region.width, region.height) == (0, 800, 50, 100)  # flat at the edges
    assert (region.max_x, region.max_y) == (25, 850)


def test_regions_are_apart_unless_they_touch_and_the_hottest_comes_first():
    patch_map = spots((8, 8), (1, 1), (1, 2))
    patch_map[6, 6] = 20
    first, second = find_regions(patch_map, LINE, (160, 160))
    assert (first.max_score, first.max_x, first.max_y) == (20.0, 130, 130)
    assert second.width > second.height
    diagonal = spots((8, 8), (1, 1), (2, 2), value=60.0)
    assert len(find_regions(diagonal, LINE, (8, 8))) == 1


def test_nothing_is_above_the_line():
    patch_map = spots((4, 4), (1, 1), value=LINE)
    assert find_regions(patch_map, LINE, (33, 47)) == []
    assert not above(patch_map, LINE, (33, 47)).any()


def test_the_line_is_compared_like_the_threshold_of_the_score():
    value = np.float32(3.7)  # a little more than 3.7
    line = (3.7 + float(value)) / 2
    assert np.float32(line) == value
    [region] = find_regions(np.full((2, 2), value), line, (16, 16))
    assert region[:5] == (0, 0, 16, 16, region.area)
    assert region.max_score == float(value) > line


SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
MAPS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(0, 10, width=32))
)


@given(patch_map=MAPS, size=SIZES)
def test_pixels_are_marked_exactly_if_the_maximum_is_above_the_line(patch_map, size):
    marked, regions = above(patch_map, LINE, size), find_regions(patch_map, LINE, size)
    assert marked.shape == size
    assert marked.any() == bool(regions) == bool(patch_map.max() > LINE)
    assert sum(region.area for region in regions) == marked.sum()
    if regions:
        assert regions[0].max_score == patch_map.max()
    for region in regions:
        assert region.max_score > LINE
        assert marked[region.max_y, region.max_x]
        assert 0 <= region.max_x - region.x < region.width
        assert 0 <= region.max_y - region.y < region.height
        box = marked[region.y : region.y + region.height, region.x : region.x + region.width]
        for edge in (box[0], box[-1], box[:, 0], box[:, -1]):
            assert edge.any()


@given(patch_map=MAPS, size=SIZES, typical=st.floats(0, 6), rejected=st.booleans())
def test_exactly_rejected_images_are_above_their_own_line(patch_map, size, typical, rejected):
    scale = HeatScale(typical, LINE)
    own = scale.of_image(patch_map, rejected=rejected)
    assert above(patch_map, own.line, size).any() == rejected
    assert own == scale or (patch_map.max() > LINE) != rejected


def test_large_images_agree_with_the_map_on_the_image():
    patch_map = np.random.default_rng(0).uniform(0, 10, (12, 16)).astype(np.float32)
    differ = above(patch_map, 6.0, (1200, 1600)) != (map_on_image(patch_map, (1200, 1600)) > 6.0)
    assert np.count_nonzero(differ) < 20  # by rounding, at the line


@pytest.mark.parametrize(("place", "pixel"), [((0, 0), (5, 10)), ((2, 3), (35, 50))])
def test_the_place_of_the_maximum(place, pixel):
    assert hottest(spots((3, 4), place), (60, 40)) == pixel


@given(row=st.floats(2, 6), column=st.floats(2, 9))
def test_the_place_of_a_maximum_between_patches(row, column):
    rows, columns = np.mgrid[:9, :12]
    patch_map = (50 - (rows + 0.5 - row) ** 2 - (columns + 0.5 - column) ** 2).astype(np.float32)
    x, y = hottest(patch_map, (900, 1200))
    assert (x, y) == (pytest.approx(100 * column, abs=2), pytest.approx(100 * row, abs=2))
    assert find_regions(patch_map, 45.0, (900, 1200))[0][-2:] == (x, y)


def test_verdicts_agree_with_their_decisions(inspector, test_images):
    verdicts = inspector.inspect(test_images)
    assert {verdict.decision for verdict in verdicts} == {"accept", "reject"}
    for verdict in verdicts:
        regions = verdict.regions()
        assert bool(regions) == (verdict.decision == "reject")
        assert verdict.mask.shape == verdict.size
        assert verdict.mask.sum() == sum(region.area for region in regions)
        if regions:
            assert regions[0].max_score == verdict.patch_map.max()


def test_a_detector_without_maps(inspector, test_images):
    [verdict] = inspector.inspect(test_images[0])
    verdict = replace(verdict, patch_map=None, heat_scale=None)
    for what in (verdict.regions, lambda: verdict.mask):
        with pytest.raises(RecipeError, match="gives no maps"):
            what()


def test_a_large_image_is_marked_strip_by_strip_as_in_one_piece(monkeypatch):
    patch_map = np.random.default_rng(0).random((7, 9), np.float32)
    whole = above(patch_map, 0.6, (101, 140))
    monkeypatch.setattr(reading, "STRIP", 20 * 140)
    assert len(reading.strips((101, 140))) == 6
    np.testing.assert_array_equal(above(patch_map, 0.6, (101, 140)), whole)
