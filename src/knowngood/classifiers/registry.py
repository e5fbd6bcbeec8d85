"""The classifiers by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from knowngood.classifiers.anomaly_features import AnomalyFeatures
from knowngood.classifiers.base import Classifier
from knowngood.classifiers.finetune import FineTune
from knowngood.classifiers.linear_probe import LinearProbe
from knowngood.classifiers.scattering_boost import ScatteringBoost
from knowngood.detectors.recipe import chosen, make_named

CLASSIFIERS: dict[str, type[Classifier]] = {
    "anomaly_features": AnomalyFeatures,
    "linear_probe": LinearProbe,
    "finetune": FineTune,
    "scattering_boost": ScatteringBoost,
}
DEFAULT = "anomaly_features"


def make_classifier(name: str = DEFAULT, settings: Mapping[str, Any] | None = None) -> Classifier:
    """Make a classifier from its name and the settings that differ from its defaults.

    Args:
        name: A name in `CLASSIFIERS`.
        settings: Values by hyper-parameter; text is converted to the right type.

    Raises:
        RecipeError: The name or a setting is not known, or a value is out of range.

    Example:
        >>> make_classifier("linear_probe", {"input_size": "128"}).input_size
        128
    """
    return make_named(CLASSIFIERS, "classifier", name, settings or {})


def choose_classifier(name: str | None, recipe: Path | None, settings: Sequence[str]) -> Classifier:
    """Make a classifier from what a command line gives; later sources win over earlier ones.

    Args:
        name: A name in `CLASSIFIERS`; None for the recipe's or the default.
        recipe: A YAML file of settings, which may name its `classifier`.
        settings: Texts `name=value`.

    Raises:
        RecipeError: The file or a setting cannot be understood.

    Example:
        >>> choose_classifier("linear_probe", None, ["orientation=any"]).orientation
        'any'
    """
    return make_named(CLASSIFIERS, "classifier", *chosen("classifier", name or "", recipe, settings, DEFAULT))
