"""Recipes: the settings of a method as data, checked when a recipe is made.

A method declares each setting once: `name: Annotated[int, Field(ge=1, le=9, description="...")] = default`.
Checks, messages, the command line's lists and the documentation come from that declaration. Settings that
several methods share are in `knowngood.settings`.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from annotated_types import Ge, Le
from pydantic import (
    ConfigDict,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError, core_schema

from knowngood.errors import RecipeError, quoted, shortened
from knowngood.inputs import LARGEST_RECIPE, read_file

if TYPE_CHECKING:
    import yaml

_OUT_OF_RANGE = ("greater_than_equal", "less_than_equal", "finite_number")

DEEPEST = 20
"""Levels of values within values in a recipe or a grid; ours have three."""

ORIENTATIONS = ("fixed", "mirrored", "quarter", "any")
"""The orientations of a product: never flipped or turned (a transistor), flipped left to right, flipped and
turned by quarters (a solar cell), or flipped and turned by any angle (a screw)."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Recipe:
    """Base of all recipes: frozen dataclasses of settings, which are checked when one is made.

    A subclass is decorated with `pydantic.dataclasses.dataclass(frozen=True, kw_only=True)`. Text from a
    command line is converted to a setting's type: "500", "8,16", "true", and "none" for None.

    Raises:
        RecipeError: A setting is not known, not of its type, out of its range or not among its choices.

    Example:
        >>> from knowngood.detectors import DETECTORS
        >>> DETECTORS["patchcore"](coreset="500").coreset
        500
    """

    __pydantic_fields__: ClassVar[dict[str, FieldInfo]]

    @model_validator(mode="wrap")
    @classmethod
    def _refuse(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Raise a RecipeError that names the first invalid setting."""
        try:
            return handler(given)
        except ValidationError as error:
            raise _refusal(cls, error.errors()[0], given.kwargs or {}) from None

    @field_validator("*", mode="before")
    @classmethod
    def _from_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Read `none` and lists from text, and refuse truth values as numbers."""
        hint = cls.__pydantic_fields__[str(info.field_name)].annotation
        if isinstance(value, bool) and hint is not bool:
            raise PydanticCustomError("bool_as_number", "a truth value is not a number")
        if isinstance(value, str) and value == "none" and type(None) in typing.get_args(hint):
            return None
        if isinstance(value, str) and typing.get_origin(hint) is tuple:
            return value.split(",")
        return value


@dataclasses.dataclass(frozen=True)
class OneOf:
    """The choices of a setting, for its annotation."""

    choices: Sequence[Any]

    def __str__(self) -> str:
        return f"one of {', '.join(map(str, self.choices))}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Check after the setting's own type."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if value not in self.choices:
            raise ValueError(f"must be {self}")
        return value


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting as its recipe declares it; bounds are included in the range."""

    name: str
    type: Any
    default: Any
    description: str
    low: float | None
    high: float | None
    choices: tuple[Any, ...]

    @property
    def allowed(self) -> str:
        """Its range or choices in words; empty if any value of its type is valid."""
        if self.choices:
            return str(OneOf(self.choices))
        if self.low is None and self.high is None:
            return "true or false" if self.type is bool else ""
        if self.low is None:
            return f"at most {self.high}"
        return f"at least {self.low}" if self.high is None else f"between {self.low} and {self.high}"


def settings_of(recipe: type[Recipe]) -> dict[str, Setting]:
    """Return the settings of a recipe's class by name.

    Example:
        >>> from knowngood.detectors import DETECTORS
        >>> settings_of(DETECTORS["patchcore"])["coreset"].description
        'Patches kept at each scale'
    """
    settings = {}
    for name, field in recipe.__pydantic_fields__.items():
        # Of several bounds the last one is the recipe's own.
        rules: dict[type, Any] = {type(rule): rule for rule in field.metadata}
        low, high = rules[Ge].ge if Ge in rules else None, rules[Le].le if Le in rules else None
        choices = tuple(rules[OneOf].choices) if OneOf in rules else ()
        description = field.description or ""
        settings[name] = Setting(name, field.annotation, field.default, description, low, high, choices)
    return settings


def as_text(value: Any) -> str:
    """Return a setting's value as it is written on a command line.

    Example:
        >>> as_text((8, 16)), as_text(None), as_text(True)
        ('8,16', 'none', 'true')
    """
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def check_orientation(owner: str, orientation: str) -> None:
    """Refuse an orientation that is not one of `ORIENTATIONS`; the message names its owner.

    Raises:
        RecipeError: It is not known.
    """
    if orientation not in ORIENTATIONS:
        raise RecipeError(
            f"{owner}: orientation={quoted(orientation)} must be one of {', '.join(ORIENTATIONS)}",
            setting="orientation",
            value=orientation,
        )


def read_settings(path: Path) -> dict[str, Any]:
    """Read the settings in a YAML file, of at most 64 KiB and without aliases.

    Raises:
        RecipeError: It cannot be read, or is not one of settings.
    """
    import yaml

    try:
        text = read_file(path, LARGEST_RECIPE).decode("utf-8-sig")
        _check_events(yaml.parse(text, yaml.SafeLoader))
        values = yaml.safe_load(text)
    except OSError as error:
        raise RecipeError(f"recipe {str(path)!r} cannot be read: {error.strerror}") from error
    except Exception as error:
        # The constructors of dates and numbers raise what Python raises at such a value.
        ours = isinstance(error, ValueError | yaml.YAMLError)
        reason = " ".join(str(error).split()) if ours else "a value is not of the type that its tag says"
        raise RecipeError(f"recipe {str(path)!r} is not YAML: {shortened(reason)}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise RecipeError(f"recipe {str(path)!r} must hold settings, such as `coreset: 4000`")
    return values


def _check_events(events: Iterable[yaml.Event]) -> None:
    """Raise a ValueError for YAML that is deep, or whose aliases stand for more than the file holds."""
    import yaml

    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"it has an alias, *{event.anchor}; write out what it stands for")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"its values are nested more than {DEEPEST} deep")


def _refusal(cls: type[Recipe], error: ErrorDetails, given: Mapping[str, Any]) -> RecipeError:
    """Describe what is wrong with the first invalid setting."""
    name, settings = error["loc"][0], settings_of(cls)
    if name not in settings:
        close = difflib.get_close_matches(str(name), settings, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(settings)}"
        return RecipeError(f"{cls.__name__} has no setting {quoted(name)}; {hint}", setting=str(name))
    setting, value = settings[str(name)], given[str(name)]
    rule = error["msg"].partition(" should ")[2]  # pydantic's own words, for what a package outside declares
    if error["type"] == "value_error":
        reason = str(error["ctx"]["error"])
    elif error["type"] in _OUT_OF_RANGE and setting.allowed:
        reason = f"must be {setting.allowed}"
    elif rule and not rule.startswith("be a valid "):
        reason = f"must {rule}"
    else:
        hint = setting.type
        reason = f"is not of type {hint if typing.get_origin(hint) else hint.__name__}"
    # Text that could be converted is shown as what it stands for.
    converted = isinstance(value, str) and setting.type is not str and reason.startswith("must")
    shown = shortened(value) if converted else quoted(value)
    return RecipeError(f"{cls.__name__}: {name}={shown} {reason}", setting=setting.name, value=value)
