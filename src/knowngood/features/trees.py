"""Gradient-boosted trees: learned by XGBoost, computed as tensors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.errors import RecipeError

DEEPEST = 10  # the most splits on the way to a leaf: each further one doubles the tables
THREADS = 2  # threads that train: the same everywhere, because sums in another order may give other trees


class Forest(nn.Module):
    """Gradient-boosted trees as tensors: the margin of each class, as XGBoost gives it.

    XGBoost is that of Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System", arXiv:1603.02754. Each
    tree is filled up to the depth of the deepest, so that all of them are evaluated at once, with the same
    few operations per level, after Nakandala et al., "A Tensor Compiler for Unified Machine Learning
    Prediction Serving", arXiv:2010.04804, without its matrix products.

    Args:
        columns: The column of each split, `(T, 2**depth)`, for trees in order of class, as many for each.
            After the split in place `i` come those in places `2 * i` and `2 * i + 1`; the first one is in
            place 1, and place 0 is not used.
        thresholds: The number below which a split leads to the former, `(T, 2**depth)`.
        leaves: Each tree's contributions to its class's margin, `(T, 2**depth)`.
        base: The margins without any tree, `(C,)`; one alone is that of the second of two classes.
    """

    columns: Tensor
    thresholds: Tensor
    leaves: Tensor
    base: Tensor
    starts: Tensor

    def __init__(self, columns: Tensor, thresholds: Tensor, leaves: Tensor, base: Tensor) -> None:
        super().__init__()
        trees, width = columns.shape
        self.depth = width.bit_length() - 1
        self.register_buffer("columns", columns.flatten())
        self.register_buffer("thresholds", thresholds.flatten())
        self.register_buffer("leaves", leaves.flatten())
        self.register_buffer("base", base)
        self.register_buffer("starts", width * torch.arange(trees)[None])

    @classmethod
    def from_json(cls, content: bytes) -> Forest:
        """Build the trees from XGBoost's JSON of a model for `binary:logistic` or `multi:softprob`."""
        learner = json.loads(content)["learner"]
        model, parameters = learner["gradient_booster"]["model"], learner["learner_model_param"]
        classes = max(int(parameters["num_class"]), 1)  # of two classes, one has trees
        order = np.argsort(model["tree_info"], kind="stable")
        columns, thresholds, leaves = (torch.from_numpy(table[order]) for table in _fill(model["trees"]))
        return cls(columns, thresholds, leaves, torch.from_numpy(_base(parameters["base_score"], classes)))

    def forward(self, features: Tensor) -> Tensor:
        """Margins `(N, C)` of features `(N, D)`, float32 and finite; the first of two classes has 0."""
        place = (self.starts + 1).expand(features.shape[0], -1)  # (N, T)
        for _ in range(self.depth):
            values = features.gather(1, self.columns[place])
            place = 2 * place - self.starts + (values >= self.thresholds[place]).long()
        leaves = self.leaves[place - 2**self.depth]
        classes = len(self.base)
        margins = leaves.reshape(-1, classes, leaves.shape[1] // classes).sum(dim=2) + self.base
        return margins if classes > 1 else torch.cat([torch.zeros_like(margins), margins], dim=1)


def boost(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    *,
    weights: NDArray[np.float32],
    rounds: int,
    depth: int,
    learning_rate: float,
) -> bytes:
    """Train gradient-boosted trees with XGBoost, from histograms of the features.

    Each threshold is then moved midway between the two features that it separates. XGBoost puts it on the
    upper one, so that the rounding of another engine would send samples the other way.

    Features `(N, D)` are finite; labels and weights are `(N,)`. Of two classes, one has trees: one per round.

    Returns:
        XGBoost's own JSON, for `Forest.from_json`.

    Raises:
        RecipeError: The depth is out of range.

    Example:
        >>> values = np.arange(20, dtype=np.float32)[:, None]
        >>> known = {"labels": np.arange(20) // 10, "classes": 2, "weights": np.ones(20, np.float32)}
        >>> trees = boost(values, **known, rounds=5, depth=1, learning_rate=0.3)
        >>> Forest.from_json(trees)(torch.tensor([[9.0], [10.0]])).argmax(dim=1).tolist()
        [0, 1]
    """
    if not 1 <= depth <= DEEPEST:
        raise RecipeError(f"depth={depth} of boosted trees must be from 1 to {DEEPEST}")
    import xgboost  # imported here: it takes a second, and only training needs it

    options = {"tree_method": "hist", "max_depth": depth, "learning_rate": learning_rate, "nthread": THREADS}
    if classes == 2:
        options |= {"objective": "binary:logistic", "eval_metric": "logloss"}
    else:
        options |= {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": classes}
    table = xgboost.DMatrix(features, label=labels, weight=weights, nthread=THREADS)
    booster = xgboost.train(options, table, num_boost_round=rounds)
    return _midway(booster.save_raw("json"), features)


def _midway(content: bytes | bytearray, features: NDArray[np.float32]) -> bytes:
    """Move each threshold in XGBoost's JSON midway between the features `(N, D)` that it separates."""
    model = json.loads(content)
    values = [np.unique(column) for column in features.T]
    for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
        thresholds = tree["split_conditions"]
        for node, (left, column) in enumerate(zip(tree["left_children"], tree["split_indices"], strict=True)):
            known = values[column]
            upper = int(np.searchsorted(known, np.float32(thresholds[node])))
            if left != -1 and 0 < upper < len(known):
                middle = np.float32((float(known[upper - 1]) + float(known[upper])) / 2)
                # Between neighbours in float32 there is nothing.
                chosen = middle if middle > known[upper - 1] else known[upper]
                thresholds[node] = float(str(chosen))  # as few digits as float32 needs
    return json.dumps(model).encode()


def _base(score: str, classes: int) -> NDArray[np.float32]:
    """Read the margins without any tree, from a number or, since XGBoost 3.1, a list of them."""
    scores = np.atleast_1d(json.loads(score)).astype(np.float32)
    if classes == 1:
        # A probability; 0 and 1 are excluded as XGBoost does it, in float32.
        one = np.float32(1)
        scores = -np.log(one / np.clip(scores, np.float32(1e-6), one - np.float32(1e-6)) - one)
    return np.array(np.broadcast_to(scores, classes))


def _fill(trees: list[dict[str, Any]]) -> tuple[NDArray[Any], ...]:
    """Fill trees up to the depth of the deepest, as the columns, thresholds and leaves of `Forest`."""
    left, right, column, value = (
        np.concatenate([tree[key] for tree in trees])
        for key in ("left_children", "right_children", "split_indices", "split_conditions")
    )
    sizes = np.array([len(tree["left_children"]) for tree in trees])
    roots = np.cumsum(sizes) - sizes
    first = np.repeat(roots, sizes)
    value = value.astype(np.float32)
    splits = left != -1
    nodes = roots[:, None]  # (T, 1), then twice as many a level
    columns = [np.zeros_like(nodes)]
    thresholds = [np.zeros(nodes.shape, np.float32)]
    while splits[nodes].any():
        columns.append(np.where(splits[nodes], column[nodes], 0))
        thresholds.append(np.where(splits[nodes], value[nodes], np.float32(0)))
        # Below a leaf both ways lead to it again.
        ways = [np.where(splits[nodes], child[nodes] + first[nodes], nodes) for child in (left, right)]
        nodes = np.stack(ways, axis=2).reshape(len(sizes), -1)
    return np.concatenate(columns, axis=1), np.concatenate(thresholds, axis=1), value[nodes]
