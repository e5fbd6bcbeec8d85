"""The detectors by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from knowngood.detectors.autoencoder import Autoencoder
from knowngood.detectors.base import Detector
from knowngood.detectors.class_confidence import ClassConfidence
from knowngood.detectors.dual_prototype import DualPrototype
from knowngood.detectors.feature_autoencoder import FeatureAutoencoder
from knowngood.detectors.ganomaly import Ganomaly
from knowngood.detectors.gaussian import Gaussian
from knowngood.detectors.padim import Padim
from knowngood.detectors.patchcore import PatchCore
from knowngood.detectors.recipe import chosen, make_named
from knowngood.detectors.rotation import Rotation
from knowngood.detectors.vae import Vae

DETECTORS: dict[str, type[Detector]] = {
    "patchcore": PatchCore,
    "padim": Padim,
    "gaussian": Gaussian,
    "feature_autoencoder": FeatureAutoencoder,
    "autoencoder": Autoencoder,
    "vae": Vae,
    "ganomaly": Ganomaly,
    "dual_prototype": DualPrototype,
    "class_confidence": ClassConfidence,
    "rotation": Rotation,
}
DEFAULT = "patchcore"


def make_detector(name: str = DEFAULT, settings: Mapping[str, Any] | None = None) -> Detector:
    """Make a detector from its name and the settings that differ from its defaults.

    Args:
        name: A name in `DETECTORS`.
        settings: Values by hyper-parameter; text is converted to the right type.

    Raises:
        RecipeError: The name or a setting is not known, or a value is out of range.

    Example:
        >>> make_detector("patchcore", {"coreset": 500}).coreset
        500
    """
    return make_named(DETECTORS, "detector", name, settings or {})


def choose_detector(name: str | None, recipe: Path | None, settings: Sequence[str]) -> Detector:
    """Make a detector from what a command line gives; later sources win over earlier ones.

    Args:
        name: A name in `DETECTORS`; None for the recipe's or the default.
        recipe: A YAML file of settings, which may name its `detector`.
        settings: Texts `name=value`.

    Raises:
        RecipeError: The file or a setting cannot be understood.

    Example:
        >>> choose_detector(None, None, ["coreset=500"]).coreset
        500
    """
    return make_named(DETECTORS, "detector", *chosen("detector", name or "", recipe, settings, DEFAULT))
