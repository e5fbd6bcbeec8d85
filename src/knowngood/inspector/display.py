"""How results look in a notebook.

The room of reports draws them. It is above this one, and needs libraries that inspecting does without, so it
is imported when a picture is asked for, by its name, as the methods in a registry are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from knowngood.extras import needs_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT = "knowngood.report"


def draw(what: str, subject: Any, axes: Axes | None, *details: Any) -> Axes:
    """Draw by the function of a name in `knowngood.report.plots`, on axes or on those of a new figure.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with needs_extra():
        plots = import_module(f"{REPORT}.plots")
    drawn: Axes = getattr(plots, what)(subject, axes, *details)
    return drawn


def show(subject: Any) -> None:
    """Show the charts of a result in a figure: in a notebook below its cell, from a program in a window.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with needs_extra():
        plots = import_module(f"{REPORT}.plots")
    plots.show(subject)


def html(subject: Any) -> str:
    """Return the card of a result, as HTML."""
    card: str = import_module(f"{REPORT}.cards").card(subject)
    return card
