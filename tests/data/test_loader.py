import threading
import time

import numpy as np
import pytest
from PIL import Image

from knowngood.data import loader
from knowngood.data.images import read_resized, resize
from knowngood.data.loader import Batches
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
        return read_resized(source, shape, bits=bits)

    monkeypatch.setattr(loader, "read_resized", slow_read)
    return seen


def reading_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("knowngood-read")]


def test_every_image_once_in_order_resized(files, reads, good_images):
    batches = Batches(files, shape=(32, 48), size=7)
    assert len(batches) == 24
    read = list(batches)
    assert [len(batch.index) for batch in read] == [7, 7, 7, 3]
    np.testing.assert_array_equal(np.concatenate([batch.index for batch in read]), np.arange(24))
    np.testing.assert_array_equal(
        np.concatenate([batch.images for batch in read]),
        np.stack([resize(image, (32, 48)) for image in good_images]),
    )
    assert all((batch.sizes == 96).all() for batch in read)
    assert reading_threads() == []


def test_it_can_be_read_again(files):
    batches = Batches(files, shape=(16, 16), size=5)
    for first, second in zip(batches, batches, strict=True):
        np.testing.assert_array_equal(first.images, second.images)


def test_arrays_and_files_together(files):
    grey = np.full((20, 10), 4095, np.uint16)
    (batch,) = Batches([grey, files[0]], shape=(8, 8), bits=12)
    assert batch.sizes.tolist() == [[20, 10], [96, 96]]
    assert (batch.images[0] == 255).all()


def test_sizes_are_those_of_the_files_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 97), "red").save(tmp_path / "a.jpg", exif=exif)
    (batch,) = Batches([tmp_path / "a.jpg"], shape=(20, 10))
    assert batch.sizes.tolist() == [[200, 97]]
    assert batch.images.shape == (1, 20, 10, 3)
    assert np.abs(batch.images.astype(int) - (255, 0, 0)).max() < 4


def test_nothing_to_read():
    assert list(Batches([], shape=(8, 8))) == []


def test_few_images_are_in_flight(reads, monkeypatch):
    monkeypatch.setattr(loader, "AHEAD", 3)
    sources = [np.zeros((8, 8), np.uint8)] * 40
    for taken, _batch in enumerate(Batches(sources, shape=(8, 8), size=2), start=1):
        time.sleep(0.01)
        # A batch is handed out once the image after it is known.
        assert len(reads) <= 2 * taken + 1 + 3


@pytest.mark.parametrize("how", ["break", "error", "close"])
def test_no_thread_is_left_when_the_consumer_stops(reads, how):
    batches = iter(Batches([np.zeros((8, 8), np.uint8)] * 200, shape=(8, 8), size=2))
    if how == "error":
        with pytest.raises(ZeroDivisionError):
            next(1 / (len(batch.index) - 2) for batch in batches)
    else:
        next(batches)
    batches.close()
    assert reading_threads() == []
    assert len(reads) < 60


def test_broken_images_stop_the_run_at_its_end(with_broken, reads):
    batches = iter(Batches(with_broken, shape=(8, 8), size=2))
    with pytest.raises(DataError) as caught:
        next(batches)
    message = str(caught.value)
    assert message.startswith("3 of 27 images cannot be read; remove them or skip them (--skip-unreadable")
    assert all(name in message for name in ("x.png", "y.png", "z.png"))
    assert len(reads) == 27


def test_what_comes_before_the_first_broken_image_is_yielded(with_broken):
    read = []
    with pytest.raises(DataError, match="2 of 26"):
        read.extend(batch.index.tolist() for batch in Batches(with_broken[1:], shape=(8, 8), size=2))
    assert read == [[0, 1]]


def test_broken_images_are_skipped_and_named(with_broken):
    failures = []
    read = list(Batches(with_broken, shape=(8, 8), size=5, on_unreadable=failures.append))
    assert np.concatenate([batch.index for batch in read]).tolist() == [
        position for position in range(27) if position not in (0, 5, 26)
    ]
    assert [len(batch.index) for batch in read] == [5, 5, 5, 5, 4]
    assert [failure.path for failure in failures] == [str(with_broken[position]) for position in (0, 5, 26)]


def test_only_broken_images_are_an_error_even_when_skipping(tmp_path):
    missing = [tmp_path / f"{number:02}.png" for number in range(13)]
    with pytest.raises(DataError) as caught:
        list(Batches(missing, shape=(8, 8), on_unreadable=[].append))
    message = str(caught.value)
    assert "13 of 13 images cannot be read; replace them" in message
    assert "09.png" in message
    assert "10.png" not in message
    assert message.endswith("and 3 more")


def test_a_refused_array_is_named_by_its_position(tmp_path):
    grey, deep = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint16)
    sources = [grey, tmp_path / "none.png", grey, deep]
    failures = []
    (batch,) = Batches(sources, shape=(8, 8), bits=None, on_unreadable=failures.append)
    assert batch.index.tolist() == [0, 2]
    assert [failure.path for failure in failures] == [str(tmp_path / "none.png"), "[3]"]
    with pytest.raises(DataError, match=r"2 of 4 .*\n.*none\.png': there is no .*\n  '\[3\]': it has 16-bit"):
        list(Batches(sources, shape=(8, 8), bits=None))


def test_an_array_that_is_no_image_is_an_error_at_once():
    with pytest.raises(DataError, match="shape"):
        list(Batches([np.zeros((8, 8, 2), np.uint8)], shape=(8, 8), on_unreadable=[].append))
    assert reading_threads() == []
