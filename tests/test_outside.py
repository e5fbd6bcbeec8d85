"""Methods of other packages: `support/outside` is one as pip would install it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import knowngood
from knowngood.classifiers import CLASSIFIERS
from knowngood.detectors import DETECTORS, make_detector
from knowngood.errors import RecipeError

from .support.parts import part

OUTSIDE = Path(__file__).parent / "support" / "outside"


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    monkeypatch.syspath_prepend(OUTSIDE)
    yield
    sys.modules.pop("knowngood_outside", None)


@pytest.fixture
def photos():
    rng = np.random.default_rng(0)
    return np.stack([part(rng) for _ in range(12)])


def test_an_installed_detector_is_one_of_all(photos):
    assert "brightness" in DETECTORS
    assert list(DETECTORS)[-3:] == ["brightness", "absent", "no_detector"]
    assert len(DETECTORS) == len(list(DETECTORS))
    assert make_detector("brightness", {"places": "4"}).places == 4
    inspector = knowngood.fit(photos, "brightness", places=4)
    assert inspector.manifest.method == "brightness"
    assert inspector.manifest.recipe == {"input_size": 64, "places": 4}
    dark = photos[0].copy()
    dark[40:60, 40:60] = 0
    found = inspector.inspect([photos[0], dark])
    assert [verdict.decision for verdict in found] == ["accept", "reject"]
    assert found[1].patch_map.shape == (4, 4)


def test_it_takes_the_place_of_none_of_ours():
    assert type(make_detector("padim")).__module__ == "knowngood.detectors.padim"
    assert "padim" not in DETECTORS.installed


def test_the_mistakes_of_its_package_are_its_own():
    with pytest.raises(RecipeError, match="'absent' of the package 'knowngood-outside' cannot be imported"):
        make_detector("absent")
    with pytest.raises(RecipeError, match="'no_detector' of the package 'knowngood-outside' is no Detector"):
        make_detector("no_detector")
    with pytest.raises(RecipeError, match=r"'defect_brightness' of the package .* is no Classifier"):
        CLASSIFIERS.make("defect_brightness", {})


def test_an_inspector_is_loaded_without_its_package(photos, tmp_path):
    """What a file names is imported by nobody, even where it is installed."""
    path = tmp_path / "widget.inspector"
    knowngood.fit(photos, "brightness").save(path)
    program = (
        f"import sys; sys.path.insert(0, {str(OUTSIDE)!r}); import knowngood, numpy as np;"
        f"inspector = knowngood.Inspector.load({str(path)!r});"
        "inspector.inspect(np.full((40, 60, 3), 90, np.uint8)); print(inspector.manifest.method);"
        "print({'knowngood_outside', 'knowngood.registry'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["brightness", "set()"]
