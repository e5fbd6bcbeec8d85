"""Pixel metrics against scikit-learn on the raw pixels, and AUPRO against a plain exact version."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import sklearn.metrics

from knowngood.metrics.regions import PixelHistogram


def exact_aupro(maps, masks, max_fpr):
    """Integrate over every different score, region by region, as the definition reads."""
    scores, defect = np.concatenate([m.ravel() for m in maps]), np.concatenate([m.ravel() for m in masks])
    regions = []
    for anomaly_map, mask in zip(maps, masks, strict=True):
        labels, count = scipy.ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [anomaly_map[labels == region] for region in range(1, count + 1)]
    curve = [(0.0, 0.0)]
    for line in np.unique(scores)[::-1]:
        fpr = np.mean(scores[~defect] >= line)
        curve.append((fpr, np.mean([np.mean(region >= line) for region in regions])))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(curve):
        if x0 >= max_fpr:
            break
        end = min(x1, max_fpr)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0) if x1 > x0 else y1
        area += (end - x0) * (y0 + y_end) / 2
    return area / max_fpr


def histogram_of(maps, masks, low, high, bins=2**16):
    pixels = PixelHistogram(low, high, bins)
    for anomaly_map, mask in zip(maps, masks, strict=True):
        pixels.update(anomaly_map, mask)
    return pixels


def random_masks(rng):
    """Four masks with regions of several sizes, two of which touch at a corner only, and one empty mask."""
    masks = np.zeros((5, 20, 24), bool)
    masks[0, 2:9, 3:12] = True
    masks[1, 15:17, 1:3] = masks[1, 17:19, 3:5] = True
    masks[2] = rng.random((20, 24)) < 0.1
    masks[3, 0, 0] = masks[3, 10:, 20:] = True
    return masks


@pytest.fixture
def continuous():
    rng = np.random.default_rng(1)
    masks = random_masks(rng)
    return rng.normal(size=masks.shape) + 1.2 * masks, masks


@pytest.fixture
def tied():
    """Scores on a grid of 40 values, each in the middle of its own bin of (0, 40)."""
    rng = np.random.default_rng(2)
    masks = random_masks(rng)
    return np.clip(rng.integers(0, 35, masks.shape) + 5 * masks, 0, 39) + 0.5, masks


def test_auroc_and_ap_of_continuous_scores_are_close_to_the_exact_ones(continuous):
    maps, masks = continuous
    pixels = histogram_of(maps, masks, maps.min(), maps.max())
    assert pixels.auroc() == pytest.approx(
        sklearn.metrics.roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-4
    )
    assert pixels.average_precision() == pytest.approx(
        sklearn.metrics.average_precision_score(masks.ravel(), maps.ravel()), abs=1e-4
    )


@pytest.mark.parametrize("max_fpr", [0.05, 0.3, 1.0])
def test_aupro_of_continuous_scores_is_close_to_the_exact_one(continuous, max_fpr):
    maps, masks = continuous
    pixels = histogram_of(maps, masks, maps.min(), maps.max())
    assert pixels.aupro(max_fpr) == pytest.approx(exact_aupro(maps, masks, max_fpr), abs=1e-4)


def test_scores_in_bins_of_their_own_give_the_exact_metrics(tied):
    maps, masks = tied
    pixels = histogram_of(maps, masks, 0, 40, bins=40)
    assert pixels.auroc() == pytest.approx(
        sklearn.metrics.roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-12
    )
    assert pixels.average_precision() == pytest.approx(
        sklearn.metrics.average_precision_score(masks.ravel(), maps.ravel()), abs=1e-12
    )
    for max_fpr in (0.013, 0.3, 1.0):
        assert pixels.aupro(max_fpr) == pytest.approx(exact_aupro(maps, masks, max_fpr), abs=1e-12)


def test_each_region_counts_alike_however_large():
    anomaly_map, mask = np.zeros((10, 20)), np.zeros((10, 20), bool)
    mask[:8, :8] = mask[9, 19] = True
    anomaly_map[:8, :8] = 1.0  # the large region is found, the small one of a single pixel is not
    expected = 0.5 + 0.3 / 4  # from (0, 1/2) the tie of all else leads straight to (1, 1)
    assert histogram_of([anomaly_map], [mask], 0.0, 1.0).aupro(0.3) == pytest.approx(expected)


def test_pixels_that_touch_at_a_corner_are_one_region():
    anomaly_map, mask = np.zeros((6, 6)), np.zeros((6, 6), bool)
    mask[0, 0] = mask[1, 1] = mask[1, 2] = mask[1, 3] = True
    anomaly_map[0, 0] = 1.0
    at_zero_false_positives = histogram_of([anomaly_map], [mask], 0.0, 1.0).aupro(1e-9)
    assert at_zero_false_positives == pytest.approx(1 / 4)  # 1 / 2 if the corner parted them


def test_scores_beyond_the_range_count_at_its_ends():
    mask = np.array([[False, False, True, True]])
    inside = histogram_of([np.array([[0.0, 0.4, 0.3, 1.0]])], [mask], 0.0, 1.0)
    beyond = histogram_of([np.array([[-7.0, 0.4, 0.3, np.inf]])], [mask], 0.0, 1.0)
    assert beyond.auroc() == inside.auroc() == 0.75


def test_memory_layout_and_precision_of_the_map_do_not_matter(tied):
    maps, masks = tied
    plain = histogram_of(maps, masks, 0, 40, bins=40)
    turned = histogram_of([m.T.astype(np.float32) for m in maps], [m.T for m in masks], 0, 40, bins=40)
    assert (turned.auroc(), turned.aupro()) == pytest.approx((plain.auroc(), plain.aupro()), abs=1e-12)


def test_merged_histograms_equal_one_that_saw_all(continuous):
    maps, masks = continuous
    whole = histogram_of(maps, masks, -6.0, 6.0)
    first, second = histogram_of(maps[:2], masks[:2], -6.0, 6.0), histogram_of(maps[2:], masks[2:], -6.0, 6.0)
    first.merge(second)
    assert first.auroc() == whole.auroc()
    assert first.average_precision() == whole.average_precision()
    assert first.aupro() == pytest.approx(whole.aupro(), abs=1e-12)


def test_thresholds_are_right_to_one_bin(continuous):
    maps, masks = continuous
    cuts = histogram_of(maps, masks, -6.0, 6.0, bins=64).cuts()
    width = 12 / 64
    for threshold, false_reject in zip(cuts.threshold, cuts.false_reject, strict=True):
        good = maps[~masks]
        assert np.sum(good > threshold + width) <= false_reject <= np.sum(good > threshold - width)


def test_update_leaves_its_input_as_it_was(continuous):
    maps, masks = continuous[0].copy(), continuous[1].copy()
    histogram_of(maps, masks, -1.0, 1.0)
    np.testing.assert_array_equal(maps, continuous[0])
    np.testing.assert_array_equal(masks, continuous[1])


def test_pixels_of_one_class_cannot_be_ranked():
    good_only = histogram_of([np.zeros((2, 3))], [np.zeros((2, 3), bool)], 0.0, 1.0)
    defect_only = histogram_of([np.zeros((2, 3))], [np.ones((2, 3), bool)], 0.0, 1.0)
    for pixels, counts in [(good_only, "6 good and 0 defects"), (defect_only, "0 good and 6 defects")]:
        for metric in (pixels.auroc, pixels.average_precision, pixels.aupro):
            with pytest.raises(ValueError, match=counts):
                metric()


def test_input_that_cannot_be_counted_is_refused():
    pixels = PixelHistogram(0.0, 1.0)
    with pytest.raises(ValueError, match=r"must both be \(H, W\); got \(2, 3\) and \(3, 2\)"):
        pixels.update(np.zeros((2, 3)), np.zeros((3, 2), bool))
    with pytest.raises(ValueError, match="mask must be bool"):
        pixels.update(np.zeros((2, 3)), np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match="NaN"):
        pixels.update(np.array([[0.0, np.nan]]), np.zeros((1, 2), bool))
    with pytest.raises(ValueError, match="max_fpr"):
        pixels.aupro(0.0)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_range_that_is_none_is_refused(low, high):
    with pytest.raises(ValueError, match="low < high"):
        PixelHistogram(low, high)
