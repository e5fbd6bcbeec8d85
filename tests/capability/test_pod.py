"""The probability of detection by the size of a defect."""

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from knowngood.capability.pod import size_of, study
from knowngood.capability.pod_page import write_pod
from knowngood.metrics.rates import rate

from ..support.parts import part


def test_the_size_of_a_turned_bar_is_that_of_the_bar():
    mask = np.zeros((200, 200), np.uint8)
    corners = cv2.boxPoints(((100, 100), (80, 9), 30))
    cv2.fillPoly(mask, [corners.round().astype(np.int32)], 1)
    mask[5:8, 5:8] = 1  # another, smaller region
    size = size_of(mask > 0)
    assert size.length == pytest.approx(81, abs=2)
    assert size.width == pytest.approx(10, abs=2)
    assert size.area == pytest.approx(810, rel=0.08)
    assert size_of(np.zeros((9, 9), bool)).area == 0


def defects_of(number, seed=0, by_size=True):
    rng = np.random.default_rng(seed)
    length = rng.uniform(2, 40, number)
    found = (length > 15) ^ (rng.random(number) < 0.1) if by_size else rng.random(number) < 0.5
    rows = {"path": [f"{one}.png" for one in range(number)], "type": rng.choice(["dent", "scratch"], number)}
    return pd.DataFrame(
        rows | {"length": length, "area": length**2, "width": 3.0, "score": 1.0, "found": found}
    )


def test_the_page_answers_with_a_size(tmp_path):
    found = study(defects_of(60), rate(1, 20), [])
    assert found.answer.level == "good"
    curve = found.curves["all defects"]["length"]
    assert found.answer.headline.startswith(f"Defects {curve.a90_95:.3g} px long are detected")
    assert (
        found.curves["all defects"]["width"]
        == "the defects have fewer than three different sizes; a curve needs more"
    )
    page = write_pod(found, tmp_path).read_text("utf-8")
    assert "a90/95" in page
    assert ">nan<" not in page
    curves = pd.read_csv(tmp_path / "curves.csv")
    assert set(curves["type"]) == {"all defects", "dent", "scratch"}


def test_sizes_that_do_not_explain_detection_are_said_to(tmp_path):
    found = study(defects_of(60, by_size=False), None, [])
    assert found.answer.headline == "The size of a defect does not explain whether it is detected."
    write_pod(found, tmp_path)


def test_few_defects_and_defects_that_are_all_found(tmp_path):
    few = study(defects_of(5), None, [])
    assert "5 defects are too few for a curve" in few.answer.headline
    everything = study(defects_of(30).assign(found=True), None, [])
    assert "all of the 30 defects were found" in everything.answer.headline
    assert ">nan<" not in write_pod(everything, tmp_path).read_text("utf-8")


def test_the_command_measures_masks(run, fitted, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("train/good", "test/good", "test/line", "ground_truth/line"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(4):
        Image.fromarray(part(rng)).save(tmp_path / f"data/train/good/{number}.png")
        Image.fromarray(part(rng)).save(tmp_path / f"data/test/good/{number}.png")
    for number in range(12):
        image, mask = part(rng), np.zeros((96, 96), np.uint8)
        mask[40:42, 30 : 31 + 3 * number] = 255
        image[mask > 0] = image[mask > 0] * 0.5 + 125
        Image.fromarray(image).save(tmp_path / f"data/test/line/{number:02}.png")
        Image.fromarray(mask).save(tmp_path / f"data/ground_truth/line/{number:02}_mask.png")
    status, out, _ = run("pod", fitted, tmp_path / "data", "--out", tmp_path / "pod")
    assert status == 0
    assert "By length:" in out
    table = pd.read_csv(tmp_path / "pod/defects.csv")
    assert table["length"].tolist() == [max(2.0, 1.0 + 3 * number) for number in range(12)]
    assert (table["area"] == 2 * (1 + 3 * np.arange(12))).all()
    status, _, err = run("pod", fitted, tmp_path / "data/test/good", "--out", tmp_path / "pod")
    assert status == 1
    assert "has a mask" in err
