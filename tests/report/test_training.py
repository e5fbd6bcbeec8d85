"""What is shown of the training of a network."""

from dataclasses import replace

import numpy as np
import pytest

from knowngood.metrics.reliability import Reliability
from knowngood.report.exhibits import Chart, Pictures, Table
from knowngood.report.training import (
    epochs_exhibit,
    highest_scoring_exhibit,
    layers_exhibit,
    losses_exhibit,
    training_exhibits,
)
from knowngood.training.classes_record import Classes, Odd
from knowngood.training.record import Epoch, TrainingRecord
from knowngood.training.records import Records

from .drawing import cells, drawn, images, legend


def test_a_network_shows_layers_losses_and_reconstructions(record):
    layers, losses, epochs = training_exhibits(Records(record))
    assert (type(layers), type(losses), type(epochs)) == (Table, Chart, Pictures)
    bare = replace(record, originals=None, rebuilt={})
    assert [exhibit.title for exhibit in training_exhibits(Records(bare))] == [layers.title, losses.title]


def test_each_layer_and_the_total(record):
    table = layers_exhibit(record.layers)
    assert table.title == "The network has 52,528 trainable parameters"
    assert cells(table) == [
        ["layer", "type", "output", "parameters"],
        ["encoder.0", "Conv2d 3 → 16, kernel 4, stride 2", "16 × 14 × 14", "784"],
        ["decoder.0", "Linear 32 → 1568", "1568", "51,744"],
        ["total", "", "", "52,528"],
    ]


class TestLosses:
    def test_both_losses_and_the_epoch_that_was_kept(self, record):
        chart = losses_exhibit(record, "held-out good images")
        assert chart.title == "Training loss 0.0101, validation loss 0.0111"
        assert chart.note.endswith("of epoch 99 were kept: the lowest loss on held-out good images.")
        figure = drawn(chart)
        train, validation, kept = figure.axes[0].lines
        np.testing.assert_array_equal(train.get_ydata(), record.losses["train"])
        np.testing.assert_array_equal(validation.get_ydata(), record.losses["validation"])
        assert set(kept.get_xdata()) == {99}
        assert legend(figure) == ["training", "validation (held-out good images)", "kept: epoch 99"]

    def test_no_validation_loss(self):
        record = TrainingRecord([], [Epoch(1, 0.5, float("nan"))], 1, 1e-3, [])
        chart = losses_exhibit(record, "held-out good images")
        assert chart.title == "Training loss 0.500"
        assert chart.note == "1 epoch, initial learning rate 0.001. The weights of epoch 1 were kept."
        assert legend(drawn(chart)) == ["training", "kept: epoch 1"]

    def test_the_lowest_loss_is_not_claimed_where_another_epoch_was_kept(self):
        record = TrainingRecord([], [Epoch(1, 0.5, 0.5), Epoch(2, 0.4, 0.6)], 2, 1e-3, [])
        assert "lowest" not in losses_exhibit(record, "held-out good images").note


class TestEpochs:
    def captions(self, pictures):
        return [picture.caption for picture in pictures.rows[0]]

    def test_each_row_is_an_image_from_its_original_to_the_last_epoch(self, record):
        shown = epochs_exhibit(record.originals, {epoch: record.rebuilt[epoch] for epoch in (15, 5, 10)})
        assert self.captions(shown) == ["input", "epoch\n5", "epoch\n10", "epoch\n15"]
        rows = images(shown)
        assert len(rows) == len(record.originals)
        for number, row in enumerate(rows):
            np.testing.assert_array_equal(row[0], record.originals[number])
            np.testing.assert_array_equal(row[-1], record.rebuilt[15][number])
        assert "recorded" not in shown.note

    def test_twenty_epochs_are_all_shown(self, record):
        shown = epochs_exhibit(record.originals, record.rebuilt)
        assert self.captions(shown)[1:] == [f"epoch\n{epoch}" for epoch in range(5, 101, 5)]

    def test_more_epochs_are_chosen_evenly_with_the_first_and_the_last(self, record):
        shown = epochs_exhibit(record.originals, dict.fromkeys(range(5, 331, 5), record.originals))
        numbers = [int(caption.removeprefix("epoch\n")) for caption in self.captions(shown)[1:]]
        assert (len(numbers), numbers[0], numbers[-1]) == (20, 5, 330)
        assert set(np.diff(numbers)) <= {15, 20}
        assert "20 of the 66 recorded epochs" in shown.note


class TestHighestScoring:
    FLAT = Reliability(np.zeros(15, np.int64), np.zeros(15), np.zeros(15))

    def classes(self, count, label):
        odd = [Odd(f"folder/a_long_name_of_a_file_{n}.png", label, 3.5 - n, n % 2 == 0) for n in range(count)]
        pictures = np.random.default_rng(0).integers(0, 256, (count, 20, 30, 3), dtype=np.uint8)
        return Classes(["nut"], 1.0, True, 1.0, self.FLAT, self.FLAT, odd, pictures)

    @pytest.mark.parametrize(("count", "label"), [(8, "nut"), (1, "")])
    def test_each_has_its_score_and_whether_it_was_held_out(self, count, label):
        classes = self.classes(count, label)
        shown = highest_scoring_exhibit(classes)
        assert "check their labels" in shown.title
        assert ("its class" in shown.note) == bool(label)
        (row,) = shown.rows
        first = "nut 3.5" if label else "3.5"
        assert row[0].caption.splitlines() == [first, "held out", "…of_a_file_0.png"]
        assert [picture.caption.splitlines()[1] for picture in row] == (["held out", "training"] * 4)[:count]
        np.testing.assert_array_equal([picture.image for picture in row], classes.pictures)

    def test_it_is_left_out_where_there_are_none(self, record):
        bare = len(training_exhibits(Records(record)))
        assert len(training_exhibits(Records(record, self.classes(0, "")))) == bare
        assert len(training_exhibits(Records(record, self.classes(2, "nut")))) == bare + 1
