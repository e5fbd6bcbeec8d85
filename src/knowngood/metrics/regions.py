"""AUROC, average precision, F1-max, AUPRO, sPRO and AUPIMO of the pixels of anomaly maps.

A test set has tens of millions of pixels, so they are counted in histograms, not kept: memory does not grow
with the number of images, and histograms filled apart can be merged. Each metric is read from one or two of
them, for each is a sum over pixels: in a mean over regions, or over images, a defect pixel weighs one over
the number of pixels that it shares a region or an image with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.metrics.ranking import Cuts, counts_above


class Region(NamedTuple):
    """One defect, and how much of it must be found for it to count as found.

    Args:
        pixels: Its pixels, bool (H, W), one at least.
        saturation: Number of pixels, above 0, from which on more of them count no more; as many as it has, or
            more, for its whole area.
    """

    pixels: NDArray[np.bool_]
    saturation: float


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
        >>> pixels.auroc(), pixels.average_precision(), pixels.aupro(), pixels.spro()
        (1.0, 1.0, 1.0, 1.0)
    """

    def __init__(self, low: float, high: float, bins: int = 2**16) -> None:
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"the range of scores must be finite, with low < high; got {low} and {high}")
        self.low, self.high, self.bins = float(low), float(high), bins
        self._good = np.zeros(bins, np.int64)
        self._defect = np.zeros(bins, np.int64)
        self._overlap = np.zeros(bins, np.float64)  # a defect pixel weighs 1 / area of its region
        self._saturated = np.zeros(bins, np.float64)  # the highest of a region weigh 1 / its saturation
        self._of_image = np.zeros(bins, np.float64)  # a defect pixel weighs 1 / defect pixels of its image
        self._of_good = np.zeros(bins, np.float64)  # a pixel of a good image weighs 1 / pixels of its image
        self._regions = self._saturating = self._defects = self._goods = self._good_pixels = 0

    def update(
        self,
        anomaly_map: NDArray[np.floating],
        mask: NDArray[np.bool_],
        regions: Sequence[Region] | None = None,
    ) -> None:
        """Count the pixels of one image.

        Args:
            anomaly_map: Scores (H, W), higher = more anomalous.
            mask: Ground truth (H, W), bool, True = defect; all False for a good image.
            regions: The defects that sPRO counts, which may overlap; None for those of AUPRO, each with its
                area as saturation.
        """
        if anomaly_map.ndim != 2 or anomaly_map.shape != mask.shape:
            raise ValueError(
                f"anomaly map and mask must both be (H, W); got {anomaly_map.shape} and {mask.shape}"
            )
        if mask.dtype != np.bool_:
            raise ValueError(f"mask must be bool (True = defect); got {mask.dtype}")
        level = self._levels(anomaly_map)
        counts = np.bincount(level.ravel(), minlength=self.bins)
        at_defect = level[mask]
        if at_defect.size == 0:
            self._good += counts
            self._of_good += counts / level.size
            self._goods += 1
            self._good_pixels += level.size
            return
        defect = np.bincount(at_defect, minlength=self.bins)
        self._good += counts - defect
        self._defect += defect
        self._of_image += defect / at_defect.size
        self._defects += 1
        count, region, stats, _ = cv2.connectedComponentsWithStats(
            mask.astype(np.uint8, order="C"), connectivity=8
        )
        overlap = self._weighted(at_defect, 1 / stats[:, cv2.CC_STAT_AREA][region[mask]])
        self._overlap += overlap
        self._regions += count - 1  # region 0 is the background
        if regions is None:
            self._saturated += overlap
            self._saturating += count - 1
        for pixels, saturation in regions or ():
            self._saturated += self._highest(level[pixels], saturation)
            self._saturating += 1

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
        for name in vars(self).keys() - {"low", "high", "bins"}:
            setattr(self, name, getattr(self, name) + getattr(other, name))

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

    def f1_max(self) -> tuple[float, float]:
        """Return the best F1 of any threshold, and the highest threshold that reaches it, to one bin."""
        cuts = self.cuts()
        best = np.argmax(cuts.f1)
        return float(cuts.f1[best]), float(cuts.threshold[best])

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
        return self._area(counts_above(self._overlap) / max(self._regions, 1), max_fpr)

    def spro(self, max_fpr: float = 0.05) -> float:
        """Return the mean saturated overlap with the regions, over false-positive rates up to a limit.

        The overlap of a region with P pixels above the threshold is P divided by its saturation, and 1 at
        most: of a part that is missing, it may do to mark some of the place where it should be.

        Reference: Bergmann et al., "Beyond Dents and Scratches: Logical Constraints in Unsupervised Anomaly
        Detection and Localization", IJCV 2022, doi:10.1007/s11263-022-01578-9.

        Args:
            max_fpr: Limit of the share of good pixels above the threshold, in (0, 1].

        Returns:
            The area under sPRO divided by `max_fpr`, 0 to 1.
        """
        return self._area(counts_above(self._saturated) / max(self._saturating, 1), max_fpr)

    def aupimo(self, low: float = 1e-5, high: float = 1e-4) -> float:
        """Return the mean recall of an image's defect pixels at thresholds that good images hardly exceed.

        The mean is over the logarithm of the false-positive rate between two limits, and then over the images
        with defects; the rate is the mean, over the good images alone, of the share of their pixels above the
        threshold. Neighbouring points of the curve are joined by a straight line; where no other rate is as
        low as the lower limit, the rate 0 counts as that limit.

        Reference: Bertoldo et al., "AUPIMO: Redefining Visual Anomaly Detection Benchmarks with High Speed
        and Low Tolerance", arXiv:2401.01984.

        Args:
            low: The lower limit of the false-positive rate, above 0.
            high: The upper limit, at most 1.

        Returns:
            AUPIMO, 0 to 1.

        Raises:
            ValueError: Good images have fewer pixels than one over the lower limit, or there is no defect.
        """
        if not 0 < low < high <= 1:
            raise ValueError(f"the limits must be in (0, 1], the lower first; got {low} and {high}")
        if self._good_pixels < round(1 / low) or not self._defects:
            raise ValueError(
                f"AUPIMO needs defects, and {1 / low:,.0f} pixels of good images; these are "
                f"{self._good_pixels:,}"
            )
        rate, recall = counts_above(self._of_good) / self._goods, counts_above(self._of_image) / self._defects
        begin = np.flatnonzero(rate == 0)[-1]  # the lowest threshold that no good pixel exceeds
        x, y = np.log(rate[begin + 1 :]), recall[begin + 1 :]
        limits = np.log([low, high])
        inside = (limits[0] < x) & (x < limits[1])
        edges = np.interp(limits, x, y, left=recall[begin])
        curve = np.concatenate([edges[:1], y[inside], edges[1:]])
        area = np.trapezoid(curve, np.concatenate([limits[:1], x[inside], limits[1:]]))
        return float(area / (limits[1] - limits[0]))

    def _area(self, overlap: NDArray[np.float64], max_fpr: float) -> float:
        """Return the mean of an overlap (bins + 1,) over false-positive rates up to a limit."""
        if not 0 < max_fpr <= 1:
            raise ValueError(f"max_fpr must be in (0, 1]; got {max_fpr}")
        fpr = self.cuts().false_reject_rate
        inside = fpr <= max_fpr
        x = np.append(fpr[inside], max_fpr)
        y = np.append(overlap[inside], np.interp(max_fpr, fpr, overlap))
        return float(np.trapezoid(y, x) / max_fpr)

    def _weighted(self, level: NDArray[np.intp], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum the weights (n,) of pixels by their bins (n,)."""
        return np.bincount(level, weights=weight, minlength=self.bins).astype(np.float64, copy=False)

    def _highest(self, level: NDArray[np.intp], saturation: float) -> NDArray[np.float64]:
        """Weigh pixels of a region, given by their bins (n,), so that the highest add up to 1.

        Above each threshold, the sum of weights is then the number of pixels over the saturation, 1 at most.
        """
        most = min(saturation, level.size)
        weight = np.clip(most - np.arange(level.size), 0, 1) / most  # the last may count in part
        return self._weighted(np.sort(level)[::-1], weight)

    def _levels(self, anomaly_map: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the bin of each pixel (H, W)."""
        scaled = (anomaly_map - self.low) * (self.bins / (self.high - self.low))
        if np.isnan(scaled.max(initial=0)):
            raise ValueError("anomaly map has a NaN")
        return scaled.clip(0, self.bins - 1, out=scaled).astype(np.intp)
