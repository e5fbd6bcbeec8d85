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
from knowngood.detectors.recipe import make_recipe
from knowngood.detectors.rotation import Rotation
from knowngood.detectors.vae import Vae
from knowngood.errors import RecipeError

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
    if name not in DETECTORS:
        raise RecipeError(f"detector {name!r} is not known; choose one of {', '.join(DETECTORS)}")
    return make_recipe(DETECTORS[name], settings or {})


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
    values: dict[str, Any] = _read_recipe(recipe) if recipe is not None else {}
    from_file = values.pop("detector", DEFAULT)
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"setting {text!r} must be NAME=VALUE, such as coreset=4000")
        values[key.strip()] = value.strip()
    return make_detector(name or from_file, values)


def _read_recipe(path: Path) -> dict[str, Any]:
    """The settings in a YAML file."""
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"recipe {str(path)!r} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {str(path)!r} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise RecipeError(f"recipe {str(path)!r} must hold settings, such as `coreset: 4000`")
    return values
