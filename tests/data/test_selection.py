from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from knowngood.data.samples import load_samples
from knowngood.data.selection import Selection, good_sources, good_train
from knowngood.errors import DataError


def test_good_train_selects_and_counts(widget):
    table = load_samples(widget)
    good = good_train(table)
    assert len(good) == 24
    assert set(good["label"] + good["split"]) == {"goodtrain"}
    with pytest.raises(DataError, match="no good images"):
        good_train(table[table["label"] == "defect"])
    assert good_train(good[:1])["path"].tolist() == good["path"].tolist()[:1]


def test_good_sources_of_a_folder_and_a_table(widget):
    paths = [str(path) for path in sorted((widget / "train/good").iterdir())]
    assert good_sources(widget) == good_sources(str(widget)) == Selection(paths, data="widget")
    table = load_samples(widget)
    assert good_sources(table) == Selection(paths, data="widget")
    groups = table["path"].where(table["path"] != paths[0], "twin")
    of_parts = Selection(paths, None, ["twin", *paths[1:]], data="widget")
    assert good_sources(table.assign(group=groups)) == of_parts
    classes = table["path"].where(table["path"] != paths[0]).rename("class")
    assert good_sources(table.assign(**{"class": classes})) == Selection(
        paths, ["", *paths[1:]], data="widget"
    )
    with pytest.raises(DataError, match="a table has them in a column 'class'"):
        good_sources(table, classes=["a"] * len(paths))


def test_good_sources_of_paths_and_arrays(widget):
    image, deep = np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9), np.uint16)
    sources, _, groups, *_ = good_sources((widget / "a.png", "b.png", image, deep))
    assert sources[:2] == [str(widget / "a.png"), "b.png"]
    assert sources[2] is image
    assert sources[3] is deep
    assert groups is None
    assert good_sources(pd.Series(["a.png", "b.png"], index=[7, 9])) == Selection(["a.png", "b.png"])
    assert good_sources(["a.png", "b.png"], classes=np.array([3, 1])).classes == ["3", "1"]
    assert good_sources(["a.png", "b.png"], classes=[None, "x"]).classes == ["", "x"]
    with pytest.raises(DataError, match="3 classes came for 2 good images"):
        good_sources(["a.png", "b.png"], classes=[3, 1, 4])


@pytest.mark.parametrize("shape", [(3, 8, 9), (3, 8, 9, 1), (3, 8, 9, 3), (3, 8, 9, 4)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_good_sources_of_one_array_are_views(shape, kind):
    stack = np.zeros(shape, kind)
    sources, *_ = good_sources(stack)
    assert [source.shape for source in sources] == [shape[1:]] * 3
    assert all(np.shares_memory(source, stack) for source in sources)


GOOD = np.zeros((8, 9), np.uint8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "there are no good images to train on"),
        (["a.png", GOOD, Path("a.png")], r"1 good image\(s\) are named more than once, such as 'a\.png'"),
        ([GOOD, None], r"image \[1\] is None, as cv2.imread returns for a file that it cannot read$"),
        ([GOOD, [[1, 2]]], r"image \[1\] is of type list"),
        ([GOOD, GOOD.astype(float)], r"image \[1\]: an image array of shape \(8, 9\) and type float64"),
        ([GOOD, GOOD[:5]], r"image \[1\]: an image array has only 5 x 9 pixels"),
        (np.zeros((4, 8, 9), np.int64), r"image \[0\]: .* type int64 came; expected \(H, W\)"),
        (np.zeros((4, 5, 9), np.uint8), r"image \[0\]: an image array has only 5 x 9 pixels"),
        (np.zeros((4, 8, 9, 2), np.uint8), r"image \[0\]: an image array of shape \(8, 9, 2\)"),
        (GOOD, r"an array of shape \(8, 9\) came; expected images as \(N, H, W\) or \(N, H, W, 3\), or"),
        (np.zeros((8, 9, 3), np.uint8), r"an array of shape \(8, 9, 3\) came"),
        (np.zeros((1, 4, 8, 9, 3), np.uint8), r"an array of shape \(1, 4, 8, 9, 3\) came"),
    ],
)
def test_good_sources_refuses_what_is_no_image(given, message):
    with pytest.raises(DataError, match=message) as caught:
        good_sources(given)
    assert "\n" not in str(caught.value)


def test_images_are_left_out_by_name(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.png", "b/a.png", "b/c.png")]
    table = pd.DataFrame({"path": paths, "label": "good", "split": "train", "group": list("xyz")})
    given = good_sources(table)
    left = given.without(["b/a.png"])
    assert left == Selection(
        [paths[0], paths[2]], None, ["x", "z"], None, ["a.png", "b/c.png"], {"b/a.png": paths[1]}
    )
    for name in (paths[2], Path("c.png")):
        assert given.without(name).left_out == {"b/c.png": paths[2]}
    assert good_sources([GOOD, GOOD, GOOD], "abc").without("[1]").classes == ["a", "c"]
    with pytest.raises(DataError, match=r"'d\.png' is not one of the 3 good images"):
        given.without(["a.png", "d.png"])
    assert given.without(["b/a.png", "c.png"]).sources == paths[:1]
    with pytest.raises(DataError, match="there are no good images to train on"):
        given.without(paths)


def test_a_name_of_several_images_is_refused(tmp_path):
    paths = [tmp_path / name for name in ("front/x/a.png", "front/y/a.png", "back.png")]
    with pytest.raises(DataError, match=r"'a\.png' is the name of 2 good images; name one of them:\n"):
        good_sources(paths).without("a.png")
    assert good_sources(paths).without("x/a.png").left_out == {"front/x/a.png": str(paths[0])}
