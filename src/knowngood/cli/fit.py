from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.info import echo_bits, echo_detail, echo_geometry, echo_held_out, echo_products
from knowngood.cli.products import load_by_product
from knowngood.cli.progress import progress_bars
from knowngood.errors import UnreadableImage
from knowngood.inspector.file import MARK as INSPECTOR
from knowngood.output import MARK, check_target

if TYPE_CHECKING:
    import pandas as pd


def fit(
    context: typer.Context,
    data: options.Images,
    out: options.NewInspector,
    detector: options.DetectorName = None,
    recipe: options.RecipeFile = None,
    setting: options.Settings = None,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    roi: options.RoiFile = None,
    ignore_region: options.IgnoreRegionFile = None,
    align: options.Align = "none",
    reference: options.ReferencePatterns = None,
    products: options.SeveralProducts = False,
    tiles: options.Tiles = None,
    detail: options.Detail = "normal",
    smallest_defect: options.SmallestDefect = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    run: options.RunFolder = None,
    precision: options.Precision = "32-true",
    devices: options.Devices = 1,
    mlflow: options.Mlflow = None,
    skip_unreadable: options.SkipUnreadable = False,
    without: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A good image to leave out, by the end of its path; repeatable."),
    ] = None,
    suspects: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE.html",
            help="A page of the good images that look least like the others; a second fit.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Fit an inspector to the good training images; no defect is needed.

    The threshold is set for 5 % false rejects, on held-out good images; `knowngood threshold` moves it.

    Several products, each in a folder of its own, are fitted into one file that recognises them.

    Example: knowngood fit widget/ --out widget.inspector --suspects suspects.html

    Example: knowngood fit widget/ --out widget.inspector --roi roi.json --align auto

    Example: knowngood fit boards/ --out boards.inspector --smallest-defect 12px --tiles auto

    Example: knowngood fit parts/ --products --out parts.inspector
    """
    from knowngood.inspector.detail import Looking

    Looking(tiles, detail, smallest_defect)  # a mistake must not wait for the images
    check_target(out, INSPECTOR, overwrite=overwrite, inputs=[data])
    if suspects is not None:
        check_target(suspects, MARK, overwrite=overwrite, inputs=[data, out])
    training = options.run_of(run, precision, devices, mlflow)
    patterns = options.patterns_of(good, defect, mask, ignore, reference)
    samples = load_by_product(data, patterns, folders=products)
    several = "" not in samples
    if several and suspects is not None:
        raise typer.BadParameter(
            "--suspects goes with one product; fit the folder of one by itself to see them"
        )
    geometry = options.geometry_of(samples.values(), roi, ignore_region, align)
    unreadable: list[UnreadableImage] = []
    with progress_bars() as progress:
        from knowngood.detectors import DETECTORS

        # Only now torch is imported, which takes seconds: a mistake must not wait for it.
        chosen = DETECTORS.choose(detector, recipe, setting or [])
        inspector: knowngood.Inspector | knowngood.Products = (
            knowngood.fit_products if several else knowngood.fit
        )(
            samples if several else samples[""],
            chosen,
            geometry=geometry,
            seed=seed,
            device=device,
            run=training,
            without=without or [],
            tiles=tiles,
            detail=detail,
            smallest_defect=smallest_defect,
            on_unreadable=unreadable.append if skip_unreadable else None,
            progress=progress,
        )
    inspector.save(out, overwrite=overwrite)
    for failure in unreadable:
        typer.echo(f"left out: {failure}", err=True)
    if isinstance(inspector, knowngood.Products):
        echo_products(inspector, timed=True)
        typer.echo(f"{'inspector':14} {out}")
        return
    _echo_one(inspector, out, context)
    if suspects is not None:
        _show_suspects(inspector, samples[""], suspects, geometry, context, overwrite=overwrite)


def _show_suspects(
    inspector: "knowngood.Inspector",
    samples: "pd.DataFrame",
    page: Path,
    geometry: "knowngood.Geometry",
    context: typer.Context,
    *,
    overwrite: bool,
) -> None:
    """Write the page of the good images that look least like the others, and say where it is."""
    command = options.command_with(context, [])
    with progress_bars() as progress:
        knowngood.write_suspects(
            inspector,
            samples,
            page,
            geometry=geometry,
            command=command,
            overwrite=overwrite,
            progress=progress,
        )
    typer.echo(f"suspects: {page}")


def _echo_one(inspector: "knowngood.Inspector", out: Path, context: typer.Context) -> None:
    """Print what was learned, where and how fine the inspector looks, and its threshold."""
    from knowngood.inspector.held_out import without_options

    manifest = inspector.manifest
    held_out = f", {sum(map(len, manifest.held_out_names))} of them held out" if inspector.training else ""
    typer.echo(f"Learned {manifest.method} from {inspector.learned_from}{held_out}: {out}")
    echo_detail(inspector, timed=True)
    echo_bits(manifest.bits)
    echo_geometry(manifest)
    echo_held_out(manifest, options.command_with(context, without_options(manifest)))
