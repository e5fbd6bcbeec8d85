"""Boards of random patterns, each another one, with a second photograph of each as its reference."""

import cv2
import numpy as np
import pandas as pd
import pytest

import knowngood
from knowngood.errors import DataError, RecipeError
from knowngood.report.gallery import rows_of, tiles_of

SIDE = 128


def board(rng):
    """Draw a board of some pads and traces, and the centre of one pad."""
    image = np.full((SIDE, SIDE), 60, np.uint8)
    for _ in range(6):
        start, end = (tuple(map(int, rng.integers(12, SIDE - 12, 2))) for _ in range(2))
        cv2.line(image, start, end, 130, 4)
    pads = rng.integers(20, SIDE - 20, (8, 2))
    for pad in pads:
        cv2.circle(image, tuple(map(int, pad)), 8, 200, -1)
    return image, tuple(map(int, pads[-1]))


def photograph(image, rng):
    """Shift by up to 3 pixels, and change the brightness."""
    warp = np.array([[1, 0, rng.uniform(-3, 3)], [0, 1, rng.uniform(-3, 3)]])
    moved = cv2.warpAffine(image, warp, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(moved * rng.uniform(0.9, 1.1) + rng.normal(0, 3, moved.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Sixteen good boards to learn from; six good ones and six without a pad to test on."""
    folder, rng = tmp_path_factory.mktemp("boards"), np.random.default_rng(0)
    rows = []
    for number in range(28):
        image, pad = board(rng)
        defect = number >= 22
        spoiled = image.copy()
        if defect:
            cv2.circle(spoiled, pad, 9, 60, -1)
        names = [str(folder / f"{number}_{what}.png") for what in ("test", "temp")]
        for name, one in zip(names, (spoiled, image), strict=True):
            cv2.imwrite(name, photograph(one, rng))
        rows.append([*names, "train" if number < 16 else "test", "defect" if defect else "good"])
    return pd.DataFrame(rows, columns=["path", "reference", "split", "label"])


@pytest.fixture(scope="module")
def inspector(table):
    return knowngood.fit(table, "reference", input_size=128)


def test_a_report_shows_the_place_in_the_reference(inspector, table):
    [row, *_] = rows_of(evaluation := knowngood.evaluate(inspector, table))
    [tiles] = tiles_of(evaluation, [row])
    assert [tile.caption for tile in tiles[2:]] == ["hottest place, enlarged", "the reference there"]
    assert all(tile.uri for tile in tiles)
    assert evaluation.image(row.position)[0].reference == row.path.replace("_test", "_temp")


def test_defects_are_found_on_boards_of_which_each_is_another(inspector, table):
    evaluation = knowngood.evaluate(inspector, table)
    assert evaluation.metrics["image_auroc"] == 1.0
    alone = knowngood.fit(table, "patchcore", input_size=128, coreset=200)
    assert knowngood.evaluate(alone, table).metrics["image_auroc"] < 0.9


def test_the_map_covers_the_picture_alone(inspector, table):
    row = table[table["label"] == "defect"].iloc[0]
    [verdict] = inspector.inspect([knowngood.Pair(row["path"], row["reference"])])
    assert inspector.manifest.input_shape == (256, 128)
    assert verdict.size == (SIDE, SIDE)
    assert verdict.map.shape == (SIDE, SIDE)
    changed = cv2.imread(row["path"], 0).astype(float) - cv2.imread(row["reference"], 0)
    top, left = np.unravel_index(cv2.GaussianBlur(np.abs(changed), (0, 0), 4).argmax(), changed.shape)
    found = np.unravel_index(verdict.map.argmax(), verdict.map.shape)
    assert np.hypot(found[0] - top, found[1] - left) < 16
    assert verdict.heat_scale is not None


def test_what_was_saved_compares_too(inspector, table, tmp_path):
    inspector.save(tmp_path / "boards.inspector")
    loaded = knowngood.Inspector.load(tmp_path / "boards.inspector")
    pair = knowngood.Pair(*table[["path", "reference"]].iloc[0])
    assert loaded.inspect([pair])[0].score == inspector.inspect([pair])[0].score
    with pytest.raises(DataError, match="it has no reference; name it in a column `reference`"):
        loaded.inspect([str(pair)])


def test_images_without_a_reference_are_named_before_the_fit(table):
    with pytest.raises(DataError, match=r"16 of 16 images have no reference, such as '.*0_test.png'"):
        knowngood.fit(table.drop(columns="reference"), "reference")


def test_other_detectors_read_the_picture_alone(table):
    with_references = knowngood.fit(table, "gaussian", input_size=64)
    without = knowngood.fit(table.drop(columns="reference"), "gaussian", input_size=64)
    assert with_references.manifest.held_out == without.manifest.held_out


def test_a_region_or_an_alignment_is_refused():
    for geometry in (knowngood.Geometry(align="auto"), knowngood.Geometry(roi=np.eye(64, dtype=bool))):
        with pytest.raises(RecipeError, match="Reference compares whole images with their references, which"):
            knowngood.fit([np.zeros((64, 64), np.uint8)], "reference", geometry=geometry)
