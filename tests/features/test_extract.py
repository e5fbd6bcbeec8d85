import numpy as np
import pytest
import torch
from torch import nn

from knowngood.data.loader import Batches
from knowngood.errors import DataError, RecipeError
from knowngood.features.extract import extract, resolve_device


class Two(nn.Module):
    """The mean colour of an image, and its red channel."""

    def forward(self, images):
        values = images.float()
        return values.mean(dim=(1, 2)), values[..., 0]


@pytest.fixture
def photos():
    return list(np.random.default_rng(0).integers(0, 256, size=(11, 8, 12, 3), dtype=np.uint8))


def test_each_image_in_order_without_the_batch_dimension(photos):
    stream = extract(Two(), Batches(photos, (8, 12), size=4), outputs=2, device="cpu")
    found = [(index, [tensor.clone() for tensor in tensors]) for index, tensors in stream]
    assert [index for index, _ in found] == list(range(11))
    for photo, (_, (mean, red)) in zip(photos, found, strict=True):
        np.testing.assert_allclose(mean, photo.mean(axis=(0, 1)), rtol=1e-5)
        np.testing.assert_array_equal(red, photo[..., 0])


def test_what_cannot_be_read_is_left_out_or_an_error(photos, tmp_path):
    (tmp_path / "broken.png").write_text("not an image")
    sources = [tmp_path / "broken.png", *photos[:2], tmp_path / "broken.png", photos[2]]
    skipping = Batches(sources, (8, 12), on_unreadable=[].append)
    assert [index for index, _ in extract(Two(), skipping, outputs=2, device="cpu")] == [1, 2, 4]
    with pytest.raises(DataError, match=r"broken\.png"):
        list(extract(Two(), Batches(sources, (8, 12)), outputs=2, device="cpu"))


def test_the_device_is_one_of_this_machine(monkeypatch):
    assert resolve_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    for device, reason in {
        "cuda": "not usable",
        "cuda:0": "not usable",
        "tpu": "not known",
        "": "not known",
    }.items():
        with pytest.raises(RecipeError, match=f"device='{device}' is {reason}"):
            resolve_device(device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == "cuda"
    assert resolve_device("cuda:0") == "cuda:0"
