"""What the processes of a station do with pictures: inspect, draw heatmaps, make previews."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.images import read_image
from knowngood.errors import DataError, InspectorError, KnowngoodError, RecipeError, UnreadableImage
from knowngood.inspector.inspector import Inspector
from knowngood.report.heatmaps import draw_heat
from knowngood.station.found import About, Found

PREVIEW = 1600
"""Pixels of the longer side of a preview, at most."""

THUMBNAIL = 192
"""The same of a thumbnail."""

_LOADED = 4  # inspectors that stay compiled: of products, and older versions whose heatmaps are looked at
_QUALITY = 85


def inspect(inspector: Path, pictures: Sequence[Path | bytes]) -> list[Found | KnowngoodError]:
    """Inspect pictures; in place of what cannot be read is the reason.

    Pictures are named `picture` in messages: a file of `incoming` means nothing to whoever sent it.
    """
    began = time.perf_counter()
    found: dict[int, Found | KnowngoodError] = {}
    names = {str(picture): at for at, picture in enumerate(pictures)}

    def note(failure: UnreadableImage) -> None:
        at = names.get(failure.path)
        found[int(failure.path[1:-1]) if at is None else at] = UnreadableImage("picture", failure.reason)

    try:
        for verdict in _loaded(inspector).stream(_sources(pictures), on_unreadable=note):
            regions = verdict.regions() if verdict.patch_map is not None else []
            found[verdict.index] = Found(
                verdict.score,
                verdict.p_value,
                verdict.decision,
                verdict.predicted_class,
                verdict.size,
                [region._asdict() for region in regions],
                list(verdict.notes),
                1e3 * (time.perf_counter() - began) / len(pictures),
            )
    except DataError as error:  # raised where none can be read, which has been noted
        found |= {at: error for at in range(len(pictures)) if at not in found}
    except KnowngoodError as error:
        return [error] * len(pictures)
    return [found[at] for at in range(len(pictures))]


def heatmap(inspector: Path, pictures: Sequence[Path | bytes]) -> list[bytes | KnowngoodError]:
    """Draw heatmaps as JPEG."""
    try:
        loaded, (source,) = _loaded(inspector), _sources(pictures)
        (verdict,) = loaded.inspect([source])
        patch_map, scale = verdict.checked_map()
        image = _small(read_image(source, bits=loaded.manifest.bits))
        return [_jpeg(draw_heat(image, patch_map, scale, verdict.roi))]
    except KnowngoodError as error:
        return [error]


def preview(_: Path, pictures: Sequence[Path | bytes]) -> list[bytes | KnowngoodError]:
    """Show pictures as JPEG."""
    return _shown(pictures, PREVIEW)


def thumbnail(_: Path, pictures: Sequence[Path | bytes]) -> list[bytes | KnowngoodError]:
    """Show pictures as small JPEG."""
    return _shown(pictures, THUMBNAIL)


def describe(inspector: Path, _: Sequence[Path | bytes]) -> list[About | KnowngoodError]:
    """Load an inspector, and say what it is; one that compares pairs is refused."""
    try:
        loaded = _loaded(inspector)
        manifest = loaded.manifest
        if manifest.pairs:
            raise RecipeError(
                "this inspector compares each picture with its reference, which a line does not send"
            )
        loaded.compiled  # noqa: B018 - it must run here
        review = loaded.review.value if loaded.review else None
        return [
            About(manifest.graph_hash, manifest.method, loaded.threshold.value, review, loaded.learned_from)
        ]
    except KnowngoodError as error:  # the file's name means nothing to whoever sent it
        return [InspectorError(str(error).replace(repr(str(inspector)), "the file"))]


@lru_cache(_LOADED)
def _loaded(path: Path) -> Inspector:
    """The inspector of a file, compiled at its first use."""
    return Inspector.load(path)


def _sources(pictures: Sequence[Path | bytes]) -> list[str | bytes]:
    """The pictures, files by their names."""
    return [picture if isinstance(picture, bytes) else str(picture) for picture in pictures]


def _shown(pictures: Sequence[Path | bytes], side: int) -> list[bytes | KnowngoodError]:
    """Pictures as JPEG of at most so many pixels a side."""
    try:
        return [_jpeg(_small(read_image(source), side)) for source in _sources(pictures)]
    except KnowngoodError as error:
        return [error]


def _small(image: NDArray[np.uint8], side: int = PREVIEW) -> NDArray[np.uint8]:
    """An image of at most so many pixels a side."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    """An RGB image as JPEG."""
    _, content = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return content.tobytes()
