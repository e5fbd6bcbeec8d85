import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knowngood.data.framing import learn_framing
from knowngood.data.geometry import Geometry
from knowngood.data.reading import Reading
from knowngood.data.roi import Roi
from knowngood.errors import DataError

masks = arrays(np.bool_, st.tuples(st.integers(8, 30), st.integers(8, 30))).filter(np.any)


@given(masks)
def test_the_numbers_of_a_region_give_it_again(drawn):
    roi = Roi.of(drawn)
    again = Roi.of_numbers(roi.to_numbers())
    assert (again.size, again.box, again.fill) == (roi.size, roi.box, roi.fill)
    np.testing.assert_array_equal(again.drawn, roi.drawn)
    np.testing.assert_array_equal(roi.inside(drawn.shape), drawn)


@given(masks, st.integers(1, 4))
def test_a_region_is_valid_for_larger_pictures(drawn, times):
    roi = Roi.of(drawn)
    larger = np.kron(drawn, np.ones((times, times), np.bool_))
    np.testing.assert_array_equal(roi.inside(larger.shape), larger)
    top, left, bottom, right = roi.cut(larger.shape)
    assert larger[top:bottom, left:right].sum() == larger.sum()
    assert (bottom - top, right - left) == (times * roi.box[2], times * roi.box[3])


@given(masks, st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_cells_that_a_region_touches(drawn, grid):
    touched = Roi.of(drawn).touched(grid)
    assert touched.any()
    assert touched[Roi.of(drawn).inside(grid)].all()


@pytest.mark.parametrize("shape", [(64, 96), (24, 32), (120, 200)])
def test_what_is_outside_changes_nothing(shape):
    rng = np.random.default_rng(0)
    drawn = np.zeros((90, 140), np.bool_)
    drawn[10:80, 20:121] = True
    drawn[40:50, 60:75] = False  # ignored
    reading = Reading(shape, roi=Roi.of(drawn))
    picture, noise = rng.integers(0, 255, (2, 90, 140, 3), np.uint8)
    changed = np.where(drawn[..., None], picture, noise)
    np.testing.assert_array_equal(reading.read(picture).pixels, reading.read(changed).pixels)
    assert (reading.read(picture).pixels != reading.read(255 - picture).pixels).any()


def test_the_picture_is_left_as_it_is():
    picture = np.full((40, 40, 3), 200, np.uint8)
    drawn = np.ones((40, 40), np.bool_)
    drawn[15:25, 15:25] = False
    read = Reading((40, 40), roi=Roi.of(drawn)).read(picture)
    assert (picture == 200).all()
    assert (read.pixels == 128).any()
    assert read.frame.tolist() == [[40, 0, 0], [0, 40, 0]]


def test_the_fill_is_the_mean_colour_of_the_region():
    drawn = np.zeros((40, 60), np.bool_)
    drawn[10:30, 10:30] = True
    drawn[20:25, 20:25] = False
    pictures = [np.full((40, 60, 3), 30, np.uint8) for _ in "ab"]
    for picture, colour in zip(pictures, ([10, 60, 90], [20, 80, 90]), strict=True):
        picture[drawn] = colour
    geometry = Geometry(roi=drawn)
    framing = learn_framing(geometry, [*pictures, "no such file.png"], np.array([[40, 60]]))
    assert framing.roi.fill == (15, 70, 90)


def test_masks_are_cut_as_images_are():
    drawn = np.zeros((80, 80), np.bool_)
    drawn[20:60, 40:80] = True
    mask = np.zeros((80, 80), np.bool_)
    mask[30:40, :60] = True
    marked = Reading((20, 20), roi=Roi.of(drawn)).marked(None, mask)
    assert marked.shape == (20, 20)
    assert np.argwhere(marked).min(axis=0).tolist() == [5, 0]
    assert np.argwhere(marked).max(axis=0).tolist() == [9, 9]


def test_a_region_too_narrow_for_the_input():
    drawn = np.zeros((400, 400), np.bool_)
    drawn[np.arange(400), np.arange(400)] = True
    framing = learn_framing(Geometry(roi=drawn), [np.zeros((400, 400), np.uint8)], np.array([[400, 400]]))
    with pytest.raises(DataError, match="nothing is left at 32 x 32 pixels; draw it wider"):
        framing.reading((32, 32))


def test_a_region_in_words():
    drawn = np.zeros((40, 60), np.bool_)
    drawn[10:30, 20:50] = True
    assert str(Roi.of(drawn)) == (
        "25.0% of the image, within 20 x 30 pixels from row 10 and column 20 of 40 x 60 (height x width)"
    )
