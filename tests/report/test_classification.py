"""What is shown of classifiers of defects that were really trained."""

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from scipy.special import softmax

from knowngood.inspector.train import held_out_scores
from knowngood.metrics.classification import losses
from knowngood.report.classification import PRICES, calibration_exhibit, classification_exhibits
from knowngood.report.exhibits import Pictures, Table, Text
from knowngood.report.page import sections, write_report
from knowngood.report.training import training_exhibits
from knowngood.report.words import basis, verdict

from .conftest import NAMES
from .drawing import cells, drawn, legend


def titles(exhibits):
    return [exhibit.title for exhibit in exhibits]


class TestPredictions:
    def test_one_exhibit_for_each_question(self, probe):
        starts = [
            "",
            "",
            "Lowest AUROC",
            "Temperature scaling",
            "With an escape",
            "Largest losses",
            "Features",
        ]
        found = titles(classification_exhibits(probe))
        assert len(found) == len(starts)
        assert all(title.startswith(start) for title, start in zip(found, starts, strict=True))
        assert not any(title.endswith(".") for title in found)

    def test_the_table_is_that_of_the_decisions_made(self, probe):
        table = classification_exhibits(probe)[0]
        matrix = np.array(probe.metrics["classifier"]["confusion"]["matrix"])
        assert table.title.startswith(f"{matrix.trace()} of 18 test images classified correctly")
        head, *rows, mean = cells(table)
        assert head == ["class", "images", "precision", "recall", "F1"]
        for row, name in zip(rows, NAMES, strict=True):
            its = probe.metrics["classifier"]["classes"][name]
            figures = [its["precision"], its["recall"], its["f1"]]
            expected = ["–" if figure is None else f"{figure:.3f}" for figure in figures]
            assert row == [name, str(its["count"]), *expected]
        measures = ("macro_precision", "balanced_accuracy", "macro_f1")
        means = [f"{probe.metrics['classifier'][name]:.3f}" for name in measures]
        assert mean == ["macro mean", "18", *means]

    def test_the_confusion_counts_what_the_inspector_decides(self, probe):
        # A threshold so high that all is accepted: whatever is most probable, good is predicted.
        found = replace(probe.classification, said=np.zeros(len(probe.scores), np.int64))
        table, confusion, *_ = classification_exhibits(replace(probe, classification=found))
        assert table.title == "6 of 18 test images classified correctly; lowest recall: dent (0.0 %)"
        assert cells(table)[2][2:] == ["–", "0.000", "0.000"]
        assert [text.get_text() for text in drawn(confusion).axes[0].texts] == ["6", "0", "0"] * 3
        assert confusion.title == "Most frequent error: 6 of 6 dent predicted as good"

    def test_all_correct(self, probe):
        truth = probe.classification.truth[:, 0]
        perfect = replace(probe, classification=replace(probe.classification, said=truth))
        first, second, *_ = titles(classification_exhibits(perfect))
        assert first == "18 of 18 test images classified correctly"
        assert second == "No class is confused with another"

    def test_curves_are_those_of_the_probabilities(self, probe):
        chart = classification_exhibits(probe)[2]
        found = probe.classification
        shares = softmax(found.logits[:, 0] / found.temperature, axis=1)
        expected = {}
        for number, name in enumerate(NAMES):
            its = found.truth[:, 0] == number
            above = shares[its, number][:, None] - shares[~its, number]
            expected[name] = ((above > 0) + 0.5 * (above == 0)).mean()
        entries = legend(drawn(chart))[:3]
        for name, entry in zip(NAMES, entries, strict=True):
            area = float(entry.removeprefix(f"{name} (").partition(",")[0])
            assert area == pytest.approx(expected[name], abs=6e-4)
        assert f"({min(expected.values()):.3f})" in chart.title

    def test_costs_come_from_held_out_predictions(self, probe):
        figure = drawn(classification_exhibits(probe)[4])
        lesson, own = probe.records.classifier, probe.metrics["threshold"]
        scores, defect = held_out_scores(lesson), lesson.truth > 0
        for axes, (reject, escape) in zip(figure.axes, PRICES, strict=True):
            paid = reject * ((scores > own) & ~defect).sum() + escape * ((scores <= own) & defect).sum()
            assert axes.get_title().splitlines()[2].startswith(f"this inspector: {paid:.4g} at ")
            # The lowest cost is nowhere above that.
            assert axes.lines[0].get_ydata()[0] <= paid

    def test_a_held_out_set_without_good_parts_has_no_costs(self, probe):
        lesson = probe.records.classifier
        defects = lesson.truth > 0
        only = replace(lesson, logits=lesson.logits[defects], truth=lesson.truth[defects])
        changed = replace(probe, records=replace(probe.records, classifier=only))
        assert not any("escape" in title for title in titles(classification_exhibits(changed)))

    def test_the_largest_losses_are_the_least_probable_truths(self, probe):
        (row,) = classification_exhibits(probe)[5].rows
        found = probe.classification
        loss = losses(found.logits[:, 0], found.truth[:, 0], found.temperature)
        worst = probe.scores.iloc[int(loss.argmax())]
        true, said = worst["defect"] or "good", worst["predicted_class"]
        assert len(row) == 10
        assert row[0].text == worst["path"]
        assert row[0].caption.splitlines() == [
            f"{true} {100 * worst[f'p_{true}']:.0f} %",
            f"→ {said} {100 * worst[f'p_{said}']:.0f} %",
        ]
        assert loss.max() == pytest.approx(-np.log(worst[f"p_{true}"]), rel=1e-4)

    def test_images_that_are_gone_are_left_out(self, probe):
        first = probe.scores["path"].iloc[0]
        only = probe.scores.assign(path=np.where(probe.scores["path"] == first, first, "gone.png"))
        (losses_shown,) = [
            exhibit
            for exhibit in classification_exhibits(replace(probe, scores=only))
            if isinstance(exhibit, Pictures)
        ]
        assert [picture.text for picture in losses_shown.rows[0]] == [first]
        none = classification_exhibits(replace(probe, scores=probe.scores.assign(path="gone.png")))
        assert "Largest losses" not in titles(none)

    def test_types_that_the_classifier_does_not_know(self, probe):
        unknown = np.full_like(probe.classification.truth, -1)
        changed = replace(probe, classification=replace(probe.classification, truth=unknown))
        exhibits = classification_exhibits(changed)
        assert [title.split()[0] for title in titles(exhibits)] == ["Temperature", "With", "Features"]
        assert "On held-out images" in exhibits[0].note

    def test_good_and_defect_alone(self, two_kinds):
        exhibits = classification_exhibits(two_kinds)
        assert len(exhibits) == 7
        ticks = drawn(exhibits[1]).axes[0].get_xticklabels()
        assert [text.get_text() for text in ticks] == ["good", "defect"]

    def test_a_temperature_that_does_not_help_is_not_praised(self, probe):
        good, bad = probe.classification.reliability(1.0), probe.classification.reliability(20.0)
        assert good.expected_error < bad.expected_error
        assert "does not lower" in calibration_exhibit(good, bad, 20.0, "").title
        assert "scaling lowers" in calibration_exhibit(bad, good, 0.5, "").title


