"""Tables and pictures at their place in a figure, in the largest size that fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from knowngood.report.exhibits import Picture, Pictures, Table
from knowngood.report.style import FAINT, INK, short

Box = tuple[float, float, float, float]
"""Left, bottom, width and height as shares of a figure."""

# As shares of the type size: the width of a letter in DejaVu Sans, the widest type in use, the height of a
# line, and the height of a row of a table that has room.
LETTER, LINE, AIRY = 0.62, 1.35, 2.1

_APART = 2  # letters between two columns
_DENSE = 200  # pixels per inch of a picture that is not enlarged
_GAP = 0.04  # between two pictures, as a share of their side


def draw_table(figure: Figure, table: Table, box: Box, *, largest: float) -> None:
    """Draw a table from the top of a box downwards, its columns as wide as their texts need.

    The type is as large as fits, at most `largest` points.

    Example:
        >>> figure = Figure(figsize=(10, 5))
        >>> draw_table(figure, Table("", ["layer"], [["encoder"]] * 59), (0, 0, 1, 1), largest=13)
        >>> round(figure.axes[0].tables[0][1, 0].get_fontsize(), 1)
        4.4
    """
    axes = _blank(figure, box)
    across, down = 72 * figure.get_size_inches() * box[2:]  # points
    rows, lines, letters, size = table_sizes(table, across, down, largest)
    line = min(1 / sum(lines), AIRY * size / down)
    widths, height = [count / sum(letters) for count in letters], line * sum(lines)
    place = Bbox.from_bounds(0, 1 - height, 1, height)
    drawn = axes.table(rows, colWidths=widths, cellLoc="left", bbox=place, edges="horizontal")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(size)
    first_number = len(letters) - table.numbers
    for (row, column), cell in drawn.get_celld().items():
        cell.set_height(line * lines[row])
        cell.set_edgecolor(FAINT)
        bold = column > 0 if not table.columns else row == 0
        right = column >= first_number
        cell.set_text_props(color=INK, weight="bold" if bold else "normal", ha="right" if right else "left")
        # As a share of the cell: the left edge of the table is the left edge of its first letters.
        cell.PAD = 0.0 if column == 0 and not right else 0.5 * _APART / letters[column]


def table_sizes(
    table: Table, across: float, down: float, largest: float
) -> tuple[list[list[str]], list[int], list[int], float]:
    """Find the largest type, at most `largest` points, in which a table fits into some points.

    Returns:
        The texts of its rows, its head first; the lines of each row; the letters of each column; the size.

    Example:
        >>> table_sizes(Table("", ["layer"], [["encoder"]]), across=500, down=500, largest=14)
        ([['layer'], ['encoder']], [1, 1], [9], 14)
    """
    rows = [list(table.columns), *table.texts] if table.columns else table.texts
    lines = [1 + max(text.count("\n") for text in row) for row in rows]
    letters = [
        max(len(line) for text in column for line in text.split("\n")) + _APART
        for column in zip(*rows, strict=True)
    ]
    size = min(largest, across / (LETTER * sum(letters)), down / (LINE * sum(lines)))
    return rows, lines, letters, size


def draw_pictures(figure: Figure, pictures: Pictures, box: Box, *, size: float) -> None:
    """Draw pictures as large as fits, with their captions above and the names of rows beside.

    One row is broken into as many as give the largest pictures. The type has `size` points.

    Example:
        >>> row = [Picture(None, "cut", "no readable image")]
        >>> draw_pictures(Figure(), Pictures("", [row]), (0, 0, 1, 1), size=9)
    """
    across, down = (float(side) for side in figure.get_size_inches() * box[2:])
    letter, line = LETTER * size / 72, LINE * size / 72
    names = ["\n".join(map(short, name.split("\n"))) for name in pictures.names]
    left = letter * (1 + max((len(line) for name in names for line in name.split("\n")), default=-1))
    rows, (height, step, head) = _arranged(pictures, across - left, down, (letter, line))
    axes = _blank(figure, box)
    axes.set(xlim=(0, across), ylim=(down, 0))  # in inches, from the top downwards
    top = 0.0
    for place, row in enumerate(rows):
        top += head * any(picture.caption for picture in row)
        for column, picture in enumerate(row):
            x = left + (column + 0.5) * step
            if picture.caption:
                text = "\n".join(_cut(text, int(step / letter)) for text in picture.caption.split("\n"))
                y = top - 0.2 * line
                axes.text(x, y, text, fontsize=size, ha="center", va="bottom", linespacing=1.15)
            _show(axes, picture, (x, top), height * (1 - _GAP), size)
        if names:
            axes.text(left - letter, top + height / 2, names[place], fontsize=size, ha="right", va="center")
        top += height


def _blank(figure: Figure, box: Box) -> Axes:
    """Add axes that show nothing of their own."""
    axes = figure.add_axes(box)
    axes.set_in_layout(False)
    axes.axis("off")
    return axes


def _arranged(
    pictures: Pictures, across: float, down: float, letter: tuple[float, float]
) -> tuple[Sequence[Sequence[Picture]], tuple[float, float, float]]:
    """Find the rows with the largest pictures that fit, and the height, width and caption height of each.

    One row without a name is broken. All lengths are in inches, `letter` is the width and height of a letter.
    """
    rows, flows = pictures.rows, len(pictures.rows) == 1 and not pictures.names
    captions = [picture.caption.split("\n") for row in rows for picture in row if picture.caption]
    head = letter[1] * (0.4 + max(map(len, captions))) if captions else 0.0
    wanted = letter[0] * (1 + max((len(text) for lines in captions for text in lines), default=0))
    shapes = [picture.image.shape for row in rows for picture in row if picture.image is not None]
    ratio = max((shape[1] / shape[0] for shape in shapes), default=1.0)

    def fitting(columns: int) -> tuple[float, float, int]:
        """Rate a number of columns: the rating, the height of a picture, and the number itself."""
        count = -(-len(rows[0]) // columns) if flows else len(rows)
        height = min(across / columns / ratio, (down - head * (count if flows else 1)) / count)
        return height * min(1.0, across / columns / wanted), height, columns

    # The largest pictures that do not cut their captions by more than they gain.
    numbers = range(1, 1 + len(rows[0])) if flows else [max(map(len, rows))]
    _, height, columns = max(map(fitting, numbers))
    if flows:
        columns = -(-len(rows[0]) // -(-len(rows[0]) // columns))  # about equally many in each row
        rows = [rows[0][start : start + columns] for start in range(0, len(rows[0]), columns)]
    return rows, (height, min(across / columns, max(height * ratio, wanted)), head)


def _show(axes: Axes, picture: Picture, place: tuple[float, float], height: float, size: float) -> None:
    """Draw a picture, or why it is missing, with the middle of its upper edge at a place."""
    x, y = place
    if picture.image is None:
        axes.text(x, y + height / 2, picture.text, fontsize=size, ha="center", va="center", color=FAINT)
        return
    half = height * picture.image.shape[1] / picture.image.shape[0] / 2
    extent = (x - half, x + half, y + height, y)
    # A picture that is enlarged stays as it is in a file, where it takes little room.
    interpolation = "none" if picture.image.shape[0] < _DENSE * height else None
    look: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": interpolation}
    axes.imshow(picture.image, extent=extent, aspect="auto", **look)


def _cut(line: str, letters: int) -> str:
    """Cut a line to a number of letters, but keep its end, where numbers stand."""
    return line if len(line) <= letters else line[: max(0, letters - 6)] + "…" + line[-5:]
