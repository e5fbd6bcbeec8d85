from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.info import echo_threshold
from knowngood.cli.progress import progress_bars
from knowngood.inspector.file import MARK
from knowngood.output import check_target


def recalibrate(
    inspector: options.InspectorFile,
    good: Annotated[Path, typer.Argument(help="Fresh good images: a folder, or a .csv or .parquet table.")],
    out: options.NewInspector,
    overwrite: options.Overwrite = False,
) -> None:
    """Set the threshold anew on fresh good images; the model stays, and the file says what was before.

    Example: knowngood recalibrate widget.inspector good-of-today/ --out widget2.inspector
    """
    check_target(out, MARK, overwrite=overwrite, inputs=[inspector])
    before = knowngood.Inspector.load(inspector)
    with progress_bars() as progress:
        changed = knowngood.recalibrate(before, good, progress=progress)
    changed.save(out, overwrite=overwrite)
    typer.echo(f"before         {before.threshold.value:.4g}")
    echo_threshold(changed.threshold, changed.review)
