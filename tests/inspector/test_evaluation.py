import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from knowngood.data.images import read_mask
from knowngood.data.samples import load_samples
from knowngood.errors import DataError
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.measures import NO_DEFECT, NO_GOOD
from knowngood.metrics.rates import clopper_pearson

RANKING = {"image_auroc", "image_ap", "image_f1_max"}
PIXELS = {"pixel_auroc", "pixel_ap", "pixel_f1_max", "pixel_f1_max_threshold"}
PIXELS |= {"pixel_aupro", "pixel_aupro_5", "pixel_spro_5", "pixel_aupimo"}
FALSE_REJECTS = {"false_reject_rate", "false_reject_rate_low", "false_reject_rate_high"}
ESCAPES = {"escape_rate", "escape_rate_low", "escape_rate_high"}
OTHERS = {
    "outside_region",
    "threshold",
    "confusion",
    "per_defect",
    "counts",
    "images_per_second",
    "other_shape",
    "notes",
    "exchangeability",
    "warnings",
}


@pytest.fixture
def table(widget):
    """The test images: rows 0 to 7 are good, 8 to 13 scratched."""
    table = load_samples(widget)
    table = table[table["split"] == "test"].sort_values(["label", "path"], ascending=[False, True])
    assert list(table["label"]) == ["good"] * 8 + ["defect"] * 6
    return table.reset_index(drop=True)


def nulls(metrics):
    """The figures that are not given; each must have its reason, and nothing else must have one."""
    missing = {name for name, value in metrics.items() if value is None}
    assert missing == metrics["notes"].keys()
    json.dumps(metrics, allow_nan=False)
    return missing


# --- what it holds


def test_metrics_are_exactly_those_promised(evaluation):
    metrics = evaluation.metrics
    assert metrics.keys() == RANKING | PIXELS | FALSE_REJECTS | ESCAPES | OTHERS
    assert metrics["confusion"].keys() == {"true_accept", "false_reject", "escape", "true_reject"}
    assert metrics["per_defect"].keys() == {"scratch"}
    assert metrics["per_defect"]["scratch"].keys() == {"count", "image_auroc", "escape_rate"}
    assert metrics["counts"] == {"good": 8, "defect": 6, "unreadable": 0}
    assert metrics["images_per_second"] > 0
    assert metrics["warnings"] == []
    assert nulls(metrics) == {"pixel_aupimo"}
    assert metrics["notes"]["pixel_aupimo"].startswith("AUPIMO needs defects, and 100,000 pixels")


def test_metrics_survive_json(evaluation):
    assert json.loads(json.dumps(evaluation.metrics, allow_nan=False)) == evaluation.metrics


def test_the_provenance_survives_json(evaluation, inspector):
    provenance = json.loads(json.dumps(evaluation.provenance, allow_nan=False))
    assert provenance["method"] == "patchcore"
    assert provenance["graph_hash"] == inspector.manifest.graph_hash
    assert provenance["threshold"]["value"] == inspector.manifest.threshold.value


def test_rows_and_maps_belong_together(evaluation, inspector, table):
    assert list(evaluation.scores.columns) == [
        "path",
        "label",
        "defect",
        "mask",
        "score",
        "p_value",
        "decision",
    ]
    assert set(evaluation.scores["path"]) == set(table["path"])
    verdicts = inspector.inspect(list(evaluation.scores["path"]))
    assert list(evaluation.scores["score"]) == [verdict.score for verdict in verdicts]
    assert list(evaluation.scores["p_value"]) == [verdict.p_value for verdict in verdicts]
    assert list(evaluation.scores["decision"]) == [verdict.decision for verdict in verdicts]
    np.testing.assert_array_equal(evaluation.maps, [verdict.patch_map for verdict in verdicts])
    np.testing.assert_array_equal(evaluation.held_out, inspector.manifest.held_out)
    assert evaluation.unreadable == []


# --- against scikit-learn


def test_image_metrics(evaluation):
    metrics, score = evaluation.metrics, evaluation.scores["score"]
    defect = evaluation.scores["label"] == "defect"
    assert metrics["image_auroc"] == pytest.approx(roc_auc_score(defect, score))
    assert metrics["image_ap"] == pytest.approx(average_precision_score(defect, score))
    best = max(f1_score(defect, score >= line) for line in score)
    assert metrics["image_f1_max"] == pytest.approx(best)
    assert metrics["image_auroc"] > 0.9  # the scratches are plain to see
    of_scratches = metrics["per_defect"]["scratch"]
    assert of_scratches["count"] == 6
    assert of_scratches["image_auroc"] == metrics["image_auroc"]
    assert of_scratches["escape_rate"] == metrics["escape_rate"]


