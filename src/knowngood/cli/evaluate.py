from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.info import echo_threshold
from knowngood.cli.products import load_inspector
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
    reference: options.ReferencePatterns = None,
    products: options.SeveralProducts = False,
    product: options.ProductName = None,
    engine: options.EngineName = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Evaluate an inspector on labelled images: metrics, scores and a report.

    With an inspector of several products, each image is recognised, unless --products, a column product or
    --product says which one it shows.

    Example: knowngood evaluate widget.inspector widget/ --out report/
    Example: knowngood evaluate parts.inspector parts/ --products --out report/
    """
    from knowngood.report.advice import advice
    from knowngood.report.folder import check_results
    from knowngood.report.words import pixel_figures, verdict

    make_folder(out)
    check_results(out, overwrite=overwrite, inputs=[data, inspector])
    with progress_bars() as progress:
        loaded = load_inspector(inspector, product, engine)
        patterns = options.patterns_of(good, defect, mask, ignore, reference)
        if isinstance(loaded, knowngood.Products):
            samples_of = (knowngood.load_products if products else knowngood.load_samples)(data, patterns)
            found = knowngood.evaluate_products(loaded, samples_of, progress=progress)
            _finish(found, out, overwrite)
            return
        if products:
            raise typer.BadParameter(f"{str(inspector)!r} is of one product; leave out --products")
        samples = knowngood.load_samples(data, patterns)
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


def _finish(evaluation: "knowngood.ProductEvaluation", out: Path, overwrite: bool) -> None:
    """Write and print the evaluation of several products."""
    from knowngood.report.products import recognition_in_words, write_product_evaluation
    from knowngood.report.words import decimal, percent

    try:
        report = f"report: {write_product_evaluation(evaluation, out, overwrite=overwrite)}"
    except MissingExtra as missing:
        report = f"no report: {missing}"  # the figures are written
    rows = {name: one.metrics for name, one in evaluation.evaluations.items()}
    width = max(14, *map(len, rows))
    rates = {"false_reject_rate": "false rejects", "escape_rate": "escapes"}
    if any("review" in figures for figures in rows.values()):
        rates |= {"good_review_rate": "good reviewed", "defect_review_rate": "defects reviewed"}
    typer.echo("  ".join([f"{'':{width}} image AUROC  pixel AUROC", *rates.values()]))
    for name, figures in (rows | {"mean": evaluation.metrics["mean"]}).items():
        image, pixel = (decimal(figures[one]) for one in ("image_auroc", "pixel_auroc"))
        shares = (f"{percent(figures.get(key)):>{len(title)}}" for key, title in rates.items())
        typer.echo("  ".join([f"{name:{width}} {image:>11}  {pixel:>11}", *shares]))
    for sentence in recognition_in_words(evaluation.metrics):
        typer.echo(sentence)
    for warning in evaluation.metrics["warnings"]:
        typer.echo(f"warning: {escaped(warning)}", err=True)
    for failure in evaluation.unreadable:
        typer.echo(f"unreadable: {failure}", err=True)
    typer.echo(report)
    if evaluation.unreadable:
        raise typer.Exit(1)
