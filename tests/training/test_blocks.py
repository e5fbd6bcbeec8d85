import pytest
import torch

from knowngood.training.blocks import Decoder, Encoder, halvings


@pytest.mark.parametrize(
    "shape", [(28, 28), (32, 32), (128, 128), (96, 96), (100, 60), (52, 176), (256, 256)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_comes_back(shape, channels):
    images = torch.rand(2, channels, *shape)
    codes = Encoder(channels, shape, code=5, width=2)(images)
    assert codes.shape == (2, 5)
    rebuilt = Decoder(channels, shape, code=5, width=2)(codes)
    assert rebuilt.shape == images.shape
    assert 0 <= rebuilt.min() < rebuilt.max() <= 1


def test_four_strided_convolutions_at_128():
    encoder = Encoder(3, (128, 128), code=32, width=16)
    convolutions = [layer for layer in encoder.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [(layer.out_channels, layer.stride) for layer in convolutions] == [
        (16, (2, 2)),
        (32, (2, 2)),
        (64, (2, 2)),
        (128, (2, 2)),
    ]


def test_small_images_are_halved_less():
    assert [halvings((side, side)) for side in (16, 28, 64, 128, 256)] == [1, 2, 3, 4, 5]
