import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knowngood.data.reading import frame_of
from knowngood.data.roi import Roi
from knowngood.inspector.placing import Placing
from knowngood.inspector.regions import HeatScale, find_regions

SCALE = HeatScale(2.0, 5.0)
SIZE = (120, 200)
CUT = (30, 40, 90, 160)


def placing(shape=(6, 12), roi=None, share=(0.5, 0.6)):
    return Placing(shape, share, roi, SCALE)


def test_a_map_is_put_where_it_was_cut_out():
    patch_map = np.full((6, 12), 3.0, np.float32)
    patch_map[2, 3] = 9
    whole = placing().whole(patch_map, frame_of(CUT), SIZE)
    assert whole.shape == (24, 40)
    assert whole.max() == 9
    # Row 30 + 2.5 patches of 10 pixels, column 40 + 3.5 patches of 10.
    [region] = find_regions(whole, 5.0, SIZE)
    assert abs(region.max_y - 55) <= 5
    assert abs(region.max_x - 75) <= 5
    inside = np.zeros((24, 40), np.bool_)
    inside[6:18, 8:32] = True
    assert (whole[~inside] == 2).all()
    assert (whole[inside] >= 3).all()


def test_a_map_of_a_turned_part():
    # The part's x axis points down in the picture, its y axis to the left.
    frame = np.array([[0, -60.0, 130], [120, 0, 0]])
    patch_map = np.full((6, 12), 3.0, np.float32)
    patch_map[0, 11] = 9  # its upper right corner: at the bottom, to the right
    [region] = find_regions(placing().whole(patch_map, frame, SIZE), 5.0, SIZE)
    assert abs(region.max_x - 125) <= 5
    assert abs(region.max_y - 115) <= 5


@given(arrays(np.float32, (5, 7), elements=st.floats(0, 10, width=32)), st.integers(0, 3))
def test_the_maximum_is_kept_and_inside_the_region(patch_map, corner):
    drawn = np.zeros(SIZE, np.bool_)
    drawn[CUT[0] : CUT[2], CUT[1] : CUT[3]] = True
    drawn[CUT[0] : CUT[0] + 20, CUT[1] + 20 * corner :] = False
    roi = Roi.of(drawn)
    whole = placing((5, 7), roi).whole(patch_map, frame_of(roi.cut(SIZE)), SIZE)
    assert whole.max() == max(patch_map.max(), min(patch_map.min(), 2.0))
    assert (whole[~roi.inside(whole.shape)] <= 2).all()


def test_small_parts_of_large_pictures_take_bounded_memory():
    assert placing((28, 28), share=(0.01, 0.3)).grid == (256, 187)
    assert placing((28, 28), share=(1.0, 1.0)).grid == (56, 56)
