"""By what a report is known."""

from dataclasses import replace

import pytest

from knowngood.inspector.about import About, Images
from knowngood.report.subject import file_name, subject, title


def test_the_title_and_the_file_name_product_and_day(judged):
    assert title(judged) == "widget · Inspection report · 2026-02-01"
    assert file_name(judged) == "report-widget-2026-02-01.html"


@pytest.mark.parametrize(
    ("training", "test", "name"),
    [
        ("widget", "juice", "report-widget-on-juice-2026-02-01.html"),
        ("solar-cells.csv", "solar-cells.csv", "report-solar-cells-2026-02-01.html"),
        ("", "tray 7/8: <b>", "report-8-b-2026-02-01.html"),
        ("..", "..", "report-2026-02-01.html"),
        ("Schraube M5 ä", "", "report-Schraube-M5-ä-2026-02-01.html"),
        ("x" * 200, "", f"report-{'x' * 60}-2026-02-01.html"),
    ],
)
def test_file_names_of_any_product(judged, training, test, name):
    about = replace(judged.about, training=Images(training), test=Images(test))
    assert file_name(replace(judged, about=about)) == name


def test_images_that_were_learned_from_are_counted(judged):
    images = Images("tray 7", {"good": 9}, "11ee11ee11ee11ee", left_out=2)
    tested = dict(subject(replace(judged, about=replace(judged.about, test=images))))["Tested on"]
    assert tested == (
        "tray 7: 9 images (9 good), without 2 images that it learned from, fingerprint 11ee11ee11ee11ee"
    )


def test_what_is_not_known_is_left_out(judged):
    bare = replace(judged, about=About())
    assert subject(bare) == [("Inspector", "patchcore on tf_efficientnet_lite0, made 2026-01-31 12:00 UTC")]
    assert title(bare) == "Inspection report"
    assert file_name(bare) == "report.html"
