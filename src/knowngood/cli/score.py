"""`knowngood score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli.options import EngineName, InspectorFile, Table

if TYPE_CHECKING:
    from knowngood.errors import UnreadableImage


def score(
    inspector: InspectorFile,
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: Table = None,
    heatmaps: Annotated[Path | None, typer.Option(help="A folder for a heatmap of each image.")] = None,
    engine: EngineName = "openvino",
) -> None:
    """Judge images: score, p-value and decision for each.

    Images that cannot be read are named at the end, and the exit status is 1.

    Example: knowngood score widget.inspector new/ --out scores.csv --heatmaps heatmaps/
    """
    from knowngood.cli.progress import progress_bars
    from knowngood.data.files import find_images
    from knowngood.output import check_target
    from knowngood.report.verdicts import HeatmapWriter, check_suffix, write_verdicts

    if out is not None:
        check_suffix(out)
        check_target(out)
    judge = knowngood.Inspector.load(inspector, engine=engine)
    images = find_images(paths)
    unreadable: list[UnreadableImage] = []
    draw = HeatmapWriter(heatmaps, judge, images) if heatmaps is not None else None
    rows = []
    line = judge.threshold
    typer.echo(f"threshold {line.value:.4f}, {line.rule}", err=True)
    with progress_bars() as progress:
        for done, verdict in enumerate(judge.stream(images, on_unreadable=unreadable.append), 1):
            rows.append(verdict.row())
            if draw is not None:
                draw(verdict)
            if out is None:
                row = rows[-1]
                typer.echo(f"{row['decision']}  {row['score']:9.4f}  p={row['p_value']:.4f}  {row['path']}")
            progress("judging images", done, len(images))
    if out is not None:
        write_verdicts(rows, out)
    rejected = sum(row["decision"] == "reject" for row in rows)
    typer.echo(f"Judged {len(rows)} images, rejected {rejected}" + (f": {out}" if out else ""), err=True)
    for failure in unreadable:
        typer.echo(f"unreadable: {failure}", err=True)
    if unreadable:
        raise typer.Exit(1)
