import dataclasses
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass

from knowngood.errors import RecipeError
from knowngood.recipe import OneOf, Recipe, as_text, read_settings, settings_of
from knowngood.settings import Folds, Strides


@dataclass(frozen=True, kw_only=True)
class Parent(Recipe):
    size: Annotated[int, Field(ge=1, le=100, description="Side of the input, in pixels")] = 10
    share: Annotated[float, Field(ge=0, le=1, description="Share of what is kept")] = 0.5


@dataclass(frozen=True, kw_only=True)
class Example(Parent):
    name: str = "lite"
    weights: str | None = "file"
    strides: Strides = (8, 16)
    rate: Annotated[float | None, Field(ge=0.1, le=1.0)] = None
    most: Annotated[int, Field(ge=2)] = 5
    odd: Annotated[int, OneOf((1, 3)), Field(description="An odd number")] = 1
    loss: Annotated[str, OneOf(("l1", "none"))] = "l1"
    fast: bool = True
    folds: Annotated[Folds, Field(le=20)] = 3
    power: Annotated[float, Field(gt=0, le=4)] = 1.0
    mode: Literal["fast", "slow"] = "fast"


@pytest.mark.parametrize(
    ("setting", "given", "made"),
    [
        ("size", 7, 7),
        ("size", "7", 7),
        ("size", 7.0, 7),
        ("size", "7.0", 7),
        ("share", 1, 1.0),
        ("share", "0.25", 0.25),
        ("share", "1e-3", 0.001),
        ("name", "resnet18", "resnet18"),
        ("name", "7", "7"),
        ("name", "none", "none"),
        ("weights", None, None),
        ("weights", "none", None),
        ("weights", "other", "other"),
        ("strides", "8,16", (8, 16)),
        ("strides", "8, 16", (8, 16)),
        ("strides", "4", (4,)),
        ("strides", [8, 16], (8, 16)),
        ("strides", (8.0,), (8,)),
        ("rate", "none", None),
        ("rate", "0.5", 0.5),
        ("odd", "3", 3),
        ("loss", "none", "none"),
        ("fast", False, False),
        ("fast", "false", False),
        ("fast", "True", True),
    ],
)
def test_settings_become_the_fields_type(setting, given, made):
    value = getattr(Example(**{setting: given}), setting)
    assert value == made
    assert type(value) is type(made)


@pytest.mark.parametrize(
    ("setting", "given", "wanted"),
    [
        ("size", True, "int"),
        ("size", 7.5, "int"),
        ("size", "many", "int"),
        ("size", None, "int"),
        ("size", [7], "int"),
        ("share", False, "float"),
        ("share", "half", "float"),
        ("name", 7, "str"),
        ("name", None, "str"),
        ("weights", 7, r"str \| None"),
        ("rate", True, r"float \| None"),
        ("rate", "fast", r"float \| None"),
        ("strides", 8, r"tuple\[int, \.\.\.\]"),
        ("strides", "8,", r"tuple\[int, \.\.\.\]"),
        ("strides", "fine", r"tuple\[int, \.\.\.\]"),
        ("strides", [8, None], r"tuple\[int, \.\.\.\]"),
        ("odd", "three", "int"),
        ("loss", 1, "str"),
        ("fast", "maybe", "bool"),
        ("fast", None, "bool"),
    ],
)
def test_a_value_that_would_lose_something_is_refused(setting, given, wanted):
    with pytest.raises(RecipeError, match=rf"^Example: {setting}=.* is not of type {wanted}$") as refused:
        Example(**{setting: given})
    assert (refused.value.setting, refused.value.value) == (setting, given)


