import threading
import time

import numpy as np
import pytest
from PIL import Image

from knowngood.data import imageset, reading
from knowngood.data.images import read_picture, resize
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.errors import DataError


@pytest.fixture
def files(widget):
    return sorted((widget / "train" / "good").iterdir())


@pytest.fixture
def with_broken(files, tmp_path):
    """Twenty-four images and three files that are none, at positions 0, 5 and 26."""
    for name in ("x.png", "y.png", "z.png"):
        (tmp_path / name).write_text("not an image")
    return [tmp_path / "x.png", *files[:4], tmp_path / "y.png", *files[4:], tmp_path / "z.png"]


@pytest.fixture
def reads(monkeypatch):
    """Record which sources are read; the earlier ones take longer, so that threads finish out of order."""
    seen = []

    def slow_read(source, shape, bits):
        seen.append(source)
        time.sleep(0.002 * (3 - len(seen) % 4))
        return read_picture(source, shape, bits=bits)

    monkeypatch.setattr(reading, "read_picture", slow_read)
    return seen


def reading_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("knowngood-read")]


def test_every_image_once_in_order_resized(files, reads, good_images):
    images = ImageSet(files, Reading((32, 48)))
    assert len(images) == 24
    read = list(images.batches(7))
    assert [len(batch.index) for batch in read] == [7, 7, 7, 3]
    np.testing.assert_array_equal(np.concatenate([batch.index for batch in read]), np.arange(24))
    np.testing.assert_array_equal(
        np.concatenate([batch.images for batch in read]),
        np.stack([resize(image, (32, 48)) for image in good_images]),
    )
    assert all((batch.sizes == 96).all() for batch in read)
    assert reading_threads() == []


def test_it_can_be_read_again(files):
    images = ImageSet(files, Reading((16, 16)))
    for first, second in zip(images.batches(5), images.batches(5), strict=True):
        np.testing.assert_array_equal(first.images, second.images)


def test_arrays_and_files_together(files):
    grey = np.full((20, 10), 4095, np.uint16)
    (batch,) = ImageSet([grey, files[0]], Reading((8, 8), bits=12)).batches(2)
    assert batch.sizes.tolist() == [[20, 10], [96, 96]]
    assert (batch.images[0] == 255).all()


def test_sizes_are_those_of_the_files_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 97), "red").save(tmp_path / "a.jpg", exif=exif)
    (batch,) = ImageSet([tmp_path / "a.jpg"], Reading((20, 10))).batches()
    assert batch.sizes.tolist() == [[200, 97]]
    assert batch.images.shape == (1, 20, 10, 3)
    assert np.abs(batch.images.astype(int) - (255, 0, 0)).max() < 4


def test_nothing_to_read():
    assert list(ImageSet([], Reading((8, 8))).batches()) == []


def test_few_images_are_in_flight(reads, monkeypatch):
    monkeypatch.setattr(imageset, "AHEAD", 3)
    sources = [np.zeros((8, 8), np.uint8)] * 40
    for taken, _batch in enumerate(ImageSet(sources, Reading((8, 8))).batches(2), start=1):
        time.sleep(0.01)
        # A batch is handed out once the image after it is known.
        assert len(reads) <= 2 * taken + 1 + 3


@pytest.mark.parametrize("how", ["break", "error", "close"])
def test_no_thread_is_left_when_the_consumer_stops(reads, how):
    batches = iter(ImageSet([np.zeros((8, 8), np.uint8)] * 200, Reading((8, 8))).batches(2))
    if how == "error":
        with pytest.raises(ZeroDivisionError):
            next(1 / (len(batch.index) - 2) for batch in batches)
    else:
        next(batches)
    batches.close()
    assert reading_threads() == []
    assert len(reads) < 60


def test_broken_images_stop_the_run_at_its_end(with_broken, reads):
    batches = iter(ImageSet(with_broken, Reading((8, 8))).batches(2))
    with pytest.raises(DataError) as caught:
        next(batches)
    message = str(caught.value)
    assert message.startswith("3 of 27 images cannot be read; remove them or skip them (--skip-unreadable")
    assert all(name in message for name in ("x.png", "y.png", "z.png"))
    assert len(reads) == 27


def test_what_comes_before_the_first_broken_image_is_yielded(with_broken):
    read = []
    with pytest.raises(DataError, match="2 of 26"):
        read.extend(batch.index.tolist() for batch in ImageSet(with_broken[1:], Reading((8, 8))).batches(2))
    assert read == [[0, 1]]


def test_broken_images_are_skipped_and_named(with_broken):
    failures = []
    read = list(ImageSet(with_broken, Reading((8, 8)), on_unreadable=failures.append).batches(5))
    assert np.concatenate([batch.index for batch in read]).tolist() == [
        position for position in range(27) if position not in (0, 5, 26)
    ]
    assert [len(batch.index) for batch in read] == [5, 5, 5, 5, 4]
    assert [failure.path for failure in failures] == [str(with_broken[position]) for position in (0, 5, 26)]


def test_only_broken_images_are_an_error_even_when_skipping(tmp_path):
    missing = [tmp_path / f"{number:02}.png" for number in range(13)]
    with pytest.raises(DataError) as caught:
        list(ImageSet(missing, Reading((8, 8)), on_unreadable=[].append).batches())
    message = str(caught.value)
    assert "13 of 13 images cannot be read; replace them" in message
    assert "09.png" in message
    assert "10.png" not in message
    assert message.endswith("and 3 more")


def test_a_refused_array_is_named_by_its_position(tmp_path):
    grey, deep = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint16)
    sources = [grey, tmp_path / "none.png", grey, deep]
    failures = []
    (batch,) = ImageSet(sources, Reading((8, 8), bits=None), on_unreadable=failures.append).batches(4)
    assert batch.index.tolist() == [0, 2]
    assert [failure.path for failure in failures] == [str(tmp_path / "none.png"), "[3]"]
    with pytest.raises(DataError, match=r"2 of 4 .*\n.*none\.png': there is no .*\n  '\[3\]': it has 16-bit"):
        list(ImageSet(sources, Reading((8, 8), bits=None)).batches())


def test_an_array_that_is_no_image_is_an_error_at_once():
    with pytest.raises(DataError, match="shape"):
        list(ImageSet([np.zeros((8, 8, 2), np.uint8)], Reading((8, 8)), on_unreadable=[].append).batches())
    assert reading_threads() == []


def test_what_is_known_of_images_goes_with_them():
    sources = [np.full((8, 8), grey, np.uint8) for grey in (10, 20, 30)]
    images = ImageSet(sources, Reading((8, 8)), ["dent", "good", "arch"], [1, 1, 2], ["d.png", "", "a.png"])
    assert images.names == ["good", "arch", "dent"]
    assert images.numbers.tolist() == [2, 0, 1]
    some = images.subset([2, 0])
    assert [int(image[0, 0]) for image in some.sources] == [30, 10]
    assert (some.classes, some.groups, some.masks) == (["arch", "dent"], [2, 1], ["a.png", "d.png"])
    bare = ImageSet(sources, Reading((8, 8)))
    assert (bare.names, bare.numbers.tolist()) == ([], [0, 0, 0])
    assert bare.subset([1]).groups is None


def test_bytes_are_named_by_their_position(files):
    with pytest.raises(DataError, match=r"1 of 2 images cannot be read.*\n  '\[1\]': not an image"):
        list(ImageSet([files[0].read_bytes(), b"no image"], Reading((8, 8))).batches())
