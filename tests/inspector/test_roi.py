"""An inspector with a region of interest: the part is in a corner of a busy picture."""

import numpy as np
import pytest
from PIL import Image

from knowngood.data.geometry import Geometry
from knowngood.data.samples import load_samples
from knowngood.engines.native import import_onnxruntime
from knowngood.errors import DataError, RecipeError
from knowngood.inspector import comparison
from knowngood.inspector.comparison import compare
from knowngood.inspector.cross_validation import cross_validate
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.train import train
from knowngood.report.cards import card
from knowngood.report.gallery import rows_of, tiles_of
from knowngood.report.heatmaps import heatmap

SIZE = (160, 240)
BOX = slice(50, 146), slice(120, 216)
SMALL = {"input_size": 128, "coreset": 200, "eight_bit": False}
ROI = {"shapes": [{"rectangle": [120, 50, 96, 96]}]}
IGNORED = {"shapes": [{"polygon": [[120, 50], [150, 50], [120, 80]]}]}


def in_pictures(parts, seed):
    """Parts before noise, uint8 `(n, *SIZE, 3)`."""
    pictures = np.random.default_rng(seed).integers(0, 255, (len(parts), *SIZE, 3), np.uint8)
    pictures[:, *BOX] = parts
    return pictures


@pytest.fixture(scope="module")
def good(good_images):
    return in_pictures(good_images, 0)


@pytest.fixture(scope="module")
def defects(defect_images):
    return in_pictures(defect_images, 1)


@pytest.fixture(scope="module")
def masks(defect_masks):
    masks = np.zeros((len(defect_masks), *SIZE), np.bool_)
    masks[:, *BOX] = defect_masks
    return masks


@pytest.fixture(scope="module")
def inspector(good):
    return fit(good[:18], **SMALL, geometry=Geometry(roi=ROI, ignore=IGNORED))


def test_defects_are_found_where_they_are(inspector, good, defects, masks):
    verdicts = inspector.inspect(np.concatenate([good[18:], defects]))
    scores = np.array([verdict.score for verdict in verdicts])
    assert scores[:6].max() < scores[6:].min()
    outside = ~inspector.manifest.roi.inside(SIZE)
    for verdict, mask in zip(verdicts[6:], masks, strict=True):
        assert verdict.decision == "reject"
        assert verdict.patch_map.max() > verdict.score
        region = verdict.regions()[0]
        rows, columns = np.nonzero(mask)
        assert rows.min() - 12 <= region.max_y <= rows.max() + 12
        assert columns.min() - 12 <= region.max_x <= columns.max() + 12
        assert not verdict.mask[outside].any()
        assert verdict.map.shape == SIZE
        assert verdict.map[outside].max() <= verdict.heat_scale.line


def test_what_is_outside_changes_nothing(inspector, defects):
    changed = defects[0].copy()
    changed[:, :120] = 7
    changed[52:58, 122:128] = 255  # ignored
    before, after = inspector.inspect([defects[0], changed])
    assert before.score == after.score
    np.testing.assert_array_equal(before.patch_map, after.patch_map)


def test_the_shipped_graph_takes_whole_pictures(inspector, defects):
    session = import_onnxruntime().InferenceSession(inspector.graph, providers=["CPUExecutionProvider"])
    expected = [verdict.score for verdict in inspector.inspect(defects)]
    np.testing.assert_allclose(session.run(["score"], {"pictures": defects})[0], expected, rtol=1e-3)


def test_it_is_part_of_the_file(inspector, defects, tmp_path):
    inspector.save(tmp_path / "part.inspector")
    loaded = Inspector.load(tmp_path / "part.inspector")
    assert str(loaded.manifest.roi) == str(inspector.manifest.roi)
    for mine, its in zip(inspector.inspect(defects), loaded.inspect(defects), strict=True):
        assert mine.score == its.score
        np.testing.assert_array_equal(mine.mask, its.mask)
    region = inspector.manifest.region
    other = inspector.with_manifest(region=region | {"fill": [1, 2, 3]})
    other.save(tmp_path / "other.inspector")
    with pytest.raises(Exception, match="does not begin by resizing"):
        Inspector.load(tmp_path / "other.inspector")


