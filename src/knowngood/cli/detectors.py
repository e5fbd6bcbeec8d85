"""`knowngood detectors`."""

from __future__ import annotations

import typer


def detectors() -> None:
    """List the detectors, with what they learn and their settings.

    Example: knowngood detectors
    """
    from knowngood.detectors import DETECTORS

    for name, recipe in DETECTORS.items():
        for line in recipe_lines(name, recipe):
            typer.echo(line)
        if recipe.needs_classes:
            typer.echo(f"{'':20} It needs the class of each good image: a table with a column `class`.")


def recipe_lines(name: str, recipe: type) -> list[str]:
    """What a recipe learns, and its settings with their defaults."""
    import dataclasses
    import inspect

    settings = ", ".join(f"{field.name}={field.default}" for field in dataclasses.fields(recipe))
    return [f"{name:20} {(inspect.getdoc(recipe) or '').partition(chr(10))[0]}", f"{'':20} {settings}"]
