import numpy as np
import pytest
from PIL import Image, ImageDraw

from knowngood.data.looks import look
from knowngood.data.masks import Look


@pytest.fixture
def picture(tmp_path):
    def make(pixels, name="a.png", **options):
        Image.fromarray(np.asarray(pixels)).save(tmp_path / name, **options)
        return look(tmp_path / name)

    return make


def drawn(level=255, size=(96, 128)):
    image = Image.new("L", size[::-1])
    ImageDraw.Draw(image).ellipse((30, 20, 80, 50), fill=level)
    return np.array(image)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
@pytest.mark.parametrize("level", [1, 255])
def test_two_levels(picture, name, level):
    options = {"lossless": True} if name.endswith("webp") else {}
    assert picture(drawn(level), name, **options) == Look(2, flat=True)
    assert picture(np.dstack([drawn(level)] * 3), name, **options) == Look(2, flat=True)


def test_one_level(picture):
    assert picture(np.full((20, 20, 3), 90, np.uint8)) == Look(1, flat=True)
    assert picture(np.zeros((20, 20), np.uint8)) == Look(1, flat=True, black=True)
    assert picture(np.zeros((20, 20), np.uint8), "a.jpg") == Look(1, flat=True, black=True)


def test_colours_of_the_same_brightness_are_different(picture):
    pixels = np.zeros((30, 30, 3), np.uint8)
    pixels[:10, :, 0], pixels[10:20, :, 1], pixels[20:, :, 2] = 255, 255, 255
    assert picture(pixels).levels == 3


def test_a_jpeg_of_two_levels(picture):
    assert picture(drawn(), "a.jpg", quality=75) == Look(2, flat=True)


def test_a_smoothed_mask(picture):
    pixels = drawn()
    pixels[20, 30:80] = np.arange(50)
    assert picture(pixels) == Look(3, flat=True)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.jpg"])
def test_a_photograph_on_black_is_none(picture, name):
    rng = np.random.default_rng(0)
    pixels = np.where(drawn() > 0, rng.integers(150, 250, (96, 128)), 0).astype(np.uint8)
    assert picture(pixels, name).levels == 3
    pixels = np.where(drawn() > 0, pixels, rng.integers(0, 40, (96, 128))).astype(np.uint8)
    assert picture(pixels, name) == Look()


def test_what_cannot_be_read_is_found_out_later(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    assert look(tmp_path / "a.png") == Look()
