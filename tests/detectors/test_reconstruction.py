import numpy as np
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors import make_detector
from knowngood.errors import DataError, RecipeError
from knowngood.inspector.fit import fit

REBUILDING = ["autoencoder", "vae", "ganomaly", "dual_prototype"]
FAST = {"epochs": 2, "width": 2}


def learn(name, images, shape, **settings):
    recipe = make_detector(name, FAST | settings)
    return recipe.fit(ImageSet(list(images), Reading(shape)), seed=0, device="cpu")


def judge(fitted, images):
    with torch.inference_mode():
        return fitted.fitted(torch.from_numpy(np.ascontiguousarray(images)))


@pytest.mark.parametrize("name", REBUILDING)
@pytest.mark.parametrize("side", [28, 256])
def test_grey_28_to_colour_256(name, side):
    rng = np.random.default_rng(0)
    shape = (6, side, side) if side == 28 else (6, side, side, 3)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    fitted = learn(name, images, (side, side), input_size=side, epochs=1)
    colour = images[..., None].repeat(3, axis=-1) if side == 28 else images
    scores = judge(fitted, colour)
    assert scores.map.shape == (6, side, side)
    assert scores.extras["rebuilt"].shape == (6, side, side, 1 if side == 28 else 3)
    assert 0 <= scores.extras["rebuilt"].min() <= scores.extras["rebuilt"].max() <= 1


@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_the_score_is_the_sum_of_the_differences(name, good_images):
    fitted = learn(name, good_images, (96, 96), smoothing=0)
    scores = judge(fitted, good_images[:3])
    pixels = torch.from_numpy(good_images[:3]) / 255
    torch.testing.assert_close(scores.map, (pixels - scores.extras["rebuilt"]).abs().sum(dim=-1))
    torch.testing.assert_close(scores.image, scores.map.sum(dim=(1, 2)))
    assert len(fitted.map_maxima) == len(fitted.held_out)


@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_or_the_maximum_of_the_smoothed_map(name, good_images):
    fitted = learn(name, good_images, (96, 96), score="max")
    scores = judge(fitted, good_images[:3])
    torch.testing.assert_close(scores.image, scores.map.amax(dim=(1, 2)))
    assert fitted.map_maxima is None  # the unit of the score is that of the map


@pytest.mark.parametrize("name", ["ganomaly", "dual_prototype"])
def test_or_the_distance_of_the_codes(name, good_images):
    fitted = learn(name, good_images, (96, 96))
    images = torch.from_numpy(good_images[:3])
    with torch.inference_mode():
        code, rebuilt, again = fitted.fitted.network.encode_twice(fitted.fitted.network.pixels(images))
    scores = judge(fitted, good_images[:3])
    torch.testing.assert_close(scores.image, ((code - again) ** 2).mean(dim=1))
    torch.testing.assert_close(scores.extras["rebuilt"], rebuilt.permute(0, 2, 3, 1))


@pytest.mark.parametrize("loss", ["l1", "l2", "ssim", "perceptual"])
def test_every_loss_brings_the_reconstruction_nearer(loss, good_images):
    fitted = learn("autoencoder", good_images, (96, 96), loss=loss, epochs=12, width=4)
    losses = fitted.records.training.losses["validation"]
    assert losses.iloc[-1] < 0.97 * losses.iloc[0]


def test_the_losses_learn_different_things(good_images):
    def weights(loss):
        detector = learn("autoencoder", good_images, (96, 96), loss=loss, epochs=1).fitted
        return detector.network.decoder.from_code.weight

    assert len({float(weights(loss).sum()) for loss in ("l1", "l2", "ssim", "perceptual")}) == 4


def test_the_discriminator_is_trained_but_not_shipped(good_images):
    fitted = learn("ganomaly", good_images, (96, 96))
    names = [layer.name for layer in fitted.records.training.layers]
    assert any(name.startswith("discriminator") for name in names)
    detector = make_detector("ganomaly", FAST)
    torch.manual_seed(0)
    fresh = detector.network(3, (96, 96))
    moved = {
        part: not torch.equal(
            getattr(fresh, part).to_code.weight, getattr(fitted.fitted.network, part).to_code.weight
        )
        for part in ("encoder", "second_encoder", "discriminator")
    }
    assert all(moved.values())
    graph = fit(list(good_images), make_detector("ganomaly", FAST | {"input_size": 32})).graph
    assert b"second_encoder" in graph
    assert b"discriminator" not in graph


