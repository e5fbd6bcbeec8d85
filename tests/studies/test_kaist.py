import dataclasses
import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from knowngood.errors import DataError
from knowngood.inspector.inspector import Inspector
from knowngood.report.slide import Deck, slides_of
from knowngood.studies.kaist import DOCUMENT, QUICK, SMOOTHINGS, STUDY, load_digits, summary
from knowngood.studies.kaist_measures import (
    ACCURACY,
    ANOMALIES,
    AUROC,
    NORMAL_DIGITS,
    SEPARATION,
    Digits,
    confidence_at,
    other_distances,
)
from knowngood.studies.kaist_words import (
    MSP,
    Means,
    agreement,
    best_words,
    disagreements,
    most_smoothing_words,
)
from knowngood.studies.registry import run_study
from knowngood.studies.study import run
from knowngood.types import silent

from .conftest import check_slides, run_notebook, write_idx

DIGITS = (0, 1, 2, 3, 5, 7, 8, 9)
ARGUMENTS = {"seed": 0, "settings": {}}


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
def seeds(data, tmp_path_factory):
    """One method with two seeds."""
    folder = tmp_path_factory.mktemp("out") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("knowngood.studies.study.present", lambda *_: None)
        study = dataclasses.replace(QUICK, methods=QUICK.methods[:1], runs=2)
        run(study, data, folder, deck=Deck("", []), arguments=ARGUMENTS, device="cpu", progress=silent)
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
        assert {path.name for path in (out / name).iterdir()} == {"seed0.inspector", "seed0.training"}


def test_the_figures_are_means_of_the_runs(seeds):
    runs = pd.read_csv(seeds / "runs.csv")
    assert set(runs["seed"]) == {0, 1}
    for row in pd.read_csv(seeds / "figures.csv").to_dict("records"):
        values = runs.loc[runs["figure"] == row["figure"], "value"]
        assert len(values) == row["n"] == 2
        assert row["value"] == pytest.approx(values.mean())
        assert row["sd"] == pytest.approx(values.std())
        assert row["least"] == values.min()


def test_a_quick_run_is_compared_with_no_document(figures):
    assert figures["document"].isna().all()
    runs = figures.reset_index()[["task", "figure", "value"]]
    assert summary(runs, DOCUMENT).set_index(["task", "figure"])["document"].dropna().to_dict() == DOCUMENT


def test_a_shipped_inspector_gives_the_figure_again(data, seeds):
    digits = load_digits(data / "mnist", QUICK.most)
    runs = pd.read_csv(seeds / "runs.csv").set_index(["task", "figure", "seed"])["value"]
    inspector = Inspector.load(seeds / "small-0.0" / "seed1.inspector")
    rejected = [verdict.decision == "reject" for verdict in inspector.inspect(list(digits.test))]
    share = np.mean(np.array(rejected)[digits.anomalous])
    assert runs["small-0.0", "anomalies rejected", 1] == pytest.approx(share)


def test_the_network_learns_printed_digits(figures):
    for smoothing in SMOOTHINGS:  # of four, after a few epochs on 160
        assert figures.loc[(f"small-{smoothing}", "accuracy on normal test digits"), "value"] > 0.6


def test_smoothing_makes_less_sure(out):
    classes = [Inspector.load(out / f"small-{s}/seed0.inspector").records.classes for s in SMOOTHINGS]
    assert [one.fitted for one in classes] == [True] * 4
    confidences = [(one.before.answers * one.before.confidence).sum() for one in classes]
    assert confidences == sorted(confidences, reverse=True)


def test_the_slides_answer_every_question(out):
    slides = check_slides(out)
    said = [" ".join(texts) for texts in slides]
    for phrase in (
        "160 training images of the digits 0 to 3; 48 test images of 0 to 3; 36 test images of 7 to 9",
        "160 normal digits to learn; 48 others and 36 anomalies to test",
        "Feature extractor and classifier: the network has 474 trainable parameters",
        "4 epochs on 128 digits, batches of 32",
        "1 − maximum softmax probability (msp)",
        "cross-entropy",
        "With smoothed targets the loss cannot be less than 0.35 (smoothing 0.1), 0.59 (smoothing 0.2)",
        "small CNN, smoothing 0.3: AUROC",
        "calibration error (ECE)",
        "Smoothing 0.3 separates anomalies",
        "A temperature divides the logits of a network that is already trained (smoothing 0.1)",
        "RotNet: 640 views, each digit in four rotations",
        "min(|predicted − true|, 4 − |predicted − true|)",
        "RotNet, small CNN: AUROC of the circular distance",
        "The centre of mass of the training digits",
        "32 others of them, held out",
    ):
        assert any(phrase in text for text in said), phrase
    assert not any(given in text for text in said for given in ("0.868", "0.856"))


