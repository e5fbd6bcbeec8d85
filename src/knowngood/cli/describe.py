"""`knowngood describe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def describe(
    data: Annotated[Path, typer.Argument(help="A folder of images, or a .csv or .parquet table.")],
) -> None:
    """Say what is in a folder: layout, counts, sizes, bit depths, and broken or doubtful files.

    Example: knowngood describe widget/
    """
    from knowngood.cli.progress import progress_bars
    from knowngood.data.describe import describe as look_through

    with progress_bars() as progress:
        description = look_through(data, progress=progress)
    print("\n".join(description.lines()))
