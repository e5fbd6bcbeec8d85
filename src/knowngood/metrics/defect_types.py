"""The samples that belong to one defect type."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def by_defect_type(defect: ArrayLike, defect_type: ArrayLike) -> dict[str, NDArray[np.bool_]]:
    """Select, for each defect type, the defects of that type together with all good samples.

    Args:
        defect: Labels (N,), bool, True = defect.
        defect_type: The type of each defect (N,), str; what stands at a good sample is not looked at.

    Returns:
        A selection (N,) for each defect type, in alphabetical order.

    Example:
        >>> from knowngood.metrics.ranking import auroc
        >>> defect = np.array([False, False, True, True])
        >>> scores = np.array([0.1, 0.4, 0.3, 0.9])
        >>> selections = by_defect_type(defect, ["", "", "scratch", "bent"])
        >>> {name: auroc(defect[chosen], scores[chosen]) for name, chosen in selections.items()}
        {'bent': 1.0, 'scratch': 0.5}
    """
    labels, types = np.asarray(defect, dtype=np.bool_), np.asarray(defect_type, dtype=np.str_)
    return {str(name): ~labels | (types == name) for name in np.unique(types[labels])}