def test_error_rates(evaluation, inspector):
    metrics, scores = evaluation.metrics, evaluation.scores
    assert metrics["threshold"] == inspector.manifest.threshold.value
    defect, rejected = scores["label"] == "defect", scores["decision"] == "reject"
    assert metrics["confusion"] == {
        "true_accept": (~defect & ~rejected).sum(),
        "false_reject": (~defect & rejected).sum(),
        "escape": (defect & ~rejected).sum(),
        "true_reject": (defect & rejected).sum(),
    }
    for name, wrong, count in (
        ("false_reject_rate", metrics["confusion"]["false_reject"], 8),
        ("escape_rate", metrics["confusion"]["escape"], 6),
    ):
        assert metrics[name] == wrong / count
        interval = (metrics[f"{name}_low"], metrics[f"{name}_high"])
        assert interval == pytest.approx(clopper_pearson(int(wrong), count))


def test_pixel_metrics(evaluation, inspector):
    verdicts = inspector.inspect(list(evaluation.scores["path"]))
    maps = np.stack([verdict.map for verdict in verdicts])
    masks = np.stack(
        [
            read_mask(mask, verdict.size) if mask else np.zeros(verdict.size, bool)
            for mask, verdict in zip(evaluation.scores["mask"], verdicts, strict=True)
        ]
    )
    metrics = evaluation.metrics
    assert metrics["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-3)
    assert metrics["pixel_ap"] == pytest.approx(
        average_precision_score(masks.ravel(), maps.ravel()), abs=1e-3
    )
    assert metrics["pixel_aupro"] == pytest.approx(aupro(maps, masks), abs=1e-3)
    assert metrics["pixel_auroc"] > 0.9
    rejected = maps.ravel() > metrics["pixel_f1_max_threshold"]
    assert metrics["pixel_f1_max"] == pytest.approx(f1_score(masks.ravel(), rejected), abs=1e-3)
    assert metrics["pixel_aupro_5"] == pytest.approx(aupro(maps, masks, 0.05), abs=2e-3)
    assert metrics["pixel_spro_5"] == metrics["pixel_aupro_5"]


def aupro(maps, masks, max_fpr=0.3):
    """Mean overlap over false-positive rates, straight from its definition; here each mask is one region."""
    regions = [np.sort(one[mask]) for one, mask in zip(maps, masks, strict=True) if mask.any()]
    good = np.sort(maps[~masks])
    rates = np.linspace(0, max_fpr, 3001)
    lines = np.quantile(good, 1 - rates)
    overlap = [np.mean([np.mean(region > line) for region in regions]) for line in lines]
    return np.trapezoid(overlap, rates) / max_fpr


def test_defects_by_type(inspector, table):
    table.loc[8:9, "defect"] = "dent"
    metrics = evaluate(inspector, table).metrics
    assert list(metrics["per_defect"]) == ["dent", "scratch"]
    assert [of["count"] for of in metrics["per_defect"].values()] == [2, 4]
    scores = evaluate(inspector, table).scores
    dents = scores[scores["defect"] != "scratch"]
    expected = roc_auc_score(dents["label"] == "defect", dents["score"])
    assert metrics["per_defect"]["dent"]["image_auroc"] == pytest.approx(expected)


# --- what the data cannot give


def test_no_defect(inspector, table):
    metrics = evaluate(inspector, table[:8]).metrics
    assert nulls(metrics) == RANKING | PIXELS | ESCAPES
    assert set(metrics["notes"].values()) == {NO_DEFECT}
    assert metrics["false_reject_rate"] is not None
    assert metrics["per_defect"] == {}


def test_no_good_image(inspector, table):
    metrics = evaluate(inspector, table[8:]).metrics
    assert nulls(metrics) == RANKING | FALSE_REJECTS | {"pixel_aupimo"}
    assert set(metrics["notes"].values()) == {NO_GOOD}
    assert metrics["pixel_auroc"] > 0.9  # there are good pixels beside the scratches
    assert metrics["per_defect"]["scratch"]["image_auroc"] is None


def test_no_mask(inspector, table):
    metrics = evaluate(inspector, table.assign(mask="")).metrics
    assert nulls(metrics) == PIXELS
    assert set(metrics["notes"].values()) == {"no defect has a mask"}


def test_an_image_only_detector(image_only, table):
    evaluation = evaluate(image_only, table)
    assert nulls(evaluation.metrics) == PIXELS
    assert set(evaluation.metrics["notes"].values()) == {"the detector gives no map"}
    assert evaluation.maps is None


def test_defects_without_a_mask_are_left_out(inspector, table):
    table.loc[8:9, "mask"] = ""
    metrics = evaluate(inspector, table).metrics
    assert {name: metrics["notes"][name] for name in PIXELS} == metrics["notes"]
    figures = PIXELS - {"pixel_aupimo"}
    assert {metrics["notes"][name] for name in figures} == {"2 defects have no mask and are left out"}
    masked = evaluate(inspector, table.drop(index=[8, 9])).metrics
    assert [metrics[name] for name in figures] == pytest.approx([masked[name] for name in figures], abs=1e-3)


@pytest.mark.parametrize("level", [0, 255])
def test_masks_that_tell_nothing(inspector, table, tmp_path, level):
    Image.new("L", (96, 96), level).save(tmp_path / "mask.png")
    metrics = evaluate(inspector, table[8:].assign(mask=str(tmp_path / "mask.png"))).metrics
    assert nulls(metrics) == RANKING | FALSE_REJECTS | PIXELS
    assert metrics["notes"]["pixel_ap"] == "the masks that can be read mark no pixel at all, or every one"


# --- data that cannot be used


def test_a_mask_of_another_size(inspector, table, tmp_path):
    Image.new("L", (96, 48)).save(tmp_path / "small_mask.png")
    table.loc[10, "mask"] = str(tmp_path / "small_mask.png")
    with pytest.raises(DataError, match=r"small_mask\.png' is 48 x 96 but its image is 96 x 96"):
        evaluate(inspector, table)


def test_a_mask_that_is_not_there(inspector, table):
    table.loc[10, "mask"] = "gone_mask.png"
    with pytest.raises(DataError, match=r"gone_mask\.png': there is no such file"):
        evaluate(inspector, table)


def test_no_test_image(inspector, table, tmp_path):
    with pytest.raises(DataError, match="there is no test image"):
        evaluate(inspector, table.assign(split="train"))


def test_unreadable_images_are_counted_and_the_rest_is_judged(inspector, table, tmp_path):
    (tmp_path / "bad.png").write_text("no image")
    table.loc[[3, 8], "path"] = [str(tmp_path / "bad.png"), str(tmp_path / "gone.png")]
    evaluation = evaluate(inspector, table)
    assert evaluation.metrics["counts"] == {"good": 7, "defect": 5, "unreadable": 2}
    assert evaluation.metrics["warnings"] == ["2 test images could not be read and are not counted."]
    assert [failure.path for failure in evaluation.unreadable] == [
        str(tmp_path / "bad.png"),
        str(tmp_path / "gone.png"),
    ]
    rest = evaluate(inspector, table.drop(index=[3, 8]))
    pd.testing.assert_frame_equal(evaluation.scores, rest.scores)
    np.testing.assert_array_equal(evaluation.maps, rest.maps)
    assert evaluation.metrics["pixel_aupro"] == rest.metrics["pixel_aupro"]


def test_only_unreadable_images(inspector, table):
    with pytest.raises(DataError, match="14 of 14 images cannot be read"):
        evaluate(inspector, table.assign(path=[f"gone{row}.png" for row in table.index]))


def test_images_that_were_learned_from_are_warned_of(inspector, table, widget, tmp_path):
    for number in range(2):
        learned = widget / f"train/good/{number:03}.png"
        (tmp_path / f"renamed{number}.png").write_bytes(learned.read_bytes())
    table.loc[:1, "path"] = [str(tmp_path / "renamed0.png"), str(tmp_path / "renamed1.png")]
    assert evaluate(inspector, table).metrics["warnings"] == [
        "2 of the 14 test images were learned from: the figures flatter the inspector."
    ]


def test_nothing_about_the_inspector_changes(inspector, table):
    before = inspector.manifest.to_json()
    evaluate(inspector, table)
    assert inspector.manifest.to_json() == before


def test_folder_and_table_are_alike(evaluation, inspector, table):
    from_table = evaluate(inspector, table).metrics
    assert from_table | {"images_per_second": 0} == evaluation.metrics | {"images_per_second": 0}


def test_progress_reaches_its_end(inspector, table):
    told = {}
    evaluate(
        inspector, table, progress=lambda stage, done, total: told.setdefault(stage, []).append((done, total))
    )
    assert told == {
        stage: [(done, 14) for done in range(1, 15)]
        for stage in ("identifying images", "inspecting test images", "comparing maps with masks")
    }


@pytest.fixture
def good_and_bad(tmp_path, good_images, defect_images):
    """Folders of good and bad parts that the inspector never saw, without a split."""
    for name, images in {"good": 255 - good_images[:5], "bad": defect_images[:3]}.items():
        for number, image in enumerate(images):
            path = tmp_path / "lot" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return tmp_path / "lot"


def test_without_a_split_all_that_was_not_learned_from_is_judged(inspector, good_and_bad, widget):
    assert evaluate(inspector, good_and_bad).metrics["counts"] == {"good": 5, "defect": 3, "unreadable": 0}
    learned = widget / "train/good/000.png"
    (good_and_bad / "good" / "learned.png").write_bytes(learned.read_bytes())
    evaluation = evaluate(inspector, good_and_bad)
    assert evaluation.metrics["counts"]["good"] == 5
    assert all("good test images" in text for text in evaluation.metrics["warnings"])  # inverted ones


def test_good_parts_alone_or_defects_alone_can_be_judged(inspector, good_and_bad):
    good = evaluate(inspector, good_and_bad / "good").metrics
    assert (good["counts"]["good"], good["counts"]["defect"], good["escape_rate"]) == (5, 0, None)
    bad = evaluate(inspector, good_and_bad / "bad").metrics
    assert (bad["counts"]["good"], bad["counts"]["defect"], bad["false_reject_rate"]) == (0, 3, None)
