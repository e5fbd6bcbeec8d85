from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.info import echo_threshold
from knowngood.cli.progress import progress_bars
from knowngood.errors import DataError
from knowngood.inspector.file import MARK as INSPECTOR
from knowngood.output import check_target

if TYPE_CHECKING:
    import pandas as pd

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
    products: options.SeveralProducts = False,
    product: options.ProductName = None,
    engine: options.EngineName = None,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Change the threshold of an inspector, without fitting it again.

    With an inspector of several products, that of each is changed, or of one that --product names.

    Example: knowngood threshold widget.inspector --max-false-reject 0.01
    Example: knowngood threshold parts.inspector --product screw --max-false-reject 0.01
    """
    if sum(given is not None for given in (max_false_reject, rule, value)) != 1:
        raise typer.BadParameter("give --max-false-reject, --rule or --value, one of the three")
    if (rule is None) != (validation is None):
        raise typer.BadParameter("--rule and --validation (the labelled images for it) go together")
    if out is not None:
        check_target(out, INSPECTOR, overwrite=overwrite, inputs=filter(None, [validation]))
    before = options.load_inspector(inspector, None, engine)
    inspectors = options.chosen(before, product, inspector)
    if value is not None and len(inspectors) > 1:
        raise typer.BadParameter("--value needs --product: the scores of products have no common scale")
    samples: dict[str, pd.DataFrame] = {}
    if validation is not None and isinstance(before, knowngood.Products):
        patterns = options.patterns_of(good, defect, mask, ignore)
        samples = options.load_by_product(validation, patterns, folders=products)
        if product is not None and "" in samples:
            samples = {product: samples[""]}
        if missing := inspectors.keys() - samples.keys():
            raise DataError(
                f"the validation images name no product {min(missing)!r}; they need --products or a column "
                "product, or else --product"
            )
    elif validation is not None:
        samples = {"": options.load(validation, good, defect, mask, ignore)}
    moved = {}
    with progress_bars() as progress:
        for name, one in inspectors.items():
            if rule is not None:
                moved[name] = knowngood.threshold_by_rule(
                    one, rule, samples[name], anyway=anyway, progress=progress
                )
            elif max_false_reject is not None:
                moved[name] = knowngood.threshold_at(one, max_false_reject)
            elif value is not None:
                moved[name] = knowngood.threshold_by_value(one, value)
    after = before.changed(moved) if isinstance(before, knowngood.Products) else moved[""]
    after.save(out or inspector, overwrite=overwrite)
    for name, one in moved.items():
        was = inspectors[name].threshold
        if name:
            typer.echo(f"{'product':14} {name}")
        typer.echo(f"{'before':14} {was.value:.6g}, {was.rule}")
        echo_threshold(one.threshold)
    typer.echo(f"{'inspector':14} {out or inspector}")
