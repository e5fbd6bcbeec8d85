from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.info import echo_bits, echo_geometry, echo_threshold
from knowngood.cli.progress import progress_bars
from knowngood.errors import UnreadableImage
from knowngood.inspector.file import MARK as INSPECTOR
from knowngood.output import check_target


def train(
    data: options.LabelledImages,
    out: options.NewInspector,
    classifier: options.ClassifierName = None,
    recipe: options.RecipeFile = None,
    setting: options.Settings = None,
    by: options.By = "auto",
    defect_share: Annotated[
        float,
        typer.Option(help="Fraction of each defect type to train on, where the train split has no defects."),
    ] = 0.7,
    good: options.GoodPatterns = None,
    defect: options.DefectPatterns = None,
    mask: options.MaskPatterns = None,
    ignore: options.IgnorePatterns = None,
    roi: options.RoiFile = None,
    ignore_region: options.IgnoreRegionFile = None,
    align: options.Align = "none",
    seed: options.Seed = 0,
    device: options.Device = "auto",
    run: options.RunFolder = None,
    precision: options.Precision = "32-true",
    devices: options.Devices = 1,
    mlflow: options.Mlflow = None,
    skip_unreadable: options.SkipUnreadable = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Train an inspector on good parts and collected defects: it predicts the type of a defect.

    Example: knowngood train widget/ --out widget.inspector --set orientation=any
    """
    check_target(out, INSPECTOR, overwrite=overwrite, inputs=[data])
    training = options.run_of(run, precision, devices, mlflow)
    samples = options.load(data, options.patterns_of(good, defect, mask, ignore))
    geometry = options.geometry_of([samples], roi, ignore_region, align)
    unreadable: list[UnreadableImage] = []
    with progress_bars() as progress:
        from knowngood.classifiers import CLASSIFIERS

        # Only now torch is imported, which takes seconds: a mistake must not wait for it.
        chosen = CLASSIFIERS.choose(classifier, recipe, setting or [])
        inspector = knowngood.train(
            samples,
            chosen,
            by=by,
            defect_share=defect_share,
            geometry=geometry,
            seed=seed,
            device=device,
            run=training,
            on_unreadable=unreadable.append if skip_unreadable else None,
            progress=progress,
        )
    inspector.save(out, overwrite=overwrite)
    record = inspector.classifier
    counts = ", ".join(f"{name} {count}" for name, count in zip(record.names, record.counts, strict=True))
    typer.echo(f"Learned {inspector.manifest.method} from {sum(record.counts)} images ({counts}): {out}")
    for note in record.notes:
        typer.echo(f"{'':14} {note}")
    echo_bits(inspector.manifest.bits)
    echo_geometry(inspector.manifest)
    echo_threshold(inspector.threshold, inspector.review)
    for failure in unreadable:
        typer.echo(f"left out: {failure}", err=True)
