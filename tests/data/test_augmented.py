import numpy as np
import pytest

from knowngood.data.augmented import (
    BRIGHTER,
    FEW,
    PICTURES,
    SHIFT,
    TILT,
    augmented,
    copies_of_each,
    parts_turn,
)


def screw(degrees: float, rng: np.random.Generator) -> np.ndarray:
    """A bar that is thicker at one end, turned, with some noise (64, 64, 3)."""
    down, right = np.mgrid[:64, :64] - 31.5
    turn = np.deg2rad(degrees)
    along, across = right * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - right * np.sin(turn)
    bar = (abs(along) < 24) & (abs(across) < np.where(along > 12, 8, 3))
    grey = np.where(bar, 60, 200) + rng.normal(0, 5, bar.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_parts_at_any_angle_are_told_from_those_that_are_placed(count, random):
    assert parts_turn(np.stack([screw(angle, random) for angle in random.uniform(0, 360, count)]))
    assert not parts_turn(np.stack([screw(angle, random) for angle in random.uniform(-3, 3, count)]))


def test_texture_does_not_turn_and_one_image_tells_nothing(random):
    noise = random.integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
    assert not parts_turn(noise)
    assert not parts_turn(np.stack([screw(30, random)]))
    assert not parts_turn(np.stack([screw(30, random)] * 3))


def test_images_and_copies_are_bounded():
    for count in range(1, FEW + 1):
        assert PICTURES - count < count * (1 + copies_of_each(count)) <= PICTURES
    assert copies_of_each(FEW + 1) == copies_of_each(0) == 0


def test_turned_copies_are_the_image_at_all_angles(random):
    image = screw(0, random)
    copies = augmented(image, 3, turning=True, random=random)
    for turns, copy in enumerate(copies, 1):
        expected = np.rot90(image, turns).astype(float)
        light = copy[8, 8, 0] / expected[8, 8, 0]
        assert abs(light - 1) <= BRIGHTER + 0.01
        np.testing.assert_allclose(copy, expected * light, atol=2)


def test_moved_copies_stay_near_the_image_and_have_no_black_border(random):
    image = np.full((60, 90, 3), 100, np.uint8)
    image[28:32, 43:47] = 255
    for copy in augmented(image, 20, turning=False, random=random):
        assert abs(int(copy.min()) - 100) <= 100 * BRIGHTER + 1
        down, right = (axis.mean() for axis in np.nonzero(copy[..., 0] > 160))
        assert abs(down - 29.5) <= SHIFT * 60 + 1
        assert abs(right - 44.5) <= SHIFT * 90 + 1
    bar = np.full((200, 200, 3), 100, np.uint8)
    bar[98:102] = 255
    for copy in augmented(bar, 10, turning=False, random=random):
        left, right = (np.nonzero(copy[:, column, 0] > 160)[0].mean() for column in (10, 189))
        assert abs(np.rad2deg(np.arctan((right - left) / 179))) <= TILT + 0.3


def test_a_seed_gives_the_same_copies_and_the_image_stays(random):
    image = screw(20, random)
    before = image.copy()
    one, other = (augmented(image, 2, turning=False, random=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(image, before)
