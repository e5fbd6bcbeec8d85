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
        title="Good against bent",
        record=replace(record, rebuilt={epoch: record.rebuilt[epoch] for epoch in (5, 100)}),
        in_class=in_class,
        out_of_class=out_of_class,
        threshold=THRESHOLD,
        names=("good", "bent"),
        facts=[("input", "28 × 28"), ("seed", "0")],
    )


def write_slides(title, tasks, path):
    write_deck(Deck(title, list(task_exhibits(tasks))), path)


def pages(path):
    return len(PAGE.findall(path.read_bytes())) - 1  # without the title slide


def test_a_slide_for_everything_that_was_asked(task, tmp_path):
    write_slides("Autoencoders", [task], tmp_path / "slides.pdf")
    # Overview, facts, layers, loss, epochs, worst of either class, histogram, similarity.
    assert pages(tmp_path / "slides.pdf") == 9
    content = (tmp_path / "slides.pdf").read_bytes()
    assert b"/FontFile2" in content  # embedded as TrueType, not drawn as curves
    assert b"/ToUnicode" in content  # so that letters can be found and copied
    assert len(content) < 5e6


@pytest.fixture
def slides(task, tmp_path, monkeypatch):
    """Writes slides of tasks and gives their figures."""
    figures = pdf_figures(monkeypatch)

    def write(**changes):
        write_slides("Autoencoders", [replace(task, **changes)], tmp_path / "slides.pdf")
        return figures[1:]

    return write


def test_titles_state_what_was_found_in_the_order_of_the_questions(slides, task):
    above = int((task.out_of_class["score"] > task.in_class["score"].max()).sum())
    drawn = slides()
    assert list(map(slide_title, drawn)) == [
        f"{above} of 12 bent samples score above every good sample",
        "Good against bent",
        "The network has 52,528 trainable parameters",
        "Training loss 0.0101, validation loss 0.0111",
        "Reconstructions during training",
        "The 10 worst reconstructions of good samples",
        "The 10 worst reconstructions of bent samples",
        f"{above} of 12 bent samples score above every good sample",
        "Reconstructions of good samples are closer to their originals than those of bent samples",
    ]
    assert [figure.texts[1].get_text() for figure in drawn] == [str(n) for n in range(2, 11)]
    assert {tuple(figure.get_size_inches()) for figure in drawn} == {(13.33, 7.5)}


def test_the_overview_says_what_was_asked_and_how_it_came_out(slides, task):
    overview = slide_texts(slides()[0])
    assert any("Question of each task" in text for text in overview)
    assert {"Good against bent", "14 / 12", "image AUROC"} <= set(overview)
    above = int((task.out_of_class["score"] > THRESHOLD.value).sum())
    assert str(above) in overview


def test_facts_too_long_for_a_line_stay_on_the_slide(slides):
    facts = [
        (f"fact {number}", "a value that is too long for one line, as a path is " * 3) for number in range(8)
    ]
    stays_inside(slides(facts=facts)[1])


def test_a_threshold_that_is_no_sum_is_no_line_among_sums(slides, task):
    in_class = task.in_class.assign(score=task.in_class["score"] / 1000)
    figure = slides(in_class=in_class)[7]
    assert not any(text.startswith("threshold") for text in slide_texts(figure))
    assert any("not the sum of differences" in text for text in slide_texts(figure))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_samples_and_no_validation_loss(slides, task, count):
    record = replace(task.record, epochs=[Epoch(1, 0.5, float("nan"))], best=1)
    titles = list(map(slide_title, slides(record=record, in_class=task.in_class[:count])))
    assert "Training loss 0.5" in titles
    assert (f"The {count} worst reconstructions of good samples" in titles) == (count > 0)


def test_nothing_differs(slides, task):
    same = task.in_class.assign(score=0.0, sum_of_differences=0.0, mean_difference=0.0, ssim=1.0)
    same["difference"] = [np.zeros((28, 28), np.float32)] * len(same)
    drawn = slides(in_class=same, out_of_class=same)
    assert (
        slide_title(drawn[-1])
        == "Reconstructions of good and bent samples are equally close to the originals"
    )


def test_one_task_after_the_other(task, tmp_path):
    write_slides("Autoencoders", [task, task], tmp_path / "slides.pdf")
    assert pages(tmp_path / "slides.pdf") == 17


def test_the_same_content_makes_the_same_file(task, tmp_path):
    write_slides("Autoencoders", [task], tmp_path / "one.pdf")
    write_slides("Autoencoders", [task], tmp_path / "two.pdf")
    assert filecmp.cmp(tmp_path / "one.pdf", tmp_path / "two.pdf", shallow=False)


def test_only_in_class_samples(task, out_of_class, tmp_path):
    alone = Task(**(vars(task) | {"out_of_class": out_of_class[:0]}))
    write_slides("Autoencoders", [alone], tmp_path / "slides.pdf")
    assert pages(tmp_path / "slides.pdf") == 8


def test_without_pictures_of_the_training(task, tmp_path):
    record = task.record
    bare = TrainingRecord(record.layers, record.epochs, record.best, record.learning_rate, [0])
    write_slides("Autoencoders", [Task(**(vars(task) | {"record": bare}))], tmp_path / "slides.pdf")
    assert pages(tmp_path / "slides.pdf") == 8


def test_no_folder_no_slides(task, tmp_path):
    with pytest.raises(OutputError, match=r"slides\.pdf' cannot be written"):
        write_slides("Autoencoders", [task], tmp_path / "none" / "slides.pdf")
