"""Inspectors of the synthetic widget parts, fitted once."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowngood.detectors import make_detector
from knowngood.detectors.base import Detector
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector


@pytest.fixture(scope="session")
def recipe() -> Detector:
    """A recipe that learns in a second or two."""
    return make_detector("patchcore", {"input_size": 128, "coreset": 200})


@pytest.fixture(scope="session")
def inspector(widget: Path, recipe: Detector) -> Inspector:
    return fit(widget, recipe)


@pytest.fixture(scope="session")
def image_only(widget: Path) -> Inspector:
    """An inspector whose detector gives no map."""
    return fit(widget, make_detector("gaussian", {"input_size": 64}))


@pytest.fixture(scope="session")
def evaluation(inspector: Inspector, widget: Path) -> Evaluation:
    return evaluate(inspector, widget)


@pytest.fixture
def saved(inspector: Inspector, tmp_path: Path) -> Path:
    path = tmp_path / "widget.inspector"
    inspector.save(path)
    return path


@pytest.fixture(scope="session")
def test_images(widget: Path) -> list[Path]:
    """Eight good images, then six scratched ones."""
    return [*sorted((widget / "test/good").iterdir()), *sorted((widget / "test/scratch").iterdir())]
