import filecmp
import re
from dataclasses import replace

import numpy as np
import pytest

from knowngood.errors import OutputError
from knowngood.metrics.thresholds import Threshold
from knowngood.report.deck import write_deck
from knowngood.report.reconstruction_slides import Task, task_exhibits
from knowngood.report.slide import Deck
from knowngood.training.record import Epoch, TrainingRecord

from .drawing import pdf_figures, slide_texts, slide_title, stays_inside

THRESHOLD = Threshold(200.0, "false rejects at most 0.05", 0.05, 14, 0, 0.19)
PAGE = re.compile(rb"/Type /Page\b")


@pytest.fixture
def task(record, in_class, out_of_class):
    return Task(
        label="Bent",
        record=replace(record, rebuilt={epoch: record.rebuilt[epoch] for epoch in (5, 100)}),
        in_class=in_class,
        out_of_class=out_of_class,
        threshold=THRESHOLD,
        names=("good", "bent"),
        facts=[("input", "28 × 28"), ("seed", "0")],
        figures={"image AUROC": 0.98765, "samples": 1200.0},
    )


def write_slides(title, tasks, path):
    write_deck(Deck(title, list(task_exhibits(tasks))), path)


def pages(path):
    return len(PAGE.findall(path.read_bytes())) - 1  # without the title slide


def test_a_slide_for_everything_that_was_asked(task, tmp_path):
    write_slides("Autoencoders", [task], tmp_path / "slides.pdf")
    # Overview, samples, facts, layers, loss, epochs, worst of either class on two each, similarity,
    # histogram, threshold.
    assert pages(tmp_path / "slides.pdf") == 13
    content = (tmp_path / "slides.pdf").read_bytes()
    assert b"/FontFile2" in content  # embedded as TrueType, not drawn as curves
    assert b"/ToUnicode" in content  # so that letters can be found and copied
    assert len(content) < 1e6


@pytest.fixture
def slides(task, tmp_path, monkeypatch):
    """Writes slides of tasks and gives their figures."""
    figures = pdf_figures(monkeypatch)

    def write(**changes):
        write_slides("Autoencoders", [replace(task, **changes)], tmp_path / "slides.pdf")
        return figures[1:]

    return write


def test_titles_state_what_was_found_in_the_order_of_the_questions(slides, task):
    above, bad = ((task.out_of_class["score"] > line).sum() for line in (task.in_class["score"].max(), 200))
    good = (task.in_class["score"] > 200).sum()
    drawn = slides()
    starts = [
        f"{above} of 12 bent samples score above every good validation sample",
        "Bent: Samples of good (14) and bent (12) that the network was not trained on",
        "Bent: An autoencoder, trained for 100 epochs; epoch 99 was kept",
        "Bent: The network has 52,528 trainable parameters",
        "Bent: Training loss 0.0101, validation loss 0.0111",
        "Bent: Mean difference",
        "Bent: 1 to 5 of the 10 worst reconstructions of good samples, sums ",
        "Bent: 6 to 10 of the 10 worst reconstructions of good samples, sums ",
        "Bent: 1 to 5 of the 10 worst reconstructions of bent samples, sums ",
        "Bent: 6 to 10 of the 10 worst reconstructions of bent samples, sums ",
        "Bent: Reconstructions of good samples are closer to their originals than those of bent samples",
        f"Bent: {above} of 12 bent samples score above every good validation sample",
        f"Bent: Threshold 200: {bad} of 12 bent samples and {good} of 14 good samples score above it",
    ]
    titles = list(map(slide_title, drawn))
    assert [title[: len(start)] for title, start in zip(titles, starts, strict=True)] == starts
    assert [figure.texts[1].get_text() for figure in drawn] == [str(n) for n in range(2, 15)]
    assert {tuple(figure.get_size_inches()) for figure in drawn} == {(13.33, 7.5)}


def test_the_overview_has_all_figures_and_says_what_they_are_over(slides):
    overview = slide_texts(slides()[0])
    assert {"image AUROC", "0.9877", "samples", "1,200", "Bent"} <= set(overview)
    assert any("they differ because the images do" in text for text in overview)


