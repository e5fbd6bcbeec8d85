from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.extras import needs_extra
from knowngood.output import MARK, check_target

if TYPE_CHECKING:
    import pandas as pd

    from knowngood.classifiers.realism import Realism

MOST_ON_SHEET = 64
"""Images in a row of a contact sheet; in more, nothing can be seen."""


def _types() -> list[str]:
    from knowngood.data.synthetic_defects import GENERATED, TYPES

    return [*TYPES, GENERATED]


def synthetic(
    data: options.Images,
    out: Annotated[
        Path, typer.Option(help="A .png, .pdf or .svg file for a contact sheet; or a folder to make.")
    ],
    types: Annotated[
        str | None,
        typer.Option(
            autocompletion=_types,
            help="Types of defects, separated by commas: cut_paste, scar, perlin, natural, blur, missing; "
            "and generated: learned from at least 20 real defects with masks in the train split.",
            show_default="all but generated",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many good images are damaged.")] = 8,
    realism: Annotated[
        bool,
        typer.Option(
            "--realism",
            help="Measure how well a classifier distinguishes them from the real defects of the train split.",
        ),
    ] = False,
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

    With `--realism` each type has the AUROC of a classifier that distinguishes it from real defects, on
    crops out of fold: 0.5, it cannot; 1, always. It is printed, and on the sheet or in `realism.json`.

    Example: knowngood synthetic widget/ --out defects.png --types scar,perlin --count 4

    Example: knowngood synthetic table.csv --out made/ --types generated --count 200 --realism
    """
    from knowngood.data.exports.export import check_new_folder
    from knowngood.data.synthetic_defects import TYPES, check_types
    from knowngood.report.synthetic import SIDE, is_sheet

    if sheet := is_sheet(out):
        check_target(out, MARK, overwrite=overwrite, inputs=[data])
        if count > MOST_ON_SHEET:
            raise typer.BadParameter(f"--count {count}: a sheet shows at most {MOST_ON_SHEET}; name a folder")
    else:
        check_new_folder(out)
    table = options.load(data, options.patterns_of(good, defect, mask, ignore))
    names = None if types is None else [name.strip() for name in types.split(",")]
    check_types(names or [])
    check = _check(table, seed) if realism else None
    total = count * len(names or TYPES)
    with progress_bars() as progress:
        shrunk = SIDE if sheet else None
        defects = knowngood.synthetic(table, names, count=count, seed=seed, side=shrunk, progress=progress)
        followed = (progress("drawing defects", done, total) or one for done, one in enumerate(defects, 1))
        made = knowngood.write_synthetic(followed, out, realism=check, overwrite=overwrite)
    if made < total:
        typer.echo(f"{made} of {total} defects were drawn: for the others no generated sample could be used")
    for words in check.figures["words"] if check else []:
        typer.echo(words)
    typer.echo(f"synthetic defects: {out}")


def _check(table: "pd.DataFrame", seed: int) -> "Realism":
    """Prepare the comparison with real defects."""
    with needs_extra():
        from knowngood.classifiers.realism import Realism
    return Realism(table, seed=seed)
