"""Few good images: augmented copies of them, what is held out, and what is said."""

import numpy as np
import pytest

import knowngood
from knowngood.data import augmented
from knowngood.detectors import DETECTORS
from knowngood.detectors.base import draw_held_out
from knowngood.errors import DataError
from knowngood.metrics.rates import promise
from knowngood.report.subject import subject

QUICK = {"input_size": 64, "coreset": 50, "eight_bit": False}
PICTURES = 20  # less than of a user, so that the tests take seconds
MOVED = "16 augmented copies of them, moved a little and in other light"


def good_table(images):
    return knowngood.load_samples(images, labels=["good"] * len(images)).assign(split="train")


@pytest.fixture(scope="module", autouse=True)
def _fewer_copies():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmented, "PICTURES", PICTURES)
        yield


@pytest.fixture(scope="module")
def few(good_images):
    return knowngood.fit(good_images[:4], **QUICK)


@pytest.fixture(scope="module")
def one(good_images):
    return knowngood.fit(good_images[:1], **QUICK)


@pytest.fixture
def learned(monkeypatch):
    """The sets of images that `patchcore` is fitted to."""
    sets = []
    fit_to = DETECTORS["patchcore"].fit

    def spy(self, good, **options):
        sets.append(good)
        return fit_to(self, good, **options)

    monkeypatch.setattr(DETECTORS["patchcore"], "fit", spy)
    return sets


def test_copies_are_learned_from_and_counted_nowhere_else(few, good_images):
    manifest = few.manifest
    assert manifest.augmented == MOVED
    assert len(set(manifest.training)) == len(manifest.training) == 4
    assert sorted(manifest.held_out_names) == [["[0]"], ["[1]"], ["[2]"], ["[3]"]]
    assert (manifest.threshold.held_out, manifest.threshold.value) == (4, manifest.held_out[-1])
    assert len(knowngood.suspects(few)) == 4
    assert min(verdict.score for verdict in few.inspect(good_images[4:8])) > min(manifest.held_out) / 2


def test_it_says_what_few_images_do_not_prove(few, widget):
    assert few.threshold.note.endswith(promise(4))
    assert few.learned_from == f"4 good images and {MOVED}"
    assert f"learned from {few.learned_from}, threshold" in repr(few)
    evaluation = knowngood.evaluate(few, widget)
    assert dict(subject(evaluation))["Learned from"].endswith(f" and {MOVED}")


def test_a_copy_is_in_the_fold_of_its_image_and_never_held_out(learned, good_images):
    knowngood.fit(good_images[:3], held_out=2, **QUICK)
    (images,) = learned
    assert images.augmented == [False] * 3 + [True] * 15
    own, groups = images.groups[:3], images.groups[3:]
    assert [groups.count(part) for part in own] == [5, 5, 5]
    for most in (2, 400):
        assert draw_held_out(images, most, seed=1) <= {0, 1, 2}
        assert len(draw_held_out(images, most, seed=1)) == min(most, 3)
    some = images.subset([1, 9])
    assert (some.augmented, some.groups) == ([False, True], [own[1], groups[6]])


def test_photographs_of_one_part_and_its_copies_are_one_group(learned, good_images):
    inspector = knowngood.fit(good_table(good_images[:4]).assign(group=list("abba")), **QUICK)
    assert len(inspector.manifest.held_out) == 2
    assert [learned[0].groups.count(part) for part in "ab"] == [10, 10]


def test_turned_parts_have_turned_copies(good_images):
    turned = [np.rot90(image, turn).copy() for turn, image in enumerate(good_images[:4])]
    assert knowngood.fit(turned, **QUICK).manifest.augmented == MOVED.replace(
        "moved a little", "turned all around"
    )


def test_many_images_tiles_and_other_detectors_have_no_copies(good_images):
    for inspector in (
        knowngood.fit(good_images[:17], **QUICK),
        knowngood.fit(good_images[:4], tiles=64, **QUICK),
        knowngood.fit(good_images[:4], "gaussian", input_size=64),
    ):
        assert inspector.manifest.augmented == ""


def test_images_that_cannot_be_read_are_passed_over(good_images, tmp_path):
    given = [good_images[0], tmp_path / "gone.png", *good_images[1:3]]
    inspector = knowngood.fit(given, on_unreadable=lambda _: None, **QUICK)
    assert inspector.manifest.augmented.startswith("15 augmented copies of them")
    assert sorted(inspector.manifest.held_out_names) == [["[0]"], ["[2]"], ["[3]"]]
    with pytest.raises(DataError, match=r"1 of 4 images cannot be read"):
        knowngood.fit(given, **QUICK)


def test_copies_keep_to_the_region(learned, good_images):
    roi = {"size": [96, 96], "shapes": [{"polygon": [[8, 48], [48, 8], [88, 48], [48, 88]]}]}
    inspector = knowngood.fit(good_images[:2], geometry=knowngood.Geometry(roi=roi), **QUICK)
    outside = inspector.manifest.reading.outside
    assert 0 < outside.mean() < 1
    for image in learned[0].sources:
        assert (image[outside] == inspector.manifest.roi.fill).all()


def test_one_image_is_learned_from_and_promises_nothing(one, good_images, defect_images, widget):
    manifest = one.manifest
    assert (len(manifest.training), manifest.held_out_names) == (1, [["[0]"]])
    assert one.learned_from == "1 good image and 19 augmented copies of it, moved a little and in other light"
    assert one.threshold.upper_bound is None
    assert promise(1) in one.threshold.note
    assert "other good parts score higher: expect that most are rejected" in one.threshold.note
    defects, good = (one.inspect(images) for images in (defect_images, good_images[1:9]))
    assert np.median([each.score for each in defects]) > np.median([each.score for each in good])
    assert knowngood.threshold_at(one, 0.01).threshold.upper_bound is None
    assert knowngood.threshold_by_value(one, 9.0).threshold.upper_bound is None
    assert knowngood.evaluate(one, widget).provenance["held_out"].startswith("none: the only good image was")


def test_one_image_is_too_few_where_no_copies_are_made(good_images):
    with pytest.raises(DataError, match="one good image is too few to train on with Gaussian; at least 2"):
        knowngood.fit(good_images[:1], "gaussian", input_size=64)
    with pytest.raises(DataError, match="one good image is too few to train on with PatchCore and tiles"):
        knowngood.fit(good_images[:1], tiles=64, **QUICK)


def test_one_image_of_a_product(good_images):
    images = {"widget": good_images[:3], "dark": good_images[3:4] // 3}
    tables = {name: good_table(of_product) for name, of_product in images.items()}
    products = knowngood.fit_products(tables, **QUICK)
    assert products["dark"].learned_from.startswith("1 good image and 19 augmented copies of it")
    assert products.inspect(good_images[3:4] // 3)[0].product == "dark"


def test_aligned_parts_have_copies_of_what_was_cut_out(learned, good_images):
    inspector = knowngood.fit(good_images[:4], geometry=knowngood.Geometry(align="auto"), **QUICK)
    assert inspector.manifest.alignment_note
    assert {image.shape for image in learned[-1].sources} == {(*inspector.manifest.input_shape, 3)}
