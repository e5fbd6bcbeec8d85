"""Slides of studies of classifiers of defects that were really trained."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from knowngood.report.deck import write_deck
from knowngood.report.slide import Deck
from knowngood.report.supervised_slides import (
    DOCUMENT,
    Decisions,
    choices_exhibit,
    classes_exhibit,
    confusions_exhibit,
    decisions_of,
    named,
    results_exhibit,
    validation_exhibit,
)

from .conftest import NAMES
from .drawing import cells, drawn, pdf_figures, stays_inside

RESULTS = pd.DataFrame(
    [
        ["linear_probe", 0.9, 0.02, 0.8, 184],
        ["finetune", 0.7, 0.1, 0.6, 60],
        [DOCUMENT, 0.75] + 3 * [None],
    ],
    columns=["method", "macro_f1", "macro_f1_sd", "recall", "images"],
)


@pytest.fixture(scope="module")
def evaluations(probe, tuned):
    return {"linear_probe": probe, "finetune": tuned}


def test_results_stand_beside_the_document():
    table = results_exhibit(RESULTS)
    assert table.title == "linear_probe has the highest macro F1: 0.900 ± 0.020; the document: 0.750"
    assert cells(table) == [
        ["method", "macro F1", "recall", "images"],
        ["linear_probe", "0.900 ± 0.020", "0.800", "184"],
        ["finetune", "0.700 ± 0.100", "0.600", "60"],
        ["the document", "0.750", "–", "–"],
    ]


def test_the_title_of_results_follows_the_figures():
    better = RESULTS.assign(macro_f1=[0.5, 0.7, 0.75])
    assert results_exhibit(better).title.startswith("finetune has the highest macro F1: 0.700")
    unknown = RESULTS.assign(macro_f1=np.nan)
    assert results_exhibit(unknown).title == "Comparison of the methods"


def test_numbers_of_training_and_test_images(probe):
    table = classes_exhibit(probe)
    assert table.title == "3 classes: the largest has 1.5 times as many training images as the smallest"
    assert [row[0] for row in table.rows] == [*NAMES, "all"]
    assert [row[1:] for row in table.rows] == [["12", "6"], ["8", "6"], ["8", "6"], ["28", "18"]]


def test_choices_name_the_largest_gap(evaluations):
    table = choices_exhibit(evaluations)
    assert [row[0] for row in table.texts] == ["linear_probe", "finetune"]
    gaps = {}
    for name, one in evaluations.items():
        record = one.records.classifier
        gaps[name] = record.train_accuracy - (record.logits.argmax(axis=1) == record.truth).mean()
    most = max(gaps, key=gaps.get)
    if gaps[most] > 0:
        assert f"held-out accuracy: {most}, {100 * gaps[most]:.1f} points" in table.title
    assert "Imbalance" in table.texts[0][-1]


def test_no_gap_is_claimed_where_there_is_none(probe):
    record = dataclasses.replace(probe.records.classifier, train_accuracy=0.0)
    records = dataclasses.replace(probe.records, classifier=record)
    table = choices_exhibit({"probe": dataclasses.replace(probe, records=records)})
    assert table.title == "No method has a higher accuracy on training images than on held-out ones"


def test_decisions_on_test_images(probe):
    found, confusion = decisions_of(probe), probe.metrics["confusion"]
    assert found.images == 18
    assert (found.true, found.missed) == (confusion["true_reject"], confusion["escape"])
    assert (found.false, found.right) == (
        confusion["false_reject"],
        confusion["true_accept"] + confusion["true_reject"],
    )


def test_decisions_as_texts():
    assert Decisions(110, 87, 44, 12, 11).cells == ["110", "0.791", "0.786", "0.793"]
    assert Decisions(4, 2, 0, 0, 2).cells == ["4", "0.500", "–", "0.000"]


def test_validation_stands_beside_the_test_and_the_document(evaluations):
    document = Decisions(60, 57, 9, 2, 1), Decisions(110, 87, 44, 12, 11)
    rows = validation_exhibit(evaluations, document).texts
    assert rows[-1] == ["the document", "60", "0.950", "0.818", "0.857", "110", "0.791", "0.786", "0.793"]
    probe = evaluations["linear_probe"]
    assert rows[0][1] == str(len(probe.records.classifier.truth))
    assert rows[0][5:] == decisions_of(probe).cells
    assert len(validation_exhibit(evaluations).rows) == 2


def test_confusions_before_and_after(evaluations):
    chart = confusions_exhibit(evaluations)
    one, other = map(decisions_of, evaluations.values())
    assert chart.title == (
        f"False rejects: {one.false} (linear_probe) and {other.false} (finetune); escapes: {one.missed} "
        f"and {other.missed}"
    )
    panels = drawn(chart).axes
    for axes, evaluation in zip(panels, evaluations.values(), strict=True):
        numbers = [int(text.get_text()) for text in axes.texts]
        assert numbers == evaluation.classification.matrix.ravel().tolist()


def test_every_text_stays_on_its_slide(evaluations, tmp_path, monkeypatch):
    figures = pdf_figures(monkeypatch)
    probe = evaluations["linear_probe"]
    exhibits = [
        results_exhibit(RESULTS),
        classes_exhibit(probe),
        choices_exhibit(evaluations),
        validation_exhibit(evaluations),
        confusions_exhibit(evaluations, "A note."),
    ]
    write_deck(Deck("Parts", list(named("2", exhibits))), tmp_path / "slides.pdf")
    for figure in figures[1:]:
        assert figure.texts[0].get_text().startswith("2: ")
        stays_inside(figure)
