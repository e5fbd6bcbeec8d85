"""`knowngood detectors`."""

from __future__ import annotations

import typer


def detectors() -> None:
    """List the detectors, with what they learn and their settings.

    Example: knowngood detectors
    """
    import dataclasses
    import inspect

    from knowngood.detectors import DETECTORS

    for name, recipe in DETECTORS.items():
        typer.echo(f"{name:20} {(inspect.getdoc(recipe) or '').partition(chr(10))[0]}")
        # Every recipe is a dataclass, which the type of their abstract base cannot say.
        settings = ", ".join(f"{field.name}={field.default}" for field in dataclasses.fields(recipe))  # type: ignore[arg-type]
        typer.echo(f"{'':20} {settings}")
        if recipe.needs_classes:
            typer.echo(f"{'':20} It needs the class of each good image: a table with a column `class`.")
