import datetime
import io
import os
import runpy
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from knowngood.data.samples import load_samples
from knowngood.data.tables import check_samples
from knowngood.errors import DataError

CASES = Path(__file__).parents[3] / "shared" / "cases"
ROWS = {"path": ["a.png", "b.png", "c.png"], "label": ["good", "defect", "defect"]}


def parquet(tmp_path, **columns):
    path = tmp_path / "t.parquet"
    pd.DataFrame(ROWS | columns).to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pd.array([7, None, 9], "Int64"), ["7", "", "9"]),
        ([7.0, None, 2.5], ["7", "", "2.5"]),
        (pd.Categorical(["x", None, "y"]), ["x", "", "y"]),
        ([datetime.date(2026, 1, 31), None, None], ["2026-01-31", "", ""]),
        (pd.to_datetime(["2026-01-31 12:00", None, None]), ["2026-01-31 12:00:00", "", ""]),
        (pd.array([True, None, False], "boolean"), ["True", "", "False"]),
        (np.array([1, 2, 3], np.uint8), ["1", "2", "3"]),
    ],
)
@pytest.mark.parametrize("column", ["group", "class", "defect"])
def test_columns_of_any_type_are_read_as_text(tmp_path, column, values, texts):
    empty = {"group": [str(tmp_path / name) for name in ROWS["path"]]}.get(column, [""] * 3)
    empty = ROWS["path"] if column == "group" else empty
    wanted = [text or other for text, other in zip(texts, empty, strict=True)]
    values = pd.Series(values)
    if column == "defect":
        values, wanted = values.shift(1), ["", *wanted[:2]]
    frame = pd.DataFrame(ROWS | {column: values})
    frame.to_parquet(tmp_path / "t.parquet")
    if column == "defect" and "True" in texts:
        with pytest.raises(
            DataError, match=r"'defect' of the table of samples holds True in row 2; it takes text"
        ):
            load_samples(tmp_path / "t.parquet")
        return
    assert load_samples(tmp_path / "t.parquet")[column].tolist() == wanted
    assert check_samples(frame)[column].tolist() == wanted


@pytest.mark.parametrize("column", ["path", "label", "split", "defect", "mask", "group", "class"])
@pytest.mark.parametrize("value", [["a", "b"], b"bytes", {"a": 1}])
def test_columns_of_lists_bytes_and_structs_are_refused(tmp_path, column, value):
    path = parquet(tmp_path, **{column: [value] * 3})
    with pytest.raises(
        DataError, match=rf"t\.parquet.*column {column!r} .* in row 1; it takes text"
    ) as refused:
        load_samples(path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_without_rows_is_refused(tmp_path, suffix):
    frame = pd.DataFrame({"path": [], "label": []})
    path = tmp_path / f"t.{suffix}"
    frame.to_csv(path) if suffix == "csv" else frame.to_parquet(path)
    with pytest.raises(DataError, match=r"has no rows; add one for each image"):
        load_samples(path)


def test_a_path_with_nul_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"path or mask 'a\\x00.png' holds a NUL character"):
        load_samples(parquet(tmp_path, path=["a\0.png", "b", "c"]))
    (tmp_path / "t.csv").write_bytes(b"path,label\na\0.png,good\n")
    with pytest.raises(DataError, match="holds NUL characters"):
        load_samples(tmp_path / "t.csv")


def test_flipped_bytes_of_a_parquet_table_are_named_or_harmless(tmp_path):
    whole = parquet(tmp_path, group=pd.array([1, None, 2], "Int64")).read_bytes()
    broken, messages = tmp_path / "broken.parquet", []
    for place in range(0, len(whole), 13):
        for bit in (0, 2, 6):
            broken.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
            try:
                load_samples(broken)
            except DataError as error:
                messages.append(str(error))
    assert len(messages) > 50
    assert all("broken.parquet" in message and message.isprintable() for message in messages)


