"""Set the line of an inspector anew on fresh good images, and keep what it was before."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from knowngood.capability.drift import needed_for
from knowngood.data.arguments import Images
from knowngood.data.image_names import names_of
from knowngood.data.samples import fingerprint
from knowngood.data.seen import Seen
from knowngood.data.selection import good_sources
from knowngood.errors import DataError
from knowngood.inspector.checked_graph import PIXELS
from knowngood.inspector.exchangeability import compare_held_out, groups_in_words, state_in_words
from knowngood.inspector.file import check_loaded
from knowngood.inspector.held_out import by_part
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import MAX_FALSE_REJECT
from knowngood.metrics.exchangeability import exchangeability
from knowngood.metrics.thresholds import conformal
from knowngood.notebook import followed
from knowngood.types import Progress

ALIKE = 0.05
"""The p-value from which fresh scores count as exchangeable with those of before."""

_LONGEST_NOTE = 2000


def recalibrate(
    inspector: Inspector, good: pd.DataFrame | Images, *, progress: Progress | None = None
) -> Inspector:
    """A copy of an inspector with its threshold set anew on fresh good images; the model stays as it is.

    The fresh scores take the place of the held-out ones, for the same false-reject rate, and the threshold's
    note says what it was before. Photographs of one part count once, by the highest score. A line for review
    stays where it fits.

    Args:
        inspector: Any inspector.
        good: A folder or a table with good images, or images, that it has not learned from.
        progress: Called during long work.

    Raises:
        DataError: There are too few fresh images for the rate; or their scores are like those of before, so
            that nothing would be gained.

    Example::

        knowngood.recalibrate(inspector, "good of today/").save("widget2.inspector")
    """
    check_loaded(inspector)
    progress, manifest = followed(progress), inspector.manifest
    sources = good_sources(good).sources
    digests = fingerprint(sources, progress=progress)
    known = {*manifest.training, *manifest.left_out.values()}
    fresh = [place for place, digest in enumerate(digests) if digest not in known]
    sources, digests = [sources[place] for place in fresh], [digests[place] for place in fresh]
    seen, scores = Seen(len(sources)), np.zeros(len(sources))
    for verdict in inspector.stream(sources, extras=[PIXELS]) if sources else ():
        scores[verdict.index] = verdict.score
        seen(verdict.index, verdict.extras[PIXELS])
        progress("inspecting good images", verdict.index + 1, len(sources))
    values, names = by_part(scores, names_of(sources), seen.parts(range(len(sources)), progress=progress))
    needed = needed_for(inspector)
    if len(values) < needed:
        raise DataError(
            f"{len(values)} fresh good parts, which the inspector has not learned from, are too few for its "
            f"false-reject rate: {needed} are the least; take {needed - len(values)} more"
        )
    p_value = exchangeability(values, manifest.held_out)
    if p_value >= ALIKE:
        raise DataError(
            f"the {len(values)} fresh good parts score like the {len(manifest.held_out)} of before "
            f"(Anderson-Darling test, p = {p_value:.2g}): a new threshold would gain nothing; keep this one"
        )
    rate = manifest.threshold.requested or MAX_FALSE_REJECT
    compared = compare_held_out(scores, sources, None)
    changed = inspector.with_manifest(
        held_out=values.tolist(),
        held_out_names=names,
        grouped=state_in_words(compared),
        apart=groups_in_words(compared),
    )
    chosen = conformal(values, rate)
    threshold = dataclasses.replace(chosen, note=f"{chosen.note} {_history(inspector)}".strip())
    return changed.with_threshold(threshold, validation=digests)


def _history(inspector: Inspector) -> str:
    """What the threshold was before, and the recalibrations before this one."""
    before = inspector.threshold
    said = (
        f"Recalibrated on {datetime.now(UTC):%Y-%m-%d}; before: {before.value:.6g}, {before.rule}, from "
        f"{before.held_out} held-out good parts."
    )
    earlier = before.note[before.note.find("Recalibrated on") :] if "Recalibrated on" in before.note else ""
    return f"{said} {earlier}".strip()[:_LONGEST_NOTE]
