"""No command harms what the user has."""

import csv
import json
import re
import shutil
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import knowngood
from knowngood.report.pictures import marked_png

from .conftest import SMALL


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def pictures(widget, tmp_path):
    """A folder of three pictures of the user's, one of them with a second ending."""
    folder = tmp_path / "new"
    folder.mkdir()
    with Image.open(widget / "test/good/000.png") as image:
        image.save(folder / "1.jpg")
        image.save(folder / "1.jpg.png")
    shutil.copy(widget / "test/scratch/000.png", folder / "2.png")
    return folder


class TestHeatmaps:
    @pytest.mark.parametrize("where", ["new", "new/heat", "."])
    def test_they_never_replace_a_picture_and_are_never_inspected(
        self, run, inspector, pictures, tmp_path, monkeypatch, where
    ):
        monkeypatch.chdir(tmp_path)
        before = contents(pictures)
        for _ in range(2):
            assert run("score", inspector, "new", "--heatmaps", where, "--out", "scores.csv").status == 0
            assert before.items() <= contents(pictures).items()
            assert len(pd.read_csv("scores.csv")) == 3
        made = {path.name for path in Path(where).rglob("*.heatmap.png")}
        assert made == {"1.jpg.heatmap.png", "1.jpg.png.heatmap.png", "2.png.heatmap.png"}

    def test_heatmaps_in_a_data_set_are_no_images_of_it(self, run, inspector, widget, tmp_path):
        folder = tmp_path / "widget"
        shutil.copytree(widget, folder)
        before = knowngood.load_samples(folder)
        assert run("score", inspector, folder / "test", "--heatmaps", folder / "test").status == 0
        assert len(list(folder.rglob("*.heatmap.png"))) == 14
        pd.testing.assert_frame_equal(knowngood.load_samples(folder), before)

    def test_a_picture_of_the_users_with_the_name_of_a_heatmap(self, run, inspector, pictures):
        own = pictures / "2.png.heatmap.png"
        shutil.copy(pictures / "2.png", own)
        before = own.read_bytes()
        status, _, err = run("score", inspector, pictures, "--heatmaps", pictures)
        assert status == 1
        assert "not written: " in err
        assert "2.png.heatmap.png' exists and is not a result of this type" in err
        assert own.read_bytes() == before

    def test_one_that_cannot_be_written_does_not_cost_the_table(self, run, inspector, pictures, tmp_path):
        shutil.copy(pictures / "2.png", pictures / f"{'z' * 247}.PNG")
        out = tmp_path / "scores.csv"
        status, _, err = run("score", inspector, pictures, "--heatmaps", tmp_path / "heat", "--out", out)
        assert status == 1
        assert "File name too long" in err
        assert len(pd.read_csv(out)) == 4
        assert len(list((tmp_path / "heat").iterdir())) == 3

    def test_a_picture_that_is_gone_before_it_is_drawn(self, run, inspector, pictures, tmp_path, monkeypatch):
        from knowngood.report import beside

        def gone(source, **_):
            if Path(source).name == "2.png":
                raise knowngood.errors.UnreadableImage(source, "No such file or directory")
            return read(source, **_)

        read = beside.read_image
        monkeypatch.setattr(beside, "read_image", gone)
        out = tmp_path / "scores.csv"
        status, _, err = run("score", inspector, pictures, "--heatmaps", tmp_path / "heat", "--out", out)
        assert status == 1
        assert "2.png': No such file" in err
        assert len(pd.read_csv(out)) == 3

    def test_their_mark_is_part_of_a_valid_png(self, tmp_path):
        path = tmp_path / "heat.png"
        image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
        path.write_bytes(marked_png(image))
        with Image.open(path) as picture:
            assert picture.text == {"Software": "written by knowngood"}
            np.testing.assert_array_equal(np.asarray(picture), image)


