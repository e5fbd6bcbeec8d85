import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from knowngood.data.images import (
    IMAGE_SUFFIXES,
    image_size,
    read_image,
    read_mask,
    read_resized,
    resize,
    significant_bits,
)
from knowngood.errors import DataError, UnreadableImage


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_every_16_bit_value_is_scaled_and_saturates(bits):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.minimum(np.rint(values * (255 / (2**bits - 1))), 255)
    image = read_image(values, bits=bits)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected[..., None].repeat(3, axis=2))


@given(
    arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(8, 12), st.integers(8, 12), st.sampled_from([1, 3, 4])),
    )
)
def test_any_array_becomes_rgb_and_is_left_as_it_was(pixels):
    before = pixels.copy()
    image = read_image(pixels)
    assert image.shape == (*pixels.shape[:2], 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)


def test_what_a_file_gives_may_be_written_to(tmp_path):
    for suffix in sorted(IMAGE_SUFFIXES):
        Image.new("RGB", (16, 16), "red").save(tmp_path / f"a{suffix}")
        assert read_image(tmp_path / f"a{suffix}").flags.writeable


def test_a_real_image_is_what_opencv_reads(shared_data):
    for path in (shared_data / "mvtec").glob("*/test/good/000.png"):
        expected = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(read_image(path), expected)


@pytest.mark.parametrize(
    ("largest", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (4095, 12), (4096, 14), (65535, 16)]
)
def test_significant_bits_hold_the_largest_value(tmp_path, largest, bits):
    dark, bright = np.zeros((8, 8), np.uint16), np.full((8, 8), largest, np.uint16)
    for name, image in {"dark.png": dark, "bright.tif": bright}.items():
        Image.fromarray(image).save(tmp_path / name)
    assert significant_bits([tmp_path / "dark.png", tmp_path / "bright.tif"]) == bits
    assert significant_bits([dark, bright]) == bits


def test_significant_bits_without_16_bit_images(tmp_path):
    Image.new("L", (8, 8), 3).save(tmp_path / "a.png")
    assert significant_bits([tmp_path / "a.png", tmp_path / "none.png"]) is None
    assert significant_bits([]) is None


def test_16_bits_are_refused_where_only_8_are_expected(tmp_path):
    deep = np.full((8, 8), 4000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    for source in (deep, tmp_path / "deep.png"):
        with pytest.raises(UnreadableImage, match="16-bit pixels, but the inspector learned from 8-bit"):
            read_image(source, bits=None)
    assert read_image(np.full((8, 8), 7, np.uint8), bits=None).max() == 7


def test_significant_bits_looks_at_few_of_many(monkeypatch):
    many = [np.full((8, 8), 300, np.uint16)] * 1000
    seen = []
    monkeypatch.setattr("knowngood.data.images.decode", lambda source: seen.append(1) or source)
    assert significant_bits(many) == 10
    assert len(seen) <= 32


def test_resize_averages_when_it_shrinks():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (resize(stripes, (16, 32)) == 100).all()


@pytest.mark.parametrize("side", [96, 100, 91])
def test_resize_leaves_no_pixel_out_when_it_shrinks_to_less_than_half(side):
    # A pattern as fine as the pixels has nothing left of it in a mean over areas.
    pattern = np.indices((side, side)).sum(axis=0) % 2 * 200
    assert np.abs(resize(pattern.astype(np.uint8), (32, 32)).astype(int) - 100).max() <= 26


def test_resize_interpolates_when_it_grows():
    edge = np.zeros((8, 8, 3), np.uint8)
    edge[:, 4:] = 200
    row = resize(edge, (8, 32))[0, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert len(np.unique(row)) > 2


@given(
    arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(8, 40), st.integers(8, 40), st.sampled_from([1, 3, 4])),
    ),
    st.tuples(st.integers(8, 40), st.integers(8, 40)),
)
def test_read_resized_is_both_in_one(pixels, shape):
    image, size = read_resized(pixels, shape, bits=12)
    assert size == pixels.shape[:2]
    np.testing.assert_array_equal(image, resize(read_image(pixels, bits=12), shape))


def test_read_resized_refuses_16_bits_too():
    with pytest.raises(UnreadableImage, match="16-bit pixels"):
        read_resized(np.zeros((8, 8), np.uint16), (8, 8), bits=None)


def test_resize_to_the_same_size_changes_nothing(good_images):
    np.testing.assert_array_equal(resize(good_images[0], (96, 96)), good_images[0])


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "P", "I;16"])
def test_a_mask_is_what_is_not_black(tmp_path, mode):
    expected = np.zeros((20, 30), np.bool_)
    expected[3:6, 10:20] = True
    if mode == "I;16":
        mask = Image.fromarray(expected.astype(np.uint16))
    else:
        mask = Image.fromarray(expected.astype(np.uint8) * 255).convert(mode)
    mask.save(tmp_path / "mask.png")
    read = read_mask(tmp_path / "mask.png", (20, 30))
    assert read.dtype == np.bool_
    np.testing.assert_array_equal(read, expected)


def test_a_faint_mask_counts(tmp_path):
    Image.new("L", (9, 9), 1).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", (9, 9)).all()


def test_a_mask_of_another_size_is_named_with_both_sizes(tmp_path):
    Image.new("L", (30, 20)).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match=r"mask\.png' is 20 x 30 but its image is 20 x 31"):
        read_mask(tmp_path / "mask.png", (20, 31))


def test_image_size_does_not_decode(tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 24)).save(tmp_path / "a.jpg", exif=exif)
    Image.new("RGB", (40, 24)).save(tmp_path / "a.png")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("the pixels were decoded"))
    assert image_size(tmp_path / "a.jpg") == (40, 24)
    assert image_size(tmp_path / "a.png") == (24, 40)
    with pytest.raises(UnreadableImage):
        image_size(tmp_path / "none.png")


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (8, 9, 3), (8, 9, 4)])
def test_image_size_of_an_array(shape):
    assert image_size(np.zeros(shape, np.uint16)) == (8, 9)
    with pytest.raises(DataError, match="type float64"):
        image_size(np.zeros(shape))
