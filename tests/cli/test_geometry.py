"""Regions and alignment on the command line."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ..support.parts import write_parts

RECTANGLE = {"rectangle": [8, 8, 80, 80]}


@pytest.fixture
def roi(tmp_path):
    """Write shapes into a file."""

    def write(*shapes, **others):
        (tmp_path / "roi.json").write_text(json.dumps({"size": [96, 96], "shapes": shapes} | others))
        return tmp_path / "roi.json"

    return write


@pytest.mark.parametrize(
    ("shape", "others", "message"),
    [
        ({"rectangle": [8, 8, 80, 90]}, {}, "shape 1: it reaches beyond the picture, which is 96 x 96"),
        ({"polygon": [[0, 0], [9, 9], [9, 0], [0, 9]]}, {}, "the polygon crosses itself"),
        (RECTANGLE, {"size": [96, 128]}, "which is another aspect ratio"),
        (RECTANGLE, {"shape": []}, "it has an unknown key 'shape'"),
    ],
)
def test_a_region_that_cannot_be_used_is_one_line(run, widget, tmp_path, roi, shape, others, message):
    out = tmp_path / "widget.inspector"
    status, printed, err = run("fit", widget, "--out", out, "--roi", roi(shape, **others))
    assert status == 1
    assert message in err
    assert len(err.splitlines()) == 1
    assert not printed
    assert not out.exists()


def test_an_unknown_alignment(run, widget, tmp_path):
    status, _, err = run("fit", widget, "--out", tmp_path / "widget.inspector", "--align", "yes")
    assert status == 1
    assert err == "error: align='yes' is not known; take none or auto\n"


def test_a_region_is_fitted_shown_and_kept_to(run, widget, tmp_path, roi):
    clock = np.zeros((96, 96), np.uint8)
    clock[:48, :48] = 255
    Image.fromarray(clock).save(tmp_path / "clock.png")
    out, masks = tmp_path / "widget.inspector", tmp_path / "masks"
    where = ["--roi", roi(RECTANGLE), "--ignore-region", tmp_path / "clock.png"]
    small = ["--detector", "padim", "--set", "input_size=96"]
    status, printed, err = run("fit", widget, "--out", out, *small, *where)
    assert status == 0, err
    words = "52.1% of the image, within 80 x 80 pixels from row 8 and column 8 of 96 x 96 (height x width)"
    assert f"region         {words}" in printed
    assert f"region         {words}" in run("info", out).out
    status, _, err = run(
        "score", out, widget / "test/scratch", "--masks", masks, "--heatmaps", tmp_path / "heat"
    )
    assert status == 0, err
    written = [np.asarray(Image.open(file)) for file in masks.iterdir()]
    assert any(mask.any() for mask in written)
    outside = np.ones((96, 96), np.bool_)
    outside[8:88, 8:88] = clock[8:88, 8:88] > 0
    assert not any(mask[outside].any() for mask in written)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Parts of which none is in a train split."""
    return write_parts(tmp_path_factory.mktemp("few"), {"test/good": 6, "test/hole": 4})


def test_folds_with_a_region(run, few, tmp_path, roi):
    def scores(*where):
        out = tmp_path / "images.csv"
        small = ["--detector", "gaussian", "--set", "input_size=64", "--folds", 2, "--out", out]
        status, _, err = run("cross-validate", few, *small, *where)
        assert status == 0, err
        return pd.read_csv(out)["score"]

    assert (scores("--roi", roi(RECTANGLE)) != scores()).all()


def test_experiments_with_a_region(run, widget, tmp_path, roi):
    grid = tmp_path / "grid.yaml"
    grid.write_text("detector: gaussian\nsettings: {input_size: 64}\n")
    status, printed, err = run("compare", widget, "--grid", grid, "--roi", roi(RECTANGLE))
    assert status == 0, err
    inspector = tmp_path / "widget.inspector"
    own = ["--detector", "gaussian", "--set", "input_size=64", "--roi", roi(RECTANGLE)]
    assert run("fit", widget, "--out", inspector, *own).status == 0
    assert run("evaluate", inspector, widget, "--out", tmp_path / "report").status == 0
    metrics = json.loads((tmp_path / "report/metrics.json").read_text())
    names, values = (line.split()[-7:-1] for line in printed.splitlines()[:2])
    assert float(values[names.index("test_image_ap")]) == pytest.approx(metrics["image_ap"], abs=1e-4)


@pytest.mark.parametrize("command", [["compare", "--grid", "grid.yaml"], ["cross-validate"]])
def test_a_wrong_region_ends_before_anything_is_learned(run, widget, tmp_path, roi, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.yaml").write_text("detector: gaussian\n")
    name, *options = command
    status, printed, err = run(name, widget, *options, "--roi", roi(RECTANGLE, size=[96, 128]))
    assert (status, printed) == (1, "")
    assert "which is another aspect ratio" in err
    assert len(err.splitlines()) == 1