class TestForeignFiles:
    @pytest.mark.parametrize("command", ["fit", "score", "evaluate", "cross-validate", "describe", "train"])
    def test_a_file_of_the_users_is_replaced_only_with_overwrite(
        self, run, inspector, widget, tmp_path, command
    ):
        names = {
            "evaluate": "metrics.json",
            "describe": "own.png",
            "score": "own.csv",
            "cross-validate": "own.csv",
        }
        own = tmp_path / "mine" / names.get(command, "own.inspector")
        own.parent.mkdir()
        own.write_text("what the user has")
        quick = ["--classifier", "linear_probe", "--set", "input_size=128"]
        arguments = {
            "fit": ["fit", widget, "--out", own, *SMALL],
            "train": ["train", widget, "--out", own, *quick],
            "score": ["score", inspector, widget / "test/good", "--out", own],
            "evaluate": ["evaluate", inspector, widget, "--out", own.parent],
            "cross-validate": ["cross-validate", widget, "--out", own, "--folds", 2, *quick],
            "describe": ["describe", widget, "--pictures", own],
        }[command]
        status, _, err = run(*arguments)
        assert status == 1
        assert f"{own.name}' exists and is not a result of this type" in err
        assert contents(own.parent) == {own: b"what the user has"}
        for again in (["--overwrite"], []):  # the second time it is a result of ours
            assert run(*arguments, *again).status == 0
            assert b"what the user has" not in own.read_bytes()

    @pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
    def test_an_older_table_of_scores_is_replaced(self, run, inspector, widget, tmp_path, suffix):
        out = tmp_path / f"scores{suffix}"
        for folder, count in (("test/good", 8), ("test/scratch", 6)):
            assert run("score", inspector, widget / folder, "--out", out).status == 0
            read = {".csv": pd.read_csv, ".parquet": pd.read_parquet}.get(
                suffix, lambda p: pd.read_json(p, lines=True)
            )
            assert len(read(out)) == count

    def test_the_table_that_a_command_reads_is_never_replaced(self, run, inspector, widget, tmp_path):
        folder = tmp_path / "report"
        assert run("evaluate", inspector, widget, "--out", folder).status == 0
        table = folder / "scores.csv"
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        fields = [*rows[0], "split"]
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, fields)
            writer.writeheader()
            writer.writerows({**row, "split": "test"} for row in rows)
        before = table.read_bytes()
        for overwrite in ([], ["--overwrite"]):
            status, _, err = run("evaluate", inspector, table, "--out", folder, *overwrite)
            assert status == 1
            assert "scores.csv' is read by this command; name another file to write" in err
        assert table.read_bytes() == before

    def test_a_linked_inspector_keeps_its_link_and_a_private_one_its_mode(self, run, inspector, tmp_path):
        inspector.chmod(0o600)
        link = tmp_path / "latest.inspector"
        link.symlink_to(inspector)
        assert run("threshold", link, "--max-false-reject", 0.2).status == 0
        assert link.is_symlink()
        assert stat.S_IMODE(inspector.stat().st_mode) == 0o600
        assert knowngood.Inspector.load(inspector).threshold.requested == 0.2


class TestMasks:
    @pytest.fixture
    def data(self, widget, tmp_path):
        folder = tmp_path / "widget"
        shutil.copytree(widget, folder)
        return folder

    def test_one_that_is_cut_off_does_not_cost_the_report(self, run, inspector, data, tmp_path):
        mask = data / "ground_truth/scratch/003_mask.png"
        mask.write_bytes(mask.read_bytes()[:100])
        out = tmp_path / "report"
        status, text, err = run("evaluate", inspector, data, "--out", out)
        assert status == 1
        assert "003_mask.png" in err
        assert re.search(
            r"\npixel AP 0\.\d+, pixel F1-max \(at .+\) 0\.\d+, AUPRO to 5 % 0\.\d+, AUPIMO –", text
        )
        metrics = json.loads((out / "metrics.json").read_text())
        assert metrics["counts"] == {"good": 8, "defect": 6, "unreadable": 0}
        assert metrics["notes"]["pixel_aupro"] == "1 defects have no mask that can be read and are left out"
        assert 0 < metrics["pixel_aupro"] <= 1
        (page,) = out.glob("report-*.html")
        assert "written by knowngood" in page.read_text()

    def test_the_others_give_the_same_figures_as_without_it(self, inspector, data):
        loaded = knowngood.Inspector.load(inspector)
        mask = data / "ground_truth/scratch/003_mask.png"
        mask.write_bytes(mask.read_bytes()[:100])
        broken = knowngood.evaluate(loaded, data)
        table = knowngood.load_samples(data)
        table.loc[table["mask"].str.endswith("003_mask.png"), "mask"] = ""
        without = knowngood.evaluate(loaded, table)
        for name in ("pixel_auroc", "pixel_ap", "pixel_aupro"):
            assert broken.metrics[name] == without.metrics[name]
        assert [Path(one.path).name for one in broken.unreadable] == ["003_mask.png"]

    def test_a_mask_of_another_size_is_found_before_images_are_inspected(self, inspector, data, monkeypatch):
        loaded = knowngood.Inspector.load(inspector)
        mask = data / "ground_truth/scratch/005_mask.png"
        Image.new("L", (48, 48)).save(mask)
        monkeypatch.setattr(knowngood.Inspector, "stream", lambda *_, **__: pytest.fail("too late"))
        with pytest.raises(knowngood.errors.DataError, match="is 48 x 48 but its image is 96 x 96"):
            knowngood.evaluate(loaded, data)
