"""`knowngood threshold`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import knowngood


def threshold(
    inspector: Annotated[Path, typer.Argument(help="The inspector file to change.")],
    max_false_reject: Annotated[
        float | None, typer.Option(help="Fraction of good parts that may be rejected, such as 0.01.")
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            help="f1-max, youden, even-odds, recall=0.99, or cost=1:20 (of a false reject to an escape)."
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(help="Labelled images for --rule: a folder or a table, not the test images."),
    ] = None,
) -> None:
    """Change the threshold of an inspector, without fitting it again.

    Example: knowngood threshold widget.inspector --max-false-reject 0.01
    """
    from knowngood.cli.info import threshold_lines
    from knowngood.cli.progress import progress_bars

    if (max_false_reject is None) == (rule is None):
        raise typer.BadParameter("give --max-false-reject or --rule, one of the two")
    if (rule is None) != (validation is None):
        raise typer.BadParameter("--rule and --validation (the labelled images for it) go together")
    before = knowngood.Inspector.load(inspector)
    if max_false_reject is not None:
        after = knowngood.threshold_at(before, max_false_reject)
    else:
        assert rule is not None
        assert validation is not None
        with progress_bars() as progress:
            after = knowngood.threshold_by_rule(before, rule, validation, progress=progress)
    after.save(inspector)
    typer.echo(f"{'before':14} {before.manifest.threshold.value:.6g}, {before.manifest.threshold.rule}")
    for line in threshold_lines(after.manifest.threshold):
        typer.echo(line)
