"""From good images of several products to one inspector file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from knowngood.data.decoding import Source, name_of
from knowngood.data.framing import image_sizes
from knowngood.data.image_names import names_of, places
from knowngood.data.product_names import folder_names
from knowngood.data.products import in_product, load_products
from knowngood.data.samples import fingerprint
from knowngood.data.selection import Selection, good_sources
from knowngood.detectors.recogniser import Recogniser
from knowngood.detectors.registry import DETECTORS
from knowngood.errors import DataError
from knowngood.inspector.detail import Looking
from knowngood.inspector.fit import fit
from knowngood.inspector.learn import Task, checked_device, learn
from knowngood.inspector.products import Products
from knowngood.metrics.thresholds import Threshold, conformal, given
from knowngood.notebook import followed
from knowngood.registry import resolve
from knowngood.types import Progress, with_title

if TYPE_CHECKING:
    from knowngood.data.geometry import Geometry
    from knowngood.data.products import Products as Samples
    from knowngood.detectors.base import Detector, Fit
    from knowngood.errors import UnreadableImage
    from knowngood.inspector.inspector import Inspector
    from knowngood.training.run import Run

STRANGERS = 0.01
"""The share of good parts that may be called strangers; the first threshold of each product rejects more."""


def fit_products(
    data: Samples,
    detector: str | Detector = "patchcore",
    *,
    seed: int = 0,
    without: str | Path | Sequence[str | Path] = (),
    geometry: Geometry | None = None,
    device: str = "auto",
    run: Run | None = None,
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
    progress: Progress | None = None,
    tiles: str | int | None = None,
    detail: str = "normal",
    smallest_defect: str | float | None = None,
    **settings: Any,
) -> Products:
    """Learn an inspector for each of several products, and to recognise which product an image shows.

    Args:
        data: A folder with a folder for each product, a table with a column `product`, or what
            `knowngood.load_samples` takes for each product, by its name; see `knowngood.load_products`.
        detector: As in `knowngood.fit`, the same for each product.
        seed: As in `knowngood.fit`.
        without: Good images that are left out, by the last parts of their paths.
        geometry: As in `knowngood.fit`, the same for each product; products are recognised in its region.
        device: As in `knowngood.fit`.
        run: As in `knowngood.fit`; each product has a folder of its own in that of the run.
        on_unreadable: As in `knowngood.fit`.
        progress: Called during long work; without it, a notebook shows a bar.
        tiles: As in `knowngood.fit`, and so are `detail` and `smallest_defect`; the images of each product
            say what follows.
        detail: See `tiles`.
        smallest_defect: See `tiles`.
        settings: Settings of the detector that differ from its defaults.

    Returns:
        All inspectors, each with its own threshold. An image is a stranger where it is farther from each
        product than half the distance between products; where products are similar, farther than 99 % of
        good images that the recogniser did not learn from.

    Raises:
        DataError: There are fewer than two products, two of them have an image in common, or the images of
            one cannot be used; the message names it.
        RecipeError: See `knowngood.fit`, as for all other errors.

    Example::

        products = fit_products("parts/")
        products = fit_products({"screw": "screw/", "transistor": photographs}, input_size=256)
        products.save("parts.inspector")
    """
    progress = followed(progress)
    recipe = resolve(DETECTORS, detector, settings)
    Looking(tiles, detail, smallest_defect)
    checked_device(recipe, seed=seed, device=device, run=run, geometry=geometry)
    tables = load_products(data)
    if len(tables) < 2:
        raise DataError(
            f"there is one product, {next(iter(tables), '')!r}; several are needed to recognise which one an "
            "image shows. Fit an inspector to its own folder"
        )
    selections = {}
    for name, table in tables.items():
        with in_product(name):
            selections[name] = good_sources(table)
    if geometry is not None:  # that it fits all products is known before the first is fitted
        geometry.region(image_sizes(list(chain.from_iterable(one.sources for one in selections.values()))))
    _check_distinct(selections, progress)
    kept = _without([without] if isinstance(without, str | Path) else without, selections)
    inspectors = {}
    for name, folder in zip(tables, folder_names(list(tables)), strict=True):
        own_run = dataclasses.replace(run, folder=run.folder / folder) if run and run.folder else run
        with in_product(name):
            inspectors[name] = fit(
                tables[name],
                recipe,
                seed=seed,
                without=kept[name],
                geometry=geometry,
                tiles=tiles,
                detail=detail,
                smallest_defect=smallest_defect,
                device=device,
                run=own_run,
                on_unreadable=on_unreadable,
                progress=with_title(progress, name),
            )
        if kept[name]:
            selections[name] = selections[name].without(kept[name])
    progress = with_title(progress, "recogniser")
    region = None if geometry is None else dataclasses.replace(geometry, align="none")
    good = _joined(selections, inspectors)
    recogniser = _recogniser(good, region, seed, device, on_unreadable is not None, progress)
    return Products(recogniser, inspectors)


def _recogniser(
    good: Selection, region: Geometry | None, seed: int, device: str, skip: bool, progress: Progress
) -> Inspector:
    """Learn to recognise products; images that cannot be read, which have been reported, may be skipped."""
    recipe = Recogniser()
    return learn(
        Task(DETECTORS, _line, region),
        recipe,
        good,
        seed=seed,
        device=checked_device(recipe, seed=seed, device=device, run=None),
        run=None,
        on_unreadable=(lambda _: None) if skip else None,
        progress=progress,
    )


def _line(fit: Fit) -> Threshold:
    """The distance beyond which an image is a stranger: half of that between products, and at least so much
    that few good parts are beyond it.

    At the conformal line alone most gross defects would be strangers: products are far more different from
    each other than a part with a missing piece is from its product.
    """
    record = fit.records.classifier
    assert record is not None
    others = -record.logits
    others[np.arange(len(others)), record.truth] = np.inf
    nearest = others.min(axis=1)
    half = min(float(np.median(nearest[record.truth == own])) for own in np.unique(record.truth)) / 2
    conformal_line = conformal(fit.held_out, STRANGERS)
    if half <= conformal_line.value:
        return conformal_line
    return dataclasses.replace(given(fit.held_out, half), rule="half the distance between products")


def _check_distinct(selections: dict[str, Selection], progress: Progress) -> None:
    """Refuse an image that is in two products: nothing could tell them apart."""
    product_of: dict[str, tuple[str, str]] = {}
    for name, selection in selections.items():
        digests = fingerprint(selection.sources, progress=with_title(progress, name))
        named = [name_of(source, place) for place, source in enumerate(selection.sources)]
        for digest, image in zip(digests, named, strict=True):
            other, first = product_of.setdefault(digest, (name, image))
            if other != name and digest:
                raise DataError(
                    f"{image!r} of product {name!r} is the same image as {first!r} of product {other!r}; "
                    "an image shows one product: remove it from the other"
                )


def _without(wanted: Sequence[str | Path], selections: dict[str, Selection]) -> dict[str, list[str]]:
    """The images to leave out of each product, by their paths, or by their positions where they are none."""
    sources: list[Source] = list(chain.from_iterable(one.sources for one in selections.values()))
    found = places(wanted, sources, names_of(sources))
    left_out: dict[str, list[str]] = {}
    start = 0
    for name, selection in selections.items():
        mine = [at - start for at in sorted(found) if start <= at < start + len(selection.sources)]
        left_out[name] = [name_of(selection.sources[at], at) for at in mine]
        start += len(selection.sources)
    return left_out


def _joined(selections: dict[str, Selection], inspectors: dict[str, Inspector]) -> Selection:
    """The good images of all products, whose class is their product.

    Photographs of one part are those that the fit to their product found: among images of other products, all
    of one product would look like copies of each other.
    """
    sources, classes, groups = [], [], []
    for name, selection in selections.items():
        named = selection.names or names_of(selection.sources)
        parts = enumerate(inspectors[name].manifest.held_out_names)
        part_of = {image: f"part {number}" for number, images in parts for image in images}
        sources += selection.sources
        classes += [name] * len(named)
        groups += [f"{name} {part_of.get(image, image)}" for image in named]
    return Selection(sources, classes, groups)
