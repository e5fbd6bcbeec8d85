"""Charts of scores, rankings, costs and training curves, on a page and on a slide."""

import numpy as np
import pytest
import sklearn.metrics
from matplotlib.colors import to_hex

from knowngood.metrics.ranking import cut
from knowngood.report.charts import (
    Group,
    draw_costs,
    draw_epochs,
    draw_histograms,
    draw_ranking,
    histogram_range,
)
from knowngood.report.costs import costs
from knowngood.report.style import DEFECT, FAINT, GOOD

from .drawing import apart, boxes, inside, legend

SOME, NONE = np.array([1.0, 1.5, 2.0]), np.array([])
NAMES = ["good", "scratch", "a_defect_with_a_very_long_name", "never_seen"]


@pytest.mark.parametrize(
    ("groups", "threshold", "expected"),
    [
        ([[0.0, 10.0, 10.0]], 5.0, (0.0, 10.0)),
        ([[0.0, 1000.0, 1000.0]], 5.0, (0.0, 20.0)),  # the threshold at a quarter
        ([[1.0, 2.0] * 5, [2.0] * 10 + [90.0]], 2.0, (1.0, 2.1)),  # one gross defect
        ([[1.0, 2.0] * 5, [6.0] * 9], 3.0, (1.0, 6.0)),  # nine tenths of each group
        ([[4.0, 9.0, 9.0]], 1.0, (1.0, 9.0)),
        ([[4.0, 9.0]], 20.0, (4.0, 21.6)),
        ([[], [-np.inf, 3.0, np.inf]], 2.0, (2.0, 3.0)),
    ],
)
def test_the_axis_shows_the_threshold_and_the_most_of_each_group(groups, threshold, expected):
    limits = histogram_range([np.array(group) for group in groups], threshold)
    assert limits == pytest.approx(expected)


class TestHistograms:
    def test_groups_have_their_colours_and_are_shares_of_themselves(self, figure):
        groups = [Group("good", SOME, GOOD), Group("bent", np.append(SOME, 4), DEFECT)]
        draw_histograms(figure, {"": groups}, "score", (1, 5), threshold=3.25)
        good, bent = figure.axes[0].patches
        assert (to_hex(good.get_facecolor()), to_hex(bent.get_facecolor())) == (GOOD, DEFECT)
        assert legend(figure) == ["good (3)", "bent (4)", "threshold 3.25"]
        assert list(figure.axes[0].lines[0].get_xdata()) == [3.25, 3.25]
        for patch, values in ((good, SOME), (bent, np.append(SOME, 4))):
            data = patch.get_data()
            centres = (data.edges[1:] + data.edges[:-1]) / 2
            assert data.values.sum() == pytest.approx(100)
            assert (centres * data.values / 100).sum() == pytest.approx(values.mean(), rel=0.05)
        inside(figure)

    def test_an_empty_group_is_left_out(self, figure):
        draw_histograms(figure, {"": [Group("good", SOME, GOOD), Group("bent", NONE, DEFECT)]}, "", (1, 2))
        assert legend(figure) == ["good (3)"]

    def test_nothing_at_all_has_no_legend(self, figure):
        draw_histograms(figure, {"": [Group("good", NONE, GOOD)]}, "score", (0, 1))
        assert figure.axes[0].get_legend() is None
        inside(figure)

    def test_thousands_are_set_apart(self, figure):
        many = Group("good", np.linspace(1, 2, 1348), GOOD)
        draw_histograms(figure, {"": [many]}, "score", (1, 2000), threshold=1234.5)
        assert legend(figure) == ["good (1,348)", "threshold 1234"]

    @pytest.mark.parametrize("limits", [(2.0, 2.0), (100.0, np.nextafter(100.0, 101))])
    def test_bars_have_a_width_where_all_values_are_equal(self, figure, limits):
        draw_histograms(figure, {"": [Group("good", np.full(3, limits[0]), GOOD)]}, "score", limits)
        assert figure.axes[0].patches[0].get_data().values.sum() == pytest.approx(100)
        inside(figure)

    def test_values_beyond_the_axis_are_counted_not_lost(self, figure):
        group = Group("bent", np.array([3.0, 900.0, np.inf]), DEFECT)
        draw_histograms(figure, {"": [group]}, "score", (1.0, 5.0), threshold=2.0)
        assert figure.axes[0].get_xlabel() == "score (last bar: 2 beyond 5)"
        assert figure.axes[0].patches[0].get_data().values[-1] == pytest.approx(200 / 3)

    def test_panels_are_on_one_scale(self, figure):
        panels = {"one": [Group("good", SOME, GOOD)], "two\nlines": [Group("good", SOME + 1, GOOD)]}
        draw_histograms(figure, panels, "score", (1, 3))
        assert [axes.get_title() for axes in figure.axes] == ["one", "two\nlines"]
        assert len({axes.get_ylim() for axes in figure.axes}) == 1
        inside(figure)
        apart(figure)


