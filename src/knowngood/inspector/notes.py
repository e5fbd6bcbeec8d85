"""What is said of images that are unlike those that an inspector learned from before their score is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from knowngood.inspector.manifest import Manifest

CLIPPED = "clipped"
"""Values of the image are brighter than the bits that training images use; they were cut at white."""

SHAPE = "shape"
"""The image has another aspect ratio or another size than the training images."""

LOST = "lost"
"""No part was found in the image, so that its middle was inspected."""

LARGEST_RATIO = 1.25
"""How far an aspect ratio may be from those of training images, as a factor."""

LARGEST_SCALE = 2.0
"""How much larger or smaller than training images a height or width may be, as a factor."""


def notes(manifest: Manifest, size: tuple[int, int], *, clipped: bool, lost: bool = False) -> tuple[str, ...]:
    """Return the notes on an image of a height and width."""
    # Tiles are cut from images of any size alike, unless a region is drawn on images of one aspect ratio.
    stretched = bool(manifest.sizes) and (not manifest.tiles or bool(manifest.region))
    found = {CLIPPED: clipped, SHAPE: stretched and _is_other(size, manifest.sizes), LOST: lost}
    return tuple(note for note, applies in found.items() if applies)


def note_sentences(manifest: Manifest, given: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a sentence for each note that images were given, with their count."""
    counts = Counter(note for notes in given for note in notes)
    words = {
        CLIPPED: f"images have values brighter than the {manifest.bits} bits that training images use; "
        "they were cut at white",
        SHAPE: f"images have another aspect ratio or size than training images ({_range(manifest.sizes)}, "
        "height x width); they were stretched",
        LOST: "images show no part on a background as that of training images; what is in their middle was "
        "inspected",
    }
    return [f"{counts[note]} {words[note]}" for note in words if counts[note]]


def _is_other(size: tuple[int, int], sizes: list[int]) -> bool:
    """Return whether a height and width are far from the range of those that were learned from."""
    (height, width), (least_height, least_width, most_height, most_width) = size, sizes
    return not (
        least_height / LARGEST_SCALE <= height <= most_height * LARGEST_SCALE
        and least_width / LARGEST_SCALE <= width <= most_width * LARGEST_SCALE
        and least_height / most_width / LARGEST_RATIO <= height / width
        and height / width <= most_height / least_width * LARGEST_RATIO
    )


def _range(sizes: list[int]) -> str:
    """Write the least and largest size."""
    texts = [f"{height} x {width}" for height, width in (sizes[:2], sizes[2:]) if sizes]
    return " to ".join(dict.fromkeys(texts))
