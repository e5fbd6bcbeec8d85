from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars


def prove(
    inspector: options.InspectorFile,
    data: options.LabelledImages,
    out: Annotated[Path, typer.Option(help="The folder for proof.html, proof.pdf and the tables.")],
    gauge: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="A table of repeated pictures; see knowngood gauge.")
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column there with the decisions of a person; repeatable."),
    ] = None,
    false_reject: Annotated[
        float, typer.Option(metavar="RATE", help="Largest share of good parts that may be rejected.")
    ] = 0.05,
    escape: Annotated[
        float, typer.Option(metavar="RATE", help="Largest share of the defects of each type to be accepted.")
    ] = 0.1,
    confidence: Annotated[float, typer.Option(help="Confidence with which both must be shown.")] = 0.95,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Say whether a line may be released, with all evidence: a page, a PDF to sign, and tables.

    Example: knowngood prove widget.inspector widget/ --gauge study.csv --out proof/
    """
    from knowngood.capability.proof_page import PDF, check_proof

    check_proof(out, overwrite=overwrite)
    loaded = knowngood.Inspector.load(inspector)
    samples = options.load(data, options.patterns_of(good, defect, mask, ignore))
    with progress_bars() as progress:
        proof = knowngood.prove(
            loaded,
            samples,
            gauge=gauge,
            people=person or (),
            max_false_reject=false_reject,
            max_escape=escape,
            confidence=confidence,
            progress=progress,
        )
        page = knowngood.write_proof(proof, out, overwrite=overwrite)
    typer.echo("\n".join([proof.answer.headline, *proof.answer.details]))
    typer.echo(f"page: {page}\nto sign: {out / PDF}")
