import json
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import knowngood
from knowngood.cells import spelt
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.errors import escaped
from knowngood.extras import needs_extra
from knowngood.output import MARK, check_target

if TYPE_CHECKING:
    import pandas as pd


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
    suspects: Annotated[
        bool,
        typer.Option(
            "--suspects",
            help="List the good images that look least like the others, where wrong labels are likeliest; "
            "fits a detector, which takes a minute.",
        ),
    ] = False,
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

    Example: knowngood describe widget/ --out card.html --suspects
    """
    if pictures is not None:
        from knowngood.report.class_pictures import check_picture, write_class_pictures

        check_picture(pictures)
        check_target(pictures, MARK, overwrite=overwrite, inputs=[data])
    if out is not None:
        with needs_extra():
            import matplotlib  # noqa: F401 - found out before the work, not after it
        check_target(out, MARK, overwrite=overwrite, inputs=[data])
    if suspects:
        with needs_extra():
            import torch  # noqa: F401 - found out before the work, not after it
    with progress_bars() as progress:
        patterns = options.patterns_of(good, defect, mask, ignore)
        description = knowngood.describe(data, patterns=patterns, progress=progress)
        found = knowngood.suspects_among(description.samples, progress=progress) if suspects else None
        if out is not None:
            knowngood.write_card(description, out, suspects=found, overwrite=overwrite, progress=progress)
    if as_json:
        content = description.to_json()
        if found is not None:
            content["suspects"] = [_values(row) for row in found.to_dict("records")]
        typer.echo(json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1))
    else:
        typer.echo("\n".join(map(escaped, [*description.lines(), *_lines(found)])))
    if pictures is not None:
        write_class_pictures(description.samples, pictures, bits=description.bits or 16, overwrite=overwrite)
        typer.echo(f"pictures: {pictures}", err=as_json)
    if out is not None:
        typer.echo(f"card: {out}", err=as_json)


def _values(suspect: Mapping[Hashable, Any]) -> dict[str, Any]:
    """A suspect as values of JSON."""
    names = {name: spelt(suspect[name]) for name in ("name", "path")}
    numbers = {name: suspect[name] for name in ("rank", "score", "p_value", "far_outside")}
    return {**names, **numbers, "names": list(map(spelt, suspect["names"]))}


def _lines(found: "pd.DataFrame | None") -> Iterator[str]:
    """Print the first suspects."""
    if found is None:
        return
    from knowngood.data.decoding import LISTED

    yield f"good images that look least like the others, of {len(found)} (look at their labels):"
    for _, one in found[:LISTED].iterrows():
        far = ", far above the others" if one["far_outside"] else ""
        yield f"  {one['name']!r}: score {one['score']:.4g}, p {one['p_value']:.2g}{far}"
