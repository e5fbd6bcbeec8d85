"""What the threshold is set on: independent parts, and no defects that slipped in among them."""

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from knowngood.detectors import make_detector
from knowngood.errors import DataError
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.fit import fit
from knowngood.inspector.held_out import far_outside_in_words, held_out_in_words
from knowngood.inspector.threshold import threshold_by_rule
from knowngood.inspector.train import train
from knowngood.metrics.thresholds import conformal

from ..support.parts import photograph

QUICK = make_detector("gaussian", {"input_size": 128})
EXACT = make_detector("patchcore", {"input_size": 128})
PARTS, FRAMES = 12, 8


def frame(part, number):
    """A frame of a video of a part with a cast surface of its own; only the sensor's noise differs."""
    rng = np.random.default_rng(part)
    surface = 110 + 12 * cv2.GaussianBlur(rng.normal(0, 60, (128, 128)), (0, 0), 4)
    noise = np.random.default_rng(100 * part + number).normal(0, 2, (128, 128))
    return np.clip(surface + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def burst(tmp_path_factory):
    """Eight frames each of twelve parts, as a table without groups."""
    folder, rows = tmp_path_factory.mktemp("burst"), []
    for part in range(PARTS):
        for number in range(FRAMES):
            path = folder / f"part{part:02}_{number}.png"
            Image.fromarray(frame(part, number)).save(path)
            rows.append({"path": str(path), "label": "good", "split": "train", "part": part})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder of thirty good parts, of which the last two have a dark square."""
    photos = photograph(seed=5, good=36, line=0, square=2)
    folder = tmp_path_factory.mktemp("mixed") / "train/good"
    folder.mkdir(parents=True)
    for number, image in enumerate([*photos.images[:28], *photos.images[36:]]):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return folder.parents[1]


@pytest.fixture(scope="module")
def spoilt(mixed):
    return fit(mixed, EXACT)


# --- frames of one part


@pytest.fixture(scope="module")
def of_burst(burst):
    return fit(list(burst["path"]), QUICK)


def test_the_promise_counts_parts_and_holds_for_new_ones(of_burst, burst):
    threshold, manifest = of_burst.threshold, of_burst.manifest
    single = fit(list(burst["path"][::FRAMES]), QUICK).threshold
    assert (threshold.held_out, threshold.above) == (PARTS, 0)
    assert threshold.upper_bound == single.upper_bound == pytest.approx(1 - 0.05 ** (1 / 12))
    assert [len(names) for names in manifest.held_out_names] == [FRAMES] * PARTS
    assert all(len({name[:6] for name in names}) == 1 for names in manifest.held_out_names)
    rejected = [v.decision == "reject" for v in of_burst.inspect([frame(7000 + n, 0) for n in range(30)])]
    assert np.mean(rejected) <= threshold.upper_bound
    assert held_out_in_words(manifest) == (
        "96 good images of 12 parts; a part counts once, by its highest score"
    )


def test_groups_that_are_given_decide(of_burst, burst):
    given = fit(burst.assign(group=burst["part"]), QUICK)
    assert given.manifest.held_out == of_burst.manifest.held_out
    other = fit(burst.assign(group=burst.index // 2), QUICK)
    assert other.threshold.held_out == 48


def test_a_training_holds_out_whole_parts(burst):
    recipe = make_detector("autoencoder", {"input_size": 64, "epochs": 1})
    manifest = fit(list(burst["path"]), recipe).manifest
    assert [len(names) for names in manifest.held_out_names] == [FRAMES] * len(manifest.held_out)
    assert manifest.threshold.held_out == len(manifest.held_out) == 3


def test_different_parts_stay_apart(inspector):
    assert all(len(names) == 1 for names in inspector.manifest.held_out_names)
    assert held_out_in_words(inspector.manifest) == "24 good images"


def test_the_bound_of_a_classifier_counts_parts(burst, test_images):
    defects = pd.DataFrame({"path": list(map(str, test_images[8:])), "label": "defect", "split": "train"})
    table = pd.concat([burst[burst["part"] < 6].drop(columns="part"), defects], ignore_index=True)
    trained = train(table.assign(defect=["" if n < 48 else "scratch" for n in range(54)]), "linear_probe")
    assert trained.threshold.held_out == 6


def test_a_rule_on_validation_images_counts_parts(of_burst, burst, tmp_path):
    rows = []
    for part in range(20, 30):
        for number in range(4):
            path = tmp_path / f"{part}_{number}.png"
            pixels = frame(part, number)
            if part >= 28:
                pixels[40:60, 40:60] = 255
            Image.fromarray(pixels).save(path)
            label = "defect" if part >= 28 else "good"
            rows.append({"path": str(path), "label": label, "split": "train", "part": part})
    table = pd.DataFrame(rows)
    moved = threshold_by_rule(of_burst, "recall=1", table)
    assert moved.threshold.held_out == 8
    assert "on 8 good parts, each by its highest score, and 8 defective validation images" in (
        moved.threshold.rule
    )
    assert len(moved.manifest.validation) == 40
    assert (
        threshold_by_rule(of_burst, "recall=1", table.assign(group=table["part"] // 2)).threshold.held_out
        == 4
    )


# --- defects among the good images


def test_defects_among_the_good_images_are_named(spoilt, mixed):
    assert sorted(names for names, _ in spoilt.manifest.far_outside) == [["028.png"], ["029.png"]]
    first, second = far_outside_in_words(spoilt.manifest)
    assert first.startswith("2 of 30 held-out good parts score far above the others: ")
    others = conformal(spoilt.manifest.held_out[:28], 0.05)
    assert second.startswith(f"the threshold is {spoilt.threshold.value:.4g} with them; the other scores")
    assert f"would give {others.value:.4g}. Look at them, and if they show defects, leave them" in second
    clean = fit(mixed, EXACT, without=["028.png", mixed / "train/good/029.png"])
    assert list(clean.manifest.left_out) == ["028.png", "029.png"]
    assert list(clean.manifest.left_out.values()) == spoilt.manifest.training[28:]
    assert len(clean.manifest.training) == 28
    assert clean.threshold.value < 0.8 * spoilt.threshold.value
    assert far_outside_in_words(clean.manifest) == []


def test_the_report_warns_of_them(spoilt, widget):
    warnings = evaluate(spoilt, widget).metrics["warnings"]
    assert any("held-out good parts score far above the others: 02" in warning for warning in warnings)


def test_arrays_keep_their_names(mixed):
    images = np.stack([np.array(Image.open(path)) for path in sorted((mixed / "train/good").iterdir())])
    fitted = fit(images, EXACT)
    assert sorted(names for names, _ in fitted.manifest.far_outside) == [["[28]"], ["[29]"]]
    without = fit(images, EXACT, without=["[0]", "[28]", "[29]"]).manifest
    assert list(without.left_out) == ["[0]", "[28]", "[29]"]
    assert sorted(name for names in without.held_out_names for name in names) == sorted(
        f"[{place}]" for place in range(1, 28)
    )


def test_no_path_leaves_the_house(spoilt, mixed):
    assert str(mixed).encode() not in spoilt.manifest.to_json()


def test_a_name_of_no_image(mixed):
    with pytest.raises(DataError, match=r"'030\.png' is not one of the 30 good images"):
        fit(mixed, EXACT, without=["030.png"])
