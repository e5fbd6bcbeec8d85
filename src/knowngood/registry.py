"""Methods by name, each imported when it is first used: ours, and those of other installed packages.

Another package registers a method as an entry point, in the group `knowngood.detectors` or
`knowngood.classifiers`. Its code is imported when a user names the method, or lists them all; never because a
file does: nothing that loads an inspector asks a registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from knowngood.errors import RecipeError, quoted, shortened
from knowngood.recipe import Recipe, read_settings

R = TypeVar("R", covariant=True)
T = TypeVar("T", bound=Recipe)


@dataclass(frozen=True, eq=False)
class Registry(Mapping[str, type[R]]):
    """Recipes by name; to import one imports no other.

    Args:
        what: Their noun, such as `detector`: for messages, the key of the name in a recipe file, and with an
            `s` the group of entry points.
        package: The package that has a module of each name.
        classes: The name of the class of each of our recipes by its name; the first one is the default.

    Example:
        >>> from knowngood.detectors import DETECTORS
        >>> DETECTORS["patchcore"].__name__, "padim" in DETECTORS
        ('PatchCore', True)
    """

    what: str
    package: str
    classes: Mapping[str, str]

    @property
    def installed(self) -> dict[str, EntryPoint]:
        """The recipes of other packages by name; none takes the place of one of ours."""
        found = entry_points(group=f"knowngood.{self.what}s")
        return {point.name: point for point in found if point.name not in self.classes}

    @property
    def default(self) -> str:
        """The name of the default recipe."""
        return next(iter(self.classes))

    def __getitem__(self, name: str) -> type[R]:
        if name not in self.classes:
            return self._load(self.installed[name])
        recipe: type[R] = getattr(import_module(f"{self.package}.{name}"), self.classes[name])
        return recipe

    def _load(self, point: EntryPoint) -> type[R]:
        """Import the recipe of another package."""
        package = point.dist.name if point.dist else point.module
        try:
            recipe: type[R] = point.load()
        except Exception as error:
            # What a stranger's module raises at its import shares no base but Exception.
            reason = shortened(f"{type(error).__name__}: {error}")
            raise RecipeError(
                f"{self.what} {point.name!r} of the package {package!r} cannot be imported ({reason}); "
                "upgrade or uninstall that package"
            ) from error
        base = getattr(import_module(f"{self.package}.base"), self.what.capitalize())
        if not (isinstance(recipe, type) and issubclass(recipe, base)):
            raise RecipeError(
                f"{self.what} {point.name!r} of the package {package!r} is no {base.__name__}; "
                "upgrade or uninstall that package"
            )
        return recipe

    def __contains__(self, name: object) -> bool:
        return name in self.classes or name in self.installed

    def __iter__(self) -> Iterator[str]:
        return iter((*self.classes, *self.installed))

    def __len__(self) -> int:
        return len(self.classes) + len(self.installed)

    def name_of(self, recipe: object) -> str:
        """Return the name of a recipe, or of its class if it is not in this registry."""
        cls = type(recipe)
        name = cls.__module__.removeprefix(f"{self.package}.")
        if self.classes.get(name) == cls.__name__:
            return name
        place = f"{cls.__module__}:{cls.__qualname__}"
        return next((name for name, point in self.installed.items() if point.value == place), cls.__name__)

    def make(self, name: str, settings: Mapping[str, Any]) -> R:
        """Make a recipe from its name and the settings that differ from its defaults.

        Raises:
            RecipeError: The name or a setting is not known, or a value is out of range.
        """
        if not isinstance(name, str) or name not in self:
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


def resolve(registry: Registry[T], method: str | T, settings: Mapping[str, Any]) -> T:
    """Make a recipe from its name and the settings that differ from its defaults, or change a recipe.

    Raises:
        RecipeError: The name or a setting is not known, or a value is out of range.

    Example:
        >>> from knowngood.detectors import DETECTORS, make_detector
        >>> resolve(DETECTORS, make_detector("patchcore", {"coreset": 500}), {"input_size": 128}).coreset
        500
    """
    if isinstance(method, Recipe):
        return replace(method, **settings) if settings else method
    return registry.make(method, settings)
