import numpy as np
import pandas as pd
import pytest

from ..support.parts import write_parts
from ..support.tables import read_table

SETTINGS = ("--classifier", "linear_probe", "--set", "input_size=64")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    counts = {"train/good": 6, "test/good": 4, "test/hole": 4, "test/scratch": 4}
    return write_parts(tmp_path_factory.mktemp("data") / "widget", counts)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_folds_figures_and_every_image(run, folder, tmp_path, suffix):
    out = tmp_path / f"images{suffix}"
    status, said, err = run("cross-validate", folder, *SETTINGS, "--folds", 2, "--out", out)
    assert (status, err) == (0, "")
    table = read_table(out)
    assert list(table.columns) == [
        *("path", "label", "defect", "mask", "score", "p_value", "decision", "predicted_class"),
        *("p_good", "p_hole", "p_scratch", "fold"),
    ]
    assert sorted(table["path"]) == sorted(map(str, (folder / "test").rglob("*.png")))
    assert table.groupby("fold").size().tolist() == [6, 6]

    head, *rows = said.splitlines()
    names = head.split()
    assert names[:2] == ["fold", "images"]
    printed = pd.DataFrame([row.split() for row in rows[:2]], columns=names).astype(float)
    truth = table["defect"].fillna("").replace("", "good")
    right = (truth == table["predicted_class"]).groupby(table["fold"]).mean()
    np.testing.assert_allclose(printed["class_accuracy"], right, atol=1e-4)
    figures = {row.split()[0]: row.split()[1:] for row in rows[2:]}
    assert figures.keys() == set(names[2:])
    for name, (mean, _, sd) in figures.items():
        assert float(mean) == pytest.approx(printed[name].mean(), abs=2e-4)
        assert float(sd) == pytest.approx(printed[name].std(), abs=2e-4)


def test_by_label(run, folder, tmp_path):
    out = tmp_path / "images.csv"
    status, _, _ = run(
        "cross-validate", folder, *SETTINGS, "--folds", 2, "--by", "label", "--seed", 4, "--out", out
    )
    assert status == 0
    table = pd.read_csv(out)
    assert list(table.columns)[-3:] == ["p_good", "p_defect", "fold"]
    assert set(table["predicted_class"]) <= {"good", "defect"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--folds", "5"), ("'good' has 4 image(s), too few for 5 folds", "take at most 4 folds")),
        (("--folds", "1"), ("folds=1: at least 2 are needed",)),
        (("--by", "class"), ("by='class' is not known",)),
        (("--classifier", "probe"), ("classifier 'probe' is not known",)),
        (("--set", "rounds=3"), ("no setting 'rounds'",)),
        (("--device", "tpu"), ("device='tpu'",)),
        (("--out", "images.txt"), ("must end in .csv, .parquet or .jsonl",)),
        (("--out", "none/images.csv"), ("none/images.csv",)),
        (("--recipe", "none.yaml"), ("'none.yaml' cannot be read",)),
    ],
)
def test_a_wrong_option_is_named(run, folder, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(
        "cross-validate", folder, *SETTINGS, "--folds", 2, "--out", "images.csv", *arguments
    )
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 2
    for word in words:
        assert word in err
    assert list(tmp_path.iterdir()) == []


def test_good_parts_alone(run, folder):
    status, _, err = run("cross-validate", folder / "train/good", *SETTINGS)
    assert status == 1
    assert "there is no defect to train on" in err


def test_the_help_says_which_images_are_held_out(run):
    text = " ".join(run("cross-validate", "--help").out.replace("│", " ").split())
    assert "those of the test split are held out in turn" in text
    for option in (*("--classifier", "--recipe", "--set", "--folds", "--by", "--seed", "--device", "--out"),):
        assert option in text
    assert "Number of folds. [default: 5]" in text


def test_a_detector(run, folder, tmp_path):
    out = tmp_path / "images.csv"
    settings = ("--detector", "gaussian", "--set", "input_size=64")
    status, said, err = run("cross-validate", folder, *settings, "--folds", 2, "--out", out)
    assert (status, err) == (0, "")
    assert list(pd.read_csv(out).columns) == [
        *("path", "label", "defect", "mask", "score", "p_value", "decision", "fold"),
    ]
    names = said.splitlines()[0].split()
    assert names[2:] == [line.split()[0] for line in said.splitlines()[3:]]
    assert names[2:6] == ["image_auroc", "image_ap", "false_reject_rate", "escape_rate"]


def test_a_detector_or_a_classifier(run, folder):
    status, _, err = run("cross-validate", folder, *SETTINGS, "--detector", "knn")
    assert status == 1
    assert err == "error: --classifier and --detector exclude each other; leave out one of them\n"
