"""Arguments and options that several commands share, and what several commands do with them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import knowngood

if TYPE_CHECKING:
    import pandas as pd


def _detectors() -> list[str]:
    from knowngood.detectors import DETECTORS

    return list(DETECTORS)


def _classifiers() -> list[str]:
    from knowngood.classifiers import CLASSIFIERS

    return list(CLASSIFIERS)


def _checked_by(by: str) -> str:
    from knowngood.data.labelled import check_by

    check_by(by)
    return by


def _checked_device(device: str) -> str:
    from knowngood.training.run import check_device

    check_device(device)
    return device


def _checked_engine(engine: str | None) -> str | None:
    from knowngood.engines.engine import check_engine

    if engine is not None:
        check_engine(engine)
    return engine


Images = Annotated[Path, typer.Argument(help="A folder of images, or a .csv or .parquet table.")]
AnyImages = Annotated[
    Path, typer.Argument(help="A folder of images, a .csv or .parquet table, or a label file; see the guide.")
]
LabelledImages = Annotated[Path, typer.Argument(help="A folder with good parts and defects, or a table.")]
GoodPatterns = Annotated[
    list[str] | None,
    typer.Option(
        "--good",
        metavar="PATTERN",
        help="Images of good parts in the folder, such as '*/ok_*/*'; repeatable.",
    ),
]
DefectPatterns = Annotated[
    list[str] | None,
    typer.Option("--defect", metavar="PATTERN", help="Images of defects; their folder is the type."),
]
MaskPatterns = Annotated[
    list[str] | None,
    typer.Option("--mask", metavar="PATTERN", help="Masks of defects, such as '*_mask.png'."),
]
IgnorePatterns = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="PATTERN", help="Images to leave out, such as '*/rejected/*'."),
]
ReferencePatterns = Annotated[
    list[str] | None,
    typer.Option(
        "--reference",
        metavar="PATTERN",
        help="Flawless pictures of the same objects, such as '*_temp.jpg'; for the detector `reference`.",
    ),
]
SeveralProducts = Annotated[
    bool,
    typer.Option(
        "--products", help="Each folder in the folder is that of a product; a table has a column product."
    ),
]
ProductName = Annotated[
    str | None, typer.Option("--product", metavar="NAME", help="Which of the inspector's products it is.")
]
InspectorFile = Annotated[Path, typer.Argument(help="An inspector file.")]
NewInspector = Annotated[Path, typer.Option("--out", help="The inspector file to write.")]
Table = Annotated[Path | None, typer.Option("--out", help="A .csv, .parquet or .jsonl file to write.")]

DetectorName = Annotated[
    str | None,
    typer.Option(
        "--detector",
        autocompletion=_detectors,
        help="The method: a name from `knowngood detectors`.",
        show_default="patchcore",
    ),
]
DetectorInstead = Annotated[
    str | None,
    typer.Option(
        "--detector",
        autocompletion=_detectors,
        help="Evaluate a detector of this name in place of a classifier.",
    ),
]
ClassifierName = Annotated[
    str | None,
    typer.Option(
        "--classifier",
        autocompletion=_classifiers,
        help="The method: a name from `knowngood classifiers`.",
        show_default="anomaly_features",
    ),
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="A YAML file with the method's name and a line per setting.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A setting of the method, such as input_size=320; repeatable."
    ),
]
By = Annotated[
    str,
    typer.Option(
        callback=_checked_by,
        autocompletion=lambda: ["auto", "type", "label"],
        help="type: predict the type of a defect; label: good or defect; auto: type if all are known.",
    ),
]
Seed = Annotated[int, typer.Option(help="Random seed; the same seed gives the same result.")]
Device = Annotated[
    str,
    typer.Option(
        callback=_checked_device,
        autocompletion=lambda: ["auto", "cpu", "cuda"],
        help="Where networks compute: auto, cpu or cuda.",
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        callback=_checked_engine,
        autocompletion=lambda: ["openvino", "onnxruntime"],
        help="What runs the graph: openvino or onnxruntime; without it, that of the fit.",
    ),
]

Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a file of this name even if knowngood did not write it.")
]

RoiFile = Annotated[
    Path | None,
    typer.Option(
        "--roi",
        metavar="FILE",
        help="The region to inspect: rectangles and polygons in JSON, or a mask image; see the guide.",
    ),
]
IgnoreRegionFile = Annotated[
    Path | None,
    typer.Option("--ignore-region", metavar="FILE", help="A region not to inspect, in the same forms."),
]
Align = Annotated[
    str,
    typer.Option(
        autocompletion=lambda: ["none", "auto"],
        help="auto: find the part in each image and turn it to one position; none: leave images as they are.",
    ),
]

RunFolder = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="A folder for checkpoints and logs of a network; repeat the command to resume its training.",
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        autocompletion=lambda: ["32-true", "bf16-mixed", "16-mixed"],
        help="Precision in which a network is trained: 32-true, bf16-mixed or 16-mixed.",
    ),
]
Devices = Annotated[
    int, typer.Option(help="Number of processes or GPUs that share the training of a network.")
]
Mlflow = Annotated[
    str | None, typer.Option(help="Address of an MLflow server that records the losses of a network.")
]
Tiles = Annotated[
    str | None,
    typer.Option(
        autocompletion=lambda: ["auto", "none", "512"],
        help="Cut large images into overlapping tiles of so many pixels a side; auto chooses it, none "
        "resizes whole images.",
        show_default="none, unless the detail needs tiles",
    ),
]
Detail = Annotated[
    str,
    typer.Option(
        autocompletion=lambda: ["fast", "normal", "fine"],
        help="How fine to look: fast takes at most half of the time of normal, fine uses all pixels.",
    ),
]
SmallestDefect = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="What must be found, such as 12px, or 3% of the image's side, instead of a detail.",
    ),
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read.")
]


def patterns_of(
    good: list[str] | None,
    defect: list[str] | None,
    mask: list[str] | None,
    ignore: list[str] | None,
    reference: list[str] | None = None,
) -> knowngood.Patterns:
    """Return the patterns that the options give."""
    return knowngood.Patterns(good or (), defect or (), mask or (), ignore or (), reference or ())


def load(data: Path, patterns: knowngood.Patterns) -> pd.DataFrame:
    """Load the samples of a folder or table, and say what was left out."""
    table = knowngood.load_samples(data, patterns)
    for note in table.attrs.get("notes", ()):
        typer.echo(f"note: {note}", err=True)
    return table


def geometry_of(
    samples: Iterable[pd.DataFrame], roi: Path | None, ignore_region: Path | None, align: str
) -> knowngood.Geometry:
    """Return where is looked, once the regions fit the training images, of each product where there are
    several: a mistake must not wait for torch.

    Raises:
        DataError: They do not.
    """
    geometry = knowngood.Geometry(roi, ignore_region, align)
    if roi is not None or ignore_region is not None:
        from knowngood.data.framing import image_sizes

        paths = [path for table in samples for path in table.loc[table["split"] == "train", "path"]]
        geometry.region(image_sizes(paths))
    return geometry


def run_of(folder: Path | None, precision: str, devices: int, mlflow: str | None) -> knowngood.Run | None:
    """Return the training run that the options describe; None for their defaults."""
    run = knowngood.Run(folder, precision=precision, devices=devices, mlflow=mlflow)
    return None if run == knowngood.Run() else run


def command_with(context: typer.Context, words: Sequence[str]) -> str:
    """The command that is running, as it was typed, with more options at its end."""
    typed = context.command_path.split()
    for parameter in context.command.params:
        name = str(parameter.name)
        source, value = context.get_parameter_source(name), context.params.get(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        option = [] if parameter.param_type_name == "argument" else [max(parameter.opts, key=len)]
        for one in value if isinstance(value, list | tuple) else [value]:
            typed += option if isinstance(one, bool) else [*option, str(one)]
    return shlex.join([*typed, *words])
