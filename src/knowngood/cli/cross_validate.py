from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars


def cross_validate(
    data: options.LabelledImages,
    classifier: options.ClassifierName = None,
    recipe: options.RecipeFile = None,
    setting: options.Settings = None,
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    by: options.By = "auto",
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    out: options.Table = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Evaluate a classifier on few images by cross-validation.

    Each image is classified by a classifier that was trained without it. Images of a train split are
    always used for training; those of the test split are held out in turn.

    Example: knowngood cross-validate widget/ --classifier linear_probe --folds 5
    """
    options.check_table(out, data, overwrite=overwrite)
    samples = options.load(data, good, defect, mask, ignore)
    with progress_bars() as progress:
        from knowngood.classifiers import CLASSIFIERS

        chosen = CLASSIFIERS.choose(classifier, recipe, setting or [])
        result = knowngood.cross_validate(
            samples, chosen, count=folds, by=by, seed=seed, device=device, progress=progress
        )
    typer.echo(result.folds.to_string(index=False, float_format="{:.4f}".format))
    for row in result.figures.itertuples():
        typer.echo(f"{row.figure:18} {row.mean:.4f} ± {row.sd:.4f}")
    options.write_table(result.scores, out, overwrite=overwrite)
