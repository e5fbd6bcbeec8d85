import numpy as np
import pytest
import torch

from knowngood.errors import RecipeError
from knowngood.recipe import ORIENTATIONS
from knowngood.training.augment import Augment, Augmentation, orient, resample

ONLY = {"zoom": 0.0, "shift": 0.0, "contrast": 0.0, "brightness": 0.0, "blur": 0.0}


def still(orientation):
    return Augmentation(orientation=orientation, **ONLY)


def some_images(count=4, shape=(24, 24)):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (count, *shape, 3), dtype=np.uint8))


def corner(count=200, side=32):
    """Black but for the upper left quarter; every symmetry of the square but one moves it."""
    images = torch.zeros(count, side, side, 3, dtype=torch.uint8)
    images[:, : side // 2, : side // 4] = 200
    images[:, : side // 4, : side // 2] = 200
    images[:, side // 4 : side // 2, : side // 8] = 100
    return images


def augmented(images, how, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Augment(how)(images)


def symmetries(image):
    """The eight symmetries of an image (H, W, ...), by NumPy."""
    turned = [np.rot90(image, quarters) for quarters in range(4)]
    return turned + [np.flip(one, 1) for one in turned]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("shape", [(24, 24), (20, 32)])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float16])
def test_shape_and_type_stay_and_the_input_is_not_changed(orientation, shape, kind):
    images = some_images(shape=shape).to(kind)
    before = images.clone()
    after = augmented(images, Augmentation(orientation=orientation, blur=2.0))
    assert (after.shape, after.dtype) == (images.shape, images.dtype)
    assert 0 <= after.min() < after.max() <= 255
    assert torch.equal(images, before)
    assert not torch.equal(after, images)


def test_a_seed_gives_the_same_images_and_another_others():
    images = some_images()
    how = Augmentation(orientation="any")
    assert torch.equal(augmented(images, how), augmented(images, how))
    assert not torch.equal(augmented(images, how), augmented(images, how, seed=1))


@pytest.mark.parametrize("setting", ["zoom", "shift", "contrast", "brightness", "blur"])
def test_each_image_of_a_batch_is_changed_by_its_own_numbers(setting):
    images = some_images(1).expand(16, -1, -1, -1)
    after = augmented(images, Augmentation(**(ONLY | {setting: 0.5})))
    different = len({image.numpy().tobytes() for image in after})
    # Half of the images are not blurred, and of a small blur little is left in eight bits.
    assert different > (4 if setting == "blur" else 14)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_nothing_changes_where_everything_is_zero(kind):
    images = some_images().to(kind)
    assert still("fixed") == Augmentation.none()
    assert torch.equal(augmented(images, Augmentation.none()), images)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_in_evaluation_images_stay_as_they_are(orientation):
    images = some_images()
    assert Augment(Augmentation(orientation=orientation)).eval()(images) is images


def test_a_fixed_product_is_never_flipped_or_turned():
    images = corner()
    after = augmented(images, Augmentation(orientation="fixed")).numpy()
    names = [one.astype(float) for one in symmetries(images[0].numpy())]
    for image in after:
        nearest = min(range(8), key=lambda number: np.abs(names[number] - image).mean())
        assert nearest == 0


def test_a_mirrored_product_is_flipped_half_of_the_time_and_never_turned():
    images = corner()
    after = augmented(images, still("mirrored"))
    flipped = [torch.equal(image, images[0].flip(1)) for image in after]
    same = [torch.equal(image, images[0]) for image in after]
    assert all(one or other for one, other in zip(flipped, same, strict=True))
    assert 70 <= sum(flipped) <= 130


def test_quarter_turns_and_flips_give_all_eight_symmetries_equally_often():
    images = corner(800)
    expected = [one.tobytes() for one in symmetries(images[0].numpy())]
    seen = [image.numpy().tobytes() for image in augmented(images, still("quarter"))]
    shares = [seen.count(one) / 800 for one in expected]
    assert sum(shares) == 1
    assert min(shares) > 0.08


def test_what_is_not_square_is_turned_by_halves():
    images = some_images(1, (8, 12)).expand(200, -1, -1, -1)
    first = images[0].numpy()
    expected = {np.flip(first, axes).tobytes() for axes in ((), (0,), (1,), (0, 1))}
    assert {image.numpy().tobytes() for image in augmented(images, still("quarter"))} == expected


def test_any_angle_comes_up():
    # The bright spot to the right of the centre is found again all round the circle.
    images = torch.zeros(400, 65, 65, 3)
    images[:, 30:35, 42:47] = 255
    after = augmented(images, still("any"))[..., 0]
    places = torch.arange(65.0) - 32
    total = after.sum(dim=(1, 2))
    down, right = (after * places[:, None]).sum(dim=(1, 2)), (after * places).sum(dim=(1, 2))
    assert torch.allclose((down.square() + right.square()).sqrt() / total, torch.tensor(12.0), atol=0.2)
    counts = torch.histc(torch.atan2(down, right), 8, -torch.pi, torch.pi)
    assert counts.min() > 25


def test_zoom_shift_and_light_keep_their_limits():
    images = torch.zeros(300, 100, 100, 3)
    images[:, 40:60, 40:60] = 120
    after = augmented(images, Augmentation(**(ONLY | {"zoom": 0.2}))).sum(dim=(1, 2, 3)).sqrt()
    factors = after / images.sum(dim=(1, 2, 3)).sqrt()
    assert 1 / 1.21 < factors.min() < 0.87
    assert 1.15 < factors.max() < 1.21
    after = augmented(images, Augmentation(**(ONLY | {"shift": 0.1})))[..., 0]
    moved = (after.sum(dim=1) * (torch.arange(100.0) - 49.5)).sum(dim=1) / after.sum(dim=(1, 2))
    assert -10.01 < moved.min() < -9
    assert 9 < moved.max() < 10.01
    after = augmented(images, Augmentation(**(ONLY | {"brightness": 0.3}))).amax(dim=(1, 2, 3)) / 120
    assert 0.699 < after.min() < 0.72
    assert 1.28 < after.max() < 1.301


def test_turns_are_against_the_clock_and_shifts_to_the_right_and_down():
    images = some_images(1).permute(0, 3, 1, 2).float()
    nothing = torch.zeros(1)
    turned = resample(images, nothing + torch.pi / 2, nothing + 1, torch.zeros(1, 2))
    assert torch.allclose(turned, images.rot90(1, (2, 3)), atol=0.1)
    moved = resample(images, nothing, nothing + 1, torch.tensor([[0.25, 0.5]]))
    assert torch.allclose(moved[:, :, 12:, 6:], images[:, :, :12, :18], atol=0.1)


def test_what_is_not_square_keeps_its_shape_when_turned():
    images = torch.zeros(1, 1, 60, 100)
    images[:, :, 20:40, 40:60] = 1
    turned = resample(images, torch.full((1,), torch.pi / 2), torch.ones(1), torch.zeros(1, 2))
    assert torch.allclose(turned, images, atol=0.01)


def test_no_black_border_comes_in():
    white = torch.full((50, 32, 32, 3), 200, dtype=torch.uint8)
    how = Augmentation(orientation="any", zoom=0.5, shift=0.3, contrast=0, brightness=0)
    assert augmented(white, how).min() >= 199


def test_half_precision_around_it_changes_nothing():
    images = some_images()
    expected = augmented(images, Augmentation(orientation="any"))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augmented(images, Augmentation(orientation="any")), expected)


def test_a_small_image_can_be_blurred():
    assert augmented(some_images(8, (2, 2)), Augmentation(blur=5.0)).shape == (8, 2, 2, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"orientation": "upright"}, "orientation='upright' must be one of fixed, mirrored"),
        ({"zoom": -0.1}, "zoom=-0.1 must be between 0 and 1"),
        ({"shift": 0.6}, "shift=0.6 must be between 0 and 0.5"),
        ({"blur": float("nan")}, "blur=nan must"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        Augmentation(**settings)


def test_orient_leaves_what_is_fixed():
    images = some_images()
    assert orient(images, "fixed") is images
