import shutil
import subprocess

import cv2
import numpy as np
import pandas as pd
import pytest

from knowngood.errors import DataError
from knowngood.inspector.inspector import Inspector
from knowngood.studies.kaist import DOCUMENT, QUICK, SMOOTHINGS, STUDY, load_digits, summary
from knowngood.studies.kaist_measures import AUROC, Digits, other_distances
from knowngood.studies.registry import run_study

from .conftest import write_idx

DIGITS = (0, 1, 2, 3, 5, 7, 8, 9)


def digit(rng, number):
    image = np.zeros((28, 28), np.uint8)
    left, foot = map(int, rng.integers(-1, 2, 2))
    cv2.putText(
        image, str(number), (6 + left, 23 + foot), cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.7, 0.85), 255, 2
    )
    # No two are alike: those that seem to be copies of each other count once.
    spots = cv2.GaussianBlur(rng.normal(0, 1, (28, 28)), (0, 0), 1.5)
    return np.clip(image + 35 * spots, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Printed digits; the 5 belongs to nobody."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (folder / "mnist").mkdir()
    for prefix, count in (("train", 40), ("t10k", 12)):
        labels = np.repeat(np.array(DIGITS, np.uint8), count)
        rng.shuffle(labels)
        write_idx(
            folder / "mnist" / f"{prefix}-images-idx3-ubyte.gz", np.stack([digit(rng, n) for n in labels])
        )
        write_idx(folder / "mnist" / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.fixture(scope="module")
def out(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "study"
    run_study("kaist", data, folder, quick=True)
    return folder


@pytest.fixture(scope="module")
def figures(out):
    return pd.read_csv(out / "figures.csv").set_index(["task", "figure"])


def test_what_is_learned_and_what_is_met(data):
    digits = load_digits(data / "mnist", None)
    assert set(digits.classes) == {0, 1, 2, 3}
    assert set(digits.labels) == {0, 1, 2, 3, 7, 8, 9}
    assert set(digits.labels[digits.anomalous]) == {7, 8, 9}
    assert len(digits.train) == 160


def test_everything_is_written(out):
    names = {method.name for method in QUICK.methods}
    assert names == {method.name for method in STUDY.methods}
    assert {path.name for path in out.iterdir()} == names | {
        *("arguments.json", "figures.csv", "runs.csv", "slides.pdf", "slides.pptx", "study.ipynb")
    }
    for name in names:
        assert {path.name for path in (out / name).iterdir()} == {
            f"seed{seed}.{ending}" for seed in (0, 1) for ending in ("inspector", "training")
        }


def test_the_figures_are_means_of_the_runs(out, figures):
    runs = pd.read_csv(out / "runs.csv")
    assert set(runs["seed"]) == {0, 1}
    for (task, figure), row in figures.iterrows():
        values = runs.loc[(runs["task"] == task) & (runs["figure"] == figure), "value"]
        assert row["value"] == pytest.approx(values.mean())
        assert row["sd"] == pytest.approx(values.std())
        assert row["least"] == values.min()
    assert figures["document"].dropna().to_dict() == DOCUMENT


def test_a_shipped_inspector_gives_the_figure_again(data, out):
    digits = load_digits(data / "mnist", QUICK.most)
    runs = pd.read_csv(out / "runs.csv").set_index(["task", "figure", "seed"])["value"]
    inspector = Inspector.load(out / "cnn" / "seed1.inspector")
    rejected = [verdict.decision == "reject" for verdict in inspector.inspect(list(digits.test))]
    share = np.mean(np.array(rejected)[digits.anomalous])
    assert runs["cnn", "anomalies rejected", 1] == pytest.approx(share)


def test_the_network_learns_printed_digits(figures):
    for smoothing in SMOOTHINGS:  # of four, after a few epochs on 160
        assert figures.loc[(f"small-{smoothing}", "accuracy on normal test digits"), "value"] > 0.6


def test_smoothing_makes_less_sure(out):
    classes = [Inspector.load(out / f"small-{s}/seed0.inspector").records.classes for s in SMOOTHINGS]
    assert [one.fitted for one in classes] == [True] * 4
    confidences = [(one.before.answers * one.before.confidence).sum() for one in classes]
    assert confidences == sorted(confidences, reverse=True)


def test_slides(out):
    text = (
        subprocess.run(
            ["pdftotext", "-layout", out / "slides.pdf", "-"], capture_output=True, text=True, check=True
        ).stdout
        if shutil.which("pdftotext")
        else ""
    )
    if not text:
        pytest.skip("pdftotext is not installed")
    for phrase in ("the document", "0.868", "0.856", "Where each number comes from", "held out"):
        assert phrase in text


def test_a_study_that_was_finished_is_not_trained_again(data, out, figures):
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*.training/last.ckpt")}
    before |= {path: path.stat().st_mtime_ns for path in out.glob("*/*.inspector")}
    assert len(before) == 2 * 2 * len(QUICK.methods)
    again = run_study("kaist", data, out, quick=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    np.testing.assert_allclose(again["value"], figures["value"])


def test_other_distances():
    logits = np.tile(10 * np.eye(4, dtype=np.float32), (400, 1, 1))  # every rotation is predicted
    anomalous = np.arange(400) >= 200
    one, unknown = other_distances(logits, anomalous, seed=0).values()
    assert not one.any()
    assert not unknown[~anomalous].any()
    assert unknown[anomalous].mean() == pytest.approx(1.0, abs=0.15)


def test_the_summary_says_how_far_the_document_is():
    name = f"{AUROC}, msp"
    runs = pd.DataFrame({"task": "small-0.0", "figure": name, "seed": [0, 1], "value": [0.90, 0.88]})
    (row,) = summary(runs).to_dict("records")
    assert row["document"] == 0.868
    assert row["apart"] == pytest.approx((0.868 - 0.89) / runs["value"].std())


def test_an_anomaly_is_what_was_not_learned():
    digits = Digits(np.zeros((2, 28, 28)), np.array([0, 2]), np.zeros((3, 28, 28)), np.array([0, 1, 2]))
    assert digits.anomalous.tolist() == [False, True, False]


def test_a_digit_without_images(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    labels = tmp_path / "data/mnist/t10k-labels-idx1-ubyte.gz"
    write_idx(labels, np.where(load_labels(data) == 8, 5, load_labels(data)).astype(np.uint8))
    with pytest.raises(DataError, match="too few images of the digit 8"):
        run_study("kaist", tmp_path / "data", tmp_path / "out", quick=True)
    assert not (tmp_path / "out").exists()


def load_labels(data):
    from knowngood.data.idx import load_idx

    return load_idx(data / "mnist", "test")[1]


def test_data_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="holds no folder mnist"):
        run_study("kaist", tmp_path, tmp_path / "out")


def test_on_the_real_images(shared_data, tmp_path):
    """In its quick form; the full one is measured in benchmarks/."""
    figures = run_study("kaist", shared_data, tmp_path, quick=True).set_index(["task", "figure"])["value"]
    assert figures["small-0.1", "accuracy on normal test digits"] > 0.85
    assert figures["small-0.1", f"{AUROC}, msp"] > 0.7
    assert figures["cnn", f"{AUROC}, mahalanobis"] > 0.7
    assert figures["rotation", f"{AUROC}, knn"] > 0.65
