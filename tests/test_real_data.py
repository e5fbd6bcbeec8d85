"""Accuracy on real images: quick forms of the measurements in `benchmarks/`, and the whole as slow tests."""

import pandas as pd
import pytest

import knowngood
import main_job
import reconstruction
from knowngood.data.elpv import load_elpv
from knowngood.data.images import read_mask


def every(table: pd.DataFrame, step: dict[tuple[str, str], int]) -> pd.DataFrame:
    """Each n-th row of each split and label."""
    parts = [
        table[(table["split"] == split) & (table["label"] == label)].iloc[::n]
        for (split, label), n in step.items()
    ]
    return pd.concat(parts)


@pytest.fixture(scope="module")
def transistors(shared_data):
    """Some transistors, and an inspector that is fitted to them."""
    samples = knowngood.load_samples(shared_data / "mvtec" / "transistor")
    few = every(samples, {("train", "good"): 4, ("test", "good"): 4, ("test", "defect"): 2})
    return few, knowngood.fit(few)


def test_transistor_in_small(transistors):
    few, inspector = transistors
    metrics = knowngood.evaluate(inspector, few).metrics
    assert metrics["counts"] == {"good": 15, "defect": 20, "unreadable": 0}
    assert metrics["image_auroc"] > 0.97
    assert metrics["pixel_auroc"] > 0.95


def test_boxes_are_where_the_defects_are(transistors):
    few, inspector = transistors
    # A misplaced transistor leaves its place empty, where the mask is not.
    defects = few[(few["label"] == "defect") & (few["defect"] != "misplaced")]
    found = 0
    for verdict, mask in zip(inspector.inspect(defects["path"]), defects["mask"], strict=True):
        [hottest, *_] = verdict.regions()
        box = slice(hottest.y, hottest.y + hottest.height), slice(hottest.x, hottest.x + hottest.width)
        found += bool(read_mask(mask, verdict.size)[box].any())
    assert found >= 0.9 * len(defects)


def test_solar_cells_in_small():
    few = every(load_elpv("mono"), {("train", "good"): 8, ("test", "good"): 6, ("test", "defect"): 10})
    metrics = knowngood.evaluate(knowngood.fit(few), few).metrics
    assert metrics["image_auroc"] > 0.88
    assert metrics["pixel_auroc"] is None
    assert metrics["notes"]["pixel_auroc"] == "no defect has a mask"


def test_features_rebuilt_of_transistors_in_small(shared_data):
    """All good images, which are few enough already, for a third of the epochs and in two trainings."""
    samples = knowngood.load_samples(shared_data / "mvtec" / "transistor")
    recipe = knowngood.make_detector("feature_autoencoder", {"epochs": 20, "folds": 2})
    metrics = knowngood.evaluate(knowngood.fit(samples, recipe), samples).metrics
    assert metrics["image_auroc"] > 0.95
    assert metrics["pixel_auroc"] > 0.96


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "detector", "least"),
    [
        ("mnist", "autoencoder", {"image_auroc": 0.995}),
        ("transistor", "autoencoder", {"misplaced_above_both": 10}),
        ("transistor", "feature_autoencoder", {"image_auroc": 0.97}),
    ],
)
def test_what_detectors_that_rebuild_must_reach(data, detector, least, shared_data):
    measure = {"mnist": reconstruction.mnist, "transistor": reconstruction.transistor}[data]
    means = pd.DataFrame([measure(detector, seed) for seed in reconstruction.SEEDS]).mean()
    assert not {name: means[name] for name, value in least.items() if means[name] < value}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "least"),
    [
        ("transistor", {"image_auroc": 0.997, "pixel_auroc": 0.975, "misplaced_above_every_good": 10}),
        ("screw", {"image_auroc": 0.978, "pixel_auroc": 0.99}),
        ("elpv", {"image_auroc": 0.96}),
    ],
)
def test_what_must_be_reached(data, least, shared_data):
    runs = pd.DataFrame([main_job.measure(data, "patchcore", seed) for seed in main_job.SEEDS])
    means = runs.mean()
    assert not {name: means[name] for name, value in least.items() if means[name] < value}
    assert means["false_reject_rate"] <= means["false_reject_bound"]
    assert runs["graph_difference"].max() < 1e-4
