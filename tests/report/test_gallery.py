"""The rows of the table of all images, and their pictures in a limited number of bytes."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from knowngood.report import gallery
from knowngood.report.gallery import LARGEST, PICTURES, address, enlarged, rows_of, tiles_of, webp
from knowngood.report.page import _GALLERY, write_report


def size_of(uri: str) -> int:
    """Bytes of a picture."""
    return len(b64decode(uri.partition(",")[2]))


def pixels_of(uri: str) -> np.ndarray:
    """A picture, RGB."""
    encoded = np.frombuffer(b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]


def test_rows_begin_with_the_highest_score(judged: Any) -> None:
    rows = rows_of(judged)
    assert [row.score for row in rows] == sorted(judged.scores["score"], reverse=True)
    first, last = rows[0], rows[-1]
    assert (first.name, first.label, first.type, first.error) == ("scratch/005.png", "defect", "scratch", "")
    assert (last.name, last.label, last.type, last.error) == ("good/000.png", "good", "good", "")
    assert first.link == Path(judged.scores["path"].iloc[13]).as_uri()
    assert first.mask_link.endswith("/ground_truth/scratch/005_mask.png")
    assert [row.name for row in rows if row.error == "escape"] == ["scratch/000.png", "scratch/004.png"]
    assert [row.name for row in rows if row.error == "false reject"] == ["good/007.png"]
    for row in rows:
        assert judged.scores["path"].iloc[row.position] == row.path


def test_a_file_that_is_not_there_has_no_address(tmp_path: Path) -> None:
    assert address(str(tmp_path / "gone.png")) == ""
    (tmp_path / "a #1.png").touch()
    assert address(str(tmp_path / "a #1.png")).endswith("/a%20%231.png")


def test_a_row_has_image_heatmap_defect_and_its_hottest_place(judged: Any) -> None:
    rows = rows_of(judged)
    captions = [[tile.caption for tile in tiles] for tiles in tiles_of(judged, rows)]
    with_mask = ["image", "heatmap", "true defect", "hottest place, enlarged"]
    without = ["image", "heatmap", "hottest place, enlarged"]
    escaped = [*with_mask[:3], "true defect, enlarged"]
    assert captions == [
        escaped if row.error == "escape" else with_mask if row.mask else without for row in rows
    ]


def test_the_hottest_place_is_cut_from_the_image_itself(judged: Any, tmp_path: Path) -> None:
    image = np.zeros((600, 600, 3), np.uint8)
    image[150:200, 400:450] = 255  # where the maps of the fixture are highest: row 3 and column 8 of 12
    cv2.imwrite(str(tmp_path / "spot.png"), image)
    one = judged.rows(pd.Series([True] + [False] * 13)).measuring()
    one = replace(one, scores=one.scores.assign(path=str(tmp_path / "spot.png")))
    crop = pixels_of(tiles_of(one, rows_of(one))[0][-1].uri)
    assert crop.shape == (132, 132, 3)
    assert (crop > 128).mean() == pytest.approx(50 * 50 / 132**2, rel=0.1)


def test_a_defect_that_escaped_is_enlarged_itself(judged: Any, tmp_path: Path) -> None:
    image, mask = np.zeros((600, 600, 3), np.uint8), np.zeros((600, 600), np.uint8)
    image[500:520, 100:120] = mask[500:520, 100:120] = 255  # far from where its map is highest
    cv2.imwrite(str(tmp_path / "spot.png"), image)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    one = judged.rows(judged.scores["path"].str.endswith("scratch/000.png"))
    files = {"path": str(tmp_path / "spot.png"), "mask": str(tmp_path / "mask.png")}
    for evaluation in (one, replace(one, maps=None)):
        evaluation = replace(evaluation, scores=one.scores.assign(**files))
        last = tiles_of(evaluation, rows_of(evaluation))[0][-1]
        assert last.caption == "true defect, enlarged"
        assert (pixels_of(last.uri) > 128).mean() == pytest.approx(20 * 20 / 132**2, rel=0.1)


def test_a_cut_stays_inside_the_image() -> None:
    image = np.arange(40 * 300 * 3, dtype=np.uint32).reshape(40, 300, 3).astype(np.uint8)
    np.testing.assert_array_equal(enlarged(image, (299, 0)), image[:, 260:])
    np.testing.assert_array_equal(enlarged(image, (0, 39)), image[:, :40])


@pytest.mark.parametrize("most", [300, 2000, 30_000])
def test_a_picture_keeps_to_its_bytes(most: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    uri = webp(noise, most)
    assert size_of(uri) <= max(most, 600)  # below 32 pixels a side nothing would be seen
    assert uri.startswith("data:image/webp;base64,")


def test_errors_get_more_bytes_than_correct_decisions(judged: Any, monkeypatch: Any) -> None:
    asked: list[float] = []
    monkeypatch.setattr(gallery, "webp", lambda image, most: asked.append(most) or "")
    monkeypatch.setattr(gallery, "in_threads", map)
    rows = rows_of(judged)
    tiles = tiles_of(judged, rows, budget=30_000)
    most = iter(asked)
    of_row = [sum(next(most) for _ in its) for its in tiles]
    assert sum(of_row) == pytest.approx(30_000)
    by = {row.error or row.label: given for row, given in zip(rows, of_row, strict=True)}
    assert by["escape"] == by["false reject"] > by["defect"] > by["good"]


def test_two_thousand_images_fit_into_one_page(judged: Any, tmp_path: Path) -> None:
    """Their pictures have a limit; the rest of the page is measured."""
    repeated = pd.concat([judged.scores] * 143, ignore_index=True)[:2000]
    write_report(replace(judged, scores=repeated, maps=None), tmp_path / "report.html", examples=0)
    rows = (tmp_path / "report.html").stat().st_size
    markup = 2000 * 4 * 150  # around each picture
    assert rows + markup + (PICTURES + _GALLERY) * 4 / 3 < 15e6
    assert rows < 1.2e6


def test_a_few_images_are_not_blown_up(judged: Any) -> None:
    tiles = tiles_of(judged, rows_of(judged))
    assert all(size_of(tile.uri) <= LARGEST for its in tiles for tile in its)
    assert pixels_of(tiles[0][0].uri).shape == (96, 96, 3)  # as large as the image


def test_the_outline_is_around_the_true_defect(judged: Any) -> None:
    row = next(row for row in rows_of(judged) if row.name == "scratch/000.png")
    (tiles,) = tiles_of(judged, [row])
    image, outlined = (pixels_of(tiles[place].uri).astype(int) for place in (0, 2))
    changed = np.abs(outlined - image).max(axis=2) > 60
    defect = cv2.imread(row.mask, cv2.IMREAD_GRAYSCALE) > 0
    near = cv2.dilate(defect.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert changed.any()
    assert not changed[~near].any()


def test_an_unusable_mask_is_said(judged: Any, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((9, 9), np.uint8))
    for mask in (tmp_path / "gone.png", tmp_path / "small.png"):
        masks = judged.scores["mask"].where(judged.scores["mask"] == "", str(mask))
        evaluation = replace(judged, scores=judged.scores.assign(mask=masks))
        reason = tiles_of(evaluation, rows_of(evaluation))[0][-1]
        assert (reason.uri, reason.caption) == ("", "true defect")
        assert reason.text.startswith("The mask could not be used: ")
        assert mask.name in reason.text
