from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from knowngood.data.samples import load_samples
from knowngood.errors import OutputError
from knowngood.report.class_pictures import check_picture, class_exhibit, write_class_pictures
from knowngood.report.pictures import OUTLINE


def drawn(table: pd.DataFrame) -> dict[str, np.ndarray | None]:
    """The pictures by their captions."""
    (row,) = class_exhibit(table).rows
    return {picture.caption: picture.image for picture in row}


def outlined(image: np.ndarray) -> bool:
    """Whether there is a line of that colour."""
    return bool((np.abs(image.astype(int) - OUTLINE).max(axis=2) < 12).any())


def test_a_picture_of_each_kind_with_the_defect_outlined(widget: Path) -> None:
    shown = drawn(load_samples(widget))
    assert list(shown) == ["good\n32 images", "scratch\n6 images"]
    good, scratch = shown.values()
    assert good.shape == scratch.shape == (96, 96, 3)
    assert not outlined(good)
    assert outlined(scratch)


def test_an_image_with_a_mask_comes_first_and_a_broken_one_gives_place(widget: Path, tmp_path: Path) -> None:
    table = load_samples(widget)
    scratched = table.index[table["defect"] == "scratch"]
    table.loc[scratched[:3], "mask"] = ""
    assert outlined(drawn(table)["scratch\n6 images"])
    (tmp_path / "broken.png").write_text("not an image")
    table.loc[scratched[:4], "path"] = str(tmp_path / "broken.png")
    assert outlined(drawn(table)["scratch\n6 images"])
    table.loc[scratched, "mask"] = str(tmp_path / "broken.png")
    assert not outlined(drawn(table)["scratch\n6 images"])
    table.loc[scratched, "path"] = str(tmp_path / "broken.png")
    good, scratch = class_exhibit(table).rows[0]
    assert good.image is not None
    assert scratch.image is None
    assert scratch.text == "no readable image"


def test_large_images_are_shrunk_and_kinds_that_are_not_known_have_a_name(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "large.png"), np.full((1200, 600), 90, np.uint8))
    row = {"path": str(tmp_path / "large.png"), "label": "defect", "defect": "", "mask": ""}
    shown = drawn(pd.DataFrame([row]))
    assert shown["defect\n1 image"].shape == (480, 240, 3)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".PNG"])
def test_the_same_images_make_the_same_file(widget: Path, tmp_path: Path, suffix: str) -> None:
    begin = {".pdf": b"%PDF", ".svg": b"<?xml"}.get(suffix, b"\x89PNG")
    files = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for file in files:
        write_class_pictures(load_samples(widget), file)
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert first.startswith(begin)


def test_what_cannot_be_written(widget: Path, tmp_path: Path) -> None:
    for name in ("classes.bmp", "classes"):
        with pytest.raises(OutputError, match=r"name it \.pdf, \.png, \.svg"):
            check_picture(tmp_path / name)
        with pytest.raises(OutputError, match=r"name it \.pdf, \.png, \.svg"):
            write_class_pictures(load_samples(widget), tmp_path / name)
    with pytest.raises(OutputError, match="make the folder"):
        write_class_pictures(load_samples(widget), tmp_path / "none" / "classes.png")
    assert list(tmp_path.iterdir()) == []
