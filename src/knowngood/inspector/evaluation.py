"""The evaluation of an inspector on labelled images."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.decoding import Mask, Source
from knowngood.data.held import HELD, Labels, Masks, masks_of, sources_of
from knowngood.data.layouts import NOTES
from knowngood.data.pairs import REFERENCE
from knowngood.data.roi import Roi
from knowngood.data.samples import Samples, data_path, fingerprint, load_samples
from knowngood.data.saturation import read_saturations
from knowngood.data.splits import SPLIT_MADE
from knowngood.errors import DataError, UnreadableImage, quoted
from knowngood.inspector.about import About, about, fingerprint_of
from knowngood.inspector.classification import ANSWERS, Classification, classification
from knowngood.inspector.detail import detail_in_words
from knowngood.inspector.display import draw, html, show
from knowngood.inspector.doubts import doubts
from knowngood.inspector.exchangeability import (
    Compared,
    as_values,
    compare_test,
    difference_in_words,
)
from knowngood.inspector.file import check_loaded
from knowngood.inspector.held_out import held_out_in_words
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import Manifest
from knowngood.inspector.measures import check_mask_sizes, figures
from knowngood.inspector.notes import note_sentences
from knowngood.inspector.reconstructions import REBUILT, Reconstructions
from knowngood.inspector.regions import HeatScale
from knowngood.inspector.verdict import Verdict
from knowngood.notebook import followed
from knowngood.training.records import Records
from knowngood.types import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_IN_SHORT = ("image_auroc", "false_reject_rate", "escape_rate", "good_review_rate", "defect_review_rate")

WORST = 10
"""Test images whose reconstruction is kept, among the good and among the defects."""


@dataclass(frozen=True)
class Evaluation:
    """The verdicts of an inspector on labelled test images, and their metrics.

    Args:
        metrics: The content of `metrics.json`; a value that the data cannot give is None, with the reason
            under `notes`.
        scores: One row per verdict: path, label, defect, mask, score, p_value, decision; from a classifier
            also `predicted_class` and the probability of each class, `p_<class>`.
        maps: Anomaly maps at patch resolution, float32 `(N, h, w)`, rows as in `scores`; an array `(N,)` of
            maps where tiles of images of several sizes make larger and smaller ones; None for image-only
            detectors.
        provenance: The inspector's manifest as plain values; long lists are counted.
        held_out: Scores of good images from which the threshold was set.
        heat_scale: See `Manifest.heat_scale`.
        unreadable: Test images that could not be read.
        records: The inspector's records of its training.
        reconstructions: See `knowngood.inspector.reconstructions`, with the images of the worst ten; None
            where the detector reconstructs none.
        classification: The logits of a classifier, whether of defects or inside a detector, rows as in
            `scores`; None without one.
        images: Test images that came from memory or have references, rows as in `scores`, with their masks;
            None where `scores` names all that there is of them.
        about: Product, inspector, images, user and time.
        roi: The region that was inspected; None for all of each image.
    """

    metrics: dict[str, Any]
    scores: pd.DataFrame
    maps: NDArray[Any] | None
    provenance: dict[str, Any]
    held_out: NDArray[np.float64]
    heat_scale: HeatScale
    unreadable: list[UnreadableImage]
    records: Records = field(default_factory=Records)
    reconstructions: pd.DataFrame | None = None
    classification: Classification | None = None
    images: list[tuple[Source, Mask]] | None = None
    about: About = field(default_factory=About)
    roi: Roi | None = None

    def image(self, row: int) -> tuple[Source, Mask]:
        """The image of a row of `scores`, and its mask: files, or what they came as.

        Raises:
            DataError: There is no such row.
        """
        if row not in range(len(self.scores)):
            raise DataError(
                f"there is no row {quoted(row)} of scores; its rows are 0 to {len(self.scores) - 1}"
            )
        if self.images is not None:
            return self.images[row]
        path, mask = self.scores[["path", "mask"]].iloc[row]
        return path, mask

    def __repr__(self) -> str:
        counts = self.metrics["counts"]
        known = {name: self.metrics.get(name) for name in _IN_SHORT}
        figures = [f"{name} {value:.4g}" for name, value in known.items() if value is not None]
        images = f"{counts['good']} good parts, {counts['defect']} defects"
        return f"Evaluation({', '.join([images, *figures])})"

    def _repr_html_(self) -> str:
        return html(self)

    def show(self) -> None:
        """Show the scores, the ROC curve and the confusion matrix in a figure."""
        show(self)

    def plot_scores(self, ax: Axes | None = None) -> Axes:
        """Draw the histogram of the scores, with the threshold, on axes or on those of a new figure."""
        return draw("scores", self, ax)

    def plot_roc(self, ax: Axes | None = None) -> Axes:
        """Draw the ROC curve, with the threshold in use; a DataError without both good parts and defects."""
        return draw("roc", self, ax)

    def plot_confusion(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix, of a classifier that of its classes."""
        return draw("confusion", self, ax)

    def plot_image(self, row: int, ax: Axes | None = None) -> Axes:
        """Draw the image of a row of `scores` with its heatmap, and the outline of its mask where known."""
        return draw("image", self, ax, row)


