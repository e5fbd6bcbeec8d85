from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars

SHOWN = {
    "image_auroc": "image AUROC",
    "pixel_aupro": "AUPRO",
    "false_reject_rate": "false rejects",
    "escape_rate": "escapes",
    "fit_seconds": "fit, s",
    "milliseconds": "ms an image",
    "memory_gb": "memory, GB",
    "megabytes": "file, MB",
}
"""The figures on the terminal; the page and the CSV table have all."""


def leaderboard(
    data: options.LabelledImages,
    out: Annotated[
        Path,
        typer.Option(help="The folder for leaderboard.html, leaderboard.csv and the report of each run."),
    ] = Path("leaderboard"),
    detectors: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Detectors with commas between them.", show_default="all that suit the data"
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds each detector is fitted with.")] = 3,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time after which no run goes on: 90s, 10m or 2h.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="One seed, few images, a small input, and detectors that train no network."
        ),
    ] = False,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    reference: options.ReferencePatterns = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Start anew in a folder with other runs; replace files of these names."
        ),
    ] = False,
) -> None:
    """Compare detectors on your images: accuracy, speed and memory, and which differences are noise.

    Each detector is fitted and evaluated with the same images and seeds. Repeat the command to go on
    where it was interrupted. Without labelled defects nothing is ranked.

    Example: knowngood leaderboard widget/ --detectors patchcore,padim,knn --seeds 3 --budget 10m
    """
    from knowngood.report.words import MISSING  # numpy, which --help does not need

    patterns = options.patterns_of(good, defect, mask, ignore, reference)
    samples = options.load(data, patterns)
    with progress_bars() as progress:
        board = knowngood.leaderboard(
            samples,
            out,
            detectors=detectors,
            seeds=seeds,
            budget=budget,
            quick=quick,
            overwrite=overwrite,
            progress=progress,
        )
    table = board.table[["detector", *SHOWN]].dropna(axis="columns", how="all").rename(columns=SHOWN)
    typer.echo(table.to_string(index=False, float_format="{:.4g}".format, na_rep=MISSING))
    for sentence in board.conclusions:
        typer.echo(sentence)
    for sentence in board.notes:
        typer.echo(f"note: {sentence}", err=True)
    typer.echo(f"page: {board.page}")