def test_what_a_parser_says_controls_no_terminal(tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError("unknown type: \x1b[2J")

    monkeypatch.setattr("knowngood.data.tables._read_parquet", fail)
    with pytest.raises(DataError, match=r"cannot be read: unknown type: \\x1b\[2J$"):
        load_samples(parquet(tmp_path))


def test_a_table_with_more_cells_than_memory_holds_is_refused(tmp_path, monkeypatch):
    pd.DataFrame(ROWS).to_csv(tmp_path / "t.csv", index=False)
    for most, found in (("CELLS", "6 cells"), ("ROWS", "3 rows"), ("COLUMNS", "2 columns")):
        with monkeypatch.context() as patch:
            patch.setattr(f"knowngood.data.tables.MOST_{most}", 1)
            with pytest.raises(DataError, match=f"it has {found}; at most 1 are read"):
                load_samples(parquet(tmp_path))
            with pytest.raises(DataError, match=rf"it has [0-9]+ {most.lower()}; at most 1 are read"):
                load_samples(tmp_path / "t.csv")


def test_a_header_of_millions_of_commas_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("path,label" + "," * 3_000_000 + "\na,good\n")
    with pytest.raises(DataError, match="it has 3,000,002 columns; at most 20,000 are read"):
        load_samples(tmp_path / "t.csv")


def test_an_index_that_pandas_wrote_is_no_hindrance(tmp_path):
    pd.DataFrame(ROWS, index=[5, 7, 9]).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame(ROWS).set_index("path").to_parquet(tmp_path / "b.parquet")
    for name in ("a.parquet", "b.parquet"):
        table = load_samples(tmp_path / name)
        assert table["path"].tolist() == [str(tmp_path / one) for one in ROWS["path"]]
        assert list(table) == ["path", "split", "label", "defect", "mask"]


@pytest.fixture(scope="module")
def excel(tmp_path_factory):
    """The folder of the ten tables of the case `csv_excel`."""
    if not CASES.is_dir():
        pytest.skip("../shared/cases is not there")
    folder, before = tmp_path_factory.mktemp("excel"), Path.cwd()
    os.chdir(folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(CASES))
            runpy.run_path(str(CASES / "csv_excel.py"))
    finally:
        os.chdir(before)
    return folder / "work" / "csv"


@pytest.mark.parametrize(
    "name", ["bom", "semicolon", "utf16", "caps", "backslash", "spaces", "okng", "headspace", "plain"]
)
def test_tables_from_a_spreadsheet_give_the_same_samples(excel, name):
    plain = load_samples(excel / "plain.csv")
    assert plain["label"].value_counts().to_dict() == {"good": 30, "defect": 6}
    assert all(Path(path).exists() for path in plain["path"])
    pd.testing.assert_frame_equal(load_samples(excel / f"{name}.csv"), plain)


def test_a_code_page_is_named_with_the_remedy(excel):
    with pytest.raises(
        DataError,
        match=r"cp1252\.csv': line 32 is not UTF-8 but of a code page of Windows; save it as 'CSV UTF-8'",
    ):
        load_samples(excel / "cp1252.csv")


def test_words_for_labels_and_splits(tmp_path):
    (tmp_path / "t.csv").write_text(
        " PATH ;SPLIT; Label\na;Train;OK\nb; TEST ;pass\nc;test;N.I.O\n".replace("N.I.O", "NOK")
    )
    table = load_samples(tmp_path / "t.csv")
    assert table["label"].tolist() == ["good", "good", "defect"]
    assert table["split"].tolist() == ["train", "test", "test"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label,Label\na,good,good\n", None),
        ("Path,PATH,label\na,b,good\n", "several columns 'path'"),
        ("path,label\na,good,\nb,good,\n", "more cells than its first line has names"),
        ("path,label\na,good\nb,good,,,\n", "Expected 2 fields in line 3, saw 5"),
        ("x" * 10**6 + ",label\na,good\n", r"no column 'path', only 'x+\.\.\.x+', 'label'"),
        ("path,label\na," + "y" * 10**6, r"holds 'y+\.\.\.y+'; only 'good' and 'defect'"),
    ],
)
def test_what_a_table_may_not_have(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    if words is None:
        assert load_samples(tmp_path / "t.csv")["label"].tolist() == ["good"]
        return
    with pytest.raises(DataError, match=words) as refused:
        load_samples(tmp_path / "t.csv")
    assert len(str(refused.value)) < 700


def test_names_that_are_no_text(tmp_path):
    name = os.fsdecode(b"x\xff.png")
    table = check_samples(
        pd.DataFrame({"path": [name, "b"], "label": ["good", "defect"], "defect": ["", name]}, dtype=object)
    )
    assert table["path"].tolist() == [name, "b"]
    assert table["defect"].tolist() == ["", "x\\udcff.png"]


def test_a_million_rows_and_ten_thousand_columns_take_seconds(tmp_path):
    text = io.StringIO()
    text.write("path,label\n")
    text.writelines(f"img\\{number}.png,OK\n" for number in range(10**6))
    (tmp_path / "rows.csv").write_text(text.getvalue())
    wide = pa.table({"path": ["a", "b"], "label": ["good", "good"]} | {f"c{n}": [1, 2] for n in range(10**4)})
    pa.parquet.write_table(wide, tmp_path / "columns.parquet")
    before = time.process_time()
    assert len(load_samples(tmp_path / "rows.csv")) == 10**6
    assert len(load_samples(tmp_path / "columns.parquet").columns) == 10**4 + 5
    assert time.process_time() - before < 60


def test_what_controls_a_terminal_is_spelt_out():
    table = pd.DataFrame(
        {"path": ["a.png"], "label": ["defect"], "split": ["test"], "defect": ["a\nb\x1b[2J"]}
    )
    assert check_samples(table)["defect"].tolist() == ["a\\nb\\x1b[2J"]


def test_so_it_is_in_names_of_folders(tmp_path):
    for name in ("train/good", "test/good", "test/a\nb\x1b[2J"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(tmp_path / name / "0.png")
    assert set(load_samples(tmp_path)["defect"]) == {"", "a\\nb\\x1b[2J"}
