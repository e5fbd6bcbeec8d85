import zlib

import numpy as np
import pytest
from PIL import Image

from knowngood.data import formats
from knowngood.data.decoding import decode
from knowngood.data.images import read_image, read_resized, resize
from knowngood.errors import UnreadableImage

GREY, RGB, GREY_ALPHA = 0, 2, 4
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def png(size, kind, packed: bytes, *, bits=8, interlaced=False) -> bytes:
    """Write a PNG around a compressed stream of one's own, which no library does."""
    height, width = size
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([bits, kind, 0, 0, interlaced])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def rows(pixels: np.ndarray) -> bytes:
    """Lay out rows of bytes, none of them filtered."""
    return b"".join(b"\0" + row.tobytes() for row in pixels)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, size=(21, 30, 3), dtype=np.uint8)


def test_an_interlaced_file(tmp_path, pixels):
    passes = [rows(pixels[top::down, left::right]) for top, left, down, right in ADAM7]
    path = tmp_path / "a.png"
    path.write_bytes(png((21, 30), RGB, zlib.compress(b"".join(passes)), interlaced=True))
    np.testing.assert_array_equal(decode(path), pixels)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_filter(tmp_path, mode):
    # A shaded picture makes the encoder use them all.
    y, x = np.mgrid[:64, :80]
    shaded = np.stack([x * 3, y * 4, x * y // 20, 255 - x], axis=2).astype(np.uint8)
    noisy = shaded + np.random.default_rng(0).integers(0, 3, shaded.shape, dtype=np.uint8)
    image = Image.fromarray(noisy).convert(mode)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), np.asarray(image))


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_of_few_bits_spans_black_to_white(tmp_path, bits):
    levels = np.arange(16, dtype=np.uint8).reshape(1, 16).repeat(16, axis=0) % 2**bits
    each = 8 // bits
    packed = sum(levels[:, place::each] << (8 - bits * (place + 1)) for place in range(each)).astype(np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(png((16, 16), GREY, zlib.compress(rows(packed)), bits=bits))
    np.testing.assert_array_equal(decode(path), levels * (255 // (2**bits - 1)))


def test_16_bit_grey_with_alpha(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, size=(12, 10, 2), dtype=np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(png((12, 10), GREY_ALPHA, zlib.compress(rows(deep.astype(">u2"))), bits=16))
    np.testing.assert_array_equal(decode(path), deep[..., [0, 0, 0, 1]])


def test_pixels_beyond_the_last_row_are_passed_over_in_silence(tmp_path, caplog, capfd):
    path = tmp_path / "a.png"
    path.write_bytes(png((16, 16), GREY, zlib.compress(bytes(32 * 17))))
    assert not decode(path).any()
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")


@pytest.mark.parametrize("damage", ["no such filter", "sum of the pixels", "too few pixels", "no stream"])
def test_damage_that_the_checksums_of_chunks_do_not_show(tmp_path, capfd, damage):
    packed = {
        "no such filter": zlib.compress(b"\x07" + bytes(17 * 16 - 1)),
        "sum of the pixels": zlib.compress(bytes(17 * 16))[:-1] + b"\0",
        "too few pixels": zlib.compress(bytes(17 * 15)),
        "no stream": b"not compressed",
    }[damage]
    path = tmp_path / "a.png"
    path.write_bytes(png((16, 16), GREY, packed))
    with pytest.raises(UnreadableImage) as caught:
        decode(path)
    assert caught.value.reason == "the file is damaged"
    assert (*capfd.readouterr(),) == ("", "")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_images_read_one_after_another_do_not_share_memory(tmp_path, mode):
    pixels = np.random.default_rng(0).integers(0, 256, size=(2, 24, 30, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        deep = mode == "I;16"
        picture = Image.fromarray(image[..., 0].astype(np.uint16) * 257 if deep else image)
        (picture if deep else picture.convert(mode)).save(tmp_path / f"{number}.png")
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    expected = [read_image(path) for path in paths]
    for shape in [(24, 30), (12, 15), (10, 13), (48, 60)]:
        read = [read_resized(path, shape)[0] for path in paths]
        for found, whole in zip(read, expected, strict=True):
            np.testing.assert_array_equal(found, resize(whole, shape))


def test_memory_of_very_large_images_is_not_kept(tmp_path, monkeypatch, pixels):
    monkeypatch.setattr(formats, "LARGEST_REUSED", 21 * 30 - 1)
    monkeypatch.setattr(formats, "_reused", lambda _: pytest.fail("its memory would be kept"))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_resized(tmp_path / "a.png", (21, 30))[0], pixels)


def test_16_bit_colour_at_another_size(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, size=(16, 16, 3), dtype=np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(png((16, 16), RGB, zlib.compress(rows(deep.astype(">u2"))), bits=16))
    np.testing.assert_array_equal(read_resized(path, (8, 8))[0], resize(read_image(path), (8, 8)))
