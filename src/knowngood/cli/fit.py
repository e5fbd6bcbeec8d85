from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.info import echo_bits, echo_detail, echo_held_out
from knowngood.cli.progress import progress_bars
from knowngood.errors import UnreadableImage
from knowngood.inspector.file import MARK as INSPECTOR
from knowngood.output import check_target


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
    overwrite: options.Overwrite = False,
) -> None:
    """Fit an inspector to the good training images; no defect is needed.

    The threshold is set for 5 % false rejects, on held-out good images; `knowngood threshold` moves it.

    Example: knowngood fit widget/ --out widget.inspector --set coreset=4000

    Example: knowngood fit boards/ --out boards.inspector --tiles auto

    Example: knowngood fit boards/ --out boards.inspector --smallest-defect 12px
    """
    from knowngood.inspector.detail import Looking

    Looking(tiles, detail, smallest_defect)  # a mistake must not wait for the images
    check_target(out, INSPECTOR, overwrite=overwrite, inputs=[data])
    training = options.run_of(run, precision, devices, mlflow)
    samples = options.load(data, good, defect, mask, ignore)
    unreadable: list[UnreadableImage] = []
    with progress_bars() as progress:
        from knowngood.detectors import DETECTORS
        from knowngood.inspector.held_out import without_options

        # Only now torch is imported, which takes seconds: a mistake must not wait for it.
        chosen = DETECTORS.choose(detector, recipe, setting or [])
        inspector = knowngood.fit(
            samples,
            chosen,
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
    manifest = inspector.manifest
    held_out = f", {sum(map(len, manifest.held_out_names))} of them held out" if inspector.training else ""
    typer.echo(f"Learned {manifest.method} from {len(manifest.training)} good images{held_out}: {out}")
    echo_detail(manifest, inspector)
    echo_bits(manifest.bits)
    echo_held_out(manifest, options.command_with(context, without_options(manifest)))
    for failure in unreadable:
        typer.echo(f"left out: {failure}", err=True)
