"""The evaluation of inspectors of several products on labelled images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from knowngood.data.held import sources_of
from knowngood.data.product_names import PRODUCT, STRANGER
from knowngood.data.products import by_product, in_product, load_products
from knowngood.data.samples import Samples, data_name, load_samples
from knowngood.data.splits import SPLIT_MADE
from knowngood.data.tables import LABELS
from knowngood.errors import DataError, UnreadableImage, quoted
from knowngood.inspector.display import html
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.measures import decision_metrics
from knowngood.inspector.products import Products
from knowngood.metrics.rates import confusion
from knowngood.metrics.review import REJECT, REVIEW
from knowngood.notebook import followed
from knowngood.types import Progress, with_title

MEANS = (
    *("image_auroc", "image_ap", "image_f1_max", "false_reject_rate", "escape_rate"),
    *("good_review_rate", "defect_review_rate", "pixel_auroc", "pixel_ap", "pixel_aupro"),
)
"""The figures whose mean over the products is given."""

_KNOWN = ["path", "label", "defect", "mask"]


@dataclass(frozen=True, eq=False)
class ProductEvaluation:
    """The evaluation of each product, and figures of all.

    Args:
        evaluations: That of each product that the test has, by its name.
        metrics: `products`, the metrics of each; `mean`, the mean over those that have it of each of
            `MEANS`; `counts`, `confusion` and the two error rates of all images, strangers among them;
            `recognition`, how many images were recognised as their product, where that is known; `strangers`,
            how many were called so; `warnings`.
        scores: One row per verdict, as in `Evaluation.scores`, with its `product`; the score of a stranger is
            its distance to the nearest product.
        unreadable: Test images that could not be read.
        inspector: The inspectors' file, as it was given; empty for those that were never saved.
        data: The name of the folder or table of the test images; empty where a program gave them.
    """

    evaluations: dict[str, Evaluation]
    metrics: dict[str, Any]
    scores: pd.DataFrame
    unreadable: list[UnreadableImage]
    inspector: str = ""
    data: str = ""

    def __repr__(self) -> str:
        mean = self.metrics["mean"]
        named = ("image_auroc", "false_reject_rate", "escape_rate")
        figures = [f"mean {name} {mean[name]:.4g}" for name in named if mean[name] is not None]
        return f"ProductEvaluation({', '.join([*self.evaluations, *figures])})"

    def _repr_html_(self) -> str:
        return html(self)


def evaluate_products(
    products: Products, data: Mapping[str, Samples] | Samples, *, progress: Progress | None = None
) -> ProductEvaluation:
    """Compare the verdicts on test images of several products with their labels; see `knowngood.evaluate`.

    Args:
        products: The inspectors.
        data: The samples of each product by its name, such as `knowngood.load_products` lists; or what
            `knowngood.load_samples` takes. A column `product` says which product each image shows; without
            it, each image is recognised, and strangers count as rejected.
        progress: Called during long work; without it, a notebook shows a bar.

    Raises:
        DataError: A product is not known, or has no test images that can be used; the message names it.

    Example::

        evaluation = evaluate_products(products, load_products("parts/"))
        print(evaluation.metrics["mean"]["image_auroc"], evaluation.metrics["recognition"])
    """
    progress = followed(progress)
    unreadable: list[UnreadableImage] = []
    tables, name = _by_product(data)
    strangers = pd.DataFrame({"label": []})
    recognises = list(tables) == [""]
    if recognises:
        tables, strangers = _recognised(products, tables[""], unreadable, progress)
    if unknown := [one for one in tables if one not in products.inspectors]:
        known = ", ".join(products.names)
        raise DataError(f"product {quoted(unknown[0])} of the test is not known; the inspector has {known}")
    evaluations = {}
    for own, table in tables.items():
        with in_product(own):
            one = evaluate(products[own], table, progress=with_title(progress, own))
        subject = dataclasses.replace(one.about, inspector=products.file, one_of=own)
        evaluations[own] = dataclasses.replace(one, about=subject)
    found = [one.scores.assign(**{PRODUCT: own}) for own, one in evaluations.items()]
    scores = pd.concat([*found, *([strangers] if len(strangers) else [])], ignore_index=True)
    warnings = [f"{own}: {text}" for own, one in evaluations.items() for text in one.metrics["warnings"]]
    metrics = {
        "mean": _means(list(evaluations.values())),
        **_of_all(scores),
        "recognition": None if recognises else _recognition(products, evaluations, progress),
        "strangers": {label: int((strangers["label"] == label).sum()) for label in LABELS},
        "products": {own: one.metrics for own, one in evaluations.items()},
        "warnings": warnings,
    }
    for one in evaluations.values():
        unreadable += one.unreadable
    return ProductEvaluation(evaluations, metrics, scores, unreadable, products.file, name)


def _by_product(data: Mapping[str, Samples] | Samples) -> tuple[dict[str, pd.DataFrame], str]:
    """The samples of each product, or of all under an empty name; and the name of the data."""
    if isinstance(data, Mapping):
        return load_products(data), ""
    table = load_samples(data)
    return by_product(table) if PRODUCT in table else {"": table}, data_name(table)


def _recognised(
    products: Products, table: pd.DataFrame, unreadable: list[UnreadableImage], progress: Progress
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The test images of each product as they are recognised, and the scores of strangers."""
    if not table.attrs.get(SPLIT_MADE):
        table = table[table["split"] == "test"].reset_index(drop=True)
    rows: dict[str, list[int]] = {}
    strangers = []
    for verdict in products.recognise(sources_of(table), on_unreadable=unreadable.append):
        if verdict.product == STRANGER:
            strangers.append(verdict.row() | table.iloc[verdict.index][_KNOWN].to_dict())
        else:
            rows.setdefault(str(verdict.product), []).append(verdict.index)
        progress("recognising products", verdict.index + 1, len(table))
    of_each = {name: table.iloc[rows[name]].reset_index(drop=True) for name in sorted(rows)}
    return of_each, pd.DataFrame(strangers, columns=None if strangers else ["label"])


