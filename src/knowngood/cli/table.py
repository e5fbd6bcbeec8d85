from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.tables import echo_samples


def table(
    folder: Annotated[Path, typer.Argument(help="The folder that globs start from.")],
    out: Annotated[Path, typer.Option(help="The .csv or .parquet table to write.")],
    good: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Good images, such as 'MT_Free/**/*.jpg'; repeatable."),
    ] = None,
    defect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB", help="Defects, unless they are good; the type is the first * in folders."
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Masks beside an image or below the folder, with {stem}, {name}, {parent} or {type}.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Make a table of any tree of folders by globs, and say what fits none of them.

    Example: knowngood table tiles/ --good 'ok/**/*.jpg' --defect '*/**/*.jpg' --mask '{stem}.png' --out t.csv
    """
    from knowngood.data.written import check_samples_file, write_samples

    check_samples_file(out, inputs=[folder], overwrite=overwrite)
    made = knowngood.table(folder, good or (), defect or (), mask or ())
    write_samples(made, out, overwrite=overwrite)
    echo_samples(made, out)
