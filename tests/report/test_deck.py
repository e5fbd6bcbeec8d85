"""Exhibits on slides: nothing is lost, and nothing leaves its place."""

import filecmp

import numpy as np
import pytest
from matplotlib.figure import Figure

from knowngood.report.charts import draw_epochs
from knowngood.report.deck import write_deck
from knowngood.report.exhibits import Cell, Chart, Picture, Pictures, Table, Text
from knowngood.report.layout import draw_pictures, draw_table
from knowngood.report.slide import Deck
from knowngood.report.style import style

from .drawing import pdf_figures, slide_texts, stays_inside


@pytest.fixture
def slides(tmp_path, monkeypatch):
    """Writes exhibits and gives the figures of their slides."""
    figures = pdf_figures(monkeypatch)

    def write(*exhibits):
        write_deck(Deck("Title", exhibits), tmp_path / "slides.pdf")
        return figures[1:]

    return write


def layers(count):
    kind = "ConvTranspose2d 256 → 128, kernel 4, stride 2"
    rows = [[f"decoder.{number}.convolution", kind, "128 × 64 × 64", "524,416"] for number in range(count)]
    return Table("Layers", ["layer", "type", "output", "parameters"], rows, 1)


class TestTables:
    @pytest.mark.parametrize("size", [(12.26, 5.2), (10.8, 7.0)])
    @pytest.mark.parametrize("count", [1, 12, 30, 60])
    def test_no_text_leaves_its_cell(self, count, size):
        with style():
            figure = Figure(figsize=size)
            draw_table(figure, layers(count), (0, 0, 1, 1), largest=14)
            figure.draw_without_rendering()
        found = figure.axes[0].tables[0].get_celld().values()
        for cell in found:
            text, box = cell.get_text().get_window_extent(), cell.get_window_extent()
            assert text.x0 >= box.x0 - 1
            assert text.x1 <= box.x1 + 1
            assert text.height <= 1.15 * box.height
        assert min(cell.get_window_extent().y0 for cell in found) >= -1
        assert max(cell.get_window_extent().x1 for cell in found) <= figure.bbox.width + 1

    def test_a_long_table_takes_more_slides_and_repeats_its_head(self, slides):
        first, second, third = slides(layers(60))
        titles = [figure.texts[0].get_text() for figure in (first, second, third)]
        assert titles == ["Layers (1 of 3)", "Layers (2 of 3)", "Layers (3 of 3)"]
        shown = [text for figure in (first, second, third) for text in slide_texts(figure)]
        assert [text for text in shown if text.startswith("decoder.")] == [row[0] for row in layers(60).rows]
        assert shown.count("layer") == 3
        for figure in (first, second, third):
            stays_inside(figure)
            assert figure.axes[0].tables[0][1, 0].get_fontsize() > 9

    def test_names_and_values(self, slides):
        (figure,) = slides(Table("Facts", (), [["seed", "0"], ["images", Cell("7", "wrong")]]))
        drawn = figure.axes[0].tables[0]
        assert [drawn[1, column].get_text().get_text() for column in (0, 1)] == ["images", "7"]
        weights = [drawn[1, column].get_text().get_weight() for column in (0, 1)]
        assert weights == ["normal", "bold"]


