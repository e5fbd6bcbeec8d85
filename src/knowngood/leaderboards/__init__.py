"""Detectors side by side on the same images, and which of them differ."""
