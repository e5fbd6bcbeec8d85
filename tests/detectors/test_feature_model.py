"""What detectors have in common whose networks are trained on features; see also the contract tests."""

import numpy as np
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.data.splits import folds
from knowngood.detectors import make_detector
from knowngood.detectors.deep_svdd import SvddNetwork
from knowngood.detectors.flow import FlowNetwork
from knowngood.errors import TrainingError
from knowngood.training.run import Run

SHAPE = (96, 96)


def learn(name, images, run=None, **settings):
    recipe = make_detector(name, {"epochs": 1, "width": 4} | settings)
    return recipe.fit(ImageSet(list(images), Reading(SHAPE)), seed=0, device="cpu", run=run)


def test_each_good_image_is_scored_by_the_network_that_did_not_learn_from_it(good_images):
    images = good_images[:6]
    fit = learn("deep_svdd", images, folds=3, smoothing=0)
    fitted = fit.fitted
    with torch.inference_mode():
        (features,) = fitted.features(torch.from_numpy(images))
        errors = [
            net.errors(features) / scale for net, scale in zip(fitted.networks, fitted.scales, strict=True)
        ]
    maxima = torch.stack(errors).amax(dim=(2, 3)).numpy()  # of each network and image
    np.testing.assert_array_equal(fit.places, range(6))
    np.testing.assert_allclose(fit.held_out, maxima[folds(6, 3, seed=0), range(6)], rtol=1e-3)  # float16
    for fold, of_network in enumerate(errors):
        np.testing.assert_allclose(of_network[folds(6, 3, seed=0) == fold].mean(), 1, rtol=1e-3)
    np.testing.assert_allclose(fitted.score_features([features]).map, torch.stack(errors).mean(dim=0))


def test_a_run_folder_has_a_folder_for_each_training(good_images, tmp_path):
    learn("deep_svdd", good_images[:4], Run(tmp_path), folds=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold1", "fold2"]
    assert (tmp_path / "fold2" / "losses.csv").exists()


def test_a_training_that_diverges_is_named(good_images, monkeypatch):
    monkeypatch.setattr(FlowNetwork, "losses", lambda *_: {"loss": torch.tensor(torch.nan)})
    with pytest.raises(
        TrainingError, match=r"^flow: the loss is not a finite number .* smaller learning_rate"
    ):
        learn("flow", good_images[:4])


def test_scores_that_are_not_finite_are_named(good_images, monkeypatch):
    monkeypatch.setattr(FlowNetwork, "errors", lambda _, features: features[:, 0] * torch.inf)
    with pytest.raises(TrainingError, match=r"^flow: the scores of good images are not finite"):
        learn("flow", good_images[:4], steps=2)


class TestFlow:
    def test_the_logarithm_of_the_volume_is_that_of_the_jacobian(self):
        torch.manual_seed(0)
        network = FlowNetwork(torch.zeros(4), torch.ones(4), steps=3, width=5)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        features = torch.randn(1, 4, 2, 2)
        jacobian = torch.autograd.functional.jacobian(lambda maps: network(maps)[0], features)
        _, volume = torch.linalg.slogdet(jacobian.reshape(16, 16))
        torch.testing.assert_close(network(features)[1].sum(), volume)

    def test_it_begins_as_a_permutation(self):
        torch.manual_seed(0)
        network = FlowNetwork(torch.zeros(4), torch.ones(4), steps=3, width=5)
        features = torch.randn(1, 4, 2, 2)
        latent, volume = network(features)
        torch.testing.assert_close(latent.sort(dim=1).values, features.sort(dim=1).values)
        assert not volume.any()


class TestSvdd:
    def test_a_soft_boundary_minimises_the_radius_and_what_is_outside(self):
        torch.manual_seed(0)
        network = SvddNetwork(torch.zeros(3), torch.ones(3), width=4, code=2, share=0.25)
        batch = torch.randn(2, 3, 4, 4)
        distances = network.errors(batch).flatten()
        radius = distances.sort(descending=True).values[7]  # squared; seven of 32 are farther
        expected = radius + (distances - radius).clamp(min=0).mean() / 0.25
        torch.testing.assert_close(network.losses(batch, None)["loss"], expected)

    def test_outputs_that_are_all_the_same_are_a_fault(self):
        torch.manual_seed(0)
        network = SvddNetwork(torch.zeros(3), torch.ones(3), width=4, code=2, share=1.0)
        network.centre.fill_(0.5)
        batch = torch.randn(2, 3, 4, 4)
        assert not network.fault(batch)
        network.layers[2].weight.data.zero_()
        assert "collapsed" in network.fault(batch)
        assert not network.fault(torch.zeros(2, 3, 4, 4))  # nothing to tell apart

    def test_a_collapse_is_named(self, good_images, monkeypatch):
        monkeypatch.setattr(SvddNetwork, "forward", lambda self, features: 0 * self.layers(features))
        with pytest.raises(TrainingError, match=r"^deep_svdd: it has collapsed"):
            learn("deep_svdd", good_images[:4])
