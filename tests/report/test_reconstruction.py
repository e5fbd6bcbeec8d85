from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from knowngood.metrics.thresholds import Threshold
from knowngood.report.figures import DEFECT, GOOD, style
from knowngood.report.reconstruction import (
    draw_histogram,
    draw_typical,
    draw_worst,
    largest_difference,
)
from knowngood.report.reconstruction_words import (
    likeness,
    loss_words,
    separation,
    taken_for,
    threshold_words,
)
from knowngood.report.training import draw_epochs, draw_layers, draw_losses
from knowngood.report.words import score
from knowngood.training.record import Epoch, Layer, TrainingRecord

from .conftest import table_of

NAMES = ("good", "bent")
THRESHOLD = Threshold(200.0, "false rejects at most 0.05", 0.05, 14, 0, 0.19)


@pytest.fixture
def figure():
    with style():
        figure = Figure(figsize=(12, 5))
        yield figure
        figure.draw_without_rendering()  # whatever cannot be drawn fails here


def texts(figure):
    """All texts of a figure."""
    import matplotlib.text

    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def images(figure):
    """The array of each image, in the order in which they were drawn."""
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def rows(figure):
    """What stands to the left of rows of images."""
    return [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]


class TestTraining:
    def test_each_layer_and_the_total(self, figure, record):
        draw_layers(figure, record)
        [table] = figure.axes[0].tables
        written = {place: cell.get_text().get_text() for place, cell in table.get_celld().items()}
        rows = [[written[row, column] for column in range(4)] for row in range(4)]
        assert rows == [
            ["layer", "kind", "output", "parameters"],
            ["encoder.0", "Conv2d 3 → 16, kernel 4, stride 2", "16 × 14 × 14", "784"],
            ["decoder.0", "Linear 32 → 1568", "1568", "51,744"],
            ["total", "", "", "52,528"],
        ]

    @pytest.mark.parametrize("size", [(12.26, 5.2), (10.8, 7.0)])
    @pytest.mark.parametrize("count", [1, 12, 30, 60, 150])
    def test_no_layer_leaves_its_place(self, count, size):
        kind = "ConvTranspose2d 256 → 128, kernel 4, stride 2"
        layers = [
            Layer(f"decoder.{number}.convolution", kind, (128, 64, 64), 524_416) for number in range(count)
        ]
        with style():
            figure = Figure(figsize=size)
            draw_layers(figure, TrainingRecord(layers, [Epoch(1, 1.0, 1.0)], 1, 1e-3, [0]))
            figure.draw_without_rendering()
        cells = [cell for axes in figure.axes for cell in axes.tables[0].get_celld().values()]
        for cell in cells:
            text, box = cell.get_text().get_window_extent(), cell.get_window_extent()
            assert text.x0 >= box.x0 - 1
            assert text.x1 <= box.x1 + 1
            assert text.height <= 1.15 * box.height
        assert min(cell.get_window_extent().y0 for cell in cells) >= -1
        assert max(cell.get_window_extent().x1 for cell in cells) <= figure.bbox.width + 1
        shown = [text for cell in cells if (text := cell.get_text().get_text()).startswith("decoder.")]
        assert shown == [layer.name for layer in layers]

    def test_thirty_layers_can_be_read_from_afar(self):
        layers = [Layer(f"encoder.{number}", "BatchNorm2d", (64, 8, 8), 128) for number in range(30)]
        figure = Figure(figsize=(12.26, 5.2))
        draw_layers(figure, TrainingRecord(layers, [Epoch(1, 1.0, 1.0)], 1, 1e-3, [0]))
        assert figure.axes[0].tables[0][1, 0].get_fontsize() > 8.5

    def test_both_losses_and_the_epoch_that_was_kept(self, figure, record):
        draw_losses(figure, record)
        train, validation, kept = figure.axes[0].lines
        np.testing.assert_array_equal(train.get_ydata(), record.losses["train"])
        np.testing.assert_array_equal(validation.get_ydata(), record.losses["validation"])
        assert list(kept.get_xdata()) == [99]
        assert "kept: epoch 99" in texts(figure)

    def test_one_epoch_with_a_negative_loss(self, figure):
        draw_losses(figure, TrainingRecord([], [Epoch(1, -0.5, -0.4)], 1, 1e-3, [0]))
        assert figure.axes[0].get_yscale() == "linear"
        figure.draw_without_rendering()
        assert all(float(tick) == int(tick) for tick in figure.axes[0].get_xticks())

    def test_losses_that_differ_much_are_written_as_plain_numbers(self, figure):
        epochs = [Epoch(1, 0.9, 0.5), Epoch(2, 0.5, 0.04)]
        draw_losses(figure, TrainingRecord([], epochs, 2, 1e-3, [0]))
        assert figure.axes[0].get_yscale() == "log"
        figure.draw_without_rendering()
        labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
        assert {"0.05", "0.1", "0.2", "0.5"} <= set(labels)
        assert not any("$" in label for label in labels)

    def test_no_validation_loss(self, figure):
        record = TrainingRecord([], [Epoch(1, 0.5, float("nan"))], 1, 1e-3, [])
        draw_losses(figure, record)
        assert "validation (held-out good images)" not in texts(figure)
        assert list(figure.axes[0].lines[-1].get_ydata()) == [0.5]
        finding, remark = loss_words(record, "good")
        assert finding == "The loss came to 0.5"
        assert remark == "1 epoch, learning rate 0.001 at the start; the weights of epoch 1 were kept."

    def test_it_is_not_said_that_the_smallest_loss_was_kept_where_it_was_not(self):
        record = TrainingRecord([], [Epoch(1, 0.5, 0.5), Epoch(2, 0.4, 0.6)], 2, 1e-3, [])
        assert "smallest" not in loss_words(record, "good")[1]

    def test_few_epochs_stand_below_each_other(self, figure, record):
        few = replace(record, rebuilt={epoch: record.rebuilt[epoch] for epoch in (5, 10, 15)})
        caption = draw_epochs(figure, few)
        assert rows(figure) == ["original", "epoch 5", "epoch 10", "epoch 15"]
        assert "every five epochs" in caption
        np.testing.assert_array_equal(images(figure)[0], record.originals[0])
        np.testing.assert_array_equal(images(figure)[-1], record.rebuilt[15][-1])

    def test_twenty_epochs_are_all_shown_in_two_blocks(self, figure, record):
        caption = draw_epochs(figure, record)
        five_to_hundred = [f"epoch {epoch}" for epoch in range(5, 101, 5)]
        assert rows(figure) == ["original", *five_to_hundred[:10], "original", *five_to_hundred[10:]]
        assert "chosen" not in caption
        np.testing.assert_array_equal(images(figure)[-1], record.rebuilt[100][-1])

    def test_more_epochs_are_chosen_evenly_with_the_first_and_the_last(self, figure, record):
        pictures = record.originals
        many = replace(record, rebuilt=dict.fromkeys(range(5, 331, 5), pictures))
        caption = draw_epochs(figure, many)
        shown = [int(text.removeprefix("epoch ")) for text in rows(figure) if text != "original"]
        assert (len(shown), shown[0], shown[-1]) == (20, 5, 330)
        assert set(np.diff(shown)) <= {15, 20}
        assert "20 of the 66 epochs" in caption


