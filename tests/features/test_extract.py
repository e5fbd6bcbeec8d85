import numpy as np
import pytest
import torch
from torch import nn

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.engines.export import blank, to_onnx
from knowngood.errors import DataError, RecipeError
from knowngood.features.extract import _extract_in_torch, extract, few, resolve_device
from knowngood.features.frozen import FrozenFeatures


class Two(nn.Module):
    """The mean colour of an image, and its red channel."""

    def forward(self, images):
        values = images.float()
        return values.mean(dim=(1, 2)), values[..., 0]


def two():
    return FrozenFeatures(to_onnx(Two(), {"images": blank((8, 12))}, ["mean", "red"]), Two)


@pytest.fixture
def photos():
    return list(np.random.default_rng(0).integers(0, 256, size=(11, 8, 12, 3), dtype=np.uint8))


@pytest.mark.parametrize("in_torch", [False, True])
def test_each_image_in_order_without_the_batch_dimension(photos, in_torch):
    images = ImageSet(photos, Reading((8, 12)))
    # What a GPU does differs by its device alone.
    if in_torch:
        stream = _extract_in_torch(Two(), images, "cpu", 1)
        found = [(index, [array[0] for array in arrays]) for index, arrays in stream]
    else:
        stream = extract(two(), images, device="cpu")
        found = [(index, [tensor.clone() for tensor in tensors]) for index, tensors in stream]
    assert [index for index, _ in found] == list(range(11))
    for photo, (_, (mean, red)) in zip(photos, found, strict=True):
        np.testing.assert_allclose(mean, photo.mean(axis=(0, 1)), rtol=1e-5)
        np.testing.assert_array_equal(red, photo[..., 0])


def test_what_cannot_be_read_is_left_out_or_an_error(photos, tmp_path):
    (tmp_path / "broken.png").write_text("not an image")
    sources = [tmp_path / "broken.png", *photos[:2], tmp_path / "broken.png", photos[2]]
    skipping = ImageSet(sources, Reading((8, 12)), on_unreadable=[].append)
    assert [index for index, _ in extract(two(), skipping, device="cpu")] == [1, 2, 4]
    with pytest.raises(DataError, match=r"broken\.png"):
        list(extract(two(), ImageSet(sources, Reading((8, 12))), device="cpu"))


def test_the_device_is_one_of_this_machine(monkeypatch):
    assert resolve_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    for device, reason in {
        "cuda": "not usable",
        "cuda:0": "not usable",
    }.items():
        with pytest.raises(RecipeError, match=f"device='{device}' is {reason}"):
            resolve_device(device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == "cuda"
    assert resolve_device("cuda:0") == "cuda:0"


def test_a_few_are_drawn_by_the_seed_from_those_that_can_be_read(photos, tmp_path):
    (tmp_path / "broken.png").write_text("not an image")
    images = ImageSet([tmp_path / "broken.png", *photos], Reading((8, 12)))
    drawn = few(images, 5, seed=1)
    assert drawn.shape in {(4, 8, 12, 3), (5, 8, 12, 3)}
    assert all(any(np.array_equal(one, photo) for photo in photos) for one in drawn)
    np.testing.assert_array_equal(drawn, few(images, 5, seed=1))
    assert not np.array_equal(drawn[:4], few(images, 5, seed=2)[:4])
    assert len(few(images, 100, seed=0)) == len(photos)
    assert few(ImageSet([tmp_path / "broken.png"], Reading((8, 12))), 5, seed=0).shape == (0, 8, 12, 3)
