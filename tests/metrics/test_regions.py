"""Pixel metrics against scikit-learn on the raw pixels; AUPRO, sPRO and AUPIMO against plain versions."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import sklearn.metrics

from knowngood.metrics.regions import PixelHistogram, Region


def exact_aupro(maps, masks, max_fpr):
    """The saturated overlap of connected regions whose saturation is their area."""
    regions = []
    for mask in masks:
        labels, count = scipy.ndimage.label(mask, structure=np.ones((3, 3)))
        of_image = [labels == region for region in range(1, count + 1)]
        regions.append([Region(pixels, pixels.sum()) for pixels in of_image])
    return exact_spro(maps, masks, regions, max_fpr)


def exact_spro(maps, masks, regions, max_fpr):
    """Integrate over every different score, region by region, as the definition reads."""
    scores, defect = np.concatenate([m.ravel() for m in maps]), np.concatenate([m.ravel() for m in masks])
    flat = [
        (anomaly_map[region.pixels], region.saturation)
        for anomaly_map, of_image in zip(maps, regions, strict=True)
        for region in of_image
    ]
    curve = [(0.0, 0.0)]
    for line in np.unique(scores)[::-1]:
        fpr = np.mean(scores[~defect] >= line)
        overlaps = [min(1, np.sum(region >= line) / saturation) for region, saturation in flat]
        curve.append((fpr, np.mean(overlaps)))
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


def test_f1_max_is_that_of_every_threshold(tied):
    maps, masks = tied
    precision, recall, lines = sklearn.metrics.precision_recall_curve(masks.ravel(), maps.ravel())
    f1 = 2 * precision * recall / (precision + recall)
    best, line = histogram_of(maps, masks, 0, 40, bins=40).f1_max()
    assert best == pytest.approx(f1.max(), abs=1e-12)
    assert line == pytest.approx(lines[f1.argmax()] - 0.5)  # the lower edge of its bin
    assert sklearn.metrics.f1_score(masks.ravel(), maps.ravel() > line) == pytest.approx(best, abs=1e-12)


# --- saturated overlap


def saturating(masks, rng):
    """Regions that overlap, of which some are saturated at a pixel, some in part and some never."""
    regions = []
    for mask in masks:
        both = [mask & (rng.random(mask.shape) < share) for share in (0.7, 0.7, 1.0)]
        saturations = (1, 0.37 * both[1].sum(), both[2].sum())
        regions.append(
            [
                Region(pixels, saturation)
                for pixels, saturation in zip(both, saturations, strict=True)
                if pixels.any()
            ]
        )
    return regions


@pytest.mark.parametrize("max_fpr", [0.013, 0.05, 0.3])
def test_spro_is_the_exact_one(tied, max_fpr):
    maps, masks = tied
    regions = saturating(masks, np.random.default_rng(3))
    pixels = PixelHistogram(0, 40, bins=40)
    for one in zip(maps, masks, regions, strict=True):
        pixels.update(*one)
    assert pixels.spro(max_fpr) == pytest.approx(exact_spro(maps, masks, regions, max_fpr), abs=1e-12)
    assert pixels.aupro(max_fpr) == pytest.approx(exact_aupro(maps, masks, max_fpr), abs=1e-12)


def test_spro_without_regions_is_aupro(continuous):
    pixels = histogram_of(*continuous, -6.0, 6.0)
    assert pixels.spro(0.05) == pixels.aupro(0.05)


def test_more_than_the_saturation_counts_no_more():
    """Half of a region is found before anything else: enough if half saturates it."""
    anomaly_map, mask = np.zeros((10, 20)), np.zeros((10, 20), bool)
    mask[:4, :10] = True
    anomaly_map[:2, :10] = 1.0
    for saturation, expected in ((20, 1.0), (10, 1.0), (1e6, 0.5)):
        pixels = PixelHistogram(0.0, 1.0)
        pixels.update(anomaly_map, mask, [Region(mask, saturation)])
        assert pixels.spro(1e-9) == pytest.approx(expected)


# --- thresholds that good images hardly exceed


def exact_aupimo(maps, masks, low, high, steps=200_001):
    """Average the recall of each image over rates in log scale, each rate read between its neighbours."""
    good = [anomaly_map.ravel() for anomaly_map, mask in zip(maps, masks, strict=True) if not mask.any()]
    bad = [anomaly_map[mask] for anomaly_map, mask in zip(maps, masks, strict=True) if mask.any()]
    lines = np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]
    rates = np.array([np.mean([np.mean(one >= line) for one in good]) for line in lines])
    recalls = np.array([np.mean([np.mean(one >= line) for one in bad]) for line in lines])
    first = np.searchsorted(rates, 0, side="right")
    grid = np.linspace(np.log(low), np.log(high), steps)
    x, y = np.log(rates[first:]), recalls[first:]
    if x[0] > grid[0]:
        x, y = np.append(grid[0], x), np.append(recalls[first - 1] if first else 0.0, y)
    return np.interp(grid, x, y).mean()


@pytest.mark.parametrize(("low", "high"), [(0.003, 0.03), (0.0021, 0.5), (0.05, 0.06)])
def test_aupimo_is_the_exact_one(tied, low, high):
    """Images of two sizes: each good image has its own rate, and each defect image its own recall."""
    maps, masks = [*tied[0], np.flip(tied[0][4, :10, :10])], [*tied[1], np.zeros((10, 10), bool)]
    found = histogram_of(maps, masks, 0, 40, bins=40).aupimo(low, high)
    assert found == pytest.approx(exact_aupimo(maps, masks, low, high), abs=1e-5)


def test_aupimo_needs_no_threshold_above_every_good_pixel():
    """A defect above all good pixels is found at any rate, one below 99 % of them at none."""
    maps, mask = np.linspace(0, 1, 40_000).reshape(4, 100, 100), np.zeros((100, 100), bool)
    mask[:50] = True
    found, missed = PixelHistogram(0.0, 2.0), PixelHistogram(0.0, 2.0)
    for pixels, defect in ((found, 2.0), (missed, 0.01)):
        for one in maps:
            pixels.update(one, np.zeros((100, 100), bool))
        pixels.update(np.where(mask, defect, 0.0), mask)
    assert (found.aupimo(1e-4, 1e-3), missed.aupimo(1e-4, 1e-3)) == (1.0, 0.0)


def test_pixels_beside_a_defect_do_not_set_the_thresholds_of_aupimo():
    rng, mask = np.random.default_rng(5), np.zeros((100, 100), bool)
    mask[40:60, 40:60] = True
    plain, haloed = PixelHistogram(-6.0, 9.0), PixelHistogram(-6.0, 9.0)
    good, bad = rng.normal(size=(2, 100, 100))
    for pixels, halo in ((plain, 0.0), (haloed, 6.0)):
        pixels.update(good, np.zeros((100, 100), bool))
        pixels.update(np.where(mask, bad + 3, bad + halo), mask)
    assert haloed.auroc() < 0.6 < plain.auroc()
    assert haloed.aupimo(1e-4, 1e-2) == plain.aupimo(1e-4, 1e-2) > 0.1


def test_aupimo_needs_as_many_pixels_as_its_limit_is_small(tied):
    pixels = histogram_of(*tied, 0, 40, bins=40)
    with pytest.raises(ValueError, match="needs defects, and 100,000 pixels of good images; these are 480"):
        pixels.aupimo()
    for low, high in ((0.0, 0.5), (0.5, 0.1), (0.1, 2.0)):
        with pytest.raises(ValueError, match="the lower first"):
            pixels.aupimo(low, high)


# --- regions, ranges and input


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
    assert first.spro() == pytest.approx(whole.spro(), abs=1e-12)
    assert first.aupimo(0.01, 0.1) == pytest.approx(whole.aupimo(0.01, 0.1), abs=1e-12)


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