def test_the_notebook_makes_the_means_again(out, figures):
    names = run_notebook(out / "study.ipynb")
    np.testing.assert_allclose(names["means"]["mean"], figures["value"])


def test_a_study_that_was_finished_is_not_trained_again(data, out, figures, monkeypatch):
    """Nor is it where it is compared with the document, as the full study is."""
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*.training/last.ckpt")}
    before |= {path: path.stat().st_mtime_ns for path in out.glob("*/*.inspector")}
    assert len(before) == 2 * len(QUICK.methods)
    decks = []
    monkeypatch.setattr("knowngood.studies.study.present", lambda deck, *_: decks.append(deck))
    study = dataclasses.replace(QUICK, is_quick=False)
    arguments = json.loads((out / "arguments.json").read_text())
    again = run(study, data, out, deck=Deck("", []), arguments=arguments, device="cpu", progress=silent)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    np.testing.assert_allclose(again["value"], figures["value"])

    exhibits = list(slides_of(decks[0].exhibits))
    comparison, sources, conclusion = exhibits[1].exhibit, exhibits[2].exhibit, exhibits[-1].exhibit
    assert "of the document's 4 figures are within two standard deviations" in comparison.title
    assert [row[2] for row in comparison.texts[:5]] == ["0.868", "0.927", "0.918", "–", "0.856"]
    assert any("raised from three" in cell for row in sources.texts for cell in row)
    assert any("was raised after a look" in " ".join(text.split()) for text in conclusion.sentences)


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
    (row,) = summary(runs, DOCUMENT).to_dict("records")
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


def test_the_words_follow_from_the_figures():
    figures = pd.DataFrame(
        [
            ("small-0.0", "image AUROC, msp", 0.88, 0.01, 0.868, -1.2),
            ("rotnet", "image AUROC, distance", 0.62, 0.01, 0.856, 23.6),
            ("rotnet", "image AUROC, distance of one rotation", 0.99, 0.01, np.nan, np.nan),
        ],
        columns=["task", "figure", "value", "sd", "document", "apart"],
    )
    titles = {"small-0.0": "small CNN", "rotnet": "RotNet"}
    assert agreement(figures).startswith("1 of the document's 2 figures")
    (apart,) = disagreements(figures, titles)
    assert apart == "Farther apart are RotNet, image AUROC, distance: 0.856 there, 0.620 ± 0.010 here."
    assert best_words(figures, titles) == "The highest image AUROC of all is 0.880: small CNN, score msp."


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.1, "better than"), (0.01, "about as well as"), (-0.1, "worse than")]
)
def test_what_more_smoothing_shows(gain, verdict):
    values = {"msp": (0.8, 0.8 + gain), "accuracy": (0.9, 0.8), "normal": (0.9, 0.7), "strange": (0.6, 0.5)}
    names = {
        MSP: "msp",
        ACCURACY: "accuracy",
        SEPARATION: "accuracy",
        confidence_at(1.0, NORMAL_DIGITS): "normal",
        confidence_at(1.0, ANOMALIES): "strange",
    }
    rows = [
        {"task": task, "figure": figure, "value": values[key][place], "sd": 0.02}
        for figure, key in names.items()
        for place, task in enumerate(("less", "more"))
    ]
    title, said = most_smoothing_words(Means(pd.DataFrame(rows)), {"less": 0.2, "more": 0.3})
    assert title == f"Smoothing 0.3 separates anomalies {verdict} 0.2"
    assert (
        "on normal digits falls from 0.900 to 0.700, that on anomalies falls from 0.600 to 0.500" in said[1]
    )
    assert "the gap between both falls from 0.300 to 0.200" in said[1]


def test_on_the_real_images(shared_data, tmp_path, monkeypatch):
    """One run of three methods in their quick form; the full study is measured in benchmarks/."""
    monkeypatch.setattr("knowngood.studies.study.present", lambda *_: None)
    methods = [one for one in QUICK.methods if one.name in ("small-0.1", "cnn", "rotation")]
    study, deck = dataclasses.replace(QUICK, methods=methods), Deck("", [])
    options = {"deck": deck, "arguments": ARGUMENTS, "device": "cpu", "progress": silent}
    table = run(study, shared_data, tmp_path, **options)
    figures = table.set_index(["task", "figure"])["value"]
    assert figures["small-0.1", ACCURACY] > 0.85
    assert figures["small-0.1", f"{AUROC}, msp"] > 0.7
    assert figures["cnn", f"{AUROC}, mahalanobis"] > 0.7
    assert figures["rotation", f"{AUROC}, knn"] > 0.65
