"""`train`, and what the other commands do with a classifier."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import knowngood
from knowngood.data.labelled import with_defects_to_learn
from knowngood.inspector.train import train

from ..support.parts import write_parts
from ..support.tables import read_table

SMALL = knowngood.make_classifier("linear_probe", {"input_size": 64})
SETTINGS = ("--classifier", "linear_probe", "--set", "input_size=64")
PROBABILITIES = ["p_good", "p_hole", "p_scratch"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    counts = {"train/good": 12, "test/good": 6, "test/hole": 9, "test/scratch": 9}
    return write_parts(tmp_path_factory.mktemp("data") / "widget", counts)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "widget.inspector"
    train(folder, SMALL).save(path)
    return path


@pytest.fixture
def inspector(trained, tmp_path):
    """A copy that a test may change."""
    path = tmp_path / "widget.inspector"
    path.write_bytes(trained.read_bytes())
    return path


def refused(outcome, *words):
    """A mistake gets one or two lines and the status 1."""
    assert outcome.status == 1
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.splitlines()) <= 2
    for word in words:
        assert word in outcome.err


# --- the story


def test_train_evaluate_score_info_and_threshold_are_one_story(run, folder, trained, tmp_path):
    path = tmp_path / "out.inspector"
    status, out, err = run("train", folder, "--out", path, *SETTINGS)
    assert (status, err) == (0, "")
    learned, *notes = out.splitlines()
    assert learned == f"Learned linear_probe from 24 images (good 12, hole 6, scratch 6): {path}"
    assert "imbalance: class_weights" in notes[0]
    assert "regularisation: C = " in notes[1]
    assert " ".join(notes[2].split()) == "threshold 0, a defect is likelier than a good part"
    assert "of 12 held-out good parts are above it" in notes[3]
    # The same as the library gives.
    assert knowngood.Inspector.load(path).manifest.graph_hash == (
        knowngood.Inspector.load(trained).manifest.graph_hash
    )

    status, out, err = run("evaluate", path, folder, "--out", tmp_path / "report")
    assert status == 0
    assert err == (
        "warning: 12 images of the test split are left out, since the classifier learned from them.\n"
    )
    metrics = json.loads((tmp_path / "report/metrics.json").read_text())
    assert metrics["counts"] == {"good": 6, "defect": 6, "unreadable": 0}
    assert f"{metrics['image_auroc']:.4f}" in out
    assert metrics["classifier"]["confusion"]["classes"] == ["good", "hole", "scratch"]
    (page,) = (tmp_path / "report").glob("report-*.html")
    assert page.stat().st_size > 10_000

    evaluated = pd.read_csv(tmp_path / "report/scores.csv")
    status, _, err = run("score", path, *evaluated["path"], "--out", tmp_path / "scores.csv")
    assert status == 0
    rejected = (evaluated["decision"] == "reject").sum()
    assert f"Inspected 12 images, rejected {rejected}" in err
    said = [*("path", "score", "p_value", "decision", "predicted_class"), *PROBABILITIES]
    scored = pd.read_csv(tmp_path / "scores.csv")
    assert list(scored.columns) == said
    pd.testing.assert_frame_equal(
        scored.sort_values("path", ignore_index=True),
        evaluated[said].sort_values("path", ignore_index=True),
    )

    _, out, _ = run("info", path)
    facts = {line[:14].strip(): line[15:] for line in out.splitlines() if line[:14].strip()}
    assert facts["classifier"] == "linear_probe"
    assert "detector" not in facts
    assert "input_size=64" in facts["recipe"]
    assert facts["learned from"] == "24 images of good parts and defects"
    assert facts["classes"] == "good (12), hole (6), scratch (6)"
    assert facts["note 1"].startswith("imbalance: ")

    before = knowngood.Inspector.load(path)
    status, out, _ = run("threshold", path, "--max-false-reject", 0.2)
    assert status == 0
    after = knowngood.Inspector.load(path)
    assert after.threshold.requested == 0.2
    assert after.graph == before.graph
    assert after.classifier.names == before.classifier.names
    assert "false rejects at most 0.2" in run("info", path).out


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_score_writes_class_and_probabilities(run, inspector, folder, tmp_path, suffix):
    out = tmp_path / f"scores{suffix}"
    assert run("score", inspector, folder / "test", "--out", out).status == 0
    table = read_table(out)
    assert list(table.columns) == ["path", "score", "p_value", "decision", "predicted_class", *PROBABILITIES]
    assert len(table) == 24
    np.testing.assert_allclose(table[PROBABILITIES].sum(axis=1), 1, rtol=1e-5)
    assert ((table["predicted_class"] == "good") == (table["decision"] == "accept")).all()
    verdicts = knowngood.Inspector.load(inspector).inspect(table["path"].tolist())
    assert table["predicted_class"].tolist() == [verdict.predicted_class for verdict in verdicts]
    np.testing.assert_allclose(table["p_hole"], [verdict.probabilities["hole"] for verdict in verdicts])


def test_score_of_nothing_that_can_be_read_writes_nothing(run, inspector, tmp_path):
    (tmp_path / "bad.png").write_text("no image")
    status, _, err = run("score", inspector, tmp_path / "bad.png", "--out", tmp_path / "scores.csv")
    assert status == 1
    assert "bad.png" in err
    assert not (tmp_path / "scores.csv").exists()


def test_heatmaps_of_a_classifier(run, inspector, folder, tmp_path):
    assert run("score", inspector, folder / "test/hole", "--heatmaps", tmp_path / "heat").status == 0
    made = sorted((tmp_path / "heat").iterdir())
    assert len(made) == 9
    with Image.open(made[0]) as picture:
        assert picture.width == 4 * 96  # a small image is enlarged, and the legend is below


@pytest.mark.parametrize("rule", ["even-odds", "youden", "recall=0.9"])
def test_the_threshold_moves_by_a_rule(run, inspector, folder, rule):
    status, out, _ = run("threshold", inspector, "--rule", rule, "--validation", folder, "--anyway")
    assert status == 0
    assert "on 6 good and 6 defective validation images" in out
    assert "6 validation good parts are above it" in out
    assert out.splitlines()[2].endswith("good parts are rejected,")
    assert "or somewhat more, because it was chosen on the same images" in out
    _, _, err = run("evaluate", inspector, folder, "--out", inspector.parent / "report")
    assert "12 of the 12 test images were used for the threshold" in err


# --- its options


def test_by_label_with_another_share_and_seed(run, folder, tmp_path):
    path = tmp_path / "out.inspector"
    status, out, _ = run(
        "train", folder, "--out", path, *SETTINGS, "--by", "label", "--defect-share", 0.4, "--seed", 3
    )
    assert status == 0
    assert "from 20 images (good 12, defect 8)" in out
    manifest = knowngood.Inspector.load(path).manifest
    assert manifest.seed == 3


def test_a_recipe_file_names_the_classifier_and_settings_win(run, folder, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("classifier: linear_probe\ninput_size: 512\nimbalance: none\n")
    path = tmp_path / "out.inspector"
    status, _, _ = run("train", folder, "--out", path, "--recipe", recipe, "--set", "input_size=64")
    assert status == 0
    manifest = knowngood.Inspector.load(path).manifest
    assert manifest.method == "linear_probe"
    assert (manifest.recipe["input_size"], manifest.recipe["imbalance"]) == (64, "none")


def test_a_table_of_samples(run, folder, tmp_path):
    table = with_defects_to_learn(folder)
    table.to_csv(tmp_path / "samples.csv", index=False)
    path = tmp_path / "out.inspector"
    assert run("train", tmp_path / "samples.csv", "--out", path, *SETTINGS).status == 0
    _, out, err = run("evaluate", path, tmp_path / "samples.csv", "--out", tmp_path / "report")
    assert err == ""  # the split is the table's own
    assert "report: " in out


def test_the_help_says_what_each_option_does(run):
    status, out, _ = run("train", "--help")
    assert status == 0
    text = " ".join(out.replace("│", " ").split())
    for option in (
        *("--out", "--classifier", "--recipe", "--set", "--by", "--defect-share", "--seed", "--device"),
        *("--run", "--precision", "--devices", "--mlflow", "--skip-unreadable"),
    ):
        assert option in text
    assert "[default: (anomaly_features)]" in text
    assert "Fraction of each defect type to train on" in text
    assert "[default: 0.7]" in text


# --- mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--classifier", "linear_prob"), ("'linear_prob'", "choose one of anomaly_features, linear_probe")),
        (("--set", "inputsize=64"), ("'inputsize'", "did you mean input_size?")),
        (("--set", "input_size=large"), ("input_size='large'",)),
        (("--set", "input_size"), ("NAME=VALUE",)),
        (("--set", "orientation=round"), ("orientation='round'", "fixed, mirrored, quarter, any")),
        (("--set", "strides=7"), ("strides=(7,)",)),
        (("--by", "class"), ("by='class'", "auto, type, label")),
        (("--defect-share", "1"), ("defect_share=1.0", "between 0 and 1")),
        (("--device", "tpu"), ("device='tpu'", "cpu or cuda")),
        (("--seed", "-1"), ("seed",)),
        (("--recipe", "no.yaml"), ("'no.yaml'", "cannot be read")),
        (("--run", "run"), ("LinearProbe trains no network; leave out the run",)),
        (("--devices", "2"), ("LinearProbe trains no network; leave out the run",)),
        (("--precision", "64"), ("precision='64'", "bf16-mixed")),
    ],
)
def test_a_wrong_option_is_named(run, folder, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused(run("train", folder, "--out", "x.inspector", *SETTINGS, *arguments), *words)
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_in_a_recipe_that_is_no_name(run, folder, tmp_path):
    (tmp_path / "recipe.yaml").write_text("classifier: [linear_probe]\n")
    out = tmp_path / "x.inspector"
    refused(run("train", folder, "--out", out, "--recipe", tmp_path / "recipe.yaml"), "['linear_probe']")


def test_good_parts_alone(run, folder, tmp_path):
    refused(
        run("train", folder / "train/good", "--out", tmp_path / "x.inspector", *SETTINGS),
        "there is no defect to train on",
        "`knowngood fit`",
    )
    assert not (tmp_path / "x.inspector").exists()


def test_a_folder_that_is_not_there(run, folder, tmp_path):
    refused(run("train", f"{folder}s", "--out", tmp_path / "x.inspector"), "does not exist", "did you mean")


def test_a_misspelled_name(run, folder, tmp_path):
    table = with_defects_to_learn(folder)
    row = ((table["split"] == "train") & (table["defect"] == "scratch")).idxmax()
    table.loc[row, "defect"] = "scrtach"
    table.to_csv(tmp_path / "samples.csv", index=False)
    outcome = run("train", tmp_path / "samples.csv", "--out", tmp_path / "x.inspector", *SETTINGS)
    refused(outcome, "'scrtach'", "did you mean 'scratch'?")


def test_a_place_that_cannot_be_written_is_found_out_before_the_work(run, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("knowngood.inspector.train.train", lambda *_, **__: pytest.fail("it must not learn"))
    refused(run("train", folder, "--out", tmp_path / "none/x.inspector", *SETTINGS), "none/x.inspector")
    refused(run("train", folder, "--out", tmp_path, *SETTINGS), "is a folder")


def test_images_that_cannot_be_read_are_named_or_skipped(run, folder, tmp_path):
    table = with_defects_to_learn(folder)
    (tmp_path / "broken.png").write_text("no image")
    row = ((table["split"] == "train") & (table["defect"] == "hole")).idxmax()
    table.loc[row, "path"] = "broken.png"
    table.to_csv(tmp_path / "samples.csv", index=False)
    arguments = ("train", tmp_path / "samples.csv", "--out", tmp_path / "x.inspector", *SETTINGS)
    status, _, err = run(*arguments)
    assert status == 1
    assert "broken.png" in err
    assert "--skip-unreadable" in err
    assert not (tmp_path / "x.inspector").exists()

    status, out, err = run(*arguments, "--skip-unreadable")
    assert status == 0
    assert "hole 5" in out
    assert err.startswith("left out: ")
    assert len(err.splitlines()) == 1


def test_an_inspector_that_was_there_stays_when_training_fails(run, folder, inspector):
    before = inspector.read_bytes()
    refused(run("train", folder / "train/good", "--out", inspector, *SETTINGS), "there is no defect")
    assert inspector.read_bytes() == before


def test_without_data_or_a_file_to_write_the_command_line_is_wrong(run, folder):
    assert run("train", folder).status == 2
    assert run("train", "--out", "x.inspector").status == 2
