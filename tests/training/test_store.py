import numpy as np
import pytest

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.errors import DataError
from knowngood.training.store import is_grey, store_images

SHAPE = (8, 8)


@pytest.fixture
def pictures():
    return [np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8) for number in range(23)]


def test_every_image_is_there_once(pictures):
    with store_images(ImageSet(pictures, Reading(SHAPE)), seed=0) as store:
        np.testing.assert_array_equal(store.samples[: len(store.index)], pictures)
        assert sorted([*store.train, *store.validation]) == list(range(23))
        assert len(store.validation) == 5  # a fifth


def test_the_file_is_gone_afterwards(pictures):
    with store_images(ImageSet(pictures, Reading(SHAPE)), seed=0) as store:
        assert store.file.exists()
    assert not store.file.parent.exists()


def test_the_seed_chooses_who_is_held_out(pictures):
    def held_out(seed):
        with store_images(ImageSet(pictures, Reading(SHAPE)), seed=seed) as store:
            return store.validation.tolist()

    assert held_out(0) == held_out(0)
    assert held_out(0) != held_out(1)


def test_groups_are_held_out_together(pictures):
    groups = [number // 2 for number in range(23)]
    with store_images(ImageSet(pictures, Reading(SHAPE), groups=groups), seed=0) as store:
        of_train, of_validation = ({groups[row] for row in rows} for rows in (store.train, store.validation))
    assert not of_train & of_validation


def test_groups_follow_their_images_when_some_cannot_be_read(pictures, tmp_path):
    (tmp_path / "broken.png").write_text("no image")
    sources = [tmp_path / "broken.png", *pictures]
    groups = ["first", *(number // 2 for number in range(23))]
    images = ImageSet(sources, Reading(SHAPE), groups=groups, on_unreadable=[].append)
    with store_images(images, seed=0) as store:
        assert store.index.tolist() == list(range(1, 24))
        held_out = {groups[store.index[row]] for row in store.validation}
        assert not held_out & {groups[store.index[row]] for row in store.train}


def test_one_image_is_too_few(pictures):
    with (
        pytest.raises(DataError, match="at least 2"),
        store_images(ImageSet(pictures[:1], Reading(SHAPE)), seed=0),
    ):
        pass


def test_the_fingerprint_tells_images_and_divisions_apart(pictures):
    def fingerprint(images, seed):
        with store_images(ImageSet(images, Reading(SHAPE)), seed=seed) as store:
            return store.fingerprint

    assert fingerprint(pictures, 0) == fingerprint(pictures, 0)
    assert len({fingerprint(pictures, 0), fingerprint(pictures, 1), fingerprint(pictures[::-1], 0)}) == 3


def test_one_coloured_image_makes_a_set_coloured():
    images = np.full((3, 4, 4, 3), 7, np.uint8)
    assert is_grey(images)
    images[2, 3, 3, 1] = 8
    assert not is_grey(images)


def test_a_fifth_of_each_class_is_held_out(pictures):
    classes = [0] * 14 + [1] * 9
    with store_images(ImageSet(pictures, Reading(SHAPE), list(map(str, classes))), seed=0) as kept:
        assert kept.labels.tolist() == classes
        assert np.bincount(kept.labels[kept.validation]).tolist() == [3, 2]
        with store_images(ImageSet(pictures, Reading(SHAPE), list(map(str, classes[::-1]))), seed=0) as other:
            assert other.fingerprint != kept.fingerprint
