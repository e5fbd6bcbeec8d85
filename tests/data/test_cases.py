"""The small inputs that once went wrong, as they are shared between checkouts."""

import subprocess
import sys
from pathlib import Path

import pytest

from knowngood.data.files import find_images
from knowngood.data.images import read_mask
from knowngood.data.samples import load_samples
from knowngood.errors import DataError
from knowngood.inspector.measures import check_mask_sizes

CASES = Path(__file__).parents[3] / "shared" / "cases"


@pytest.fixture
def case(tmp_path):
    """Make the input of a case, and return the folder that holds it."""

    def make(name):
        if not CASES.is_dir():
            pytest.skip("../shared/cases is not there")
        subprocess.run([sys.executable, CASES / f"{name}.py"], cwd=tmp_path, check=True)
        return tmp_path / "work"

    return make


def counted(folder):
    """The images of each class, and of how many of them a mask is known."""
    table = load_samples(folder)
    classes = table["defect"].where(table["label"] == "defect", "good")
    return classes.value_counts().to_dict(), int((table["mask"] != "").sum())


def test_masks_in_a_folder(case):
    assert counted(case("mask_folder") / "anomalib_layout") == ({"good": 40, "crack": 10}, 10)


def test_masks_beside_their_images(case):
    work = case("masks_beside")
    assert counted(work / "beside") == ({"good": 30}, 0)
    assert counted(work / "beside2") == ({"good": 30, "scratch": 10}, 10)
    assert len(find_images([work / "beside"]).images) == 30


def test_names_of_masks(case):
    folders = sorted(case("mask_names").iterdir())
    assert [folder.name for folder in folders] == [
        f"names_{name}" for name in ("GT", "folder", "label", "masks", "upper")
    ]
    for folder in folders:
        assert counted(folder) == ({"good": 6, "scratch": 4}, 4)


def test_several_masks_of_an_image(case):
    folder = case("loco_masks") / "loco"
    assert counted(folder) == ({"good": 18, "scratch": 6}, 6)
    masks = [mask for mask in load_samples(folder)["mask"] if mask]
    assert [int(read_mask(mask, (256, 256)).sum()) for mask in masks] == [302, 295, 244, 332, 282, 312]


def test_masks_as_jpeg(case):
    work = case("jpg_masks")
    for name in ("mask255", "mask01", "maskjpg"):
        masks = [mask for mask in load_samples(work / name)["mask"] if mask]
        marked = [int(read_mask(mask, (256, 256)).sum()) for mask in masks]
        expected = [302, 295, 244, 332, 282, 312, 168, 220, 377, 307]
        assert marked == (pytest.approx(expected, rel=0.03) if name == "maskjpg" else expected)


def test_masks_of_another_size(case):
    table = load_samples(case("mask_size") / "halfmask")
    match = r"000_mask.png' is 128 x 128 but its image is 256 x 256 .*\(10 masks have another size"
    with pytest.raises(DataError, match=match):
        check_mask_sizes(table)


def test_thumbnails_of_a_network_drive(case):
    folder = case("thumbs") / "thumbs"
    assert counted(folder) == ({"good": 30, "scratch": 8}, 0)
    assert load_samples(folder).attrs["notes"] == (
        "passed over, since a system makes files of such names: '.DS_Store', '._*' (30), '@eaDir', "
        "'Thumbs.db', '__MACOSX'",
        "folders with nothing in them: 'dent'",
    )


def test_every_picture_is_inspected_or_named(case):
    found = find_images([case("unseen_formats") / "mixed"])
    assert len(found.images) + len(found.unread) == 30
