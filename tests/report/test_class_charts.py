"""Charts of a classifier, on a page and on a slide."""

import numpy as np
import pytest

from knowngood.metrics.reliability import Reliability, reliability
from knowngood.report.class_charts import draw_confusion, draw_embedding, draw_reliability, draw_rotations
from knowngood.report.embedding import choose, embed

from .drawing import apart, inside, legend

FLAT = Reliability(np.zeros(15, np.int64), np.zeros(15), np.zeros(15))


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0, 3, (40, 1, 4)).astype(np.float32)


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


class TestReliability:
    def test_bars_are_as_high_as_the_accuracy(self, figure, logits):
        labels = np.random.default_rng(1).integers(0, 4, 40)
        before, after = (reliability(logits[:, 0], labels, t) for t in (1.0, 4.0))
        draw_reliability(figure, {1.0: before, 4.0: after})
        first, second = figure.axes[:2]
        heights = [bar.get_height() for bar in first.containers[0]]
        np.testing.assert_allclose(heights, 100 * before.accuracy[before.answers > 0])
        assert first.get_title() == f"temperature 1\nECE {100 * before.expected_error:.1f} %"
        assert second.get_title().startswith("temperature 4\nECE ")
        assert set(legend(figure)) == {
            "accuracy",
            "gap to confidence",
            "perfect calibration",
            "number of predictions",
        }
        inside(figure)
        apart(figure)

    def test_no_predictions(self, figure):
        draw_reliability(figure, {1.0: FLAT})
        assert "ECE 0.0 %" in figure.axes[0].get_title()
        inside(figure)


class TestRotations:
    def test_predicted_shares_stand_beside_the_true_ones(self, figure):
        turns = np.arange(4)
        draw_rotations(figure, {"good": np.tile(turns, (3, 1)), "defect": np.zeros((2, 4), np.int64)})
        assert [axes.get_title() for axes in figure.axes] == ["good (3)", "defect (2)"]
        for axes, shares in zip(figure.axes, ([25] * 4, [100, 0, 0, 0]), strict=True):
            predicted, true = axes.containers
            assert [bar.get_height() for bar in predicted] == shares
            assert [bar.get_height() for bar in true] == [25] * 4
        inside(figure)
        apart(figure)


class TestConfusion:
    def test_each_count_stands_in_its_cell(self, figure):
        counts = np.array([[1, 0, 0], [0, 1_234, 0], [0, 1, 0]])
        draw_confusion(figure, counts, ["bolt", "nut", "washer"])
        numbers = [text.get_text() for text in figure.axes[0].texts]
        assert numbers == ["1", "0", "0", "0", "1,234", "0", "0", "1", "0"]
        shares = figure.axes[0].images[0].get_array()
        assert shares.tolist() == [[100, 0, 0], [0, 100, 0], [0, 100, 0]]
        inside(figure)

    def test_long_names_below_do_not_overlap(self, figure):
        names = ["manipulated_front", "scratch_head", "scratch_neck"] * 2
        draw_confusion(figure, np.eye(6, dtype=np.int64), names)
        below = figure.axes[0].get_xticklabels()
        assert [text.get_text() for text in below] == names
        assert below[0].get_rotation() > 0
        inside(figure)

    def test_many_classes_have_no_numbers(self, figure):
        draw_confusion(figure, np.eye(30, dtype=np.int64), [str(n) for n in range(30)])
        assert not figure.axes[0].texts
        inside(figure)
