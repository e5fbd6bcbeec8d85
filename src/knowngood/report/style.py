"""The style of all charts, and charts as SVG.

Charts are drawn on ``Figure`` objects, never through pyplot, which needs a window system and keeps figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from threading import RLock
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox

GOOD = "#e08214"
DEFECT = "#2166ac"
INK = "#333a45"
FAINT = "#98a1ae"

# Colours and dashes of curves in one chart: their numbers have no common divisor, so pairs repeat late.
LINES = (DEFECT, GOOD, "#1b7f5c", "#c2185b", "#56b4e9", "#8c510a", INK)
DASHES = ("-", (0, (6, 2)), (0, (2, 1.2)), (0, (6, 2, 1.5, 2)))

IN_PAGE = {
    INK: "--ink",
    FAINT: "--faint",
    GOOD: "--good",
    DEFECT: "--defect",
    "#081d58": "--deep-blue",
    "#6a51a3": "--violet",
    "#8c2d04": "--red-brown",
    "#8c510a": "--brown",
    "stroke: #ffffff": "--paper",
}
"""Colours that a page in the dark replaces, by the names of its own."""

NAMED = 24  # entries of a legend at most: readers cannot distinguish more lines or markers

_STYLE: dict[Any, Any] = {
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "svg.fonttype": "none",  # text stays text: small, crisp, searchable
    "svg.hashsalt": "knowngood",  # the same chart gives the same bytes
    "pdf.fonttype": 42,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": "medium",
    "text.parse_math": False,  # a class may be called a$b$
}


class Layout(ConstrainedLayoutEngine):
    """The layout `constrained`, rounded so that the same chart always gives the same file.

    The solver adds numbers in the order of their addresses in memory: the last bits of positions are random.
    """

    def execute(self, fig: Figure) -> None:
        """Place the axes of `fig`, in steps of a millionth of its size."""
        super().execute(fig)
        for axes in fig.axes:
            if axes.get_in_layout():
                axes.set_position(Bbox(axes.get_position(original=True).get_points().round(6)))
                axes.set_in_layout(True)  # `set_position` takes them out


_drawing = RLock()


@contextmanager
def style(size: float = 9.5) -> Iterator[None]:
    """Draw and save in the report's own style, with type of `size` points, whatever matplotlibrc says.

    Threads draw one after another: matplotlib has one style for all.
    """
    with _drawing, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | {"font.size": size})
        yield


def svg(draw: Callable[[Figure], None], size: tuple[float, float], name: str = "") -> str:
    """Draw a chart, its size in inches, as an `<svg>` element; the same chart gives the same text.

    No two elements of a page have the same id if no two charts have the same name.

    Example:
        >>> drawn = svg(lambda figure: figure.subplots().set_title("a < b"), (4, 3))
        >>> drawn[:30], drawn[-6:], "a &lt; b" in drawn
        ('<svg viewBox="0 0 288 216"><g>', '</svg>', True)
    """
    with style():
        matplotlib.rcParams["svg.hashsalt"] = f"knowngood {name}"
        figure = Figure(figsize=size, layout=Layout())
        draw(figure)
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True, dpi=150)
    document = text.getvalue()
    view = re.search(r' viewBox="[\d. ]+"', document)
    assert view is not None
    body = document[document.index("</metadata>") + len("</metadata>") :].rstrip()
    # In a page the groups of several charts would share their ids, and the style would hold for all of it.
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    for colour, name in IN_PAGE.items():
        *attribute, value = colour.split(": ")
        body = body.replace(colour, ": ".join([*attribute, f"var({name}, {value})"]))
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    return f"<svg{view[0]}>{body.lstrip()}"


def short(name: str, letters: int = 24) -> str:
    """Cut a name, and strip underscores from its beginning: matplotlib hides labels that begin with one.

    Example:
        >>> short("a_defect_with_a_very_long_name", 12)
        'a_defect_wi…'
    """
    name = name.lstrip("_") or name
    return name if len(name) <= letters else name[: letters - 1] + "…"
