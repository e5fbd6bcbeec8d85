import textwrap
from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars


def study(
    name: Annotated[str, typer.Argument(help="The study, such as ece157a.")],
    data: Annotated[Path, typer.Option(help="The folder that holds its data.")],
    out: Annotated[Path, typer.Option(help="The folder for all results, slides and the notebook.")],
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of its methods; may be repeated."),
    ] = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    author: Annotated[str, typer.Option(help="Your name, for the title slide.")] = "",
    title: Annotated[str, typer.Option(help="A title for the slides.", show_default="its own")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Use few images and short trainings, only to check that all runs.")
    ] = False,
) -> None:
    """Reproduce a document's experiment, from its data to slides; repeat the command to resume it.

    ece157a: autoencoders trained on the digit 1 and on good transistors. DATA holds mnist/ (the
    four IDX files) and mvtec/transistor/.

    kaist: classifiers trained on the digits 0 to 3, or on their rotations, and tested on 7 to 9;
    five seeds, an hour. DATA holds mnist/.

    screw, transistor_classes: classifiers of good parts and defects. DATA holds mvtec/screw/ and
    mvtec/transistor/. Half an hour each.

    semiconductor: the same on solar cells, an hour. Its images come with
    `pip install elpv-dataset`.

    semiconductor_normality: detectors of five approaches. DATA holds mvtec/screw/,
    mvtec/transistor/, magnetic-tile/ and juice_bottle/. An hour.

    Example: knowngood study ece157a --data data/ --out ece157a/ --author "Ada Lovelace"
    """
    from knowngood.registry import settings_from

    settings = settings_from(setting or [])
    with progress_bars() as progress:
        figures = knowngood.run_study(
            name,
            data,
            out,
            seed=seed,
            quick=quick,
            settings=settings,
            author=author,
            title=title,
            device=device,
            progress=progress,
        )
    room = max(map(len, figures["figure"]))
    for row in figures.to_dict("records"):
        spread = f" ± {row['sd']:.2g}" if row.get("sd", -1) >= 0 else ""  # of one seed it is NaN
        document = f" (the document: {row['document']:g})" if row.get("document", 0) > 0 else ""
        typer.echo(f"{row['task']:12} {row['figure']:{room}} {row['value']:.4g}{spread}{document}")
    for note in figures.attrs["notes"]:
        typer.echo(textwrap.fill(note, 118, subsequent_indent="  "))
    typer.echo(f"slides: {out / 'slides.pdf'}, to edit: {out / 'slides.pptx'}")
    typer.echo(f"notebook: {out / 'study.ipynb'}")
