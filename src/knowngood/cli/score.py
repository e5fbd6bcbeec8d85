from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.errors import OutputError, UnreadableImage, escaped


def score(
    inspector: options.InspectorFile,
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: options.Table = None,
    heatmaps: Annotated[Path | None, typer.Option(help="A folder for a heatmap of each image.")] = None,
    engine: options.EngineName = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Inspect images: score, p-value and decision for each.

    Images that cannot be read or drawn are named at the end, and the exit status is 1.

    Example: knowngood score widget.inspector new/ --out scores.csv --heatmaps heatmaps/
    """
    from knowngood.data.files import find_images
    from knowngood.inspector.notes import note_sentences
    from knowngood.report.verdicts import HeatmapWriter, write_verdicts

    options.check_table(out, inspector, *paths, overwrite=overwrite)
    loaded = knowngood.Inspector.load(inspector, engine=engine)
    images, unread, left_out = find_images(paths)
    failures = [f"not inspected: {one}" for one in unread]
    draw = HeatmapWriter(heatmaps, loaded, images) if heatmaps is not None else None
    rows, doubts = [], []
    typer.echo(f"threshold {loaded.threshold.value:.4f}, {loaded.threshold.rule}", err=True)
    for note in left_out:
        typer.echo(f"note: {note}", err=True)
    with progress_bars() as progress:
        stream = loaded.stream(images, on_unreadable=lambda one: failures.append(f"unreadable: {one}"))
        for done, verdict in enumerate(stream, 1):
            row = verdict.row()
            rows.append(row)
            doubts.append(verdict.notes)
            if draw is not None:
                try:
                    draw(verdict)
                except (UnreadableImage, OutputError) as error:
                    failures.append(f"no heatmap: {error}")
            if out is None:
                typer.echo(
                    f"{row['decision']}  {row['score']:9.4f}  p={row['p_value']:.4f}  {escaped(row['path'])}"
                )
            progress("inspecting images", done, len(images))
    if out is not None:
        write_verdicts(rows, out, overwrite=overwrite)
    rejected = sum(row["decision"] == "reject" for row in rows)
    typer.echo(f"Inspected {len(rows)} images, rejected {rejected}" + (f": {out}" if out else ""), err=True)
    for sentence in note_sentences(loaded.manifest, doubts):
        typer.echo(f"warning: {sentence}", err=True)
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)
