from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.cli.tables import echo_samples


def split(
    data: options.AnyImages,
    out: Annotated[Path, typer.Option(help="The .csv or .parquet table to write.")],
    train_share: Annotated[float, typer.Option(help="Share of the good images to train on.")] = 0.7,
    defect_share: Annotated[
        float | None,
        typer.Option(
            help="Share of each defect type to train on; 0 for anomaly detectors.",
            show_default="that of good images",
        ),
    ] = None,
    copies: Annotated[
        str,
        typer.Option(
            autocompletion=lambda: ["near", "same", "none"],
            help="Keep on one side: near copies, those of the same bytes (same), or none.",
        ),
    ] = "near",
    seed: options.Seed = 0,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Divide a data set anew into training and test images, each class by itself, copies on one side.

    Images that cannot be read or have several labels are listed beside the table, and stay where they are.

    Example: knowngood split widget/ --out widget.csv
    """
    from knowngood.data.split import QUARANTINE
    from knowngood.data.written import check_samples_file, quarantine_file, write_quarantine, write_samples

    check_samples_file(out, inputs=[data], overwrite=overwrite)
    with progress_bars() as progress:
        divided = knowngood.split(
            data,
            train_share=train_share,
            defect_share=defect_share,
            copies=copies,
            seed=seed,
            patterns=options.patterns_of(good, defect, mask, ignore),
            progress=progress,
        )
    write_samples(divided, out, overwrite=overwrite)
    echo_samples(divided, out)
    if left_out := divided.attrs[QUARANTINE]:
        write_quarantine(left_out, quarantine_file(out), overwrite=overwrite)
        typer.echo(f"left out: {len(left_out)}, listed in {quarantine_file(out)}")
