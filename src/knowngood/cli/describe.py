import json
from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.errors import escaped
from knowngood.extras import needs_extra
from knowngood.output import MARK, check_target


def describe(
    data: options.AnyImages,
    pictures: Annotated[
        Path | None,
        typer.Option(help="A .png, .pdf or .svg file for a picture of each class, defects outlined."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="An HTML page to write: the card of the data set, with charts and pictures."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON, for programs.")] = False,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Describe a data set: what it holds, what is wrong with it, and what to expect of it.

    Layout, counts and balance, sizes and bit depths; broken files, copies, leaks and doubtful labels.

    Example: knowngood describe widget/ --out card.html
    """
    if pictures is not None:
        from knowngood.report.class_pictures import check_picture, write_class_pictures

        check_picture(pictures)
        check_target(pictures, MARK, overwrite=overwrite, inputs=[data])
    if out is not None:
        with needs_extra():
            import matplotlib  # noqa: F401 - found out before the work, not after it
        check_target(out, MARK, overwrite=overwrite, inputs=[data])
    with progress_bars() as progress:
        patterns = options.patterns_of(good, defect, mask, ignore)
        description = knowngood.describe(data, patterns=patterns, progress=progress)
        if out is not None:
            knowngood.write_card(description, out, overwrite=overwrite, progress=progress)
    if as_json:
        typer.echo(json.dumps(description.to_json(), ensure_ascii=False, allow_nan=False, indent=1))
    else:
        typer.echo("\n".join(map(escaped, description.lines())))
    if pictures is not None:
        write_class_pictures(description.samples, pictures, bits=description.bits or 16, overwrite=overwrite)
        typer.echo(f"pictures: {pictures}", err=as_json)
    if out is not None:
        typer.echo(f"card: {out}", err=as_json)
