"""Figures of trained classifiers: what stands in them, on a page and on a slide."""

import numpy as np
import pytest
import sklearn.metrics
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from knowngood.metrics.classification import balanced_accuracy, confusion_matrix, macro_f1, macro_precision
from knowngood.report.classified import (
    draw_class_accuracies,
    draw_classes,
    draw_curves,
    draw_pictures,
    draw_sheet,
    draw_top_losses,
)
from knowngood.report.figures import FAINT, style, svg

NAMES = ["good", "scratch", "a_defect_with_a_very_long_name", "never_seen"]


@pytest.fixture(params=[(10.8, 3.8), (12.0, 5.5)])
def figure(request):
    with style():
        yield Figure(figsize=request.param)


@pytest.fixture
def answers():
    """The true class of 60 images, none of the last of four classes, and probabilities."""
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    logits = rng.normal(size=(60, 4)) + 2 * np.eye(4)[truth]
    return truth, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def legend(figure):
    (found,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return [text.get_text() for text in found.get_texts()]


def boxes(figure):
    """Where each axes with its texts is, once drawn without a warning."""
    svg(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    return [axes.get_tightbbox(renderer) for axes in figure.axes]


def inside(figure):
    """No text may leave the figure."""
    for box in boxes(figure):
        assert box.x0 >= -2
        assert box.x1 <= figure.bbox.x1 + 2
        assert box.y0 >= -2
        assert box.y1 <= figure.bbox.y1 + 2


def apart(figure):
    """No axes with its texts may lie on another."""
    found = boxes(figure)
    for place, one in enumerate(found):
        for other in found[:place]:
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            down = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert min(across, down) <= 1


def rows(drawn):
    cells = drawn.get_celld()
    count, columns = 1 + np.max(list(cells), axis=0)
    return [[cells[row, column].get_text().get_text() for column in range(columns)] for row in range(count)]


class TestClasses:
    def test_each_class_and_their_mean(self, figure, answers):
        matrix = confusion_matrix(answers[0], answers[1].argmax(axis=1), 4)
        draw_classes(figure, NAMES, matrix)
        head, *classes, mean = rows(figure.axes[0].tables[0])
        assert head == ["class", "images", "precision", "recall", "F1"]
        assert [row[0] for row in classes] == ["good", "scratch", "a_defect_with_a_very_lo…", "never_seen"]
        assert [row[1] for row in classes] == ["20", "20", "20", "0"]
        assert classes[0][3] == f"{matrix[0, 0] / 20:.3f}"
        assert classes[3][2:] == ["0.000", "–", "0.000"]
        means = [f"{mean_of(matrix):.3f}" for mean_of in (macro_precision, balanced_accuracy, macro_f1)]
        assert mean == ["macro mean", "60", *means]
        inside(figure)

    def test_without_images_nothing_is_known(self, figure):
        draw_classes(figure, ["good", "bad"], np.zeros((2, 2), np.int64))
        assert rows(figure.axes[0].tables[0])[1:] == [
            [name, "0", "–", "–", "–"] for name in ("good", "bad", "macro mean")
        ]

    def test_many_classes_stand_in_columns(self, figure):
        draw_classes(figure, [f"class {place}" for place in range(40)], np.eye(40, dtype=np.int64))
        tables = [rows(axes.tables[0]) for axes in figure.axes]
        assert len(tables) == 2
        assert [row[0] for table in tables for row in table[1:]] == [
            *(f"class {place}" for place in range(40)),
            "macro mean",
        ]
        inside(figure)
        apart(figure)
        heights = [
            axes.get_position().height / len(table) for axes, table in zip(figure.axes, tables, strict=True)
        ]
        assert heights[0] == pytest.approx(heights[1])


class TestCurves:
    def test_areas_are_those_of_scikit_learn(self, figure, answers):
        truth, probabilities = answers
        draw_curves(figure, NAMES, truth, probabilities)
        for place, entry in enumerate(legend(figure)[:3]):
            its, column = truth == place, probabilities[:, place]
            area, precision = map(float, entry.partition("(")[2].strip(")").split(", "))
            assert area == pytest.approx(sklearn.metrics.roc_auc_score(its, column), abs=6e-4)
            assert precision == pytest.approx(sklearn.metrics.average_precision_score(its, column), abs=6e-4)
        assert legend(figure)[2].startswith("a_defect_with_a_v… (")
        assert legend(figure)[3] == "never_seen (–)"

    def test_what_is_drawn_has_the_areas(self, figure, answers):
        truth, probabilities = answers
        draw_curves(figure, NAMES, truth, probabilities)
        roc, precision_recall = figure.axes
        assert (roc.get_title(), precision_recall.get_title()) == ("ROC", "precision-recall")
        assert len(roc.lines) == 3 + 1  # and that by chance
        assert [len(line.get_xdata()) > 0 for line in precision_recall.lines] == [True] * 3 + [False]
        for place in range(3):
            its, column = truth == place, probabilities[:, place]
            area = np.trapezoid(roc.lines[place].get_ydata(), roc.lines[place].get_xdata()) / 1e4
            assert area == pytest.approx(sklearn.metrics.roc_auc_score(its, column))
            recall, precision = precision_recall.lines[place].get_data()
            assert precision_recall.lines[place].get_drawstyle() == "steps-pre"
            steps = (np.diff(recall) * precision[1:]).sum() / 1e4
            assert steps == pytest.approx(sklearn.metrics.average_precision_score(its, column))

    def test_both_plots_are_as_wide_as_each_other(self, figure, answers):
        draw_curves(figure, NAMES, *answers)
        inside(figure)
        apart(figure)
        left, right = (axes.get_window_extent().width for axes in figure.axes)
        assert left == pytest.approx(right, rel=0.02)
        assert left > 0.2 * figure.bbox.width

    def test_all_of_one_class_have_no_curve(self, figure):
        draw_curves(figure, NAMES[:2], np.zeros(5, np.int64), np.full((5, 2), 0.5))
        assert legend(figure) == ["good (–)", "scratch (–)"]

    def test_of_many_classes_the_last_are_faint(self, figure):
        truth = np.arange(120) % 40
        draw_curves(figure, [f"class {place}" for place in range(40)], truth, np.eye(40)[truth])
        assert len(legend(figure)) == 24
        assert legend(figure)[0] == "class 0 (1.000, 1.000)"
        assert legend(figure)[-1] == "and 17 others"
        colours = [to_hex(line.get_color()) for line in figure.axes[1].lines]
        assert [colour == FAINT for colour in colours] == [False] * 23 + [True] * 17
        inside(figure)


class TestTopLosses:
    @pytest.mark.parametrize("count", [1, 3, 8, 24])
    @pytest.mark.parametrize("shape", [(20, 30), (50, 20)])
    def test_each_has_its_caption(self, figure, count, shape):
        pictures = np.random.default_rng(0).integers(0, 256, (count, *shape, 3), dtype=np.uint8)
        captions = [f"true: scratch\nsaid: good {99 - place} %" for place in range(count)]
        said = draw_top_losses(figure, pictures, captions)
        assert "worst first" in said
        drawn = [axes for axes in figure.axes if axes.images]
        if count < 24:  # of which names may be shortened
            assert [axes.get_title() for axes in drawn] == captions
        assert [axes.get_title()[-4:] for axes in drawn] == [caption[-4:] for caption in captions]
        for axes, picture in zip(drawn, pictures, strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), picture)
        inside(figure)
        apart(figure)

    def test_long_names_keep_how_sure_the_answer_is(self, figure):
        pictures = np.zeros((24, 16, 16, 3), np.uint8)
        draw_top_losses(figure, pictures, ["true: good\nsaid: a_defect_with_a_very_long_name 98 %"] * 24)
        true, said = figure.axes[0].get_title().splitlines()
        assert true == "true: good"
        assert said.startswith("said: a_")
        assert said.endswith("… 98 %")
        inside(figure)
        apart(figure)

    def test_none_at_all(self, figure):
        said = draw_top_losses(figure, np.zeros((0, 8, 8, 3), np.uint8), [])
        assert said == "There are no images whose class could be told."
        assert not figure.axes


class TestClassAccuracies:
    ACCURACIES = np.array([[0.2, np.nan, 0.5], [0.4, np.nan, np.nan], [0.9, np.nan, 1.0]])

    def test_a_line_for_each_class(self, figure):
        draw_class_accuracies(figure, ["good", "crack", "stain"], [5, 10, 15], self.ACCURACIES, best=15)
        assert legend(figure) == ["good", "crack (–)", "stain", "kept: epoch 15"]
        good, crack, stain, kept = figure.axes[0].lines
        assert list(good.get_xdata()) == [5, 10, 15]
        np.testing.assert_allclose(good.get_ydata(), [20, 40, 90])
        assert np.isnan(crack.get_ydata()).all()
        np.testing.assert_allclose(stain.get_ydata(), [50, np.nan, 100])
        assert list(kept.get_xdata()) == [15, 15]
        inside(figure)

    def test_without_a_best_epoch(self, figure):
        draw_class_accuracies(figure, ["good", "crack", "stain"], [1, 2, 3], self.ACCURACIES)
        assert legend(figure) == ["good", "crack (–)", "stain"]
        assert len(figure.axes[0].lines) == 3

    def test_one_epoch_is_marked_once(self, figure):
        draw_class_accuracies(figure, ["good"], [7], np.array([[0.5]]), 7)
        inside(figure)
        low, high = figure.axes[0].get_xlim()
        assert [tick for tick in figure.axes[0].get_xticks() if low < tick < high] == [7]

    def test_many_classes(self, figure):
        names = [f"class {place}" for place in range(40)]
        draw_class_accuracies(figure, names, [1, 2], np.full((2, 40), 0.5), 2)
        assert legend(figure)[-3:] == ["class 22", "and 17 others", "kept: epoch 2"]
        assert len(figure.axes[0].lines) == 41
        inside(figure)


class TestPictures:
    @pytest.mark.parametrize("count", [1, 6, 14])
    def test_each_has_its_caption(self, figure, count):
        pictures = np.random.default_rng(0).integers(0, 256, (count, 24, 32, 3), dtype=np.uint8)
        draw_pictures(figure, pictures, [f"kind {number}" for number in range(count)])
        shown = [axes for axes in figure.axes if axes.images]
        assert [axes.get_title() for axes in shown] == [f"kind {number}" for number in range(count)]
        for axes, picture in zip(shown, pictures, strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), picture)
        inside(figure)
        apart(figure)