class TestTraining:
    def test_without_a_network_there_are_words_only(self, probe):
        assert probe.records.training is None
        (words,) = training_exhibits(probe.records)
        assert isinstance(words, Text)
        said = words.sentences
        assert said[0] == "28 training images, held-out ones included: 12 good, 8 dent, 8 scratch."
        assert said[1].endswith("on 28 held-out images.")
        assert len(said) == 2 + len(probe.records.classifier.notes)
        assert all(sentence[0].isupper() or sentence[0].isdigit() for sentence in said)
        assert all(sentence.endswith(".") for sentence in said)

    def test_a_network_shows_how_it_improved(self, tuned):
        record = tuned.records.training
        words, sheet, epochs, loss, accuracies, rates, classes = training_exhibits(tuned.records)
        assert accuracies.title.startswith(f"Accuracy at epoch {record.best}: ")
        assert rates.title.startswith("The learning rate starts at ")
        assert (
            f"{sum(layer.parameters for layer in record.layers):,} trained parameters" in words.sentences[2]
        )
        assert list(sheet.names) == NAMES
        np.testing.assert_array_equal(sheet.rows[1][0].image, tuned.records.classifier.sheet[1, 0])
        assert isinstance(epochs, Table)
        for row, epoch in zip(epochs.rows, record.epochs, strict=True):
            kept = " (kept)" if epoch.epoch == record.best else ""
            assert row[0] == f"{epoch.epoch}{kept}"
            assert row[1:4] == [f"{epoch.train:.4f}", f"{epoch.validation:.4f}", f"{epoch.error:.3f}"]
            assert re.fullmatch(r"\d+:\d\d", row[4])
        assert legend(drawn(loss))[1] == "validation (held-out images)"
        lines = drawn(classes).axes[0].lines
        for line, shares in zip(lines[:3], np.array([e.accuracies for e in record.epochs]).T, strict=True):
            np.testing.assert_allclose(line.get_ydata(), 100 * shares)

    def test_a_class_without_held_out_images(self, tuned):
        epochs = [epoch._replace(accuracies=(1.0, None, 0.5)) for epoch in tuned.records.training.epochs]
        chart = training_exhibits(
            replace(tuned.records, training=replace(tuned.records.training, epochs=epochs))
        )[-1]
        assert (
            chart.title == f"Lowest class accuracy at epoch {tuned.records.training.best}: scratch (50.0 %)"
        )
        assert "dent (–)" in legend(drawn(chart))


