"""`knowngood table`."""

import pandas as pd


def test_a_table_of_globs(run, widget, tmp_path):
    words = [
        "--good",
        "*/good/*.png",
        "--defect",
        "test/*/*.png",
        "--mask",
        "ground_truth/{type}/{stem}_mask.png",
    ]
    status, out, err = run("table", widget, *words, "--out", tmp_path / "t.csv")
    assert (status, err) == (0, "")
    assert out.splitlines()[0].endswith(f"images in {tmp_path}/t.csv")
    assert "  test, scratch: 6" in out
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["mask"].notna().sum() == 6
    assert run("describe", tmp_path / "t.csv").status == 0


def test_mistakes_are_named(run, widget, tmp_path):
    status, _, err = run("table", widget, "--good", "nothing/*", "--out", tmp_path / "t.csv")
    assert (status, err.startswith("error: --good 'nothing/*' fits no image in")) == (1, True)
    status, _, err = run("table", widget, "--good", "*/good/*", "--out", tmp_path / "t.txt")
    assert (status, "must end in .csv or .parquet" in err) == (1, True)
