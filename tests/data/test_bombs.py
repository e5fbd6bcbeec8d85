"""Images that would take much more memory or time than they look like."""

import io
import os
import struct
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from knowngood.data import formats, memory, structure
from knowngood.data.decoding import decode, read_header
from knowngood.data.images import read_image, read_resized
from knowngood.data.memory import VARIABLE, Gate
from knowngood.errors import UnreadableImage


def chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4)


def png(size, type_, *, bits=8, before=b"", rows=None) -> bytes:
    """Write a PNG of zeros, in little memory."""
    height, width = size
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[type_]
    packer = zlib.compressobj(1)
    row = bytes(1 + width * channels * bits // 8)
    packed = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, type_, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(range(6))) if type_ == 3 else b""
    body = start + palette + before + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def encoded(image: Image.Image, name: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def reason(file, read=decode) -> str:
    with pytest.raises(UnreadableImage) as caught:
        read(file)
    assert "\n" not in str(caught.value)
    return caught.value.reason


# --- memory


@pytest.mark.parametrize(
    "file", ["grey.png", "alpha.png", "deep.png", "palette.png", "cmyk.jpg", "scans.jpg"]
)
def test_the_memory_that_is_set_apart_is_enough(tmp_path, file):
    size = (2500, 4000)
    content = {
        "grey.png": lambda: png(size, 0),
        "alpha.png": lambda: png(size, 6),
        "deep.png": lambda: png(size, 2, bits=16),
        "palette.png": lambda: png(size, 3),
        "cmyk.jpg": lambda: encoded(Image.new("CMYK", size[::-1]), "JPEG"),
        "scans.jpg": lambda: encoded(Image.new("RGB", size[::-1]), "JPEG", progressive=True, subsampling=0),
    }[file]()
    (tmp_path / file).write_bytes(content)
    program = (
        "import sys, knowngood.data.images as images, knowngood.data.formats as formats\n"
        "def size(key):\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))\n"
        "images.read_image(sys.argv[2])\n"  # whatever is imported late
        "before = size('VmRSS')\n"
        "images.read_image(sys.argv[1])\n"
        "needed = formats.open_image(open(sys.argv[1], 'rb').read()).bytes_needed\n"
        "print(size('VmHWM') - before, needed)\n"
    )
    small = tmp_path / f"small{file[-4:]}"
    small.write_bytes(png((9, 9), 2) if file.endswith("png") else encoded(Image.new("L", (9, 9)), "JPEG"))
    command = [sys.executable, "-c", program, str(tmp_path / file), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, needed = map(int, done.stdout.split())
    assert 0.3 * needed < taken < needed + 20_000_000


@pytest.mark.parametrize(("type_", "bits"), [(6, 8), (2, 16), (6, 16)])
def test_what_takes_too_much_is_refused_before_it_is_decoded(type_, bits, monkeypatch):
    monkeypatch.setattr(formats.PillowFile, "decode", lambda *_: pytest.fail("it was decoded"))
    words = reason(png((13_000, 13_700), type_, bits=bits, rows=0))
    assert words.startswith("it would take ")
    assert words.endswith(
        "1,500 MB are allowed; cut it into smaller images, or allow more by the environment variable "
        "KNOWNGOOD_IMAGE_MB"
    )


def test_the_limit_can_be_raised_and_lowered(monkeypatch):
    content = png((300, 400), 2)
    monkeypatch.setenv(VARIABLE, "0")
    assert "0 MB are allowed" in reason(content)
    monkeypatch.setenv(VARIABLE, "2")
    assert read_image(content).shape == (300, 400, 3)
    monkeypatch.setenv(VARIABLE, "much")
    assert (
        reason(content)
        == "the environment variable KNOWNGOOD_IMAGE_MB='much' is not a whole number of megabytes"
    )


def test_a_file_of_nothing_is_not_read(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(10**12)
    for read in (decode, read_header):
        assert "it is too large (1,000,000,000,000 bytes)" in reason(tmp_path / "a.png", read)


def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for path in (tmp_path / "a.png", "/dev/zero"):
        assert reason(path) == reason(path, read_header) == "it is a pipe or a device, not a file"


def test_images_wait_until_their_memory_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "FIRST", 0)
    monkeypatch.setattr("knowngood.data.decoding.FIRST", 0)
    monkeypatch.setenv(VARIABLE, "3")
    content = png((300, 400), 2)  # 960 KB
    held, most, lock = set(), [], threading.Lock()
    original = formats.PillowFile.decode

    def watched(self, at_least):
        with lock:
            held.add(threading.get_ident())
            most.append(len(held))
        pixels = original(self, at_least)
        with lock:
            held.discard(threading.get_ident())
        return pixels

    monkeypatch.setattr(formats.PillowFile, "decode", watched)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: read_resized(content, (30, 40))[0], range(40)))
    assert len(read) == 40
    assert max(most) <= 3
    assert memory.GATE._held == 0


