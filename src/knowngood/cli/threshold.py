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
    validation: Annotated[
        Path | None,
        typer.Option(help="Labelled images for --rule: a folder or a table, not the test images."),
    ] = None,
    value: Annotated[float | None, typer.Option(help="The threshold itself, such as 3.5.")] = None,
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
    """Change the threshold of an inspector, without fitting it again.

    Example: knowngood threshold widget.inspector --max-false-reject 0.01
    """
    if sum(given is not None for given in (max_false_reject, rule, value)) != 1:
        raise typer.BadParameter("give --max-false-reject, --rule or --value, one of the three")
    if (rule is None) != (validation is None):
        raise typer.BadParameter("--rule and --validation (the labelled images for it) go together")
    if out is not None:
        check_target(out, INSPECTOR, overwrite=overwrite, inputs=filter(None, [validation]))
    before = knowngood.Inspector.load(inspector, engine=engine)
    if rule is not None and validation is not None:
        samples = options.load(validation, good, defect, mask, ignore)
        with progress_bars() as progress:
            after = knowngood.threshold_by_rule(before, rule, samples, anyway=anyway, progress=progress)
    elif max_false_reject is not None:
        after = knowngood.threshold_at(before, max_false_reject)
    elif value is not None:
        after = knowngood.threshold_by_value(before, value)
    after.save(out or inspector, overwrite=overwrite)
    typer.echo(f"{'before':14} {before.manifest.threshold.value:.6g}, {before.manifest.threshold.rule}")
    echo_threshold(after.manifest.threshold)
    typer.echo(f"{'inspector':14} {out or inspector}")