def test_it_is_shown(inspector, defects):
    assert "region 22.9% of the image" in repr(inspector)
    assert "96 x 96 pixels from row 50 and column 120 of 160 x 240" in card(inspector)
    [verdict] = inspector.inspect(defects[0])
    drawn = heatmap(defects[0], verdict, inspector.threshold.value)
    factor = round(360 / 240)
    dimmed = drawn[: 160 * factor : factor, :360:factor][:40, :100]
    assert drawn.shape[1] >= 360
    assert dimmed.mean() < 0.6 * defects[0].mean()


def test_evaluation_counts_defects_outside(inspector, good, defects, masks):
    elsewhere = np.zeros(SIZE, np.bool_)
    elsewhere[:20, :30] = True
    new = good[18].copy()
    new[:40] = 9
    images = [*good[18:], *defects, new]
    labels = ["good"] * 6 + ["scratch"] * 6 + ["dirt"]
    found = evaluate(inspector, images, labels, [None] * 6 + [*masks, elsewhere])
    assert found.metrics["outside_region"] == 1
    assert found.metrics["warnings"][0].startswith("1 defects are marked wholly outside the region")
    assert found.metrics["per_defect"]["scratch"]["image_auroc"] == 1
    assert 0.5 < found.metrics["pixel_auroc"] < 0.8  # what was not inspected was not found
    assert len(tiles_of(found, rows_of(found))) == len(images)
    assert "region" not in found.provenance


def test_a_classifier_with_a_region(good, defects):
    images, labels = [*good[:18], *defects], ["good"] * 18 + ["scratch"] * 6
    inspector = train(
        images, "linear_probe", labels=labels, input_size=96, geometry=Geometry(roi=ROI, ignore=IGNORED)
    )
    verdicts = inspector.inspect([good[20], defects[0]])
    changed = defects[0].copy()
    changed[:, :120] = 7
    assert inspector.inspect(changed)[0].score == verdicts[1].score > verdicts[0].score


@pytest.fixture(scope="module")
def labelled(good, defects):
    """All images, and their labels."""
    return [*good, *defects], ["good"] * len(good) + ["scratch"] * len(defects)


@pytest.mark.parametrize("method", ["gaussian", "linear_probe"])
def test_folds_look_at_the_region(labelled, method):
    images, labels = labelled
    where = Geometry(roi=ROI, ignore=IGNORED)
    found = cross_validate(images, method, labels=labels, count=2, input_size=64, geometry=where)
    regions = {str(evaluation.roi) for evaluation in found.evaluations}
    assert len(regions) == 1
    assert "within 96 x 96 pixels from row 50 and column 120" in regions.pop()
    assert found.folds["image_auroc"].min() == 1


def test_experiments_look_at_the_region(labelled):
    images, labels = labelled
    table = load_samples(images, labels=labels)
    grid = {"detector": "gaussian", "settings": {"input_size": 64}}
    where = Geometry(roi=ROI, ignore=IGNORED)
    [row] = compare(table, grid, geometry=where).to_dict("records")
    own = evaluate(fit(table, "gaussian", input_size=64, geometry=where), table).metrics
    assert row["test_image_auroc"] == own["image_auroc"] == 1
    assert row["test_false_reject_rate"] == own["false_reject_rate"]


def test_no_experiment_runs_where_one_takes_no_region(labelled, monkeypatch):
    monkeypatch.setattr(comparison, "learn_from", lambda *_, **__: pytest.fail("it was learned from"))
    images, labels = labelled
    grid = {"detector": "gaussian", "experiments": [{"detector": "reference"}]}
    with pytest.raises(RecipeError, match="Reference compares whole images with their references"):
        compare(images, grid, labels=labels, geometry=Geometry(roi=ROI))


def test_a_region_of_other_pictures(good, tmp_path):
    Image.fromarray(np.full((80, 120), 255, np.uint8)).save(tmp_path / "roi.png")
    with pytest.raises(DataError, match="the mask is 80 x 120, but the pictures are 160 x 240"):
        fit(good, "gaussian", geometry=Geometry(roi=tmp_path / "roi.png"))
