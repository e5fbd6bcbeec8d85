"""Files beside inspected images: heatmaps, raw anomaly maps and masks, each under the name of its image."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from knowngood.data.files import common_folder
from knowngood.data.images import read_image
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.products import Products
from knowngood.inspector.verdict import Verdict
from knowngood.output import MARK, make_folder, replacing
from knowngood.report.heatmaps import heatmap
from knowngood.report.pictures import marked_png

_SOFTWARE = 305  # the TIFF tag that names the program


class FileForEach:
    """Writes a file for each inspected image, named as the image with an ending, such as `000.png.mask.png`.

    Images from several folders keep them as sub-folders. No file is replaced that is not ours.

    Args:
        folder: Where to write.
        images: All images that will be inspected.
        ending: What follows the name of an image.
        encode: The content of the file of a verdict.

    Raises:
        UnreadableImage: The image can no longer be read.
        OutputError: The file cannot be written.
        RecipeError: The inspector's detector gives no maps (raised with the first verdict).
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        images: Sequence[str],
        ending: str,
        encode: Callable[[Verdict], bytes],
    ) -> None:
        self.folder = Path(folder)
        self.root = common_folder(images)
        self.ending = ending
        self.encode = encode

    def __call__(self, verdict: Verdict) -> None:
        """Write the file of one verdict."""
        relative = Path(str(verdict.source)).absolute().relative_to(self.root)
        target = self.folder / relative.with_name(relative.name + self.ending)
        content = self.encode(verdict)
        make_folder(target.parent)
        with replacing(target, MARK) as unfinished:
            unfinished.write_bytes(content)


def heatmaps(
    folder: str | os.PathLike[str],
    images: Sequence[str],
    inspector: Inspector | Products,
    style: str = "overlay",
) -> FileForEach:
    """Write heatmaps: `overlay` or `side-by-side` as `.heatmap.png`, `raw` maps as `.map.tiff`."""
    if style == "raw":
        return FileForEach(folder, images, ".map.tiff", map_tiff)
    draw = partial(heatmap_png, inspector=inspector, beside=style == "side-by-side")
    return FileForEach(folder, images, ".heatmap.png", draw)


def masks(folder: str | os.PathLike[str], images: Sequence[str]) -> FileForEach:
    """Write masks as `.mask.png`."""
    return FileForEach(folder, images, ".mask.png", mask_png)


def heatmap_png(verdict: Verdict, inspector: Inspector | Products, *, beside: bool = False) -> bytes:
    """The heatmap of a verdict, its image read again; see `knowngood.report.heatmaps.heatmap`."""
    own = inspector if isinstance(inspector, Inspector) else inspector[str(verdict.product)]
    image = read_image(verdict.source, bits=own.manifest.bits)
    lines = own.threshold.value, own.review.value if own.review else None
    return marked_png(heatmap(image, verdict, *lines, beside=beside))


def mask_png(verdict: Verdict) -> bytes:
    """The mask of a verdict at the size of its image, 8 bits: 255 where the map is above the line, else 0."""
    return marked_png(np.uint8(255) * verdict.mask)


def map_tiff(verdict: Verdict) -> bytes:
    """The anomaly map of a verdict as it is: 32-bit floating point, one pixel per patch, not scaled."""
    content = io.BytesIO()
    patch_map, _ = verdict.checked_map()
    Image.fromarray(patch_map).save(content, "TIFF", tiffinfo={_SOFTWARE: MARK})
    return content.getvalue()
