"""What is shown and said of reconstructions."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from knowngood.metrics.thresholds import Threshold
from knowngood.report.reconstruction import examples_exhibit, similarity, sums_exhibit, worst_exhibits
from knowngood.report.reconstruction_words import (
    confusable,
    criterion,
    rejections,
    resemblance,
    separation,
    threshold_words,
)
from knowngood.report.words import score

from .conftest import table_of
from .drawing import drawn, images, legend

NAMES = ("good", "bent")
IMAGES = ["original", "reconstruction", "difference"]
THRESHOLD = Threshold(200.0, "false rejects at most 0.05", 0.05, 14, 0, 0.19)


def by_name(*tables):
    """The tables by the names of their classes."""
    return dict(zip(NAMES, tables, strict=True))


class TestWorst:
    def test_reconstruction_original_and_difference_under_the_sum(self, in_class, out_of_class):
        good, bent = worst_exhibits(by_name(in_class, out_of_class))
        sums = [table["sum_of_differences"] for table in (in_class, out_of_class)]
        ends = [f"{score(one[0])} to {score(one[9])}" for one in sums]
        assert (good.title, bent.title) == (
            f"The 10 worst reconstructions of good samples, sums {ends[0]}",
            f"The 10 worst reconstructions of bent samples, sums {ends[1]}",
        )
        assert bent.names == ("reconstruction", "original", "difference")
        captions = [picture.caption for picture in bent.rows[0]]
        assert captions == [score(value) for value in out_of_class["sum_of_differences"][:10]]
        by_row = images(bent)
        for position in (0, 9):
            row = out_of_class.iloc[position]
            np.testing.assert_allclose(by_row[0][position] / 255, row["reconstruction"], atol=0.5 / 255)
            np.testing.assert_array_equal(by_row[1][position], row["original"])

    def test_one_scale_for_both_classes(self, in_class, out_of_class):
        largest = max(image.max() for image in out_of_class["difference"][:10])
        colours = matplotlib.colormaps["magma"]
        for shown, table in zip(
            worst_exhibits(by_name(in_class, out_of_class)), (in_class, out_of_class), strict=True
        ):
            assert f"light yellow is {score(largest)}" in shown.note
            for picture, difference in zip(shown.rows[2], table["difference"], strict=False):
                expected = 255 * colours(difference / largest)[..., :3]
                np.testing.assert_allclose(picture.image, expected, atol=1)

    def test_on_slides_there_are_five_at_a_time(self, in_class, out_of_class):
        first, second, *_ = worst_exhibits(by_name(in_class, out_of_class), columns=5)
        sums = in_class["sum_of_differences"]
        words = "of the 10 worst reconstructions of good samples, sums"
        assert first.title == f"1 to 5 {words} {score(sums[0])} to {score(sums[4])}"
        assert second.title == f"6 to 10 {words} {score(sums[5])} to {score(sums[9])}"
        assert [len(row) for row in first.rows] == [5, 5, 5]

    @pytest.mark.parametrize("count", [0, 1, 9])
    def test_fewer_than_ten(self, out_of_class, count):
        table = table_of(np.random.default_rng(0), count, "good", 0.1)
        shown = list(worst_exhibits(by_name(table, out_of_class)))
        assert len(shown) == (2 if count else 1)
        assert not count or [len(row) for row in shown[0].rows] == [count] * 3

    def test_rows_without_images_are_passed_over(self, in_class, out_of_class):
        in_class.loc[3:, IMAGES] = None
        out_of_class[IMAGES] = None
        (good,) = worst_exhibits(by_name(in_class, out_of_class))
        assert len(good.rows[0]) == 3

    def test_perfect_reconstructions_of_grey_images(self):
        table = table_of(np.random.default_rng(0), 3, "good", 0.0, channels=1)
        table["difference"] = [np.zeros((28, 28), np.float32)] * 3
        (good,) = worst_exhibits(by_name(table, table[:0]))
        assert good.rows[1][0].image.shape == (28, 28)
        assert not good.rows[2][0].image[..., 0].any()


class TestSums:
    def test_both_classes_and_the_threshold(self, in_class, out_of_class):
        figure = drawn(sums_exhibit("", "", by_name(in_class, out_of_class), 200.0))
        assert legend(figure) == ["good (14)", "bent (12)", "threshold 200"]
        for patch, table in zip(figure.axes[0].patches, (in_class, out_of_class), strict=True):
            data = patch.get_data()
            centres = (data.edges[1:] + data.edges[:-1]) / 2
            mean = table["sum_of_differences"].mean()
            assert (centres * data.values / 100).sum() == pytest.approx(mean, rel=0.05)

    def test_only_one_class_and_no_line(self, in_class, out_of_class):
        figure = drawn(sums_exhibit("", "", by_name(in_class, out_of_class[:0]), None))
        assert len(figure.axes[0].patches) == 1
        assert not figure.axes[0].lines

    def test_nothing_at_all(self, in_class):
        assert not drawn(sums_exhibit("", "", by_name(in_class[:0], in_class[:0]), None)).axes[0].patches


class TestExamples:
    def test_they_are_spread_from_the_best_to_the_worst(self, in_class, out_of_class):
        (shown,) = examples_exhibit("", "", by_name(in_class, out_of_class), 3)
        assert list(shown.names) == ["good", "good, rebuilt", "bent", "bent, rebuilt"]
        rows = images(shown)
        for column, place in enumerate((11, 7, 2)):  # of 14, the largest sum of differences first
            np.testing.assert_array_equal(rows[0][column], in_class["original"][place])
        expected = out_of_class["reconstruction"][6]
        np.testing.assert_allclose(rows[3][1] / 255, expected, atol=0.5 / 255)

    def test_samples_whose_images_were_not_kept_are_passed_over(self, in_class, out_of_class):
        in_class.loc[3:, IMAGES] = None
        (shown,) = examples_exhibit("", "", by_name(in_class, out_of_class), 5)
        assert list(shown.names) == ["good", "good, rebuilt", "bent", "bent, rebuilt"]
        out_of_class[IMAGES] = in_class[IMAGES] = None
        assert list(examples_exhibit("", "", by_name(in_class, out_of_class), 5)) == []


class TestWords:
    def test_how_far_the_classes_are_apart(self, in_class, out_of_class):
        above = int((out_of_class["score"] > in_class["score"].max()).sum())
        assert above > 0
        assert (
            separation(by_name(in_class, out_of_class))
            == f"{above} of 12 bent samples score above every good validation sample"
        )
        assert separation(by_name(in_class, out_of_class[:0])) == "There are no bent samples"

    def test_the_threshold_and_why(self, in_class, out_of_class):
        said = " ".join(threshold_words(THRESHOLD, by_name(in_class, out_of_class)))
        assert "is 200, by the rule “false rejects at most 0.05”" in said
        assert "from 14 held-out good samples alone, without any bent sample" in said
        assert "false-reject rate is 5.0 %; with 95 % confidence it is at most 19.0 %" in said
        above, alarms = (int((table["score"] > 200).sum()) for table in (out_of_class, in_class))
        counted = rejections(by_name(in_class, out_of_class), THRESHOLD)
        assert counted == f"{above} of 12 bent samples and {alarms} of 14 good samples score above it"

    @pytest.mark.parametrize("share", [1.0, 0.995, 0.9, 0.5])
    def test_whether_the_plot_resembles_the_ideal(self, share):
        """This share of the out-of-class samples scores above both in-class samples, the others below."""
        low = pd.DataFrame({"score": [1.0] * 2})
        high = pd.DataFrame({"score": np.where(np.arange(200) < 200 * share, 2.0, 0.0)})
        said = resemblance(by_name(low, high)).partition("every bent sample? ")[2]
        word = {1.0: "Yes", 0.995: "Nearly", 0.9: "In part", 0.5: "No"}[share]
        assert said.startswith(f"{word}: ")
        if share < 1:
            assert f"the image AUROC of these samples is {share:.4f}" in said
            assert "2 of 2 good samples score as high" in said
            assert f"and {200 - round(200 * share)} of 200 bent samples no higher" in said
        assert resemblance(by_name(low, high[:0])) == ""

    @pytest.mark.parametrize(("wanted", "word"), [(7, "met"), (8, "met"), (9, "not met")])
    def test_whether_the_criterion_is_met(self, in_class, out_of_class, wanted, word):
        out_of_class["score"] = in_class["score"].max() + np.where(np.arange(12) < 8, 1.0, 0.0)
        said = criterion(by_name(in_class, out_of_class), wanted)
        assert f"at least {wanted} of the bent samples score above every good validation sample: " in said
        assert said.endswith(f": {word}, 8 of 12 do.")

    def test_a_small_rate_is_not_called_nothing(self, in_class, out_of_class):
        line = Threshold(200.0, "false rejects at most 0.001", 0.001, 5000, 4, 0.0018)
        said = " ".join(threshold_words(line, by_name(in_class, out_of_class)))
        assert "false-reject rate is 0.1 %" in said
        assert "from 5,000 held-out good samples" in said

    def test_a_line_that_asks_for_no_rate(self, in_class, out_of_class):
        line = Threshold(200.0, "given by hand", None, 0, 0, None)
        said = threshold_words(line, by_name(in_class, out_of_class))
        assert said[0] == "The threshold is 200, by the rule “given by hand”."
        assert said[1].startswith(("Any threshold from", "No threshold separates"))

    @pytest.mark.parametrize("apart", [True, False])
    def test_whether_a_line_divides_them(self, in_class, out_of_class, apart):
        out_of_class["score"] = in_class["score"].max() + (1.0 if apart else -1.0)
        said = " ".join(threshold_words(THRESHOLD, by_name(in_class, out_of_class)))
        assert ("would separate the classes without error" in said) == apart
        assert ("No threshold separates the classes" in said) != apart

    def test_which_class_looks_more_like_its_original(self, in_class, out_of_class):
        finding, numbers = similarity(by_name(in_class, out_of_class))
        assert (
            finding
            == "Reconstructions of good samples are closer to their originals than those of bent samples"
        )
        assert "mean SSIM 0.950" in numbers[0]
        assert "mean SSIM 0.700" in numbers[1]
        assert (
            similarity(by_name(out_of_class, in_class))[0]
            == "Reconstructions of bent samples are closer to their originals than those of good samples"
        )

    def test_the_measures_disagree(self, in_class, out_of_class):
        out_of_class["ssim"] = 0.99
        assert similarity(by_name(in_class, out_of_class))[0] == (
            "The measures disagree: bent is better by SSIM, good by mean difference"
        )

    def test_one_measure_sees_no_difference(self, in_class, out_of_class):
        out_of_class["ssim"] = in_class["ssim"] = 0.9
        assert (
            similarity(by_name(in_class, out_of_class))[0]
            == "Reconstructions of good samples are closer to their originals than those of bent samples"
        )

    def test_neither_sees_one(self, in_class):
        assert similarity(by_name(in_class, in_class))[0] == (
            "Reconstructions of good and bent samples are equally close to the originals"
        )

    def test_only_one_class(self, in_class):
        finding, numbers = similarity(by_name(in_class, in_class[:0]))
        assert finding == "There is only one class"
        assert len(numbers) == 1

    def test_whether_the_reconstruction_shows_what_it_was(self, in_class, out_of_class):
        assert confusable(by_name(in_class, out_of_class)).startswith(
            "Every reconstruction of bent samples is nearer"
        )
        out_of_class["reconstruction"] = [in_class["original"][0] / 255] * 12
        assert confusable(by_name(in_class, out_of_class)).startswith("12 of 12 reconstructions")
        assert confusable(by_name(in_class, pd.DataFrame(columns=in_class.columns))) == ""
