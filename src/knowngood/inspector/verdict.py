"""The result of inspecting one image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knowngood.cells import spelt
from knowngood.data.decoding import Source, name_of
from knowngood.data.reading import map_on_image
from knowngood.data.roi import Roi
from knowngood.errors import RecipeError
from knowngood.inspector.display import draw, html, show
from knowngood.inspector.regions import HeatScale, Region, above, find_regions
from knowngood.notebook import followed
from knowngood.types import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Verdict:
    """The result of inspecting one image.

    Args:
        source: The image: a path as it was given, or the bytes or the array of all else.
        index: Its position among the images given.
        score: Raw and unbounded; higher is more anomalous.
        p_value: Share of good parts that score at least as high; small means unlike any good part.
        decision: `accept`, `reject` or, of an inspector with three answers, `review`.
        size: Height and width of the image.
        patch_map: Anomaly map of the whole image at patch resolution, float32 `(h, w)`; None for image-only
            detectors.
        predicted_class: From a classifier, `good`, or for a rejected image the likeliest defect type.
        probabilities: From a classifier, the probability of each class by name, 1 in all.
        notes: Why it is to be doubted: `clipped` if values were above white, `shape` if the image has another
            aspect ratio or size than the training images, `lost` if no part was found that could be aligned;
            see `knowngood.inspector.notes`.
        heat_scale: The unit of the map, and its line; None for image-only detectors.
        extras: What was asked for beyond that, by name, for this image; see `Inspector.stream`.
        roi: The region that was inspected; None for all of the image.
        product: Which of several products it shows, `stranger` for none of them; None from an inspector of
            one product. See `knowngood.inspector.products`.
    """

    source: Source
    index: int
    score: float
    p_value: float
    decision: str
    size: tuple[int, int]
    patch_map: NDArray[np.float32] | None
    predicted_class: str | None = None
    probabilities: dict[str, float] | None = None
    notes: tuple[str, ...] = ()
    heat_scale: HeatScale | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    roi: Roi | None = None
    product: str | None = None

    def __repr__(self) -> str:
        name = spelt(name_of(self.source, self.index))
        found = " ".join(filter(None, [self.product, self.decision, self.predicted_class]))
        return f"Verdict({name!r}, {found}, score {self.score:.4g}, p-value {self.p_value:.2g})"

    def _repr_html_(self) -> str:
        return html(self)

    def show(self) -> None:
        """Show the image with its heatmap in a figure."""
        show(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the image with its heatmap, if there is one, on axes or on those of a new figure.

        Raises:
            UnreadableImage: The image can no longer be read.
        """
        return draw("verdict", self, ax)

    def row(self) -> dict[str, Any]:
        r"""The verdict as a row of a table.

        An array is named by its position. Bytes of a file name that are no text are spelt out, as `\udcff`. A
        class has the column `probability_column`. One of several products is in the column `product`.
        """
        row: dict[str, Any] = {"path": spelt(name_of(self.source, self.index))}
        if self.product is not None:
            row["product"] = self.product
        row |= {"score": self.score, "p_value": self.p_value, "decision": self.decision}
        if self.probabilities is not None:
            row["predicted_class"] = self.predicted_class
            row |= {probability_column(name): share for name, share in self.probabilities.items()}
        return row

    @property
    def map(self) -> NDArray[np.float32] | None:
        """The anomaly map in the image's own pixels, float32 `(H, W)`; None for image-only detectors.

        Outside the region that was inspected it has its least value, which is not above the line.
        """
        if self.patch_map is None:
            return None
        whole = map_on_image(self.patch_map, self.size)
        if self.roi is not None and self.heat_scale is not None:
            whole[~self.roi.inside(self.size)] = min(float(whole.min()), self.heat_scale.line)
        return whole

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The pixels of the image at which its map is above the line, bool `(H, W)`.

        Exactly the rejected images have such pixels, see `knowngood.inspector.regions.HeatScale.of_image`.

        Raises:
            RecipeError: The detector gives no maps.
        """
        patch_map, scale = self.checked_map()
        return above(patch_map, scale.line, self.size, self.roi)

    def regions(self) -> list[Region]:
        """Where the map is above the line, the region with the largest value first; see `mask`.

        Raises:
            RecipeError: The detector gives no maps.

        Example::

            for region in verdict.regions():
                mark(region.x, region.y, region.width, region.height)
        """
        patch_map, scale = self.checked_map()
        return find_regions(patch_map, scale.line, self.size, self.roi)

    def checked_map(self) -> tuple[NDArray[np.float32], HeatScale]:
        """The anomaly map at patch resolution, and its scale.

        Raises:
            RecipeError: The detector gives no maps.
        """
        if self.patch_map is None or self.heat_scale is None:
            raise RecipeError("this inspector's detector gives no maps: no heatmaps, masks or regions")
        return self.patch_map, self.heat_scale


def probability_column(name: str) -> str:
    """Return the column of a class's probability in a table: `p_<class>`, unless `p_value` has that name.

    Example:
        >>> probability_column("dent"), probability_column("value"), probability_column("value_")
        ('p_dent', 'p_value_', 'p_value__')
    """
    return f"p_{name}_" if re.fullmatch("value_*", name) else f"p_{name}"


def listed_verdicts(stream: Iterator[Verdict], total: int, progress: Progress | None) -> list[Verdict]:
    """List the verdicts of a stream, with progress."""
    verdicts, progress = [], followed(progress)
    for verdict in stream:
        verdicts.append(verdict)
        progress("inspecting images", len(verdicts), total)
    return verdicts
