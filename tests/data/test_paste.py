import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowngood.data.paste import part_of, paste, paste_many
from knowngood.errors import DataError

WAYS = [{"turn": False, "mirror": False}, {"turn": True, "mirror": True}]


def bar(seed, *, angle=0.0, shape=(120, 160), light=0):
    """A dark bar with a grain along it on a light, even background."""
    rng = np.random.default_rng(seed)
    height, width = shape
    rows, columns = np.mgrid[:height, :width] - np.array([height / 2, width / 2])[:, None, None]
    along = columns * np.cos(angle) + rows * np.sin(angle)
    across = rows * np.cos(angle) - columns * np.sin(angle)
    image = np.where(
        (np.abs(along) < 0.35 * width) & (np.abs(across) < 0.2 * height), 90 + 12 * np.sin(across / 2), 200
    )
    image = cv2.GaussianBlur(image + light, (0, 0), 0.8) + rng.normal(0, 2, shape)
    return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def scratched(seed, **more):
    """A bar with a bright scratch of about 20 x 5 pixels, and its mask."""
    image = bar(seed, **more)
    mask = np.zeros(image.shape[:2], bool)
    mask[52:58, 70:92] = True
    image[53:57, 72:90] = 245
    return image, mask


def dilated(mask, by):
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0


def test_no_pixel_changes_outside_the_moved_mask_and_its_margin():
    defect, mask = scratched(0)
    good = bar(1)
    for seed in range(10):
        made = paste(good, defect, mask, np.random.default_rng(seed), turn=False, mirror=False)
        changed = (made != good).any(axis=2)
        # Moved by at most 5 % of 120 pixels, with a margin of at most 3 % of them.
        assert changed.any()
        assert not (changed & ~dilated(mask, 6 + 3)).any()


@pytest.mark.parametrize("way", WAYS)
def test_the_defect_itself_is_there(way):
    defect, mask = scratched(0)
    for seed in range(10):
        good = bar(seed + 1, angle=0.7 if way["turn"] else 0.0)
        made = paste(good, defect, mask, np.random.default_rng(seed), **way)
        bright = (made[..., 0] > 225) & (good[..., 0] < 150)
        assert 0.7 * 72 < bright.sum() < 1.2 * 72


def test_without_moving_the_inside_is_what_was_seen_but_for_light():
    defect, mask = scratched(0)
    mask[:, 0] = mask[0] = True  # cut off by the border at two sides, so that it stays in its place
    good = bar(1, light=-20)
    made = paste(good, defect, mask, np.random.default_rng(0), turn=False, mirror=False)
    change = made[52:58, 70:92].astype(int) - defect[52:58, 70:92]
    assert np.abs(change).max() <= 30
    assert -30 <= change.mean() <= -5
    np.testing.assert_allclose(made[53:57, 72:90].mean() - made[52, 70:92].mean(), 155, atol=25)


def test_no_seam_shows():
    defect, mask = scratched(0)
    mask = dilated(mask, 3)
    steps = []
    for seed in range(10):
        good = bar(seed + 1, light=25)  # another light, which a plain copy would show
        made = paste(good, defect, mask, np.random.default_rng(seed), turn=False, mirror=False)
        changed = (made != good).any(axis=2).astype(np.uint8)
        changed = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((9, 9))) > 0  # equal by accident
        rim = changed & ~cv2.erode(changed.astype(np.uint8), np.ones((5, 5))).astype(bool)
        grain = dilated(changed, 6) & ~dilated(changed, 2)
        gradients = [np.abs(cv2.Laplacian(image[..., 0], cv2.CV_64F)) for image in (made, good)]
        steps.append(gradients[0][rim].mean() / gradients[1][grain].mean())
    assert np.mean(steps) < 1.2
    plain = good.copy()
    plain[mask] = defect[mask]
    rim = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3))).astype(bool)
    assert np.abs(cv2.Laplacian(plain[..., 0], cv2.CV_64F))[rim].mean() > 2 * gradients[1][grain].mean()


def test_a_defect_that_may_turn_lies_on_the_part_and_along_its_grain():
    defect, mask = scratched(0)
    off = []
    for seed in range(15):
        angle = np.random.default_rng(seed).uniform(0, np.pi)
        good = bar(seed + 1, angle=angle, shape=(160, 160))
        big = [
            cv2.copyMakeBorder(each, 20, 20, 0, 0, cv2.BORDER_REPLICATE)
            for each in (defect, mask.astype("u1"))
        ]
        made = paste(good, big[0], big[1] > 0, np.random.default_rng(seed), turn=True, mirror=True)
        bright = made[..., 0].astype(int) - good[..., 0] > 60
        assert 60 < bright.sum() < 90
        assert part_of(good)[bright].mean() > 0.95
        places = np.argwhere(bright) - np.argwhere(bright).mean(axis=0)
        run = np.linalg.svd(places, full_matrices=False)[2][0]  # the direction in which it is longest
        turned = np.rad2deg(np.arctan2(run[0], run[1]) - angle) % 180
        off.append(min(turned, 180 - turned))
    assert np.median(off) < 10


def test_a_defect_is_not_put_where_there_is_no_part():
    defect, mask = scratched(0)
    empty = np.full_like(defect, 200)
    empty[100:115, 140:155] = 90  # another part, elsewhere
    assert paste(empty, defect, mask, np.random.default_rng(0), turn=False, mirror=False) is None


