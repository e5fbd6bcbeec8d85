"""From tiles to pictures: one score of a picture while fitting, and one verdict while inspecting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knowngood.data.imageset import Batch, ImageSet
from knowngood.data.reading import Reading
from knowngood.data.tiling import Tile

if TYPE_CHECKING:
    from knowngood.detectors.base import Fit

Given = dict[str, NDArray[Any]]
"""What a graph gave for some images, by name."""


def of_pictures(fit: Fit, images: ImageSet) -> Fit:
    """A fit to tiles with the held-out score, and the maximum of the map, of each picture: the largest of all
    its tiles, which are held out together.
    """
    if images.tiles is None:
        return fit
    places, of_picture = np.unique(images.pictures[fit.places], return_inverse=True)

    def largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
        of_each = np.full(len(places), -np.inf)
        np.maximum.at(of_each, of_picture, values)
        return of_each

    maxima = None if fit.map_maxima is None else largest(fit.map_maxima)
    return fit._replace(held_out=largest(fit.held_out), places=places, map_maxima=maxima)


def joined(results: Iterator[tuple[Batch, Given]], reading: Reading) -> Iterator[tuple[Batch, Given]]:
    """Join the results of all tiles of each picture, which come one after another, one in a batch.

    The score of a picture is that of its most anomalous tile, and so is all else but the map, which is
    stitched, over the region that is inspected. Of the others no more than their maps are kept.
    """
    tiling = reading.tiling
    assert tiling is not None
    tiles: list[Tile] = []
    maps: list[NDArray[np.float32]] = []
    worst: tuple[Batch, Given] | None = None
    for batch, given in results:
        tiles += [tile for tile in batch.tiles if tile is not None]
        if "map" in given:
            maps.append(given["map"][0].copy())
        if worst is None or given["score"][0] > worst[1]["score"][0]:
            worst = batch, {name: array.copy() for name, array in given.items()}
        size = (int(batch.sizes[0, 0]), int(batch.sizes[0, 1]))
        if len(tiles) == len(reading.tiles(size)):
            stitched = {"map": tiling.stitched(maps, tiles, reading.extent(size))[None]} if maps else {}
            yield worst[0], worst[1] | stitched
            tiles, maps, worst = [], [], None
