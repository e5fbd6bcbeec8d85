"""From good parts and defects to an inspector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from knowngood.classifiers import CLASSIFIERS
from knowngood.classifiers.base import Classifier
from knowngood.data.geometry import Geometry
from knowngood.data.held import Labels, Masks
from knowngood.data.imageset import GOOD
from knowngood.data.labelled import DEFECT_SHARE, labelled, with_defects_to_learn
from knowngood.data.samples import Samples, load_samples
from knowngood.data.selection import Selection
from knowngood.detectors.base import Fit
from knowngood.errors import RecipeError, UnreadableImage
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.learn import CHOSE_THE_EPOCH, Task, checked_device, learn
from knowngood.metrics.ranking import auroc
from knowngood.metrics.thresholds import Threshold, own_odds
from knowngood.notebook import followed
from knowngood.registry import resolve
from knowngood.training.classifier_record import held_out_scores
from knowngood.training.run import Run
from knowngood.types import Progress

_MAPS = 200
"""Good images whose maps set the scale of heatmaps."""


def train(
    data: Samples,
    classifier: str | Classifier = "anomaly_features",
    *,
    labels: Labels | None = None,
    masks: Masks | None = None,
    by: str = "auto",
    defect_share: float = DEFECT_SHARE,
    geometry: Geometry | None = None,
    seed: int = 0,
    device: str = "auto",
    run: Run | None = None,
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Inspector:
    """Train an inspector on good parts and defects: it predicts the type of a defect.

    `data` is a folder in a layout that `knowngood.data.layouts` recognises, a CSV or Parquet table, or the
    table itself: images of the train split are learned from. Where it holds no defect, `defect_share` of each
    defect type goes to it; see `knowngood.data.labelled.with_defects_to_learn`. Or `data` are images in any
    form that `knowngood.fit` takes, with the `labels` of all, and all are learned from; see
    `knowngood.load_samples`. `by` names the classes: `type` each defect type, `label` good parts and defects,
    `auto` types where the type of every defect is known. `classifier` is a name in
    `knowngood.classifiers.CLASSIFIERS`, or a recipe. All other arguments are those of `knowngood.fit`.

    Returns:
        The inspector. Its threshold is 0, where a defect is as likely as a good part by the classifier's own
        odds.

    Raises:
        DataError: A class has too few images, some cannot be read, or labels contradict each other.
        RecipeError: The classifier, a setting or the device is not known.
        TrainingError: The training went wrong.
        WeightsError: The backbone's weights are not on this machine.

    Example::

        inspector = train("widget/", "linear_probe")
        inspector = train(photographs, labels=["good", "good", "dent", ...], input_size=128)
        print(inspector.inspect("new.png")[0].predicted_class)
    """
    if "tiles" in settings:
        raise RecipeError(
            "train takes no tiles: most tiles of a defective part show nothing of its defect, and would be "
            "learned under a wrong class; train on images cut around the parts, or fit a detector with tiles"
        )
    progress = followed(progress)
    recipe = resolve(CLASSIFIERS, classifier, settings)
    device = checked_device(recipe, seed=seed, device=device, run=run)
    samples = load_samples(data, labels=labels, masks=masks)
    if labels is not None:  # whoever gives images and labels alone has chosen what to learn from
        samples = samples.assign(split="train")
    selection = labelled(with_defects_to_learn(samples, defect_share), by)
    inspector = learn(
        Task(CLASSIFIERS, first_threshold, geometry),
        recipe,
        selection,
        seed=seed,
        device=device,
        run=run,
        on_unreadable=on_unreadable,
        progress=progress,
    )
    return inspector if inspector.manifest.map_maxima else _with_map_maxima(inspector, selection)


def first_threshold(fit: Fit) -> Threshold:
    """The first threshold: 0, where a defect and a good part are equally likely to the classifier.

    So the decision, the class and the probabilities of a verdict agree.
    """
    record = fit.records.classifier
    if record is None:
        raise TypeError("the threshold of a classifier needs its record")
    chosen = own_odds(fit.held_out)
    notes = [chosen.note]
    if fit.records.training is not None:
        notes.append(CHOSE_THE_EPOCH)
    if auroc(record.truth > 0, held_out_scores(record)) <= 0.5:
        notes.append("Held-out defects score no higher than good parts: this classifier has learned nothing.")
    return dataclasses.replace(chosen, note=" ".join(filter(None, notes)))


def _with_map_maxima(inspector: Inspector, selection: Selection) -> Inspector:
    """The inspector with the scale of its heatmaps, from maps of good images."""
    classes = selection.classes or []
    good = [source for source, name in zip(selection.sources, classes, strict=True) if name == GOOD]
    some = good[:: max(1, len(good) // _MAPS)]
    maps = (verdict.patch_map for verdict in inspector.stream(some, on_unreadable=lambda _: None))
    return inspector.with_manifest(
        map_maxima=sorted(float(patch_map.max()) for patch_map in maps if patch_map is not None)
    )
