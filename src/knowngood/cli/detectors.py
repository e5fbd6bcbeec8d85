from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from knowngood.recipe import Recipe
    from knowngood.registry import Registry


def detectors() -> None:
    """List the detectors, with what they learn and their settings.

    Example: knowngood detectors
    """
    from knowngood.detectors import DETECTORS

    for name, recipe in DETECTORS.items():
        echo_recipe(name, recipe)
        if recipe.when:
            typer.echo(f"    When: {recipe.when}")
        echo_origin(DETECTORS, name)
        if recipe.needs_classes:
            typer.echo("    It needs the class of each good image: a table with a column `class`.")


def echo_origin(registry: "Registry[Recipe]", name: str) -> None:
    """Name the package of a method that comes from another one than ours."""
    point = registry.installed.get(name)
    if point is not None and point.dist is not None:
        typer.echo(f"    It comes from the package {point.dist.name} {point.dist.version}.")


def echo_recipe(name: str, recipe: "type[Recipe]") -> None:
    """Print the summary of a method, and a line per setting: its default, its meaning and its range."""
    import inspect

    from knowngood.recipe import as_text, settings_of

    typer.echo(f"{name:20} {(inspect.getdoc(recipe) or '').partition(chr(10))[0]}")
    for setting in settings_of(recipe).values():
        given = f"{setting.name}={as_text(setting.default)}"
        allowed = f"; {setting.allowed}" if setting.allowed else ""
        typer.echo(f"    {given:32} {setting.description}{allowed}")
