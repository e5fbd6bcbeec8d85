"""Pixel AUROC, pixel average precision and AUPRO of anomaly maps.

A test set has tens of millions of pixels, so they are counted in histograms, not kept: memory does not grow
with the number of images, and histograms filled apart can be merged.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.metrics.ranking import Cuts, counts_above


class PixelHistogram:
    """Numbers of good and defect pixels by score, in bins of equal width.

    Scores beyond the range count in the first or the last bin, and scores in one bin count as tied. Give the
    range of the maps at hand: with 65,536 bins over it the metrics are accurate to about four digits. The
    metrics raise a ValueError where no good or no defect pixel was counted.

    Args:
        low: Lower end of the range of scores, finite.
        high: Upper end of the range of scores, finite.
        bins: Number of bins.

    Example:
        >>> anomaly_map = np.array([[0.1, 0.2, 0.9], [0.1, 0.3, 0.8]])
        >>> mask = np.array([[False, False, True], [False, False, True]])
        >>> pixels = PixelHistogram(0.0, 1.0)
        >>> pixels.update(anomaly_map, mask)
        >>> pixels.auroc(), pixels.average_precision(), pixels.aupro()
        (1.0, 1.0, 1.0)
    """

    def __init__(self, low: float, high: float, bins: int = 2**16) -> None:
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"the range of scores must be finite, with low < high; got {low} and {high}")
        self.low, self.high, self.bins = float(low), float(high), bins
        self._good = np.zeros(bins, np.int64)
        self._defect = np.zeros(bins, np.int64)
        self._overlap = np.zeros(bins, np.float64)  # a defect pixel weighs 1 / area of its region
        self._regions = 0

    def update(self, anomaly_map: NDArray[np.floating], mask: NDArray[np.bool_]) -> None:
        """Count the pixels of one image.

        Args:
            anomaly_map: Scores (H, W), higher = more anomalous.
            mask: Ground truth (H, W), bool, True = defect; all False for a good image.
        """
        if anomaly_map.ndim != 2 or anomaly_map.shape != mask.shape:
            raise ValueError(
                f"anomaly map and mask must both be (H, W); got {anomaly_map.shape} and {mask.shape}"
            )
        if mask.dtype != np.bool_:
            raise ValueError(f"mask must be bool (True = defect); got {mask.dtype}")
        level = self._levels(anomaly_map)
        at_defect = level[mask]
        defect = np.bincount(at_defect, minlength=self.bins)
        self._good += np.bincount(level.ravel(), minlength=self.bins) - defect
        if at_defect.size == 0:
            return
        count, region, stats, _ = cv2.connectedComponentsWithStats(
            mask.astype(np.uint8, order="C"), connectivity=8
        )
        area = stats[:, cv2.CC_STAT_AREA]
        self._defect += defect
        self._overlap += np.bincount(at_defect, weights=1 / area[region[mask]], minlength=self.bins)
        self._regions += count - 1  # region 0 is the background

    def merge(self, other: PixelHistogram) -> None:
        """Add the pixels that another histogram with the same range and bins has counted.

        Example:
            >>> PixelHistogram(0.0, 1.0).merge(PixelHistogram(0.0, 2.0))
            Traceback (most recent call last):
            ValueError: only histograms alike can be merged; got (0.0, 1.0, 65536) and (0.0, 2.0, 65536)
        """
        mine, theirs = (self.low, self.high, self.bins), (other.low, other.high, other.bins)
        if mine != theirs:
            raise ValueError(f"only histograms alike can be merged; got {mine} and {theirs}")
        self._good += other._good
        self._defect += other._defect
        self._overlap += other._overlap
        self._regions += other._regions

    def cuts(self) -> Cuts:
        """Count the rejected pixels at every edge of a bin; the thresholds are exact to one bin."""
        edges = np.linspace(self.low, self.high, self.bins + 1)
        return Cuts(edges[::-1], counts_above(self._good), counts_above(self._defect))

    def auroc(self) -> float:
        """Return the probability that a defect pixel scores above a good one."""
        return self.cuts().auroc()

    def average_precision(self) -> float:
        """Return the area under the precision-recall curve of the pixels."""
        return self.cuts().average_precision()

    def aupro(self, max_fpr: float = 0.3) -> float:
        """Return the mean overlap with the defect regions, over false-positive rates up to a limit.

        A region is a set of defect pixels that touch (8-connected); each counts alike, however large.
        Neighbouring points of the curve are joined by a straight line, also across the limit.

        Reference: Bergmann et al., "The MVTec Anomaly Detection Dataset: A Comprehensive Real-World Dataset
        for Unsupervised Anomaly Detection", IJCV 2021, doi:10.1007/s11263-020-01400-4.

        Args:
            max_fpr: Limit of the share of good pixels above the threshold, in (0, 1].

        Returns:
            AUPRO divided by `max_fpr`, 0 to 1.
        """
        if not 0 < max_fpr <= 1:
            raise ValueError(f"max_fpr must be in (0, 1]; got {max_fpr}")
        fpr = self.cuts().false_reject_rate
        overlap = counts_above(self._overlap) / self._regions
        inside = fpr <= max_fpr
        x = np.append(fpr[inside], max_fpr)
        y = np.append(overlap[inside], np.interp(max_fpr, fpr, overlap))
        return float(np.trapezoid(y, x) / max_fpr)

    def _levels(self, anomaly_map: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the bin of each pixel (H, W)."""
        scaled = (anomaly_map - self.low) * (self.bins / (self.high - self.low))
        if np.isnan(scaled.max(initial=0)):
            raise ValueError("anomaly map has a NaN")
        return scaled.clip(0, self.bins - 1, out=scaled).astype(np.intp)
