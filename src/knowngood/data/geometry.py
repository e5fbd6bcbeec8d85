"""Where in a picture an inspector looks, as a user says it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knowngood.data.drawn import Drawn, marked_by
from knowngood.data.roi import Roi
from knowngood.errors import DataError, RecipeError, quoted

ALIGN = ("none", "auto")
LEAST_SIDE = 8
"""Pixels that a region must extend over in both directions; no smaller picture is read either."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where in a picture an inspector looks.

    Args:
        roi: The region of interest: pictures are cut to it, and what is outside is not inspected. A JSON
            file, a mask image, or either in memory; see `knowngood.data.drawn`. None for the whole picture.
        ignore: A region that is not inspected, in the same forms.
        align: `auto` finds the part in each picture and turns it to one position before it is inspected, if
            that makes good parts more alike; see `knowngood.data.alignment`. `none` leaves pictures as they
            are.

    Raises:
        RecipeError: There is no such alignment.

    Example:
        >>> Geometry(roi={"shapes": [{"rectangle": [40, 20, 200, 160]}]}).align
        'none'
    """

    roi: Drawn | None = None
    ignore: Drawn | None = None
    align: str = "none"

    def __post_init__(self) -> None:
        if self.align not in ALIGN:
            raise RecipeError(
                f"align={quoted(self.align)} is not known; take {' or '.join(ALIGN)}",
                setting="align",
                value=self.align,
            )

    @property
    def whole(self) -> bool:
        """Whether pictures are inspected whole and as they are."""
        return self.roi is None and self.ignore is None and self.align == "none"

    def region(self, sizes: NDArray[np.int64]) -> Roi | None:
        """The region that is inspected in pictures of heights and widths `(n, 2)`; None for all of them.

        Raises:
            DataError: A region cannot be read or does not fit the pictures, or nothing is left.
        """
        if self.roi is None and self.ignore is None:
            return None
        marked = None if self.roi is None else marked_by(self.roi, sizes, "--roi")
        if self.ignore is not None:
            ignored = marked_by(self.ignore, sizes, "--ignore-region")
            marked = ~ignored if marked is None else marked & ~ignored
        if marked is None or not marked.any():
            raise DataError("--ignore-region covers all that is to be inspected; make it smaller")
        roi = Roi.of(marked)
        if min(roi.box[2:]) < LEAST_SIDE:
            raise DataError(
                f"the region to inspect extends over {roi.box[2]} x {roi.box[3]} pixels (height x width); it "
                f"needs {LEAST_SIDE} in both directions"
            )
        return roi
