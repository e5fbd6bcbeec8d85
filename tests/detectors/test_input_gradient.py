import pytest
import torch
import torch.nn.functional as F
from torch import nn

from knowngood.detectors.input_gradient import backward, towards_confidence
from knowngood.training.classifying import TRUNKS, RandomShift

CLASSES = 5


def network(kind, shape, channels=1, seed=0):
    """An untrained network with statistics that are not those of a fresh one, in evaluation and float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = nn.Sequential(RandomShift(2), *TRUNKS[kind](channels, shape)).double().eval()
        for layer in trunk:
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.3)
                layer.running_var.uniform_(0.1, 0.5)
                nn.init.uniform_(layer.weight, -2, 2)
                nn.init.normal_(layer.bias, 0, 0.3)
        width = trunk(torch.zeros(1, channels, *shape, dtype=torch.float64)).shape[1]
        head = nn.Linear(width, CLASSES).double()
        nn.init.normal_(head.weight)
        return [*trunk, head]


def images_of(shape, channels=1, count=3):
    rng = torch.Generator().manual_seed(1)
    return torch.rand(count, channels, *shape, dtype=torch.float64, generator=rng)


def chances(layers, images):
    with torch.no_grad():
        return nn.Sequential(*layers)(images).softmax(dim=1)


def by_autograd(layers, images):
    images = images.clone().requires_grad_(True)
    logits = nn.Sequential(*layers)(images)
    (gradient,) = torch.autograd.grad(logits.log_softmax(dim=1).amax(dim=1).sum(), images)
    return gradient


def by_rules(layers, images):
    with torch.no_grad():
        inputs, values = [], images
        for layer in layers:
            inputs.append(values)
            values = layer(values)
        gradient = F.one_hot(values.argmax(dim=1), CLASSES) - values.softmax(dim=1)
        for layer, given in zip(reversed(layers), reversed(inputs), strict=True):
            gradient = backward(layer, given, gradient)
            assert gradient.shape == given.shape
        return gradient


SHAPES = [(28, 28), (29, 29), (31, 31), (64, 64), (28, 31), (45, 30)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", TRUNKS)
def test_the_rules_give_what_autograd_gives(kind, shape, channels):
    layers, images = network(kind, shape, channels), images_of(shape, channels)
    wanted = by_autograd(layers, images)
    assert wanted.abs().max() > 0
    torch.testing.assert_close(by_rules(layers, images), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(28, 28), (31, 29)])
@pytest.mark.parametrize("kind", TRUNKS)
def test_a_step_goes_along_the_sign_of_the_gradient(kind, shape):
    layers, images = network(kind, shape), images_of(shape)
    gradient = by_autograd(layers, images)
    moved = towards_confidence(layers, images, step=0.25, temperature=1.0) - images
    clear = (gradient.abs() > 1e-12) | (gradient == 0)
    assert clear.double().mean() > 0.99
    torch.testing.assert_close(moved[clear], 0.25 * gradient.sign()[clear])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("step", [0.0014, 1.0])
@pytest.mark.parametrize("kind", TRUNKS)
def test_every_pixel_moves_by_the_step_or_not_at_all(kind, step, dtype):
    layers = [layer.to(dtype) for layer in network(kind, (29, 29))]
    images = images_of((29, 29)).to(dtype)
    moved = towards_confidence(layers, images, step=step, temperature=1.0)
    assert moved.dtype == dtype
    up, down, stays = moved == images + step, moved == images - step, moved == images
    assert (up | down | stays).all()
    assert up.any()
    assert down.any()


def test_pixels_that_no_unit_answers_to_stay():
    layers = network("small", (29, 29))
    images = images_of((29, 29))
    # Strides of 2 leave over the last row and column.
    moved = towards_confidence(layers, images, step=0.1, temperature=1.0)
    assert torch.equal(moved[..., -1], images[..., -1])
    assert torch.equal(moved[..., -1, :], images[..., -1, :])
    nn.init.constant_(layers[1].bias, -1e3)
    assert torch.equal(towards_confidence(layers, images, step=0.1, temperature=1.0), images)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", TRUNKS)
def test_a_step_makes_the_network_surer(kind, seed):
    layers, images = network(kind, (28, 28), seed=seed), images_of((28, 28), count=16)
    before = chances(layers, images).amax(dim=1)
    after = chances(layers, towards_confidence(layers, images, step=1e-3, temperature=1.0)).amax(dim=1)
    back = chances(layers, towards_confidence(layers, images, step=-1e-3, temperature=1.0)).amax(dim=1)
    assert after.mean() > before.mean() > back.mean()
    assert (after >= before).double().mean() > 0.9


def test_each_image_moves_by_itself():
    layers, images = network("cnn", (28, 28)), images_of((28, 28))
    alone = torch.cat(
        [towards_confidence(layers, image[None], step=0.1, temperature=1.0) for image in images]
    )
    assert (towards_confidence(layers, images, step=0.1, temperature=1.0) == alone).double().mean() > 0.99


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 3, 2, stride=2),
        nn.Conv2d(2, 3, (3, 2), stride=(3, 2), padding=(0, 1), bias=False),
        nn.Conv2d(2, 3, 3, stride=2, padding=1),
        nn.Conv2d(2, 3, 1, stride=3),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.AdaptiveAvgPool2d(1),
        nn.Identity(),
        RandomShift(3),
    ],
    ids=repr,
)
@pytest.mark.parametrize("shape", [(8, 8), (9, 11)])
def test_the_rule_of_one_layer(layer, shape):
    rng = torch.Generator().manual_seed(0)
    given = torch.randn(2, 2, *shape, generator=rng).requires_grad_(True)
    output = layer.eval()(given)
    gradient = torch.randn(output.shape, generator=rng)
    (wanted,) = torch.autograd.grad(output, given, gradient)
    with torch.no_grad():
        torch.testing.assert_close(backward(layer, given, gradient), wanted, rtol=1e-5, atol=1e-6)


def test_relu_lets_nothing_through_at_zero():
    given = torch.tensor([[-1.0, 0.0, 2.0]])
    assert backward(nn.ReLU(), given, torch.ones(1, 3)).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("layer", [nn.LayerNorm(4), nn.PReLU(), nn.Conv1d(1, 1, 1)], ids=repr)
def test_a_layer_without_a_rule_is_refused_by_name(layer):
    with pytest.raises(NotImplementedError, match=f"gradient of {type(layer).__name__}"):
        backward(layer.eval(), torch.zeros(1, 1, 4), torch.zeros(1, 1, 4))
