"""What a user's mistake gets: one or two lines, a status, and nothing half-written."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

SMALL = ("--set", "input_size=128", "--set", "coreset=200")

PRINTING = """
import signal
from contextlib import contextmanager

from knowngood.cli import app, fit

# A shell's background job would be born deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

@contextmanager
def printing():
    yield print

fit.progress_bars = printing
app.main()
"""
"""The program, which prints each step of its progress as it is made."""


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def few(tmp_path, good_images):
    """A folder of six good images."""
    folder = tmp_path / "few"
    for number, image in enumerate(good_images[:6]):
        save(folder / f"{number}.png", image)
    return folder


def test_a_wrong_command_line_has_status_two(run, inspector):
    assert run("polish").status == 2
    assert run("threshold", inspector).status == 2
    assert run("threshold", inspector, "--rule", "f1-max").status == 2
    assert run("fit", "here").status == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "corset=5"), ("'corset'", "did you mean coreset?")),
        (("--tiles", "lots"), ("tiles='lots'", "auto, none, or a side of at least 64 pixels")),
        (("--tiles", "32"), ("tiles='32'", "at least 64 pixels")),
        (("--tiles", "512"), ("tiles of 512 pixels", "larger than the largest image, 96 pixels")),
        (("--detail", "best"), ("detail='best'", "one of fast, normal, fine")),
        (("--smallest-defect", "small"), ("smallest_defect='small'", "such as 12px", "such as 3%")),
        (("--smallest-defect", "3%", "--set", "input_size=128"), ("smallest defect 3%", "input_size=128")),
        (("--set", "coreset=many"), ("coreset='many'", "int")),
        (("--set", "coreset=0"), ("coreset=0", "between 1 and")),
        (("--set", "coreset"), ("NAME=VALUE",)),
        (("--detector", "patchwork"), ("'patchwork'", "patchcore, composition, padim")),
        (("--set", "backbone=resnet99"), ("backbone='resnet99'",)),
        (("--set", "strides=7"), ("strides=(7,)", "(2, 4, 8, 16, 32)")),
        (("--set", "weights=no.pth"), ("'no.pth'", "not a file")),
        (("--recipe", "no.yaml"), ("'no.yaml'", "cannot be read")),
        (("--device", "tpu"), ("device='tpu'", "cpu or cuda")),
    ],
)
def test_a_wrong_setting_is_named(run, few, tmp_path, arguments, words):
    status, _, err = run("fit", few, "--out", tmp_path / "x.inspector", *arguments)
    assert status == 1
    # A note about the folder may stand before it.
    assert err.splitlines()[-1].startswith("error: ")
    assert len(err.splitlines()) <= 2
    for word in words:
        assert word in err
    assert not (tmp_path / "x.inspector").exists()


def test_a_folder_that_is_not_there(run, tmp_path, widget):
    status, _, err = run("fit", f"{widget}s", "--out", tmp_path / "x.inspector")
    assert status == 1
    assert "does not exist" in err
    assert "widget" in err


def test_an_empty_folder_and_one_without_good_images(run, tmp_path, good_images):
    (tmp_path / "empty").mkdir()
    save(tmp_path / "only/scratch/0.png", good_images[0])
    for folder in ("empty", "only"):
        status, _, err = run("fit", tmp_path / folder, "--out", tmp_path / "x.inspector")
        assert status == 1
        assert "good" in err or "no images" in err


def test_one_good_image(run, tmp_path, good_images):
    save(tmp_path / "one/0.png", good_images[0])
    arguments = "fit", tmp_path / "one", "--out", tmp_path / "x.inspector"
    status, _, err = run(*arguments, "--detector", "gaussian")
    assert status == 1
    assert "at least 2" in err
    status, out, _ = run(*arguments, "--set", "input_size=64")
    assert status == 0
    assert "1 good image and 99 augmented copies of it" in out
    assert "expect that most are rejected" in out


def test_a_table_without_a_column(run, tmp_path):
    (tmp_path / "t.csv").write_text("file,label\na.png,good\n")
    status, _, err = run("fit", tmp_path / "t.csv", "--out", tmp_path / "x.inspector")
    assert status == 1
    assert "'path'" in err


def test_broken_training_files_are_all_named_at_once(run, few, tmp_path):
    (few / "1.png").write_bytes((few / "1.png").read_bytes()[:-30])
    (few / "4.png").write_bytes(b"")
    (few / "5.png").write_text("not an image")
    status, _, err = run("fit", few, "--out", tmp_path / "x.inspector", *SMALL)
    assert status == 1
    for name in ("1.png", "4.png", "5.png"):
        assert name in err
    assert "--skip-unreadable" in err
    assert not (tmp_path / "x.inspector").exists()

    status, out, err = run("fit", few, "--out", tmp_path / "x.inspector", "--skip-unreadable", *SMALL)
    assert status == 0
    assert "from 3 good images" in out
    assert [line.partition(":")[0] for line in err.splitlines() if ".png" in line] == ["left out"] * 3


def test_score_goes_on_past_broken_files_and_lists_them(run, inspector, few, tmp_path):
    (few / "2.png").write_bytes(b"")
    status, _, err = run("score", inspector, few, "--out", tmp_path / "scores.csv")
    assert status == 1
    assert "Inspected 5 images" in err
    assert "2.png" in err
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 6


def test_score_of_a_path_that_is_not_there(run, inspector):
    status, _, err = run("score", inspector, "nowhere.png")
    assert status == 1
    assert "'nowhere.png' does not exist" in err


def test_files_that_are_no_inspectors(run, inspector, few):
    whole = inspector.read_bytes()
    for content, word in (
        (whole[: len(whole) // 2], "cut off or altered"),
        (whole[:9000] + bytes([whole[9000] ^ 1]) + whole[9001:], "cut off or altered"),
        (b"hello", "not an inspector"),
        (b"", "not an inspector"),
    ):
        inspector.write_bytes(content)
        for arguments in (("info", inspector), ("score", inspector, few)):
            status, _, err = run(*arguments)
            assert status == 1
            assert word in err
            assert inspector.name in err


def test_an_output_that_cannot_be_written_is_named_before_the_work(
    run, few, inspector, tmp_path, monkeypatch
):
    monkeypatch.setattr("knowngood.inspector.fit.fit", lambda *_, **__: pytest.fail("it must not learn"))
    target = tmp_path / "no" / "such" / "x.inspector"
    status, _, err = run("fit", few, "--out", target)
    assert status == 1
    assert "make the folder" in err
    assert "is a folder" in run("fit", few, "--out", tmp_path).err
    assert ".csv, .parquet or .jsonl" in run("score", inspector, few, "--out", tmp_path / "s.xls").err


def test_heatmaps_of_a_detector_without_maps(run, few, tmp_path):
    path = tmp_path / "g.inspector"
    assert run("fit", few, "--out", path, "--detector", "gaussian", "--set", "input_size=128").status == 0
    status, _, err = run("score", path, few, "--heatmaps", tmp_path / "heat")
    assert status == 1
    assert "no maps" in err


def test_a_mask_of_another_size(run, inspector, tmp_path, widget, good_images):
    for split in ("train/good", "test/good", "test/scratch"):
        save(tmp_path / "data" / split / "0.png", good_images[0])
    save(tmp_path / "data/ground_truth/scratch/0_mask.png", np.full((20, 20), 255, np.uint8))
    status, _, err = run("evaluate", inspector, tmp_path / "data", "--out", tmp_path / "report")
    assert status == 1
    assert "0_mask.png" in err
    assert "20 x 20" in err
    assert not (tmp_path / "report/metrics.json").exists()


def test_interrupting_a_fit_leaves_the_old_inspector(widget, inspector):
    before = inspector.read_bytes()
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTING, "fit", str(widget), "--out", str(inspector), *SMALL],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout.readline(), process.communicate()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; nothing half-written is left" in err
    assert "Traceback" not in err
    assert inspector.read_bytes() == before
    assert sorted(path.name for path in inspector.parent.iterdir()) == [inspector.name]