def test_neither_side_of_ganomaly_moves_the_other():
    network = make_detector("ganomaly", {"width": 2, "code": 4}).network(3, (32, 32))
    losses = network.losses(torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8), torch.zeros(4))
    losses["discriminator"].backward(retain_graph=True)
    assert all(p.grad is None for p in network.decoder.parameters())
    assert any(p.grad is not None for p in network.discriminator.parameters())
    network.zero_grad()
    (losses["adversarial"] + losses["rebuilding"]).backward()
    assert all(p.grad is None for p in network.discriminator.parameters())
    assert all(p.grad is not None for p in network.decoder.parameters())


def test_codes_are_drawn_to_their_prototypes(good_images):
    def spread(pull):
        network = learn("dual_prototype", good_images, (96, 96), pull=pull, epochs=8).fitted.network
        with torch.inference_mode():
            code, _, again = network.encode_twice(network.pixels(torch.from_numpy(good_images)))
        return float(
            (code - network.prototypes[0]).square().mean() + (again - network.prototypes[1]).square().mean()
        )

    assert spread(10.0) < spread(0.001)


def test_a_pixel_s_variance_is_the_same_for_a_dark_and_a_bright_product(good_images):
    """The autoencoder finds how much pixels may differ; contrast does not change who stands out."""
    odd = good_images.copy()
    odd[:, 28:44, 52:68] = 235
    for contrast in (1.0, 0.25):
        dim = (contrast * good_images).astype(np.uint8)
        fitted = learn("vae", dim[:16], (96, 96), epochs=40, width=8)
        bad = judge(fitted, (contrast * odd[16:]).astype(np.uint8)).image
        assert bad.min() > judge(fitted, dim[16:]).image.max()


@pytest.mark.parametrize("name", [*REBUILDING, "feature_autoencoder"])
def test_a_learning_rate_is_found(name, good_images):
    fitted = learn(name, good_images[:8], (64, 64), learning_rate=None, epochs=1)
    assert 1e-6 < fitted.records.training.learning_rate < 0.1


@pytest.mark.parametrize("name", [*REBUILDING, "feature_autoencoder"])
def test_a_batch_larger_than_the_data(name, good_images):
    fitted = learn(name, good_images[:5], (96, 96), batch_size=4096)
    assert np.isfinite(fitted.held_out).all()


def test_images_of_different_sizes_and_modes_in_one_folder(tmp_path, good_images):
    from PIL import Image

    for number, image in enumerate(good_images[:8]):
        picture = Image.fromarray(image).resize((60 + 10 * number, 90))
        mode = ["RGB", "L", "RGBA", "P", "CMYK", "I;16"][number % 6]
        if mode == "I;16":
            Image.fromarray(image[..., 0].astype(np.uint16) * 257).save(tmp_path / f"{number}.png")
        else:
            picture.convert(mode).save(tmp_path / f"{number}.{'tif' if mode == 'CMYK' else 'png'}")
    inspector = fit(tmp_path, make_detector("autoencoder", FAST | {"input_size": 32}))
    assert len(inspector.manifest.training) == 8


@pytest.mark.parametrize("name", [*REBUILDING, "feature_autoencoder"])
def test_one_image(name, good_images):
    with pytest.raises(DataError, match="at least 2"):
        learn(name, good_images[:1], (96, 96))


@pytest.mark.parametrize("setting", [{"loss": "l3"}, {"score": "mean"}])
def test_a_choice_that_is_not_known(setting):
    with pytest.raises(RecipeError, match=r"(loss='l3' must be one of l1|score='mean' must be one of sum)"):
        make_detector("autoencoder", setting)


def test_a_run_for_a_detector_that_trains_nothing(widget, tmp_path):
    from knowngood.training.run import Run

    with pytest.raises(RecipeError, match="PatchCore trains no network; leave out the run"):
        fit(widget, "patchcore", run=Run(tmp_path))
