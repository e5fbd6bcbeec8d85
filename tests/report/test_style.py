"""Charts as SVG elements."""

from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from knowngood.report.charts import Group, draw_histograms
from knowngood.report.class_charts import draw_confusion
from knowngood.report.style import DEFECT, GOOD, Layout, short, svg

XLINK = "<svg xmlns:xlink='http://www.w3.org/1999/xlink'"


def draw(figure):
    groups = [Group("good <b>", np.arange(5.0), GOOD), Group("defect", np.arange(3.0), DEFECT)]
    draw_histograms(figure, {"": groups}, "image score", (0, 5), threshold=3.25)


def test_texts_stay_texts_and_are_escaped():
    root = ElementTree.fromstring(svg(draw, (5, 3)).replace("<svg", XLINK, 1))
    text = [text.strip() for text in root.itertext() if text.strip()]
    assert {"good <b> (5)", "defect (3)", "threshold 3.25", "image score"} <= set(text)
    assert "b" not in {element.tag for element in root.iter()}


def test_it_is_the_same_whatever_the_users_settings():
    plain = svg(draw, (5, 3))
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert svg(draw, (5, 3)) == plain
        assert matplotlib.rcParams["axes.facecolor"] == "red"


def test_places_do_not_depend_on_the_last_bits_of_the_layout():
    counts, names = np.ones((30, 30), np.int64), [f"class {number}" for number in range(30)]
    places = []
    for layout in ("constrained", Layout()):
        figure = Figure(figsize=(7, 5), layout=layout)
        draw_confusion(figure, counts, names)  # with a colour bar
        for _ in range(2):
            figure.draw_without_rendering()
        places.append(np.array([axes.get_position(original=True).bounds for axes in figure.axes]))
    given, ours = places
    corners = np.concatenate([ours[:, :2], ours[:, :2] + ours[:, 2:]])
    assert ours.shape == (2, 4)
    np.testing.assert_allclose(corners, corners.round(6), rtol=0, atol=1e-15)
    np.testing.assert_allclose(ours, given, rtol=0, atol=2e-6)


def test_two_charts_have_other_ids():
    ids = []
    for name in ("one", "two"):
        root = ElementTree.fromstring(svg(draw, (5, 3), name).replace("<svg", XLINK, 1))
        ids += [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids)) > 0


def test_a_short_name_is_not_hidden():
    assert short("_defect") == "defect"
    assert short("a" * 25) == "a" * 23 + "…"
