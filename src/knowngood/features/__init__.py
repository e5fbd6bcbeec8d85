"""Frozen features: backbones, patch features made from them, and the coreset that thins them out."""
