from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.info import echo_threshold
from knowngood.cli.progress import progress_bars
from knowngood.inspector.file import MARK as INSPECTOR
from knowngood.output import check_target

RULES = "f1-max, youden, even-odds, recall=0.99, or cost=1:20 (of a false reject to an escape)."


def threshold(
    inspector: options.InspectorFile,
    max_false_reject: Annotated[
        float | None, typer.Option(help="Fraction of good parts that may be rejected, such as 0.01.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help=RULES)] = None,
    value: Annotated[float | None, typer.Option(help="The threshold itself, such as 3.5.")] = None,
    max_review: Annotated[
        float | None,
        typer.Option(help="Three answers: fraction of good parts that may be left to a review, such as 0.1."),
    ] = None,
    max_escape: Annotated[
        float | None,
        typer.Option(help="Three answers: fraction of the defects of --validation that may be accepted."),
    ] = None,
    no_review: Annotated[bool, typer.Option("--no-review", help="Return to two answers.")] = False,
    validation: Annotated[
        Path | None,
        typer.Option(
            help="Labelled images for --rule or --max-escape: a folder or a table, not the test images."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The inspector file to write; without it, the same file.")
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Set it on test images too.")] = False,
    engine: options.EngineName = None,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Change the threshold of an inspector, without fitting it again, or leave doubtful parts to a review.

    Example: knowngood threshold widget.inspector --max-false-reject 0.01 --max-review 0.1
    """
    moves = sum(given is not None for given in (max_false_reject, rule, value))
    lines = (max_review is not None) + (max_escape is not None) + no_review
    if moves > 1 or lines > 1 or not moves + lines:
        raise typer.BadParameter(
            "give one of --max-false-reject, --rule and --value, or one of --max-review, --max-escape and "
            "--no-review, or one of each"
        )
    if (rule is None and max_escape is None) != (validation is None):
        raise typer.BadParameter(
            "--rule or --max-escape go together with --validation, their labelled images"
        )
    if out is not None:
        check_target(out, INSPECTOR, overwrite=overwrite, inputs=filter(None, [validation]))
    before = after = knowngood.Inspector.load(inspector, engine=engine)
    samples = None if validation is None else options.load(validation, good, defect, mask, ignore)
    with progress_bars() as progress:
        if lines:
            after = knowngood.without_review(after)
        if max_false_reject is not None:
            after = knowngood.threshold_at(after, max_false_reject)
        elif value is not None:
            after = knowngood.threshold_by_value(after, value)
        elif rule is not None and samples is not None:
            after = knowngood.threshold_by_rule(after, rule, samples, anyway=anyway, progress=progress)
        if max_review is not None:
            after = knowngood.review_at(after, max_review)
        elif max_escape is not None and samples is not None:
            after = knowngood.review_by_defects(after, max_escape, samples, anyway=anyway, progress=progress)
    after.save(out or inspector, overwrite=overwrite)
    typer.echo(f"{'before':14} {before.threshold.value:.6g}, {before.threshold.rule}")
    if before.review:
        typer.echo(f"{'':14} review above {before.review.value:.6g}, {before.review.rule}")
    echo_threshold(after.threshold, after.review)
    typer.echo(f"{'inspector':14} {out or inspector}")
