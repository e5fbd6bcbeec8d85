"""What a report and slides show of classifiers that were really trained, on synthetic parts."""

import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure, FigureBase
from matplotlib.table import Cell
from matplotlib.text import Text
from PIL import Image

from knowngood.classifiers import make_classifier
from knowngood.errors import OutputError
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.train import held_out_scores, train
from knowngood.metrics.classification import losses
from knowngood.report.drawings import classified_drawings, training_drawings
from knowngood.report.figures import style
from knowngood.report.html import write_report
from knowngood.report.learned import learning_shown, lesson_words
from knowngood.report.supervised import PRICES, answers_shown
from knowngood.report.supervised_slides import DOCUMENT, write_supervised_slides
from knowngood.report.words import basis, verdict

NAMES = ["good", "dent", "scratch"]
SIDE = 64


def part(rng, kind):
    """A grey disc with noise; a dent is a dark spot, a scratch a bright line."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = 60.0 + 80 * (np.hypot(y - SIDE / 2, x - SIDE / 2) < 26)
    across, down = rng.integers(22, 42, 2)
    if kind == "dent":
        image[np.hypot(y - down, x - across) < 6] = 20
    if kind == "scratch":
        image[down : down + 3, across - 10 : across + 10] = 250
    noise = rng.normal(0, 5, (SIDE, SIDE, 1))
    return np.clip(image[..., None].repeat(3, axis=2) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Twelve good parts and eight of each defect to learn from, six of each kind to test."""
    folder, rng, rows = tmp_path_factory.mktemp("parts"), np.random.default_rng(0), []
    for split, sizes in (("train", (12, 8, 8)), ("test", (6, 6, 6))):
        for kind, size in zip(NAMES, sizes, strict=True):
            for number in range(size):
                path = folder / f"{split}_{kind}_{number}.png"
                Image.fromarray(part(rng, kind)).save(path)
                label = "good" if kind == "good" else "defect"
                rows.append(
                    {
                        "path": str(path),
                        "split": split,
                        "label": label,
                        "defect": kind if label == "defect" else "",
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def probe(table):
    return evaluate(train(table, make_classifier("linear_probe", {"input_size": SIDE})), table)


@pytest.fixture(scope="module")
def tuned(table):
    settings = {"input_size": SIDE, "epochs": 2, "head_epochs": 1}
    return evaluate(train(table, make_classifier("finetune", settings)), table)


@pytest.fixture(scope="module")
def two_kinds(table):
    recipe = make_classifier("linear_probe", {"input_size": SIDE})
    return evaluate(train(table, recipe, by="label"), table)


def texts(figure):
    """All texts of a figure, line breaks as spaces."""
    found = figure.findobj(Text) + [cell.get_text() for cell in figure.findobj(Cell)]
    return [text.get_text().replace("\n", " ") for text in found if text.get_text()]


def drawn(exhibit):
    with style():
        figure = Figure(figsize=(10.8, exhibit.height), layout="constrained" if exhibit.loose else None)
        exhibit.draw(figure)
        figure.draw_without_rendering()
    return figure


class TestAnswers:
    def test_one_exhibit_a_question(self, probe):
        findings = [exhibit.finding for exhibit in answers_shown(probe)]
        starts = [
            "The right kind is said",
            "",
            "Hardest to tell",
            "The temperature",
            "If an escape",
            "Where",
            "",
        ]
        assert len(findings) == len(starts)
        assert all(finding.startswith(start) for finding, start in zip(findings, starts, strict=True))
        assert not any(finding.endswith(".") for finding in findings)

    def test_the_table_is_that_of_the_decisions_made(self, probe):
        cells = drawn(answers_shown(probe)[0]).axes[0].tables[0].get_celld()
        for row, name in enumerate(NAMES, 1):
            its = probe.metrics["classifier"]["kinds"][name]
            numbers = [cells[row, column].get_text().get_text() for column in range(5)]
            figures = [its["precision"], its["recall"], its["f1"]]
            expected = ["–" if figure is None else f"{figure:.3f}" for figure in figures]
            assert numbers == [name, str(its["count"]), *expected]

    def test_the_confusion_counts_what_the_inspector_says(self, probe):
        # A threshold so high that all is accepted: whatever is likeliest, good is said.
        found = replace(probe.classification, said=np.zeros(len(probe.scores), np.int64))
        exhibit = answers_shown(replace(probe, classification=found))[1]
        numbers = [text.get_text() for text in drawn(exhibit).axes[0].texts]
        assert numbers == ["6", "0", "0"] * 3
        assert exhibit.finding == "Most frequent error: 6 of 6 dent taken for good"

    def test_all_right(self, probe):
        truth = probe.classification.truth[:, 0]
        perfect = replace(probe, classification=replace(probe.classification, said=truth))
        first, second, *_ = (exhibit.finding for exhibit in answers_shown(perfect))
        assert first == "The right kind is said of 18 of 18 test images"
        assert second == "No kind is taken for another"

    def test_costs_come_from_held_out_answers(self, probe):
        figure = drawn(answers_shown(probe)[4])
        lesson, own = probe.training.lesson, probe.metrics["threshold"]
        scores, defect = held_out_scores(lesson), lesson.truth > 0
        for axes, (reject, escape) in zip(figure.axes, PRICES, strict=True):
            paid = reject * ((scores > own) & ~defect).sum() + escape * ((scores <= own) & defect).sum()
            assert axes.get_title().splitlines()[2].startswith(f"this inspector's: {paid:.4g} at ")
            # What the line is at its lowest lies nowhere above that.
            assert axes.lines[0].get_ydata()[0] <= paid

    def test_a_held_out_set_without_good_parts_has_no_costs(self, probe):
        lesson = probe.training.lesson
        defects = lesson.truth > 0
        only = replace(lesson, logits=lesson.logits[defects], truth=lesson.truth[defects])
        changed = replace(probe, training=replace(probe.training, lesson=only))
        assert not any("escape" in exhibit.finding for exhibit in answers_shown(changed))

    def test_the_top_losses_are_the_least_likely_truths(self, probe):
        figure = drawn(answers_shown(probe)[5])
        found = probe.classification
        loss = losses(found.logits[:, 0], found.truth[:, 0], found.temperature)
        worst = probe.scores.iloc[int(loss.argmax())]
        true, said = worst["defect"] or "good", worst["kind"]
        assert len(figure.axes) == 10
        assert figure.axes[0].get_title().splitlines() == [
            f"{true} {100 * worst[f'p_{true}']:.0f} %",
            f"said: {said} {100 * worst[f'p_{said}']:.0f} %",
        ]
        assert loss.max() == pytest.approx(-np.log(worst[f"p_{true}"]), rel=1e-4)

    def test_images_that_are_gone_are_left_out(self, probe):
        scores = probe.scores.assign(path="gone.png")
        exhibit = answers_shown(replace(probe, scores=scores))[5]
        assert exhibit.drawn(Figure()).endswith("There are no images whose class could be told.")

    def test_types_that_nobody_learned(self, probe):
        unknown = np.full_like(probe.classification.truth, -1)
        exhibits = answers_shown(replace(probe, classification=replace(probe.classification, truth=unknown)))
        assert [exhibit.finding.split()[0] for exhibit in exhibits] == ["The", "If", "What"]
        assert "Answers to held-out images" in exhibits[0].remark

    def test_good_and_defect_alone(self, two_kinds):
        exhibits = answers_shown(two_kinds)
        assert len(exhibits) == 7
        assert [text.get_text() for text in drawn(exhibits[1]).axes[0].get_xticklabels()] == [
            "good",
            "defect",
        ]


class TestLearning:
    def test_no_network_no_figures(self, probe):
        assert not probe.training.epochs
        assert learning_shown(probe.training) == []
        drawings = training_drawings(probe)
        assert [drawing.text for drawing in drawings] == lesson_words(probe.training)
        assert not any(drawing.uri for drawing in drawings)

    def test_the_lesson_in_words(self, probe):
        said = lesson_words(probe.training)
        assert said[0] == "It learned from 28 images, held-out ones included: 12 good, 8 dent, 8 scratch."
        assert "of 28 held-out ones" in said[1]
        assert len(said) == 2 + len(probe.training.lesson.notes)
        assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in said)

    def test_a_network_shows_how_it_learned(self, tuned):
        record = tuned.training
        sheet, epochs, loss, kinds = learning_shown(record)
        figure = drawn(sheet)
        assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == NAMES
        cells = drawn(epochs).axes[0].tables[0].get_celld()
        for row, epoch in enumerate(record.epochs, 1):
            texts = [cells[row, column].get_text().get_text() for column in range(5)]
            assert texts[0].split()[0] == str(epoch.epoch)
            assert texts[1:4] == [f"{epoch.train:.4f}", f"{epoch.validation:.4f}", f"{epoch.error:.3f}"]
            assert re.fullmatch(r"\d+:\d\d", texts[4])
        assert cells[record.best, 0].get_text().get_text() == f"{record.best} (kept)"
        assert "validation (held-out images)" in texts_of(drawn(loss))
        lines = drawn(kinds).axes[0].lines
        for line, shares in zip(lines[:3], np.array([e.accuracies for e in record.epochs]).T, strict=True):
            np.testing.assert_allclose(line.get_ydata(), 100 * shares)

    def test_a_kind_of_which_none_was_held_out(self, tuned):
        epochs = [epoch._replace(accuracies=(1.0, None, 0.5)) for epoch in tuned.training.epochs]
        exhibit = learning_shown(replace(tuned.training, epochs=epochs))[3]
        assert (
            exhibit.finding == f"After epoch {tuned.training.best} told rightly least often: scratch (50.0 %)"
        )
        assert "dent (–)" in texts_of(drawn(exhibit))


def texts_of(figure):
    legend = figure.axes[0].get_legend()
    return [text.get_text() for text in legend.get_texts()]


class TestPage:
    @pytest.fixture(params=["probe", "tuned", "two_kinds"])
    def evaluation(self, request):
        return request.getfixturevalue(request.param)

    def test_it_holds_every_exhibit_and_sentence(self, evaluation, tmp_path):
        write_report(evaluation, tmp_path / "report.html")
        page = (tmp_path / "report.html").read_text()
        record = evaluation.training
        count = len(answers_shown(evaluation)) + len(learning_shown(record))
        shown = re.findall(r'<img class="drawing" src="data:image/svg\+xml;base64,([^"]+)"', page)
        assert len(shown) == count
        assert all(b"</svg>" in b64decode(image) for image in shown)
        assert page.count('class="remark drawn"') == count + len(lesson_words(record))
        assert page.index("What its classifier says") < page.index("How it was trained")
        assert 'src=""' not in page

    def test_pictures_say_what_each_part_was_taken_for(self, probe, tmp_path):
        write_report(probe, tmp_path / "report.html")
        page = (tmp_path / "report.html").read_text()
        assert "· taken for good ·" in page

    def test_a_share_of_right_kinds_where_there_are_kinds(self, probe, two_kinds, tmp_path):
        for evaluation, there in ((probe, True), (two_kinds, False)):
            write_report(evaluation, tmp_path / "report.html")
            assert ("<dt>Right kind</dt>" in (tmp_path / "report.html").read_text()) is there

    def test_drawings_are_the_same_each_time(self, probe):
        assert classified_drawings(probe) == classified_drawings(probe)


class TestWords:
    def test_where_the_threshold_comes_from(self, probe):
        said = basis(probe.metrics, probe.provenance["threshold"])
        assert said.startswith(
            "A part is rejected where, to the classifier, a defect is likelier than a good"
        )
        assert re.search(r"at most [\d.]+ % of good parts are, by 12 good images that were held out", said)
        labelled = {
            **probe.provenance["threshold"],
            "rule": "Youden, on 12 good and 16 defective validation images",
        }
        said = basis(probe.metrics, labelled)
        assert said.startswith("The threshold")
        assert "held-out good image" not in said
        assert "or somewhat more, since it was chosen on the same images" in said

    def test_how_many_defects_were_named(self, probe, two_kinds):
        matrix = np.array(probe.metrics["classifier"]["confusion"]["matrix"])[1:, 1:]
        named = f"Of {matrix.sum()} rejected defects {matrix.trace()} were named rightly"
        assert named in verdict(probe.metrics)
        assert "named" not in verdict(two_kinds.metrics)

    def test_types_not_learned_are_not_counted(self, probe):
        classifier = probe.metrics["classifier"] | {
            "confusion": {"kinds": NAMES, "matrix": [[6, 0, 0], [0, 1, 0], [6, 0, 0]]},
            "not_learned": 5,
        }
        said = verdict(probe.metrics | {"classifier": classifier})
        assert said.endswith("Of 1 rejected defect of types that it learned 1 was named rightly (100.0 %).")


class TestSlides:
    @pytest.fixture
    def content(self, probe, tuned, table):
        first = [table[table["path"].str.contains(f"train_{name}")]["path"].iloc[0] for name in NAMES]
        results = pd.DataFrame(
            [
                ["linear_probe", 0.9, 0.02, 0.8, 184],
                ["finetune", 0.7, 0.1, 0.6, 60],
                [DOCUMENT, 0.75] + 3 * [None],
            ],
            columns=["method", "macro_f1", "macro_f1_sd", "recall", "images"],
        )
        return {
            "facts": [("images", "46"), ("seeds", "5")],
            "kinds": (NAMES, np.stack([np.asarray(Image.open(path)) for path in first])),
            "expectations": ["There are few images."],
            "choices": ["No test image took part in any choice."],
            "results": results,
            "evaluations": {"linear_probe": probe, "finetune": tuned},
            "notes": ["Frozen features win."],
        }

    @pytest.fixture
    def slides(self, content, tmp_path, monkeypatch):
        """Writes slides and gives their figures."""
        figures, savefig = [], PdfPages.savefig

        def keep(pdf, figure, **options):
            figures.append(figure)
            savefig(pdf, figure, **options)

        monkeypatch.setattr(PdfPages, "savefig", keep)

        def write(**changes):
            write_supervised_slides("Parts", tmp_path / "slides.pdf", **content | changes)
            return figures

        return write

    def test_a_slide_for_each_question_in_order(self, slides, probe, tuned):
        titles = [figure.texts[0].get_text().replace("\n", " ") for figure in slides()]
        expected = [
            "Parts",
            "3 kinds to learn: the largest has 1.5 times the smallest",
            "A part of each kind",
        ]
        expected += ["What problems are to be expected", "Where each choice was made"]
        for method, evaluation in (("linear_probe", probe), ("finetune", tuned)):
            expected.append(f"{method}: what it learned from, and what it chose by itself")
            expected += [f"{method}: {exhibit.finding}" for exhibit in learning_shown(evaluation.training)]
        expected.append("linear_probe has the highest macro f1: 0.900 ± 0.020; the document: 0.750")
        expected += [f"linear_probe: {exhibit.finding}" for exhibit in answers_shown(probe)]
        assert titles == [*expected, "What follows"]

    def test_results_stand_beside_the_document(self, slides):
        (found,) = [figure for figure in slides() if "highest" in figure.texts[0].get_text()]
        (drawn,) = [table for axes in found.findobj() for table in getattr(axes, "tables", [])]
        cells = drawn.get_celld()
        rows = [[cells[row, column].get_text().get_text() for column in range(4)] for row in range(4)]
        assert rows == [
            ["method", "macro f1", "recall", "images"],
            ["linear_probe", "0.900 ± 0.020", "0.800", "184"],
            ["finetune", "0.700 ± 0.100", "0.600", "60"],
            ["the document", "0.750", "–", "–"],
        ]

    def test_counts_of_what_was_learned_and_judged(self, slides):
        assert {"12", "8", "6", "28", "18"} <= set(texts(slides()[1]))

    def test_every_text_stays_on_its_slide(self, slides):
        for figure in slides(
            facts=[(f"fact {n}", "a value that takes more than a line " * 2) for n in range(6)]
        ):
            renderer = FigureCanvasAgg(figure).get_renderer()
            figure.draw(renderer)
            boxes = [axes.get_tightbbox(renderer) for axes in figure.findobj(Axes)]
            for part in figure.findobj(FigureBase):
                boxes += [text.get_window_extent(renderer) for text in part.texts]
            for box in filter(None, boxes):
                assert min(box.x0, box.y0) > -2, figure.texts[0]
                assert box.x1 < figure.bbox.width + 2, figure.texts[0]
                assert box.y1 < figure.bbox.height + 2, figure.texts[0]

    def test_many_sentences_take_more_slides(self, slides):
        titles = [
            figure.texts[0].get_text() for figure in slides(notes=["A sentence of some length. " * 6] * 9)
        ]
        last = [title for title in titles if title.startswith("What follows")]
        assert last == [f"What follows ({n} of {len(last)})" for n in range(1, 1 + len(last))]
        assert len(last) > 1

    def test_only_what_there_is(self, slides, probe):
        bare = slides(
            kinds=([], np.zeros((0, 8, 8, 3), np.uint8)),
            expectations=[],
            choices=[],
            results=pd.DataFrame({"method": [], "f1": []}),
            evaluations={"linear_probe": probe},
            notes=[],
        )
        assert len(bare) == 3 + len(answers_shown(probe))

    def test_the_same_content_makes_the_same_file(self, content, tmp_path):
        paths = [tmp_path / "one.pdf", tmp_path / "two.pdf"]
        for path in paths:
            write_supervised_slides("Parts", path, **content)
        one, two = map(Path.read_bytes, paths)
        assert one == two
        assert b"/FontFile2" in one

    def test_no_folder_no_slides(self, content, tmp_path):
        with pytest.raises(OutputError, match=r"slides\.pdf' cannot be written"):
            write_supervised_slides("Parts", tmp_path / "none" / "slides.pdf", **content)
