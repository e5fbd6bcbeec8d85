"""Anomaly detectors, one file per method, and the registry that names them."""

from knowngood.detectors.registry import DETECTORS, make_detector

__all__ = ["DETECTORS", "make_detector"]
