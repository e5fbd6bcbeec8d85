"""`knowngood fit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from knowngood.errors import UnreadableImage


def fit(
    data: Annotated[Path, typer.Argument(help="A folder of images, or a .csv or .parquet table.")],
    out: Annotated[Path, typer.Option(help="The inspector file to write.")],
    detector: Annotated[
        str | None, typer.Option(help="A name from `knowngood detectors`.", show_default="patchcore")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="A YAML file of settings and `detector`.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="One setting; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same inspector.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    run: Annotated[
        Path | None,
        typer.Option(help="A folder for checkpoints and logs; a training that was cut off goes on there."),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Of a training: 32-true, bf16-mixed or 16-mixed.")
    ] = "32-true",
    devices: Annotated[int, typer.Option(help="Processes or GPUs that share a training.")] = 1,
    mlflow: Annotated[
        str | None, typer.Option(help="A tracking address of MLflow's for the losses of a training.")
    ] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Go on without images that cannot be read.")
    ] = False,
) -> None:
    """Learn an inspector from the good training images.

    Example: knowngood fit widget/ --out widget.inspector --set coreset=4000
    """
    from knowngood.cli.info import threshold_lines
    from knowngood.cli.progress import progress_bars
    from knowngood.output import check_target

    check_target(out)
    unreadable: list[UnreadableImage] = []
    with progress_bars() as progress:
        # Importing torch takes seconds; a wrong file name must not wait for it.
        from knowngood.detectors import DETECTORS
        from knowngood.inspector.fit import fit as learn
        from knowngood.training.run import Run

        how = Run(run, precision=precision, devices=devices, mlflow=mlflow)
        chosen = DETECTORS.choose(detector, recipe, setting or [])
        inspector = learn(
            data,
            chosen,
            seed=seed,
            device=device,
            run=None if how == Run() else how,
            on_unreadable=unreadable.append if skip_unreadable else None,
            progress=progress,
        )
    inspector.save(out)
    manifest = inspector.manifest
    held_out = f", {len(inspector.training.validation)} of them held out" if inspector.training else ""
    typer.echo(f"Learned {manifest.detector} from {len(manifest.training)} good images{held_out}: {out}")
    for line in threshold_lines(manifest.threshold):
        typer.echo(line)
    for failure in unreadable:
        typer.echo(f"left out: {failure}", err=True)
