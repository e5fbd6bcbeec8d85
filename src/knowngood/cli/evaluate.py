"""`knowngood evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli.options import EngineName, InspectorFile


def evaluate(
    inspector: InspectorFile,
    data: Annotated[Path, typer.Argument(help="A folder with labelled test images, or a table.")],
    out: Annotated[Path, typer.Option(help="The folder for metrics.json, scores.csv and report.html.")],
    engine: EngineName = "openvino",
) -> None:
    """Evaluate an inspector on labelled images: metrics, scores and a report.

    Example: knowngood evaluate widget.inspector widget/ --out report/
    """
    from knowngood.cli.info import threshold_lines
    from knowngood.cli.progress import progress_bars
    from knowngood.errors import MissingExtra
    from knowngood.output import make_folder
    from knowngood.report.words import verdict

    make_folder(out)
    with progress_bars() as progress:
        judge = knowngood.Inspector.load(inspector, engine=engine)
        evaluation = knowngood.evaluate(judge, data, progress=progress)
        try:
            report = f"report: {knowngood.write_evaluation(evaluation, out)}"
        except MissingExtra as missing:
            report = f"no report.html: {missing}"  # the figures are written
    typer.echo(verdict(evaluation.metrics))
    for name in ("image_auroc", "pixel_auroc", "pixel_aupro"):
        value = evaluation.metrics[name]
        note = evaluation.metrics["notes"].get(name)
        figure = "-" if value is None else f"{value:.4f}"
        typer.echo(f"{name:12} {figure}" + (f" ({note})" if note else ""))
    for line in threshold_lines(judge.threshold):
        typer.echo(line)
    for warning in evaluation.metrics["warnings"]:
        typer.echo(f"warning: {warning}", err=True)
    for failure in evaluation.unreadable:
        typer.echo(f"unreadable: {failure}", err=True)
    typer.echo(report)
    if evaluation.unreadable:
        raise typer.Exit(1)
