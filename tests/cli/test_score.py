"""What `knowngood score` writes beside the table of scores."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import knowngood

from .conftest import SMALL


@pytest.fixture
def pictures(widget, tmp_path):
    """A folder of a good part and of two scratched ones, one of them wide."""
    folder = tmp_path / "new"
    folder.mkdir()
    for number, name in enumerate(("good/000", "scratch/001", "scratch/002")):
        with Image.open(widget / f"test/{name}.png") as image:
            image.resize((96 + 96 * number, 96)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def verdicts(inspector, pictures):
    """The verdicts on the pictures."""
    found = knowngood.Inspector.load(inspector).inspect(sorted(map(str, pictures.glob("*.png"))))
    assert [verdict.size for verdict in found] == [(96, 96), (96, 192), (96, 288)]
    assert sum(bool(verdict.regions()) for verdict in found) == 2
    return found


def read_rows(path):
    """The rows of a file of regions in JSON."""
    text = path.read_text("utf-8")
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_regions_of_each_image(run, inspector, pictures, verdicts, tmp_path, suffix):
    out = tmp_path / f"regions{suffix}"
    for _ in range(2):  # an older result is replaced
        assert run("score", inspector, pictures, "--regions", out).status == 0
    rows = read_rows(out)
    assert [row["path"] for row in rows] == [str(verdict.source) for verdict in verdicts]
    for row, verdict in zip(rows, verdicts, strict=True):
        assert row["regions"] == [region._asdict() for region in verdict.regions()]
        assert (row["height"], row["width"]) == verdict.size
        assert (row["score"], row["decision"]) == (verdict.score, verdict.decision)
        assert row["line"] == verdict.heat_scale.line


def test_a_row_for_each_region(run, inspector, pictures, verdicts, tmp_path):
    out = tmp_path / "regions.csv"
    for _ in range(2):
        assert run("score", inspector, pictures, "--regions", out, "--out", tmp_path / "s.csv").status == 0
    with out.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "x", "y", "width", "height", "area", "max_score", "max_x", "max_y"]
    expected = [[str(one.source), *map(float, region)] for one in verdicts for region in one.regions()]
    assert [[row[0], *map(float, row[1:])] for row in rows] == expected


def test_masks_have_the_size_of_their_images_and_are_never_inspected(run, inspector, pictures, verdicts):
    for _ in range(2):
        assert run("score", inspector, pictures, "--masks", pictures).err.count("Inspected 3 images") == 1
    for verdict in verdicts:
        mask = cv2.imread(f"{verdict.source}.mask.png", cv2.IMREAD_UNCHANGED)
        assert (mask == 255 * verdict.mask).all()


def test_raw_maps_are_the_maps_and_are_never_inspected(run, inspector, pictures, verdicts):
    for _ in range(2):
        ran = run("score", inspector, pictures, "--heatmaps", pictures, "--heatmaps-style", "raw")
        assert ran.status == 0
        assert "Inspected 3 images" in ran.err
    for verdict in verdicts:
        written = cv2.imread(f"{verdict.source}.map.tiff", cv2.IMREAD_UNCHANGED)
        assert written.dtype == np.float32
        assert (written == verdict.patch_map).all()


@pytest.mark.parametrize("style", ["overlay", "side-by-side"])
def test_styles_of_heatmaps(run, inspector, pictures, tmp_path, style):
    heat = tmp_path / "heat"
    assert run("score", inspector, pictures, "--heatmaps", heat, "--heatmaps-style", style).status == 0
    widths = []
    for path in sorted(heat.iterdir()):
        with Image.open(path) as picture:
            widths.append(picture.width)
    enlarged = [4 * 96, 2 * 192, 288]
    assert widths == [*enlarged[:2], 360] if style == "overlay" else [2 * w + 4 for w in enlarged]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--heatmaps-style", "raw"], "--heatmaps-style goes with --heatmaps FOLDER"),
        (["--out", "a.csv", "--regions", "a.csv"], "--out and --regions need different files"),
        (["--regions", "regions.xml"], "must end in .csv, .json or .jsonl"),
        (["--heatmaps", "heat", "--heatmaps-style", "jet"], "side-by-side"),
    ],
)
def test_mistakes(run, inspector, pictures, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    status, _, err = run("score", inspector, pictures, *options)
    assert status != 0
    assert said in " ".join(err.replace("│", " ").split())
    assert not Path("a.csv").exists()


def test_a_file_that_is_not_of_regions_stays(run, inspector, pictures, tmp_path):
    out = tmp_path / "regions.json"
    out.write_text("{}")
    status, _, err = run("score", inspector, pictures, "--regions", out)
    assert status == 1
    assert "exists and is not a result of this type" in err
    assert out.read_text() == "{}"
    assert run("score", inspector, pictures, "--regions", out, "--overwrite").status == 0
    assert len(read_rows(out)) == 3


def test_a_detector_without_maps(run, widget, tmp_path):
    path = tmp_path / "g.inspector"
    assert run("fit", widget, "--out", path, "--detector", "gaussian", *SMALL[:2]).status == 0
    for option in ("--heatmaps", "--masks", "--regions"):
        status, _, err = run("score", path, widget / "test/good", option, tmp_path / "regions.json")
        assert status == 1
        assert "gives no maps" in err
    assert list(tmp_path.iterdir()) == [path]