def test_a_large_image_comes_at_its_turn(monkeypatch):
    monkeypatch.setenv(VARIABLE, "10")
    gate, order = Gate(), []
    entered, release = threading.Event(), threading.Event()

    def hold(size, name):
        with gate.hold(size):
            order.append(name)
            if name == "first":
                entered.set()
                release.wait()

    threads = [threading.Thread(target=hold, args=(4_000_000, "first"))]
    threads[0].start()
    entered.wait()
    for size, name in ((50_000_000, "large"), (4_000_000, "small")):
        threads.append(threading.Thread(target=hold, args=(size, name)))
        threads[-1].start()
        while name == "large" and not gate._turn.locked():
            pass
    release.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "large", "small"]


# --- structure


def many_scans(copies: int) -> bytes:
    content = encoded(Image.new("L", (64, 64), 7), "JPEG", progressive=True)
    last, end = content.rfind(b"\xff\xc4"), content.rfind(b"\xff\xd9")
    return content[:end] + content[last:end] * copies + content[end:]


def test_scans_are_counted():
    ordinary = encoded(Image.new("RGB", (64, 64)), "JPEG", progressive=True)
    assert structure.scans(ordinary) == 10
    assert structure.scans(encoded(Image.new("RGB", (64, 64)), "JPEG")) == 1
    assert decode(many_scans(90)).shape == (64, 64)
    assert "more than 100 scans" in reason(many_scans(100))
    assert "more than 100 scans" in reason(many_scans(5000))


def test_scans_of_a_large_image_are_bounded_by_its_size(monkeypatch):
    monkeypatch.setattr(formats, "MOST_SCANNED", 64 * 64 * 50)
    assert decode(many_scans(40)).shape == (64, 64)
    assert "its 76 scans take too long" in reason(many_scans(70))


def jpeg_with(segments: bytes) -> bytes:
    content = encoded(Image.new("L", (64, 64), 7), "JPEG")
    return content[:2] + segments + content[2:]


def segment(letter: int, body: bytes) -> bytes:
    return bytes([0xFF, letter]) + (len(body) + 2).to_bytes(2) + body


def test_segments_of_a_jpeg_are_bounded():
    assert decode(jpeg_with(segment(0xE5, bytes(60_000)) * 200)).shape == (64, 64)
    assert "1000 segments" in reason(jpeg_with(segment(0xE5, b"") * 1000))
    assert "16 MB" in reason(jpeg_with(segment(0xE5, bytes(60_000)) * 300))


def tags(entries: int, length: int, type_: int = 1) -> bytes:
    """Write a TIFF directory whose tags all refer to the same bytes."""
    entry = struct.pack("<HHII", 40_000, type_, length, 8)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", entries) + entry * entries + bytes(4 + min(length, 10**6))


