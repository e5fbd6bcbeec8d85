import numpy as np
import torch

from knowngood.detectors.prototype import FittedPrototype


def test_scores_are_distances_to_the_mean_of_levels_of_the_same_size():
    rng = np.random.default_rng(0)
    points = [rng.normal(50, 5, size=(20, 4)), rng.normal(0.1, 0.05, size=(20, 3))]
    queries = [rng.normal(60, 5, size=(6, 4)), rng.normal(0.2, 0.05, size=(6, 3))]
    squared = np.zeros(6)
    for level, of_queries in zip(points, queries, strict=True):
        mean = level.mean(axis=0)
        squared += ((of_queries - mean) ** 2).sum(axis=1) / (mean**2).mean()
    fitted = FittedPrototype(None, [torch.tensor(level).float() for level in points])
    scores = fitted.score_features([torch.tensor(level).float() for level in queries])
    assert scores.map is None
    np.testing.assert_allclose(scores.image, np.sqrt(squared), rtol=1e-4)


def test_one_image_has_a_size():
    fitted = FittedPrototype(None, [torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)])
    scores = fitted.score_features([torch.tensor([[3.0, 9.0]]), torch.zeros(1, 2)])
    np.testing.assert_allclose(scores.image, 5 / np.sqrt(12.5), rtol=1e-5)
