from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.info import echo_threshold
from knowngood.cli.products import chosen, load_by_product, load_inspector
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
    products: options.SeveralProducts = False,
    product: options.ProductName = None,
    engine: options.EngineName = None,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Change the threshold of an inspector, without fitting it again, or leave doubtful parts to a review.

    With an inspector of several products, that of each is changed, or of one that --product names.

    Example: knowngood threshold widget.inspector --max-false-reject 0.01 --max-review 0.1

    Example: knowngood threshold parts.inspector --product screw --max-false-reject 0.01
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
    from knowngood.data.products import in_product

    before = load_inspector(inspector, None, engine)
    inspectors = chosen(before, product, inspector)
    if value is not None and len(inspectors) > 1:
        raise typer.BadParameter("--value needs --product: the scores of products have no common scale")
    samples: dict[str, pd.DataFrame] = {}
    if validation is not None:
        patterns = options.patterns_of(good, defect, mask, ignore)
        samples = _validation(validation, patterns, list(inspectors), folders=products)
    moved = {}
    with progress_bars() as progress:
        for name, after in inspectors.items():
            with in_product(name) if name else nullcontext():
                if lines:
                    after = knowngood.without_review(after)
                if max_false_reject is not None:
                    after = knowngood.threshold_at(after, max_false_reject)
                elif value is not None:
                    after = knowngood.threshold_by_value(after, value)
                elif rule is not None:
                    after = knowngood.threshold_by_rule(
                        after, rule, samples[name], anyway=anyway, progress=progress
                    )
                if max_review is not None:
                    after = knowngood.review_at(after, max_review)
                elif max_escape is not None:
                    after = knowngood.review_by_defects(
                        after, max_escape, samples[name], anyway=anyway, progress=progress
                    )
            moved[name] = after
    whole = before.changed(moved) if isinstance(before, knowngood.Products) else moved[""]
    whole.save(out or inspector, overwrite=overwrite)
    for name, after in moved.items():
        _echo_change(name, inspectors[name], after)
    typer.echo(f"{'inspector':14} {out or inspector}")


def _validation(
    data: Path, patterns: "knowngood.Patterns", names: list[str], *, folders: bool
) -> "dict[str, pd.DataFrame]":
    """The labelled images of each product, or those of one product without a name.

    Raises:
        DataError: A product has none.
    """
    if names == [""]:
        return {"": options.load(data, patterns)}
    samples = load_by_product(data, patterns, folders=folders)
    if len(names) == 1 and "" in samples:
        return {names[0]: samples[""]}
    if missing := set(names) - samples.keys():
        raise DataError(
            f"the validation images name no product {min(missing)!r}; they need --products or a column "
            "product, or else --product"
        )
    return samples


def _echo_change(product: str, before: "knowngood.Inspector", after: "knowngood.Inspector") -> None:
    """Print the lines of an inspector before and after a change, of one of several with its product."""
    if product:
        typer.echo(f"{'product':14} {product}")
    typer.echo(f"{'before':14} {before.threshold.value:.6g}, {before.threshold.rule}")
    if before.review:
        typer.echo(f"{'':14} review above {before.review.value:.6g}, {before.review.rule}")
    echo_threshold(after.threshold, after.review)
