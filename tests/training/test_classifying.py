import numpy as np
import pytest
import torch
from torch import nn

from knowngood.training.classifying import (
    TRUNKS,
    ClassifyingNetwork,
    RandomShift,
    apart,
    convolutional,
    true_classes,
)


def make(kind, sample, *, classes=3, views=1, label_smoothing=0.0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = nn.Sequential(*TRUNKS[kind](sample.shape[1], sample.shape[2:]))
        split = nn.Unflatten(0, (-1, 1)) if views == 1 else Repeated(views)
        return ClassifyingNetwork(split, trunk, sample, classes=classes, label_smoothing=label_smoothing)


def some_images(count, side=16):
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(0))


class Repeated(nn.Module):
    """Views that are the image and ever larger multiples of it."""

    def __init__(self, views):
        super().__init__()
        self.views = views

    def forward(self, images):
        return torch.stack([(1 + number) * images for number in range(self.views)], dim=1)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_true_class_of_one_view_is_the_label():
    assert true_classes(torch.zeros(4, 1, 7), torch.tensor([6, 0, 0, 3])).tolist() == [[6], [0], [0], [3]]


@pytest.mark.parametrize("views", [2, 4])
def test_of_several_views_it_is_their_number_whatever_the_label(views):
    truth = true_classes(torch.zeros(3, views, views), torch.tensor([9, 9, 9]))
    assert truth.tolist() == [list(range(views))] * 3


def test_apart_undoes_flatten():
    views = torch.arange(2 * 3 * 5).reshape(2, 3, 5)
    assert torch.equal(apart(views.flatten(0, 1), 3), views)


def test_the_course_s_network_has_72_features_and_474_parameters():
    network = make("small", torch.zeros(1, 1, 28, 28), classes=4)
    assert network.trunk(torch.zeros(2, 1, 28, 28)).shape == (2, 72)
    assert [parameters(layer) for layer in network.trunk if parameters(layer)] == [10, 36, 136]
    assert parameters(network.head) == 72 * 4 + 4
    assert parameters(network) == 474


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("shape", "features"), [((28, 28), 128), ((64, 128), 256), ((128, 128), 512), ((16, 16), 64)]
)
def test_the_larger_network_takes_any_shape(shape, features, channels):
    trunk = nn.Sequential(*convolutional(channels, shape)).eval()
    with torch.no_grad():
        assert trunk(torch.rand(2, channels, *shape)).shape == (2, features)


def test_features_and_logits_of_each_view():
    images = some_images(3)
    network = make("small", images[:1], classes=4, views=4)
    features, logits = network(images)
    assert features.shape == (3, 4, 32)
    assert logits.shape == (3, 4, 4)
    third = network.trunk(3 * images)
    torch.testing.assert_close(features[:, 2], third)
    torch.testing.assert_close(logits[:, 2], network.head(third))


def test_looking_at_a_sample_changes_no_statistics():
    network = make("cnn", some_images(1, 28) + 5)
    norm = next(layer for layer in network.trunk if isinstance(layer, nn.BatchNorm2d))
    assert network.trunk.training
    assert norm.running_mean.abs().max() == 0
    assert norm.num_batches_tracked == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_label_smoothing_spreads_the_target_over_all_classes(smoothing):
    images = some_images(6)
    labels = torch.tensor([0, 2, 1, 1, 0, 2])
    network = make("small", images[:1], label_smoothing=smoothing)
    logits = network(images)[1][:, 0]
    losses = network.losses(images, labels)
    wanted = nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, labels)
    torch.testing.assert_close(losses["loss"], wanted)
    targets = (1 - smoothing) * torch.eye(3)[labels] + smoothing / 3
    torch.testing.assert_close(losses["loss"], -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean())
    assert losses["error"] == (logits.argmax(dim=1) != labels).float().mean()
    assert network.show(images) is None


def test_the_loss_of_views_asks_for_their_numbers():
    images = some_images(5)
    network = make("small", images[:1], classes=4, views=4)
    logits = network(images)[1]
    wanted = -torch.stack([logits[:, view].log_softmax(dim=1)[:, view] for view in range(4)]).mean()
    for labels in (torch.zeros(5, dtype=torch.int64), torch.arange(5)):
        torch.testing.assert_close(network.losses(images, labels)["loss"], wanted)


@pytest.mark.parametrize("most", [0, 2])
def test_in_evaluation_images_stay(most):
    images = torch.rand(4, 1, 6, 5)
    assert RandomShift(most).eval()(images) is images


def test_a_shift_of_nothing_is_none():
    images = torch.rand(4, 1, 6, 5)
    assert torch.equal(RandomShift(0).train()(images), images)


@pytest.fixture
def shifted():
    """Images, and what shifts by up to 2 made of them, with the offsets that explain each: `(dy, dx)`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        images = torch.rand(300, 2, 6, 5)
        moved = RandomShift(2).train()(images)
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    offsets = [
        [
            (y - 2, x - 2)
            for y in range(5)
            for x in range(5)
            if np.array_equal(padded[number, :, y : y + 6, x : x + 5], moved[number].numpy())
        ]
        for number in range(len(images))
    ]
    return images, moved, offsets


def test_each_image_is_moved_by_itself_and_its_border_repeated(shifted):
    images, moved, offsets = shifted
    assert moved.shape == images.shape
    assert all(len(found) == 1 for found in offsets)


def test_every_shift_up_to_the_most_occurs_about_as_often(shifted):
    _, _, offsets = shifted
    counts = np.unique([5 * (y + 2) + x + 2 for ((y, x),) in offsets], return_counts=True)[1]
    assert len(counts) == 25
    assert counts.max() < 30


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("most", [1, 64])
def test_a_shift_keeps_shape_and_type_even_beyond_the_image(dtype, most):
    images = torch.rand(3, 3, 8, 4).to(dtype)
    moved = RandomShift(most).train()(images)
    assert moved.shape == images.shape
    assert moved.dtype == dtype
    assert set(moved.flatten().tolist()) <= set(images.flatten().tolist())


@pytest.mark.parametrize("kind", TRUNKS)
def test_two_plain_classes_are_told_apart_after_a_few_steps(kind):
    labels = torch.arange(16) % 2
    images = 0.1 * some_images(16)
    images[labels == 1, :, :, 8:] += 0.8
    network = make(kind, images[:1], classes=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(25):
        optimizer.zero_grad()
        network.losses(images, labels)["loss"].backward()
        optimizer.step()
    with torch.no_grad():
        losses = network.eval().losses(images, labels)
    assert losses["error"] == 0
    assert losses["loss"] < 0.3
