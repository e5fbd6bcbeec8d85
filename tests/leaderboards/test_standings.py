import numpy as np
import pytest

import knowngood
from knowngood.leaderboards.standings import (
    FIGURES,
    Entry,
    differences,
    figures_of,
    held_out_spread,
    standings,
)
from knowngood.metrics.paired import paired_difference
from knowngood.metrics.ranking import auroc

DEFECT = np.arange(30) >= 20
PATHS = [f"{number}.png" for number in range(30)]


def entry(detector, seed, quality, *, paths=PATHS, **figures):
    """A run whose scores separate defects the better the quality is higher."""
    scores = np.random.default_rng(seed).normal(size=30) + quality * DEFECT
    known = {"image_auroc": auroc(DEFECT, scores), "milliseconds": 10.0} | figures
    chosen = [PATHS.index(path) for path in paths]
    return Entry(
        detector,
        seed,
        dict.fromkeys(FIGURES) | known,
        list(paths),
        DEFECT[chosen].tolist(),
        scores[chosen].tolist(),
        f"{detector}/seed{seed}/report.html",
    )


def test_means_and_standard_deviations():
    table = standings(
        [entry("a", 0, 1, fit_seconds=2.0), entry("a", 1, 1, fit_seconds=4.0), entry("b", 0, 3)]
    )
    assert table["detector"].tolist() == ["b", "a"]
    assert table["seeds"].tolist() == [1, 2]
    row = table.set_index("detector").loc["a"]
    assert (row["fit_seconds"], row["fit_seconds_sd"]) == (3, pytest.approx(2**0.5))
    assert np.isnan(table["image_auroc_sd"][0])
    assert table["pixel_auroc"].isna().all()
    assert list(table.columns[:4]) == ["detector", "seeds", "image_auroc", "image_auroc_sd"]


def test_equally_good_detectors_are_ordered_by_speed():
    table = standings([entry("slow", 0, 1), entry("fast", 0, 1, milliseconds=2.0)])
    assert table["detector"].tolist() == ["fast", "slow"]


def test_without_a_ranking_the_order_stays():
    table = standings([entry("b", 0, 1, image_auroc=None), entry("a", 0, 2, image_auroc=None)])
    assert table["detector"].tolist() == ["b", "a"]
    assert differences([], table).empty


def test_differences_are_those_of_common_seeds_and_images():
    entries = [entry("best", seed, 3) for seed in range(3)]
    entries += [entry("other", seed, 0.5, paths=PATHS[1:]) for seed in (1, 2)] + [entry("apart", 7, 0)]
    table = standings(entries)
    assert table["detector"][0] == "best"
    (row,) = differences(entries, table).to_dict("records")
    assert (row["best"], row["other"], row["seeds"]) == ("best", "other", 2)
    expected = paired_difference(
        DEFECT[1:],
        [entries[seed].scores[1:] for seed in (1, 2)],
        [entries[place].scores for place in (3, 4)],
        confidence=1 - 0.05 / 2,
    )
    assert (row["difference"], row["low"], row["high"]) == pytest.approx(tuple(expected))
    assert row["low"] > 0


def test_one_detector_has_no_pair():
    entries = [entry("a", 0, 1)]
    assert differences(entries, standings(entries)).empty


def test_the_spread_does_not_depend_on_the_unit():
    scores = np.random.default_rng(0).normal(size=100_000)
    assert held_out_spread(scores) == pytest.approx(1.22, abs=0.03)
    assert held_out_spread(7 * scores - 100) == pytest.approx(held_out_spread(scores))
    assert held_out_spread(np.ones(9)) is None


def test_figures_are_those_of_the_evaluation(widget):
    inspector = knowngood.fit(widget, "gaussian")
    evaluation = knowngood.evaluate(inspector, widget)
    found = figures_of(inspector, evaluation)
    assert found["image_auroc"] == evaluation.metrics["image_auroc"]
    assert found["upper_bound"] == inspector.threshold.upper_bound
    held = evaluation.metrics["false_reject_rate"] <= inspector.threshold.upper_bound
    assert found["promise_held"] == float(held)
    assert found["promise_refuted"] <= 1 - found["promise_held"]
    alone = figures_of(inspector, None)
    assert alone["held_out_spread"] == found["held_out_spread"]
    assert alone["image_auroc"] is alone["promise_held"] is None
