import cv2
import numpy as np
import pytest

from knowngood.data.images import read_image
from knowngood.data.near_duplicates import SIDE, difference, near_duplicates, thumbnail
from knowngood.data.samples import load_samples


def texture(rng, shape=(200, 240)):
    """Photograph a textured part: smooth random relief, fine grain and camera noise, uint8 (H, W, 3)."""
    relief = sum(
        weight * cv2.GaussianBlur(rng.normal(0, 1, shape), (0, 0), size) * size
        for weight, size in ((60, 12), (25, 3))
    )
    image = 110 + np.linspace(-30, 30, shape[1]) + relief + rng.normal(0, 3, shape)
    return cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB)


def as_jpeg(image, quality=60):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def half(image):
    return cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)


def brighter(image):
    return np.clip(image * 1.05, 0, 255).astype(np.uint8)


def shifted(image, down=2, across=1):
    move = np.array([[1, 0, across], [0, 1, down]], np.float32)
    return cv2.warpAffine(image, move, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


COPIES = {"jpeg": as_jpeg, "half": half, "brighter": brighter, "shifted": shifted}


@pytest.fixture(scope="module")
def textures():
    rng = np.random.default_rng(0)
    return [texture(rng) for _ in range(40)]


def found(images):
    return near_duplicates(np.stack([thumbnail(image) for image in images]))


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_is_found(textures, copy):
    assert found([*textures, copy(textures[7]), copy(textures[20])]) == [(7, 40), (20, 41)]


def test_copies_of_copies_are_one_group(textures):
    assert found([*textures, *(copy(textures[3]) for copy in COPIES.values())]) == [(3, 40, 41, 42, 43)]


def test_a_long_video_of_each_part_is_found():
    rng = np.random.default_rng(0)
    parts = [texture(rng) for _ in range(5)]
    frames = [np.clip(part + rng.normal(0, 2, part.shape), 0, 255).astype(np.uint8) for part in parts * 24]
    assert found(frames) == [tuple(range(part, 120, 5)) for part in range(5)]


def test_different_parts_are_none(textures):
    assert found(textures) == []


@pytest.mark.parametrize("moves", [0, 4])
@pytest.mark.parametrize("count", [8, 60])
def test_parts_that_only_noise_or_their_place_tells_apart_are_none(moves, count):
    rng = np.random.default_rng(1)
    part = texture(rng).astype(float)
    places = rng.integers(-moves, moves + 1, (count, 2)).tolist()
    images = [
        np.clip(shifted(part, *place) + rng.normal(0, 2, part.shape), 0, 255).astype(np.uint8)
        for place in places
    ]
    assert found(images) == []


def test_two_kinds_of_parts_in_one_data_set_are_none_either(textures):
    rng = np.random.default_rng(2)
    kinds = [texture(rng).astype(float) for _ in range(2)]
    images = [
        np.clip(0.9 * kinds[number % 2] + 0.1 * textures[number] + rng.normal(0, 2, kinds[0].shape), 0, 255)
        for number in range(40)
    ]
    assert found([image.astype(np.uint8) for image in images]) == []


def test_few_images_and_images_without_anything_to_see_are_none(textures):
    assert found([*textures[:6], as_jpeg(textures[0])]) == []
    flat = np.full((40, SIDE, SIDE), 128, np.uint8)
    assert near_duplicates(flat) == []
    assert near_duplicates(flat + np.random.default_rng(0).integers(0, 2, flat.shape, np.uint8)) == []
    assert near_duplicates(flat[:0]) == []


def test_inverted_and_mirrored_images_are_no_copies(textures):
    assert found([*textures, 255 - textures[0], textures[1][::-1], textures[2][:, ::-1]]) == []


def test_the_order_of_the_images_does_not_matter(textures):
    images = [*textures, as_jpeg(textures[5])]
    assert found(images[::-1]) == [(0, 35)]


def test_blocks_change_nothing(textures, monkeypatch):
    images = [*textures, half(textures[9])]
    whole = found(images)
    monkeypatch.setattr("knowngood.data.near_duplicates._BLOCK", 7 * len(images))
    assert found(images) == whole == [(9, 40)]


def test_a_difference_is_in_grey_levels_and_needs_no_alignment(textures):
    image = thumbnail(textures[0])
    assert difference(image, image) == pytest.approx(0, abs=1e-3)
    assert difference(image, thumbnail(shifted(textures[0]))) < 0.5
    noise = np.random.default_rng(0).integers(0, 256, image.shape, np.uint8)
    assert difference(image, noise) == pytest.approx(cv2.GaussianBlur(image, (0, 0), 1.5).std(), rel=0.2)


def test_a_thumbnail_of_any_image():
    for shape in ((8, 9), (97, 96), (2000, 30), (384, 384)):
        made = thumbnail(np.full((*shape, 3), (10, 20, 30), np.uint8))
        assert made.shape == (SIDE, SIDE)
        assert made.dtype == np.uint8
        assert np.ptp(made) == 0


def test_progress_is_told_to_the_end(textures):
    told = []
    copies = [brighter(image) for image in textures[:5]]
    stack = np.stack([thumbnail(image) for image in [*textures, *copies]])
    near_duplicates(stack, progress=lambda stage, done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == len(told)


@pytest.mark.parametrize(
    ("data", "genuine"),
    [("transistor", []), ("screw", [("train/good/053.png", "train/good/173.png")])],
)
def test_real_parts_at_one_station(shared_data, data, genuine):
    folder = shared_data / "mvtec" / data
    paths = load_samples(folder)["path"].tolist()
    images = [read_image(path) for path in paths]
    known = [tuple(sorted(paths.index(str(folder / name)) for name in pair)) for pair in genuine]
    copied = range(2, len(images), len(images) // 20)
    copies = [copy(images[number]) for number in copied for copy in COPIES.values()]
    groups = [
        (number, *range(len(images) + first, len(images) + first + len(COPIES)))
        for number, first in zip(copied, range(0, len(copies), len(COPIES)), strict=True)
    ]
    thumbnails = np.stack([thumbnail(image) for image in images + copies])
    assert near_duplicates(thumbnails[: len(images)]) == known
    assert near_duplicates(thumbnails) == sorted([*known, *groups])
