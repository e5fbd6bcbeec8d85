import importlib
import re

import pytest

from knowngood.data.geometry import Geometry
from knowngood.errors import DataError, OutputError
from knowngood.inspector.fit import fit
from knowngood.report.suspects import write_suspects

from ..support.parts import photograph, write_parts
from .test_page import Page


@pytest.fixture(scope="module")
def dirty(tmp_path_factory):
    """A folder of 16 good parts, two with a hole among them."""
    folder = tmp_path_factory.mktemp("dirty") / "nuts"
    write_parts(folder, {"hole": 2}, seed=1)
    write_parts(folder, {"train/good": 16})
    for number, path in enumerate(sorted((folder / "hole").iterdir())):
        path.rename(folder / "train/good" / f"it's {number}.png")
    (folder / "hole").rmdir()
    return folder


@pytest.fixture(scope="module")
def page(dirty, tmp_path_factory):
    """The page of a detector with maps, and the inspector."""
    inspector = fit(dirty, "patchcore", input_size=96, coreset=100)
    path = tmp_path_factory.mktemp("page") / "suspects.html"
    write_suspects(inspector, dirty, path, command="knowngood fit nuts/ --out x.inspector")
    return Page(path.read_text("utf-8")), inspector


def test_the_page(page):
    found, inspector = page
    assert "nuts" in found.pieces
    far = len(inspector.manifest.far_outside)
    assert far == 2
    assert "2 of 18 held-out good parts stand far above the others." in found.text
    assert "The 10 of 18 that look least like the others" in found.text
    assert "Their heatmaps are those of a second fit without them" in found.text
    assert len(found.all("img")) == 20  # an image and its heatmap each
    boxes = found.all("input")
    assert [("checked" in box) for box in boxes] == [True] * far + [False] * (10 - far)
    assert {box["data-words"] for box in boxes[:2]} == {
        """--without 'it'"'"'s 0.png'""",
        """--without 'it'"'"'s 1.png'""",
    }
    assert len(found.all("tr")) == 19


def test_the_command_is_ready_without_a_script(page):
    found, _ = page
    command = next(piece for piece in found.pieces if piece.startswith("knowngood fit nuts/"))
    assert re.fullmatch(
        r"knowngood fit nuts/ --out x\.inspector( --without 'it'\"'\"'s [01]\.png'){2}", command
    )


def test_the_second_fit_looks_where_the_first_one_did(dirty, tmp_path, monkeypatch):
    fitting = importlib.import_module("knowngood.inspector.fit")
    geometry = Geometry(roi={"shapes": [{"rectangle": [8, 8, 40, 40]}]})
    inspector = fit(dirty, "patchcore", input_size=96, coreset=100, geometry=geometry)
    made = []
    monkeypatch.setattr(fitting, "fit", lambda *given, **named: made.append(fit(*given, **named)) or made[0])
    write_suspects(inspector, dirty, tmp_path / "suspects.html", geometry=geometry)
    assert len(made) == 1
    assert made[0].manifest.region == inspector.manifest.region != {}


def test_a_detector_without_maps(dirty, tmp_path):
    write_suspects(fit(dirty, "gaussian", input_size=64), dirty, tmp_path / "page.html")
    found = Page((tmp_path / "page.html").read_text("utf-8"))
    assert len(found.all("img")) == 10
    assert "heatmaps" not in found.text


def test_images_from_memory(tmp_path):
    images = list(photograph(3, good=11, line=1, square=0).images)
    write_suspects(fit(images, "gaussian", input_size=64), images, tmp_path / "page.html")
    found = Page((tmp_path / "page.html").read_text("utf-8"))
    assert found.all("input")[0]["data-words"] == "--without '[11]'"
    assert found.all("a") == []


def test_two_images(tmp_path):
    images = photograph(3, good=2, line=0, square=0).images
    write_suspects(fit(images, "patchcore", input_size=96, coreset=50), images, tmp_path / "page.html")
    found = Page((tmp_path / "page.html").read_text("utf-8"))
    assert (
        "None of 2 held-out good parts stands far above the others, but there may be defects among the first."
        in found.text
    )
    assert len(found.all("img")) == 2  # too few for a second fit, and for heatmaps


def test_mistakes(page, dirty, tmp_path):
    _, inspector = page
    with pytest.raises(DataError, match="not the good images that the inspector was fitted to"):
        write_suspects(inspector, photograph(3, good=3, line=0, square=0).images, tmp_path / "page.html")
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(OutputError, match="mine"):
        write_suspects(inspector, dirty, tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "mine"