class TestSheet:
    @pytest.mark.parametrize("count", [1, 4, 12])
    def test_rows_are_named_and_the_original_stands_apart(self, figure, count):
        pictures = np.random.default_rng(0).integers(0, 256, (count, 6, 24, 32, 3), dtype=np.uint8)
        names = ["flip", "a_very_long_name_of_an_augmentation", *map(str, range(10))][:count]
        draw_sheet(figure, pictures, names)
        grid = np.reshape(figure.axes, (count, 6))
        for place, axes in np.ndenumerate(grid):
            np.testing.assert_array_equal(axes.images[0].get_array(), pictures[place])
        labels = ["flip", "a_very_long_name_of_an_…", *map(str, range(10))][:count]
        assert [axes.get_ylabel() for axes in grid[:, 0]] == labels
        assert grid[0, 0].get_title("right") == "original"
        assert grid[0, 1].get_title("left") == "augmented"
        first, second, third = (axes.get_position() for axes in grid[0, :3])
        assert second.x0 - first.x1 > 2 * (third.x0 - second.x1)
        inside(figure)

    def test_originals_alone(self, figure):
        draw_sheet(figure, np.zeros((2, 1, 8, 8, 3), np.uint8), ["a", "b"])
        assert len(figure.axes) == 2
        inside(figure)
