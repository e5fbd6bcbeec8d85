"""Proposed labels of images: the places that an inspector rejects, for a person to check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.arguments import Images, count_of, each_source
from knowngood.data.decoding import name_of
from knowngood.data.held import HELD
from knowngood.data.imageset import GOOD
from knowngood.data.masks import joined
from knowngood.data.product_names import STRANGER
from knowngood.data.regions import regions_of
from knowngood.data.runs import runs_cell
from knowngood.errors import UnreadableImage
from knowngood.inspector.regions import NEAR
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.review import REJECT
from knowngood.notebook import followed
from knowngood.types import Progress

if TYPE_CHECKING:
    from knowngood.inspector.inspector import Inspector
    from knowngood.inspector.products import Products

PROPOSED = "proposed"
"""How the class of a proposal begins, in every format: nobody has checked it."""


def propose(
    inspector: Inspector | Products,
    images: Images,
    *,
    known_defects: bool = False,
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Propose labels and masks for images that have none, as first labels for a detector or a segmenter.

    A rejected image is a defect, with a mask for each of its regions (see `Verdict.regions`): where its map
    is above halfway from the maximum of a typical good part to that of the region, since a region down to the
    line grows with the strength of its defect. A region smaller than one value of the map is left out; where
    the map has its maximum, it is the place of this value. All other images are good, unless it is known that
    they are not. The class begins with `PROPOSED`, so that no proposal passes for a label.

    Args:
        inspector: Its detector must give maps.
        images: As `Inspector.inspect` takes them.
        known_defects: All of them show a defect; those that are accepted get the outline of their maximum.
        on_unreadable: Called with each image that cannot be read, which is then left out; without it such
            images are an error.
        progress: Called during long work.

    Returns:
        A table of samples for `knowngood.export`, with the columns `score` and `p_value` beside; images that
        show none of several products are left out.

    Raises:
        UnreadableImage: An image cannot be read.
        RecipeError: The detector gives no maps.

    Example::

        proposals = knowngood.propose(inspector, "new/")
        knowngood.export(proposals, "to-check/", "labelme")
    """
    progress, sources = followed(progress), list(each_source(images))
    rows: list[dict[str, Any]] = []
    held: list[Any] = []
    for done, verdict in enumerate(inspector.stream(sources, on_unreadable=on_unreadable), start=1):
        progress("inspecting images", done, count_of(sources))
        if verdict.product != STRANGER:
            rows.append(_row(verdict, known_defects))
            held.append(verdict.source)
    table = pd.DataFrame(rows, columns=["path", "split", "label", "defect", "mask", "score", "p_value"])
    return table if all(isinstance(source, str) for source in held) else table.assign(**{HELD: held})


def _row(verdict: Verdict, known_defects: bool) -> dict[str, Any]:
    """The proposal for one image."""
    patch_map, scale = verdict.checked_map()
    row: dict[str, Any] = {"path": name_of(verdict.source, verdict.index), "split": "train", "mask": ""}
    row |= {"label": "good", "defect": "", "score": verdict.score, "p_value": verdict.p_value}
    if verdict.decision != REJECT:
        if not known_defects:
            return row
        verdict = replace(verdict, heat_scale=scale.of_image(patch_map, rejected=True))
    name = f"{PROPOSED} {_defect_class(verdict)}"
    best, least = verdict.regions()[0], verdict.size[0] * verdict.size[1] / patch_map.size
    masks = [
        runs_cell(mask, name)
        for region in regions_of(outlined(verdict), "", verdict.size, name)
        if (mask := region.mask(verdict.size))[best.max_y, best.max_x] or region.area >= least
    ]
    return row | {"label": "defect", "defect": name, "mask": joined(masks)}


def outlined(verdict: Verdict) -> NDArray[np.bool_]:
    """Mark each region of an image where its map is above the half of it: bool (H, W)."""
    patch_map, scale = verdict.checked_map()
    regions = verdict.regions()
    _, numbers = cv2.connectedComponents(verdict.mask.astype(np.uint8), connectivity=8)
    lines = np.full(int(numbers.max()) + 1, np.inf, np.float32)
    for one in regions:
        half = one.max_score - NEAR * (one.max_score - scale.typical)
        lines[numbers[one.max_y, one.max_x]] = max(scale.line, half)
    marked: NDArray[np.bool_] = verdict.map > lines[numbers]
    best = regions[0]
    if np.count_nonzero(marked & (numbers == numbers[best.max_y, best.max_x])) < marked.size / patch_map.size:
        (rows, columns), (height, width) = patch_map.shape, verdict.size
        top, left = best.max_y - height // (2 * rows), best.max_x - width // (2 * columns)
        marked[max(0, top) : top + height // rows + 1, max(0, left) : left + width // columns + 1] = True
    return marked


def _defect_class(verdict: Verdict) -> str:
    """The likeliest type of defect; `defect` where types are not predicted."""
    shares = {name: share for name, share in (verdict.probabilities or {}).items() if name != GOOD}
    return max(shares, key=shares.__getitem__) if shares else "defect"