@pytest.mark.parametrize(
    "content", [tags(2000, 50_000), tags(1, 10**9, type_=3), tags(1, 1_000_001, type_=12)]
)
def test_tags_that_refer_to_the_same_bytes_are_refused(content):
    words = "its tags are longer than the file"
    assert words in reason(content)
    small = tags(4000, 10_000)
    exif = segment(0xE1, b"Exif\0\0" + small[:65_000])
    assert words in reason(jpeg_with(exif))
    assert words in reason(png((64, 64), 0, before=chunk(b"eXIf", small)))
    assert words in reason(encoded(Image.new("L", (64, 64)), "WEBP", exif=b"Exif\0\0" + small))


def test_tags_of_an_avif_are_bounded():
    small = tags(4000, 10_000)
    plain = encoded(Image.new("RGB", (64, 64)), "AVIF", exif=tags(1, 9))
    assert "its tags are longer" in reason(plain + small)


def test_chunks_of_a_png_are_bounded():
    assert decode(png((64, 64), 0, before=chunk(b"teXt", b"") * 1000)).shape == (64, 64)
    assert "200,000 chunks" in reason(png((64, 64), 0, before=chunk(b"teXt", b"") * 200_000))


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_texts_and_profiles_are_not_unpacked(name):
    packed = zlib.compress(bytes(100_000_000))
    before = chunk(name, b"a\0\0" + packed)
    assert "too large" in reason(png((64, 64), 0, before=before))


def test_blocks_of_a_gif_are_bounded():
    content = encoded(Image.new("P", (64, 64)), "GIF")
    start = content.index(b",", 13 + 3 * 2)
    comment = b"!\xfe" + b"\xff" + bytes(255)
    for blocks, fits in ((3000, True), (4001, False)):
        made = content[:start] + comment[:2] + comment[2:] * blocks + b"\0" + content[start:]
        if fits:
            assert decode(made).shape[:2] == (64, 64)
        else:
            assert "4000 blocks" in reason(made)


def test_parts_of_a_jpeg_2000_are_bounded():
    content = encoded(Image.new("L", (64, 64)), "JPEG2000")
    free = (8).to_bytes(4) + b"free"
    header = content.index(b"jp2h") - 4
    assert decode(content[:header] + free * 100 + content[header:]).shape == (64, 64)
    assert "1000 parts" in reason(content[:header] + free * 1001 + content[header:])
    place = content.index(b"\xff\x52")
    comment = b"\xff\x64" + (5).to_bytes(2) + b"\0\1a"
    assert "1000 parts" in reason(content[:place] + comment * 1001 + content[place:])


def test_a_run_length_coded_bmp_is_bounded(monkeypatch):
    runs = b"".join(bytes([64, 0, 0, 0]) for _ in range(64)) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, 64, 64, 1, 8, 1, len(runs), 0, 0, 256, 0)
    start = 54 + 1024
    content = b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + bytes(1024) + runs
    assert decode(content).shape[:2] == (64, 64)
    monkeypatch.setattr(formats, "LARGEST_RUNS", 1000)
    assert "run-length coded" in reason(content)


def test_a_tile_larger_than_its_image_counts():
    names = {256: 64, 257: 64, 258: 8, 259: 5, 262: 1, 277: 1, 322: 60_000, 323: 60_000, 324: 8, 325: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in names.items())
    content = b"II*\0\x09\0\0\0\0" + struct.pack("<H", len(names)) + entries + bytes(4)
    assert "3,600 MB of memory" in reason(content)


def test_a_forked_process_does_not_wait_for_threads_of_its_parent():
    program = (
        "import os, threading\n"
        "from knowngood.data.memory import GATE, limit\n"
        "entered, done = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with GATE.hold(limit()):\n"
        "        entered.set(); done.wait()\n"
        "thread = threading.Thread(target=hold); thread.start(); entered.wait()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    with GATE.hold(limit()):\n"
        "        os._exit(7)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "done.set(); thread.join()\n"
        "print(code)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "7\n"
