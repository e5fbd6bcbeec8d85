"""Which detectors take part in a leaderboard, and the images and settings of a quick look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from knowngood.data.held import sources_of
from knowngood.data.pairs import Pair
from knowngood.data.selection import good_train
from knowngood.detectors.registry import DETECTORS
from knowngood.errors import DataError, RecipeError, quoted
from knowngood.report.words import listed

if TYPE_CHECKING:
    from knowngood.detectors.base import Detector  # torch; a mistake must not wait for it

FEW, FEW_TRAINING, SMALL = 50, 100, 256
"""Of a quick look: the most good and the most defective test images, the most good training images, and the
most pixels of the side of a network's input."""


def named(detectors: str | Sequence[str | Detector] | None) -> dict[str, Detector | None] | None:
    """Return the detectors that were asked for by name, with their recipes where these were given.

    Raises:
        RecipeError: One is not known, or named twice.

    Example:
        >>> named("patchcore, padim")
        {'patchcore': None, 'padim': None}
    """
    if detectors is None:
        return None
    if isinstance(detectors, str):
        detectors = [name.strip() for name in detectors.split(",")]
    found: dict[str, Detector | None] = {}
    for one in detectors:
        name = one if isinstance(one, str) else DETECTORS.name_of(one)
        if name not in DETECTORS:
            raise RecipeError(f"detector {quoted(name)} is not known; choose one of {', '.join(DETECTORS)}")
        if name in found:
            raise RecipeError(f"detector {name} is named twice; name each once")
        found[name] = None if isinstance(one, str) else one
    return found


def suited(
    wanted: Mapping[str, Detector | None] | None, samples: pd.DataFrame, *, quick: bool
) -> tuple[dict[str, Detector], list[str]]:
    """Return the recipes that suit the data by name, and a sentence for each reason to leave some out.

    Raises:
        DataError: None of them does.
    """
    good = good_train(samples)
    classes = "class" in good and good["class"].nunique() > 1
    references = any(isinstance(source, Pair) for source in sources_of(good))
    recipes: dict[str, Detector] = {}
    left_out: dict[str, list[str]] = {}
    for name in DETECTORS if wanted is None else wanted:
        try:
            recipe = (wanted or {}).get(name) or DETECTORS.make(name, {})
        except RecipeError as error:  # of a package that cannot be imported
            if wanted is not None:
                raise
            left_out.setdefault(str(error), []).append(name)
            continue
        lacks = {
            "the data name no classes of good images": recipe.needs_classes and not classes,
            "the images have no references": recipe.compares and not references,
            "one good image is too few to train on": len(good) == 1 and not recipe.augments,
            "a quick look trains no network": quick and wanted is None and recipe.trains,
        }
        reason = next((reason for reason, holds in lacks.items() if holds), "")
        if reason:
            left_out.setdefault(reason, []).append(name)
        else:
            recipes[name] = recipe
    sentences = [
        f"{listed(names)} {'are' if len(names) > 1 else 'is'} left out: {reason}."
        for reason, names in left_out.items()
    ]
    if not recipes:
        raise DataError("no detector suits these data: " + " ".join(sentences))
    return recipes, sentences


def few(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the samples of a quick look: the first of the good ones, and the first of each type of defect.

    Example:
        >>> table = pd.DataFrame({"split": "test", "label": "defect", "defect": ["a"] * 80 + ["b"] * 20})
        >>> few(table)["defect"].value_counts().to_dict()
        {'a': 30, 'b': 20}
    """
    rows: list[int] = []
    for split, label, most in (
        ("train", "good", FEW_TRAINING),
        ("test", "good", FEW),
        ("test", "defect", FEW),
    ):
        chosen = samples[(samples["split"] == split) & (samples["label"] == label)]
        by_turns = chosen.groupby("defect").cumcount().sort_values(kind="stable")
        rows += by_turns.index[:most].tolist()
    return samples.loc[sorted(rows)].reset_index(drop=True)


def small(recipes: Mapping[str, Detector]) -> dict[str, Detector]:
    """Return recipes with an input of at most `SMALL` pixels squared."""
    sizes = {name: {"input_size": min(one.input_size, SMALL)} for name, one in recipes.items()}
    return {name: replace(one, **sizes[name]) for name, one in recipes.items()}
