from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars


def pod(
    inspector: options.InspectorFile,
    data: options.LabelledImages,
    out: Annotated[Path, typer.Option(help="The folder for pod.html and the tables.")],
    overwrite: options.Overwrite = False,
) -> None:
    """Find which size of a defect is detected, from test images with masks: a90 and a90/95.

    Example: knowngood pod widget.inspector widget/ --out pod/
    """
    from knowngood.capability.page import check_study
    from knowngood.capability.pod_page import PAGE

    check_study(out, PAGE, {}, overwrite=overwrite)
    with progress_bars() as progress:
        study = knowngood.pod(knowngood.Inspector.load(inspector), data, progress=progress)
    typer.echo("\n".join([study.answer.headline, *study.answer.details, *study.notes]))
    typer.echo(f"page: {knowngood.write_pod(study, out, overwrite=overwrite)}")
