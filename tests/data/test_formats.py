"""What the pixels of every format become."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import AvifImagePlugin, Image

from knowngood.data.decoding import decode, read_header
from knowngood.data.images import IMAGE_SUFFIXES, read_image, read_resized
from knowngood.data.jpeg2000 import declared_white
from knowngood.errors import UnreadableImage


@pytest.fixture
def pixels():
    y, x = np.mgrid[:40, :60]
    return np.stack([x * 4, y * 6, 255 - x * 2 - y], axis=2).astype(np.uint8)


def reason(file):
    for read in (decode, read_header):
        with pytest.raises(UnreadableImage) as caught:
            read(file)
    assert "\n" not in str(caught.value)
    return caught.value.reason


# --- names and formats


@pytest.mark.parametrize("suffix", sorted(suffix[1:] for suffix in IMAGE_SUFFIXES - {".pbm"}))
def test_every_ending_is_read(tmp_path, pixels, suffix):
    path = tmp_path / f"a.{suffix}"
    image = Image.fromarray(pixels if suffix != "pgm" else pixels[..., 0])
    image.save(path, **({"format": "JPEG"} if suffix in ("jfif", "jpe") else {}))
    expected = pixels if suffix != "pgm" else pixels[..., :1]
    assert np.abs(read_image(path).astype(int) - expected).mean() < (12 if suffix == "gif" else 4)
    assert read_header(path)[:2] == (40, 60)
    assert read_resized(path, (20, 30))[0].shape == (20, 30, 3)


def test_a_gif_with_transparency_and_several_frames(tmp_path, pixels):
    first = Image.fromarray(pixels).quantize(16)
    path = tmp_path / "a.gif"
    first.save(path, transparency=3, save_all=True, append_images=[Image.new("P", (60, 40), 7)])
    hidden = np.asarray(first) == 3
    image = read_image(path)
    assert hidden.any()
    assert not image[hidden].any()
    np.testing.assert_array_equal(image[~hidden], np.asarray(first.convert("RGB"))[~hidden])


def test_jpeg_2000_without_loss(tmp_path, pixels):
    deep = pixels[..., 0].astype(np.uint16) * 257 + 3
    for name, array in {"rgb": pixels, "grey": pixels[..., 1], "deep": deep}.items():
        Image.fromarray(array).save(tmp_path / f"{name}.jp2", irreversible=False)
        np.testing.assert_array_equal(decode(tmp_path / f"{name}.jp2"), array)
    assert read_header(tmp_path / "deep.jp2").deep


@pytest.mark.parametrize("name", ["grey", "rgb", "rgba"])
def test_jpeg_2000_of_16_bits(name):
    y, x = np.mgrid[:40, :60]
    four = np.stack([x * 1000, y * 1500, 65535 - x * 900, 65535 - y], axis=2).astype(np.uint16)
    deep = {"grey": four[..., 2], "rgb": four[..., :3], "rgba": four}[name]
    stored = deep if name == "grey" else deep[..., [2, 1, 0, 3][: deep.shape[2]]]
    content = cv2.imencode(".jp2", stored, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[1].tobytes()
    assert read_header(content).deep
    assert decode(content).dtype == np.uint16
    assert np.abs(decode(content).astype(int) - deep).max() < 600  # white stays white


@pytest.mark.parametrize(("bits", "full"), [(4, 255), (8, 255), (10, 65535), (12, 65535), (16, 65535)])
def test_the_bits_of_a_jpeg_2000_say_what_white_is(bits, full):
    values = np.arange(2**bits)
    scaled = np.rint(values * (full / (2**bits - 1)))
    type_ = np.uint8 if full == 255 else np.uint16
    for shift in (0, type_(0).itemsize * 8 - bits):
        np.testing.assert_array_equal(
            declared_white((values << shift).astype(type_), bits, shift=shift), scaled
        )


def test_only_the_first_frame_is_decoded(tmp_path, pixels):
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    for name, options in {"a.png": {}, "a.webp": {"lossless": True}, "a.avif": {"quality": 100}}.items():
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        assert np.abs(decode(tmp_path / name)[..., :3].astype(int) - pixels).mean() < 2


@pytest.mark.parametrize("suffix", ["gif", "jp2", "avif", "ppm", "deep.jp2", "dib"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_truncated_file_is_named(tmp_path, pixels, suffix, share):
    path = tmp_path / f"a.{suffix}"
    if suffix == "deep.jp2":
        cv2.imwrite(str(path), pixels.astype(np.uint16) * 257)
    else:
        Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UnreadableImage, match=r"truncated|broken|damaged|Truncated|not an image|decode"):
        decode(path)


def test_a_decoder_that_pillow_lacks_is_named(tmp_path, pixels, monkeypatch):
    Image.fromarray(pixels).save(tmp_path / "a.avif")
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    with pytest.warns(UserWarning, match="AVIF support not installed"):
        assert reason(tmp_path / "a.avif").startswith("a damaged AVIF, or one that this Pillow")
    monkeypatch.delitem(Image.OPEN, "AVIF")
    assert "a newer Pillow might" in reason(tmp_path / "a.avif")


# --- PBM, PGM, PPM


@pytest.mark.parametrize("white", [1, 100, 255, 1000, 4095, 65535])
@pytest.mark.parametrize("number", [2, 3, 5, 6])
def test_any_maximum_of_a_pgm_is_white(tmp_path, white, number):
    shape = (9, 11, 3)[: 2 if number in (2, 5) else 3]
    values = np.random.default_rng(0).integers(0, white + 1, shape)
    values.flat[:2] = 0, white
    text = " ".join(map(str, values.ravel())).encode()
    body = text if number < 4 else values.astype(">u2" if white > 255 else "u1").tobytes()
    path = tmp_path / "a.pnm"
    path.write_bytes(b"P%d\n# a comment 3 4\n11 # another\n9\n%d\n" % (number, white) + body)
    read = decode(path)
    full = 65535 if white > 255 else 255
    assert read.dtype == (np.uint16 if white > 255 else np.uint8)
    np.testing.assert_array_equal(read, np.rint(values * (full / white)))
    np.testing.assert_allclose(
        read_image(path)[..., 0].ravel(), values.reshape(99, -1)[:, 0] * (255 / white), atol=1
    )


@pytest.mark.parametrize("number", [1, 4])
def test_a_set_bit_of_a_pbm_is_black(number):
    bits = np.random.default_rng(0).integers(0, 2, (9, 11), dtype=np.uint8)
    body = b"\n".join(b"".join(b"%d" % bit for bit in row) for row in bits)
    body = body if number == 1 else np.packbits(bits, axis=1).tobytes()
    np.testing.assert_array_equal(decode(b"P%d 11 9\n" % number + body), np.where(bits, 0, 255))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"P5 9 9 255\n" + bytes(80), "truncated"),
        (b"P2 9 9 255\n" + b"7 " * 80, "truncated"),
        (b"P2 9 9 255\n" + b"x " * 81, "not numbers"),
        (b"P4 9 9\n" + bytes(17), "truncated"),
        (b"P1 9 9\n" + b"2" * 81, "not 0 or 1"),
    ],
)
def test_a_damaged_pgm_is_named(content, words):
    with pytest.raises(UnreadableImage, match=words):
        decode(content)


@pytest.mark.parametrize("header", [b"P5 9 9 0\n", b"P5 9 9 65536\n", b"P5 9 9", b"P5 #" + b"a" * 20_000])
def test_a_pgm_without_a_proper_header_is_none(header):
    assert "not an image" in reason(header)
    assert "at least 8 a side" in reason(b"P5 9 7 255\n")


# --- alpha


def bmp_with_alpha(pixels: np.ndarray) -> bytes:
    """Write a 32-bit BMP with a V4 header, whose masks say that the fourth byte is an alpha."""
    height, width = pixels.shape[:2]
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, pixels.size, 0, 0, 0, 0)
    body = pixels[::-1][..., [2, 1, 0, 3]].tobytes()
    head = header + masks + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "a.bmp", "array"])
@pytest.mark.parametrize("alpha", [0, 128])
def test_an_alpha_that_is_zero_everywhere_is_none(tmp_path, pixels, name, alpha):
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], alpha, np.uint8)])
    source = rgba if name == "array" else tmp_path / name
    if name == "a.bmp":
        source.write_bytes(bmp_with_alpha(rgba))
    elif name != "array":
        Image.fromarray(rgba).save(source, **({"lossless": True, "exact": True} if name == "a.webp" else {}))
    expected = pixels if alpha == 0 else (pixels.astype(int) * 128 + 127) // 255
    np.testing.assert_array_equal(read_image(source), expected)
    np.testing.assert_array_equal(read_resized(source, (40, 60))[0], expected)


def test_an_alpha_of_16_bits_that_is_zero_everywhere_is_none(tmp_path, pixels):
    deep = np.dstack([pixels, np.zeros(pixels.shape[:2], np.uint8)]).astype(np.uint16) * 16
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), deep[..., [2, 1, 0, 3]])
        np.testing.assert_array_equal(read_image(tmp_path / name, bits=12), np.rint(pixels / 4095 * 4080))


# --- TIFF


def tiff(parts: list[bytes], shape: tuple[int, ...], tags: dict[int, int], *, order: str = "<") -> bytes:
    """Write an uncompressed TIFF of strips, or planes, with tags of one's own."""
    height, width = shape[:2]
    samples = shape[2] if len(shape) > 2 else 1
    known = {256: [width], 257: [height], 258: [16] * samples, 259: [1], 262: [1 if samples == 1 else 2]}
    fields = known | {277: [samples], 278: [height]} | {tag: [value] for tag, value in tags.items()}
    fields[258] = [*fields[258] * samples][:samples]
    starts = np.cumsum([8, *map(len, parts)]).tolist()
    fields |= {273: starts[:-1], 279: [len(part) for part in parts]}
    end, extra, entries = starts[-1], b"", b""
    table = 2 + 12 * len(fields) + 4
    for tag in sorted(fields):
        values = b"".join(struct.pack(order + "I", value) for value in fields[tag])
        type_ = 4
        if tag in (258, 339):
            values, type_ = b"".join(struct.pack(order + "H", value) for value in fields[tag]), 3
        place = (
            struct.pack(order + "I", end + table + len(extra)) if len(values) > 4 else values.ljust(4, b"\0")
        )
        extra += values if len(values) > 4 else b""
        entries += struct.pack(order + "HHI", tag, type_, len(fields[tag])) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", end)
    return head + b"".join(parts) + struct.pack(order + "H", len(fields)) + entries + bytes(4) + extra


