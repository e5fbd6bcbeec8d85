"""Slides to edit: the same as in the PDF, with text as text and tables as tables."""

import filecmp
import zipfile
from datetime import date
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pptx import Presentation

from knowngood.errors import OutputError
from knowngood.report.charts import draw_epochs
from knowngood.report.editable import write_editable
from knowngood.report.exhibits import Cell, Chart, Picture, Pictures, Table, Text
from knowngood.report.slide import Deck


def draw(figure):
    draw_epochs(figure, [1, 2], {"training": np.array([0.5, 0.4])}, "loss", kept=2)


EXHIBITS = [
    Text("Conclusion", ["Frozen features are best.", "They need no training."]),
    Table(
        "Two layers",
        ["layer", "parameters"],
        [["encoder", "120"], ["decoder", Cell("90", "wrong")]],
        1,
        "A note.",
    ),
    Chart("The loss falls", draw, "Held-out images."),
    Pictures("Three parts", [[Picture(np.full((8, 8), 9, np.uint8), "cut")] * 3]),
]
DECK = Deck("Casting", EXHIBITS, "A course", "A. Student", date(2026, 5, 4), "NOT A RESULT")


@pytest.fixture
def slides(tmp_path):
    write_editable(DECK, tmp_path / "slides.pptx")
    return list(Presentation(tmp_path / "slides.pptx").slides)


def texts(slide):
    return [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]


def test_the_title_slide_has_name_course_and_date(slides):
    assert slides[0].shapes.title.text_frame.text == "Casting"
    assert "A course\nA. Student\n04 May 2026" in texts(slides[0])


def test_titles_sentences_and_notes_are_text(slides):
    assert [slide.shapes.title.text_frame.text for slide in slides[1:]] == [one.title for one in EXHIBITS]
    assert "Frozen features are best.\nThey need no training." in texts(slides[1])
    assert "A note." in texts(slides[2])
    assert all("NOT A RESULT" in texts(slide) for slide in slides)
    assert [str(number) in texts(slide) for number, slide in enumerate(slides[1:], 2)] == [True] * 4


def test_a_table_is_a_table(slides):
    (table,) = [shape.table for shape in slides[2].shapes if shape.has_table]
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    assert rows == [["layer", "parameters"], ["encoder", "120"], ["decoder", "90"]]


def test_charts_and_pictures_are_images_with_a_description(slides):
    for slide in slides[3:]:
        (picture,) = [shape for shape in slide.shapes if shape.shape_type == 13]
        assert picture._element.nvPicPr.cNvPr.get("descr") == slide.shapes.title.text_frame.text
        image = np.asarray(Image.open(BytesIO(picture.image.blob)).convert("L"))
        assert image.shape[1] > 1000
        assert image.std() > 1


def test_everything_is_on_the_slide(slides):
    for slide in slides:
        for shape in slide.shapes:
            assert shape.left >= 0
            assert shape.top >= 0
            assert shape.left + shape.width <= 13.33 * 914400
            assert shape.top + shape.height <= 7.5 * 914400


def test_the_same_day_makes_the_same_file(tmp_path):
    for name in ("one.pptx", "two.pptx"):
        write_editable(DECK, tmp_path / name)
    assert filecmp.cmp(tmp_path / "one.pptx", tmp_path / "two.pptx", shallow=False)
    with zipfile.ZipFile(tmp_path / "one.pptx") as archive:
        assert {member.date_time for member in archive.infolist()} == {(2026, 5, 4, 0, 0, 0)}


def test_a_file_of_others_stays(tmp_path):
    path = tmp_path / "slides.pptx"
    write_editable(DECK, path)
    write_editable(DECK, path)  # our own is replaced
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="is not a result of this type"):
        write_editable(DECK, path)
