"""The classifiers by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from knowngood.registry import Registry

if TYPE_CHECKING:
    from knowngood.classifiers.base import Classifier  # torch; a wrong name must not wait for it

CLASSIFIERS: Registry[Classifier] = Registry(
    "classifier",
    "knowngood.classifiers",
    {
        "anomaly_features": "AnomalyFeatures",
        "linear_probe": "LinearProbe",
        "finetune": "FineTune",
        "scattering_boost": "ScatteringBoost",
        "supersimplenet": "SuperSimpleNet",
    },
)


def make_classifier(name: str = CLASSIFIERS.default, settings: Mapping[str, Any] | None = None) -> Classifier:
    """Make a classifier from its name and the settings that differ from its defaults; text is converted.

    Raises:
        RecipeError: The name or a setting is not known, or a value is out of range.

    Example:
        >>> make_classifier("linear_probe", {"input_size": "128"}).input_size
        128
    """
    return CLASSIFIERS.make(name, settings or {})
