"""The good training images that look least like the others, as a page with their pictures."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from knowngood.data.arguments import Images
from knowngood.data.decoding import Source
from knowngood.data.geometry import Geometry
from knowngood.data.image_names import names_of
from knowngood.data.images import read_image
from knowngood.data.selection import good_sources
from knowngood.errors import DataError, UnreadableImage
from knowngood.inspector import about
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.suspects import not_listed, suspects
from knowngood.inspector.verdict import Verdict
from knowngood.notebook import followed
from knowngood.output import MARK, replacing
from knowngood.report.gallery import LARGEST, SIDE, Tile, address, webp
from knowngood.report.heatmaps import draw_heat
from knowngood.report.page import SIGNS, template
from knowngood.report.pictures import shrink
from knowngood.report.words import count
from knowngood.types import Progress

SHARE = 0.1
"""The first part of the list, of which there are pictures."""

FEWEST, MOST = 10, 60
"""Parts with pictures, at least and at most."""

_HEAT = (
    "Their heatmaps are those of a second fit without them, since the inspector has learned from them.",
    "The inspector has not learned from them.",
)


class Part(NamedTuple):
    """A held-out good part: see `knowngood.inspector.suspects.suspects`."""

    rank: int
    name: str
    score: float
    p_value: float
    far: bool
    names: list[str]  # of all its images
    path: str  # of the image with the highest score; empty for one from memory

    @property
    def link(self) -> str:
        """The address of its file; empty where there is no file."""
        return address(self.path) if self.path else ""

    @property
    def words(self) -> str:
        """The options of a fit that leave it out."""
        return " ".join(f"--without {shlex.quote(name)}" for name in self.names)


def write_suspects(
    inspector: Inspector,
    data: pd.DataFrame | Images,
    path: str | os.PathLike[str],
    *,
    geometry: Geometry | None = None,
    command: str = "knowngood fit FOLDER --out FILE",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write a page of the good training images that look least like the others, whole or not at all.

    A detector that trains no network is fitted a second time, without the first tenth of them, so that their
    heatmaps are those of a model that has not learned from them.

    Args:
        inspector: A detector that was fitted to the data.
        data: What it was fitted to, as `fit` takes it.
        path: The HTML file to write; an older report is replaced.
        geometry: That of the fit.
        command: The command that fits again, to which `--without` and names are added.
        overwrite: Replace any other file too.
        progress: Called during long work; without it, a notebook shows a bar.

    Raises:
        DataError: The data are not those of the inspector, or cannot be read.
        OutputError: The file cannot be written, or is not ours to replace.

    Example::

        inspector = fit("widget/")
        write_suspects(inspector, "widget/", "suspects.html")
    """
    progress = followed(progress)
    table, manifest = suspects(inspector), inspector.manifest
    selection = good_sources(data)
    sources = dict(zip(names_of(selection.sources), selection.sources, strict=True))
    if not sources.keys() >= set(table["name"]):
        raise DataError("these are not the good images that the inspector was fitted to: some are not there")
    shown = min(MOST, max(FEWEST, round(SHARE * len(table))), len(table))
    first = [name for names in table["names"][:shown] for name in names]
    unlearned = _without(inspector, data, geometry, first, len(sources), progress)
    pictures = [sources[name] for name in table["name"][:shown]]
    tiles = _tiles(
        pictures, manifest.bits, unlearned.inspect(pictures, progress=progress) if unlearned else []
    )
    parts = [
        Part(int(rank), name, float(value), float(p), bool(is_far), names, _path(sources[name]))
        for rank, name, value, p, is_far, names in table.itertuples(index=False)
    ]
    far = int(table["far_outside"].sum())
    page = template("suspects.html.jinja").render(
        generator=MARK,
        title=f"Suspects: {manifest.data or 'good training images'}",
        product=about.About(training=about.Images(manifest.data)).product,
        method=manifest.method,
        date=manifest.created[:10],
        sign=SIGNS["doubtful"],
        headline=headline(far, len(table)),
        details=list(_details(inspector, shown)),
        parts=parts,
        shown=list(zip(parts, tiles, strict=False)),
        heat=_HEAT[unlearned is inspector] if unlearned else "",
        command=command,
    )
    with replacing(path, MARK, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(page.encode("utf-8", errors="backslashreplace"))


def headline(far: int, parts: int) -> str:
    """Say how many parts are far above the others.

    Example:
        >>> headline(1, 20)
        '1 of 20 held-out good parts stands far above the others.'
    """
    if far:
        stand = "stands" if far == 1 else "stand"
        return f"{far} of {count(parts, 'held-out good part')} {stand} far above the others."
    return (
        f"None of {count(parts, 'held-out good part')} stands far above the others, but there may be defects "
        "among the first."
    )


def _details(inspector: Inspector, shown: int) -> Iterator[str]:
    """Say what to do, how the list was made, and what is not in it."""
    yield (
        f"Look at the first {shown}. A defect among the good images makes the threshold too high, and "
        "defects like it are accepted: leave out what shows one, and fit again."
    )
    yield "Each was scored by a model that was not fitted to it."
    if missing := not_listed(inspector.manifest):
        yield missing


def _without(
    inspector: Inspector,
    data: pd.DataFrame | Images,
    geometry: Geometry | None,
    first: Sequence[str],
    images: int,
    progress: Progress,
) -> Inspector | None:
    """An inspector that has not learned from the first images: another fit or, where the held-out images did
    not take part in a training, the same; None where there are no heatmaps.
    """
    from knowngood.detectors.registry import DETECTORS  # imports torch

    manifest = inspector.manifest
    recipe = DETECTORS.make(manifest.method, dict(manifest.recipe))
    left_out = [*manifest.left_out, *first]
    if "map" not in inspector.compiled.outputs or (not recipe.trains and images - len(left_out) < 2):
        return None
    if recipe.trains:
        return inspector
    from knowngood.inspector.fit import fit

    unreadable: list[UnreadableImage] = []
    return fit(
        data,
        recipe,
        seed=manifest.seed,
        device=manifest.device,
        without=left_out,
        geometry=geometry,
        tiles=manifest.tiles[0] if manifest.tiles else "none",
        on_unreadable=unreadable.append,
        progress=progress,
    )


def _path(source: Source) -> str:
    return str(source) if isinstance(source, str | Path) else ""


def _tiles(sources: Sequence[Source], bits: int | None, verdicts: Sequence[Verdict]) -> list[list[Tile]]:
    """The picture of each image and, where there are verdicts with maps, its heatmap."""
    made = []
    for source, verdict in zip_longest(sources, verdicts):
        image = shrink(read_image(source, bits=bits), SIDE)
        pictures = {"image": image}
        if verdict is not None:
            patch_map, scale = verdict.checked_map()
            pictures["heatmap"] = draw_heat(image, patch_map, scale, verdict.roi)
        made.append([Tile(webp(one, LARGEST), name, name) for name, one in pictures.items()])
    return made
