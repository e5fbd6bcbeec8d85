"""The evaluation of several products as words, as a page with a table of them, and as files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from knowngood.data.product_names import STRANGER, folder_names
from knowngood.extras import needs_extra
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.product_evaluation import ProductEvaluation
from knowngood.inspector.products import Products
from knowngood.output import MARK, make_folder, replacing
from knowngood.report.advice import LEVELS, advice
from knowngood.report.folder import RESULTS, check_results, write_evaluation
from knowngood.report.subject import file_name
from knowngood.report.verdicts import write_csv
from knowngood.report.words import MISSING, count, decimal, interval, percent, score
from knowngood.types import Progress, silent

COLUMNS = ("good", "defects", "image AUROC", "pixel AUROC", "AUPRO", "false rejects", "escapes", "threshold")
WITH_REVIEW = (*COLUMNS, "good parts reviewed", "defects reviewed")

_AREAS = ("image_auroc", "pixel_auroc", "pixel_aupro")
_RATES = ("false_reject_rate", "escape_rate")
_REVIEWED = ("good_review_rate", "defect_review_rate")


def write_product_evaluation(
    evaluation: ProductEvaluation,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write `metrics.json`, `scores.csv` and `products.html`, and a folder with the results of each product.

    Args:
        evaluation: Of the inspectors of several products.
        folder: It is made if it is not there; older results in it are replaced.
        overwrite: Replace files of these names that are not ours too.
        progress: Called during long work.

    Returns:
        The path of the page, whose table has links to the report of each product.

    Raises:
        OutputError: A file or a folder cannot be written, or a file is not ours to replace.
        MissingExtra: The report's libraries are not installed; the other files are written.
    """
    folder = Path(folder)
    make_folder(folder)
    check_results(folder, overwrite=overwrite)
    with replacing(folder / "metrics.json", MARK, overwrite=overwrite) as unfinished:
        text = json.dumps({"file": MARK} | evaluation.metrics, indent=1, allow_nan=False, ensure_ascii=False)
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
    with replacing(folder / "scores.csv", RESULTS["scores.csv"], overwrite=overwrite) as unfinished:
        scores = evaluation.scores
        write_csv(unfinished, list(map(str, scores.columns)), scores.itertuples(index=False))
    links = {}
    names = list(evaluation.evaluations)
    for name, own in zip(names, folder_names(names), strict=True):
        one = evaluation.evaluations[name]
        write_evaluation(one, folder / own, overwrite=overwrite, progress=progress)
        links[name] = f"{quote(own)}/{quote(file_name(one))}"
    page = _render(evaluation, links).encode("utf-8", errors="backslashreplace")
    with replacing(folder / "products.html", MARK, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(page)
    return folder / "products.html"


def held_out_in_words(products: Products) -> dict[str, str]:
    """Say how many held-out good images were recognised, and from where on an image is a stranger.

    Example::

        held_out_in_words(products)["recognised"]    # "187 of 187 held-out good images"
    """
    right, images = products.held_out
    line = products.recogniser.threshold
    bound = ""
    if line.upper_bound is not None:
        bound = f"; at 95 % confidence at most {percent(line.upper_bound)} of good parts are strangers"
    known = set(products.recogniser.classifier.truth.tolist())
    alone = [name for number, name in enumerate(products.names) if number not in known]
    missing = f"; none of {', '.join(alone)}, of which one part was photographed" if alone else ""
    return {
        "recognised": f"{right} of {count(images, 'held-out good image')}{missing}",
        STRANGER: f"beyond a distance of {score(line.value)} from each product ({line.rule}){bound}",
    }


def product_rows(products: Products) -> list[list[str]]:
    """A table of products, its heads first."""
    reviews = any(one.review for one in products.inspectors.values())
    heads = ["product", "detector", "good images", "input", "threshold", "rejects at most"]
    rows = [[*heads, "review above"] if reviews else heads]
    for name, inspector in products.inspectors.items():
        manifest, threshold = inspector.manifest, inspector.threshold
        height, width = manifest.input_shape
        learned, bound = str(len(manifest.training)), percent(threshold.upper_bound)
        shape = f"{height // (1 + manifest.pairs)} x {width}"  # the reference is read below the image
        row = [name, manifest.method, learned, shape, score(threshold.value), bound]
        line = score(inspector.review.value) if inspector.review else MISSING
        rows.append([*row, line] if reviews else row)
    return rows


def recognition_in_words(metrics: Mapping[str, Any]) -> list[str]:
    """Say in sentences how the images of a test came to their products."""
    strangers, found = metrics["strangers"], metrics["recognition"]
    if found is None:
        good, defects = count(strangers["good"], "good part"), count(strangers["defect"], "defect")
        called = f"{good} and {defects} were called strangers: like no product, and therefore rejected."
        return [
            "Each image was inspected as the product that was recognised. The test names no products, so "
            "whether an image shows that product is not known.",
            called if any(strangers.values()) else "No image was called a stranger.",
        ]
    sentences = ["Each image was inspected as the product that the test names."]
    for label, noun in (("good", "good part"), ("defect", "defect")):
        counts = found[label]
        if images := counts["images"]:
            sentences.append(
                f"Of {count(images, noun)} the recogniser would have given {counts['recognised']} to their "
                f"product, and called {counts[STRANGER] or 'none'} a stranger."
            )
    return sentences


def _render(evaluation: ProductEvaluation, links: Mapping[str, str]) -> str:
    """Fill the template."""
    with needs_extra():
        import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("knowngood.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    evaluations, metrics = evaluation.evaluations, evaluation.metrics
    times = [one.about.time[:10] for one in evaluations.values()]
    parts = [Path(evaluation.inspector).name, evaluation.data and f"tested on {evaluation.data}", *times[:1]]
    columns = WITH_REVIEW if any("review" in one.metrics for one in evaluations.values()) else COLUMNS
    totals = {"mean of the products": _means(metrics["mean"]), "all images": _all(metrics)}
    return environment.get_template("products.html.jinja").render(
        generator=MARK,
        title=f"Inspection report · {count(len(evaluations), 'product')}",
        subtitle=" · ".join(filter(None, parts)),
        columns=columns,
        rows=[
            {
                "name": name,
                "link": links[name],
                "level": LEVELS[advice(one).level],
                "cells": _cells(one)[: len(columns)],
            }
            for name, one in evaluations.items()
        ],
        totals=[(name, cells[: len(columns)]) for name, cells in totals.items()],
        sentences=recognition_in_words(metrics),
        warnings=metrics["warnings"],
        unreadable=evaluation.unreadable,
    )


def _cells(evaluation: Evaluation) -> list[str]:
    """The figures of a product, as `WITH_REVIEW`."""
    metrics = evaluation.metrics
    rates = _rates(metrics, _RATES), _rates(metrics, _REVIEWED)
    return [*_counts(metrics), *_areas(metrics), *rates[0], score(metrics["threshold"]), *rates[1]]


def _means(mean: Mapping[str, Any]) -> list[str]:
    """The mean figures, as `WITH_REVIEW`."""
    errors, reviews = ([percent(mean[name]) for name in names] for names in (_RATES, _REVIEWED))
    return ["", "", *_areas(mean), *errors, "", *reviews]


def _all(metrics: Mapping[str, Any]) -> list[str]:
    """The figures of all images, as `WITH_REVIEW`; scores of several products have no common scale."""
    return [*_counts(metrics), "", "", "", *_rates(metrics, _RATES), "", *_rates(metrics, _REVIEWED)]


def _counts(metrics: Mapping[str, Any]) -> list[str]:
    return [str(metrics["counts"][label]) for label in ("good", "defect")]


def _areas(metrics: Mapping[str, Any]) -> list[str]:
    return [decimal(metrics[name]) for name in _AREAS]


def _rates(metrics: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Rates of decisions with their 95 % intervals."""
    return [
        f"{percent(metrics[name])}\n{interval(metrics, name)}"
        if metrics.get(name) is not None
        else percent(None)
        for name in names
    ]
