from __future__ import annotations

from base64 import b64decode

import cv2
import numpy as np
import pytest

from knowngood.report.pictures import (
    HEAT,
    HOTTEST,
    SIDE,
    data_uri,
    full_heat,
    heat,
    outline,
    overlay,
    pixels,
    shrink,
)


def decode(uri: str) -> np.ndarray:
    """Decode a data URI to RGB, int (H, W, 3)."""
    kind, content = uri.split(",")
    assert kind in ("data:image/jpeg;base64", "data:image/png;base64")
    return cv2.imdecode(np.frombuffer(b64decode(content), np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def colourfulness(image: np.ndarray) -> np.ndarray:
    """Measure how far each pixel is from grey."""
    return np.ptp(image.astype(int), axis=2)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 7), (5, 3)])
def test_the_hot_spot_lies_where_the_map_has_it(row: int, column: int) -> None:
    height, width, rows, columns = 600, 900, 6, 9
    spot = np.zeros((rows, columns), np.float32)
    spot[row, column] = 1
    shown = overlay(shrink(np.full((height, width, 3), 120, np.uint8), SIDE), spot)
    weight = colourfulness(shown) > 60  # half of the full wash
    y, x = (np.average(axis, weights=weight) for axis in np.indices(weight.shape))
    scale = shown.shape[0] / height
    assert y / scale == pytest.approx((row + 0.5) * height / rows, abs=20)
    assert x / scale == pytest.approx((column + 0.5) * width / columns, abs=20)


def test_heat_is_even_up_to_the_line_and_then_grows_by_the_same_for_each_doubling() -> None:
    typical = float(np.median([1.0, 2.0, 9.0]))
    maps = np.array([[[0.0, 2.0], [3.0, 4.0]], [[6.0, 10.0], [18.0, 99.0]]], np.float32)
    warm = heat(maps, typical, 4.0)
    assert warm.dtype == np.float32
    expected = [[[0, 0], [0.25, 0.5]], [[2 / 3, 5 / 6], [1, 1]]]
    np.testing.assert_allclose(warm, expected, atol=1e-6)
    assert full_heat(typical, 4.0) == 18.0


def test_the_worst_place_within_a_defect_is_seen() -> None:
    """At the line, and three and six times as far up, the wash is brighter at each step."""
    maps = np.array([[1.0, 2.0, 4.0, 7.0]], np.float32)
    shown = overlay(np.full((1, 4, 3), 120, np.uint8), heat(maps, 1.0, 2.0)).astype(int)[0]
    green = shown[1:, 1]  # of the colours of the wash, this differs alone
    assert (np.diff(green) > 30).all()


def test_an_image_has_the_same_heat_whatever_others_are_judged() -> None:
    maps = np.random.default_rng(0).uniform(1.0, 9.0, size=(4, 8, 8)).astype(np.float32)
    typical = float(np.median(np.linspace(1, 4, 10)))
    assert (heat(maps, typical, 5.0)[2] == heat(maps[2], typical, 5.0)).all()


def test_a_threshold_at_the_typical_score_divides_by_nothing() -> None:
    assert np.isfinite(heat(np.ones((1, 2, 2), np.float32), 3.0, 3.0)).all()


def test_an_overlay_keeps_the_image_without_heat_and_its_structure_with_it() -> None:
    image = np.random.default_rng(0).integers(0, 256, size=(20, 30, 3), dtype=np.uint8)
    before = image.copy()
    assert (overlay(image, np.zeros((4, 6), np.float32)) == image).all()
    for level, colour, opacity in ((0.25, HEAT, 0.15), (0.5, HEAT, 0.3), (1.0, HOTTEST, 0.48)):
        washed = overlay(image, np.full((4, 6), level, np.float32)).astype(int)
        assert np.abs(washed - ((1 - opacity) * image + opacity * np.array(colour))).max() <= 1
    assert (image == before).all()


def test_an_outline_hides_nothing_of_what_it_surrounds() -> None:
    image = np.random.default_rng(0).integers(0, 256, size=(300, 400, 3), dtype=np.uint8)
    mask = np.zeros((300, 400), bool)
    mask[100:140, 50:300] = mask[200, 200] = True
    drawn = outline(image, mask, (255, 255, 255))
    assert (drawn[mask] == image[mask]).all()
    assert (drawn[95:145, 45:305] != image[95:145, 45:305]).any()
    assert (drawn[190:211, 190:211] != image[190:211, 190:211]).any()


def test_a_hair_thin_mask_survives_the_shrinking() -> None:
    mask = np.zeros((2000, 2000), bool)
    mask[1001, 200:1800] = True
    assert outline(np.zeros((200, 200, 3), np.uint8), mask)[98:104, 25:175].any(axis=(0, 2)).all()


@pytest.mark.parametrize(
    ("shape", "expected"), [((100, 80), (100, 80)), ((640, 1280), (160, 320)), ((20, 9000), (1, 320))]
)
def test_pictures_are_limited_in_size(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert shrink(np.zeros((*shape, 3), np.uint8), SIDE).shape[:2] == expected


@pytest.mark.parametrize(("side", "kind", "off"), [(16, "png", 0), (100, "jpeg", 5)])
def test_a_picture_keeps_its_colours(side: int, kind: str, off: int) -> None:
    red = np.full((side, side, 3), (200, 30, 40), np.uint8)
    assert data_uri(red).startswith(f"data:image/{kind};")
    assert np.abs(decode(data_uri(red)) - red).max() <= off
    grey = np.full((side, side), 90, np.uint8)
    assert np.abs(decode(data_uri(grey)) - 90).max() <= off


def test_images_of_any_kind_become_pixels() -> None:
    grey = np.array([[[0.0], [0.5]], [[1.0], [2.0]]], np.float32)
    assert pixels(grey).tolist() == [[0, 128], [255, 255]]
    colour = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    assert (pixels(colour) == colour).all()


def test_small_images_are_not_enlarged() -> None:
    image = np.zeros((20, 30), np.uint8)
    assert shrink(image, 40).shape == (20, 30)
    assert shrink(image, 15).shape == (10, 15)
