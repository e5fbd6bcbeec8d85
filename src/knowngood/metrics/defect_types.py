"""The samples that belong to one defect type."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def by_defect_type(defect: ArrayLike, defect_type: ArrayLike) -> dict[str, NDArray[np.bool_]]:
    """Select, per defect type, the defects of that type together with all good samples.

    Args:
        defect: Labels (N,), bool, True = defect.
        defect_type: The type of each defect (N,), str; the values at good samples are ignored.

    Returns:
        A selection (N,) per defect type, in alphabetical order.

    Example:
        >>> selections = by_defect_type([False, True, True], ["", "scratch", "bent"])
        >>> {name: chosen.tolist() for name, chosen in selections.items()}
        {'bent': [True, False, True], 'scratch': [True, True, False]}
    """
    labels, types = np.asarray(defect, dtype=np.bool_), np.asarray(defect_type, dtype=np.str_)
    return {str(name): ~labels | (types == name) for name in np.unique(types[labels])}
