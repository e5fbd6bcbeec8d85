"""Why the figures of an evaluation are to be doubted."""

from __future__ import annotations

from collections.abc import Sequence

from knowngood.inspector.held_out import far_outside_in_words
from knowngood.inspector.manifest import Manifest


def doubts(
    digests: Sequence[str], manifest: Manifest, unreadable: int, left_out: int, outside: int
) -> list[str]:
    """Reasons to doubt the figures, as sentences.

    Args:
        digests: The fingerprints of the images that were inspected.
        manifest: That of the inspector.
        unreadable: Test images that could not be read.
        left_out: Images of the test split that a classifier learned from.
        outside: Defects that are marked outside the region that is inspected.
    """
    learned, validated = (
        sum(map(set(known).__contains__, digests)) for known in (manifest.training, manifest.validation)
    )
    flatter = f"of the {len(digests)} test images were {{}}: the figures flatter the inspector."
    warnings = {
        "defects are marked wholly outside the region of interest: the inspector does not see them.": outside,
        "images of the test split are left out, since the classifier learned from them.": left_out,
        flatter.format("learned from"): learned,
        flatter.format("used for the threshold"): validated,
        "test images could not be read and are not counted.": unreadable,
    }
    far = far_outside_in_words(manifest)
    advice = [f"{'; '.join(far)} `knowngood fit --without`."] if far else []
    return [f"{count} {words}" for words, count in warnings.items() if count] + list(manifest.apart) + advice
