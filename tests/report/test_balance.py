"""The sizes of classes in charts and tables."""

import numpy as np
import pytest

from knowngood.report.balance import balance_exhibit, loss_exhibit, tail_exhibit, weights_exhibit
from knowngood.training.imbalance import ClassLoss

from .drawing import drawn, inside

COUNTS = {"training": {"good": 20, "dent": 3}, "test": {"good": 10, "dent": 2, "cut": 5}}


def test_bars_are_sorted_by_size():
    chart = balance_exhibit(COUNTS)
    figure = drawn(chart)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["good", "cut", "dent"]
    assert [text.get_text() for text in axes.texts] == ["30", "5", "5"]
    inside(figure)


@pytest.mark.parametrize(
    ("sizes", "title"),
    [
        ({"good": 10, "dent": 10}, "Balanced: 10 images in each of 2 classes"),
        ({"good": 10, "dent": 8}, "Balanced: 8 to 10 images in each of 2 classes"),
        ({"good": 90, "dent": 10}, "Imbalanced: good has 90 images (90.0 %), dent 10, a ratio of 9"),
        ({"dent": 6, "good": 2, "cut": 1}, "the smallest of the other 2 classes 1, a ratio of 6"),
    ],
)
def test_the_title_follows_the_sizes(sizes, title):
    assert title in balance_exhibit({"all": sizes}).title


def test_the_head_holds_half_of_the_images():
    table = tail_exhibit({"a": 4, "b": 3, "c": 2, "d": 1})
    assert [row[1] for row in table.rows] == ["head", "head", "tail", "tail"]
    assert (
        table.title
        == "The head is 2 of 4 classes with 70.0 % of the images; the tail is 2 classes with 30.0 %"
    )
    assert tail_exhibit({"a": 9, "b": 1}).title.endswith("the tail is 1 class with 10.0 %")


@pytest.mark.parametrize("counts", [[250, 50], [7, 2, 2]])
def test_weights_are_those_of_the_training(counts):
    names = [f"class {number}" for number in range(len(counts))]
    weights = ClassLoss("class_weights", counts).weights.numpy()
    written = [float(row[3]) for row in weights_exhibit(names, counts).texts]
    np.testing.assert_allclose(written, weights, atol=5e-4)
    assert f"{weights.max() / weights.min():.3g} times" in loss_exhibit(names, counts).title


def test_nothing_is_claimed_of_classes_of_one_size():
    assert "change nothing" in weights_exhibit(["a", "b"], [5, 5]).title
    assert "all weights are 1" in loss_exhibit(["a", "b"], [5, 5]).title


def test_formulas_are_drawn():
    figure = drawn(loss_exhibit(["good", "a$b"], [250, 50]))
    assert sum("frac" in text.get_text() for text in figure.axes[0].texts) == 4
    inside(figure)
