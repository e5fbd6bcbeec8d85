"""The card of a data set: what it holds, what is wrong with it, and what that means, as one page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from knowngood.data.appearance import Appearances, appearances, standing_out
from knowngood.data.class_names import class_of_each
from knowngood.data.decoding import LISTED, Mask, Source
from knowngood.data.description import Description
from knowngood.data.held import masks_of, sources_of
from knowngood.data.images import read_image, read_mask
from knowngood.data.imageset import good_first
from knowngood.data.samples import data_name
from knowngood.errors import DataError, UnreadableImage, escaped
from knowngood.notebook import followed
from knowngood.output import MARK, replacing
from knowngood.report.annotations import annotation_exhibits
from knowngood.report.charts import legend_beside
from knowngood.report.exhibits import Chart, Exhibit, Picture, Pictures, Section, Table, Text
from knowngood.report.page import template
from knowngood.report.pictures import outline, shrink
from knowngood.report.style import NAMED, short
from knowngood.report.suspects import headline
from knowngood.report.words import count, score
from knowngood.types import Progress

SHOWN = 8
"""Pictures of a class, and of images that stand out."""

MOST_CLASSES = 24
"""Classes with a row of pictures; of others only counts are shown."""

SUSPECTS = 16
"""Pictures of suspects."""

_SIDE = 240  # pixels of a picture on its longer side


def write_card(
    description: Description,
    path: str | os.PathLike[str],
    *,
    suspects: pd.DataFrame | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the card of a data set as one self-contained HTML file, whole or not at all.

    It has counts, sizes and depths, pictures of each class, brightness and sharpness with what stands out,
    areas and places of defects, copies, and what all this means. Images are read once more for it.

    Args:
        description: Of `knowngood.describe`.
        path: The file to write; an older report is replaced.
        suspects: Of `knowngood.suspects_among`: good images that look least like the others are shown.
        overwrite: Replace any other file too.
        progress: Called during long work; without it, a notebook shows a bar.

    Raises:
        OutputError: The file cannot be written, or is not ours to replace.

    Example::

        knowngood.write_card(knowngood.describe("widget/"), "card.html")
    """
    table, bits = description.samples, description.bits or 16
    measured = appearances(table, bits=bits, progress=followed(progress))
    found: dict[str, list[Exhibit]] = {
        "What there is": [_counts(description), Text("In words", description.facts())],
        "What it means": list(_meaning(description)),
        "Each class": [_sheet(table, bits)],
        "How images differ": list(_differences(measured, table, bits)),
        "Where defects are": list(_places(measured, table)),
        "Good images that look least like the others": _suspects(suspects, table, bits),
    }
    page = template("card.html.jinja").render(
        generator=MARK,
        title=f"Data set: {data_name(table) or 'images'}",
        subtitle=f"{count(len(table), 'image')}, laid out as: {description.layout}",
        sections=[Section(title, exhibits) for title, exhibits in found.items() if exhibits],
    )
    with replacing(path, MARK, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(page.encode("utf-8", errors="backslashreplace"))


def _counts(description: Description) -> Table:
    """Count images per class and split."""
    names = list(dict.fromkeys(name for _, name in description.counts))
    splits = [split for split in ("train", "test") if any(split == one for one, _ in description.counts)]
    total = sum(description.counts.values())
    rows = []
    for name in good_first(names):
        own = [description.counts.get((split, name), 0) for split in splits]
        rows.append([name, *map(str, own), str(sum(own)), f"{100 * sum(own) / total:.1f} %"])
    return Table("Images of each class", ["class", *splits, "all", "share"], rows, numbers=len(splits) + 2)


def _meaning(description: Description) -> Iterator[Exhibit]:
    """Say what to expect, what may be misunderstood, and what is wrong with which files."""
    yield Text("What to expect", description.expected())
    if description.notes:
        yield Text("Notes", [escaped(note) for note in description.notes])
    for problem, files in description.problems().items():
        more = [f"and {len(files) - LISTED} more"] if len(files) > LISTED else []
        yield Text(f"{problem[0].upper()}{problem[1:]}: {len(files)}", [*map(escaped, files[:LISTED]), *more])


def _sheet(table: pd.DataFrame, bits: int) -> Pictures:
    """Show images of each class, a class per row, evenly spread over its list; defects are outlined."""
    classes, rows, names = class_of_each(table), [], []
    for name in good_first(classes.unique())[:MOST_CLASSES]:
        own = table[classes == name]
        some = own.iloc[np.unique(np.linspace(0, len(own) - 1, SHOWN).astype(int))]
        row = [_picture(*files, bits) for files in zip(sources_of(some), masks_of(some), strict=True)]
        blank = Picture(np.full((1, 1), 255, np.uint8), text="no more images")
        rows.append([*row, *[blank] * (SHOWN - len(row))])
        names.append(f"{short(name)}: {len(own)}")
    return Pictures(f"Up to {SHOWN} images of each class", rows, names, "Defects with a mask are outlined.")


def _picture(source: Source, mask: Mask, bits: int) -> Picture:
    """Read a picture, small and outlined; a grey one where it cannot be read."""
    try:
        image = read_image(source, bits=bits)
    except UnreadableImage as error:
        return Picture(np.full((1, 1), 160, np.uint8), text=f"cannot be read: {error.reason}")
    small = shrink(image, _SIDE)
    with suppress(DataError):
        if len(mask):
            small = outline(small, read_mask(mask, (image.shape[0], image.shape[1])))
    return Picture(small)


def _differences(measured: Appearances, table: pd.DataFrame, bits: int) -> Iterator[Exhibit]:
    """Show brightness and sharpness of all images, and those that stand out."""
    rows = measured.rows
    if rows.empty:
        return

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, name in enumerate(good_first(rows["name"].unique())[:NAMED]):
            own = rows[rows["name"] == name]
            axes.scatter(
                own["brightness"], own["sharpness"], s=9, color=f"C{number}", label=short(name), alpha=0.6
            )
        axes.set(xlabel="brightness: mean grey level, 0 to 255", ylabel="sharpness, grey levels")
        legend_beside(axes)

    note = "Sharpness is the standard deviation of the Laplacian of images of at most 512 pixels a side."
    yield Chart("Brightness and sharpness", draw, note)
    source_of = dict(zip(table["path"], sources_of(table), strict=True))
    for column, low, high in (("brightness", "dark", "bright"), ("sharpness", "blurred", "sharp")):
        out = rows[standing_out(rows[column])]
        if out.empty:
            continue
        middle = rows[column].median()
        out = out.iloc[(out[column] - middle).abs().argsort()[::-1]][:SHOWN]
        pictures = []
        for path, value in zip(out["path"], out[column], strict=True):
            word = high if value > middle else low
            caption = f"{short(Path(path).name)}\n{word}: {value:.1f}"
            pictures.append(_picture(source_of[path], "", bits)._replace(caption=caption))
        half = f"{rows[column].quantile(0.25):.1f} to {rows[column].quantile(0.75):.1f}"
        note = (
            f"Half of the images have {half}; these are farther from it than three times this range. What a "
            "failed lamp or a lens out of focus changes looks like a defect to a detector, and among good "
            "training images it hides real ones."
        )
        yield Pictures(
            f"{count(int(standing_out(rows[column]).sum()), 'image')} of unusual {column}",
            [pictures],
            (),
            note,
        )


def _suspects(suspects: pd.DataFrame | None, table: pd.DataFrame, bits: int) -> list[Exhibit]:
    """Show the first suspects with their scores; nothing where they were not searched."""
    if suspects is None:
        return []
    source_of = dict(zip(table["path"], sources_of(table), strict=True))
    pictures = []
    for _, one in suspects[:SUSPECTS].iterrows():
        far = "\nfar above the others" if one["far_outside"] else ""
        caption = (
            f"{one['rank']}. {short(one['name'])}\nscore {score(one['score'])}, p {one['p_value']:.2g}{far}"
        )
        pictures.append(_picture(source_of[one["path"]], "", bits)._replace(caption=caption))
    note = (
        "Each good image was scored by a detector that has not learned from it, the highest first; p is the "
        "share of the others that score at least as high. Look whether these are good: a defect among the "
        "good images makes the threshold too high, and in a test it is counted as a false reject."
    )
    return [Pictures(headline(int(suspects["far_outside"].sum()), len(suspects)), [pictures], (), note)]


def _places(measured: Appearances, table: pd.DataFrame) -> Iterator[Exhibit]:
    """Show where defects happen, and how large they are."""
    masked = measured.rows.dropna(subset="area")
    masked = masked[masked["area"] > 0]
    if masked.empty:
        return

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        shown = axes.imshow(100 * measured.places, cmap="magma", vmin=0, extent=(0, 1, 1, 0))
        axes.set(xlabel="share of the width", ylabel="share of the height")
        figure.colorbar(shown, label="masks that mark the place, %")

    yield Chart("Where masks mark", draw, size=(5.4, 4.2))
    rows = []
    for name in good_first(masked["name"].unique()):
        own = 100 * masked["area"][masked["name"] == name]
        rows.append(
            [name, str(len(own)), *(f"{value:.3g}" for value in (own.min(), own.median(), own.max()))]
        )
    columns = ["class", "masks", "smallest, %", "median, %", "largest, %"]
    yield Table("Area of defects, share of the image", columns, rows, numbers=4)
    if "image in memory" not in table:
        yield from annotation_exhibits(table)
