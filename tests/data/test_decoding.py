import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from knowngood.data.decoding import decode, read_header
from knowngood.data.images import read_image
from knowngood.errors import DataError, UnreadableImage


def save(path, image, **options):
    image.save(path, **options)
    return path


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, size=(40, 60, 3), dtype=np.uint8)


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def black_png(width: int, height: int, rows: int) -> bytes:
    """Write a PNG that promises ``height`` rows of pixels and holds some of them."""
    size = width.to_bytes(4) + height.to_bytes(4)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + b"\x08\x00\x00\x00\x00")
    return start + chunk(b"IDAT", zlib.compress(bytes(rows * (width + 1)))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_lossless_colour_is_read_exactly(tmp_path, pixels, suffix):
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(pixels))
    np.testing.assert_array_equal(decode(path), pixels)
    assert read_header(path)[:4] == (40, 60, "RGB", False)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_colour_is_read_closely(tmp_path, suffix):
    smooth = np.linspace([200, 20, 90], [20, 200, 90], 64)[:, None].repeat(48, axis=1).astype(np.uint8)
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(smooth), quality=95)
    assert np.abs(decode(path).astype(int) - smooth).mean() < 3


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_grey_and_one_bit(tmp_path, pixels, suffix):
    grey = pixels[..., 0]
    np.testing.assert_array_equal(decode(save(tmp_path / f"grey.{suffix}", Image.fromarray(grey))), grey)
    black_and_white = Image.fromarray(grey > 127)
    image = read_image(save(tmp_path / f"bit.{suffix}", black_and_white))
    np.testing.assert_array_equal(image, np.where(grey > 127, 255, 0)[..., None].repeat(3, axis=2))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_kept(tmp_path, suffix, channels):
    deep = np.random.default_rng(0).integers(0, 65536, size=(12, 10, channels), dtype=np.uint16)
    order = [2, 1, 0, 3][:channels] if channels > 1 else [0]
    path = tmp_path / f"deep.{suffix}"
    cv2.imwrite(str(path), deep[..., order])
    assert read_header(path).deep
    read = decode(path)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read.reshape(deep.shape), deep)


def test_palette_with_and_without_transparency(tmp_path, pixels):
    palette = Image.fromarray(pixels).quantize(16)
    colours = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(read_image(save(tmp_path / "p.png", palette)), colours)
    see_through = read_image(save(tmp_path / "t.png", palette, transparency=3))
    hidden = np.asarray(palette) == 3
    assert hidden.any()
    assert not see_through[hidden].any()
    np.testing.assert_array_equal(see_through[~hidden], colours[~hidden])


def test_one_transparent_colour(tmp_path, pixels):
    pixels[5:9, 5:9] = (10, 20, 30)
    image = read_image(save(tmp_path / "t.png", Image.fromarray(pixels), transparency=(10, 20, 30)))
    pixels[5:9, 5:9] = 0
    np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_alpha_is_laid_over_black(tmp_path, suffix):
    rgba = np.full((16, 16, 4), (200, 100, 50, 255), np.uint8)
    rgba[:8, :, 3] = 128
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(rgba), lossless=True)
    image = read_image(path)
    assert image[0, 0].tolist() == [100, 50, 25]
    assert image[15, 0].tolist() == [200, 100, 50]


def test_grey_with_alpha(tmp_path):
    grey = np.full((16, 16, 2), (200, 128), np.uint8)
    assert read_image(save(tmp_path / "a.png", Image.fromarray(grey, "LA")))[3, 3].tolist() == [100] * 3


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk(tmp_path, suffix):
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    image = read_image(save(tmp_path / f"a.{suffix}", red))
    assert np.abs(image[8, 8].astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_rotated_images_are_turned_upright(tmp_path, suffix, orientation):
    upright = np.zeros((24, 40), np.uint8)
    upright[:8, :8], upright[:8, -8:] = 250, 120
    # What a camera held in this orientation stores, by the definition of the EXIF tag.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    header = read_header(path)
    assert (header.height, header.width) == (24, 40)
    assert np.abs(read_image(path)[..., 0].astype(int) - upright).max() < 20


def test_rotated_16_bit_colour_tiff(tmp_path):
    upright = np.zeros((24, 40, 3), np.uint16)
    upright[:8, :8] = 60000
    path = tmp_path / "a.tif"
    path.write_bytes(deep_tiff(np.rot90(upright), {274: 6}))
    assert read_header(path)[:2] == (24, 40)
    np.testing.assert_array_equal(decode(path), upright)


def deep_tiff(pixels: np.ndarray, tags: dict[int, int]) -> bytes:
    """Write 16-bit colour with tags of one's own, which neither library does."""
    data = pixels.astype("<u2").tobytes()
    height, width, _ = pixels.shape
    bits_at = 8 + len(data)
    fields = {
        256: width,
        257: height,
        258: bits_at,
        259: 1,
        262: 2,
        273: 8,
        277: 3,
        278: height,
        279: len(data),
    }
    directory = b"".join(
        struct.pack("<HHII", tag, 3 if tag == 258 else 4, 3 if tag == 258 else 1, value)
        for tag, value in sorted((fields | tags).items())
    )
    head = b"II*\0" + struct.pack("<I", bits_at + 6)
    count = struct.pack("<H", len(fields | tags))
    return head + data + struct.pack("<3H", 16, 16, 16) + count + directory + bytes(4)


def test_of_several_pages_the_first_is_read(tmp_path, pixels):
    pages = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    path = save(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(decode(path), pixels)


def test_several_pictures_in_one_jpeg(tmp_path, pixels):
    pages = [Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue")]
    path = save(tmp_path / "a.jpg", pages[0], format="MPO", save_all=True, append_images=pages[1:])
    assert decode(path)[16, 16, 0] > 240


@pytest.mark.parametrize("name", ["a b.png", "new\nline.png", "größe-部品.png", "'quoted'.png"])
def test_any_file_name(tmp_path, pixels, name):
    np.testing.assert_array_equal(decode(save(tmp_path / name, Image.fromarray(pixels))), pixels)


def reason(path: Path) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decode(path)
    assert caught.value.path == str(path)
    assert "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_truncated_file_is_named(tmp_path, pixels, suffix, mode, share):
    if mode == "P" and suffix in ("jpg", "webp"):
        mode = "CMYK" if suffix == "jpg" else "RGBA"
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(pixels).convert(mode))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert reason(path)


def test_a_truncated_16_bit_tiff_is_named(tmp_path):
    path = tmp_path / "a.tif"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 65536, (64, 64, 3), dtype=np.uint16))
    path.write_bytes(path.read_bytes()[:9000])
    assert reason(path)


