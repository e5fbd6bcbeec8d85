"""Recipes as data: made from names and values, checked, and turned back."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from knowngood.errors import RecipeError

R = TypeVar("R")


def make_recipe(cls: type[R], settings: Mapping[str, Any]) -> R:
    """Make a recipe from settings; text, as a command line gives it, is converted to the field's type.

    Args:
        cls: A frozen dataclass.
        settings: Values by field name; fields that are not named keep their default.

    Raises:
        RecipeError: A name is not a field, or a value is not of its type or out of its range.

    Example:
        >>> from knowngood.detectors import DETECTORS
        >>> make_recipe(DETECTORS["patchcore"], {"coreset": "500"}).coreset
        500
    """
    hints = typing.get_type_hints(cls)
    # Every recipe is a dataclass, which the type of their abstract base cannot say.
    fields = {field.name: hints[field.name] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in settings:
        if name not in fields:
            close = difflib.get_close_matches(str(name), fields, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(fields)}"
            raise RecipeError(f"{cls.__name__} has no setting {name!r}; {hint}")
    return cls(**{name: _convert(cls, name, value, fields[name]) for name, value in settings.items()})


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a YAML file."""
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"recipe {str(path)!r} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {str(path)!r} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise RecipeError(f"recipe {str(path)!r} must hold settings, such as `coreset: 4000`")
    return values


def check_range(recipe: object, **bounds: tuple[float, float]) -> None:
    """Check that numbers of a recipe lie in their range, both ends included.

    Raises:
        RecipeError: One does not.

    Example:
        >>> class Recipe:
        ...     coreset = 0
        >>> check_range(Recipe(), coreset=(1, 100))
        Traceback (most recent call last):
        knowngood.errors.RecipeError: Recipe: coreset=0 must be a number between 1 and 100
    """
    for name, (low, high) in bounds.items():
        value = getattr(recipe, name)
        if not isinstance(value, int | float) or not low <= value <= high:
            owner = type(recipe).__name__
            raise RecipeError(f"{owner}: {name}={value!r} must be a number between {low} and {high}")


def check_choice(recipe: object, **choices: tuple[str, ...]) -> None:
    """Check that settings are among the values that they can have.

    Raises:
        RecipeError: One is not.

    Example:
        >>> class Recipe:
        ...     loss = "l3"
        >>> check_choice(Recipe(), loss=("l1", "l2"))
        Traceback (most recent call last):
        knowngood.errors.RecipeError: Recipe: loss='l3' must be one of l1, l2
    """
    for name, known in choices.items():
        value = getattr(recipe, name)
        if value not in known:
            raise RecipeError(f"{type(recipe).__name__}: {name}={value!r} must be one of {', '.join(known)}")


def check_strides(recipe: object, strides: tuple[int, ...]) -> None:
    """Check that feature maps are named once each, finest first.

    Raises:
        RecipeError: They are not, or there is none.
    """
    if not strides or list(strides) != sorted(set(strides)):
        owner = type(recipe).__name__
        raise RecipeError(
            f"{owner}: strides={strides!r} must name at least one stride, each once, finest first"
        )


def _convert(cls: type, name: str, value: Any, hint: Any) -> Any:
    """A value as the type that the field declares."""
    try:
        return _as_type(value, hint)
    except (TypeError, ValueError):
        wanted = str(hint) if typing.get_origin(hint) else hint.__name__
        raise RecipeError(f"{cls.__name__}: {name}={value!r} is not of type {wanted}") from None


def _as_type(value: Any, hint: Any) -> Any:
    """Convert where nothing is lost; raise TypeError or ValueError where something would be."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        if value is None or value == "none":
            return None
        return _as_type(value, next(argument for argument in arguments if argument is not type(None)))
    if typing.get_origin(hint) is tuple:
        items = value.split(",") if isinstance(value, str) else value
        return tuple(_as_type(item, arguments[0]) for item in items)
    if hint is bool:
        return _as_bool(value)
    if isinstance(value, bool) or (hint is int and isinstance(value, float) and not value.is_integer()):
        raise TypeError
    if hint is str and not isinstance(value, str):
        raise TypeError
    return hint(value)


def _as_bool(value: Any) -> bool:
    """Yes or no, as `true` or `false` in any letters."""
    text = str(value).lower()
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"