class TestWorst:
    def test_reconstruction_original_and_difference_under_the_sum(self, figure, out_of_class):
        draw_worst(figure, out_of_class, 3.0)
        shown = images(figure)[:30]
        titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
        assert titles == [score(value) for value in out_of_class["sum_of_differences"][:10]]
        by_row = [shown[start : start + 10] for start in (0, 10, 20)]
        for position in (0, 9):
            row = out_of_class.iloc[position]
            np.testing.assert_array_equal(by_row[0][position], row["reconstruction"])
            np.testing.assert_array_equal(by_row[1][position], row["original"])
            np.testing.assert_array_equal(by_row[2][position], row["difference"])

    def test_one_scale_for_both_classes(self, in_class, out_of_class):
        largest = largest_difference(in_class, out_of_class)
        assert largest == max(image.max() for image in out_of_class["difference"][:10])
        for table in (in_class, out_of_class):
            figure = Figure()
            draw_worst(figure, table, largest)
            maps = [
                image for axes in figure.axes for image in axes.images if image.get_cmap().name == "magma"
            ]
            assert {image.get_clim() for image in maps if image.axes.get_label() != "<colorbar>"} == {
                (0, largest)
            }

    @pytest.mark.parametrize("count", [0, 1, 9])
    def test_fewer_than_ten(self, figure, count):
        draw_worst(figure, table_of(np.random.default_rng(0), count, "good", 0.1), 1.0)
        assert sum(bool(axes.get_title()) for axes in figure.axes) == count

    def test_rows_without_images_are_passed_over(self, figure, in_class):
        in_class.loc[3:, ["original", "reconstruction", "difference"]] = None
        draw_worst(figure, in_class, 1.0)
        assert sum(bool(axes.get_title()) for axes in figure.axes) == 3

    def test_perfect_reconstructions_of_grey_images(self, figure):
        table = table_of(np.random.default_rng(0), 3, "good", 0.0, channels=1)
        table["difference"] = [np.zeros((28, 28), np.float32)] * 3
        assert largest_difference(table) == 1.0
        draw_worst(figure, table, largest_difference(table))


