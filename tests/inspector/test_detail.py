"""The rule of how fine to look."""

import numpy as np
import pytest

from knowngood.detectors import make_detector
from knowngood.errors import RecipeError
from knowngood.inspector.detail import ENLARGED, MOST, SPAN, Looking, choose, detail_in_words, view
from knowngood.inspector.fit import fit

PATCHCORE = make_detector("patchcore", {})


def chosen(looking, size, sources=(), recipe=PATCHCORE):
    return choose(looking, recipe, np.array([size, size]), sources)


@pytest.mark.parametrize("native", [28, 300, 512, 2048])
def test_normal_is_the_usual_input_whatever_the_picture(native):
    assert view(native, 448) == (448, 0)
    assert chosen(Looking(), (native, native)) == (448, None)


@pytest.mark.parametrize("usual", [128, 256, 320, 448, 512])
def test_fast_has_at_most_half_of_the_pixels(usual):
    size = round(view(1000, usual, "fast").input_size / 64) * 64
    assert 0.2 < size**2 / usual**2 <= 0.5


def test_fine_has_the_pictures_own_pixels_and_no_more():
    assert view(300, 448, "fine") == (448, 0)
    assert view(1000, 448, "fine") == (1000, 0)
    assert view(2048, 448, "fine") == (448, 448)
    assert chosen(Looking(detail="fine"), (2048, 2048))[1].side == 448
    assert chosen(Looking("none", "fine"), (2048, 2048)) == (MOST * 448, None)


@pytest.mark.parametrize("native", [300, 512, 1000, 4000])
@pytest.mark.parametrize("defect", [4, 12, 24, 60])
def test_a_smallest_defect_spans_enough_pixels_of_the_input(native, defect):
    size, side = view(native, 448, defect=defect)
    scale = size / (side or native)
    assert scale * defect >= SPAN - 0.2 or scale == pytest.approx(ENLARGED, rel=0.01)
    assert size <= MOST * 448
    assert size >= 448 / 2


def test_a_share_is_of_the_side():
    assert Looking(smallest_defect="3%").pixels(400) == 12
    assert Looking(smallest_defect=" 7.5px").pixels(400) == Looking(smallest_defect=7.5).pixels(1) == 7.5
    assert chosen(Looking(smallest_defect="10%"), (512, 512)) == (240, None)


def test_tiles_that_are_asked_for_are_looked_at_like_pictures():
    size, tiling = chosen(Looking(512), (2048, 2048))
    assert (size, tiling.side, tiling.rim) == (448, 512, 74)
    assert chosen(Looking("512", "fine"), (2048, 2048))[0] == 512
    assert chosen(Looking(512, smallest_defect="12px"), (2048, 2048))[0] == 1024
    assert chosen(Looking(512), (2048, 512))[1].side == 512


def test_auto_takes_the_side_of_the_parts_or_the_input():
    tray = np.full((2000, 2000), 200, np.uint8)
    tray[100:160, 300:600] = 50
    assert chosen(Looking("auto"), (2000, 2000), [tray, tray])[1].side == pytest.approx(330, rel=0.1)
    texture = np.random.default_rng(0).integers(0, 256, (2000, 2000), np.uint8)
    assert chosen(Looking("auto"), (2000, 2000), [texture])[1].side == 448
    assert chosen(Looking("auto", smallest_defect="12px"), (2000, 2000), [texture])[1].side == 224
    assert chosen(Looking("auto"), (500, 600), [texture]) == (448, None)  # hardly larger than a tile


def test_an_input_size_stays_within_what_its_detector_takes():
    padim = make_detector("padim", {})
    assert choose(Looking("none", "fine"), padim, np.array([[9000, 9000]]), ())[0] == 640
    wide = make_detector("padim", {"input_size": 1024})
    assert choose(Looking(), wide, np.array([[64, 64]]), ())[0] == 1024


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tiles": "many"}, "tiles='many' must be auto, none, or a side of at least 64 pixels"),
        ({"tiles": 63}, "tiles=63 must be"),
        ({"tiles": -512}, "tiles=-512 must be"),
        ({"tiles": "5.5"}, "tiles='5.5' must be"),
        ({"tiles": True}, "tiles=True must be"),
        ({"detail": "best"}, "detail='best' must be one of fast, normal, fine"),
        ({"smallest_defect": "tiny"}, "smallest_defect='tiny' must be in pixels, such as 12px"),
        ({"smallest_defect": "0px"}, "must be in pixels"),
        ({"smallest_defect": "-3%"}, "must be in pixels"),
        ({"smallest_defect": "nan"}, "must be in pixels"),
        ({"smallest_defect": "101%"}, "must be in pixels"),
        ({"detail": "fine", "smallest_defect": "3%"}, "detail=fine and smallest_defect=3% contradict"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(RecipeError, match=message):
        Looking(**given)


def test_what_does_not_suit_the_pictures_or_the_recipe_is_refused():
    with pytest.raises(
        RecipeError, match="tiles of 512 pixels are larger than the largest image, 400 pixels"
    ):
        chosen(Looking(512), (400, 300))
    own = make_detector("patchcore", {"input_size": 320})
    with pytest.raises(RecipeError, match="detail fine and input_size=320 contradict"):
        chosen(Looking(detail="fine"), (400, 300), recipe=own)
    assert chosen(Looking(), (400, 300), recipe=own) == (320, None)


def test_an_inspector_says_how_it_looks(widget, inspector):
    assert detail_in_words(inspector.manifest) == (
        "images of 96 x 96 as 128 x 128 (detail normal), for defects of about 18 pixels or more"
    )
    fast = fit(widget, "gaussian", detail="fast")
    assert fast.manifest.input_shape == (320, 320)
    assert fast.manifest.recipe["input_size"] == 307
