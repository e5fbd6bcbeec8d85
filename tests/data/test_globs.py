"""Tables of any tree of folders, by globs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import knowngood
from knowngood.data.tables import read_table
from knowngood.data.written import write_samples
from knowngood.errors import DataError


@pytest.fixture
def tiles(tmp_path):
    root = tmp_path / "tiles"
    names = ["MT_Free/Imgs/a", "MT_Free/Imgs/b", "MT_Fray/Imgs/c", "MT_Fray/Imgs/d", "MT_[x]/Imgs/e"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(root / f"{name}.jpg")
        if not name.endswith("d"):
            Image.fromarray(np.eye(9, dtype=np.uint8)).save(root / f"{name}.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(root / "overview.png")
    return root


def test_globs_make_a_table_and_name_what_they_leave(tiles, tmp_path):
    table = knowngood.table(tiles, "MT_Free/**/*.jpg", "MT_*/**/*.jpg", "{stem}.png")
    assert table[["label", "defect"]].to_numpy().tolist() == [
        ["defect", "MT_Fray"],
        ["defect", "MT_Fray"],
        ["good", ""],
        ["good", ""],
        ["defect", "MT_[x]"],
    ]
    assert [Path(mask).name for mask in table["mask"]] == ["c.png", "", "", "", "e.png"]
    assert [note.partition(",")[0] for note in table.attrs["notes"]] == [
        "1 images fit no pattern and are left out",
        "1 defects have no mask",
    ]
    write_samples(table, tiles / "table.csv")
    assert (tiles / "table.csv").read_text("utf-8-sig").splitlines()[1].startswith("MT_Fray/Imgs/c.jpg,test,")
    assert read_table(tiles / "table.csv")["path"].tolist() == table["path"].tolist()
    write_samples(table, tmp_path / "table.parquet")
    assert read_table(tmp_path / "table.parquet")["mask"].tolist() == table["mask"].tolist()


def test_masks_below_the_folder_and_several(tiles):
    for name in ("c_0.png", "c_1.png"):
        (tiles / "gt/MT_Fray").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(9, dtype=np.uint8)).save(tiles / "gt/MT_Fray" / name)
    table = knowngood.table(tiles, defect="MT_Fray/*/*.jpg", mask="gt/{type}/{stem}_*.png")
    first, second = table["mask"]
    assert [Path(mask).name for mask in first.split("|")] == ["c_0.png", "c_1.png"]
    assert second == ""


def test_the_split_is_that_of_a_folder(tmp_path):
    for name in ("Train/x/a", "test/x/b", "more/x/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / f"{name}.png")
    assert knowngood.table(tmp_path, "**/*.png")["split"].tolist() == ["train", "train", "test"]


@pytest.mark.parametrize(
    ("patterns", "reason"),
    [
        ({}, "say which images are good"),
        (
            {"good": "no/*.jpg"},
            r"--good 'no/\*.jpg' fits no image in .*deepest folders:",
        ),
        ({"good": "/etc/*"}, "cannot be used"),
        ({"good": "../**"}, "fits no image"),
        ({"good": ""}, "cannot be used"),
        (
            {"good": "MT_Free/*/*.jpg", "mask": "{stem.__class__}.png"},
            "is not known; take stem, name, parent, type",
        ),
        ({"good": "MT_Free/*/*.jpg", "mask": "/*{stem}"}, "cannot be used"),
    ],
)
def test_mistakes_are_named(tiles, patterns, reason):
    with pytest.raises(DataError, match=reason):
        knowngood.table(tiles, **patterns)
