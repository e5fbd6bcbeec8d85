"""What a folder holds: named by patterns, left out, or asked about, and always said."""

import shutil

import pandas as pd
import pytest
from PIL import Image
from typer.main import get_group

import knowngood
from knowngood.cli.app import app

SMALL = ("--detector", "gaussian", "--set", "input_size=128")


@pytest.fixture
def tiles(widget, tmp_path):
    """The widget in folders whose names say nothing, and masks as of another program."""
    folder = tmp_path / "tiles"
    shutil.copytree(widget / "train/good", folder / "MT_Free/Imgs")
    shutil.copytree(widget / "test/good", folder / "_temp")
    shutil.copytree(widget / "test/scratch", folder / "MT_Fray/Imgs")
    for mask in (widget / "ground_truth/scratch").iterdir():
        shutil.copy(mask, folder / "MT_Fray/Imgs" / mask.name.replace("_mask", "_GT"))
    return folder


def test_every_command_that_takes_a_data_set_takes_patterns():
    takes = {
        name
        for name, command in get_group(app).commands.items()
        if {"--good", "--defect", "--mask", "--ignore"} <= {opt for one in command.params for opt in one.opts}
    }
    of_labelled = {"describe", "fit", "train", "evaluate", "cross-validate", "compare", "threshold", "bench"}
    assert takes == {*of_labelled, "leaderboard", "synthetic", "split", "export", "prove"}


def test_a_folder_that_is_not_understood_is_by_patterns(run, tiles, tmp_path):
    out = tmp_path / "tiles.inspector"
    status, _, err = run("fit", tiles, "--out", out, *SMALL)
    assert status == 1
    assert "  MT_Free/Imgs: 24\n  _temp: 8\n" in err
    assert "--good 'MT_Free/Imgs/*'" in err
    patterns = ("--good", "*/MT_Free/*", "--ignore", "_temp")
    status, said, err = run("fit", tiles, "--out", out, *SMALL, *patterns)
    assert status == 0
    assert "note: " not in err
    assert "from 17 good images" in said

    table = knowngood.load_samples(tiles, knowngood.Patterns(good="*/MT_Free/*", ignore="_temp"))
    assert table.groupby(["split", "label"]).size().tolist() == [6, 7, 17]
    assert (table["mask"] != "").sum() == 6
    inspector = knowngood.fit(table, knowngood.make_detector("gaussian", {"input_size": 128}))
    assert inspector.manifest.training == knowngood.Inspector.load(out).manifest.training
    status, _, err = run("evaluate", out, tiles, "--out", tmp_path / "report", *patterns)
    assert status == 0
    assert "warning: " not in err
    scores = pd.read_csv(tmp_path / "report/scores.csv")
    assert scores["defect"].value_counts().to_dict() == {"MT_Fray": 6}
    assert len(scores) == 13
    status, said, _ = run("describe", tiles, *patterns)
    assert status == 0
    assert "train, good: 17\ntest, good: 7\ntest, MT_Fray: 6\n" in said
    assert "masks: for 6 of 6 defects" in said


def test_patterns_are_for_folders(run, tiles, tmp_path):
    pd.DataFrame({"path": ["a.png"], "label": ["good"]}).to_csv(tmp_path / "parts.csv")
    status, _, err = run("describe", tmp_path / "parts.csv", "--good", "*")
    assert status == 1
    assert "a table says itself what its images are" in err


def test_score_names_what_it_leaves_out_and_fails(run, inspector, tiles):
    (tiles / "_temp/1.heic").write_bytes(b"?")
    (tiles / "@eaDir").mkdir()
    status, said, err = run("score", inspector, tiles)
    assert status == 1
    assert said.count("\n") == 38
    assert "GT" not in said
    assert "not inspected: " in err
    assert "1.heic': a format that is not read" in err
    assert f"note: 6 masks in {str(tiles)!r} are not inspected" in err
    assert "'@eaDir'" in err
    (tiles / "_temp/1.heic").unlink()
    assert run("score", inspector, tiles).status == 0


def test_fit_and_evaluate_say_what_is_left_out(run, inspector, widget, tmp_path):
    data = shutil.copytree(widget, tmp_path / "data")
    (data / "train/good/x.NEF").write_bytes(b"?")
    (data / "test/scratch/000.png").unlink()
    Image.new("RGB", (96, 96), "grey").save(data / "train/good/constant.png")
    notes = [
        "1 masks fit no image, such as 'ground_truth/scratch/000_mask.png'",
        "1 good images have one colour all over; the first is 'train/good/constant.png'",
        "1 pictures are left out, since their formats are not read: .nef (1)",
    ]
    for command, sign in (
        (("fit", data, "--out", tmp_path / "a.inspector", *SMALL), "note"),
        (("evaluate", inspector, data, "--out", tmp_path / "report"), "warning"),
        (("describe", data), "note"),
    ):
        status, said, err = run(*command)
        assert status == 0
        for note in notes:
            assert f"{sign}: {note}" in said + err
