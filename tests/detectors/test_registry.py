import pytest

from knowngood.detectors import DETECTORS, make_detector
from knowngood.errors import RecipeError


def test_a_name_makes_its_recipe_with_its_defaults():
    for name, kind in DETECTORS.items():
        assert make_detector(name) == kind()


def test_an_unknown_detector_is_named_with_those_that_exist():
    with pytest.raises(
        RecipeError, match=f"detector 'yolo' is not known; choose one of {', '.join(DETECTORS)}"
    ):
        make_detector("yolo")