@pytest.fixture
def deep(pixels):
    return pixels.astype(np.uint16) * 257 - pixels


def test_white_may_be_zero(deep, pixels):
    grey = deep[..., 0]
    np.testing.assert_array_equal(decode(tiff([(65535 - grey).tobytes()], grey.shape, {262: 0})), grey)
    np.testing.assert_array_equal(decode(tiff([grey.tobytes()], grey.shape, {})), grey)
    eight = (255 - pixels[..., 0]).tobytes()
    np.testing.assert_array_equal(decode(tiff([eight], grey.shape, {258: 8, 262: 0})), pixels[..., 0])


def test_the_other_byte_order(deep):
    for array in (deep, deep[..., 0]):
        content = tiff([array.astype(">u2").tobytes()], array.shape, {}, order=">")
        assert decode(content).dtype == np.uint16
        np.testing.assert_array_equal(decode(content), array)
        np.testing.assert_array_equal(read_image(content), read_image(array))


def test_colours_stored_one_after_the_other(deep, pixels):
    planes = [plane.tobytes() for plane in np.moveaxis(pixels, 2, 0)]
    np.testing.assert_array_equal(decode(tiff(planes, pixels.shape, {258: 8, 284: 2})), pixels)
    planes = [plane.tobytes() for plane in np.moveaxis(deep, 2, 0)]
    assert "PlanarConfiguration 1" in reason(tiff(planes, deep.shape, {284: 2}))
    np.testing.assert_array_equal(decode(tiff([deep.tobytes()], deep.shape, {284: 1})), deep)


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_what_a_fourth_value_of_16_bits_means(deep, extra):
    four = np.dstack([deep, np.full(deep.shape[:2], 32768, np.uint16)])
    content = tiff([four.tobytes()], four.shape, {338: extra})
    if extra == 2:  # an alpha
        np.testing.assert_array_equal(decode(content), four)
    else:  # unknown, or an alpha by which the colours were multiplied: as if laid over black
        np.testing.assert_array_equal(decode(content), deep)


