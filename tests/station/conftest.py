"""Stations in this process, with a small product."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import knowngood
from knowngood.station.settings import StationSettings

from ..support.station import Line, running


@pytest.fixture(scope="session")
def inspector_file(widget: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inspector of the widget that takes milliseconds."""
    path = tmp_path_factory.mktemp("station") / "widget.inspector"
    knowngood.fit(widget, knowngood.make_detector("padim", {"input_size": 64})).save(path)
    return path


@pytest.fixture(scope="session")
def good(widget: Path) -> bytes:
    return (widget / "test/good/000.png").read_bytes()


@pytest.fixture(scope="session")
def defect(widget: Path) -> bytes:
    return (widget / "test/scratch/000.png").read_bytes()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, inspector_file: Path) -> Iterator[Line]:
    """A station that the tests of a module share."""
    settings = StationSettings(data=tmp_path_factory.mktemp("line") / "station", free=0)
    yield from running(settings, inspector_file)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Line]:
    """A station of its own without a product."""
    yield from running(StationSettings(data=tmp_path / "station", free=0), None)
