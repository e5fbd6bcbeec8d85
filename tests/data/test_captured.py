import os
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from knowngood.data.captured import days_of


def _photograph(path, taken=""):
    tags = Image.Exif()
    tags[ExifTags.Base.DateTime] = "1999:01:01 00:00:00"  # of the last change by a program
    if taken:
        tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    Image.fromarray(np.full((16, 16), 90, np.uint8)).save(path, exif=tags)
    return str(path)


def test_the_camera_says_when(tmp_path):
    known = _photograph(tmp_path / "a.jpg", "2026:01:31 23:59:01")
    unknown = [_photograph(tmp_path / "b.jpg", text) for text in ("", "0", "    :  :  ")]
    assert days_of([known, *unknown, np.zeros((8, 8), np.uint8)]) == ["2026-01-31", "", "", "", ""]


def test_else_the_file(tmp_path):
    path = _photograph(tmp_path / "a.jpg")
    moment = datetime(2026, 2, 3, 12).timestamp()
    os.utime(path, (moment, moment))
    assert days_of([path, b"\xff\xd8"]) == ["2026-02-03", ""]


def test_damaged_tags_give_no_day(tmp_path):
    good = (tmp_path / "good.jpg", "2026:01:31 23:59:01")
    content = bytearray(Path(_photograph(*good)).read_bytes())
    at = content.index(b"Exif\0\0")
    for place in range(at + 6, at + 60):
        broken = bytearray(content)
        broken[place] ^= 0xFF
        (tmp_path / "broken.jpg").write_bytes(broken)
        assert len(days_of([str(tmp_path / "broken.jpg")])) == 1
    (tmp_path / "cut.jpg").write_bytes(content[: at + 20])
    assert days_of([str(tmp_path / "cut.jpg"), str(good[0])]) == ["", "2026-01-31"]
