import re

import pytest

from knowngood.errors import OutputError
from knowngood.metrics.thresholds import Threshold
from knowngood.report.slides import Task, write_slides
from knowngood.training.record import TrainingRecord

THRESHOLD = Threshold(200.0, "false rejects at most 0.05", 0.05, 14, 0, 0.19)
PAGE = re.compile(rb"/Type /Page\b")


@pytest.fixture
def task(record, in_class, out_of_class):
    return Task(
        title="Good against bent",
        record=record,
        in_class=in_class,
        out_of_class=out_of_class,
        threshold=THRESHOLD,
        names=("good", "bent"),
        facts=[("input", "28 × 28"), ("seed", "0")],
    )


def pages(path):
    return len(PAGE.findall(path.read_bytes()))


def test_a_slide_for_everything_that_was_asked(task, tmp_path):
    write_slides("Autoencoders", [task], tmp_path / "slides.pdf")
    # Overview, facts, layers, loss, epochs, worst of either class, histogram, likeness.
    assert pages(tmp_path / "slides.pdf") == 9


def test_one_task_after_the_other(task, tmp_path):
    write_slides("Autoencoders", [task, task], tmp_path / "slides.pdf")
    assert pages(tmp_path / "slides.pdf") == 17


def test_the_same_content_makes_the_same_file(task, tmp_path):
    write_slides("Autoencoders", [task], tmp_path / "one.pdf")
    write_slides("Autoencoders", [task], tmp_path / "two.pdf")
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()


def test_letters_stay_letters(task, tmp_path):
    write_slides("Autoencoders", [task], tmp_path / "slides.pdf")
    content = (tmp_path / "slides.pdf").read_bytes()
    assert b"/FontFile2" in content  # embedded as TrueType, not drawn as curves
    assert b"/ToUnicode" in content  # so they can be found and copied


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


def test_the_file_is_not_large(task, tmp_path):
    write_slides("Autoencoders", [task], tmp_path / "slides.pdf")
    assert (tmp_path / "slides.pdf").stat().st_size < 5e6
