import numpy as np
import pytest
from PIL import Image

from knowngood.data.decoding import decode, decoded
from knowngood.data.images import read_resized
from knowngood.data.jpeg import reduced
from knowngood.errors import UnreadableImage


def decode_at_least(path, at_least):
    with decoded(path, at_least) as found:
        return found


@pytest.fixture
def photo():
    """A shaded picture with some texture, uint8 (200, 296, 3)."""
    y, x = np.mgrid[:200, :296]
    waves = 40 * np.sin(x / 9) * np.cos(y / 13)
    shade = np.stack([x / 2 + 40, y / 2 + 60, 200 - x / 2], axis=2) + waves[..., None]
    noise = np.random.default_rng(0).normal(0, 4, shade.shape)
    return np.clip(shade + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def path(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.jpg", quality=90)
    return tmp_path / "a.jpg"


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:2"},
        {"restart_marker_rows": 1},
    ],
)
def test_the_full_size_is_what_pillow_reads(tmp_path, photo, mode, options):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).convert(mode).save(path, quality=90, **options)
    np.testing.assert_array_equal(decode(path), np.asarray(Image.open(path)))


def test_a_file_that_stores_rgb(tmp_path, photo):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).save(path, keep_rgb=True)
    np.testing.assert_array_equal(decode(path), np.asarray(Image.open(path)))


@pytest.mark.parametrize(
    ("size", "at_least", "expected"),
    [
        ((1024, 1024), (512, 512), (512, 512)),
        ((1024, 1024), (513, 512), (1024, 1024)),
        ((1023, 1025), (512, 512), (512, 513)),
        ((1022, 2000), (512, 512), (1022, 2000)),
        ((1400, 1400), (512, 512), (700, 700)),
        ((2048, 4000), (512, 512), (512, 1000)),
        ((5000, 5000), (512, 512), (625, 625)),
        ((9000, 9000), (512, 512), (1125, 1125)),
        ((100, 100), (512, 512), (100, 100)),
        ((4000, 100), (512, 512), (4000, 100)),
    ],
)
def test_the_smallest_size_that_is_enough(size, at_least, expected):
    assert reduced(size, at_least) == expected


@pytest.mark.parametrize(
    "at_least", [(200, 296), (101, 10), (100, 148), (50, 74), (25, 37), (26, 37), (8, 8)]
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_reduced_image_has_the_size_chosen(tmp_path, photo, mode, at_least):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).convert(mode).save(path)
    pixels, size = decode_at_least(path, at_least)
    assert pixels.shape[:2] == reduced((200, 296), at_least)
    assert size == (200, 296)


@pytest.mark.parametrize("side", [96, 97, 103, 104, 105])
@pytest.mark.parametrize("fraction", [2, 4, 8])
def test_sizes_that_do_not_divide_are_rounded_up(tmp_path, side, fraction):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (side, 104)).save(path)
    wanted = -(-104 // fraction), -(-side // fraction)
    assert decode_at_least(path, wanted)[0].shape[:2] == wanted


@pytest.mark.parametrize("shape", [(100, 148), (90, 120), (50, 50), (25, 37), (150, 200)])
def test_reduced_pixels_are_those_of_area_averaging(tmp_path, photo, shape):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).save(path, quality=90)
    reduced_image, size = read_resized(path, shape)
    whole, _ = read_resized(decode(path), shape)
    assert size == (200, 296)
    assert reduced_image.shape == (*shape, 3)
    assert np.abs(reduced_image.astype(int) - whole).mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_image_is_reduced_by_its_upright_size(tmp_path, photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).save(path, exif=exif)
    upright = (200, 296) if orientation <= 4 else (296, 200)
    # Half of the longer side: stored the other way round it would not do.
    shape = tuple(side // 2 for side in upright)
    pixels, size = decode_at_least(path, shape)
    assert size == upright
    assert pixels.shape[:2] == shape
    whole, _ = read_resized(decode(path), shape)
    assert np.abs(pixels.astype(int) - whole).mean() < 1


def test_cmyk_is_not_reduced(tmp_path, photo):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).convert("CMYK").save(path)
    pixels, size = decode_at_least(path, (20, 20))
    assert pixels.shape == (200, 296, 3)
    assert size == (200, 296)


def reason(path, shape=None):
    with pytest.raises(UnreadableImage) as caught:
        decode_at_least(path, shape)
    return caught.value.reason


@pytest.mark.parametrize("shape", [None, (50, 50)])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_named(tmp_path, photo, progressive, share, shape):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).save(path, progressive=progressive)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert reason(path, shape)
    path.write_bytes(data[:-2])
    assert "truncated" in reason(path, shape)


@pytest.mark.parametrize("shape", [None, (50, 50)])
@pytest.mark.parametrize("filling", [bytes(300), b""])
def test_pixels_lost_in_the_middle_are_named(path, filling, shape):
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + filling + data[middle + 300 :])
    assert reason(path, shape) == "the file is damaged (pixels are missing or wrong in its middle)"


def test_damage_that_looks_like_padding_is_not_seen(path):
    # A JPEG has no checksum. Noise that ends the picture too early leaves bytes before the end marker, which
    # some cameras leave too: Pillow takes the file, and so it is taken.
    data = path.read_bytes()
    middle = len(data) // 2
    noise = np.random.default_rng(0).integers(0, 255, 300, dtype=np.uint8).tobytes()
    path.write_bytes(data[:middle] + noise + data[middle + 300 :])
    np.testing.assert_array_equal(decode(path), np.asarray(Image.open(path)))


@pytest.mark.parametrize("oddity", ["bytes before the end", "bytes after the end", "unknown revision"])
def test_what_harms_no_pixel_is_taken(path, oddity):
    expected, data = decode(path), path.read_bytes()
    revision = data.index(b"JFIF\0") + 5
    path.write_bytes(
        {
            "bytes before the end": data[:-2] + bytes(9) + data[-2:],
            "bytes after the end": data + b"made by a camera",
            "unknown revision": data[:revision] + b"\x09" + data[revision + 1 :],
        }[oddity]
    )
    np.testing.assert_array_equal(decode(path), expected)
