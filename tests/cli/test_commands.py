"""Each command does its job, and says the same as the Python API."""

import csv
import json
import shlex
import subprocess
import sys

import pandas as pd
import pytest
from PIL import Image
from typer.main import get_group

import knowngood
from knowngood.cli.app import GROUPS, app
from knowngood.detectors import DETECTORS
from knowngood.recipe import as_text, settings_of

from ..support.parts import photograph

COMMANDS = (
    "fit",
    "evaluate",
    "score",
    "threshold",
    "info",
    "detectors",
    "bench",
    "train",
    "cross-validate",
    "classifiers",
    "compare",
    "leaderboard",
    "study",
    "describe",
    "table",
    "split",
    "synthetic",
    "propose",
    "export",
    "plan",
    "gauge",
    "pod",
    "prove",
    "shadow",
    "monitor",
    "recalibrate",
    "data",
    "station",
)
SMALL = ("--set", "input_size=128", "--set", "coreset=200")


def test_the_commands_are_these():
    assert tuple(get_group(app).commands) == COMMANDS


@pytest.mark.parametrize(
    "command", [*COMMANDS, *(f"{group} {part}" for group, parts in GROUPS.items() for part in parts)]
)
def test_every_help_has_an_example(run, command):
    status, out, _ = run(*command.split(), "--help")
    assert status == 0
    assert f"Example: knowngood {command}" in " ".join(out.split())


def test_fit_evaluate_and_score_are_one_story(run, widget, tmp_path):
    path = tmp_path / "out.inspector"
    status, out, _ = run("fit", widget, "--out", path, *SMALL)
    assert status == 0
    assert "from 24 good images" in out
    assert "held-out good parts are above it" in out

    status, out, _ = run("evaluate", path, widget, "--out", tmp_path / "report")
    assert status == 0
    metrics = json.loads((tmp_path / "report/metrics.json").read_text())
    assert metrics["counts"] == {"good": 8, "defect": 6, "unreadable": 0}
    assert f"{metrics['image_auroc']:.4f}" in out
    assert metrics["image_auroc"] > 0.9
    (page,) = (tmp_path / "report").glob("report-widget-????-??-??.html")
    assert page.stat().st_size > 10_000
    assert out.startswith(metrics["advice"]["headline"])
    assert out.splitlines()[-1] == f"report: {page}"

    status, out, _ = run("score", path, widget / "test", "--out", tmp_path / "scores.csv")
    assert status == 0
    with (tmp_path / "scores.csv").open(encoding="utf-8-sig") as file:
        scored = {row["path"]: float(row["score"]) for row in csv.DictReader(file)}
    evaluated = pd.read_csv(tmp_path / "report/scores.csv").set_index("path")["score"].to_dict()
    assert scored == evaluated
    assert scored == {
        str(verdict.source): verdict.score
        for verdict in knowngood.Inspector.load(path).inspect(sorted(map(str, scored)))
    }


def test_describe(run, widget):
    status, out, _ = run("describe", widget)
    assert status == 0
    assert "train, good: 24" in out
    assert "test, scratch: 6" in out


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_score_writes_each_type_of_table(run, inspector, widget, tmp_path, suffix):
    out = tmp_path / f"scores.{suffix}"
    assert run("score", inspector, widget / "test/scratch", "--out", out).status == 0
    readers = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True)}
    table = readers.get(suffix, pd.read_parquet)(out)
    assert list(table.columns) == ["path", "score", "p_value", "decision"]
    assert len(table) == 6
    assert (table["decision"] == "reject").sum() >= 5


def test_score_names_a_file_by_any_name(run, inspector, widget, tmp_path):
    odd = tmp_path / "größe 1\n2.png"
    odd.write_bytes((widget / "test/good/000.png").read_bytes())
    assert run("score", inspector, odd, "--out", tmp_path / "s.jsonl").status == 0
    assert json.loads((tmp_path / "s.jsonl").read_text())["path"] == str(odd)


def test_heatmaps_keep_the_names_of_their_images(run, inspector, widget, tmp_path):
    assert run("score", inspector, widget / "test", "--heatmaps", tmp_path / "heat").status == 0
    made = sorted(path.relative_to(tmp_path / "heat") for path in (tmp_path / "heat").rglob("*.png"))
    images = sorted(path.relative_to(widget / "test") for path in (widget / "test").rglob("*.png"))
    assert made == [image.with_name(f"{image.name}.heatmap.png") for image in images]


def test_the_threshold_moves_and_the_scores_stay(run, inspector, widget):
    before = knowngood.Inspector.load(inspector)
    status, out, _ = run("threshold", inspector, "--max-false-reject", 0.2)
    assert status == 0
    assert "before" in out
    after = knowngood.Inspector.load(inspector)
    assert after.manifest.threshold.value < before.manifest.threshold.value
    assert after.manifest.threshold.requested == 0.2
    assert after.graph == before.graph
    assert "false rejects at most 0.2" in run("info", inspector).out


