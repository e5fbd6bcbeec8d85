"""`knowngood train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli.options import (
    By,
    ClassifierName,
    Device,
    Devices,
    LabelledImages,
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


def train(
    data: LabelledImages,
    out: NewInspector,
    classifier: ClassifierName = None,
    recipe: RecipeFile = None,
    setting: Settings = None,
    by: By = "auto",
    defect_share: Annotated[
        float,
        typer.Option(help="Fraction of each defect type to train on, where the train split has no defects."),
    ] = 0.7,
    seed: Seed = 0,
    device: Device = "auto",
    run: RunFolder = None,
    precision: Precision = "32-true",
    devices: Devices = 1,
    mlflow: Mlflow = None,
    skip_unreadable: SkipUnreadable = False,
) -> None:
    """Train an inspector on good parts and collected defects: it predicts the type of a defect.

    Example: knowngood train widget/ --out widget.inspector --set orientation=any
    """
    from knowngood.cli.info import threshold_lines
    from knowngood.cli.progress import progress_bars
    from knowngood.output import check_target

    check_target(out)
    unreadable: list[UnreadableImage] = []
    with progress_bars() as progress:
        # Importing torch takes seconds; a wrong file name must not wait for it.
        from knowngood.classifiers import CLASSIFIERS
        from knowngood.data.labelled import with_defects_to_learn

        chosen = CLASSIFIERS.choose(classifier, recipe, setting or [])
        how = knowngood.Run(run, precision=precision, devices=devices, mlflow=mlflow)
        inspector = knowngood.train(
            with_defects_to_learn(data, defect_share),
            chosen,
            by=by,
            seed=seed,
            device=device,
            run=None if how == knowngood.Run() else how,
            on_unreadable=unreadable.append if skip_unreadable else None,
            progress=progress,
        )
    inspector.save(out)
    record = inspector.classifier
    counts = ", ".join(f"{name} {count}" for name, count in zip(record.names, record.counts, strict=True))
    typer.echo(f"Learned {inspector.manifest.method} from {sum(record.counts)} images ({counts}): {out}")
    for note in record.notes:
        typer.echo(f"{'':14} {note}")
    for line in threshold_lines(inspector.threshold):
        typer.echo(line)
    for failure in unreadable:
        typer.echo(f"left out: {failure}", err=True)