class TestRanking:
    @pytest.fixture
    def curves(self):
        """One class against the rest, of 60 images, none of the last of four classes."""
        rng = np.random.default_rng(0)
        truth = np.arange(60) % 3
        logits = rng.normal(size=(60, 4)) + 2 * np.eye(4)[truth]
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        found = {name: cut(truth == place, shares[:, place]) for place, name in enumerate(NAMES[:3])}
        return truth, shares, found | {NAMES[3]: None}

    def test_areas_are_those_of_scikit_learn(self, figure, curves):
        truth, shares, found = curves
        draw_ranking(figure, found, precision_recall=True)
        for place, entry in enumerate(legend(figure)[:3]):
            its, column = truth == place, shares[:, place]
            area, precision = map(float, entry.partition("(")[2].strip(")").split(", "))
            assert area == pytest.approx(sklearn.metrics.roc_auc_score(its, column), abs=6e-4)
            assert precision == pytest.approx(sklearn.metrics.average_precision_score(its, column), abs=6e-4)
        assert legend(figure)[2].startswith("a_defect_with_a_very_lo… (")
        assert legend(figure)[3:] == ["never_seen (–)", "chance"]

    def test_what_is_drawn_has_the_areas(self, figure, curves):
        truth, shares, found = curves
        draw_ranking(figure, found, precision_recall=True)
        roc, precision_recall = figure.axes
        assert len(roc.lines) == 4 + 1  # and chance
        assert [len(line.get_xdata()) > 0 for line in roc.lines] == [True] * 3 + [False, True]
        for place in range(3):
            its, column = truth == place, shares[:, place]
            area = np.trapezoid(roc.lines[place].get_ydata(), roc.lines[place].get_xdata()) / 1e4
            assert area == pytest.approx(sklearn.metrics.roc_auc_score(its, column))
            recall, precision = precision_recall.lines[place].get_data()
            assert precision_recall.lines[place].get_drawstyle() == "steps-pre"
            steps = (np.diff(recall) * precision[1:]).sum() / 1e4
            assert steps == pytest.approx(sklearn.metrics.average_precision_score(its, column))

    def test_both_plots_are_as_wide_as_each_other(self, figure, curves):
        draw_ranking(figure, curves[2], precision_recall=True)
        inside(figure)
        apart(figure)
        left, right = (axes.get_window_extent().width for axes in figure.axes)
        assert left == pytest.approx(right, rel=0.02)
        assert left > 0.2 * figure.bbox.width

    def test_the_threshold_in_use_is_marked(self, figure):
        found = cut([False, False, True, True], [1.0, 3.0, 2.0, 4.0])
        draw_ranking(figure, {"this inspector": found}, points={"threshold in use": (0.5, 1.0)})
        mark = figure.axes[0].lines[-1]
        assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([50], [100])
        assert legend(figure) == ["this inspector (0.750)", "chance", "threshold in use"]
        assert figure.axes[0].get_xlabel() == "false positive rate, %"
        assert figure.axes[0].get_ylabel() == "recall, %"

    def test_of_many_curves_the_last_are_faint(self, figure):
        truth = np.arange(120) % 40
        curves = {f"class {place}": cut(truth == place, truth == place) for place in range(40)}
        draw_ranking(figure, curves, precision_recall=True)
        assert len(legend(figure)) == 24 + 1
        assert legend(figure)[0] == "class 0 (1.000, 1.000)"
        assert legend(figure)[-2:] == ["and 17 others", "chance"]
        colours = [to_hex(line.get_color()) for line in figure.axes[1].lines]
        assert [colour == FAINT for colour in colours] == [False] * 23 + [True] * 17
        inside(figure)
        apart(figure)


