"""Exhibits as an HTML page: the report of an evaluation in one self-contained file."""

from __future__ import annotations

import os

import jinja2
from markupsafe import Markup

from knowngood.errors import RecipeError
from knowngood.inspector.evaluation import Evaluation
from knowngood.output import MARK, replacing
from knowngood.report import detection, words
from knowngood.report.classification import classification_exhibits
from knowngood.report.confidence import confidence_exhibits
from knowngood.report.exhibits import Cell, Chart, Exhibit, Picture, Section, Table, Text
from knowngood.report.pictures import HEAT, SIDE, data_uri, shrink
from knowngood.report.reconstruction import reconstruction_exhibits
from knowngood.report.style import svg
from knowngood.report.training import training_exhibits

_ACROSS = 1400  # pixels of all pictures beside each other: somewhat more than the width of the page


def write_report(
    evaluation: Evaluation, path: str | os.PathLike[str], *, examples: int = 12, overwrite: bool = False
) -> None:
    """Write the report of an evaluation as one self-contained HTML file, whole or not at all.

    Args:
        evaluation: Of any inspector.
        path: The file to write; an older report is replaced.
        examples: Number of test images in a section at most, 0 or more.
        overwrite: Replace any other file too.

    Raises:
        OutputError: The file cannot be written, or is not ours to replace.
        RecipeError: ``examples`` is negative.

    Example::

        write_report(evaluation, "report.html")
    """
    if examples < 0:
        raise RecipeError(f"examples must be 0 or more; got {examples}")
    # Bytes of a file name that are not text are spelled out.
    page = _render(evaluation, examples).encode("utf-8", errors="backslashreplace")
    with replacing(path, MARK, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(page)


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


def _render(evaluation: Evaluation, examples: int) -> str:
    """Fill the template."""
    metrics, provenance = evaluation.metrics, evaluation.provenance
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("knowngood.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The template asks `exhibit is table`.
    environment.tests |= {cls.__name__.lower(): cls.__instancecheck__ for cls in (Text, Table, Chart, Cell)}
    # Matplotlib escapes texts.
    environment.filters["svg"] = lambda chart: Markup(svg(chart.draw, chart.size, chart.title))
    environment.filters["uri"] = _uri
    return environment.get_template("template.html.jinja").render(
        generator=MARK,
        verdict=words.verdict(metrics),
        basis=words.basis(metrics, provenance["threshold"]),
        warnings=metrics["warnings"],
        key_figures=detection.key_figures(metrics),
        reasons=list(dict.fromkeys(detection.reasons(metrics).values())),
        overview=detection.detection_exhibits(evaluation),
        has_maps=evaluation.maps is not None,
        heat_colours=[f"rgb({red}, {green}, {blue})" for red, green, blue in HEAT],
        samples=detection.sample_sections(evaluation, examples),
        sections=sections(evaluation),
        provenance=provenance,
        facts=list(detection.facts(provenance)),
    )


def _uri(picture: Picture, columns: int = 1) -> str:
    """Encode a picture as a data URI, no larger than it is shown in a row of some columns."""
    assert picture.image is not None
    return data_uri(shrink(picture.image, min(SIDE, _ACROSS // columns)))
