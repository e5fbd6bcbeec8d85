"""Exhibits as an HTML page: the report of an evaluation in one self-contained file."""

from __future__ import annotations

import os
from typing import Any

import jinja2
from markupsafe import Markup

from knowngood.errors import RecipeError
from knowngood.inspector.evaluation import Evaluation
from knowngood.output import MARK, replacing
from knowngood.report import detection, words
from knowngood.report.advice import advice
from knowngood.report.classification import classification_exhibits
from knowngood.report.confidence import confidence_exhibits
from knowngood.report.exhibits import Cell, Chart, Exhibit, Picture, Section, Table, Text
from knowngood.report.gallery import LARGEST, rows_of, tiles_of
from knowngood.report.pictures import HEAT, HOTTEST, SIDE, data_uri, shrink
from knowngood.report.reconstruction import reconstruction_exhibits
from knowngood.report.style import svg
from knowngood.report.subject import product_name, subject, title
from knowngood.report.trade_off import start, stops, trade_off_exhibit
from knowngood.report.training import training_exhibits
from knowngood.types import Progress, silent

_ACROSS = 1400  # pixels of all pictures beside each other: somewhat more than the width of the page
_GALLERY = 1.6e6  # bytes of the pictures that are shown above the table of all images

SIGNS = {"good": "M7 12.5l3.5 3.5L17 9", "doubtful": "M12 6.5v7M12 17v.2", "useless": "M8 8l8 8M16 8l-8 8"}
"""The sign of a level of advice, as the path of an SVG."""


def write_report(
    evaluation: Evaluation,
    path: str | os.PathLike[str],
    *,
    examples: int = 12,
    overwrite: bool = False,
    progress: Progress = silent,
) -> None:
    """Write the report of an evaluation as one self-contained HTML file, whole or not at all.

    Args:
        evaluation: Of any inspector.
        path: The file to write; an older report is replaced.
        examples: Number of test images at most under each heading above the table of all images; 0 for a page
            without pictures of test images.
        overwrite: Replace any other file too.
        progress: Called while test images are drawn.

    Raises:
        OutputError: The file cannot be written, or is not ours to replace.
        RecipeError: ``examples`` is negative.

    Example::

        write_report(evaluation, "report.html")
    """
    if examples < 0:
        raise RecipeError(f"examples must be 0 or more; got {examples}")
    # Bytes of a file name that are not text are spelled out.
    page = _render(evaluation, examples, progress).encode("utf-8", errors="backslashreplace")
    with replacing(path, MARK, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(page)


def template(name: str) -> jinja2.Template:
    """Load the template of a page in this room."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("knowngood.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The template asks `exhibit is table`.
    environment.tests |= {cls.__name__.lower(): cls.__instancecheck__ for cls in (Text, Table, Chart, Cell)}
    environment.filters["svg"] = _svg
    environment.filters["uri"] = _uri
    environment.filters["score"] = words.score
    environment.filters["marked"] = _marked
    return environment.get_template(name)


def sections(evaluation: Evaluation) -> list[Section]:
    """Gather all exhibits beside those of detection, by subject; subjects without exhibits are left out."""
    classifier: list[Exhibit] = []
    if evaluation.classification is not None:
        of_defects = evaluation.classification.said is not None
        classifier = classification_exhibits(evaluation) if of_defects else confidence_exhibits(evaluation)
    found = {
        "Reconstruction": reconstruction_exhibits(evaluation),
        "Classifier": classifier,
        "Training": training_exhibits(evaluation.records),
    }
    return [Section(title, exhibits) for title, exhibits in found.items() if exhibits]


def _render(evaluation: Evaluation, examples: int, progress: Progress) -> str:
    """Fill the template."""
    metrics, provenance = evaluation.metrics, evaluation.provenance
    follows = advice(evaluation)
    shown = detection.without_meaning(metrics) if follows.other_product else metrics
    line = provenance["review"]
    basis = [words.basis(metrics, provenance["threshold"]), *([words.review_basis(line)] if line else [])]
    return template("template.html.jinja").render(
        generator=MARK,
        title=title(evaluation),
        product=product_name(evaluation.about),
        date=evaluation.about.time[:10],
        subject=subject(evaluation),
        advice=follows,
        sign=SIGNS[follows.level],
        verdict="" if follows.other_product else words.verdict(metrics),
        warnings=metrics["warnings"],
        key_figures=detection.key_figures(shown),
        reasons=list(dict.fromkeys(detection.reasons(shown).values())),
        overview=detection.detection_exhibits(evaluation)[: 1 if follows.other_product else None],
        basis=" ".join(basis),
        three_answers=line is not None,
        trade_off=trade_off_exhibit(evaluation),
        stops=stops(evaluation),
        start=start(evaluation),
        has_maps=evaluation.maps is not None,
        heat_colours=f"rgb{HEAT}, rgb{HOTTEST}",
        **_images(evaluation, 0 if follows.other_product else examples, bool(examples), progress),
        unreadable=evaluation.unreadable,
        sections=sections(evaluation),
        provenance=provenance,
        facts=list(detection.facts(provenance)),
    )


def _images(evaluation: Evaluation, examples: int, pictures: bool, progress: Progress) -> dict[str, Any]:
    """Gather the rows and pictures of the test images for the template."""
    rows = rows_of(evaluation)
    chosen = detection.samples(rows, examples)
    shown = [row for section in chosen for row in section.rows]
    above = iter(tiles_of(evaluation, shown, min(_GALLERY, len(shown) * 4 * LARGEST)))
    return {
        "rows": rows,
        "types": sorted({row.type for row in rows if row.label == "defect"}),
        "predicted": any(row.predicted for row in rows),
        "samples": [(section, [next(above) for _ in section.rows]) for section in chosen],
        "tiles": tiles_of(evaluation, rows, progress=progress) if pictures else [],
    }


def _svg(chart: Chart) -> Markup:
    """Draw a chart, with its title for those who hear the page; matplotlib escapes the texts in it."""
    named = Markup('<svg role="img" aria-label="Chart: {}"').format(chart.title)
    return named + Markup(svg(chart.draw, chart.size, chart.title).removeprefix("<svg"))


def _marked(sentence: str) -> Markup:
    """Set what stands between backticks as code.

    Example:
        >>> _marked("Try `knowngood fit <a>`.")
        Markup('Try <code>knowngood fit &lt;a&gt;</code>.')
    """
    parts = sentence.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def _uri(picture: Picture, columns: int = 1) -> str:
    """Encode a picture as a data URI, no larger than it is shown in a row of some columns."""
    assert picture.image is not None
    return data_uri(shrink(picture.image, min(SIDE, _ACROSS // columns)))
