"""Other thresholds in the report."""

import json
import re
from dataclasses import replace

import numpy as np

from knowngood.report.page import write_report
from knowngood.report.trade_off import SLIDER, choices, start, stops, trade_off_exhibit

HELD_OUT = np.arange(1, 100) / 50  # the threshold for 1 % is 1.98, for 10 % it is 1.8


def test_the_threshold_in_use_and_four_others(judged):
    table = trade_off_exhibit(replace(judged, held_out=HELD_OUT))
    assert [row[0] for row in table.texts] == ["in use", "1 %", "2 %", "5 %", "10 %"]
    assert table.texts[0][1:3] == ["3.21", "18.3 %"]
    assert [row[1] for row in table.texts[1:]] == ["1.98", "1.96", "1.9", "1.8"]
    errors = [[cell.replace("\u00a0", " ") for cell in row[3:]] for row in table.texts]
    assert errors[0] == ["1 of 8: 12.5 % (0.3–52.7 %)", "2 of 6: 33.3 % (4.3–77.7 %)"]
    assert errors[1] == ["3 of 8: 37.5 % (8.5–75.5 %)", "1 of 6: 16.7 % (0.4–64.1 %)"]
    assert "too good" in table.note


def test_a_place_of_the_slider_for_each_rate(judged):
    evaluation = replace(judged, held_out=HELD_OUT)
    found = stops(evaluation)
    assert [stop.allowed for stop in found] == [f"{100 * rate:g} %" for rate in SLIDER]
    thresholds = [row.threshold.value for row in choices(evaluation, SLIDER)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert found[SLIDER.index(0.1)].sentence == (
        "The threshold is 1.8, rejects at most 15.3 % of good parts (95 % confidence), rejects 3 of 8 good "
        "test parts and lets 1 of 6 defects escape."
    )
    assert found[0].command == "knowngood threshold widget.inspector --max-false-reject 0.005"


def test_the_slider_reads_what_python_computed(judged, tmp_path):
    write_report(replace(judged, held_out=HELD_OUT), tmp_path / "report.html", examples=0)
    page = (tmp_path / "report.html").read_text()
    (content,) = re.findall(r'<script type="application/json" id="stops">(.*?)</script>', page)
    assert [tuple(stop) for stop in json.loads(content)] == stops(replace(judged, held_out=HELD_OUT))
    assert f'max="{len(SLIDER) - 1}"' in page
    assert 'value="0"' in page  # the threshold in use, 3.21, is above that of every place


def test_the_slider_begins_at_the_threshold_in_use(judged):
    evaluation = replace(judged, held_out=HELD_OUT).measuring(threshold=1.9)
    assert SLIDER[start(evaluation)] == 0.05


def test_without_defects(only_good):
    table = trade_off_exhibit(only_good)
    assert all(row[-1] == "–" for row in table.texts)
    assert "escape" not in stops(only_good)[0].sentence
