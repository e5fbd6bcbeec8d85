"""The file `defects_config.json` of a data set."""

import json
import re

import pytest

from knowngood.data.saturation import CONFIG, Saturation, read_saturations
from knowngood.errors import DataError

DENT = {
    "defect_name": "dent",
    "pixel_value": 255,
    "saturation_threshold": 200,
    "relative_saturation": False,
}
LABEL = {
    "defect_name": "label",
    "pixel_value": 7,
    "saturation_threshold": 0.25,
    "relative_saturation": True,
}


def test_the_file_of_mvtec_loco(tmp_path):
    (tmp_path / CONFIG).write_text(json.dumps([DENT, LABEL]))
    table = tmp_path / "table.csv"
    table.write_text("path\n")
    for data in (tmp_path, table):
        assert read_saturations(str(data)) == {255: Saturation(200, False), 7: Saturation(0.25, True)}


@pytest.mark.parametrize(
    ("saturation", "area", "expected"),
    [((200, False), 500, 200), ((200, False), 50, 50), ((0.25, True), 400, 100), ((3, True), 40, 40)],
)
def test_saturation_is_at_most_the_area(saturation, area, expected):
    assert Saturation(*saturation).of(area) == expected


def test_a_folder_without_it_and_images_in_memory_have_none(tmp_path, monkeypatch):
    assert read_saturations(str(tmp_path)) == {}
    monkeypatch.chdir(tmp_path)
    (tmp_path / CONFIG).write_text(json.dumps([DENT]))
    assert read_saturations("") == {}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[" * 5000,
        "{}",
        "[3]",
        '{"pixel_value": 255}',
        *(
            json.dumps([DENT | change])
            for change in (
                {"pixel_value": 0},
                {"pixel_value": "255"},
                {"pixel_value": True},
                {"saturation_threshold": 0},
                {"saturation_threshold": True},
                {"saturation_threshold": float("nan")},
                {"saturation_threshold": float("inf")},
                {"saturation_threshold": None},
                {"relative_saturation": 1},
            )
        ),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, content):
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(DataError, match=re.escape(repr(str(tmp_path / CONFIG)))) as caught:
        read_saturations(str(tmp_path))
    assert caught.value.path == str(tmp_path / CONFIG)


def test_a_value_stands_there_once(tmp_path):
    (tmp_path / CONFIG).write_text(json.dumps([DENT, DENT]))
    with pytest.raises(DataError, match="names pixel_value 255 twice; keep one"):
        read_saturations(str(tmp_path))
