from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.info import echo_threshold
from knowngood.cli.progress import progress_bars
from knowngood.errors import MissingExtra, escaped
from knowngood.output import make_folder


def evaluate(
    inspector: options.InspectorFile,
    data: Annotated[Path, typer.Argument(help="A folder with labelled test images, or a table.")],
    out: Annotated[Path, typer.Option(help="The folder for metrics.json, scores.csv and the report.")],
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    engine: options.EngineName = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Evaluate an inspector on labelled images: metrics, scores and a report.

    Example: knowngood evaluate widget.inspector widget/ --out report/
    """
    from knowngood.report.advice import advice
    from knowngood.report.folder import check_results
    from knowngood.report.words import pixel_figures, verdict

    make_folder(out)
    check_results(out, overwrite=overwrite, inputs=[data, inspector])
    with progress_bars() as progress:
        loaded = knowngood.Inspector.load(inspector, engine=engine)
        samples = knowngood.load_samples(data, options.patterns_of(good, defect, mask, ignore))
        evaluation = knowngood.evaluate(loaded, samples, progress=progress)
        try:
            path = knowngood.write_evaluation(evaluation, out, overwrite=overwrite, progress=progress)
            report = f"report: {path}"
        except MissingExtra as missing:
            report = f"no report: {missing}"  # the figures are written
    metrics, follows = evaluation.metrics, advice(evaluation)
    typer.echo(follows.headline)
    for detail in [*([] if follows.other_product else [verdict(metrics)]), *follows.details]:
        typer.echo(detail)
    for step in follows.steps:
        typer.echo(f"next: {step}")
    headline = ("image_auroc", "pixel_auroc", "pixel_aupro")
    for name in headline:
        figure = "-" if metrics[name] is None else f"{metrics[name]:.4f}"
        note = f" ({metrics['notes'][name]})" if name in metrics["notes"] else ""
        typer.echo(f"{name:12} {figure}{note}")
    others = [" ".join(found) for key, found in pixel_figures(metrics).items() if key not in headline]
    if others:
        typer.echo(", ".join(others))
    echo_threshold(loaded.threshold, loaded.review)
    for warning in metrics["warnings"]:
        typer.echo(f"warning: {escaped(warning)}", err=True)
    for failure in evaluation.unreadable:
        typer.echo(f"unreadable: {failure}", err=True)
    typer.echo(report)
    if evaluation.unreadable:
        raise typer.Exit(1)
