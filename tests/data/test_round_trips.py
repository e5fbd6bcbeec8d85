"""What is exported is read again without loss, whatever the table."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import knowngood
from knowngood.data.exports import FORMATS
from knowngood.data.regions import regions_of
from knowngood.data.runs import runs_cell

SHAPE = (12, 17)
NAMES = st.sampled_from(["dent", "cut_lead", "a: b|c", "why?", "ü ñ", "12", "yes", "null", "x" * 60])
MASKS = arrays(bool, SHAPE, elements=st.booleans(), fill=st.just(False)).filter(np.any)


@st.composite
def tables(draw):
    """A table of images in memory, with masks and classes."""
    rows = []
    for number in range(draw(st.integers(1, 4))):
        masks = draw(st.lists(st.tuples(NAMES, MASKS), max_size=2))
        names = list(dict.fromkeys(name for name, _ in masks))
        rows.append(
            {
                "path": f"{number:03}.png",
                "split": draw(st.sampled_from(["train", "test"])),
                "label": "defect" if masks else "good",
                "defect": " + ".join(names),
                "mask": "|".join(runs_cell(mask, name) for name, mask in masks),
            }
        )
    return pd.DataFrame(rows)


def content(table):
    """What a table says of each image: its label and its regions."""
    found = {}
    columns = (table["path"], table["split"], table["label"], table["defect"], table["mask"])
    boxes = table["boxes"] if "boxes" in table else [""] * len(table)
    for path, split, label, defect, mask, cell in zip(*columns, boxes, strict=True):
        found[Path(path).stem] = split, label, defect, list(regions_of(mask, cell, SHAPE, defect))
    return found


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"imagefolder"}))
@settings(max_examples=12, phases=[Phase.generate])
@given(table=tables())
def test_it_comes_back(format, table):
    with TemporaryDirectory() as folder:
        for path in table["path"]:
            noise = np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)
            Image.fromarray(noise).save(Path(folder) / path)
        if format == "mvtec":  # without any, folders do not say what is good
            table.loc[0, ["label", "defect", "mask"]] = "good", "", ""
        given = table.assign(path=[f"{folder}/{path}" for path in table["path"]])
        knowngood.export(given, Path(folder) / "out", format, least_area=0)
        read = knowngood.load_samples(Path(folder) / "out" / ("table.csv" if format == "csv" else ""))
        found, wanted = content(read), content(given)
        assert found.keys() == wanted.keys()
        for stem, (split, label, defect, regions) in wanted.items():
            assert found[stem][1] == label
            if format == "mvtec":
                check_masks(found[stem][3], regions)
                continue
            assert found[stem][0] == split
            assert found[stem][2] == defect
            assert [one.name for one in found[stem][3]] == [one.name for one in regions]
            for one, other in zip(found[stem][3], regions, strict=True):
                assert one.box == pytest.approx(other.box, abs=0.51 if format == "yolo-seg" else 1e-3)
                if format != "yolo":
                    a, b = one.mask(SHAPE), other.mask(SHAPE)
                    assert (a & b).sum() >= 0.99 * (a | b).sum()


def check_masks(found, regions):
    """Folders have masks, and no class for each."""
    one, other = (
        sum((region.mask(SHAPE) for region in some), np.zeros(SHAPE, bool)) for some in (found, regions)
    )
    assert (one == other).all()
