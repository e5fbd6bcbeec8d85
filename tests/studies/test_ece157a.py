import importlib
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from knowngood.errors import DataError, RecipeError
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.reconstructions import read_reconstructions
from knowngood.studies.ece157a import STUDY
from knowngood.studies.registry import STUDIES, run_study
from knowngood.studies.study import Study

from .conftest import check_slides, run_notebook, write_idx


def digit(rng, nine):
    """A stroke for a 1; with a ring on it for a 9."""
    y, x = np.mgrid[:28, :28]
    centre = 14 + rng.uniform(-2, 2)
    stroke = (np.abs(x - centre - 0.2 * (14 - y)) < 2) & (np.abs(y - 14) < 9)
    ring = np.abs(np.hypot(y - 9, x - centre + 2) - 5) < 1.5
    return np.where(stroke | (ring if nine else False), 250, 0).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory, good_images):
    """Both data sets in small: strokes for digits, discs for transistors, no disc for a missing one."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (folder / "mnist").mkdir()
    for prefix, count in (("train", 60), ("t10k", 20)):
        images = np.stack([digit(rng, nine) for nine in (False, True) for _ in range(count)])
        labels = np.repeat([1, 9], count).astype(np.uint8)
        write_idx(folder / "mnist" / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(folder / "mnist" / f"{prefix}-labels-idx1-ubyte.gz", labels)
    missing = rng.normal(40, 4, (4, 96, 96, 3)).clip(0, 255).astype(np.uint8)
    for name, stack in (
        ("train/good", good_images[:18]),
        ("test/good", good_images[18:]),
        ("test/misplaced", missing),
    ):
        place = folder / "mvtec" / "transistor" / name
        place.mkdir(parents=True)
        for number, image in enumerate(stack):
            Image.fromarray(image).save(place / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def out(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "study"
    run_study("ece157a", data, folder, quick=True, author="A. Student")
    return folder


@pytest.fixture(scope="module")
def figures(out):
    return pd.read_csv(out / "figures.csv").set_index(["task", "figure"])["value"]


def test_everything_is_written(out):
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [
            "arguments.json",
            "figures.csv",
            "slides.pdf",
            "slides.pptx",
            "study.ipynb",
            *(
                f"{task}.{part}"
                for task in ("mnist", "transistor")
                for part in (
                    "inspector",
                    "training",
                    "validation.parquet",
                    "test.parquet",
                    "out_of_class.parquet",
                )
            ),
        ]
    )


def test_the_figures_follow_from_the_tables(out, figures):
    for task in ("mnist", "transistor"):
        validation, tested, strange = (
            read_reconstructions(out / f"{task}.{part}.parquet")
            for part in ("validation", "test", "out_of_class")
        )
        of_task = figures[task]
        assert of_task["in-class validation samples"] == len(validation)
        assert of_task["in-class test samples"] == len(tested)
        assert of_task["out-of-class samples"] == len(strange)
        above = (strange["score"] > validation["score"].max()).sum()
        assert of_task["out-of-class above every validation sample"] == above
        inspector = Inspector.load(out / f"{task}.inspector")
        assert of_task["threshold, from validation samples"] == inspector.threshold.value
        # Samples that look like copies of each other count once, by the highest score.
        scores, parts = validation["score"].to_numpy(), np.array(inspector.manifest.held_out)
        assert sum(map(len, inspector.manifest.held_out_names)) == len(scores)
        np.testing.assert_allclose(parts.max(), scores.max(), rtol=1e-3)
        assert (np.abs(parts[:, None] / scores - 1).min(axis=1) < 1e-3).all()


def test_the_slides_answer_every_question(out):
    slides = check_slides(out)
    said = [" ".join(texts) for texts in slides]
    assert "A. Student" in said[0]
    for phrase in (
        "60 in-class images to train and validate with; 20 test images: digit 1; 20 test images: digit 9",
        "MNIST: The network has",
        "batch size",
        "augmentation",
        "Adam, learning rate 0.001",
        "MNIST: Training loss",
        "Transistor: Mean difference",
        "Does the plot resemble the ideal, every digit 1 sample to the left of every digit 9 sample?",
        "Transistor: Threshold",
        "by the rule “false rejects at most 0.05”",
        "than those of digit 9 samples",
    ):
        assert any(phrase in text for text in said), phrase
    for name in ("digit 1", "digit 9", "good"):
        assert sum(f"worst reconstructions of {name} samples" in texts[0] for texts in slides) in (1, 2)
    assert "Reconstructions of" in said[-1] or "measures disagree" in said[-1]


def test_the_criterion_is_the_full_study_s_alone(out):
    assert STUDY.wanted == {"transistor": 7}
    assert not any("asks that" in text for texts in check_slides(out) for text in texts)


def test_the_notebook_makes_the_figures_again(out, figures):
    names = run_notebook(out / "study.ipynb")
    area = "image AUROC, in-class test samples against out-of-class"
    assert names["again"].loc[area, "mnist"] == pytest.approx(figures["mnist", area])


def test_a_missing_transistor_scores_above_all(figures):
    assert figures["transistor", "out-of-class above every in-class sample"] == 4


def test_digits_are_seen_in_grey(out):
    table = read_reconstructions(out / "mnist.out_of_class.parquet")
    assert table["original"][0].shape == (28, 28, 1)
    assert set(table["label"]) == {"digit 9"}


def test_a_study_that_was_finished_is_not_trained_again(data, out, figures):
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.training/last.ckpt")}
    names = ("slides.pdf", "slides.pptx", "study.ipynb")
    written = [(out / name).read_bytes() for name in names]
    again = run_study("ece157a", data, out, quick=True, author="A. Student")
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.training/last.ckpt")} == before
    np.testing.assert_array_equal(again["value"], figures)
    assert [(out / name).read_bytes() == content for name, content in zip(names, written, strict=True)] == [
        True
    ] * 3


def test_another_seed_wants_another_folder(data, out):
    with pytest.raises(RecipeError, match="holds a run with seed 0, not 1; name another folder"):
        run_study("ece157a", data, out, quick=True, seed=1)


@pytest.mark.parametrize("missing", ["mnist", "mvtec"])
def test_data_that_are_not_there(data, tmp_path, missing):
    partial = tmp_path / "data"
    partial.mkdir()
    other = {"mnist": "mvtec", "mvtec": "mnist"}[missing]
    (partial / other).symlink_to(data / other)
    with pytest.raises(DataError, match=f"holds no folder {missing}"):
        run_study("ece157a", partial, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_class_without_an_image(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    shutil.rmtree(tmp_path / "data/mvtec/transistor/test/misplaced")
    with pytest.raises(DataError, match="transistor has no test image of misplaced"):
        run_study("ece157a", tmp_path / "data", tmp_path / "out", quick=True)
    assert not (tmp_path / "out").exists()


def test_a_study_that_is_not_known(tmp_path):
    with pytest.raises(RecipeError, match="study 'ece' is not known; choose one of ece157a"):
        run_study("ece", tmp_path, tmp_path)


def test_every_study_can_be_imported():
    for name in STUDIES:
        module = importlib.import_module(f"knowngood.studies.{name}")
        assert isinstance(module.STUDY, Study)
        assert isinstance(module.QUICK, type(module.STUDY))


def test_on_the_real_images(shared_data, tmp_path, monkeypatch):
    """In its quick form, without slides; the full one is measured in benchmarks/."""
    monkeypatch.setattr("knowngood.studies.study.present", lambda *_: None)
    figures = run_study("ece157a", shared_data, tmp_path, quick=True).set_index(["task", "figure"])["value"]
    assert figures["mnist", "image AUROC, in-class test samples against out-of-class"] > 0.95
    assert figures["transistor", "out-of-class above every in-class sample"] >= 7
