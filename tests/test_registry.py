import subprocess
import sys
from dataclasses import dataclass

import pytest

from knowngood.classifiers import CLASSIFIERS, make_classifier
from knowngood.detectors import DETECTORS, make_detector
from knowngood.errors import RecipeError
from knowngood.registry import Registry

REGISTRIES = {"detector": (DETECTORS, make_detector), "classifier": (CLASSIFIERS, make_classifier)}


@pytest.fixture(params=REGISTRIES)
def what(request):
    return request.param


def test_a_name_makes_its_recipe_with_its_defaults(what):
    registry, make = REGISTRIES[what]
    assert len(list(registry)) == len(registry) > 3
    for name, recipe in registry.items():
        assert make(name) == recipe()
        assert registry.name_of(recipe()) == name


def test_the_first_one_is_the_default(what):
    registry, make = REGISTRIES[what]
    assert make() == registry[registry.default]()


def test_an_unknown_name_is_listed_with_those_that_exist(what):
    registry, make = REGISTRIES[what]
    with pytest.raises(RecipeError, match=f"{what} 'yolo' is not known; choose one of {', '.join(registry)}"):
        make("yolo")
    assert "yolo" not in registry
    with pytest.raises(KeyError):
        registry["yolo"]


def test_a_recipe_from_elsewhere_has_the_name_of_its_class():
    @dataclass(frozen=True)
    class PatchCore:
        coreset: int = 1

    assert DETECTORS.name_of(PatchCore()) == "PatchCore"


def test_a_file_and_single_settings_are_joined_the_last_one_wins(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("detector: padim\nfolds: 3\ninput_size: 128\n")
    padim = DETECTORS.choose(None, file, ["folds=4"])
    assert padim == make_detector("padim", {"folds": 4, "input_size": 128})
    assert DETECTORS.choose("gaussian", file, []) == make_detector(
        "gaussian", {"folds": 3, "input_size": 128}
    )
    with pytest.raises(RecipeError, match="'folds' must be NAME=VALUE"):
        DETECTORS.choose(None, None, ["folds"])


@pytest.mark.parametrize(
    ("registry", "name", "package"),
    [("detectors", "patchcore", "DETECTORS"), ("classifiers", "linear_probe", "CLASSIFIERS")],
)
def test_one_method_imports_no_other_and_no_training_library(registry, name, package):
    program = (
        f"import sys; from knowngood.{registry} import {package} as registry;"
        f"recipe = registry[{name!r}]();"
        f"print({{f'knowngood.{registry}.{{other}}' for other in registry}} & sys.modules.keys());"
        "print({'lightning', 'xgboost', 'kymatio', 'timm'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    methods, libraries = ran.stdout.splitlines()
    assert methods == f"{{'knowngood.{registry}.{name}'}}"
    if registry == "detectors":
        assert libraries == "set()"


def test_names_are_gone_through_without_an_import():
    broken: Registry[object] = Registry("method", "no.such.package", {"a": "A", "b": "B"})
    assert (list(broken), len(broken), "a" in broken, broken.default) == (["a", "b"], 2, True, "a")
    with pytest.raises(ModuleNotFoundError):
        broken["a"]
