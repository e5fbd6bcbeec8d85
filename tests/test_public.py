import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import knowngood

PUBLIC = {
    "CrossValidation",
    "Drift",
    "Evaluation",
    "Gauge",
    "Geometry",
    "Inspector",
    "Leaderboard",
    "Limits",
    "Monitor",
    "Pair",
    "Patterns",
    "Plan",
    "Pod",
    "ProductEvaluation",
    "Products",
    "Proof",
    "Realism",
    "Run",
    "Shadow",
    "Speed",
    "Verdict",
    "compare",
    "cross_validate",
    "data_sets",
    "describe",
    "evaluate",
    "evaluate_products",
    "export",
    "fit",
    "fit_products",
    "gauge",
    "get_data",
    "leaderboard",
    "load_products",
    "load_samples",
    "make_classifier",
    "make_detector",
    "measure_speed",
    "monitor",
    "plan",
    "pod",
    "propose",
    "prove",
    "read_reconstructions",
    "realism",
    "recalibrate",
    "reconstructions",
    "review_at",
    "review_by_defects",
    "run_study",
    "shadow",
    "split",
    "suspects",
    "suspects_among",
    "synthetic",
    "table",
    "threshold_at",
    "threshold_by_rule",
    "threshold_by_value",
    "train",
    "without_review",
    "write_card",
    "write_drift",
    "write_evaluation",
    "write_gauge",
    "write_plan",
    "write_pod",
    "write_proof",
    "write_reconstructions",
    "write_report",
    "write_shadow",
    "write_suspects",
    "write_synthetic",
}


def run(program):
    """Run a program in a fresh interpreter, and give what it prints."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return ran.stdout.strip()


def test_the_public_names_are_exact():
    assert set(knowngood.__all__) == PUBLIC
    assert len(knowngood.__all__) == len(PUBLIC)
    assert knowngood.__all__ == sorted(knowngood.__all__)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_name_is_what_it_says_and_explains_itself(name):
    member = getattr(knowngood, name)
    assert member.__name__ == name
    assert member.__module__.startswith("knowngood.")
    assert member.__doc__
    assert getattr(knowngood, name) is member


def test_all_of_them_at_once():
    names = {}
    exec("from knowngood import *", names)
    assert names.keys() >= PUBLIC


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'knowngood' has no attribute 'learn'"):
        knowngood.learn  # noqa: B018 - looking it up is the test
    with pytest.raises(ImportError, match="cannot import name 'learn'"):
        exec("from knowngood import learn")


def test_importing_knowngood_imports_next_to_nothing():
    heavy = "{'torch', 'timm', 'pandas', 'numpy', 'cv2', 'PIL', 'openvino', 'scipy', 'matplotlib'}"
    assert run(f"import sys, knowngood; print({heavy} & sys.modules.keys())") == "set()"
    rooms = "[name for name in sys.modules if name.startswith('knowngood.')]"
    assert run(f"import sys, knowngood; print({rooms})") == "[]"


@pytest.mark.parametrize("name", ["Inspector", "Verdict"])
def test_inspection_needs_no_torch(name):
    heavy = "{'torch', 'timm', 'pandas', 'scipy', 'matplotlib'}"
    assert run(f"import sys; from knowngood import {name}; print({heavy} & sys.modules.keys())") == "set()"


def test_the_version_is_that_of_the_package():
    assert knowngood.__version__ == version("knowngood")
    assert "__version__" in dir(knowngood)


def test_a_type_checker_knows_all_names_and_no_other():
    """A `__getattr__` that it sees would allow any name."""
    module = ast.parse(Path(knowngood.__file__).read_text(encoding="utf-8"))
    conditional = [node for node in module.body if isinstance(node, ast.If)]
    seen, hidden = (
        [node for node in conditional if ast.unparse(node.test) == test]
        for test in ("TYPE_CHECKING", "not TYPE_CHECKING")
    )
    imported = [alias for node in seen[0].body for alias in node.names]
    assert {alias.name for alias in imported} == PUBLIC
    assert all(alias.asname == alias.name for alias in imported)
    assert "__getattr__" in ast.unparse(hidden[0])
    assert not any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in module.body)
