import json
import shutil

import numpy as np
import pytest

from knowngood.data.labelled import with_defects_to_learn

from ..support.parts import write_parts
from ..support.tables import read_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    counts = {"train/good": 8, "test/good": 4, "test/hole": 6, "test/scratch": 6}
    return write_parts(tmp_path_factory.mktemp("data") / "widget", counts)


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "experiments.yaml"
    path.write_text(
        "classifier: linear_probe\nsettings: {input_size: 64}\nexperiments: [{imbalance: undersampling}]\n"
    )
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_experiments_as_a_table(run, folder, grid, tmp_path, suffix):
    out = tmp_path / f"table{suffix}"
    status, said, err = run("compare", folder, "--grid", grid, "--out", out)
    assert (status, err) == (0, "")
    table = read_table(out)
    assert table["experiment"].astype(str).tolist() == ["original", "1"]
    assert table["change"].fillna("").tolist() == ["", "imbalance=auto → undersampling"]
    lines = said.splitlines()
    assert lines[0].split() == list(table.columns)
    assert "imbalance=auto → undersampling" in lines[2]
    for row, line in zip(table.itertuples(), lines[1:3], strict=True):
        assert f"{row.validation_loss:.4f}" in line.split()
        assert f"{row.test_balanced_accuracy:.4f}" in line.split()
    assert lines[3] == "Choose by the validation columns: a test set that was chosen by is no longer one."
    assert len(lines) == 4


def test_a_figure_that_is_missing_is_null(run, folder, grid, tmp_path):
    """JSON has no NaN."""
    table = with_defects_to_learn(folder)
    table = table[(table["split"] == "train") | (table["label"] == "good")]
    table.to_csv(tmp_path / "samples.csv", index=False)
    assert run("compare", tmp_path / "samples.csv", "--grid", grid, "--out", tmp_path / "t.jsonl").status == 0

    def never(constant):
        pytest.fail(f"{constant} is no JSON")

    for line in (tmp_path / "t.jsonl").read_text().splitlines():
        row = json.loads(line, parse_constant=never)
        assert row["test_image_auroc"] is None
        assert np.isfinite(row["validation_loss"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("classifier: [", ("experiments.yaml", "is not YAML")),
        ("- epochs: 3", ("experiments.yaml", "must hold settings")),
        ("experiment: [{imbalance: none}]", ("experiments.yaml", "'experiment'", "experiments")),
        ("classifier: probe", ("'probe'", "choose one of")),
        ("classifier: linear_probe\nexperiments: [{epochs: 3}]", ("LinearProbe", "'epochs'")),
        ("experiments: {imbalance: none}", ("experiments a list of such",)),
    ],
)
def test_a_grid_that_cannot_be_understood(run, folder, grid, tmp_path, content, words):
    grid.write_text(content)
    status, out, err = run("compare", folder, "--grid", grid, "--out", tmp_path / "t.csv")
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 2
    for word in words:
        assert word in err
    assert [path.name for path in tmp_path.iterdir()] == ["experiments.yaml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--grid", "none.yaml"), ("'none.yaml' cannot be read",)),
        (("--by", "class"), ("by='class' is not known",)),
        (("--device", "tpu"), ("device='tpu'",)),
        (("--out", "table.html"), ("must end in .csv, .parquet or .jsonl",)),
        (("--out", "none/table.csv"), ("none/table.csv",)),
    ],
)
def test_a_wrong_option_is_named(run, folder, grid, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, _, err = run("compare", folder, "--grid", grid, "--out", "t.csv", *arguments)
    assert status == 1
    assert len(err.splitlines()) <= 2
    for word in words:
        assert word in err
    assert [path.name for path in tmp_path.iterdir()] == ["experiments.yaml"]


def test_without_a_grid_the_command_line_is_wrong(run, folder):
    assert run("compare", folder).status == 2


def test_the_help_shows_what_a_grid_holds(run):
    text = " ".join(run("compare", "--help").out.replace("│", " ").split())
    assert "experiments: [{epochs: 40}, {batch_size: 8}, {learning_rate: 0.0001}]" in text
    for option in ("--grid", "--out", "--by", "--seed", "--device"):
        assert option in text


def test_detectors(run, folder, grid, tmp_path):
    grid.write_text("detector: gaussian\nsettings: {input_size: 64}\nexperiments: [{folds: 2}]\n")
    status, said, err = run("compare", folder, "--grid", grid, "--out", tmp_path / "t.csv")
    assert (status, err) == (0, "")
    table = read_table(tmp_path / "t.csv")
    assert table["change"].fillna("").tolist() == ["", "folds=5 → 2"]
    assert (table["test_image_auroc"] > 0.8).all()
    *_, last = said.splitlines()
    assert last.startswith("Detectors have test columns alone: after choosing by them, test the chosen one")


def test_references_are_not_images_of_parts(run, folder, grid, tmp_path):
    grid.write_text("detector: gaussian\nsettings: {input_size: 64}\n")
    shutil.copytree(folder, tmp_path / "paired")
    for image in list((tmp_path / "paired").rglob("*.png")):
        shutil.copy(image, image.with_name(f"{image.stem}_temp.png"))
    tables = []
    for data, options in ((folder, []), (tmp_path / "paired", ["--reference", "*_temp.png"])):
        status, _, err = run("compare", data, "--grid", grid, *options, "--out", tmp_path / "t.csv")
        assert (status, err) == (0, "")
        tables.append(read_table(tmp_path / "t.csv").drop(columns="seconds"))
    assert tables[0].equals(tables[1])
