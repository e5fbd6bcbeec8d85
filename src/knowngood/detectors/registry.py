"""The detectors by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from knowngood.registry import Registry

if TYPE_CHECKING:
    from knowngood.detectors.base import Detector  # torch; a wrong name must not wait for it

DETECTORS: Registry[Detector] = Registry(
    "detector",
    "knowngood.detectors",
    {
        "patchcore": "PatchCore",
        "composition": "Composition",
        "padim": "Padim",
        "gaussian": "Gaussian",
        "knn": "Knn",
        "prototype": "Prototype",
        "ocsvm": "Ocsvm",
        "patch_dictionary": "PatchDictionary",
        "information": "Information",
        "sparse": "Sparse",
        "subspace": "Subspace",
        "gmm": "Gmm",
        "reference": "Reference",
        "feature_autoencoder": "FeatureAutoencoder",
        "flow": "Flow",
        "deep_svdd": "DeepSvdd",
        "autoencoder": "Autoencoder",
        "vae": "Vae",
        "ganomaly": "Ganomaly",
        "dual_prototype": "DualPrototype",
        "class_confidence": "ClassConfidence",
        "rotation": "Rotation",
        "supersimplenet": "SuperSimpleNet",
        "reverse_distillation": "ReverseDistillation",
        "stfpm": "Stfpm",
        "efficient_ad": "EfficientAd",
        "cutpaste": "CutPaste",
        "triplet": "Triplet",
        "draem": "Draem",
    },
)


def make_detector(name: str = DETECTORS.default, settings: Mapping[str, Any] | None = None) -> Detector:
    """Make a detector from its name in `DETECTORS` and the settings that differ from its defaults.

    Raises:
        RecipeError: The name or a setting is not known, or a value is out of range.

    Example:
        >>> make_detector("patchcore", {"coreset": 500}).coreset
        500
    """
    return DETECTORS.make(name, settings or {})
