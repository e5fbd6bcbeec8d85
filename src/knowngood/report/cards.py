"""Results as cards in a notebook: the first facts and pictures, as HTML. Nothing here needs an extra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatch
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source, name_of
from knowngood.data.images import read_image, significant_bits
from knowngood.data.roi import Roi
from knowngood.errors import UnreadableImage
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.product_evaluation import ProductEvaluation
from knowngood.inspector.products import Products
from knowngood.inspector.regions import HeatScale
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.review import REJECT
from knowngood.report.heatmaps import draw_heat, magnified
from knowngood.report.pictures import data_uri, shrink
from knowngood.report.products import held_out_in_words, product_rows, recognition_in_words
from knowngood.report.words import MISSING, decimal, interval, percent, score, verdict

SIDE = 720
"""Pixels of the longer side of a picture at most."""

_FIGURES = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "pixel_aupro": "AUPRO"}
_RATES = {
    "false_reject_rate": "false rejects",
    "escape_rate": "escapes",
    "good_review_rate": "good parts reviewed",
    "defect_review_rate": "defects reviewed",
}


@singledispatch
def card(subject: Any) -> str:
    """Return the card of a result.

    Example:
        >>> card(3)
        Traceback (most recent call last):
        TypeError: there is no card of int
    """
    raise TypeError(f"there is no card of {type(subject).__name__}")


@card.register
def _(subject: Inspector) -> str:
    manifest = subject.manifest
    height, width = manifest.input_shape
    facts = {
        "method": manifest.method,
        "settings": ", ".join(f"{name}={value}" for name, value in manifest.recipe.items()),
        "learned from": subject.learned_from,
        "input": f"{height} x {width} pixels",
        "region": str(manifest.roi or "all of each image"),
        **({"alignment": manifest.alignment_note} if manifest.alignment_note else {}),
        "threshold": f"{score(subject.threshold.value)}, {subject.threshold.rule}",
        "fitted": manifest.created,
    }
    if subject.review:
        line = subject.review
        facts["review"] = f"above {score(line.value)}, {line.rule}; {line.promise}"
    if subject.threshold.upper_bound is not None:
        facts["rejects"] = f"at most {percent(subject.threshold.upper_bound)} of good parts (95 % confidence)"
    return _titled("Inspector", _table(facts))


@card.register
def _(subject: Evaluation) -> str:
    metrics = subject.metrics
    facts = {
        words: f"{percent(metrics[rate])} (95 % interval {interval(metrics, rate)})"
        for rate, words in _RATES.items()
        if metrics.get(rate) is not None
    }
    facts |= {words: decimal(metrics[name]) for name, words in _FIGURES.items() if metrics[name] is not None}
    if "class_accuracy" in (classes := metrics.get("classifier", {})):
        facts["class accuracy"] = percent(classes["class_accuracy"])
    warnings = "".join(f"<li>{escape(warning)}</li>" for warning in metrics["warnings"])
    doubts = f"<ul>{warnings}</ul>" if warnings else ""
    return _titled("Evaluation", f"<p>{escape(verdict(metrics))}</p>{_table(facts)}{doubts}")


@card.register
def _(subject: Products) -> str:
    head, *rows = product_rows(subject)
    facts = held_out_in_words(subject) | {row[0]: _named(head[1:], row[1:]) for row in rows}
    return _titled("Inspectors of several products", _table(facts))


@card.register
def _(subject: ProductEvaluation) -> str:
    mean = subject.metrics["mean"]
    rows = {name: one.metrics for name, one in subject.evaluations.items()} | {"mean": mean}
    rates = [rate for rate in _RATES if any(rate in one.metrics for one in subject.evaluations.values())]
    names = [*_FIGURES.values(), *(_RATES[rate] for rate in rates)]
    facts = {
        name: _named(
            names, [*(decimal(one[key]) for key in _FIGURES), *(percent(one.get(key)) for key in rates)]
        )
        for name, one in rows.items()
    }
    words = " ".join(recognition_in_words(subject.metrics))
    return _titled("Evaluation", f"<p>{escape(words)}</p>{_table(facts)}")


@card.register
def _(subject: Verdict) -> str:
    facts = {
        "product": subject.product or "",
        "decision": subject.decision,
        "class": subject.predicted_class or "",
        "score": score(subject.score),
        "p-value": f"{subject.p_value:.2g}",
        "notes": ", ".join(subject.notes),
    }
    try:
        shown = pictures(subject.source, subject.patch_map, subject.heat_scale, subject.roi)
        drawn = "".join(f"<img src='{data_uri(one)}' alt='{name}'> " for name, one in shown.items())
    except UnreadableImage as error:
        drawn = f"<p>The image can no longer be read: {escape(error.reason)}</p>"
    content = _table({name: value for name, value in facts.items() if value})
    return _titled(name_of(subject.source, subject.index), drawn + content)


def pictures(
    source: Source,
    patch_map: NDArray[np.float32] | None,
    scale: HeatScale | None,
    roi: Roi | None = None,
    bits: int | None = None,
) -> dict[str, NDArray[np.uint8]]:
    """Make the picture of an image, and the one with its heatmap where there is a map, RGB `(H, W, 3)`.

    Large images are shrunk and small ones enlarged. Map, scale and region are those of `draw_heat`. The bits
    are those of 16-bit images; without them, they are measured on this image alone.

    Raises:
        UnreadableImage: The image cannot be read.
    """
    image = magnified(shrink(read_image(source, bits=bits or significant_bits([source]) or 16), SIDE))
    shown = {"image": image}
    if patch_map is not None and scale is not None:
        shown["heatmap"] = draw_heat(image, patch_map, scale, roi)
    return shown


def pictures_of_row(evaluation: Evaluation, row: int) -> dict[str, NDArray[np.uint8]]:
    """Make the pictures of a row of `scores`: its image, and its heatmap where there are maps.

    Raises:
        UnreadableImage: The image cannot be read.
    """
    source, _ = evaluation.image(row)
    patch_map = None if evaluation.maps is None else evaluation.maps[row]
    scale = evaluation.heat_scale
    if patch_map is not None:
        rejected = evaluation.scores["decision"].iloc[row] == REJECT
        scale = scale.of_image(patch_map, rejected=rejected)
    return pictures(source, patch_map, scale, evaluation.roi, evaluation.provenance["bits"])


def _named(names: Sequence[str], values: Sequence[str]) -> str:
    """Write values behind their names."""
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def _titled(title: str, content: str) -> str:
    return f"<div><b>{escape(title)}</b><div>{content}</div></div>"


def _table(facts: Mapping[str, str]) -> str:
    """Write facts as a table of names and values."""
    rows: Sequence[str] = [
        f"<tr><th style='text-align: left'>{escape(name)}</th>"
        f"<td style='text-align: left'>{escape(value or MISSING)}</td></tr>"
        for name, value in facts.items()
    ]
    return f"<table>{''.join(rows)}</table>"
