"""`knowngood evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    inspector: Annotated[Path, typer.Argument(help="An inspector file.")],
    data: Annotated[Path, typer.Argument(help="A folder with labelled test images, or a table.")],
    out: Annotated[Path, typer.Option(help="The folder for metrics.json, scores.csv and report.html.")],
    engine: Annotated[str, typer.Option(help="openvino or onnxruntime.")] = "openvino",
) -> None:
    """Prove an inspector on labelled images: figures, scores and a report.

    Example: knowngood evaluate widget.inspector widget/ --out report/
    """
    from knowngood.cli.info import threshold_lines
    from knowngood.cli.progress import progress_bars
    from knowngood.inspector.evaluation import evaluate as prove
    from knowngood.inspector.inspector import Inspector
    from knowngood.output import make_folder
    from knowngood.report.folder import write_evaluation
    from knowngood.report.words import verdict

    make_folder(out)
    with progress_bars() as progress:
        judge = Inspector.load(inspector, engine=engine)
        evaluation = prove(judge, data, progress=progress)
        report = write_evaluation(evaluation, out)
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
    typer.echo(f"report: {report}")
    if evaluation.unreadable:
        raise typer.Exit(1)