class TestHistogram:
    def test_in_class_is_orange_and_out_of_class_is_blue(self, figure, in_class, out_of_class):
        draw_histogram(figure, in_class, out_of_class, NAMES, 200.0)
        good, bent = figure.axes[0].patches
        assert (to_hex(good.get_facecolor()), to_hex(bent.get_facecolor())) == (GOOD, DEFECT)
        assert (good.get_label(), bent.get_label()) == ("good (14)", "bent (12)")
        for patch, table in ((good, in_class), (bent, out_of_class)):
            data = patch.get_data()
            centres = (data.edges[1:] + data.edges[:-1]) / 2
            assert data.values.sum() == pytest.approx(100)
            assert (centres * data.values / 100).sum() == pytest.approx(
                table["sum_of_differences"].mean(), rel=0.05
            )
        assert figure.axes[0].lines[0].get_xdata()[0] == 200.0

    def test_only_one_class_and_no_line(self, figure, in_class, out_of_class):
        draw_histogram(figure, in_class, out_of_class[:0], NAMES, None)
        assert len(figure.axes[0].patches) == 1
        assert not figure.axes[0].lines

    def test_all_sums_are_the_same(self, figure, in_class):
        in_class["sum_of_differences"] = 0.0
        draw_histogram(figure, in_class, in_class, NAMES, 0.0)

    def test_sums_that_differ_by_rounding_alone(self, figure, in_class):
        in_class["sum_of_differences"] = 100.0
        draw_histogram(figure, in_class, in_class, NAMES, np.nextafter(100.0, 101))

    def test_nothing_at_all(self, figure, in_class):
        draw_histogram(figure, in_class[:0], in_class[:0], NAMES, None)
        assert figure.axes[0].get_legend() is None

    def test_thousands_are_set_apart(self, figure, in_class):
        many = pd.DataFrame({"sum_of_differences": np.linspace(1, 2, 1348)})
        draw_histogram(figure, many, in_class, NAMES, 1234.5)
        assert {"good (1,348)", "bent (14)", "threshold 1234"} <= set(texts(figure))


def test_the_typical_sample_is_the_one_in_the_middle(figure, in_class, out_of_class):
    draw_typical(figure, (in_class, out_of_class), NAMES)
    shown = images(figure)
    np.testing.assert_array_equal(shown[0], in_class["original"][7])
    np.testing.assert_array_equal(shown[3], out_of_class["reconstruction"][6])


def test_a_typical_sample_whose_images_were_not_kept_is_no_other(figure, in_class, out_of_class):
    in_class.loc[3:, ["original", "reconstruction", "difference"]] = None
    draw_typical(figure, (in_class, out_of_class), NAMES)
    assert rows(figure) == ["bent"]


