"""The look of all figures, and the two that every report shows, as SVG.

Drawn on ``Figure`` objects, never through pyplot: no window system and no global list of figures is involved.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from knowngood.metrics.ranking import roc_curve

GOOD = "#e08214"
DEFECT = "#2166ac"
INK = "#333a45"
FAINT = "#98a1ae"

_SIZE = (5.2, 3.1)  # inches: two stand side by side on the page
_BINS = 36
_DPI = (
    130  # of images: the page is shown somewhat smaller than it is drawn, on screens that are somewhat finer
)
_PNG = re.compile(rb"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
_STYLE: dict[Any, Any] = {
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9.5,
    "svg.fonttype": "none",  # text stays text: small, crisp, searchable
    "pdf.fonttype": 42,
    "svg.hashsalt": "knowngood",  # the same evaluation gives the same bytes
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called a$b$
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save in the report's own style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def svg(figure: Figure) -> bytes:
    """Save a figure as SVG without a date; text stays text, and photographs in it become JPEG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True, dpi=_DPI)
    return _PNG.sub(lambda found: _smaller(found[1]), buffer.getvalue())


def _smaller(png: bytes) -> bytes:
    """The data URI of an image: as JPEG where that is smaller, on white where it is transparent."""
    pixels = cv2.imdecode(np.frombuffer(b64decode(png), np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        opaque = pixels[..., 3:] / 255
        pixels = np.rint(pixels[..., :3] * opaque + 255 * (1 - opaque)).astype(np.uint8)
    jpeg = b64encode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())
    return b"data:image/png;base64," + png if len(png) <= len(jpeg) else b"data:image/jpeg;base64," + jpeg


def histogram_range(scores: NDArray[np.float64], threshold: float) -> tuple[float, float]:
    """Choose the part of the score axis that a reader needs.

    Scores have no upper bound, so one gross defect could push everything else into a single bar. The axis
    ends where the threshold stands at a quarter of its length, at the latest.

    Args:
        scores: Image scores (N,), infinite ones allowed.
        threshold: The score above which a part is rejected, finite.

    Returns:
        The least and the greatest score on the axis.

    Example:
        >>> low, high = histogram_range(np.array([1.0, 2.0, 900.0]), threshold=3.0)
        >>> float(low), float(high)
        (1.0, 9.0)
    """
    finite = np.append(scores[np.isfinite(scores)], threshold)
    low, high = float(finite.min()), float(finite.max())
    if low < threshold:
        high = min(high, low + 4 * (threshold - low))
    return low, high


def score_histogram(
    good: NDArray[np.float64], defect: NDArray[np.float64], held_out: NDArray[np.float64], threshold: float
) -> bytes:
    """Draw how the image scores of good parts and of defects are spread, and where the threshold lies.

    Each group is drawn as a share of its own images, so that 213 good parts and 4 defects can be compared.
    Scores beyond the axis (see `histogram_range`) are counted in its last bar.

    Args:
        good: Image scores of good parts (N,), may be empty.
        defect: Image scores of defects (M,), may be empty.
        held_out: Scores of the held-out good images that set the threshold (K,), may be empty.
        threshold: The score above which a part is rejected, finite.

    Returns:
        An SVG document.

    Example:
        >>> drawn = score_histogram(np.array([1.0, 2.0]), np.array([4.0]), np.array([1.5]), threshold=3.0)
        >>> b"</svg>" in drawn
        True
    """
    everything = np.concatenate([good, defect, held_out])
    low, high = histogram_range(everything, threshold)
    edges = np.histogram_bin_edges(np.array([low, high]), bins=_BINS)

    def shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        counts, _ = np.histogram(np.clip(scores, low, high), edges)
        return 100 * counts / len(scores)

    with style():
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        for scores, name, colour in ((good, "good", GOOD), (defect, "defect", DEFECT)):
            if len(scores):
                label = f"{name} ({len(scores)})"
                axes.stairs(shares(scores), edges, fill=True, color=colour, alpha=0.72, label=label)
        if len(held_out):
            axes.stairs(shares(held_out), edges, color=FAINT, label=f"held-out good ({len(held_out)})")
        axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="--", label=f"threshold {threshold:.4g}")
        beyond = np.count_nonzero(everything > high)
        axes.set_xlabel("image score" + (f" (last bar: {beyond} beyond {high:.3g})" if beyond else ""))
        axes.set_ylabel("share of the group, %")
        axes.locator_params(axis="y", nbins=5)
        axes.legend(fontsize=8.5, handlelength=1.4)
        return svg(figure)


def roc(
    defect: NDArray[np.bool_], scores: NDArray[np.float64], operating_point: tuple[float, float]
) -> bytes:
    """Draw the ROC curve: defects found against good parts rejected, over all thresholds.

    Args:
        defect: Whether each part is a defect, bool (N,); both kinds must be there.
        scores: Image scores (N,).
        operating_point: False-reject rate and share of defects found at the threshold in use, both in [0, 1].

    Returns:
        An SVG document.

    Raises:
        ValueError: There are no good parts, or no defects.

    Example:
        >>> drawn = roc(np.array([False, True]), np.array([1.0, 2.0]), operating_point=(0.0, 1.0))
        >>> b"</svg>" in drawn
        True
    """
    false_rejects, found, _ = roc_curve(defect, scores)
    with style():
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 100], [0, 100], color=FAINT, linewidth=1.0, linestyle=(0, (2, 2)), label="by chance")
        axes.plot(
            100 * false_rejects,
            100 * found,
            color=DEFECT,
            linewidth=1.8,
            label="this inspector",
            clip_on=False,
        )
        x, y = 100 * operating_point[0], 100 * operating_point[1]
        axes.plot(
            x, y, "o", color=INK, markersize=6, label="at the threshold", clip_on=False, linestyle="none"
        )
        axes.set(xlim=(0, 100), ylim=(0, 102), xlabel="good parts rejected, %", ylabel="defects found, %")
        axes.legend(loc="lower right", fontsize=8.5)
        return svg(figure)
