import numpy as np
import pandas as pd
import pytest

from knowngood.data.samples import load_samples
from knowngood.detectors import make_detector
from knowngood.errors import DataError, InspectorError
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.reconstructions import (
    COLUMNS,
    IMAGES,
    read_reconstructions,
    reconstructions,
    write_reconstructions,
)
from knowngood.inspector.threshold import threshold_at
from knowngood.metrics.thresholds import conformal


@pytest.fixture(scope="module")
def rebuilding(widget):
    recipe = make_detector("autoencoder", {"input_size": 64, "epochs": 6, "width": 4})
    return fit(widget, recipe)


@pytest.fixture(scope="module")
def table(rebuilding, widget):
    return reconstructions(rebuilding, widget)


def test_one_row_a_test_image_the_worst_first(table, widget):
    samples = load_samples(widget)
    assert list(table.columns) == list(COLUMNS)
    assert set(table["path"]) == set(samples.loc[samples["split"] == "test", "path"])
    assert table["sum_of_differences"].is_monotonic_decreasing
    assert table["label"].value_counts().to_dict() == {"good": 8, "scratch": 6}


def test_the_numbers_follow_from_the_images(table):
    for row in table.itertuples():
        assert row.original.shape == row.reconstruction.shape == (64, 64, 3)
        assert row.original.dtype == np.uint8
        difference = np.abs(row.original / 255 - row.reconstruction)
        np.testing.assert_allclose(row.difference, difference.sum(axis=-1), atol=1e-5)
        assert row.sum_of_differences == pytest.approx(difference.sum(), rel=1e-5)
        assert row.mean_difference == pytest.approx(difference.mean(), rel=1e-5)
        assert -1 <= row.ssim < 1


def test_the_score_is_the_sum_of_differences(table):
    np.testing.assert_allclose(table["score"], table["sum_of_differences"], rtol=1e-5)


def test_scores_are_those_of_the_verdicts(rebuilding, table):
    for row in table.itertuples():
        assert row.score == pytest.approx(rebuilding.inspect(row.path)[0].score, rel=1e-4)


def test_of_arrays(rebuilding, good_images):
    table = reconstructions(rebuilding, list(good_images[:3]), label="good")
    assert sorted(table["path"]) == ["[0]", "[1]", "[2]"]
    assert set(table["label"]) == {"good"}


def test_of_grey_images(good_images):
    grey = good_images[..., 0]
    inspector = fit(list(grey), make_detector("autoencoder", {"input_size": 28, "epochs": 1, "width": 2}))
    table = reconstructions(inspector, list(grey[:2]))
    assert inspector.manifest.input_shape == (28, 28)
    assert table["original"][0].shape == table["reconstruction"][0].shape == (28, 28, 1)
    np.testing.assert_allclose(table["score"], table["sum_of_differences"], rtol=1e-5)


def test_images_are_kept_for_the_worst_of_either_kind(rebuilding, widget, table):
    few = reconstructions(rebuilding, widget, keep=2)
    kept = few[few["original"].notna()]
    assert kept["label"].value_counts().to_dict() == {"good": 2, "scratch": 2}
    for label in ("good", "scratch"):
        assert set(kept.loc[kept["label"] == label, "path"]) == set(
            table[table["label"] == label]["path"][:2]
        )
    numbers = [column for column in COLUMNS if column not in IMAGES]
    pd.testing.assert_frame_equal(few[numbers], table[numbers])


def test_parquet_and_back(table, tmp_path):
    write_reconstructions(table, tmp_path / "table.parquet")
    again = read_reconstructions(tmp_path / "table.parquet")
    for row, other in zip(table.itertuples(), again.itertuples(), strict=True):
        assert row.path == other.path
        for name in IMAGES:
            assert getattr(other, name).dtype == getattr(row, name).dtype
            np.testing.assert_array_equal(getattr(other, name), getattr(row, name))


def test_parquet_without_some_images(rebuilding, widget, tmp_path):
    write_reconstructions(reconstructions(rebuilding, widget, keep=1), tmp_path / "table.parquet")
    again = read_reconstructions(tmp_path / "table.parquet")
    assert again["original"].notna().sum() == 2
    assert again["sum_of_differences"].is_monotonic_decreasing


def test_any_reader_of_parquet_finds_the_images(table, tmp_path):
    write_reconstructions(table, tmp_path / "table.parquet")
    plain = pd.read_parquet(tmp_path / "table.parquet").iloc[0]
    shape = (plain["height"], plain["width"], plain["channels"])
    np.testing.assert_array_equal(plain["original"].reshape(shape), table["original"][0])


@pytest.mark.parametrize("content", [b"", b"path,score\n", "other table"])
def test_another_file_is_named(tmp_path, content):
    path = tmp_path / "x.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pd.DataFrame({"path": ["a"]}).to_parquet(path)
    with pytest.raises(DataError, match=r"x\.parquet' is not a table of reconstructions"):
        read_reconstructions(path)


def test_a_detector_that_rebuilds_nothing(inspector, widget):
    with pytest.raises(InspectorError, match="patchcore gives no rebuilt; it gives map, pixels, score"):
        reconstructions(inspector, widget)


def test_no_image(rebuilding):
    with pytest.raises(DataError, match="no image"):
        reconstructions(rebuilding, [])


def test_an_unreadable_image(rebuilding, widget, tmp_path):
    (tmp_path / "broken.png").write_text("no image")
    sources = [tmp_path / "broken.png", *sorted((widget / "test/good").iterdir())]
    with pytest.raises(DataError, match=r"broken\.png"):
        reconstructions(rebuilding, sources)
    told = []
    assert len(reconstructions(rebuilding, sources, on_unreadable=told.append)) == 8
    assert [failure.path for failure in told] == [str(tmp_path / "broken.png")]


def test_the_inspector_file_keeps_the_training(rebuilding, tmp_path):
    rebuilding.save(tmp_path / "x.inspector")
    loaded = Inspector.load(tmp_path / "x.inspector")
    assert loaded.training.epochs == rebuilding.training.epochs
    assert loaded.training.layers == rebuilding.training.layers
    assert list(loaded.training.rebuilt) == [5, 6]
    loaded.save(tmp_path / "again.inspector")
    assert (tmp_path / "again.inspector").read_bytes() == (tmp_path / "x.inspector").read_bytes()


def test_an_evaluation_has_the_worst(rebuilding, widget):
    evaluation = evaluate(rebuilding, widget)
    assert evaluation.records is rebuilding.records
    assert len(evaluation.reconstructions) == len(evaluation.scores)
    assert evaluation.reconstructions["original"].notna().sum() == 14  # fewer than ten of either kind
    assert "map_maxima" not in evaluation.provenance


def test_heatmaps_are_scaled_by_the_maps_and_not_the_scores(rebuilding):
    manifest = rebuilding.manifest
    assert len(manifest.map_maxima) == len(manifest.held_out)
    typical, line = manifest.heat_scale
    assert typical == np.median(manifest.map_maxima)
    assert line == conformal(manifest.map_maxima, 0.05).value < rebuilding.threshold.value / 10
    strict = threshold_at(rebuilding, 0.01).manifest
    assert strict.heat_scale.line == conformal(manifest.map_maxima, 0.01).value