class TestWords:
    def test_how_far_the_classes_are_apart(self, in_class, out_of_class):
        above = int((out_of_class["score"] > in_class["score"].max()).sum())
        assert above > 0
        assert (
            separation(in_class, out_of_class, NAMES)
            == f"{above} of 12 bent samples lie above every good sample"
        )
        assert separation(in_class, out_of_class[:0], NAMES) == "There is no bent sample to compare with"

    def test_the_threshold_and_why(self, in_class, out_of_class):
        said = " ".join(threshold_words(THRESHOLD, in_class, out_of_class, NAMES))
        assert "stands at 200: false rejects at most 0.05" in said
        assert "from 14 good samples that were not learned from, and from no bent sample" in said
        assert "at most 5.0 % of good samples; with 95 % confidence it rejects at most 19.0 %" in said
        above = int((out_of_class["score"] > 200).sum())
        assert f"{above} of 12 bent samples lie above it" in said

    def test_a_small_rate_is_not_called_nothing(self, in_class, out_of_class):
        line = Threshold(200.0, "false rejects at most 0.001", 0.001, 5000, 4, 0.0018)
        said = " ".join(threshold_words(line, in_class, out_of_class, NAMES))
        assert "at most 0.1 % of good samples" in said
        assert "from 5,000 good samples" in said

    def test_a_line_that_asks_for_no_rate(self, in_class, out_of_class):
        line = Threshold(200.0, "given by hand", None, 0, 0, None)
        said = threshold_words(line, in_class, out_of_class, NAMES)
        assert said[0] == "The threshold stands at 200: given by hand."
        assert said[1].endswith("bent samples lie above it.")

    @pytest.mark.parametrize("apart", [True, False])
    def test_whether_a_line_divides_them(self, in_class, out_of_class, apart):
        out_of_class["score"] = in_class["score"].max() + (1.0 if apart else -1.0)
        said = " ".join(threshold_words(THRESHOLD, in_class, out_of_class, NAMES))
        assert ("would divide the two without error" in said) == apart
        assert ("No line divides the two" in said) != apart

    def test_which_class_looks_more_like_its_original(self, in_class, out_of_class):
        finding, numbers = likeness(in_class, out_of_class, NAMES)
        assert finding == "Rebuilt, good looks more like its original than bent"
        assert "structural similarity 0.950" in numbers[0]
        assert "structural similarity 0.700" in numbers[1]
        assert (
            likeness(out_of_class, in_class, NAMES)[0]
            == "Rebuilt, bent looks more like its original than good"
        )

    def test_the_measures_disagree(self, in_class, out_of_class):
        out_of_class["ssim"] = 0.99
        assert likeness(in_class, out_of_class, NAMES)[0] == (
            "The measures disagree: bent is rebuilt better by structure, good by difference"
        )

    def test_one_measure_sees_no_difference(self, in_class, out_of_class):
        out_of_class["ssim"] = in_class["ssim"] = 0.9
        assert (
            likeness(in_class, out_of_class, NAMES)[0]
            == "Rebuilt, good looks more like its original than bent"
        )

    def test_neither_sees_one(self, in_class):
        assert likeness(in_class, in_class, NAMES)[0] == (
            "Rebuilt, good and bent look equally like their originals"
        )

    def test_only_one_class(self, in_class):
        finding, numbers = likeness(in_class, in_class[:0], NAMES)
        assert finding == "There are not two classes to compare"
        assert len(numbers) == 1

    def test_what_a_reconstruction_would_be_taken_for(self, in_class, out_of_class):
        assert taken_for(in_class, out_of_class, NAMES).startswith(
            "Every reconstruction of bent samples is nearer"
        )
        out_of_class["reconstruction"] = [in_class["original"][0] / 255] * 12
        assert taken_for(in_class, out_of_class, NAMES).startswith("12 of 12 reconstructions")
        assert taken_for(in_class, pd.DataFrame(columns=in_class.columns), NAMES) == ""
