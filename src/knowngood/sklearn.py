"""An anomaly detector as an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from knowngood.data.held import list_sources
from knowngood.errors import DataError
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import MAX_FALSE_REJECT
from knowngood.inspector.threshold import threshold_at
from knowngood.types import silent

if TYPE_CHECKING:
    from knowngood.data.arguments import Images
    from knowngood.detectors.base import Detector

_SEEDS = 2**31 - 1


class InspectorDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """An outlier detector of images, with scikit-learn's conventions: outliers have low scores, and are -1.

    Wherever `X` is an argument, it holds images in any form that `knowngood.fit` takes; an array is a batch,
    `(N, H, W)`, `(N, H, W, 3)` or `(N, H, W, 4)` of uint8 or uint16. Arrays and lists can be divided by
    scikit-learn, as in a grid search; give it a `StratifiedKFold`, or a fold may have no defect to score by.

    Args:
        detector: A name in `knowngood.detectors.DETECTORS`, or a recipe.
        max_false_reject: The share of good images below zero in `decision_function` that is aimed for; see
            `knowngood.threshold_at`.
        random_state: A seed, or a state of numpy's or None to draw one from.
        device: `auto`, `cpu` or `cuda`.
        settings: Settings of the detector, and `geometry`, `tiles`, `detail` and `smallest_defect` of
            `knowngood.fit`, which are parameters of this estimator too: a grid may have them.

    Attributes:
        inspector_: The inspector, which can be saved as any other.
        offset_: The threshold, negative: `decision_function` is `score_samples` minus this.

    Example::

        detector = InspectorDetector("gaussian", input_size=128).fit(good)
        detector.predict(photographs)    # 1 for good parts, -1 for all others
    """

    inspector_: Inspector
    offset_: float

    def __init__(
        self,
        detector: str | Detector = "patchcore",
        *,
        max_false_reject: float = MAX_FALSE_REJECT,
        random_state: Any = 0,
        device: str = "auto",
        **settings: Any,
    ) -> None:
        self.detector = detector
        self.max_false_reject = max_false_reject
        self.random_state = random_state
        self.device = device
        self.set_params(**settings)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters, with those settings of the detector that were given."""
        return {**super().get_params(deep=deep), **self._settings}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and settings of the detector, which `fit` checks."""
        for name, value in params.items():
            setattr(self, name, value)
        return self

    @property
    def _settings(self) -> dict[str, Any]:
        """The settings that were given."""
        own = self._get_param_names()
        return {
            name: value
            for name, value in vars(self).items()
            if name not in own and not name.startswith("_") and not name.endswith("_")
        }

    def fit(self, X: Images, y: Iterable[Any] | None = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn from the good images among some.

        Args:
            X: The images.
            y: 1 for each good image and -1 for each defect, as `predict` returns; defects are left out, so
                that a search may score with them. Without it, all images are good.

        Raises:
            KnowngoodError: `knowngood.fit` or `knowngood.threshold_at` raises it, or `y` holds other numbers.
        """
        images = list_sources(X)
        if y is not None:
            images = [image for image, good in zip(images, _good(y, len(images)), strict=True) if good]
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(_SEEDS)
        inspector = fit(
            images, self.detector, seed=int(seed), device=self.device, progress=silent, **self._settings
        )
        self.inspector_ = threshold_at(inspector, self.max_false_reject)
        self.offset_ = -self.inspector_.threshold.value
        return self

    def score_samples(self, X: Images) -> NDArray[np.float64]:  # noqa: N803
        """Return the negative score of each image, float64 `(N,)`: the lower, the more anomalous."""
        check_is_fitted(self)
        return np.array([-verdict.score for verdict in self.inspector_.stream(list_sources(X))], np.float64)

    def decision_function(self, X: Images) -> NDArray[np.float64]:  # noqa: N803
        """Return the score of each image beyond the threshold, float64 `(N,)`: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Images) -> NDArray[np.int64]:  # noqa: N803
        """Return -1 for each image that the inspector rejects, and 1 for each other one, int64 `(N,)`."""
        return np.where(self.decision_function(X) < 0, -1, 1).astype(np.int64)

    def __sklearn_tags__(self) -> Any:
        """Say what goes in: images, not rows of features."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        tags.no_validation = True
        return tags


def _good(y: Iterable[Any], count: int) -> NDArray[np.bool_]:
    """Whether each of some images is good, bool `(N,)`.

    Raises:
        DataError: There are more or fewer numbers than images, or other numbers than 1 and -1.
    """
    labels: NDArray[Any] = np.asarray(list(y))
    if labels.shape != (count,) or not np.isin(labels, (-1, 1)).all():
        raise DataError(f"y must hold 1 (good) or -1 (defect) for each of the {count} images")
    good: NDArray[np.bool_] = labels == 1
    return good
