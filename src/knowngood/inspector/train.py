"""From good parts and defects to an inspector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from knowngood.classifiers import CLASSIFIERS, Classifier, make_classifier
from knowngood.classifiers.base import log_odds
from knowngood.data.images import significant_bits
from knowngood.data.labelled import DEFECT_SHARE, labelled, with_defects_to_learn
from knowngood.data.loader import Batches
from knowngood.data.samples import fingerprint
from knowngood.errors import DataError, UnreadableImage
from knowngood.features.extract import resolve_device
from knowngood.inspector.fit import check_run, check_seed, input_shape
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.ship import ship
from knowngood.metrics.ranking import auroc
from knowngood.metrics.thresholds import Threshold, own_odds
from knowngood.training.lesson import Lesson
from knowngood.training.run import Run
from knowngood.types import Progress, silent

_PEAKS = 200
"""Good images whose maps are looked at, for what heatmaps are scaled by."""


def train(
    data: str | Path | pd.DataFrame,
    classifier: str | Classifier = "anomaly_features",
    *,
    by: str = "auto",
    defect_share: float = DEFECT_SHARE,
    seed: int = 0,
    device: str = "auto",
    run: Run | None = None,
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
    progress: Progress = silent,
) -> Inspector:
    """Learn an inspector from good parts and defects: it tells them apart, and names the type of a defect.

    Args:
        data: A folder in a layout that `knowngood.data.layouts` recognises, a CSV or Parquet table, or the
            table itself: images of the train split are learned from. Where it holds no defect, defects are
            divided; see `knowngood.data.labelled.with_defects_to_learn`.
        classifier: A name in `knowngood.classifiers.CLASSIFIERS`, or a recipe.
        by: `type` to tell defect types apart, `label` good parts from defects alone, `auto` types where the
            type of every defect is known.
        defect_share: Share of each defect type to learn from, where the train split holds none.
        seed: The same seed on the same images gives the same inspector.
        device: `auto`, `cpu`, `cuda` or another torch device.
        run: How and where a network is trained, for classifiers that train one.
        on_unreadable: Called with each image that cannot be read, which is then left out; without it such
            images are an error.
        progress: Called during long work.

    Returns:
        The inspector. Its threshold is 0, where a defect is as likely as a good part by the classifier's own
        odds.

    Raises:
        DataError: There are too few images of a kind, some cannot be read, or labels contradict each other.
        RecipeError: The classifier, a setting or the device is not known.
        TrainingError: The training went wrong.
        WeightsError: The backbone's weights are not on this machine.

    Example::

        inspector = train("widget/", "linear_probe")
        print(inspector.inspect("new.png")[0].kind)
    """
    recipe = make_classifier(classifier) if isinstance(classifier, str) else classifier
    device = resolve_device(device)
    check_seed(seed)
    check_run(run, recipe)
    taught = labelled(with_defects_to_learn(data, defect_share), by)
    unreadable: list[UnreadableImage] = []
    images = Batches(
        taught.sources,
        input_shape(taught.sources, recipe.input_size, recipe.multiple),
        bits=significant_bits(taught.sources),
        on_unreadable=unreadable.append if on_unreadable else None,
    )
    fitted, record, peaks = recipe.fit(images, taught, seed=seed, device=device, progress=progress, run=run)
    lesson = record.lesson
    assert lesson is not None
    # The images may have been read more than once.
    left_out = {failure.path: failure for failure in unreadable}
    for failure in left_out.values():
        if on_unreadable:
            on_unreadable(failure)
    read = [place for place, source in enumerate(taught.sources) if source not in left_out]
    scores = held_out_scores(lesson)
    if not np.isfinite(scores).all():
        raise DataError("answers to held-out images are not finite numbers; take a smaller learning_rate")
    inspector = ship(
        fitted,
        dataclasses.replace(images, sources=[taught.sources[place] for place in read]),
        recipe=recipe,
        registry=CLASSIFIERS,
        training=fingerprint([taught.sources[place] for place in read]),
        held_out=scores[lesson.truth == 0],
        peaks=peaks,
        threshold=threshold(lesson, chose_the_epoch=bool(record.epochs)),
        record=record,
        seed=seed,
        device=device,
    )
    if peaks is not None:
        return inspector
    good = [taught.sources[place] for place in read if taught.numbers[place] == 0]
    return _with_peaks(inspector, good[:: max(1, len(good) // _PEAKS)])


def held_out_scores(lesson: Lesson) -> NDArray[np.float64]:
    """The score of each held-out image `(M,)`."""
    return log_odds(torch.from_numpy(lesson.logits).double(), lesson.temperature).numpy()


def threshold(lesson: Lesson, *, chose_the_epoch: bool = False) -> Threshold:
    """The first threshold: 0, where the classifier holds a defect and a good part for as likely.

    So the decision, the kind and the probabilities of a verdict agree.
    """
    scores = held_out_scores(lesson)
    chosen = own_odds(scores[lesson.truth == 0])
    notes = []
    if chose_the_epoch:
        notes.append("These images also chose the epoch whose weights were kept, so the bound leans low.")
    if auroc(lesson.truth > 0, scores) <= 0.5:
        notes.append("Held-out defects score no higher than good parts: this classifier has learned nothing.")
    return dataclasses.replace(chosen, note=" ".join(filter(None, [chosen.note, *notes])))


def _with_peaks(inspector: Inspector, good: list[str]) -> Inspector:
    """The inspector with what its heatmaps are scaled by, from maps of good images."""
    maps = (verdict.patch_map for verdict in inspector.stream(good))
    peaks = sorted(float(map_.max()) for map_ in maps if map_ is not None)
    manifest = dataclasses.replace(inspector.manifest, peaks=peaks)
    return Inspector(manifest, inspector.graph, inspector.training, engine=inspector.engine)
