from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.cli.tables import check_table, write_table
from knowngood.errors import RecipeError

if TYPE_CHECKING:
    from knowngood.classifiers.base import Classifier
    from knowngood.detectors.base import Detector
    from knowngood.registry import Registry


def cross_validate(
    data: options.LabelledImages,
    classifier: options.ClassifierName = None,
    detector: options.DetectorInstead = None,
    recipe: options.RecipeFile = None,
    setting: options.Settings = None,
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
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
    out: options.Table = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Evaluate a classifier or a detector on few images by cross-validation.

    Each image is inspected by an inspector that was trained without it. Images of a train split are
    always used for training; those of the test split are held out in turn. A detector is trained on
    good images alone.

    Example: knowngood cross-validate widget/ --classifier linear_probe --folds 5
    """
    if classifier and detector:
        raise RecipeError("--classifier and --detector exclude each other; leave out one of them")
    check_table(out, data, overwrite=overwrite)
    samples = options.load(data, options.patterns_of(good, defect, mask, ignore, reference))
    in_turn = samples.assign(split="train")  # each image is learned from in most folds
    geometry = options.geometry_of([in_turn], roi, ignore_region, align)
    with progress_bars() as progress:
        from knowngood.classifiers import CLASSIFIERS
        from knowngood.detectors import DETECTORS

        methods: Registry[Detector | Classifier] = DETECTORS if detector else CLASSIFIERS
        chosen = methods.choose(detector or classifier, recipe, setting or [])
        result = knowngood.cross_validate(
            samples,
            chosen,
            count=folds,
            by=by,
            geometry=geometry,
            seed=seed,
            device=device,
            progress=progress,
        )
    typer.echo(result.folds.to_string(index=False, float_format="{:.4f}".format))
    for row in result.figures.itertuples():
        typer.echo(f"{row.figure:18} {row.mean:.4f} ± {row.sd:.4f}")
    write_table(result.scores, out, overwrite=overwrite)