def evaluate(
    inspector: Inspector,
    data: Samples,
    labels: Labels | None = None,
    masks: Masks | None = None,
    *,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare the verdicts on the test images of a folder or table with their labels.

    The inspector and its threshold stay as they are. Images that are not in the test split take no part;
    where the user made no split, all images that the inspector did not learn from do. Test images that a
    classifier learned from are left out. Images in any form that `Inspector.inspect` takes come with their
    `labels`, and with `masks` where the position of defects is to be evaluated; see `knowngood.load_samples`.

    Raises:
        DataError: There is no test image, none can be read, or a mask has another size than its image.
        InspectorError: What was given first is no inspector.

    Example::

        evaluation = evaluate(Inspector.load("widget.inspector"), "widget/")
        print(evaluation.metrics["image_auroc"])
        evaluation = evaluate(inspector, photographs, labels=["good", "good", "scratch"])
    """
    check_loaded(inspector)
    progress = followed(progress)
    table = load_samples(data, labels=labels, masks=masks)
    test, left_out = _test_images(table, inspector, progress)
    chosen = 0 if table.attrs.get(SPLIT_MADE) else left_out  # of those that the user gave for tests
    check_mask_sizes(test)
    saturations = read_saturations(data_path(table))
    subject = about(inspector, test, left_out)
    unreadable: list[UnreadableImage] = []
    records, manifest = inspector.records, inspector.manifest
    classifies = inspector.classifies or records.classes is not None
    reconstructs = records.training is not None and bool(records.training.rebuilt)
    rebuilt = Reconstructions(keep=WORST) if reconstructs else None
    extras = REBUILT if reconstructs else ANSWERS if classifies else ()
    verdicts, seconds = _inspect(inspector, test, extras, rebuilt, unreadable, progress)
    inspected = test.iloc[[verdict.index for verdict in verdicts]].reset_index(drop=True)
    rows = pd.DataFrame([verdict.row() for verdict in verdicts]).drop(columns="path")
    scores = pd.concat([inspected[["path", "label", "defect", "mask"]], rows], axis=1)
    broken_masks: list[UnreadableImage] = []
    metrics = figures(manifest, scores, verdicts, masks_of(inspected), saturations, broken_masks, progress)
    metrics["counts"]["unreadable"] = len(unreadable)
    metrics["images_per_second"] = len(verdicts) / seconds
    outside = metrics["outside_region"]
    compared = _compared(scores, inspected, np.array(manifest.held_out))
    metrics["exchangeability"] = as_values(compared)
    metrics["warnings"] = [
        *difference_in_words(compared, len(manifest.held_out)),
        *doubts(list(inspected["digest"]), manifest, len(unreadable), chosen, outside),
        *table.attrs.get(NOTES, ()),
        *note_sentences(manifest, [verdict.notes for verdict in verdicts]),
    ]
    found = classification(records, verdicts, inspected) if classifies else None
    if found:
        metrics["classifier"] = found.metrics()
        metrics["warnings"] += found.warnings(scores)
    maps = [verdict.patch_map for verdict in verdicts if verdict.patch_map is not None]
    return Evaluation(
        metrics=metrics,
        scores=scores,
        maps=_together(maps) if maps else None,
        provenance=_provenance(manifest),
        held_out=np.array(manifest.held_out),
        heat_scale=manifest.heat_scale,
        unreadable=unreadable + broken_masks,
        records=records,
        reconstructions=rebuilt.table() if rebuilt else None,
        classification=found,
        images=_unnamed(inspected),
        about=subject,
        roi=manifest.roi,
    )


def _inspect(
    inspector: Inspector,
    test: pd.DataFrame,
    extras: tuple[str, ...],
    rebuilt: Reconstructions | None,
    unreadable: list[UnreadableImage],
    progress: Progress,
) -> tuple[list[Verdict], float]:
    """The verdicts on all test images that can be read, and the seconds that they took.

    Reconstructions are compared at once, since the memory would not hold them all; that is not counted.
    """
    verdicts: list[Verdict] = []
    labels = list(test["defect"].where(test["defect"] != "", test["label"]))
    _ = inspector.compiled  # once for an inspector, so it does not count as time for an image
    start, compared = time.perf_counter(), 0.0
    for verdict in inspector.stream(sources_of(test), extras=extras, on_unreadable=unreadable.append):
        if rebuilt:
            before = time.perf_counter()
            rebuilt.add(verdict, labels[verdict.index], name=str(test["path"].iloc[verdict.index]))
            compared += time.perf_counter() - before
        verdicts.append(dataclasses.replace(verdict, extras={}) if rebuilt else verdict)
        progress("inspecting test images", len(verdicts), len(test))
    return verdicts, time.perf_counter() - start - compared


def _test_images(table: pd.DataFrame, inspector: Inspector, progress: Progress) -> tuple[pd.DataFrame, int]:
    """The test split; where the user did not make one, all images that the inspector did not learn from.

    Defects are often in the test split alone, so that a classifier had to learn from some of these: they are
    left out, and counted. A column `digest` is added, the fingerprint of each file.
    """
    may_have_learned = inspector.classifies or table.attrs.get(SPLIT_MADE)
    if not table.attrs.get(SPLIT_MADE):
        table = table[table["split"] == "test"]
    test = table.assign(digest=fingerprint(sources_of(table), progress=progress))
    # What the user called no good part is no test of good parts.
    test = test[~test["digest"].isin([*inspector.manifest.left_out.values()])]
    learned = test["digest"].isin(inspector.manifest.training)
    if may_have_learned:
        test = test[~learned]
    if test.empty:
        raise DataError(
            "there is no test image: the inspector learned from all of these, or none is in the test split;"
            " put images into test/good and test/<defect type>, or name a folder of others"
        )
    return test.reset_index(drop=True), int(learned.sum()) if may_have_learned else 0


def _compared(scores: pd.DataFrame, inspected: pd.DataFrame, held_out: NDArray[np.float64]) -> list[Compared]:
    """The good test images, and groups of them, compared with the held-out ones."""
    good = (scores["label"] == "good").to_numpy()
    sources = list(compress(sources_of(inspected), good))
    column = inspected.loc[good, "group"].tolist() if "group" in inspected else None
    return compare_test(scores["score"].to_numpy(np.float64)[good], held_out, sources, column)


def _together(maps: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
    """Maps as one array, `(N, h, w)`, or `(N,)` of maps where they differ in size."""
    if len({map_.shape for map_ in maps}) == 1:
        return np.stack(maps)
    together = np.empty(len(maps), object)
    together[:] = maps
    return together


def _unnamed(samples: pd.DataFrame) -> list[tuple[Source, Mask]] | None:
    """The images and masks of samples whose paths do not name all: those from memory or with references."""
    if HELD not in samples and REFERENCE not in samples:
        return None
    return list(zip(sources_of(samples), masks_of(samples), strict=True))


def _provenance(manifest: Manifest) -> dict[str, Any]:
    """The manifest without what only a program reads."""
    values = dataclasses.asdict(manifest)
    del values["held_out_names"], values["map_maxima"], values["region"], values["alignment"]
    values["held_out"] = held_out_in_words(manifest)
    values["cut_size"] = manifest.reading.cut_size
    values["detail_in_words"] = detail_in_words(manifest)
    for name in ("training", "validation"):
        values[name] = {"images": len(values[name]), "fingerprint": fingerprint_of(values[name])}
    return values
