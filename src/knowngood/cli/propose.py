from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.export import FormatName
from knowngood.cli.products import load_inspector
from knowngood.cli.progress import progress_bars
from knowngood.errors import UnreadableImage, escaped


def propose(
    inspector: options.InspectorFile,
    paths: Annotated[list[Path], typer.Argument(help="Images or folders of images without labels.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    format: FormatName = "coco",
    known_defects: Annotated[
        bool,
        typer.Option("--known-defects", help="All images show a defect: outline accepted ones too."),
    ] = False,
    product: options.ProductName = None,
    engine: options.EngineName = None,
) -> None:
    """Propose labels of images: where the inspector rejects them, as boxes and masks for a person to check.

    Their classes begin with "proposed". The formats are those of `knowngood export`.

    Example: knowngood propose widget.inspector new/ --format labelme --out to-check/
    """
    from knowngood.data.exports.export import check_new_folder
    from knowngood.data.files import find_images

    check_new_folder(out)
    loaded = load_inspector(inspector, product, engine)
    images, unread, notes = find_images(paths)
    failures = [f"not inspected: {one}" for one in unread]

    def left_out(one: UnreadableImage) -> None:
        failures.append(f"unreadable: {one}")

    with progress_bars() as progress:
        proposals = knowngood.propose(
            loaded, images, known_defects=known_defects, on_unreadable=left_out, progress=progress
        )
        exported = knowngood.export(proposals, out, format, progress=progress)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo("\n".join(map(escaped, exported.lines())))
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)