def _means(evaluations: Sequence[Evaluation]) -> dict[str, float | None]:
    """The mean over products of each figure; None where no product has it."""
    values = {name: [one.metrics.get(name) for one in evaluations] for name in MEANS}
    known = {name: [value for value in of_each if value is not None] for name, of_each in values.items()}
    return {name: float(np.mean(of_each)) if of_each else None for name, of_each in known.items()}


def _of_all(scores: pd.DataFrame) -> dict[str, Any]:
    """Counts and error rates of all images by their decisions."""
    defect, decision = (scores["label"] == "defect").to_numpy(), scores["decision"].to_numpy()
    levels = (decision == REVIEW) + 2.0 * (decision == REJECT)
    counted = confusion(defect, levels, threshold=1, review=0)
    counts = {"counts": {label: int((scores["label"] == label).sum()) for label in LABELS}}
    return counts | decision_metrics(counted, {}, reviews=bool((decision == REVIEW).any()))


def _recognition(
    products: Products, evaluations: Mapping[str, Evaluation], progress: Progress
) -> dict[str, dict[str, int]]:
    """How many images of each label the recogniser gives to their product, and calls strangers."""
    found = {label: {"images": 0, "recognised": 0, STRANGER: 0} for label in LABELS}
    for own, evaluation in evaluations.items():
        labels = list(evaluation.scores["label"])
        images = [evaluation.image(row)[0] for row in range(len(labels))]
        for verdict in products.recognise(images):
            counts = found[labels[verdict.index]]
            counts["images"] += 1
            counts["recognised"] += verdict.product == own
            counts[STRANGER] += verdict.product == STRANGER
            progress(f"{own}: recognising products", verdict.index + 1, len(labels))
    return found
