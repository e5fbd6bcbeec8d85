"""The base inspects and measures; a feature that needs more says which extra to install."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pandas as pd
import pytest

import knowngood
from knowngood.errors import MissingExtra
from knowngood.extras import EXTRAS, needs_extra

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DISTRIBUTIONS = packages_distributions()
LIBRARIES = {library for libraries in EXTRAS.values() for library in libraries}


COMPANIONS = {"annotated_types": "pydantic", "markupsafe": "jinja2", "pydantic_core": "pydantic"}
"""Libraries that another one needs and that are used with it alone."""


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def brought_by(extra):
    """The distributions of an extra, and of the extras that it names."""
    found = set()
    for requirement in PROJECT["optional-dependencies"][extra]:
        if name_of(requirement) == "knowngood":
            for other in re.search(r"\[(.+)\]", requirement)[1].split(","):
                found |= brought_by(other)
        else:
            found.add(name_of(requirement))
    return found


def distributions_of(library):
    return {name_of(name) for name in DISTRIBUTIONS.get(library, [])}


def imported():
    """Every top-level module that a file of the package imports, anywhere in it."""
    names = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"knowngood"}


def test_the_base_has_few_dependencies():
    assert len(PROJECT["dependencies"]) <= 12


def test_every_import_belongs_to_the_base_or_to_an_extra():
    base = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    of_base = {library for library in imported() if distributions_of(library) & base}
    assert imported() <= of_base | LIBRARIES | set(COMPANIONS)
    assert set(COMPANIONS.values()) <= of_base | LIBRARIES
    assert not of_base & LIBRARIES


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_an_extra_brings_what_it_is_named_for(extra):
    for library in EXTRAS[extra]:
        assert distributions_of(library) & brought_by(extra), library


def test_another_missing_module_stays_what_it_is():
    with pytest.raises(ModuleNotFoundError, match="no_such_library"), needs_extra():
        import no_such_library  # noqa: F401


def test_from_python_a_public_name_names_its_extra(monkeypatch):
    # The modules as they are, but for two that are imported anew and find no torch.
    for name in ("knowngood.inspector.train", "knowngood.classifiers.base"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=re.escape("the extra `fit` (pip install '.[fit]')")):
        knowngood.train  # noqa: B018 - looking it up is the test


# --- the program where no extra is installed


@pytest.fixture(scope="module")
def inspector(widget, tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "widget.inspector"
    knowngood.fit(widget, knowngood.make_detector("padim", {"input_size": 64})).save(path)
    return path


def base(*arguments):
    """Run the program without any extra; what it printed to standard output and error."""
    command = [sys.executable, str(ROOT / "tests/support/base_only.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done


def test_the_base_inspects_and_measures(inspector, widget, tmp_path):
    assert "padim" in base("info", inspector).stdout

    done = base("evaluate", inspector, widget, "--out", tmp_path / "report")
    assert done.returncode == 0
    assert re.search(r"^no report: .* the extra `report`", done.stdout, re.MULTILINE)
    metrics = json.loads((tmp_path / "report/metrics.json").read_text())
    assert metrics.pop("file") == "written by knowngood"
    assert metrics.pop("about")["product"] == "widget"
    assert metrics.pop("advice")["headline"] in done.stdout
    assert [row["threshold"]["requested"] for row in metrics.pop("trade_off")] == [0.01, 0.02, 0.05, 0.1]
    assert metrics == json.loads(
        json.dumps(
            knowngood.evaluate(knowngood.Inspector.load(inspector), widget).metrics
            | {"images_per_second": metrics["images_per_second"]}
        )
    )
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["metrics.json", "scores.csv"]

    outputs = ("--out", tmp_path / "scores.csv", "--heatmaps", tmp_path / "heat")
    assert base("score", inspector, widget / "test", *outputs).returncode == 0
    assert len(list((tmp_path / "heat").rglob("*.png"))) == 14
    scores = pd.read_csv(tmp_path / "scores.csv").set_index("path")["score"]
    evaluated = pd.read_csv(tmp_path / "report/scores.csv").set_index("path")["score"]
    assert scores.to_dict() == evaluated.to_dict()

    for options in (("--max-false-reject", 0.2), ("--rule", "f1-max", "--validation", widget, "--anyway")):
        assert base("threshold", inspector, *options).returncode == 0
    assert base("describe", widget).returncode == 0


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("fit {widget} --out {out}/x.inspector", "fit"),
        ("train {widget} --out {out}/x.inspector", "fit"),
        ("cross-validate {widget}", "fit"),
        ("compare {widget} --grid {out}/grid.yaml", "fit"),
        ("detectors", "fit"),
        ("classifiers", "fit"),
        ("bench {widget}", "fit"),
        ("study screw --data {out} --out {out}", "studies"),
        ("score {inspector} {widget} --engine onnxruntime", "fit"),
        ("score {inspector} {widget} --out {out}/x.parquet", "report"),
        ("describe {widget} --pictures {out}/x.png", "report"),
        ("describe {widget} --out {out}/x.html", "report"),
        ("export {widget} --out {out}/coco", "formats"),
        ("describe {out}/x.parquet", "report"),
    ],
)
def test_a_command_says_in_one_line_which_extra_it_needs(command, extra, inspector, widget, tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"")
    done = base(*command.format(widget=widget, out=tmp_path, inspector=inspector).split())
    assert done.returncode == 1
    (said,) = [
        line for line in done.stderr.splitlines() if not line.startswith(("threshold", "note", "loading"))
    ]
    assert re.fullmatch(rf"error: \w+ is not installed: install the extra `{extra}` \(.*\)", said)
