import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from knowngood.data.describe import describe
from knowngood.data.held import HELD, HELD_MASK, held_samples, list_sources, masks_of, sources_of
from knowngood.data.images import read_mask
from knowngood.data.samples import load_samples
from knowngood.data.splits import SPLIT_MADE
from knowngood.errors import DataError

PHOTOS = np.random.default_rng(0).integers(0, 256, (3, 12, 16, 3), np.uint8)
MASK = np.zeros((12, 16), np.uint8)
MASK[2:4, 5] = 7
FORMS = {
    "batch": PHOTOS,
    "list": list(PHOTOS),
    "generator": (photo for photo in PHOTOS),
    "pillow": [Image.fromarray(photo) for photo in PHOTOS],
    "tensor": torch.from_numpy(PHOTOS),
    "channels first": torch.from_numpy(PHOTOS).permute(0, 3, 1, 2),
    "tensors": (torch.from_numpy(photo) for photo in PHOTOS),
    "series": pd.Series(list(PHOTOS), index=[5, 3, 4]),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_in_all_forms(form):
    table = load_samples(FORMS[form], labels=["good", "NG", "dent"])
    np.testing.assert_array_equal(sources_of(table), PHOTOS)
    assert table["path"].tolist() == ["[0]", "[1]", "[2]"]
    assert table["label"].tolist() == ["good", "defect", "defect"]
    assert table["defect"].tolist() == ["", "", "dent"]
    assert table["mask"].tolist() == [""] * 3
    assert table.attrs[SPLIT_MADE]


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 1],
        [False, True, True],
        np.array([0, 1, 1]),
        torch.tensor([0, 1, 1]),
        pd.Series([False, True, True], index=[4, 1, 2]),
        (label for label in (" OK", "bad", "defect")),
    ],
)
def test_good_and_defect(labels):
    assert held_samples(PHOTOS, labels)["label"].tolist() == ["good", "defect", "defect"]


def test_files_keep_their_names(tmp_path):
    for place, photo in enumerate(PHOTOS):
        Image.fromarray(photo).save(tmp_path / f"{place}.png")
    paths = sorted(tmp_path.iterdir())
    table = load_samples(paths, labels=["good", "good", "dent"])
    assert table["path"].tolist() == sources_of(table) == list(map(str, paths))
    assert load_samples([tmp_path], labels=[0, 0, 1])["path"].tolist() == table["path"].tolist()


def test_masks_of_all_kinds():
    given = [None, MASK, torch.from_numpy(MASK[None])]
    table = load_samples(PHOTOS, labels=["good", "dent", "dent"], masks=given)
    assert table["mask"].tolist() == ["", "[1]", "[2]"]
    nothing, *marked = masks_of(table)
    assert nothing == ""
    for mask in marked:
        np.testing.assert_array_equal(read_mask(mask, (12, 16)), MASK > 0)
    assert masks_of(load_samples(PHOTOS[:1], labels=[1], masks=["m.png"])) == ["m.png"]


def test_a_table_of_files_has_none_in_memory():
    table = load_samples(pd.DataFrame({"path": ["a.png"], "label": "good", "mask": ["m.png"]}))
    assert {HELD, HELD_MASK}.isdisjoint(table.columns)
    assert (sources_of(table), masks_of(table)) == (["a.png"], ["m.png"])


def test_a_grey_batch_is_no_colour_image():
    assert [image.shape for image in list_sources(PHOTOS[..., 0])] == [(12, 16)] * 3
    with pytest.raises(DataError, match=r"shape \(12, 16, 3\) came; expected images as"):
        list_sources(PHOTOS[0])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1], "2 labels came for 3 images"),
        ([0, 1, 2], r"label \[2\] is 2; give 'good', 'defect' or a type of defect, or 0 for good parts"),
        ([1, -1, 1], r"label \[1\] is -1;"),
        (["good", "", "dent"], r"label \[1\] is ''"),
        (["good", None, "dent"], r"label \[1\] is None"),
        (["good", float("nan"), "dent"], r"label \[1\] is nan"),
        ("good", "'good' came for labels or masks; give a list"),
    ],
)
def test_labels_that_are_none(labels, words):
    with pytest.raises(DataError, match=words):
        load_samples(PHOTOS, labels=labels)


def test_masks_that_are_none():
    with pytest.raises(DataError, match="1 masks came for 3 images"):
        load_samples(PHOTOS, labels=[0, 1, 1], masks=[MASK])
    with pytest.raises(DataError, match=r"mask \[1\] has shape \(3,\); give a file"):
        load_samples(PHOTOS, labels=[0, 1, 1], masks=[None, np.zeros(3), None])
    with pytest.raises(DataError, match="there are no images"):
        load_samples([], labels=[])


def test_what_has_labels_of_its_own(tmp_path):
    for data in (tmp_path, str(tmp_path / "a.csv"), pd.DataFrame({"path": ["a"], "label": ["good"]})):
        with pytest.raises(DataError, match="labels and masks go with images given alone"):
            load_samples(data, labels=["good"])


def test_a_mask_of_another_shape():
    with pytest.raises(DataError, match="mask 'array' is 12 x 16 but its image is 8 x 9"):
        read_mask(MASK, (8, 9))


def test_a_description():
    photos = [*PHOTOS, PHOTOS[0], (PHOTOS[1, ..., 0].astype(np.uint16) << 4), b"no image"]
    labels = ["good", "good", "dent", "dent", "dent", "good"]
    found = describe(photos, labels, masks=[None, MASK, MASK, None, 0 * MASK, None])
    assert found.layout == "images in memory"
    assert found.sizes == {(12, 16): 5}
    assert found.modes == {"RGB": 4, "L, 16 bit": 1}
    assert found.suffixes == {"array": 5, "bytes": 1}
    assert found.bits == 12
    assert found.contradictions == (("[0]", "[3]"),)
    assert [failure.path for failure in found.broken] == ["[5]"]
    assert found.marked_good == ("[1]",)
    assert found.unmarked == ("[4]",)
    assert found.without_mask == ("[3]",)


def test_a_description_of_good_images_alone():
    found = describe(PHOTOS)
    assert found.counts == {("train", "good"): 3}
    assert not found.split_made