@pytest.mark.parametrize(
    ("setting", "given", "reason"),
    [
        ("size", 0, "must be between 1 and 100"),
        ("size", float("inf"), "must be between 1 and 100"),
        ("share", float("nan"), "must be between 0 and 1"),
        ("rate", 2, "must be between 0.1 and 1.0"),
        ("most", 1, "must be at least 2"),
        ("odd", 2, "must be one of 1, 3"),
        ("loss", "l3", "must be one of l1, none"),
        ("folds", 21, "must be between 2 and 20"),
        ("power", 5, "must be at most 4"),
        ("power", 0, "must be greater than 0"),
        ("strides", (), "must name at least one stride, each once, finest first"),
        ("strides", (16, 8), "must name at least one stride, each once, finest first"),
        ("strides", (8, 8), "must name at least one stride, each once, finest first"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_those_that_are(setting, given, reason):
    with pytest.raises(RecipeError) as refused:
        Example(**{setting: given})
    assert str(refused.value) == f"Example: {setting}={given!r} {reason}"
    assert (refused.value.setting, refused.value.value) == (setting, given)
    assert refused.value.__cause__ is None
    assert not isinstance(refused.value, ValidationError)


@pytest.mark.parametrize(
    ("setting", "given", "reason"),
    [
        ("size", "101", "must be between 1 and 100"),
        ("odd", "2", "must be one of 1, 3"),
        ("mode", "soon", "must be 'fast' or 'slow'"),
        ("strides", "16,8", "must name at least one stride, each once, finest first"),
    ],
)
def test_text_that_stands_for_a_number_is_named_as_the_number(setting, given, reason):
    with pytest.raises(RecipeError) as refused:
        Example(**{setting: given})
    assert str(refused.value) == f"Example: {setting}={given} {reason}"


@pytest.mark.parametrize("size", [1, 50, 100])
def test_both_ends_of_a_range_belong_to_it(size):
    assert Example(size=size).size == size


def test_what_is_not_named_keeps_its_default():
    assert Example(size=3) == Example(size=3, name="lite")
    assert Example(size=3) != Example()
    assert dataclasses.asdict(Example())["strides"] == (8, 16)


def test_a_copy_is_checked_too():
    with pytest.raises(RecipeError, match="Example: size=0 must be"):
        dataclasses.replace(Example(), size=0)


def test_an_unknown_setting_is_named_with_the_nearest_or_with_all():
    with pytest.raises(
        RecipeError, match=r"^Example has no setting 'stride'; did you mean strides"
    ) as refused:
        Example(stride=8)
    assert refused.value.setting == "stride"
    with pytest.raises(RecipeError, match="no setting 'zzz'; it has size, share, name, weights, strides"):
        Example(zzz=8)


def test_settings_are_listed_as_they_are_declared():
    settings = settings_of(Example)
    assert list(settings) == [field.name for field in dataclasses.fields(Example)]
    size, rate, odd = settings["size"], settings["rate"], settings["odd"]
    assert (size.type, size.default, size.low, size.high, size.choices) == (int, 10, 1, 100, ())
    assert (size.description, size.allowed) == ("Side of the input, in pixels", "between 1 and 100")
    assert (rate.type, rate.default, rate.description) == (float | None, None, "")
    assert (odd.choices, odd.low, odd.description) == ((1, 3), None, "An odd number")
    assert settings["name"].allowed == ""
    assert settings["strides"].description.startswith("Feature maps of the network")


@pytest.mark.parametrize("changes", [{}, {"weights": None, "fast": False, "rate": 0.5, "strides": (4,)}])
def test_values_are_read_as_they_are_written(changes):
    recipe = Example(**changes)
    assert Example(**{name: as_text(value) for name, value in dataclasses.asdict(recipe).items()}) == recipe


def test_a_file_of_settings(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("size: 7\nstrides: [4, 8]\nweights: null\n")
    assert Example(**read_settings(file)) == Example(size=7, strides=(4, 8), weights=None)
    with pytest.raises(RecipeError, match=r"none\.yaml' cannot be read"):
        read_settings(tmp_path / "none.yaml")
    for text in ("- 7\n", "7: size\n", "7"):
        file.write_text(text)
        with pytest.raises(RecipeError, match="must hold settings"):
            read_settings(file)


DEEP = "coreset: " + "[" * 5000 + "]" * 5000
ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("coreset: 2026-02-30", "day is out of range for month"),
        ("coreset: !!int abc", "invalid literal"),
        ("coreset: !!timestamp abc", "a value is not of the type that its tag says"),
        ("coreset: !!binary abc", "base64"),
        ("coreset: " + "5" * 5000, "5000 digits"),
        (DEEP, "nested more than 20 deep"),
        ("".join(" " * depth + "a:\n" for depth in range(300)), "nested more than 20 deep"),
        (ALIASES + "coreset: *i", r"it has an alias, \*a; write out what it stands for"),
        ("coreset: &a [*a]", r"it has an alias, \*a"),
        ("coreset: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("coreset: \0", "not YAML"),
        ("? [1]\n: 2", "unhashable key"),
        ("true: 1", "must hold settings"),
        ("# " + "x" * (1 << 16), r"too large \(65,538 bytes\)"),
    ],
)
def test_yaml_that_is_no_recipe_ends_in_one_line(tmp_path, text, words):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError, match=rf"r\.yaml.*{words}") as refused:
        read_settings(tmp_path / "r.yaml")
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (int("5" * 4000), r"size=5{18}\.\.\.5{19} must be between 1 and 100"),
        (16**5000, "size=a number of thousands of digits must be between 1 and 100"),
        ("x" * 10**6, r"size='x+\.\.\.x+' is not of type int"),
        ([1] * 10**5, r"size=\[1, 1, 1, 1, 1, 1, \.\.\.\] is not of type int"),
        ({"a": {"b": {"c": {"d": 1}}}}, r"size=\{'a': \{'b': \{\.\.\.\}\}\} is not"),
    ],
    ids=["digits", "hexadecimal", "letters", "items", "levels"],
)
def test_a_huge_value_is_shortened_in_its_message(value, shown):
    with pytest.raises(RecipeError, match=shown) as refused:
        Example(size=value)
    assert len(str(refused.value)) < 400


def test_a_recipe_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "r.yaml").write_text("size: 5", encoding="utf-8-sig")
    assert read_settings(tmp_path / "r.yaml") == {"size": 5}