def test_a_mirrored_defect_lies_where_the_mirror_shows_it():
    defect, mask = scratched(0)
    columns = set()
    for seed in range(20):
        made = paste(bar(1), defect, mask, np.random.default_rng(seed), turn=False, mirror=True)
        columns.add(round(float(np.argwhere(made[..., 0] > 235)[:, 1].mean())) > 79)
    assert columns == {False, True}


@pytest.mark.parametrize("way", WAYS)
def test_an_empty_mask_gives_nothing(way):
    empty = np.zeros((120, 160), bool)
    assert paste(bar(0), bar(1), empty, np.random.default_rng(0), **way) is None


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(8, 70), st.integers(8, 300)),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.booleans(),
    st.integers(0, 9),
)
def test_any_mask_of_any_shape_is_pasted_or_not(shape, corners, turn, seed):
    rng = np.random.default_rng(seed)
    good, defect = rng.integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    if seed % 2:
        good, defect = good // 16 + 100, defect // 16 + 100
    top, bottom = sorted(int(share * (shape[0] - 1)) for share in corners[:2])
    left, right = sorted(int(share * (shape[1] - 1)) for share in corners[2:])
    mask = np.zeros(shape, bool)
    mask[top : bottom + 1, left : right + 1] = True
    before = [each.copy() for each in (good, defect, mask)]
    made = paste(good, defect, mask, rng, turn=turn, mirror=True)
    assert made is None or (made.shape == good.shape and made.dtype == np.uint8)
    for now, was in zip((good, defect, mask), before, strict=True):
        np.testing.assert_array_equal(now, was)


@pytest.mark.parametrize(
    "edge", [np.s_[90:150, :9], np.s_[90:99, -25:], np.s_[:9, 90:99], np.s_[-9:, 90:150]]
)
def test_a_defect_that_the_border_cuts_off_stays_at_it(edge):
    mask = np.zeros((300, 400), bool)
    mask[edge] = True
    good = np.full((300, 400, 3), 200, np.uint8)
    defect = np.where(mask[..., None], 80, good).astype(np.uint8)
    made = paste(good, defect, mask, np.random.default_rng(1), turn=False, mirror=False)
    dark = made[..., 0] < 100
    for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert dark[side].sum() == mask[side].sum()
    assert dark.sum() == mask.sum()


def test_a_mask_of_the_whole_image_gives_the_whole_image():
    made = paste(
        bar(0), bar(1), np.ones((120, 160), bool), np.random.default_rng(0), turn=False, mirror=False
    )
    np.testing.assert_array_equal(made, bar(1))


def test_images_of_other_sizes_are_refused():
    defect, mask = scratched(0)
    for good in (bar(0, shape=(160, 160)), bar(0)[..., 0]):
        with pytest.raises(DataError, match="all must be of one size"):
            paste(good, defect, mask, np.random.default_rng(0), turn=False, mirror=False)
    with pytest.raises(DataError, match=r"its mask \(160, 120\)"):
        paste(bar(0), defect, mask.T, np.random.default_rng(0), turn=False, mirror=False)


@pytest.mark.parametrize("way", WAYS)
def test_many_follow_the_seed_and_use_each_defect_as_often(way):
    goods, defects = [bar(seed) for seed in range(4)], [scratched(seed) for seed in range(10, 13)]
    images, which = paste_many(goods, defects, 12, seed=3, **way)
    assert images.shape == (12, 120, 160, 3)
    assert np.bincount(which).max() - np.bincount(which).min() <= 3
    assert len({image.tobytes() for image in images}) > 8
    again, same = paste_many(goods, defects, 12, seed=3, **way)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(which, same)
    assert (paste_many(goods, defects, 12, seed=4, **way)[0] != images).any()


def test_defects_that_find_no_place_are_left_out():
    defect, mask = scratched(0)
    images, which = paste_many(
        [bar(1)], [(defect, mask), (defect, np.zeros_like(mask))], 4, seed=0, turn=False, mirror=False
    )
    assert len(images) == 4
    assert which.tolist() == [0] * 4
    images, which = paste_many([bar(1)], [(defect, mask & False)], 4, seed=0, turn=False, mirror=False)
    assert images.shape == (0, 120, 160, 3)
    assert which.shape == (0,)


def test_many_of_nothing_are_refused():
    with pytest.raises(DataError, match=r"0 good image\(s\) and 1 defect"):
        paste_many([], [scratched(0)], 1, seed=0, turn=False, mirror=False)
    with pytest.raises(DataError, match=r"1 good image\(s\) and 0 defect"):
        paste_many([bar(0)], [], 1, seed=0, turn=False, mirror=False)


def test_the_part_is_found_with_its_holes_and_not_on_an_uneven_background():
    image = bar(0)
    image[58:62, 78:82] = 200  # a hole of the background's colour
    part = part_of(image)
    assert part[60, 80]
    assert 0.9 < part.sum() / (0.7 * 160 * 0.4 * 120) < 1.1
    stripes = np.repeat(np.where(np.arange(160) // 10 % 2, 60, 200)[None], 120, axis=0)
    assert part_of(np.repeat(stripes[..., None], 3, axis=2).astype(np.uint8)) is None
    assert part_of(np.full((120, 160, 3), 9, np.uint8)) is None
