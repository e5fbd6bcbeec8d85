"""From what a graph gave for images to the verdicts on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from knowngood.data.imageset import Batch
from knowngood.inspector.manifest import Manifest
from knowngood.inspector.notes import notes
from knowngood.inspector.pictures import Given
from knowngood.inspector.placing import Placing
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.calibration import p_values
from knowngood.metrics.review import REJECT, decide

if TYPE_CHECKING:
    from knowngood.training.classifier_record import ClassifierRecord


def verdicts_on(
    results: Iterator[tuple[Batch, Given]],
    manifest: Manifest,
    record: ClassifierRecord | None,
    held_out: NDArray[np.float64],
    placing: Callable[[tuple[int, int]], Placing | None],
    extras: Sequence[str],
) -> Iterator[Verdict]:
    """Decide on images by the lines of a manifest, in order.

    Args:
        results: Images with what the graph gave for them; see `knowngood.inspector.checked_graph`.
        manifest: That of the inspector.
        record: Of a classifier, which predicts the class; None for a detector.
        held_out: Scores of good parts `(n,)`, for p-values.
        placing: What puts maps of a shape where they belong in images; None where they cover all of it.
        extras: What else verdicts hold, by name.
    """
    lines = manifest.threshold.value, manifest.review.value if manifest.review else None
    scale = manifest.heat_scale
    for batch, given in results:
        scores, maps = given["score"], given.get("map")
        p_of_batch = p_values(scores, held_out)
        for row, index in enumerate(batch.index):
            score = float(scores[row])
            decision = decide(score, *lines)
            predicted, probabilities = (
                record.predict(given["logits"][row, 0], rejected=decision == REJECT)
                if record
                else (None, None)
            )
            size, frame = (int(batch.sizes[row, 0]), int(batch.sizes[row, 1])), batch.frames[row]
            clipped, lost = bool(batch.clipped[row]), bool(batch.lost[row])
            patch_map = None if maps is None else maps[row].copy()
            if patch_map is not None and frame is not None and (place := placing(patch_map.shape)):
                patch_map = place.whole(patch_map, frame, size)
            yield Verdict(
                source=batch.sources[row],
                index=int(index),
                score=score,
                p_value=float(p_of_batch[row]),
                decision=decision,
                size=size,
                patch_map=patch_map,
                predicted_class=predicted,
                probabilities=probabilities,
                notes=notes(manifest, size, clipped=clipped, lost=lost),
                heat_scale=None
                if patch_map is None
                else scale.of_image(patch_map, rejected=decision == REJECT),
                roi=manifest.roi,
                extras={name: given[name][row].copy() for name in extras},
            )
