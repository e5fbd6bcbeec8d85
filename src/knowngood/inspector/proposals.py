"""Proposed labels of images: the places that an inspector rejects, for a person to check."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from knowngood.data.arguments import Images, count_of, each_source
from knowngood.data.decoding import name_of
from knowngood.data.held import HELD
from knowngood.data.masks import joined
from knowngood.data.product_names import STRANGER
from knowngood.data.regions import regions_of
from knowngood.data.runs import runs_cell
from knowngood.errors import UnreadableImage
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
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Propose labels and masks for images that have none, as first labels for a detector or a segmenter.

    A rejected image is a defect, with a mask for each region where its map is above the line (see
    `Verdict.mask`); all others are good. A region smaller than one value of the map is left out, unless the
    map has its maximum there. The class begins with `PROPOSED`, so that no proposal passes for a label.

    Args:
        inspector: Its detector must give maps.
        images: As `Inspector.inspect` takes them.
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
            rows.append(_row(verdict))
            held.append(verdict.source)
    table = pd.DataFrame(rows, columns=["path", "split", "label", "defect", "mask", "score", "p_value"])
    return table if all(isinstance(source, str) for source in held) else table.assign(**{HELD: held})


def _row(verdict: Verdict) -> dict[str, Any]:
    """The proposal for one image."""
    patch_map, _ = verdict.checked_map()
    row: dict[str, Any] = {"path": name_of(verdict.source, verdict.index), "split": "train", "mask": ""}
    row |= {"label": "good", "defect": "", "score": verdict.score, "p_value": verdict.p_value}
    if verdict.decision != REJECT:
        return row
    name = f"{PROPOSED} {verdict.predicted_class or 'defect'}"
    hottest, height, width = verdict.regions()[0], *verdict.size
    least = height * width / patch_map.size
    masks = [
        runs_cell(region.mask(verdict.size), name)
        for region in regions_of(verdict.mask, "", verdict.size, name)
        if region.area >= least or region.box[:2] == (hottest.x, hottest.y)
    ]
    return row | {"label": "defect", "defect": name, "mask": joined(masks)}
