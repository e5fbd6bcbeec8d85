import dataclasses
import math

import pytest

import knowngood
from knowngood.errors import DataError
from knowngood.inspector import speed as module
from knowngood.inspector.speed import measure_speed


@pytest.fixture(scope="module")
def stages():
    return {}


@pytest.fixture(scope="module")
def measured(widget, recipe, stages):
    return measure_speed(
        widget, recipe, progress=lambda stage, done, total: stages.update({stage: done / total})
    )


def test_every_figure_is_there_and_positive(measured):
    assert (measured.detector, measured.learned_from, measured.images) == ("patchcore", 24, 38)
    assert measured.input_shape == (128, 128)
    figures = dataclasses.asdict(measured)
    for name in ("fit", "memory", "decode", "graph", "score", "latency", "multiply_adds", "peak"):
        assert math.isfinite(figures[name]), name
        assert figures[name] > 0, name
    assert measured.latency_95 >= measured.latency


def test_the_shares_are_ratios_of_the_figures(measured):
    assert measured.score_of_decode == measured.score / measured.decode
    per_image = 2 * measured.multiply_adds / (measured.peak * 1e9)
    assert measured.graph_of_peak == pytest.approx(per_image * measured.graph)
    assert measured.score_of_peak == pytest.approx(per_image * measured.score)


def test_progress_tells_of_the_measuring_too(measured, stages):
    assert stages["measuring throughput"] == 1


def test_of_a_long_table_some_images_are_read_from_all_over_it(widget, monkeypatch, recipe, inspector):
    monkeypatch.setattr(module, "MOST", 10)
    monkeypatch.setattr(module, "fit", lambda *_, **__: inspector)
    assert measure_speed(widget, recipe).images == 10


def test_images_that_cannot_be_read_are_named(widget, recipe, tmp_path, monkeypatch, inspector):
    monkeypatch.setattr(module, "fit", lambda *_, **__: inspector)
    samples = knowngood.load_samples(widget)
    samples.loc[len(samples) - 1, "path"] = str(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"gone\.png"):
        measure_speed(samples, recipe)
