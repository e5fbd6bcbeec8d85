from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars


def bench(
    data: Annotated[
        Path | None,
        typer.Argument(help="A folder of images, or a table; without it real solar cells, if installed."),
    ] = None,
    detector: options.DetectorName = None,
    setting: options.Settings = None,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
) -> None:
    """Measure how fast this machine learns and inspects, and how far that is from its limits.

    Let nothing else run meanwhile; it takes about a minute beyond the fit.

    Example: knowngood bench widget/ --detector patchcore
    """
    with progress_bars() as progress:
        from knowngood.data.elpv import load_elpv
        from knowngood.detectors import DETECTORS
        from knowngood.errors import DataError

        chosen = DETECTORS.choose(detector, None, setting or [])
        try:
            samples = (
                load_elpv()
                if data is None
                else options.load(data, options.patterns_of(good, defect, mask, ignore))
            )
        except DataError as error:
            raise DataError(f"{error}, or name a folder of your own images") from error
        speed = knowngood.measure_speed(samples, chosen, progress=progress)
    typer.echo(speed.conditions)
    for name, (value, unit, meaning, form) in speed.figures.items():
        typer.echo(f"{name:15}{'-' if value is None else format(value, form):>9} {unit:9} {meaning}")