def test_the_reconstructions_of_many_epochs_are_large_enough(slides, record):
    drawn = [figure for figure in slides(record=record) if "Mean difference" in slide_title(figure)]
    shown = [text for figure in drawn for text in slide_texts(figure) if text.startswith("epoch ")]
    assert shown == [f"epoch {epoch}" for epoch in sorted(record.rebuilt)]
    for figure in drawn:
        heights = [image.get_window_extent().height / figure.dpi for image in figure.axes[0].images]
        assert min(heights) > 0.8  # inches


def test_the_criterion_of_the_document(slides, task):
    assert not any("asks that at least" in text for figure in slides() for text in slide_texts(figure))
    histogram = slides(wanted=7)[-2]
    assert any("The document asks that at least 7 of the bent" in text for text in slide_texts(histogram))
    assert any("asks that at least 7" in sentence for sentence in replace(task, wanted=7).summary)


def test_the_summary_is_of_the_task(task):
    said = task.summary
    assert len(said) == 3
    assert all(sentence.startswith("Bent: ") and sentence.endswith(".") for sentence in said)
    assert "every good validation sample; the image AUROC of these samples is 0." in said[0]
    assert "At the threshold 200, " in said[-1]


def test_facts_too_long_for_a_line_stay_on_the_slide(slides):
    facts = [
        (f"fact {number}", "a value that is too long for one line, as a path is " * 3) for number in range(8)
    ]
    stays_inside(slides(facts=facts)[2])


def test_a_threshold_that_is_no_sum_is_no_line_among_sums(slides, task):
    in_class = task.in_class.assign(score=task.in_class["score"] / 1000)
    figure = slides(in_class=in_class)[-2]
    assert not any(text.startswith("threshold") for text in slide_texts(figure))
    assert any("not the sum of differences" in text for text in slide_texts(figure))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_samples_and_no_validation_loss(slides, task, count):
    record = replace(task.record, epochs=[Epoch(1, 0.5, float("nan"))], best=1)
    titles = list(map(slide_title, slides(record=record, in_class=task.in_class[:count])))
    assert "Bent: Training loss 0.500" in titles
    found = [title for title in titles if "worst reconstructions of good samples" in title]
    assert [f"The {count} worst" in title for title in found] == [True] * (count > 0)


def test_nothing_differs(slides, task):
    same = task.in_class.assign(score=0.0, sum_of_differences=0.0, mean_difference=0.0, ssim=1.0)
    same["difference"] = [np.zeros((28, 28), np.float32)] * len(same)
    drawn = slides(in_class=same, out_of_class=same)
    assert (
        slide_title(drawn[-3])
        == "Bent: Reconstructions of good and bent samples are equally close to the originals"
    )


def test_one_task_after_the_other(task, tmp_path):
    write_slides("Autoencoders", [task, task], tmp_path / "slides.pdf")
    assert pages(tmp_path / "slides.pdf") == 25


def test_the_same_content_makes_the_same_file(task, tmp_path):
    write_slides("Autoencoders", [task], tmp_path / "one.pdf")
    write_slides("Autoencoders", [task], tmp_path / "two.pdf")
    assert filecmp.cmp(tmp_path / "one.pdf", tmp_path / "two.pdf", shallow=False)


def test_only_in_class_samples(task, out_of_class, tmp_path):
    alone = Task(**(vars(task) | {"out_of_class": out_of_class[:0]}))
    write_slides("Autoencoders", [alone], tmp_path / "slides.pdf")
    assert pages(tmp_path / "slides.pdf") == 11


def test_without_pictures_of_the_training(task, tmp_path):
    record = task.record
    bare = TrainingRecord(record.layers, record.epochs, record.best, record.learning_rate, [0])
    write_slides("Autoencoders", [Task(**(vars(task) | {"record": bare}))], tmp_path / "slides.pdf")
    assert pages(tmp_path / "slides.pdf") == 12


def test_no_folder_no_slides(task, tmp_path):
    with pytest.raises(OutputError, match=r"slides\.pdf' cannot be written"):
        write_slides("Autoencoders", [task], tmp_path / "none" / "slides.pdf")
