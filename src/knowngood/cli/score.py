from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.errors import OutputError, UnreadableImage, escaped

if TYPE_CHECKING:
    from knowngood.report.beside import FileForEach


class Style(StrEnum):
    """How heatmaps are drawn."""

    OVERLAY = "overlay"
    SIDE_BY_SIDE = "side-by-side"
    RAW = "raw"


def score(
    inspector: options.InspectorFile,
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: options.Table = None,
    heatmaps: Annotated[Path | None, typer.Option(help="A folder for a heatmap of each image.")] = None,
    heatmaps_style: Annotated[
        Style, typer.Option(help="raw: the anomaly map itself, as a floating-point TIFF.")
    ] = Style.OVERLAY,
    masks: Annotated[
        Path | None, typer.Option(help="A folder for a mask of each image: where its map is above the line.")
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(help="A .csv, .json or .jsonl file for these places as boxes.")
    ] = None,
    engine: options.EngineName = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Inspect images: score, p-value and decision for each.

    Images that cannot be read and files that cannot be written are named at the end; the exit status is then
    1, else 0, whatever the decisions.

    Example: knowngood score widget.inspector new/ --out scores.csv --heatmaps heatmaps/
    """
    from knowngood.data.files import find_images
    from knowngood.inspector.notes import note_sentences
    from knowngood.report import beside
    from knowngood.report.verdicts import check_regions, region_row, write_regions, write_verdicts

    if heatmaps is None and heatmaps_style != Style.OVERLAY:
        raise typer.BadParameter("--heatmaps-style goes with --heatmaps FOLDER")
    if regions is not None and regions == out:
        raise typer.BadParameter("--out and --regions need different files")
    options.check_table(out, inspector, *paths, overwrite=overwrite)
    if regions is not None:
        check_regions(regions, inputs=[inspector, *paths], overwrite=overwrite)
    loaded = knowngood.Inspector.load(inspector, engine=engine)
    images, unread, left_out = find_images(paths)
    failures = [f"not inspected: {one}" for one in unread]
    writers = []
    if heatmaps is not None:
        writers.append(beside.heatmaps(heatmaps, images, loaded, heatmaps_style))
    if masks is not None:
        writers.append(beside.masks(masks, images))
    rows, region_rows, doubts = [], [], []
    typer.echo(f"threshold {loaded.threshold.value:.4f}, {loaded.threshold.rule}", err=True)
    if loaded.review:
        typer.echo(f"review above {loaded.review.value:.4f}, {loaded.review.rule}", err=True)
    for note in left_out:
        typer.echo(f"note: {note}", err=True)
    with progress_bars() as progress:
        stream = loaded.stream(images, on_unreadable=lambda one: failures.append(f"unreadable: {one}"))
        for done, verdict in enumerate(stream, 1):
            row = verdict.row()
            rows.append(row)
            doubts.append(verdict.notes)
            if regions is not None:
                region_rows.append(region_row(verdict))
            failures += _write_each(writers, verdict)
            if out is None:
                typer.echo(
                    f"{row['decision']}  {row['score']:9.4f}  p={row['p_value']:.4f}  {escaped(row['path'])}"
                )
            progress("inspecting images", done, len(images))
    if out is not None:
        write_verdicts(rows, out, overwrite=overwrite)
    if regions is not None:
        write_regions(region_rows, regions, overwrite=overwrite)
    counts = Counter(row["decision"] for row in rows)
    review = f", for review {counts['review']}" if loaded.review else ""
    typer.echo(
        f"Inspected {len(rows)} images, rejected {counts['reject']}{review}" + (f": {out}" if out else ""),
        err=True,
    )
    for sentence in note_sentences(loaded.manifest, doubts):
        typer.echo(f"warning: {sentence}", err=True)
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)


def _write_each(writers: Sequence["FileForEach"], verdict: "knowngood.Verdict") -> Iterator[str]:
    """Write the files of a verdict; yield which could not be written, and why."""
    for write in writers:
        try:
            write(verdict)
        except (UnreadableImage, OutputError) as error:
            yield f"not written: {error}"
