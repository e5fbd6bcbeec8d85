from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.products import chosen, load_inspector
from knowngood.cli.progress import progress_bars
from knowngood.cli.tables import check_table
from knowngood.errors import OutputError, UnreadableImage, escaped

if TYPE_CHECKING:
    from knowngood.data.files import ToInspect
    from knowngood.report.beside import FileForEach


class Style(StrEnum):
    """How heatmaps are drawn."""

    OVERLAY = "overlay"
    SIDE_BY_SIDE = "side-by-side"
    RAW = "raw"


def score(
    inspector: options.InspectorFile,
    paths: Annotated[
        list[Path], typer.Argument(help="Images, folders of images, or a table with a column path.")
    ],
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
    reference: options.ReferencePatterns = None,
    product: options.ProductName = None,
    engine: options.EngineName = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Inspect images: score, p-value and decision for each.

    Images that cannot be read and files that cannot be written are named at the end; the exit status is then
    1, else 0, whatever the decisions.

    With an inspector of several products, each image is recognised, or rejected as a stranger; --product or
    a column product of a table says which one it shows.

    Example: knowngood score widget.inspector new/ --out scores.csv --heatmaps heatmaps/
    """
    from knowngood.data.product_names import STRANGER
    from knowngood.report import beside
    from knowngood.report.verdicts import check_regions, region_row, write_regions, write_verdicts

    if heatmaps is None and heatmaps_style != Style.OVERLAY:
        raise typer.BadParameter("--heatmaps-style goes with --heatmaps FOLDER")
    if regions is not None and regions == out:
        raise typer.BadParameter("--out and --regions need different files")
    check_table(out, inspector, *paths, overwrite=overwrite)
    if regions is not None:
        check_regions(regions, inputs=[inspector, *paths], overwrite=overwrite)
    loaded = load_inspector(inspector, None, engine)
    (images, unread, left_out), names = _listed(paths, product, reference or ())
    failures = [f"not inspected: {one}" for one in unread]
    writers = []
    if heatmaps is not None:
        writers.append(beside.heatmaps(heatmaps, images, loaded, heatmaps_style))
    if masks is not None:
        writers.append(beside.masks(masks, images))
    stream = _stream(loaded, images, names, lambda one: failures.append(f"unreadable: {one}"))
    inspectors = chosen(loaded, product, inspector)
    _echo_lines(inspectors)
    for note in left_out:
        typer.echo(f"note: {note}", err=True)
    rows, region_rows = [], []
    doubts: dict[str, list[tuple[str, ...]]] = {name: [] for name in (*inspectors, STRANGER)}
    with progress_bars() as progress:
        for done, verdict in enumerate(stream, 1):
            row = verdict.row()
            rows.append(row)
            doubts[verdict.product or ""].append(verdict.notes)
            if verdict.product != STRANGER:  # of which there is no map
                if regions is not None:
                    region_rows.append(region_row(verdict))
                failures += _write_each(writers, verdict)
            if out is None:
                figures = f"{row['decision']}  {row['score']:9.4f}  p={row['p_value']:.4f}"
                typer.echo("  ".join(filter(None, [figures, verdict.product, escaped(row["path"])])))
            progress("inspecting images", done, len(images))
    if out is not None:
        write_verdicts(rows, out, overwrite=overwrite)
    if regions is not None:
        write_regions(region_rows, regions, overwrite=overwrite)
    _echo_counts(Counter(row["decision"] for row in rows), inspectors, out)
    _echo_doubts(inspectors, doubts)
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)


def _echo_lines(inspectors: "Mapping[str, knowngood.Inspector]") -> None:
    """Print the threshold of each product, and its line for review."""
    for name, one in inspectors.items():
        typer.echo(f"{_of(name)}threshold {one.threshold.value:.4f}, {one.threshold.rule}", err=True)
        if one.review:
            typer.echo(f"{_of(name)}review above {one.review.value:.4f}, {one.review.rule}", err=True)


def _echo_counts(
    decisions: Counter[str], inspectors: "Mapping[str, knowngood.Inspector]", out: Path | None
) -> None:
    """Print how many images were inspected, and how many of them were rejected or are to be reviewed."""
    reviewed = any(one.review for one in inspectors.values())
    review = f", for review {decisions['review']}" if reviewed else ""
    where = f": {out}" if out else ""
    typer.echo(
        f"Inspected {decisions.total()} images, rejected {decisions['reject']}{review}{where}", err=True
    )


def _echo_doubts(
    inspectors: "Mapping[str, knowngood.Inspector]", notes: Mapping[str, list[tuple[str, ...]]]
) -> None:
    """Print how many images are strangers, and what the notes on the images of each product say."""
    from knowngood.data.product_names import STRANGER
    from knowngood.inspector.notes import note_sentences

    if strangers := len(notes[STRANGER]):
        typer.echo(f"{strangers} of these images are strangers: like no product, and without a map", err=True)
    for name, inspector in inspectors.items():
        for sentence in note_sentences(inspector.manifest, notes[name]):
            typer.echo(f"warning: {_of(name)}{sentence}", err=True)


def _of(product: str) -> str:
    """What stands before a line on one of several products."""
    return f"{product}: " if product else ""


def _listed(
    paths: Sequence[Path], product: str | None, reference: Sequence[str]
) -> tuple["ToInspect", "str | list[str] | None"]:
    """The images to inspect with their references, and the product of all or of each where it is named."""
    from knowngood.data.files import ToInspect, find_images
    from knowngood.data.pairs import paired
    from knowngood.inputs import TABLE_SUFFIXES

    if not any(path.suffix.lower() in TABLE_SUFFIXES and path.is_file() for path in paths):
        found = find_images(paths)
        return found._replace(images=paired(found.images, reference)), product
    if len(paths) > 1:
        raise typer.BadParameter("a table lists all images to inspect; name it alone")
    from knowngood.data.held import sources_of
    from knowngood.data.tables import check_listing, read_table

    table = read_table(paths[0], check_listing)
    named = table["product"].tolist() if "product" in table else None
    images = [str(one) if not isinstance(one, str) else one for one in sources_of(table)]
    return ToInspect(images, [], []), product or named


def _stream(
    loaded: "knowngood.Inspector | knowngood.Products",
    images: Sequence[str],
    product: "str | list[str] | None",
    on_unreadable: Callable[[UnreadableImage], None],
) -> "Iterator[knowngood.Verdict]":
    """The verdicts, by the inspector of each product where there are several."""
    if isinstance(loaded, knowngood.Products):
        return loaded.stream(images, product=product, on_unreadable=on_unreadable)
    return loaded.stream(images, on_unreadable=on_unreadable)


def _write_each(writers: Sequence["FileForEach"], verdict: "knowngood.Verdict") -> Iterator[str]:
    """Write the files of a verdict; yield which could not be written, and why."""
    for write in writers:
        try:
            write(verdict)
        except (UnreadableImage, OutputError) as error:
            yield f"not written: {error}"
