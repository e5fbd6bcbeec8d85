"""`knowngood train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from knowngood.errors import UnreadableImage


def train(
    data: Annotated[Path, typer.Argument(help="A folder with good parts and defects, or a table.")],
    out: Annotated[Path, typer.Option(help="The inspector file to write.")],
    classifier: Annotated[
        str | None, typer.Option(help="See `knowngood classifiers`; anomaly_features if not given.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="A YAML file of settings.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting NAME=VALUE; may be repeated.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="type: name the type of a defect; label: good or not; auto: types if known.")
    ] = "auto",
    defect_share: Annotated[
        float, typer.Option(help="Share of each defect type to learn from, where the train split has none.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(help="The same seed gives the same inspector.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    run: Annotated[
        Path | None,
        typer.Option(help="A folder that keeps a training: checkpoints, logs; a cut-off one goes on there."),
    ] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Go on without images that cannot be read.")
    ] = False,
) -> None:
    """Learn an inspector from good parts and collected defects: it names the type of a defect.

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
        from knowngood.inspector.train import train as learn
        from knowngood.training.run import Run

        inspector = learn(
            data,
            CLASSIFIERS.choose(classifier, recipe, setting or []),
            by=by,
            defect_share=defect_share,
            seed=seed,
            device=device,
            run=None if run is None else Run(run),
            on_unreadable=unreadable.append if skip_unreadable else None,
            progress=progress,
        )
    inspector.save(out)
    lesson = inspector.lesson
    assert lesson is not None
    counts = ", ".join(f"{name} {count}" for name, count in zip(lesson.names, lesson.counts, strict=True))
    typer.echo(f"Learned {inspector.manifest.detector} from {sum(lesson.counts)} images ({counts}): {out}")
    for note in lesson.notes:
        typer.echo(f"{'':14} {note}")
    for line in threshold_lines(inspector.threshold):
        typer.echo(line)
    for failure in unreadable:
        typer.echo(f"left out: {failure}", err=True)
