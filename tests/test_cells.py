import csv
import json
import os

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowngood.cells import file_of, from_cell, to_cell
from knowngood.data.samples import load_samples
from knowngood.inspector.verdict import Verdict, probability_column
from knowngood.report.verdicts import write_verdicts

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1")
TEXTS = st.text(st.sampled_from("'=+-@\t\ra"), max_size=6) | st.text(max_size=6)


@given(TEXTS)
def test_no_text_is_a_formula_and_each_is_read_back(text):
    cell = to_cell(text)
    assert cell[:1] not in tuple("=+-@\t\r")
    assert from_cell(cell) == text


@pytest.mark.parametrize("value", [-1.5, 3, None, True, float("-inf")])
def test_what_is_no_text_stays(value):
    assert to_cell(value) is value


def rows(names):
    return [
        Verdict(name, 0, -1.25, 0.5, "accept", (8, 8), None, "=dent", {"good": 0.75, "value": 0.25}).row()
        for name in names
    ]


def test_scores_open_in_a_spreadsheet_and_are_read_back(tmp_path):
    names = [*FORMULAS, "零件/好.png", 'a "b", c.png', "x\udcff.png"]
    write_verdicts(rows(names), tmp_path / "scores.csv")
    content = (tmp_path / "scores.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfpath,score,p_value,decision,predicted_class,p_good,p_value_\r\n")
    with (tmp_path / "scores.csv").open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.DictReader(file))
    assert [from_cell(row["path"]) for row in written] == [*names[:-1], "x\\udcff.png"]
    assert not any(cell[:1] in tuple("=+@\t\r") for row in written for cell in row.values())
    assert {row["score"] for row in written} == {"-1.25"}
    assert {(row["p_value"], row["p_value_"]) for row in written} == {("0.5", "0.25")}
    table = pd.read_csv(tmp_path / "scores.csv")
    assert table["score"].tolist() == [-1.25] * len(names)


def test_a_table_of_scores_is_read_by_load_samples(tmp_path):
    names = ["=1+1.png", "'=1.png", os.fsdecode(b"x\xff.png"), "a.png"]
    for name in names:
        (tmp_path / name).touch()
    table = pd.DataFrame(rows(names)).assign(label="good")
    write_verdicts(table.to_dict("records"), tmp_path / "scores.csv")
    assert load_samples(tmp_path / "scores.csv")["path"].tolist() == [str(tmp_path / name) for name in names]


def test_json_lines_and_parquet_hold_names_that_are_spelt_out(tmp_path):
    write_verdicts(rows(["x\udcff.png", "=1"]), tmp_path / "scores.jsonl")
    lines = (tmp_path / "scores.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["x\\udcff.png", "=1"]
    write_verdicts(rows(["x\udcff.png", "=1"]), tmp_path / "scores.parquet")
    assert pd.read_parquet(tmp_path / "scores.parquet")["path"].tolist() == ["x\\udcff.png", "=1"]


def test_a_class_never_takes_the_column_of_the_p_value():
    names = ["value", "value_", "value__", "values", "good"]
    columns = [probability_column(name) for name in names]
    assert columns == ["p_value_", "p_value__", "p_value___", "p_values", "p_good"]
    assert not {"path", "score", "p_value", "decision", "predicted_class"} & set(columns)


def test_a_file_is_found_as_a_cell_names_it(tmp_path):
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "a.png").touch()
    (tmp_path / "b\\c.png").touch()
    (tmp_path / os.fsdecode(b"\xe9.png")).touch()
    folder = str(tmp_path)
    assert file_of("img\\a.png", folder) == f"{folder}/img/a.png"
    assert file_of("b\\c.png", folder) == f"{folder}/b\\c.png"
    assert file_of("\\udce9.png", folder) == f"{folder}/\udce9.png"
    assert file_of("no\\such.png", folder) == f"{folder}/no\\such.png"