class TestPictures:
    @pytest.mark.parametrize("count", [1, 3, 6, 14, 24])
    @pytest.mark.parametrize("shape", [(20, 30), (50, 20)])
    @pytest.mark.parametrize("size", [(10.8, 3.8), (12.0, 5.5)])
    def test_one_row_is_broken_so_that_all_have_room(self, count, shape, size):
        images = np.random.default_rng(0).integers(0, 256, (count, *shape, 3), dtype=np.uint8)
        captions = [f"true: scratch\nsaid: good {99 - place} %" for place in range(count)]
        row = [Picture(image, caption) for image, caption in zip(images, captions, strict=True)]
        with style():
            figure = Figure(figsize=size)
            draw_pictures(figure, Pictures("", [row]), (0, 0, 1, 1), size=9)
            figure.draw_without_rendering()
        (axes,) = figure.axes
        for drawn, image in zip(axes.images, images, strict=True):
            np.testing.assert_array_equal(drawn.get_array(), image)
        found = [text.get_text() for text in axes.texts]
        if count < 24:  # of which captions may be shortened, but keep their ends
            assert found == captions
        assert [text[-4:] for text in found] == [caption[-4:] for caption in captions]
        boxes = [drawn.get_window_extent() for drawn in [*axes.images, *axes.texts]]
        for place, box in enumerate(boxes):
            assert min(box.x0, box.y0) >= -1
            assert box.x1 <= figure.bbox.x1 + 1
            assert box.y1 <= figure.bbox.y1 + 1
            for other in boxes[:place]:
                across = min(box.x1, other.x1) - max(box.x0, other.x0)
                down = min(box.y1, other.y1) - max(box.y0, other.y0)
                assert min(across, down) <= 1

    @pytest.mark.parametrize("rows", [1, 4, 12])
    def test_rows_of_a_grid_are_named(self, rows):
        images = np.random.default_rng(0).integers(0, 256, (rows, 6, 24, 32), dtype=np.uint8)
        names = ["flip", "a_very_long_name_of_an_augmentation", *map(str, range(10))][:rows]
        captions = ["original", *["augmented"] * 5]
        cells = [
            [
                Picture(image, caption if line == 0 else "")
                for image, caption in zip(row, captions, strict=True)
            ]
            for line, row in enumerate(images)
        ]
        with style():
            figure = Figure(figsize=(10.8, 3.6))
            draw_pictures(figure, Pictures("", cells, names), (0, 0, 1, 1), size=9)
            figure.draw_without_rendering()
        (axes,) = figure.axes
        assert len(axes.images) == 6 * rows
        found = [text.get_text() for text in axes.texts]
        expected = ["flip", "a_very_long_name_of_an_…", *map(str, range(10))][:rows]
        assert [text for text in found if text not in ("original", "augmented")] == expected
        for drawn in [*axes.images, *axes.texts]:
            box = drawn.get_window_extent()
            assert min(box.x0, box.y0) >= -1
            assert box.x1 <= figure.bbox.x1 + 1

    def test_a_missing_picture_says_why(self, slides):
        (figure,) = slides(Pictures("", [[Picture(None, "cut", "no readable image")]]))
        assert {"cut", "no readable image"} <= set(slide_texts(figure))


class TestSlides:
    def test_many_sentences_take_more_slides(self, slides):
        figures = slides(Text("Conclusions", ["A sentence of some length. " * 6] * 9))
        titles = [figure.texts[0].get_text() for figure in figures]
        assert titles == [f"Conclusions ({n} of {len(titles)})" for n in range(1, 1 + len(titles))]
        assert len(titles) > 1
        said = " ".join(text for figure in figures for text in slide_texts(figure))
        assert said.count("A sentence of some length.") == 6 * 9
        for figure in figures:
            stays_inside(figure)

    @pytest.mark.parametrize(
        "note", ["", "A short note.", "A note of a line and more. " * 8, "Much to say.\n" * 9]
    )
    def test_a_chart_and_its_note_have_their_places(self, slides, note):
        def draw(figure):
            draw_epochs(figure, [1, 2], {"training": np.array([0.5, 0.4])}, "loss", kept=2)

        (figure,) = slides(
            Chart("A title that takes two lines since it has more than sixty letters", draw, note)
        )
        stays_inside(figure)
        figure.draw_without_rendering()
        plot = figure.axes[0].get_tightbbox()
        for text in figure.texts:
            if text.get_text():
                assert not plot.overlaps(text.get_window_extent())
        said = " ".join(slide_texts(figure))
        assert " ".join(note.split()) in " ".join(said.split())

    def test_the_same_exhibits_make_the_same_file(self, tmp_path):
        for name in ("one.pdf", "two.pdf"):
            write_deck(Deck("Title", [Text("Conclusion", ["All is well."])]), tmp_path / name)
        assert filecmp.cmp(tmp_path / "one.pdf", tmp_path / "two.pdf", shallow=False)
        one = (tmp_path / "one.pdf").read_bytes()
        assert b"/FontFile2" in one  # embedded as TrueType, not drawn as curves
        assert b"/ToUnicode" in one  # so that letters can be found and copied
