"""`knowngood split`."""

import csv


def test_a_table_and_what_is_left_out(run, widget, tmp_path):
    (tmp_path / "ok").mkdir()
    for number, path in enumerate(sorted((widget / "train/good").glob("*.png"))[:9]):
        (tmp_path / "ok" / f"{number}.png").write_bytes(path.read_bytes())
    (tmp_path / "ok/broken.png").write_bytes(b"")
    status, out, err = run("split", tmp_path / "ok", "--out", tmp_path / "t.csv", "--copies", "near")
    assert status == 0
    assert err == ""
    assert out.splitlines()[0] == f"9 images in {tmp_path}/t.csv"
    assert out.splitlines()[-1] == f"left out: 1, listed in {tmp_path}/t.quarantine.csv"
    with (tmp_path / "t.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"].partition("/")[0] for row in rows} == {"ok"}
    assert {row["split"] for row in rows} == {"train", "test"}
    assert run("split", tmp_path / "t.csv", "--out", tmp_path / "u.csv").status == 0
    status, _, err = run("split", tmp_path / "ok", "--out", tmp_path / "t.csv", "--train-share", "2")
    assert (status, "must be between 0 and 1" in err) == (1, True)
    status, _, err = run("split", tmp_path / "t.csv", "--out", tmp_path / "t.csv", "--overwrite")
    assert (status, "is read by this command" in err) == (1, True)
