from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.output import MARK, check_target

MOST_ON_SHEET = 64
"""Images in a row of a contact sheet; in more, nothing can be seen."""


def _types() -> list[str]:
    from knowngood.data.synthetic_defects import TYPES

    return list(TYPES)


def synthetic(
    data: options.Images,
    out: Annotated[
        Path, typer.Option(help="A .png, .pdf or .svg file for a contact sheet; or a folder to make.")
    ],
    types: Annotated[
        str | None,
        typer.Option(
            autocompletion=_types,
            help="Types of defects, separated by commas: cut_paste, scar, perlin, natural, blur, missing.",
            show_default="all",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many good images are damaged.")] = 8,
    seed: options.Seed = 0,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Draw synthetic defects on good images: as a contact sheet, or as a data set with masks.

    They show what a detector that trains on synthetic defects learns to find. A folder gets the images at
    their own size, their masks, and a table of them and the good images that they are on.

    Example: knowngood synthetic widget/ --out defects.png --types scar,perlin --count 4
    """
    from knowngood.data.exports.export import check_new_folder
    from knowngood.data.synthetic_defects import TYPES
    from knowngood.report.synthetic import SIDE, is_sheet

    if sheet := is_sheet(out):
        check_target(out, MARK, overwrite=overwrite, inputs=[data])
        if count > MOST_ON_SHEET:
            raise typer.BadParameter(f"--count {count}: a sheet shows at most {MOST_ON_SHEET}; name a folder")
    else:
        check_new_folder(out)
    table = options.load(data, options.patterns_of(good, defect, mask, ignore))
    names = None if types is None else [name.strip() for name in types.split(",")]
    defects = knowngood.synthetic(table, names, count=count, seed=seed, side=SIDE if sheet else None)
    total = count * len(names or TYPES)
    with progress_bars() as progress:
        followed = (progress("drawing defects", done, total) or one for done, one in enumerate(defects, 1))
        knowngood.write_synthetic(followed, out, overwrite=overwrite)
    typer.echo(f"synthetic defects: {out}")