def test_a_threshold_is_given_by_hand_for_another_file(run, inspector, tmp_path):
    before, out = inspector.read_bytes(), tmp_path / "strict.inspector"
    status, told, _ = run("threshold", inspector, "--value", 3.5, "--out", out)
    assert status == 0
    assert "threshold      3.5, given by hand" in told
    assert "held-out good parts are above it" in told
    assert inspector.read_bytes() == before
    assert knowngood.Inspector.load(out).threshold.value == 3.5
    mine = tmp_path / "mine.txt"
    mine.write_text("what the user has")
    assert run("threshold", inspector, "--value", 3.5, "--out", mine).status == 1
    assert mine.read_text() == "what the user has"
    assert run("threshold", inspector, "--value", -2, "--out", mine, "--overwrite").status == 0
    assert knowngood.Inspector.load(mine).threshold.value == -2


@pytest.mark.parametrize("options", [[], ["--value", 1, "--max-false-reject", 0.1], ["--value", "nan"]])
def test_one_way_to_set_a_threshold(run, inspector, options):
    status, _, err = run("threshold", inspector, *options, "--out", inspector)
    assert status == (1 if "nan" in options else 2)
    assert "or one of each" in err or "must be a finite number" in err


@pytest.mark.parametrize("rule", ["f1-max", "youden", "recall=0.9", "cost=1:20"])
def test_a_rule_uses_the_labelled_images_that_were_not_learned_from(run, inspector, widget, rule):
    command = ["threshold", inspector, "--rule", rule, "--validation", widget]
    before = inspector.read_bytes()
    status, _, err = run(*command)
    assert status == 1
    assert "14 of the 14 validation images are of the test split" in err
    assert inspector.read_bytes() == before
    status, out, _ = run(*command, "--anyway")
    assert status == 0
    assert "on 8 good and 6 defective validation images" in out
    report = inspector.parent / "report"
    err = run("evaluate", inspector, widget, "--out", report).err
    assert "14 of the 14 test images were used for the threshold" in err


def test_info_tells_the_provenance(run, inspector):
    _, out, _ = run("info", inspector)
    for text in ("patchcore", "coreset=200", "24 good images", "tf_efficientnet_lite0", "128 x 128"):
        assert text in out


def test_detectors_are_listed_with_their_settings_a_line_each(run):
    lines = run("detectors").out.splitlines()
    for name, recipe in DETECTORS.items():
        start = lines.index(f"{name:20} {recipe.__doc__.splitlines()[0]}")
        for place, setting in enumerate(settings_of(recipe).values(), start + 1):
            assert lines[place].startswith(f"    {setting.name}={as_text(setting.default)} ")
            assert setting.description in lines[place]
    assert "    coreset=12000                    Patches kept at each scale; between 1 and 100000" in lines
    assert sum("It needs the class of each good image" in line for line in lines) == 1


def test_a_recipe_file_and_settings(run, widget, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("detector: gaussian\ninput_size: 512\n")
    path = tmp_path / "g.inspector"
    assert run("fit", widget, "--out", path, "--recipe", recipe, "--set", "input_size=128").status == 0
    manifest = knowngood.Inspector.load(path).manifest
    assert (manifest.method, manifest.recipe["input_size"]) == ("gaussian", 128)


def test_score_imports_no_torch_and_no_pandas(inspector, widget, tmp_path):
    outputs = [f"--{name}={tmp_path / name}.csv" for name in ("out", "heatmaps", "masks", "regions")]
    code = (
        "import sys; from knowngood.cli.app import app; "
        f"app({['score', str(inspector), str(widget / 'test/good'), *outputs]}, standalone_mode=False); "
        "print(sorted({'torch', 'timm', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from knowngood.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'cv2', 'pandas', 'openvino', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_defects_among_the_good_images_are_left_out_as_fit_advises(run, tmp_path):
    photos = photograph(seed=5, good=28, line=0, square=2)
    folder = tmp_path / "my parts/good"
    folder.mkdir(parents=True)
    for number, image in enumerate(photos.images):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    out = tmp_path / "part.inspector"
    fitted = run("fit", folder.parent, "--out", out, *SMALL, "--seed", 3)
    assert "2 of 21 held-out good parts score far above the others: 02" in fitted.out
    advised = fitted.out.splitlines()[-1].split(maxsplit=1)[1]
    assert advised.startswith("fit ")
    words = shlex.split(advised)
    assert words[:-4] == ["fit", str(folder.parent), "--out", str(out), *SMALL, "--seed", "3"]
    assert run("info", out).out.splitlines()[-1].strip() == f"fit again with {shlex.join(words[-4:])}"
    again = run(*words)
    assert "left out       028.png, 029.png" in again.out
    assert "far above" not in again.out
    assert "left out       028.png, 029.png" in run("info", out).out
    # The split was made here, so that all other images are the test.
    evaluation = knowngood.evaluate(knowngood.Inspector.load(out), folder.parent)
    assert evaluation.metrics["counts"]["good"] == 30 - 21
