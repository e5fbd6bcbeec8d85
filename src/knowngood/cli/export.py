from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.errors import escaped


def _formats() -> list[str]:
    from knowngood.data.exports import FORMATS

    return list(FORMATS)


FormatName = Annotated[
    str,
    typer.Option(
        autocompletion=_formats,
        help="What to write: mvtec, coco, yolo, yolo-seg, sam, labelme, imagefolder or csv.",
    ),
]


def export(
    data: options.AnyImages,
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    format: FormatName = "coco",
    least_area: Annotated[
        float, typer.Option(min=0, help="Pixels of a region; smaller ones are left out as specks.")
    ] = 4,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
) -> None:
    """Write a data set in the format of another tool, such as a detector or a segmenter, with its images.

    Masks become boxes, polygons, or run lengths where they have holes.

    Example: knowngood export widget/ --format yolo-seg --out widget-yolo
    """
    with progress_bars() as progress:
        patterns = options.patterns_of(good, defect, mask, ignore)
        exported = knowngood.export(
            data, out, format, least_area=least_area, patterns=patterns, progress=progress
        )
    typer.echo("\n".join(map(escaped, exported.lines())))