@pytest.mark.parametrize("bits", [1, 2, 4, 12])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_grey_of_few_bits_spans_black_to_white(bits, white_is_zero):
    white = 2**bits - 1
    values = np.random.default_rng(0).integers(0, white + 1, (16, 16))
    stored = white - values if white_is_zero else values
    each_bit = (stored[..., None] >> np.arange(bits)[::-1]) & 1
    packed = np.packbits(each_bit.reshape(16, -1).astype(np.uint8), axis=1)
    content = tiff([packed.tobytes()], (16, 16), {258: bits, 262: not white_is_zero})
    if bits == 12 and white_is_zero:
        assert "not supported" in reason(content)
    else:
        full = 255 if bits <= 8 else 65535
        np.testing.assert_array_equal(decode(content), np.rint(values * (full / white)))


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({258: 8, 339: 2}, "signed"),
        ({339: 2}, "signed"),
        ({258: 24}, "not supported"),
        ({258: 32}, "32-bit"),
        ({258: 32, 339: 3}, "floating-point"),
        ({339: 3}, "not supported"),
        ({262: 8}, "not supported"),
        ({258: 6}, "not supported"),
    ],
)
def test_what_has_no_fixed_white_is_refused(tags, words):
    assert words in reason(tiff([bytes(16 * 16 * 4)], (16, 16), tags))


def test_subsampled_colours_without_compression_are_refused(pixels):
    assert "YCbCr" in reason(tiff([pixels.tobytes()], pixels.shape, {258: 8, 262: 6}))


def test_lab_is_read_as_colour():
    grey = np.full((16, 16, 3), (128, 0, 0), np.uint8)
    image = read_image(tiff([grey.tobytes()], grey.shape, {258: 8, 262: 8}))
    assert np.ptp(image) <= 2
    assert abs(int(image[0, 0, 0]) - 120) <= 3  # L* of 50 in sRGB


def test_png_of_16_bits_is_what_it_was(deep):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    head = struct.pack(">IIBBBBB", 60, 40, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"".join(
        len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4) for name, body in chunks
    )
    np.testing.assert_array_equal(decode(b"\x89PNG\r\n\x1a\n" + content), deep)
