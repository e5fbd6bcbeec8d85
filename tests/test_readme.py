"""The README's figures are the committed ones."""

from pathlib import Path

import pandas as pd
import pytest

import readme

ROOT = Path(__file__).resolve().parent.parent


def test_the_tables_in_the_readme_are_made_from_the_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("results", "reconstruction", "classification", "speed"):
        assert text.count(readme.BEGIN.format(name)) == text.count(readme.END.format(name)) == 1
    assert readme.with_tables(text) == text


@pytest.mark.parametrize("name", ["main_job", "reconstruction"])
def test_every_result_names_its_command_and_spread(name):
    figures = pd.read_csv(ROOT / "benchmarks" / "results" / f"{name}.csv")
    assert {"case", "metric", "mean", "sd", "n", "command"} <= set(figures.columns)
    assert not figures.duplicated(["case", "metric"]).any()
    assert (figures["n"] >= 3).all()
    assert (figures["command"] == f"python benchmarks/{name}.py " + figures["case"]).all()


def test_the_files_that_the_readme_points_to_are_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = [part.partition(")")[0] for part in text.split("](")[1:]]
    local = [target for target in targets if not target.startswith(("http", "#"))]
    assert local
    for target in local:
        assert (ROOT / target.partition("#")[0]).exists(), target