def test_a_jpeg_that_lacks_only_its_end_is_named(tmp_path, pixels):
    path = save(tmp_path / "a.jpg", Image.fromarray(pixels))
    path.write_bytes(path.read_bytes()[:-2])
    assert "truncated" in reason(path)


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_a_png_damaged_in_the_middle_is_named(tmp_path, pixels, mode):
    path = save(tmp_path / "a.png", Image.fromarray(pixels).convert(mode))
    data = bytearray(path.read_bytes())
    data[-200] ^= 0xFF
    path.write_bytes(data)
    assert reason(path) == "the file is damaged (a checksum is wrong)"


def test_a_png_with_too_few_pixels_is_named(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(black_png(64, 64, rows=32))
    assert "damaged" in reason(path)


def test_what_is_no_image_is_named(tmp_path):
    empty, text, folder = tmp_path / "empty.png", tmp_path / "text.png", tmp_path / "folder.png"
    empty.touch()
    text.write_text("not an image")
    folder.mkdir()
    assert "0 bytes" in reason(empty)
    assert "not an image" in reason(text)
    assert "folder" in reason(folder)
    assert "no such file" in reason(tmp_path / "none.png")
    for path in (empty, text, folder):
        with pytest.raises(UnreadableImage):
            read_header(path)


def test_a_file_without_permission_is_named(tmp_path, pixels, monkeypatch):
    path = save(tmp_path / "a.png", Image.fromarray(pixels))

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("knowngood.data.decoding.read_file", refuse)
    assert reason(path) == "no permission to read it"


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_too_small_an_image_is_named(tmp_path, size):
    path = save(tmp_path / "a.png", Image.new("RGB", size))
    assert "at least 8 a side" in reason(path)
    with pytest.raises(UnreadableImage):
        read_header(path)


def test_a_decompression_bomb_is_not_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(black_png(20_000, 20_000, rows=0))
    assert "179 million" in reason(path)


@pytest.mark.parametrize(("mode", "word"), [("F", "floating-point"), ("I", "32-bit")])
def test_pixels_without_a_fixed_white_are_refused(tmp_path, mode, word):
    assert word in reason(save(tmp_path / "a.tif", Image.new(mode, (16, 16))))


def test_arrays(pixels):
    np.testing.assert_array_equal(decode(pixels), pixels)
    np.testing.assert_array_equal(decode(pixels[..., :1]), pixels[..., 0])
    for bad in (pixels.astype(float), pixels[..., :2], pixels[None], pixels[0, 0]):
        with pytest.raises(DataError, match="expected"):
            decode(bad)
    with pytest.raises(DataError, match="at least 8"):
        decode(pixels[:3])


def test_the_program_prints_nothing_whatever_the_file(tmp_path, pixels):
    big, odd = tmp_path / "big.png", tmp_path / "odd.png"
    big.write_bytes(black_png(9_500, 9_500, rows=9_500))
    extra = PngImagePlugin.PngInfo()
    extra.add(b"iCCP", b"bad\0\0" + zlib.compress(b"not a profile"))
    save(odd, Image.fromarray(pixels), pnginfo=extra)
    jpeg = save(tmp_path / "a.jpg", Image.fromarray(pixels), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05garbage")
    data = bytearray(jpeg.read_bytes())
    data[-300:-280] = bytes(20)
    jpeg.write_bytes(data)
    deep = tmp_path / "deep.tif"
    deep.write_bytes(deep_tiff(np.zeros((64, 64, 3)), {65000: 1}))
    for index, file in enumerate([odd, jpeg, deep]):
        (tmp_path / f"cut{index}{file.suffix}").write_bytes(file.read_bytes()[:-100])
    program = (
        "import sys\n"
        "from knowngood.cli.app import quieten; quieten()\n"
        "from knowngood.data.images import read_image\n"
        "from knowngood.errors import UnreadableImage\n"
        "for file in sys.argv[1:]:\n"
        "    try: read_image(file)\n"
        "    except UnreadableImage: pass\n"
    )
    files = sorted(str(file) for file in tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


# --- bytes of a file


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_bytes_are_read_as_their_file(tmp_path, pixels, suffix):
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(pixels))
    np.testing.assert_array_equal(decode(path.read_bytes()), decode(path))
    assert read_header(path.read_bytes()) == read_header(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", r"the file is empty \(0 bytes\)"), (b"not an image", "not an image of a known type")],
)
def test_bytes_that_are_no_image(content, reason):
    for read in (decode, read_header):
        with pytest.raises(UnreadableImage, match=reason):
            read(content)
