import json

import cv2
import numpy as np
import pytest

from knowngood.data.geometry import Geometry
from knowngood.errors import DataError, RecipeError

SIZES = np.array([[40, 60], [40, 60]])
RECTANGLE = {"rectangle": [10, 5, 30, 20]}


def region(sizes=SIZES, **drawn):
    return Geometry(**drawn).region(sizes)


def test_no_region():
    assert region() is None


def test_rectangles_have_exact_pixels():
    roi = region(roi={"shapes": [RECTANGLE]})
    assert roi.box == (5, 10, 20, 30)
    assert roi.drawn.all()


def test_a_polygon_has_the_pixels_whose_middle_is_inside():
    triangle = {"polygon": [[0, 0], [10, 0], [0, 10]]}
    roi = region(roi={"shapes": [triangle]})
    expected = [[x + 0.5 + y + 0.5 < 10 for x in range(9)] for y in range(9)]
    np.testing.assert_array_equal(roi.drawn, expected)


def test_shapes_are_joined_and_ignored_ones_taken_out():
    roi = region(
        roi={"shapes": [RECTANGLE, {"rectangle": [50, 30, 10, 10]}]},
        ignore={"shapes": [{"rectangle": [10, 5, 10, 20]}, {"rectangle": [0, 0, 1, 1]}]},
    )
    assert roi.box == (5, 20, 35, 40)
    assert roi.drawn.sum() == 20 * 20 + 100


def test_ignored_alone():
    roi = region(ignore={"shapes": [{"rectangle": [0, 0, 60, 10]}]})
    assert (roi.box, roi.share) == ((10, 0, 30, 60), 0.75)


def test_shapes_drawn_on_another_size_are_scaled():
    roi = region(roi={"size": [80, 120], "shapes": [{"rectangle": [20, 10, 60, 40]}]})
    assert roi.box == (5, 10, 20, 30)


def test_pictures_of_several_sizes():
    sizes = np.array([[40, 60], [80, 120]])
    assert region(sizes, roi={"size": [40, 60], "shapes": [RECTANGLE]}).box == (10, 20, 40, 60)
    with pytest.raises(DataError, match="the pictures have several sizes; say on which it was drawn"):
        region(sizes, roi={"shapes": [RECTANGLE]})


def test_mask_images_and_files_of_json(tmp_path):
    mask = np.zeros((40, 60), np.uint8)
    mask[5:25, 10:40] = 255
    cv2.imwrite(str(tmp_path / "roi.png"), mask)
    (tmp_path / "roi.json").write_text(json.dumps({"size": [40, 60], "shapes": [RECTANGLE]}))
    for drawn in (tmp_path / "roi.png", str(tmp_path / "roi.json"), mask > 0):
        roi = region(roi=drawn)
        assert roi.box == (5, 10, 20, 30)
        assert roi.drawn.all()


def test_files_of_labelme(tmp_path):
    shapes = [
        {"label": "part", "points": [[40, 25], [10, 5]], "shape_type": "rectangle", "flags": {}},
        {"label": "part", "points": [[0, 0], [4, 0], [4, 4], [0, 4]], "shape_type": "polygon"},
    ]
    content = {"version": "5.5.0", "shapes": shapes, "imageHeight": 40, "imageWidth": 60}
    (tmp_path / "001.json").write_text(json.dumps(content))
    assert region(roi=tmp_path / "001.json").drawn.sum() == 600 + 16


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        ({"shapes": [{"rectangle": [40, 5, 30, 20]}]}, r"shape 1: it reaches beyond the picture.*40 x 60"),
        ({"shapes": [RECTANGLE, {"rectangle": [-1, 5, 3, 2]}]}, "shape 2: it reaches beyond the picture"),
        ({"shapes": [{"polygon": [[0, 0], [20, 20], [20, 0], [0, 20]]}]}, "the polygon crosses itself"),
        ({"shapes": [{"polygon": [[0, 0], [20, 20]]}]}, "a polygon has 3 to 2000 corners, this one 2"),
        ({"shapes": [{"rectangle": [1, 2, 3]}]}, r"\[1, 2, 3\] are not the numbers of a shape"),
        ({"shapes": [{"rectangle": [1, 2, float("nan"), 4]}]}, "are not the numbers of a shape"),
        ({"shapes": [{"rectangle": [1, 2, 0, 4]}]}, "is empty"),
        ({"shapes": [{"polygon": "all"}]}, "'all' are not the numbers of a shape"),
        ({"shapes": [{"circle": [1, 2, 3]}]}, r"'circle'.* is no rectangle and no polygon; write"),
        ({"shapes": []}, "it has no list of shapes; write"),
        ({"shapes": [RECTANGLE], "sise": [40, 60]}, "it has an unknown key 'sise'; write"),
        ({"shapes": [RECTANGLE], "size": [40]}, r"its size is \[40\], not a height and a width"),
        ({"shapes": [RECTANGLE], "size": [60, 40]}, "drawn on a picture of 60 x 40.*another aspect ratio"),
        ({"shapes": [{"rectangle": [1, 2, 30, 4]}]}, "extends over 4 x 30 pixels.*it needs 8"),
        (np.zeros((40, 60)), "it marks no pixel"),
        (np.ones((20, 30)), "the mask is 20 x 30, but the pictures are 40 x 60"),
        (np.ones((40, 60, 3)), "the mask is 40 x 60 x 3, but the pictures are 40 x 60"),
    ],
)
def test_regions_that_cannot_be_used(drawn, message):
    with pytest.raises(DataError, match=f"--roi.*{message}|{message}") as raised:
        region(roi=drawn)
    assert "\n" not in str(raised.value)


def test_nothing_is_left():
    with pytest.raises(DataError, match="--ignore-region covers all"):
        region(roi={"shapes": [RECTANGLE]}, ignore={"shapes": [{"rectangle": [0, 0, 50, 30]}]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "it is not JSON"),
        (b"\xff\xfe{", "it is not JSON"),
        (b"[]", "no list of shapes"),
        (b"3", "no list"),
    ],
)
def test_files_that_are_no_region(tmp_path, content, message):
    (tmp_path / "roi.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"--roi '.*roi.json': .*{message}"):
        region(roi=tmp_path / "roi.json")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="it cannot be read: No such file"):
        region(roi=tmp_path / "none.json")
    (tmp_path / "roi.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"roi\.png"):
        region(roi=tmp_path / "roi.png")


def test_pictures_of_several_aspect_ratios():
    with pytest.raises(DataError, match=r"several aspect ratios, from 40 x 60 to 60 x 60"):
        region(np.array([[40, 60], [60, 60]]), roi={"shapes": [RECTANGLE]})


def test_an_unknown_alignment():
    with pytest.raises(RecipeError, match="align='yes' is not known; take none or auto"):
        Geometry(align="yes")
