from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.output import MARK, check_target


def _types() -> list[str]:
    from knowngood.data.synthetic_defects import TYPES

    return list(TYPES)


def synthetic(
    data: options.Images,
    out: Annotated[Path, typer.Option(help="The .png, .pdf or .svg file to write.")],
    types: Annotated[
        str | None,
        typer.Option(
            autocompletion=_types,
            help="Types of defects, separated by commas: cut_paste, scar, perlin, natural, blur, missing.",
            show_default="all",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=64, help="How many good images are damaged.")] = 8,
    seed: options.Seed = 0,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Draw synthetic defects on good images, and show them on a contact sheet: a row for each type.

    They show what a detector that trains on synthetic defects learns to find; the line is the mask.

    Example: knowngood synthetic widget/ --out defects.png --types scar,perlin --count 4
    """
    from knowngood.report.class_pictures import check_picture
    from knowngood.report.synthetic import SIDE

    check_picture(out)
    check_target(out, MARK, overwrite=overwrite, inputs=[data])
    table = options.load(data, options.patterns_of(good, defect, mask, ignore))
    names = None if types is None else [name.strip() for name in types.split(",")]
    defects = knowngood.synthetic(table, names, count=count, seed=seed, side=SIDE)
    knowngood.write_synthetic(defects, out, overwrite=overwrite)
    typer.echo(f"synthetic defects: {out}")