class TestEpochs:
    ACCURACIES = np.array([[0.2, np.nan, 0.5], [0.4, np.nan, np.nan], [0.9, np.nan, 1.0]]).T

    def test_a_line_for_each_class(self, figure):
        series = dict(zip(["good", "crack", "stain"], self.ACCURACIES, strict=True))
        draw_epochs(figure, [5, 10, 15], series, "accuracy, %", kept=15, share=True)
        assert legend(figure) == ["good", "crack (–)", "stain", "kept: epoch 15"]
        good, crack, stain, kept = figure.axes[0].lines
        assert list(good.get_xdata()) == [5, 10, 15]
        np.testing.assert_allclose(good.get_ydata(), [20, 40, 90])
        assert np.isnan(crack.get_ydata()).all()
        np.testing.assert_allclose(stain.get_ydata(), [50, np.nan, 100])
        assert list(kept.get_xdata()) == [15, 15]
        inside(figure)

    def test_one_epoch_is_marked_once(self, figure):
        draw_epochs(figure, [7], {"training": np.array([-0.5])}, "loss", kept=7)
        inside(figure)
        assert figure.axes[0].get_yscale() == "linear"
        low, high = figure.axes[0].get_xlim()
        assert [tick for tick in figure.axes[0].get_xticks() if low < tick < high] == [7]

    def test_many_classes(self, figure):
        series = {f"class {place}": np.full(2, 0.5) for place in range(40)}
        draw_epochs(figure, [1, 2], series, "accuracy, %", kept=2, share=True)
        assert legend(figure)[-3:] == ["class 22", "and 17 others", "kept: epoch 2"]
        assert len(figure.axes[0].lines) == 41
        inside(figure)

    def test_losses_that_differ_much_are_written_as_plain_numbers(self, figure):
        series = {"training": np.array([0.9, 0.5]), "validation": np.array([0.5, 0.04])}
        draw_epochs(figure, [1, 2], series, "loss", kept=2)
        assert figure.axes[0].get_yscale() == "log"
        inside(figure)
        labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
        assert {"0.05", "0.1", "0.2", "0.5"} <= set(labels)
        assert not any("$" in label for label in labels)


class TestCosts:
    @pytest.fixture
    def judged(self):
        rng = np.random.default_rng(0)
        defect = np.arange(60) % 4 > 0
        return defect, np.round(rng.normal(size=60) + 2 * defect, 1)

    def test_the_lowest_and_the_own_are_marked(self, figure, judged):
        panels = [costs(*judged, prices, own=0.73) for prices in ((1, 1), (1, 10))]
        draw_costs(figure, panels)
        assert len(figure.axes) == 2
        for axes, found in zip(figure.axes, panels, strict=True):
            first, lowest, own = axes.get_title().splitlines()
            assert first == f"false reject 1, escape {found.prices[1]}"
            assert lowest.startswith(f"lowest cost: {found.lowest:.4g} at ")
            assert own == f"this inspector: {found.paid:.4g} at 0.73"
            mark, line = axes.lines
            assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([found.best], [found.lowest])
            assert set(line.get_xdata()) == {0.73}
            assert axes.get_ylim()[1] > found.paid
        assert legend(figure) == ["cost", "lowest cost", "this inspector's threshold"]

    def test_nothing_leaves_the_figure_or_overlaps(self, figure, judged):
        draw_costs(figure, [costs(*judged, prices, own=0.73) for prices in ((1, 1), (1, 12_345_678))])
        inside(figure)
        left, right = boxes(figure)
        assert left.x1 <= right.x0
