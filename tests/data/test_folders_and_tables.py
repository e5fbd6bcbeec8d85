"""Tables of folders, and what may stand in the column `mask`."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from knowngood.data.images import read_mask
from knowngood.data.patterns import Patterns
from knowngood.data.samples import check_samples, load_samples
from knowngood.errors import DataError


def test_a_table_may_name_several_masks_of_an_image(widget, tmp_path):
    data = shutil.copytree(widget, tmp_path / "data")
    rows = {
        "path": ["test/scratch/000.png", "train/good/000.png"],
        "label": ["defect", "good"],
        "mask": ["ground_truth/scratch/000_mask.png|ground_truth/scratch/001_mask.png", ""],
    }
    pd.DataFrame(rows).to_csv(data / "parts.csv", index=False)
    cell = load_samples(data / "parts.csv")["mask"].iloc[0]
    masks = [data / f"ground_truth/scratch/{n:03}_mask.png" for n in range(2)]
    assert cell == "|".join(map(str, masks))
    either = np.array(Image.open(masks[0])) | np.array(Image.open(masks[1]))
    assert (read_mask(cell, (96, 96)) == (either > 0)).all()


def test_notes_of_a_folder_stay_with_its_table(widget, tmp_path):
    data = shutil.copytree(widget, tmp_path / "data")
    (data / "0.heic").touch()
    table = load_samples(data)
    assert len(table.attrs["notes"]) == 1
    assert check_samples(table).attrs == load_samples(table).attrs == table.attrs


def test_doubtful_images_of_a_table_are_noted(tmp_path):
    Image.new("RGB", (16, 16), "grey").save(tmp_path / "0.png")
    Image.new("1", (16, 16)).save(tmp_path / "1.png")
    Image.effect_noise((16, 16), 50).point(lambda value: 255 * (value > 128)).save(tmp_path / "2.png")
    pd.DataFrame({"path": ["0.png", "1.png", "2.png"], "label": "good"}).to_csv(tmp_path / "t.csv")
    assert load_samples(tmp_path / "t.csv").attrs["notes"] == (
        f"2 good images have one colour all over; the first is {str(tmp_path / '0.png')!r}",
        f"1 good images have two grey levels, as masks have: if they are masks, leave them out; "
        f"the first is {str(tmp_path / '2.png')!r}",
    )


def test_patterns_are_for_folders(tmp_path):
    table = pd.DataFrame({"path": ["a.png"], "label": ["good"]})
    table.to_csv(tmp_path / "t.csv")
    for data in (table, tmp_path / "t.csv"):
        with pytest.raises(DataError, match="patterns are for the files of a folder"):
            load_samples(data, Patterns(good="*"))
        assert len(load_samples(data, Patterns())) == 1
