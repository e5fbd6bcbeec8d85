from dataclasses import dataclass

import pytest

from knowngood.errors import RecipeError
from knowngood.recipe import check_range, check_strides, make_recipe


@dataclass(frozen=True)
class Recipe:
    size: int = 10
    share: float = 0.5
    name: str = "lite"
    weights: str | None = "file"
    strides: tuple[int, ...] = (8, 16)


@pytest.mark.parametrize(
    ("setting", "given", "made"),
    [
        ("size", 7, 7),
        ("size", "7", 7),
        ("size", 7.0, 7),
        ("share", 1, 1.0),
        ("share", "0.25", 0.25),
        ("share", "1e-3", 0.001),
        ("name", "resnet18", "resnet18"),
        ("name", "7", "7"),
        ("weights", None, None),
        ("weights", "none", None),
        ("weights", "other", "other"),
        ("strides", "8,16", (8, 16)),
        ("strides", "8, 16", (8, 16)),
        ("strides", "4", (4,)),
        ("strides", [8, 16], (8, 16)),
        ("strides", (8.0,), (8,)),
    ],
)
def test_settings_become_the_fields_type(setting, given, made):
    value = getattr(make_recipe(Recipe, {setting: given}), setting)
    assert value == made
    assert type(value) is type(made)


@pytest.mark.parametrize(
    ("setting", "given", "wanted"),
    [
        ("size", True, "int"),
        ("size", 7.5, "int"),
        ("size", "7.0", "int"),
        ("size", "many", "int"),
        ("size", None, "int"),
        ("size", float("inf"), "int"),
        ("size", [7], "int"),
        ("share", False, "float"),
        ("share", "half", "float"),
        ("name", 7, "str"),
        ("name", None, "str"),
        ("weights", 7, r"str \| None"),
        ("strides", 8, r"tuple\[int, \.\.\.\]"),
        ("strides", "8,", r"tuple\[int, \.\.\.\]"),
        ("strides", "fine", r"tuple\[int, \.\.\.\]"),
        ("strides", [8, True], r"tuple\[int, \.\.\.\]"),
    ],
)
def test_a_value_that_would_lose_something_is_refused(setting, given, wanted):
    with pytest.raises(RecipeError, match=rf"Recipe: {setting}=.* is not of type {wanted}$"):
        make_recipe(Recipe, {setting: given})


def test_what_is_not_named_keeps_its_default():
    assert make_recipe(Recipe, {}) == Recipe()
    assert make_recipe(Recipe, {"size": 3}) == Recipe(size=3)


def test_an_unknown_setting_is_named_with_the_nearest_or_with_all():
    with pytest.raises(RecipeError, match="no setting 'stride'; did you mean strides"):
        make_recipe(Recipe, {"stride": 8})
    with pytest.raises(RecipeError, match="no setting 'zzz'; it has size, share, name, weights, strides"):
        make_recipe(Recipe, {"zzz": 8})


@pytest.mark.parametrize("size", [1, 50, 100])
def test_both_ends_of_a_range_belong_to_it(size):
    check_range(Recipe(size=size), size=(1, 100))


@pytest.mark.parametrize(("setting", "value"), [("size", 0), ("size", 101), ("share", float("nan"))])
def test_a_value_out_of_range_is_named_with_the_range(setting, value):
    with pytest.raises(RecipeError, match=f"Recipe: {setting}={value} must be a number between 1 and 100"):
        check_range(Recipe(**{setting: value}), **{setting: (1, 100)})


@pytest.mark.parametrize("strides", [(), (16, 8), (8, 8)])
def test_strides_are_named_once_each_finest_first(strides):
    check_strides(Recipe(), (8, 16, 32))
    with pytest.raises(RecipeError, match=r"Recipe: strides=\(.*finest first"):
        check_strides(Recipe(), strides)
