"""What to do about a folder whose layout is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from knowngood.data.decoding import listed
from knowngood.data.meanings import place


def advice(images: Sequence[PurePosixPath]) -> str:
    """Say what to do about a folder that has no known layout."""
    sets = sorted({image.parts[0] for image in images if len(image.parts) > 3 and place(image, 1).split})
    if len(sets) > 1:
        return f"it holds several data sets ({', '.join(sets)}); name one of them, or fit all with --products"
    deepest = Counter(str(image.parent) for image in images)
    firsts = {str(image.parent): image for image in reversed(images)}
    some = [firsts[folder] for folder, _ in deepest.most_common(2)]
    return "\n".join(
        [
            "which images are good is not known, since no folder's name says so. Its deepest folders:",
            *listed([f"{folder}: {count}" for folder, count in sorted(deepest.items())]),
            f"Say it by --good PATTERN, such as --good '{some[0].parent}/*', and where needed --defect, "
            "--mask, --ignore (in Python load_samples(folder, Patterns(good=...))); or write a table:",
            "  path,label",
            *(f"  {image},{label}" for image, label in zip(some, ("good", "defect"), strict=False)),
        ]
    )
