from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from knowngood.detectors import DETECTORS
from knowngood.errors import DataError
from knowngood.report.exhibits import Table
from knowngood.studies.normality_slides import IDEAS, conclusion, exhibits
from knowngood.studies.registry import run_study
from knowngood.studies.semiconductor_normality import APPROACHES, QUICK, STUDY, load_bottles, load_tiles

from ..support.parts import write_parts
from .conftest import check_slides, run_notebook


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    if find_spec("elpv_dataset") is None:
        pytest.skip("the solar cells (pip install elpv-dataset) are not on this machine")
    folder = tmp_path_factory.mktemp("out") / "study"
    run_study("semiconductor_normality", folder.parent, folder, quick=True)
    return folder


def made_up(areas, bound=0.1):
    """A table of figures from image AUROCs by detector and set."""
    approach = {name: approach for approach, names in APPROACHES.items() for name in names}
    rows = [
        (approach[name], name, one, figure, value)
        for name, of_sets in areas.items()
        for one, area in of_sets.items()
        for figure, value in (
            ("image AUROC", area),
            ("false rejects", 1 - area),
            ("bound of false rejects", bound),
            ("escapes", 0.25),
            ("ms an image", 10 * area),
        )
    ]
    return pd.DataFrame(rows, columns=["approach", "task", "set", "figure", "value"])


def test_each_approach_of_the_document_has_detectors_of_the_registry():
    assert list(APPROACHES) == list(IDEAS)
    named = [name for names in APPROACHES.values() for name in names]
    assert len(named) == len(set(named))
    assert set(named) <= set(DETECTORS)
    assert [method.name for method in STUDY.methods] == named


def test_every_detector_is_measured_and_the_notebook_gives_its_figures_again(out):
    figures = pd.read_csv(out / "figures.csv")
    areas = figures[figures["figure"] == "image AUROC"]
    assert areas["task"].tolist() == [method.name for method in QUICK.methods]
    assert areas["value"].between(0, 1).all()
    assert areas["value"].nunique() > 5
    names = run_notebook(out / "study.ipynb")
    again = names["areas"]["solar cells"]
    np.testing.assert_allclose(again[areas["task"]], areas["value"])


def test_slides(out):
    titles = [texts[0] for texts in check_slides(out)]
    assert "1: 16 detectors model normality in 5 ways" in [title.replace("\n", " ") for title in titles]
    assert sum(title.startswith(("1:", "2:", "3:")) for title in titles) >= 6


def test_what_follows_from_figures():
    areas = {
        "knn": {"screws": 0.9, "cells": 0.7},
        "patchcore": {"screws": 0.99, "cells": 0.8},
        "gmm": {"screws": 0.95, "cells": 0.9},
        "autoencoder": {"screws": 0.6, "cells": 0.95},
    }
    figures = made_up(areas)
    assert conclusion(figures) == [
        "On screws, a distance-based detector is best: patchcore.",
        "On cells, a reconstruction-based detector is best: autoencoder.",
        "Within one approach mean image AUROCs differ by up to 0.095, no more than the best detectors of the "
        "approaches do (0.150).",
        "Of 3 detectors on pretrained features, 3 have a higher mean image AUROC than autoencoder, whose "
        "network learns from the good images alone (0.775).",
    ]
    recipes = {method.name: method.recipe for method in STUDY.methods if method.name in areas}
    found = list(exhibits(figures, recipes))
    titles = [one.title for one in found]
    assert titles[2:5] == [
        "2: Over 2 sets, gmm has the highest mean image AUROC: 0.925",
        "2: No approach is best on every set: distance-based and reconstruction-based are on some each",
        "3: No detector is both faster and more accurate than autoencoder, knn, patchcore or gmm",
    ]
    promise = found[-1]
    assert isinstance(promise, Table)
    assert promise.title == "3: In 5 of 8 cases no more good parts are rejected than stated"
    assert promise.rows[0] == ["knn", "10.0 % / 25.0 %", "30.0 % / 25.0 % !"]


def test_sets_in_their_own_layouts(tmp_path):
    write_parts(tmp_path / "bottle", {"train/good": 4, "validation/good": 3, "test/logical": 2})
    bottles = load_bottles(tmp_path / "bottle", 0)
    assert bottles.groupby(["split", "label"]).size().to_dict() == {
        ("test", "defect"): 2,
        ("test", "good"): 3,
        ("train", "good"): 4,
    }
    write_parts(tmp_path / "tile", {"good": 10, "crack": 3})
    tiles = load_tiles(tmp_path / "tile", 0)
    assert tiles.groupby(["split", "label"]).size().to_dict() == {
        ("test", "defect"): 3,
        ("test", "good"): 3,
        ("train", "good"): 7,
    }


def test_missing_data_are_named(tmp_path):
    with pytest.raises(DataError, match="holds no folder mvtec/transistor or transistor"):
        run_study("semiconductor_normality", tmp_path, tmp_path / "out")
