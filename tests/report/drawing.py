"""What is looked for in charts that were drawn."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.table import Cell
from matplotlib.text import Text

from knowngood.report.style import style


def legend(figure):
    """The entries of the only legend."""
    (found,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return [text.get_text() for text in found.get_texts()]


def boxes(figure):
    """Where each axes with its texts is, once drawn without a warning."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    return [axes.get_tightbbox(renderer) for axes in figure.axes]


def inside(figure):
    """No text may leave the figure."""
    for box in boxes(figure):
        assert box.x0 >= -2
        assert box.x1 <= figure.bbox.x1 + 2
        assert box.y0 >= -2
        assert box.y1 <= figure.bbox.y1 + 2


def apart(figure):
    """No axes with its texts may overlap another."""
    found = boxes(figure)
    for place, one in enumerate(found):
        for other in found[:place]:
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            down = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert min(across, down) <= 1


def drawn(chart, points=9.5):
    """A chart as it is drawn on a page."""
    with style(points):
        figure = Figure(figsize=chart.size, layout="constrained")
        chart.draw(figure)
        figure.draw_without_rendering()
    return figure


def cells(table):
    """A table as numbers of texts, its head first."""
    return [list(table.columns), *table.texts]


def images(pictures):
    """The pixels of pictures, row by row."""
    return [[np.asarray(picture.image) for picture in row] for row in pictures.rows]


def pdf_figures(monkeypatch):
    """The figures of all slides that will be written."""
    figures, savefig = [], PdfPages.savefig

    def keep(pdf, figure, **options):
        figures.append(figure)
        savefig(pdf, figure, **options)

    monkeypatch.setattr(PdfPages, "savefig", keep)
    return figures


def slide_texts(figure):
    """All texts of a slide, line breaks as spaces."""
    found = figure.findobj(Text) + [cell.get_text() for cell in figure.findobj(Cell)]
    return [text.get_text().replace("\n", " ") for text in found if text.get_text()]


def slide_title(figure):
    """What stands at the top of a slide."""
    return figure.texts[0].get_text().replace("\n", " ")


def stays_inside(figure):
    """No text may leave its slide."""
    found = boxes(figure) + [text.get_window_extent() for text in figure.texts if text.get_text()]
    for box in found:
        assert min(box.x0, box.y0) > -2, figure.texts[0]
        assert box.x1 < figure.bbox.width + 2, figure.texts[0]
        assert box.y1 < figure.bbox.height + 2, figure.texts[0]
