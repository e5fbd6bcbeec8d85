"""Gradient-boosted trees: learned by XGBoost, computed as tensors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.errors import RecipeError

DEEPEST = 10
"""The most splits on the way to a leaf: each further one doubles the tables."""

THREADS = 2
"""How many threads learn: the same everywhere, because sums in another order may give other trees."""

_UNUSABLE = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


class Forest(nn.Module):
    """Gradient-boosted trees as tensors: the margin of each class, as XGBoost gives it.

    XGBoost is that of Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System", arXiv:1603.02754. Each
    tree is filled up to the depth of the deepest, so that all of them are walked at once, with the same few
    operations a level: the first strategy for shallow trees in Nakandala et al., "A Tensor Compiler for
    Unified Machine Learning Prediction Serving", arXiv:2010.04804, without its matrix products.

    Args:
        columns: The column that each split looks at, int64 `(T, 2**depth)`, for trees in order of class, as
            many for each. Behind the split in place `i` follow those in places `2 * i` and `2 * i + 1`; the
            first one is in place 1, and place 0 is not used.
        thresholds: Below which number a split turns to the former, float32 `(T, 2**depth)`.
        leaves: What each tree adds to its class's margin, float32 `(T, 2**depth)`.
        base: The margins without any tree, float32 `(C,)`; one alone is that of the second of two classes.
    """

    def __init__(self, columns: Tensor, thresholds: Tensor, leaves: Tensor, base: Tensor) -> None:
        super().__init__()
        self.columns: Tensor
        self.thresholds: Tensor
        self.leaves: Tensor
        self.base: Tensor
        self.starts: Tensor
        trees, width = columns.shape
        self.depth = width.bit_length() - 1
        self.register_buffer("columns", columns.flatten())
        self.register_buffer("thresholds", thresholds.flatten())
        self.register_buffer("leaves", leaves.flatten())
        self.register_buffer("base", base)
        self.register_buffer("starts", width * torch.arange(trees)[None])

    @classmethod
    def from_json(cls, content: bytes) -> Forest:
        """Build the trees from what `Booster.save_raw("json")` of XGBoost gives. Nothing in it is run.

        Args:
            content: A model for `binary:logistic` or `multi:softprob`, of trees with numeric splits.

        Raises:
            ValueError: It is damaged, or a model of another kind.
        """
        try:
            learner = json.loads(content)["learner"]
            model, classes = _model(learner)
            number = _numbers([model["tree_info"]], whole=True)
            order = np.argsort(number, kind="stable")
            share = len(number) // classes
            if share == 0 or not np.array_equal(number[order], np.repeat(np.arange(classes), share)):
                raise ValueError("its classes have not the same number of trees")
            features = int(learner["learner_model_param"]["num_feature"])
            tables = _unrolled(model["trees"], features)
            if len(tables[0]) != len(number):
                raise ValueError("it has not one class for each tree")
            base = _base(learner["learner_model_param"]["base_score"], classes)
        except _UNUSABLE as error:
            raise ValueError(f"these are not trees of XGBoost that can be used: {error}") from error
        columns, thresholds, leaves = (torch.from_numpy(table[order]) for table in tables)
        return cls(columns, thresholds, leaves, torch.from_numpy(base))

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
    """Learn gradient-boosted trees with XGBoost, from histograms of the features.

    Each threshold is then moved midway between the two features that it parts. XGBoost puts it on the upper
    one, so that the rounding of another engine would send samples the other way.

    Args:
        features: One row a sample, `(N, D)`, finite.
        labels: The samples' classes, `(N,)`, from 0 to `classes - 1`.
        classes: How many there are, at least 2.
        weights: How much each sample counts, `(N,)`.
        rounds: How many trees a class gets; of two classes, one gets them.
        depth: Splits on the way to a leaf, from 1 to 10.
        learning_rate: The share of its own best answer that a tree gives.

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
    import xgboost  # imported here: it takes a second, and only learning needs it

    kind: dict[str, Any] = {"objective": "binary:logistic", "eval_metric": "logloss"}
    if classes > 2:
        kind = {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": classes}
    options = {
        **kind,
        "tree_method": "hist",
        "max_depth": depth,
        "learning_rate": learning_rate,
        "nthread": THREADS,
    }
    table = xgboost.DMatrix(features, label=labels, weight=weights, nthread=THREADS)
    booster = xgboost.train(options, table, num_boost_round=rounds)
    return _midway(booster.save_raw("json"), features)


def _midway(content: bytes | bytearray, features: NDArray[np.float32]) -> bytes:
    """XGBoost's JSON with each threshold midway between the features `(N, D)` that it parts."""
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


def _model(learner: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The trees in XGBoost's JSON, and for how many classes there are some: one alone where there are two."""
    objective, booster = learner["objective"]["name"], learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise ValueError(f"its booster is {booster['name']!r}, not 'gbtree'")
    if objective == "binary:logistic":
        return booster["model"], 1
    if objective == "multi:softprob":
        classes = int(learner["learner_model_param"]["num_class"])
        if classes < 2:
            raise ValueError(f"num_class is {classes}")
        return booster["model"], classes
    raise ValueError(f"its objective is {objective!r}, not 'binary:logistic' or 'multi:softprob'")


def _base(score: str, classes: int) -> NDArray[np.float32]:
    """The margins without any tree, from a number or, since XGBoost 3.1, a list of them."""
    scores = _numbers([np.atleast_1d(json.loads(score)).tolist()]).astype(np.float32)
    if classes == 1:
        # A probability; that it is 0 or 1 is ruled out as XGBoost does it, in float32.
        one = np.float32(1)
        scores = -np.log(one / np.clip(scores, np.float32(1e-6), one - np.float32(1e-6)) - one)
    return np.array(np.broadcast_to(scores, classes))


def _unrolled(trees: list[dict[str, Any]], features: int) -> tuple[NDArray[Any], ...]:
    """The columns, thresholds and leaves of `Forest`, in the order of the trees."""
    left = _numbers([tree["left_children"] for tree in trees], whole=True)
    right = _numbers([tree["right_children"] for tree in trees], whole=True)
    column = _numbers([tree["split_indices"] for tree in trees], whole=True)
    value = _numbers([tree["split_conditions"] for tree in trees]).astype(np.float32)
    category = _numbers([tree["split_type"] for tree in trees])
    sizes = np.array([len(tree["left_children"]) for tree in trees])
    size, first = np.repeat(sizes, sizes), np.repeat(np.cumsum(sizes) - sizes, sizes)
    if not len(left) == len(right) == len(column) == len(value) == len(category) or not sizes.all():
        raise ValueError("a tree's lists are not of one length")
    splits = left != -1
    for child in (left, right):
        if not ((child > 0) & (child < size))[splits].all():
            raise ValueError("a split leads out of its tree")
    if not ((column >= 0) & (column < features))[splits].all():
        raise ValueError("a split looks at a column that there is not")
    if category[splits].any():
        raise ValueError("a split is by category")

    nodes = (np.cumsum(sizes) - sizes)[:, None]  # (T, 1), then twice as many a level
    columns = [np.zeros_like(nodes)]
    thresholds = [np.zeros(nodes.shape, np.float32)]
    while splits[nodes].any():
        if len(columns) > DEEPEST:
            raise ValueError(f"a tree has more than {DEEPEST} splits on the way to a leaf")
        columns.append(np.where(splits[nodes], column[nodes], 0))
        thresholds.append(np.where(splits[nodes], value[nodes], np.float32(0)))
        # Below a leaf both ways lead to it again.
        ways = [np.where(splits[nodes], child[nodes] + first[nodes], nodes) for child in (left, right)]
        nodes = np.stack(ways, axis=2).reshape(len(sizes), -1)
    return np.concatenate(columns, axis=1), np.concatenate(thresholds, axis=1), value[nodes]


def _numbers(lists: list[list[float]], *, whole: bool = False) -> NDArray[Any]:
    """The numbers of some lists one after another, float64 or int64."""
    arrays = [np.asarray(one, dtype=np.float64) for one in lists]
    if any(array.ndim != 1 for array in arrays):
        raise ValueError("a list of numbers is none")
    numbers = np.concatenate(arrays)
    if not (np.abs(numbers) <= np.finfo(np.float32).max).all():
        raise ValueError("a number is not finite")
    if not whole:
        return numbers
    if not ((np.abs(numbers) < 2**31) & (numbers == np.rint(numbers))).all():
        raise ValueError("a number is not whole")
    return numbers.astype(np.int64)
