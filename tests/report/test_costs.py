"""What decisions cost: reckoned in the slow way, and drawn."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from knowngood.metrics.thresholds import lowest_cost
from knowngood.report.costs import costs, draw_costs
from knowngood.report.figures import style, svg


@pytest.fixture(params=[(10.8, 3.9), (12.0, 5.2)])
def figure(request):
    with style():
        yield Figure(figsize=request.param)


@pytest.fixture
def judged():
    """Sixty images, a quarter of them good, with scores that overlap and tie."""
    rng = np.random.default_rng(0)
    defect = np.arange(60) % 4 > 0
    return defect, np.round(rng.normal(size=60) + 2 * defect, 1)


def paid(defect, scores, prices, threshold):
    """Image by image."""
    total = 0.0
    for bad, score in zip(defect, scores, strict=True):
        if score > threshold and not bad:
            total += prices[0]
        if score <= threshold and bad:
            total += prices[1]
    return total


class TestCosts:
    @pytest.mark.parametrize("prices", [(1, 1), (1, 10), (3, 0.5)])
    def test_as_counted_image_by_image(self, judged, prices):
        found = costs(*judged, prices, own=0.73)
        for left, right, total in zip(found.edges[:-1], found.edges[1:], found.totals, strict=True):
            assert total == paid(*judged, prices, (left + right) / 2)
            assert total == paid(*judged, prices, left)
        assert found.paid == paid(*judged, prices, 0.73)

    @pytest.mark.parametrize("prices", [(1, 1), (1, 10)])
    def test_the_best_is_what_the_rule_would_choose(self, judged, prices):
        found = costs(*judged, prices, own=0.0)
        assert found.best == lowest_cost(*judged, *prices).value
        assert found.lowest == found.totals.min() == paid(*judged, prices, found.best)

    def test_a_threshold_beyond_all_scores_is_shown(self, judged):
        found = costs(*judged, (1, 10), own=99.0)
        assert found.edges[-1] > 99
        assert found.paid == 10 * judged[0].sum()

    def test_all_scores_equal(self):
        found = costs(np.array([False, True]), np.zeros(2), (1, 10), own=0.0)
        assert found.totals.tolist() == [1, 10]
        assert np.diff(found.edges).min() > 0


class TestDrawing:
    def test_the_lowest_and_the_own_are_marked(self, figure, judged):
        panels = [costs(*judged, prices, own=0.73) for prices in ((1, 1), (1, 10))]
        draw_costs(figure, panels)
        assert len(figure.axes) == 2
        for axes, found in zip(figure.axes, panels, strict=True):
            first, lowest, own = axes.get_title().splitlines()
            assert first == f"a false reject 1, an escape {found.prices[1]}"
            assert lowest.startswith(f"lowest: {found.lowest:.4g} at ")
            assert own == f"this inspector's: {found.paid:.4g} at 0.73"
            mark, line = axes.lines
            assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([found.best], [found.lowest])
            assert set(line.get_xdata()) == {0.73}
            assert axes.get_ylim()[1] > found.paid
        (legend,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
        assert [text.get_text() for text in legend.get_texts()] == ["cost", "lowest cost", "this inspector's"]

    def test_nothing_leaves_the_figure_or_lies_on_another(self, figure, judged):
        draw_costs(figure, [costs(*judged, prices, own=0.73) for prices in ((1, 1), (1, 12_345_678))])
        svg(figure)
        renderer = FigureCanvasAgg(figure).get_renderer()
        left, right = (axes.get_tightbbox(renderer) for axes in figure.axes)
        assert left.x1 <= right.x0
        assert left.x0 >= 0
        assert right.x1 <= figure.bbox.x1 + 2
        assert min(left.y0, right.y0) >= 0
        assert max(left.y1, right.y1) <= figure.bbox.y1 + 2
