"""Masks as run lengths, and their outlines, against pycocotools."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

import knowngood
from knowngood.data.images import read_mask
from knowngood.data.outlines import filled, joined_loops, outlines, polygons
from knowngood.data.runs import is_runs, read_runs, runs_cell, runs_mask
from knowngood.data.tables import check_samples, read_table
from knowngood.data.written import write_samples
from knowngood.errors import DataError
from knowngood.inspector.measures import check_mask_sizes

MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(MASKS, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_run_lengths_are_those_of_coco_and_are_read_back(mask, name):
    cell = runs_cell(mask, name)
    assert is_runs(cell)
    assert "|" not in cell
    assert read_runs(cell).name == name
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert cell.endswith(theirs["counts"].decode())
    assert (runs_mask(cell) == mask).all()
    assert (read_mask(cell, mask.shape) == mask).all()


@given(MASKS)
def test_outlines_are_exact_also_where_pixels_touch_at_a_corner(mask):
    outside, holes = outlines(mask)
    assert (sum(filled([loop], *mask.shape).astype(int) for loop in outside + holes) % 2 == mask).all()
    assert bool(outside) == mask.any()
    if outside:
        assert (filled([joined_loops(outside + holes)], *mask.shape) == mask).all()


def test_a_hole_is_one_and_a_diagonal_edge_has_few_corners():
    ring = np.ones((9, 9), bool)
    ring[3:5, 3:5] = False
    outside, holes = outlines(ring)
    assert len(outside), len(holes) == (1, 1)
    wedge = np.tri(200, dtype=bool)
    (simple,), _ = polygons(wedge)
    (exact,), _ = outlines(wedge)
    assert len(simple) < 10 < 100 < len(exact)
    both = filled([simple], 200, 200)
    assert (both & wedge).sum() >= 0.99 * (both | wedge).sum()


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("rle:9x9::", "do not fill 9 x 9 pixels"),
        ("rle:9x9:a:1", "do not fill"),
        ("rle:9x9:a:~", "a letter that is not of run lengths"),
        ("rle:9x9:a:P", "end too early"),
        ("rle:9x9:a:" + "o" * 20, "is damaged"),
        ("rle:9:a:1", "HEIGHTxWIDTH:CLASS:RUNS"),
        ("rle:0x9:a:0", "are no image"),
        ("rle:99999999x99999999:a:0", "are no image"),
        ("rle:x", "HEIGHTxWIDTH:CLASS:RUNS"),
    ],
)
def test_damaged_run_lengths_are_named(cell, reason):
    with pytest.raises(DataError, match=reason):
        runs_mask(cell)


def test_a_table_with_them_is_written_and_read(tmp_path):
    mask = np.zeros((40, 40), bool)
    mask[3:9, 30:] = True
    cell = "|".join([runs_cell(mask, "a|b"), runs_cell(mask.T, "")])
    table = check_samples(pd.DataFrame({"path": ["a.png"], "label": ["defect"], "mask": [cell]}))
    for name in ("a.csv", "a.parquet"):
        write_samples(table, tmp_path / name, relative=False)
        (read,) = read_table(tmp_path / name)["mask"]
        assert read == cell
        assert (read_mask(read, mask.shape) == (mask | mask.T)).all()
    with pytest.raises(DataError, match=r"'rle:40x40:a%7Cb:.*' is 40 x 40 but its image is 9 x 9"):
        read_mask(cell, (9, 9))


def test_their_size_is_checked_before_images_are_inspected():
    image = np.zeros((40, 50), np.uint8)
    table = knowngood.load_samples([image], labels=["dent"])
    table["mask in memory"] = runs_cell(np.ones((40, 50), bool))
    check_mask_sizes(table)
    table["mask in memory"] = runs_cell(np.ones((50, 40), bool))
    with pytest.raises(DataError, match=r"of \[0\]' is 50 x 40 but its image is 40 x 50"):
        check_mask_sizes(table)
