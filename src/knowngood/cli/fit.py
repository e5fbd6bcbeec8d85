"""`knowngood fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

import knowngood
from knowngood.cli.options import (
    DetectorName,
    Device,
    Devices,
    Images,
    Mlflow,
    NewInspector,
    Precision,
    RecipeFile,
    RunFolder,
    Seed,
    Settings,
    SkipUnreadable,
)

if TYPE_CHECKING:
    from knowngood.errors import UnreadableImage


def fit(
    data: Images,
    out: NewInspector,
    detector: DetectorName = None,
    recipe: RecipeFile = None,
    setting: Settings = None,
    seed: Seed = 0,
    device: Device = "auto",
    run: RunFolder = None,
    precision: Precision = "32-true",
    devices: Devices = 1,
    mlflow: Mlflow = None,
    skip_unreadable: SkipUnreadable = False,
) -> None:
    """Fit an inspector to the good training images.

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

        how = knowngood.Run(run, precision=precision, devices=devices, mlflow=mlflow)
        inspector = knowngood.fit(
            data,
            DETECTORS.choose(detector, recipe, setting or []),
            seed=seed,
            device=device,
            run=None if how == knowngood.Run() else how,
            on_unreadable=unreadable.append if skip_unreadable else None,
            progress=progress,
        )
    inspector.save(out)
    manifest = inspector.manifest
    held_out = f", {len(inspector.training.validation)} of them held out" if inspector.training else ""
    typer.echo(f"Learned {manifest.method} from {len(manifest.training)} good images{held_out}: {out}")
    for line in threshold_lines(manifest.threshold):
        typer.echo(line)
    for failure in unreadable:
        typer.echo(f"left out: {failure}", err=True)
