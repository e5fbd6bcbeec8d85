"""The card of a data set."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import knowngood
from knowngood.data.appearance import GRID, appearances, standing_out


def test_the_card_shows_classes_and_what_stands_out(widget, tmp_path):
    folder = tmp_path / "widget"
    shutil.copytree(widget, folder)
    with Image.open(folder / "test/good/000.png") as image:
        dark = np.asarray(image) // 8
    Image.fromarray(dark).save(folder / "test/good/dark.png")
    shutil.copy(folder / "test/good/001.png", folder / "train/good/leak.png")
    (folder / "test/good/broken.png").write_bytes(b"")
    knowngood.write_card(knowngood.describe(folder), tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text()
    headings = re.findall("<h[23]>(.*?)</h[23]>", page)
    assert {"Images of each class", "What to expect", "Up to 8 images of each class"} <= set(headings)
    assert {"Brightness and sharpness", "Where masks mark", "Area of defects, share of the image"} <= set(
        headings
    )
    assert "Images that cannot be read: 1" in headings
    assert "Images with the same bytes as another, in train and test (a leak): 1" in headings
    assert re.search(r"<h3>\d+ images? of unusual brightness</h3>", page)
    assert re.search(r"dark\.png\s+dark: \d+\.\d", page)
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_card_of_images_in_memory(tmp_path, good_images):
    described = knowngood.describe(good_images, masks=None)
    knowngood.write_card(described, tmp_path / "card.html")
    assert "Where defects are" not in (tmp_path / "card.html").read_text()


def test_what_is_measured(tmp_path):
    flat = np.full((100, 200), 50, np.uint8)
    board = np.tile(np.array([[0, 200], [200, 0]], np.uint8), (50, 100))
    mask = np.zeros((100, 200), bool)
    mask[:50, :100] = True
    table = knowngood.load_samples([flat, board], labels=["good", "dent"], masks=[None, mask])
    found = appearances(table)
    assert found.rows["brightness"].tolist() == [50, 100]
    assert found.rows["sharpness"].tolist() == pytest.approx([0, 800], rel=0.01)
    assert found.rows["area"][1] == 0.25
    assert found.places[: GRID // 2, : GRID // 2].min() == 1
    assert found.places.sum() == GRID**2 / 4
    assert not standing_out(pd.Series([1.0, 1.0, 1.0])).any()
