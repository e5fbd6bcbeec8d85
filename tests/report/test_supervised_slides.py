"""Slides of studies of classifiers of defects that were really trained."""

import filecmp

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from knowngood.errors import OutputError
from knowngood.report.classification import classification_exhibits
from knowngood.report.deck import write_deck
from knowngood.report.slide import Deck
from knowngood.report.supervised_slides import DOCUMENT, SupervisedSlides, supervised_exhibits
from knowngood.report.training import training_exhibits

from .conftest import NAMES
from .drawing import pdf_figures, slide_texts, slide_title, stays_inside


@pytest.fixture
def content(probe, tuned, table):
    first = [table[table["path"].str.contains(f"train_{name}")]["path"].iloc[0] for name in NAMES]
    results = pd.DataFrame(
        [
            ["linear_probe", 0.9, 0.02, 0.8, 184],
            ["finetune", 0.7, 0.1, 0.6, 60],
            [DOCUMENT, 0.75] + 3 * [None],
        ],
        columns=["method", "macro_f1", "macro_f1_sd", "recall", "images"],
    )
    return {
        "facts": [("images", "46"), ("seeds", "5")],
        "classes": (NAMES, np.stack([np.asarray(Image.open(path)) for path in first])),
        "expectations": ["There are few images."],
        "choices": ["No test image took part in any choice."],
        "results": results,
        "evaluations": {"linear_probe": probe, "finetune": tuned},
    }


def write_slides(content, path):
    write_deck(Deck("Parts", list(supervised_exhibits(SupervisedSlides(**content)))), path)


@pytest.fixture
def slides(content, tmp_path, monkeypatch):
    """Writes slides and gives their figures."""
    figures = pdf_figures(monkeypatch)

    def write(**changes):
        write_slides(content | changes, tmp_path / "slides.pdf")
        return figures[1:]

    return write


def test_a_slide_for_each_question_in_order(slides, probe, tuned):
    titles = list(map(slide_title, slides()))
    expected = [
        "The data and the protocol",
        "3 classes: the largest has 1.5 times as many images as the smallest",
        "An image of each class",
    ]
    expected += ["Expected problems", "Which images each choice was made on"]
    for method, evaluation in (("linear_probe", probe), ("finetune", tuned)):
        expected += [f"{method}: {exhibit.title}" for exhibit in training_exhibits(evaluation.records)]
    expected.append("linear_probe has the highest macro f1: 0.900 ± 0.020; the document: 0.750")
    expected += [f"linear_probe: {exhibit.title}" for exhibit in classification_exhibits(probe)]
    assert titles == expected


def test_results_stand_beside_the_document(slides):
    (found,) = [figure for figure in slides() if "highest" in figure.texts[0].get_text()]
    (drawn,) = [table for axes in found.findobj() for table in getattr(axes, "tables", [])]
    cells = drawn.get_celld()
    rows = [[cells[row, column].get_text().get_text() for column in range(4)] for row in range(4)]
    assert rows == [
        ["method", "macro f1", "recall", "images"],
        ["linear_probe", "0.900 ± 0.020", "0.800", "184"],
        ["finetune", "0.700 ± 0.100", "0.600", "60"],
        ["the document", "0.750", "–", "–"],
    ]


def test_numbers_of_training_and_test_images(slides):
    assert {"12", "8", "6", "28", "18"} <= set(slide_texts(slides()[1]))


def test_every_text_stays_on_its_slide(slides):
    for figure in slides(facts=[(f"fact {n}", "a value that takes more than a line " * 2) for n in range(6)]):
        stays_inside(figure)


def test_only_what_there_is(slides, probe):
    bare = slides(
        classes=([], np.zeros((0, 8, 8, 3), np.uint8)),
        expectations=[],
        choices=[],
        results=pd.DataFrame({"method": [], "f1": []}),
        evaluations={"linear_probe": probe},
    )
    assert len(bare) == 3 + len(classification_exhibits(probe))


def test_the_same_content_makes_the_same_file(content, tmp_path):
    paths = [tmp_path / "one.pdf", tmp_path / "two.pdf"]
    for path in paths:
        write_slides(content, path)
    assert filecmp.cmp(*paths, shallow=False)  # pytest would take an hour to show how two such files differ
    assert b"/FontFile2" in paths[0].read_bytes()


def test_no_folder_no_slides(content, tmp_path):
    with pytest.raises(OutputError, match=r"slides\.pdf' cannot be written"):
        write_slides(content, tmp_path / "none" / "slides.pdf")
