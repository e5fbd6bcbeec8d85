from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.cli.tables import check_table, write_table
from knowngood.output import EXPERIMENTS

CHOOSE = "Choose by the validation columns: a test set that was chosen by is no longer one."
CHOOSE_DETECTOR = (
    "Detectors have test columns alone: after choosing by them, test the chosen one on other images."
)


def compare(
    data: options.LabelledImages,
    grid: Annotated[Path, typer.Option(help="A YAML file: classifier or detector, settings, experiments.")],
    out: options.Table = None,
    by: options.By = "auto",
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    roi: options.RoiFile = None,
    ignore_region: options.IgnoreRegionFile = None,
    align: options.Align = "none",
    reference: options.ReferencePatterns = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    overwrite: options.Overwrite = False,
) -> None:
    """Run experiments that change one setting each, and show the results as a table.

    The file holds the settings to start from, and the changes of each experiment:

    classifier: finetune

    settings: {epochs: 10, batch_size: 32}

    experiments: [{epochs: 40}, {batch_size: 8}, {learning_rate: 0.0001}]

    Example: knowngood compare widget/ --grid experiments.yaml --out experiments.csv
    """
    check_table(out, data, grid, columns=EXPERIMENTS, overwrite=overwrite)
    samples = options.load(data, options.patterns_of(good, defect, mask, ignore, reference))
    geometry = options.geometry_of([samples], roi, ignore_region, align)
    with progress_bars() as progress:
        table = knowngood.compare(
            samples, grid, by=by, geometry=geometry, seed=seed, device=device, progress=progress
        )
    typer.echo(table.to_string(index=False, float_format="{:.4f}".format))
    typer.echo(CHOOSE if "validation_loss" in table else CHOOSE_DETECTOR)
    write_table(table, out, columns=EXPERIMENTS, overwrite=overwrite)
