"""Methods by name, each imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from knowngood.errors import RecipeError, quoted
from knowngood.recipe import read_settings

R = TypeVar("R", covariant=True)


@dataclass(frozen=True, eq=False)
class Registry(Mapping[str, type[R]]):
    """Recipes by name; to import one imports no other.

    Args:
        what: Their noun, such as `detector`: for messages, and the key of the name in a recipe file.
        package: The package that has a module of each name.
        classes: The name of each recipe's class by its name; the first one is the default.

    Example:
        >>> from knowngood.detectors import DETECTORS
        >>> DETECTORS["patchcore"].__name__, "padim" in DETECTORS
        ('PatchCore', True)
    """

    what: str
    package: str
    classes: Mapping[str, str]

    @property
    def default(self) -> str:
        """The name of the default recipe."""
        return next(iter(self.classes))

    def __getitem__(self, name: str) -> type[R]:
        class_name = self.classes[name]
        recipe: type[R] = getattr(import_module(f"{self.package}.{name}"), class_name)
        return recipe

    def __contains__(self, name: object) -> bool:
        return name in self.classes

    def __iter__(self) -> Iterator[str]:
        return iter(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def name_of(self, recipe: object) -> str:
        """Return the name of a recipe, or of its class if it is not in this registry."""
        cls = type(recipe)
        name = cls.__module__.removeprefix(f"{self.package}.")
        return name if self.classes.get(name) == cls.__name__ else cls.__name__

    def make(self, name: str, settings: Mapping[str, Any]) -> R:
        """Make a recipe from its name and the settings that differ from its defaults.

        Raises:
            RecipeError: The name or a setting is not known, or a value is out of range.
        """
        if not isinstance(name, str) or name not in self.classes:
            raise RecipeError(f"{self.what} {quoted(name)} is not known; choose one of {', '.join(self)}")
        return self[name](**{str(key): value for key, value in settings.items()})

    def choose(self, name: str | None, recipe: Path | None, settings: Sequence[str]) -> R:
        """Make a recipe from a YAML file, and from the name and the texts `name=value` that override it.

        Raises:
            RecipeError: The file or a setting cannot be understood.

        Example:
            >>> from knowngood.detectors import DETECTORS
            >>> DETECTORS.choose(None, None, ["coreset=500"]).coreset
            500
        """
        values: dict[str, Any] = read_settings(recipe) if recipe is not None else {}
        from_file = values.pop(self.what, self.default)
        return self.make(name or from_file, values | settings_from(settings))


def settings_from(texts: Sequence[str]) -> dict[str, str]:
    """Read settings from texts `name=value`.

    Raises:
        RecipeError: A text is not of this form.

    Example:
        >>> settings_from(["coreset=500"])
        {'coreset': '500'}
    """
    settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"setting {quoted(text)} must be NAME=VALUE, such as coreset=4000")
        settings[key.strip()] = value.strip()
    return settings
