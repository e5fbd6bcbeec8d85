import dataclasses

import cv2
import numpy as np
import pytest

from knowngood.data import reading
from knowngood.errors import RecipeError
from knowngood.inspector.regions import HeatScale, above
from knowngood.inspector.verdict import Verdict
from knowngood.report.heatmaps import LINE, NARROWEST, draw_heat, heatmap

SCALE = HeatScale(2.0, 4.0)


@pytest.fixture
def image():
    """Structure at every pixel, darker than the lines that are drawn, (270, 360, 3)."""
    return np.random.default_rng(0).integers(60, 180, (270, 360, 3), dtype=np.uint8)


def verdict_of(image, patch_map, **others):
    """The verdict on an image by its map."""
    score = float(patch_map.max())
    decision = "reject" if score > SCALE.line else "accept"
    return Verdict("new/part.png", 0, score, 0.01, decision, image.shape[:2], patch_map, heat_scale=SCALE)


def spot(value, shape=(9, 12), place=(4, 7)):
    """A map with one hot patch."""
    patch_map = np.full(shape, 1.5, np.float32)
    patch_map[place] = value
    return patch_map


def is_line(picture):
    """The pixels of contours and ticks, which are white."""
    return (picture == LINE).all(axis=-1)


def test_without_heat_there_are_ticks_alone(image):
    drawn = draw_heat(image, spot(1.9), SCALE)
    changed = (drawn != image).any(axis=-1)
    # The maximum is at column 225 and row 135; a patch is 30 pixels, ticks are half as long.
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((90, 180, 180, 270), abs=4)
    assert not changed[135 - 26 : 135 + 27, 225 - 26 : 225 + 27].any()


def test_an_accepted_image_has_no_contour_and_a_rejected_one_has(image):
    for value, expected in ((4.0, 0), (4.5, 1)):
        drawn = draw_heat(image, spot(value), SCALE)
        contours, _ = cv2.findContours(is_line(drawn).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        closed = [contour for contour in contours if cv2.contourArea(contour) > 20]
        assert bool(closed) == bool(expected)


def test_the_contour_is_around_what_is_above_the_line_and_hides_none_of_it(image):
    patch_map = spot(30.0)
    drawn = draw_heat(image, patch_map, SCALE)
    inside = above(patch_map, SCALE.line, (270, 360))
    near = cv2.dilate(inside.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    ticks = np.zeros_like(inside)
    ticks[134:137] = ticks[:, 224:227] = True
    assert not is_line(drawn)[inside & ~ticks].any()
    assert not is_line(drawn)[~near & ~ticks].any()
    assert is_line(drawn)[near & ~inside].any()


def test_the_structure_is_visible_where_heat_is_full(image):
    patch_map = np.full((9, 12), 99.0, np.float32)
    drawn = draw_heat(image, patch_map, SCALE)
    centre = slice(150, 250), slice(20, 160)
    before, after = (one[centre].reshape(-1, 3).astype(float) for one in (image, drawn))
    for channel in range(3):
        assert np.corrcoef(before[:, channel], after[:, channel])[0, 1] > 0.99
    assert after.std() > 0.5 * before.std()


@pytest.mark.parametrize(
    ("shape", "enlarged"),
    [((64, 64), 6), ((270, 360), 1), ((200, 100), 2), ((8, 400), 1), ((900, 20), 1), ((720, 1280), 1)],
)
def test_a_picture_of_any_size_has_room_for_the_text(shape, enlarged):
    image = np.full((*shape, 3), 90, np.uint8)
    height, width = shape[0] * enlarged, shape[1] * enlarged
    for beside in (False, True):
        drawn = heatmap(image, verdict_of(image, spot(9.0)), SCALE.line, beside=beside)
        least = 2 * width + 4 if beside else width
        assert drawn.shape[1] == max(NARROWEST, least + (width // 100 - 4) * (beside and width >= 500))
        text = drawn.shape[0] - height
        assert text == 7 * max(12, round(drawn.shape[1] / 48))
        assert drawn.shape[2] == 3


def test_side_by_side_shows_the_image_as_it_is(image):
    drawn = heatmap(image, verdict_of(image, spot(9.0)), SCALE.line, beside=True)
    assert (drawn[:270, :360] == image).all()
    assert (drawn[:270, 364:] == draw_heat(image, spot(9.0), SCALE)).all()


def test_what_is_written_below_depends_on_the_verdict(image):
    rejected = verdict_of(image, spot(9.0))
    shown = [rejected, *(dataclasses.replace(rejected, **other) for other in (
        {"decision": "accept"}, {"score": 8.0}, {"source": "new/größe 零件.png"}, {"predicted_class": "dent"},
        {"p_value": 0.5}, {"heat_scale": HeatScale(2.0, 4.1)}, {"heat_scale": HeatScale(5.0, 4.0)},
        {"source": "x" * 999}, {"source": np.zeros((8, 8), np.uint8)}, {"source": "a\udcff\n.png"},
    ))]  # fmt: skip
    strips = [heatmap(image, one, SCALE.line)[270:] for one in shown]
    for place, strip in enumerate(strips):
        assert strip.shape == (7 * 12, 360, 3)
        assert not any((strip == other).all() for other in strips[:place])
        assert (strip[:, [0, -1]] == strip[0, 0]).all()  # nothing is cut off at the sides


def test_without_a_map_there_is_no_heatmap(image):
    verdict = dataclasses.replace(verdict_of(image, spot(9.0)), patch_map=None, heat_scale=None)
    with pytest.raises(RecipeError, match="gives no maps"):
        heatmap(image, verdict, SCALE.line)


def test_a_large_image_is_drawn_strip_by_strip_as_in_one_piece(image, monkeypatch):
    patch_map = np.random.default_rng(0).random((9, 12), np.float32) * 5
    whole = draw_heat(image, patch_map, SCALE)
    monkeypatch.setattr(reading, "STRIP", 31 * 360)
    strips = draw_heat(image, patch_map, SCALE)
    assert np.abs(strips.astype(int) - whole).max() <= 1  # rows are interpolated in another order
    assert (strips != whole).mean() < 0.01
