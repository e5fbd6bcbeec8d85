"""Figures of detectors that classify: what stands in them, on a page and on a slide."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from knowngood.metrics.reliability import Reliability, reliability
from knowngood.report.classification import draw_confusion, draw_embedding, draw_odd, draw_rocs
from knowngood.report.confidence import draw_reliability, draw_rotations, draw_temperatures
from knowngood.report.embedding import choose, embed
from knowngood.report.figures import style, svg
from knowngood.training.record import Classes, Odd

FLAT = Reliability(np.zeros(15, np.int64), np.zeros(15), np.zeros(15))


@pytest.fixture(params=[(10.8, 3.6), (12.2, 5.0)])
def figure(request):
    with style():
        yield Figure(figsize=request.param)


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0, 3, (40, 1, 4)).astype(np.float32)


def legend(figure):
    (found,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return [text.get_text() for text in found.get_texts()]


def inside(figure):
    """No text may leave the figure, and it must be drawn without a warning."""
    svg(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes in figure.axes:
        box = axes.get_tightbbox(renderer)
        assert box.x0 >= -2
        assert box.x1 <= figure.bbox.x1 + 2
        assert box.y0 >= -2
        assert box.y1 <= figure.bbox.y1 + 2


class TestEmbedding:
    def test_each_group_is_drawn_and_named_with_its_size(self, figure):
        groups = ["digit 0"] * 5 + ["digit 10"] * 3 + ["digit 9"] * 2 + ["odd"]
        draw_embedding(figure, np.random.default_rng(0).normal(size=(11, 2)), groups, ["odd"])
        assert legend(figure) == ["digit 0 (5)", "digit 9 (2)", "digit 10 (3)", "odd (1)"]
        assert [len(part.get_offsets()) for part in figure.axes[0].collections] == [5, 2, 3, 1]
        inside(figure)

    def test_anomalies_look_different(self, figure):
        draw_embedding(figure, np.eye(2), ["a", "b"], ["b"])
        good, bad = figure.axes[0].collections
        assert len(good.get_paths()[0]) != len(bad.get_paths()[0])
        assert good.get_zorder() < bad.get_zorder()

    def test_many_groups(self, figure):
        groups = [f"class {number}" for number in range(60)]
        draw_embedding(figure, np.random.default_rng(0).normal(size=(60, 2)), groups, groups[-1:])
        names = legend(figure)
        assert "class 59 (1)" in names
        assert names[-1].startswith("and ")
        inside(figure)

    def test_clusters_stay_together(self):
        rng = np.random.default_rng(0)
        centres = np.repeat(10 * np.eye(3, 20), 30, axis=0)
        points = embed((centres + rng.normal(size=(90, 20))).astype(np.float32))
        apart = np.linalg.norm(points[:, None] - points, axis=2) + np.diag(np.full(90, np.inf))
        assert (apart.argmin(axis=1) // 30 == np.arange(90) // 30).all()

    def test_the_same_seed_gives_the_same_map(self):
        features = np.random.default_rng(0).normal(size=(40, 70)).astype(np.float32)
        np.testing.assert_array_equal(embed(features), embed(features))

    @pytest.mark.parametrize("count", [1, 2, 4, 5, 7])
    @pytest.mark.parametrize("constant", [True, False])
    def test_few_samples(self, count, constant):
        features = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
        points = embed(np.ones_like(features) if constant else features)
        assert points.shape == (count, 2)
        assert np.isfinite(points).all()

    def test_small_groups_are_chosen_whole(self):
        groups = ["good"] * 5000 + ["bent"] * 12 + ["cut"] * 300
        rows = choose(groups, most=500)
        chosen = [groups[row] for row in rows]
        assert len(rows) == len(set(rows)) == 500
        assert chosen.count("bent") == 12
        assert 20 <= chosen.count("cut") < 60
        assert choose(groups, most=10_000).tolist() == list(range(5312))


class TestTemperatures:
    def test_a_panel_for_each_with_its_area(self, figure, logits):
        draw_temperatures(figure, logits, logits / 4, [1.0, 3.0])
        titles = [axes.get_title() for axes in figure.axes]
        assert [title.splitlines()[0] for title in titles] == ["temperature 1", "temperature 3"]
        assert all(float(title.splitlines()[1].removeprefix("AUROC ")) > 0.5 for title in titles)
        assert legend(figure) == ["good (40)", "defect (40)"]
        for axes in figure.axes:
            for part in axes.patches:
                assert part.get_data().values.sum() == pytest.approx(100)
        inside(figure)

    def test_without_defects_there_is_no_area(self, figure, logits):
        draw_temperatures(figure, logits, logits[:0], [1.0])
        assert figure.axes[0].get_title() == "temperature 1"
        assert legend(figure) == ["good (40)"]


class TestRocs:
    def test_the_best_comes_first(self, figure):
        defect = np.repeat([False, True], 20)
        curves = {"poor": (defect, -np.arange(40.0)), "fair": (defect, np.arange(40.0) % 21)}
        draw_rocs(figure, curves | {"best": (defect, np.arange(40.0))})
        assert [name.split()[0] for name in legend(figure)] == ["best", "fair", "poor", "by"]
        assert legend(figure)[0] == "best (1.000)"
        inside(figure)

    def test_good_parts_alone_have_no_curve(self, figure):
        draw_rocs(figure, {"msp": (np.zeros(3, bool), np.arange(3.0))})
        assert legend(figure) == ["msp (–)", "by chance"]


class TestReliability:
    def test_bars_are_as_high_as_answers_are_right(self, figure, logits):
        labels = np.random.default_rng(1).integers(0, 4, 40)
        before, after = (reliability(logits[:, 0], labels, t) for t in (1.0, 4.0))
        draw_reliability(figure, before, after, 4.0)
        first, second = figure.axes[:2]
        heights = [bar.get_height() for bar in first.containers[0]]
        np.testing.assert_allclose(heights, 100 * before.accuracy[before.answers > 0])
        assert first.get_title().startswith("temperature 1\noff by ")
        assert second.get_title().startswith("temperature 4\noff by ")
        inside(figure)

    def test_no_answers(self, figure):
        draw_reliability(figure, FLAT, FLAT, 1.0)
        assert "off by 0.0 %" in figure.axes[0].get_title()


class TestRotations:
    def test_the_caption_says_how_right(self, figure):
        right, half = np.eye(4)[None], np.roll(np.eye(4), 2, axis=1)[None]
        caption = draw_rotations(figure, np.repeat(right, 3, axis=0), np.concatenate([right, half]))
        assert "100.0 % of good views, 0.00 quarters off" in caption
        assert "50.0 % of defect views, 1.00 quarters off" in caption
        assert [axes.get_title() for axes in figure.axes] == ["good (3)", "defect (2)"]
        inside(figure)

    def test_without_any_image(self, figure):
        nothing = np.zeros((0, 4, 4))
        assert draw_rotations(figure, nothing, nothing) == "There is no image whose rotation could be told."


class TestConfusion:
    def test_each_count_stands_in_its_cell(self, figure):
        counts = np.array([[1, 0, 0], [0, 1_234, 0], [0, 1, 0]])
        draw_confusion(figure, counts, ["bolt", "nut", "washer"])
        numbers = [text.get_text() for text in figure.axes[0].texts]
        assert numbers == ["1", "0", "0", "0", "1,234", "0", "0", "1", "0"]
        shares = figure.axes[0].images[0].get_array()
        assert shares.tolist() == [[100, 0, 0], [0, 100, 0], [0, 100, 0]]
        inside(figure)

    def test_names_below_are_smaller_before_they_are_cut(self, figure):
        names = ["manipulated_front", "scratch_head", "scratch_neck"] * 2
        draw_confusion(figure, np.eye(6, dtype=np.int64), names)
        below = figure.axes[0].get_xticklabels()
        assert below[0].get_text() == "manipulated_front"
        assert below[0].get_size() < figure.axes[0].get_yticklabels()[0].get_size()
        inside(figure)

    def test_many_classes_have_no_numbers(self, figure):
        draw_confusion(figure, np.eye(30, dtype=np.int64), [str(n) for n in range(30)])
        assert not figure.axes[0].texts
        inside(figure)


class TestOdd:
    def classes(self, count, label):
        name = "folder/a_very_long_name_of_a_file_{}.png"
        odd = [Odd(name.format(n), label, 3.5 - n, n % 2 == 0) for n in range(count)]
        pictures = np.zeros((count, 20, 30, 3), np.uint8)
        return Classes(["nut"], 1.0, True, 1.0, FLAT, FLAT, odd, pictures)

    @pytest.mark.parametrize(("count", "label"), [(8, "nut"), (1, "")])
    def test_each_has_its_score_and_whether_it_was_held_out(self, figure, count, label):
        caption = draw_odd(figure, self.classes(count, label))
        shown = [axes for axes in figure.axes if axes.images]
        assert len(shown) == count
        assert shown[0].get_title() == ("nut\n3.5" if label else "3.5")
        assert shown[0].get_xlabel().startswith("held out\n…")
        assert "labelled wrongly" in caption
        assert ("its class" in caption) == bool(label)
        inside(figure)

    def test_none_at_all(self, figure):
        assert "No good training images" in draw_odd(figure, self.classes(0, ""))
