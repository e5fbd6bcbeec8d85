"""`knowngood describe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def describe(
    data: Annotated[Path, typer.Argument(help="A folder of images, or a .csv or .parquet table.")],
    pictures: Annotated[
        Path | None,
        typer.Option(help="A .png, .pdf or .svg file for a picture of each kind, defects outlined."),
    ] = None,
) -> None:
    """Say what is in a folder, what is wrong with it, and what to expect of it.

    Layout, counts and balance, sizes and bit depths; broken files, copies, leaks and doubtful labels.

    Example: knowngood describe widget/ --pictures kinds.png
    """
    from knowngood.cli.progress import progress_bars
    from knowngood.data.describe import describe as look_through
    from knowngood.data.samples import load_samples
    from knowngood.output import check_target

    if pictures is not None:
        from knowngood.report.kinds import check_picture, write_kinds

        check_picture(pictures)
        check_target(pictures)
    with progress_bars() as progress:
        description = look_through(data, progress=progress)
    print("\n".join(description.lines()))
    if pictures is not None:
        write_kinds(load_samples(data), pictures, bits=description.bits or 16)
        print(f"pictures: {pictures}")