class TestPage:
    @pytest.fixture(params=["probe", "tuned", "two_kinds"])
    def evaluation(self, request):
        return request.getfixturevalue(request.param)

    def test_it_holds_every_exhibit(self, evaluation, tmp_path):
        write_report(evaluation, tmp_path / "report.html")
        page = (tmp_path / "report.html").read_text()
        expected = classification_exhibits(evaluation) + training_exhibits(evaluation.records)
        assert list(map(unescape, re.findall(r"<h3>(.*?)</h3>", page))) == titles(expected)
        assert [section.title for section in sections(evaluation)] == ["Classifier", "Training"]
        assert all(f"<li>{sentence}</li>" in unescape(page) for sentence in expected[7].sentences)
        assert 'src=""' not in page

    def test_pictures_name_the_predicted_class(self, probe, tmp_path):
        write_report(probe, tmp_path / "report.html")
        assert "· predicted good ·" in (tmp_path / "report.html").read_text()

    def test_the_class_accuracy_is_shown_where_there_are_more_than_two(self, probe, two_kinds, tmp_path):
        for evaluation, there in ((probe, True), (two_kinds, False)):
            write_report(evaluation, tmp_path / "report.html")
            assert ("<dt>Class accuracy</dt>" in (tmp_path / "report.html").read_text()) is there

    def test_the_same_evaluation_makes_the_same_page(self, probe, tmp_path):
        write_report(probe, tmp_path / "one.html")
        write_report(probe, tmp_path / "two.html")
        assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


class TestWords:
    def test_where_the_threshold_comes_from(self, probe):
        said = basis(probe.metrics, probe.provenance["threshold"])
        assert said.startswith(
            "A part is rejected where, according to the classifier, a defect is likelier than a good"
        )
        assert re.search(
            r"from 12 held-out good parts, with 95 % confidence it rejects at most [\d.]+ %", said
        )
        labelled = {
            **probe.provenance["threshold"],
            "rule": "Youden, on 12 good and 16 defective validation images",
        }
        said = basis(probe.metrics, labelled)
        assert said.startswith("The threshold")
        assert "held-out good image" not in said
        assert "or somewhat more, because it was chosen on the same images" in said

    def test_how_many_defects_were_assigned_their_type(self, probe, two_kinds):
        matrix = np.array(probe.metrics["classifier"]["confusion"]["matrix"])[1:, 1:]
        assigned = f"Of {matrix.sum()} rejected defects {matrix.trace()} were assigned the correct type"
        assert assigned in verdict(probe.metrics)
        assert "assigned" not in verdict(two_kinds.metrics)

    def test_types_not_learned_are_not_counted(self, probe):
        classifier = probe.metrics["classifier"] | {
            "confusion": {"classes": NAMES, "matrix": [[6, 0, 0], [0, 1, 0], [6, 0, 0]]},
            "not_learned": 5,
        }
        said = verdict(probe.metrics | {"classifier": classifier})
        assert said.endswith("Of 1 rejected defect of known types 1 was assigned the correct type (100.0 %).")
