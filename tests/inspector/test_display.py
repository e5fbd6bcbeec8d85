"""What a notebook shows of results: representations, cards and charts."""

import dataclasses
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

import knowngood
from knowngood.errors import DataError, UnreadableImage
from knowngood.inspector.cross_validation import CrossValidation


@pytest.fixture(autouse=True)
def _no_window():
    with mpl.rc_context({"backend": "Agg"}):
        yield
        pyplot.close("all")


@pytest.fixture
def axes():
    return Figure().subplots()


@pytest.fixture(scope="module")
def verdict(inspector, test_images):
    return inspector.inspect(test_images[-1])[0]


@pytest.fixture(scope="module")
def classified(widget):
    samples = knowngood.load_samples(widget)
    samples = samples[samples["split"] == "test"]
    learned = samples[::2].assign(split="train")
    inspector = knowngood.train(learned, "linear_probe", input_size=64)
    return knowngood.evaluate(inspector, samples[1::2])


class Texts(HTMLParser):
    """The texts of HTML; its tags must close in their order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.found, self.pictures = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.pictures.append(dict(attributes))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.found += [data] if data.strip() else []


# --- representations


def test_representations_are_a_line(inspector, evaluation, verdict, test_images):
    figures = r"image_auroc [\d.]+, false_reject_rate [\d.]+, escape_rate [\d.]+"
    assert re.fullmatch(rf"Evaluation\(8 good parts, 6 defects, {figures}\)", repr(evaluation))
    assert repr(verdict) == (
        f"Verdict({str(test_images[-1])!r}, reject, score {verdict.score:.4g}, p-value {verdict.p_value:.2g})"
    )
    words = r"[\d.]+, false rejects at most 0\.05, rejects at most \d+ % of good parts"
    assert re.fullmatch(rf"Threshold\({words}\)", repr(inspector.threshold))
    for one in (inspector.manifest, inspector.records, evaluation.records):
        assert len(repr(one)) < 1500
        assert "\n" not in repr(one)
    assert "training=<24 items>" in repr(inspector.manifest)
    assert "examples=<3 items>" in repr(inspector.records)


def test_a_verdict_on_an_array_and_one_with_a_class(inspector, good_images, verdict):
    assert repr(inspector.inspect(good_images[0])[0]).startswith("Verdict('[0]', accept, score ")
    typed = dataclasses.replace(verdict, predicted_class="dent")
    assert ", reject dent, score " in repr(typed)


def test_a_cross_validation():
    folds = pd.DataFrame({"fold": [0, 1], "images": [3, 4], "image_auroc": [0.5, 1.0], "pixel_auroc": np.nan})
    found = CrossValidation(pd.DataFrame(index=range(7)), folds, [])
    assert repr(found) == "CrossValidation(2 folds, 7 images, image_auroc 0.7500 ± 0.3536)"
    assert found.figures["figure"].tolist() == ["image_auroc", "pixel_auroc"]
    assert Texts(found._repr_html_()).found.count("0.7500") == 1


def test_a_description_reads_as_its_lines(widget):
    found = knowngood.describe(widget)
    assert repr(found) == str(found) == "\n".join(found.lines())


def test_records_of_a_classifier(classified):
    text = repr(classified.records.classifier)
    assert "logits=<ndarray 7 x 2>" in text
    assert len(text) < 600
    assert "logits=<ndarray 7 x 1 x 2>" in repr(classified.classification)


# --- cards


def test_the_card_of_an_inspector(inspector):
    found = Texts(inspector._repr_html_()).found
    assert found[0] == "Inspector"
    facts = dict(zip(found[1::2], found[2::2], strict=True))
    assert facts["method"] == "patchcore"
    assert facts["learned from"] == "24 good images"
    assert "coreset=200" in facts["settings"]


def test_the_card_of_an_evaluation(evaluation):
    warned = dataclasses.replace(evaluation, metrics=evaluation.metrics | {"warnings": ["<b>"]})
    found = Texts(warned._repr_html_()).found
    assert found[1].startswith("Of 8 good parts ")
    assert found[-1] == "<b>"
    facts = dict(zip(found[2:-1:2], found[3:-1:2], strict=True))
    assert facts["image AUROC"] == f"{evaluation.metrics['image_auroc']:.4f}"
    assert list(facts) == ["false rejects", "escapes", "image AUROC", "pixel AUROC", "AUPRO"]


def test_the_card_of_a_classification(classified):
    assert "class accuracy" in Texts(classified._repr_html_()).found


def test_the_card_of_a_verdict(verdict, image_only, test_images, tmp_path):
    card = Texts(verdict._repr_html_())
    assert [picture["alt"] for picture in card.pictures] == ["image", "heatmap"]
    assert all(picture["src"].startswith("data:image/") for picture in card.pictures)
    assert card.found[:3] == [str(test_images[-1]), "decision", "reject"]
    (alone,) = Texts(image_only.inspect(test_images[0])[0]._repr_html_()).pictures
    assert alone["alt"] == "image"
    gone = dataclasses.replace(verdict, source=str(tmp_path / "<gone>.png"))
    card = Texts(gone._repr_html_())
    assert card.found[0] == str(tmp_path / "<gone>.png")
    assert "The image can no longer be read: there is no such file" in card.found


def test_cards_need_no_matplotlib(saved, test_images):
    program = (
        "import sys; from knowngood import Inspector;"
        f"inspector = Inspector.load({str(saved)!r});"
        f"verdict = inspector.inspect({str(test_images[0])!r})[0];"
        "print(len(inspector._repr_html_()) > 100, len(verdict._repr_html_()) > 1000);"
        "print({'torch', 'matplotlib'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True", "set()"]


# --- charts


def test_scores_on_axes_of_a_user(evaluation, axes):
    assert evaluation.plot_scores(axes) is axes
    entries = [text.get_text() for text in axes.get_legend().get_texts()]
    assert entries[:3] == ["good (8)", "defect (6)", "held-out good (24)"]
    assert entries[3] == f"threshold {evaluation.metrics['threshold']:.4g}"
    assert axes.get_xlabel().startswith("image score")
    assert axes.get_ylim()[1] > 1.4 * max(patch.get_data().values.max() for patch in axes.patches)
    check_threshold_is_clear_of_legend(axes)


def check_threshold_is_clear_of_legend(axes):
    axes.figure.canvas.draw()
    box = axes.get_legend().get_window_extent()
    [line] = axes.lines
    at = axes.transData.transform((line.get_xdata()[0], 0))[0]
    assert not box.x0 <= at <= box.x1


def test_a_roc_curve(evaluation, axes):
    assert evaluation.plot_roc(axes) is axes
    curve, _, point = axes.lines
    assert curve.get_label() == f"AUROC {evaluation.metrics['image_auroc']:.3f}"
    (x,), (y,) = point.get_data()
    assert x == pytest.approx(100 * evaluation.metrics["false_reject_rate"])
    assert y == pytest.approx(100 - 100 * evaluation.metrics["escape_rate"])
    defect, score = evaluation.scores["label"] == "defect", evaluation.scores["score"]
    area = np.trapezoid(curve.get_ydata(), curve.get_xdata()) / 1e4
    assert area == pytest.approx(evaluation.metrics["image_auroc"])
    assert len(defect) == len(score)


def test_no_roc_curve_without_defects(inspector, widget, axes):
    samples = knowngood.load_samples(widget)
    good = knowngood.evaluate(inspector, samples[samples["label"] == "good"])
    with pytest.raises(DataError, match="there is no ROC curve: there is no defective test image"):
        good.plot_roc(axes)
    good.show()
    assert len(pyplot.gcf().axes) == 2


def numbers(axes):
    """The counts of a confusion matrix."""
    return [text.get_text() for text in axes.texts]


def test_decisions(evaluation, axes):
    evaluation.plot_confusion(axes)
    counts = evaluation.metrics["confusion"]
    names = ("true_accept", "false_reject", "escape", "true_reject")
    assert numbers(axes) == [str(counts[name]) for name in names]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["accept", "reject"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["good", "defect"]


def test_classes(classified, axes):
    classified.plot_confusion(axes)
    matrix = classified.metrics["classifier"]["confusion"]["matrix"]
    assert numbers(axes) == [str(count) for row in matrix for count in row]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["good", "scratch"]


def test_the_image_of_a_row(evaluation, axes):
    row = int(evaluation.scores["score"].idxmax())
    assert evaluation.plot_image(row, axes) is axes
    title = f"scratch: reject, score {evaluation.scores['score'][row]:.4g}"
    assert axes.get_title() == title
    pixels = axes.images[0].get_array()
    outline = (pixels == (0, 200, 255)).all(axis=-1)
    assert outline.any()


@pytest.mark.parametrize("row", [14, -1, "a.png"])
def test_a_row_that_is_not_there(evaluation, axes, row):
    with pytest.raises(DataError, match=rf"there is no row '?{row}'? of scores; its rows are 0 to 13"):
        evaluation.plot_image(row, axes)


def test_a_verdict(verdict, image_only, test_images, axes):
    assert verdict.plot(axes) is axes
    assert axes.get_title() == f"reject: score {verdict.score:.4g}, p-value {verdict.p_value:.2g}"
    drawn = axes.images[0].get_array().astype(int)
    assert (np.abs(drawn - drawn.mean(axis=-1, keepdims=True)) > 40).any()  # the heat's colour
    plain = image_only.inspect(test_images[0])[0].plot().images[0].get_array()
    assert plain.shape == (384, 384, 3)  # four times as large
    gone = dataclasses.replace(verdict, source="gone.png")
    with pytest.raises(UnreadableImage, match=r"gone\.png"):
        gone.plot(axes)


def test_held_out_scores(inspector, axes):
    inspector.plot_held_out(axes)
    entries = [text.get_text() for text in axes.get_legend().get_texts()]
    assert entries == ["held-out good (24)", f"threshold {inspector.threshold.value:.4g}"]
    check_threshold_is_clear_of_legend(axes)


@pytest.mark.parametrize("what", ["inspector", "evaluation", "verdict", "classified"])
def test_show_opens_a_figure(what, request):
    before = dict(mpl.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that Agg has no window
        request.getfixturevalue(what).show()
    assert len(pyplot.gcf().axes) == {"inspector": 1, "verdict": 1}.get(what, 3)
    pyplot.gcf().canvas.draw()
    assert dict(mpl.rcParams) == before


def test_without_axes_there_is_a_new_figure(evaluation):
    drawn = evaluation.plot_scores()
    assert drawn.figure is pyplot.gcf()
    assert not drawn.spines["top"].get_visible()


def test_a_name_with_dollars_is_a_name(classified, axes):
    found = dataclasses.replace(classified.classification, names=["good", "a$b$"])
    dataclasses.replace(classified, classification=found).plot_confusion(axes)
    assert axes.get_xticklabels()[1].get_parse_math() is False
